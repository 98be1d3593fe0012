"""Clipping, summing and freezing against PyTorch."""

import keras
import numpy as np
import pytest
import tensorflow as tf
import torch

from translator.helpers.tf import optim_gradients as ours
from translator.helpers.tf.optim import SGD, ParameterGroups

SHAPES = [(3, 4), (5,), (2, 2)]


def gradients(seed=0, scale=1.0):
    rng = np.random.default_rng(seed)
    return [rng.normal(size=s) * scale for s in SHAPES]


def parameters(values):
    out = [torch.nn.Parameter(torch.zeros(s, dtype=torch.float64)) for s in SHAPES]
    for p, v in zip(out, values, strict=True):
        p.grad = torch.tensor(v)
    return out


@pytest.mark.parametrize("norm_type", [2.0, 1.0, 3.0, float("inf")])
@pytest.mark.parametrize(("scale", "limit"), [(1.0, 0.5), (1e-3, 0.5), (1e-7, 1e-6)])
def test_clip_by_norm(norm_type, scale, limit):
    values = gradients(scale=scale)
    theirs = parameters(values)
    norm = torch.nn.utils.clip_grad_norm_(theirs, limit, norm_type)
    clipped, ours_norm = ours.clip_gradients_by_norm([*map(tf.constant, values), None], limit, norm_type)
    np.testing.assert_allclose(float(ours_norm), float(norm), rtol=1e-12)
    assert clipped[-1] is None
    for a, b in zip(theirs, clipped[:-1], strict=True):
        np.testing.assert_allclose(b, a.grad, rtol=1e-12)


def test_clip_by_value_of_nested_lists():
    values = gradients()
    theirs = parameters(values)
    torch.nn.utils.clip_grad_value_(theirs, 0.3)
    first, second = ours.clip_gradients_by_value(
        [[tf.constant(values[0]), None], list(map(tf.constant, values[1:]))], 0.3
    )
    assert first[1] is None
    for a, b in zip(theirs, [first[0], *second], strict=True):
        np.testing.assert_array_equal(b, a.grad)


def test_sums_keep_missing_gradients_missing():
    one, two = tf.constant([1.0, 2.0]), tf.constant([10.0, 20.0])
    nested = ours.add_gradients([[one, None], [None]], [[two, two], [None]])
    np.testing.assert_array_equal(nested[0][0], [11.0, 22.0])
    np.testing.assert_array_equal(nested[0][1], two)
    assert nested[1] == [None]


@pytest.mark.parametrize("grouped", [False, True])
def test_gradients_wait_until_they_are_cleared(grouped):
    variables = [keras.Variable(np.zeros(2, np.float32)), keras.Variable(np.zeros(1, np.float32))]
    optimizer = SGD(learning_rate=1.0)
    shown = variables
    if grouped:
        optimizer = ParameterGroups([SGD(learning_rate=1.0), SGD(learning_rate=10.0)])
        shown = [[variables[0]], [variables[1]]]
    ones = tf.nest.map_structure(lambda v: tf.ones(v.shape), shown)
    ours.apply_accumulated(optimizer, shown)
    ours.accumulate_gradients(optimizer, ones)
    ours.accumulate_gradients(optimizer, ones)
    ours.apply_accumulated(optimizer, shown)
    ours.clear_gradients(optimizer)
    ours.apply_accumulated(optimizer, shown)
    np.testing.assert_array_equal(variables[0].numpy(), [-2.0, -2.0])
    np.testing.assert_array_equal(variables[1].numpy(), [-20.0 if grouped else -2.0])


def test_frozen_layers_do_not_move_and_later_layers_do():
    class Model(keras.Model):
        def __init__(self):
            super().__init__()
            self.body = keras.layers.Dense(3)
            self.head = keras.layers.Dense(2)

        def call(self, x):
            return self.head(self.body(x))

    model = Model()
    ours.set_requires_grad(model, False)
    model.head = keras.layers.Dense(4)
    model(tf.ones((1, 2)))
    assert [v.shape for v in ours.unfrozen_variables(model)] == [(3, 4), (4,)]
    assert len(ours.unfrozen_variables(model.head)) == 2
    ours.set_requires_grad(model, True)
    assert len(ours.unfrozen_variables(model)) == 4
