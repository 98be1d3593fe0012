"""What einops gives: it works on TensorFlow tensors as it is, so only its results need to be known.

Patterns: https://einops.rocks/api/rearrange. Axes in parentheses are merged, ``...`` is any number of axes.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import libcst as cst

from ..values import STATIC, UNKNOWN, Const, Dim, Num, Seq, Tensor, Value, as_tensor, elem_of
from .binding import Args
from .builtin_calls import BUILTIN_CALLS
from .evidence import proven_tensor
from .facts import BoundCall
from .results import RESULTS

if TYPE_CHECKING:
    from .interp import Interpreter

_AXIS = re.compile(r"\([^)]*\)|\.\.\.|…|\w+")


def axes_of(side: str) -> list[str]:
    """The axes of one side of a pattern: names, numbers, groups in parentheses, an ellipsis."""
    return _AXIS.findall(side)


def pattern_dims(pattern: str, x: Tensor | None, sizes: dict[str, Dim]) -> tuple[Dim, ...] | None:
    """The dimensions that the right side of a pattern gives; ``None`` where an ellipsis leaves the rank open."""
    left, _, right = pattern.partition("->")
    known = dict(sizes)
    names = axes_of(left)
    if x is not None and x.dims is not None and len(x.dims) == len(names):
        known.update((n, d) for n, d in zip(names, x.dims, strict=True) if d is not None)
        for group, size in zip(names, x.dims, strict=True):
            if group.startswith("(") and size is not None:
                # The parts of a size that is fixed when the model is built are fixed too.
                known.update((n, known.get(n) or STATIC) for n in axes_of(group[1:-1]))
    out = axes_of(right)
    if any(a in ("...", "…") for a in out):
        return None
    return tuple(_size(a, known) for a in out)


def _size(axis: str, known: dict[str, Dim]) -> Dim:
    if axis.isdigit():
        return int(axis)
    if not axis.startswith("("):
        return known.get(axis)
    parts = [_size(a, known) for a in axes_of(axis[1:-1])]
    if any(p is None for p in parts):
        return None
    total = 1
    for part in parts:
        if not isinstance(part, int):
            return STATIC
        total *= part
    return total


def _tensor(it: Interpreter, arg: cst.Arg, value: Value) -> Tensor | None:
    """The tensor that is rearranged; a list of tensors has one axis more."""
    if isinstance(value, Seq):
        item = as_tensor(elem_of(value))
        return Tensor(None, (None, *item.dims), item.dtype) if item is not None and item.dims is not None else item
    found = as_tensor(value)
    return found if found is not None or value is not UNKNOWN else proven_tensor(it, arg.value)


def rearranged(it: Interpreter, node: cst.Call, args: Args) -> Value:
    """``rearrange``, ``repeat`` and ``reduce``."""
    named = {a.keyword.value: v for a, v in args if a.keyword is not None}
    positional = [(a, v) for a, v in args if a.keyword is None and not a.star]
    if not positional:
        return UNKNOWN
    x = _tensor(it, *positional[0])
    it.touch()
    pattern = named.get("pattern", positional[1][1] if len(positional) > 1 else UNKNOWN)
    dtype = x.dtype if x is not None else None
    if not isinstance(pattern, Const) or not isinstance(pattern.value, str):
        return Tensor(dtype=dtype)
    return Tensor(dims=pattern_dims(pattern.value, x, {n: _given(v) for n, v in named.items()}), dtype=dtype)


def _given(value: Value) -> Dim:
    """The size that a keyword states for an axis."""
    if isinstance(value, Const) and isinstance(value.value, int):
        return value.value
    return None if value is UNKNOWN or (isinstance(value, Num) and value.dim) else STATIC


def einsum(it: Interpreter, node: cst.Call, args: Args) -> Value:
    """``einops.einsum(x, y, "b i, b j -> b i j")``."""
    if len(args) < 2:
        return UNKNOWN
    it.touch()
    tensors = [_tensor(it, a, v) for a, v in args[:-1]]
    pattern = args[-1][1]
    dtype = next((x.dtype for x in tensors if x is not None), None)
    if not isinstance(pattern, Const) or not isinstance(pattern.value, str):
        return Tensor(dtype=dtype)
    left, _, right = pattern.value.partition("->")
    known: dict[str, Dim] = {}
    for side, x in zip(left.split(","), tensors, strict=False):
        if x is not None and x.dims is not None and len(x.dims) == len(axes_of(side)):
            known.update(zip(axes_of(side), x.dims, strict=True))
    return Tensor(dims=pattern_dims(f"->{right}", None, known), dtype=dtype)


BUILTIN_CALLS.update({f"einops.{name}": rearranged for name in ("rearrange", "repeat", "reduce")})
BUILTIN_CALLS["einops.einsum"] = einsum


def einops_layer(call: BoundCall) -> Value:
    """What calling `Rearrange` or `Reduce` gives, from its pattern."""
    x, pattern = as_tensor(call.value("input")), call.value("pattern")
    dtype = x.dtype if x is not None else None
    if not isinstance(pattern, Const) or not isinstance(pattern.value, str):
        return Tensor(dtype=dtype)
    return Tensor(dims=pattern_dims(pattern.value, x, {}), dtype=dtype)


RESULTS["einops_layer"] = einops_layer
