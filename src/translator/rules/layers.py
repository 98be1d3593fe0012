"""Layers whose plain Keras form exists only for some arguments: convolutions and pools.

The plain layer is written where it is proven equal; else a helper subclass with explicit padding.
"""

from __future__ import annotations

from typing import Any

import libcst as cst

from .. import nodes
from ..infer.facts import BoundCall
from ..rewrite.context import Context, Edit, Outcome, Refusal
from ..tables.schema import Row
from ..values import Const, Seq, Value, python_type
from .fresh_weights import started
from .named import named


def ints(value: Value, n: int) -> tuple[int, ...] | None:
    """A literal size for ``n`` axes: ``3`` is ``(3, 3)``; ``None`` if it is not a literal."""
    if isinstance(value, Const) and type(value.value) is int:
        return (value.value,) * n
    if isinstance(value, Seq) and value.items is not None:
        out = [v.value for v in value.items if isinstance(v, Const) and type(v.value) is int]
        return tuple(out) if len(out) == n == len(value.items) else None
    return None


class Args:
    """A layer's arguments with their defaults: literal value and node by name."""

    def __init__(self, ctx: Context, call: BoundCall, axes: int) -> None:
        self.ctx, self.call, self.axes = ctx, call, axes

    def node(self, name: str) -> Any:
        """The rewritten argument; ``None`` where it is left out."""
        bound = self.call.args.get(name)
        return self.ctx.updated(bound.node) if bound is not None else None

    def ints(self, name: str, default: int) -> tuple[int, ...] | None:
        bound = self.call.args.get(name)
        return (default,) * self.axes if bound is None else ints(bound.value, self.axes)

    def is_const(self, name: str, default: Any) -> bool:
        """Whether the argument certainly has its default value."""
        return name not in self.call.args or self.given(name, default)

    def given(self, name: str, value: Any) -> bool:
        """Whether the argument is passed, and certainly has this value."""
        bound = self.call.args.get(name)
        return bound is not None and isinstance(bound.value, Const) and bound.value.value == value

    def text(self, name: str) -> str | None:
        bound = self.call.args.get(name)
        return nodes.code(bound.node) if bound is not None else None


def keywords(ctx: Context, **given: Any) -> list[cst.Arg]:
    """Keyword arguments for those that are given."""
    return [nodes.keyword(k, v) for k, v in given.items() if v is not None]


def data_format(ctx: Context) -> Any:
    return nodes.literal("channels_first") if ctx.channels_first else None


def same_padding(args: Args) -> bool:
    """Whether explicit padding is what Keras calls ``same``: stride 1, and half of an odd kernel."""
    kernel, stride, pad, dilation = (
        args.ints(n, d) for n, d in (("kernel_size", 0), ("stride", 1), ("padding", 0), ("dilation", 1))
    )
    if kernel is None or stride is None or pad is None or dilation is None or any(s != 1 for s in stride):
        return False
    if not any(pad):
        return False
    return all(k % 2 == 1 and p == d * (k - 1) // 2 for k, p, d in zip(kernel, pad, dilation, strict=True))


def drop_default(node: Any, value: tuple[int, ...] | None, default: int) -> Any:
    """An argument that says no more than the default is left out."""
    return None if node is None or (value is not None and all(v == default for v in value)) else node


def conv(axes: int) -> Any:
    def rule(ctx: Context, row: Row, call: BoundCall, node: cst.Call, new: cst.Call) -> Outcome:
        if call.problem:
            return Refusal("XL202", f"{call.api}: {call.problem}")
        args = Args(ctx, call, axes)
        pad = call.args.get("padding")
        by_name = pad is not None and python_type(pad.value) == "str"
        stride, dilation, padding = args.ints("stride", 1), args.ints("dilation", 1), args.ints("padding", 0)
        strides = drop_default(args.node("stride"), stride, 1)
        dilations = drop_default(args.node("dilation"), dilation, 1)
        zeros = args.is_const("padding_mode", "zeros")
        grouped = not args.is_const("groups", 1)
        both = strides is not None and dilations is not None
        same_channels = args.text("groups") == args.text("in_channels") == args.text("out_channels")
        depthwise = axes == 2 and grouped and same_channels
        plain = zeros and not both and (by_name or padding == (0,) * axes or same_padding(args))
        plain = plain and not (depthwise and _unequal(stride)) and not _misplaced_bias(ctx, args)
        bias = None if args.is_const("bias", True) else args.node("bias")
        same = args.node("padding") if by_name else nodes.literal("same") if same_padding(args) else None
        if by_name and isinstance(pad.value, Const) and pad.value.value == "valid":  # type: ignore[union-attr]
            same = None
        shared = {"strides": strides, "dilation_rate": dilations, "use_bias": bias}
        name, given, first = _form(ctx, args, axes, plain, grouped, depthwise, same, shared)
        helper = not name.startswith("keras.")
        if not helper:
            given["data_format"] = data_format(ctx)
        result = nodes.call(name, *first, *keywords(ctx, **given, dtype=args.node("dtype")))
        needs = (f"helper:{name}",) if helper else ("keras",)
        return started(ctx, row, call, Edit(keep_lines(new, result), needs))

    return rule


def note_deviations(ctx: Context, row: Row, call: BoundCall) -> None:
    """List what the idiomatic form does not keep."""
    for note in row.notes:
        if note != "no_sample":
            ctx.note(call.node, "XL401", f"{call.api}: known deviation `{note}`")


def _misplaced_bias(ctx: Context, args: Args) -> bool:
    """Whether Keras may add the bias along the wrong axis.

    With ``channels_first``, Keras 3's convolutions add it along the last axis where that is as long as the bias.
    """
    return ctx.channels_first and not args.given("bias", False)


def _unequal(stride: tuple[int, ...] | None) -> bool:
    return stride is not None and len(set(stride)) > 1


def _form(
    ctx: Context, args: Args, axes: int, plain: bool, grouped: bool, depthwise: bool, same: Any, shared: dict[str, Any]
) -> tuple[str, dict[str, Any], list[Any]]:
    """The layer's name, its keyword arguments, and its positional ones."""
    kernel = args.node("kernel_size")
    if depthwise:
        if plain:
            return "keras.layers.DepthwiseConv2D", {**shared, "padding": same}, [kernel]
        pad = {"pad": drop_default(args.node("padding"), args.ints("padding", 0), 0)}
        return "PaddedDepthwiseConv2D", {**shared, **pad, "pad_mode": _mode(args)}, [kernel]
    first = [args.node("out_channels"), kernel]
    if plain and not grouped:
        return f"keras.layers.Conv{axes}D", {**shared, "padding": same}, first
    pad_node = same if same is not None and args.ints("padding", 0) is None else args.node("padding")
    given = {
        "strides": shared["strides"], "pad": drop_default(pad_node, args.ints("padding", 0), 0),
        "dilation_rate": shared["dilation_rate"], "groups": args.node("groups") if grouped else None,
        "pad_mode": _mode(args), "use_bias": shared["use_bias"],
    }  # fmt: skip
    return f"PaddedConv{axes}D", given, first


def _mode(args: Args) -> Any:
    return None if args.is_const("padding_mode", "zeros") else args.node("padding_mode")


def keep_lines(old: cst.Call, new: cst.Call) -> cst.Call:
    """A call that was written over several lines stays so, one argument to a line."""
    space = old.whitespace_before_args
    if not isinstance(space, cst.ParenthesizedWhitespace) or not new.args:
        return new
    comma = next((a.comma for a in old.args if isinstance(a.comma, cst.Comma)), None)
    after = old.args[-1].comma if old.args else None
    args = list(new.args)
    if comma is not None and isinstance(comma.whitespace_after, cst.ParenthesizedWhitespace):
        args[:-1] = [a.with_changes(comma=comma) for a in args[:-1]]
    if isinstance(after, cst.Comma):
        args[-1] = args[-1].with_changes(comma=after)
    args[-1] = args[-1].with_changes(whitespace_after_arg=old.args[-1].whitespace_after_arg)
    return new.with_changes(args=args, whitespace_before_args=space)


for _axes in (1, 2, 3):
    named(f"conv{_axes}d")(conv(_axes))


def conv_transpose(axes: int) -> Any:
    def rule(ctx: Context, row: Row, call: BoundCall, node: cst.Call, new: cst.Call) -> Outcome:
        if call.problem:
            return Refusal("XL202", f"{call.api}: {call.problem}")
        args = Args(ctx, call, axes)
        kernel, stride = args.ints("kernel_size", 0), args.ints("stride", 1)
        pad, extra = args.ints("padding", 0), args.ints("output_padding", 0)
        simple = args.is_const("groups", 1) and args.ints("dilation", 1) == (1,) * axes and extra == (0,) * axes
        bias = None if args.is_const("bias", True) else args.node("bias")
        first = [args.node("out_channels"), args.node("kernel_size")]
        strides = drop_default(args.node("stride"), stride, 1)
        simple = simple and not _misplaced_bias(ctx, args)
        padding = _transposed_padding(kernel, stride, pad) if simple else None
        if padding is not None:
            name = f"keras.layers.Conv{axes}DTranspose"
            given = {
                "strides": strides, "padding": nodes.literal("same") if padding == "same" else None, "use_bias": bias,
                "data_format": data_format(ctx), "dtype": args.node("dtype"),
            }  # fmt: skip
            plain = keep_lines(new, nodes.call(name, *first, *keywords(ctx, **given)))
            return started(ctx, row, call, Edit(plain, ("keras",)))
        name = f"PaddedConv{axes}DTranspose"
        given = {
            "strides": strides, "pad": drop_default(args.node("padding"), pad, 0),
            "output_pad": drop_default(args.node("output_padding"), extra, 0),
            "dilation_rate": drop_default(args.node("dilation"), args.ints("dilation", 1), 1),
            "groups": None if args.is_const("groups", 1) else args.node("groups"), "use_bias": bias,
            "dtype": args.node("dtype"),
        }  # fmt: skip
        padded = keep_lines(new, nodes.call(name, *first, *keywords(ctx, **given)))
        return started(ctx, row, call, Edit(padded, (f"helper:{name}",)))

    return rule


def _transposed_padding(
    kernel: tuple[int, ...] | None, stride: tuple[int, ...] | None, pad: tuple[int, ...] | None
) -> str | None:
    """``valid`` or ``same`` where Keras's transposed convolution then equals PyTorch's."""
    if kernel is None or stride is None or pad is None:
        return None
    rows = list(zip(kernel, stride, pad, strict=True))
    if all(p == 0 and k >= s for k, s, p in rows):
        return "valid"
    if all(k >= s and (k - s) % 2 == 0 and p == (k - s) // 2 for k, s, p in rows):
        return "same"
    return None


for _axes in (1, 2, 3):
    named(f"conv_transpose{_axes}d")(conv_transpose(_axes))


def pool(kind: str, axes: int) -> Any:
    """``MaxPool`` and ``AvgPool`` layers."""
    keras_name = {"max": "MaxPooling", "avg": "AveragePooling"}[kind] + f"{axes}D"

    def rule(ctx: Context, row: Row, call: BoundCall, node: cst.Call, new: cst.Call) -> Outcome:
        if call.problem:
            return Refusal("XL202", f"{call.api}: {call.problem}")
        args = Args(ctx, call, axes)
        if args.given("return_indices", True):
            return _with_indices(args, new)
        if not args.is_const("return_indices", False):
            return Refusal("XL201", f"{call.api}: `return_indices` is not translated at this value")
        pad = args.ints("padding", 0)
        simple = pad == (0,) * axes and args.is_const("ceil_mode", False) and args.ints("dilation", 1) == (1,) * axes
        # Keras's own 3-D maximum knows no float64 on the CPU.
        simple = simple and args.is_const("divisor_override", None) and (kind, axes) != ("max", 3)
        strides = args.node("stride")
        if strides is not None and args.text("stride") in (args.text("kernel_size"), "None"):
            strides = None
        first = [args.node("kernel_size")]
        if simple:
            plain = keywords(ctx, strides=strides, data_format=data_format(ctx))
            return Edit(keep_lines(new, nodes.call(f"keras.layers.{keras_name}", *first, *plain)), ("keras",))
        given = {
            "strides": strides, "pad": drop_default(args.node("padding"), pad, 0),
            "dilation": drop_default(args.node("dilation"), args.ints("dilation", 1), 1),
            "ceil_mode": None if args.is_const("ceil_mode", False) else args.node("ceil_mode"),
            "count_include_pad": None if args.is_const("count_include_pad", True) else args.node("count_include_pad"),
            "divisor_override": None if args.is_const("divisor_override", None) else args.node("divisor_override"),
        }  # fmt: skip
        name = "Padded" + keras_name
        return Edit(keep_lines(new, nodes.call(name, *first, *keywords(ctx, **given))), (f"helper:{name}",))

    return rule


def _with_indices(args: Args, new: cst.Call) -> Edit:
    """A pool that gives its maxima and where they were, in PyTorch's order of axes."""
    given = {n: args.node(n) for n in ("stride", "padding", "dilation", "ceil_mode")}
    made = nodes.call("MaxPoolIndices", args.node("kernel_size"), *keywords(args.ctx, **given))
    return Edit(keep_lines(new, made), ("helper:MaxPoolIndices",))


for _kind in ("max", "avg"):
    for _axes in (1, 2, 3):
        named(f"{_kind}_pool{_axes}d")(pool(_kind, _axes))
