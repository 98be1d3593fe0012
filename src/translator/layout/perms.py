"""Permutations of axes. ``perm[k]`` is the logical (source) axis stored at physical (target) axis ``k``."""

from __future__ import annotations

Perm = tuple[int, ...]


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
