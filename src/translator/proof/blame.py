"""Where two programs part first: the module tree is walked in the order of the calls.

The first part of which the inputs agree and the outputs do not is at fault. Where a part consists of others that all
agree, its own code is; where already the inputs differ, the code around it, since the last part that agreed.
"""

from __future__ import annotations

from collections.abc import Container
from dataclasses import dataclass
from typing import Any

from ..compare.values import Quantity
from .judge import TOLERANCE, Check, Told, named_tensors, numbered
from .lines import Lines, Place
from .narrow import Narrowed, downstream, narrowed
from .pool import Pool
from .result import ModelReport, Spot
from .traces import Key, Traces, size, trace
from .traps import likeliest

ORDERED = frozenset(f"torch.nn.modules.{name}" for name in ("flatten", "linear", "rnn", "sparse", "transformer"))
"""Where PyTorch keeps layers that go by the order of axes, not by what they mean."""


@dataclass(frozen=True, slots=True)
class Finding:
    """A part that is at fault: itself, or (``inside``) its own code between two of the parts that it calls."""

    path: str
    what: str
    inside: bool = False
    after: dict[str, Any] | None = None
    before: dict[str, Any] | None = None
    call: int = 0
    """Which call of the part it is."""


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
            finding = finding and _turned(finding, traces, torch)
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
    own = None
    if finding.inside and first.group.endswith("output") and traces is not None and not traces.error:
        watched = trace(pool, case, tf, first.case, mode == "train", (finding.path, finding.call))
        own = narrowed(case, watched, finding.before) if watched is not None else None
    elif finding.inside and first.group.endswith("gradient"):
        own = downstream(case, finding.after, finding.before)
    report.spot = _spot(case, finding, first, torch, tf, own)


def _turned(finding: Finding, traces: Traces, torch: Told) -> Finding:
    """The code around a part, where what goes into it is the same but for the order of its axes, and it needs that."""
    if finding.inside or not _sees_order(torch, finding.path):
        return finding
    key = (finding.path, finding.call)
    at = next(i for i, e in enumerate(traces.source) if e["kind"] == "enter" and (e["path"], e["call"]) == key)
    event = traces.source[at]
    gap = traces.difference(event, turn=False)
    if gap is None or gap <= TOLERANCE or event["parent"] is None:
        return finding
    outer = tuple(event["parent"])
    done = [e for e in traces.source[:at] if e["kind"] == "leave" and e["parent"] == event["parent"]]
    what = f"what goes into {finding.path} has its axes in another order, and it goes by their order"
    return Finding(outer[0], what, True, done[-1] if done else None, event, outer[1])


def _sees_order(torch: Told, path: str) -> bool:
    """Whether a part is a layer that knows of no channels: it takes axes as they stand."""
    number = dict(numbered(torch.plain["skeleton"])).get(path)
    mro = torch.plain["skeleton"]["modules"][number]["mro"] if number is not None else []
    return any(module in ORDERED or name == "LayerNorm" for module, name in mro)


def locate(pool: Pool, case: Any, report: ModelReport, torch: Told, tf: Told) -> None:
    """The same for a translation that raises something: the first part that differs, or that it does not reach."""
    traces = trace(pool, case, tf, 0, False)
    finding = walk(traces) if traces is not None else None
    if finding is not None:
        check = Check("eval output", Quantity("output", problem="the translation stops"))
        report.spot = _spot(case, finding, check, torch, tf)


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
                    left_out.setdefault(outer[0], Finding(outer[0], what, True, done.get(outer), event, outer[1]))
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
            return Finding(outer[0], f"{name} is called fewer times", True, after, event, outer[1])
        if not traces.error:
            return None  # the other side runs it in another way than by calling it
        return Finding(outer[0], f"the translation stops before {name}: {traces.error}", True, after, event)
    gap = traces.difference(event)
    if gap is None or gap <= TOLERANCE:
        return None
    what = f"what goes into {name} differs ({size(gap)})"
    if after is not None:
        what += f", what comes out of {after['path']} does not"
    return Finding(outer[0], what, True, after, event, outer[1])


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
        return Finding(event["path"], f"what {name} returns differs ({size(gap)}), {last}", True, after, call=key[1])
    return Finding(event["path"], f"the same goes in, what comes out differs ({size(gap)})", call=key[1])


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
    if traces is None:
        return None
    order = [e for e in traces.source if e["kind"] == "leave"]
    called = {e["path"] for e in order}
    wrong = {_called(c.path.rpartition(".")[0], called) for c in same if not c.ok}
    bad = [i for i, e in enumerate(order) if e["path"] in wrong]
    if not bad:
        return Finding("", f"{first.group} {first.quantity}", inside=True)
    last = order[bad[-1]]
    held = [c for c in same if _called(c.path.rpartition(".")[0], called) == last["path"]]
    own, others = [c for c in held if not c.ok], [c for c in held if c.ok]
    gap = own[0].quantity.problem or size(own[0].quantity.error)
    what = f"outputs agree, but the gradient of {own[0].path} differs ({gap})"
    if others and not [c for c in same if not c.ok and c not in own]:
        return Finding(last["path"], what)
    parent = last["parent"][0] if last["parent"] else ""
    following = [e for e in traces.source if e["kind"] == "enter" and e["parent"] == last["parent"]]
    later = [e for e in following if traces.source.index(e) > traces.source.index(last)]
    if last["parent"] is not None and parent in traces.known:
        return Finding(parent, what, True, last, later[0] if later else None)
    return Finding(last["path"], what)


def _called(path: str, called: Container[str]) -> str:
    """The part itself, or the innermost one around it whose calls are seen."""
    while path and path not in called:
        path = path.rpartition(".")[0]
    return path


def _owner(path: str, torch: Told) -> str:
    """The module that holds a parameter or buffer."""
    return path.rpartition(".")[0]


def _spot(case: Any, finding: Finding, first: Check, torch: Told, tf: Told, near: Narrowed | None = None) -> Spot:
    """A finding with the lines of both programs and the likeliest cause."""
    lines = Lines(case, torch.plain, tf.plain)
    own = finding.inside or lines.defined_by_user(finding.path)
    known = near.places if near is not None else {}
    source, translated = (
        known.get(side) or _place(lines, side, finding, own) for side in (case.direction.source, case.direction.target)
    )
    trap, setting = likeliest(lines, finding.path, own, first, (source, translated))
    if setting and not finding.inside:
        source, translated = (lines.made(side, finding.path) for side in (case.direction.source, case.direction.target))
    keras_path = tf.plain["modules"].get(finding.path, {}).get("path", "")
    what = finding.what if near is None or not near.what else near.what
    code = None if own or setting else lines.own_class(case.direction.target, finding.path)
    return Spot(finding.path, keras_path, what, source, translated, trap, code)


def _place(lines: Lines, framework: str, finding: Finding, own: bool) -> Place | None:
    if not own:
        return lines.made(framework, finding.path)
    return lines.forward(framework, finding.path, finding.after, finding.before)
