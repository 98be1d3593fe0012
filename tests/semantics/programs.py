"""The cases as programs: sources of PyTorch code, and what both versions of one give."""

from __future__ import annotations

import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from row_samples import zeros
from translator import Severity, translate
from translator.compare import draw_inputs, load, parse_spec, precision, unload
from translator.compare.running import tf_arguments

HERE = Path(__file__).parent
TORCH = "import torch\nimport torch.nn as nn\nimport torch.nn.functional as F\n\n"
TF = "import keras\nimport tensorflow as tf\n\n"
TOLERANCE = {"float64": 1e-9, "float32": 1e-5}

NET = '''
class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.w = nn.Parameter(torch.ones(4))
        self.b = nn.Parameter(torch.ones(3))

    def forward(self, g, h):
        return (self.w * g).sum() + (self.b * h).sum()

def run(g, h):
    net = Net()
    opt = {optimizer}
    {schedule}
    for epoch in range(5):
        for step in range(2):
            opt.zero_grad()
            loss = net(g[2 * epoch + step], h[2 * epoch + step])
            loss.backward()
            {before}
            opt.step()
        {stepped}
    return net.w, net.b
'''


def read(name: str) -> dict[str, dict[str, Any]]:
    """The groups of cases of one file; a file without groups is one."""
    found = tomllib.loads((HERE / name).read_text("utf-8"))
    plain = all("about" in case or "layer" in case for case in found.values())
    return {name.removesuffix(".toml"): found} if plain else found


def cases(name: str) -> list[Any]:
    return [pytest.param(id_, case, id=id_) for group in read(name).values() for id_, case in group.items()]


def training_source(case: dict[str, Any]) -> str:
    """A program that trains two parameters with an optimizer or a schedule for ten steps."""
    momentum = ", momentum=0.9" if "OneCycle" in case.get("schedule", "") else ""
    optimizer = case.get("optimizer", f"torch.optim.SGD(net.parameters(), lr=0.1{momentum})")
    schedule = f"schedule = {case['schedule']}" if "schedule" in case else ""
    stepped = f"schedule.step({case.get('metric', '')})" if schedule else ""
    text = NET.format(optimizer=optimizer, schedule=schedule, stepped=stepped, before=case.get("before", ""))
    return TORCH + "\n".join(line for line in text.splitlines() if line.strip()) + "\n"


def source_of(case: dict[str, Any]) -> str:
    """A case's program, with a call that shows the inputs' sizes and types."""
    examples = ", ".join(zeros(v) for v in inputs_of(case).values())
    examples = examples if case.get("shown", True) else ""
    shown = f"\n\ndef example():\n    run({examples})\n" if examples else ""
    return f"{TORCH}{case['torch']}{shown}"


def inputs_of(case: dict[str, Any]) -> dict[str, Any]:
    return {k: v for k, v in case.items() if parse_spec(v) is not None}


def translated(source: str, direction: str = "torch2tf", fidelity: str = "exact") -> str:
    result = translate(source, direction, fidelity=fidelity, layout="channels_first")
    lines = source.splitlines()
    end = lines.index("def example():") + 1 if "def example():" in lines else len(lines) + 1
    refusals = [d for d in result.diagnostics if d.severity is Severity.ERROR and d.line < end]
    errors = [f"{d.line}: {d.code} {d.message}" for d in refusals]
    assert not errors, "\n".join([*errors, result.text])
    return result.text


def both(source: str, text: str, case: dict[str, Any]) -> Iterator[Any]:
    """What `run` of the PyTorch program gives, then that of the TensorFlow one; exceptions are given, too."""
    import torch

    wide = case.get("precision", "float64") == "float64"
    arrays = draw_inputs(inputs_of(case), seed=3)
    yield outcome(source, {k: torch.tensor(v) for k, v in arrays.items()}, case, wide)
    yield outcome(text, tf_arguments(arrays), case, wide)


def outcome(text: str, given: dict[str, Any], case: dict[str, Any], wide: bool) -> Any:
    module = load(text, "semantics", wide=wide)
    try:
        return traced(module.run, given) if case.get("traced") and "tensorflow" in text else module.run(**given)
    except Exception as error:
        if not (case.get("raises") or case.get("deviates")):
            raise
        return error
    finally:
        unload(module)


def traced(function: Any, given: dict[str, Any]) -> Any:
    """Call a function inside of `tf.function` that knows no size of its inputs."""
    import tensorflow as tf

    signature = [tf.TensorSpec([None] * len(v.shape), v.dtype) for v in given.values()]
    return tf.function(lambda *args: function(*args), input_signature=signature)(*given.values())


def in_precision(case: dict[str, Any]) -> Any:
    return precision(case.get("precision", "float64"))
