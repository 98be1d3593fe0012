"""For one expression: the order its operands must have, and the order its result naturally has.

The rewriter asks this before the rules, wraps operands that are in another order in a transpose, and
does the same with the result. The rules themselves then see source order wherever they were not made
for more.
"""

from __future__ import annotations

from typing import Any

import libcst as cst

from .. import nodes
from ..rewrite.context import Context
from ..values import Instance, Tensor, UserClass, as_tensor, options_of, without_none
from .perms import Perm, between, channels_last, identity
from .solve import behaviour_of, operands

TRANSPARENT = frozenset({"dtype", "device", "data", "ndim", "shape", "grad", "requires_grad", "is_cuda"})
"""Attributes that do not look at the axis order, or that the shape rules translate with it."""


CONVERTED = (
    cst.Call, cst.BinaryOperation, cst.Comparison, cst.UnaryOperation, cst.Attribute, cst.Subscript, cst.For,
    cst.CompFor, cst.AugAssign,
)  # fmt: skip
"""The nodes that look into tensors; all others only hand them on."""


class LayoutUnproven(Exception):
    """The channels-last order of a value cannot be proven: the file is translated with channels first."""

    def __init__(self, node: cst.CSTNode, reason: str) -> None:
        super().__init__(reason)
        self.node, self.reason = node, reason


def order_of(tensor: Tensor | None) -> Perm | None:
    """The order that was chosen for a tensor; ``None`` for source order."""
    if tensor is None or tensor.rank is None:
        return None
    perm = tensor.layout.find().perm
    return None if perm is None or len(perm) != tensor.rank or perm == identity(tensor.rank) else perm


def behaviour(ctx: Context, node: cst.CSTNode) -> str:
    """How an expression treats axis order: ``pointwise``, ``channels``, ``opaque``, ``pass`` or ``aware``."""
    if isinstance(node, cst.Call):
        return _call_behaviour(ctx, node)
    if isinstance(node, cst.BinaryOperation | cst.Comparison | cst.UnaryOperation | cst.AugAssign):
        return "pointwise" if operands(node) else "opaque"
    if isinstance(node, cst.Attribute):
        return "pass" if node.attr.value in TRANSPARENT else "opaque"
    return "opaque"


def _call_behaviour(ctx: Context, node: cst.Call) -> str:
    call = ctx.call(node)
    if call is not None and not call.api.endswith("__call__"):
        rows = ctx.tables.find(call.api)
        row = rows[0] if rows else None
        if row is not None and row.rule == "drop_call":
            return "pass"
        return row.layout if row is not None else "opaque"
    func = without_none(ctx.value(node.func))
    kinds = {behaviour_of_function(ctx, option) for option in options_of(func)}
    return kinds.pop() if len(kinds) == 1 else "channels" if kinds == {"channels", "pointwise"} else "opaque"


def behaviour_of_function(ctx: Context, func: Any) -> str:
    """How calling a value treats axis order."""
    from ..values import Func, MethodOf

    if isinstance(func, Func | MethodOf | UserClass):
        return "pass"
    if isinstance(func, Instance):
        if isinstance(func.cls, UserClass):
            return "pass" if func.cls.find(ctx.dialect.forward[0]) is not None else _container(ctx, func)
        return behaviour_of(ctx.interpreter, func)
    return "opaque"


def _container(ctx: Context, func: Instance) -> str:
    assert isinstance(func.cls, UserClass)
    children = func.cls.attrs.get("<children>")
    return behaviour_of(ctx.interpreter, children) if isinstance(children, Instance) else "opaque"


def convert_operands(ctx: Context, node: cst.CSTNode, new: Any) -> Any:
    """Wrap the operands of an expression that are not in the order it needs."""
    kind = behaviour(ctx, node)
    if kind in ("pass", "aware"):
        return new
    result = as_tensor(ctx.value(node.target if isinstance(node, cst.AugAssign) else node))
    wanted = order_of(result) if kind == "pointwise" else None
    return _map_operands(ctx, node, new, kind, wanted, result)


def _map_operands(ctx: Context, node: Any, new: Any, kind: str, wanted: Perm | None, result: Tensor | None) -> Any:
    changes: dict[str, Any] = {}
    if isinstance(node, cst.Call):
        changes = _call_operands(ctx, node, new, kind, wanted, result)
    elif isinstance(node, cst.BinaryOperation):
        for side in ("left", "right"):
            value = operand(ctx, getattr(node, side), getattr(new, side), kind, wanted, result)
            if value is not getattr(new, side):
                changes[side] = value
    elif isinstance(node, cst.Comparison):
        left = operand(ctx, node.left, new.left, kind, wanted, result)
        targets = [
            n.with_changes(comparator=operand(ctx, o.comparator, n.comparator, kind, wanted, result))
            for o, n in zip(node.comparisons, new.comparisons, strict=True)
        ]
        if left is not new.left or any(
            a.comparator is not b.comparator for a, b in zip(targets, new.comparisons, strict=True)
        ):
            changes = {"left": left, "comparisons": targets}
    else:
        name = (
            "iter"
            if isinstance(node, cst.For | cst.CompFor)
            else ("expression" if isinstance(node, cst.UnaryOperation) else "value")
        )
        value = operand(ctx, getattr(node, name), getattr(new, name), kind, wanted, result)
        if value is not getattr(new, name):
            changes[name] = value
    return new.with_changes(**changes) if changes else new


def _call_operands(
    ctx: Context, node: cst.Call, new: cst.Call, kind: str, wanted: Perm | None, result: Tensor | None
) -> dict[str, Any]:
    changes: dict[str, Any] = {}
    call = ctx.call(node)
    args = []
    for i, (old, arg) in enumerate(zip(node.args, new.args, strict=True)):
        first = _is_input(call, old, i)
        args.append(arg.with_changes(value=operand(ctx, old.value, arg.value, kind, wanted, result, first)))
    if any(a.value is not b.value for a, b in zip(args, new.args, strict=True)):
        changes["args"] = args
    receiver = call is not None and call.receiver is not None and isinstance(node.func, cst.Attribute)
    if receiver and isinstance(new.func, cst.Attribute) and isinstance(node.func, cst.Attribute):
        value = operand(ctx, node.func.value, new.func.value, kind, wanted, result, True)
        if value is not new.func.value:
            changes["func"] = new.func.with_changes(value=value)
    return changes


def _is_input(call: Any, arg: cst.Arg, index: int) -> bool:
    """Whether an argument is the tensor that an operation is about."""
    if call is None:
        return index == 0
    bound = call.args.get("input")
    return bound is not None and bound.node is arg.value


def operand(
    ctx: Context, old: Any, new: Any, kind: str, wanted: Perm | None, result: Tensor | None, is_input: bool = True
) -> Any:
    """One operand in the order that the operation needs."""
    tensor = as_tensor(ctx.value(old))
    if tensor is None or tensor.rank is None:
        if kind == "channels" and is_input:
            raise LayoutUnproven(old, "the rank of what a channels-last operation takes is not known")
        return new
    now = order_of(tensor) or identity(tensor.rank)
    target = identity(tensor.rank)
    if kind == "channels" and is_input:
        target = channels_last(tensor.rank)
    elif kind == "pointwise" and wanted is not None:
        if tensor.rank == len(wanted):
            target = wanted
        elif tensor.rank:
            return aligned(ctx, transposed(ctx, new, between(now, target)), tensor.rank, wanted)
    perm = between(now, target)
    if perm is None:
        return new
    out = transposed(ctx, new, perm)
    ctx.new[old] = out
    ctx.transposes.append((old, kind))
    return out


def aligned(ctx: Context, node: Any, rank: int, wanted: Perm) -> Any:
    """An operand of lower rank, with the axes that broadcasting adds written out, in the wanted order."""
    added = [cst.SubscriptElement(cst.Index(cst.Name("None"))) for _ in range(len(wanted) - rank)]
    item = cst.Subscript(nodes.parenthesized(node), added)
    return transposed(ctx, item, wanted)


def transposed(ctx: Context, node: Any, perm: Perm | None) -> Any:
    """``tf.transpose(node, perm)``; the node itself where nothing is to be done."""
    if perm is None:
        return node
    ctx.needs.add("tf")
    order = nodes.tuple_of([nodes.literal(i) for i in perm])
    return simplified(nodes.call("tf.transpose", nodes.bare(node, cst.Name("x")), order))


def _transpose_of(node: Any) -> Perm | None:
    """The permutation of a ``tf.transpose(x, (literals))``."""
    if not isinstance(node, cst.Call) or len(node.args) != 2 or nodes.code(node.func) != "tf.transpose":
        return None
    order = node.args[1].value
    if not isinstance(order, cst.Tuple):
        return None
    axes = [nodes.integer(e.value) for e in order.elements]
    return tuple(a for a in axes if a is not None) if None not in axes else None


def simplified(node: Any) -> Any:
    """Two transposes in a row as one, or as none."""
    outer = _transpose_of(node)
    inner = _transpose_of(node.args[0].value) if outer is not None else None
    if outer is None or inner is None or len(outer) != len(inner):
        return node
    perm = tuple(inner[axis] for axis in outer)
    x = node.args[0].value.args[0].value
    if perm == identity(len(perm)):
        return x
    return nodes.call("tf.transpose", x, nodes.tuple_of([nodes.literal(i) for i in perm]))


def convert_result(ctx: Context, node: cst.CSTNode, new: Any) -> Any:
    """Bring a result from the order that the operation gives to the one that was chosen for the value."""
    kind = behaviour(ctx, node)
    tensor = as_tensor(ctx.value(node))
    if kind in ("pass", "aware", "pointwise") or tensor is None or tensor.rank is None:
        return new
    natural = channels_last(tensor.rank) if kind == "channels" else identity(tensor.rank)
    chosen = order_of(tensor) or identity(tensor.rank)
    perm = between(natural, chosen)
    if perm is None:
        return simplified(new)
    ctx.transposes.append((node, kind))
    return transposed(ctx, new, perm)
