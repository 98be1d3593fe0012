"""Subscripts of tensors in any order: each part of the index goes to the axis that it is about."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import libcst as cst

from ..values import Const, Value, python_type, without_none
from .perms import Perm, inserted

FULL = cst.Slice(lower=None, upper=None)


@dataclass(slots=True)
class SubscriptPlan:
    """The parts of an index in physical order, by their number in the source; ``None`` is an axis as a whole."""

    natural: Perm
    parts: list[int | None]


def index_parts(node: cst.Subscript) -> list[Any]:
    """The parts of an index: slices, and the expressions of the others."""
    first = node.slice[0].slice
    if len(node.slice) == 1 and isinstance(first, cst.Index) and isinstance(first.value, cst.Tuple):
        return [e.value for e in first.value.elements]
    return [s.slice.value if isinstance(s.slice, cst.Index) else s.slice for s in node.slice]


def _kind(world: Any, part: Any) -> str:
    """``slice``, ``int``, ``new``, ``rest``; empty for what is not followed (masks, index tensors)."""
    if isinstance(part, cst.Slice):
        return "slice"
    value: Value = world.facts.value(part)
    if value == Const(None):
        return "new"
    if (isinstance(value, Const) and value.value is Ellipsis) or isinstance(part, cst.Ellipsis):
        return "rest"
    return "int" if python_type(without_none(value)) == "int" else ""


def plan_subscript(world: Any, node: cst.Subscript, order: Perm, wanted: Perm | None) -> SubscriptPlan | None:
    """How to index a tensor in ``order``; ``None`` where the index cannot be followed.

    Args:
        wanted: the order that the result should have, if that needs no transpose.
    """
    kinds = [_kind(world, p) for p in index_parts(node)]
    rank = len(order)
    used = sum(k in ("slice", "int") for k in kinds)
    if "" in kinds or kinds.count("rest") > 1 or used > rank:
        return None
    if "rest" not in kinds:
        kinds.append("rest")
    axis_part: dict[int, int | None] = {}
    dropped: set[int] = set()
    logical: list[int | None] = []  # the result's axes: an axis of the tensor, or None for a new one
    axis = 0
    for i, kind in enumerate(kinds):
        if kind == "rest":
            for _ in range(rank - used):
                axis_part[axis] = None
                logical.append(axis)
                axis += 1
        elif kind == "new":
            logical.append(None)
        else:
            axis_part[axis] = i
            dropped |= {axis} if kind == "int" else set()
            logical += [axis] if kind == "slice" else []
            axis += 1
    new_parts = [i for i, k in enumerate(kinds) if k == "new"]
    natural = _natural(logical, order, wanted)
    return SubscriptPlan(natural, _parts(logical, natural, order, axis_part, dropped, new_parts))


def _natural(logical: list[int | None], order: Perm, wanted: Perm | None) -> Perm:
    """The wanted order, if what is kept stands in it as it is stored; else new axes stand where they are written."""
    place = {a: k for k, a in enumerate(order)}
    if wanted is not None and len(wanted) == len(logical):
        kept = [place[a] for j in wanted if (a := logical[j]) is not None]
        if kept == sorted(kept):
            return wanted
    ranks = {a: r for r, a in enumerate(a for a in logical if a is not None)}
    natural: Perm = tuple(ranks[a] for a in order if a in ranks)
    for j, a in enumerate(logical):
        if a is None:
            natural = inserted(natural, j)
    return natural


def _parts(
    logical: list[int | None], natural: Perm, order: Perm, axis_part: dict[int, int | None], dropped: set[int],
    new_parts: list[int],
) -> list[int | None]:  # fmt: skip
    place = {a: k for k, a in enumerate(order)}
    waiting = sorted(place[a] for a in dropped)
    out: list[int | None] = []
    for j in natural:
        axis = logical[j]
        if axis is None:
            out.append(new_parts[0])
            continue
        while waiting and waiting[0] < place[axis]:
            out.append(axis_part[order[waiting.pop(0)]])
        out.append(axis_part[axis])
    return out + [axis_part[order[k]] for k in waiting]


def written(node: cst.Subscript, new: cst.Subscript, plan: SubscriptPlan) -> cst.BaseExpression:
    """The subscript with its parts in physical order."""
    parts = index_parts(new)
    items: list[Any] = [None if i is None or _full(parts[i]) else parts[i] for i in plan.parts]
    while items and items[-1] is None:
        items.pop()
    lead = next((i for i, item in enumerate(items) if item is not None), 0)
    elements: list[Any] = [cst.Index(cst.Ellipsis())] if lead > 1 and len(plan.parts) == len(items) else [FULL] * lead
    elements += [
        FULL if item is None else item if isinstance(item, cst.Slice) else cst.Index(item) for item in items[lead:]
    ]
    if not elements:
        return new.value
    return cst.Subscript(new.value, [cst.SubscriptElement(e) for e in elements])


def _full(part: Any) -> bool:
    return isinstance(part, cst.Slice) and part.lower is None and part.upper is None and part.step is None
