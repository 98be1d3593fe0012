"""Keras layers under PyTorch's names and constructor arguments, as in adapters.py: the rarer kinds."""

from tensorflow import keras

from translator.helpers.tf.adapters import AvgPoolArguments, BatchNorm2d, InstanceNormArguments, MaxPoolArguments
from translator.helpers.tf.config import DATA_FORMAT
from translator.helpers.tf.pool import (
    PaddedAveragePooling1D,
    PaddedAveragePooling3D,
    PaddedMaxPooling1D,
    PaddedMaxPooling3D,
)


class MaxPool1d(MaxPoolArguments, PaddedMaxPooling1D):
    """MaxPooling1D with torch.nn.MaxPool1d's arguments."""


class MaxPool3d(MaxPoolArguments, PaddedMaxPooling3D):
    """MaxPooling3D with torch.nn.MaxPool3d's arguments."""


class AvgPool1d(PaddedAveragePooling1D):
    """AveragePooling1D with torch.nn.AvgPool1d's arguments."""

    def __init__(self, kernel_size, stride=None, padding=0, ceil_mode=False, count_include_pad=True, **kwargs):
        super().__init__(kernel_size, stride, padding, ceil_mode, count_include_pad, **kwargs)


class AvgPool3d(AvgPoolArguments, PaddedAveragePooling3D):
    """AveragePooling3D with torch.nn.AvgPool3d's arguments."""


class InstanceNorm1d(InstanceNormArguments):
    """Instance normalisation with torch.nn.InstanceNorm1d's arguments."""


class InstanceNorm3d(InstanceNormArguments):
    """Instance normalisation with torch.nn.InstanceNorm3d's arguments."""


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
