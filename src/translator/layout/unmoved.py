"""Operations that stay in source order in a program with channels last: their translation is told so."""

from __future__ import annotations

from typing import Any

import libcst as cst

from .. import nodes
from ..emit import helper
from ..rewrite.context import Context
from ..values import Instance
from . import behaviour
from .unproven import LayoutUnproven

NAMES = ("data_format", "axis")
"""The arguments that tell where the channels stand."""


def told(ctx: Context, node: cst.CSTNode, new: Any) -> Any:
    """The translated call, with ``data_format="channels_first"`` where a helper has to be told.

    Raises:
        LayoutUnproven: where what the call became cannot be told.
    """
    call = new.value if isinstance(new, cst.Expr) else new
    if not isinstance(call, cst.Call):
        raise LayoutUnproven(node, ctx.facts.unmoved[node])
    if any(arg.keyword is not None and arg.keyword.value in NAMES for arg in call.args):
        return new
    name = nodes.code(call.func).removesuffix("_")
    if name == "tf.squeeze" and isinstance(call.args[0].value, cst.Call):  # of a sample that was given a batch axis
        inner = call.args[0].with_changes(value=told(ctx, node, call.args[0].value))
        return call.with_changes(args=[inner, *call.args[1:]])
    if not _takes_format(name, ctx.options.direction.target):
        raise LayoutUnproven(node, ctx.facts.unmoved[node])
    return call.with_changes(args=[*call.args, nodes.keyword("data_format", nodes.literal("channels_first"))])


def told_if_asked(ctx: Context, node: cst.CSTNode, new: Any) -> Any:
    """The translation of an operation that always has source order, told so where its helper looks for the channels."""
    call = new.value if isinstance(new, cst.Expr) else new
    made = ctx.value(node)
    if not isinstance(call, cst.Call) or not isinstance(call.func, cst.Name) or not isinstance(node, cst.Call):
        return new
    if isinstance(made, Instance) and behaviour.of_api(ctx, made) != "opaque":
        return new
    name = call.func.value.removesuffix("_")
    known = ctx.call(node) is not None and _takes_format(name, ctx.options.direction.target)
    if not known or any(arg.keyword is not None and arg.keyword.value in NAMES for arg in call.args):
        return new
    return call.with_changes(args=[*call.args, nodes.keyword("data_format", nodes.literal("channels_first"))])


def _takes_format(name: str, framework: str) -> bool:
    found = helper(name, framework)
    if found is None:
        return False
    if found.params or not found.bases:
        return any(param.name == "data_format" for param in found.params)
    return any(_takes_format(base, framework) for base in found.bases)
