"""Rows read backwards: from TensorFlow to PyTorch.

A row names its PyTorch side first. Reading it backwards swaps the names, sends each argument home through its
converter's ``back``, and turns ``tf_args`` into requirements on the TensorFlow call. A row that computes
(``tf_expr``, ``rule``, helpers) cannot be turned around by itself: its opposite has a row of its own, marked
``one_way = "tf2torch"`` and written in reading direction, and such a row stands before the inverted ones.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from ..converters import BACK, CONVERTERS
from ..model import Direction
from .schema import ArgMap, Row


def back(name: str | None) -> str | None:
    """The name of a converter's opposite."""
    return name if name is None or name not in CONVERTERS else BACK + name


def invertible(row: Row) -> bool:
    """Whether a row says enough to be read backwards."""
    if row.one_way or row.refuse or not row.torch or not row.tf or not row.canonical:
        return False
    if row.tf_expr or row.torch_expr or row.rule or row.helper or row.when:
        return False
    return all(spec.via is None or spec.via in CONVERTERS for spec in row.args.values())


def invert(row: Row) -> Row:
    """The row in reading direction: its ``torch`` names are what is read, its ``tf`` names what is written."""
    args: dict[str, ArgMap] = {}
    for name, spec in row.args.items():
        for target in spec.to:
            args.setdefault(target, ArgMap((name,), back(spec.via), False, None if spec.via else spec.only))
    for name, value in row.tf_args.items():
        args[name] = ArgMap(only=(value,), drop=True)
    return replace(row, torch=row.tf, tf=row.torch, args=args, tf_args=row.torch_args, when={}, adapter=None,
                   attributes={})


def in_reading_order(row: Row) -> Row:
    """A row of one direction only: its names are swapped, its arguments already read the right way."""
    return replace(row, torch=row.tf, tf=row.torch, tf_expr=row.torch_expr, torch_expr=None,
                   tf_args=row.torch_args)  # fmt: skip


def reading(rows: Iterable[Row]) -> list[Row]:
    """All rows as tf2torch reads them: those of its own first, then one canonical inverse for each target."""
    rows = sorted(rows, key=lambda row: not row.own)  # users' rows win
    own = [in_reading_order(r) for r in rows if r.one_way == Direction.TF2TORCH]
    users = {name for row in rows if row.own and invertible(row) for name in row.tf}
    own = [replace(r, torch=tuple(n for n in r.torch if r.own or n not in users)) for r in own]
    taken = {name for row in own for name in row.torch}
    out = list(own)
    for row in rows:
        if not invertible(row):
            continue
        names = tuple(n for n in row.tf if n not in taken)
        if names:
            taken |= set(names)
            out.append(invert(replace(row, tf=names)))
    return out


def ties(rows: Iterable[Row]) -> list[tuple[str, tuple[str, ...]]]:
    """TensorFlow names that several rows claim to be read back by, with those rows' labels."""
    rows = list(rows)
    own = {name for r in rows if r.one_way == Direction.TF2TORCH for name in r.tf}
    claims: dict[str, list[str]] = {}
    for row in rows:
        if invertible(row):
            for name in row.tf:
                if name not in own:
                    claims.setdefault(name, []).append(row.label)
    return [(name, tuple(labels)) for name, labels in sorted(claims.items()) if len(labels) > 1]
