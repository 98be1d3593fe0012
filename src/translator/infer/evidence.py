"""What shows that a value of which nothing is known is a tensor: that it is used as only a tensor can be."""

from __future__ import annotations

from typing import TYPE_CHECKING

import libcst as cst

from .. import nodes
from ..tables.signatures import POSITIONAL, Overload
from ..values import BOOL, UNKNOWN, Api, BoundMethod, Func, LayoutVar, Tensor, UserClass, Value, options_of
from .uses import bound_once, could_be, may_be_called, takes, tensor_could, used_otherwise, uses_of

if TYPE_CHECKING:
    from .interp import Interpreter

TENSOR_KEYWORDS = frozenset({"dim", "keepdim", "unbiased", "non_blocking", "memory_format", "as_tuple"})
"""Keywords of tensor methods that NumPy's arrays of the same name do not take."""


EXACT = frozenset({"uint8", "int8", "short", "int16", "int", "int32", "long", "int64", "bool"})
"""Dtypes that no layer has."""


COMPARED = frozenset({"float", "double", "half", "long", "int", "short", "byte"})
"""Casts that layers have, too, but neither truth values nor arrays: what comparing gives is a tensor, then."""


def only_a_tensor(it: Interpreter, name: str, receiver: cst.BaseExpression | None = None) -> bool:
    """Whether only a tensor has a method of this name that takes these keywords."""
    method = it.tables.source.get(f"{it.dialect.tensor}.{name}")
    if method is not None and not it.positional and not it.keywords and all(map(_wants_some, method.overloads)):
        return False  # x.expand(): a tensor would be told the sizes
    if name in it.tables.source.tensor_methods_only:
        return True
    if method is None:
        return False
    if isinstance(receiver, cst.Comparison) and name in COMPARED:
        return True
    return bool(it.keywords & TENSOR_KEYWORDS) or _by_position(it, name) or _used_as_one(it, receiver)


def _many(overload: Overload) -> bool:
    return any(p.kind == "va" for p in overload)


def _wants_some(overload: Overload) -> bool:
    """Whether a call without arguments is not what an overload is for."""
    return _many(overload) or any(p.kind in POSITIONAL and p.default is None for p in overload)


def _used_as_one(it: Interpreter, receiver: cst.BaseExpression | None) -> bool:
    """Whether the function calls something on the same value that only tensors have."""
    known = it.tables.source.tensor_methods_only
    uses = uses_of(it, receiver) if receiver is not None else []
    only = any(use.called and (use.name in known or use.keywords & TENSOR_KEYWORDS) for use in uses)
    return only and receiver is not None and bound_once(it, receiver)


def _by_position(it: Interpreter, name: str) -> bool:
    """Whether positional arguments show it: ``x.size(0)`` (NumPy's ``size`` is a number), ``x.view(n, -1)`` (NumPy's
    ``view`` takes a dtype and a class)."""
    given = it.positional
    if name == "size":
        return len(given) == 1 and not given[0].star
    if name == "view":
        return len(given) > 2 or any(arg.star or nodes.integer(arg.value) is not None for arg in given)
    if name == "to":
        return any(not arg.star and _is_tensors_dtype(it, arg.value) for arg in given[:2])
    return name == "dim" and not given and not it.keywords


OPERANDS = frozenset({
    "other", "tensor", "input", "exponent", "mat2", "vec", "vec2", "index", "mask", "source", "value",
})  # fmt: skip
"""Parameters of tensor methods that take tensors and numbers, and no texts, nor more than one."""


def cannot_be(it: Interpreter, name: str) -> bool:
    """Whether a call of a method shows that it is not the framework's: ``logger.log(10, "text")`` is no logarithm."""
    known = [s for kind in it.dialect.methods if (s := it.tables.source.get(f"{kind}.{name}")) is not None]
    if known and all(s.kind == "property" for s in known):
        return True
    overloads = [(o, s.synonyms) for s in known for o in s.overloads]
    return bool(overloads) and not any(_accepts(it, o, synonyms) for o, synonyms in overloads)


def _accepts(it: Interpreter, overload: Overload, synonyms: dict[str, str]) -> bool:
    """Whether an overload may take the call at hand. Of too many sizes it is not said that they are too many: PyTorch
    takes a list's items one by one."""
    places = [p for p in overload if p.kind in POSITIONAL]
    names = {p.name for p in overload} | {s for s, name in synonyms.items() if any(p.name == name for p in overload)}
    if not any(p.kind == "vk" for p in overload) and it.keywords - names:
        return False
    if any(arg.star for arg in it.positional) or _many(overload):
        return True
    if it.positional and not places:
        return False
    if len(it.positional) > len(places) and places[0].name in OPERANDS:
        return False
    required = sum(p.default is None and p.kind in POSITIONAL for p in overload)
    if len(it.positional) + len(it.keywords) < required:
        return False
    texts = (cst.SimpleString, cst.ConcatenatedString, cst.FormattedString)
    return not any(isinstance(a.value, texts) and p.name in OPERANDS for a, p in zip(it.positional, places))


def _is_tensors_dtype(it: Interpreter, node: cst.BaseExpression) -> bool:
    """Whether an argument is a dtype that no layer can have: of integers, or whatever another tensor's is."""
    value: Value = it.expr(node) if isinstance(node, cst.Name | cst.Attribute) else UNKNOWN
    if isinstance(value, Api):
        return it.tables.canonical(value.name).rpartition(".")[2] in EXACT
    return all(
        isinstance(o, BoundMethod) and o.name == "dtype" and isinstance(o.receiver, Tensor) for o in options_of(value)
    )


PROVEN = (
    cst.Name, cst.Attribute, cst.Call, cst.Subscript, cst.BinaryOperation, cst.UnaryOperation, cst.Comparison,
)  # fmt: skip
"""Expressions whose value may be a tensor."""


def proven_tensor(it: Interpreter, node: cst.BaseExpression) -> Tensor | None:
    """A value of unknown kind that is used as only a tensor can be: a tensor, from here on."""
    if not isinstance(node, PROVEN):
        return None
    compared = it.facts.values.get(node) == BOOL
    tensor = Tensor(dtype="bool" if compared else None, layout=LayoutVar(source=True))
    if it.direction == "tf2torch" and it.func is not None and it.func.name in ("train_step", "test_step"):
        tensor.layout.perm = ()  # data comes in Keras's own order
    if isinstance(node, cst.Name):
        it.scope.bind(node.value, tensor)
        if it.func is not None and it.func.start.get(node.value) is UNKNOWN and bound_once(it, node):
            it.func.start[node.value] = tensor
        if it.func is not None and is_parameter(it.func, node.value) and node.value not in it.func.passed:
            it.func.passed[node.value] = Tensor()
            it.func.guessed.add(node.value)
            it.func.stale = True
    it.facts.values[node] = tensor
    return tensor


def is_parameter(func: Func, name: str) -> bool:
    params = func.node.params
    return any(p.name.value == name for p in (*params.posonly_params, *params.params, *params.kwonly_params))


def is_evidence(it: Interpreter, method: str, receiver: cst.BaseExpression | None = None) -> bool:
    """Whether calling a method that only tensors have shows that something is a tensor: the file knows the framework at
    all, it does nothing with it that no tensor can do, and no class of the project has a method of that name which
    could be called like this. Of the classes that have, an object could still not be used in all the ways in which the
    function uses the receiver."""
    if it.scope.module not in it.frameworks or (receiver is not None and used_otherwise(it, receiver)):
        return False
    classes = [cls for cls in it.facts.classes.values() if _may_be_called(it, cls, method)]
    if not classes or receiver is None:
        return not classes
    uses = uses_of(it, receiver)
    return bool(uses) and tensor_could(it, uses) and not any(could_be(it, cls, uses) for cls in classes)


def _may_be_called(it: Interpreter, cls: UserClass, name: str) -> bool:
    """Whether a class that is no kind of tensor has a method of a name which can be called like this."""
    if any(isinstance(b, Api) and it.tables.canonical(b.name) in it.dialect.tensor_types for b in cls.bases):
        return False
    if name in cls.methods and takes(cls.methods[name], len(it.positional), it.keywords):
        return True
    return name in cls.attrs and may_be_called(cls, name)


def is_no_tensor(it: Interpreter, func: Func, name: str) -> bool:
    """Whether a function uses a parameter as no tensor can be used: ``data.edge_index``, ``batch["image"]``."""
    known: dict[Func, set[str]] = it.facts.cache.setdefault("no tensors", {})
    if func not in known:
        known[func] = {found for node in nodes.walk(func.node.body) if (found := _used_otherwise(it, node))}
    return name in known[func]


def _used_otherwise(it: Interpreter, node: cst.CSTNode) -> str:
    """The name that an expression treats as an object with attributes of its own, or as a mapping."""
    if not isinstance(node, cst.Attribute | cst.Subscript) or not isinstance(node.value, cst.Name):
        return ""
    if isinstance(node, cst.Attribute):
        attr = node.attr.value
        own = attr.startswith("_") or f"{it.dialect.tensor}.{attr}" in it.tables.source
        return "" if own or it.tables.find(f"{it.dialect.tensor}.{attr}") else node.value.value
    first = node.slice[0].slice
    key = first.value if isinstance(first, cst.Index) else None
    return node.value.value if isinstance(key, cst.SimpleString | cst.FormattedString) else ""
