"""Weights as a length times a direction (Salimans and Kingma 2016), by torch.nn.utils's names."""

import tensorflow as tf
from tensorflow import keras


class WeightNormalized:
    """A Keras layer whose kernel is `weight_g` times the direction of `weight_v`, for each of its outputs.

    A kernel has its outputs (for a transposed convolution its inputs: PyTorch's first axis) along its last axis.
    """

    def build(self, input_shape):
        super().build(input_shape)
        if not self.__dict__.get("removed", False):
            last = 2 if isinstance(self, keras.layers.DepthwiseConv2D) else 1
            self.weight_g = self.add_weight(
                name="weight_g",
                shape=self.weight_v.shape[-last:],
                initializer=lambda shape, dtype=None: tf.reshape(self.lengths(), shape),
            )

    @property
    def kernel_initializer(self):
        return self._start

    @kernel_initializer.setter
    def kernel_initializer(self, initializer):
        # What PyTorch draws into a normalised weight is gone with the next call, which computes it anew.
        if "_start" not in self.__dict__:
            self._start = initializer

    @property
    def weight_v(self):
        return self._kernel

    @property
    def kernel(self):
        if "weight_g" not in self.__dict__:
            return self._kernel
        return self.weight_v * (self.weight_g / self.lengths())

    @kernel.setter
    def kernel(self, value):
        self._kernel = value

    def lengths(self):
        """The length of each output's part of `weight_v`."""
        v = tf.convert_to_tensor(self.weight_v)
        last = 2 if isinstance(self, keras.layers.DepthwiseConv2D) else 1
        return tf.sqrt(tf.reduce_sum(v * v, axis=tuple(range(len(v.shape) - last))))


def weight_norm(module, name="weight", dim=0):
    """A layer like the given one, with a normalised kernel; one that is built already keeps its values."""
    if (name, dim) != ("weight", 0):
        raise ValueError("only the weight is normalised, for each of its outputs")
    layer, kind = module, type(module)
    made = type(kind.__name__, (WeightNormalized, kind), {}).from_config(layer.get_config())
    if layer.built:
        made.build_from_config(layer.get_build_config())
        made._kernel.assign(layer.kernel)
        made.weight_g.assign(made.lengths())
        if layer.bias is not None:
            made.bias.assign(layer.bias)
    return made


def remove_weight_norm(module, name="weight"):
    """Make the kernel of a normalised layer a variable of its own, which starts from the value that it has now."""
    layer = module
    if name != "weight" or not isinstance(layer, WeightNormalized) or layer.__dict__.get("removed", False):
        raise ValueError(f"the weight of {layer.name!r} is not normalised")
    layer.removed = True
    if layer.built:
        layer._kernel.assign(layer.kernel)
        layer._untrack_variable(layer.weight_g)
        del layer.weight_g
    return layer
