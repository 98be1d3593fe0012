"""Lines and columns of nodes, without generating the code of the whole file a second time.

LibCST's trees carry no positions. The standard library's do, and statements correspond one to one: each statement that
holds a wanted node is generated alone, from where it is known to begin.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import libcst as cst
from libcst._nodes.internal import CodegenState

_LINE = re.compile(r"[^\r\n]*(?:\r\n|\r|\n|$)")
Place = tuple[int, int]
"""Line and column, both from 1."""

Indents = tuple[str | None, ...]
"""The indentation of the blocks that a statement stands in; ``None`` for the file's usual one."""

_EMPTY = cst.SimpleStatementSuite([cst.Pass()])


class _Positions(CodegenState):
    """Generates code and notes where wanted nodes begin."""

    line, column = 1, 0

    def want(self, wanted: set[cst.CSTNode], out: dict[cst.CSTNode, Place]) -> _Positions:
        self.wanted, self.out = wanted, out
        return self

    def add_token(self, value: str) -> None:
        breaks = value.count("\n")
        if breaks:
            self.line += breaks
            self.column = len(value) - value.rfind("\n") - 1
        else:
            self.column += len(value)

    def add_indent_tokens(self) -> None:
        self.column += sum(map(len, self.indent_tokens))

    def record_syntactic_position(self, node: cst.CSTNode, **kwargs: Any) -> Any:
        if node in self.wanted and node not in self.out:
            self.out[node] = (self.line, self.column + 1)
        return super().record_syntactic_position(node, **kwargs)


def places(
    module: cst.Module, tree: ast.Module, text: str, wanted: set[cst.CSTNode], homes: Mapping[Any, Any]
) -> dict[cst.CSTNode, Place]:
    """Where wanted nodes begin.

    Args:
        module: the file, as it was parsed.
        tree: the standard library's tree of the same ``text``.
        homes: for nodes, the statements that they stand in, where that is known.
    """
    out: dict[cst.CSTNode, Place] = {}
    hosts = {homes[n] for n in wanted if n in homes}
    if hosts:
        lines = _LINE.findall(text)
        for statement, twin, indents in _statements(module.body, tree.body, ()):
            if statement in hosts:
                tokens = [module.default_indent if i is None else i for i in indents]
                state = _Positions(module.default_indent, module.default_newline, indent_tokens=tokens)
                _generate(statement, twin, state.want(wanted, out), lines)
    if len(out) < len(wanted):
        out = positions(module, wanted) | out
    return out


def positions(module: cst.Module, wanted: set[cst.CSTNode]) -> dict[cst.CSTNode, Place]:
    """Where wanted nodes begin, by generating the code of the whole file."""
    state = _Positions(module.default_indent, module.default_newline).want(wanted, {})
    module._codegen(state)
    return state.out


def _statements(body: Sequence[Any], twins: Sequence[Any], indents: Indents) -> Iterator[tuple[Any, Any, Indents]]:
    """Every statement line, suite and compound statement, with its twins in the other tree and its indentation."""
    number = 0
    for statement in body:
        if isinstance(statement, cst.SimpleStatementLine):
            yield statement, twins[number : number + len(statement.body)], indents
            number += len(statement.body)
        else:
            yield statement, twins[number], indents
            yield from _inner(statement, twins[number], indents)
            number += 1


def _inner(node: Any, twin: Any, indents: Indents) -> Iterator[tuple[Any, Any, Indents]]:
    """The statements in the bodies of a compound statement, an ``except``, a ``case``."""
    for name in ("body", "orelse", "finalbody"):
        part: Any = getattr(node, name, None)
        below: Any = getattr(twin, name, ())
        if isinstance(part, cst.If):
            yield part, below[0], indents
            yield from _inner(part, below[0], indents)
            continue
        block = part.body if isinstance(part, cst.Else | cst.Finally) else part
        if isinstance(block, cst.IndentedBlock):
            yield from _statements(block.body, below, (*indents, block.indent))
        elif block is not None:
            yield block, below, indents
    for name in ("handlers", "cases"):
        for one, other in zip(getattr(node, name, ()), getattr(twin, name, ())):
            yield from _inner(one, other, indents)


def _generate(statement: Any, twin: Any, state: _Positions, lines: list[str]) -> None:
    """Generate a statement: of a compound one only the header."""
    if isinstance(statement, cst.SimpleStatementLine | cst.SimpleStatementSuite):
        for small, one in zip(statement.body, twin, strict=True):
            state.line, state.column = one.lineno, _column(one, lines)
            if small is statement.body[0] and statement in state.wanted:
                state.out[statement] = (state.line, state.column + 1)
            small._codegen(state)
        return
    if isinstance(statement, cst.Try | cst.TryStar):  # which has no header
        state.out[statement] = (twin.lineno, _column(twin, lines) + 1)
        return
    decorators = getattr(twin, "decorator_list", None)
    state.line, state.column = (decorators or [twin])[0].lineno, 0
    changes = {name: value for name, value in _NO_BODY.items() if hasattr(statement, name)}
    header = statement.with_changes(**changes)
    if statement in state.wanted:
        state.wanted = {*state.wanted, header}
    if isinstance(header, cst.If):
        header._codegen(state, is_elif=lines[twin.lineno - 1].lstrip().startswith("elif"))
    else:
        header._codegen(state)
    if header in state.out:
        state.out[statement] = state.out.pop(header)


_NO_BODY: dict[str, Any] = {"body": _EMPTY, "orelse": None, "finalbody": None, "leading_lines": ()}


def _column(node: ast.stmt, lines: list[str]) -> int:
    """The column in characters: `ast` counts the bytes of UTF-8."""
    line = lines[node.lineno - 1]
    return node.col_offset if line.isascii() else len(line.encode()[: node.col_offset].decode())
