"""Pointwise functions whose values or gradients TensorFlow computes differently, or does not have."""

import math

import tensorflow as tf
from tensorflow import keras

from translator.helpers.tf.reduce import norm, to_dtype


def maximum(x, y):
    """The larger of x and y; equal elements share the gradient."""
    x, y = tf.convert_to_tensor(x), tf.convert_to_tensor(y)
    return tf.where(x == y, 0.5 * x + 0.5 * y, tf.maximum(x, y)) if x.dtype.is_floating else tf.maximum(x, y)


def minimum(x, y):
    """The smaller of x and y; equal elements share the gradient."""
    x, y = tf.convert_to_tensor(x), tf.convert_to_tensor(y)
    return tf.where(x == y, 0.5 * x + 0.5 * y, tf.minimum(x, y)) if x.dtype.is_floating else tf.minimum(x, y)


def copysign(x, y):
    """|x| with the sign of y; the sign of zero counts. The gradient is 0 where x is 0."""
    y = to_dtype(y, x.dtype)
    sign = tf.where(keras.ops.signbit(y), -tf.ones_like(y), tf.ones_like(y))
    return tf.abs(x) * sign


def frac(x):
    """The part of x behind the point, with the sign of x."""
    return x - tf.stop_gradient(keras.ops.trunc(x))


def floor_divide(x, y):
    """x / y rounded down, from the remainder: 1.0 // 0.1 is 9, since 0.1 is a little more than a tenth."""
    x = tf.convert_to_tensor(x) if tf.is_tensor(x) or not tf.is_tensor(y) else to_dtype(x, y.dtype)
    y = to_dtype(y, x.dtype)
    if not x.dtype.is_floating:
        return x // y
    x, y = tf.stop_gradient(x), tf.stop_gradient(y)
    quotient = (x - tf.math.floormod(x, y)) / y
    down = tf.floor(quotient)
    down = tf.where(quotient - down > 0.5, down + 1.0, down)
    return tf.where(y == 0.0, x / y, down)


def trunc_divide(x, y):
    """x / y rounded towards zero."""
    if x.dtype.is_floating:
        return keras.ops.trunc(tf.stop_gradient(x / to_dtype(y, x.dtype)))
    return tf.truncatediv(x, to_dtype(y, x.dtype))


def divide(x, y, rounding_mode=None):
    """x / y, rounded as a mode says that is only known when the program runs: None, "floor" or "trunc"."""
    if rounding_mode == "floor":
        return floor_divide(x, y)
    x = tf.convert_to_tensor(x) if tf.is_tensor(x) or not tf.is_tensor(y) else to_dtype(x, y.dtype)
    if rounding_mode == "trunc":
        return trunc_divide(x, y)
    y = to_dtype(y, x.dtype)
    return x / y if x.dtype.is_floating or x.dtype.is_complex else tf.cast(x, keras.backend.floatx()) / tf.cast(
        y, keras.backend.floatx()
    )


def fmod(x, y):
    """The remainder of x / y with the sign of x; the quotient counts as a constant for the gradient of y."""
    y = to_dtype(y, x.dtype)
    if not x.dtype.is_floating:
        return tf.truncatemod(x, y)
    exact = tf.stop_gradient(tf.truncatemod(x, y))
    smooth = x - y * tf.stop_gradient(keras.ops.trunc(x / y))
    return exact + smooth - tf.stop_gradient(smooth)


def logit(x, eps=None):
    """log(x / (1 - x)), of x moved into [eps, 1 - eps] if eps is given."""
    if eps is not None:
        x = tf.minimum(tf.maximum(x, eps), 1.0 - eps)
    return tf.math.log(x / (1.0 - x))


def entr(x):
    """-x log(x), which is 0 at 0 and -inf below."""
    return tf.where(x < 0.0, to_dtype(-float("inf"), x.dtype), -tf.math.xlogy(x, x))


def equal(x, y):
    """Whether x and y have the same shape and elements, as a Python bool."""
    return x.shape == y.shape and bool(tf.reduce_all(x == y))


def aminmax(x, dim=None, keepdim=False):
    """(smallest, largest) element along ``dim`` or of all."""
    return tf.reduce_min(x, axis=dim, keepdims=keepdim), tf.reduce_max(x, axis=dim, keepdims=keepdim)


def hypot(x, y):
    """sqrt(x^2 + y^2) without overflow; the gradient at (0, 0) is NaN as in PyTorch."""
    return keras.ops.hypot(x, y)


def fmax(x, y):
    """The larger of x and y; of a number and NaN the number. A tie gives the gradient to x."""
    x, y = tf.convert_to_tensor(x), tf.convert_to_tensor(y)
    if not x.dtype.is_floating:
        return tf.maximum(x, y)
    return tf.where((x >= y) | tf.math.is_nan(y), x, y)


def fmin(x, y):
    """The smaller of x and y; of a number and NaN the number. A tie gives the gradient to x."""
    x, y = tf.convert_to_tensor(x), tf.convert_to_tensor(y)
    if not x.dtype.is_floating:
        return tf.minimum(x, y)
    return tf.where((x <= y) | tf.math.is_nan(y), x, y)


def nan_to_num(x, nan=None, posinf=None, neginf=None):
    """x with NaN replaced by ``nan`` (0), inf by ``posinf`` and -inf by ``neginf`` (the extremes of the dtype)."""
    if not x.dtype.is_floating:
        return x
    x = tf.where(tf.math.is_nan(x), to_dtype(0.0 if nan is None else nan, x.dtype), x)
    x = tf.where(keras.ops.isposinf(x), to_dtype(x.dtype.max if posinf is None else posinf, x.dtype), x)
    return tf.where(keras.ops.isneginf(x), to_dtype(x.dtype.min if neginf is None else neginf, x.dtype), x)


def polar(abs, angle):
    """The complex numbers of the given absolute values and angles."""
    return tf.complex(abs * tf.cos(angle), abs * tf.sin(angle))


def view_as_real(x):
    """Complex numbers as pairs (real, imaginary) in a new last axis."""
    return tf.stack([tf.math.real(x), tf.math.imag(x)], axis=-1)


def view_as_complex(x):
    """Pairs in the last axis as complex numbers."""
    return tf.complex(x[..., 0], x[..., 1])


def trapezoid(y, x=None, dx=1, dim=-1):
    """The integral of the samples y along ``dim`` by the trapezoidal rule, at the places x or with the spacing dx."""
    count = y.shape[dim]
    later, earlier = (tf.gather(y, tf.range(*ends), axis=dim) for ends in ((1, count), (0, count - 1)))
    if x is None:
        return dx * tf.reduce_sum((later + earlier) / 2.0, axis=dim)
    axis = dim if len(x.shape) > 1 else 0
    steps = tf.gather(x, tf.range(1, x.shape[axis]), axis=axis) - tf.gather(x, tf.range(x.shape[axis] - 1), axis=axis)
    if len(x.shape) == 1 and dim % len(y.shape) != len(y.shape) - 1:
        steps = tf.reshape(steps, [-1] + [1] * (len(y.shape) - 1 - dim % len(y.shape)))
    return tf.reduce_sum((later + earlier) / 2.0 * steps, axis=dim)


def dist(x, other, p=2):
    """The p-norm of x - other over all elements."""
    return norm(x - other, p)


def logaddexp2(x, y):
    """log2(2^x + 2^y)."""
    return keras.ops.logaddexp(x * math.log(2.0), y * math.log(2.0)) / math.log(2.0)


def isclose(x, y, rtol=1e-5, atol=1e-8, equal_nan=False):
    """Whether |x - y| <= atol + rtol |y|, element by element; equal infinities are close, NaN only if asked for."""
    close = x == y
    if x.dtype.is_floating:
        bound = to_dtype(atol, x.dtype) + to_dtype(rtol, x.dtype) * tf.abs(y)
        close |= tf.math.is_finite(y) & (tf.abs(x - y) <= bound)
        if equal_nan:
            close |= tf.math.is_nan(x) & tf.math.is_nan(y)
        return close
    return close | (tf.cast(tf.abs(x - y), tf.float64) <= atol + rtol * tf.cast(tf.abs(y), tf.float64))


def allclose(x, y, rtol=1e-5, atol=1e-8, equal_nan=False):
    """Whether all elements are close, as a Python bool."""
    return bool(tf.reduce_all(isclose(x, y, rtol, atol, equal_nan)))
