"""Losses: elementwise ones take any order that all their tensors share, those over classes are told where these stand.

A loss that is averaged or summed over whatever axes gives one number; with ``reduction="none"`` its result stands as
what it was computed from.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import libcst as cst

from ..values import UNKNOWN, Const, Instance, Tensor, Value, as_tensor, options_of, without_none
from .natural import Orders
from .perms import Perm, identity, order_of, without

CLASSES = 1
"""The axis of the classes in logits and probabilities."""
INDICES = frozenset({"int", "int32", "int64", "uint8"})
OPERANDS = ("input", "target")


@dataclass(frozen=True, slots=True)
class Loss:
    """A call of a loss: the expressions that it is given, and what is known of them."""

    given: dict[str, cst.BaseExpression]
    values: dict[str, Value]

    @property
    def input(self) -> Tensor | None:
        return as_tensor(self.values.get("input", UNKNOWN))

    def order(self) -> Perm | None:
        """The order that all operands are to have: the input's, whose batch stays in front."""
        order = order_of(self.input)
        return order if order is not None and order[0] == 0 else None

    def target_order(self) -> tuple[bool, Perm | None]:
        """For a loss over classes: whether the order of the target can be told, and which it is."""
        order, target = self.order(), as_tensor(self.values.get("target", UNKNOWN))
        if order is None or target is None:
            return False, None
        if target.rank is None:  # indices, whose order need not change
            return target.dtype in INDICES and without_classes(order) is None, None
        if target.rank not in (len(order), len(order) - 1):
            return False, None
        return True, order if target.rank == len(order) else without_classes(order)


def without_classes(order: Perm) -> Perm | None:
    """The order of labels, or of one loss for each place, beside logits in ``order``."""
    labels = without(order, [CLASSES])
    return None if labels == identity(len(labels)) else labels


def found(world: Any, node: cst.CSTNode) -> Loss | None:
    """A call of a loss, function or object; ``None`` where what it broadcasts is kept in the object."""
    if not isinstance(node, cst.Call):
        return None
    call = world.facts.calls.get(node)
    if call is not None and not call.api.endswith("__call__"):
        bound = {n: b for n, b in call.args.items() if b.node is not None and not isinstance(b.value, Const)}
        return Loss({n: b.node for n, b in bound.items()}, {n: b.value for n, b in bound.items()})
    made = [o for o in options_of(without_none(world.facts.value(node.func))) if isinstance(o, Instance)]
    kept = [v for o in made for n, v in o.args.items() if n in ("weight", "pos_weight") and v != Const(None)]
    if (kept and not over_classes(world, node)) or any(a.star for a in node.args):
        return None
    given = {a.keyword.value if a.keyword else OPERANDS[min(i, 1)]: a.value for i, a in enumerate(node.args)}
    return Loss(given, {n: world.facts.value(v) for n, v in given.items()})


def over_classes(world: Any, node: cst.CSTNode) -> bool:
    """Whether the loss that is called has an axis of classes."""
    from .behaviour import of_node

    return of_node(world, node) == "class_loss"


def orders(world: Any, node: cst.CSTNode, value: Value) -> Orders:
    """Inputs and targets suggest their orders to each other, and to what is not reduced."""
    loss, result = found(world, node), as_tensor(value)
    if loss is None or loss.input is None:
        return
    order, classes = loss.order(), over_classes(world, node)
    rank = loss.input.rank
    others = [t for n, v in loss.values.items() if n != "input" and (t := as_tensor(v)) is not None and not t.variable]
    for tensor in others:
        if tensor.rank == rank:
            yield tensor, order
            yield loss.input, order_of(tensor)
    if order is not None and result is not None:
        yield result, without_classes(order) if classes else order
