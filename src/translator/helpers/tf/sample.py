"""Tensors from data of any kind, and random ones."""

import numpy as np
import tensorflow as tf
from tensorflow import keras


def as_tensor(data, dtype=None):
    """``data`` as a tensor: arrays and tensors keep their dtype, Python numbers give int64, bool or the float type."""
    if tf.is_tensor(data) or isinstance(data, keras.Variable):
        data = tf.convert_to_tensor(data)
        return data if dtype is None else tf.cast(data, dtype)
    if isinstance(data, (np.ndarray, np.generic)):
        return tf.convert_to_tensor(data if dtype is None else np.asarray(data, tf.as_dtype(dtype).as_numpy_dtype))
    if dtype is None:
        leaves = tf.nest.flatten(data)
        found = [tf.as_dtype(x.dtype) for x in leaves if hasattr(x, "dtype")]
        if found:
            dtype = found[0]
        elif all(isinstance(x, bool) for x in leaves) and leaves:
            dtype = tf.bool
        elif all(isinstance(x, int) for x in leaves) and leaves:
            dtype = tf.int64
        else:
            dtype = keras.config.floatx()
    return tf.convert_to_tensor(data, dtype)


def sized_or_filled(value, dtype):
    """What ``torch.FloatTensor(value)`` makes: an int is a size, anything else is data."""
    if isinstance(value, int):
        return tf.zeros((value,), dtype)
    return as_tensor(value, dtype)


def normal(mean, std):
    """Normal samples with a mean and a standard deviation for each element; one of them may be a number."""
    like = mean if tf.is_tensor(mean) else std
    shape = tf.broadcast_dynamic_shape(tf.shape(mean), tf.shape(std))
    return mean + std * keras.random.normal(shape, dtype=like.dtype)


def bernoulli(x, p=None):
    """Ones with the probabilities in x (or with probability p everywhere), else zeros; in the dtype of x."""
    dtype = x.dtype if x.dtype.is_floating else keras.config.floatx()
    return tf.cast(keras.random.uniform(keras.ops.shape(x), dtype=dtype) < (x if p is None else p), x.dtype)


def multinomial(x, num_samples, replacement=False):
    """Indices (int64) drawn with the weights in the last axis of x (n,) or (m, n); each at most once by default."""
    logits = tf.math.log(x[None] if len(x.shape) == 1 else x)
    if replacement:
        drawn = keras.random.categorical(logits, num_samples, dtype="int64")
    else:
        # The largest of log-weights with Gumbel noise are a sample without replacement.
        noise = -tf.math.log(-tf.math.log(keras.random.uniform(keras.ops.shape(logits), dtype=logits.dtype)))
        drawn = tf.cast(tf.math.top_k(logits + noise, num_samples).indices, tf.int64)
    return drawn[0] if len(x.shape) == 1 else drawn


def uniform_like(x, low=0.0, high=1.0):
    """Uniform samples of the shape and dtype of x."""
    return keras.random.uniform(keras.ops.shape(x), low, high, dtype=x.dtype)


def normal_like(x, mean=0.0, std=1.0):
    """Normal samples of the shape and dtype of x."""
    return keras.random.normal(keras.ops.shape(x), mean, std, dtype=x.dtype)


def copy_to(x, other):
    """``other`` broadcast to the shape and cast to the dtype of x."""
    return tf.broadcast_to(tf.cast(other, x.dtype), tf.shape(x))


def bernoulli_like(x, p=0.5):
    """Ones with probability p (a number, or one for each element), else zeros; in the shape and dtype of x."""
    p = tf.cast(p, keras.config.floatx())
    return tf.cast(keras.random.uniform(keras.ops.shape(x), dtype=p.dtype) < p, x.dtype)


def linspace(start, end, steps, dtype=None):
    """``steps`` evenly spaced values from ``start`` to ``end``, counted from both ends; floats by default."""
    dtype = tf.as_dtype(keras.config.floatx() if dtype is None else dtype)
    work = dtype if dtype.is_floating else tf.float64
    first, last = (tf.cast(np.float64(v) if isinstance(v, (int, float)) else v, work) for v in (start, end))
    index = tf.range(steps)
    size = tf.cast(tf.maximum(tf.size(index) - 1, 1), work)
    step = (last - first) / size
    forward = first + step * tf.cast(index, work)
    backward = last - step * tf.cast(tf.size(index) - 1 - index, work)
    return tf.cast(tf.where(2 * index < tf.size(index), forward, backward), dtype)


def logspace(start, end, steps, base=10.0, dtype=None):
    """``base`` to the power of evenly spaced exponents."""
    exponents = linspace(start, end, steps, dtype)
    return tf.cast(np.float64(base), exponents.dtype) ** exponents


def scalar_tensor(value, dtype=None):
    """A number as a 0-d tensor, of the float type by default."""
    return tf.convert_to_tensor(value, dtype=keras.config.floatx() if dtype is None else dtype)


def full(shape, value):
    """A tensor filled with one value: int64 or bool for such numbers, else the default float type."""
    kind = {bool: tf.bool, int: tf.int64, float: keras.config.floatx()}
    return keras.ops.full(shape, value, dtype=kind.get(type(value), getattr(value, "dtype", None)))
