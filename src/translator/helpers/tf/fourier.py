"""Fourier transforms with PyTorch's arguments: any axis, any length, three ways to scale."""

import math

import numpy as np
import tensorflow as tf
from tensorflow import keras

from translator.helpers.tf.reduce import axis_from_last, axis_to_last


def fit_last(x, n):
    """x with its last axis cut or padded with 0 to length ``n``; as it is for None."""
    if n is None:
        return x
    x = x[..., :n]
    return tf.pad(x, [(0, 0)] * (len(x.shape) - 1) + [(0, n - keras.ops.shape(x)[-1])])


def to_complex(x):
    """x as a complex tensor of the same precision."""
    return x if x.dtype.is_complex else tf.cast(x, tf.complex128 if x.dtype == tf.float64 else tf.complex64)


def fft_scale(norm, n, inverse):
    """What a transform of length ``n`` is multiplied by, beyond TensorFlow's 1 / n of the inverse."""
    size = tf.cast(n, tf.float64)
    if norm == "ortho":
        return tf.sqrt(size) if inverse else 1.0 / tf.sqrt(size)
    forward = norm == "forward"
    return size if inverse and forward else 1.0 / size if forward else tf.ones_like(size)


def transform_axis(op, x, n, dim, norm, inverse, length=None):
    """Apply a transform of the last axis along ``dim``; ``length`` is that of the real signal."""
    x = fit_last(axis_to_last(x, dim), n)
    y = op(x)
    scale = fft_scale(norm, keras.ops.shape(x)[-1] if length is None else length, inverse)
    return axis_from_last(y * tf.cast(scale, y.dtype), dim)


def fft(x, n=None, dim=-1, norm=None):
    """torch.fft.fft: the discrete Fourier transform along one axis."""
    return transform_axis(tf.signal.fft, to_complex(x), n, dim, norm, False)


def ifft(x, n=None, dim=-1, norm=None):
    """torch.fft.ifft: the inverse transform along one axis."""
    return transform_axis(tf.signal.ifft, to_complex(x), n, dim, norm, True)


def rfft(x, n=None, dim=-1, norm=None):
    """torch.fft.rfft: the non-negative frequencies of a real signal."""
    return transform_axis(tf.signal.rfft, x, n, dim, norm, False)


def irfft(x, n=None, dim=-1, norm=None):
    """torch.fft.irfft: the real signal of length ``n`` (default 2 (m - 1)) with the given m frequencies."""
    x = to_complex(x)
    length = 2 * (keras.ops.shape(x)[dim] - 1) if n is None else n
    return transform_axis(
        lambda a: tf.signal.irfft(a, [length]), x, None if n is None else n // 2 + 1, dim, norm, True, length
    )


def fft_axes(x, s, dim):
    """(length or None, axis) for each axis to transform, from PyTorch's arguments ``s`` and ``dim``."""
    if dim is None:
        dim = range(len(x.shape) - len(s), len(x.shape)) if s is not None else range(len(x.shape))
    axes = [dim] if isinstance(dim, int) else list(dim)
    return list(zip([None if n == -1 else n for n in s] if s is not None else [None] * len(axes), axes, strict=True))


def fftn(x, s=None, dim=None, norm=None):
    """torch.fft.fftn: the transform along several axes (default all)."""
    for n, axis in fft_axes(x, s, dim):
        x = fft(x, n, axis, norm)
    return x


def ifftn(x, s=None, dim=None, norm=None):
    """torch.fft.ifftn: the inverse transform along several axes (default all)."""
    for n, axis in fft_axes(x, s, dim):
        x = ifft(x, n, axis, norm)
    return x


def rfftn(x, s=None, dim=None, norm=None):
    """torch.fft.rfftn: of a real signal, with half of the frequencies of the last axis."""
    *rest, (n, last) = fft_axes(x, s, dim)
    x = rfft(x, n, last, norm)
    for size, axis in rest:
        x = fft(x, size, axis, norm)
    return x


def irfftn(x, s=None, dim=None, norm=None):
    """torch.fft.irfftn: the inverse of ``rfftn``."""
    *rest, (n, last) = fft_axes(x, s, dim)
    for size, axis in rest:
        x = ifft(x, size, axis, norm)
    return irfft(x, n, last, norm)


def fftfreq(n, d=1.0, dtype=None):
    """torch.fft.fftfreq: the frequencies of ``fft``, of the default float type unless given."""
    return tf.constant(np.fft.fftfreq(n, d), dtype or keras.config.floatx())


def rfftfreq(n, d=1.0, dtype=None):
    """torch.fft.rfftfreq: the frequencies of ``rfft``."""
    return tf.constant(np.fft.rfftfreq(n, d), dtype or keras.config.floatx())


def cosine_window(window_length, periodic, coefficients, dtype):
    """Sum of coefficients[k] cos(2 pi k n / N), N one less for a symmetric window."""
    dtype = tf.as_dtype(dtype or keras.config.floatx())
    if window_length == 1:
        return tf.ones([1], dtype)
    angle = 2.0 * math.pi * np.arange(window_length) / (window_length if periodic else window_length - 1)
    return tf.constant(sum(c * np.cos(k * angle) for k, c in enumerate(coefficients)), dtype)


def hann_window(window_length, periodic=True, dtype=None):
    """torch.hann_window (TensorFlow's is not periodic for odd lengths)."""
    return cosine_window(window_length, periodic, (0.5, -0.5), dtype)


def hamming_window(window_length, periodic=True, alpha=0.54, beta=0.46, dtype=None):
    """torch.hamming_window: alpha - beta cos."""
    return cosine_window(window_length, periodic, (alpha, -beta), dtype)


def blackman_window(window_length, periodic=True, dtype=None):
    """torch.blackman_window."""
    return cosine_window(window_length, periodic, (0.42, -0.5, 0.08), dtype)


def bartlett_window(window_length, periodic=True, dtype=None):
    """torch.bartlett_window: a triangle."""
    dtype = tf.as_dtype(dtype or keras.config.floatx())
    if window_length == 1:
        return tf.ones([1], dtype)
    size = window_length if periodic else window_length - 1
    return tf.constant(1.0 - np.abs(2.0 * np.arange(window_length) / size - 1.0), dtype)


def frame_window(window, win_length, n_fft, dtype):
    """The window (default ones) in the middle of ``n_fft`` places."""
    size = n_fft if win_length is None else win_length
    window = tf.ones([size], dtype) if window is None else tf.cast(window, dtype)
    left = (n_fft - size) // 2
    return tf.pad(window, [(left, n_fft - size - left)])


def stft(
    x, n_fft, hop_length=None, win_length=None, window=None, center=True, pad_mode="reflect", normalized=False,
    onesided=None, return_complex=True,
):
    """torch.stft of real signals (..., L): (..., n_fft // 2 + 1, frames), complex or (real, imaginary) pairs."""
    hop = n_fft // 4 if hop_length is None else hop_length
    if center:
        amounts = [(0, 0)] * (len(x.shape) - 1) + [(n_fft // 2, n_fft // 2)]
        x = tf.pad(x, amounts, {"reflect": "REFLECT", "constant": "CONSTANT"}[pad_mode])
    frames = tf.signal.frame(x, n_fft, hop) * frame_window(window, win_length, n_fft, x.dtype)
    y = tf.signal.fft(to_complex(frames)) if onesided is False else tf.signal.rfft(frames)
    y = tf.linalg.matrix_transpose(y)
    y = y / tf.constant(math.sqrt(n_fft), y.dtype) if normalized else y
    return y if return_complex else tf.stack([tf.math.real(y), tf.math.imag(y)], axis=-1)


def istft(
    x, n_fft, hop_length=None, win_length=None, window=None, center=True, normalized=False, onesided=None, length=None
):
    """torch.istft: the real signal (..., L) of a complex spectrogram (..., frequencies, frames).

    Frames are added with the window and divided by the sum of its squares (Griffin and Lim 1984).
    """
    hop = n_fft // 4 if hop_length is None else hop_length
    x = tf.linalg.matrix_transpose(x)
    x = x * tf.constant(math.sqrt(n_fft), x.dtype) if normalized else x
    frames = tf.math.real(tf.signal.ifft(x)) if onesided is False else tf.signal.irfft(x, [n_fft])
    weights = frame_window(window, win_length, n_fft, frames.dtype)
    signal = tf.signal.overlap_and_add(frames * weights, hop)
    total = tf.signal.overlap_and_add(tf.ones_like(frames) * weights**2, hop)
    start = n_fft // 2 if center else 0
    size = keras.ops.shape(signal)[-1]
    stop = start + length if length is not None else size - start
    y = signal[..., start:stop] / total[..., start:stop]
    return y if length is None else fit_last(y, length)
