"""Applies a link: arrays of one side become those of the other. numpy only."""

from __future__ import annotations

from typing import Any

from ..weights.converters import CONVERTERS, ShapeError, WeightConverter
from ..weights.order import PROJECTION
from ..weights.recurrent import KERNELS, gates_turned
from .plan import Link


def to_keras(link: Link, arrays: list[Any]) -> Any:
    """Keras's array, mostly as a view.

    Raises:
        ShapeError: an array does not come out in Keras's shape.
    """
    kind, _, name = link.via.partition(" ")
    if kind == "bias":  # PyTorch adds two of them, Keras has one
        out = gates_turned(arrays[0], name)
        if arrays[1].any():
            out = out + gates_turned(arrays[1], name)
    elif kind == "biases":
        import numpy as np

        out = np.stack([gates_turned(array, name) for array in arrays])
    else:
        out = _converted(_converter(kind, name).forward, arrays[0], link.keras_shape)
    return _checked(out, link.keras_shape, link.keras[0])


def to_torch(link: Link, array: Any) -> list[Any]:
    """PyTorch's arrays.

    Raises:
        ShapeError: one does not come out in PyTorch's shape.
    """
    import numpy as np

    kind, _, name = link.via.partition(" ")
    if kind == "bias":
        first = gates_turned(array, name)
        out = [first, np.zeros_like(first)]
    elif kind == "biases":
        out = [gates_turned(row, name) for row in array]
    else:
        out = [_converted(_converter(kind, name).back, array, link.torch_shapes[0])]
    pairs = zip(out, link.torch_shapes, link.torch, strict=True)
    return [_checked(one, shape, names[0]) for one, shape, names in pairs]


def _converter(kind: str, name: str) -> WeightConverter:
    if kind == "kernel":
        return KERNELS[name]
    return PROJECTION if kind == "projection" else CONVERTERS[kind]


def _converted(convert: Any, array: Any, shape: tuple[int, ...]) -> Any:
    try:
        return convert(array, shape)
    except (ValueError, IndexError) as error:
        raise ShapeError(f"{list(array.shape)} does not become {list(shape)}") from error


def _checked(array: Any, shape: tuple[int, ...], name: str) -> Any:
    if tuple(array.shape) != shape:
        raise ShapeError(f"{list(array.shape)} does not become {list(shape)}")
    return array
