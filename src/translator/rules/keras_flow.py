"""Control flow of an ``__init__`` that is still being written: its bodies grow until it is settled."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import libcst as cst

from .. import nodes


@dataclass(slots=True, eq=False)
class Branches:
    """An ``if``: one body, or two where there is an ``else``."""

    node: Any
    test: Any
    bodies: list[list[Any]]
    chained: bool = False
    """Whether the second body is an ``elif``."""


@dataclass(slots=True, eq=False)
class Turns:
    """A ``for``."""

    target: Any
    iterated: Any
    body: list[Any] = field(default_factory=list)


def settled(items: Sequence[Any]) -> list[Any]:
    """The statements that are left."""
    out: list[Any] = []
    for item in items:
        if isinstance(item, Branches):
            made = choice(item.node, item.test, [settled(b) for b in item.bodies], item.chained)
            out += [made] if made is not None else []
        elif isinstance(item, Turns):
            body = settled(item.body)
            out += [cst.For(item.target, item.iterated, cst.IndentedBlock(body))] if body else []
        else:
            out.append(item)
    return out


def choice(node: Any, test: Any, bodies: list[list[Any]], chained: bool) -> Any:
    """The ``if`` with what is left of its branches; ``None`` if nothing is."""
    if not any(bodies):
        return None
    other: Any = None
    if len(bodies) > 1 and bodies[1]:
        if chained and len(bodies[1]) == 1 and isinstance(bodies[1][0], cst.If):
            other = bodies[1][0].with_changes(leading_lines=[])
        else:
            other = cst.Else(cst.IndentedBlock(bodies[1]))
    lines = [x for x in node.leading_lines if x.comment] if isinstance(node, cst.If) else []
    if not bodies[0]:
        if other is None:
            return None
        body = other.body if isinstance(other, cst.Else) else cst.IndentedBlock([other])
        return cst.If(negated(test), body, leading_lines=lines)
    return cst.If(test, cst.IndentedBlock(bodies[0]), other, leading_lines=lines)


OPPOSITE = {cst.Equal: cst.NotEqual, cst.NotEqual: cst.Equal, cst.Is: cst.IsNot, cst.IsNot: cst.Is,
            cst.In: cst.NotIn, cst.NotIn: cst.In}  # fmt: skip


def negated(test: Any) -> Any:
    """``not test``, as one would write it."""
    if isinstance(test, cst.UnaryOperation) and isinstance(test.operator, cst.Not):
        return nodes.bare(test.expression, test)
    if isinstance(test, cst.Comparison) and len(test.comparisons) == 1:
        kind: Any = OPPOSITE.get(type(test.comparisons[0].operator))
        if kind is not None:
            return test.with_changes(comparisons=[test.comparisons[0].with_changes(operator=kind())])
    return cst.UnaryOperation(cst.Not(), nodes.parenthesized(test))


def unused(body: list[Any], later: set[str]) -> list[Any]:
    """The statements without assignments that nothing reads: ``bn_axis = 3``, channels that nobody asks for."""
    while True:
        read = set(later)
        for statement in body:
            read |= reads(statement)
        kept = without_dead(body, read)
        if kept is body:
            return body
        body = kept


def without_dead(body: Sequence[Any], read: set[str]) -> Any:
    """A body without dead assignments; the body itself if there are none."""
    out: list[Any] = []
    for statement in body:
        if is_dead(statement, read):
            continue
        if isinstance(statement, cst.For | cst.If) and isinstance(statement.body, cst.IndentedBlock):
            statement = without_dead_inside(statement, read)
            if statement is None:
                continue
        out.append(statement)
    same = len(out) == len(body) and all(a is b for a, b in zip(out, body, strict=True))
    return body if same else out


def without_dead_inside(node: Any, read: set[str]) -> Any:
    """An ``if`` or ``for`` with its bodies cleaned; ``None`` if nothing is left of it."""
    body = without_dead(node.body.body, read)
    orelse = getattr(node, "orelse", None)
    other = orelse
    if isinstance(orelse, cst.If):
        other = without_dead_inside(orelse, read)
    elif isinstance(orelse, cst.Else):
        inner = without_dead(orelse.body.body, read)
        if inner is not orelse.body.body:
            other = orelse.with_changes(body=cst.IndentedBlock(inner)) if inner else None
    if body is node.body.body and other is orelse:
        return node
    if isinstance(node, cst.For):
        return node.with_changes(body=cst.IndentedBlock(body)) if body else None
    rest = [] if other is None else list(other.body.body) if isinstance(other, cst.Else) else [other]
    return choice(node, node.test, [list(body), rest], isinstance(other, cst.If))


def is_dead(statement: Any, read: set[str]) -> bool:
    if not isinstance(statement, cst.SimpleStatementLine) or len(statement.body) != 1:
        return False
    small = statement.body[0]
    if not isinstance(small, cst.Assign):
        return False
    names = [t.target.value if isinstance(t.target, cst.Name) else "" for t in small.targets]
    plain = isinstance(small.value, cst.Integer | cst.UnaryOperation | cst.SimpleString | cst.Name)
    return all(n and n not in read and (plain or n.endswith("channels")) for n in names)


def reads(node: Any) -> set[str]:
    """The names that a statement reads."""
    out: set[str] = set()

    class Reads(cst.CSTVisitor):
        def visit_Name(self, one: cst.Name) -> None:
            out.add(one.value)

        def visit_AssignTarget(self, one: cst.AssignTarget) -> bool:
            return not isinstance(one.target, cst.Name)

        def visit_Attribute(self, one: cst.Attribute) -> bool:
            one.value.visit(self)
            return False

        def visit_Arg(self, one: cst.Arg) -> bool:
            one.value.visit(self)
            return False

        def visit_Param(self, one: cst.Param) -> bool:
            if one.default is not None:
                one.default.visit(self)
            return False

        def visit_Lambda(self, one: cst.Lambda) -> bool:
            own = {p.name.value for p in (*one.params.params, *one.params.kwonly_params)}
            out.update(reads(one.body) - own)
            one.params.visit(self)
            return False

        def comprehension(self, one: cst.BaseComp) -> bool:
            out.update(free_in(one))
            return False

        visit_ListComp = visit_SetComp = visit_DictComp = visit_GeneratorExp = comprehension

    node.visit(Reads())
    return out


def free_in(node: Any) -> set[str]:
    """The names that a comprehension reads from around it."""
    bound: set[str] = set()
    loop = node.for_in
    inner: list[Any] = [node.key, node.value] if isinstance(node, cst.DictComp) else [node.elt]
    while loop is not None:
        bound |= {n.value for n in nodes.walk(loop.target) if isinstance(n, cst.Name)}
        inner += [loop.iter] if loop is not node.for_in else []
        inner += [c.test for c in loop.ifs]
        loop = loop.inner_for_in
    return (set().union(*(reads(part) for part in inner)) - bound) | reads(node.for_in.iter)
