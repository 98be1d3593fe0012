"""Linear layers and convolutions under PyTorch's names and constructor arguments, for code that passes classes around.

They start as PyTorch's do: weights and biases are drawn evenly from within 1/sqrt(fan_in).
"""

import math

from tensorflow import keras

from translator.helpers.tf.conv import PaddedConv1D, PaddedConv2D, PaddedConv3D
from translator.helpers.tf.conv_transpose import PaddedConv1DTranspose, PaddedConv2DTranspose, PaddedConv3DTranspose
from translator.helpers.tf.initializer import fan_in_uniform


def drawn(fan_in, settings):
    """Settings of a layer whose weights and biases start as PyTorch's do, unless other initialisers are asked for."""
    return {name: fan_in_uniform(max(fan_in, 1)) for name in ("kernel_initializer", "bias_initializer")} | settings


def conv_fan_in(channels, groups, kernel_size, rank):
    """How many inputs an output of a convolution is summed over."""
    sizes = kernel_size if isinstance(kernel_size, (tuple, list)) else (kernel_size,) * rank
    return channels // groups * math.prod(sizes)


class BuiltWhenRead:
    """A layer that builds its weights when they are read before its first call."""

    def build(self, input_shape):
        self.__dict__["building"] = True
        super().build(input_shape)

    def __getattr__(self, name):
        if name in ("kernel", "bias", "gamma", "beta") and "building" not in self.__dict__:
            shape = [None] * (getattr(self, "rank", 0) + 2)
            axis = 1 if getattr(self, "data_format", "channels_last") == "channels_first" else -1
            shape[axis] = getattr(self, "in_features", None) or getattr(self, "in_channels", None)
            self.build(tuple(shape))
            return getattr(self, name)
        raise AttributeError(f"{type(self).__name__!r} object has no attribute {name!r}")


class ConvArguments(BuiltWhenRead):
    """Takes torch.nn's arguments of a convolution over ``spatial`` axes for the Keras layer among the bases."""

    def __init__(
        self,
        in_channels,
        out_channels,
        kernel_size,
        stride=1,
        padding=0,
        dilation=1,
        groups=1,
        bias=True,
        padding_mode="zeros",
        device=None,
        dtype=None,
        **kwargs,
    ):
        settings = (stride, padding, dilation, groups, padding_mode, bias)
        start = drawn(conv_fan_in(in_channels, groups, kernel_size, self.spatial), kwargs)
        super().__init__(out_channels, kernel_size, *settings, dtype=dtype, **start)
        self.in_channels = in_channels
        self.out_channels = out_channels


class ConvTransposeArguments:
    """The same for a transposed convolution, whose arguments stand in another order."""

    def __init__(
        self,
        in_channels,
        out_channels,
        kernel_size,
        stride=1,
        padding=0,
        output_padding=0,
        groups=1,
        bias=True,
        dilation=1,
        padding_mode="zeros",
        device=None,
        dtype=None,
        **kwargs,
    ):
        settings = (stride, padding, output_padding, dilation, groups, bias)
        start = drawn(conv_fan_in(out_channels, groups, kernel_size, self.spatial), kwargs)
        super().__init__(out_channels, kernel_size, *settings, dtype=dtype, **start)
        self.in_channels = in_channels
        self.out_channels = out_channels


class Conv1d(ConvArguments, PaddedConv1D):
    """Conv1D with torch.nn.Conv1d's arguments."""

    spatial = 1


class Conv2d(ConvArguments, PaddedConv2D):
    """Conv2D with torch.nn.Conv2d's arguments."""

    spatial = 2


class Conv3d(ConvArguments, PaddedConv3D):
    """Conv3D with torch.nn.Conv3d's arguments."""

    spatial = 3


class ConvTranspose1d(ConvTransposeArguments, PaddedConv1DTranspose):
    """Conv1DTranspose with torch.nn.ConvTranspose1d's arguments."""

    spatial = 1


class ConvTranspose2d(ConvTransposeArguments, PaddedConv2DTranspose):
    """Conv2DTranspose with torch.nn.ConvTranspose2d's arguments."""

    spatial = 2


class ConvTranspose3d(ConvTransposeArguments, PaddedConv3DTranspose):
    """Conv3DTranspose with torch.nn.ConvTranspose3d's arguments."""

    spatial = 3


class Linear(BuiltWhenRead, keras.layers.Dense):
    """Dense with torch.nn.Linear's arguments."""

    def __init__(self, in_features, out_features, bias=True, device=None, dtype=None, **kwargs):
        super().__init__(out_features, use_bias=bias, dtype=dtype, **drawn(in_features, kwargs))
        self.in_features = in_features
        self.out_features = out_features


class LazyLinear(keras.layers.Dense):
    """Dense with torch.nn.LazyLinear's arguments; how it starts depends on its input's size."""

    def __init__(self, out_features, bias=True, device=None, dtype=None, **kwargs):
        super().__init__(out_features, use_bias=bias, dtype=dtype, **kwargs)
        self.given = kwargs
        self.out_features = out_features

    def build(self, input_shape):
        for name, initializer in drawn(input_shape[-1], {}).items():
            if name not in self.given:
                setattr(self, name, initializer)
        super().build(input_shape)
