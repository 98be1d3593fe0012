"""Transposed convolutions with PyTorch's padding, output padding, dilation and groups."""

import tensorflow as tf
from tensorflow import keras

from translator.helpers.tf.config import DATA_FORMAT
from translator.helpers.tf.spatial import ntuple, pad_spatial, to_channels_first, to_channels_last


def conv_transpose_output_size(size, kernel_size, stride, pad, output_pad, dilation):
    """Length of one axis after a transposed convolution; None stays None."""
    return None if size is None else (size - 1) * stride - 2 * pad + dilation * (kernel_size - 1) + output_pad + 1


def dilate_kernel(kernel, dilations):
    """Put dilation - 1 zeros between neighbours on the leading axes of a kernel."""
    for axis, d in enumerate(dilations):
        if d > 1:
            shape = kernel.shape.as_list()
            amounts = [(0, 0)] * (len(shape) + 1)
            amounts[axis + 1] = (0, d - 1)
            stuffed = tf.pad(tf.expand_dims(kernel, axis + 1), amounts)
            stuffed = tf.reshape(stuffed, [*shape[:axis], shape[axis] * d, *shape[axis + 1 :]])
            kernel = stuffed[(slice(None),) * axis + (slice(0, (shape[axis] - 1) * d + 1),)]
    return kernel


def conv_transpose_one_group(x, kernel, strides, pads, sizes):
    """Transposed convolution of (N, *spatial, in) by (k..., out, in) to the spatial `sizes`."""
    rank = len(strides)
    kernel_size = kernel.shape[:rank]
    shape = [keras.ops.shape(x)[0], *sizes, kernel.shape[rank]]
    if rank == 2:
        if all(2 * p == k - s for p, k, s in zip(pads, kernel_size, strides, strict=True)) and all(
            isinstance(n, int) and n == m * s for n, m, s in zip(sizes, x.shape[1:-1], strides, strict=True)
        ):
            return tf.nn.conv2d_transpose(x, kernel, shape, strides, "SAME")
        return tf.nn.conv2d_transpose(x, kernel, shape, strides, [(0, 0), *((p, p) for p in pads), (0, 0)])
    # Three axes know no explicit padding: take the whole result and crop it.
    full = [n + 2 * p for n, p in zip(sizes, pads, strict=True)]
    y = tf.nn.conv3d_transpose(x, kernel, [shape[0], *full, shape[-1]], strides, "VALID")
    return y[(slice(None), *(slice(p, p + n) for p, n in zip(pads, sizes, strict=True)))]


def conv_transpose_depthwise(x, kernel, strides, pads, sizes):
    """Transposed convolution of (N, H, W, C) with one filter per channel; kernel (kh, kw, 1, C), equal strides."""
    shape = tf.stack([keras.ops.shape(x)[0], *sizes, kernel.shape[-1]])
    explicit = [(0, 0), *((p, p) for p in pads), (0, 0)]
    filters = tf.transpose(kernel, (0, 1, 3, 2))
    return tf.nn.depthwise_conv2d_backprop_input(shape, filters, x, (1, *strides, 1), explicit)


def convolve_transpose(x, kernel, bias, strides, pads, output_pads, dilations, groups, data_format):
    """Transposed convolution; kernel (k..., out / groups, in), `pads` crops both sides of each axis."""
    if data_format == "channels_first":
        x = to_channels_last(x)
    line = len(x.shape) == 3
    if line:
        x, kernel = x[:, None], kernel[None]
        strides, pads, output_pads, dilations = (1, *strides), (0, *pads), (0, *output_pads), (1, *dilations)
    settings = zip(keras.ops.shape(x)[1:-1], kernel.shape, strides, pads, output_pads, dilations, strict=False)
    sizes = [conv_transpose_output_size(*setting) for setting in settings]
    kernel = dilate_kernel(kernel, dilations)
    # An output padding of a whole stride is what one more zero at the end of the input would give.
    x = pad_spatial(x, [(0, extra // s) for extra, s in zip(output_pads, strides, strict=True)])
    if groups == 1:
        y = conv_transpose_one_group(x, kernel, strides, pads, sizes)
    elif len(strides) == 2 and kernel.shape[-1] == groups and kernel.shape[-2] == 1 and strides[0] == strides[1]:
        y = conv_transpose_depthwise(x, kernel, strides, pads, sizes)
    else:
        parts = zip(tf.split(x, groups, -1), tf.split(kernel, groups, -1), strict=True)
        y = tf.concat([conv_transpose_one_group(a, k, strides, pads, sizes) for a, k in parts], -1)
    if bias is not None:
        y = tf.nn.bias_add(y, bias)
    if line:
        y = tf.squeeze(y, 1)
    return to_channels_first(y) if data_format == "channels_first" else y


class PaddedConvTranspose:
    """Explicit padding, output padding and groups for a Keras transposed convolution."""

    def __init__(
        self,
        filters,
        kernel_size,
        strides=1,
        pad=0,
        output_pad=0,
        dilation_rate=1,
        groups=1,
        use_bias=True,
        data_format=DATA_FORMAT,
        **kwargs,
    ):
        super().__init__(filters, kernel_size, use_bias=use_bias, data_format=data_format, **kwargs)
        # Set here, since Keras refuses strides together with dilation.
        self.strides = ntuple(strides, self.rank)
        self.dilation_rate = ntuple(dilation_rate, self.rank)
        self.pad = ntuple(pad, self.rank)
        self.output_pad = ntuple(output_pad, self.rank)
        self.groups = groups

    def build(self, input_shape):
        channels = input_shape[-1 if self.data_format == "channels_last" else 1]
        self.kernel = self.add_weight(
            name="kernel",
            shape=(*self.kernel_size, self.filters // self.groups, channels),
            initializer=self.kernel_initializer,
            regularizer=self.kernel_regularizer,
            constraint=self.kernel_constraint,
        )
        self.bias = None
        if self.use_bias:
            self.bias = self.add_weight(
                name="bias",
                shape=(self.filters,),
                initializer=self.bias_initializer,
                regularizer=self.bias_regularizer,
                constraint=self.bias_constraint,
            )

    def call(self, inputs):
        kernel = tf.convert_to_tensor(self.kernel)
        outputs = convolve_transpose(
            inputs,
            kernel,
            self.bias,
            self.strides,
            self.pad,
            self.output_pad,
            self.dilation_rate,
            self.groups,
            self.data_format,
        )
        return outputs if self.activation is None else self.activation(outputs)

    def compute_output_shape(self, input_shape):
        spatial = input_shape[1:-1] if self.data_format == "channels_last" else input_shape[2:]
        settings = zip(
            spatial, self.kernel_size, self.strides, self.pad, self.output_pad, self.dilation_rate, strict=True
        )
        sizes = [conv_transpose_output_size(*setting) for setting in settings]
        if self.data_format == "channels_last":
            return (input_shape[0], *sizes, self.filters)
        return (input_shape[0], self.filters, *sizes)

    def get_config(self):
        config = super().get_config()
        del config["padding"], config["output_padding"]
        return {**config, "pad": self.pad, "output_pad": self.output_pad, "groups": self.groups}


class PaddedConv1DTranspose(PaddedConvTranspose, keras.layers.Conv1DTranspose):
    """Conv1DTranspose with torch.nn.ConvTranspose1d's padding; kernel (k, out / groups, in)."""


class PaddedConv2DTranspose(PaddedConvTranspose, keras.layers.Conv2DTranspose):
    """Conv2DTranspose with torch.nn.ConvTranspose2d's padding; kernel (kh, kw, out / groups, in)."""


class PaddedConv3DTranspose(PaddedConvTranspose, keras.layers.Conv3DTranspose):
    """Conv3DTranspose with torch.nn.ConvTranspose3d's padding; kernel (kd, kh, kw, out / groups, in)."""


def conv_transpose_nd(x, weight, bias, stride, padding, output_padding, groups, dilation, data_format):
    """Transposed convolution by a weight in PyTorch's order, (in, out / groups, k...)."""
    rank = len(weight.shape) - 2
    kernel = tf.transpose(weight, (*range(2, rank + 2), 1, 0))
    settings = [ntuple(setting, rank) for setting in (stride, padding, output_padding, dilation)]
    return convolve_transpose(x, kernel, bias, *settings, groups, data_format)


def conv_transpose1d(
    x, weight, bias=None, stride=1, padding=0, output_padding=0, groups=1, dilation=1, data_format=DATA_FORMAT
):
    """torch.nn.functional.conv_transpose1d; weight (in, out / groups, k)."""
    return conv_transpose_nd(x, weight, bias, stride, padding, output_padding, groups, dilation, data_format)


def conv_transpose2d(
    x, weight, bias=None, stride=1, padding=0, output_padding=0, groups=1, dilation=1, data_format=DATA_FORMAT
):
    """torch.nn.functional.conv_transpose2d; weight (in, out / groups, kh, kw)."""
    return conv_transpose_nd(x, weight, bias, stride, padding, output_padding, groups, dilation, data_format)


def conv_transpose3d(
    x, weight, bias=None, stride=1, padding=0, output_padding=0, groups=1, dilation=1, data_format=DATA_FORMAT
):
    """torch.nn.functional.conv_transpose3d; weight (in, out / groups, kd, kh, kw)."""
    return conv_transpose_nd(x, weight, bias, stride, padding, output_padding, groups, dilation, data_format)
