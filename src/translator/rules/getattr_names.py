"""``getattr(nn, "ReLU")``: a framework name that is looked up by a string that is known."""

from __future__ import annotations

import libcst as cst

from .. import nodes
from ..rewrite.context import Context, Outcome
from ..values import Api
from .api import reference, unknown, with_imports


def looked_up(ctx: Context, node: cst.Call) -> str | None:
    """The qualified name that ``getattr(module, "name")`` gives, if it is the framework's."""
    if not nodes.is_name(node.func, "getattr") or len(node.args) < 2 or ctx.value(node.func) != Api("builtins.getattr"):
        return None
    owner, value = ctx.value(node.args[0].value), ctx.value(node)
    if not isinstance(owner, Api) or not isinstance(value, Api):
        return None
    return ctx.tables.canonical(value.name) if value.name.split(".", 1)[0] in ctx.dialect.roots else None


def looked_up_claim(ctx: Context, node: cst.Call) -> list[cst.CSTNode]:
    """The module, which is not passed on."""
    return [node.args[0].value] if looked_up(ctx, node) is not None else []


def looked_up_name(ctx: Context, node: cst.Call, new: cst.Call) -> Outcome:
    """The counterpart of the name, as where it is written out as a value."""
    name = looked_up(ctx, node)
    if name is None:
        return None
    rows = ctx.tables.find(name)
    return with_imports(rows[0], reference(ctx, rows[0], name)) if rows else unknown(ctx, name)
