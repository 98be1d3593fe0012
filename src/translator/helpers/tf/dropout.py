"""Dropout as functions, which PyTorch tells whether they train."""

import tensorflow as tf
from tensorflow import keras

from translator.helpers.tf.config import DATA_FORMAT


def keep_mask(shape, p):
    """Booleans of the given shape, False with probability ``p``."""
    return tf.random.uniform(shape) >= p


def dropout(x, p=0.5, training=True):
    """x with elements set to 0 with probability ``p`` and the others scaled by 1 / (1 - p), in training."""
    if not training or p == 0:
        return x
    return tf.zeros_like(x) if p == 1 else tf.nn.dropout(x, p)


def channel_mask_shape(x, data_format):
    """The shape of x with 1 for its spatial axes."""
    shape = keras.ops.shape(x)
    ones = [1] * (len(shape) - 2)
    return [shape[0], shape[1], *ones] if data_format == "channels_first" else [shape[0], *ones, shape[-1]]


def channel_dropout(x, p=0.5, training=True, data_format=DATA_FORMAT):
    """Dropout of whole channels: torch.nn.functional.dropout1d, dropout2d and dropout3d of batches."""
    if not training or p == 0:
        return x
    return tf.zeros_like(x) if p == 1 else tf.nn.dropout(x, p, noise_shape=channel_mask_shape(x, data_format))


def self_normalizing_dropout(x, p, mask):
    """x where ``mask``, else SELU's lower limit; scaled and shifted to keep mean 0 and variance 1.

    Klambauer et al. 2017, Self-Normalizing Neural Networks, section 3.
    """
    if p == 1:
        return tf.zeros_like(x)
    limit = -1.7580993408473766
    scale = ((1.0 - p) * (1.0 + p * limit**2)) ** -0.5
    return scale * tf.where(mask, x, tf.fill([1] * len(x.shape), tf.constant(limit, x.dtype))) - scale * p * limit


def alpha_dropout(x, p=0.5, training=False):
    """torch.nn.functional.alpha_dropout."""
    return self_normalizing_dropout(x, p, keep_mask(tf.shape(x), p)) if training and p else x


def feature_alpha_dropout(x, p=0.5, training=False, data_format=DATA_FORMAT):
    """torch.nn.functional.feature_alpha_dropout: whole channels."""
    if not training or p == 0:
        return x
    return self_normalizing_dropout(x, p, keep_mask(channel_mask_shape(x, data_format), p))
