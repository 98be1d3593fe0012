"""``layer.reset_parameters()``: weights are drawn anew as they started."""

from __future__ import annotations

import numpy as np
import pytest

tf = pytest.importorskip("tensorflow")

import keras  # noqa: E402

from translator import translate  # noqa: E402
from translator.compare import load  # noqa: E402

SOURCE = """
import torch
import torch.nn as nn


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.linear = nn.Linear(40, 50)
        self.norm = nn.BatchNorm1d(50)
        self.reset_parameters()

    def reset_parameters(self):
        self.linear.reset_parameters()
        self.norm.reset_parameters()

    def forward(self, x):
        return self.norm(self.linear(x))
"""


def test_weights_are_drawn_anew() -> None:
    result = translate(SOURCE)
    assert not result.refused
    net = load(result.text, "reset", wide=False).Net()
    x = tf.random.normal((8, 40))
    net(x, training=True)
    before = net.linear.kernel.numpy()
    net.linear.bias.assign(tf.ones(50))
    net.reset_parameters()
    after = net.linear.kernel.numpy()
    assert np.abs(after - before).max() > 0.01
    assert abs(after.std() / before.std() - 1) < 0.1
    assert not net.linear.bias.numpy().any()
    np.testing.assert_array_equal(net.norm.moving_mean.numpy(), np.zeros(50))
    np.testing.assert_array_equal(net.norm.moving_variance.numpy(), np.ones(50))


def test_a_layer_that_is_not_built_has_nothing_to_draw() -> None:
    from translator.helpers.tf.initializer import draw_anew

    draw_anew(keras.layers.Dense(3))
