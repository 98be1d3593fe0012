"""Where two programs part first: the module tree is walked in the order of the calls.

The first part of which the inputs agree and the outputs do not is at fault. Where a part consists of others that all
agree, its own code is; where already the inputs differ, the code around it, since the last part that agreed.
"""

from __future__ import annotations

from collections.abc import Container
from dataclasses import dataclass
from typing import Any

from ..compare.values import Quantity
from ..model import Direction
from .judge import TOLERANCE, Check, Told, named_tensors
from .lines import Lines, Place
from .pool import Pool, WorkerError
from .result import ModelReport, Spot
from .traps import likeliest

Key = tuple[str, int]


@dataclass(slots=True)
class Traces:
    """Both sides' events of one call, and how to look up what the other side did."""

    source: list[dict[str, Any]]
    other: dict[tuple[str, str, int], dict[str, Any]]
    source_arrays: dict[str, Any]
    other_arrays: dict[str, Any]
    known: set[str]
    error: str = ""

    def partner(self, event: dict[str, Any]) -> dict[str, Any] | None:
        return self.other.get((event["kind"], event["path"], event["call"]))

    def difference(self, event: dict[str, Any]) -> float | None:
        """The relative difference of an event's tensors on both sides; ``None`` where they cannot be compared."""
        partner = self.partner(event)
        if partner is None:
            return None
        pairs = list(zip(event["arrays"], partner["arrays"], strict=False))
        if event["kind"] == "enter":
            pairs = pairs[:1]  # what follows goes by position here and by keyword there
        found = [apart(self.source_arrays[a], self.other_arrays[b]) for a, b in pairs]
        return max(found, default=None)


@dataclass(frozen=True, slots=True)
class Finding:
    """A part that is at fault: itself, or (``inside``) its own code between two of the parts that it calls."""

    path: str
    what: str
    inside: bool = False
    after: dict[str, Any] | None = None
    before: dict[str, Any] | None = None


def apart(one: Any, two: Any) -> float:
    """The relative difference of two arrays, in whichever axis order they agree best."""
    import numpy as np

    orders = {tuple(range(two.ndim))}
    if two.ndim >= 3:
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


def find_spot(pool: Pool, case: Any, report: ModelReport, torch: Told, tf: Told) -> None:
    """Name the first place where the two differ, in the report."""
    first = next(c for c in report.checks if not c.ok)
    finding = None
    traces: Traces | None = None
    mode = "train" if first.group.startswith(("train", "buffer", "steps")) else "eval"
    if first.group.endswith("output") and not first.group.startswith("graph"):
        traces = trace(pool, case, tf, first.case, mode == "train")
        finding = walk(traces) if traces is not None else None
        if traces is not None:
            report.layers = differences(traces)
    elif first.group.endswith("gradient"):
        traces = trace(pool, case, tf, first.case, mode == "train")
        finding = _by_gradients(report.checks, first, traces, dict(named_tensors(torch.plain["skeleton"])))
    elif first.group == "weights":
        path = (tf.plain.get("astray") or [""])[0]
        finding = Finding(_owner(path, torch), first.quantity.problem[:300])
    elif first.path:
        finding = Finding(_owner(first.path, torch), f"{first.group} {first.quantity}")
    if finding is None:
        where = "only under tf.function" if first.group.startswith("graph") else "the call as a whole"
        finding = Finding("", f"{where}: {first.group} {first.quantity}", inside=True)
    report.spot = _spot(case, finding, first, torch, tf)


def locate(pool: Pool, case: Any, report: ModelReport, torch: Told, tf: Told) -> None:
    """The same for a translation that raises something: the first part that differs, or that it does not reach."""
    traces = trace(pool, case, tf, 0, False)
    finding = walk(traces) if traces is not None else None
    if finding is not None:
        check = Check("eval output", Quantity("output", problem="the translation stops"))
        report.spot = _spot(case, finding, check, torch, tf)


def trace(pool: Pool, case: Any, tf: Told, number: int, training: bool) -> Traces | None:
    """Run one call on both sides and record what every part takes and gives."""
    files = pool.parcel(), pool.parcel()
    told = []
    try:
        for worker, file in ((pool.torch, files[0]), (pool.tf, files[1])):
            told.append(worker.call("trace", pool.timeout, case=number, training=training, out=file))
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
    return Traces(events, index, source.arrays, other.arrays, known, other.plain["error"])


def walk(traces: Traces) -> Finding | None:
    """The first part that differs."""
    done: dict[Key, dict[str, Any]] = {}
    """The last part that agreed inside of each open part."""
    opened: list[Key] = []
    inner: dict[Key, int] = {}
    left_out: dict[str, Finding] = {}
    """What the other side never calls, by the part that would: the cause if that part is at fault."""
    called = {path for _, path, _ in traces.other}
    for event in traces.source:
        key = (event["path"], event["call"])
        if event["kind"] == "enter":
            outer = opened[-1] if opened else None
            if outer is not None:
                inner[outer] = inner.get(outer, 0) + 1
                if event["path"] not in called and not traces.error:
                    what = f"{event['path']} is never called"
                    left_out.setdefault(outer[0], Finding(outer[0], what, True, done.get(outer), event))
            found = _entered(traces, event, outer, done)
            opened.append(key)
        else:
            opened.pop()
            found = _left(traces, event, key, done, inner)
            if opened:
                done[opened[-1]] = event
        if found is not None:
            return left_out.get(found.path, found) if found.inside else found
    return None


def _entered(traces: Traces, event: dict[str, Any], outer: Key | None, done: dict[Key, Any]) -> Finding | None:
    name = event["path"] or "the model"
    if outer is None:
        return None
    after = done.get(outer)
    if traces.partner(event) is None:
        if any(path == event["path"] for _, path, _ in traces.other):
            return Finding(outer[0], f"{name} is called fewer times", True, after, event)
        if not traces.error:
            return None  # the other side runs it in another way than by calling it
        return Finding(outer[0], f"the translation stops before {name}: {traces.error}", True, after, event)
    gap = traces.difference(event)
    if gap is None or gap <= TOLERANCE:
        return None
    what = f"what goes into {name} differs ({_size(gap)})"
    if after is not None:
        what += f", what comes out of {after['path']} does not"
    return Finding(outer[0], what, True, after, event)


def _left(
    traces: Traces, event: dict[str, Any], key: Key, done: dict[Key, Any], inner: dict[Key, int]
) -> Finding | None:
    name = event["path"] or "the model"
    after = done.get(key)
    if traces.partner(event) is None:
        if traces.error and (("enter", *key) in traces.other):
            return Finding(event["path"], f"the translation stops in {name}: {traces.error}", bool(after), after)
        return None
    gap = traces.difference(event)
    if gap is None or gap <= TOLERANCE:
        return None
    if inner.get(key):
        last = f"what comes out of {after['path']} does not" if after is not None else "its parts do not"
        return Finding(event["path"], f"what {name} returns differs ({_size(gap)}), {last}", True, after)
    return Finding(event["path"], f"the same goes in, what comes out differs ({_size(gap)})")


def _size(gap: float) -> str:
    return "shapes differ" if gap == float("inf") else f"relative {gap:.1e}"


def differences(traces: Traces) -> list[tuple[str, float]]:
    """The difference of what every part returns, in the order of the calls."""
    out = []
    for event in traces.source:
        gap = traces.difference(event) if event["kind"] == "leave" else None
        if gap is not None:
            out.append((event["path"], gap))
    return out


def _by_gradients(
    checks: list[Check], first: Check, traces: Traces | None, parameters: Container[str]
) -> Finding | None:
    """Outputs agree and gradients do not: something on the way back, behind the last part with a wrong one.

    Gradients flow from the end to the front: what stands in front of the place has wrong ones, what stands behind
    it right ones.
    """
    same = [c for c in checks if (c.group, c.case) == (first.group, first.case) and c.path in parameters]
    wrong = {c.path.rpartition(".")[0] for c in same if not c.ok}
    if traces is None:
        return None
    order = [e for e in traces.source if e["kind"] == "leave"]
    bad = [i for i, e in enumerate(order) if e["path"] in wrong]
    if not bad:
        return Finding("", f"{first.group} {first.quantity}", inside=True)
    last = order[bad[-1]]
    own = [c for c in same if not c.ok and c.path.rpartition(".")[0] == last["path"]]
    others = [c for c in same if c.ok and c.path.rpartition(".")[0] == last["path"]]
    gap = own[0].quantity.problem or _size(own[0].quantity.error)
    what = f"outputs agree, but the gradient of {own[0].path} differs ({gap})"
    if others and not [c for c in same if not c.ok and c not in own]:
        return Finding(last["path"], what)
    parent = last["parent"][0] if last["parent"] else ""
    following = [e for e in traces.source if e["kind"] == "enter" and e["parent"] == last["parent"]]
    later = [e for e in following if traces.source.index(e) > traces.source.index(last)]
    if last["parent"] is not None and parent in traces.known:
        return Finding(parent, what, True, last, later[0] if later else None)
    return Finding(last["path"], what)


def _owner(path: str, torch: Told) -> str:
    """The module that holds a parameter or buffer."""
    return path.rpartition(".")[0]


def _spot(case: Any, finding: Finding, first: Check, torch: Told, tf: Told) -> Spot:
    """A finding with the lines of both programs and the likeliest cause."""
    lines = Lines(case, torch.plain, tf.plain)
    own = finding.inside or lines.defined_by_user(finding.path)
    source, translated = (
        _place(lines, side, finding, own) for side in (case.direction.source, case.direction.target)
    )
    trap, setting = likeliest(lines, finding.path, own, first, (source, translated))
    if setting and not finding.inside:
        source, translated = (lines.made(side, finding.path) for side in (case.direction.source, case.direction.target))
    keras_path = tf.plain["modules"].get(finding.path, {}).get("path", "")
    return Spot(finding.path, keras_path, finding.what, source, translated, trap)


def _place(lines: Lines, framework: str, finding: Finding, own: bool) -> Place | None:
    if not own:
        return lines.made(framework, finding.path)
    return lines.forward(framework, finding.path, finding.after, finding.before)
