"""Keras layers to PyTorch modules: what a constructor call becomes, one module or a few in sequence."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import libcst as cst

from .. import nodes
from ..infer.facts import BoundCall
from ..infer.keras_graph import CHANNELS_FIRST
from ..rewrite.context import Context
from ..values import Const, python_type
from . import keras_activations as activations
from .keras_args import LayerArgs, text
from .keras_layout import Perm, Refused


@dataclass(slots=True)
class Layer:
    """What a Keras layer becomes: modules in sequence, and the activation that follows them."""

    modules: list[Any] = field(default_factory=list)
    activation: str | None = None
    needs: tuple[str, ...] = ()
    perm: Perm = None
    """The axis order of what the layer gives, which the activation needs."""
    chosen: Any = None
    """The activation where it is chosen at run time."""

    def in_sequence(self) -> list[Any]:
        """All modules, the activation too."""
        if self.chosen is not None:
            dim = activations.channel_axis(self.perm)
            return [*self.modules, helper("Activation", self.chosen, dim=None if dim == -1 else nodes.literal(dim))]
        last = [activations.module(self.activation, self.perm)] if self.activation else []
        return [*self.modules, *last]


Builder = Callable[[LayerArgs], Layer]
LAYERS: dict[str, Builder] = {}
IMAGE: dict[str, int] = {}
"""Layers that take and give channels-first tensors, with their rank (0: any rank that has channels)."""
FREE: set[str] = set()
"""Layers that do not care about axes."""


def layer(
    *names: str, image: int | None = None, free: bool = False, place: str = "keras.layers."
) -> Callable[[Builder], Builder]:
    """Register how the layers of these names are written."""

    def register(builder: Builder) -> Builder:
        for name in names:
            full = place + name
            LAYERS[full] = builder
            if image is not None:
                IMAGE[full] = image
            if free:
                FREE.add(full)
        return builder

    return register


def build(ctx: Context, call: BoundCall) -> Layer:
    """What the constructor call of a Keras layer becomes.

    Raises:
        Refused: if the layer, or one of its arguments, has no counterpart.
    """
    builder = LAYERS.get(call.api)
    if builder is None:
        raise Refused("XL200", f"{call.api} has no counterpart in the tables yet")
    args = LayerArgs(ctx, call)
    if call.api in IMAGE:
        args.check_format()
    out = builder(args)
    args.finish()
    if args.chosen is not None:
        out.chosen, out.needs = args.chosen, (*out.needs, "helper:Activation")
    return out


def activation_of(args: LayerArgs) -> str | None:
    """A layer's activation by name. One that is not written out is looked up when the program runs."""
    bound = args.bound("activation")
    if bound is None or bound.value == Const(None):
        return None
    if activations.is_known(bound.value):
        return activations.activation_of(bound.value, args.api)
    args.chosen = args.node("activation")
    return None


def module(name: str, *args: Any, **keywords: Any) -> cst.Call:
    """``nn.Name(args)`` without the keywords that are ``None``."""
    return nodes.call(f"nn.{name}", *args, **{k: v for k, v in keywords.items() if v is not None})


def bias(args: LayerArgs) -> Any:
    return args.flag("use_bias", True)


def helper(name: str, *args: Any, **keywords: Any) -> cst.Call:
    return nodes.call(name, *args, **{k: v for k, v in keywords.items() if v is not None})


# -- dense and embedding --------------------------------------------------------------------------------


@layer("Dense")
def dense(args: LayerArgs) -> Layer:
    size = args.channels()
    units = args.node("units")
    made = (
        module("Linear", size, units, bias=bias(args))
        if size is not None
        else module("LazyLinear", units, bias=bias(args))
    )
    return Layer([made], activation_of(args))


@layer("Embedding")
def embedding(args: LayerArgs) -> Layer:
    args.used.add("mask_zero")  # rules of `keras_masks` follow the mask
    return Layer([module("Embedding", args.node("input_dim"), args.node("output_dim"))])


# -- convolutions ----------------------------------------------------------------------------------------


def padded(args: LayerArgs, axes: int) -> tuple[Any, str]:
    """The ``padding=`` of a convolution, and ``"same"`` where a helper must pad by the input's size."""
    padding = text(args.value("padding")) if args.bound("padding") is not None else "valid"
    kernel = args.ints("kernel_size", axes, 1)
    strides = args.ints("strides", axes, 1)
    dilation = args.ints("dilation_rate", axes, 1)
    if padding is None:
        if axes == 3 or python_type(args.value("padding")) not in ("str", None):
            raise Refused("XL209", f"{args.api}: whether `padding` is same or valid is not known here")
        return args.node("padding"), "chosen"
    padding = padding.lower()
    if padding == "valid":
        return None, ""
    if padding == "causal":
        return nodes.literal("causal"), "chosen"
    if kernel is not None and all(k == 1 for k in kernel) and strides is not None and all(s == 1 for s in strides):
        return None, ""
    if strides is None or any(s != 1 for s in strides):
        if kernel is not None and all(k == 1 for k in kernel):
            return None, ""
        return None, "same"
    if kernel is not None and dilation is not None and all(k % 2 for k in kernel):
        amounts = [d * (k - 1) // 2 for k, d in zip(kernel, dilation, strict=True)]
        return nodes.literal(amounts[0] if len(set(amounts)) == 1 else tuple(amounts)), ""
    return nodes.literal("same"), ""


def moved_axes(args: LayerArgs, rank: int) -> Perm:
    """The axis order of an image layer's tensors: channels-last ones are moved."""
    return None if args.first else CHANNELS_FIRST.get(rank)


def padding_class(special: str, axes: int) -> str:
    """The helper for padding that depends on the input's size, or that is chosen at run time."""
    return f"PaddedConv{axes}d" if special == "chosen" else f"SameConv{axes}d"


def convolution(axes: int) -> Builder:
    def builder(args: LayerArgs) -> Layer:
        filters, kernel = args.node("filters"), args.size("kernel_size")
        pad, special = padded(args, axes)
        keywords = {
            "stride": None if args.same("strides", 1) else args.size("strides"), "padding": pad,
            "dilation": None if args.same("dilation_rate", 1) else args.size("dilation_rate"),
            "groups": None if args.same("groups", 1) else args.node("groups"), "bias": bias(args),
        }  # fmt: skip
        size = args.channels()
        first = [size] if size is not None else []
        name = f"Conv{axes}d" if first else f"LazyConv{axes}d"
        perm = moved_axes(args, axes + 2)
        activation = activation_of(args)
        if special:
            if not first and special == "chosen":
                raise Refused("XL402", f"{args.api}: a padding that is chosen at run time needs the input's channels")
            name = ("" if first else "Lazy") + padding_class(special, axes)
            return Layer([helper(name, *first, filters, kernel, **keywords)], activation, (f"helper:{name}",), perm)
        return Layer([module(name, *first, filters, kernel, **keywords)], activation, (), perm)

    return builder


for _axes in (1, 2, 3):
    layer(f"Conv{_axes}D", image=_axes + 2)(convolution(_axes))


@layer("DepthwiseConv2D", image=4)
def depthwise(args: LayerArgs) -> Layer:
    pad, special = padded(args, 2)
    size = args.channels()
    if size is None and not special:
        return lazy_depthwise(args, pad)
    if size is None:
        raise Refused("XL402", f"{args.api}: the number of its input's channels is not known here")
    times = args.node("depth_multiplier", 1)
    out = size if nodes.integer(times) == 1 else nodes.template("{c} * {n}", {"c": size, "n": times})
    numbers = nodes.integer(size), nodes.integer(times)
    if numbers[0] is not None and numbers[1] is not None:
        out = nodes.literal(numbers[0] * numbers[1])
    keywords = {
        "stride": None if args.same("strides", 1) else args.size("strides"), "padding": pad,
        "dilation": None if args.same("dilation_rate", 1) else args.size("dilation_rate"), "groups": size,
        "bias": bias(args),
    }  # fmt: skip
    activation = activation_of(args)
    name = padding_class(special, 2) if special else "Conv2d"
    make = helper if special else module
    needs = (f"helper:{name}",) if special else ()
    made = make(name, size, out, args.size("kernel_size"), **keywords)
    return Layer([made], activation, needs, moved_axes(args, 4))


def lazy_depthwise(args: LayerArgs, pad: Any, mode: Any = None) -> Layer:
    """A depthwise convolution that counts its input's channels at the first call."""
    keywords = {
        "multiplier": None if args.same("depth_multiplier", 1) else args.node("depth_multiplier"),
        "stride": None if args.same("strides", 1) else args.size("strides"), "padding": pad,
        "dilation": None if args.same("dilation_rate", 1) else args.size("dilation_rate"), "bias": bias(args),
        "padding_mode": mode,
    }  # fmt: skip
    made = helper("LazyDepthwiseConv2d", args.size("kernel_size"), **keywords)
    return Layer([made], activation_of(args), ("helper:LazyDepthwiseConv2d",), moved_axes(args, 4))


@layer("SeparableConv2D", image=4)
def separable(args: LayerArgs) -> Layer:
    pad, special = padded(args, 2)
    size = args.channels()
    if size is None or not args.same("depth_multiplier", 1):
        raise Refused("XL402", f"{args.api}: the number of its channels is not known here")
    keywords = {
        "stride": None if args.same("strides", 1) else args.size("strides"), "padding": pad,
        "dilation": None if args.same("dilation_rate", 1) else args.size("dilation_rate"), "groups": size,
        "bias": nodes.literal(False),
    }  # fmt: skip
    name = padding_class(special, 2) if special else "Conv2d"
    first = (helper if special else module)(name, size, size, args.size("kernel_size"), **keywords)
    second = module("Conv2d", size, args.node("filters"), nodes.literal(1), bias=bias(args))
    activation = activation_of(args)
    return Layer([first, second], activation, (f"helper:{name}",) if special else (), moved_axes(args, 4))


def transposed(axes: int) -> Builder:
    def builder(args: LayerArgs) -> Layer:
        kernel, strides = args.ints("kernel_size", axes, 1), args.ints("strides", axes, 1)
        padding = args.const("padding", "valid").lower()
        if kernel is None or strides is None:
            raise Refused("XL201", f"{args.api}: its kernel size and strides must be literals to be translated")
        if not args.same("dilation_rate", 1) or not args.same("output_padding", None):
            raise Refused("XL201", f"{args.api}: dilation and output_padding are not translated yet")
        # Keras crops total // 2 in front and the rest behind; PyTorch crops equally and can only add behind.
        totals = [max(k - s, 0) if padding == "same" else 0 for k, s in zip(kernel, strides, strict=True)]
        extra = [max(s - k, 0) for k, s in zip(kernel, strides, strict=True)]
        uneven = any(t % 2 for t in totals)
        pads = [0 if uneven else t // 2 for t in totals]
        size = args.channels()
        first = [size] if size is not None else []
        keywords = {
            "stride": None if args.same("strides", 1) else args.size("strides"),
            "padding": _amounts(pads), "output_padding": _amounts(extra), "bias": bias(args),
        }  # fmt: skip
        name = f"ConvTranspose{axes}d" if first else f"LazyConvTranspose{axes}d"
        activation = activation_of(args)
        needs: tuple[str, ...] = ()
        if uneven and not first:
            raise Refused("XL402", f"{args.api}: the number of its input's channels is not known here")
        make = module
        if uneven:
            name, make = f"SameConvTranspose{axes}d", helper
            needs = (f"helper:{name}",)
        made = make(name, *first, args.node("filters"), args.size("kernel_size"), **keywords)
        return Layer([made], activation, needs, moved_axes(args, axes + 2))

    return builder


def _amounts(values: list[int]) -> Any:
    if not any(values):
        return None
    return nodes.literal(values[0] if len(set(values)) == 1 else tuple(values))


for _axes in (1, 2, 3):
    layer(f"Conv{_axes}DTranspose", image=_axes + 2)(transposed(_axes))
