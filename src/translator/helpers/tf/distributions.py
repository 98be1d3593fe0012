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


def broadcast_pair(a, b):
    """Two parameters, numbers or tensors, as tensors of one type and shape."""
    dtype = next((x.dtype for x in (a, b) if hasattr(x, "dtype")), keras.config.floatx())
    a, b = (tf.cast(tf.convert_to_tensor(x), dtype) for x in (a, b))
    shape = tf.broadcast_static_shape(a.shape, b.shape)
    return tf.broadcast_to(a, shape), tf.broadcast_to(b, shape)


class Normal:
    """Independent normal numbers."""

    def __init__(self, loc, scale, validate_args=None):
        self.loc, self.scale = broadcast_pair(loc, scale)

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


class Uniform:
    """Numbers from ``low`` to ``high``, all alike."""

    def __init__(self, low, high, validate_args=None):
        self.low, self.high = broadcast_pair(low, high)

    @property
    def mean(self):
        return (self.high + self.low) / 2

    @property
    def stddev(self):
        return (self.high - self.low) / 12**0.5

    @property
    def variance(self):
        return (self.high - self.low) ** 2 / 12

    def rsample(self, sample_shape=()):
        """Numbers through which gradients flow to the bounds."""
        drawn = keras.random.uniform((*sample_shape, *self.low.shape), dtype=self.low.dtype)
        return self.low + drawn * (self.high - self.low)

    def sample(self, sample_shape=()):
        return tf.stop_gradient(self.rsample(sample_shape))

    def log_prob(self, value):
        inside = tf.cast((self.low <= value) & (self.high > value), self.low.dtype)
        return tf.math.log(inside) - tf.math.log(self.high - self.low)

    def entropy(self):
        return tf.math.log(self.high - self.low)


class Beta:
    """Numbers between 0 and 1 with density proportional to x ** (a - 1) * (1 - x) ** (b - 1)."""

    def __init__(self, concentration1, concentration0, validate_args=None):
        self.concentration1, self.concentration0 = broadcast_pair(concentration1, concentration0)

    @property
    def mean(self):
        return self.concentration1 / (self.concentration1 + self.concentration0)

    @property
    def variance(self):
        total = self.concentration1 + self.concentration0
        return self.concentration1 * self.concentration0 / (total**2 * (total + 1))

    @property
    def stddev(self):
        return tf.sqrt(self.variance)

    def rsample(self, sample_shape=()):
        """Numbers through which gradients flow to the concentrations."""
        shape = (*sample_shape, *self.concentration1.shape)
        one = keras.random.gamma(shape, tf.broadcast_to(self.concentration1, shape), dtype=self.concentration1.dtype)
        two = keras.random.gamma(shape, tf.broadcast_to(self.concentration0, shape), dtype=self.concentration1.dtype)
        return one / (one + two)

    def sample(self, sample_shape=()):
        return tf.stop_gradient(self.rsample(sample_shape))

    def log_normalizer(self):
        """The logarithm of the beta function of the concentrations."""
        a, b = self.concentration1, self.concentration0
        return tf.math.lgamma(a) + tf.math.lgamma(b) - tf.math.lgamma(a + b)

    def log_prob(self, value):
        one = tf.math.xlogy(self.concentration1 - 1, value)
        return one + tf.math.xlogy(self.concentration0 - 1, 1 - value) - self.log_normalizer()

    def entropy(self):
        a, b = self.concentration1, self.concentration0
        inner = (a - 1) * tf.math.digamma(a) + (b - 1) * tf.math.digamma(b)
        return self.log_normalizer() - inner + (a + b - 2) * tf.math.digamma(a + b)
