"""Which orders an operation hands on: from its operands to its result, and back."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import libcst as cst

from ..infer.facts import BoundCall
from ..tables.schema import Row
from ..values import Seq, Tensor, Union, Value, as_tensor, elem_of
from . import behaviour, reshapes
from .axes import Plan, given_axes, main_argument, main_tensor, ordered_list, permutation, plan_axes
from .perms import Perm, identity, order_of, rearranged, without

SAME_AXES = frozenset({"cumulate", "same_float", "narrow", "index_select", "argsort"})
"""Kinds of axis operations whose results have the axes of their operand."""

Orders = Iterator[tuple[Tensor, Perm | None]]


def natural_orders(world: Any, node: cst.CSTNode, value: Value) -> Orders:
    """Tensors around one expression, each with the order that this operation suggests."""
    kind = behaviour.of_node(world, node)
    if kind == "pointwise":
        yield from _pointwise(world, node, value)
    elif kind == "axis" and isinstance(node, cst.Call):
        call = world.facts.calls.get(node)
        if call is not None and not call.api.endswith("__call__"):
            yield from _axis(world, call, value)
    elif kind == behaviour.CARRIED and isinstance(node, cst.Call):
        for x in (as_tensor(world.facts.value(a.value)) for a in node.args):
            result = as_tensor(value)
            if x is not None and not x.variable and result is not None and x.rank == result.rank:
                yield result, batch_first(order_of(x))
                yield x, batch_first(order_of(result))
    elif kind in ("pad", "expand") and isinstance(node, cst.Call):
        x, result = main_tensor(world.facts.calls[node]), as_tensor(value)
        if x is not None and not x.variable and result is not None and x.rank == result.rank:
            yield result, order_of(x)
            yield x, order_of(result)
    elif kind == "rearrange" and isinstance(node, cst.Call):
        yield from _rearrange(world, world.facts.calls[node], value)
    elif kind == "reshape" and isinstance(node, cst.Call):
        yield from _reshape(world, world.facts.calls.get(node), value)
    elif kind in ("einsum", "einops"):
        from . import letters

        yield from letters.orders(world, node, value)
    elif kind in ("loss", "class_loss"):
        from .losses import orders as of_loss

        yield from of_loss(world, node, value)
    elif kind == "product":
        from .products import orders

        yield from orders(world, node)
    elif kind == "subscript" and isinstance(node, cst.Subscript):
        from .subscripts import plan_subscript

        x, result = as_tensor(world.facts.value(node.value)), as_tensor(value)
        if x is not None and result is not None:
            plan = plan_subscript(world, node, order_of(x) or identity(x.rank or 0), order_of(result))
            if plan is not None:
                yield result, plan.natural


def batch_first(order: Perm | None) -> Perm | None:
    """An order in which the first axis stays in its place."""
    return order if order is not None and order[0] == 0 else None


def _pointwise(world: Any, node: cst.CSTNode, value: Value) -> Orders:
    result = as_tensor(value)
    if isinstance(node, cst.AugAssign):
        result = as_tensor(world.facts.value(node.target))
    if result is None or result.rank is None:
        return
    given = behaviour.operands(node)
    tensors = [as_tensor(world.facts.value(o)) for o in given]
    if isinstance(node, cst.Call):
        call = world.facts.calls.get(node)
        tensors = [as_tensor(b.value) for b in behaviour.parts(call)] if call is not None else []
        if call is None or call.api.endswith("__call__"):
            tensors = [as_tensor(world.facts.value(a.value)) for a in node.args]
    same = [t for t in tensors if t is not None and t.rank == result.rank and not t.variable]
    for tensor in same:
        yield result, order_of(tensor)
    for tensor in same:
        yield tensor, order_of(result)


def axis_plan(world: Any, call: BoundCall, result: Tensor | None) -> Plan | None:
    """How an axis operation runs in the order of its operands; ``None``: in source order."""
    row = behaviour.row_of(world, call)
    x = main_tensor(call)
    if row is None or x is None or x.rank is None:
        return None
    order = order_of(x)
    if row.returns in ("cat", "stack"):
        tensors = list_items(call)
        if tensors is None or any(t is None or t.rank != x.rank for t in tensors):
            return None
        order = order_of(result) if row.returns == "cat" else next((o for t in tensors if (o := order_of(t))), None)
    chosen = order_of(result) if row.returns in ("unsqueeze", "stack") else None
    if order is None and chosen is not None and x.rank == len(chosen) - 1:
        order = identity(x.rank)
    return plan_axes(row.returns, call, order, chosen) if order is not None else None


def list_items(call: BoundCall) -> list[Tensor | None] | None:
    """The tensors of a list that is given; ``None`` if it is no list."""
    values = ordered_list(call.value(main_argument(call)))
    if not isinstance(values, Seq):
        return None
    return [as_tensor(v) for v in values.items] if values.items is not None else [as_tensor(elem_of(values))]


def _axis(world: Any, call: BoundCall, value: Value) -> Orders:
    row = behaviour.row_of(world, call)
    result = as_tensor(value)
    if row is not None and row.returns == "cat" and result is not None:
        tensors = [t for t in list_items(call) or [] if t is not None and t.rank == result.rank and not t.variable]
        for tensor in tensors:
            yield result, order_of(tensor)
        for tensor in tensors:
            yield tensor, order_of(result)
        return
    yield from _axis_back(row, call, result)
    plan = axis_plan(world, call, result)
    if plan is None:
        return
    for tensor in results(value):
        yield tensor, plan.natural


def _axis_back(row: Row | None, call: BoundCall, result: Tensor | None) -> Orders:
    """The operand as it stands in a result: without the axis that is new, or axis by axis."""
    x, order, given = main_tensor(call), order_of(result), given_axes(call)
    if row is None or x is None or order is None or given is None or x.variable or row.returns == "stack":
        return
    axes = [a for a in given.values() if isinstance(a, int)]
    if row.returns == "unsqueeze" and len(axes) == 1 and x.rank == len(order) - 1:
        yield x, without(order, [axes[0] % len(order)])
    elif row.returns in SAME_AXES and x.rank == len(order):
        yield x, order


def results(value: Value) -> list[Tensor]:
    """The tensors that an operation gives: one, or several in a list or tuple."""
    if isinstance(value, Union):
        return [t for option in value.options for t in results(option)]
    if isinstance(value, Seq):
        found = value.items if value.items is not None else [value.elem]
        return [t for t in map(as_tensor, found) if t is not None]
    tensor = as_tensor(value)
    return [tensor] if tensor is not None else []


def _rearrange(world: Any, call: BoundCall, value: Value) -> Orders:
    x, result = main_tensor(call), as_tensor(value)
    row = behaviour.row_of(world, call)
    if x is None or result is None or row is None:
        return
    order, chosen = order_of(x), order_of(result)
    if order is None and chosen is None:
        return
    dims = permutation(row.returns, call, len(order or chosen or ()))
    if dims is not None and order is not None:
        yield result, rearranged(order, dims)
    if dims is not None and chosen is not None and not x.variable:
        yield x, tuple(dims[a] for a in chosen)


def _reshape(world: Any, call: BoundCall | None, value: Value) -> Orders:
    x, result = main_tensor(call) if call is not None else None, as_tensor(value)
    if call is None or result is None or x is None:
        return
    other = reshapes.likened(call)
    if other is not None:
        yield result, order_of(other)
    order, chosen = order_of(x), order_of(result)
    if order is not None:
        found = reshapes.plan(world, call, order)
        if found is not None and isinstance(result.rank, int):
            yield result, found[1]
    if chosen is not None and not x.variable:
        yield x, reshapes.plan_back(world, call, chosen)
