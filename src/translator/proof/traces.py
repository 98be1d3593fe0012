"""What both programs' parts take and give in one call, side by side."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from ..model import Direction
from .judge import Told
from .pool import Pool, WorkerError

Key = tuple[str, int]
"""A part (PyTorch's path), and which call of it."""


@dataclass(slots=True)
class Traces:
    """Both sides' events of one call, and how to look up what the other side did."""

    source: list[dict[str, Any]]
    other: dict[tuple[str, str, int], dict[str, Any]]
    source_arrays: dict[str, Any]
    other_arrays: dict[str, Any]
    known: set[str]
    error: str = ""
    source_notes: list[dict[str, Any]] = field(default_factory=list)
    """Local variables of the part that was watched, see `translator.proof.variables`."""
    other_notes: list[dict[str, Any]] = field(default_factory=list)

    def partner(self, event: dict[str, Any]) -> dict[str, Any] | None:
        return self.other.get((event["kind"], event["path"], event["call"]))

    def difference(self, event: dict[str, Any], *, turn: bool = True) -> float | None:
        """The relative difference of an event's tensors on both sides; ``None`` where they cannot be compared."""
        partner = self.partner(event)
        if partner is None:
            return None
        pairs = list(zip(event["arrays"], partner["arrays"], strict=False))
        if event["kind"] == "enter":
            pairs = pairs[:1]  # what follows goes by position here and by keyword there
        found = [apart(self.source_arrays[a], self.other_arrays[b], turn=turn) for a, b in pairs]
        return max(found, default=None)


def apart(one: Any, two: Any, *, turn: bool = True) -> float:
    """The relative difference of two arrays, in whichever axis order they agree best unless ``turn`` says no."""
    import numpy as np

    orders = {tuple(range(two.ndim))}
    if two.ndim >= 3 and turn:
        orders |= {(0, two.ndim - 1, *range(1, two.ndim - 1)), (0, *range(2, two.ndim), 1)}
    best = float("inf")
    for order in sorted(orders):
        turned = two.transpose(order)
        if turned.shape == one.shape:
            if one.dtype.kind not in "fc":
                best = min(best, 0.0 if np.array_equal(one, turned) else 1.0)
                continue
            with np.errstate(invalid="ignore", over="ignore"):
                gap = float(np.linalg.norm(np.nan_to_num(one) - np.nan_to_num(turned)))
                size = float(np.linalg.norm(np.nan_to_num(one)))
            same = np.array_equal(np.isfinite(one), np.isfinite(turned))
            best = min(best, gap / (size or 1.0) if same else float("inf"))
    return best


def trace(
    pool: Pool, case: Any, tf: Told, number: int, training: bool, watched: Key | None = None
) -> Traces | None:
    """Run one call on both sides and record what every part takes and gives; of one of them the variables too."""
    files = pool.parcel(), pool.parcel()
    told = []
    try:
        for worker, file in ((pool.torch, files[0]), (pool.tf, files[1])):
            told.append(worker.call("trace", pool.timeout, case=number, training=training, out=file, watched=watched))
    except WorkerError:
        return None
    sides = [Told.of(plain, file) for plain, file in zip(told, files, strict=True)]
    known = set(tf.plain["modules"])
    source, other = sides if case.direction is Direction.TORCH2TF else sides[::-1]
    events = [e for e in source.plain["events"] if e["path"] in known]
    index = {(e["kind"], e["path"], e["call"]): e for e in other.plain["events"]}
    for event in events:
        partner = index.get((event["kind"], event["path"], event["call"]))
        event["lines"] = {case.direction.source: event["line"], case.direction.target: (partner or {}).get("line")}
    return Traces(events, index, source.arrays, other.arrays, known, other.plain["error"],
                  source.plain["variables"], other.plain["variables"])  # fmt: skip


def size(gap: float) -> str:
    return "shapes differ" if gap == float("inf") else f"relative {gap:.1e}"
