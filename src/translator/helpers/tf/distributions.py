"""PyTorch's distributions that reinforcement learning draws actions from."""

import math

import tensorflow as tf
from tensorflow import keras


class Categorical:
    """Integers with the given probabilities (normalised here) or logits along the last axis."""

    def __init__(self, probs=None, logits=None, validate_args=None):
        if (probs is None) == (logits is None):
            raise ValueError("either probs or logits is given")
        if probs is not None:
            self.probs = probs / tf.reduce_sum(probs, -1, keepdims=True)
            # PyTorch keeps probabilities away from 0 and 1 by the precision of their type before it takes the log.
            eps = tf.constant(epsilon(self.probs.dtype), self.probs.dtype)
            self.logits = tf.math.log(tf.clip_by_value(self.probs, eps, 1 - eps))
        else:
            self.logits = logits - tf.reduce_logsumexp(logits, -1, keepdims=True)
            self.probs = tf.nn.softmax(self.logits)

    def sample(self, sample_shape=()):
        """One integer for each row, int64; ``sample_shape`` asks for more of them, in front."""
        count = math.prod(sample_shape)
        rows = tf.reshape(self.logits, (-1, self.logits.shape[-1]))
        drawn = tf.transpose(keras.random.categorical(rows, count, dtype="int64"))
        return tf.reshape(drawn, (*sample_shape, *self.logits.shape[:-1]))

    def log_prob(self, value):
        """The logarithms of the probabilities of integers."""
        value = tf.cast(value, tf.int64)
        shape = tf.broadcast_dynamic_shape(tf.shape(value), tf.shape(self.logits)[:-1])
        value = tf.broadcast_to(value, shape)
        logits = tf.broadcast_to(self.logits, tf.concat([shape, tf.shape(self.logits)[-1:]], 0))
        return tf.gather(logits, value, axis=-1, batch_dims=len(value.shape))

    def entropy(self):
        return -tf.reduce_sum(self.probs * self.logits, -1)


def epsilon(dtype):
    """The distance from 1 to the next number."""
    return {tf.float64: 2.0**-52, tf.float32: 2.0**-23, tf.bfloat16: 2.0**-7, tf.float16: 2.0**-10}[dtype]


class Normal:
    """Independent normal numbers."""

    def __init__(self, loc, scale, validate_args=None):
        dtype = next((x.dtype for x in (loc, scale) if hasattr(x, "dtype")), keras.config.floatx())
        loc, scale = (tf.cast(tf.convert_to_tensor(x), dtype) for x in (loc, scale))
        shape = tf.broadcast_static_shape(loc.shape, scale.shape)
        self.loc, self.scale = tf.broadcast_to(loc, shape), tf.broadcast_to(scale, shape)

    @property
    def mean(self):
        return self.loc

    @property
    def stddev(self):
        return self.scale

    @property
    def variance(self):
        return self.scale**2

    def rsample(self, sample_shape=()):
        """Numbers through which gradients flow to the mean and the deviation."""
        noise = keras.random.normal((*sample_shape, *self.loc.shape), dtype=self.loc.dtype)
        return self.loc + noise * self.scale

    def sample(self, sample_shape=()):
        return tf.stop_gradient(self.rsample(sample_shape))

    def log_prob(self, value):
        distance = (value - self.loc) ** 2 / (2 * self.scale**2)
        return -distance - tf.math.log(self.scale) - math.log(math.sqrt(2 * math.pi))

    def entropy(self):
        return 0.5 + 0.5 * math.log(2 * math.pi) + tf.math.log(self.scale)


class Bernoulli:
    """Zeros and ones with the given probabilities or logits."""

    def __init__(self, probs=None, logits=None, validate_args=None):
        if (probs is None) == (logits is None):
            raise ValueError("either probs or logits is given")
        if probs is not None:
            self.probs = tf.convert_to_tensor(probs)
            eps = tf.constant(epsilon(self.probs.dtype), self.probs.dtype)
            kept = tf.clip_by_value(self.probs, eps, 1 - eps)
            self.logits = tf.math.log(kept) - tf.math.log1p(-kept)
        else:
            self.logits = tf.convert_to_tensor(logits)
            self.probs = tf.sigmoid(self.logits)

    def sample(self, sample_shape=()):
        drawn = keras.random.uniform((*sample_shape, *self.probs.shape), dtype=self.probs.dtype)
        return tf.cast(drawn < self.probs, self.probs.dtype)

    def log_prob(self, value):
        return -tf.nn.sigmoid_cross_entropy_with_logits(tf.cast(value, self.logits.dtype), self.logits)

    def entropy(self):
        return tf.nn.sigmoid_cross_entropy_with_logits(self.probs, self.logits)
