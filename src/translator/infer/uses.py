"""How a function uses a name or dotted name, and which classes of the project could be used so."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
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

QUESTIONS = ("isinstance", "issubclass", "hasattr", "type", "is_tensor", "callable")


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


def used_otherwise(it: Interpreter, node: cst.BaseExpression) -> bool:
    """Whether the program uses a name or dotted name as no tensor can be used: ``np.random``, ``df["a"]``,
    ``df.dropna()``. Of a name that is bound several times only methods count: it may have been a dict before."""
    place = dotted(node)
    if not place or it.func is None:
        return False
    root = place.partition(".")[0]
    if not _bound_in(it, it.func)[root]:
        return is_library(it, node)
    uses = uses_of(it, node)
    if bound_once(it, node):
        return root not in _asked_about(it) and not tensor_could(it, uses)
    return any(use.called and not _of_tensors(it, use.name) for use in uses)


def is_library(it: Interpreter, node: cst.BaseExpression | None) -> bool:
    """Whether a variable of the module is used as no tensor can be: ``np = pytest.importorskip("numpy")``."""
    place = dotted(node) if node is not None else ""
    if not place or it.func is None or it.func.scope.kind == "function":
        return False
    return not _bound_in(it, it.func)[place.partition(".")[0]] and not tensor_could(it, _free_uses(it, place))


def _free_uses(it: Interpreter, place: str) -> list[Use]:
    """What all functions of the module that do not bind its name themselves do with a module's variable."""
    known: dict[tuple[str, str], list[Use]] = it.facts.cache.setdefault("free uses", {})
    every = it.facts.functions
    seen = it.facts.cache.get("free uses of", 0)
    it.facts.cache["free uses of"] = len(every)
    for func in islice(every.values(), seen, None):  # those defined since
        if func.scope.kind != "function":
            bound = _bound_in(it, func)
            for name, use in _uses(func.node.body):
                if not bound[name.partition(".")[0]]:
                    known.setdefault((func.scope.module, name), []).append(use)
    return known.get((it.scope.module, place), [])


def _asked_about(it: Interpreter) -> frozenset[str]:
    """The names that the function that is run tells apart: they may be one thing here and another there."""
    assert it.func is not None
    known: dict[Func, frozenset[str]] = it.facts.cache.setdefault("asked about", {})
    if it.func not in known:
        calls = (n for n in nodes.walk(it.func.node.body) if isinstance(n, cst.Call) and n.args)
        names = {dotted(c.args[0].value).partition(".")[0] for c in calls if dotted(c.func).endswith(QUESTIONS)}
        known[it.func] = frozenset(names)
    return known[it.func]


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
    bound = _bound_in(it, it.func)
    place = dotted(node)
    parts = place.split(".")
    return all(bound[".".join(parts[: i + 1])] <= 1 for i in range(len(parts)))


def _bound_in(it: Interpreter, func: Func) -> Counter[str]:
    """How often a function binds names and dotted names, its parameters among them."""
    known: dict[Func, Counter[str]] = it.facts.cache.setdefault("bindings", {})
    if func not in known:
        params = func.node.params
        stars = [p for p in (params.star_arg, params.star_kwarg) if isinstance(p, cst.Param)]
        every = (*params.posonly_params, *params.params, *params.kwonly_params, *stars)
        known[func] = Counter([*(p.name.value for p in every), *bindings(func.node.body)])
    return known[func]


def bindings(body: cst.CSTNode) -> Iterator[str]:
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
