"""How a function uses a name or dotted name, and which classes of the project could be used so."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

import libcst as cst

from .. import nodes
from ..values import Api, Const, Func, Instance, Map, Num, Seq, Shape, Tensor, Union, UserClass, Value
from .imports import dotted

if TYPE_CHECKING:
    from .interp import Interpreter

OPERATORS = {
    cst.Add: "add", cst.Subtract: "sub", cst.Multiply: "mul", cst.Divide: "truediv", cst.FloorDivide: "floordiv",
    cst.Modulo: "mod", cst.Power: "pow", cst.MatrixMultiply: "matmul", cst.BitAnd: "and", cst.BitOr: "or",
    cst.BitXor: "xor",
}  # fmt: skip
COMPARISONS = {cst.LessThan: "lt", cst.GreaterThan: "gt", cst.LessThanEqual: "le", cst.GreaterThanEqual: "ge"}
UNARY = {cst.Minus: "neg", cst.BitInvert: "invert", cst.Plus: "pos"}


@dataclass(frozen=True)
class Use:
    """One use. ``name`` is an attribute's, a special method's for operators and subscripts."""

    name: str
    called: bool = False
    positional: int = 0
    keywords: frozenset[str] = frozenset()
    text: bool = False
    """A subscript that is a string."""


def uses_of(it: Interpreter, node: cst.BaseExpression) -> list[Use]:
    """What the function that is run does with a name or dotted name; nothing where it is none."""
    place = dotted(node)
    if not place or it.func is None:
        return []
    known: dict[Func, dict[str, list[Use]]] = it.facts.cache.setdefault("uses", {})
    if it.func not in known:
        found: dict[str, list[Use]] = {}
        for name, use in _uses(it.func.node.body):
            found.setdefault(name, []).append(use)
        known[it.func] = found
    return known[it.func].get(place, [])


def _uses(body: cst.CSTNode) -> Iterator[tuple[str, Use]]:
    called = {}
    for node in nodes.walk(body):
        if isinstance(node, cst.Call) and isinstance(node.func, cst.Attribute):
            called[node.func] = node
    for node in nodes.walk(body):
        if isinstance(node, cst.Attribute):
            yield from _named(node.value, _attribute(node.attr.value, called.get(node)))
        elif isinstance(node, cst.Subscript):
            key = node.slice[0].slice
            text = isinstance(key, cst.Index) and isinstance(key.value, cst.SimpleString | cst.FormattedString)
            yield from _named(node.value, Use("__getitem__", True, 1, text=text))
        elif isinstance(node, cst.BinaryOperation) and (name := OPERATORS.get(type(node.operator))):
            yield from _named(node.left, Use(f"__{name}__", True, 1))
            yield from _named(node.right, Use(f"__r{name}__", True, 1))
        elif isinstance(node, cst.UnaryOperation) and (name := UNARY.get(type(node.operator))):
            yield from _named(node.expression, Use(f"__{name}__", True))
        elif isinstance(node, cst.Comparison) and (name := COMPARISONS.get(type(node.comparisons[0].operator))):
            yield from _named(node.left, Use(f"__{name}__", True, 1))


def _named(node: cst.BaseExpression, use: Use) -> Iterator[tuple[str, Use]]:
    name = dotted(node)
    if name:
        yield name, use


def _attribute(name: str, call: cst.Call | None) -> Use:
    if call is None:
        return Use(name)
    keywords = frozenset(a.keyword.value for a in call.args if a.keyword is not None)
    return Use(name, True, sum(a.keyword is None for a in call.args), keywords)


def bound_once(it: Interpreter, node: cst.BaseExpression) -> bool:
    """Whether a name or dotted name stands for one value in the function that is run: of what it is bound to and used
    as before and after, one tells about the other."""
    assert it.func is not None
    known: dict[Func, Counter[str]] = it.facts.cache.setdefault("bindings", {})
    if it.func not in known:
        params = it.func.node.params
        every = (*params.posonly_params, *params.params, *params.kwonly_params)
        known[it.func] = Counter([*(p.name.value for p in every), *_bindings(it.func.node.body)])
    place = dotted(node)
    parts = place.split(".")
    return all(known[it.func][".".join(parts[: i + 1])] <= 1 for i in range(len(parts)))


def _bindings(body: cst.CSTNode) -> Iterator[str]:
    for node in nodes.walk(body):
        if isinstance(node, cst.AssignTarget | cst.AugAssign | cst.AnnAssign | cst.For | cst.CompFor | cst.NamedExpr):
            targets = nodes.walk(node.target)
        elif isinstance(node, cst.AsName):
            targets = nodes.walk(node.name)
        else:
            continue
        yield from {name for target in targets if (name := dotted(target))}


def could_be(it: Interpreter, cls: UserClass, uses: list[Use]) -> bool:
    """Whether an object of a class of the project has all that something is used for."""
    return all(supports(cls, use) for use in uses)


def tensor_could(it: Interpreter, uses: list[Use]) -> bool:
    """Whether a tensor has all that something is used for."""
    return not any(use.text for use in uses) and all(_of_tensors(it, use.name) for use in uses)


def _of_tensors(it: Interpreter, name: str) -> bool:
    full = f"{it.dialect.tensor}.{name}"
    return name.startswith("__") or full in it.tables.source or bool(it.tables.find(full))


def supports(cls: UserClass, use: Use) -> bool:
    """Whether a class has an attribute, or a method that takes what is passed. What it inherits from classes that are
    not the project's is not known: an object of it may have anything."""
    family = cls.mro()
    for one in family:
        if use.name in one.methods:
            method = one.methods[use.name]
            return _takes_key(method, use) and (not use.called or takes(method, use.positional, use.keywords))
        if use.name in one.attrs or use.name in one.declared:
            return not use.called or may_be_called(one, use.name)
    return any(not isinstance(base, UserClass) and not _plain(base) for one in family for base in one.bases)


def _plain(base: Value) -> bool:
    return isinstance(base, Api) and base.name in ("builtins.object", "abc.ABC", "typing.Generic", "typing.Protocol")


def _takes_key(method: Func, use: Use) -> bool:
    """Whether a subscript is of the kind that a class says it takes: ``def __getitem__(self, key: str)``."""
    params = method.node.params.params
    if use.name != "__getitem__" or use.text or len(params) < 2 or params[1].annotation is None:
        return True
    declared = params[1].annotation.annotation
    return not (isinstance(declared, cst.Name) and declared.value == "str")


def may_be_called(cls: UserClass, name: str) -> bool:
    """Whether what a class keeps under a name may be something to call."""
    value = cls.attrs.get(name)
    options = value.options if isinstance(value, Union) else (value,)
    if all(isinstance(o, Const | Num | Seq | Shape | Map | Tensor) for o in options):
        return False
    if isinstance(value, Instance):
        return True
    return any(dotted(n.func) == f"self.{name}" for n in nodes.walk(cls.node) if isinstance(n, cst.Call))


def takes(func: Func, positional: int, keywords: frozenset[str]) -> bool:
    """Whether a method can be called with so many positional arguments and these keywords."""
    if func.kind == "property" or func.decorators:
        return True
    params = func.node.params
    names = [p.name.value for p in (*params.posonly_params, *params.params)][func.kind == "method" :]
    many = isinstance(params.star_arg, cst.Param)
    known = {p.name.value for p in (*params.params, *params.kwonly_params)}
    return (many or positional <= len(names)) and (params.star_kwarg is not None or keywords <= known)
