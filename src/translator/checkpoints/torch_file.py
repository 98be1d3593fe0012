"""PyTorch's checkpoints (``.pt``, ``.pth``, ``.bin``), read without PyTorch: their tensors stay in the file."""

from __future__ import annotations

import math
import os
import struct
import zipfile
from collections.abc import Callable, Mapping
from typing import Any

from .arrays import Stored, broken, mapped, numpy_dtype
from .safe_pickle import Storage, Tensor, read_pickle

MAGIC = 0x1950A86A20F9469CFC6C
"""What files from before PyTorch 1.6 begin with."""
Place = Callable[[Storage], tuple[int, int]]
"""Offset and size in bytes of a storage."""


def read_torch(path: str) -> Any:
    """What the file holds, its tensors as `Stored` without names.

    Raises:
        InputError: the file is damaged, or holds other objects than tensors and plain values.
    """
    with open(path, "rb") as file:
        start = file.read(4)
    if start[:2] == b"PK":
        return _zipped(path)
    if not start:
        raise broken(path, "the file is empty")
    return _legacy(path)


def _zipped(path: str) -> Any:
    try:
        with zipfile.ZipFile(path) as archive:
            infos = {info.filename: info for info in archive.infolist()}
            found = [name for name in infos if name == "data.pkl" or name.endswith("/data.pkl")]
            if not found:
                raise broken(path, "a zip file, but not one of PyTorch's")
            prefix = found[0].removesuffix("data.pkl")
            order = archive.read(f"{prefix}byteorder") if f"{prefix}byteorder" in infos else b"little"
            if order != b"little":
                raise broken(path, f"its byte order is {order[:20]!r}")
            with archive.open(found[0]) as stream:
                held, storages = read_pickle(stream, path)
    except (zipfile.BadZipFile, EOFError, NotImplementedError, OSError, UnicodeError) as error:
        raise broken(path, f"the file is cut short or damaged ({error})") from None
    places = {s.key: _entry(path, infos.get(f"{prefix}data/{s.key}"), s) for s in storages.values()}
    return _resolved(path, held, lambda storage: places[storage.key])


def _entry(path: str, info: zipfile.ZipInfo | None, storage: Storage) -> tuple[int, int]:
    """Where the bytes of a storage begin, and how many there are."""
    if info is None:
        raise broken(path, f"the values of {storage.key!r} are missing")
    if info.compress_type != zipfile.ZIP_STORED:
        raise broken(path, "its values are compressed", "save it with torch.save")
    with open(path, "rb") as file:
        file.seek(info.header_offset)
        header = file.read(30)
        file.seek(0, os.SEEK_END)
        end = file.tell()
    if len(header) < 30 or header[:4] != b"PK\x03\x04":
        raise broken(path, "the file is damaged")
    names, extra = struct.unpack("<HH", header[26:30])
    start = info.header_offset + 30 + names + extra
    if start + info.file_size > end:
        raise broken(path, "the file is cut short")
    return start, info.file_size


def _legacy(path: str) -> Any:
    with open(path, "rb") as file:
        magic, _ = _first(file, path)
        if magic != MAGIC:
            raise broken(path, "it is no checkpoint of PyTorch's")
        for _ in range(2):  # the version of the format, and the machine's integers
            read_pickle(file, path)
        held, storages = read_pickle(file, path)
        keys, _ = read_pickle(file, path)
        places = {}
        end = os.fstat(file.fileno()).st_size
        for key in keys if isinstance(keys, list) else ():
            storage = storages.get(str(key))
            count = file.read(8)
            if storage is None or len(count) < 8 or struct.unpack("<q", count)[0] != storage.count:
                raise broken(path, "the file is cut short or damaged")
            size = storage.count * numpy_dtype(storage.dtype).itemsize
            places[storage.key] = (file.tell(), size)
            file.seek(size, os.SEEK_CUR)
            if file.tell() > end:
                raise broken(path, "the file is cut short")
    if set(storages) - set(places):
        raise broken(path, "the file is cut short")
    return _resolved(path, held, lambda storage: places[storage.key])


def _first(file: Any, path: str) -> Any:
    if file.peek(1)[:1] != b"\x80":
        raise broken(path, "it is no checkpoint of PyTorch's")
    return read_pickle(file, path)


def _resolved(path: str, held: Any, place: Place) -> Any:
    """What the pickle held, with `Stored` for each tensor."""
    if isinstance(held, Tensor):
        return _stored(path, held, *place(held.storage))
    if isinstance(held, Mapping):
        return {key: _resolved(path, value, place) for key, value in held.items()}
    if isinstance(held, list | tuple):
        return [_resolved(path, value, place) for value in held]
    return held


def _stored(path: str, tensor: Tensor, start: int, size: int) -> Stored:
    width = numpy_dtype(tensor.dtype).itemsize
    last = tensor.offset + sum((n - 1) * s for n, s in zip(tensor.shape, tensor.strides, strict=True))
    if 0 not in tensor.shape and (last + 1) * width > size:
        raise broken(path, f"a tensor of shape {list(tensor.shape)} reaches beyond its values")
    contiguous = tensor.strides == contiguous_strides(tensor.shape)
    strides = None if contiguous else tensor.strides
    begin = start + tensor.offset * width
    return Stored("", tensor.dtype, tensor.shape, lambda: mapped(path, begin, tensor.dtype, tensor.shape, strides))


def contiguous_strides(shape: tuple[int, ...]) -> tuple[int, ...]:
    """In elements."""
    return tuple(math.prod(shape[i + 1 :]) for i in range(len(shape)))
