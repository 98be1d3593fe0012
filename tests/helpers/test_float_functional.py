"""Models that are meant to be quantised compute what their float form does."""

from __future__ import annotations

import numpy as np
import pytest

from translator import Severity, translate
from translator.compare import load, unload
from translator.compare.precision import precision

PROGRAM = """
import torch
from torch import nn


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.quant = torch.ao.quantization.QuantStub()
        self.dequant = torch.ao.quantization.DeQuantStub()
        self.join = nn.quantized.FloatFunctional()
        self.ops = torch.ao.nn.quantized.FloatFunctional()

    def forward(self, x, y):
        x, y = self.quant(x), self.quant(y)
        z = self.join.cat([self.ops.add(x, y), self.ops.mul(x, y), self.ops.add_relu(x, y)], dim=1)
        z = self.ops.mul_scalar(self.ops.add_scalar(z, 0.5), 2.0)
        return self.dequant(self.ops.matmul(z, z.transpose(1, 2)))
"""


def test_float_model() -> None:
    pytest.importorskip("tensorflow")
    import tensorflow as tf
    import torch

    translation = translate(PROGRAM)
    assert not [d for d in translation.diagnostics if d.severity is Severity.ERROR], translation.text
    x, y = np.random.default_rng(3).standard_normal((2, 2, 3, 4))
    with precision("float64"):
        source, target = load(PROGRAM, "torch"), load(translation.text, "tf")
        expected = source.Net().double()(torch.tensor(x), torch.tensor(y)).numpy()
        actual = np.asarray(target.Net()(tf.constant(x), tf.constant(y)))
    unload(source)
    unload(target)
    np.testing.assert_allclose(actual, expected, rtol=1e-12)


def test_quantising_is_refused() -> None:
    source = PROGRAM + "\n\nnet = torch.ao.quantization.prepare(Net())\n"
    errors = [d for d in translate(source).diagnostics if d.severity is Severity.ERROR]
    assert [d.code for d in errors] == ["XL203"]
