"""Give every layout variable its order.

Values that must agree share a variable: what a call passes and the parameter, what a function returns and
the call, both sides of an elementwise operation. Operations that are made for channels-last tensors
(convolutions, pools, channel norms) vote for it. A variable takes channels-last if anything votes for it
and nothing forbids it; all others keep source order. Every operation converts what it takes and gives, so
that any assignment is sound: the votes only decide where transposes stand.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import libcst as cst

from ..infer.facts import BoundCall
from ..tables.schema import Row
from ..values import (
    UNKNOWN,
    Const,
    Instance,
    LayoutVar,
    Map,
    Seq,
    Tensor,
    Union,
    UserClass,
    Value,
    as_tensor,
    elem_of,
    escape,
    options_of,
)
from .perms import channels_last

if TYPE_CHECKING:
    from ..infer.interp import Interpreter

POINTWISE_NODES = (cst.BinaryOperation, cst.Comparison, cst.UnaryOperation, cst.AugAssign)


def solve(it: Interpreter) -> None:
    """Unify, vote, decide."""
    facts = it.facts
    for value, func, name in facts.flows:
        agree(value, func.start.get(name, UNKNOWN))
    for node, func in facts.results:
        for returned in func.returned:
            agree(facts.value(node), returned)
    for node, value in list(facts.values.items()):
        if isinstance(node, POINTWISE_NODES) and isinstance(value, Tensor):
            pointwise(value, [as_tensor(facts.value(c)) for c in operands(node)])
    for call in facts.calls.values():
        row = row_of(it, call)
        behaviour = row.layout if row is not None else "opaque"
        result = as_tensor(call.result)
        if behaviour == "pointwise" and result is not None:
            pointwise(result, [as_tensor(b.value) for b in (*call.args.values(), *call.varargs)])
        elif behaviour == "channels":
            vote(as_tensor(call.value("input")))
            vote(result)
    for value in list(facts.values.values()):
        if isinstance(value, Tensor):
            decide(value)


def row_of(it: Interpreter, call: BoundCall) -> Row | None:
    rows = it.tables.find(call.api.removesuffix(".__call__"))
    return rows[0] if rows else None


def operands(node: cst.CSTNode) -> list[cst.BaseExpression]:
    """The tensors that an operator combines."""
    if isinstance(node, cst.BinaryOperation):
        return [] if isinstance(node.operator, cst.MatrixMultiply) else [node.left, node.right]
    if isinstance(node, cst.Comparison):
        return [node.left, *(t.comparator for t in node.comparisons)]
    if isinstance(node, cst.UnaryOperation):
        return [node.expression]
    if isinstance(node, cst.AugAssign):
        return [node.target, node.value]
    return []


def pointwise(result: Tensor, parts: list[Tensor | None]) -> None:
    """Operands of the result's rank have its order."""
    for part in parts:
        if part is not None and part.rank == result.rank and part.rank is not None:
            result.layout.unite(part.layout)


def agree(a: Value, b: Value) -> None:
    """Make two values that stand for the same thing have the same orders throughout."""
    if a is b:
        return
    if isinstance(a, Union) or isinstance(b, Union):
        for x in options_of(a):
            for y in options_of(b):
                if type(x) is type(y):
                    agree(x, y)
        _lost(a, b)
    elif isinstance(a, Tensor) and isinstance(b, Tensor):
        if a.rank == b.rank and a.rank is not None:
            a.layout.unite(b.layout)
        else:
            escape(a)
            escape(b)
    elif isinstance(a, Seq) and isinstance(b, Seq):
        if a.items is not None and b.items is not None and len(a.items) == len(b.items):
            for x, y in zip(a.items, b.items, strict=True):
                agree(x, y)
        else:
            agree(elem_of(a), elem_of(b))
    elif isinstance(a, Map) and isinstance(b, Map):
        if a.items is not None and b.items is not None:
            for key in a.items.keys() & b.items.keys():
                agree(a.items[key], b.items[key])
        else:
            agree(elem_of(a), elem_of(b))
    elif type(a) is not type(b):
        escape(a)
        escape(b)


def _lost(a: Value, b: Value) -> None:
    """Alternatives that have no partner on the other side flow somewhere that is not followed."""
    for one, others in ((a, options_of(b)), (b, options_of(a))):
        for option in options_of(one):
            none = isinstance(option, Const)
            if not none and not any(type(option) is type(o) for o in others):
                escape(option)


def vote(tensor: Tensor | None) -> None:
    if tensor is not None:
        tensor.layout.find().votes += 1


def decide(tensor: Tensor) -> None:
    """Fix a variable: channels-last where something asks for it and nothing forbids it."""
    root: LayoutVar = tensor.layout.find()
    if root.perm is None and root.votes and not root.source and tensor.rank is not None and tensor.rank > 2:
        root.perm = channels_last(tensor.rank)


def container_behaviour(it: Interpreter, owner: Instance) -> str:
    """Whether a container maps channels-last to channels-last: ``channels``, ``pointwise``, or ``opaque``."""
    children = owner.children if owner.children is not None else list(options_of(owner.elem))
    kinds = {behaviour_of(it, child) for child in children}
    if not kinds or kinds == {"pointwise"}:
        return "pointwise"
    if kinds <= {"pointwise", "channels"}:
        return "channels"
    return "opaque"


def behaviour_of(it: Interpreter, value: Value) -> str:
    """The behaviour of calling one layer."""
    if not isinstance(value, Instance) or isinstance(value.cls, UserClass):
        return "user"
    if value.cls.name in it.dialect.containers:
        return container_behaviour(it, value)
    rows = it.tables.find(value.cls.name)
    return rows[0].layout if rows else "opaque"
