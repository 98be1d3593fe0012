"""The Sequential container and the copying of layers."""

import numpy as np
import pytest
import tensorflow as tf
from tensorflow import keras
from tf_sequence_support import data

from translator.helpers.tf.container import Sequential, clone_layer


def dense(units):
    return keras.layers.Dense(units, dtype="float64")


def test_sequential_call_index_and_slice():
    steps = [dense(4), tf.nn.relu, keras.layers.Dropout(0.5, dtype="float64"), dense(2)]
    seq, x = Sequential(*steps), tf.constant(data(64, 3))
    manual = steps[3](tf.nn.relu(steps[0](x)))
    np.testing.assert_array_equal(seq(x), manual)
    assert np.abs(seq(x, training=True) - manual).max() > 1e-3
    assert [len(seq), seq[0], seq[-1], list(seq)] == [4, steps[0], steps[3], steps]
    np.testing.assert_array_equal(seq[:2](x), tf.nn.relu(steps[0](x)))
    np.testing.assert_array_equal(seq[-1:](seq[:-1](x)), manual)
    assert len(seq.trainable_variables) == 4
    assert seq
    assert Sequential()(x) is x
    with pytest.raises(IndexError):
        seq[4]
    traced = tf.function(seq, input_signature=[tf.TensorSpec([None, 3], tf.float64)])
    np.testing.assert_allclose(traced(x), manual, rtol=1e-12)


def test_sequential_first_call_inside_of_a_traced_function():
    seq = Sequential(dense(4), Sequential(tf.nn.relu, dense(2)))
    result = tf.function(lambda x: seq(x))(tf.constant(data(5, 3)))
    np.testing.assert_allclose(result, seq(tf.constant(data(5, 3))), rtol=1e-12)
    assert len(seq.weights) == 4


def test_sequential_edits_before_and_after_build():
    x = tf.constant(data(5, 3))
    for built in (False, True):
        seq = Sequential(dense(4), tf.nn.relu, dense(2))
        if built:
            seq(x)
        head = dense(6)
        seq[-1] = head
        seq[1] = tf.tanh
        assert seq(x).shape == (5, 6)
        assert len(seq.weights) == 4
        assert seq.append(tf.nn.relu) is seq
        seq.insert(0, tf.square)
        np.testing.assert_array_equal(seq(x), tf.nn.relu(head(tf.tanh(seq[1](x * x)))))
        del seq[0], seq[-1]
        seq.add_module("extra", dense(1))
        assert seq(x).shape == (5, 1)
        assert seq.extra is seq[3]
        assert len(seq.weights) == 6
        del seq[2:]
        assert seq(x).shape == (5, 4)
        assert len(seq.weights) == 2


def test_sequential_names_and_several_inputs():
    first = dense(4)
    seq, x = Sequential({"fc": first, "input": tf.nn.relu}), tf.constant(data(5, 3))
    assert seq.fc is first
    assert seq["input"] is tf.nn.relu
    assert seq[:1].fc is first
    seq.fc = dense(6)
    assert seq(x).shape == (5, 6)
    assert seq[0] is seq.fc is not first
    assert len(seq.weights) == 2
    with pytest.raises(AttributeError, match="missing"):
        _ = seq.missing
    several = Sequential(lambda a, b, c: a + b - c, dense(2))
    np.testing.assert_array_equal(several(x, x, x), several(x, x, x))
    assert len(several.weights) == 2


def test_sequential_weights_are_saved(tmp_path):
    def build():
        model = Sequential(dense(4), tf.nn.relu, Sequential(dense(2)))
        wrapper = keras.Sequential([keras.Input((3,), dtype="float64"), model])
        return model, wrapper

    model, wrapper = build()
    x = tf.constant(data(5, 3))
    wrapper.save_weights(tmp_path / "a.weights.h5")
    other, other_wrapper = build()
    assert np.abs(other(x) - model(x)).max() > 1e-3
    other_wrapper.load_weights(tmp_path / "a.weights.h5")
    np.testing.assert_array_equal(other(x), model(x))


class Net(keras.Model):
    """A model with everything that a copy must renew or keep."""

    def __init__(self):
        super().__init__(dtype="float64")
        self.body = Sequential(dense(4), tf.nn.relu, keras.layers.Dropout(0.5, dtype="float64"))
        self.heads = [dense(2), dense(2)]
        self.norm = keras.layers.BatchNormalization(dtype="float64")
        self.shared = self.heads[0]
        self.activation = lambda x: 2.0 * x

    def call(self, x):
        x = self.norm(self.body(x))
        return self.activation(self.heads[0](x) + self.heads[1](x) + self.shared(x))


def test_clone_layer():
    net, x = Net(), tf.constant(data(64, 3))
    net.norm.trainable = False
    expected = net(x)
    copy = clone_layer(net)
    np.testing.assert_array_equal(copy(x), expected)
    assert copy.shared is copy.heads[0]
    assert [len(copy.weights), len(copy.trainable_variables)] == [10, 6]
    assert not {id(v) for v in copy.weights} & {id(v) for v in net.weights}
    copy.heads[0].kernel.assign_add(tf.ones_like(copy.heads[0].kernel))
    copy.compile("sgd", "mse")
    copy.fit(x, expected, verbose=0, batch_size=64)
    np.testing.assert_array_equal(net(x), expected)
    assert np.abs(copy(x) - expected).max() > 1e-3
    fresh = clone_layer(dense(3))
    assert fresh(x).shape == (64, 3)
