"""The variables of TensorFlow's SavedModel folders, without TensorFlow: an index of names, and files of values.

The index is a table in LevelDB's format: blocks of keys, each without what it shares with the one before.
"""

from __future__ import annotations

import os
import struct
from collections.abc import Iterator, Mapping
from typing import Any

from .arrays import Stored, broken, mapped, numpy_dtype

PROGRAM = "saved_model.pb"
INDEX = os.path.join("variables", "variables.index")
MAGIC = 0xDB4775248B80FB57
FOOTER = 48
LONGEST = 256 << 20
"""Bytes of an index: what is longer holds no names of weights."""
DTYPES = {
    1: "float32", 2: "float64", 3: "int32", 4: "uint8", 5: "int16", 6: "int8", 8: "complex64", 9: "int64", 10: "bool",
    14: "bfloat16", 17: "uint16", 18: "complex128", 19: "float16", 22: "uint32", 23: "uint64",
}  # fmt: skip
"""TensorFlow's numbers of them."""
ENDING = "/.ATTRIBUTES/VARIABLE_VALUE"
LISTED = "variables/"
"""Where ``model.export`` puts all variables of a model, by their number."""


def is_saved_model(path: str) -> bool:
    """Whether a folder is a SavedModel."""
    return os.path.isfile(os.path.join(path, PROGRAM))


def read_saved_model(path: str) -> dict[str, Stored]:
    """The variables of a folder by their names in it (``variables/0``).

    Raises:
        InputError: it is damaged.
    """
    index = os.path.join(path, INDEX)
    if not os.path.isfile(index):
        raise broken(path, "it holds no variables")
    if os.path.getsize(index) > LONGEST:
        raise broken(path, "its index is too long")
    with open(index, "rb") as file:
        data = file.read()
    try:
        entries = dict(_table(data))
        header = dict(_fields(entries.pop(b"")))
        shards = _number(header.get(1, 1))
        if header.get(2, 0):
            raise broken(path, "its bytes are in another order")
        return dict(_stored(path, entries, shards))
    except (IndexError, KeyError, ValueError, struct.error, TypeError) as error:
        raise broken(path, f"its index is cut short or damaged ({error})") from None


def by_number(path: str, held: Mapping[str, Stored], order: list[str]) -> dict[str, Stored]:
    """The variables under the paths of a weight file.

    Args:
        order: those paths, for all variables of the model in its own order.

    Raises:
        InputError: the folder does not number them, or holds others.
    """
    numbered = {name.removeprefix(LISTED): one for name, one in held.items() if name.startswith(LISTED)}
    hint = "in Keras: keras.models.load_model(...).save_weights('NAME.weights.h5')"
    if not numbered:
        raise broken(path, "it keeps its variables by attributes, not as model.export does", hint)
    if set(numbered) != {str(i) for i in range(len(order))}:
        raise broken(path, f"it holds {len(numbered)} variables, and the model has {len(order)}")
    return {name: numbered[str(i)] for i, name in enumerate(order) if name}


def _table(data: bytes) -> Iterator[tuple[bytes, bytes]]:
    """The entries of a table."""
    if len(data) < FOOTER or struct.unpack("<Q", data[-8:])[0] != MAGIC:
        raise ValueError("no table")
    at = len(data) - FOOTER
    for _ in range(2):  # where the index of further data begins
        _, at = _varint(data, at)
    offset, at = _varint(data, at)
    size, _ = _varint(data, at)
    for _, handle in _block(data, offset, size):
        offset, at = _varint(handle, 0)
        yield from _block(data, offset, _varint(handle, at)[0])


def _block(data: bytes, offset: int, size: int) -> Iterator[tuple[bytes, bytes]]:
    if offset + size >= len(data):
        raise ValueError("a block beyond the end")
    if data[offset + size]:
        raise ValueError("it is compressed")
    block = data[offset : offset + size]
    end = len(block) - 4 * (1 + struct.unpack("<I", block[-4:])[0])
    at, key = 0, b""
    while at < end:
        shared, at = _varint(block, at)
        own, at = _varint(block, at)
        length, at = _varint(block, at)
        key = key[:shared] + block[at : at + own]
        at += own + length
        if at > end:
            raise ValueError("an entry beyond the end")
        yield key, block[at - length : at]


def _varint(data: bytes, at: int) -> tuple[int, int]:
    """A number in groups of seven bits, and where the next begins."""
    value = shift = 0
    while True:
        byte = data[at]
        at += 1
        value |= (byte & 0x7F) << shift
        shift += 7
        if byte < 0x80:
            return value, at
        if shift > 63:
            raise ValueError("a number that is too long")


def _fields(data: bytes) -> Iterator[tuple[int, Any]]:
    """The fields of a protocol buffer: numbers, and bytes."""
    at = 0
    while at < len(data):
        tag, at = _varint(data, at)
        kind = tag & 7
        if kind == 0:
            value: Any
            value, at = _varint(data, at)
        elif kind == 2:
            size, at = _varint(data, at)
            value, at = data[at : at + size], at + size
        elif kind in (1, 5):
            value, at = None, at + (8 if kind == 1 else 4)
        else:
            raise ValueError("a field of an unknown kind")
        if at > len(data):
            raise ValueError("a field beyond the end")
        yield tag >> 3, value


def _stored(path: str, entries: Mapping[bytes, bytes], shards: int) -> Iterator[tuple[str, Stored]]:
    for key, value in entries.items():
        name = key.decode()
        fields = dict(_fields(value))
        if not name.endswith(ENDING) or fields.get(1) not in DTYPES:
            continue  # descriptions of the program, which stand beside the variables
        name, dtype = name.removesuffix(ENDING), DTYPES[fields[1]]
        if 7 in fields:
            raise broken(path, f"{name} is kept in slices")
        shape = _shape(fields.get(2, b""))
        offset, size = _number(fields.get(4, 0)), _number(fields.get(5, 0))
        file = os.path.join(path, "variables", f"variables.data-{_number(fields.get(3, 0)):05}-of-{shards:05}")
        there = os.path.getsize(file) if os.path.isfile(file) else 0
        stored = Stored(name, dtype, shape, _loader(file, offset, dtype, shape))
        if stored.size != size:
            raise broken(path, f"the size of {name} does not go with its shape")
        if offset + size > there:
            raise broken(path, "its values are cut short")
        yield name, stored


def _loader(file: str, offset: int, dtype: str, shape: tuple[int, ...]) -> Any:
    numpy_dtype(dtype)
    return lambda: mapped(file, offset, dtype, shape)


def _shape(data: bytes) -> tuple[int, ...]:
    dims = [dict(_fields(value)).get(1, 0) for number, value in _fields(data) if number == 2]
    return tuple(map(_number, dims))


def _number(value: Any) -> int:
    if not isinstance(value, int) or value >= 1 << 63:
        raise ValueError("a number that is none")
    return value
