"""Layers of TensorFlow that an earlier translation wrote, as the PyTorch modules that they stand for."""

from __future__ import annotations

from typing import Any

import libcst as cst

from .. import nodes
from ..infer.emitted import PLACE
from ..infer.facts import BoundCall
from ..rewrite.context import Context, Edit, Outcome, Refusal
from ..tables.schema import Row
from ..values import as_tensor
from .keras_args import QUIET, LayerArgs
from .keras_layers import Builder, Layer, activation_of, bias, layer, lazy_depthwise, module, moved_axes
from .named import named


def unless(args: LayerArgs, name: str, default: Any) -> Any:
    """An argument that is not at the default of both frameworks."""
    return None if args.same(name, default) else args.node(name)


def padded_convolution(axes: int, transposed: str = "") -> Builder:
    """A convolution with PyTorch's own padding."""

    def builder(args: LayerArgs) -> Layer:
        first = [size] if (size := args.channels()) is not None else []
        keywords = {
            "stride": unless(args, "strides", 1), "padding": unless(args, "pad", 0),
            "output_padding": unless(args, "output_pad", 0) if transposed else None,
            "dilation": unless(args, "dilation_rate", 1), "groups": unless(args, "groups", 1), "bias": bias(args),
            "padding_mode": unless(args, "pad_mode", "zeros") if not transposed else None,
        }  # fmt: skip
        name = f"{'' if first else 'Lazy'}Conv{transposed}{axes}d"
        made = module(name, *first, args.node("filters"), args.node("kernel_size"), **keywords)
        return Layer([made], activation_of(args), (), moved_axes(args, axes + 2))

    return builder


for _axes in (1, 2, 3):
    layer(f"PaddedConv{_axes}D", image=_axes + 2, place=PLACE)(padded_convolution(_axes))
    layer(f"PaddedConv{_axes}DTranspose", image=_axes + 2, place=PLACE)(padded_convolution(_axes, "Transpose"))


@layer("PaddedDepthwiseConv2D", image=4, place=PLACE)
def padded_depthwise(args: LayerArgs) -> Layer:
    """A convolution of each channel by itself."""
    size, times = args.channels(), args.node("depth_multiplier", 1)
    pad, mode = unless(args, "pad", 0), unless(args, "pad_mode", "zeros")
    if size is None:
        return lazy_depthwise(args, pad, mode)
    out = size if nodes.integer(times) == 1 else nodes.template("{c} * {n}", {"c": size, "n": times})
    keywords = {
        "stride": unless(args, "strides", 1), "padding": pad, "dilation": unless(args, "dilation_rate", 1),
        "groups": size, "bias": bias(args), "padding_mode": mode,
    }  # fmt: skip
    made = module("Conv2d", size, out, args.node("kernel_size"), **keywords)
    return Layer([made], activation_of(args), (), moved_axes(args, 4))


@named("emitted_renamed")
def renamed(ctx: Context, row: Row, call: BoundCall, node: cst.Call, new: cst.Call) -> Outcome:
    """A helper with the very arguments of PyTorch's class, any number of them."""
    unknown = [name for name in call.extra if name not in QUIET and name != "**"]
    if unknown or "**" in call.extra:
        return Refusal("XL201", f"{call.api}: argument `{(unknown or ['**'])[0]}` is not translated")
    args = [a for a in new.args if a.keyword is None or a.keyword.value not in QUIET]
    return Edit(new.with_changes(func=nodes.dotted(row.tf[0]), args=args), ("torch",))


@named("emitted_pairwise")
def pairwise(ctx: Context, row: Row, call: BoundCall, node: cst.Call, new: cst.Call) -> Outcome:
    """A helper for two tensors, one of which may be a number."""
    if call.problem or call.extra or call.varargs:
        return Refusal("XL202", f"{call.api}: which tensors it gets is not known here")
    sides = []
    for bound in call.args.values():
        side = nodes.bare(ctx.updated(bound.node), bound.node)
        sides.append(side if as_tensor(bound.value) is not None else nodes.call("torch.as_tensor", side))
    return Edit(nodes.call(row.tf[0], *sides), ("torch",))


@named("emitted_method")
def as_method(ctx: Context, row: Row, call: BoundCall, node: cst.Call, new: cst.Call) -> Outcome:
    """A helper whose first argument PyTorch's method is called on: the others are the method's own."""
    if not new.args or new.args[0].star or new.args[0].keyword is not None or call.extra:
        return Refusal("XL202", f"{call.api}: which tensor it gets is not known here")
    receiver = nodes.parenthesized(nodes.bare(new.args[0].value, node.args[0].value))
    func = cst.Attribute(receiver, cst.Name(row.tf[0].rpartition(".")[2]))
    return Edit(new.with_changes(func=func, args=new.args[1:]))
