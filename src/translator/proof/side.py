"""What both workers do alike: build an entry of a program, tell what went wrong, and where objects were made."""

from __future__ import annotations

import inspect
import re
import traceback
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from types import ModuleType
from typing import Any

from ..compare.inputs import draw_inputs
from ..model import Direction
from .loading import Program, loaded, site


@dataclass(frozen=True, slots=True)
class Task:
    """One entry point to verify, as both workers are told of it."""

    entry: str
    init: dict[str, Any]
    """Constructor arguments; ``{"$name": "Block"}`` stands for what the program calls so."""
    cases: list[dict[str, Any]]
    """Call arguments by name, with specifications of arrays; empty where they are still to be guessed."""
    direction: Direction
    edges: dict[str, str]
    seed: int = 0
    train: bool = True
    graph: bool = True
    steps: int = 3

    @staticmethod
    def of(plain: dict[str, Any]) -> Task:
        return Task(**{**plain, "direction": Direction(plain["direction"])})


class Problem(Exception):
    """Something about the user's program that has no traceback worth showing. Says what to do."""


@dataclass(slots=True)
class Session:
    """A program that is loaded while a task is under way, and what was built of it."""

    program: Program
    stack: ExitStack = field(default_factory=ExitStack)
    module: ModuleType | None = None
    made: list[Any] = field(default_factory=list)
    """Layers or modules in the order in which they were made."""
    sites: dict[int, tuple[str, int]] = field(default_factory=dict)
    """The id of such an object to the line that made it."""

    @property
    def paths(self) -> list[str]:
        return [file.path for file in self.program.files.values()]

    def load(self, wide: bool, base: type) -> None:
        """Run the program's top level, which may make models too; ``base`` as of `build`."""
        with self.recording(base):
            self.module = self.stack.enter_context(loaded(self.program, wide=wide))

    def close(self) -> None:
        self.stack.close()
        self.made.clear()

    def build(self, entry: str, init: dict[str, Any], base: type) -> Any:
        """The model that an entry stands for: a class or function that is called, or an object as it is.

        Args:
            base: the framework's class of layers or modules, whose instances are noted as they are made.
        """
        with self.recording(base):
            found: Any = self.module
            for piece in entry.split("."):
                if not hasattr(found, piece):
                    raise Problem(f"{self.program.path} has no {entry!r}")
                found = getattr(found, piece)
            if isinstance(found, base):
                return found
            return found(**{name: self._value(value) for name, value in init.items()})

    def _value(self, value: Any) -> Any:
        if isinstance(value, dict) and set(value) == {"$name"}:
            found: Any = self.module
            for piece in value["$name"].split("."):
                found = getattr(found, piece)
            return found
        if isinstance(value, dict) and set(value) == {"$tuple"}:
            return tuple(self._value(v) for v in value["$tuple"])
        if isinstance(value, list):
            return [self._value(v) for v in value]
        return value

    @contextmanager
    def recording(self, base: type) -> Iterator[None]:
        """Within it, note what instances of ``base`` are made, and where."""
        original = base.__init__  # type: ignore[misc]
        session = self

        def init(self: Any, *args: Any, **kwargs: Any) -> None:
            if id(self) not in session.sites:
                session.made.append(self)
                place = site(session.paths, self)
                if place is not None:
                    session.sites[id(self)] = place
            original(self, *args, **kwargs)

        base.__init__ = init  # type: ignore[misc]
        try:
            yield
        finally:
            base.__init__ = original  # type: ignore[misc]


WIDE = 4.0
"""How much larger the floats of every second set of inputs are: bounds such as ReLU6's must be reached."""


def drawn(cases: list[dict[str, Any]], seed: int) -> list[dict[str, Any]]:
    """The arrays of all sets of arguments, the same in every process."""

    def larger(value: Any, spec: Any) -> Any:
        if isinstance(value, list | tuple):
            return type(value)(larger(v, s) for v, s in zip(value, spec, strict=True))
        plain = isinstance(spec, str) and spec.startswith("float") and spec.endswith("]")
        return value * WIDE if plain and hasattr(value, "dtype") else value

    out = []
    for i, case in enumerate(cases):
        arrays = draw_inputs(case, seed + 1 + i)
        out.append({k: larger(v, case[k]) for k, v in arrays.items()} if i % 2 else arrays)
    return out


def named_parameters(function: Callable[..., Any]) -> tuple[list[str], bool]:
    """A function's parameters, and whether it takes any other keyword."""
    parameters = inspect.signature(function).parameters.values()
    names = [p.name for p in parameters if p.kind not in (p.VAR_POSITIONAL, p.VAR_KEYWORD)]
    return names, any(p.kind is p.VAR_KEYWORD for p in parameters)


def failure(error: BaseException, program: Program, stage: str) -> dict[str, Any]:
    """What a program raised, as plain values: the type, the message and the program's own lines of the traceback."""
    paths = {file.path for file in program.files.values()}
    frames = [f for f in traceback.extract_tb(error.__traceback__) if f.filename in paths]
    own = [[f.filename, f.lineno, f.line or "", f.name] for f in frames]
    if isinstance(error, SyntaxError) and error.filename in paths:
        own.append([error.filename, error.lineno, (error.text or "").strip(), ""])
    kind = "" if isinstance(error, Problem) else type(error).__name__
    return {"stage": stage, "type": kind, "message": said(error)[:2000], "frames": own[-12:]}


def said(error: BaseException) -> str:
    """What an exception says, without colours and without what Keras wraps around it."""
    text = re.sub(r"\x1b\[[0-9;]*m", "", str(error)).partition("\n\nArguments received by")[0]
    return re.sub(r"^(Exception encountered when calling [^\n]*\n+)+", "", text).strip()


def saved(out: str) -> Path:
    return Path(out)
