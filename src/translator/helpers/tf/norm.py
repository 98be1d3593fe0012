"""Normalisations with PyTorch's statistics, running averages and axes."""

import math

import numpy as np
import tensorflow as tf
from tensorflow import keras

from translator.helpers.tf.config import DATA_FORMAT


def channel_axis(data_format):
    """The axis of channels."""
    return -1 if data_format == "channels_last" else 1


def per_channel(vector, x, axis):
    """A vector of channels in a shape that broadcasts against `x`."""
    shape = [1] * len(x.shape)
    shape[axis] = -1
    return tf.reshape(vector, shape)


def batch_statistics(x, axis):
    """Mean, biased variance and number of values behind each, of all axes but the channels'."""
    axes = [i for i in range(len(x.shape)) if i != axis % len(x.shape)]
    sizes = keras.ops.shape(x)
    mean, variance = tf.nn.moments(x, axes)
    return mean, variance, math.prod(sizes[i] for i in axes)


def unbiased(variance, count):
    """The variance with divisor count - 1; raises ValueError where a channel has a single value, as PyTorch does."""
    if isinstance(count, int):
        if count == 1:
            raise ValueError("expected more than 1 value per channel when training")
        return variance * (count / (count - 1))
    count = tf.cast(count, variance.dtype)
    return variance * (count / (count - 1.0))


def scale_and_shift(x, mean, variance, weight, bias, eps, axis=-1):
    """(x - mean) / sqrt(variance + eps) * weight + bias, all of them vectors of channels."""
    scale = tf.math.rsqrt(variance + eps)
    if weight is not None:
        scale *= weight
    shift = -mean * scale if bias is None else bias - mean * scale
    return x * per_channel(scale, x, axis) + per_channel(shift, x, axis)


def fused_batch_norm(x, weight, bias, eps):
    """Training-mode batch norm of float32 channels-last input: output, mean and unbiased variance, in one pass."""
    channels = x.shape[-1]
    weight = tf.ones(channels) if weight is None else tf.convert_to_tensor(weight)
    bias = tf.zeros(channels) if bias is None else tf.convert_to_tensor(bias)
    outputs = tf.raw_ops.FusedBatchNormV3(
        x=tf.reshape(x, (1, 1, -1, channels)), scale=weight, offset=bias, mean=[], variance=[], epsilon=eps
    )
    return tf.reshape(outputs[0], keras.ops.shape(x)), outputs[1], outputs[2]


def batch_norm_training(x, weight, bias, eps, axis=-1):
    """Batch norm by the batch's own statistics: output, mean and unbiased variance."""
    if x.dtype == tf.float32 and axis % len(x.shape) == len(x.shape) - 1:
        sizes = x.shape[:-1]
        if sizes.is_fully_defined():
            unbiased(1.0, math.prod(sizes))
        return fused_batch_norm(x, weight, bias, eps)
    mean, variance, count = batch_statistics(x, axis)
    return scale_and_shift(x, mean, variance, weight, bias, eps, axis), mean, unbiased(variance, count)


def batch_norm(
    x,
    running_mean,
    running_var,
    weight=None,
    bias=None,
    training=False,
    momentum=0.1,
    eps=1e-5,
    data_format=DATA_FORMAT,
):
    """torch.nn.functional.batch_norm; the running statistics are variables (or None) and move in training."""
    axis = channel_axis(data_format)
    if not training:
        return scale_and_shift(x, running_mean, running_var, weight, bias, eps, axis)
    y, mean, variance = batch_norm_training(x, weight, bias, eps, axis)
    if running_mean is not None:
        running_mean.assign(running_mean * (1 - momentum) + mean * momentum)
        running_var.assign(running_var * (1 - momentum) + variance * momentum)
    return y


class BatchNormalizationUnbiased(keras.layers.BatchNormalization):
    """BatchNormalization whose moving variance takes the batch's unbiased variance, as PyTorch's does.

    `momentum=None` averages over all batches seen; `track_running_stats=False` always uses the batch's statistics.
    """

    def __init__(self, axis=-1, momentum=0.9, epsilon=1e-5, track_running_stats=True, **kwargs):
        super().__init__(axis=axis, momentum=0.0 if momentum is None else momentum, epsilon=epsilon, **kwargs)
        self.cumulative = momentum is None
        self.track_running_stats = track_running_stats

    def build(self, input_shape):
        super().build(input_shape)
        if not self.track_running_stats:
            self._untrack_variable(self.moving_mean)
            self._untrack_variable(self.moving_variance)
        if self.cumulative:
            self.num_batches_tracked = self.add_weight(
                name="num_batches_tracked", shape=(), dtype="int64", initializer="zeros", trainable=False
            )

    def call(self, inputs, training=None, mask=None):
        learning = training and self.trainable
        if self.track_running_stats and not learning:
            return super().call(inputs, training=False)
        x = tf.cast(inputs, self.variable_dtype)
        gamma = self.gamma if self.scale else None
        beta = self.beta if self.center else None
        y, mean, variance = batch_norm_training(x, gamma, beta, self.epsilon, self.axis)
        if self.track_running_stats:
            rate = 1.0 - self.momentum
            if self.cumulative:
                self.num_batches_tracked.assign_add(1)
                rate = 1.0 / tf.cast(self.num_batches_tracked, x.dtype)
            self.moving_mean.assign(self.moving_mean * (1.0 - rate) + mean * rate)
            self.moving_variance.assign(self.moving_variance * (1.0 - rate) + variance * rate)
        return tf.cast(y, self.compute_dtype)

    def get_config(self):
        momentum = None if self.cumulative else self.momentum
        own = {"momentum": momentum, "track_running_stats": self.track_running_stats}
        return {**super().get_config(), **own}


def group_norm_rows(x, num_groups):
    """Deviations from the group mean and their mean square, for x (N, S, C); the latter (N, 1, C)."""
    batch, _, channels = keras.ops.shape(x)

    def group_mean(m):
        if num_groups == channels:
            return m
        m = tf.reduce_mean(tf.reshape(m, (batch, 1, num_groups, -1)), -1, keepdims=True)
        m = tf.broadcast_to(m, (batch, 1, num_groups, channels // num_groups))
        return tf.reshape(m, (batch, 1, channels))

    # Channels stay innermost in both reductions, which is what makes them fast.
    deviation = x - group_mean(tf.reduce_mean(x, 1, keepdims=True))
    return deviation, group_mean(tf.reduce_mean(tf.square(deviation), 1, keepdims=True))


def group_norm(x, num_groups, weight=None, bias=None, eps=1e-5, data_format=DATA_FORMAT):
    """torch.nn.functional.group_norm; weight and bias (C,)."""
    shape = keras.ops.shape(x)
    if data_format == "channels_last":
        channels = shape[-1]
        deviation, variance = group_norm_rows(tf.reshape(x, (shape[0], -1, channels)), num_groups)
        scale = tf.math.rsqrt(variance + eps)
        y = deviation * (scale if weight is None else scale * weight)
    else:
        channels = shape[1]
        rows = tf.reshape(x, (shape[0], num_groups, -1))
        deviation = rows - tf.reduce_mean(rows, -1, keepdims=True)
        scale = tf.math.rsqrt(tf.reduce_mean(tf.square(deviation), -1, keepdims=True) + eps)
        y = tf.reshape(deviation * scale, (shape[0], channels, -1))
        y = y if weight is None else y * tf.reshape(weight, (-1, 1))
        bias = None if bias is None else tf.reshape(bias, (-1, 1))
    return tf.reshape(y if bias is None else y + bias, shape)


class GroupNormalization(keras.layers.GroupNormalization):
    """GroupNormalization, computed faster."""

    def __init__(self, groups=32, axis=-1, epsilon=1e-5, **kwargs):
        super().__init__(groups=groups, axis=axis, epsilon=epsilon, **kwargs)

    def call(self, inputs):
        x = tf.cast(inputs, self.variable_dtype)
        last = self.axis % len(x.shape) == len(x.shape) - 1
        data_format = "channels_last" if last else "channels_first"
        y = group_norm(x, self.groups, self.gamma, self.beta, self.epsilon, data_format)
        return tf.cast(y, self.compute_dtype)


def instance_norm(
    x,
    running_mean=None,
    running_var=None,
    weight=None,
    bias=None,
    use_input_stats=True,
    momentum=0.1,
    eps=1e-5,
    data_format=DATA_FORMAT,
):
    """torch.nn.functional.instance_norm; running statistics (variables or None) average over the batch."""
    axis = channel_axis(data_format)
    if not use_input_stats:
        return scale_and_shift(x, running_mean, running_var, weight, bias, eps, axis)
    if running_mean is not None:
        spatial = [i for i in range(1, len(x.shape)) if i != axis % len(x.shape)]
        mean, variance = tf.nn.moments(x, spatial)
        variance = unbiased(variance, math.prod(keras.ops.shape(x)[i] for i in spatial))
        running_mean.assign(running_mean * (1 - momentum) + tf.reduce_mean(mean, 0) * momentum)
        running_var.assign(running_var * (1 - momentum) + tf.reduce_mean(variance, 0) * momentum)
    return group_norm(x, keras.ops.shape(x)[axis], weight, bias, eps, data_format)


class InstanceNorm(keras.layers.Layer):
    """Instance normalisation as torch.nn.InstanceNorm; momentum in Keras's sense (weight of the old value)."""

    def __init__(
        self,
        epsilon=1e-5,
        momentum=0.9,
        affine=False,
        track_running_stats=False,
        center=True,
        data_format=DATA_FORMAT,
        **kwargs,
    ):
        super().__init__(**kwargs)
        self.epsilon = epsilon
        self.momentum = momentum
        self.affine = affine
        self.track_running_stats = track_running_stats
        self.center = center
        self.data_format = data_format

    def build(self, input_shape):
        shape = (input_shape[channel_axis(self.data_format)],)
        self.gamma = self.beta = self.moving_mean = self.moving_variance = None
        if self.affine:
            self.gamma = self.add_weight(name="gamma", shape=shape, initializer="ones")
        if self.affine and self.center:
            self.beta = self.add_weight(name="beta", shape=shape, initializer="zeros")
        if self.track_running_stats:
            self.moving_mean = self.add_weight(name="moving_mean", shape=shape, initializer="zeros", trainable=False)
            self.moving_variance = self.add_weight(
                name="moving_variance", shape=shape, initializer="ones", trainable=False
            )

    def call(self, inputs, training=None):
        return instance_norm(
            inputs,
            self.moving_mean,
            self.moving_variance,
            self.gamma,
            self.beta,
            bool(training) or not self.track_running_stats,
            1.0 - self.momentum,
            self.epsilon,
            self.data_format,
        )

    def compute_output_shape(self, input_shape):
        return input_shape

    def get_config(self):
        own = ("epsilon", "momentum", "affine", "track_running_stats", "center", "data_format")
        return {**super().get_config(), **{name: getattr(self, name) for name in own}}


def layer_norm(x, normalized_shape, weight=None, bias=None, eps=1e-5):
    """torch.nn.functional.layer_norm over the last axes of `x`, as many as `normalized_shape` has."""
    count = len(normalized_shape) if isinstance(normalized_shape, (tuple, list)) else 1
    axes = list(range(-count, 0))
    deviation = x - tf.reduce_mean(x, axes, keepdims=True)
    y = deviation * tf.math.rsqrt(tf.reduce_mean(tf.square(deviation), axes, keepdims=True) + eps)
    y = y if weight is None else y * weight
    return y if bias is None else y + bias


def local_response_norm(x, size, alpha=1e-4, beta=0.75, k=1.0, data_format=DATA_FORMAT):
    """Divide by (k + alpha * mean of squares over `size` channels) ** beta."""
    axis = channel_axis(data_format) % len(x.shape)
    if x.dtype == tf.float32 and size % 2 and len(x.shape) == 4 and axis == 3:
        return tf.nn.lrn(x, (size - 1) // 2, k, alpha / size, beta)
    amounts = [(0, 0)] * len(x.shape)
    amounts[axis] = (size // 2, (size - 1) // 2)
    squares, channels = tf.pad(tf.square(x), amounts), keras.ops.shape(x)[axis]
    lead = (slice(None),) * axis
    total = tf.add_n([squares[(*lead, slice(i, i + channels))] for i in range(size)])
    return x / (k + total * (alpha / size)) ** beta


class LocalResponseNorm(keras.layers.Layer):
    """torch.nn.LocalResponseNorm."""

    def __init__(self, size, alpha=1e-4, beta=0.75, k=1.0, data_format=DATA_FORMAT, **kwargs):
        super().__init__(**kwargs)
        self.size = size
        self.alpha = alpha
        self.beta = beta
        self.k = k
        self.data_format = data_format

    def call(self, inputs):
        return local_response_norm(inputs, self.size, self.alpha, self.beta, self.k, self.data_format)

    def compute_output_shape(self, input_shape):
        return input_shape

    def get_config(self):
        own = ("size", "alpha", "beta", "k", "data_format")
        return {**super().get_config(), **{name: getattr(self, name) for name in own}}


def normalize(x, p=2.0, dim=1, eps=1e-12):
    """torch.nn.functional.normalize: x / max(p-norm along `dim`, eps); a zero vector has gradient 1 / eps."""
    if p == 2:
        total = tf.reduce_sum(tf.square(x), dim, keepdims=True)
        # The square root has no gradient at 0, where PyTorch takes 0.
        size = tf.where(total > 0, tf.sqrt(tf.where(total > 0, total, tf.ones_like(total))), tf.zeros_like(total))
    elif p == 1:
        size = tf.reduce_sum(tf.abs(x), dim, keepdims=True)
    elif p == math.inf:
        size = tf.reduce_max(tf.abs(x), dim, keepdims=True)
    else:
        total = tf.reduce_sum(tf.abs(x) ** p, dim, keepdims=True)
        positive = tf.where(total > 0, total, tf.ones_like(total))
        size = tf.where(total > 0, positive ** (1.0 / p), tf.zeros_like(total))
    return x / tf.maximum(size, eps)


def rms_norm(x, normalized_shape, weight=None, eps=None):
    """torch.nn.functional.rms_norm over the last axes of `x`; without `eps` the machine epsilon of its dtype."""
    eps = np.finfo(x.dtype.as_numpy_dtype).eps if eps is None else eps
    axes = list(range(-len(normalized_shape), 0))
    y = x * tf.math.rsqrt(tf.reduce_mean(x * x, axes, keepdims=True) + eps)
    return y if weight is None else y * weight
