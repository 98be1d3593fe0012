"""Masks of attention."""

import tensorflow as tf
from tensorflow import keras


def square_subsequent_mask(sz, dtype=None):
    """(sz, sz): 0 on the diagonal and below it, minus infinity above, to be added to attention's scores."""
    ones = tf.ones((sz, sz), dtype or keras.config.floatx())
    return tf.where(tf.linalg.band_part(ones, -1, 0) == 1, tf.zeros_like(ones), -float("inf") * ones)
