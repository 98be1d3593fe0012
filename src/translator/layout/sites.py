"""The axis order in which a layer is called, as the call that makes the layer has to know it."""

from __future__ import annotations

from typing import Any

import libcst as cst

from ..values import as_tensor
from .perms import order_of, same_memory
from .unproven import LayoutUnproven

LAST, SOURCE, UNSEEN = "last", "source", "unseen"


def order_at(ctx: Any, node: cst.CSTNode) -> str:
    """``"last"``, ``"source"``, or ``"unseen"`` for a layer that nothing calls where it can be followed.

    Matrices, whose order is the same in both, count as ``"last"``.

    Raises:
        LayoutUnproven: where the layer is called in both orders.
    """
    if node in ctx.facts.unmoved:
        return SOURCE
    found: set[str] = set()
    for value, run in ctx.facts.layer_uses.get(node, ()):
        if run[0] is not None and run[0].runs != run[1]:
            continue
        tensor = as_tensor(value)
        if tensor is None or tensor.rank is None:
            found.add(SOURCE)
        elif tensor.rank > 2:
            found.add(LAST if order_of(tensor) is not None else SOURCE)
        else:
            found.add(LAST)
    if len(found) > 1:
        raise LayoutUnproven(node, "a layer is called in two axis orders", (node,))
    return found.pop() if found else UNSEEN


def keeps_memory(ctx: Any, node: cst.CSTNode) -> bool:
    """Whether all that a layer is called with stands in memory as in source order."""
    for value, _ in ctx.facts.layer_uses.get(node, ()):
        tensor = as_tensor(value)
        order = order_of(tensor)
        if order is not None and (tensor is None or tensor.dims is None or not same_memory(order, tensor.dims)):
            return False
    return True
