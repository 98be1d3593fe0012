"""Adaptive pooling with PyTorch's windows."""

import math

import tensorflow as tf
from tensorflow import keras

from translator.helpers.tf.config import DATA_FORMAT
from translator.helpers.tf.pool import pool_valid
from translator.helpers.tf.spatial import ntuple, to_channels_first, to_channels_last


def adaptive_sizes(x, output_size):
    """Output lengths of the spatial axes of a channels-last tensor; None keeps an axis."""
    sizes = keras.ops.shape(x)[1:-1]
    wanted = ntuple(output_size, len(sizes))
    return [n if o is None else o for n, o in zip(sizes, wanted, strict=True)]


def bin_means(x, axis, count):
    """Means of the `count` bins floor(j n / count) ... ceil((j + 1) n / count) of one axis."""
    shape = keras.ops.shape(x)
    index, position = tf.range(count)[:, None], tf.range(shape[axis])[None]
    start, stop = index * shape[axis] // count, -(-(index + 1) * shape[axis] // count)
    weights = tf.cast((position >= start) & (position < stop), x.dtype)
    weights /= tf.reduce_sum(weights, 1, keepdims=True)
    rows = tf.reshape(x, (-1, shape[axis], math.prod(shape[axis + 1 :])))
    return tf.reshape(tf.matmul(weights, rows), [*shape[:axis], count, *shape[axis + 1 :]])


def adaptive_avg_pool(x, output_size, data_format=DATA_FORMAT):
    """PyTorch's adaptive average pooling over all spatial axes; None keeps an axis."""
    if data_format == "channels_first":
        x = to_channels_last(x)
    sizes, counts = keras.ops.shape(x)[1:-1], adaptive_sizes(x, output_size)
    if all(isinstance(o, int) and o == 1 for o in counts):
        y = tf.reduce_mean(x, list(range(1, len(counts) + 1)), keepdims=True)
    elif all(isinstance(n, int) and isinstance(o, int) and n % o == 0 for n, o in zip(sizes, counts, strict=True)):
        window = tuple(n // o for n, o in zip(sizes, counts, strict=True))
        y = pool_valid(x, "AVG", window, window, (1,) * len(window))
    else:
        y = x
        for axis, count in enumerate(counts, start=1):
            y = bin_means(y, axis, count)
    return to_channels_first(y) if data_format == "channels_first" else y


def first_maximum(x):
    """Maximum over all spatial axes of a channels-last tensor; the gradient goes to its first place only."""
    shape = keras.ops.shape(x)
    rows = to_channels_first(tf.reshape(x, (-1, math.prod(shape[1:-1]), shape[-1])))
    y = tf.gather(rows, tf.argmax(rows, -1)[..., None], batch_dims=2)
    return tf.reshape(y, (-1, *(1 for _ in shape[1:-1]), shape[-1]))


def adaptive_max_pool(x, output_size, data_format=DATA_FORMAT):
    """PyTorch's adaptive max pooling over all spatial axes; None keeps an axis."""
    if data_format == "channels_first":
        x = to_channels_last(x)
    sizes, counts = keras.ops.shape(x)[1:-1], adaptive_sizes(x, output_size)
    if all(isinstance(n, int) and isinstance(o, int) for n, o in zip(sizes, counts, strict=True)):
        y = x
        # Last axis first, so that a tie is won by the first place in row order.
        for axis in range(len(sizes), 0, -1):
            n, o = sizes[axis - 1], counts[axis - 1]
            window = [n // o if i == axis else 1 for i in range(1, len(sizes) + 1)]
            if n % o == 0:
                y = pool_valid(y, "MAX", window, window, (1,) * len(window))
                continue
            bins = [(j * n // o, -(-(j + 1) * n // o)) for j in range(o)]
            parts = []
            for start, stop in bins:
                window[axis - 1] = stop - start
                part = y[(slice(None),) * axis + (slice(start, stop),)]
                parts.append(pool_valid(part, "MAX", window, window, (1,) * len(window)))
            y = tf.concat(parts, axis)
    elif all(isinstance(o, int) and o == 1 for o in counts):
        y = first_maximum(x)
    else:
        raise ValueError("adaptive_max_pool needs known spatial sizes, or an output size of 1")
    return to_channels_first(y) if data_format == "channels_first" else y


def adaptive_avg_pool1d(x, output_size, data_format=DATA_FORMAT):
    """torch.nn.functional.adaptive_avg_pool1d."""
    return adaptive_avg_pool(x, output_size, data_format)


def adaptive_avg_pool2d(x, output_size, data_format=DATA_FORMAT):
    """torch.nn.functional.adaptive_avg_pool2d."""
    return adaptive_avg_pool(x, output_size, data_format)


def adaptive_avg_pool3d(x, output_size, data_format=DATA_FORMAT):
    """torch.nn.functional.adaptive_avg_pool3d."""
    return adaptive_avg_pool(x, output_size, data_format)


def adaptive_max_pool1d(x, output_size, data_format=DATA_FORMAT):
    """torch.nn.functional.adaptive_max_pool1d."""
    return adaptive_max_pool(x, output_size, data_format)


def adaptive_max_pool2d(x, output_size, data_format=DATA_FORMAT):
    """torch.nn.functional.adaptive_max_pool2d."""
    return adaptive_max_pool(x, output_size, data_format)


def adaptive_max_pool3d(x, output_size, data_format=DATA_FORMAT):
    """torch.nn.functional.adaptive_max_pool3d."""
    return adaptive_max_pool(x, output_size, data_format)


class AdaptiveAveragePooling(keras.layers.Layer):
    """Adaptive average pooling of all spatial axes to `output_size`; None keeps an axis."""

    def __init__(self, output_size, data_format=DATA_FORMAT, **kwargs):
        super().__init__(**kwargs)
        self.output_size = output_size
        self.data_format = data_format

    def call(self, inputs):
        return adaptive_avg_pool(inputs, self.output_size, self.data_format)

    def compute_output_shape(self, input_shape):
        last = self.data_format == "channels_last"
        spatial = input_shape[1:-1] if last else input_shape[2:]
        wanted = ntuple(self.output_size, len(spatial))
        sizes = [n if o is None else o for n, o in zip(spatial, wanted, strict=True)]
        return (input_shape[0], *sizes, input_shape[-1]) if last else (*input_shape[:2], *sizes)

    def get_config(self):
        return {**super().get_config(), "output_size": self.output_size, "data_format": self.data_format}


class AdaptiveAveragePooling1D(AdaptiveAveragePooling):
    """torch.nn.AdaptiveAvgPool1d."""


class AdaptiveAveragePooling2D(AdaptiveAveragePooling):
    """torch.nn.AdaptiveAvgPool2d."""


class AdaptiveAveragePooling3D(AdaptiveAveragePooling):
    """torch.nn.AdaptiveAvgPool3d."""


class AdaptiveMaxPooling(keras.layers.Layer):
    """Adaptive max pooling of all spatial axes to `output_size`; None keeps an axis."""

    def __init__(self, output_size, data_format=DATA_FORMAT, **kwargs):
        super().__init__(**kwargs)
        self.output_size = output_size
        self.data_format = data_format

    def call(self, inputs):
        return adaptive_max_pool(inputs, self.output_size, self.data_format)

    def compute_output_shape(self, input_shape):
        last = self.data_format == "channels_last"
        spatial = input_shape[1:-1] if last else input_shape[2:]
        wanted = ntuple(self.output_size, len(spatial))
        sizes = [n if o is None else o for n, o in zip(spatial, wanted, strict=True)]
        return (input_shape[0], *sizes, input_shape[-1]) if last else (*input_shape[:2], *sizes)

    def get_config(self):
        return {**super().get_config(), "output_size": self.output_size, "data_format": self.data_format}


class AdaptiveMaxPooling1D(AdaptiveMaxPooling):
    """torch.nn.AdaptiveMaxPool1d."""


class AdaptiveMaxPooling2D(AdaptiveMaxPooling):
    """torch.nn.AdaptiveMaxPool2d."""


class AdaptiveMaxPooling3D(AdaptiveMaxPooling):
    """torch.nn.AdaptiveMaxPool3d."""
