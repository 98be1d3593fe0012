"""Samples of the mapping tables that `torch2tf` writes with helpers: `tf2torch` reads the helpers back.

A sample that comes back computes what it computed: values, shapes and gradients in float64, both in PyTorch. One that
does not come back says so. The sample set is large: one in thirty in ordinary runs, all of them with XLATE_EVERY=1.
"""

from __future__ import annotations

import os
from typing import Any

import pytest

import row_samples as rows
from row_samples import Sample
from translator import Severity, Translation, translate
from translator.compare import compare_values, draw_inputs, load, precision, still_uses, unload
from translator.compare.dropout import dropout_off
from translator.compare.noise import fill
from translator.compare.running import torch_call

SAMPLES = rows.samples()[0]
EVERY = bool(os.environ.get("XLATE_EVERY"))
LAYOUTS = ("channels_first", "channels_last")


def source_of(sample: Sample) -> str:
    """The sample as a program that shows ranks and types, and is the program's own otherwise."""
    make = rows.layer_source if sample.makes_layer else rows.function_source
    return make(sample, {"Plain": sample.code})


def trip(source: str, layout: str) -> tuple[Translation, Translation]:
    there = translate(source, "torch2tf", layout=layout)
    return there, translate(there.text, "tf2torch")


def refusals(translation: Translation) -> list[str]:
    return [f"{d.code} {d.message}" for d in translation.diagnostics if d.severity is Severity.ERROR]


def compared(sample: Sample, source: str, back: str) -> str:
    """What differs between a sample and what came back, in words."""
    with precision("float64", ("torch",)), dropout_off(("torch",)):
        modules = [load(source, "there"), load(back, "back")]
        try:
            return _differences(sample, *[m.Plain for m in modules])
        finally:
            for module in modules:
                unload(module)


def _differences(sample: Sample, ours: Any, theirs: Any) -> str:
    import torch

    values = not sample.options.get("random", False)
    grad = sample.options.get("grad", True) and values
    arrays = draw_inputs(sample.inputs, seed=3)
    bad: list[str] = []
    modes = [False]
    if sample.makes_layer:
        torch.manual_seed(0)
        ours, theirs = ours().double(), theirs().double()
        modes = [False] if sample.options.get("eval_only") else [False, True]
        for module in (ours, theirs):  # lazy modules have their weights from here on
            torch_call(module.eval(), arrays, {}, grad=False)
            module.double()
        fill(ours, 5)
        theirs.load_state_dict(ours.state_dict())
    for training in modes:
        if sample.makes_layer:
            ours.train(training), theirs.train(training)
        torch.manual_seed(1)
        expected, grads = torch_call(ours, arrays, {}, grad=grad)
        torch.manual_seed(1)
        actual, found = torch_call(theirs, arrays, {}, grad=grad)
        quantities = compare_values("result", expected, actual, values=values)
        quantities += compare_values("gradient", grads, {k: found.get(k) for k in grads})
        bad += [str(q) for q in quantities if not q.ok(1e-9)]
    return "; ".join(bad)


CASES = [(sample, layout) for sample in SAMPLES for layout in LAYOUTS]


@pytest.mark.parametrize(("sample", "layout"), CASES, ids=[f"{s.label}-{lay}" for s, lay in CASES])
def test_a_helper_comes_back(sample: Sample, layout: str) -> None:
    pytest.importorskip("torch")
    if not EVERY and hash_of(sample.label + layout) % 30:
        pytest.skip("sampled; XLATE_EVERY=1 runs all")
    source = source_of(sample)
    there, back = trip(source, layout)
    if not there.helpers or refusals(there):
        pytest.skip("no helper stands for it")
    if refusals(back):
        assert still_uses(back.text, "tensorflow") or "# xlate:" in back.text
        pytest.skip("not read back: " + refusals(back)[0][:80])
    assert not still_uses(back.text, "tensorflow")
    said = compared(sample, source, back.text)
    assert not said, f"{said}\n{there.text[-900:]}\n{back.text}"


def hash_of(text: str) -> int:
    """A number that is the same in every process."""
    import zlib

    return zlib.crc32(text.encode())
