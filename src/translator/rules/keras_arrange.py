"""Bring the tensors of a call into an axis order that its operation can take, and say which order comes out."""

from __future__ import annotations

from typing import Any

import libcst as cst

from .. import nodes
from ..infer.emitted import PLACE
from ..infer.facts import BoundCall
from ..infer.keras_graph import CHANNELS_FIRST, is_channels_first
from ..layout.behaviour import of_row
from ..rewrite.context import Context
from ..tables.schema import Row
from ..values import Const, Seq, Tensor, Value, as_tensor, python_type, without_none
from . import keras_weight_lists
from .keras_layout import Perm, Refused, axes_of, axis_node, in_source_order, mapped_axes, method, moved, order, rank_of

TRANSPARENT = frozenset({"same", "same_float", "same_bool", "alias", "create_like", "tf_ensured"})
PAIRWISE = frozenset({"broadcast", "compare"})
WINDOWED = frozenset({
    "tf_conv1d", "tf_conv2d", "tf_depthwise", "tf_conv2d_transpose", "tf_pool2d", "tf_lrn", "tf_resize",
})  # fmt: skip
"""Operations on images, whose PyTorch form wants the channels first."""
ONE_IMAGE = (2, 0, 1)
"""An image without a batch, channels first."""


def arranged(ctx: Context, row: Row, call: BoundCall, node: cst.Call) -> Perm:
    """Bring a call's tensors into the order that the operation can take, and say what order comes out."""
    kind = row.returns
    keras_weight_lists.axisless(ctx, row, call, node)
    if call.api.startswith(PLACE) and row.layout == "channels":
        return imaged(ctx, call)
    by_torch = {(spec.to[0] if spec.to else name): name for name, spec in row.args.items()}
    named = {torch: call.args[name] for torch, name in by_torch.items() if name in call.args}
    first = named.get("input") or next(iter(call.args.values()), None)
    x = as_tensor(first.value) if first is not None else None
    have = order(x) if x is not None else None
    plain = ctx.updated(first.node) if first is not None else None
    others = [
        b.node for b in call.args.values() if b is not first and (t := as_tensor(b.value)) is not None and t.rank != 0
    ]
    if (kind in TRANSPARENT or kind.startswith("cast")) and not others and not looks_at_axes(row, call):
        return have
    if kind == "tf_cond":
        return order(ctx.value(node))
    if kind in PAIRWISE:
        return paired(ctx, [b.node for b in call.args.values()])
    if kind.startswith(("reduce", "arg_reduce")) and have is not None and first is not None:
        return reduced(ctx, named, first, have, x)
    if kind == "cat" and "tensors" in named:
        return joined(ctx, named)
    if kind in WINDOWED and first is not None:
        for bound in call.args.values():
            in_source_order(ctx, bound.node)
        want = ONE_IMAGE if kind == "tf_resize" and rank_of(x) == 3 else CHANNELS_FIRST[3 if kind == "tf_conv1d" else 4]
        ctx.new[first.node] = moved(plain, have, want)
        return want
    for bound in (*call.args.values(), *call.varargs, *call.extra.values()):
        in_source_order(ctx, bound.node)
    return None


def looks_at_axes(row: Row, call: BoundCall) -> bool:
    """Whether an operation whose result is like its argument knows the axes apart: rows that both directions read, and
    those of helpers, say of pointwise operations that they are."""
    shared = row.one_way is None or call.api.startswith(PLACE)
    return shared and row.returns == "same" and of_row(row) != "pointwise"


def imaged(ctx: Context, call: BoundCall) -> Perm:
    """A helper that takes images, its first argument, as PyTorch has them."""
    first = next((b for b in call.args.values() if as_tensor(b.value) is not None), None)
    for bound in (*call.args.values(), *call.varargs, *call.extra.values()):
        if bound is not first:
            in_source_order(ctx, bound.node)
    if first is None:
        return None
    x = as_tensor(first.value)
    want = None if is_channels_first(call.args) else CHANNELS_FIRST.get(rank_of(x) or 0)
    if want is None and not is_channels_first(call.args):
        raise Refused("XL209", f"{call.api}: the rank of its input is not known here")
    if x is not None:
        ctx.new[first.node] = moved(ctx.updated(first.node), order(x), want)
    return want


def paired(ctx: Context, operands: list[Any]) -> Perm:
    """Operands that broadcast must agree in order; one of lower rank is given the axes of the other.

    Raises:
        Refused: where a rank is not known.
    """
    found = [(n, t) for n in operands if (t := as_tensor(ctx.value(n))) is not None]
    perms = [order(t) for _, t in found]
    if not any(perms):
        return None
    if any(not _number(ctx.value(n)) for n in operands if as_tensor(ctx.value(n)) is None):
        raise Refused("XL302", "something that is not known to be a number meets a tensor that stands channels-first")
    ranks = [rank_of(t) for _, t in found]
    if None in ranks:
        raise Refused("XL302", "a tensor of unknown rank meets one that stands channels-first")
    top = max(r for r in ranks if r is not None)
    want = next((p for p, r in zip(perms, ranks, strict=True) if p is not None and r == top), None)
    for (node, _), have, rank in zip(found, perms, ranks, strict=True):
        if rank == top:
            ctx.new[node] = moved(ctx.updated(node), have, want)
        elif rank == 0:
            continue
        elif rank == 1 and want is not None and want[1] == top - 1:
            new = ctx.updated(node)
            ctx.new[node] = method(
                nodes.parenthesized(new), "reshape", nodes.literal(-1), *[nodes.literal(1)] * (top - 2)
            )
        elif want is not None and rank is not None:
            new = moved(ctx.updated(node), have, None)
            for _ in range(top - rank):
                new = method(nodes.parenthesized(new), "unsqueeze", nodes.literal(0))
            ctx.new[node] = moved(new, None, want)
    return want


def reduced(ctx: Context, named: dict[str, Any], first: Any, have: Perm, x: Tensor | None) -> Perm:
    """A reduction takes the axes where they are now, if the rest keeps its order."""
    assert have is not None
    dim, keep = named.get("dim"), named.get("keepdim")
    kept = keep is not None and keep.value == Const(True)
    if keep is not None and not isinstance(keep.value, Const):
        raise Refused("XL302", "whether the reduced axes stay is not known here")
    if dim is None or dim.value == Const(None):
        if kept:
            return have
        return None
    axes = axes_of(dim.value)
    rest = [a for a in have if axes is not None and a not in {i % len(have) for i in axes}]
    if axes is None or (not kept and rest != sorted(rest)):
        in_source_order(ctx, first.node)
        return None
    ctx.new[dim.node] = axis_node(mapped_axes(axes, have), single=isinstance(dim.value, Const))
    return have if kept else None


def _number(value: Value) -> bool:
    return python_type(without_none(value)) in ("int", "float", "bool", "NoneType")


def joined(ctx: Context, named: dict[str, Any]) -> Perm:
    """``tf.concat`` and ``tf.stack``."""
    tensors, dim = named["tensors"], named.get("dim")
    value = tensors.value
    parts = [as_tensor(v) for v in value.items] if isinstance(value, Seq) and value.items is not None else []
    perms = {order(p) for p in parts if p is not None}
    axes = axes_of(dim.value) if dim is not None else [0]
    if len(perms) == 1 and None not in perms and axes is not None and all(p is not None for p in parts):
        have = perms.pop()
        if dim is not None:
            ctx.new[dim.node] = axis_node(mapped_axes(axes, have), single=True)
        return have
    in_source_order(ctx, tensors.node)
    return None
