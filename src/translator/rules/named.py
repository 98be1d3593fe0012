"""Rules that rows name in ``rule``: what a correspondence of names and arguments cannot say.

Also the facts (``@channel_axis``) and the converters that need to know the value they convert for.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import libcst as cst

from .. import nodes
from ..infer.facts import Bound, BoundCall
from ..rewrite.context import Context, Edit, Outcome, Refusal
from ..tables.schema import Row
from ..values import Seq, Shape, python_type

NamedRule = Callable[[Context, Row, BoundCall, cst.Call, cst.Call], Outcome]
RULES: dict[str, NamedRule] = {}


def named(name: str) -> Callable[[NamedRule], NamedRule]:
    """Register a rule under the name that rows use."""

    def register(rule: NamedRule) -> NamedRule:
        assert name not in RULES, name
        RULES[name] = rule
        return rule

    return register


# -- facts and converters that depend on the value -----------------------------------------------------


def fact(ctx: Context, value: Any, call: BoundCall) -> Any:
    """The node for a constant of a row; ``None`` where the target's default is already right."""
    if value == "@channel_axis":
        return nodes.literal(1) if ctx.channels_first else None
    if value == "@data_format":
        return nodes.literal("channels_first") if ctx.channels_first else None
    if isinstance(value, str) and value.startswith("="):
        return nodes.dotted(value[1:])
    return nodes.literal(value)


def _axis(ctx: Context, node: Any, bound: Bound, call: BoundCall) -> Any:
    return node


def _dtype(ctx: Context, node: Any, bound: Bound, call: BoundCall) -> Any:
    return node


def _flat_ints(ctx: Context, node: Any, bound: Bound, call: BoundCall) -> Any:
    """An int or a sequence of ints as a list."""
    if python_type(bound.value) == "int":
        return cst.List([cst.Element(node)])
    return node


FACT_CONVERTERS: dict[str, Callable[[Context, Any, Bound, BoundCall], Any]] = {
    "axis": _axis, "dtype": _dtype, "axes": _axis, "int_list": _flat_ints,
}  # fmt: skip


# -- shapes --------------------------------------------------------------------------------------------


def shape_node(ctx: Context, call: BoundCall, name: str) -> Any:
    """The sizes that a call passes, as one node: ``x.view(B, -1)`` gives ``(B, -1)``."""
    bound = [*([call.args[name]] if name in call.args else []), *call.varargs]
    if len(bound) == 1:
        only = bound[0]
        node = ctx.updated(only.node)
        if only.star or isinstance(only.value, Seq | Shape):
            return node
        if python_type(only.value) == "int":
            return nodes.tuple_of([node])
        return node
    elements = [cst.StarredElement(ctx.updated(b.node)) if b.star else cst.Element(ctx.updated(b.node)) for b in bound]
    return cst.Tuple(elements)


@named("checkpoint")
def checkpoint(ctx: Context, row: Row, call: BoundCall, node: cst.Call, new: cst.Call) -> Outcome:
    """``checkpoint(f, x)`` runs ``f`` again for the gradient: `tf.recompute_grad`."""
    known = {"use_reentrant", "preserve_rng_state", "determinism_check", "debug", "early_stop"}
    args = [a for a in new.args if a.keyword is None or a.keyword.value not in known]
    if not args or args[0].star or args[0].keyword is not None:
        return Refusal("XL202", f"{call.api}: what is run is not given by position")
    args[-1] = args[-1].with_changes(comma=cst.MaybeSentinel.DEFAULT)
    made = cst.Call(nodes.call("tf.recompute_grad", args[0].value), args[1:])
    if ctx.cls is None or not ctx.cls.module:
        from .training import mode_flag
        from .training_modes import modes_of

        found = modes_of(ctx.facts).calls.get(node)
        if found is not None:
            flag = nodes.keyword("training", mode_flag(found, args[0].value))
            made = made.with_changes(args=[*made.args, flag])
    return Edit(made, ("tf",))


from . import (  # noqa: E402, F401  (they register their rules)
    containers,
    creation,
    functional,
    indexing,
    layer_forms,
    layers,
    lightning_rows,
    memory,
    pointwise,
    reductions,
    shapes,
    training_export,
    training_rows,
)
