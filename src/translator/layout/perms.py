"""Permutations of axes. ``perm[k]`` is the logical (source) axis stored at physical (target) axis ``k``."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any

from ..values import Tensor

Perm = tuple[int, ...]

SPATIAL = {3: "L", 4: "HW", 5: "DHW"}


def identity(rank: int) -> Perm:
    """Source order."""
    return tuple(range(rank))


def channels_last(rank: int) -> Perm:
    """(N, C, ...) stored as (N, ..., C)."""
    return (0, *range(2, rank), 1) if rank > 2 else identity(rank)


def between(now: Perm, wanted: Perm) -> Perm | None:
    """The argument of ``tf.transpose`` that takes one order to another; ``None`` if they are the same."""
    if now == wanted:
        return None
    return tuple(now.index(axis) for axis in wanted)


def without(perm: Perm, axes: Collection[int]) -> Perm:
    """The order of what is left when logical axes go."""
    left = [a for a in perm if a not in axes]
    ranks = sorted(left)
    return tuple(ranks.index(a) for a in left)


def inserted(perm: Perm, axis: int) -> Perm:
    """The order with a new logical axis, which is stored before the axis whose number it takes."""
    shifted = [a + (a >= axis) for a in perm]
    place = shifted.index(axis + 1) if axis < len(perm) else len(perm)
    return (*shifted[:place], axis, *shifted[place:])


def rearranged(perm: Perm, dims: Sequence[int]) -> Perm:
    """The order of ``x.permute(dims)`` when nothing is moved: logical axis ``j`` of it is axis ``dims[j]`` of x."""
    return tuple(dims.index(a) for a in perm)


def same_memory(perm: Perm, dims: Sequence[Any]) -> bool:
    """Whether elements stand in memory as in source order: only axes of size 1 changed places."""
    order = [a for a in perm if dims[a] != 1]
    return order == sorted(order)


def letters(perm: Perm) -> str:
    """``NHWC`` for a channels-last image; letters of the alphabet for ranks that have no names."""
    names = "NC" + SPATIAL.get(len(perm), "") if len(perm) in SPATIAL else "ABCDEFGHIJ"
    return "".join(names[a] for a in perm)


def order_of(tensor: Tensor | None) -> Perm | None:
    """The order that was chosen for a tensor; ``None`` for source order."""
    if tensor is None or tensor.rank is None:
        return None
    perm = tensor.layout.find().perm
    return None if perm is None or len(perm) != tensor.rank or perm == identity(tensor.rank) else perm
