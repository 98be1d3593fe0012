"""Small programs whose translations run beside them: outputs, gradients and buffers agree in float64."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import pytest

from snippets import run
from translator.model import Severity

HEAD = """import torch
import torch.nn as nn
import torch.nn.functional as F
import torch.utils.checkpoint as cp
from torch import Tensor
"""


@dataclass(frozen=True)
class Program:
    """A class ``Net``, its arguments, its inputs, and what its translation says."""

    source: str
    inputs: dict[str, Any] = field(default_factory=lambda: {"x": "float[2,3,5]"})
    init: dict[str, Any] = field(default_factory=dict)
    says: tuple[str, ...] = ()
    never: tuple[str, ...] = ()


PROGRAMS = {
    "a function that asks for gradients, before a method that checkpoints": Program(
        """
class Net(nn.Module):
    def __init__(self, save: bool = False):
        super().__init__()
        self.norm = nn.BatchNorm1d(3, momentum=0.0)
        self.save = save

    def run(self, inputs: list[Tensor]) -> Tensor:
        return self.norm(torch.cat(inputs, 2))

    def asks(self, inputs: list[Tensor]) -> bool:
        for tensor in inputs:
            if tensor.requires_grad:
                return True
        return False

    @torch.jit.unused
    def saving(self, inputs: list[Tensor]) -> Tensor:
        def closure(*inputs):
            return self.run(inputs)

        return cp.checkpoint(closure, *inputs, use_reentrant=False)

    @torch.jit._overload_method
    def forward(self, x: list[Tensor]) -> Tensor:
        pass

    def forward(self, x: Tensor) -> Tensor:
        if self.save and self.asks([x]):
            return self.saving([x])
        return self.run([x])
""",
        init={"save": True},
        says=("        if self.save:\n", "def closure(*inputs):", "return self.run(inputs, training=training)"),
        never=("asks", "pass\n"),
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", PROGRAMS)
def test_program(name: str) -> None:
    pytest.importorskip("torch")
    pytest.importorskip("tensorflow")
    from translator.compare import compare_program

    program = PROGRAMS[name]
    source = HEAD + program.source
    translation = run(source)
    assert not [d for d in translation.diagnostics if d.severity is Severity.ERROR], translation.diagnostics
    for text in program.says:
        assert text in translation.text, translation.text
    for text in program.never:
        assert text not in translation.text, translation.text
    result = compare_program(source, translation.text, "Net", program.init, [program.inputs], single=False)
    assert result.ok, f"\n{result}\n{translation.text}"
