"""Writes PyTorch's own format, a zip file with a pickle and the values, without PyTorch."""

from __future__ import annotations

import math
import struct
import zipfile
from collections import OrderedDict
from collections.abc import Iterable, Iterator, Mapping
from typing import IO, Any

from .arrays import Stored, broken
from .safe_pickle import STORAGES
from .torch_file import contiguous_strides

CLASSES = {dtype: name for name, dtype in STORAGES.items() if name != "UntypedStorage"}
ALIGNMENT = 64
"""Values begin at such an offset, so that they can be mapped into memory."""


class TorchWriter:
    """Writes a state dict; arrays in the order in which they were declared.

    Args:
        whole: what the file holds, where that is more than a dict of the arrays by name: dicts, lists, plain values
            and those arrays.
    """

    def __init__(self, file: IO[bytes], declared: Iterable[Stored], whole: Any = None) -> None:
        stored = list(declared)
        for one in stored:
            if one.dtype not in CLASSES:
                raise broken(one.name, f"PyTorch's files hold no {one.dtype}", "write .safetensors instead")
        self.archive = zipfile.ZipFile(file, "w", zipfile.ZIP_STORED, allowZip64=True)
        self.number = 0
        self.entry: IO[bytes] | None = None
        self.archive.writestr(_info("archive/data.pkl"), pickled(stored, whole))
        self.archive.writestr(_info("archive/byteorder"), b"little")

    def begin(self, stored: Stored) -> None:
        self._finish()
        info = _info(f"archive/data/{self.number}")
        assert self.archive.fp is not None
        # A local header is 30 bytes, the name, 20 bytes for sizes beyond 4 GiB, and a field that fills the rest.
        start = self.archive.fp.tell() + 30 + len(info.filename) + 20 + 4
        fill = -start % ALIGNMENT
        info.extra = struct.pack("<HH", 0x4246, fill) + b"Z" * fill
        self.entry = self.archive.open(info, "w", force_zip64=True)
        self.number += 1

    def piece(self, values: Any) -> None:
        assert self.entry is not None
        self.entry.write(values.data if values.dtype.isbuiltin == 1 else values.view("u1").data)

    def _finish(self) -> None:
        if self.entry is not None:
            self.entry.close()
            self.entry = None

    def close(self) -> None:
        self._finish()
        self.archive.writestr(_info("archive/version"), b"3\n")
        self.archive.close()


def _info(name: str) -> zipfile.ZipInfo:
    return zipfile.ZipInfo(name, (1980, 1, 1, 0, 0, 0))  # no clock: the same weights give the same bytes


def pickled(stored: list[Stored], whole: Any = None) -> bytes:
    """The pickle of an ordered dict of tensors, written opcode by opcode: pickle itself would import torch.

    Args:
        stored: the tensors by their numbers in the file.
        whole: see `TorchWriter`.
    """
    numbers = {id(one): number for number, one in enumerate(stored)}
    held = OrderedDict((one.name, one) for one in stored) if whole is None else whole
    return b"".join([b"\x80\x02", *_value(held, numbers), b"."])


def _value(value: Any, numbers: Mapping[int, int]) -> Iterator[bytes]:
    """The opcodes of one value."""
    if isinstance(value, Stored):
        yield from _tensor(value, numbers[id(value)])
    elif isinstance(value, Mapping):
        yield b"ccollections\nOrderedDict\n)R(" if isinstance(value, OrderedDict) else b"}("
        for key, item in value.items():
            yield from _value(key, numbers)
            yield from _value(item, numbers)
        yield b"u"
    elif isinstance(value, list | tuple):
        yield b"](" if isinstance(value, list) else b"("
        for item in value:
            yield from _value(item, numbers)
        yield b"e" if isinstance(value, list) else b"t"
    elif value is None or isinstance(value, bool):
        yield {None: b"N", True: b"\x88", False: b"\x89"}[value]
    elif isinstance(value, int):
        yield _integer(value)
    elif isinstance(value, float):
        yield b"G" + struct.pack(">d", value)
    else:
        yield _text(str(value))


def _tensor(one: Stored, number: int) -> Iterator[bytes]:
    yield b"ctorch._utils\n_rebuild_tensor_v2\n(("
    yield from (_text("storage"), f"ctorch\n{CLASSES[one.dtype]}\n".encode(), _text(str(number)), _text("cpu"))
    yield from (_integer(math.prod(one.shape)), b"tQ", _integer(0))
    yield from (_integers(one.shape), _integers(contiguous_strides(one.shape)))
    yield b"\x89ccollections\nOrderedDict\n)RtR"


def _text(text: str) -> bytes:
    data = text.encode("utf-8", "surrogatepass")
    return b"X" + struct.pack("<I", len(data)) + data


def _integer(value: int) -> bytes:
    if -(2**31) <= value < 2**31:
        return b"J" + struct.pack("<i", value)
    data = value.to_bytes(9, "little", signed=True)
    return b"\x8a" + bytes([len(data)]) + data


def _integers(values: tuple[int, ...]) -> bytes:
    return b"(" + b"".join(map(_integer, values)) + b"t"
