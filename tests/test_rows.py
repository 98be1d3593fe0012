"""Every sample of every row of the mapping tables computes the same in both frameworks.

Values, shapes, integer dtypes and gradients in float64, in eval and train mode; then the same call in every other
way to write it: by keyword in another order, by position, with defaults written out, under the row's other names.
"""

from __future__ import annotations

import ast
import os
import re
import zlib
from functools import lru_cache
from typing import Any

import pytest

import row_samples as rows
from row_samples import Sample
from translator import Severity, translate
from translator.compare import Quantity, compare_values, draw_inputs, load, precision, still_uses, unload
from translator.compare.edges import AtEdge
from translator.compare.noise import fill
from translator.compare.running import tf_arguments, tf_call, torch_call
from translator.model import Edge

TOLERANCE = 1e-9
SAMPLES, REFUSING, BROKEN = rows.samples()
EVERY, LAST = bool(os.environ.get("XLATE_EVERY")), "channels_last"
IMPORTS = {line for line in rows.HEADER.splitlines() if "torch" in line}


def test_tables_can_be_read() -> None:
    assert not BROKEN


@pytest.mark.parametrize("sample", SAMPLES, ids=lambda s: s.label)
def test_sample(sample: Sample) -> None:
    pytest.importorskip("torch")
    pytest.importorskip("tensorflow")
    with precision("float64"):
        if sample.makes_layer:
            check_layer(sample)
        else:
            check_function(sample)


@pytest.mark.parametrize("sample", SAMPLES, ids=lambda s: s.label)
def test_sample_with_channels_last(sample: Sample) -> None:
    """What the axis order changes is run in that order, too."""
    if not EVERY and zlib.crc32(sample.label.encode()) % 5:
        pytest.skip("one in five; XLATE_EVERY runs all")
    pytest.importorskip("torch")
    pytest.importorskip("tensorflow")
    made = rows.layer_source(sample, {"Plain": sample.code}) if sample.makes_layer else None
    source = made or rows.function_source(sample, {"plain": sample.code})
    if translated(source)[0] == translated(source, LAST)[0]:
        pytest.skip("the axis order changes nothing")
    with precision("float64"):
        check = check_layer if sample.makes_layer else check_function
        check(sample, every_form=False, layout=LAST)


def valid_variants(sample: Sample, source: Any, run: Any) -> dict[str, str]:
    """The other ways to write the call that PyTorch itself accepts."""
    found = {}
    for name, code in rows.variants(sample).items():
        module = load(source(sample, {name: code}), "variant")
        try:
            run(getattr(module, name))
        except (TypeError, RuntimeError, ValueError, AttributeError, NotImplementedError):
            continue
        finally:
            unload(module)
        found[name] = code
    return found


@lru_cache(maxsize=4)
def translated(source: str, layout: str = "channels_first") -> tuple[str, tuple[Edge, ...]]:
    """The translation of a program, and its edges; fails on any refusal and on any remaining use of torch.

    What becomes of ``example``, which only shows the ranks and dtypes of inputs, is left out.
    """
    result = translate(source, layout=layout)
    lines = source.splitlines()
    end = lines.index("def example():") + 1
    errors = [d for d in result.diagnostics if d.severity is Severity.ERROR and d.line < end]
    said = "\n".join(f"  {lines[d.line - 1].strip()}\n    {d.code} {d.message}" for d in errors)
    tree = ast.parse(result.text)
    tree.body = [n for n in tree.body if getattr(n, "name", "") != "example"]
    if result.refused:
        tree.body = [n for n in tree.body if ast.unparse(n) not in IMPORTS]
    text = ast.unparse(tree)
    assert not errors, f"refused:\n{said}\n{text}"
    assert not still_uses(text, "torch"), f"still uses torch:\n{text}"
    return text, result.edges


def problems(found: list[Quantity], text: str) -> str:
    bad = [str(q) for q in found if not q.ok(TOLERANCE)]
    return "\n".join([*bad, text]) if bad else ""


def without_helpers(text: str, names: list[str]) -> str:
    """Only the functions and classes of the sample, for messages."""
    tree = ast.parse(text)
    return "\n".join(ast.unparse(n) for n in tree.body if getattr(n, "name", None) in names)


def check_function(sample: Sample, *, every_form: bool = True, layout: str = "channels_first") -> None:
    """Run a sample as a function in both frameworks; without ``every_form`` only as it is written."""
    arrays = draw_inputs(sample.inputs, seed=3)

    def try_it(function: Any) -> None:
        torch_call(function, arrays, {}, grad=False)

    codes = {"plain": sample.code} | (valid_variants(sample, rows.function_source, try_it) if every_form else {})
    source = rows.function_source(sample, codes)
    text, edges = translated(source, layout)
    torch_module, tf_module = load(source, "torch"), load(text, "tf")
    values = not sample.options.get("random", False)
    grad = sample.options.get("grad", True) and values
    args = tf_arguments(arrays)
    for name in codes:
        with_grad = grad and name == "plain"
        expected, grads = torch_call(getattr(torch_module, name), arrays, {}, grad=with_grad)
        actual, tf_grads = tf_call(AtEdge(getattr(tf_module, name), edges, name), args, {}, grad=with_grad)
        found = compare_values(f"{name} result", expected, actual, values=values)
        found += compare_values(f"{name} gradient", grads, {k: tf_grads.get(k) for k in grads})
        said = problems(found, without_helpers(text, [name]))
        assert not said, said
    unload(torch_module)
    unload(tf_module)


def check_layer(sample: Sample, *, every_form: bool = True, layout: str = "channels_first") -> None:
    """Run a sample as a layer in both frameworks; without ``every_form`` only as it is written."""
    arrays = draw_inputs(sample.inputs, seed=3)

    def try_it(make: Any) -> None:
        torch_call(make().eval(), arrays, {}, grad=False)

    codes = {"Plain": sample.code} | (valid_variants(sample, rows.layer_source, try_it) if every_form else {})
    source = rows.layer_source(sample, codes)
    text, edges = translated(source, layout)
    torch_module, tf_module = load(source, "torch"), load(text, "tf")
    for name in codes:
        found = compare_layers(sample, getattr(torch_module, name)(), getattr(tf_module, name)(), arrays, name, edges)
        said = problems(found, without_helpers(text, [name]))
        assert not said, said
    unload(torch_module)
    unload(tf_module)


def compare_layers(
    sample: Sample, module: Any, layer: Any, arrays: dict[str, Any], name: str, edges: tuple[Edge, ...] = ()
) -> list[Quantity]:  # fmt: skip
    """Weights filled with noise and copied; then eval and train mode, the latter unless it is random."""
    from translator import weights
    from translator.compare.running import projected_gradients

    values = not sample.options.get("random", False)
    grad = sample.options.get("grad", True) and values
    args = tf_arguments(arrays)
    torch_call(module.double().eval(), arrays, {}, grad=False)  # lazy layers get their sizes here
    fill(module, seed=5)
    edged = AtEdge(layer, edges)
    edged(**args, training=False)
    report = weights.copy(module, layer)
    assert report.ok, f"{name}: weights: {report}"
    pairs = weights.pair_up(module, layer).pairs
    found = []
    for training in (False,) if sample.options.get("eval_only") else (False, True):
        mode = f"{name} {'train' if training else 'eval'}"
        module.train(training)
        found += projected_gradients(module, edged, pairs, arrays, mode, training, grad=grad, values=values)
    return found


def minimal_use(row: Any) -> str | None:
    """A call of an API with as many tensors as it requires; ``None`` if that cannot be said."""
    name = row.torch[0]
    signature = rows.signatures("torch").get(name)
    if signature is None or not signature.overloads or signature.kind not in ("function", "method"):
        return None
    required = [p for p in signature.overloads[0] if p.default is None and p.kind in ("po", "pk") and p.name != "self"]
    args = ", ".join("x" for _ in required)
    if name.startswith("torch.Tensor."):
        return f"x.{name.rpartition('.')[2]}({args})"
    return f"{name}({args})"


USES = [(row, use) for row in REFUSING if (use := minimal_use(row)) is not None and not row.when]


@pytest.mark.parametrize("row, use", USES, ids=[f"{r.file}:{r.number}:{r.torch[0]}" for r, _ in USES])
def test_refused(row: Any, use: str) -> None:
    result = translate(f"{rows.HEADER}\n\ndef f(x):\n    return {use}\n\n\ndef example():\n    f(torch.zeros(2, 3))\n")
    said = [d.message for d in result.diagnostics if d.severity is Severity.ERROR]
    assert any(row.refuse in message for message in said), f"{use}: {said}"
    assert re.search(r"# xlate: XL\d+", result.text)
