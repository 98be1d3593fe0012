"""Averaged models and copies of models against PyTorch's."""

from __future__ import annotations

import copy
from typing import Any

import numpy as np
import pytest
import tensorflow as tf
import torch
from tensorflow import keras

from translator.helpers.tf.container import clone_layer
from translator.helpers.tf.norm import BatchNormalizationUnbiased
from translator.helpers.tf.swa import AveragedModel, ema_average, update_bn

RNG = np.random.default_rng(0)


class Net(keras.Model):
    def __init__(self) -> None:
        super().__init__()
        self.fc = keras.layers.Dense(4)
        self.bn = BatchNormalizationUnbiased(axis=1, momentum=0.9, epsilon=1e-5)

    def call(self, x: Any) -> Any:
        return self.bn(self.fc(x))


def pair(x: Any) -> tuple[Any, Any]:
    theirs = torch.nn.Sequential(torch.nn.Linear(3, 4), torch.nn.BatchNorm1d(4)).double()
    ours = Net()
    ours(tf.constant(x))
    give(theirs, ours)
    return theirs, ours


def give(theirs: Any, ours: Any) -> None:
    values = [theirs[0].weight.T, theirs[0].bias, theirs[1].weight, theirs[1].bias]
    for variable, value in zip(ours.trainable_variables, values, strict=True):
        variable.assign(value.detach().numpy())


@pytest.fixture(autouse=True)
def doubles() -> Any:
    # A policy that an earlier test made the default outlives a change of floatx.
    keras.config.set_floatx("float64")
    keras.config.set_dtype_policy("float64")
    yield
    keras.config.set_floatx("float32")
    keras.config.set_dtype_policy("float32")


@pytest.mark.parametrize("kind", ["mean", "ema", "buffers"])
def test_averages_and_statistics(kind: str) -> None:
    batches = RNG.normal(size=(5, 6, 3))
    theirs, ours = pair(batches[0])
    more = {"mean": ({}, {}), "buffers": ({"use_buffers": True}, {"use_buffers": True}),
            "ema": ({"multi_avg_fn": torch.optim.swa_utils.get_ema_multi_avg_fn(0.8)},
                    {"multi_avg_fn": ema_average(0.8)})}[kind]  # fmt: skip
    reference, averaged = torch.optim.swa_utils.AveragedModel(theirs, **more[0]), AveragedModel(ours, **more[1])
    for batch in batches:
        with torch.no_grad():
            for p in theirs.parameters():
                p.add_(torch.tensor(RNG.normal(size=p.shape)))
        give(theirs, ours)
        theirs(torch.tensor(batch))
        ours(tf.constant(batch), training=True)
        reference.update_parameters(theirs)
        averaged.update_parameters(ours)

    def same() -> None:
        x = RNG.normal(size=(2, 3))
        expected = reference.eval()(torch.tensor(x)).detach()
        np.testing.assert_allclose(averaged(tf.constant(x), training=False), expected, rtol=1e-9, atol=1e-12)

    same()
    torch.optim.swa_utils.update_bn([torch.tensor(b) for b in batches], reference)
    update_bn([tf.constant(b) for b in batches], averaged)
    same()
    assert averaged.module.bn.momentum == 0.9


@pytest.mark.parametrize("first", ["original", "copy"])
def test_a_copy_of_a_model_without_variables_starts_equal(first: str) -> None:
    torch.manual_seed(0)
    source = torch.nn.Linear(3, 4)
    assert torch.equal(copy.deepcopy(source).weight, source.weight)
    x = tf.constant(RNG.normal(size=(2, 3)))
    original = Net()
    clone = clone_layer(original)
    model, other = (original, clone) if first == "original" else (clone, original)
    expected = model(x)
    np.testing.assert_array_equal(other(x), expected)
    model.fc.kernel.assign_add(tf.ones_like(model.fc.kernel))
    assert not np.allclose(model(x), other(x))
