"""Attributes that are asked for by a string: ``getattr(nn, "ReLU")``, ``hasattr(layer, "parameters")``."""

from __future__ import annotations

import libcst as cst

from .. import nodes
from ..rewrite.context import Context, Edit, Outcome, Refusal
from ..values import UNKNOWN, Api, Const, Instance, options_of
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
    return [node.args[0].value] if looked_up(ctx, node) is not None or _module_has(ctx, node) is not None else []


def _module_has(ctx: Context, node: cst.Call) -> bool | None:
    """Whether a module of the framework has a name, where that is what is asked."""
    if (
        not nodes.is_name(node.func, "hasattr")
        or len(node.args) != 2
        or ctx.value(node.func) != Api("builtins.hasattr")
    ):
        return None
    owner, name = ctx.value(node.args[0].value), ctx.value(node.args[1].value)
    if (
        not isinstance(owner, Api)
        or not isinstance(name, Const)
        or owner.name.split(".", 1)[0] not in ctx.dialect.roots
    ):
        return None
    signature = ctx.tables.source.get(ctx.tables.canonical(owner.name))
    module = owner.name == "torch" or (signature is not None and signature.kind == "module")
    public = isinstance(name.value, str) and not name.value.startswith("_")
    return f"{owner.name}.{name.value}" in ctx.tables.source if module and public else None


def module_has(ctx: Context, node: cst.Call, new: cst.Call) -> Outcome:
    """``hasattr(torch, "compile")`` asks for a version: the answer is that of the one that the tables speak of."""
    known = _module_has(ctx, node)
    return Edit(nodes.literal(known)) if known is not None else None


def looked_up_name(ctx: Context, node: cst.Call, new: cst.Call) -> Outcome:
    """The counterpart of the name, as where it is written out as a value."""
    name = looked_up(ctx, node)
    if name is None:
        return None
    rows = ctx.tables.find(name)
    return with_imports(rows[0], reference(ctx, rows[0], name)) if rows else unknown(ctx, name)


LISTED = frozenset({
    "parameters", "buffers", "children", "modules", "named_parameters", "named_buffers", "named_children",
    "named_modules", "state_dict", "load_state_dict", "register_buffer", "register_parameter",
})  # fmt: skip
"""Methods of PyTorch's layers that no layer of Keras has."""


def asked_for_method(ctx: Context, node: cst.Call, new: cst.Call) -> Outcome:
    """``hasattr(x, "parameters")`` holds for layers in PyTorch, and for none in Keras."""
    if len(node.args) != 2 or ctx.value(node.func) != Api("builtins.hasattr"):
        return None
    owner, name = ctx.value(node.args[0].value), ctx.value(node.args[1].value)
    if not isinstance(name, Const) or name.value not in LISTED:
        return None
    if any(name.value in (*cls.attrs, *cls.methods) for cls in ctx.facts.classes.values()):
        return None
    if owner is not UNKNOWN and not any(isinstance(o, Instance) for o in options_of(owner)):
        return None
    message = f"Keras's layers have no `{name.value}`, so that this would not hold for a layer"
    return Refusal("XL205", message, "ask with isinstance(x, nn.Module)")
