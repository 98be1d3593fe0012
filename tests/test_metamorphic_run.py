"""Programs written differently compute the same after translation: the translation of the changed program is executed,
in the other framework, against the program as it was.

``test_metamorphic.py`` compares texts for the changes that leave them comparable; this one takes any change.
"""

from __future__ import annotations

import ast
import os
import tomllib
from itertools import islice
from pathlib import Path
from typing import Any

import pytest

import metamorphic
from metamorphic import Change
from test_metamorphic import GAPS, LAYERS, METHODS, MODELS, ROOTS
from translator import Direction, Severity, Translation, translate
from translator.infer.imports import framework_name
from translator.tables import tables

FIXTURES = Path(__file__).resolve().parent.parent / "fixtures"
EVERY = bool(os.environ.get("XLATE_EVERY"))
CHANGES = ("defaulted", "wrapped", "reordered", "renamed", "aliased", "imported", "outlined", "inlined")
SAMPLE = {
    Direction.TORCH2TF: {"mlp": "wrapped", "lenet": "defaulted", "text_cnn": "outlined", "gcn": "renamed"},
    Direction.TF2TORCH: {"tf_custom_layer": "wrapped", "tf_mnist_cnn": "reordered", "tf_conv1d_forecast": "defaulted"},
}
"""What runs where not every program does: one change of a small program each."""


def cases() -> list[Any]:
    out = []
    for direction, name in MODELS.items():
        for path in sorted(FIXTURES.glob(f"*/{name}")):
            case = path.parent / "case.toml"
            models = tomllib.loads(case.read_text("utf-8")).get("model", []) if case.exists() else []
            for change in CHANGES if models else ():
                title = f"{path.parent.name}-{change}"
                if (EVERY and title not in GAPS) or SAMPLE[direction].get(path.parent.name) == change:
                    out.append(pytest.param(direction, path, models[0], change, id=title))
    return out


def default_of(direction: Direction, api: str, param: str) -> object:
    """The default of a parameter in all overloads of an API that have it; ``...`` where there is none."""
    known = tables(direction)
    signature = known.source.get(known.canonical(framework_name(api)))
    overloads = signature.overloads if signature is not None else ()
    texts = {p.default for overload in overloads for p in overload if p.name == param}
    try:
        return ast.literal_eval(texts.pop() or "...") if len(texts) == 1 else ...
    except (ValueError, SyntaxError):
        return ...


def change_of(name: str, direction: Direction, tree: ast.Module) -> Change:
    if name == "defaulted":
        return metamorphic.defaulted(lambda api, param: default_of(direction, api, param))
    if name == "wrapped":
        return metamorphic.wrapped(ROOTS[direction])
    if name == "aliased":
        return metamorphic.aliased(ROOTS[direction])
    if name == "imported":
        return metamorphic.imported(LAYERS[direction])
    if name == "renamed":
        return metamorphic.renaming(tree, METHODS[direction])
    return getattr(metamorphic, name)  # type: ignore[no-any-return]


@pytest.mark.parametrize(("direction", "path", "model", "name"), cases())
def test_the_changed_program_computes_the_same(
    direction: Direction, path: Path, model: dict[str, Any], name: str
) -> None:
    pytest.importorskip("torch")
    pytest.importorskip("tensorflow")
    source = path.read_text("utf-8")
    tree = ast.parse(source)
    changed = ast.unparse(change_of(name, direction, tree)(tree))
    if changed == ast.unparse(tree):
        pytest.skip("the change finds nothing in this program")
    translation = translate(changed, direction)
    refused = [str(d) for d in translation.diagnostics if d.severity is Severity.ERROR]
    assert not refused, "\n".join(refused)
    assert (compared_torch if direction is Direction.TORCH2TF else compared_keras)(source, translation, model)


def compared_torch(source: str, made: Translation, model: dict[str, Any]) -> bool:
    from translator.compare import compare_program

    result = compare_program(
        source, made.text, model["entry"], model.get("init", {}), model["inputs"][:1],
        train=model.get("train", True), graph=False, single=False, edges=made.edges,
    )  # fmt: skip
    assert result.ok, f"\n{result}"
    return True


def compared_keras(source: str, made: Translation, model: dict[str, Any]) -> bool:
    import tf2torch_support as support
    from translator.compare.precision import precision

    with precision("float64"):
        found = support.compare(source, made, model, (False, True) if model.get("train", True) else (False,))
    assert found.weights > 0 and found.worst
    assert max(found.worst.values()) < 1e-9, found.worst
    return True


def test_each_change_changes_something() -> None:
    """Over the fixtures, or until it did in some of them."""
    for direction, file in MODELS.items():
        trees = [ast.parse(p.read_text("utf-8")) for p in sorted(FIXTURES.glob(f"*/{file}"))]
        for name in CHANGES:
            differ = (ast.unparse(t) != ast.unparse(change_of(name, direction, t)(t)) for t in trees)
            assert len(list(islice(filter(None, differ), 2))) == 2, (direction, name)


def test_a_wrong_program_is_seen() -> None:
    pytest.importorskip("torch")
    pytest.importorskip("tensorflow")
    path = FIXTURES / "mlp" / "torch_model.py"
    model = tomllib.loads((path.parent / "case.toml").read_text("utf-8"))["model"][0]
    source = path.read_text("utf-8")
    made = translate(source)
    wrong = made.text.replace("relu", "sigmoid")
    assert wrong != made.text
    with pytest.raises(AssertionError):
        compared_torch(source, Translation(wrong, made.status, edges=made.edges), model)
