"""Whether what is known changed so that what depends on it has to be looked at again."""

from __future__ import annotations

from collections.abc import Sequence

from ..values import Api, Const, Instance, Map, Num, Seq, Tensor, Union, Value, python_type

DEEPEST = 6
"""How deep containers in containers are compared."""


def same(a: Value, b: Value, depth: int = 0) -> bool:
    """Whether two results are alike enough that callers need not run again."""
    if a is b or depth > DEEPEST:
        return True
    if isinstance(a, Tensor) and isinstance(b, Tensor):
        return a.dims == b.dims and a.dtype == b.dtype and a.variable == b.variable and a.mask == b.mask
    if isinstance(a, Seq) and isinstance(b, Seq):
        if a.items is not None and b.items is not None:
            return _all_same(a.items, b.items, depth)
        return a.items is None and b.items is None and same(a.elem, b.elem, depth)
    if isinstance(a, Map) and isinstance(b, Map):
        if a.items is not None and b.items is not None:
            return a.items.keys() == b.items.keys() and all(same(v, b.items[k], depth) for k, v in a.items.items())
        return a.items is None and b.items is None and same(a.elem, b.elem, depth)
    if isinstance(a, Instance) and isinstance(b, Instance):
        return a.cls == b.cls and a.sites == b.sites and _same_layers(a, b, depth + 1)
    if isinstance(a, Union) and isinstance(b, Union):
        return _all_same(a.options, b.options, depth)
    if isinstance(a, Const | Num) or python_type(a):
        return a == b
    return (type(a) is type(b) and not isinstance(a, Api)) or a == b


def _same_layers(a: Instance, b: Instance, depth: int) -> bool:
    """Whether two containers hold the same kinds of layers."""
    if a.children is None or b.children is None:
        return a.children is b.children and same(a.elem, b.elem, depth)
    return _all_same(a.children, b.children, depth)


def _all_same(a: Sequence[Value], b: Sequence[Value], depth: int) -> bool:
    return len(a) == len(b) and all(same(x, y, depth) for x, y in zip(a, b, strict=True))
