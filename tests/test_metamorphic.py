"""Programs written differently translate to the same: changes that mean nothing go through the translation unchanged.

For every fixture: translating a changed program gives what changing the translated program gives, with the same
findings. A few of them are run in both frameworks, too.
"""

from __future__ import annotations

import ast
import os
from collections import Counter
from functools import cache
from pathlib import Path
from typing import Any

import pytest

import metamorphic
from metamorphic import Change, normal
from translator import Direction, Translation, translate

FIXTURES = Path(__file__).resolve().parent.parent / "fixtures"
EVERY = bool(os.environ.get("XLATE_EVERY"))
MODELS = {Direction.TORCH2TF: "torch_model.py", Direction.TF2TORCH: "tf_model.py"}
METHODS = {Direction.TORCH2TF: {"forward": "call"}, Direction.TF2TORCH: {"call": "forward"}}
ROOTS = {Direction.TORCH2TF: ("torch",), Direction.TF2TORCH: ("tensorflow", "keras")}
LAYERS = {Direction.TORCH2TF: "torch.nn", Direction.TF2TORCH: "tensorflow.keras.layers"}
GAPS = {
    "transformer-outlined", "tf_attention_text-outlined", "tf_inception-outlined", "tf_functional_resnet-outlined",
}  # fmt: skip
"""What is not seen through yet: a list of copied layers, or a Keras graph, that gets a name before it is returned."""
CHANGES = ("formatted", "reordered", "aliased", "imported", "renamed", "outlined", "inlined")


def cases() -> list[Any]:
    out = []
    for direction, name in MODELS.items():
        paths = sorted(FIXTURES.glob(f"*/{name}"))
        for i, path in enumerate(paths):
            for j, change in enumerate(CHANGES):
                if f"{path.parent.name}-{change}" in GAPS or (change == "renamed" and _names_matter(direction, path)):
                    continue
                if EVERY or (i + j) % (2 * len(CHANGES)) == 0:
                    out.append(pytest.param(direction, path, change, id=f"{path.parent.name}-{change}"))
    return out


def _names_matter(direction: Direction, path: Path) -> bool:
    """Whether variables give their names to what the translation makes of them: layers of graphs, steps of loops."""
    return direction is Direction.TF2TORCH or path.parent.name.startswith("train")


@cache
def original(direction: Direction, path: Path) -> Translation:
    return translate(path.read_bytes(), direction, path=str(path))


def changes(name: str, direction: Direction, tree: ast.Module) -> tuple[Change, Change | None]:
    """A change of the program, and that of both translations before they are compared."""
    if name == "formatted":
        return lambda t: t, None
    if name == "aliased":
        return metamorphic.aliased(ROOTS[direction]), None
    if name == "imported":
        return metamorphic.imported(LAYERS[direction]), None
    if name == "reordered":
        return metamorphic.reordered, None
    if name == "renamed":
        change = metamorphic.renaming(tree, METHODS[direction])
        return change, change
    return getattr(metamorphic, name), metamorphic.inlined


def changed_program(direction: Direction, path: Path, name: str) -> tuple[str, Change | None]:
    tree = ast.parse(path.read_text("utf-8"))
    before, after = changes(name, direction, tree)
    return ast.unparse(before(tree)) + "\n", after


@pytest.mark.parametrize(("direction", "path", "name"), cases())
def test_translation_and_change_commute(direction: Direction, path: Path, name: str) -> None:
    plain = original(direction, path)
    text, after = changed_program(direction, path, name)
    changed = translate(text, direction, path=str(path))
    both = after if name in ("outlined", "inlined") else None
    assert normal(changed.text, changed.helpers, both) == normal(plain.text, plain.helpers, after)
    said = [Counter((d.code, d.severity) for d in one.diagnostics) for one in (plain, changed)]
    assert said[0] == said[1]
    assert plain.helpers == changed.helpers
