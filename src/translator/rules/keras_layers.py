"""Keras layers to PyTorch modules: what a constructor call becomes, one module or a few in sequence."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import libcst as cst

from .. import nodes
from ..infer.facts import BoundCall
from ..infer.keras_graph import CHANNELS_FIRST
from ..infer.keras_results import pairs
from ..rewrite.context import Context
from ..values import Const, Instance, Seq
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

    def in_sequence(self) -> list[Any]:
        """All modules, the activation too."""
        last = [activations.module(self.activation, self.perm)] if self.activation else []
        return [*self.modules, *last]


Builder = Callable[[LayerArgs], Layer]
LAYERS: dict[str, Builder] = {}
IMAGE: dict[str, int] = {}
"""Layers that take and give channels-first tensors, with their rank (0: any rank that has channels)."""
FREE: set[str] = set()
"""Layers that do not care about axes."""


def layer(*names: str, image: int | None = None, free: bool = False) -> Callable[[Builder], Builder]:
    """Register how the layers of these names are written."""

    def register(builder: Builder) -> Builder:
        for name in names:
            full = f"keras.layers.{name}"
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
    out = builder(args)
    args.finish()
    return out


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
    made = module("Linear", size, units, bias=bias(args)) if size is not None else module("LazyLinear", units, bias=bias(args))
    return Layer([made], activations.activation_of(args.value("activation"), args.api))


@layer("Embedding")
def embedding(args: LayerArgs) -> Layer:
    if not args.same("mask_zero", False):
        raise Refused("XL201", f"{args.api}: `mask_zero=True`: masks are not translated yet", "pass lengths by hand")
    return Layer([module("Embedding", args.node("input_dim"), args.node("output_dim"))])


# -- convolutions ----------------------------------------------------------------------------------------


def padded(args: LayerArgs, axes: int) -> tuple[Any, str]:
    """The ``padding=`` of a convolution, and ``"same"`` where a helper must pad by the input's size."""
    padding = text(args.value("padding")) if args.bound("padding") is not None else "valid"
    kernel = args.ints("kernel_size", axes, 1)
    strides = args.ints("strides", axes, 1)
    dilation = args.ints("dilation_rate", axes, 1)
    if padding is None:
        raise Refused("XL209", f"{args.api}: whether `padding` is same or valid is not known here")
    padding = padding.lower()
    if padding == "valid":
        return None, ""
    if padding == "causal":
        return None, "causal"
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


def channels_last_only(args: LayerArgs) -> None:
    """Programs that are channels-first already are another layout altogether."""
    if not args.same("data_format", None) and not args.same("data_format", "channels_last"):
        raise Refused("XL303", f"{args.api}: `data_format=\"channels_first\"` is not translated yet")


def convolution(axes: int) -> Builder:
    def builder(args: LayerArgs) -> Layer:
        channels_last_only(args)
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
        perm = CHANNELS_FIRST[axes + 2]
        activation = activations.activation_of(args.value("activation"), args.api)
        if special == "causal":
            raise Refused("XL201", f"{args.api}: causal padding is not translated yet")
        if special:
            if not first:
                raise Refused(
                    "XL402", f"{args.api}: `padding=\"same\"` with strides needs the input's channels, not known here"
                )
            made = helper(f"SameConv{axes}d", *first, filters, kernel, **keywords)
            return Layer([made], activation, (f"helper:SameConv{axes}d",), perm)
        return Layer([module(name, *first, filters, kernel, **keywords)], activation, (), perm)

    return builder


for _axes in (1, 2, 3):
    layer(f"Conv{_axes}D", image=_axes + 2)(convolution(_axes))


@layer("DepthwiseConv2D", image=4)
def depthwise(args: LayerArgs) -> Layer:
    channels_last_only(args)
    pad, special = padded(args, 2)
    size = args.channels()
    if size is None:
        raise Refused("XL402", f"{args.api}: the number of its input's channels is not known here")
    times = args.const("depth_multiplier", 1)
    out = size if times == 1 else nodes.template("{c} * {n}", {"c": size, "n": nodes.literal(times)})
    if times != 1 and nodes.integer(size) is not None:
        out = nodes.literal(nodes.integer(size) * times)
    keywords = {
        "stride": None if args.same("strides", 1) else args.size("strides"), "padding": pad,
        "dilation": None if args.same("dilation_rate", 1) else args.size("dilation_rate"), "groups": size,
        "bias": bias(args),
    }  # fmt: skip
    activation = activations.activation_of(args.value("activation"), args.api)
    name = "SameConv2d" if special else "Conv2d"
    make = helper if special else module
    needs = (f"helper:{name}",) if special else ()
    return Layer([make(name, size, out, args.size("kernel_size"), **keywords)], activation, needs, CHANNELS_FIRST[4])


@layer("SeparableConv2D", image=4)
def separable(args: LayerArgs) -> Layer:
    channels_last_only(args)
    pad, special = padded(args, 2)
    size = args.channels()
    if size is None or not args.same("depth_multiplier", 1):
        raise Refused("XL402", f"{args.api}: the number of its channels is not known here")
    keywords = {
        "stride": None if args.same("strides", 1) else args.size("strides"), "padding": pad,
        "dilation": None if args.same("dilation_rate", 1) else args.size("dilation_rate"), "groups": size,
        "bias": nodes.literal(False),
    }  # fmt: skip
    name = "SameConv2d" if special else "Conv2d"
    first = (helper if special else module)(name, size, size, args.size("kernel_size"), **keywords)
    second = module("Conv2d", size, args.node("filters"), nodes.literal(1), bias=bias(args))
    activation = activations.activation_of(args.value("activation"), args.api)
    return Layer([first, second], activation, (f"helper:{name}",) if special else (), CHANNELS_FIRST[4])


def transposed(axes: int) -> Builder:
    def builder(args: LayerArgs) -> Layer:
        channels_last_only(args)
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
        activation = activations.activation_of(args.value("activation"), args.api)
        needs: tuple[str, ...] = ()
        if uneven and not first:
            raise Refused("XL402", f"{args.api}: the number of its input's channels is not known here")
        make = module
        if uneven:
            name, make = f"SameConvTranspose{axes}d", helper
            needs = (f"helper:{name}",)
        made = make(name, *first, args.node("filters"), args.size("kernel_size"), **keywords)
        return Layer([made], activation, needs, CHANNELS_FIRST[axes + 2])

    return builder


def _amounts(values: list[int]) -> Any:
    if not any(values):
        return None
    return nodes.literal(values[0] if len(set(values)) == 1 else tuple(values))


for _axes in (1, 2, 3):
    layer(f"Conv{_axes}DTranspose", image=_axes + 2)(transposed(_axes))


# -- pooling ---------------------------------------------------------------------------------------------


def pooling(kind: str, axes: int) -> Builder:
    def builder(args: LayerArgs) -> Layer:
        channels_last_only(args)
        size = args.size("pool_size", 2)
        stride = None if args.value("strides") == Const(None) or args.bound("strides") is None else args.size("strides")
        sizes = args.ints("pool_size", axes, 2)
        if stride is not None and sizes is not None and args.ints("strides", axes, 1) == sizes:
            stride = None
        padding = args.const("padding", "valid").lower()
        name = f"{kind}Pool{axes}d"
        if padding == "same":
            return Layer([helper(f"Same{name}", size, stride)] if stride is not None else [helper(f"Same{name}", size)],
                         None, (f"helper:Same{name}",))  # fmt: skip
        return Layer([module(name, size, stride=stride)])

    return builder


for _axes in (1, 2, 3):
    layer(f"MaxPooling{_axes}D", image=_axes + 2)(pooling("Max", _axes))
    layer(f"AveragePooling{_axes}D", image=_axes + 2)(pooling("Avg", _axes))


def global_pooling(kind: str, axes: int) -> Builder:
    def builder(args: LayerArgs) -> Layer:
        channels_last_only(args)
        pool = module(f"Adaptive{kind}Pool{axes}d", nodes.literal(1))
        if args.same("keepdims", True) and args.bound("keepdims") is not None:
            return Layer([pool])
        return Layer([pool, module("Flatten")])

    return builder


for _axes in (2, 3):
    layer(f"GlobalAveragePooling{_axes}D", image=_axes + 2)(global_pooling("Avg", _axes))
    layer(f"GlobalMaxPooling{_axes}D", image=_axes + 2)(global_pooling("Max", _axes))


@layer("GlobalAveragePooling1D")
def mean_over_time(args: LayerArgs) -> Layer:
    if not args.same("data_format", None) and not args.same("data_format", "channels_last"):
        channels_last_only(args)
    return Layer([helper("Mean", dim=nodes.literal(1), keepdim=args.flag("keepdims", False))], None, ("helper:Mean",))


@layer("GlobalMaxPooling1D")
def max_over_time(args: LayerArgs) -> Layer:
    channels_last_only(args)
    return Layer([helper("Amax", dim=nodes.literal(1), keepdim=args.flag("keepdims", False))], None, ("helper:Amax",))


# -- normalisation ----------------------------------------------------------------------------------------


@layer("BatchNormalization", image=0)
def batch_norm(args: LayerArgs) -> Layer:
    inputs = args.inputs
    rank = inputs.rank if inputs is not None else None
    axis = args.const("axis", -1)
    axis = axis[0] if isinstance(axis, tuple) and len(axis) == 1 else axis
    if rank is None:
        raise Refused("XL209", f"{args.api}: the rank of its input is not known here")
    if axis not in (-1, rank - 1):
        raise Refused("XL303", f"{args.api}: `axis` is not the last one")
    if rank not in (2, 3, 4, 5):
        raise Refused("XL201", f"{args.api}: an input of rank {rank}")
    if not args.same("center", True) or not args.same("scale", True):
        if args.same("center", False) and args.same("scale", False):
            affine: Any = nodes.literal(False)
        else:
            raise Refused("XL201", f"{args.api}: only one of `center` and `scale`")
    else:
        affine = None
    size = args.channels()
    name = f"BatchNorm{max(rank - 2, 1)}d"
    eps = args.const("epsilon", 1e-3)
    momentum = float(round(1 - args.const("momentum", 0.99), 12))
    keywords = {
        "eps": None if eps == 1e-5 else nodes.literal(eps), "affine": affine,
        "momentum": None if momentum == 0.1 else nodes.literal(momentum),
    }  # fmt: skip
    args.ctx.note(args.call.node, "XL401", f"{args.api}: known deviation `bn_unbiased_running_var`")
    first = [size] if size is not None else []
    return Layer([module(name if first else f"Lazy{name}", *first, **keywords)], None, (), CHANNELS_FIRST.get(rank))


@layer("LayerNormalization")
def layer_norm(args: LayerArgs) -> Layer:
    axis = args.const("axis", -1)
    inputs = args.inputs
    rank = inputs.rank if inputs is not None else None
    if axis not in (-1, (-1,)) and not (rank is not None and axis in (rank - 1, (rank - 1,))):
        raise Refused("XL201", f"{args.api}: normalises over other axes than the last")
    if not args.same("scale", True) or not args.same("center", True):
        raise Refused("XL201", f"{args.api}: without scale or center")
    size = args.channels()
    eps = args.const("epsilon", 1e-3)
    written = None if eps == 1e-5 else nodes.literal(eps)
    if size is None:
        return Layer([helper("LazyLayerNorm", eps=written)], None, ("helper:LazyLayerNorm",))
    return Layer([module("LayerNorm", size, eps=written)])


# -- without weights ----------------------------------------------------------------------------------------


@layer("Activation", free=True)
def activation(args: LayerArgs) -> Layer:
    name = activations.activation_of(args.value("activation"), args.api)
    return Layer([] if name is None else [], name)


@layer("ReLU", free=True)
def relu(args: LayerArgs) -> Layer:
    if args.same("max_value", 6) and args.bound("max_value") is not None:
        return Layer([module("ReLU6")])
    if not args.same("max_value", None) or not args.same("threshold", 0.0):
        raise Refused("XL201", f"{args.api}: `max_value` or `threshold` at this value")
    slope = args.const("negative_slope", 0.0)
    return Layer([], "relu") if not slope else Layer([module("LeakyReLU", nodes.literal(slope))])


@layer("LeakyReLU", free=True)
def leaky_relu(args: LayerArgs) -> Layer:
    slope = args.node("negative_slope") or args.node("alpha") or nodes.literal(0.3)
    return Layer([module("LeakyReLU", slope)])


@layer("ELU", free=True)
def elu(args: LayerArgs) -> Layer:
    alpha = args.node("alpha")
    return Layer([module("ELU", alpha)] if alpha is not None else [module("ELU")])


@layer("Softmax")
def softmax(args: LayerArgs) -> Layer:
    return Layer([module("Softmax", dim=args.node("axis", -1))])


@layer("Dropout", free=True)
def dropout(args: LayerArgs) -> Layer:
    if not args.same("noise_shape", None):
        raise Refused("XL201", f"{args.api}: `noise_shape` is not translated")
    args.used.add("seed")
    return Layer([module("Dropout", args.node("rate"))])


@layer("SpatialDropout2D", image=4)
def dropout2d(args: LayerArgs) -> Layer:
    args.used.add("seed")
    return Layer([module("Dropout2d", args.node("rate"))])


@layer("SpatialDropout1D", image=3)
def dropout1d(args: LayerArgs) -> Layer:
    args.used.add("seed")
    return Layer([module("Dropout1d", args.node("rate"))])


@layer("Flatten")
def flatten(args: LayerArgs) -> Layer:
    channels_last_only(args)
    return Layer([module("Flatten")])


@layer("Reshape")
def reshape(args: LayerArgs) -> Layer:
    bound = args.bound("target_shape")
    shape = args.node("target_shape")
    if bound is None or not isinstance(bound.value, Seq):
        raise Refused("XL201", f"{args.api}: its shape is not written out")
    return Layer([module("Unflatten", nodes.literal(1), shape)]) if _flat(args) else Layer(
        [helper("Reshape", shape)], None, ("helper:Reshape",)
    )


def _flat(args: LayerArgs) -> bool:
    """`nn.Unflatten` is enough for a vector."""
    inputs = args.inputs
    return inputs is not None and inputs.rank == 2


@layer("Permute")
def permute(args: LayerArgs) -> Layer:
    dims = args.const("dims", None)
    return Layer([helper("Permute", nodes.literal(0), *(nodes.literal(d) for d in dims))], None, ("helper:Permute",))


@layer("RepeatVector")
def repeat_vector(args: LayerArgs) -> Layer:
    return Layer([helper("RepeatVector", args.node("n"))], None, ("helper:RepeatVector",))


@layer("Rescaling", free=True)
def rescaling(args: LayerArgs) -> Layer:
    return Layer([helper("Rescaling", args.node("scale"), offset=args.node("offset"))], None, ("helper:Rescaling",))


def padding(axes: int) -> Builder:
    def builder(args: LayerArgs) -> Layer:
        channels_last_only(args)
        given = args.bound("padding")
        amounts = pairs(given.value, axes) if given is not None else [(1, 1)] * axes
        if amounts is None:
            raise Refused("XL201", f"{args.api}: its amounts must be literals to be translated")
        flat = [n for pair in reversed(amounts) for n in pair]
        return Layer([module(f"ZeroPad{axes}d", nodes.literal(flat[0] if len(set(flat)) == 1 else tuple(flat)))])

    return builder


def cropping(axes: int) -> Builder:
    def builder(args: LayerArgs) -> Layer:
        channels_last_only(args)
        given = args.bound("cropping")
        amounts = pairs(given.value, axes) if given is not None else [(1, 1)] * axes
        if amounts is None:
            raise Refused("XL201", f"{args.api}: its amounts must be literals to be translated")
        flat = [-n for pair in reversed(amounts) for n in pair]
        return Layer([module(f"ZeroPad{axes}d", nodes.literal(flat[0] if len(set(flat)) == 1 else tuple(flat)))])

    return builder


for _axes in (1, 2, 3):
    layer(f"ZeroPadding{_axes}D", image=_axes + 2)(padding(_axes))
    layer(f"Cropping{_axes}D", image=_axes + 2)(cropping(_axes))


@layer("UpSampling2D", image=4)
def upsampling(args: LayerArgs) -> Layer:
    channels_last_only(args)
    mode = args.const("interpolation", "nearest")
    size = args.size("size", 2)
    if mode == "nearest":
        return Layer([module("Upsample", scale_factor=size)])
    if mode == "bilinear":
        return Layer([module("Upsample", scale_factor=size, mode=nodes.literal(mode))])
    raise Refused("XL201", f"{args.api}: interpolation {mode!r} is not translated")


# -- recurrent -------------------------------------------------------------------------------------------------


def recurrent(name: str) -> Builder:
    def builder(args: LayerArgs) -> Layer:
        for option, default in (("activation", "tanh"), ("recurrent_activation", "sigmoid"), ("go_backwards", False),
                                ("stateful", False), ("dropout", 0.0), ("recurrent_dropout", 0.0), ("use_bias", True),
                                ("reset_after", True), ("zero_output_for_mask", False), ("unroll", False)):  # fmt: skip
            if not args.same(option, default) and option != "unroll":
                raise Refused("XL201", f"{args.api}: `{option}` at this value has no counterpart")
        size = args.channels()
        if size is None:
            raise Refused("XL402", f"{args.api}: the size of its input is not known here, and no lazy module finds it")
        keywords = {
            "return_sequences": args.flag("return_sequences", False), "return_state": args.flag("return_state", False),
        }
        args.ctx.note(args.call.node, "XL401", f"{args.api}: known deviation `rnn_two_biases`")
        helper_name = f"Keras{name}"
        return Layer([helper(helper_name, size, args.node("units"), **keywords)], None, (f"helper:{helper_name}",))

    return builder


layer("LSTM")(recurrent("LSTM"))
layer("GRU")(recurrent("GRU"))


@layer("Bidirectional")
def bidirectional(args: LayerArgs) -> Layer:
    inner = args.value("layer")
    bound = args.bound("layer")
    if not args.same("merge_mode", "concat") or not isinstance(inner, Instance) or bound is None:
        raise Refused("XL201", f"{args.api}: only `merge_mode=\"concat\"` around a written layer is translated")
    call = args.ctx.call(bound.node)
    if call is None or inner.api not in ("keras.layers.LSTM", "keras.layers.GRU"):
        raise Refused("XL201", f"{args.api}: around another layer than LSTM or GRU")
    one = LayerArgs(args.ctx, call)
    args.ctx.facts.layer_inputs[call.node] = args.ctx.facts.layer_inputs.get(args.call.node, {})
    made = recurrent(inner.api.rsplit(".", 1)[-1])(one)
    one.finish()
    if one.value("return_state") == Const(True):
        raise Refused("XL201", f"{args.api}: with `return_state`")
    node = made.modules[0]
    made.modules[0] = node.with_changes(args=[*node.args, nodes.keyword("bidirectional", nodes.literal(True))])
    return made


@layer("MultiHeadAttention")
def attention(args: LayerArgs) -> Layer:
    for option in ("output_shape", "attention_axes", "value_dim"):
        if not args.same(option, None):
            raise Refused("XL201", f"{args.api}: `{option}` has no counterpart")
    size = args.channels()
    if size is None:
        raise Refused("XL402", f"{args.api}: the size of its input is not known here")
    keywords = {"dropout": args.flag("dropout", 0.0), "use_bias": bias(args)}
    made = helper("MultiHeadAttention", size, args.node("num_heads"), args.node("key_dim"), **keywords)
    return Layer([made], None, ("helper:MultiHeadAttention",))
