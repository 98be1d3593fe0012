"""Weights, inputs and outputs of a verified model, in the translation's names and axis order."""

from __future__ import annotations

from typing import Any

from ..model import Direction
from .edges import axes_at, into, own_names
from .exchange import Remote
from .judge import Told, named_tensors
from .pool import Pool
from .result import Reference
from .side import Task, drawn


def reference(pool: Pool, case: Any, torch: Told, tf: Told) -> Reference:
    """What the source computed in eval mode, for a test of the translation alone."""
    task = Task.of({**case.task, "cases": torch.plain["cases"]})
    if case.direction is Direction.TORCH2TF:
        file = pool.parcel()
        kept = Told.of(pool.tf.call("reference", pool.timeout, out=file), file)
        weights = {path: kept.arrays[key] for path, key in kept.plain["weights"].items()}
        source, translation = torch, tf
    else:
        told = dict(named_tensors(torch.plain["skeleton"]))
        weights = {path: torch.arrays[t["array"]] for path, t in told.items()}
        source, translation = tf, torch
    outputs = [_leaves(source.value(call["output"]), task) for call in source.plain["eval"]]
    inputs = []
    for arrays in drawn(task.cases, task.seed):
        names = own_names(arrays, translation.plain["parameters"])
        inputs.append({k: _turned(v, k, task) for k, v in zip(names, arrays.values(), strict=True)})
    return Reference(weights, inputs, outputs)


def _leaves(value: Any, task: Task) -> list[Any]:
    """The tensors of an output, in order."""
    if not isinstance(value, list):
        return []
    return [_turned(leaf.numpy(), "return" + path, task) for path, leaf in value if isinstance(leaf, Remote)]


def _turned(value: Any, name: str, task: Task) -> Any:
    axes = axes_at(task.edges, name)
    return value.transpose(into(axes, task.direction)) if axes and len(axes) == getattr(value, "ndim", 0) else value
