"""Keras layers under PyTorch's names and constructor arguments, as in adapters.py: the rarer kinds."""

from tensorflow import keras

from translator.helpers.tf.adapters import BatchNorm2d
from translator.helpers.tf.config import DATA_FORMAT
from translator.helpers.tf.norm import InstanceNorm
from translator.helpers.tf.pool import (
    PaddedAveragePooling1D,
    PaddedAveragePooling3D,
    PaddedMaxPooling1D,
    PaddedMaxPooling3D,
)


class MaxPool1d(PaddedMaxPooling1D):
    """MaxPooling1D with torch.nn.MaxPool1d's arguments."""

    def __init__(
        self, kernel_size, stride=None, padding=0, dilation=1, return_indices=False, ceil_mode=False, **kwargs
    ):
        if return_indices:
            raise ValueError("return_indices is not supported")
        super().__init__(kernel_size, stride, padding, dilation, ceil_mode, **kwargs)


class MaxPool3d(PaddedMaxPooling3D):
    """MaxPooling3D with torch.nn.MaxPool3d's arguments."""

    def __init__(
        self, kernel_size, stride=None, padding=0, dilation=1, return_indices=False, ceil_mode=False, **kwargs
    ):
        if return_indices:
            raise ValueError("return_indices is not supported")
        super().__init__(kernel_size, stride, padding, dilation, ceil_mode, **kwargs)


class AvgPool1d(PaddedAveragePooling1D):
    """AveragePooling1D with torch.nn.AvgPool1d's arguments."""

    def __init__(self, kernel_size, stride=None, padding=0, ceil_mode=False, count_include_pad=True, **kwargs):
        super().__init__(kernel_size, stride, padding, ceil_mode, count_include_pad, **kwargs)


class AvgPool3d(PaddedAveragePooling3D):
    """AveragePooling3D with torch.nn.AvgPool3d's arguments."""

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


class InstanceNorm1d(InstanceNorm):
    """Instance normalisation with torch.nn.InstanceNorm1d's arguments."""

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


class InstanceNorm3d(InstanceNorm):
    """Instance normalisation with torch.nn.InstanceNorm3d's arguments."""

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


class Dropout1d(keras.layers.Dropout):
    """Dropout of whole channels of (N, C, L) with torch.nn.Dropout1d's arguments."""

    def __init__(self, p=0.5, inplace=False, **kwargs):
        shape = (None, None, 1) if DATA_FORMAT == "channels_first" else (None, 1, None)
        super().__init__(p, noise_shape=shape, **kwargs)


class Dropout3d(keras.layers.SpatialDropout3D):
    """SpatialDropout3D with torch.nn.Dropout3d's arguments."""

    def __init__(self, p=0.5, inplace=False, **kwargs):
        super().__init__(p, data_format=DATA_FORMAT, **kwargs)


class AlphaDropout(keras.layers.AlphaDropout):
    """AlphaDropout with torch.nn.AlphaDropout's arguments."""

    def __init__(self, p=0.5, inplace=False, **kwargs):
        super().__init__(p, **kwargs)


class SyncBatchNorm(BatchNorm2d):
    """Batch normalisation of any number of axes with torch.nn.SyncBatchNorm's arguments, in one process."""

    def __init__(
        self,
        num_features,
        eps=1e-5,
        momentum=0.1,
        affine=True,
        track_running_stats=True,
        process_group=None,
        device=None,
        dtype=None,
        **kwargs,
    ):
        super().__init__(num_features, eps, momentum, affine, track_running_stats, device, dtype, **kwargs)
