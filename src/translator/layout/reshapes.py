"""Reshapes of tensors in any axis order, followed by which axes are split and merged.

``x.view(n, g, c // g, h, w)`` splits the second axis of ``(n, c, h, w)``: wherever that axis stands, the split stands
there, too. Axes are matched from both ends by their sizes, as numbers or as what was read from a shape
(``infer.sizes``). What is left over in the middle holds equally many elements on both sides, since the reshape would
fail if it did not: those axes, side by side and in their order, become the new ones.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Any

import libcst as cst

from .. import nodes
from ..infer.expressions import dim_value
from ..infer.facts import Bound, BoundCall, Facts
from ..infer.sizes import size_of
from ..values import Const, Map, Num, Seq, Shape, Tensor, Value, as_tensor
from .axes import Plan, given_axes, main_tensor
from .perms import Perm, identity, order_of, same_memory

NAMES = ("shape", "size", "dtype")
"""What the parameter for the sizes is called; ``view`` takes a dtype in its place."""


@dataclass(frozen=True, slots=True)
class Group:
    """Axes that become other axes: they must stand side by side, in their order."""

    old: tuple[int, ...]
    new: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Amount:
    """A size as far as it is known: a number times sizes of axes."""

    number: int
    axes: tuple[tuple[int, int], ...] = ()

    def times(self, other: Amount) -> Amount:
        return Amount(self.number * other.number, tuple(sorted(self.axes + other.axes)))

    def divides(self, other: Amount) -> bool:
        return other.number % max(1, self.number) == 0 and not Counter(self.axes) - Counter(other.axes)


ONE = Amount(1)


def size_bounds(call: BoundCall, names: tuple[str, ...] = NAMES) -> list[Bound] | None:
    """The arguments that are sizes; ``None`` where they are neither passed one by one nor as one written sequence."""
    name = next((n for n in names if n in call.args), None)
    bounds = [*([call.args[name]] if name is not None else []), *call.varargs]
    if any(b.star for b in bounds):
        return None
    if len(bounds) == 1 and isinstance(bounds[0].value, Seq):
        node, items = bounds[0].node, bounds[0].value.items
        if not isinstance(node, cst.Tuple | cst.List) or items is None or len(items) != len(node.elements):
            return None
        if any(isinstance(e, cst.StarredElement) for e in node.elements):
            return None
        return [Bound(e.value, value) for e, value in zip(node.elements, items, strict=True)]
    return bounds if all(isinstance(b.value, Const | Num) for b in bounds) else None


def targets(call: BoundCall) -> list[Value] | None:
    """The sizes that a reshape asks for; ``None`` where they are neither written one by one nor those of a tensor."""
    if (other := likened(call)) is not None:
        return [dim_value(Shape(other), i) for i in range(other.rank or 0)]
    bounds = size_bounds(call)
    return [b.value for b in bounds] if bounds is not None else None


def likened(call: BoundCall, names: tuple[str, ...] = NAMES) -> Tensor | None:
    """The tensor whose whole shape a call gives: ``x.view_as(y)``, ``x.reshape(y.shape)``."""
    if "other" in call.args:
        return as_tensor(call.value("other"))
    name = next((n for n in names if n in call.args), None)
    bounds = [*([call.args[name]] if name is not None else []), *call.varargs]
    value = bounds[0].value if len(bounds) == 1 and not bounds[0].star else None
    whole = isinstance(value, Shape) and value.start == 0 and value.stop is None
    return value.tensor if isinstance(value, Shape) and whole else None


def groups(world: Any, call: BoundCall) -> list[Group] | None:
    """Which axes become which; ``None`` where that is not seen. The new axes are in ascending order."""
    x = main_tensor(call)
    if x is None or x.dims is None or not x.rank:
        return None
    if flattens(call):
        return _flattened(call, x.rank)
    wanted = targets(call)
    if not wanted:
        return None
    shared = shared_tensors(world.facts)
    old = [_amount_of_axis(x, i, shared) for i in range(x.rank)]
    return matched(old, [_amount(v, shared) for v in wanted])


def _flattened(call: BoundCall, rank: int) -> list[Group] | None:
    given = given_axes(call)
    if given is None or set(given) != {"start_dim", "end_dim"}:
        return None
    start, end = given["start_dim"] % rank, given["end_dim"] % rank
    if start > end:
        return None
    before = [Group((i,), (i,)) for i in range(start)]
    after = [Group((i,), (i - end + start,)) for i in range(end + 1, rank)]
    return [*before, Group(tuple(range(start, end + 1)), (start,)), *after]


def _amount_of_axis(x: Tensor, axis: int, shared: set[int]) -> Amount | None:
    size = x.dims[axis] if x.dims is not None else None
    return Amount(size) if isinstance(size, int) else _of_axes(size_of(x, axis), shared)


def _amount(value: Value, shared: set[int]) -> Amount | None:
    """What a size argument says; ``None`` for ``-1`` and what is not known."""
    if isinstance(value, Const):
        return Amount(value.value) if type(value.value) is int and value.value >= 0 else None
    return _of_axes(value.size, shared) if isinstance(value, Num) else None


def _of_axes(size: Iterable[tuple[Tensor, int]], shared: set[int]) -> Amount | None:
    found = [(id(tensor), axis) for tensor, axis in size]
    return None if not found or any(t in shared for t, _ in found) else Amount(1, tuple(sorted(found)))


def matched(old: list[Amount | None], new: list[Amount | None]) -> list[Group] | None:
    """Old axes to new axes, from both ends; what is left over in the middle belongs together."""
    front, i, j = _from_front(old, new)
    back, k, m = _from_front(old[i:][::-1], new[j:][::-1])
    ends = [
        Group(tuple(sorted(len(old) - 1 - a for a in g.old)), tuple(sorted(len(new) - 1 - b for b in g.new)))
        for g in reversed(back)
    ]
    middle = Group(tuple(range(i, len(old) - k)), tuple(range(j, len(new) - m)))
    return [*front, *([middle] if middle.old or middle.new else []), *ends]


def _from_front(old: list[Amount | None], new: list[Amount | None]) -> tuple[list[Group], int, int]:
    """The groups of known equal size at the front, and how many axes of each side they hold."""
    out: list[Group] = []
    i = j = 0
    while i < len(old) and j < len(new):
        group = _next(old, new, i, j)
        if group is None:
            break
        out.append(group)
        i, j = group.old[-1] + 1, group.new[-1] + 1
    return out, i, j


def _next(old: list[Amount | None], new: list[Amount | None], i: int, j: int) -> Group | None:
    """The smallest group of equal size that begins at two axes."""
    first, second = old[i], new[j]
    if first is None or second is None:
        return None
    m, n = i + 1, j + 1
    while first != second:
        grown: Amount | None
        if first.divides(second) and m < len(old):
            grown, m = old[m], m + 1
            if grown is None:
                return None
            first = first.times(grown)
        elif second.divides(first) and n < len(new):
            grown, n = new[n], n + 1
            if grown is None:
                return None
            second = second.times(grown)
        else:
            return None
    return Group(tuple(range(i, m)), tuple(range(j, n)))


# -- orders ----------------------------------------------------------------------------------------------


def gathered(order: Perm, found: list[Group], dims: tuple[Any, ...]) -> Perm:
    """The order nearest to a given one in which the axes of each group stand side by side, in their order.

    Axes of size 1 may stand anywhere.
    """
    out = list(order)
    for group in found:
        held = [a for a in group.old if dims[a] != 1]
        if len(held) < 2 or not group.new:
            continue
        place = min(out.index(a) for a in held)
        rest = [a for a in out if a not in held]
        at = len([a for a in out[:place] if a not in held])
        out = [*rest[:at], *held, *rest[at:]]
    return tuple(out)


def handed_on(order: Perm, found: list[Group], dims: tuple[Any, ...]) -> Perm:
    """The order of the result of a reshape of a tensor whose groups stand side by side."""
    homes = {a: group for group in found for a in group.old}
    out: list[int] = []
    placed: set[int] = set()
    for axis in order:
        group = homes[axis]
        alone = dims[axis] == 1 and any(dims[a] != 1 for a in group.old)
        if not alone and id(group) not in placed:
            placed.add(id(group))
            out += group.new
    for group in found:  # new axes of size 1, behind the axis that they follow
        if not group.old:
            at = out.index(group.new[0] - 1) + 1 if group.new[0] else 0
            out[at:at] = group.new
    return tuple(out)


def plan(world: Any, call: BoundCall, order: Perm) -> tuple[Perm, Perm] | None:
    """The order that a reshape needs, nearest to a given one, and the order of what it gives then.

    ``None`` where axes cannot be followed.
    """
    found, x = groups(world, call), main_tensor(call)
    if found is None or x is None or x.dims is None or len(x.dims) != len(order):
        return None
    if same_memory(order, x.dims):
        return order, identity(sum(len(g.new) for g in found))
    dims = (None,) * len(order) if flattens(call) else x.dims
    wanted = gathered(order, found, dims)
    return wanted, handed_on(wanted, found, dims)


def same_places(natural: Perm, chosen: Perm, result: Tensor) -> bool:
    """Whether two orders of a tensor differ only in where axes of size 1 stand."""
    dims = result.dims
    if dims is None or len(natural) != len(chosen) or len(dims) != len(chosen):
        return False
    return [a for a in natural if dims[a] != 1] == [a for a in chosen if dims[a] != 1]


def flattens(call: BoundCall) -> bool:
    """Whether a reshape names the axes that it merges, not the sizes that it gives."""
    return "start_dim" in call.args or "start_dim" in call.defaults


def plan_back(world: Any, call: BoundCall, order: Perm) -> Perm | None:
    """The order of the operand from which a reshape gives ``order``; ``None`` if there is none."""
    found, x = groups(world, call), main_tensor(call)
    if found is None or x is None or x.dims is None or any(not g.old or not g.new for g in found):
        return None
    homes = {b: group for group in found for b in group.new}
    out: list[int] = []
    for axis in order:
        out += [a for a in homes[axis].old if a not in out]
    wanted = tuple(out)
    return wanted if handed_on(wanted, found, (None,) * len(x.dims)) == order else None


def reordered(ctx: Any, call: BoundCall, natural: Perm, names: tuple[str, ...] = NAMES) -> BoundCall | None:
    """A call with its sizes as they now stand; ``None`` where they cannot be written in another order."""
    if (other := likened(call, names)) is not None:
        return _shaped_like(ctx, call, other, natural, names)
    bounds = size_bounds(call, names)
    if bounds is None or len(bounds) != len(natural):
        return None
    if natural == identity(len(natural)):
        return call
    moved = [bounds[a] for a in natural]
    node = nodes.tuple_of([b.node for b in moved])
    ctx.new[node] = nodes.tuple_of([ctx.updated(b.node) for b in moved])
    name = next((n for n in names if n in call.args), "size")
    return replace(call, args={**call.args, name: Bound(node, Seq("tuple", [b.value for b in moved]))}, varargs=[])


def _shaped_like(ctx: Any, call: BoundCall, other: Tensor, natural: Perm, names: tuple[str, ...]) -> BoundCall | None:
    """The shape of another tensor, where that stands as the result does."""
    if natural != (order_of(other) or identity(other.rank or 0)):
        return None
    if "other" in call.args:
        return call
    name = next((n for n in names if n in call.args), "")
    bound = call.args[name] if name else call.varargs[0]
    read = bound.node.func if isinstance(bound.node, cst.Call) else bound.node
    if not isinstance(read, cst.Attribute) or as_tensor(ctx.value(read.value)) is not other:
        return None
    node = nodes.call("keras.ops.shape", ctx.updated(read.value))
    ctx.needs.add("keras")
    return replace(call, args={**call.args, name or "size": Bound(node, bound.value)}, varargs=[])


def flattening(call: BoundCall, order: Perm) -> Plan:
    """A flatten of axes that stand side by side, with the places where they stand."""
    x = main_tensor(call)
    if x is not None and x.dims is not None and same_memory(order, x.dims):
        return Plan(order, None)
    rank, given = len(order), given_axes(call) or {}
    first, last = (order.index(given[n] % rank) for n in ("start_dim", "end_dim"))
    return Plan(order, None, {"start_dim": first, "end_dim": -1 if last == rank - 1 else last})


# -- which tensor it is ------------------------------------------------------------------------------------


def shared_tensors(facts: Facts) -> set[int]:
    """The identities of abstract tensors that stand for several at once: elements of lists, attributes of objects."""
    if facts.shared is None:
        out: set[int] = set()
        for value in facts.values.values():
            _share(value, out, 0)
        for cls in facts.classes.values():
            for kept in cls.attrs.values():
                if (tensor := as_tensor(kept)) is not None:
                    out.add(id(tensor))
                _share(kept, out, 0)
        facts.shared = out
    return facts.shared


def _share(value: Value, out: set[int], depth: int) -> None:
    if depth > 3 or not isinstance(value, Seq | Map):
        return
    items = value.items.values() if isinstance(value.items, dict) else value.items
    listed = list(items) if items is not None else [value.elem, value.elem]
    tensors = Counter(id(t) for item in listed if (t := as_tensor(item)) is not None)
    out.update(tensor for tensor, count in tensors.items() if count > 1)
    for item in listed:
        _share(item, out, depth + 1)
