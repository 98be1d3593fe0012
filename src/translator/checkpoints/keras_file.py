"""Keras's weight files (``.weights.h5``, ``.keras``, ``.weights.json`` with shards, older ``.h5``), without Keras."""

from __future__ import annotations

import io
import json
import os
import struct
import zipfile
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from .arrays import NUMPY, PIECE, Stored, broken, mapped, numpy_dtype

ASIDE = "xlate"
"""The group for arrays that Keras has no place for, under PyTorch's names. Keras passes over it."""
BOMB = 1000
"""How many times larger than on disk an array may say that it is, beyond `PIECE` bytes."""


def read_keras(path: str) -> dict[str, Stored]:
    """The arrays of a file by their path in it (``layers/dense/vars/0``).

    Raises:
        InputError: the file is damaged, or leads elsewhere.
    """
    if path.endswith(".json"):
        return _shards(path)
    with open(path, "rb") as file:
        zipped = file.read(2) == b"PK"
    if zipped:
        return _archive(path)
    return _opened(path, path, 0)


def _shards(path: str) -> dict[str, Stored]:
    folder = os.path.dirname(path)
    try:
        with open(path, encoding="utf-8") as file:
            told = json.load(file)["weight_map"]
        names = {n for held in told.values() for n in ([held] if isinstance(held, str) else held)}
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        raise broken(path, "it is no list of shards") from None
    out: dict[str, Stored] = {}
    for name in sorted(names):
        out |= _opened(shard(path, folder, name), path, 0)
    return out


def shard(path: str, folder: str, name: Any) -> str:
    """The path of a shard: beside the list, and nowhere else.

    Raises:
        InputError: the list leads elsewhere, or to nothing.
    """
    if not isinstance(name, str) or os.path.basename(name) != name or name in ("", ".", ".."):
        raise broken(path, f"its shard {name!r} lies elsewhere")
    found = os.path.join(folder, name)
    if not os.path.isfile(found):
        raise broken(path, f"its shard {name} is missing")
    return found


def _archive(path: str) -> dict[str, Stored]:
    """The weights inside of a ``.keras`` file, which stand in it uncompressed."""
    try:
        with zipfile.ZipFile(path) as archive:
            info = archive.getinfo("model.weights.h5")
    except KeyError:
        raise broken(path, "a zip file, but not one of Keras's") from None
    except (zipfile.BadZipFile, OSError, NotImplementedError) as error:
        raise broken(path, f"the file is cut short or damaged ({error})") from None
    if info.compress_type != zipfile.ZIP_STORED:
        raise broken(path, "its weights are compressed", "save it again with Keras")
    with open(path, "rb") as file:
        file.seek(info.header_offset + 26)
        names, extra = struct.unpack("<HH", file.read(4))
    start = info.header_offset + 30 + names + extra
    if start + info.file_size > os.path.getsize(path):
        raise broken(path, "the file is cut short")
    return _opened(path, path, start, info.file_size)


class _Part(io.RawIOBase):
    """A stretch of a file, as a file of its own."""

    def __init__(self, path: str, start: int, size: int) -> None:
        self.file = open(path, "rb")  # noqa: SIM115  closed in `close`
        self.start, self.size, self.at = start, size, 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = 0) -> int:
        self.at = offset + (0, self.at, self.size)[whence]
        return self.at

    def tell(self) -> int:
        return self.at

    def readinto(self, buffer: Any) -> int:
        self.file.seek(self.start + self.at)
        data = self.file.read(min(len(buffer), max(0, self.size - self.at)))
        buffer[: len(data)] = data
        self.at += len(data)
        return len(data)

    def close(self) -> None:
        self.file.close()
        super().close()


def _opened(path: str, shown: str, start: int, size: int | None = None) -> dict[str, Stored]:
    import h5py

    part = _Part(path, start, size) if size is not None else None
    try:
        with h5py.File(part if part is not None else path, "r") as file:
            return dict(_datasets(file, "", path, shown, start))
    except (OSError, RuntimeError, KeyError, ValueError, UnicodeError) as error:
        reason = str(error).split(" (", 1)[-1].rstrip(")") or "damaged"
        raise broken(shown, f"the file is cut short or damaged ({reason})") from None
    finally:
        if part is not None:
            part.close()


def _datasets(group: Any, prefix: str, path: str, shown: str, start: int) -> Iterator[tuple[str, Stored]]:
    import h5py

    for name in group:
        link = group.get(name, getlink=True)
        if not isinstance(link, h5py.HardLink):
            raise broken(shown, f"{prefix}{name} leads to another place")
        held = group[name]
        if isinstance(held, h5py.Group):
            if prefix.count("/") > 200:
                raise broken(shown, "it is nested too deeply")
            yield from _datasets(held, f"{prefix}{name}/", path, shown, start)
        elif isinstance(held, h5py.Dataset):
            yield f"{prefix}{name}", _stored(held, f"{prefix}{name}", path, shown, start)


def _stored(held: Any, name: str, path: str, shown: str, start: int) -> Stored:
    dtype = _dtype(held, name, shown)
    shape = tuple(int(n) for n in held.shape or ())
    if held.shape is None or held.external or held.is_virtual:
        raise broken(shown, f"{name} has its values elsewhere")
    size, there = held.size * held.dtype.itemsize, held.id.get_storage_size()
    if size > PIECE and size > BOMB * there:
        raise broken(shown, f"{name} says that it is {size >> 20} MiB, of which {there} bytes are there")
    offset = held.id.get_offset()
    if offset is not None and there == size and held.dtype.isnative:
        if start + offset + size > os.path.getsize(path):
            raise broken(shown, "the file is cut short")
        return Stored(name, dtype, shape, lambda: mapped(path, start + offset, dtype, shape))
    # Compressed, in chunks, or of zeros that were never written: read now if small, else piece by piece by HDF5.
    key = held.name
    return Stored(name, dtype, shape, lambda: _read(path, start, key, dtype))


def _read(path: str, start: int, key: str, dtype: str) -> Any:
    import h5py

    part = _Part(path, start, os.path.getsize(path) - start) if start else None
    with h5py.File(part if part is not None else path, "r") as file:
        values = file[key][()]
    import numpy as np

    kind = numpy_dtype(dtype)
    return np.asarray(values).view(kind) if dtype not in NUMPY else np.asarray(values, kind)


def _dtype(held: Any, name: str, shown: str) -> str:
    if held.attrs.get("dtype") == "bfloat16":
        return "bfloat16"
    found = held.dtype.newbyteorder("=").name
    if found not in NUMPY:
        raise broken(shown, f"{name} holds no numbers")
    return str(found)


def optimizer_of(path: str) -> tuple[str, dict[str, Any] | None]:
    """What a file calls the optimizer of which it holds the state, and that one's settings if it tells them.

    Raises:
        InputError: the file is damaged.
    """
    import h5py

    if path.endswith(".json"):
        return "", None
    try:
        if zipfile.is_zipfile(path):
            with zipfile.ZipFile(path) as archive:
                told = json.loads(archive.read("config.json")).get("compile_config") or {}
            optimizer = told.get("optimizer") or {}
            return str(optimizer.get("class_name", "")), optimizer.get("config")
        with h5py.File(path, "r") as file:
            name = file["optimizer/vars"].attrs.get("name", "") if "optimizer/vars" in file else ""
        return name.decode() if isinstance(name, bytes) else str(name), None
    except (OSError, ValueError, KeyError, AttributeError, RuntimeError, RecursionError, zipfile.BadZipFile) as error:
        raise broken(path, f"the file is damaged ({error})") from None


def old_layout(path: str, stored: Mapping[str, Stored], layers: list[list[list[str]]]) -> dict[str, Stored] | None:
    """The arrays of an ``.h5`` file of Keras 1 or 2 under the paths of today; ``None`` if it is a file of today.

    Args:
        layers: the paths of each layer's weights (each may have several), for the layers that have any, in order.

    Raises:
        InputError: it holds other layers.
    """
    import h5py

    if path.endswith((".json", ".keras")):
        return None
    with h5py.File(path, "r") as file:
        root = file.get("model_weights", file)
        if "layer_names" not in root.attrs:
            return None
        at = root.name.strip("/")
        names = [[_key(at, layer, w) for w in root[layer].attrs["weight_names"]] for layer in root.attrs["layer_names"]]
    given = [held for held in names if held]
    if [len(held) for held in given] != [len(held) for held in layers]:
        raise broken(path, f"it holds {len(given)} layers with weights, and the model has {len(layers)} (or of others)")
    pairs = zip((n for held in given for n in held), (keys for held in layers for keys in held), strict=True)
    return {key: stored[name] for name, keys in pairs for key in keys if name in stored}


def _key(at: str, layer: Any, weight: Any) -> str:
    plain = [p.decode() if isinstance(p, bytes) else str(p) for p in (layer, weight)]
    return "/".join(p for p in (at, *plain) if p)


class KerasWriter:
    """Writes arrays into a new ``.weights.h5``; each under its path."""

    def __init__(self, path: str, declared: Iterable[Stored], groups: Mapping[str, str]) -> None:
        import h5py

        self.file = h5py.File(path, "w")
        self.held: Any = None
        self.at = 0
        for group, name in groups.items():
            self.file.create_group(f"{group}/vars" if group else "vars").attrs["name"] = name
        for stored in declared:
            kind = numpy_dtype(stored.dtype)
            # HDF5 knows no bfloat16: Keras keeps the two bytes, and says so beside them.
            held = self.file.create_dataset(stored.name, stored.shape, kind if stored.dtype in NUMPY else "V2")
            if stored.dtype not in NUMPY:
                held.attrs["dtype"] = stored.dtype

    def begin(self, stored: Stored) -> None:
        self.held, self.at = self.file[stored.name], 0

    def piece(self, values: Any) -> None:
        held = self.held
        values = values if values.dtype.isbuiltin == 1 else values.view("V2")
        if values.size == held.size:
            held[...] = values.reshape(held.shape)
        else:
            _put(held, values, self.at)
        self.at += values.size

    def close(self) -> None:
        self.file.close()


def _put(held: Any, values: Any, at: int) -> None:
    """Write a run of values that covers whole rows, or a part of one row, as `arrays.pieces` cuts them."""
    shape: tuple[int, ...] = held.shape
    place: list[int] = []
    for axis in range(len(shape)):
        row = 1
        for n in shape[axis + 1 :]:
            row *= n
        first, at = divmod(at, row)
        if values.size >= row:
            count = values.size // row
            held[(*place, slice(first, first + count))] = values.reshape(count, *shape[axis + 1 :])
            return
        place.append(first)


def archive(path: str, config: str, metadata: str, weights: str) -> None:
    """Make a ``.keras`` file at ``path`` of a model's two descriptions and the file with its weights."""
    with zipfile.ZipFile(path, "w", zipfile.ZIP_STORED, allowZip64=True) as out:
        for name, text in (("metadata.json", metadata), ("config.json", config)):
            out.writestr(zipfile.ZipInfo(name, (1980, 1, 1, 0, 0, 0)), text)
        info = zipfile.ZipInfo("model.weights.h5", (1980, 1, 1, 0, 0, 0))
        with open(weights, "rb") as source, out.open(info, "w", force_zip64=True) as target:
            while data := source.read(PIECE):
                target.write(data)
