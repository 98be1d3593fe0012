"""Maximum pooling that tells where the maxima were, and its inverse."""

import math

import tensorflow as tf
from tensorflow import keras

from translator.helpers.tf.padding import ntuple


def window_places(size, kernel_size, stride, pad, dilation, ceil_mode):
    """(windows, kernel_size): the places of one axis that each window covers; outside of the axis in the padding."""
    room = size + 2 * pad - dilation * (kernel_size - 1) - 1
    count = (room + (stride - 1 if ceil_mode else 0)) // stride + 1
    if ceil_mode:  # no window starts behind the end
        count = tf.where((count - 1) * stride >= size + pad, count - 1, count)
    return tf.range(count)[:, None] * stride - pad + tf.range(kernel_size) * dilation


def max_pool_with_indices(x, kernel_size, stride=None, padding=0, dilation=1, ceil_mode=False):
    """(maxima, indices) of x (N, C, ...): each index counts through the places of its channel, row by row."""
    rank = len(x.shape) - 2
    kernel_size, pads, dilations = ntuple(kernel_size, rank), ntuple(padding, rank), ntuple(dilation, rank)
    strides, sizes = ntuple(stride or kernel_size, rank), keras.ops.shape(x)[2:]
    flat, inside, counts = tf.zeros((1, 1), tf.int32), tf.ones((1, 1), tf.bool), []
    for size, *settings in zip(sizes, kernel_size, strides, pads, dilations, strict=True):
        places = window_places(size, *settings, ceil_mode)
        counts.append(tf.shape(places)[0])
        both = tf.shape(flat) * tf.shape(places)
        flat = tf.reshape(flat[:, None, :, None] * size + places[:, None, :][None], both)
        inside = tf.reshape(inside[:, None, :, None] & ((places >= 0) & (places < size))[:, None, :][None], both)
    channels = tf.reshape(x, (*keras.ops.shape(x)[:2], -1))
    windows = tf.gather(channels, tf.where(inside, flat, 0), axis=2)
    lowest = tf.constant(-math.inf if x.dtype.is_floating else x.dtype.min, x.dtype)
    best = tf.argmax(tf.where(inside, windows, lowest), axis=-1, output_type=tf.int32)
    window = tf.range(tf.shape(flat)[0])
    indices = tf.gather(tf.reshape(flat, (-1,)), window * tf.shape(flat)[1] + best)
    shape = tf.concat([tf.shape(x)[:2], counts], axis=0)
    values = tf.gather(channels, indices, batch_dims=2)
    return tf.reshape(values, shape), tf.reshape(tf.cast(indices, tf.int64), shape)


def max_unpool(x, indices, kernel_size, stride=None, padding=0, output_size=None):
    """x (N, C, ...) at its indices in zeros, of the size that was pooled or of output_size (N and C may lead it)."""
    rank = len(x.shape) - 2
    kernel_size, pads = ntuple(kernel_size, rank), ntuple(padding, rank)
    strides, sizes = ntuple(stride or kernel_size, rank), keras.ops.shape(x)
    if output_size is None:
        pooled = zip(sizes[2:], kernel_size, strides, pads, strict=True)
        output_size = [(n - 1) * step - 2 * pad + k for n, k, step, pad in pooled]
    spatial = list(output_size)[-rank:]
    rows = sizes[0] * sizes[1]
    values, places = tf.reshape(x, (rows, -1)), tf.reshape(indices, (rows, -1))
    row = tf.broadcast_to(tf.range(rows, dtype=places.dtype)[:, None], tf.shape(places))
    zeros = tf.zeros((rows, tf.reduce_prod(spatial)), x.dtype)
    out = tf.tensor_scatter_nd_update(zeros, tf.stack([row, places], axis=-1), values)
    return tf.reshape(out, (*sizes[:2], *spatial))


class MaxPoolIndices(keras.layers.Layer):
    """Maximum pooling of (N, C, ...) that gives the maxima and their indices."""

    def __init__(self, kernel_size, stride=None, padding=0, dilation=1, ceil_mode=False, **kwargs):
        super().__init__(**kwargs)
        self.settings = (kernel_size, stride, padding, dilation, ceil_mode)

    def call(self, inputs):
        return max_pool_with_indices(inputs, *self.settings)


class MaxUnpool(keras.layers.Layer):
    """Puts what was pooled back to the places of its indices."""

    def __init__(self, kernel_size, stride=None, padding=0, **kwargs):
        super().__init__(**kwargs)
        self.settings = (kernel_size, stride, padding)

    def call(self, input, indices, output_size=None):
        return max_unpool(input, indices, *self.settings, output_size)
