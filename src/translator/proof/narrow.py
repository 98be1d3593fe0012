"""Which statement of a part's own code is wrong: the local variables of both programs are compared by their values.

Names stay when a program is translated, and much of its order. A variable that holds the same on both sides is right,
whatever it is called there; the first that does not is where to look.
"""

from __future__ import annotations

import ast
from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import cache
from typing import Any

from .judge import TOLERANCE
from .lines import Place
from .slices import feeding, function_at, using
from .traces import Traces, apart, size
from .variables import RESULT

Note = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Narrowed:
    """Where to look in each program, by its framework, and what differs there."""

    what: str = ""
    places: dict[str, Place] = field(default_factory=dict)


class _Values:
    """Arrays by their norm, which no turning of axes changes."""

    def __init__(self, arrays: Iterable[Any]) -> None:
        self.held: dict[int, list[tuple[float, Any]]] = {}
        for array in arrays:
            self.held.setdefault(array.size, []).append((_norm(array), array))

    def has(self, array: Any) -> bool:
        norm = _norm(array)
        near = (a for n, a in self.held.get(array.size, ()) if abs(n - norm) <= 10 * TOLERANCE * max(norm, n))
        return any(apart(array, a) <= TOLERANCE for a in near)


def narrowed(case: Any, traces: Traces, before: dict[str, Any] | None) -> Narrowed:
    """The first wrong variable of the part that was watched, and the statements that feed it.

    Args:
        before: the call of a part inside, of the source's trace, into which something wrong goes.
    """
    source, target = case.direction.source, case.direction.target
    ours = _all(traces.source_notes, traces.source, traces.source_arrays)
    theirs = _all(traces.other_notes, traces.other.values(), traces.other_arrays)
    right = {
        source: _right(traces.source_notes, traces.source_arrays, theirs),
        target: _right(traces.other_notes, traces.other_arrays, ours),
    }
    notes = {source: traces.source_notes, target: traces.other_notes}
    found = _first(traces, right[source], before)
    seeds, what = {source: None, target: None}, ""
    if found is not None:
        note, partner, gap = found
        seeds = {source: note["line"], target: partner["line"]}
        whose = f" of {note['function']}" if note["function"] else ""
        what = f"{note['name']}{whose} differs ({size(gap)})" if note["name"] != RESULT else ""
    elif before is not None:
        seeds = before["lines"]
    found_at = {side: _place(case.program(side), seeds[side], _good(notes[side], right[side])) for side in seeds}
    return Narrowed(what, {side: place for side, place in found_at.items() if place is not None})


def downstream(case: Any, event: dict[str, Any] | None, before: dict[str, Any] | None) -> Narrowed:
    """The statements from a part's call to where what it gives is used: a gradient is lost on the way back there.

    Args:
        before: the next call of a part in the same code, up to which what is computed from it counts too.
    """
    sides = (case.direction.source, case.direction.target)
    lines = event["lines"] if event is not None else {}
    ends = before["lines"] if before is not None else {}
    found = {
        side: _place(case.program(side), lines[side], None, ends.get(side)) for side in sides if lines.get(side)
    }  # fmt: skip
    return Narrowed("", {side: place for side, place in found.items() if place is not None})


def _all(notes: list[Note], events: Iterable[Note], arrays: dict[str, Any]) -> _Values:
    """Every value that one side has: variables, and what parts take and give."""
    keys = [n["array"] for n in notes] + [key for e in events for key in e["arrays"]]
    return _Values(arrays[key] for key in keys)


def _right(notes: list[Note], arrays: dict[str, Any], others: _Values) -> list[bool]:
    """Of each variable, whether the other side has its value anywhere."""
    return [others.has(arrays[note["array"]]) for note in notes]


def _first(traces: Traces, right: list[bool], before: Note | None) -> tuple[Note, Note, float] | None:
    """The first variable of the source that differs from the other side's of the same name, and that one."""
    ours, theirs = _runs(traces.source_notes), _runs(traces.other_notes)
    last = before["at"] if before is not None else None
    for note, good in zip(traces.source_notes, right, strict=True):
        key = _key(note)
        if good or (last is not None and note["at"] > last) or len(ours[key]) != len(theirs.get(key, ())):
            continue
        partner = theirs[key][next(i for i, n in enumerate(ours[key]) if n is note)]
        gap = apart(traces.source_arrays[note["array"]], traces.other_arrays[partner["array"]])
        if gap > TOLERANCE:
            return note, partner, gap
    return None


def _key(note: Note) -> tuple[str, int, str]:
    return note["function"], note["turn"], note["name"]


def _runs(notes: list[Note]) -> dict[tuple[str, int, str], list[Note]]:
    """The values of each variable in their order."""
    out: dict[tuple[str, int, str], list[Note]] = {}
    for note in notes:
        out.setdefault(_key(note), []).append(note)
    return out


def _good(notes: list[Note], right: list[bool]) -> set[tuple[str, int]]:
    """Which variables are right, by the lines that bind them: in each run of the line."""
    told: dict[tuple[str, int], bool] = {}
    for note, good in zip(notes, right, strict=True):
        key = (note["name"], note["line"][1])
        told[key] = told.get(key, True) and good
    return {key for key, good in told.items() if good}


def _place(
    program: Any, seed: tuple[str, int] | None, good: set[tuple[str, int]] | None, end: tuple[str, int] | None = None,
) -> Place | None:  # fmt: skip
    """What feeds a statement; what uses it, up to ``end``, where ``good`` is missing."""
    if not seed:
        return None
    file, line = seed[0], seed[1]
    text = next((f.text for f in program.files.values() if f.path == file), "")
    function = function_at(_tree(text), line)
    if function is None:
        return None
    until = end[1] if end is not None and end[0] == file and end[1] > line else None
    lines = feeding(function, line, good) if good is not None else using(function, line, until)
    return (file, *lines) if lines is not None else None


@cache
def _tree(text: str) -> ast.Module:
    return ast.parse(text)


def _norm(array: Any) -> float:
    import numpy as np

    return float(np.linalg.norm(np.nan_to_num(array.astype(complex if array.dtype.kind == "c" else float)).ravel()))
