"""Calls of the project's own code: which functions a call runs, and what it passes to them."""

from __future__ import annotations

from typing import Any

import libcst as cst

from ..infer import permuting
from ..values import Func, Instance, MethodOf, Tensor, UserClass, Value, options_of, without_none


def forward_of(it: Any, value: Value) -> Func | None:
    """The method that calling a module of the project runs; of one that permutes, which is told its axes, none."""
    if permuting.is_one(value):
        return None
    if isinstance(value, Instance) and isinstance(value.cls, UserClass):
        found = value.cls.find(it.dialect.forward[0])
        return found if isinstance(found, Func) else None
    return None


def comes_out(it: Any, node: cst.CSTNode) -> list[Tensor]:
    """What the last layers of a container give that is called."""
    return [tensor for run, tensor in it.facts.exits.get(node, ()) if run[0] is None or run[0].runs == run[1]]


def hands_on(it: Any, node: cst.Call) -> bool:
    """Whether a call runs the function that is its first argument with the rest: ``checkpoint(f, x)``."""
    call = it.facts.calls.get(node)
    rows = it.tables.find(call.api) if call is not None else []
    return any(row.returns == "called" for row in rows[:1]) and bool(node.args) and not node.args[0].star


def called(it: Any, node: cst.Call) -> cst.BaseExpression:
    """The expression of what a call runs."""
    return node.args[0].value if hands_on(it, node) else node.func


def passed(it: Any, node: cst.Call) -> list[cst.Arg]:
    """The arguments of what a call runs."""
    return [a for a in node.args[1:] if a.keyword is None] if hands_on(it, node) else list(node.args)


def callees(it: Any, node: cst.Call) -> list[tuple[Func, bool]]:
    """The project's functions that a call as it is written may run, and whether they are bound to their object."""
    from ..infer.agnostic import function_of

    out: list[tuple[Func, bool]] = []
    for option in options_of(without_none(it.facts.value(called(it, node)))):
        if function_of(it, option) is not None:
            continue  # whose parameters have no order of their own
        if isinstance(option, Func):
            out.append((option, False))
        elif isinstance(option, MethodOf):
            out.append((option.func, True))
        elif isinstance(option, UserClass):
            init = option.find("__init__")
            if isinstance(init, Func):
                out.append((init, True))
        elif (forward := forward_of(it, option)) is not None:
            out.append((forward, True))
    return out


def arguments(it: Any, node: cst.Call) -> list[tuple[cst.Arg, Value]]:
    """What a call passes on, and the values."""
    return [(arg, it.facts.value(arg.value)) for arg in passed(it, node)]
