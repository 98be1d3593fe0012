"""Layers whose plain Keras form exists only for some arguments: normalisations, pads, activations, small layers.

The plain layer is written where it is proven equal; else a helper layer with PyTorch's own arguments.
"""

from __future__ import annotations

from typing import Any

import libcst as cst

from .. import nodes
from ..converters import convert, is_literal
from ..infer.facts import Bound, BoundCall
from ..model import Fidelity
from ..rewrite.context import Context, Edit, Outcome, Refusal
from ..tables.schema import Row
from ..values import Const, Instance, Map, Seq, Tensor, Value, as_tensor, python_type
from .layers import Args, data_format, ints, keep_lines, keywords, note_deviations
from .named import FACT_CONVERTERS, named


def as_helper(new: cst.Call, name: str) -> Edit:
    """The same call of a helper that takes PyTorch's arguments."""
    return Edit(new.with_changes(func=nodes.dotted(name)), (f"helper:{name}",))


def given_axis(ctx: Context, node: Any, bound: Bound, call: BoundCall) -> Any:
    """An axis that is certainly not None: Keras and TensorFlow take None for another axis than PyTorch."""
    if bound.value == Const(None):
        return Refusal("XL201", f"{call.api}: without `dim` the axis depends on the rank")
    return node


FACT_CONVERTERS["given_axis"] = given_axis


# -- normalisation ---------------------------------------------------------------------------------------


def _affine(args: Args, flag: str) -> dict[str, Any]:
    """``center`` and ``scale`` for a normalisation with the switches ``flag`` and ``bias``."""
    scale = None if args.is_const(flag, True) else args.node(flag)
    center = scale
    if not args.is_const("bias", True):
        bias = args.node("bias")
        center = bias if scale is None else nodes.template("{a} and {b}", {"a": scale, "b": bias})
        if args.given(flag, False):
            center = scale
    return {"center": center, "scale": scale}


def in_source_order(ctx: Context, call: BoundCall) -> bool:
    """Whether the layer that a call makes is given tensors in PyTorch's axis order."""
    if not ctx.moves_channels:
        return ctx.channels_first
    from ..layout.sites import SOURCE, order_at

    return order_at(ctx, call.node) == SOURCE


@named("batch_norm")
def batch_norm(ctx: Context, row: Row, call: BoundCall, node: cst.Call, new: cst.Call) -> Outcome:
    """The helper where PyTorch's running statistics go beyond Keras's: no momentum, no tracking, exact variance."""
    if call.problem:
        return Refusal("XL202", f"{call.api}: {call.problem}")
    args = Args(ctx, call, 1)
    cumulative = "momentum" in call.args and call.value("momentum") == Const(None)
    helper = cumulative or not args.is_const("track_running_stats", True) or ctx.options.fidelity is Fidelity.EXACT
    momentum = nodes.literal(None) if cumulative else _momentum(call, args)
    given = {
        "axis": nodes.literal(1) if in_source_order(ctx, call) else None, "momentum": momentum,
        "epsilon": args.node("eps") if "eps" in call.args else nodes.literal(1e-5), **_affine(args, "affine"),
        "dtype": args.node("dtype"),
    }  # fmt: skip
    if not helper:
        note_deviations(ctx, row, call)
        result = nodes.call("keras.layers.BatchNormalization", *keywords(ctx, **given))
        return Edit(keep_lines(new, result), ("keras",))
    track = None if args.is_const("track_running_stats", True) else args.node("track_running_stats")
    result = nodes.call("BatchNormalizationUnbiased", *keywords(ctx, **given, track_running_stats=track))
    return Edit(keep_lines(new, result), ("helper:BatchNormalizationUnbiased",))


def _momentum(call: BoundCall, args: Args) -> Any:
    """Keras's momentum is the weight of the old value, PyTorch's that of the new one."""
    bound = call.args.get("momentum")
    if bound is None:
        return nodes.literal(0.9)
    value = bound.value.value if isinstance(bound.value, Const) and is_literal(bound.node) else None
    return convert("one_minus", args.node("momentum"), value, known=value is not None)


def last_axes(value: Value) -> list[int] | None:
    """The axes that a ``normalized_shape`` stands for: an int for the last one, a sequence for as many as it has."""
    if python_type(value) == "int":
        return [-1]
    if isinstance(value, Seq) and value.items is not None:
        return list(range(-len(value.items), 0))
    return None


@named("layer_norm")
def layer_norm(ctx: Context, row: Row, call: BoundCall, node: cst.Call, new: cst.Call) -> Outcome:
    """`LayerNormalization` where it is known how many axes are normalised; else the helper finds out."""
    if call.problem:
        return Refusal("XL202", f"{call.api}: {call.problem}")
    axes = last_axes(call.value("normalized_shape"))
    if axes is None:
        return as_helper(new, "LayerNorm")
    args = Args(ctx, call, 1)
    eps = args.node("eps") if "eps" in call.args else nodes.literal(1e-5)
    axis = nodes.literal(axes) if len(axes) > 1 else None
    given = {"axis": axis, "epsilon": eps, **_affine(args, "elementwise_affine"), "dtype": args.node("dtype")}
    return Edit(keep_lines(new, nodes.call("keras.layers.LayerNormalization", *keywords(ctx, **given))), ("keras",))


@named("rms_norm")
def rms_norm(ctx: Context, row: Row, call: BoundCall, node: cst.Call, new: cst.Call) -> Outcome:
    """`RMSNormalization` with a given epsilon; PyTorch's default depends on the dtype, and is in the helper."""
    if call.problem:
        return Refusal("XL202", f"{call.api}: {call.problem}")
    args = Args(ctx, call, 1)
    axes = last_axes(call.value("normalized_shape"))
    eps = call.args.get("eps")
    plain = eps is not None and python_type(eps.value) == "float" and args.is_const("elementwise_affine", True)
    if axes is None or not plain:
        return as_helper(new, "RMSNorm")
    axis = nodes.literal(axes) if len(axes) > 1 else None
    given = {"axis": axis, "epsilon": args.node("eps"), "dtype": args.node("dtype")}
    return Edit(keep_lines(new, nodes.call("keras.layers.RMSNormalization", *keywords(ctx, **given))), ("keras",))


# -- pads and pools --------------------------------------------------------------------------------------


def zero_pad(axes: int) -> Any:
    def rule(ctx: Context, row: Row, call: BoundCall, node: cst.Call, new: cst.Call) -> Outcome:
        """PyTorch lists (before, after) from the last axis on, Keras from the first."""
        if call.problem:
            return Refusal("XL202", f"{call.api}: {call.problem}")
        value = call.value("padding")
        sizes = ints(value, 2 * axes)
        if sizes is None or min(sizes) < 0:
            return as_helper(new, f"ZeroPad{axes}d")
        pairs = tuple(sizes[2 * i : 2 * i + 2] for i in reversed(range(axes)))
        one: Any = pairs[0] if axes == 1 else pairs
        padding = nodes.literal(sizes[0] if len(set(sizes)) == 1 else one)
        args = [cst.Arg(padding), *keywords(ctx, data_format=data_format(ctx))]
        return Edit(keep_lines(new, nodes.call(f"keras.layers.ZeroPadding{axes}D", *args)), ("keras",))

    return rule


def adaptive_avg_pool(axes: int) -> Any:
    def rule(ctx: Context, row: Row, call: BoundCall, node: cst.Call, new: cst.Call) -> Outcome:
        if call.problem:
            return Refusal("XL202", f"{call.api}: {call.problem}")
        if ints(call.value("output_size"), axes) != (1,) * axes:
            return as_helper(new, f"AdaptiveAveragePooling{axes}D")
        given = {"data_format": data_format(ctx), "keepdims": nodes.literal(True)}
        result = nodes.call(f"keras.layers.GlobalAveragePooling{axes}D", *keywords(ctx, **given))
        return Edit(keep_lines(new, result), ("keras",))

    return rule


for _axes in (1, 2, 3):
    named(f"zero_pad{_axes}d")(zero_pad(_axes))
    named(f"adaptive_avg_pool{_axes}d")(adaptive_avg_pool(_axes))


@named("dropout1d")
def dropout1d(ctx: Context, row: Row, call: BoundCall, node: cst.Call, new: cst.Call) -> Outcome:
    """Whole channels of (N, C, L): Keras has a layer for (N, L, C) only."""
    if call.problem:
        return Refusal("XL202", f"{call.api}: {call.problem}")
    args = Args(ctx, call, 1)
    rate = args.node("p") if "p" in call.args else nodes.literal(0.5)
    if not ctx.channels_first:
        return Edit(keep_lines(new, nodes.call("keras.layers.SpatialDropout1D", rate)), ("keras",))
    shape = nodes.dotted("(None, None, 1)")
    return Edit(keep_lines(new, nodes.call("keras.layers.Dropout", rate, noise_shape=shape)), ("keras",))


# -- activations and small layers ------------------------------------------------------------------------


@named("activation")
def activation(ctx: Context, row: Row, call: BoundCall, node: cst.Call, new: cst.Call) -> Outcome:
    """A Keras activation where the arguments are literals; else the layer of PyTorch's arguments.

    An expression inside of a lambda would be evaluated at each call, and not when the layer is made.
    """
    from .api import from_template

    if call.problem:
        return Refusal("XL202", f"{call.api}: {call.problem}")
    given = [b for n, b in call.args.items() if n != "inplace"]
    plain = all(is_literal(b.node) and b.value != Const(None) for b in given)
    missing = any(v == "None" for n, v in call.defaults.items() if f"{{{n}}}" in (row.tf_expr or ""))
    if plain and not missing:
        return from_template(ctx, row, call)
    assert row.adapter is not None
    return as_helper(new, row.adapter)


@named("softmax_of_rank")
def softmax_of_rank(ctx: Context, row: Row, call: BoundCall, node: cst.Call, new: cst.Call) -> Outcome:
    """Without ``dim``, PyTorch takes axis 0 of 0, 1 or 3 axes, and axis 1 else."""
    x = as_tensor(call.value("input"))
    if x is None or x.rank is None or any(n not in ("input", "dim", "_stacklevel") for n in call.args):
        return Refusal("XL209", f"{call.api}: without `dim` the axis depends on a rank that is not known here")
    axis = nodes.literal(0 if x.rank in (0, 1, 3) else 1)
    assert row.tf_expr is not None
    holes = {"input": ctx.updated(call.args["input"].node), "dim": axis}
    return Edit(nodes.template(row.tf_expr, holes), ("tf",))


@named("softmax2d")
def softmax2d(ctx: Context, row: Row, call: BoundCall, node: cst.Call, new: cst.Call) -> Outcome:
    """Softmax over the channels of (N, C, H, W) or (C, H, W)."""
    given = {"axis": nodes.literal(-3) if ctx.channels_first else None}
    return Edit(nodes.call("keras.layers.Softmax", *keywords(ctx, **given)), ("keras",))


@named("identity")
def identity(ctx: Context, row: Row, call: BoundCall, node: cst.Call, new: cst.Call) -> Outcome:
    """``nn.Identity(anything)`` ignores its arguments."""
    return Edit(nodes.call("keras.layers.Identity"), ("keras",))


@named("flatten_layer")
def flatten_layer(ctx: Context, row: Row, call: BoundCall, node: cst.Call, new: cst.Call) -> Outcome:
    if call.problem:
        return Refusal("XL202", f"{call.api}: {call.problem}")
    args = Args(ctx, call, 1)
    if ctx.moves_channels:
        from ..layout.sites import keeps_memory

        if not keeps_memory(ctx, call.node):
            return as_helper(new, "FlattenInSourceOrder")
    if args.is_const("start_dim", 1) and args.is_const("end_dim", -1):
        return Edit(nodes.call("keras.layers.Flatten"), ("keras",))
    return as_helper(new, "Flatten")


# -- methods of modules ----------------------------------------------------------------------------------


def _container(ctx: Context, value: Value) -> bool:
    """Whether a module became a plain list or dict."""
    if isinstance(value, Instance):
        return ctx.dialect.containers.get(value.api or "") in ("list", "dict")
    return isinstance(value, Seq | Map)


@named("module_variables")
def module_variables(ctx: Context, row: Row, call: BoundCall, node: cst.Call, new: cst.Call) -> Outcome:
    """``model.parameters()`` and the like: an attribute or method of a Keras layer, which a list is not."""
    from .api import from_template, to_call
    from .kept_layers import existing

    bound = call.args.get("input")
    if bound is None:
        return Refusal("XL202", f"{call.api}: {call.problem or 'no receiver'}")
    if _container(ctx, bound.value):
        return Refusal("XL203", f"{call.api}: a list of layers is a plain list in Keras", "ask its layers one by one")
    if row.helper:
        return to_call(ctx, row, call, new)
    if call.api.endswith(".parameters"):
        known = existing(ctx, node, bound.node)
        if known is False:
            hint = "call the model on an example first"
            return Refusal("XL207", f"{call.api}: Keras makes the parameters at the first call", hint)
        if known is None:
            return Edit(nodes.call("trainable_variables", ctx.updated(bound.node)), ("helper:trainable_variables",))
    return from_template(ctx, row, call)


@named("module_to")
def module_to(ctx: Context, row: Row, call: BoundCall, node: cst.Call, new: cst.Call) -> Outcome:
    """``model.to(device)``: TensorFlow places variables by itself. A dtype is refused."""
    values = [b.value for n, b in call.args.items() if n not in ("input", "non_blocking", "memory_format")]
    for value in [*values, *(b.value for b in (*call.varargs, *call.extra.values()))]:
        name = str(getattr(value, "name", ""))
        if isinstance(value, Tensor) or (name.startswith("torch.") and "device" not in name) or name == "dtype":
            return Refusal(
                "XL203", f"{call.api}: the dtype of a Keras model is set before it is built",
                "pass dtype= to its layers, or call keras.config.set_floatx",
            )  # fmt: skip
    return Edit(ctx.updated(call.args["input"].node))


@named("einops_layer")
def einops_layer(ctx: Context, row: Row, call: BoundCall, node: cst.Call, new: cst.Call) -> Outcome:
    """A layer of einops: the one of the same name for Keras, with the same arguments."""
    name = f"{row.tf[0]}.{call.api.rpartition('.')[2]}"
    return Edit(new.with_changes(func=nodes.dotted(name)), (f"import {row.tf[0]}",))
