"""How the weights of new layers are drawn: a listed deviation, or with ``--fidelity exact`` what PyTorch does."""

from __future__ import annotations

import math

import libcst as cst

from .. import nodes
from ..infer.facts import BoundCall
from ..model import Fidelity
from ..rewrite.context import Context, Edit
from ..tables.schema import Row
from ..values import Const, Seq

DRAWN = frozenset({"linear_init", "conv_init"})
"""Deviations that an initialiser takes away: PyTorch draws weights and biases evenly from within 1/sqrt(fan_in)."""


def started(ctx: Context, row: Row, call: BoundCall, edit: Edit) -> Edit:
    """The layer with the initialisers that its deviation asks for; else the deviation is listed."""
    fan = _fan_in(ctx, call) if DRAWN & set(row.notes) and ctx.options.fidelity is Fidelity.EXACT else None
    notes = [n for n in row.notes if n != "no_sample" and not (fan is not None and n in DRAWN)]
    for note in notes:
        ctx.note(call.node, "XL401", f"{call.api}: known deviation `{note}`")
    if fan is None or not isinstance(edit.node, cst.Call):
        return edit
    name = nodes.code(edit.node.func)
    kernel = "depthwise_initializer" if "Depthwise" in name else "kernel_initializer"
    bias = call.value("bias") if "bias" in call.args else Const(True)
    kinds = [kernel, "bias_initializer"] if bias != Const(False) else [kernel]
    args = [*edit.node.args, *(nodes.keyword(kind, nodes.dotted(f"fan_in_uniform({fan})")) for kind in kinds)]
    comma = cst.Comma(whitespace_after=cst.SimpleWhitespace(" "))
    first = len(edit.node.args) - 1
    if first >= 0 and not isinstance(args[first].comma, cst.Comma):
        args[first] = args[first].with_changes(comma=comma, whitespace_after_arg=cst.SimpleWhitespace(""))
    return Edit(edit.node.with_changes(args=args), (*edit.needs, "helper:fan_in_uniform"))


def _fan_in(ctx: Context, call: BoundCall) -> str | None:
    """How many inputs an output is summed over, as text; ``None`` where that is not known when the layer is made."""
    name = call.api.rpartition(".")[2]
    if name == "Linear":
        return _size(ctx, call, "in_features")
    if "Lazy" in name or "Conv" not in name:
        return None
    kernel = _kernel(call, int(name[-2]))
    channels = _size(ctx, call, "out_channels" if "Transpose" in name else "in_channels")
    groups = _size(ctx, call, "groups") if "groups" in call.args else "1"
    if kernel is None or channels is None or groups is None:
        return None
    if channels.isdigit() and groups.isdigit():
        return str(int(channels) // int(groups) * kernel)
    if channels == groups:
        return str(kernel)
    share = channels if groups == "1" else f"{channels} // {groups}"
    return f"{share} * {kernel}" if kernel > 1 else share


def _size(ctx: Context, call: BoundCall, name: str) -> str | None:
    """A number that is written out, or a name that can be written again."""
    bound = call.args.get(name)
    node = ctx.updated(bound.node) if bound is not None else None
    place = node
    while isinstance(place, cst.Attribute):
        place = place.value
    return nodes.code(node) if isinstance(node, cst.Integer) or isinstance(place, cst.Name) else None


def _kernel(call: BoundCall, axes: int) -> int | None:
    value = call.value("kernel_size")
    if isinstance(value, Const) and type(value.value) is int:
        return int(value.value**axes)
    if isinstance(value, Seq) and value.items is not None and all(isinstance(v, Const) for v in value.items):
        sizes = [v.value for v in value.items if isinstance(v, Const) and type(v.value) is int]
        return math.prod(sizes) if len(sizes) == axes else None
    return None
