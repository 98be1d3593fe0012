"""The axes of modules that only permute (`infer.permuting`), in the orders that their tensors have.

Such a module takes one order and gives any other, as a transpose would: in a container it is where orders change.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import libcst as cst

from .. import nodes
from ..infer.permuting import Made, Use
from ..rewrite.context import Context, Edit
from ..values import UNKNOWN, Instance, Tensor, as_tensor, without_none
from . import behaviour
from .perms import Perm, identity, order_of, rearranged
from .unproven import LayoutUnproven

NAME = "permuting"
"""The behaviour of these modules."""


def check(it: Any) -> None:
    """Every module of such a class must be seen where it is made, and its axes must be read by nothing else.

    Raises:
        LayoutUnproven: where that is not so.
    """
    for node, found in it.facts.permuters.items():
        forward = found.cls.methods["forward"]
        if forward.passed or _read_elsewhere(it, found):
            same = [n for n, other in it.facts.permuters.items() if other.cls is found.cls]
            raise LayoutUnproven(node, "what this module permutes may be asked or called elsewhere", same)


def _read_elsewhere(it: Any, found: Made) -> bool:
    names = {attribute for attribute, _ in found.kept.attributes}
    inside = set(nodes.walk(found.cls.node))
    for node in it.facts.values:
        if isinstance(node, cst.Attribute) and node.attr.value in names and node not in inside:
            owner = without_none(it.facts.value(node.value))
            if owner is UNKNOWN or (isinstance(owner, Instance) and owner.cls is found.cls):
                return True
    return False


def orders(it: Any) -> Iterator[tuple[Tensor, Perm | None]]:
    """What goes into such modules and what comes out, each with the order that needs no transpose."""
    for found in it.facts.permuters.values():
        for use in _uses(it, found):
            x = as_tensor(use.given)
            dims = found.dims(use.result.rank or 0)
            if x is not None and dims is not None and x.rank == use.result.rank:
                before, after = order_of(x), order_of(use.result)
                yield use.result, rearranged(before, dims) if before is not None else None
                yield x, tuple(dims[a] for a in after) if after is not None and not x.variable else None


def _uses(world: Any, found: Made) -> list[Use]:
    """The calls of the last runs that convert nothing around the module."""
    last = [use for use in found.uses if use.run[0] is None or use.run[0].runs == use.run[1]]
    return [use for use in last if use.contained or behaviour.of_node(world, use.node) == NAME]


def written(ctx: Context, node: cst.Call, new: cst.Call) -> Edit | None:
    """A module that is made, with the axes of its translation.

    Raises:
        LayoutUnproven: where it is called with tensors of different orders.
    """
    found = ctx.facts.permuters.get(node)
    if found is None or not ctx.moves_channels:
        return None
    last = [use for use in found.uses if use.run[0] is None or use.run[0].runs == use.run[1]]
    moving = _uses(ctx, found)
    wanted = {_axes(found, use) if any(use is one for one in moving) else None for use in last}
    if len(wanted) > 1:
        raise LayoutUnproven(node, "a module permutes tensors of several axis orders", (node,))
    axes = wanted.pop() if wanted else None
    if axes is None:
        return None
    if axes == identity(len(axes)):
        return Edit(nodes.call("keras.layers.Identity"), ("keras",))
    if found.kept.swap:
        moved = [i for i, axis in enumerate(axes) if i != axis]
        if len(moved) != 2:
            raise LayoutUnproven(node, "more than two axes change places in the order that this has here", (node,))
        return _with_values(new, moved)
    return _with_values(new, list(axes))


def _axes(found: Made, use: Use) -> tuple[int, ...] | None:
    """The argument of a transpose from what goes in to what comes out; ``None`` if it is that of the source."""
    x, rank = as_tensor(use.given), use.result.rank or 0
    before, after, dims = order_of(x), order_of(use.result), found.dims(rank)
    if dims is None or (before is None and after is None):
        return None
    now, wanted = before or identity(rank), after or identity(rank)
    axes = tuple(now.index(dims[a]) for a in wanted)
    return None if axes == dims else axes


def _with_values(new: cst.Call, axes: list[int]) -> Edit:
    if len(new.args) == len(axes):
        args = [a.with_changes(value=nodes.literal(axis)) for a, axis in zip(new.args, axes, strict=True)]
        return Edit(new.with_changes(args=args))
    kind = type(new.args[0].value)
    value = nodes.literal(tuple(axes) if kind is cst.Tuple else axes)
    return Edit(new.with_changes(args=[new.args[0].with_changes(value=value)]))
