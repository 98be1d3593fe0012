"""Pooling with PyTorch's padding, ceil mode, dilation and adaptive windows."""

import math

import tensorflow as tf
from tensorflow import keras

from translator.helpers.tf.config import DATA_FORMAT
from translator.helpers.tf.spatial import ntuple, pad_spatial, to_channels_first, to_channels_last


def pool_output_size(size, kernel_size, stride, pad, dilation=1, ceil_mode=False):
    """Length of one axis after pooling; None stays None."""
    if size is None:
        return None
    span = size + 2 * pad - dilation * (kernel_size - 1) - 1
    if not ceil_mode:
        return span // stride + 1
    # The last window must start inside the input or the padding before it.
    return min(-(-span // stride) + 1, -(-(size + pad) // stride))


def pool_valid(x, op, kernel_size, strides, dilations):
    """Max or average pooling (`op`) of a channels-last tensor without padding, one to three axes."""
    rank = len(kernel_size)
    if rank == 1:
        y = pool_valid(x[:, None], op, (1, *kernel_size), (1, *strides), (1, *dilations))
        return tf.squeeze(y, 1)
    if rank == 3:
        # Planes first, then depth: TensorFlow's own 3-D pooling knows no float64 on the CPU.
        _, depth, height, width, channels = keras.ops.shape(x)
        y = tf.reshape(x, (-1, height, width, channels))
        y = pool_valid(y, op, kernel_size[1:], strides[1:], dilations[1:])
        _, height, width, _ = keras.ops.shape(y)
        y = tf.reshape(y, (-1, depth, height * width, channels))
        y = pool_valid(y, op, (kernel_size[0], 1), (strides[0], 1), (dilations[0], 1))
        return tf.reshape(y, (-1, keras.ops.shape(y)[1], height, width, channels))
    if max(dilations) > 1:
        y = tf.nn.pool(x, kernel_size, op, dilations=dilations)
        return y[:, :: strides[0], :: strides[1]]
    pool = tf.nn.max_pool2d if op == "MAX" else tf.nn.avg_pool2d
    return pool(x, kernel_size, strides, "VALID")


def pool_padded(x, op, kernel_size, strides, pads, dilations, ceil_mode, value):
    """Pooling of a channels-last tensor that is padded with `value`; rounds the size up with `ceil_mode`."""
    sizes = keras.ops.shape(x)[1:-1]
    amounts = [(p, p + s - 1 if ceil_mode else p) for p, s in zip(pads, strides, strict=True)]
    y = pool_valid(pad_spatial(x, amounts, "constant", value), op, kernel_size, strides, dilations)
    if ceil_mode:
        limits = [-(-(n + p) // s) for n, p, s in zip(sizes, pads, strides, strict=True)]
        y = y[(slice(None), *(slice(0, limit) for limit in limits))]
    return y


def max_pool(x, kernel_size, stride=None, padding=0, dilation=1, ceil_mode=False, data_format=DATA_FORMAT):
    """PyTorch's max pooling over all spatial axes; the padding never wins."""
    rank = len(x.shape) - 2
    if data_format == "channels_first":
        x = to_channels_last(x)
    kernel_size = ntuple(kernel_size, rank)
    strides = ntuple(stride or kernel_size, rank)
    lowest = -math.inf if x.dtype.is_floating else x.dtype.min
    pads, dilations = ntuple(padding, rank), ntuple(dilation, rank)
    y = pool_padded(x, "MAX", kernel_size, strides, pads, dilations, ceil_mode, lowest)
    return to_channels_first(y) if data_format == "channels_first" else y


def window_counts(size, count, kernel_size, stride, pad, count_include_pad, dtype):
    """How many entries of one axis each of `count` windows holds."""
    start = tf.range(count) * stride - pad
    low, high = (-pad, size + pad) if count_include_pad else (0, size)
    return tf.cast(tf.minimum(start + kernel_size, high) - tf.maximum(start, low), dtype)


def avg_pool(
    x,
    kernel_size,
    stride=None,
    padding=0,
    ceil_mode=False,
    count_include_pad=True,
    divisor_override=None,
    data_format=DATA_FORMAT,
):
    """PyTorch's average pooling over all spatial axes; counts zero padding unless told otherwise."""
    rank = len(x.shape) - 2
    if data_format == "channels_first":
        x = to_channels_last(x)
    kernel_size, pads = ntuple(kernel_size, rank), ntuple(padding, rank)
    strides = ntuple(stride or kernel_size, rank)
    y = pool_padded(x, "AVG", kernel_size, strides, pads, (1,) * rank, ceil_mode, 0.0)
    if divisor_override:
        y *= math.prod(kernel_size) / divisor_override
    elif ceil_mode or (any(pads) and not count_include_pad):
        sizes, counts = keras.ops.shape(x)[1:-1], keras.ops.shape(y)[1:-1]
        for i, settings in enumerate(zip(sizes, counts, kernel_size, strides, pads, strict=True)):
            scale = settings[2] / window_counts(*settings, count_include_pad, x.dtype)
            y *= tf.reshape(scale, (-1,) + (1,) * (rank - i))
    return to_channels_first(y) if data_format == "channels_first" else y


def lp_pool(x, norm_type, kernel_size, stride=None, ceil_mode=False, data_format=DATA_FORMAT):
    """PyTorch's power-average pooling: (sum of x ** norm_type) ** (1 / norm_type) of each window."""
    rank = len(x.shape) - 2
    mean = avg_pool(x**norm_type, kernel_size, stride, 0, ceil_mode, data_format=data_format)
    return (tf.sign(mean) * tf.nn.relu(tf.abs(mean)) * math.prod(ntuple(kernel_size, rank))) ** (1.0 / norm_type)


def max_pool1d(x, kernel_size, stride=None, padding=0, dilation=1, ceil_mode=False, data_format=DATA_FORMAT):
    """torch.nn.functional.max_pool1d."""
    return max_pool(x, kernel_size, stride, padding, dilation, ceil_mode, data_format)


def max_pool2d(x, kernel_size, stride=None, padding=0, dilation=1, ceil_mode=False, data_format=DATA_FORMAT):
    """torch.nn.functional.max_pool2d."""
    return max_pool(x, kernel_size, stride, padding, dilation, ceil_mode, data_format)


def max_pool3d(x, kernel_size, stride=None, padding=0, dilation=1, ceil_mode=False, data_format=DATA_FORMAT):
    """torch.nn.functional.max_pool3d."""
    return max_pool(x, kernel_size, stride, padding, dilation, ceil_mode, data_format)


def avg_pool1d(
    x, kernel_size, stride=None, padding=0, ceil_mode=False, count_include_pad=True, data_format=DATA_FORMAT
):
    """torch.nn.functional.avg_pool1d."""
    return avg_pool(x, kernel_size, stride, padding, ceil_mode, count_include_pad, None, data_format)


def avg_pool2d(
    x,
    kernel_size,
    stride=None,
    padding=0,
    ceil_mode=False,
    count_include_pad=True,
    divisor_override=None,
    data_format=DATA_FORMAT,
):
    """torch.nn.functional.avg_pool2d."""
    return avg_pool(x, kernel_size, stride, padding, ceil_mode, count_include_pad, divisor_override, data_format)


def avg_pool3d(
    x,
    kernel_size,
    stride=None,
    padding=0,
    ceil_mode=False,
    count_include_pad=True,
    divisor_override=None,
    data_format=DATA_FORMAT,
):
    """torch.nn.functional.avg_pool3d."""
    return avg_pool(x, kernel_size, stride, padding, ceil_mode, count_include_pad, divisor_override, data_format)


class PaddedMaxPooling:
    """Explicit padding, dilation and ceil mode for a Keras max pooling layer."""

    def __init__(self, pool_size, strides=None, pad=0, dilation=1, ceil_mode=False, data_format=DATA_FORMAT, **kwargs):
        super().__init__(pool_size, strides, data_format=data_format, **kwargs)
        self.pad = pad
        self.dilation = dilation
        self.ceil_mode = ceil_mode

    def call(self, inputs):
        return max_pool(inputs, self.pool_size, self.strides, self.pad, self.dilation, self.ceil_mode, self.data_format)

    def compute_output_shape(self, input_shape):
        last = self.data_format == "channels_last"
        spatial = input_shape[1:-1] if last else input_shape[2:]
        rank = len(spatial)
        settings = zip(
            spatial, self.pool_size, self.strides, ntuple(self.pad, rank), ntuple(self.dilation, rank), strict=True
        )
        sizes = [pool_output_size(*setting, self.ceil_mode) for setting in settings]
        return (input_shape[0], *sizes, input_shape[-1]) if last else (*input_shape[:2], *sizes)

    def get_config(self):
        config = super().get_config()
        del config["padding"]
        return {**config, "pad": self.pad, "dilation": self.dilation, "ceil_mode": self.ceil_mode}


class PaddedMaxPooling1D(PaddedMaxPooling, keras.layers.MaxPooling1D):
    """MaxPooling1D as torch.nn.MaxPool1d."""


class PaddedMaxPooling2D(PaddedMaxPooling, keras.layers.MaxPooling2D):
    """MaxPooling2D as torch.nn.MaxPool2d."""


class PaddedMaxPooling3D(PaddedMaxPooling, keras.layers.MaxPooling3D):
    """MaxPooling3D as torch.nn.MaxPool3d."""


class PaddedAveragePooling:
    """Explicit padding, ceil mode and divisors for a Keras average pooling layer."""

    def __init__(
        self,
        pool_size,
        strides=None,
        pad=0,
        ceil_mode=False,
        count_include_pad=True,
        divisor_override=None,
        data_format=DATA_FORMAT,
        **kwargs,
    ):
        super().__init__(pool_size, strides, data_format=data_format, **kwargs)
        self.pad = pad
        self.ceil_mode = ceil_mode
        self.count_include_pad = count_include_pad
        self.divisor_override = divisor_override

    def call(self, inputs):
        settings = (self.pad, self.ceil_mode, self.count_include_pad, self.divisor_override)
        return avg_pool(inputs, self.pool_size, self.strides, *settings, self.data_format)

    def compute_output_shape(self, input_shape):
        last = self.data_format == "channels_last"
        spatial = input_shape[1:-1] if last else input_shape[2:]
        settings = zip(spatial, self.pool_size, self.strides, ntuple(self.pad, len(spatial)), strict=True)
        sizes = [pool_output_size(*setting, ceil_mode=self.ceil_mode) for setting in settings]
        return (input_shape[0], *sizes, input_shape[-1]) if last else (*input_shape[:2], *sizes)

    def get_config(self):
        config = super().get_config()
        del config["padding"]
        own = ("pad", "ceil_mode", "count_include_pad", "divisor_override")
        return {**config, **{name: getattr(self, name) for name in own}}


class PaddedAveragePooling1D(PaddedAveragePooling, keras.layers.AveragePooling1D):
    """AveragePooling1D as torch.nn.AvgPool1d."""


class PaddedAveragePooling2D(PaddedAveragePooling, keras.layers.AveragePooling2D):
    """AveragePooling2D as torch.nn.AvgPool2d."""


class PaddedAveragePooling3D(PaddedAveragePooling, keras.layers.AveragePooling3D):
    """AveragePooling3D as torch.nn.AvgPool3d."""
