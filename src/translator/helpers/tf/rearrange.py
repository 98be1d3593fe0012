"""Moving values between channels and space: pixel shuffle, channel shuffle, unfold and fold."""

import tensorflow as tf
from tensorflow import keras

from translator.helpers.tf.config import DATA_FORMAT
from translator.helpers.tf.spatial import ntuple, to_channels_first


def pixel_shuffle(x, upscale_factor, data_format=DATA_FORMAT):
    """torch.nn.functional.pixel_shuffle: channel (c, i, j) goes to place (i, j) of a block."""
    r = upscale_factor
    if data_format == "channels_last":
        n, h, w, c = keras.ops.shape(x)
        x = tf.transpose(tf.reshape(x, (n, h, w, c // (r * r), r, r)), (0, 1, 4, 2, 5, 3))
        return tf.reshape(x, (n, h * r, w * r, c // (r * r)))
    n, c, h, w = keras.ops.shape(x)
    x = tf.transpose(tf.reshape(x, (n, c // (r * r), r, r, h, w)), (0, 1, 4, 2, 5, 3))
    return tf.reshape(x, (n, c // (r * r), h * r, w * r))


def pixel_unshuffle(x, downscale_factor, data_format=DATA_FORMAT):
    """torch.nn.functional.pixel_unshuffle: place (i, j) of a block goes to channel (c, i, j)."""
    r = downscale_factor
    if data_format == "channels_last":
        n, h, w, c = keras.ops.shape(x)
        x = tf.transpose(tf.reshape(x, (n, h // r, r, w // r, r, c)), (0, 1, 3, 5, 2, 4))
        return tf.reshape(x, (n, h // r, w // r, c * r * r))
    n, c, h, w = keras.ops.shape(x)
    x = tf.transpose(tf.reshape(x, (n, c, h // r, r, w // r, r)), (0, 1, 3, 5, 2, 4))
    return tf.reshape(x, (n, c * r * r, h // r, w // r))


def channel_shuffle(x, groups, data_format=DATA_FORMAT):
    """torch.nn.functional.channel_shuffle: channels (group, member) become (member, group)."""
    shape = keras.ops.shape(x)
    if data_format == "channels_last":
        x = tf.reshape(x, (-1, groups, shape[-1] // groups))
        return tf.reshape(tf.transpose(x, (0, 2, 1)), shape)
    x = tf.reshape(x, (shape[0], groups, shape[1] // groups, -1))
    return tf.reshape(tf.transpose(x, (0, 2, 1, 3)), shape)


def unfold_patches(x, kernel_size, dilation=1, padding=0, stride=1, data_format=DATA_FORMAT):
    """torch.nn.functional.unfold: the patches of an image, (N, C * kh * kw, positions) in either data format."""
    if data_format == "channels_last":
        x = to_channels_first(x)
    (kh, kw), (dh, dw) = ntuple(kernel_size, 2), ntuple(dilation, 2)
    (ph, pw), (sh, sw) = ntuple(padding, 2), ntuple(stride, 2)
    if ph or pw:
        x = tf.pad(x, ((0, 0), (0, 0), (ph, ph), (pw, pw)))
    n, c, h, w = keras.ops.shape(x)
    rows, cols = (h - dh * (kh - 1) - 1) // sh + 1, (w - dw * (kw - 1) - 1) // sw + 1
    parts = [
        x[:, :, i * dh : i * dh + (rows - 1) * sh + 1 : sh, j * dw : j * dw + (cols - 1) * sw + 1 : sw]
        for i in range(kh)
        for j in range(kw)
    ]
    return tf.reshape(tf.stack(parts, 2), (n, c * kh * kw, rows * cols))


def overlap_add(x, size, stride, dilation):
    """Sum x (..., k, positions, rest) into (..., size, rest): entry (i, p) lands on i * dilation + p * stride."""
    *lead, kernel_size, positions, rest = keras.ops.shape(x)
    # Spread each position over `stride` places, then shift by the offset within the kernel.
    x = tf.reshape(x, (-1, kernel_size, positions, 1, rest))
    x = tf.reshape(
        tf.pad(x, ((0, 0), (0, 0), (0, 0), (0, stride - 1), (0, 0))), (-1, kernel_size, positions * stride, rest)
    )
    x = x[:, :, : (positions - 1) * stride + 1]
    room = size - ((positions - 1) * stride + 1)
    parts = [tf.pad(x[:, i], ((0, 0), (i * dilation, room - i * dilation), (0, 0))) for i in range(kernel_size)]
    return tf.reshape(tf.add_n(parts), (*lead, size, rest))


def fold_patches(x, output_size, kernel_size, dilation=1, padding=0, stride=1, data_format=DATA_FORMAT):
    """torch.nn.functional.fold: sums patches (N, C * kh * kw, positions) into an image."""
    (oh, ow), (kh, kw) = ntuple(output_size, 2), ntuple(kernel_size, 2)
    (dh, dw), (ph, pw), (sh, sw) = ntuple(dilation, 2), ntuple(padding, 2), ntuple(stride, 2)
    h, w = oh + 2 * ph, ow + 2 * pw
    rows, cols = (h - dh * (kh - 1) - 1) // sh + 1, (w - dw * (kw - 1) - 1) // sw + 1
    n, channels, _ = keras.ops.shape(x)
    c = channels // (kh * kw)
    x = tf.transpose(tf.reshape(x, (n, c, kh, kw, rows, cols)), (0, 2, 4, 3, 5, 1))
    x = overlap_add(x, w, sw, dw)
    x = overlap_add(tf.reshape(x, (n, kh, rows, w * c)), h, sh, dh)
    x = tf.reshape(x, (n, h, w, c))[:, ph : ph + oh, pw : pw + ow]
    return to_channels_first(x) if data_format == "channels_first" else x


class PixelShuffle(keras.layers.Layer):
    """torch.nn.PixelShuffle."""

    def __init__(self, upscale_factor, data_format=DATA_FORMAT, **kwargs):
        super().__init__(**kwargs)
        self.upscale_factor = upscale_factor
        self.data_format = data_format

    def call(self, inputs):
        return pixel_shuffle(inputs, self.upscale_factor, self.data_format)

    def get_config(self):
        own = {"upscale_factor": self.upscale_factor, "data_format": self.data_format}
        return {**super().get_config(), **own}


class PixelUnshuffle(keras.layers.Layer):
    """torch.nn.PixelUnshuffle."""

    def __init__(self, downscale_factor, data_format=DATA_FORMAT, **kwargs):
        super().__init__(**kwargs)
        self.downscale_factor = downscale_factor
        self.data_format = data_format

    def call(self, inputs):
        return pixel_unshuffle(inputs, self.downscale_factor, self.data_format)

    def get_config(self):
        own = {"downscale_factor": self.downscale_factor, "data_format": self.data_format}
        return {**super().get_config(), **own}


class ChannelShuffle(keras.layers.Layer):
    """torch.nn.ChannelShuffle."""

    def __init__(self, groups, data_format=DATA_FORMAT, **kwargs):
        super().__init__(**kwargs)
        self.groups = groups
        self.data_format = data_format

    def call(self, inputs):
        return channel_shuffle(inputs, self.groups, self.data_format)

    def get_config(self):
        return {**super().get_config(), "groups": self.groups, "data_format": self.data_format}


class Unfold(keras.layers.Layer):
    """torch.nn.Unfold: the patches of an image, (N, C * kh * kw, positions)."""

    def __init__(self, kernel_size, dilation=1, padding=0, stride=1, data_format=DATA_FORMAT, **kwargs):
        super().__init__(**kwargs)
        self.kernel_size = kernel_size
        self.dilation = dilation
        self.padding = padding
        self.stride = stride
        self.data_format = data_format

    def call(self, inputs):
        settings = (self.kernel_size, self.dilation, self.padding, self.stride, self.data_format)
        return unfold_patches(inputs, *settings)

    def get_config(self):
        own = ("kernel_size", "dilation", "padding", "stride", "data_format")
        return {**super().get_config(), **{name: getattr(self, name) for name in own}}


class Fold(keras.layers.Layer):
    """torch.nn.Fold: sums patches (N, C * kh * kw, positions) into an image."""

    def __init__(self, output_size, kernel_size, dilation=1, padding=0, stride=1, data_format=DATA_FORMAT, **kwargs):
        super().__init__(**kwargs)
        self.output_size = output_size
        self.kernel_size = kernel_size
        self.dilation = dilation
        self.padding = padding
        self.stride = stride
        self.data_format = data_format

    def call(self, inputs):
        settings = (self.kernel_size, self.dilation, self.padding, self.stride, self.data_format)
        return fold_patches(inputs, self.output_size, *settings)

    def get_config(self):
        own = ("output_size", "kernel_size", "dilation", "padding", "stride", "data_format")
        return {**super().get_config(), **{name: getattr(self, name) for name in own}}
