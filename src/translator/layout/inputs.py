"""How many channels the images have that a model takes, as far as the layers say that it gives them to."""

from __future__ import annotations

from typing import Any

import libcst as cst

from .. import nodes
from ..infer.functions import bind_user
from ..values import Const, Func, Instance, Tensor, as_tensor, options_of, without_none
from .calls import arguments, called, callees, passed

COUNTS = ("in_channels", "num_features", "num_channels")
"""The arguments of layers that say how many channels go in."""
CONDITIONS = (cst.If, cst.IfExp, cst.While, cst.Try, cst.BooleanOperation)
DEPTH = 6


def channels(ctx: Any, tensor: Tensor, init: Func) -> cst.BaseExpression | None:
    """The number of channels of a tensor, as an expression in a constructor; ``None`` where it is not known.

    Args:
        ctx: the rewriter's context.
        tensor: what a method of the same class is called with.
        init: the constructor; its parameters are names for numbers where they are not bound anew.
    """
    sites = _layers(ctx, tensor, DEPTH)
    known = {nodes.code(count): count for site in sites if (count := _count(ctx, site, init)) is not None}
    return known.popitem()[1] if len(known) == 1 else None


def _layers(ctx: Any, tensor: Tensor, depth: int) -> set[cst.CSTNode]:
    """The calls that made the layers which take a tensor as it is, whatever happens."""
    facts = ctx.facts
    found: set[cst.CSTNode] = set()
    for node in _calls(ctx) if depth else ():
        if not any(facts.value(a.value) is tensor for a in node.args):
            continue
        for option in options_of(without_none(facts.value(called(ctx, node)))):
            found |= option.sites if isinstance(option, Instance) else set()
        for func, bound in callees(ctx, node):
            for name, value in (bind_user(func, arguments(ctx, node), bound=bound) or {}).items():
                inner = as_tensor(func.start.get(name))
                if value is tensor and inner is not None and inner is not tensor:
                    found |= _layers(ctx, inner, depth - 1)
        entry, first = facts.entries.get(node), passed(ctx, node)[:1]
        inner = as_tensor(entry.given) if entry is not None else None
        if first and facts.value(first[0].value) is tensor and inner is not None:
            found |= {site for site, uses in facts.layer_uses.items() if any(value is inner for value, _ in uses)}
    return found


def _calls(ctx: Any) -> list[cst.Call]:
    """The calls that stand under no condition."""
    cache = ctx.facts.cache
    if "certain calls" not in cache:
        bodies = [n for tree in ctx.facts.trees for n in nodes.walk(tree) if isinstance(n, CONDITIONS)]
        may = {n for body in bodies for n in nodes.walk(body) if isinstance(n, cst.Call)}
        cache["certain calls"] = [n for n in ctx.facts.values if isinstance(n, cst.Call) and n not in may]
    return cache["certain calls"]  # type: ignore[no-any-return]


def _count(ctx: Any, site: cst.CSTNode, init: Func) -> cst.BaseExpression | None:
    call = ctx.facts.calls.get(site)
    given = next((call.args[n] for n in COUNTS if n in call.args), None) if call is not None else None
    if given is None:
        return None
    if isinstance(given.value, Const) and type(given.value.value) is int:
        return nodes.literal(given.value.value)  # type: ignore[no-any-return]
    inside = list(nodes.walk(init.node.body))
    params = {p.name.value for p in init.node.params.params[1:]}
    if not isinstance(given.node, cst.Name) or given.node.value not in params or not any(n is site for n in inside):
        return None
    bound = [n.target for n in inside if isinstance(n, cst.AssignTarget | cst.AugAssign | cst.For | cst.NamedExpr)]
    again = any(nodes.is_name(n, given.node.value) for target in bound for n in nodes.walk(target))
    return None if again else given.node
