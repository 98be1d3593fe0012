"""The local variables of one part's own code while it runs once: what each of them holds after each statement."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence, Sized
from types import FrameType
from typing import Any

from ..compare.values import is_tensor

RESULT = "return"
"""The name under which what a function returns is noted; no variable can have it."""
RUNS = frozenset({"forward", "call", "__call__"})
"""Methods that stand for each other in the two frameworks."""


class Watch:
    """Notes the tensors that local variables are bound to, in the program's functions that are called in between.

    Args:
        paths: the program's files; other code is passed over.
        keep: takes a tensor in, and gives its key.
        own: whether what runs now is the part's own code, not that of a part inside of it.
        events: what is noted of the calls of parts; a variable is noted after so many of them.
    """

    def __init__(
        self, paths: Sequence[str], keep: Callable[[Any], str], own: Callable[[], bool], events: Sized
    ) -> None:
        self.paths = frozenset(paths)
        self.keep, self.own, self.events = keep, own, events
        self.notes: list[dict[str, Any]] = []
        self.turns: dict[str, int] = {}
        self.before: Any = None

    def start(self) -> None:
        self.before = sys.gettrace()
        sys.settrace(self._called)

    def stop(self) -> None:
        sys.settrace(self.before)

    def _called(self, frame: FrameType, event: str, arg: Any) -> Any:
        code = frame.f_code
        if code.co_filename not in self.paths or code.co_name.startswith("<") or not self.own():
            return None
        name = "" if code.co_name in RUNS else code.co_name
        turn = self.turns[name] = self.turns.get(name, -1) + 1
        held = {key: _Mark(value) for key, value in frame.f_locals.items()}
        caller = self._line(frame.f_back) if name else None
        if caller is not None:  # what a function is given is its caller's affair
            for key, value in frame.f_locals.items():
                self.note(name, turn, key, value, caller)
        return _Frame(self, name, turn, frame.f_lineno, held)

    def _line(self, frame: FrameType | None) -> tuple[str, int] | None:
        """The program's innermost line from a frame outwards."""
        while frame is not None:
            if frame.f_code.co_filename in self.paths:
                return frame.f_code.co_filename, frame.f_lineno
            frame = frame.f_back
        return None

    def note(self, function: str, turn: int, name: str, value: Any, line: tuple[str, int]) -> None:
        if is_tensor(value):
            told = {"function": function, "turn": turn, "name": name, "line": line, "at": len(self.events)}
            self.notes.append({**told, "array": self.keep(value)})


class _Frame:
    """One run of one function."""

    def __init__(self, watch: Watch, name: str, turn: int, line: int, held: dict[str, Any]) -> None:
        self.watch, self.name, self.turn, self.line = watch, name, turn, line
        self.held = held

    def __call__(self, frame: FrameType, event: str, arg: Any) -> _Frame:
        if event in ("line", "return") and self.watch.own():
            place = (frame.f_code.co_filename, self.line)
            for name, value in frame.f_locals.items():
                mark = _Mark(value)
                if mark != self.held.get(name):
                    self.held[name] = mark
                    self.watch.note(self.name, self.turn, name, value, place)
            if event == "return":
                self.watch.note(self.name, self.turn, RESULT, arg, place)
        if event == "line":
            self.line = frame.f_lineno
        return self


class _Mark:
    """Which value a variable holds: the object, and for tensors that change in place how often they did."""

    def __init__(self, value: Any) -> None:
        self.value = value  # kept, so that no other object takes its place in memory
        self.version = getattr(value, "_version", None) if is_tensor(value) else None

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Mark) and self.value is other.value and self.version == other.version

    __hash__ = None  # type: ignore[assignment]
