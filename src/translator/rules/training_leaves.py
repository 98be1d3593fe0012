"""Tensors that an optimizer moves itself (an image, two coefficients): ``x.requires_grad_()`` makes a variable."""

from __future__ import annotations

from typing import Any

import libcst as cst

from .. import nodes
from ..rewrite.context import Context, Edit, Outcome
from .training_params import walk


def leaf_claim(ctx: Context, node: Any) -> set[Any]:
    """What no other rule is to look at: ``x.requires_grad`` as a target, ``x.requires_grad_()`` as a statement."""
    if node not in ctx.facts.leaves:
        return set()
    if isinstance(node, cst.Expr):
        return {node.value}
    target = node.targets[0].target
    return set(walk(target)) if isinstance(target, cst.Attribute) else set()


def leaf_assign(ctx: Context, node: cst.Assign, new: cst.Assign) -> Outcome:
    """``w = torch.zeros(3, requires_grad=True)``, ``w.requires_grad = True``."""
    if node not in ctx.facts.leaves:
        return None
    target = node.targets[0].target
    if isinstance(target, cst.Attribute):
        return variable(target.value, target.value)
    return variable(target, new.value)


def leaf_statement(ctx: Context, node: cst.Expr, new: cst.Expr) -> Outcome:
    """``x.requires_grad_()``."""
    if node not in ctx.facts.leaves:
        return None
    assert isinstance(node.value, cst.Call) and isinstance(node.value.func, cst.Attribute)
    name = node.value.func.value
    return variable(name, name)


def variable(target: Any, value: Any) -> Edit:
    made = nodes.call("tf.Variable", nodes.bare(value, value))
    return Edit(cst.Assign([cst.AssignTarget(target)], made), ("tf",))
