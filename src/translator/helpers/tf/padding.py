"""Padding layers with PyTorch's names and arguments: sizes from the last spatial axis to the first."""

from tensorflow import keras

from translator.helpers.tf.config import DATA_FORMAT
from translator.helpers.tf.spatial import pad


class SpatialPad(keras.layers.Layer):
    """Pads (or, with negative sizes, crops) the spatial axes; one int for all sides, or (before, after) pairs."""

    axes = 1
    mode = "constant"

    def __init__(self, padding, value=0.0, data_format=DATA_FORMAT, **kwargs):
        super().__init__(**kwargs)
        self.padding = (padding,) * (2 * self.axes) if isinstance(padding, int) else tuple(padding)
        self.value = value
        self.data_format = data_format

    def call(self, inputs):
        channels = (0, 0) if self.data_format == "channels_last" else ()
        return pad(inputs, (*channels, *self.padding), self.mode, self.value)


class ZeroPad1d(SpatialPad):
    """torch.nn.ZeroPad1d."""


class ZeroPad2d(SpatialPad):
    """torch.nn.ZeroPad2d."""

    axes = 2


class ZeroPad3d(SpatialPad):
    """torch.nn.ZeroPad3d."""

    axes = 3


class ConstantPad1d(SpatialPad):
    """torch.nn.ConstantPad1d."""


class ConstantPad2d(SpatialPad):
    """torch.nn.ConstantPad2d."""

    axes = 2


class ConstantPad3d(SpatialPad):
    """torch.nn.ConstantPad3d."""

    axes = 3


class ReflectionPad1d(SpatialPad):
    """torch.nn.ReflectionPad1d."""

    mode = "reflect"


class ReflectionPad2d(SpatialPad):
    """torch.nn.ReflectionPad2d."""

    axes = 2
    mode = "reflect"


class ReflectionPad3d(SpatialPad):
    """torch.nn.ReflectionPad3d."""

    axes = 3
    mode = "reflect"


class ReplicationPad1d(SpatialPad):
    """torch.nn.ReplicationPad1d."""

    mode = "replicate"


class ReplicationPad2d(SpatialPad):
    """torch.nn.ReplicationPad2d."""

    axes = 2
    mode = "replicate"


class ReplicationPad3d(SpatialPad):
    """torch.nn.ReplicationPad3d."""

    axes = 3
    mode = "replicate"


class CircularPad1d(SpatialPad):
    """torch.nn.CircularPad1d."""

    mode = "circular"


class CircularPad2d(SpatialPad):
    """torch.nn.CircularPad2d."""

    axes = 2
    mode = "circular"


class CircularPad3d(SpatialPad):
    """torch.nn.CircularPad3d."""

    axes = 3
    mode = "circular"
