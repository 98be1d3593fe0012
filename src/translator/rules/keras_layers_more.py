"""Keras layers to PyTorch modules: pooling, normalisation, shapes, recurrence, attention."""

from __future__ import annotations

from typing import Any

import libcst as cst

from .. import nodes
from ..infer.facts import Bound
from ..infer.keras_graph import CHANNELS_FIRST
from ..infer.keras_results import pairs
from ..values import UNKNOWN, Const, Func, Instance, Seq, UserClass, Value, as_tensor, without_none
from . import keras_activations as activations
from .keras_args import LayerArgs
from .keras_layers import LAYERS, Builder, Layer, activation_of, bias, build, helper, layer, module, moved_axes
from .keras_layout import Refused, order, rank_of
from .keras_names import names_in, tensorish
from .tf_flow import stands

# -- pooling ---------------------------------------------------------------------------------------------


def pooling(kind: str, axes: int) -> Builder:
    def builder(args: LayerArgs) -> Layer:
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
    if args.call.node in args.ctx.facts.mask_readers:
        if args.first:
            raise Refused("XL303", f'{args.api}: `data_format="channels_first"` with a mask is not translated')
        made = helper("MaskedMean", keepdim=args.flag("keepdims", False))
        return Layer([made], None, ("helper:MaskedMean",))
    steps = nodes.literal(2 if args.first else 1)
    return Layer([helper("Mean", dim=steps, keepdim=args.flag("keepdims", False))], None, ("helper:Mean",))


@layer("GlobalMaxPooling1D")
def max_over_time(args: LayerArgs) -> Layer:
    steps = nodes.literal(2 if args.first else 1)
    return Layer([helper("Amax", dim=steps, keepdim=args.flag("keepdims", False))], None, ("helper:Amax",))


# -- normalisation ----------------------------------------------------------------------------------------


@layer("BatchNormalization", image=0)
def batch_norm(args: LayerArgs) -> Layer:
    inputs = args.inputs
    rank = inputs.rank if inputs is not None else None
    axis = args.const("axis", -1)
    axis = axis[0] if isinstance(axis, tuple) and len(axis) == 1 else axis
    if rank is None and axis != 1:
        raise Refused("XL209", f"{args.api}: the rank of its input is not known here")
    if rank is not None and axis not in (-1, 1, rank - 1):
        raise Refused("XL303", f"{args.api}: `axis` is neither the last one nor 1")
    if rank not in (None, 2, 3, 4, 5):
        raise Refused("XL201", f"{args.api}: an input of rank {rank}")
    size = args.channels()
    eps, momentum = number(args, "epsilon", 1e-3, 1e-5), number(args, "momentum", 0.99, 0.9)
    if momentum is not None:
        momentum = complement(momentum)
    affine, half = affinity(args)
    name = f"BatchNorm{max(rank - 2, 1)}d" if rank is not None else "BatchNorm"
    keywords = {"eps": eps, "momentum": momentum, "affine": affine}
    args.ctx.note(args.call.node, "XL401", f"{args.api}: known deviation `bn_unbiased_running_var`")
    first = [size] if size is not None else []
    perm = moved_axes(args, rank or 0)
    if half is not None:
        if not first or rank not in (2, 3, 4):
            raise Refused("XL201", f"{args.api}: only one of `center` and `scale`")
        name = f"Partial{name}"
        made = helper(name, *first, **{k: v for k, v in keywords.items() if k != "affine"}, **half)
        return Layer([made], None, (f"helper:{name}",), perm)
    name = name if first else f"Lazy{name}"
    if rank is None:  # of any rank, which PyTorch's own classes are not
        return Layer([helper(name, *first, **keywords)], None, (f"helper:{name}",), perm)
    return Layer([module(name, *first, **keywords)], None, (), perm)


def affinity(args: LayerArgs) -> tuple[Any, dict[str, Any] | None]:
    """``affine=`` of a normalisation, or the arguments of the helper that has only one of scale and shift."""
    if args.same("center", True) and args.same("scale", True):
        return None, None
    if args.same("center", False) and args.same("scale", False) and args.bound("center") and args.bound("scale"):
        return nodes.literal(False), None
    return None, {"scale": args.flag("scale", True), "center": args.flag("center", True)}


def number(args: LayerArgs, name: str, default: float, target: float) -> Any:
    """A number where it is not PyTorch's default; what is computed is written as it is."""
    bound = args.bound(name)
    if bound is not None and not isinstance(bound.value, Const):
        return args.node(name)
    value = args.const(name, default)
    return None if value == target else nodes.literal(value)


def complement(node: Any) -> Any:
    """``1 - x``."""
    if isinstance(node, cst.Float | cst.Integer):
        return nodes.literal(float(round(1 - node.evaluated_value, 12)))
    return nodes.template("1 - {x}", {"x": node})


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
    written = number(args, "epsilon", 1e-3, 1e-5)
    if size is None:
        return Layer([helper("LazyLayerNorm", eps=written)], None, ("helper:LazyLayerNorm",))
    return Layer([module("LayerNorm", size, eps=written)])


# -- without weights ----------------------------------------------------------------------------------------


@layer("Activation", free=True)
def activation(args: LayerArgs) -> Layer:
    name = activation_of(args)
    return Layer([], name, (), order(args.inputs) if args.chosen is not None and args.inputs is not None else None)


@layer("Identity", free=True)
def identity(args: LayerArgs) -> Layer:
    return Layer([module("Identity")])


@layer("GroupNormalization", image=0)
def group_norm(args: LayerArgs) -> Layer:
    inputs = args.inputs
    rank = rank_of(inputs)
    if not args.first and (rank is None or args.const("axis", -1) not in (-1, rank - 1)):
        raise Refused("XL209", f"{args.api}: whether `axis` is the last one is not known here")
    if not args.same("scale", True) or not args.same("center", True):
        raise Refused("XL201", f"{args.api}: without scale or center")
    groups, size = args.node("groups", 32), args.channels()
    eps = number(args, "epsilon", 1e-3, 1e-5)
    perm = moved_axes(args, rank or 0)
    if size is None:
        return Layer([helper("LazyGroupNorm", groups, eps=eps)], None, ("helper:LazyGroupNorm",), perm)
    return Layer([module("GroupNorm", groups, size, eps=eps)], None, (), perm)


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
    args.used.add("seed")
    shape = args.bound("noise_shape")
    if shape is not None and shape.value != Const(None):
        return shared_dropout(args, shape.value)
    return Layer([module("Dropout", args.node("rate"))])


def shared_dropout(args: LayerArgs, shape: Value) -> Layer:
    """One decision for all elements along the axes where the noise has size 1."""
    sizes = [v.value for v in shape.items if isinstance(v, Const)] if isinstance(shape, Seq) and shape.items else []
    inputs = args.inputs
    rank = rank_of(inputs)
    if not sizes or rank != len(sizes) or inputs is None:
        raise Refused("XL201", f"{args.api}: `noise_shape` must be written out for an input of known rank")
    perm = order(inputs)
    moved = tuple(sizes[axis] for axis in perm) if perm is not None else tuple(sizes)
    return Layer([helper("SharedDropout", args.node("rate"), nodes.literal(moved))], None, ("helper:SharedDropout",))


@layer("SpatialDropout2D", image=4)
def dropout2d(args: LayerArgs) -> Layer:
    args.used.add("seed")
    return Layer([module("Dropout2d", args.node("rate"))])


@layer("SpatialDropout1D", image=3)
def dropout1d(args: LayerArgs) -> Layer:
    args.used.add("seed")
    return Layer([module("Dropout1d", args.node("rate"))])


@layer("Masking")
def masking(args: LayerArgs) -> Layer:
    return Layer([helper("Masking", mask_value=args.flag("mask_value", 0.0))], None, ("helper:Masking",))


@layer("Flatten")
def flatten(args: LayerArgs) -> Layer:
    if args.first:  # Keras puts the channels last before
        rank = rank_of(args.inputs)
        if rank is None:
            raise Refused("XL209", f"{args.api}: the rank of its input is not known here")
        last = helper("Permute", *(nodes.literal(i) for i in (0, *range(2, rank), 1)))
        return Layer([last, module("Flatten")], None, ("helper:Permute",))
    return Layer([module("Flatten")])


@layer("Reshape")
def reshape(args: LayerArgs) -> Layer:
    bound = args.bound("target_shape")
    shape = args.node("target_shape")
    if bound is None or not isinstance(bound.value, Seq):
        raise Refused("XL201", f"{args.api}: its shape is not written out")
    return (
        Layer([module("Unflatten", nodes.literal(1), shape)])
        if _flat(args)
        else Layer([helper("Reshape", shape)], None, ("helper:Reshape",))
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


@layer("Lambda")
def function_layer(args: LayerArgs) -> Layer:
    bound = args.bound("function")
    args.used.add("output_shape")
    func = without_none(bound.value) if bound is not None else UNKNOWN
    if bound is None or not isinstance(func, Func):
        raise Refused("XL205", f"{args.api}: the function that it calls is not known here")
    stands(func)
    params = func.node.params
    own = {p.name.value for p in (*params.params, *params.kwonly_params)}
    if isinstance(bound.node, cst.Lambda) and args.ctx.claim is not None:
        free = [n for n in names_in(bound.node.body) if n.value not in own]
        if any(tensorish(args.ctx.value(n)) for n in free):
            raise Refused("XL213", f"{args.api}: its function reads other tensors of the model")
    return Layer([helper("Lambda", args.node("function"))], None, ("helper:Lambda",))


@layer("Rescaling", free=True)
def rescaling(args: LayerArgs) -> Layer:
    many = any(isinstance(args.value(n), Seq) for n in ("scale", "offset"))
    inputs = args.inputs
    if many and (inputs is None or rank_of(inputs) is None):
        raise Refused("XL302", f"{args.api}: a scale for each channel needs the rank of the input, not known here")
    perm = order(inputs) if many and inputs is not None else None
    dim = nodes.literal(activations.channel_axis(perm)) if perm is not None else None
    made = helper("Rescaling", args.node("scale"), offset=args.node("offset"), dim=dim)
    return Layer([made], None, ("helper:Rescaling",))


@layer("Normalization", image=0)
def normalization(args: LayerArgs) -> Layer:
    inputs = args.inputs
    rank = rank_of(inputs)
    axis = args.const("axis", -1)
    axis = axis[0] if isinstance(axis, tuple) and len(axis) == 1 else axis
    if rank is None or axis not in (-1, rank - 1):
        raise Refused("XL303", f"{args.api}: `axis` is not known to be the last one")
    size = args.channels()
    if size is None:
        raise Refused("XL402", f"{args.api}: the number of its input's channels is not known here")
    made = helper("Normalization", size, mean=args.node("mean"), variance=args.node("variance"),
                  invert=args.flag("invert", False))  # fmt: skip
    return Layer([made], None, ("helper:Normalization",), CHANNELS_FIRST.get(rank))


def padding(axes: int) -> Builder:
    def builder(args: LayerArgs) -> Layer:
        given = args.bound("padding")
        amounts = pairs(given.value, axes) if given is not None else [(1, 1)] * axes
        if amounts is None:
            raise Refused("XL201", f"{args.api}: its amounts must be literals to be translated")
        flat = [n for pair in reversed(amounts) for n in pair]
        return Layer([module(f"ZeroPad{axes}d", nodes.literal(flat[0] if len(set(flat)) == 1 else tuple(flat)))])

    return builder


def cropping(axes: int) -> Builder:
    def builder(args: LayerArgs) -> Layer:
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
        for option, default in (("recurrent_activation", "sigmoid"), ("stateful", False), ("dropout", 0.0),
                                ("recurrent_dropout", 0.0), ("use_bias", True), ("reset_after", True),
                                ("zero_output_for_mask", False)):  # fmt: skip
            if not args.same(option, default):
                raise Refused("XL201", f"{args.api}: `{option}` at this value has no counterpart")
        args.used.add("unroll")
        curve = args.const("activation", "tanh")
        if curve != "tanh" and (name != "RNN" or curve != "relu"):
            raise Refused("XL201", f"{args.api}: `activation` at this value has no counterpart")
        size = args.channels()
        keywords = {
            "return_sequences": args.flag("return_sequences", False),
            "return_state": args.flag("return_state", False),
            "nonlinearity": nodes.literal(curve) if curve != "tanh" else None,
        }
        args.ctx.note(args.call.node, "XL401", f"{args.api}: known deviation `rnn_two_biases`")
        masked = args.call.node in args.ctx.facts.mask_readers
        backwards = args.const("go_backwards", False)
        if masked and (backwards or name == "RNN"):
            raise Refused("XL203", f"{args.api}: a mask that reaches it is not translated")
        if masked and size is None:
            raise Refused("XL402", f"{args.api}: the size of its input is not known here, and masks come with it")
        kind = f"Masked{name}" if masked else f"{'Lazy' * (size is None)}Keras{name}"
        made = helper(kind, *([size] if size is not None else []), args.node("units"), **keywords)
        return Layer([helper("Backwards", made)] if backwards else [made], None,
                     (f"helper:{kind}", *(["helper:Backwards"] if backwards else [])))  # fmt: skip

    return builder


RECURRENT = {"keras.layers.LSTM": "LSTM", "keras.layers.GRU": "GRU", "keras.layers.SimpleRNN": "RNN"}
for _api, _name in RECURRENT.items():
    layer(_api.rsplit(".", 1)[-1])(recurrent(_name))


@layer("Bidirectional")
def bidirectional(args: LayerArgs) -> Layer:
    inner = args.value("layer")
    bound = args.bound("layer")
    mode = args.const("merge_mode", "concat")
    call = args.ctx.call(bound.node) if bound is not None else None
    if call is None or not isinstance(inner, Instance) or inner.api not in RECURRENT:
        raise Refused("XL201", f"{args.api}: around another layer than an LSTM, GRU or SimpleRNN that is made here")
    one = LayerArgs(args.ctx, call)
    if not one.same("go_backwards", False):
        raise Refused("XL201", f"{args.api}: around a layer that goes backwards")
    if args.ctx.claim is not None:
        args.ctx.claim.wraps(args.call.node, call.node)
    if args.call.node in args.ctx.facts.mask_readers:
        args.ctx.facts.mask_readers.add(call.node)
        if mode != "concat":
            raise Refused("XL203", f'{args.api}: a mask that reaches it is translated for `merge_mode="concat"` only')
    args.ctx.facts.layer_inputs[call.node] = args.ctx.facts.layer_inputs.get(args.call.node, {})
    made = recurrent(RECURRENT[inner.api])(one)
    one.finish()
    node = made.modules[0]
    both = node.with_changes(args=[*node.args, nodes.keyword("bidirectional", nodes.literal(True))])
    if mode == "concat":
        return Layer([both], None, made.needs)
    if mode not in ("sum", "mul", "ave", None):
        raise Refused("XL201", f"{args.api}: `merge_mode` at this value has no counterpart")
    return Layer([helper("MergedWays", both, nodes.literal(mode))], None, (*made.needs, "helper:MergedWays"))


@layer("TimeDistributed")
def time_distributed(args: LayerArgs) -> Layer:
    """A layer at each step; one that works on the last axis needs nothing more."""
    bound = args.bound("layer")
    call = args.ctx.call(bound.node) if bound is not None else None
    if bound is None:
        raise Refused("XL202", f"{args.api}: the layer that it repeats is not given")
    if call is None or call.api not in LAYERS:
        return Layer([helper("EachStep", model_of(args, bound))], None, ("helper:EachStep",))
    if args.ctx.claim is not None:
        args.ctx.claim.wraps(args.call.node, call.node)
    made = build(args.ctx, call)
    if call.api in STEPWISE:
        return made
    parts = made.in_sequence()
    one = parts[0] if len(parts) == 1 else nodes.call("nn.Sequential", *parts)
    name = "EachStep" if call.api == "keras.layers.BatchNormalization" else "TimeDistributed"
    return Layer([helper(name, one)], None, (*made.needs, f"helper:{name}"))


def model_of(args: LayerArgs, bound: Bound) -> Any:
    """A model, or a layer of the user's, that another layer holds.

    Raises:
        Refused: where what is held is not known, or takes several tensors.
    """
    inner = without_none(bound.value)
    one = isinstance(inner, Instance) and (
        isinstance(inner.cls, UserClass)
        or inner.api == "keras.Sequential"
        or (inner.api == "keras.Model" and as_tensor(inner.args.get("inputs", UNKNOWN)) is not None)
    )  # fmt: skip
    if not one:
        raise Refused("XL202", f"{args.api}: the layer that it repeats is not made here")
    return args.ctx.updated(bound.node)


STEPWISE = frozenset(f"keras.layers.{n}" for n in ("Dense", "Activation", "ReLU", "Dropout", "LeakyReLU"))
"""Layers that do the same at each step anyway."""


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
