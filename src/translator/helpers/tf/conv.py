"""Convolutions with PyTorch's padding, strides, dilation and groups."""

import tensorflow as tf
from tensorflow import keras

from translator.helpers.tf.config import DATA_FORMAT
from translator.helpers.tf.spatial import ntuple, pad_spatial, to_channels_first, to_channels_last


def conv_pads(pad, kernel_size, dilation_rate):
    """(before, after) for each axis: `pad` is "same", "valid", an int or one int for each axis."""
    if pad == "same":
        totals = [d * (k - 1) for k, d in zip(kernel_size, dilation_rate, strict=True)]
        return [(total // 2, total - total // 2) for total in totals]
    return [(p, p) for p in ntuple(0 if pad == "valid" else pad, len(kernel_size))]


def conv_output_size(size, kernel_size, stride, pads, dilation):
    """Length of one axis after a convolution or pooling; None stays None."""
    return None if size is None else (size + sum(pads) - dilation * (kernel_size - 1) - 1) // stride + 1


def take_strides(x, strides):
    """Every stride-th entry of the spatial axes of a channels-last tensor."""
    return x[(slice(None), *(slice(None, None, s) for s in strides))]


def depthwise_convolution(x, kernel, strides, padding, dilations):
    """Convolve each channel of (N, H, W, C) by its own filters; kernel (kh, kw, C, multiplier)."""
    # TensorFlow has neither unequal strides nor strides together with dilation here: skip afterwards.
    if len(set(strides)) > 1 or (max(strides) > 1 and max(dilations) > 1):
        dense = tf.nn.depthwise_conv2d(x, kernel, (1, 1, 1, 1), padding, dilations=dilations)
        return take_strides(dense, strides)
    return tf.nn.depthwise_conv2d(x, kernel, (1, *strides, 1), padding, dilations=dilations)


def grouped_convolution(x, kernel, strides, padding, dilations, groups):
    """tf.nn.convolution of a channels-last tensor in `groups` groups; kernel (k..., in / groups, out)."""
    if max(strides) > 1 and max(dilations) > 1:
        ones = (1,) * len(strides)
        return take_strides(grouped_convolution(x, kernel, ones, padding, dilations, groups), strides)
    axes = {1: "NWC", 2: "NHWC", 3: "NDHWC"}[len(strides)]
    # The CPU has gradients of grouped kernels for float32 in one and two dimensions only.
    if groups == 1 or (x.dtype == tf.float32 and len(x.shape) < 5):
        return tf.nn.convolution(x, kernel, strides, padding, axes, dilations)
    parts = zip(tf.split(x, groups, -1), tf.split(kernel, groups, -1), strict=True)
    return tf.concat([tf.nn.convolution(a, k, strides, padding, axes, dilations) for a, k in parts], -1)


def convolve(x, kernel, bias, strides, pads, dilations, groups, pad_mode, data_format):
    """Convolution with explicit (before, after) `pads`; kernel (k..., in / groups, out)."""
    if data_format == "channels_first":
        x = to_channels_last(x)
    rank = len(x.shape) - 2
    kernel_size = tuple(kernel.shape[:rank])
    if pad_mode == "zeros" and max(strides) == 1 and pads == conv_pads("same", kernel_size, dilations):
        padding = "SAME"
    else:
        x, padding = pad_spatial(x, pads, pad_mode), "VALID"
    if rank == 2 and groups > 1 and kernel.shape[2] == 1:
        depthwise_kernel = tf.reshape(kernel, (*kernel_size, groups, -1))
        y = depthwise_convolution(x, depthwise_kernel, strides, padding, dilations)
    elif rank == 1 and groups > 1 and kernel.shape[1] == 1:
        depthwise_kernel = tf.reshape(kernel, (1, *kernel_size, groups, -1))
        y = tf.squeeze(depthwise_convolution(x[:, None], depthwise_kernel, (1, *strides), padding, (1, *dilations)), 1)
    else:
        y = grouped_convolution(x, kernel, strides, padding, dilations, groups)
    if bias is not None:
        y = tf.nn.bias_add(y, bias)
    return to_channels_first(y) if data_format == "channels_first" else y


class PaddedConv:
    """Explicit padding for a Keras convolution: `pad` zeros (or `pad_mode` values) on both sides of each axis."""

    def __init__(
        self,
        filters,
        kernel_size,
        strides=1,
        pad=0,
        dilation_rate=1,
        groups=1,
        pad_mode="zeros",
        use_bias=True,
        data_format=DATA_FORMAT,
        **kwargs,
    ):
        super().__init__(filters, kernel_size, groups=groups, use_bias=use_bias, data_format=data_format, **kwargs)
        # Set here, since Keras refuses strides together with dilation.
        self.strides = ntuple(strides, self.rank)
        self.dilation_rate = ntuple(dilation_rate, self.rank)
        self.pad = pad
        self.pad_mode = pad_mode

    def call(self, inputs):
        pads = conv_pads(self.pad, self.kernel_size, self.dilation_rate)
        bias = self.bias if self.use_bias else None
        kernel = tf.convert_to_tensor(self.kernel)
        outputs = convolve(
            inputs,
            kernel,
            bias,
            self.strides,
            pads,
            self.dilation_rate,
            self.groups,
            self.pad_mode,
            self.data_format,
        )
        return outputs if self.activation is None else self.activation(outputs)

    def compute_output_shape(self, input_shape):
        spatial = input_shape[1:-1] if self.data_format == "channels_last" else input_shape[2:]
        pads = conv_pads(self.pad, self.kernel_size, self.dilation_rate)
        settings = zip(spatial, self.kernel_size, self.strides, pads, self.dilation_rate, strict=True)
        sizes = [conv_output_size(*setting) for setting in settings]
        if self.data_format == "channels_last":
            return (input_shape[0], *sizes, self.filters)
        return (input_shape[0], self.filters, *sizes)

    def get_config(self):
        config = super().get_config()
        del config["padding"]
        return {**config, "pad": self.pad, "pad_mode": self.pad_mode}


class PaddedConv1D(PaddedConv, keras.layers.Conv1D):
    """Conv1D with torch.nn.Conv1d's padding; kernel (k, in / groups, out)."""


class PaddedConv2D(PaddedConv, keras.layers.Conv2D):
    """Conv2D with torch.nn.Conv2d's padding; kernel (kh, kw, in / groups, out)."""


class PaddedConv3D(PaddedConv, keras.layers.Conv3D):
    """Conv3D with torch.nn.Conv3d's padding; kernel (kd, kh, kw, in / groups, out)."""


class PaddedDepthwiseConv2D(keras.layers.DepthwiseConv2D):
    """DepthwiseConv2D with explicit padding: `pad` zeros (or `pad_mode` values) on both sides of each axis."""

    def __init__(
        self,
        kernel_size,
        strides=1,
        pad=0,
        dilation_rate=1,
        depth_multiplier=1,
        pad_mode="zeros",
        use_bias=True,
        data_format=DATA_FORMAT,
        **kwargs,
    ):
        super().__init__(
            kernel_size, depth_multiplier=depth_multiplier, use_bias=use_bias, data_format=data_format, **kwargs
        )
        self.strides = ntuple(strides, 2)
        self.dilation_rate = ntuple(dilation_rate, 2)
        self.pad = pad
        self.pad_mode = pad_mode

    def call(self, inputs):
        channels = self.kernel.shape[2]
        kernel = tf.reshape(self.kernel, (*self.kernel_size, 1, channels * self.depth_multiplier))
        pads = conv_pads(self.pad, self.kernel_size, self.dilation_rate)
        bias = self.bias if self.use_bias else None
        outputs = convolve(
            inputs, kernel, bias, self.strides, pads, self.dilation_rate, channels, self.pad_mode, self.data_format
        )
        return outputs if self.activation is None else self.activation(outputs)

    def compute_output_shape(self, input_shape):
        last = self.data_format == "channels_last"
        spatial, channels = (input_shape[1:-1], input_shape[-1]) if last else (input_shape[2:], input_shape[1])
        pads = conv_pads(self.pad, self.kernel_size, self.dilation_rate)
        settings = zip(spatial, self.kernel_size, self.strides, pads, self.dilation_rate, strict=True)
        sizes = [conv_output_size(*setting) for setting in settings]
        filters = channels * self.depth_multiplier
        return (input_shape[0], *sizes, filters) if last else (input_shape[0], filters, *sizes)

    def get_config(self):
        config = super().get_config()
        del config["padding"]
        return {**config, "pad": self.pad, "pad_mode": self.pad_mode}


def conv_nd(x, weight, bias, stride, padding, dilation, groups, data_format):
    """Convolution by a weight in PyTorch's order, (out, in / groups, k...)."""
    rank = len(weight.shape) - 2
    kernel = tf.transpose(weight, (*range(2, rank + 2), 1, 0))
    dilations = ntuple(dilation, rank)
    pads = conv_pads(padding, tuple(kernel.shape[:rank]), dilations)
    return convolve(x, kernel, bias, ntuple(stride, rank), pads, dilations, groups, "zeros", data_format)


def conv1d(x, weight, bias=None, stride=1, padding=0, dilation=1, groups=1, data_format=DATA_FORMAT):
    """torch.nn.functional.conv1d; weight (out, in / groups, k)."""
    return conv_nd(x, weight, bias, stride, padding, dilation, groups, data_format)


def conv2d(x, weight, bias=None, stride=1, padding=0, dilation=1, groups=1, data_format=DATA_FORMAT):
    """torch.nn.functional.conv2d; weight (out, in / groups, kh, kw)."""
    return conv_nd(x, weight, bias, stride, padding, dilation, groups, data_format)


def conv3d(x, weight, bias=None, stride=1, padding=0, dilation=1, groups=1, data_format=DATA_FORMAT):
    """torch.nn.functional.conv3d; weight (out, in / groups, kd, kh, kw)."""
    return conv_nd(x, weight, bias, stride, padding, dilation, groups, data_format)
