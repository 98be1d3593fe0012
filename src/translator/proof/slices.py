"""Which statements of a function feed one of them: the code to look at where a value is wrong."""

from __future__ import annotations

import ast
from collections.abc import Iterator, Set

Function = ast.FunctionDef | ast.AsyncFunctionDef
Good = Set[tuple[str, int]]
"""(variable, line of the statement that binds it) of values that are known to be right."""


def feeding(function: Function, line: int, good: Good) -> tuple[int, int] | None:
    """The first and last line of what feeds the statement at ``line``, as far as it is not known to be right.

    Branches and loops are read from the end to the start, as if each statement ran once.
    """
    pieces = list(_pieces(function.body))
    at = next((i for i, p in enumerate(pieces) if p.lineno <= line <= _end(p)), None)
    if at is None:
        return None
    seed = pieces[at]
    first = seed.lineno
    wanted = _loads(seed)
    for piece in reversed(pieces[:at]):
        bound = _stores(piece)
        if not bound & wanted:
            continue
        right = {name for name in bound for n in range(piece.lineno, _end(piece) + 1) if (name, n) in good}
        if not bound & wanted - right:
            wanted -= right
            continue
        first = min(first, piece.lineno)
        if isinstance(piece, ast.Assign | ast.AnnAssign) and not _partly(piece):
            wanted -= bound
        wanted |= _loads(piece)
    return first, _end(seed)


def using(function: Function, line: int, until: int | None = None) -> tuple[int, int] | None:
    """The lines from the statement at ``line`` to the last that uses what it binds; ``None`` if it binds nothing.

    With ``until``, a later line, what is computed from it up to there counts too.
    """
    pieces = list(_pieces(function.body))
    at = next((i for i, p in enumerate(pieces) if p.lineno <= line <= _end(p)), None)
    bound = _stores(pieces[at]) if at is not None else set()
    if at is None or not bound:
        return None
    last = _end(pieces[at])
    for piece in pieces[at + 1 :]:
        if until is not None and piece.lineno > until:
            break
        if _loads(piece) & bound:
            last = max(last, _end(piece))
            if until is not None:
                bound |= _stores(piece)
                continue
        if isinstance(piece, ast.Assign | ast.AnnAssign) and not _partly(piece):
            bound -= _stores(piece)
    return pieces[at].lineno, last


def function_at(tree: ast.Module, line: int) -> Function | None:
    """The innermost function around a line."""
    around = [n for n in ast.walk(tree) if isinstance(n, Function) and n.lineno <= line <= (n.end_lineno or n.lineno)]
    return max(around, key=lambda n: n.lineno, default=None)


def _pieces(body: list[ast.stmt]) -> Iterator[ast.stmt | ast.expr]:
    """Statements in the order of the text; of those that hold others, what stands in their head."""
    for node in body:
        if isinstance(node, Function | ast.ClassDef):
            continue
        if isinstance(node, ast.For | ast.AsyncFor):
            yield ast.copy_location(ast.Assign([node.target], node.iter), node.iter)
        elif isinstance(node, ast.With | ast.AsyncWith):
            yield from (item.context_expr for item in node.items)
        elif isinstance(node, ast.If | ast.While):
            yield node.test
        elif isinstance(node, ast.Match):
            yield node.subject
        elif not isinstance(node, ast.Try):
            yield node
        for field in ("body", "handlers", "orelse", "finalbody", "cases"):
            for inner in getattr(node, field, ()):
                yield from _pieces([inner] if isinstance(inner, ast.stmt) else inner.body)


def _end(node: ast.stmt | ast.expr) -> int:
    return node.end_lineno or node.lineno


def _loads(node: ast.AST) -> set[str]:
    names = {n.id for n in ast.walk(node) if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Load)}
    if isinstance(node, ast.AugAssign):
        names |= _stores(node)
    return names - {"self"}


def _stores(node: ast.AST) -> set[str]:
    """Names that a statement binds, or of which it changes a part."""
    names = {n.id for n in ast.walk(node) if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Store)}
    for n in ast.walk(node):
        if isinstance(n, ast.Subscript | ast.Attribute) and isinstance(n.ctx, ast.Store):
            names |= {inner.id for inner in ast.walk(n.value) if isinstance(inner, ast.Name)}
    if isinstance(node, ast.Expr) and isinstance(node.value, ast.Call) and isinstance(node.value.func, ast.Attribute):
        owner = node.value.func.value  # a method that changes its object: ``parts.append(x)``, ``x.add_(1)``
        names |= {owner.id} if isinstance(owner, ast.Name) else set()
    return names - {"self"}


def _partly(node: ast.Assign | ast.AnnAssign) -> bool:
    targets = node.targets if isinstance(node, ast.Assign) else [node.target]
    return any(isinstance(n, ast.Subscript | ast.Attribute) for t in targets for n in ast.walk(t))
