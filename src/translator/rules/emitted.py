"""Helpers of a translation the other way, read back as the Keras layers that they stand for."""

from __future__ import annotations

from typing import Any

import libcst as cst

from .. import nodes
from ..infer.facts import BoundCall
from ..rewrite.context import Context, Edit, Outcome, Refusal
from ..tables.schema import Row
from ..values import Const
from .named import named


@named("emitted_recurrent")
def recurrent(ctx: Context, row: Row, call: BoundCall, node: cst.Call, new: cst.Call) -> Outcome:
    """``KerasLSTM(9, 7, return_sequences=True)``: Keras's layer finds the size of its input itself."""
    if call.problem or call.extra or call.varargs:
        return Refusal("XL202", f"{call.api}: which arguments it gets is not known here")
    both = call.args.get("bidirectional")
    if both is not None and not isinstance(both.value, Const):
        return Refusal("XL201", f"{call.api}: whether it runs in both directions is not known here")
    names = {"return_sequences": "return_sequences", "return_state": "return_state", "nonlinearity": "activation"}
    given = {to: ctx.updated(call.args[n].node) for n, to in names.items() if n in call.args}
    kind = {"GRU": "GRU", "RNN": "SimpleRNN"}.get(call.api[-3:], "LSTM")
    units = nodes.bare(ctx.updated(call.args["hidden_size"].node), call.args["hidden_size"].node)
    made = nodes.call(f"keras.layers.{kind}", units, **given)
    if both is not None and both.value == Const(True):
        made = nodes.call("keras.layers.Bidirectional", made)
    return Edit(made, ("keras",))


@named("emitted_around")
def around(ctx: Context, row: Row, call: BoundCall, node: cst.Call, new: cst.Call) -> Outcome:
    """What stands around a layer: ``Backwards(KerasLSTM(9, 7))`` is an option of the layer, `EachStep` a wrapper."""
    inner = ctx.updated(call.args["module"].node) if "module" in call.args and not call.problem else None
    if not isinstance(inner, cst.Call) or not nodes.code(inner.func).startswith("keras.layers."):
        return Refusal("XL202", f"{call.api}: the layer that it holds is not made here")
    if call.api.endswith("EachStep"):
        return Edit(nodes.call("keras.layers.TimeDistributed", inner), ("keras",))
    backwards = call.api.endswith("Backwards")
    option = ("go_backwards", nodes.literal(True)) if backwards else (
        "merge_mode", ctx.updated(call.args["merge_mode"].node))  # fmt: skip
    return Edit(inner.with_changes(args=[*inner.args, nodes.keyword(*option)]), ("keras",))


def given(ctx: Context, call: BoundCall, **names: str) -> dict[str, Any]:
    """Arguments that are given, under the names that Keras has for them."""
    return {new: nodes.bare(ctx.updated(call.args[old].node), call.args[old].node) for old, new in names.items()
            if old in call.args}  # fmt: skip


@named("emitted_convolution")
def convolution(ctx: Context, row: Row, call: BoundCall, node: cst.Call, new: cst.Call) -> Outcome:
    """``SameConv2d(8, 16, 3, stride=2)``: a convolution with Keras's own padding."""
    if call.problem or call.extra or call.varargs:
        return Refusal("XL202", f"{call.api}: which arguments it gets is not known here")
    axes = call.api[-2]
    turned = "Transpose" * ("Transpose" in call.api)
    padding = call.args.get("padding")
    if turned and {"groups", "padding", "output_padding"} & call.args.keys():
        return Refusal("XL201", f"{call.api}: groups or padding of its own")
    padded = ctx.updated(padding.node) if padding is not None else nodes.literal("valid")
    options = given(ctx, call, stride="strides")
    options["padding"] = nodes.literal("same") if "SameConv" in call.api else padded  # also of lazy ones
    options |= {"data_format": nodes.literal("channels_first")}
    options |= given(ctx, call, dilation="dilation_rate", groups="groups", bias="use_bias")
    size, filters = (nodes.bare(ctx.updated(call.args[n].node), call.args[n].node)
                     for n in ("kernel_size", "out_channels"))  # fmt: skip
    inside = nodes.code(call.args["in_channels"].node) if "in_channels" in call.args else ""
    if "groups" in call.args and inside and nodes.code(call.args["groups"].node) == inside == nodes.code(
        call.args["out_channels"].node
    ):
        del options["groups"]
        return Edit(nodes.call(f"keras.layers.DepthwiseConv{axes}D", size, **options), ("keras",))
    return Edit(nodes.call(f"keras.layers.Conv{axes}D{turned}", filters, size, **options), ("keras",))


@named("emitted_pool")
def pool(ctx: Context, row: Row, call: BoundCall, node: cst.Call, new: cst.Call) -> Outcome:
    """``SameMaxPool2d(3, 2)``: a pool with Keras's own padding."""
    if call.problem or call.extra or call.varargs:
        return Refusal("XL202", f"{call.api}: which arguments it gets is not known here")
    kind = "Max" if "Max" in call.api else "Average"
    options = given(ctx, call, stride="strides")
    options |= {"padding": nodes.literal("same"), "data_format": nodes.literal("channels_first")}
    size = nodes.bare(ctx.updated(call.args["kernel_size"].node), call.args["kernel_size"].node)
    return Edit(nodes.call(f"keras.layers.{kind}Pooling{call.api[-2]}D", size, **options), ("keras",))
