"""Operations that carry any axis order: their arguments follow, so the rules see a call as if the program had been
written for the order that its tensors really have.
"""

from __future__ import annotations

import ast
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import libcst as cst

from .. import nodes
from ..infer.facts import Bound, BoundCall
from ..values import Const, Seq, Tensor, Value, as_tensor, elem_of, one_list, options_of, without_none
from .perms import Perm, inserted, without

AXES = ("dim", "axis", "dims", "start_dim", "end_dim")
DROPPING = frozenset({"drop_dim", "unbind", "similarity"})
REDUCING = frozenset({
    "reduce", "reduce_bool", "reduce_wide", "reduce_int", "arg_reduce", "extreme", "reduce_two", "reduce_pair", "kth",
})  # fmt: skip
WHOLE = frozenset({"reduce", "reduce_bool", "reduce_wide", "reduce_int", "extreme", "reduce_two"})
"""What, without an axis, gives the same whatever the order of the axes is."""


@dataclass(slots=True)
class Plan:
    """One call for tensors in a given order."""

    order: Perm
    """The order that its main operands must have."""
    natural: Perm | None
    """The order of its results; ``None`` for source order."""
    axes: dict[str, Any] = field(default_factory=dict)
    """Arguments to their new literal values."""


MAIN = ("input", "tensors", "tensor")
"""What the parameter is called that an operation is about."""


def main_argument(call: BoundCall) -> str:
    """The name of the argument that an operation is about; empty if there is none."""
    return next((n for n in MAIN if n in call.args), "")


def main_tensor(call: BoundCall) -> Tensor | None:
    """The tensor that an operation is about; of a list, what every element is."""
    value = ordered_list(call.value(main_argument(call)))
    if isinstance(value, Seq):
        return as_tensor(elem_of(value)) if value.items is None else as_tensor(value.items[0]) if value.items else None
    return as_tensor(value)


def ordered_list(value: Value) -> Value:
    """A list or a tuple as one of them (`one_list`), where the tensors in either share a rank and an order."""
    lists = [o for o in options_of(without_none(value)) if isinstance(o, Seq)]
    inside = [as_tensor(v) for o in lists for v in (o.items if o.items is not None else [o.elem])]
    if len({(t.rank, id(t.layout.find())) if t is not None else None for t in inside} - {None}) != 1 or None in inside:
        return value
    return one_list(value)


def int_values(value: Value) -> int | tuple[int, ...] | None:
    """Literal axes."""
    if isinstance(value, Const) and type(value.value) is int:
        return value.value
    if isinstance(value, Seq) and value.items is not None:
        found = [v.value for v in value.items if isinstance(v, Const) and type(v.value) is int]
        return tuple(found) if len(found) == len(value.items) else None
    return None


def given_axes(call: BoundCall) -> dict[str, Any] | None:
    """The axis arguments of a call with defaults; ``None`` where one is not a literal."""
    out: dict[str, Any] = {}
    for name in AXES:
        if name in call.args:
            value = call.value(name)
            axes = None if value == Const(None) else int_values(value)
            if axes is None and value != Const(None):
                return None
            out[name] = axes
        elif name in call.defaults:
            try:
                default = ast.literal_eval(call.defaults[name])
            except (ValueError, SyntaxError):
                return None
            if not isinstance(default, int | tuple | type(None)):
                return None
            out[name] = default
    return out


def plan_axes(kind: str, call: BoundCall, order: Perm, chosen: Perm | None = None) -> Plan | None:
    """The plan of an axis operation on tensors in ``order``; ``None`` where its axes cannot be followed.

    Args:
        kind: what the operation's row says that it returns.
        chosen: the order that its result is to have. A new axis is put where that has it.
    """
    rank, given = len(order), given_axes(call)
    if given is None:
        return None
    axes = {n: a for n, a in given.items() if a is not None}
    if not axes:
        return Plan(order, None) if kind in WHOLE else None
    if len(axes) > 1:
        return None
    name, value = next(iter(axes.items()))
    room = rank + 1 if kind in ("unsqueeze", "stack") else rank
    logical = [value] if isinstance(value, int) else list(value)
    if any(not -room <= a < room for a in logical):
        return None
    logical = [a % room for a in logical]
    natural = _natural(kind, call, order, logical)
    if kind in ("unsqueeze", "stack") and chosen is not None and without(chosen, logical) == order:
        natural = chosen
    if natural is None:
        return None
    if kind in ("unsqueeze", "stack"):
        physical = [natural.index(logical[0])]
    else:
        physical = [order.index(a) for a in logical]
    signs = [value] if isinstance(value, int) else value
    new = [a - room if v < 0 else a for a, v in zip(physical, signs, strict=True)]
    mapped: Any = _last(new[0], room) if isinstance(value, int) else tuple(new)
    return Plan(order, natural, {name: mapped})


def _last(axis: int, rank: int) -> int:
    """The last axis is written as -1: that is how channels are called."""
    return -1 if axis == rank - 1 else axis


def _natural(kind: str, call: BoundCall, order: Perm, logical: list[int]) -> Perm | None:
    if kind in ("unsqueeze", "stack"):
        return inserted(order, logical[0])
    if kind in DROPPING:
        return without(order, logical)
    if kind in REDUCING:
        keep = call.value("keepdim") if "keepdim" in call.args else Const(False)
        if not isinstance(keep, Const):
            return None
        return order if keep.value else without(order, logical)
    if kind == "squeeze":
        result = as_tensor(call.result)
        if result is None or result.rank not in (len(order), len(order) - len(logical)):
            return None
        return order if result.rank == len(order) else without(order, logical)
    return order


def permutation(kind: str, call: BoundCall, rank: int) -> list[int] | None:
    """The ``dims`` of a permute, or of the transpose that is one."""
    if kind == "reversed":
        return [1, 0] if rank == 2 else None
    if kind == "transpose":
        a, b = (int_values(call.value(n)) for n in ("dim0", "dim1"))
        if not isinstance(a, int) or not isinstance(b, int) or not (-rank <= a < rank and -rank <= b < rank):
            return None
        dims = list(range(rank))
        dims[a], dims[b] = dims[b], dims[a]
        return dims
    value = call.value("dims") if "dims" in call.args else None
    if value is None or not isinstance(value, Seq):
        items = [b.value for b in call.varargs] or ([value] if value is not None else [])
        if len(items) == 1 and isinstance(items[0], Seq):
            value = items[0]
        else:
            value = Seq("tuple", items)
    found = int_values(value)
    if not isinstance(found, tuple) or sorted(a % rank for a in found) != list(range(rank)):
        return None
    return [a % rank for a in found]


def with_axes(call: BoundCall, new: cst.Call, plan: Plan) -> tuple[BoundCall, cst.Call]:
    """A call and its rewritten node with other axes."""
    changed = plan.axes
    args = dict(call.args)
    fresh: list[cst.Arg] = []
    out = list(new.args)
    for name, value in changed.items():
        node = nodes.tuple_of([nodes.literal(v) for v in value]) if isinstance(value, tuple) else nodes.literal(value)
        known: Value = Seq("tuple", [Const(v) for v in value]) if isinstance(value, tuple) else Const(value)
        old = args.get(name)
        args[name] = Bound(node, known)
        place = _place(call, old)
        if place is not None and place < len(out):
            out[place] = out[place].with_changes(value=node)
        elif old is None:
            fresh.append(nodes.keyword(name, node))
    main = main_argument(call)
    if main:
        args[main] = replace(args[main], value=physical_value(args[main].value, plan.order))
    physical = replace(call, args=args)
    return physical, new.with_changes(args=[*closed(out, fresh), *fresh])


def physical_value(value: Value, order: Perm) -> Value:
    """A tensor (or list of them) as if the source had it in another axis order."""
    if isinstance(value, Seq):
        items = None if value.items is None else [physical_value(v, order) for v in value.items]
        return Seq(value.kind, items, physical_value(value.elem, order))
    tensor = as_tensor(value)
    if tensor is None or tensor.dims is None or len(tensor.dims) != len(order):
        return value
    dims = tuple(tensor.dims[a] for a in order)
    return Tensor(dims=dims, dtype=tensor.dtype, storage=tensor.storage, variable=tensor.variable)


def closed(args: list[cst.Arg], fresh: Sequence[cst.Arg]) -> list[cst.Arg]:
    """Arguments that more follow: the last one's comma is left to the code generator."""
    if args and fresh:
        args[-1] = args[-1].with_changes(comma=cst.MaybeSentinel.DEFAULT)
    return args


def _place(call: BoundCall, bound: Bound | None) -> int | None:
    """Which of a call's arguments was bound."""
    if bound is None:
        return None
    for i, arg in enumerate(call.node.args):
        if arg.value is bound.node:
            return i
    return None


def physical_pads(ctx: Any, call: BoundCall, order: Perm) -> BoundCall | None:
    """``F.pad(x, (last before, last after, ...))`` with the amounts of the axes as they stand; ``None`` where the
    amounts are not written out in pairs."""
    bound = call.args.get("pad")
    if bound is None or not isinstance(bound.node, cst.Tuple | cst.List) or not isinstance(bound.value, Seq):
        return None
    elements, values = [e.value for e in bound.node.elements], bound.value.items
    if values is None or len(values) != len(elements) or len(elements) % 2 or len(elements) > 2 * len(order):
        return None
    if any(isinstance(e, cst.StarredElement) for e in bound.node.elements):
        return None
    old: list[cst.BaseExpression] = []
    found: list[Value] = []
    for axis in reversed(order):
        at = 2 * (len(order) - 1 - axis)
        inside = at < len(elements)
        old += elements[at : at + 2] if inside else [cst.Integer("0"), cst.Integer("0")]
        found += values[at : at + 2] if inside else [Const(0), Const(0)]
    outer = max(i for i, axis in enumerate(reversed(order), 1) if 2 * (len(order) - 1 - axis) < len(elements))
    node = nodes.tuple_of(old[: 2 * outer])
    ctx.new[node] = nodes.tuple_of([ctx.updated(e) for e in old[: 2 * outer]])
    return replace(call, args={**call.args, "pad": replace(bound, node=node, value=Seq("tuple", found[: 2 * outer]))})
