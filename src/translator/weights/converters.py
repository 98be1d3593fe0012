"""Named, invertible converters of weight arrays: PyTorch's axis order to Keras's and back. numpy only.

``shape`` arguments are those of the array that comes out, needed where a conversion splits an axis.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

Shape = tuple[int, ...]


class ShapeError(ValueError):
    """An array that a converter cannot bring to the wanted shape."""


@dataclass(frozen=True, slots=True)
class WeightConverter:
    """``forward`` maps a PyTorch array to the Keras one of the given shape, ``back`` the reverse."""

    forward: Callable[[Any, Shape], Any]
    back: Callable[[Any, Shape], Any]


def _same(array: Any, shape: Shape) -> Any:
    return array


def _transpose(array: Any, shape: Shape) -> Any:
    """(out, in) to (in, out), and the reverse."""
    return array.T


def _kernel_last(array: Any, shape: Shape) -> Any:
    """(O, I, k...) to (k..., I, O); of a transposed convolution (I, O, k...) to (k..., O, I)."""
    return array.transpose(*range(2, array.ndim), 1, 0)


def _kernel_first(array: Any, shape: Shape) -> Any:
    return array.transpose(array.ndim - 1, array.ndim - 2, *range(array.ndim - 2))


def _depthwise(array: Any, shape: Shape) -> Any:
    """(C * m, 1, k...) to (k..., C, m), where output channel c * m + j filters input channel c."""
    channels, multiplier = shape[-2:]
    if array.shape[0] != channels * multiplier or array.shape[1] != 1:
        raise ShapeError(f"{list(array.shape)} is no depthwise kernel for {channels} channels")
    split = array.reshape(channels, multiplier, *array.shape[2:])
    return split.transpose(*range(2, split.ndim), 0, 1)


def _depthwise_back(array: Any, shape: Shape) -> Any:
    moved = array.transpose(array.ndim - 2, array.ndim - 1, *range(array.ndim - 2))
    return moved.reshape(-1, 1, *moved.shape[2:])


def _reshape(array: Any, shape: Shape) -> Any:
    """The same numbers in the same order under another shape: (1,) for PReLU's (1, 1, 1)."""
    import math

    if array.size != math.prod(shape):
        raise ShapeError(f"{list(array.shape)} has not as many values as {list(shape)}")
    return array.reshape(shape)


CONVERTERS: dict[str, WeightConverter] = {
    "same": WeightConverter(_same, _same),
    "linear": WeightConverter(_transpose, _transpose),
    "conv": WeightConverter(_kernel_last, _kernel_first),
    "conv_transpose": WeightConverter(_kernel_last, _kernel_first),
    "depthwise": WeightConverter(_depthwise, _depthwise_back),
    "reshape": WeightConverter(_reshape, _reshape),
}
