"""The loss scale grows while gradients are finite, shrinks where they are not, and such steps are left out."""

from __future__ import annotations

import numpy as np
import tensorflow as tf
from tensorflow import keras

from translator.helpers.tf.scaler import GradScaler


def test_follows_the_scale_of_pytorch() -> None:
    scaler = GradScaler(init_scale=8.0, growth_interval=2)
    optimizer = keras.optimizers.SGD(0.5)
    variable = tf.Variable([1.0, 2.0])
    scales, values = [], []
    for gradient in ([1.0, 2.0], [2.0, 0.0], [float("inf"), 1.0], [0.0, 4.0]):
        with tf.GradientTape() as tape:
            loss = scaler.scale(tf.reduce_sum(variable * tf.constant(gradient)))
        scaler.step(optimizer, tape.gradient(loss, [variable]), [variable])
        scaler.update()
        scales.append(scaler.get_scale())
        values.append(variable.numpy().tolist())
    assert scales == [8.0, 16.0, 8.0, 8.0]
    assert values == [[0.5, 1.0], [-0.5, 1.0], [-0.5, 1.0], [-0.5, -1.0]]


def test_unscaled_gradients_are_not_unscaled_again() -> None:
    scaler = GradScaler(init_scale=4.0)
    optimizer = keras.optimizers.SGD(1.0)
    variable = tf.Variable([1.0])
    gradients = scaler.unscale(optimizer, [scaler.scale(tf.constant([2.0])), None])
    np.testing.assert_array_equal(gradients[0], [2.0])
    scaler.step(optimizer, gradients[:1], [variable])
    np.testing.assert_array_equal(variable, [-1.0])


def test_the_state_goes_on() -> None:
    first, second = GradScaler(init_scale=4.0, growth_interval=2), GradScaler(growth_interval=2)
    first.update()
    second.load_state_dict(first.state_dict())
    second.update()
    assert second.get_scale() == 8.0
    off = GradScaler(enabled=False)
    assert off.scale(3.0) == 3.0 and off.get_scale() == 1.0 and off.state_dict() == {}
