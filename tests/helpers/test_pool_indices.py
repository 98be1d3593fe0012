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


SEGMENTS = """
import torch
import torch.nn.functional as F
from torch import nn


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.down = nn.Conv2d(3, 6, 3, padding=1)
        self.pool = nn.MaxPool2d(2, 2, return_indices=True)
        self.unpool = nn.MaxUnpool2d(2, 2)
        self.up = nn.Conv2d(6, 4, 3, padding=1)

    def forward(self, x):
        x = F.relu(self.down(x))
        size = x.size()
        x, places = self.pool(x)
        return self.up(self.unpool(x * 2, places, output_size=size)), places
"""


def test_between_convolutions_with_channels_last() -> None:
    tf = pytest.importorskip("tensorflow")
    import torch

    from translator import weights

    translation = translate(SEGMENTS)
    assert "self.down = keras.layers.Conv2D(6, 3, padding='same')" in translation.text.replace('"', "'")
    data = np.random.default_rng(3).standard_normal((2, 3, 9, 8))
    with precision("float64"):
        source, target = load(SEGMENTS, "torch"), load(translation.text, "tf")
        module, net = source.Net().double(), target.Net()
        net(tf.constant(np.moveaxis(data, 1, -1)))
        assert weights.copy(module, net).ok
        expected, places = module(torch.tensor(data))
        actual, found = net(tf.constant(np.moveaxis(data, 1, -1)))
    unload(source)
    unload(target)
    np.testing.assert_array_equal(found, places.numpy())
    np.testing.assert_allclose(np.moveaxis(actual.numpy(), -1, 1), expected.detach().numpy(), rtol=1e-9, atol=1e-12)
