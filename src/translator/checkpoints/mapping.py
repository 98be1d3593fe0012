"""Makes the plan of a model: both programs are built, each in a process of its own, and their weights paired."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ..model import Direction, InputError
from ..proof.exchange import Opened
from ..proof.files import Prepared, Request, prepare
from ..proof.loading import Program
from ..proof.pool import Pool, WorkerError
from ..proof.result import Failure
from .plan import Model, Plan


def make_plan(pool: Pool, model: Model, *, config: bool, values: bool) -> Plan:
    """The plan of a model.

    Args:
        config: whether a ``.keras`` file will need the model's description.
        values: whether what the PyTorch program computes by itself is needed, for a whole state dict.

    Raises:
        InputError: a program cannot be read or translated, or does not run.
    """
    prepared = prepare(_request(model))
    task = _task(prepared, model)
    try:
        return _made(pool, prepared, task, config, values)
    except WorkerError as error:
        raise failed(error, prepared.direction) from None
    finally:
        _close(pool)


def unpickled(pool: Pool, model: Model, path: str) -> str:
    """A checkpoint with Python objects, loaded by PyTorch itself, which runs their code; a new file with its tensors.

    Raises:
        InputError: it cannot be loaded.
    """
    prepared = prepare(_request(model))
    out = pool.parcel()
    try:
        _open(pool, prepared, _task(prepared, model), ("torch",))
        pool.torch.call("unpickle", pool.timeout, path=path, out=out)
    except WorkerError as error:
        kind = error.told["type"]
        raise InputError(f"{path}: loading it raised {kind}: {error.told['message']}", code="XL060") from None
    finally:
        _close(pool)
    return out


def failed(error: WorkerError, direction: Direction) -> InputError:
    """A program's own failure, with its own lines."""
    told = error.told
    frames = tuple((f[0], f[1], f[2], f[3]) for f in told["frames"])
    source = error.framework == direction.source
    failure = Failure(error.framework, told["stage"], told["type"], told["message"], frames, source)
    hint = "say the arguments with --init 'name=value, ...'" if told["stage"] == "building" else ""
    return InputError(str(failure), code="XL051", hint=hint)


def _request(model: Model) -> Request:
    entries = (model.entry,) if model.entry else ()
    inputs = [dict(case) for case in model.inputs]
    return Request(model.path, model.direction, model.translated, entries, dict(model.init), inputs,
                   layout=model.layout, fidelity=model.fidelity, keep_io_layout=model.keep_io_layout)  # fmt: skip


def _task(prepared: Prepared, model: Model) -> dict[str, Any]:
    found = prepared.entries
    if len(found) != 1:
        names = ", ".join(entry.name for entry in found)
        what = f"{model.path}: it makes several models: {names}" if found else "; ".join(prepared.asked)
        raise InputError(what or f"{model.path}: no model was found", code="XL051", hint="name one with --entry")
    return prepared.task(found[0])


def _open(pool: Pool, prepared: Prepared, task: dict[str, Any], frameworks: Sequence[str]) -> None:
    workers = [w for w in (pool.torch, pool.tf) if w.framework in frameworks]
    for worker in workers:
        own = worker.framework == prepared.direction.source
        program: Program = prepared.source if own else prepared.translated
        worker.send("open", program=program.plain(), task={**task, "edges": {} if own else task["edges"]})
    for worker in workers:
        worker.receive(pool.timeout)


def _made(pool: Pool, prepared: Prepared, task: dict[str, Any], config: bool, values: bool) -> Plan:
    _open(pool, prepared, task, ("torch", "tf"))
    told = pool.torch.call("structure", pool.timeout)
    if told.get("lazy"):  # layers that learn their sizes in a call, which the source's inputs tell
        task["cases"] = pool.tf.call("guess", pool.timeout)["cases"]
        _open(pool, prepared, task, ("torch", "tf"))
        told = pool.torch.call("structure", pool.timeout)
    plan = Plan.of(pool.tf.call("structure", pool.timeout, told=told, config=config))
    if values and plan.constants:
        _open(pool, prepared, task, ("torch",))
        file = pool.parcel()
        keys = pool.torch.call("constants", pool.timeout, names=list(plan.constants), out=file)["keys"]
        arrays = Opened(Path(file)).arrays
        for name, key in keys.items():
            array = arrays[key]
            plan.constants[name] = [array.dtype.name, list(array.shape), base64.b64encode(array.tobytes()).decode()]
    return plan


def _close(pool: Pool) -> None:
    for worker in (pool.torch, pool.tf):
        if worker.process is not None:
            try:
                worker.call("close", pool.timeout)
            except WorkerError:
                worker.kill()
