"""A step as a graph takes the same way as the step in Python, and knows when it cannot."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from translator.helpers.tf.compiled import compiled
from translator.helpers.tf.optim import SGD, Adagrad, Adam, Rprop
from translator.helpers.tf.optim_more import ASGD

RUNS = []


def step(model, optimizer, x, y):
    RUNS.append(None)
    with tf.GradientTape() as tape:
        loss = tf.reduce_mean((model(x, training=True) - y) ** 2)
    gradients = tape.gradient(loss, model.trainable_variables)
    optimizer.apply_gradients(zip(gradients, model.trainable_variables, strict=True))
    return loss


def network():
    keras.utils.set_random_seed(0)
    return keras.Sequential([keras.layers.Dense(5, "tanh"), keras.layers.BatchNormalization(), keras.layers.Dense(2)])


@pytest.fixture
def batches():
    rng = np.random.default_rng(1)
    return [(tf.constant(rng.normal(size=(6, 3)), tf.float32), tf.constant(rng.normal(size=(6, 2)), tf.float32))] * 8


MAKERS = [
    lambda: SGD(0.1, momentum=0.9), lambda: Adam(0.1), lambda: Adagrad(0.1, initial_accumulator_value=0.5),
    lambda: Rprop(0.02), lambda: ASGD(0.1), lambda: keras.optimizers.Adam(0.1),
]  # fmt: skip


@pytest.mark.parametrize("built", [False, True])
@pytest.mark.parametrize("make", MAKERS)
def test_the_graph_goes_the_same_way(make, built, batches):
    losses, weights = [], []
    for run in (step, compiled(step)):
        model, optimizer = network(), make()
        if built:
            model(batches[0][0])
        RUNS.clear()
        losses.append([])
        for i, batch in enumerate(batches):
            if i == 4:
                optimizer.learning_rate = 0.01
            losses[-1].append(float(run(model, optimizer, *batch)))
        weights.append(model.get_weights())
    assert len(RUNS) <= 2  # the graph is made once, after one run that makes the variables
    np.testing.assert_allclose(losses[1], losses[0], rtol=1e-4)
    for a, b in zip(*weights, strict=True):
        np.testing.assert_allclose(b, a, rtol=1e-3, atol=1e-5)


def test_another_model_gets_its_own_graph(batches):
    run = compiled(step)
    first, second = network(), network()
    for model in (first, second):
        optimizer = SGD(0.1)
        for batch in batches:
            run(model, optimizer, *batch)
    for a, b in zip(first.get_weights(), second.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)


def test_what_is_no_tensor_keeps_the_step_in_python(batches):
    def scaled(model, optimizer, x, y, scale):
        return step(model, optimizer, x * scale, y)

    run, model, optimizer = compiled(scaled), network(), SGD(0.1)
    model(batches[0][0])
    RUNS.clear()
    for i, batch in enumerate(batches):
        run(model, optimizer, *batch, 1.0 + i)
    assert len(RUNS) == len(batches)


def test_what_no_graph_can_be_made_of_stays_python(batches):
    def reading(model, optimizer, x, y):
        return step(model, optimizer, x, y).numpy()

    run, model, optimizer = compiled(reading), network(), SGD(0.1)
    model(batches[0][0])
    assert np.diff([run(model, optimizer, *batch) for batch in batches]).any()
    assert optimizer.iterations == len(batches)
