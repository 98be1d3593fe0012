"""Verifies one file: finds its entry points, translates it, and runs each."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from ..infer.interp import Interpreter
from ..model import Direction, Fidelity, InputError, Layout, Options, Severity, Translation
from ..source import mentions
from .edges import edges_of
from .entries import Entry, chosen, entries
from .loading import Program
from .pool import Pool
from .programs import Gathered, gather, translated
from .result import FileReport, ModelReport
from .run import Case, verify_case


@dataclass(frozen=True, slots=True)
class Request:
    """The arguments of `translator.verify`."""

    path: str
    direction: str | None = None
    translated: str | None = None
    entries: tuple[str, ...] = ()
    init: dict[str, Any] | None = None
    inputs: list[dict[str, Any]] | None = None
    train: bool = True
    graph: bool = True
    steps: int = 3
    layout: str = Options().layout.value
    fidelity: str = "idiomatic"
    keep_io_layout: bool = False
    seed: int = 0
    layers: bool = False
    """Whether to measure the difference part by part even where the two agree."""
    keep: bool = False
    """Whether to keep what a test of the user's own needs."""


@dataclass(frozen=True, slots=True)
class Prepared:
    """A source, its translation, and the entry points that were asked for or found."""

    request: Request
    options: Options
    gathered: Gathered
    source: Program
    translated: Program
    translation: Translation
    entries: list[Entry]
    asked: list[str]
    """What the user is told of other entry points."""

    @property
    def direction(self) -> Direction:
        return self.options.direction

    def task(self, entry: Entry) -> dict[str, Any]:
        """An entry point as the worker processes are told of it (`translator.proof.side.Task`)."""
        return _task(self.request, entry, self.direction, self.translation)


def prepare(request: Request) -> Prepared:
    """Read a file and what it imports, and translate it.

    Raises:
        InputError: the file, or its translation, cannot be read.
    """
    gathered = gather(request.path)
    direction = Direction(request.direction) if request.direction else direction_of(gathered)
    options = Options(
        direction, Layout(request.layout), Fidelity(request.fidelity), keep_io_layout=request.keep_io_layout
    )
    source = gathered.program()
    own = translated(gathered, options)
    program = own.program if request.translated is None else gather(request.translated).program()
    wanted, asked = _entries(own.interpreter, source, request)
    return Prepared(request, options, gathered, source, program, own.main, wanted, asked)


def verify_file(pool: Pool, request: Request) -> FileReport:
    """The verdict on every entry point of a file.

    Raises:
        InputError: the file, or its translation, cannot be read, or holds nothing to verify.
    """
    made = prepare(request)
    source, program, direction = made.source, made.translated, made.direction
    report = FileReport(source.path, program.path, source.text, program.text, direction)
    report.notes += made.asked
    exact = None
    if made.options.fidelity is Fidelity.IDIOMATIC and direction is Direction.TORCH2TF and request.translated is None:
        exact = translated(made.gathered, Options(direction, made.options.layout, Fidelity.EXACT)).program
    refused = _refused(made.translation) if request.translated is None else []
    report.notes += refused
    for entry in made.entries:
        model = verify_case(pool, Case(source, program, made.task(entry), exact, request.layers, request.keep))
        model.refused = len(refused)
        _advise(model)
        report.models.append(model)
    if not report.models:
        report.error, report.code = "; ".join(made.asked) or "no model was found", "XL051"
    return report


def direction_of(gathered: Gathered) -> Direction:
    """The direction that a file's imports ask for.

    Raises:
        InputError: it imports both frameworks, or none.
    """
    data = gathered.data[gathered.paths[gathered.main]]
    found = [d for d in Direction if mentions(data, d.source)]
    if len(found) == 1:
        return found[0]
    reason = "both frameworks" if found else "neither framework"
    raise InputError(f"the file names {reason}", code="XL050", hint="say which way it goes with --direction")


def _entries(
    interpreter: Interpreter | None, source: Program, request: Request
) -> tuple[list[Entry], list[str]]:
    """The entry points to verify, and what the user is told about the others."""
    found = entries(interpreter, source.text, source.main) if interpreter is not None else []
    if request.entries:
        known = {e.name: e for e in found}
        return [known.get(name, Entry(name)) for name in request.entries], []
    take, rest = chosen(found, request.init or {})
    made = {e.makes for e in take}
    notes = []
    for entry in rest:
        if entry.makes not in made:
            given = ", ".join(f"{name}=..." for name in entry.required)
            notes.append(f"{entry.name} needs arguments: --entry {entry.name} --init '{given}'")
    return take, notes


def _task(request: Request, entry: Entry, direction: Direction, translation: Translation) -> dict[str, Any]:
    return {
        "entry": entry.name,
        "init": request.init or {},
        "cases": request.inputs or [],
        "direction": direction.value,
        "edges": edges_of(translation.edges, _owners(entry, translation)),
        "seed": request.seed,
        "train": request.train,
        "graph": request.graph,
        "steps": request.steps,
    }


def _owners(entry: Entry, translation: Translation) -> Iterator[str]:
    """The names under which the edges of an entry point may be reported."""
    yield entry.name
    if entry.makes:
        yield entry.makes
    yield from _made_by(entry.name, translation.text)


def _made_by(name: str, text: str) -> list[str]:
    """The classes of the translation that a function of it calls, or that an object of it is made of.

    What it calls counts as its own code: ``ResNet50()`` calls ``ResNet(...)``, which makes the model.
    """
    body = ast.parse(text).body
    classes = {n.name for n in body if isinstance(n, ast.ClassDef)}
    makers = {made: n for n in reversed(body) for made in _defines(n)}
    called = [name]
    for one in called:  # which grows
        called += [c for c in dict.fromkeys(_calls(makers.get(one))) if c not in called]
    return [c for c in called[1:] if c in classes]


def _calls(node: ast.stmt | None) -> Iterator[str]:
    """The plain names that a statement calls."""
    for inner in ast.walk(node) if node is not None else ():
        if isinstance(inner, ast.Call) and isinstance(inner.func, ast.Name):
            yield inner.func.id


def _defines(node: ast.stmt) -> list[str]:
    """The name of a function, or the names that an assignment gives."""
    if isinstance(node, ast.FunctionDef):
        return [node.name]
    targets = node.targets if isinstance(node, ast.Assign) else []
    return [target.id for target in targets if isinstance(target, ast.Name)]


def _refused(translation: Translation) -> list[str]:
    errors = [d for d in translation.diagnostics if d.severity is Severity.ERROR]
    return [f"line {d.line} is not translated: {d.code} {d.message}" for d in errors]


def _advise(model: ModelReport) -> None:
    """Name the option that gets past a failure, where there is one."""
    failure = model.failure
    if failure is not None and failure.source and failure.type == "TypeError" and failure.stage == "building":
        model.notes.append("say the arguments with --init 'name=value, ...'")


__all__ = ["Prepared", "Program", "Request", "prepare", "verify_file"]
