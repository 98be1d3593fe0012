"""Small layers without weights, or with one, under PyTorch's names and arguments."""

import math

import numpy as np
import tensorflow as tf
from tensorflow import keras

from translator.helpers.tf.config import DATA_FORMAT
from translator.helpers.tf.pool import lp_pool
from translator.helpers.tf.tensor import cosine_similarity, pairwise_distance


class Flatten(keras.layers.Layer):
    """Merges the axes `start_dim` to `end_dim` into one."""

    def __init__(self, start_dim=1, end_dim=-1, **kwargs):
        super().__init__(**kwargs)
        self.start_dim = start_dim
        self.end_dim = end_dim

    def call(self, inputs):
        shape = keras.ops.shape(inputs)
        start, end = self.start_dim % len(shape), self.end_dim % len(shape)
        return tf.reshape(inputs, (*shape[:start], math.prod(shape[start : end + 1]), *shape[end + 1 :]))


class FlattenInSourceOrder(Flatten):
    """Flattens a channels-last tensor in the order of PyTorch, where the channels come before the sizes."""

    def call(self, inputs):
        rank = len(inputs.shape)
        return super().call(tf.transpose(inputs, (0, rank - 1, *range(1, rank - 1))))


class Unflatten(keras.layers.Layer):
    """Splits the axis `dim` into the sizes `unflattened_size`."""

    def __init__(self, dim, unflattened_size, **kwargs):
        super().__init__(**kwargs)
        self.dim = dim
        self.unflattened_size = unflattened_size

    def call(self, inputs):
        shape = keras.ops.shape(inputs)
        dim = self.dim % len(shape)
        return tf.reshape(inputs, (*shape[:dim], *self.unflattened_size, *shape[dim + 1 :]))


class CosineSimilarity(keras.layers.Layer):
    """cosine_similarity of two inputs along `dim`."""

    def __init__(self, dim=1, eps=1e-8, **kwargs):
        super().__init__(**kwargs)
        self.dim = dim
        self.eps = eps

    def call(self, x1, x2):
        return cosine_similarity(x1, x2, self.dim, self.eps)


class PairwiseDistance(keras.layers.Layer):
    """pairwise_distance of two inputs along the last axis."""

    def __init__(self, p=2.0, eps=1e-6, keepdim=False, **kwargs):
        super().__init__(**kwargs)
        self.norm = p
        self.eps = eps
        self.keepdim = keepdim

    def call(self, x1, x2):
        return pairwise_distance(x1, x2, self.norm, self.eps, self.keepdim)


class LPPool(keras.layers.Layer):
    """lp_pool of all spatial axes."""

    def __init__(self, norm_type, kernel_size, stride=None, ceil_mode=False, data_format=DATA_FORMAT, **kwargs):
        super().__init__(**kwargs)
        self.norm_type = norm_type
        self.kernel_size = kernel_size
        self.stride = stride
        self.ceil_mode = ceil_mode
        self.data_format = data_format

    def call(self, inputs):
        return lp_pool(inputs, self.norm_type, self.kernel_size, self.stride, self.ceil_mode, self.data_format)


class LPPool1d(LPPool):
    """torch.nn.LPPool1d."""


class LPPool2d(LPPool):
    """torch.nn.LPPool2d."""


class LPPool3d(LPPool):
    """torch.nn.LPPool3d."""


class RMSNorm(keras.layers.Layer):
    """x / sqrt(mean of squares over the last axes + eps), times a weight; eps is the dtype's own unless given."""

    def __init__(self, normalized_shape, eps=None, elementwise_affine=True, device=None, dtype=None, **kwargs):
        super().__init__(dtype=dtype, **kwargs)
        self.normalized_shape = (normalized_shape,) if isinstance(normalized_shape, int) else tuple(normalized_shape)
        self.eps = eps
        self.scale = None
        if elementwise_affine:
            self.scale = self.add_weight(name="scale", shape=self.normalized_shape, initializer="ones")

    def call(self, inputs):
        eps = np.finfo(inputs.dtype.as_numpy_dtype).eps if self.eps is None else self.eps
        axes = list(range(-len(self.normalized_shape), 0))
        y = inputs * tf.math.rsqrt(tf.reduce_mean(tf.square(inputs), axes, keepdims=True) + eps)
        return y if self.scale is None else y * self.scale
