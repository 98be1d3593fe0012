"""Calls in Keras programs: layers made, layers applied, functions of TensorFlow and Keras."""

from __future__ import annotations

from typing import Any

import libcst as cst

from .. import nodes
from ..infer.calls import unfollowed
from ..infer.choose import applies
from ..infer.emitted import PLACE
from ..infer.facts import BoundCall
from ..infer.keras_graph import CHANNELS_FIRST, LAMBDA, input_of, is_channels_first, made_by, stepped
from ..infer.keras_results import parts_of
from ..rewrite.context import Context, Edit, Outcome, Refusal
from ..tables.schema import Row
from ..values import (
    UNKNOWN,
    Api,
    BoundMethod,
    Const,
    Func,
    Instance,
    Map,
    MethodOf,
    Seq,
    Tensor,
    UserClass,
    Value,
    as_tensor,
    elem_of,
    options_of,
    without_none,
)
from . import keras_layers as layers
from . import keras_layers_more as layers_more
from . import keras_masks
from .api import translate_call, unknown
from .keras_args import AXIS_OF_CHANNELS
from .keras_arrange import arranged
from .keras_layout import (
    Perm,
    Refused,
    in_source_order,
    mapped_axes,
    mixed,
    moved,
    order,
    rank_of,
    settled,
    unmixed,
)
from .keras_training import moded, modeless, training_call, within_forward
from .named import named

MERGES = {
    "keras.layers.Add": "{a} + {b}", "keras.layers.Subtract": "{a} - {b}", "keras.layers.Multiply": "{a} * {b}",
    "keras.layers.Maximum": "torch.maximum({a}, {b})", "keras.layers.Minimum": "torch.minimum({a}, {b})",
    "keras.layers.Average": "", "keras.layers.Concatenate": "",
}  # fmt: skip
LISTED = {
    "keras.layers.Add": "sum({x})", "keras.layers.Average": "(sum({x}) / len({x}))",
    "keras.layers.Multiply": "torch.stack({x}).prod(0)", "keras.layers.Maximum": "torch.stack({x}).amax(0)",
    "keras.layers.Minimum": "torch.stack({x}).amin(0)",
}  # fmt: skip
"""The same for a list that a variable holds."""
MERGE_FUNCTIONS = {
    f"keras.layers.{n}": f"keras.layers.{c}"
    for n, c in (("add", "Add"), ("subtract", "Subtract"), ("multiply", "Multiply"), ("maximum", "Maximum"),
                 ("minimum", "Minimum"), ("average", "Average"), ("concatenate", "Concatenate"))
}  # fmt: skip


def keras_call(ctx: Context, node: cst.Call, new: cst.Call) -> Outcome:
    """Any call that concerns the framework."""
    try:
        return _call(ctx, node, new)
    except Refused as refused:
        return refused.refusal


def _call(ctx: Context, node: cst.Call, new: cst.Call) -> Outcome:
    again = recomputed(ctx, node, new)
    if again is not None:
        return again
    told = training_call(ctx, node, new)
    if told is not None:
        return told
    func = without_none(ctx.value(node.func))
    if isinstance(func, Instance) or (
        options_of(func) != (func,) and all(isinstance(o, Instance) for o in options_of(func))
    ):
        return applied(ctx, node, new, func)
    if all(isinstance(o, MethodOf | Func | UserClass) for o in options_of(func)):
        return user_call(ctx, node, new, options_of(func)[0])
    call = ctx.call(node)
    if call is None or call.api.endswith("__call__"):
        return handed_over(ctx, node, new, func)
    if ctx.claim is not None and node in ctx.claim.names:
        return ctx.claim.made(node, call)
    return api_call(ctx, call, node, new)


def recomputed(ctx: Context, node: cst.Call, new: cst.Call) -> Outcome:
    """``tf.recompute_grad(f)(x)``."""
    call = ctx.call(node.func) if isinstance(node.func, cst.Call) else None
    if call is None or call.api != "tf.recompute_grad" or not isinstance(new.func, cst.Call):
        return None
    flag = nodes.keyword("use_reentrant", nodes.literal(False))
    func = nodes.dotted("torch.utils.checkpoint.checkpoint")
    args = [a for a in last_comma(list(new.args)) if not (a.keyword is not None and a.keyword.value == "training")]
    return Edit(cst.Call(func, [cst.Arg(new.func.args[0].value), *args, flag]), ("torch",))


SAFE = frozenset(f"builtins.{n}" for n in (
    "isinstance", "len", "print", "zip", "enumerate", "list", "tuple", "dict", "reversed", "getattr", "hasattr",
    "super", "id", "type", "sum", "max", "min", "abs", "callable",
))  # fmt: skip
"""Functions through which tensors are followed, or that do not look at axes."""


def handed_over(ctx: Context, node: cst.Call, new: cst.Call, func: Value) -> Outcome:
    """What is not followed gets tensors in Keras's own order."""
    if isinstance(func, Api) and func.name in SAFE:
        from .keras_tensors import rank_asked

        asked = rank_asked(ctx, node)
        return Edit(asked) if asked is not None else None
    if unfollowed(func) and any(a.keyword is not None and a.keyword.value == "training" for a in node.args):
        if not within_forward(ctx):
            raise Refused("XL205", "which model is called here is not known", "annotate or pass the model")
    if isinstance(func, BoundMethod) and isinstance(func.receiver, Seq | Map):
        return None
    from .keras_tensors import listed_shape

    if listed_shape(ctx, node) is not None and isinstance(new.func, cst.Attribute):
        return Edit(nodes.call("list", new.func.value))
    args = list(new.args)
    for i, arg in enumerate(node.args):
        value = without_none(ctx.value(arg.value))
        if as_tensor(value) is not None or isinstance(value, Seq):
            in_source_order(ctx, arg.value)
            args[i] = args[i].with_changes(value=ctx.updated(arg.value))
    if all(a.value is b.value for a, b in zip(args, new.args, strict=True)):
        return None
    return Edit(new.with_changes(args=args))


def user_call(ctx: Context, node: cst.Call, new: cst.Call, func: Value) -> Outcome:
    """Calling the project's own functions and classes."""
    target = func.func if isinstance(func, MethodOf) else func
    if ctx.claim is not None and node in ctx.claim.names:
        return ctx.claim.made(node, None)
    for arg in node.args:
        order(ctx.value(arg.value))
    if isinstance(target, Func) and isinstance(func, MethodOf) and target.owner is not None and target.owner.module:
        args = without_training(ctx, node, new)
        return Edit(new.with_changes(args=args)) if len(args) != len(new.args) else None
    if isinstance(target, UserClass) and target.module:
        gone = {"name", "dtype", "trainable"}
        init = target.find("__init__")
        own = (
            {p.name.value for p in (*init.node.params.params, *init.node.params.kwonly_params)}
            if isinstance(init, Func)
            else set()
        )
        args = [a for a in new.args if a.keyword is None or a.keyword.value not in gone - (own - {"name"})]
        return Edit(new.with_changes(args=last_comma(args))) if len(args) != len(new.args) else None
    return None


def last_comma(args: list[cst.Arg]) -> list[cst.Arg]:
    """Arguments whose last one lost its comma's reason."""
    if (
        args
        and isinstance(args[-1].comma, cst.Comma)
        and not isinstance(args[-1].comma.whitespace_after, cst.ParenthesizedWhitespace)
    ):
        return [*args[:-1], args[-1].with_changes(comma=cst.MaybeSentinel.DEFAULT)]
    return args


def without_training(ctx: Context, node: cst.Call, new: cst.Call) -> list[cst.Arg]:
    """The arguments without ``training=training``, which PyTorch modules know themselves.

    Raises:
        Refused: where the mode is set by hand.
    """
    out = []
    for old, arg in zip(node.args, new.args, strict=True):
        if old.keyword is None or old.keyword.value not in ("training", "mask"):
            out.append(arg)
        elif old.keyword.value == "training" and within_forward(ctx) and not nodes.is_name(old.value, "training"):
            raise Refused("XL211", "`training` is set by hand here", "call `model.train()` or `model.eval()` instead")
        elif old.keyword.value == "mask" and not nodes.is_name(old.value, "None"):
            if not takes_mask(ctx, node):
                raise Refused("XL203", "a mask for this layer is not translated", "apply it to the result by hand")
            out.append(arg)
    return last_comma(out)


def takes_mask(ctx: Context, node: cst.Call) -> bool:
    """Whether what is called reads the mask that it is given."""
    from .keras_modules import used

    layer = without_none(ctx.value(node.func))
    if not isinstance(layer, Instance):
        return False
    forward = layer.cls.find("call") if isinstance(layer.cls, UserClass) else None
    if isinstance(forward, Func) and isinstance(forward.node, cst.FunctionDef):
        return used(forward.node, "mask")
    return layer.api in keras_masks.READERS


# -- applying layers -------------------------------------------------------------------------------------


TOLD = ("keras.losses.", "keras.metrics.", "keras.optimizers.")
"""Objects that are called as they are: helpers stand for them."""


def applied(ctx: Context, node: cst.Call, new: cst.Call, func: Value) -> Outcome:
    """``layer(x)``."""
    options = [o for o in options_of(func) if isinstance(o, Instance)]
    if not new.args or all((o.api or "").startswith(TOLD) for o in options):
        for arg in node.args if any((o.api or "").startswith("keras.losses.") for o in options) else ():
            keras_masks.unread(ctx.value(arg.value), "the loss")
        return None
    if ctx.claim is None and isinstance(node.func, cst.Call) and made_by(options[0]) is node.func:
        raise Refused("XL212", "a layer is made where it is called", "make it in `__init__`")
    asks = ctx.cls is None and ctx.claim is None and not modeless(ctx.value(node.func))
    if asks and moded(ctx, node, new.func) is new.func:
        ctx.note(node, "XL404", "Keras calls a model for inference unless told; PyTorch modules start in training mode",
                 "call `.eval()` on the model first")  # fmt: skip
    several = any(isinstance(o.cls, UserClass) for o in options) and any(isinstance(o.cls, Api) for o in options)
    if several and (len(without_training(ctx, node, new)) != 1 or keras_masks.masked(ctx.value(node.args[0].value))):
        raise Refused("XL301", "layers of several kinds are called here")
    if isinstance(options[0].cls, UserClass) and not several and not holds_layers(options[0].cls):
        for arg in node.args:
            order(ctx.value(arg.value))
        order(ctx.value(node))
        args = keras_masks.told(ctx, node, options[0], without_training(ctx, node, new))
        args = unseen(ctx, options[0].cls, kept(ctx, node), args)
        called = moded(ctx, node, new.func)
        same = called is new.func and all(a is b for a, b in zip(args, new.args, strict=False))
        return None if same and len(args) == len(new.args) else Edit(new.with_changes(func=called, args=args))
    if options[0].api in MERGES:
        return Edit(merged(ctx, node, options[0].api or "", options[0].args, node.args[0].value), ("torch",))
    if options[0].api == "keras.Model":
        keras_masks.told(ctx, node, options[0], [])
        return submodel(ctx, node, new)
    first = node.args[0].value
    tensor = as_tensor(ctx.value(first))
    rank = rank_of(tensor)
    have = order(tensor) if tensor is not None and not mixed(tensor) else None
    passing = {passes(ctx, o, rank, have) for o in options}
    if len(passing) != 1:
        raise Refused("XL301", "layers that want different axis orders are called here")
    want, natural = passing.pop()
    args = without_training(ctx, node, new)
    for arg in node.args[1:]:
        in_source_order(ctx, arg.value)
    args = [a.with_changes(value=ctx.updated(o.value)) if o is not node.args[0] else a
            for a, o in zip(args, kept(ctx, node), strict=True)]  # fmt: skip
    if tensor is None and options[0].api == LAMBDA:
        in_source_order(ctx, first)
        args[0] = args[0].with_changes(value=ctx.updated(first))
    given = moved(args[0].value, have, want)
    if tensor is not None and mixed(tensor):
        if want is not None or any(o.api in layers.FREE for o in options):
            order(tensor)
        given = unmixed(given, tensor)
    args[0] = args[0].with_changes(value=given, keyword=None, equal=cst.MaybeSentinel.DEFAULT)
    keras_masks.made(ctx, node, options[0], args)
    args = keras_masks.told(ctx, node, options[0], args)
    direct = ctx.claim.direct(node) if ctx.claim is not None else None
    result: Any = new.with_changes(func=moded(ctx, node, new.func), args=args)
    if direct is not None:
        result = ctx.claim.apply(direct, result, args, natural)
    return Edit(settled(ctx, node, result, natural))


def in_source(ctx: Context, node: cst.Call, options: list[Instance]) -> bool:
    """Whether layers of several kinds all take and give tensors in Keras's own order."""
    have = order(ctx.value(node.args[0].value))
    rank = rank_of(as_tensor(ctx.value(node.args[0].value)))
    return have is None and all(passes(ctx, o, rank, have) == (None, None) for o in options)


def unseen(ctx: Context, cls: Value, old: list[cst.Arg], new: list[cst.Arg]) -> list[cst.Arg]:
    """Arguments of which nothing is known, in the order that a user's layer takes: outside of it, Keras's holds."""
    forward = cls.find("call") if isinstance(cls, UserClass) else None
    if within_forward(ctx) or not isinstance(forward, Func):
        return new
    params = [p.name.value for p in forward.node.params.params[1:]]
    out = list(new)
    for i, arg in enumerate(old):  # a mask that is passed on comes last
        name = arg.keyword.value if arg.keyword is not None else params[i] if i < len(params) else ""
        want = order(forward.start.get(name, UNKNOWN))
        if want is not None and not arg.star and ctx.value(arg.value) is UNKNOWN:
            out[i] = out[i].with_changes(value=moved(out[i].value, None, want))
    return out


def kept(ctx: Context, node: cst.Call) -> list[cst.Arg]:
    """The arguments of a layer's call that PyTorch's modules take, too."""

    def stays(arg: cst.Arg) -> bool:
        name = arg.keyword.value if arg.keyword is not None else ""
        told = name == "mask" and not nodes.is_name(arg.value, "None") and takes_mask(ctx, node)
        return told or name not in ("training", "mask")

    return [a for a in node.args if stays(a)]


def submodel(ctx: Context, node: cst.Call, new: cst.Call) -> Outcome:
    """A functional model called as a layer: the tensors of its input list are its arguments."""
    args = without_training(ctx, node, new)
    value = node.args[0].value
    owner = without_none(ctx.value(node.func))
    inner = owner.args.get("inputs") if isinstance(owner, Instance) else None
    wanted = inner.items if isinstance(inner, Seq) and inner.items is not None else [inner]
    listed = isinstance(value, cst.List | cst.Tuple) and isinstance(args[0].value, cst.List | cst.Tuple)
    given = [e.value for e in value.elements] if isinstance(value, cst.List | cst.Tuple) else [value]
    written = [e.value for e in args[0].value.elements] if listed else [args[0].value]  # type: ignore[attr-defined]
    if len(wanted) != len(given):
        raise Refused("XL202", "which tensors this model is applied to is not known here")
    every = zip(given, written, wanted, strict=True)
    arranged = [cst.Arg(moved(w, order(ctx.value(g)), order(n) if n is not None else None)) for g, w, n in every]
    return Edit(new.with_changes(func=moded(ctx, node, new.func), args=[*arranged, *args[1:]]))


def passes(ctx: Context, layer: Instance, rank: int | None, have: Perm) -> tuple[Perm, Perm]:
    """The axis order that a layer takes, and the one that it gives.

    Raises:
        Refused: where that cannot be told.
    """
    if isinstance(layer.cls, UserClass):
        return user_passes(ctx, layer.cls, rank)
    api = layer.api or ""
    if api == "keras.Sequential":
        return sequence_passes(ctx, layer, rank, have)
    if api == "keras.layers.TimeDistributed":
        want, natural = inner_passes(ctx, layer)
        return (have, have) if want is None and natural is None and everywhere(layer) else (want, natural)
    if api in layers.FREE:
        return have, have
    if api in layers.IMAGE and axes_stay(layer, rank):
        return None, None
    if api in layers.IMAGE:
        wanted = CHANNELS_FIRST.get(layers.IMAGE[api] or rank or 0)
        flat = "GlobalAverage" in api or "GlobalMax" in api
        return wanted, None if flat and layer.args.get("keepdims") != Const(True) else wanted
    if api.startswith(PLACE):
        return emitted_passes(ctx, layer, rank, have)
    if api not in layers.LAYERS:
        raise Refused("XL200", f"{api} has no counterpart in the tables yet")
    return None, None


def axes_stay(layer: Instance, rank: int | None) -> bool:
    """Whether an image layer takes its channels first already."""
    if layer.api in AXIS_OF_CHANNELS:
        return rank != 2 and layer.args.get("axis") == Const(1)
    return is_channels_first(layer.args)


def emitted_passes(ctx: Context, layer: Instance, rank: int | None, have: Perm) -> tuple[Perm, Perm]:
    """Helpers of the other direction: their row says what they do to axes."""
    if ctx.dialect.containers.get(layer.api or "") == "sequential":
        return sequence_passes(ctx, layer, rank, have)
    row = next(iter(ctx.tables.find(layer.api or "")), None)
    if row is None:
        raise Refused("XL200", f"{layer.api} has no counterpart in the tables yet")
    if row.layout == "pointwise":
        return have, have
    if row.layout != "channels" or is_channels_first(layer.args):
        return None, None
    if rank is None:
        raise Refused("XL209", f"{layer.api}: the rank of its input is not known here")
    wanted = CHANNELS_FIRST.get(rank)
    return wanted, wanted


def everywhere(layer: Instance) -> bool:
    """Whether a layer for each step works on the last axis anyway, so that it needs no wrapper."""
    inner = layer.args.get("layer")
    return isinstance(inner, Instance) and inner.api in layers_more.STEPWISE


def inner_passes(ctx: Context, layer: Instance) -> tuple[Perm, Perm]:
    """The axis orders of a layer that is applied at each step: those of the layer, with the steps kept in front."""
    inner = layer.args.get("layer")
    if not isinstance(inner, Instance):
        raise Refused("XL202", "TimeDistributed: the layer that it repeats is not known here")
    node = made_by(inner)
    seen = as_tensor(input_of(ctx.facts, node)) if node is not None else None
    if inner.api == "keras.Model":
        want, natural = (order(inner.args.get(end, UNKNOWN)) for end in ("inputs", "outputs"))
    else:
        want, natural = passes(ctx, inner, rank_of(seen), None)
    return (stepped(want) if want else None), (stepped(natural) if natural else None)


def holds_layers(cls: UserClass) -> bool:
    """Whether a class has no `call` of its own, but that of the container which it is."""
    return not isinstance(cls.find("call"), Func) and isinstance(cls.find("<children>"), Instance)


def user_passes(ctx: Context, cls: UserClass, rank: int | None) -> tuple[Perm, Perm]:
    forward = cls.find("call")
    if not isinstance(forward, Func):
        held = cls.find("<children>")
        return own_passes(ctx, held, rank) if isinstance(held, Instance) else (None, None)
    names = [p.name.value for p in forward.node.params.params][1:2]
    given = forward.start.get(names[0], UNKNOWN) if names else UNKNOWN
    return order(given), order(forward.returns or UNKNOWN)


def sequence_passes(ctx: Context, layer: Instance, rank: int | None, have: Perm) -> tuple[Perm, Perm]:
    """A sequential model takes what its first layer with a wish takes; those that may stand in one place take the
    same."""
    from .keras_places import alternatives, common

    every = alternatives(ctx, layer)
    if len(every) < 2:
        return own_passes(ctx, layer, rank)
    return common(ctx, every, [own_passes(ctx, one, rank) for one in every])


def own_passes(ctx: Context, layer: Instance, rank: int | None) -> tuple[Perm, Perm]:
    """What a sequential model takes and gives for its own sake."""
    if layer.children is None:
        return alike_passes(ctx, layer, rank, None)
    if not all(isinstance(c, Instance) for c in layer.children):
        raise Refused("XL209", "which layers this Sequential holds is not known here")
    start: Perm = None
    for child in layer.children:
        if isinstance(child, Instance) and not free(ctx, child) and child.api != "keras.layers.InputLayer":
            start, _ = passes(ctx, child, child_rank(ctx, child, rank), None)
            break
    state = start
    for child in layer.children:
        if isinstance(child, Instance) and child.api != "keras.layers.InputLayer":
            _, state = passes(ctx, child, child_rank(ctx, child, rank), state)
    return start, state


def free(ctx: Context, layer: Instance) -> bool:
    """Whether a layer does not care about axes."""
    row = next(iter(ctx.tables.find(layer.api or "")), None)
    ours = layer.api is not None and layer.api.startswith(PLACE)
    return layer.api in layers.FREE or (ours and row is not None and row.layout == "pointwise")


def alike_passes(ctx: Context, layer: Instance, rank: int | None, have: Perm) -> tuple[Perm, Perm]:
    """Of a sequential model whose layers are not known one by one: all must take and give one order.

    Raises:
        Refused: where they do not.
    """
    found: set[tuple[Perm, Perm]] = set()
    unranked = []
    for child in options_of(elem_of(layer)):
        if not isinstance(child, Instance) or (child.api is None and not isinstance(child.cls, UserClass)):
            raise Refused("XL209", "which layers this Sequential holds is not known here")
        own = child_rank(ctx, child, rank)
        if child.api in layers.IMAGE and not layers.IMAGE[child.api] and own is None:
            unranked.append(child)
        elif not free(ctx, child):
            found.add(passes(ctx, child, own, have))
    known = {len(want) for want, _ in found if want is not None}
    for child in unranked:  # what stands between layers of one rank has that rank
        found.add(passes(ctx, child, min(known, default=None), have))
    if any(want != natural for want, natural in found) or len(found) > 1:
        raise Refused("XL209", "which layers this Sequential holds is not known here")
    return found.pop() if found else (have, have)


def child_rank(ctx: Context, child: Instance, fallback: int | None) -> int | None:
    node = made_by(child)
    seen = as_tensor(input_of(ctx.facts, node)) if node is not None else None
    return rank_of(seen) if seen is not None else fallback


# -- merging ---------------------------------------------------------------------------------------------------


def merged(ctx: Context, node: cst.Call, api: str, args: dict[str, Value], inputs: cst.BaseExpression) -> Any:
    """``Add()([a, b])`` and the like as the expression that a PyTorch user writes."""
    value = ctx.value(inputs)
    parts = parts_of(BoundCall(api, node, {"input": _bound(inputs, value)}))
    if not isinstance(inputs, cst.List | cst.Tuple):
        if api == "keras.layers.Concatenate" and parts:
            return concatenated(ctx, node, args, inputs, parts)
        if parts and api in LISTED and len({order(p) for p in parts}) == 1:
            out = nodes.template(LISTED[api], {"x": ctx.updated(inputs)})
            return settled(ctx, node, out, order(parts[0]))
        raise Refused("XL202", f"{api}: the list of its inputs is not written out")
    if not parts or len(parts) != len(inputs.elements):
        raise Refused("XL205", f"{api}: its inputs are not known to be tensors")
    if api == "keras.layers.Concatenate":
        return concatenated(ctx, node, args, inputs, parts)
    ranks = {rank_of(p) for p in parts}
    if len(ranks) != 1:
        raise Refused("XL302", f"{api}: its inputs have different or unknown ranks")
    want = order(parts[0])
    items = [moved(ctx.updated(e.value), order(p), want) for e, p in zip(inputs.elements, parts, strict=True)]
    out = items[0]
    text = MERGES[api] or "{a} + {b}"
    for item in items[1:]:
        out = nodes.template(text, {"a": nodes.bare(out, node), "b": item})
    if api.endswith("Average"):
        out = nodes.template("({a}) / {n}", {"a": nodes.bare(out, node), "n": nodes.literal(len(items))})
    return settled(ctx, node, nodes.parenthesized(out) if isinstance(out, cst.BinaryOperation) else out, want)


def _bound(node: Any, value: Value) -> Any:
    from ..infer.facts import Bound

    return Bound(node, value)


def concatenated(
    ctx: Context, node: cst.Call, args: dict[str, Value], inputs: cst.BaseExpression, parts: list[Tensor]
) -> Any:
    """``torch.cat`` along the axis where Keras's axis is now."""
    axis = args.get("axis", Const(-1))
    if not isinstance(axis, Const) or len({rank_of(p) for p in parts}) != 1:
        raise Refused("XL302", "concatenation of tensors whose ranks or axis are not known here")
    want = order(parts[0])
    if isinstance(inputs, cst.List | cst.Tuple):
        every = zip(inputs.elements, parts, strict=True)
        new = ctx.updated(inputs)
        listed: Any = new.with_changes(
            elements=[n.with_changes(value=moved(ctx.updated(e.value), order(p), want))
                      for (e, p), n in zip(every, new.elements, strict=True)]
        )  # fmt: skip
    elif all(order(p) == want for p in parts):
        listed = ctx.updated(inputs)
    else:
        raise Refused("XL302", "these tensors have different axis orders")
    dim = mapped_axes([axis.value], want)[0]
    return settled(ctx, node, nodes.call("torch.cat", listed, dim=nodes.literal(dim)), want)


# -- functions ---------------------------------------------------------------------------------------------------


def api_call(ctx: Context, call: BoundCall, node: cst.Call, new: cst.Call) -> Outcome:
    """A function or class of TensorFlow or Keras."""
    api = call.api
    if api == f"{PLACE}Sequential":
        from .keras_sequential import emitted

        emitted_as = emitted(ctx, call, node, new)
        if emitted_as is not None:
            return emitted_as
    if api == "keras.Sequential":
        from .keras_sequential import sequential

        return sequential(ctx, call, node, new)
    if api in MERGE_FUNCTIONS:
        inputs = call.args.get("inputs")
        if inputs is None:
            raise Refused("XL202", f"{api}: its inputs are not given")
        args = {n: b.value for n, b in {**call.args, **call.extra}.items()}
        return Edit(merged(ctx, node, MERGE_FUNCTIONS[api], args, inputs.node), ("torch",))
    if ctx.claim is not None and ctx.claim.expressed(node, call):
        return None
    if api in layers.LAYERS:
        made = layers.build(ctx, call)
        parts = made.in_sequence()
        result = (
            parts[0] if len(parts) == 1 else nodes.call("nn.Sequential", *parts) if parts else layers.module("Identity")
        )
        return Edit(result, made.needs)
    if api in ("keras.Input", "keras.Model", "keras.layers.InputLayer"):
        raise Refused("XL213", f"{api}: this functional model is not built in a way that can be taken apart")
    if api in MERGES:
        return None
    if not api.startswith("keras.metrics."):
        call.args.pop("name", None)
        call.extra.pop("name", None)
    rows = ctx.tables.find(api)
    if not rows:
        return unknown(ctx, api)
    row = next((r for r in rows if applies(r, call)), None)
    if row is None:
        raise Refused("XL209", f"{api}: which form applies is not known here")
    if row.refuse:
        raise Refused("XL203", f"{api}: {row.refuse}", row.hint)
    natural = arranged(ctx, row, call, node)
    if row.rule is None and row.tf_expr is None and not row.tf:
        raise Refused("XL200", f"{api} has no counterpart in the tables yet")
    outcome = translate_call(ctx, row, call, node, new)
    if not isinstance(outcome, Edit):
        return outcome
    return Edit(settled(ctx, node, shortened(outcome.node), natural), outcome.needs)


@named("keras_layer")
def layer_row(ctx: Context, row: Row, call: BoundCall, node: cst.Call, new: cst.Call) -> Outcome:
    """Layers are read by `keras_layers`; what comes here is a layer that it does not know in this place."""
    return Refusal("XL203", f"{call.api} is not translated here")


def shortened(node: Any) -> Any:
    """``torch.nn.functional.relu(x)`` as ``F.relu(x)``, ``torch.Tensor.exp(x)`` as ``x.exp()``."""
    if isinstance(node, cst.Call) and isinstance(node.func, cst.Attribute):
        name = nodes.code(node.func)
        if name.startswith("torch.Tensor.") and node.args:
            func = cst.Attribute(nodes.parenthesized(node.args[0].value), cst.Name(name.rsplit(".", 1)[-1]))
            return node.with_changes(func=func, args=node.args[1:])
        short = short_name(name)
        return node.with_changes(func=nodes.dotted(short)) if short != name else node
    return node


def short_name(name: str) -> str:
    """How a PyTorch user writes a name."""
    for long, short in (("torch.nn.functional.", "F."), ("torch.nn.", "nn.")):
        if name.startswith(long):
            return short + name[len(long) :]
    return name
