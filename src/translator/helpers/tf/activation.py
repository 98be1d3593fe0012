"""Activations whose value, gradient or speed differs from TensorFlow's nearest one."""

import math

import tensorflow as tf
from tensorflow import keras

from translator.helpers.tf.config import DATA_FORMAT


def gelu(x, approximate="none"):
    """GELU by the error function (twice as fast as tf.nn.gelu), or by tanh with approximate="tanh"."""
    if approximate == "tanh":
        return tf.nn.gelu(x, approximate=True)
    return 0.5 * x * (1.0 + tf.math.erf(x * math.sqrt(0.5)))  # the form that TensorFlow Lite knows


def softplus(x, beta=1.0, threshold=20.0):
    """log(1 + exp(beta x)) / beta; x itself where beta x is above `threshold`."""
    scaled = x * beta
    return tf.where(scaled > threshold, x, tf.nn.softplus(scaled) / beta)


def hardtanh(x, min_val=-1.0, max_val=1.0):
    """Clip to [min_val, max_val], with gradient 0 at the bounds too."""
    low, high = tf.constant(min_val, x.dtype), tf.constant(max_val, x.dtype)
    return tf.where(x <= low, low, tf.where(x >= high, high, x))


def threshold(x, threshold, value):
    """x where it is above `threshold`, else `value`."""
    return tf.where(x > threshold, x, tf.constant(value, x.dtype))


def hardswish(x):
    """x * relu6(x + 3) / 6."""
    return x * tf.nn.relu6(x + 3.0) * (1.0 / 6.0)


def hardsigmoid(x):
    """relu6(x + 3) / 6."""
    return tf.nn.relu6(x + 3.0) * (1.0 / 6.0)


def leaky_relu(x, negative_slope=0.01):
    """x above 0, else negative_slope * x; TensorFlow rounds the slope to float32, which this does not."""
    if x.dtype == tf.float64:
        return tf.where(x > 0, x, x * negative_slope)
    return tf.nn.leaky_relu(x, negative_slope)


def rrelu(x, lower=1.0 / 8.0, upper=1.0 / 3.0, training=False):
    """Leaky ReLU; the slope is drawn for each negative value in training, else the mean of the bounds."""
    if training:
        slope = tf.random.uniform(tf.shape(x), lower, upper, x.dtype)
        return tf.where(x <= 0, x * slope, x)
    return leaky_relu(x, (lower + upper) / 2)


def prelu(x, weight, data_format=DATA_FORMAT):
    """torch.nn.functional.prelu; weight holds one slope, or one for each channel."""
    if len(x.shape) > 1:
        shape = [1] * len(x.shape)
        shape[-1 if data_format == "channels_last" else 1] = -1
        weight = tf.reshape(weight, shape)
    return tf.where(x > 0, x, weight * x)


class PReLU(keras.layers.PReLU):
    """PReLU with one slope, or one for each of `num_parameters` channels."""

    def __init__(self, num_parameters=1, init=0.25, device=None, dtype=None, data_format=DATA_FORMAT, **kwargs):
        super().__init__(alpha_initializer=keras.initializers.Constant(init), dtype=dtype, **kwargs)
        self.num_parameters = num_parameters
        self.init = init
        self.data_format = data_format

    def build(self, input_shape):
        shared = set(range(1, len(input_shape)))
        if self.num_parameters > 1:
            shared.discard(len(input_shape) - 1 if self.data_format == "channels_last" else 1)
        self.shared_axes = sorted(shared)
        super().build(input_shape)
        self.input_spec = None

    def call(self, inputs):
        return tf.where(inputs > 0, inputs, self.alpha * inputs)

    def get_config(self):
        config = super().get_config()
        for name in ("alpha_initializer", "shared_axes"):
            del config[name]
        own = ("num_parameters", "init", "data_format")
        return {**config, **{name: getattr(self, name) for name in own}}
