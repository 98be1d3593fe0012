"""Layers without weights that a PyTorch user writes as an expression: ``x.flatten(1)`` for ``Flatten()(x)``."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import libcst as cst

from .. import nodes
from ..infer.facts import BoundCall
from ..rewrite.context import Context
from ..values import Const, Seq
from . import keras_activations as activations
from .keras_args import LayerArgs
from .keras_layout import Perm, Refused, method
from .keras_names import names_in, tensorish

Direct = Callable[[LayerArgs, Any, Perm], Any]


def flatten(args: LayerArgs, x: Any, perm: Perm) -> Any:
    if args.first:  # Keras puts the channels last before
        x = method(x, "movedim", nodes.literal(1), nodes.literal(-1))
    return method(x, "flatten", nodes.literal(1))


def activation(args: LayerArgs, x: Any, perm: Perm) -> Any:
    return activations.applied(args.ctx, activations.activation_of(args.value("activation"), args.api), x, perm)


def relu(args: LayerArgs, x: Any, perm: Perm) -> Any:
    top, slope = args.const("max_value", None), args.const("negative_slope", 0.0)
    if not args.same("threshold", 0.0) or (top is not None and (top != 6 or slope)):
        raise Refused("XL201", f"{args.api}: `max_value` or `threshold` at this value")
    if slope:
        return nodes.call("F.leaky_relu", x, nodes.literal(slope))
    return nodes.call("F.relu6" if top is not None else "F.relu", x)


def leaky_relu(args: LayerArgs, x: Any, perm: Perm) -> Any:
    return nodes.call("F.leaky_relu", x, args.node("negative_slope") or args.node("alpha") or nodes.literal(0.3))


def softmax(args: LayerArgs, x: Any, perm: Perm) -> Any:
    return nodes.call("F.softmax", x, dim=args.node("axis", -1))


def global_pool(name: str, axes: int) -> Direct:
    def direct(args: LayerArgs, x: Any, perm: Perm) -> Any:
        where = [i + 2 for i in range(axes)] if axes > 1 or args.first else [1]
        dim = nodes.literal(tuple(where) if len(where) > 1 else where[0])
        keep = args.flag("keepdims", False)
        return method(x, name, dim=dim, **({"keepdim": keep} if keep is not None else {}))

    return direct


def reshape(args: LayerArgs, x: Any, perm: Perm) -> Any:
    bound = args.bound("target_shape")
    if bound is None or not isinstance(bound.value, Seq) or not bound.value.items:
        raise Refused("XL201", f"{args.api}: its shape is not written out")
    sizes: list[Any] = [cst.Arg(args.ctx.updated(bound.node), star="*")]
    if isinstance(bound.node, cst.Tuple | cst.List):
        sizes = [cst.Arg(args.ctx.updated(e.value)) for e in bound.node.elements]
    batch = nodes.template("{x}.shape[0]", {"x": x}) if Const(-1) in bound.value.items else nodes.literal(-1)
    return cst.Call(cst.Attribute(nodes.parenthesized(x), cst.Name("reshape")), [cst.Arg(batch), *sizes])


def permute(args: LayerArgs, x: Any, perm: Perm) -> Any:
    return method(x, "permute", *(nodes.literal(d) for d in (0, *args.const("dims", ()))))


def zero_padding(args: LayerArgs, x: Any, perm: Perm) -> Any:
    args.check_format()
    args.ctx.needs.add("helper:zero_pad2d")
    return nodes.call("zero_pad2d", x, args.node("padding"))


def is_direct(ctx: Context, call: BoundCall) -> bool:
    """Whether a layer needs no module: padding that depends on a tensor, activations that are known."""
    if call.node in ctx.facts.mask_readers:
        return False
    if call.api == "keras.layers.ZeroPadding2D":
        given = call.args.get("padding")
        return given is not None and any(tensorish(ctx.value(n)) for n in names_in(given.node))
    if call.api == "keras.layers.Activation":
        return activations.is_known(call.value("activation"))
    return True


DIRECT: dict[str, Direct] = {
    "keras.layers.ZeroPadding2D": zero_padding,
    "keras.layers.Flatten": flatten, "keras.layers.Activation": activation, "keras.layers.ReLU": relu,
    "keras.layers.LeakyReLU": leaky_relu, "keras.layers.Softmax": softmax, "keras.layers.Reshape": reshape,
    "keras.layers.GlobalAveragePooling1D": global_pool("mean", 1), "keras.layers.Permute": permute,
    "keras.layers.GlobalAveragePooling2D": global_pool("mean", 2),
    "keras.layers.GlobalMaxPooling1D": global_pool("amax", 1),
    "keras.layers.GlobalMaxPooling2D": global_pool("amax", 2),
}  # fmt: skip
