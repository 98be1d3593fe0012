"""``.safetensors`` files: a header in JSON, then the values one after the other."""

from __future__ import annotations

import json
import math
import os
import struct
from collections.abc import Iterable
from typing import IO, Any

from .arrays import Stored, broken, mapped, numpy_dtype

DTYPES = {
    "F64": "float64", "F32": "float32", "F16": "float16", "BF16": "bfloat16", "I64": "int64", "I32": "int32",
    "I16": "int16", "I8": "int8", "U64": "uint64", "U32": "uint32", "U16": "uint16", "U8": "uint8", "BOOL": "bool",
    "C64": "complex64", "F8_E4M3": "float8_e4m3fn", "F8_E5M2": "float8_e5m2",
}  # fmt: skip
NAMES = {dtype: name for name, dtype in DTYPES.items()}
LONGEST = 100_000_000
"""Bytes of a header; the format's own bound."""


def read_safetensors(path: str) -> dict[str, Stored]:
    """The tensors of a file by name.

    Raises:
        InputError: the file is damaged.
    """
    end = os.path.getsize(path)
    with open(path, "rb") as file:
        length = file.read(8)
        size = struct.unpack("<Q", length)[0] if len(length) == 8 else LONGEST + 1
        if size > min(LONGEST, end - 8):
            raise broken(path, "the file is cut short, or no safetensors file")
        try:
            header = json.loads(file.read(size))
        except (ValueError, RecursionError):
            raise broken(path, "its header cannot be read") from None
    if not isinstance(header, dict):
        raise broken(path, "its header cannot be read")
    header.pop("__metadata__", None)
    return {name: _stored(path, name, told, 8 + size, end) for name, told in header.items()}


def _stored(path: str, name: str, told: Any, start: int, end: int) -> Stored:
    try:
        dtype, shape, (begin, stop) = DTYPES[told["dtype"]], tuple(told["shape"]), told["data_offsets"]
        good = all(type(n) is int and n >= 0 for n in (*shape, begin, stop))
    except (KeyError, TypeError, ValueError):
        raise broken(path, f"its header says nothing clear of {name!r}") from None
    if not good or stop - begin != math.prod(shape) * numpy_dtype(dtype).itemsize:
        raise broken(path, f"the size of {name!r} does not go with its shape")
    if start + stop > end:
        raise broken(path, "the file is cut short")
    return Stored(name, dtype, shape, lambda: mapped(path, start + begin, dtype, shape))


class SafetensorsWriter:
    """Writes arrays in the order in which they were declared."""

    def __init__(self, file: IO[bytes], declared: Iterable[Stored]) -> None:
        self.file = file
        header: dict[str, Any] = {"__metadata__": {"format": "pt"}}
        at = 0
        for stored in declared:
            if stored.dtype not in NAMES:
                raise broken(stored.name, f"safetensors files hold no {stored.dtype}")
            place = {"dtype": NAMES[stored.dtype], "shape": list(stored.shape), "data_offsets": [at, at + stored.size]}
            header[stored.name] = place
            at += stored.size
        text = json.dumps(header, separators=(",", ":")).encode()
        text += b" " * (-len(text) % 8)
        file.write(struct.pack("<Q", len(text)) + text)

    def begin(self, stored: Stored) -> None:
        """Nothing stands before an array."""

    def piece(self, values: Any) -> None:
        self.file.write(values.data if values.dtype.isbuiltin == 1 else values.view("u1").data)

    def close(self) -> None:
        """Nothing stands behind the arrays."""
