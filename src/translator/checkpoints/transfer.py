"""Moves the arrays of a checkpoint into a new file, a piece at a time."""

from __future__ import annotations

import base64
import os
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Protocol, TypeVar

from ..model import InputError
from ..weights.converters import ShapeError
from .arrays import Stored, has_nan, numpy_dtype, pieces
from .keras_file import ASIDE
from .linking import to_keras, to_torch
from .plan import Link, Plan


class Writer(Protocol):
    """A file that is being written; see `torch_write.TorchWriter`."""

    def begin(self, stored: Stored) -> None: ...

    def piece(self, values: Any) -> None: ...

    def close(self) -> None: ...


@dataclass(slots=True)
class Moves:
    """What a checkpoint gives for the other side's file, before anything is written."""

    arrays: list[Stored] = field(default_factory=list)
    """By the names of the other side. Loading one converts it."""
    matched: list[tuple[str, str]] = field(default_factory=list)
    """(name in the checkpoint, name in the new file)."""
    aside: list[str] = field(default_factory=list)
    """Kept in the Keras file for the way back."""
    computed: list[str] = field(default_factory=list)
    """Taken from a new model: what the program computes itself, states of random generators, counters."""
    added: list[str] = field(default_factory=list)
    """Second biases that were added to the first, as Keras has one."""
    missing: list[str] = field(default_factory=list)
    """What the model wants and the checkpoint lacks."""
    unknown: list[str] = field(default_factory=list)
    """What the checkpoint holds and the model lacks."""
    unfit: list[str] = field(default_factory=list)
    """Arrays of another shape than the model's, in words."""
    optimizer: str = ""
    """What became of the state of an optimizer, if there is one."""
    unpaired: list[str] = field(default_factory=list)
    """Weights for which the two programs have no common place."""

    @property
    def problems(self) -> list[str]:
        """What is not as it should be, a line each."""
        out = [*self.unfit]
        out += [f"{name}: the model has it, the checkpoint lacks it" for name in self.missing]
        out += [f"{name}: the checkpoint holds it, the model lacks it" for name in self.unknown]
        out += [f"{name}: it has no counterpart in the other program" for name in self.unpaired]
        return out


def moves_to_keras(plan: Plan, state: Mapping[str, Stored]) -> Moves:
    """What becomes of a state dict."""
    moves = Moves(unpaired=[*plan.torch_left, *plan.keras_left])
    left = set(state) - set(plan.torch_left)
    for link in plan.links:
        found = [next((state[n] for n in names if n in state), None) for names in link.torch]
        left -= {name for names in link.torch for name in names}
        sources = [one for one in found if one is not None]
        if len(sources) < len(found):
            moves.missing += [names[0] for names, one in zip(link.torch, found, strict=True) if one is None]
        elif _fits(moves, sources, [names[0] for names in link.torch], link.torch_shapes):
            first = Stored("", sources[0].dtype, link.keras_shape, _keras_load(link, sources))
            moves.arrays += [replace(first, name=path) for path in link.keras]
            moves.matched += [(one.name, link.keras[0]) for one in sources]
            if link.via.startswith("bias ") and sources[1].load().any():
                moves.added.append(sources[1].name)
    for name in (*plan.counters, *plan.constants):
        if name in state:
            moves.arrays.append(replace(state[name], name=f"{ASIDE}/{name}"))
            moves.aside.append(name)
            left.discard(name)
    for path, packed in plan.seeds.items():
        moves.arrays.append(unpacked(path, packed))
        moves.computed.append(path)
    moves.unknown = [name for name in state if name in left]
    return moves


def moves_to_torch(plan: Plan, held: Mapping[str, Stored]) -> Moves:
    """What becomes of the arrays of a Keras file."""
    moves = Moves(unpaired=[*plan.torch_left, *plan.keras_left])
    left = {name for name in held if not name.startswith(f"{ASIDE}/")} - set(plan.seeds) - set(plan.keras_left)
    for link in plan.links:
        left -= set(link.keras)
        source = next((held[path] for path in link.keras if path in held), None)
        if source is None:
            moves.missing.append(link.keras[0])
        elif _fits(moves, [source], link.keras, [link.keras_shape]):
            for number, (names, shape) in enumerate(zip(link.torch, link.torch_shapes, strict=True)):
                load = _torch_load(link, source, number)
                moves.arrays += [Stored(name, source.dtype, shape, load) for name in names]
                moves.matched.append((source.name, names[0]))
    for name in (*plan.counters, *plan.constants):
        aside = held.get(f"{ASIDE}/{name}")
        if aside is not None:
            moves.arrays.append(replace(aside, name=name))
            moves.aside.append(name)
        elif name in plan.counters:
            moves.arrays.append(unpacked(name, ["int64", [], base64.b64encode(bytes(8)).decode()]))
            moves.computed.append(name)
        elif plan.constants[name] is not None:
            moves.arrays.append(unpacked(name, plan.constants[name]))
            moves.computed.append(name)
        else:
            moves.missing.append(name)
    moves.unknown = [name for name in held if name in left and not name.startswith("optimizer/")]
    return moves


def _fits(moves: Moves, sources: list[Stored], names: list[str], shapes: list[tuple[int, ...]]) -> bool:
    wrong = [(one, name, shape) for one, name, shape in zip(sources, names, shapes, strict=False) if one.shape != shape]
    said = "{} is {} in the checkpoint and {} in the model"
    moves.unfit += [said.format(name, list(one.shape), list(shape)) for one, name, shape in wrong]
    return not wrong


def _keras_load(link: Link, sources: list[Stored]) -> Callable[[], Any]:
    return lambda: to_keras(link, [one.load() for one in sources])


def _torch_load(link: Link, source: Stored, number: int) -> Callable[[], Any]:
    return lambda: to_torch(link, source.load())[number]


def unpacked(name: str, packed: list[Any]) -> Stored:
    """An array that the plan holds itself."""
    import numpy as np

    dtype, shape, values = packed
    data = base64.b64decode(values)
    return Stored(name, dtype, tuple(shape), lambda: np.frombuffer(data, numpy_dtype(dtype)).reshape(shape))


def write_arrays(writer: Writer, arrays: list[Stored], path: str, nan: bool, done: Callable[[int], None]) -> None:
    """Write all arrays.

    Args:
        path: of the checkpoint, for messages.
        nan: whether values may be other than numbers.
        done: is told how many bytes were written.

    Raises:
        InputError: a value is not a number, or an array does not fit after all. What was written is of no use then.
    """
    before = None
    for stored, values in ahead(_pieces(arrays, path, nan)):
        if stored is not before:
            writer.begin(stored)
            before = stored
        writer.piece(values)
        done(values.nbytes)


def _pieces(arrays: list[Stored], path: str, nan: bool) -> Iterator[tuple[Stored, Any]]:
    for stored in arrays:
        try:
            for values in pieces(stored.load()):
                if not nan and has_nan(values):
                    hint = "--allow-nan converts it all the same"
                    raise InputError(f"{path}: {stored.name} holds NaN", code="XL063", hint=hint)
                yield stored, values
        except ShapeError as error:
            raise InputError(f"{path}: {stored.name}: {error}", code="XL062") from None
        except (OSError, ValueError) as error:
            raise InputError(f"{path}: {stored.name} cannot be read ({error})", code="XL060") from None


T = TypeVar("T")


def ahead(items: Iterator[T]) -> Iterator[T]:
    """The same items, each made in a thread while the last one is used: reading and turning, while writing."""
    from concurrent.futures import ThreadPoolExecutor

    with ThreadPoolExecutor(1) as pool:
        end: Any = object()
        coming = pool.submit(next, items, end)
        while (item := coming.result()) is not end:
            coming = pool.submit(next, items, end)
            yield item


def room(path: str, arrays: list[Stored]) -> None:
    """See that the new file fits on its disk.

    Raises:
        InputError: it does not.
    """
    import shutil

    size = sum(stored.size for stored in arrays)
    try:
        free = shutil.disk_usage(os.path.dirname(os.path.abspath(path))).free
    except OSError:
        return
    if size > free:
        what = f"{size >> 20} MiB are needed, and {free >> 20} MiB are free"
        raise InputError(f"cannot write {path}: {what}", code="XL011")
