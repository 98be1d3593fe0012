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


RECURRENT = """
import torch
import torch.nn as nn


class Net(nn.Module):
    def __init__(self, **kwargs):
        super().__init__()
        self.gru = nn.GRU(20, 30, batch_first=True, **kwargs)
        self.cell = nn.LSTMCell(20, 30)
        self.attention = nn.MultiheadAttention(20, 4, **kwargs)
        self.loss = nn.BCEWithLogitsLoss(**kwargs)
        self.reset_parameters()

    def reset_parameters(self):
        self.gru.reset_parameters()
        self.cell.reset_parameters()
        self.attention._reset_parameters()

    def forward(self, x):
        return self.gru(x)[0]
"""


def test_recurrent_layers_are_drawn_anew_each_weight_by_itself() -> None:
    result = translate(RECURRENT)
    assert not result.refused
    net = load(result.text, "reset", wide=False).Net()
    rows = {v.path: v.numpy() for layer in (net.gru, net.cell) for v in layer.weights}
    kept, biases = net.attention.out_proj.kernel.numpy(), [net.attention.in_proj_bias, net.attention.out_proj.bias]
    for bias in biases:
        bias.assign(tf.ones(bias.shape))
    before = net.attention.in_proj_weight.numpy()
    net.reset_parameters()
    for variable in (*net.gru.weights, *net.cell.weights):
        now, bound = variable.numpy(), 30**-0.5
        assert np.abs(now - rows[variable.path]).max() > 0.01
        assert np.abs(now).max() <= bound and abs(now.std() * 3**0.5 / bound - 1) < 0.2
    for layer in (net.gru, net.cell):
        biases_of = [v.numpy() for v in layer.weights if len(v.shape) == 1]
        assert np.abs(biases_of[0] - biases_of[1]).max() > 0.01
    after = net.attention.in_proj_weight.numpy()
    assert np.abs(after - before).max() > 0.01 and np.abs(after).max() <= (6 / 80) ** 0.5
    assert not any(bias.numpy().any() for bias in biases)
    np.testing.assert_array_equal(net.attention.out_proj.kernel.numpy(), kept)


def test_a_layer_that_is_not_built_has_nothing_to_draw() -> None:
    from translator.helpers.tf.initializer import draw_anew

    draw_anew(keras.layers.Dense(3))
