"""Compares what both sides told. The source's results are the reference; numpy only."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..compare.values import ROUNDING, Quantity, compare_leaf, compare_parts, parts
from ..model import Direction
from .exchange import Opened, Size
from .settings import differing

TOLERANCE = 1e-9
"""Norm of the difference over norm of the reference, in float64."""
SINGLE = 1e-3
"""The same in float32, which decides nothing."""
BIASED = "a moving average of the biased variance"


@dataclass(frozen=True, slots=True)
class Check:
    """One compared quantity of one model."""

    group: str
    """``weights``, ``eval output``, ``train gradient``, ``buffer``, ``steps``, ``graph output``, ..."""
    quantity: Quantity
    case: int = 0
    path: str = ""
    """The parameter or buffer (PyTorch's name), or the place in the output."""
    expected: str = ""
    """Why this one may differ in the idiomatic form; then it decides nothing."""

    @property
    def ok(self) -> bool:
        return bool(self.expected) or self.quantity.ok(TOLERANCE)


@dataclass(frozen=True, slots=True)
class Told:
    """What one side said, and the arrays that it sent."""

    plain: dict[str, Any]
    arrays: dict[str, Any]

    @staticmethod
    def of(plain: dict[str, Any], file: str) -> Told:
        return Told(plain, Opened(Path(file)).arrays if Path(file).exists() else {})

    def value(self, told: dict[str, Any]) -> Any:
        opened = Opened.__new__(Opened)
        opened.arrays = self.arrays
        return opened.get(told)


def judge(torch: Told, tf: Told, direction: Direction, *, strict: bool = False) -> list[Check]:
    """All quantities, in the order in which they were computed.

    Args:
        strict: the translation is the exact form, from which no listed deviation is expected.
    """
    problem = tf.plain["weights"]
    checks = [Check("weights", Quantity("weights", problem=problem))]
    if problem:
        return checks
    checks += _trained(torch, tf)
    checks += _dropout(torch, tf)
    for mode in ("eval", "train"):
        for i, (one, two) in enumerate(zip(torch.plain[mode], tf.plain[mode], strict=True)):
            checks += _call(f"{mode}", i, torch, tf, one, two, direction)
            if mode == "train":
                checks += _buffers(i, torch, tf, one, two, strict)
    if torch.plain["steps"]:
        wrong = {c.path for c in checks if c.group == "buffer" and not c.ok}
        checks += _steps(torch, tf, set() if strict else _biased_paths(tf) - wrong)
    for i, two in enumerate(tf.plain.get("graph", ())):
        checks += _call("graph", i, torch, tf, torch.plain["eval"][i], two, direction)
    return checks


def outputs(name: str, torch: Told, tf: Told, one: Any, two: Any, direction: Direction) -> list[Quantity]:
    """Compare two results."""
    wanted, found = torch.value(one), tf.value(two)
    if isinstance(wanted, Size) and not isinstance(found, Size) and len(found) == 1 and hasattr(found[0][1], "numpy"):
        found = [(f"[{i}]", int(n)) for i, n in enumerate(found[0][1].numpy().tolist())]
    wanted, found = (parts(v) if isinstance(v, Size) else v for v in (wanted, found))
    if direction is Direction.TF2TORCH:
        wanted, found = found, wanted
    return compare_parts([(name + p, v) for p, v in wanted], [(name + p, v) for p, v in found], name)


def _call(mode: str, case: int, torch: Told, tf: Told, one: Any, two: Any, direction: Direction) -> Iterator[Check]:
    found = outputs("output", torch, tf, one["output"], two["output"], direction)
    yield from (Check(f"{mode} output", q, case) for q in found)
    if any(q.problem for q in found):
        return
    first = {name: torch.arrays[key] for name, key in one["gradients"].items()}
    second = {name: tf.arrays[key] for name, key in two["gradients"].items()}
    scale = _norm(first.values())
    unpaired = {path for path, _ in named_tensors(torch.plain["skeleton"])} - set(tf.plain["trained"])
    for name, gradient in first.items():
        if name not in second:
            if name in unpaired:
                continue
            yield Check(f"{mode} gradient", Quantity(name, problem="is missing"), case, name)
            continue
        wanted, actual = (second[name], gradient) if direction is Direction.TF2TORCH else (gradient, second[name])
        yield Check(f"{mode} gradient", compare_leaf(name, wanted, actual, scale=scale), case, name)


def _norm(arrays: Any) -> float:
    import numpy as np

    return float(np.sqrt(sum(float(np.linalg.norm(a)) ** 2 for a in arrays if np.isfinite(a).all())))


def _trained(torch: Told, tf: Told) -> Iterator[Check]:
    """Whether the same parameters learn."""
    learning: dict[str, bool] = {}
    for path, tensor in named_tensors(torch.plain["skeleton"]):
        learning.setdefault(path, tensor["trained"])
    for path, trains in tf.plain["trained"].items():
        if trains is not None and path in learning and trains != learning[path]:
            here, there = ("trained", "frozen") if trains else ("frozen", "trained")
            problem = f"is {here} in Keras and {there} in PyTorch"
            yield Check("trained", Quantity(path, problem=problem), 0, path)


def _dropout(torch: Told, tf: Told) -> Iterator[Check]:
    """Whether dropout has the same rate: it is off while the two are compared."""
    parts = {path: torch.plain["skeleton"]["modules"][n] for path, n in numbered(torch.plain["skeleton"])}
    for path, layer in tf.plain["modules"].items():
        if path in parts and "Dropout" in parts[path]["mro"][0][1]:
            for name, one, two in differing(parts[path], layer):
                problem = f"{name} is {one!r} in PyTorch and {two!r} in Keras"
                yield Check("dropout", Quantity(path, problem=problem), 0, f"{path}.{name}")


def numbered(skeleton: dict[str, Any], number: int = 0, path: str = "") -> Iterator[tuple[str, int]]:
    """Every module of a described one with its path and number."""
    yield path, number
    for name, child in skeleton["modules"][number]["children"].items():
        if child is not None:
            yield from numbered(skeleton, child, f"{path}.{name}" if path else name)


def named_tensors(skeleton: dict[str, Any], number: int = 0, path: str = "") -> Iterator[tuple[str, dict[str, Any]]]:
    """Every parameter and buffer of a described module with its path."""
    told = skeleton["modules"][number]
    for name, tensor in (*told["parameters"].items(), *told["buffers"].items()):
        if tensor is not None:
            yield f"{path}{name}", tensor
    for name, child in told["children"].items():
        if child is not None:
            yield from named_tensors(skeleton, child, f"{path}{name}.")


def _buffers(case: int, torch: Told, tf: Told, one: Any, two: Any, strict: bool) -> Iterator[Check]:
    """Buffers after one call in train mode."""
    start = {path: torch.arrays[t["array"]] for path, t in named_tensors(torch.plain["skeleton"])}
    deviating = set() if strict else _biased_paths(tf)
    for path, key in two["buffers"].items():
        if path not in one["buffers"]:
            continue
        wanted, found = torch.arrays[one["buffers"][path]], tf.arrays[key]
        quantity = compare_leaf(path, wanted, found)
        reason = ""
        if path in deviating and not quantity.ok(TOLERANCE):
            biased = _biased(one["batches"].get(path.rpartition(".")[0]), start[path], wanted)
            if biased is None or compare_leaf(path, biased, found).ok(TOLERANCE):
                reason = BIASED
        yield Check("buffer", quantity, case, path, reason)


def _biased_paths(tf: Told) -> set[str]:
    """The running variances for which Keras's layers average another variance than PyTorch's.

    In one step that may be too little to see, where a batch varies far less than what it is averaged with.
    """
    return {path for told in tf.plain["train"] for path in told["biased"] if path.endswith("running_var")}


def _biased(batches: dict[str, Any] | None, old: Any, new: Any) -> Any:
    """What the moving average of the biased variance would be; ``None`` where several calls cannot be told apart."""
    if not batches or batches["momentum"] is None or len(set(batches["sizes"])) > 1:
        return None
    sizes, momentum = batches["sizes"], batches["momentum"]
    kept = old * (1.0 - momentum) ** len(sizes)
    return kept + (new - kept) * ((sizes[0] - 1) / sizes[0])


def _unresolved(start: Any) -> float:
    """The `scale` under which a tensor's last digits are not taken for a movement: float64 ends there."""
    import numpy as np

    return 2.0 * float(np.finfo("float64").eps) * _norm([start]) / (ROUNDING * TOLERANCE)


def _steps(torch: Told, tf: Told, deviating: set[str]) -> Iterator[Check]:
    """How far every parameter and buffer moved in N steps."""
    start = {path: torch.arrays[t["array"]] for path, t in named_tensors(torch.plain["skeleton"])}
    ends = torch.plain["steps"]["state"]
    first = {path: torch.arrays[key] for path, key in ends.items()}
    moved = {p: e - start[p] for p, e in first.items() if e.dtype.kind == "f"}
    scale = _norm(moved.values())
    for path, key in tf.plain["steps"]["state"].items():
        if path not in moved:
            continue
        found = tf.arrays[key]
        if found.shape != moved[path].shape:
            yield Check("steps", Quantity(path, problem=f"shape {found.shape}"), 0, path)
            continue
        quantity = compare_leaf(path, moved[path], found - start[path], scale=max(scale, _unresolved(start[path])))
        reason = BIASED if path in deviating else ""
        yield Check("steps", quantity, 0, path, "" if quantity.ok(TOLERANCE) else reason)
