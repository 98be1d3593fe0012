"""Axis orders when PyTorch is written: Keras's channels-last tensors stand channels-first where a layer wants it.

Inference decides the order of every tensor value (`LayoutVar`). Each rule says which order its operation takes and
which it gives; where that is not the order of the value, a permutation is written.
"""

from __future__ import annotations

from typing import Any

import libcst as cst

from .. import nodes
from ..rewrite.context import Context, Refusal
from ..values import Const, Seq, Tensor, Value, as_tensor

Perm = tuple[int, ...] | None
"""For each axis of the PyTorch tensor, the Keras axis that it holds; ``None``: the same order."""


class Refused(Exception):
    """A refusal raised from deep inside of a rule."""

    def __init__(self, code: str, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.refusal = Refusal(code, message, hint)


def order(value: Value) -> Perm:
    """The axis order of a tensor value in the translated program.

    Raises:
        Refused: where two orders meet in one value.
    """
    tensor = as_tensor(value)
    if tensor is None:
        return None
    root = tensor.layout.find()
    perm = root.perm or None
    if root.clash or (perm is not None and tensor.rank is not None and len(perm) != tensor.rank):
        raise Refused("XL301", "the axis order of this value differs between the paths that lead here")
    if perm is not None and perm == tuple(range(len(perm))):
        return None
    return perm


def mixed(tensor: Tensor | None) -> bool:
    """Whether a value may have one of several ranks, each in an order of its own."""
    return tensor is not None and tensor.layout.find().mixed


def unmixed(node: Any, tensor: Tensor) -> Any:
    """A tensor of one of several ranks in Keras's order: the channels go from the second axis to the last one.

    Raises:
        Refused: where they are not the second axis in each of the ranks.
    """
    from ..infer.keras_graph import CHANNELS_FIRST

    parts = tensor.layout.find().parts
    if not parts or not all(n == 2 or (n in CHANNELS_FIRST and v.resolved() == CHANNELS_FIRST[n]) for v, n in parts):
        order(tensor)
        raise Refused("XL301", "the axis order of this value differs between the paths that lead here")
    return method(node, "movedim", nodes.literal(1), nodes.literal(-1))


def rank_of(tensor: Tensor | None) -> int | None:
    """The rank, which a demanded order proves too."""
    if tensor is None:
        return None
    perm = tensor.layout.resolved()
    return tensor.rank if tensor.rank is not None else len(perm) if perm else None


def moved(node: Any, have: Perm, want: Perm) -> Any:
    """A tensor expression in another axis order."""
    if have == want:
        return node
    rank = len(have or want or ())
    current = have or tuple(range(rank))
    wanted = want or tuple(range(rank))
    dims = [current.index(axis) for axis in wanted]
    return permuted(node, dims)


def permuted(node: Any, dims: list[int]) -> Any:
    """A tensor expression whose axes are those of another order; what undoes a permutation takes it away."""
    before = permutation(node, len(dims))
    if before is not None and [before[d] for d in dims] == list(range(len(dims))):
        return node.func.value
    swapped = [i for i, d in enumerate(dims) if i != d]
    receiver = nodes.parenthesized(node)
    if len(swapped) == 2:
        return method(receiver, "transpose", *(nodes.literal(i) for i in swapped))
    return method(receiver, "permute", *(nodes.literal(d) for d in dims))


def permutation(node: Any, rank: int) -> list[int] | None:
    """The axes that a call of `permute` or `transpose` takes, if they are written out."""
    if not isinstance(node, cst.Call) or not isinstance(node.func, cst.Attribute):
        return None
    axes = [nodes.integer(a.value) for a in node.args if a.keyword is None and not a.star]
    known = [a % rank for a in axes if a is not None]
    if len(known) != len(node.args):
        return None
    if node.func.attr.value == "permute" and len(known) == rank:
        return known
    if node.func.attr.value == "transpose" and len(known) == 2:
        out = list(range(rank))
        out[known[0]], out[known[1]] = known[1], known[0]
        return out
    return None


def method(receiver: Any, name: str, *args: Any, **keywords: Any) -> cst.Call:
    """``receiver.name(args)``."""
    plain = [cst.Arg(a) for a in args]
    return cst.Call(
        cst.Attribute(nodes.parenthesized(receiver), cst.Name(name)),
        [*plain, *(nodes.keyword(k, v) for k, v in keywords.items())],
    )


def axes_of(value: Value) -> list[int] | None:
    """Literal axes: one int or several."""
    if isinstance(value, Const) and type(value.value) is int:
        return [value.value]
    if isinstance(value, Seq) and value.items is not None:
        found = [v.value for v in value.items if isinstance(v, Const) and type(v.value) is int]
        return found if len(found) == len(value.items) else None
    return None


def mapped_axes(axes: list[int], perm: Perm) -> list[int]:
    """The axes of the PyTorch tensor that hold these Keras axes."""
    if perm is None:
        return axes
    return [perm.index(a % len(perm)) for a in axes]


def axis_node(axes: list[int], *, single: bool) -> Any:
    """One axis, or a tuple of them in order."""
    if single:
        return nodes.literal(axes[0])
    return nodes.tuple_of([nodes.literal(a) for a in sorted(axes)])


def in_source_order(ctx: Context, node: Any) -> None:
    """Have what is written for an argument stand in Keras's axis order; lists element by element."""
    value = ctx.value(node)
    tensor = as_tensor(value)
    if tensor is not None:
        perm = order(tensor)
        if perm is not None:
            ctx.new[node] = moved(ctx.updated(node), perm, None)
        return
    if not isinstance(value, Seq):
        return
    if isinstance(node, cst.List | cst.Tuple):
        elements = []
        for element in node.elements:
            in_source_order(ctx, element.value)
            elements.append(element.with_changes(value=ctx.updated(element.value)))
        new = ctx.updated(node)
        if isinstance(new, cst.List | cst.Tuple):
            ctx.new[node] = new.with_changes(elements=elements)
        return
    from ..values import elem_of

    if order(elem_of(value)) is not None:
        raise Refused(
            "XL302", "these tensors stand channels-first, and an operation on all of them needs Keras's order"
        )


def settled(ctx: Context, node: Any, new: Any, natural: Perm) -> Any:
    """What an operation gives, in the order that its value has."""
    tensor = as_tensor(ctx.value(node))
    if tensor is None:
        return new
    return moved(new, natural, order(tensor))


def letters(perm: Perm, rank: int | None) -> str:
    """``NCHW`` for what stands channels-first."""
    source = {3: "NLC", 4: "NHWC", 5: "NDHWC"}.get(rank or 0, "")
    return "".join(source[i] for i in perm) if perm and source else source
