"""What of a program is called from outside of its models: with ``--keep-io-layout``, axes stay as they are there."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import libcst as cst

from .. import nodes
from ..values import Func, UserClass, escape
from .calls import callees, forward_of

if TYPE_CHECKING:
    from ..infer.interp import Interpreter


def keep_source_order(it: Interpreter) -> None:
    """Models and functions that are called from outside take and give tensors in source order.

    A model is called from outside unless only other models call it, themselves or by functions; a function, if no
    function of the program calls it.
    """
    calls = dict(_calls(it))
    inside = _reached(calls, [func for func in calls if _is_module(func.owner)])
    called = {callee for found in calls.values() for callee in found}
    for func in it.facts.functions.values():
        if func not in (inside if _is_module(func.owner) else called):
            for value in (*func.start.values(), *func.returned):
                escape(value)


def _is_module(owner: UserClass | None) -> bool:
    return owner is not None and owner.module


def _calls(it: Interpreter) -> Iterator[tuple[Func, set[Func]]]:
    """The functions that each function calls. What a method calls of its own object is a part of it."""
    passes: dict[cst.CSTNode, list[Func]] = {}
    for item in it.facts.passes:
        if (forward := forward_of(it, item.layer)) is not None:
            passes.setdefault(item.node, []).append(forward)
    for func in it.facts.functions.values():
        found: set[Func] = set()
        for node in nodes.walk(func.node):
            if isinstance(node, cst.Call):
                found |= {callee for callee, _ in callees(it, node)} | set(passes.get(node, ()))
        yield func, {f for f in found if f.owner is None or f.owner is not func.owner}


def _reached(calls: dict[Func, set[Func]], start: list[Func]) -> set[Func]:
    """What the functions call, and what these do in turn."""
    out: set[Func] = set()
    waiting = [callee for func in start for callee in calls[func]]
    while waiting:
        func = waiting.pop()
        if func not in out:
            out.add(func)
            waiting += calls.get(func, ())
    return out
