"""How containers of layers are used: `keras.Sequential` is the plain form only of one that is just called."""

from __future__ import annotations

from typing import TYPE_CHECKING

import libcst as cst

from ..values import Instance, Union, Value

if TYPE_CHECKING:
    from .interp import Interpreter


def only_called(it: Interpreter) -> set[cst.CSTNode]:
    """Calls that make a container which nothing indexes, iterates, extends or asks for its attributes."""
    made: dict[cst.CSTNode, Value] = {}
    for node, call in it.facts.calls.items():
        if it.dialect.containers.get(call.api) == "sequential":
            made[node] = call.result
    # A constructor that ran again made another container for the same call.
    opened = {place for value in it.facts.opened for v in _instances(value) for place in (id(v), *v.sites)}
    if it.facts.opened_unknown:
        return set()
    return {node for node, value in made.items() if id(value) not in opened and node not in opened}


def _instances(value: Value) -> list[Instance]:
    if isinstance(value, Union):
        return [o for o in value.options if isinstance(o, Instance)]
    return [value] if isinstance(value, Instance) else []
