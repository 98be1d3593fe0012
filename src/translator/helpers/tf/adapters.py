"""Keras layers under PyTorch's names and constructor arguments, for code that passes layer classes around.

Linear layers and convolutions are in adapters_weights.py. Upsample, PReLU and Embedding have such arguments already:
see resize.py, activation.py and embedding.py.
"""

import tensorflow as tf
from tensorflow import keras

from translator.helpers.tf.activation import gelu, hardsigmoid, hardswish, hardtanh, leaky_relu, softplus
from translator.helpers.tf.config import DATA_FORMAT
from translator.helpers.tf.norm import BatchNormalizationUnbiased, GroupNormalization, InstanceNorm, channel_axis
from translator.helpers.tf.pool import PaddedAveragePooling2D, PaddedMaxPooling2D
from translator.helpers.tf.pool_adaptive import AdaptiveAveragePooling2D


class BatchNormArguments(BatchNormalizationUnbiased):
    """Batch normalisation with the arguments of torch.nn.BatchNorm1d and its like."""

    def __init__(
        self,
        num_features,
        eps=1e-5,
        momentum=0.1,
        affine=True,
        track_running_stats=True,
        device=None,
        dtype=None,
        *,
        bias=True,
        **kwargs,
    ):
        super().__init__(
            axis=channel_axis(DATA_FORMAT),
            momentum=None if momentum is None else 1.0 - momentum,
            epsilon=eps,
            track_running_stats=track_running_stats,
            center=affine and bias,
            scale=affine,
            dtype=dtype,
            **kwargs,
        )
        self.num_features = num_features


class BatchNorm1d(BatchNormArguments):
    """Batch normalisation of (N, C) and (N, C, L) with torch.nn.BatchNorm1d's arguments."""


class BatchNorm2d(BatchNormArguments):
    """Batch normalisation of four axes with torch.nn.BatchNorm2d's arguments."""


class BatchNorm3d(BatchNormArguments):
    """Batch normalisation of five axes with torch.nn.BatchNorm3d's arguments."""


class GroupNorm(GroupNormalization):
    """GroupNormalization with torch.nn.GroupNorm's arguments."""

    def __init__(
        self, num_groups, num_channels, eps=1e-5, affine=True, device=None, dtype=None, *, bias=True, **kwargs
    ):
        axis = channel_axis(DATA_FORMAT)
        super().__init__(num_groups, axis, eps, center=affine and bias, scale=affine, dtype=dtype, **kwargs)
        self.num_channels = num_channels


class LayerNorm(keras.layers.LayerNormalization):
    """LayerNormalization of the last axes with torch.nn.LayerNorm's arguments."""

    def __init__(
        self, normalized_shape, eps=1e-5, elementwise_affine=True, bias=True, device=None, dtype=None, **kwargs
    ):
        if not isinstance(normalized_shape, (tuple, list)):
            normalized_shape = (normalized_shape,)
        super().__init__(
            axis=list(range(-len(normalized_shape), 0)),
            epsilon=eps,
            center=elementwise_affine and bias,
            scale=elementwise_affine,
            dtype=dtype,
            **kwargs,
        )
        self.normalized_shape = tuple(normalized_shape)

    def build(self, input_shape):
        super().build((None, *self.normalized_shape))


class InstanceNormArguments(InstanceNorm):
    """Instance normalisation with the arguments of torch.nn.InstanceNorm2d and its like."""

    def __init__(
        self,
        num_features,
        eps=1e-5,
        momentum=0.1,
        affine=False,
        track_running_stats=False,
        device=None,
        dtype=None,
        *,
        bias=True,
        **kwargs,
    ):
        super().__init__(eps, 1.0 - momentum, affine, track_running_stats, bias, dtype=dtype, **kwargs)
        self.num_features = num_features


class InstanceNorm2d(InstanceNormArguments):
    """Instance normalisation with torch.nn.InstanceNorm2d's arguments."""


class Identity(keras.layers.Identity):
    """The input as it is; any arguments are accepted and ignored."""

    def __init__(self, *args, **kwargs):
        super().__init__()


class Dropout(keras.layers.Dropout):
    """Dropout with torch.nn.Dropout's arguments."""

    def __init__(self, p=0.5, inplace=False, **kwargs):
        super().__init__(p, **kwargs)


class Dropout2d(keras.layers.SpatialDropout2D):
    """SpatialDropout2D with torch.nn.Dropout2d's arguments."""

    def __init__(self, p=0.5, inplace=False, **kwargs):
        super().__init__(p, data_format=DATA_FORMAT, **kwargs)


class ReLU(keras.layers.ReLU):
    """ReLU with torch.nn.ReLU's arguments."""

    def __init__(self, inplace=False, **kwargs):
        super().__init__(**kwargs)


class ReLU6(keras.layers.ReLU):
    """min(max(x, 0), 6)."""

    def __init__(self, inplace=False, **kwargs):
        super().__init__(max_value=6.0, **kwargs)


class LeakyReLU(keras.layers.LeakyReLU):
    """LeakyReLU with torch.nn.LeakyReLU's arguments."""

    def __init__(self, negative_slope=0.01, inplace=False, **kwargs):
        super().__init__(negative_slope=negative_slope, **kwargs)

    def call(self, inputs):
        return leaky_relu(inputs, self.negative_slope)


class ELU(keras.layers.ELU):
    """ELU with torch.nn.ELU's arguments."""

    def __init__(self, alpha=1.0, inplace=False, **kwargs):
        super().__init__(alpha=alpha, **kwargs)


class GELU(keras.layers.Activation):
    """GELU with torch.nn.GELU's arguments."""

    def __init__(self, approximate="none", **kwargs):
        super().__init__(lambda x: gelu(x, approximate), **kwargs)


class Softplus(keras.layers.Activation):
    """Softplus with torch.nn.Softplus's arguments."""

    def __init__(self, beta=1.0, threshold=20.0, **kwargs):
        super().__init__(lambda x: softplus(x, beta, threshold), **kwargs)


class Hardtanh(keras.layers.Activation):
    """Hardtanh with torch.nn.Hardtanh's arguments."""

    def __init__(self, min_val=-1.0, max_val=1.0, inplace=False, **kwargs):
        super().__init__(lambda x: hardtanh(x, min_val, max_val), **kwargs)


class SELU(keras.layers.Activation):
    """torch.nn.SELU."""

    def __init__(self, inplace=False, **kwargs):
        super().__init__("selu", **kwargs)


class SiLU(keras.layers.Activation):
    """torch.nn.SiLU."""

    def __init__(self, inplace=False, **kwargs):
        super().__init__("silu", **kwargs)


class Mish(keras.layers.Activation):
    """torch.nn.Mish."""

    def __init__(self, inplace=False, **kwargs):
        super().__init__("mish", **kwargs)


class Hardswish(keras.layers.Activation):
    """torch.nn.Hardswish."""

    def __init__(self, inplace=False, **kwargs):
        super().__init__(hardswish, **kwargs)


class Hardsigmoid(keras.layers.Activation):
    """torch.nn.Hardsigmoid."""

    def __init__(self, inplace=False, **kwargs):
        super().__init__(hardsigmoid, **kwargs)


class Sigmoid(keras.layers.Activation):
    """torch.nn.Sigmoid."""

    def __init__(self, **kwargs):
        super().__init__("sigmoid", **kwargs)


class Tanh(keras.layers.Activation):
    """torch.nn.Tanh."""

    def __init__(self, **kwargs):
        super().__init__("tanh", **kwargs)


class Softmax(keras.layers.Layer):
    """Softmax along `dim` of PyTorch's axis order: from four axes on, axis 1 is the channels' wherever they stand."""

    def __init__(self, dim=None, **kwargs):
        super().__init__(**kwargs)
        self.dim = dim

    def call(self, inputs):
        rank = len(inputs.shape)
        axis = self.dim
        if axis is None:
            axis = 0 if rank in (0, 1, 3) else 1
        axis %= rank
        if rank > 3 and DATA_FORMAT == "channels_last" and axis > 0:
            axis = rank - 1 if axis == 1 else axis - 1
        return tf.nn.softmax(inputs, axis)


class MaxPoolArguments:
    """Takes torch.nn's arguments of max pooling for the Keras layer among the bases."""

    def __init__(
        self, kernel_size, stride=None, padding=0, dilation=1, return_indices=False, ceil_mode=False, **kwargs
    ):
        if return_indices:
            raise ValueError("return_indices is not supported")
        super().__init__(kernel_size, stride, padding, dilation, ceil_mode, **kwargs)


class MaxPool2d(MaxPoolArguments, PaddedMaxPooling2D):
    """MaxPooling2D with torch.nn.MaxPool2d's arguments."""


class AvgPoolArguments:
    """Takes torch.nn's arguments of average pooling for the Keras layer among the bases."""

    def __init__(
        self,
        kernel_size,
        stride=None,
        padding=0,
        ceil_mode=False,
        count_include_pad=True,
        divisor_override=None,
        **kwargs,
    ):
        settings = (padding, ceil_mode, count_include_pad, divisor_override)
        super().__init__(kernel_size, stride, *settings, **kwargs)


class AvgPool2d(AvgPoolArguments, PaddedAveragePooling2D):
    """AveragePooling2D with torch.nn.AvgPool2d's arguments."""


class AdaptiveAvgPool2d(AdaptiveAveragePooling2D):
    """AdaptiveAveragePooling2D with torch.nn.AdaptiveAvgPool2d's arguments."""
