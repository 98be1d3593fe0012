"""Small pure functions over LibCST nodes: build them, compare them, fill templates."""

from __future__ import annotations

import ast
import dataclasses
from collections.abc import Callable, Collection, Iterator, Mapping
from functools import cache, lru_cache
from typing import Any

import libcst as cst

from .tables.schema import HOLE

ATOMS = (
    cst.Name, cst.Attribute, cst.Call, cst.Subscript, cst.Integer, cst.Float, cst.SimpleString, cst.List, cst.Dict,
    cst.Set, cst.ListComp, cst.FormattedString, cst.Ellipsis, cst.DictComp, cst.SetComp,
)  # fmt: skip

_SKIPPED = (
    "whitespace", "lpar", "rpar", "lbracket", "rbracket", "lbrace", "rbrace", "comma", "semicolon", "header", "footer",
    "leading_lines", "lines_after", "lines_between", "equal", "dot", "operator", "colon", "first_colon",
    "second_colon", "trailing_whitespace", "relative", "encoding", "default_", "has_trailing", "indent",
)  # fmt: skip

_FIELDS: dict[type, tuple[str, ...]] = {
    cst.Attribute: ("value",), cst.Arg: ("value",), cst.Param: ("annotation", "default"), cst.Name: (),
    cst.Integer: (), cst.Float: (), cst.SimpleString: (), cst.Import: (), cst.ImportFrom: (), cst.Global: (),
    cst.Nonlocal: (), cst.AsName: (), cst.Asynchronous: (),
}  # fmt: skip


@cache
def child_fields(kind: type) -> tuple[str, ...]:
    """The fields of a node type that hold code, in order: no whitespace, punctuation or mere identifiers."""
    if kind in _FIELDS:
        return _FIELDS[kind]
    return tuple(f.name for f in dataclasses.fields(kind) if not f.name.startswith(_SKIPPED))


_NO_NODES = frozenset({type(None), str, bool, cst.MaybeSentinel})
"""What such a field may hold instead. (An ``isinstance`` of an abstract class would take most of the time.)"""


def parse_module(text: str) -> cst.Module:
    """LibCST's tree of a program.

    LibCST checks each node that is made, which is two fifths of the time that parsing takes; what its parser
    makes is in order.

    Raises:
        cst.ParserSyntaxError: it is not Python that LibCST reads.
    """
    cst.CSTNode.__post_init__ = _unchecked  # type: ignore[assignment, method-assign]
    try:
        return cst.parse_module(text)
    finally:
        cst.CSTNode.__post_init__ = _checked  # type: ignore[method-assign]


_checked = cst.CSTNode.__post_init__


def _unchecked(node: cst.CSTNode) -> None:
    """Stands for the check of a node."""


def rebuild(node: Any, visit: Callable[[Any], Any]) -> Any:
    """The node with each child replaced by ``visit(child)``; the node itself if none changed."""
    changes: dict[str, Any] = {}
    kind: Any = type(node)
    for name in child_fields(kind):
        child = getattr(node, name)
        if type(child) is tuple or type(child) is list:
            items = [visit(c) for c in child]
            if any(a is not b for a, b in zip(items, child, strict=True)):
                changes[name] = items
        elif type(child) not in _NO_NODES and isinstance(child, cst.CSTNode):
            new = visit(child)
            if new is not child:
                changes[name] = new
    return node.with_changes(**changes) if changes else node


_PLACES: dict[type, tuple[str, ...]] = {
    cst.Parameters: ("posonly_params", "posonly_ind", "params", "star_arg", "kwonly_params", "star_kwarg"),
    cst.Arg: ("keyword", "value"), cst.IfExp: ("body", "test", "orelse"),
    cst.CompFor: ("asynchronous", "target", "iter", "ifs", "inner_for_in"),
    cst.ExceptHandler: ("type", "name", "body"), cst.ExceptStarHandler: ("type", "name", "body"),
    cst.FunctionDef: ("decorators", "asynchronous", "name", "type_parameters", "params", "returns", "body"),
    cst.ClassDef: ("decorators", "name", "type_parameters", "bases", "keywords", "body"),
    cst.With: ("asynchronous", "items", "body"), cst.For: ("asynchronous", "target", "iter", "body", "orelse"),
    cst.MatchCase: ("pattern", "guard", "body"), cst.TypeAlias: ("name", "type_parameters", "value"),
}  # fmt: skip
"""The fields that hold code, in the order in which it stands, where that is not the order of the fields."""


@cache
def _places(kind: type) -> tuple[str, ...]:
    """The fields in which a type of node may hold others that are code; nothing for what is no node."""
    if kind in _PLACES:
        return _PLACES[kind]
    if not issubclass(kind, cst.CSTNode):
        return ()
    return tuple(f.name for f in dataclasses.fields(kind) if not f.name.startswith(_SKIPPED))


def parts(node: Any) -> list[Any]:
    """The nodes directly below one, in the order of the source: code and identifiers, no whitespace or punctuation.

    Tens of times as fast as LibCST's own ``children``, which visits, and copies, every node.
    """
    out: list[Any] = []
    kind: Any = type(node)
    for name in _places(kind):
        child = getattr(node, name)
        if type(child) is tuple or type(child) is list:
            out += child
        elif type(child) not in _NO_NODES:
            out.append(child)
    return out


def walk(node: Any) -> Iterator[Any]:
    """A node and everything below it, in the order of the source."""
    todo = [node]
    while todo:
        found = todo.pop()
        yield found
        below = parts(found)
        below.reverse()
        todo += below


def walk_statements(node: Any) -> Iterator[Any]:
    """A node and what stands below it, in the order of the source, down to expressions and not into them."""
    todo = [node]
    while todo:
        found = todo.pop()
        yield found
        kind: Any = type(found)
        if not _is_expression(kind):
            below = parts(found)
            below.reverse()
            todo += below


@cache
def _is_expression(kind: Any) -> bool:
    return issubclass(kind, cst.BaseExpression)


def walk_own(node: Any) -> Iterator[Any]:
    """A node and everything below it, without the bodies of nested functions and classes."""
    todo = [node]
    while todo:
        found = todo.pop()
        yield found
        below = [n for n in parts(found) if type(n) not in DEFINITIONS]
        below.reverse()
        todo += below


DEFINITIONS = frozenset({cst.FunctionDef, cst.ClassDef, cst.Lambda})


@cache
def dotted(name: str) -> Any:
    """``a.b.c`` as a node. Shared between uses: nodes are immutable."""
    return cst.parse_expression(name)


def literal(value: Any) -> Any:
    """A node that writes a Python literal: strings in double quotes."""
    if isinstance(value, str):
        text = repr(value)
        if '"' not in text:
            text = f'"{text[1:-1]}"'
        return cst.SimpleString(text)
    if isinstance(value, float) and value in (float("inf"), float("-inf")):
        return cst.parse_expression('float("inf")' if value > 0 else '-float("inf")')
    return _literal(repr(value))


@cache
def _literal(text: str) -> Any:
    return cst.parse_expression(text)


@lru_cache(maxsize=8192)
def string_value(text: str) -> Any:
    """What a string literal without placeholders stands for. The same few are read over and over."""
    return ast.literal_eval(text)


def keyword(name: str, value: Any) -> cst.Arg:
    """``name=value`` as an argument."""
    return cst.Arg(unwrapped(value), keyword=cst.Name(name), equal=TIGHT)


TIGHT = cst.AssignEqual(cst.SimpleWhitespace(""), cst.SimpleWhitespace(""))


def unwrapped(node: Any) -> Any:
    """The node without parentheses around it that an argument does not need."""
    parens = getattr(node, "lpar", None)
    plain = not isinstance(node, cst.Tuple | cst.GeneratorExp | cst.Yield | cst.NamedExpr | cst.ConcatenatedString)
    if not parens or not plain or any("\n" in code(p) or "#" in code(p) for p in (*parens, *node.rpar)):
        return node
    return node.with_changes(lpar=[], rpar=[])


def call(func: str, *args: Any, **keywords: Any) -> cst.Call:
    """``func(args, keywords)``."""
    positional = [a if isinstance(a, cst.Arg) else cst.Arg(unwrapped(a)) for a in args]
    return cst.Call(dotted(func), [*positional, *(keyword(k, v) for k, v in keywords.items())])


def parenthesized(node: Any) -> Any:
    """The node in parentheses, unless it binds as tightly as a name."""
    if isinstance(node, ATOMS) or getattr(node, "lpar", None):
        return node
    return node.with_changes(lpar=[cst.LeftParen()], rpar=[cst.RightParen()])


def bare(new: Any, old: Any) -> Any:
    """Take away parentheses that a rewriting added, where nothing around needs them."""
    added = getattr(new, "lpar", None) and not getattr(old, "lpar", None)
    if added and not isinstance(new, cst.Tuple | cst.GeneratorExp | cst.Yield | cst.NamedExpr):
        return new.with_changes(lpar=[], rpar=[])
    return new


@cache
def _template(text: str) -> Any:
    return cst.parse_expression(HOLE.sub(r"hole_\1", text))


def template(text: str, holes: Mapping[str, Any]) -> Any:
    """Fill an expression template: ``tf.maximum({input}, {other})``."""

    def fill(node: Any, tight: bool) -> Any:
        if isinstance(node, cst.Name) and node.value.startswith("hole_"):
            value = holes[node.value.removeprefix("hole_")]
            return parenthesized(value) if tight else value
        if isinstance(node, cst.Arg):
            return node.with_changes(value=unwrapped(fill(node.value, False)))
        inner = isinstance(
            node, cst.BinaryOperation | cst.UnaryOperation | cst.Comparison | cst.BooleanOperation | cst.Attribute
            | cst.Subscript | cst.ComparisonTarget | cst.IfExp,
        )  # fmt: skip
        return rebuild(node, lambda child: fill(child, inner))

    return fill(_template(text), False)


def is_name(node: Any, name: str) -> bool:
    return isinstance(node, cst.Name) and node.value == name


def integer(node: Any) -> int | None:
    """The value of an integer literal, with its sign."""
    if isinstance(node, cst.Integer):
        return node.evaluated_value
    if isinstance(node, cst.UnaryOperation) and isinstance(node.operator, cst.Minus):
        inner = integer(node.expression)
        return -inner if inner is not None else None
    return None


def tuple_of(items: list[Any]) -> Any:
    """``(a, b)``; a single item keeps its comma."""
    return cst.Tuple([cst.Element(i) for i in items]) if items else cst.Tuple([])


def statement(text: str, **holes: Any) -> cst.SimpleStatementLine:
    """Parse one simple statement."""
    node = cst.parse_statement(text)
    assert isinstance(node, cst.SimpleStatementLine)
    return node


def code(node: Any) -> str:
    """The source text of a node on its own."""
    return cst.Module([]).code_for_node(node)


def renamed(node: Any, old: str, new: str, kept: Collection[int]) -> Any:
    """The node with the name ``old`` replaced wherever it is read, but for the nodes with the identities ``kept``."""

    def visit(part: Any) -> Any:
        if isinstance(part, cst.Name):
            return part.with_changes(value=new) if part.value == old and id(part) not in kept else part
        if isinstance(part, cst.Attribute):
            return part.with_changes(value=visit(part.value))
        if isinstance(part, cst.Arg):
            return part.with_changes(value=visit(part.value))
        return rebuild(part, visit)

    return visit(node)
