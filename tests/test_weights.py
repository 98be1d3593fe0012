"""Weights go over by attribute path, in the right axis order, completely, and come back bit by bit."""

from __future__ import annotations

from typing import Any

import pytest

torch = pytest.importorskip("torch")
keras = pytest.importorskip("keras")

import numpy as np  # noqa: E402
import tensorflow as tf  # noqa: E402
from torch import nn  # noqa: E402

from translator import weights  # noqa: E402
from translator.compare import compare_program  # noqa: E402
from translator.compare.noise import fill  # noqa: E402
from translator.helpers.tf.container import Sequential  # noqa: E402
from translator.weights.converters import CONVERTERS  # noqa: E402


class TorchNet(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Sequential(nn.Conv2d(3, 6, (3, 2)), nn.BatchNorm2d(6), nn.ReLU())
        self.blocks = nn.ModuleList([nn.Linear(6, 5), nn.Linear(5, 7, bias=False)])
        self.heads = nn.ModuleDict({"a": nn.Linear(7, 2), "b": nn.Linear(7, 3)})
        self.layers = nn.Linear(4, 4)
        self.scale = nn.Parameter(torch.zeros(6, 1, 1))
        self.register_buffer("table", torch.zeros(4, 3))

    def forward(self, x: Any) -> Any:
        x = (self.stem(x) * self.scale).mean((2, 3))
        x = self.blocks[1](self.blocks[0](x))
        return self.heads["a"](x), self.heads["b"](x)


class KerasNet(keras.Model):
    def __init__(self, steps: Any = keras.Sequential) -> None:
        super().__init__()
        layers = [keras.layers.Conv2D(6, (3, 2)), keras.layers.BatchNormalization(epsilon=1e-5), keras.layers.ReLU()]
        self.stem = steps(layers) if steps is keras.Sequential else steps(*layers)
        self.blocks = [keras.layers.Dense(5), keras.layers.Dense(7, use_bias=False)]
        self.heads = {"a": keras.layers.Dense(2), "b": keras.layers.Dense(3)}
        self.layers_ = keras.layers.Dense(4)
        self.scale = keras.Variable(tf.zeros((6, 1, 1)))
        self.table = tf.zeros((4, 3))

    def call(self, x: Any) -> Any:
        x = self.stem(x) * tf.reshape(self.scale, (1, 1, 1, 6))
        x = self.blocks[1](self.blocks[0](tf.reduce_mean(x, (1, 2))))
        return self.heads["a"](x), self.heads["b"](x)


@pytest.mark.parametrize("steps", [keras.Sequential, Sequential])
@pytest.mark.parametrize("called", [True, False])
def test_every_array_arrives(steps: Any, called: bool) -> None:
    module, model = TorchNet().eval(), KerasNet(steps)
    fill(module, 1)
    x = np.random.default_rng(0).standard_normal((2, 3, 8, 5)).astype("float32")
    if called:
        model(tf.constant(x.transpose(0, 2, 3, 1)))
    report = weights.copy(module, model)
    assert report.ok, report
    names = {name for name, _ in report.matched}
    assert names == {k for k in module.state_dict() if not k.endswith("num_batches_tracked")}
    assert ("layers.weight", "model.layers_.kernel") in report.matched
    with torch.no_grad():
        expected = module(torch.from_numpy(x))
    for a, b in zip(expected, model(tf.constant(x.transpose(0, 2, 3, 1))), strict=True):
        np.testing.assert_allclose(b.numpy(), a.numpy(), rtol=1e-4, atol=1e-5)
    np.testing.assert_array_equal(model.table.numpy(), module.table.numpy())


def test_there_and_back_is_identical() -> None:
    module, model, other = TorchNet(), KerasNet(), TorchNet()
    fill(module, 2)
    assert weights.copy(module, model).ok
    assert weights.copy_back(model, other).ok
    for name, tensor in module.state_dict().items():
        assert torch.equal(tensor, other.state_dict()[name]), name


def test_what_has_no_partner_is_reported() -> None:
    module, model = TorchNet(), KerasNet()
    module.extra = nn.Linear(2, 3)
    module.heads.add_module("c", nn.Linear(7, 4))
    model.more = keras.layers.Dense(3)
    model.more.build((None, 2))
    model.heads["a"] = keras.layers.Dense(9)
    model.heads["a"].build((None, 7))
    before = model.heads["a"].kernel.numpy()
    report = weights.copy(module, model)
    assert not report.ok
    assert set(report.torch_left) == {"extra.weight", "extra.bias", "heads.c.weight", "heads.c.bias"}
    assert [v.split("/")[-1] for v in report.keras_left] == ["kernel", "bias"]
    assert [(t, a, b) for t, _, a, b in report.mismatched] == [
        ("heads.a.weight", (2, 7), (7, 9)), ("heads.a.bias", (2,), (9,)),
    ]  # fmt: skip
    np.testing.assert_array_equal(model.heads["a"].kernel.numpy(), before)


def test_tied_weights_are_copied_once() -> None:
    module = nn.Module()
    module.first, module.second = nn.Linear(3, 3, bias=False), nn.Linear(3, 3, bias=False)
    module.second.weight = module.first.weight
    model = keras.Model()
    model.first = model.second = keras.layers.Dense(3, use_bias=False)
    report = weights.copy(module, model)
    assert report.ok
    assert report.matched == [("first.weight", "model.first.kernel")]


@pytest.mark.parametrize(
    "name, torch_shape, keras_shape",
    [
        ("linear", (5, 3), (3, 5)),
        ("conv", (6, 2, 3, 4), (3, 4, 2, 6)),
        ("conv", (6, 2, 3), (3, 2, 6)),
        ("conv_transpose", (2, 6, 3, 4, 5), (3, 4, 5, 6, 2)),
        ("depthwise", (6, 1, 3, 4), (3, 4, 2, 3)),
        ("reshape", (4,), (4, 1, 1)),
        ("same", (4, 2), (4, 2)),
    ],
)
def test_converters_are_inverse(name: str, torch_shape: tuple[int, ...], keras_shape: tuple[int, ...]) -> None:
    array = np.random.default_rng(0).standard_normal(torch_shape)
    there = CONVERTERS[name].forward(array, keras_shape)
    assert there.shape == keras_shape
    np.testing.assert_array_equal(CONVERTERS[name].back(there, torch_shape), array)


def test_depthwise_kernels_filter_their_own_channel() -> None:
    module = nn.Conv2d(2, 6, 3, groups=2, bias=False)
    layer = keras.layers.DepthwiseConv2D(3, depth_multiplier=3, use_bias=False)
    assert weights.copy(module, layer).ok
    x = np.random.default_rng(0).standard_normal((1, 2, 5, 4)).astype("float32")
    expected = module(torch.from_numpy(x)).detach().numpy()
    actual = layer(tf.constant(x.transpose(0, 2, 3, 1))).numpy().transpose(0, 3, 1, 2)
    np.testing.assert_allclose(actual, expected, rtol=1e-4, atol=1e-5)


SOURCE = """
import torch
import torch.nn as nn
import torch.nn.functional as F

class Net(nn.Module):
    def __init__(self, width):
        super().__init__()
        self.fc = nn.Linear(5, width)
        self.norm = nn.BatchNorm1d(width)
        self.out = nn.Linear(width, 3)

    def forward(self, x, scale=None):
        x = F.dropout(F.leaky_relu(self.norm(self.fc(x)), 0.1), 0.5, self.training)
        x = self.out(x.float())
        return {"y": x if scale is None else x * scale, "best": x.argmax(1)}
"""
TRANSLATED = """
import tensorflow as tf
from tensorflow import keras

class Net(keras.Model):
    def __init__(self, width):
        super().__init__()
        self.fc = keras.layers.Dense(width)
        self.norm = keras.layers.BatchNormalization(axis=1, momentum=0.9, epsilon=1e-5)
        self.out = keras.layers.Dense(3)

    def call(self, x, scale=None, training=None):
        x = tf.nn.leaky_relu(self.norm(self.fc(x)), 0.1)
        if training:
            x = tf.nn.dropout(x, 0.5)
        x = self.out(tf.cast(x, tf.float32))
        return {"y": x if scale is None else x * scale, "best": tf.argmax(x, 1)}
"""
INPUTS = [{"x": "float[4,5]"}, {"x": "float[7,5]", "scale": "float[7,3]"}]


def compared(translated: str) -> Any:
    return compare_program(SOURCE, translated, "Net", {"width": 6}, INPUTS)


def test_equal_programs_agree() -> None:
    result = compared(TRANSLATED)
    assert result.ok, result
    assert result.worst < 1e-5
    names = {q.name.partition(" ")[2] if q.name.startswith("inputs") else q.name for q, _ in result.quantities}
    assert "0 train buffer norm.running_var" in names
    assert "1 eval gradient of scale" in names
    assert any(n.startswith("graph") for n in names)
    assert result.notes == ["norm.running_var: moving average of the biased variance (expected)"]


@pytest.mark.parametrize(
    "old, new, where",
    [
        ("0.1)\n", "0.2)\n", "inputs 0 eval output['y']"),
        ("epsilon=1e-5", "epsilon=1e-3", "inputs 0 eval output['y']"),
        ("momentum=0.9", "momentum=0.99", "inputs 0 train buffer norm.running_mean"),
        ("tf.argmax(x, 1)", "tf.argmax(x, 1, tf.int32)", "inputs 0 eval output['best']"),
        ("tf.cast(x, tf.float32)", "tf.stop_gradient(x)", "inputs 0 eval gradient of x"),
        ("keras.layers.Dense(3)", "keras.layers.Dense(3, use_bias=False)", "weights"),
        ("x * scale", "x + scale", "inputs 1 eval output['y']"),
        ("        if training:\n", "        if x.no_such_attribute:\n", "running"),
    ],
)  # fmt: skip
def test_a_fault_is_found(old: str, new: str, where: str) -> None:
    changed = TRANSLATED.replace(old, new)
    assert changed != TRANSLATED
    result = compared(changed)
    assert not result.ok
    assert result.first_failure.name == where


class TorchRecurrent(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.lstm = nn.LSTM(3, 4, batch_first=True, bidirectional=True)
        self.gru = nn.GRU(8, 5, batch_first=True)
        self.head = nn.Sequential(nn.Linear(5, 2), nn.Tanh())

    def forward(self, x: Any) -> Any:
        return self.head(self.gru(self.lstm(x)[0])[0])


class KerasRecurrent(keras.Model):
    def __init__(self) -> None:
        super().__init__()
        self.lstm = keras.layers.Bidirectional(keras.layers.LSTM(4, return_sequences=True))
        self.gru = keras.layers.GRU(5, return_sequences=True)
        self.head = keras.layers.Dense(2, activation="tanh")

    def call(self, x: Any) -> Any:
        return self.head(self.gru(self.lstm(x)))


def test_recurrent_layers_of_both_sides() -> None:
    """Gates stand in another order, Keras has one bias where PyTorch adds two, and an activation of its own."""
    module, model = TorchRecurrent(), KerasRecurrent()
    fill(module, 1)
    x = np.random.default_rng(0).standard_normal((2, 6, 3)).astype("float32")
    model(x)
    report = weights.copy(module, model)
    assert report.ok, report
    expected = module(torch.from_numpy(x)).detach().numpy()
    np.testing.assert_allclose(np.asarray(model(x)), expected, rtol=1e-4, atol=1e-5)
    other = TorchRecurrent()
    assert weights.copy_back(model, other).ok
    np.testing.assert_allclose(other(torch.from_numpy(x)).detach().numpy(), expected, rtol=1e-4, atol=1e-5)
