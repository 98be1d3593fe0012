"""Arrays of a checkpoint, named and sized before they are loaded, and the pieces in which large ones travel."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from ..model import InputError

PIECE = 32 << 20
"""Bytes that are copied at once: what is larger goes in pieces of about this size."""
STRIP = 128
"""Elements of an axis that are copied at once where axes are turned."""
NUMPY = frozenset({
    "bool", "int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64", "float16", "float32", "float64",
    "complex64", "complex128",
})  # fmt: skip
NAN_BITS = {"float16": (0x7FFF, 0x7C00), "bfloat16": (0x7FFF, 0x7F80)}
"""Half-sized floats: a mask without the sign, and the bits of infinity. What is above is not a number."""


@dataclass(frozen=True, slots=True)
class Stored:
    """One array of a file. ``load`` maps it into memory: nothing is read before it is used."""

    name: str
    dtype: str
    """numpy's name, or ``"bfloat16"`` and the like, as both frameworks say."""
    shape: tuple[int, ...]
    load: Callable[[], Any]

    @property
    def size(self) -> int:
        """Bytes."""
        return math.prod(self.shape) * int(numpy_dtype(self.dtype).itemsize)


def numpy_dtype(name: str) -> Any:
    """The numpy dtype of a name.

    Raises:
        InputError: no such dtype is known.
    """
    import numpy as np

    if name in NUMPY:
        return np.dtype(name)
    import ml_dtypes

    try:
        return np.dtype(getattr(ml_dtypes, name))
    except (AttributeError, TypeError):
        raise broken("the file", f"it holds numbers of type {name!r}, which is not known") from None


def mapped(path: str, offset: int, dtype: str, shape: tuple[int, ...], strides: tuple[int, ...] | None = None) -> Any:
    """An array of a file that is read where it is touched.

    Args:
        offset: in bytes.
        strides: in elements; by default those of a contiguous array.
    """
    import numpy as np

    kind = numpy_dtype(dtype)
    if 0 in shape:
        return np.zeros(shape, kind)
    if strides is None:
        return np.memmap(path, kind, "r", offset, shape or (1,)).reshape(shape)
    extent = 1 + sum((n - 1) * s for n, s in zip(shape, strides, strict=True))
    flat = np.memmap(path, kind, "r", offset, (extent,))
    return np.lib.stride_tricks.as_strided(flat, shape, [s * kind.itemsize for s in strides], writeable=False)


def pieces(array: Any) -> Iterator[Any]:
    """The array's values in order, as flat contiguous arrays of at most about `PIECE` bytes."""
    if array.nbytes <= PIECE or array.ndim == 0:
        yield _contiguous(array).reshape(-1)
        return
    row = array.nbytes // len(array)
    if row > PIECE:
        for part in array:
            yield from pieces(part)
        return
    count = max(1, PIECE // row)
    for start in range(0, len(array), count):
        yield _contiguous(array[start : start + count]).reshape(-1)


def _contiguous(array: Any) -> Any:
    """The values in order. Turned axes are copied block by block: numpy walks one side of them against its caches."""
    import numpy as np

    if array.flags.c_contiguous or array.ndim < 2:
        return np.ascontiguousarray(array)
    if array.shape[-1] > STRIP:
        out = np.empty(array.shape, array.dtype)
        for start in range(0, array.shape[-1], STRIP):
            out[..., start : start + STRIP] = array[..., start : start + STRIP]
        return out
    return _blocks(array)


def _blocks(array: Any) -> Any:
    """The same where the last axis is short, as a convolution's kernels are in PyTorch: a short axis makes slow loops.

    So the short axes are gone through one by one, within blocks of the source's last axis and the longest other one.
    """
    import numpy as np

    steps = {axis: abs(step) for axis, step in enumerate(array.strides) if array.shape[axis] > 1}
    first = min(steps, key=lambda axis: steps[axis], default=0)
    other = max((axis for axis in steps if axis != first), key=lambda axis: array.shape[axis], default=first)
    short = [n if axis not in (first, other) else 1 for axis, n in enumerate(array.shape)]
    if min(array.shape[first], array.shape[other]) <= STRIP or math.prod(short) > STRIP:
        return np.ascontiguousarray(array)
    out = np.empty(array.shape, array.dtype)
    wide = [axis in (first, other) for axis in range(array.ndim)]
    for place in itertools.product(*(range(0, n, STRIP if w else 1) for n, w in zip(array.shape, wide, strict=True))):
        block = tuple(slice(at, at + STRIP) if w else at for at, w in zip(place, wide, strict=True))
        out[block] = array[block]
    return out


def has_nan(array: Any) -> bool:
    """Whether an array holds a value that is not a number. Infinities are numbers: masks hold them."""
    import numpy as np

    if array.size == 0:
        return False
    if array.dtype.name in NAN_BITS:
        mask, infinity = NAN_BITS[array.dtype.name]
        return bool(((array.view(np.uint16) & mask) > infinity).any())
    if array.dtype.kind == "c":
        return bool(np.isnan(array).any())
    if array.dtype.kind == "f":
        with np.errstate(invalid="ignore"):
            return bool(np.isnan(np.min(array)))
    return array.dtype.kind == "V" and bool((array != array).any())


def broken(path: str, why: str, hint: str = "") -> InputError:
    """The error of a file that is no checkpoint, or not a whole one."""
    return InputError(f"{path}: {why}", code="XL060", hint=hint)
