"""What `translator.verify` returns."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from ..model import Direction
from .judge import SINGLE, Check


@dataclass(frozen=True, slots=True)
class Failure:
    """How a program failed: as its own, with its own lines of the traceback."""

    framework: str
    """``torch`` or ``tf``: whose process it was."""
    stage: str
    type: str
    message: str
    frames: tuple[tuple[str, int, str, str], ...] = ()
    """(file, line, text, function), the innermost last."""
    source: bool = True
    """Whether it is the source that failed, not the translation."""

    def __str__(self) -> str:
        whose = "the source" if self.source else "the translation"
        lines = [f"{whose} failed while {self.stage}: {self.type}{': ' if self.type else ''}{self.message}"]
        for file, line, text, function in self.frames:
            lines.append(f"  {file}:{line}{f' in {function}' if function else ''}: {text}")
        return "\n".join(lines)


@dataclass(frozen=True, slots=True)
class Spot:
    """The first place where two programs part."""

    path: str
    """Attribute path in PyTorch's names; empty for the model itself."""
    keras_path: str
    what: str
    """What differs there, in a sentence."""
    source: tuple[str, int, int] | None
    """(file, first line, last line) of the source program."""
    translated: tuple[str, int, int] | None
    trap: str = ""
    """The likeliest cause."""
    code: tuple[str, int, int] | None = None
    """The part's class in the translation, where that is the program's own and the source's is the framework's."""


@dataclass(frozen=True, slots=True)
class Reference:
    """What a test of the user's own needs: all of it as the translation takes and gives it."""

    weights: dict[str, Any]
    inputs: list[dict[str, Any]]
    outputs: list[list[Any]]


@dataclass(slots=True)
class ModelReport:
    """The verdict on one entry point."""

    file: str
    entry: str
    init: dict[str, Any]
    cases: list[dict[str, Any]] = field(default_factory=list)
    checks: list[Check] = field(default_factory=list)
    exact: list[Check] = field(default_factory=list)
    """The same with ``--fidelity exact``, where the idiomatic form differs as expected."""
    single: list[Check] = field(default_factory=list)
    """The eval output in float32: shown, not decided on."""
    notes: list[str] = field(default_factory=list)
    failure: Failure | None = None
    spot: Spot | None = None
    reference: Reference | None = None
    layers: list[tuple[str, float]] = field(default_factory=list)
    """Relative difference of the outputs by path, in the order of the calls, where the two differ."""
    refused: int = 0
    """How many places of the file were not translated."""
    seconds: float = 0.0

    @property
    def failures(self) -> list[Check]:
        return [c for c in (*self.checks, *self.exact) if not c.ok]

    @property
    def expected(self) -> list[Check]:
        return [c for c in self.checks if c.expected]

    @property
    def ok(self) -> bool:
        """Whether something was compared, and all of it is equal."""
        return self.failure is None and bool(self.checks) and not self.failures

    @property
    def worst(self) -> float:
        """The largest relative difference that decides."""
        return max((c.quantity.error for c in (*self.checks, *self.exact) if not c.expected), default=0.0)

    @property
    def largest(self) -> float:
        """The largest absolute difference that decides."""
        return max((c.quantity.absolute for c in (*self.checks, *self.exact) if not c.expected), default=0.0)

    @property
    def single_worst(self) -> float | None:
        """The relative difference in float32; infinite where it cannot be measured."""
        found = [float("inf") if c.quantity.problem else c.quantity.error for c in self.single]
        return max(found, default=None)

    @property
    def verdict(self) -> str:
        """``same``, ``differs``, ``failed`` (it could not be run) or ``broken`` (the translation does not run)."""
        if self.failure is not None:
            return "failed" if self.failure.source else "broken"
        return "same" if self.ok else "differs"

    def __str__(self) -> str:
        name = f"{self.file}: {self.entry}"
        if self.failure is not None:
            return f"{name}: {self.failure}"
        failures = self.failures
        lines = [f"{name}: {len(self.checks)} quantities, {len(failures)} differ, largest {self.worst:.3g}"]
        lines += [f"  {c.group} {c.quantity} (inputs {c.case})" for c in failures[:12]]
        if self.spot is not None:
            lines.append(f"  first at {self.spot.path or 'the model'}: {self.spot.what}")
        loose = self.single_worst
        if loose is not None and loose > SINGLE:
            lines.append(f"  float32 (not decided on): {loose:.3g}")
        return "\n".join(lines)


@dataclass(slots=True)
class FileReport:
    """All entry points of one file."""

    file: str
    translated_file: str
    source: str = ""
    translated: str = ""
    direction: Direction = Direction.TORCH2TF
    models: list[ModelReport] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    error: str = ""
    """Why nothing could be verified."""
    code: str = ""

    @property
    def exit_code(self) -> int:
        """0 all the same; 1 something differs; 3 the file, or a program in it, failed by itself."""
        if self.error or any(m.verdict == "failed" for m in self.models):
            return 3
        return 0 if self.models and all(m.ok for m in self.models) else 1


@dataclass(slots=True)
class Report:
    """The verdict on one or several files."""

    files: list[FileReport] = field(default_factory=list)

    @property
    def models(self) -> list[ModelReport]:
        return [m for f in self.files for m in f.models]

    @property
    def ok(self) -> bool:
        return self.exit_code == 0

    @property
    def exit_code(self) -> int:
        """3 outweighs 1, which outweighs 0."""
        return max((f.exit_code for f in self.files), default=3)

    def __str__(self) -> str:
        return "\n".join(str(m) for m in self.models) + "".join(f"\n{f.file}: {f.error}" for f in self.files if f.error)
