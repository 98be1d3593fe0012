"""How weights start, where that is said after a layer was made: it is left to PyTorch's own default."""

from __future__ import annotations

import libcst as cst

from .. import nodes
from ..infer.emitted import PLACE
from ..rewrite.context import Context, Edit, Outcome
from ..values import UNKNOWN, Instance, options_of, without_none
from .keras_names import is_layer

SET = frozenset(f"{PLACE}{name}" for name in ("set_initializer", "scale_initializer"))
"""Helpers of the other direction that do so."""


def starts(ctx: Context, node: cst.Assign) -> list[cst.CSTNode]:
    """``layer.kernel_initializer = keras.initializers.HeNormal()``: nothing of the value is translated. The target of
    ``layer.trainable = False`` is read by the statement's own rule."""
    target = node.targets[0].target
    if isinstance(target, cst.Attribute) and target.attr.value == "trainable":
        return [target]
    return list(nodes.walk(node.value)) if sets_start(ctx, node) else []


def sets_start(ctx: Context, node: cst.Assign) -> bool:
    """Whether a statement sets an initializer of one of Keras's layers, or of something not known in such a program."""
    target = node.targets[0].target
    if len(node.targets) != 1 or not isinstance(target, cst.Attribute):
        return False
    owner = without_none(ctx.value(target.value))
    layers = [o for o in options_of(owner) if isinstance(o, Instance) and is_layer(o) and o.api is not None]
    known = owner is UNKNOWN or len(layers) == len(options_of(owner))
    return target.attr.value.endswith("_initializer") and known


def started(ctx: Context, node: cst.Assign, new: cst.Assign) -> Outcome:
    """The statement goes, which is said."""
    if not sets_start(ctx, node):
        return None
    name = node.targets[0].target.attr.value  # type: ignore[attr-defined]
    ctx.note(node, "XL401", f"`{name}` is left to PyTorch's own default")
    return Edit([])


def helper_starts(ctx: Context, node: cst.Call) -> list[cst.CSTNode]:
    """The arguments of a helper that sets an initializer."""
    call = ctx.call(node)
    return list(nodes.walk(node)) if call is not None and call.api in SET and starts_alone(ctx, node) else []


def starts_alone(ctx: Context, node: cst.Call) -> bool:
    """Whether a call is a statement of its own."""
    found = ctx.facts.cache.get("keras_statements")
    if found is None:
        every = (n for tree in ctx.facts.trees for n in nodes.walk(tree))
        found = ctx.facts.cache["keras_statements"] = {n.value for n in every if isinstance(n, cst.Expr)}
    return node in found


def helper_started(ctx: Context, node: cst.Expr, new: cst.Expr) -> Outcome:
    call = ctx.call(node.value)
    if call is None or call.api not in SET:
        return None
    ctx.note(node, "XL401", "how this weight starts is left to PyTorch's own default")
    return Edit([])
