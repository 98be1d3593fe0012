"""What the frameworks do in float32 only, made to work for a comparison in float64.

The CPU has channels-first convolutions, and averages over volumes, in float32 alone; Keras layers that run well in
float32 fail in float64. While two programs are compared the same numbers are computed in the other axis order.
Leaky ReLU keeps its slope, and GELU its constants, as float32 in every precision: 0.2 is 0.20000000298 there. That
is no difference between programs either, so the same formulas run with the constants in the input's precision.
So does PyTorch's hard sigmoid, whose gradient is float32's 1/6. And ``tf.cast`` makes a Python number float32
before it looks at the type that is asked for, so that Keras's ``Rescaling(1 / 255)`` scales by 0.0039215688.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any
from unittest.mock import patch

LAST = {3: "NWC", 4: "NHWC", 5: "NDHWC"}


@contextmanager
def double_kernels(frameworks: Collection[str] = ("torch", "tf")) -> Iterator[None]:
    """Within it, functions of ``tf.nn`` and PyTorch that are float32 at heart are exact in float64 too."""
    with ExitStack() as stack:
        if "torch" in frameworks:
            import torch.nn.functional as F

            stack.enter_context(patch.object(F, "hardsigmoid", _hardsigmoid))
        if "tf" in frameworks:
            import tensorflow as tf

            wrapped = {
                "convolution": _last(tf.nn.convolution),
                "conv_transpose": _last_transposed(tf.nn.conv_transpose),
                "avg_pool": _average(tf.nn.avg_pool),
                "leaky_relu": _leaky_relu,
                "gelu": _gelu,
            }
            for name, function in wrapped.items():
                stack.enter_context(patch.object(tf.nn, name, function))
            stack.enter_context(patch.object(tf, "cast", _cast(tf.cast)))
        yield


def _first(data_format: str | None) -> bool:
    return data_format is not None and data_format.startswith("NC")


def _to_last(x: Any) -> Any:
    import tensorflow as tf

    return tf.transpose(x, (0, *range(2, len(x.shape)), 1))


def _to_first(x: Any) -> Any:
    import tensorflow as tf

    return tf.transpose(x, (0, len(x.shape) - 1, *range(1, len(x.shape) - 1)))


def _last(original: Any) -> Any:
    def convolution(
        input: Any, filters: Any, strides: Any = None, padding: str = "VALID", data_format: str | None = None,
        dilations: Any = None, name: str | None = None,
    ) -> Any:  # fmt: skip
        if not _first(data_format):
            return original(input, filters, strides, padding, data_format, dilations, name)
        return _to_first(original(_to_last(input), filters, strides, padding, LAST[len(input.shape)], dilations, name))

    return convolution


def _last_transposed(original: Any) -> Any:
    def conv_transpose(
        input: Any, filters: Any, output_shape: Any, strides: Any, padding: str = "SAME",
        data_format: str | None = None, dilations: Any = None, name: str | None = None,
    ) -> Any:  # fmt: skip
        if not _first(data_format):
            return original(input, filters, output_shape, strides, padding, data_format, dilations, name)
        size = [output_shape[0], *output_shape[2:], output_shape[1]]
        last = LAST[len(input.shape)]
        return _to_first(original(_to_last(input), filters, size, strides, padding, last, dilations, name))

    return conv_transpose


def _average(original: Any) -> Any:
    def avg_pool(
        input: Any, ksize: Any, strides: Any, padding: str, data_format: str | None = None, name: str | None = None
    ) -> Any:
        import tensorflow as tf

        if len(input.shape) != 5 or input.dtype != tf.float64 or padding != "VALID" or _first(data_format):
            return original(input, ksize, strides, padding, data_format, name)
        size = [ksize] * 3 if isinstance(ksize, int) else [*ksize]
        kernel = tf.ones((*size, 1, 1), input.dtype) / float(size[0] * size[1] * size[2])
        planes = tf.unstack(input, axis=-1)
        pooled = [tf.nn.convolution(p[..., None], kernel, strides, "VALID", "NDHWC")[..., 0] for p in planes]
        return tf.stack(pooled, axis=-1)

    return avg_pool


def _leaky_relu(features: Any, alpha: Any = 0.2, name: str | None = None) -> Any:
    import tensorflow as tf

    x = tf.convert_to_tensor(features)
    return tf.where(x > 0, x, tf.convert_to_tensor(alpha, x.dtype) * x)


def _gelu(features: Any, approximate: bool = False, name: str | None = None) -> Any:
    """x times the normal distribution function, or its approximation by tanh (Hendrycks and Gimpel, 2016)."""
    import math

    import tensorflow as tf

    x = tf.convert_to_tensor(features)
    if approximate:
        return 0.5 * x * (1.0 + tf.tanh(math.sqrt(2.0 / math.pi) * (x + 0.044715 * x * x * x)))
    return 0.5 * x * (1.0 + tf.math.erf(x * math.sqrt(0.5)))


def _cast(original: Any) -> Any:
    def cast(x: Any, dtype: Any, name: str | None = None) -> Any:
        import tensorflow as tf

        wanted = tf.as_dtype(dtype)
        if _fraction(x) and (wanted.is_floating or wanted.is_complex):
            return tf.constant(x, wanted)
        return original(x, dtype, name)

    return cast


def _fraction(value: Any) -> bool:
    """Whether a value is a Python float, or a list of such."""
    return bool(value) and all(map(_fraction, value)) if isinstance(value, list | tuple) else isinstance(value, float)


def _hardsigmoid(input: Any, inplace: bool = False) -> Any:
    import torch.nn.functional as F

    return F.relu6(input + 3.0) / 6.0
