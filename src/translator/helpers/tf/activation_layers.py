"""Activation layers with PyTorch's names and arguments, beside those in adapters.py, and functions they share."""

import tensorflow as tf
from tensorflow import keras

from translator.helpers.tf.activation import rrelu, threshold
from translator.helpers.tf.config import DATA_FORMAT


def celu(x, alpha=1.0):
    """x where it is positive, else alpha * (exp(x / alpha) - 1); the slope at 0 is 1."""
    return tf.where(x > 0, x, alpha * tf.math.expm1(tf.minimum(x, 0.0) / alpha))


def implicit_axis(x):
    """The axis that PyTorch's softmax takes where none is given: 0 of 0, 1 or 3 axes, else 1."""
    return 0 if len(x.shape) in (0, 1, 3) else 1


def gumbel_softmax(logits, tau=1, hard=False, eps=1e-10, dim=-1):
    """A sample from the Gumbel-softmax distribution (Jang et al. 2017); `hard` gives one-hot values, soft slopes."""
    # The logarithm of an exponentially distributed number is minus a Gumbel number.
    noise = -tf.math.log(tf.random.gamma(tf.shape(logits), 1.0, dtype=logits.dtype))
    soft = tf.nn.softmax((logits + noise) / tau, axis=dim)
    if not hard:
        return soft
    index = tf.argmax(soft, axis=dim)
    one_hot = tf.one_hot(index, soft.shape[dim], axis=dim if dim < 0 else dim % len(soft.shape), dtype=soft.dtype)
    return one_hot - tf.stop_gradient(soft) + soft


class CELU(keras.layers.Layer):
    """celu."""

    def __init__(self, alpha=1.0, inplace=False, **kwargs):
        super().__init__(**kwargs)
        self.alpha = alpha

    def call(self, inputs):
        return celu(inputs, self.alpha)


class GLU(keras.layers.Layer):
    """The first half along `dim` times the sigmoid of the second."""

    def __init__(self, dim=-1, **kwargs):
        super().__init__(**kwargs)
        self.dim = dim

    def call(self, inputs):
        return keras.activations.glu(inputs, axis=self.dim)


class Hardshrink(keras.layers.Layer):
    """x where abs(x) is above `lambd`, else 0."""

    def __init__(self, lambd=0.5, **kwargs):
        super().__init__(**kwargs)
        self.lambd = lambd

    def call(self, inputs):
        return keras.activations.hard_shrink(inputs, self.lambd)


class Softshrink(keras.layers.Layer):
    """x moved towards 0 by `lambd`, and 0 where abs(x) is below it."""

    def __init__(self, lambd=0.5, **kwargs):
        super().__init__(**kwargs)
        self.lambd = lambd

    def call(self, inputs):
        return keras.activations.soft_shrink(inputs, self.lambd)


class LogSigmoid(keras.layers.Activation):
    """log(sigmoid(x))."""

    def __init__(self, **kwargs):
        super().__init__("log_sigmoid", **kwargs)


class Softsign(keras.layers.Activation):
    """x / (1 + abs(x))."""

    def __init__(self, **kwargs):
        super().__init__("softsign", **kwargs)


class Tanhshrink(keras.layers.Activation):
    """x - tanh(x)."""

    def __init__(self, **kwargs):
        super().__init__("tanh_shrink", **kwargs)


class Threshold(keras.layers.Layer):
    """x where it is above `threshold`, else `value`."""

    def __init__(self, threshold, value, inplace=False, **kwargs):
        super().__init__(**kwargs)
        self.threshold = threshold
        self.value = value

    def call(self, inputs):
        return threshold(inputs, self.threshold, self.value)


class RReLU(keras.layers.Layer):
    """Leaky ReLU whose slope is drawn from [lower, upper] in training, and their mean else."""

    def __init__(self, lower=1.0 / 8.0, upper=1.0 / 3.0, inplace=False, **kwargs):
        super().__init__(**kwargs)
        self.lower = lower
        self.upper = upper

    def call(self, inputs, training=None):
        return rrelu(inputs, self.lower, self.upper, training)


class LogSoftmax(keras.layers.Layer):
    """log(softmax(x)) along `dim`."""

    def __init__(self, dim=None, **kwargs):
        super().__init__(**kwargs)
        self.dim = dim

    def call(self, inputs):
        return tf.nn.log_softmax(inputs, axis=implicit_axis(inputs) if self.dim is None else self.dim)


class Softmin(keras.layers.Layer):
    """softmax(-x) along `dim`."""

    def __init__(self, dim=None, **kwargs):
        super().__init__(**kwargs)
        self.dim = dim

    def call(self, inputs):
        return tf.nn.softmax(-inputs, axis=implicit_axis(inputs) if self.dim is None else self.dim)


class Softmax2d(keras.layers.Softmax):
    """Softmax over the channels of images."""

    def __init__(self, **kwargs):
        super().__init__(axis=-1 if DATA_FORMAT == "channels_last" else -3, **kwargs)
