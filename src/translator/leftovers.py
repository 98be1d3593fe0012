"""What a translation still uses of the source framework: each such place is told of, whatever the rules said."""

from __future__ import annotations

import ast
import re
from collections import Counter
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass

from . import syntax
from .infer.dialect import DIALECTS
from .infer.imports import framework_name
from .markers import MARKER, marker
from .model import Diagnostic, Direction, Severity

HINT = "translate what uses it by hand"


@dataclass(frozen=True, slots=True)
class Unit:
    """A simple statement, or the head of a compound one: what is translated or left as a whole."""

    node: ast.stmt
    parts: tuple[ast.AST, ...]
    """What belongs to it: the statement itself, or the expressions of its head."""
    around: tuple[ast.stmt, ...]
    """The compound statements that it stands in, outer ones first."""

    @property
    def first(self) -> int:
        """The first of its lines, from 1: of a definition, that of its first decorator."""
        return first_line(self.node)

    @property
    def last(self) -> int:
        """The last of its lines."""
        if self.parts == (self.node,):
            return self.node.end_lineno or self.node.lineno
        ends: list[int] = [getattr(part, "end_lineno", None) or 0 for part in self.parts]
        return max(self.node.lineno, *ends, 0)

    def key(self) -> str:
        """The same for all units with the same code, wherever they stand."""
        head = getattr(self.node, "name", "") if self.parts != (self.node,) else ""
        return f"{type(self.node).__name__} {head} " + " ".join(ast.dump(part) for part in self.parts)


def first_line(node: ast.stmt) -> int:
    """The first line of a statement, from 1: of a definition, that of its first decorator."""
    decorators: list[ast.expr] = getattr(node, "decorator_list", [])
    return min(node.lineno, *(d.lineno for d in decorators), node.lineno)


def units(tree: ast.Module) -> Iterator[Unit]:
    """Every simple statement and every head of a compound one, in source order."""
    todo: list[tuple[ast.stmt, tuple[ast.stmt, ...]]] = [(node, ()) for node in reversed(tree.body)]
    while todo:
        node, around = todo.pop()
        if type(node) in syntax.SIMPLE:
            yield Unit(node, (node,), around)
            continue
        yield Unit(node, tuple(_head(node)), around)
        inner = (*around, node)
        todo += [(statement, inner) for statement in reversed(list(_inside(node)))]


def _head(node: ast.AST) -> Iterator[ast.AST]:
    """The parts of a compound statement that are in none of its blocks."""
    for name in node._fields:
        value = getattr(node, name, None)
        for item in value if isinstance(value, list) else [value]:
            if isinstance(item, ast.ExceptHandler | ast.match_case):
                yield from _head(item)
            elif isinstance(item, ast.AST) and not (name in syntax.BLOCKS and isinstance(item, ast.stmt)):
                yield item


def _inside(node: ast.AST) -> Iterator[ast.stmt]:
    for name in syntax.BLOCKS:
        block = getattr(node, name, None)
        for item in block if isinstance(block, list) else ():
            if isinstance(item, ast.stmt):
                yield item
            else:
                yield from _inside(item)


def imports_framework(tree: ast.Module, direction: Direction) -> bool:
    """Whether a program imports the source framework, or a part of another library that is made for it."""
    roots = DIALECTS[direction].roots
    parts = roots | {"pytorch"} if direction is Direction.TORCH2TF else roots  # `einops.layers.torch` and the like
    for block in syntax.blocks(tree):
        for node in block:
            names: list[str] = []
            if isinstance(node, ast.Import):
                names = [alias.name for alias in node.names]
            elif isinstance(node, ast.ImportFrom) and node.module:
                names = [node.module, *(f"{node.module}.{alias.name}" for alias in node.names)]
            if any(parts.intersection(name.split(".")) for name in names):
                return True
    return False


def bound(tree: ast.Module, roots: Collection[str], project: Collection[str] = ()) -> dict[str, str]:
    """The names that a program's imports give to something of the framework, to what that is."""
    out: dict[str, str] = {}
    for block in syntax.blocks(tree):
        for node in block:
            if isinstance(node, ast.Import):
                for alias in node.names:
                    if _of(alias.name, roots, project):
                        name = alias.asname or alias.name.split(".")[0]
                        out[name] = alias.name if alias.asname else name
            elif isinstance(node, ast.ImportFrom) and not node.level and _of(node.module or "", roots, project):
                out |= {alias.asname or alias.name: f"{node.module}.{alias.name}" for alias in node.names}
    return out


def _of(name: str, roots: Collection[str], project: Collection[str]) -> bool:
    return framework_name(name).split(".")[0] in roots and name not in project


def uses(unit: Unit, names: dict[str, str]) -> str:
    """The first use of one of the names in a unit, dotted; ``""`` if there is none."""
    if isinstance(unit.node, ast.Import | ast.ImportFrom):
        return ""
    hidden = {a.arg for f in (*unit.around, unit.node) if isinstance(f, ast.FunctionDef | ast.AsyncFunctionDef)
              for a in ast.walk(f.args) if isinstance(a, ast.arg)}  # fmt: skip
    for part in unit.parts:
        found = _use(part, names.keys() - hidden)
        if found:
            head, _, rest = found.partition(".")
            return f"{names[head]}.{rest}" if rest else names[head]
    return ""


def _use(node: ast.AST, names: Collection[str]) -> str:
    """The longest dotted name below a node that begins with one of the names."""
    todo: list[tuple[ast.AST, str]] = [(node, "")]
    while todo:
        node, rest = todo.pop()
        if isinstance(node, ast.Attribute):
            todo.append((node.value, f".{node.attr}{rest}"))
        elif isinstance(node, ast.Name):
            if node.id in names and isinstance(node.ctx, ast.Load):
                return node.id + rest
        else:
            todo += [(child, "") for child in reversed(list(ast.iter_child_nodes(node)))]
    return ""


def silent(
    before: ast.Module, after: ast.Module, text: str, found: Iterable[Diagnostic], roots: Collection[str],
    project: Collection[str] = (),
) -> list[tuple[int, str, int]]:  # fmt: skip
    """The places that the translation leaves to the framework without a word: the source's line, the name, and the
    translation's line.

    Args:
        before, after, text: the source's tree, the translation's tree and text.
        found: the diagnostics of the translation.
        roots: the framework's packages.
        project: dotted names of modules that are no framework, whatever they are called.
    """
    names = bound(after, roots, project)
    if not names:
        return []
    told = {d.line for d in found if d.severity is Severity.ERROR}
    lines = text.split("\n")
    origins: dict[str, list[Unit]] = {}
    for unit in units(before):
        if not isinstance(unit.node, ast.Import | ast.ImportFrom):
            origins.setdefault(unit.key(), []).append(unit)
    nth: Counter[str] = Counter()
    out = []
    for unit in units(after):
        key = unit.key()
        nth[key] += 1
        name = uses(unit, names)
        if not name or _marked(lines, unit):
            continue
        origin = origins.get(key, [])
        home = origin[min(nth[key], len(origin)) - 1] if origin else None
        line = home.first if home is not None else _line_of(before, name, names)
        if not (_told(home, told) if home is not None else line in told):
            out.append((line, name, unit.first))
    return out


def _marked(lines: list[str], unit: Unit) -> bool:
    """Whether a marker stands right above a unit, or above a statement that it stands in."""
    return any(_marker_above(lines, first_line(node)) for node in (unit.node, *unit.around))


def _marker_above(lines: list[str], line: int) -> bool:
    for text in reversed(lines[: line - 1]):
        text = text.lstrip()
        if text.startswith(MARKER):
            return True
        if text and not text.startswith("#"):
            return False
    return False


def _told(unit: Unit, told: set[int]) -> bool:
    """Whether a finding stands within a unit, or in the first line of a statement that it is part of."""
    own = any(line in told for line in range(unit.first, unit.last + 1))
    return own or any(n.lineno in told for n in unit.around)


def _line_of(before: ast.Module, name: str, names: dict[str, str]) -> int:
    """The first line of the source that uses the name, or 1."""
    return next((unit.first for unit in units(before) if uses(unit, names) == name), 1)


def leftovers(
    before: ast.Module, after: ast.Module, texts: tuple[str, str], found: tuple[Diagnostic, ...],
    roots: frozenset[str], project: Collection[str] = (),
) -> tuple[str, tuple[Diagnostic, ...]]:  # fmt: skip
    """Whatever is still used of the source framework is said, even where no rule refused it.

    Args:
        texts: the source's and the translation's text.
        project: dotted names of the modules that are translated together: whatever they are called, they are no
            framework.

    Returns:
        The translation's text with markers at such places, and the diagnostics.
    """
    out = silent(before, after, texts[1], found, roots, project)
    if not out and not any(d.severity is Severity.ERROR for d in found):
        out = list(_imported(texts[0], after, roots, project))
    if not out:
        return texts[1], ()
    lines = texts[1].split("\n")
    for line, name in sorted({(line, name) for _, name, line in out}, reverse=True):
        statement = lines[line - 1]
        indent = statement[: len(statement) - len(statement.lstrip())]
        end = "\r" if statement.endswith("\r") else ""
        lines.insert(line - 1, f"{indent}{marker('XL212', _message(name))}{end}")
    said = {Diagnostic(line, 1, "XL212", Severity.ERROR, _message(name), HINT) for line, name, _ in out}
    return "\n".join(lines), tuple(sorted(said))


def _message(name: str) -> str:
    return f"{name} is still used in the translation"


def _imported(
    before: str, tree: ast.Module, roots: Collection[str], project: Collection[str]
) -> Iterator[tuple[int, str, int]]:
    """What is still imported though no code uses it: in quoted annotations, ``__all__``, with a star."""
    for node in (statement for block in syntax.blocks(tree) for statement in block):
        names = [a.name for a in node.names] if isinstance(node, ast.Import) else []
        if isinstance(node, ast.ImportFrom) and not node.level:
            names = [node.module or ""]
        for name in names:
            if _of(name, roots, project):
                at = re.search(rf"^[ \t]*(?:import|from)[ \t].*\b{re.escape(name)}\b", before, re.MULTILINE)
                yield before.count("\n", 0, at.start()) + 1 if at else 1, name, node.lineno
