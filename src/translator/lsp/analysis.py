"""What the server knows of one open file: its translation, findings and the APIs that it names."""

from __future__ import annotations

import ast
import os
import re
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import libcst as cst

from translator import source
from translator.engine import translate_sources
from translator.laws import crash
from translator.model import Diagnostic, Direction, Fidelity, InputError, Options, Severity, Translation
from translator.outputs import module_name
from translator.project.imports import references
from translator.rewrite.context import Context
from translator.rewrite.region import places
from translator.tables import TableError
from translator.values import Api

MAX_FILES = 40
"""How many files that an open one imports, directly or not, are read to know what it works with."""
Read = Callable[[str], bytes | None]
"""A path to the bytes that stand there, unsaved changes included; ``None`` where there is no such file."""
Result = Translation | InputError


@dataclass(frozen=True, slots=True)
class Named:
    """An API that a place of the file names. Lines from 1, columns from 0, in characters."""

    line: int
    start: int
    end: int
    api: str


@dataclass(frozen=True, slots=True)
class Settings:
    """What the client may set."""

    direction: Direction | None = None
    """``None``: by what each file imports."""
    fidelity: Fidelity = Fidelity.IDIOMATIC
    delay: float = 0.4
    """Seconds without a keystroke after which a file is looked at."""
    notes: bool = True
    """Whether known deviations are shown."""
    mappings: tuple[str, ...] = ()
    """Tables of the user's own."""


@dataclass(frozen=True, slots=True)
class Analysis:
    """The state of a text."""

    text: str
    direction: Direction | None = None
    """``None`` where the file names neither framework."""
    result: Result | None = None
    named: tuple[Named, ...] = ()

    @property
    def findings(self) -> tuple[Diagnostic, ...]:
        if isinstance(self.result, Translation):
            return self.result.diagnostics
        error = self.result
        if error is None:
            return ()
        return (Diagnostic(error.line, error.column, error.code, Severity.ERROR, error.message, error.hint),)

    def api_at(self, line: int, column: int) -> Named | None:
        """The API that is named at a place (line from 1, column from 0): the shortest name that holds it."""
        here = [n for n in self.named if n.line == line and n.start <= column <= n.end]
        return min(here, key=lambda n: n.end - n.start, default=None)


def analyse(path: str, text: str, settings: Settings, read: Read) -> Analysis:
    """Translate an open file, with what it imports from its project."""
    direction = settings.direction or direction_of(text)
    if direction is None:
        return Analysis(text)
    named: list[Named] = []

    def watch(seen: str, tree: cst.Module, ctx: Context) -> None:
        if seen == path:
            named.extend(_named(tree, ctx))

    result = _run(path, text, options(settings, direction), read, watch=watch)
    return Analysis(text, direction, result, tuple(named))


def translate_lines(path: str, analysis: Analysis, lines: tuple[int, int], settings: Settings, read: Read) -> Result:
    """The file with only the statements that the lines (from 1, both included) touch translated."""
    assert analysis.direction is not None
    return _run(path, analysis.text, options(settings, analysis.direction), read, lines={path: lines})


def options(settings: Settings, direction: Direction) -> Options:
    """The options of a translation."""
    return replace(Options(), direction=direction, fidelity=settings.fidelity, mappings=settings.mappings)


def direction_of(text: str) -> Direction | None:
    """Which framework a file uses; of both, the one that it imports more often, PyTorch on a tie."""
    found = {
        Direction.TORCH2TF: len(re.findall(r"^[ \t]*(?:import|from)[ \t]+torch\b", text, re.MULTILINE)),
        Direction.TF2TORCH: len(re.findall(r"^[ \t]*(?:import|from)[ \t]+(?:tensorflow|keras)\b", text, re.MULTILINE)),
    }
    best = max(found, key=lambda direction: found[direction])
    return best if found[best] else None


def _run(path: str, text: str, options: Options, read: Read, **extra: Any) -> Result:
    try:
        data = source.encode(text)
        sources = {path: data, **_imported(path, data, read)}
        return translate_sources(sources, options, **extra)[path]
    except InputError as error:
        return error
    except TableError as error:
        return InputError(f"a table of yours is not in order: {error}", code="XL007")
    except Exception as error:  # a defect of ours costs this file's findings, not the session
        return crash(error)


def _imported(path: str, data: bytes, read: Read) -> dict[str, bytes]:
    """The files of the project that a file imports, and those that they import."""
    out: dict[str, bytes] = {}
    todo = [(path, data)]
    while todo and len(out) < MAX_FILES:
        here, content = todo.pop(0)
        try:
            wanted = references(source.parse(source.decode(content)[0]))
        except InputError:
            continue
        for level, module, name in wanted:
            for target in _files(here, level, module, name):
                if target != path and target not in out and (found := read(target)) is not None:
                    out[target] = found
                    todo.append((target, found))
    return out


def _files(path: str, level: int, module: str, name: str) -> list[str]:
    """Where the module of an import may lie."""
    folder = os.path.dirname(os.path.abspath(path))
    starts = [folder]
    if level:
        starts = [os.path.normpath(os.path.join(folder, *[".."] * (level - 1)))]
    elif depth := module_name(path).count("."):
        starts.append(os.path.normpath(os.path.join(folder, *[".."] * depth)))
    out = []
    for start in starts:
        base = os.path.join(start, *module.split(".")) if module else start
        names = [base, os.path.join(base, name)] if name and name != "*" else [base]
        out += [f"{one}.py" for one in names if one != start] + [os.path.join(one, "__init__.py") for one in names]
    return out


def _named(tree: cst.Module, ctx: Context) -> list[Named]:
    """The names of APIs in a file: what is called, and what is only named."""
    where = places(tree)
    out = []
    for call in ctx.facts.calls.values():
        node = call.node
        name = node.func.attr if isinstance(node.func, cst.Attribute) else node.func
        if node in where and name in where and not call.api.endswith(".__call__"):
            out.append(_name(where[name], call.api))
    for direct in ctx.facts.direct:
        value = ctx.facts.value(direct)
        if direct in where and isinstance(value, Api):
            out.append(_name(where[direct], ctx.tables.canonical(value.name)))
    return [one for one in out if one is not None]


def _name(span: Any, api: str) -> Named | None:
    if span.start.line != span.end.line:
        return None
    return Named(span.start.line, span.start.column, span.end.column, api)


def definitions(text: str, line: int) -> list[tuple[str, str, int, int]]:
    """The classes and functions around a line (from 1), innermost first: kind, name, first and last line.

    Methods are no choice of their own: a class is translated whole.
    """
    try:
        tree = source.parse(text)
    except InputError:
        return []
    out: list[tuple[str, str, int, int]] = []
    body: list[ast.stmt] = tree.body
    while body:
        around = [node for node in body if _first(node) <= line <= (node.end_lineno or node.lineno)]
        body = []
        for node in around:
            if isinstance(node, ast.ClassDef):
                out.insert(0, ("class", node.name, _first(node), node.end_lineno or node.lineno))
            elif isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                out.insert(0, ("function", node.name, _first(node), node.end_lineno or node.lineno))
                continue
            if not isinstance(node, ast.ClassDef):
                body = [child for child in ast.iter_child_nodes(node) if isinstance(child, ast.stmt)]
    return out


def _first(node: ast.stmt) -> int:
    decorators: list[ast.expr] = getattr(node, "decorator_list", [])
    return min([node.lineno, *(decorator.lineno for decorator in decorators)])
