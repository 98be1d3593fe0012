"""Converts a checkpoint of one framework to the other's: the whole way of ``xlate weights``."""

from __future__ import annotations

import json
import os
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from ..model import InputError
from ..outputs import replacing
from .arrays import Stored, broken
from .flush import flushed
from .keras_file import KerasWriter, archive, old_layout, optimizer_of, read_keras, shard
from .optimizer import AT, OPTIMIZER, STATE, Unknown, found_in, to_keras_arrays, to_torch_state
from .plan import Model, Plan
from .safetensors_file import SafetensorsWriter, read_safetensors
from .saved_model import by_number, is_saved_model, read_saved_model
from .states import state_dict, unwrapped
from .torch_file import read_torch
from .torch_write import TorchWriter
from .transfer import Moves, moves_to_keras, moves_to_torch, room, write_arrays

TORCH = (".pt", ".pth", ".bin", ".ckpt", ".safetensors")
KERAS = (".weights.h5", ".keras", ".h5", ".hdf5")
INDEX = (".safetensors.index.json", ".bin.index.json")
"""Lists of shards, as model hubs keep them."""
SHARDS = ".weights.json"
"""Keras's."""


@dataclass(slots=True)
class Job:
    """One conversion. ``model`` may be missing where a ``map`` of it is there."""

    source: str
    target: str
    model: Model | None = None
    map: str | None = None
    save_map: str | None = None
    key: str | None = None
    unsafe: bool = False
    force: bool = False
    partial: bool = False
    nan: bool = False
    optimizer: bool = False
    """Whether the state of an optimizer is converted too."""
    timeout: float = 300.0
    pool: Any = None
    """Processes to use and to leave running; by default a pair of the job's own."""


@dataclass(slots=True)
class Result:
    """What a conversion did."""

    moves: Moves
    written: bool = False
    bytes: int = 0
    notes: list[str] = field(default_factory=list)

    @property
    def ok(self) -> bool:
        return self.written and not self.moves.problems


@dataclass(slots=True)
class Checkpoint:
    """What a file holds."""

    arrays: dict[str, Stored]
    optimizer: Any = None
    """The state of an optimizer: PyTorch's as a dict, of Keras's the name and settings."""


Progress = Callable[[int, int], None]
"""Is told how many bytes are to be written in all, and how many were just now."""


def convert(job: Job, progress: Progress | None = None) -> Result:
    """Read, pair, and write; nothing is written where something does not fit, unless ``partial``.

    Raises:
        InputError: a file or a program cannot be read or run, or the new file not be written.
        ValueError: the two names do not say which way it goes.
    """
    way = (side_of(job.source, written=False), side_of(job.target, written=True))
    if way[0] == way[1]:
        raise ValueError(f"both files are {'PyTorch' if way[0] == 'torch' else 'Keras'}'s: nothing to convert")
    if job.optimizer and job.target.endswith(".safetensors"):
        raise ValueError("a .safetensors file holds weights alone: with --optimizer, write .pt")
    free(job.target, job.force)
    if job.save_map:
        free(job.save_map, job.force)
    if not os.path.exists(job.source):
        raise InputError(f"{job.source}: no such file", code="XL006")
    # What the file is, is seen before any program runs, which takes seconds.
    held = None if job.unsafe else _read(job)
    plan, held = _planned(job, way, held)
    moves = _moves(job, way[0], plan, held.arrays)
    result = Result(moves, notes=plan.notes if moves.problems else [])
    whole = _optimizer(job, way[0], plan, held, moves)
    if job.save_map:
        with replacing(job.save_map) as part, open(part, "w", encoding="utf-8") as file:
            file.write(plan.text())
    if moves.problems and not (job.partial and moves.arrays):
        return result
    result.bytes = sum(stored.size for stored in moves.arrays)
    room(job.target, moves.arrays)
    _write(job, plan, moves, whole, lambda n: progress(result.bytes, n) if progress else None)
    result.written = True
    return result


def side_of(path: str, *, written: bool) -> str:
    """``torch`` or ``keras``, by the name of a file.

    Raises:
        ValueError: the name says neither.
    """
    if path.endswith(TORCH) or (path.endswith(INDEX) and not written):
        return "torch"
    if written and path.endswith((".h5", ".hdf5")) and not path.endswith(".weights.h5"):
        raise ValueError(f"{path}: Keras reads weights from a file that is named NAME.weights.h5")
    if not written and is_saved_model(path):
        return "keras"
    if path.endswith(KERAS) or (path.endswith(SHARDS) and not written):
        return "keras"
    known = ", ".join((*TORCH, *KERAS[:2]) if written else (*TORCH, *INDEX, *KERAS, SHARDS))
    raise ValueError(f"{path}: its name says of no format that is known ({known})")


def free(path: str, force: bool) -> None:
    """See that a new file hides no other.

    Raises:
        InputError: there is one.
    """
    if os.path.isdir(path):
        raise InputError(f"cannot write {path}: it is a folder", code="XL011")
    if os.path.lexists(path) and not force:
        raise InputError(f"{path} exists", code="XL010", hint="--force replaces it")


def _read(job: Job) -> Checkpoint:
    """The arrays of the checkpoint by name, and the state of an optimizer."""
    path = job.source
    try:
        if side_of(path, written=False) == "keras":
            arrays = read_saved_model(path) if os.path.isdir(path) else read_keras(path)
            return Checkpoint(arrays, optimizer_of(path) if any(n.startswith(f"{AT}/") for n in arrays) else None)
        return _read_torch(path, job.key)
    except OSError as error:
        raise InputError(f"{path}: {(error.strerror or str(error)).lower()}", code="XL007") from None


def _read_torch(path: str, key: str | None) -> Checkpoint:
    if path.endswith(".safetensors"):
        return Checkpoint(read_safetensors(path))
    if not path.endswith(INDEX):
        held = read_torch(path)
        return Checkpoint(state_dict(held, path, key), found_in(held))
    try:
        with open(path, encoding="utf-8") as file:
            names = sorted(set(json.load(file)["weight_map"].values()))
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        raise broken(path, "it is no list of shards") from None
    out: dict[str, Stored] = {}
    for name in names:
        out |= _read_torch(shard(path, os.path.dirname(path), name), key).arrays
    return Checkpoint(out)


def _planned(job: Job, way: tuple[str, str], held: Checkpoint | None) -> tuple[Plan, Checkpoint]:
    """The plan, and what the checkpoint holds."""
    if job.map is not None and held is not None:
        plan = Plan.read(job.map)
        if job.target.endswith(".keras") and not plan.config:
            raise InputError(f"{job.map}: it does not describe the model", code="XL060",
                             hint="make the map with a .keras target, or write .weights.h5")  # fmt: skip
        return plan, held
    if job.model is None:
        raise ValueError("--model says which program the weights are of")
    from contextlib import nullcontext

    from ..proof.pool import Pool
    from .mapping import make_plan, unpickled

    with nullcontext(job.pool) if job.pool is not None else Pool(job.timeout) as pool:
        if held is None:
            held = _read_torch(unpickled(pool, job.model, job.source), job.key)
        if job.map is not None:
            return Plan.read(job.map), held
        config = job.target.endswith(".keras")
        return make_plan(pool, job.model, config=config, values=way[1] == "torch" or bool(job.save_map)), held


def _moves(job: Job, side: str, plan: Plan, held: dict[str, Stored]) -> Moves:
    if side == "torch":
        wanted = {name for link in plan.links for names in link.torch for name in names}
        return moves_to_keras(plan, unwrapped(held, wanted))
    if os.path.isdir(job.source):
        return moves_to_torch(plan, by_number(job.source, held, plan.order))
    older = old_layout(job.source, held, plan.layers)
    return moves_to_torch(plan, held if older is None else older)


def _optimizer(job: Job, side: str, plan: Plan, held: Checkpoint, moves: Moves) -> Any:
    """Add the state of an optimizer to what is written; how it lies in a file of PyTorch's.

    Raises:
        InputError: it cannot be converted, or there is none, and it was asked for.
    """
    if held.optimizer is None:
        if job.optimizer:
            raise InputError(f"{job.source}: it holds no state of an optimizer", code="XL065")
        return None
    if not job.optimizer:
        moves.optimizer = "the optimizer's state is left out; --optimizer converts it too"
        return None
    try:
        if side == "torch":
            added, whole = to_keras_arrays(plan, held.optimizer, plan.groups), None
        else:
            state, moves.optimizer = to_torch_state(plan, held.arrays, *held.optimizer)
            added = [v for entry in state["state"].values() for v in entry.values() if isinstance(v, Stored)]
            whole = {STATE: OrderedDict((one.name, one) for one in moves.arrays), OPTIMIZER: state}
    except Unknown as error:
        raise InputError(f"{job.source}: the optimizer's state cannot be converted: {error}", code="XL065",
                         hint="without --optimizer the weights alone are converted") from None  # fmt: skip
    moves.arrays += added
    return whole


def _write(job: Job, plan: Plan, moves: Moves, whole: Any, done: Callable[[int], None]) -> None:
    target, arrays = job.target, moves.arrays
    if target.endswith(TORCH):
        with replacing(target) as part, flushed(part) as flusher, open(part, "wb") as file:
            safe = target.endswith(".safetensors")
            writer = SafetensorsWriter(file, arrays) if safe else TorchWriter(file, arrays, whole)
            write_arrays(writer, arrays, job.source, job.nan, _both(done, flusher.wrote))
            writer.close()
    elif target.endswith(".keras"):
        with replacing(target) as part, flushed(part), replacing(f"{target}.weights.h5") as weights:
            _write_h5(weights, plan, job, arrays, done)
            archive(part, plan.config, plan.metadata, weights)
    else:
        with replacing(target) as part:
            _write_h5(part, plan, job, arrays, done)


def _both(*told: Callable[[int], None]) -> Callable[[int], None]:
    """One function that tells several."""

    def tell(count: int) -> None:
        for one in told:
            one(count)

    return tell


def _write_h5(path: str, plan: Plan, job: Job, arrays: list[Stored], done: Callable[[int], None]) -> None:
    writer = KerasWriter(path, arrays, plan.groups)
    with flushed(path) as flusher:
        try:
            write_arrays(writer, arrays, job.source, job.nan, _both(done, flusher.wrote))
        finally:
            writer.close()
