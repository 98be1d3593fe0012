"""Fast passes over the standard library's syntax trees: `ast.walk` looks at every field of every node."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from functools import cache
from typing import Any

_LEAVES = frozenset({
    "arg", "asname", "attr", "conversion", "ctx", "id", "is_async", "kind", "level", "module", "n", "op", "ops", "rest",
    "simple", "tag", "type_comment", "type_ignores", "kwd_attrs",
})  # fmt: skip
"""Fields that hold no node, or one without any content (``Load()``, ``Add()``)."""
BLOCKS = ("body", "orelse", "finalbody", "handlers", "cases")


@cache
def _fields(kind: type[ast.AST]) -> tuple[str, ...]:
    if issubclass(kind, ast.Constant | ast.Global | ast.Nonlocal):
        return ()
    return tuple(f for f in kind._fields if f not in _LEAVES)


def walk(tree: ast.AST) -> Iterator[ast.AST]:
    """Every node that has a content: no operators and contexts. The order is no particular one."""
    todo: list[ast.AST] = [tree]
    pop, push = todo.pop, todo.append
    while todo:
        node = pop()
        yield node
        kind: Any = type(node)
        for name in _fields(kind):
            value = getattr(node, name)
            if type(value) is list:
                todo += [v for v in value if v is not None]
            elif value is not None and type(value) is not str:
                push(value)


def blocks(tree: ast.AST) -> Iterator[list[ast.stmt]]:
    """Every block of statements, outer ones first."""
    todo: list[ast.AST] = [tree]
    while todo:
        node = todo.pop()
        for name in BLOCKS:
            found = getattr(node, name, None)
            if type(found) is list and found:
                if isinstance(found[0], ast.stmt):
                    yield found
                    todo += [s for s in found if type(s) not in SIMPLE]
                else:
                    todo += found


SIMPLE = frozenset({
    ast.Expr, ast.Assign, ast.AnnAssign, ast.AugAssign, ast.Return, ast.Raise, ast.Assert, ast.Import, ast.ImportFrom,
    ast.Pass, ast.Break, ast.Continue, ast.Delete, ast.Global, ast.Nonlocal,
})  # fmt: skip
