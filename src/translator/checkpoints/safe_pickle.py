"""Reads the pickles of PyTorch's checkpoints without running anything: only what describes tensors is understood."""

from __future__ import annotations

import pickle
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from typing import IO, Any

from ..model import InputError

STORAGES = {
    "FloatStorage": "float32", "DoubleStorage": "float64", "HalfStorage": "float16", "BFloat16Storage": "bfloat16",
    "LongStorage": "int64", "IntStorage": "int32", "ShortStorage": "int16", "CharStorage": "int8",
    "ByteStorage": "uint8", "BoolStorage": "bool", "ComplexFloatStorage": "complex64",
    "ComplexDoubleStorage": "complex128", "UntypedStorage": "uint8",
}  # fmt: skip
DTYPES = frozenset({
    "float16", "float32", "float64", "bfloat16", "int8", "int16", "int32", "int64", "uint8", "uint16", "uint32",
    "uint64", "bool", "complex64", "complex128", "float8_e4m3fn", "float8_e5m2", "float8_e4m3fnuz", "float8_e5m2fnuz",
})  # fmt: skip


@dataclass(frozen=True, slots=True)
class Dtype:
    """A dtype that the pickle names, or that a class of storages stands for."""

    name: str


@dataclass(frozen=True, slots=True)
class Storage:
    """The memory of one or several tensors, by its key in the file."""

    key: str
    dtype: str
    count: int
    """Elements of ``dtype``."""


@dataclass(frozen=True, slots=True)
class Tensor:
    """A tensor as the pickle describes it: offset and strides in elements."""

    storage: Storage
    dtype: str
    offset: int
    shape: tuple[int, ...]
    strides: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Inert:
    """A number of numpy's or the like: it stands in checkpoints beside the weights, and nobody asks for it."""

    what: str


class Unsafe(Exception):
    """The pickle asks for something other than tensors; the name of it."""


def _tensor(storage: Any, offset: Any, shape: Any, strides: Any, *rest: Any) -> Tensor:
    dtype = rest[2].name if len(rest) > 2 and isinstance(rest[2], Dtype) else None
    if not isinstance(storage, Storage):
        raise ValueError("a tensor without memory")
    numbers = (offset, *shape, *strides)
    if len(shape) != len(strides) or not all(type(n) is int and n >= 0 for n in numbers):
        raise ValueError("a tensor with impossible sizes")
    return Tensor(storage, dtype or storage.dtype, offset, tuple(shape), tuple(strides))


def _parameter(data: Any, *rest: Any) -> Any:
    return data


def _typed(function: Any, kind: Any, args: Any, state: Any) -> Any:
    if function not in (_tensor, _parameter):
        raise ValueError("a tensor of an unknown kind")
    return function(*args)


def _size(values: Any = ()) -> tuple[Any, ...]:
    return tuple(values)


def _inert(what: str) -> Callable[..., Inert]:
    return lambda *args: Inert(what)


KNOWN: dict[tuple[str, str], Any] = {
    ("collections", "OrderedDict"): OrderedDict,
    ("torch._utils", "_rebuild_tensor"): _tensor,
    ("torch._utils", "_rebuild_tensor_v2"): _tensor,
    ("torch._utils", "_rebuild_tensor_v3"): _tensor,
    ("torch._utils", "_rebuild_parameter"): _parameter,
    ("torch._utils", "_rebuild_parameter_with_state"): _parameter,
    ("torch._tensor", "_rebuild_from_type_v2"): _typed,
    ("torch", "Tensor"): Inert("torch.Tensor"),
    ("torch.nn.parameter", "Parameter"): Inert("torch.nn.Parameter"),
    ("torch", "Size"): _size,
    ("torch", "device"): _inert("torch.device"),
    ("numpy", "dtype"): _inert("numpy.dtype"),
    ("numpy.core.multiarray", "scalar"): _inert("numpy.scalar"),
    ("numpy._core.multiarray", "scalar"): _inert("numpy.scalar"),
    ("_codecs", "encode"): _inert("bytes"),
    **{("torch", name): Dtype(dtype) for name, dtype in STORAGES.items()},
    ("torch.storage", "UntypedStorage"): Dtype("uint8"),
    **{("torch", name): Dtype(name) for name in DTYPES},
}


class Reader(pickle.Unpickler):
    """An unpickler that knows `KNOWN` and nothing else."""

    def __init__(self, file: IO[bytes]) -> None:
        super().__init__(file, encoding="utf-8")
        self.storages: dict[str, Storage] = {}

    def find_class(self, module: str, name: str) -> Any:
        try:
            return KNOWN[module, name]
        except KeyError:
            raise Unsafe(f"{module}.{name}") from None

    def persistent_load(self, pid: Any) -> Any:
        if not (isinstance(pid, tuple) and len(pid) >= 5 and pid[0] == "storage" and isinstance(pid[1], Dtype)):
            raise ValueError("memory that is no storage")
        if len(pid) > 5 and pid[5] is not None:
            raise ValueError("memory that is a part of another")
        key, count = str(pid[2]), pid[4]
        if type(count) is not int or count < 0:
            raise ValueError("memory of an impossible size")
        return self.storages.setdefault(key, Storage(key, pid[1].name, count))


def read_pickle(file: IO[bytes], path: str) -> tuple[Any, dict[str, Storage]]:
    """The next pickle of a file, and the storages that it names.

    Raises:
        InputError: it holds other objects than tensors and plain values, or is damaged.
    """
    reader = Reader(file)
    try:
        return reader.load(), reader.storages
    except Unsafe as error:
        raise unsafe(path, str(error)) from None
    except (RecursionError, MemoryError):
        raise InputError(f"{path}: its pickle is nested too deeply", code="XL060") from None
    except Exception as error:  # a damaged pickle can raise almost anything
        reason = str(error) or type(error).__name__
        raise InputError(f"{path}: its pickle is damaged ({reason})", code="XL060") from None


def unsafe(path: str, name: str) -> InputError:
    """The error of a pickle that would run code."""
    what = f"the Python object {name!r}, and loading it runs code"
    hint = "save model.state_dict() alone; or --unsafe, if you would run code of whoever made the file"
    if name.startswith("__torch__"):
        what, hint = "a TorchScript program", "save model.state_dict() of it"
    return InputError(f"{path}: it holds {what}", code="XL061", hint=hint)
