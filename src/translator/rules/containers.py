"""Containers of layers: Sequential, ModuleList, ModuleDict; parameters."""

from __future__ import annotations

from typing import Any

import libcst as cst

from .. import nodes
from ..infer.facts import BoundCall
from ..rewrite.context import Context, Edit, Outcome, Refusal
from ..tables.schema import Row
from ..values import Api, Const, Instance, Tensor, UserClass, Value, as_tensor, options_of
from .layers import keep_lines
from .named import named

SINGLE = frozenset({"spatial1d", "spatial2d", "spatial3d", "same", "same_float", "linear", "embedding", "flatten"})
"""Results of layers that take one tensor and give one: what `keras.Sequential` can hold."""


def simple_layer(ctx: Context, value: Value) -> bool:
    """Whether a value is certainly a layer from one tensor to one tensor, with a fixed rank."""
    for one in options_of(value):
        if not isinstance(one, Instance):
            return False
        if isinstance(one.cls, UserClass):
            return False
        rows = ctx.tables.find(one.cls.name)
        if not rows or rows[0].returns not in SINGLE or rows[0].rule == "sequential":
            return False
    return True


@named("sequential")
def sequential(ctx: Context, row: Row, call: BoundCall, node: cst.Call, new: cst.Call) -> Outcome:
    """The plain `keras.Sequential` for known single-tensor layers written one by one; the helper else."""
    ctx_result = call.result
    children = ctx_result.children if isinstance(ctx_result, Instance) else None
    plain = bool(node.args) and children is not None and not any(a.star or a.keyword for a in node.args)
    plain = plain and len(children or ()) == len(node.args)
    plain = plain and node in ctx.plain_sequentials and all(simple_layer(ctx, c) for c in children or ())
    if not plain:
        return Edit(new.with_changes(func=nodes.dotted("Sequential")), ("helper:Sequential",))
    elements = []
    for arg in new.args:
        comma = arg.comma if isinstance(arg.comma, cst.Comma) else cst.MaybeSentinel.DEFAULT
        elements.append(cst.Element(arg.value, comma=comma))
    space = new.whitespace_before_args
    wide = isinstance(space, cst.ParenthesizedWhitespace)
    items = cst.List(elements)
    if wide:
        after = new.args[-1].whitespace_after_arg
        if not isinstance(elements[-1].comma, cst.Comma):
            elements[-1] = elements[-1].with_changes(comma=cst.Comma())
        last = elements[-1].comma
        closing = last.whitespace_after if isinstance(last.whitespace_after, cst.ParenthesizedWhitespace) else after
        elements[-1] = elements[-1].with_changes(comma=cst.Comma(whitespace_after=cst.SimpleWhitespace("")))
        items = cst.List(
            elements, lbracket=cst.LeftSquareBracket(space), rbracket=cst.RightSquareBracket(whitespace_before=closing)
        )
    args = [cst.Arg(items)]
    result = cst.Call(nodes.dotted("keras.Sequential"), args)
    return Edit(result, ("keras",))


@named("module_list")
def module_list(ctx: Context, row: Row, call: BoundCall, node: cst.Call, new: cst.Call) -> Outcome:
    """Keras tracks plain lists: ``nn.ModuleList([a, b])`` is ``[a, b]``."""
    if not new.args:
        return Edit(cst.List([]))
    arg = new.args[0]
    if len(new.args) > 1 or arg.star:
        return Refusal("XL202", f"{call.api}: expected one sequence of layers")
    if isinstance(arg.value, cst.GeneratorExp):
        return Edit(cst.ListComp(arg.value.elt, arg.value.for_in))
    if isinstance(arg.value, cst.List | cst.ListComp):
        return Edit(arg.value)
    return Edit(nodes.call("list", arg.value))


@named("module_dict")
def module_dict(ctx: Context, row: Row, call: BoundCall, node: cst.Call, new: cst.Call) -> Outcome:
    if not new.args:
        return Edit(cst.Dict([]))
    arg = new.args[0]
    return Edit(arg.value if isinstance(arg.value, cst.Dict) else nodes.call("dict", arg.value))


@named("parameter")
def parameter(ctx: Context, row: Row, call: BoundCall, node: cst.Call, new: cst.Call) -> Outcome:
    """``nn.Parameter(tensor)`` is a `keras.Variable`, which layers track as an attribute."""
    data = call.args.get("data") or (call.varargs[0] if call.varargs else None)
    if data is None:
        return Refusal("XL202", f"{call.api}: without data it cannot be translated")
    keywords: dict[str, Any] = {}
    grad = call.args.get("requires_grad")
    if call.api.endswith("Buffer"):
        keywords["trainable"] = nodes.literal(False)
    elif grad is not None and not (isinstance(grad.value, Const) and grad.value.value is True):
        keywords["trainable"] = ctx.updated(grad.node)
    result = nodes.call("keras.Variable", ctx.updated(data.node), **keywords)
    return Edit(keep_lines(new, result), ("keras",))


def is_layer(value: Value) -> bool:
    return isinstance(value, Instance) and (isinstance(value.cls, Api) or value.cls.module)


def tensor_like(value: Value) -> Tensor | None:
    return as_tensor(value)
