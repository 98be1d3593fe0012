"""Python control flow on tensors: it stays as it is, under a decorator where `tf.function` would not find it."""

from __future__ import annotations

import libcst as cst

from ..rewrite.context import Context
from ..values import Func


def branching_calls(ctx: Context) -> set[Func]:
    """The `forward` methods that branch or loop by tensors, themselves or in functions that they call."""
    known = ctx.facts.cache.get("branching calls")
    if known is not None:
        return known  # type: ignore[no-any-return]
    out: set[Func] = set()
    seen: set[Func] = set()
    todo = list(ctx.facts.branching)
    while todo:
        func = todo.pop()
        if func in seen:
            continue
        seen.add(func)
        if func.owner is not None and func.owner.module and func.name in ctx.dialect.forward:
            out.add(func)
        else:
            todo += [caller for caller in func.callers if isinstance(caller, Func)]
    ctx.facts.cache["branching calls"] = out
    return out


def flow_decorator(ctx: Context, func: Func) -> list[cst.Decorator]:
    """The decorator of a `call` that needs it."""
    if func not in branching_calls(ctx):
        return []
    ctx.needs.add("helper:graph_control_flow")
    return [cst.Decorator(cst.Name("graph_control_flow"))]
