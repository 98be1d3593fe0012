"""What enters and leaves the models and functions of a program in another axis order than in the source."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from ..model import Edge
from ..values import Func, Map, Seq, Tensor, UserClass, Value, without_none
from .perms import letters, order_of


def model_edges(classes: Any, forward: str) -> list[Edge]:
    """The edges of every model class: parameters by name, ``return``, or ``return[i]`` for parts of the result."""
    out: list[Edge] = []
    for cls in classes:
        method = cls.find(forward) if isinstance(cls, UserClass) and cls.module else None
        if isinstance(method, Func):
            out += method_edges(cls.name, method)
    return out


def function_edges(functions: Iterable[Func]) -> list[Edge]:
    """The edges of functions that others may call: a training loop that takes batches of images."""
    return [edge for func in functions for edge in method_edges(func.name, func)]


def method_edges(owner: str, func: Func) -> list[Edge]:
    """The edges of one function: what it takes and gives in another order than in the source."""
    out = [edge for name, value in func.start.items() for edge in _edges(owner, name, value)]
    for value in func.returned if func.returns is not None else ():
        out += [e for e in _edges(owner, "return", value) if e not in out]
    return out


def _edges(owner: str, name: str, value: Value) -> list[Edge]:
    value = without_none(value)
    if isinstance(value, Tensor):
        perm = order_of(value)
        return [Edge(owner, name, letters(perm))] if perm is not None else []
    if isinstance(value, Seq):
        if value.items is None:
            return _edges(owner, f"{name}[]", value.elem)
        return [e for i, item in enumerate(value.items) for e in _edges(owner, f"{name}[{i}]", item)]
    if isinstance(value, Map) and value.items is not None:
        return [e for key, item in value.items.items() for e in _edges(owner, f"{name}[{key!r}]", item)]
    if isinstance(value, Map):
        return _edges(owner, f"{name}[]", value.elem)
    return []
