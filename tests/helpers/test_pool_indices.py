"""Maximum pooling with indices and its inverse, through the translation of a model that pools and unpools."""

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
        self.pool = nn.MaxPool{n}d({settings}, return_indices=True)
        self.unpool = nn.{unpool}({back})

    def forward(self, x):
        y, places = self.pool(x)
        return self.unpool(torch.tanh(y), places{size}), places
"""
X = {1: (2, 3, 9), 2: (2, 3, 9, 8), 3: (2, 2, 5, 6, 4)}


@pytest.mark.parametrize(
    "unpool, settings, back, size",
    [
        ("MaxUnpool1d", "2", "2", ", output_size=x.size()"),
        ("MaxUnpool1d", "3, 2, padding=1", "3, 2, 1", ""),
        ("MaxUnpool2d", "2, stride=2", "kernel_size=2, stride=2", ", output_size=x.shape[2:]"),
        ("MaxUnpool2d", "(3, 2), (2, 1), ceil_mode=True", "(3, 2), (2, 1)", ", output_size=(10, 8)"),
        ("MaxUnpool3d", "2", "2", ", x.size()"),
    ],
)
def test_there_and_back(unpool: str, settings: str, back: str, size: str) -> None:
    tf = pytest.importorskip("tensorflow")
    import torch

    n = int(unpool[-2])
    program = PROGRAM.format(n=n, settings=settings, unpool=unpool, back=back, size=size)
    translation = translate(program)
    assert not [d for d in translation.diagnostics if d.severity is Severity.ERROR], translation.text
    data = np.random.default_rng(3).standard_normal(X[n])
    with precision("float64"):
        source, target = load(program, "torch"), load(translation.text, "tf")
        x = torch.tensor(data, requires_grad=True)
        expected, places = source.Net()(x)
        expected.sin().sum().backward()
        net, y = target.Net(), tf.constant(data)
        with tf.GradientTape() as tape:
            tape.watch(y)
            actual, found = net(y)
            loss = tf.reduce_sum(tf.sin(actual))
        gradient = tape.gradient(loss, y)
        traced = tf.function(net)(y)[0]
    unload(source)
    unload(target)
    np.testing.assert_array_equal(found, places.numpy())
    np.testing.assert_allclose(actual, expected.detach().numpy(), rtol=1e-12)
    np.testing.assert_allclose(traced, expected.detach().numpy(), rtol=1e-12)
    np.testing.assert_allclose(gradient, x.grad.numpy(), rtol=1e-12)
