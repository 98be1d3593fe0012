"""Which sizes are the same, where they are not known as numbers.

An axis of a tensor is as long as a product of axes: of itself, or of those of the tensors that it was computed from.
``b, c, h, w = x.shape`` gives numbers that remember which axes they measure, so that a later
``view(b, c, h * w)`` is seen to merge the last two axes of ``x``.
"""

from __future__ import annotations

import ast
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from ..values import UNKNOWN, Const, Num, Seq, Size, Tensor, Value, as_tensor
from .facts import BoundCall

SAME = frozenset({
    "same", "same_float", "same_bool", "alias", "pointwise_float", "pointwise_double", "pointwise_bool", "real",
    "cumulate", "create_like",
})  # fmt: skip
"""Kinds of results that have all the sizes of the one tensor that is given."""


LIKE_QUERY = frozenset({"attention", "like_query"})
"""Kinds of results that have the sizes of the query, the first of them where there are several."""


def size_of(tensor: Tensor, axis: int) -> Size:
    """The axes whose product is the size of an axis."""
    known = tensor.sizes[axis] if tensor.sizes is not None and axis < len(tensor.sizes) else None
    return known if known is not None else ((tensor, axis),)


def sizes_of(tensor: Tensor) -> tuple[Size, ...]:
    return tuple(size_of(tensor, i) for i in range(tensor.rank or 0))


def product(a: Value, b: Value) -> Size:
    """The size that two numbers make when they are multiplied; empty where one of them measures nothing."""
    one, two = getattr(a, "size", ()), getattr(b, "size", ())
    return ordered((*one, *two)) if one and two else ()


def ordered(size: Size) -> Size:
    """Axes in an order of no meaning, so that equal products are equal."""
    return tuple(sorted(size, key=lambda one: (id(one[0]), one[1])))


def measured(value: Value, tensor: Tensor, axis: int) -> Value:
    """A number that was read from a tensor's shape, with what it measures."""
    return replace(value, size=ordered(size_of(tensor, axis))) if isinstance(value, Num) else value


def remember(kind: str, call: BoundCall) -> None:
    """Note for the result of a call which of its axes are as long as axes of what it was computed from.

    Args:
        kind: what the row of the API says that it returns.
    """
    x, result = as_tensor(call.value("input")), as_tensor(call.result)
    if kind in LIKE_QUERY:
        x = as_tensor(call.value("query")) or x
        result = as_tensor(call.result.items[0]) if isinstance(call.result, Seq) and call.result.items else result
    if x is None or result is None or x is result or not x.rank or not result.rank or result.sizes is not None:
        return
    if kind in SAME or kind in LIKE_QUERY:
        alone = kind in LIKE_QUERY or _only(call, x)
        result.sizes = sizes_of(x) if result.rank == x.rank and alone else None
    elif (known := KINDS.get(kind)) is not None:
        found = known(call, x, result)
        result.sizes = tuple(found) if found is not None and len(found) == result.rank else None


def combined(a: Value, b: Value, result: Value, *, matrices: bool) -> None:
    """The sizes of what an operator gives: those of the only tensor, those that two of one rank share, or of ``@``."""
    one, two = as_tensor(a), as_tensor(b)
    out = as_tensor(result)
    if out is None or not out.rank or out.sizes is not None:
        return
    if matrices:
        found = matmul_sizes(one, two, out) if one is not None and two is not None else None
        out.sizes = tuple(found) if found is not None else None
    elif one is not None and two is not None and one.rank == two.rank == out.rank:
        out.sizes = tuple(_shared(one, two))
    elif (one is None) != (two is None):
        x = one if one is not None else two
        assert x is not None
        out.sizes = sizes_of(x) if x.rank == out.rank else None


def returned(value: Value, result: Value, start: dict[str, Value], passed: dict[str, Value]) -> None:
    """Note for the result of a call of the project's own function which axes are as long as those of its arguments.

    Args:
        value: what the function returns, with sizes in terms of ``start``, its parameters.
        result: what the call gives; changed.
        passed: the arguments by parameter.
    """
    inner, outer = as_tensor(value), as_tensor(result)
    if inner is None or outer is None or inner.sizes is None or outer.rank != inner.rank or outer.sizes is not None:
        return
    homes = {id(t): arg for n, p in start.items() if (t := as_tensor(p)) and (arg := as_tensor(passed.get(n, UNKNOWN)))}
    outer.sizes = tuple(_outside(size, homes) for size in inner.sizes)


def _outside(size: Size | None, homes: dict[int, Tensor]) -> Size | None:
    out: list[tuple[Tensor, int]] = []
    for tensor, axis in size or ():
        arg = homes.get(id(tensor))
        if arg is None or arg.rank is None or axis >= arg.rank:
            return None
        out += size_of(arg, axis)
    return ordered(tuple(out)) if out else None


def _only(call: BoundCall, x: Tensor) -> bool:
    """Whether no other tensor may broadcast the result to other sizes."""
    others = (as_tensor(b.value) for n, b in call.args.items() if n not in ("input", "weight", "bias"))
    return all(t is None or t is x or t.rank == 0 for t in others)


Sizes = list[Size | None] | None


def _permuted(call: BoundCall, x: Tensor, result: Tensor) -> Sizes:
    from ..layout.axes import permutation

    kind = "transpose" if "dim0" in call.args else "permute"
    dims = permutation(kind, call, x.rank or 0)
    return [size_of(x, a) for a in dims] if dims is not None else None


def _linear(call: BoundCall, x: Tensor, result: Tensor) -> Sizes:
    return [*sizes_of(x)[:-1], None]


def _spatial(call: BoundCall, x: Tensor, result: Tensor) -> Sizes:
    if x.rank != result.rank:
        return None
    kept: list[Size | None] = (
        list(sizes_of(x)) if _keeps_sizes(call) else [size_of(x, 0), *(None,) * (result.rank or 0)]
    )
    if "out_channels" in call.args or "weight" in call.args:
        kept[1] = None
    return [*kept][: result.rank]


def _keeps_sizes(call: BoundCall) -> bool:
    """Whether a convolution's stride is 1, and its padding as wide as half of its kernel."""
    kernel, stride, padding, dilation = (_ints(call, n) for n in ("kernel_size", "stride", "padding", "dilation"))
    if not kernel or not stride or not padding or not dilation or set(stride) != {1}:
        return False
    if _is(call, "ceil_mode") or _is(call, "output_padding"):
        return False
    width = max(len(kernel), len(padding), len(dilation))
    k, p, d = (v * width if len(v) == 1 else v for v in (kernel, padding, dilation))
    return len(k) == len(p) == len(d) and all(a * (b - 1) == 2 * c for a, b, c in zip(d, k, p, strict=True))


def _is(call: BoundCall, name: str) -> bool:
    return name in call.args and call.value(name) != Const(False)


def _ints(call: BoundCall, name: str) -> list[int]:
    """An argument's numbers; empty where they are not known."""
    if name not in call.args:
        try:
            default = ast.literal_eval(call.defaults.get(name, ""))
        except (ValueError, SyntaxError):
            return []
        return [default] if type(default) is int else []
    value = call.value(name)
    items = value.items if isinstance(value, Seq) and value.items is not None else [value]
    found = [v.value for v in items if isinstance(v, Const) and type(v.value) is int]
    return found if len(found) == len(items) else []


def _batch(call: BoundCall, x: Tensor, result: Tensor) -> Sizes:
    return [size_of(x, 0), *(None,) * ((result.rank or 1) - 1)] if x.rank == result.rank else None


def _product(call: BoundCall, x: Tensor, result: Tensor) -> Sizes:
    other = next((t for n in ("other", "mat2") if n in call.args and (t := as_tensor(call.value(n))) is not None), None)
    return matmul_sizes(x, other, result) if other is not None else None


def matmul_sizes(x: Tensor, y: Tensor, result: Tensor) -> Sizes:
    """Rows of the one, columns of the other; before them what both share (an axis of size 1 would broadcast)."""
    if x.rank != y.rank or result.rank != x.rank or (x.rank or 0) < 2:
        return None
    return [*_shared(x, y)[:-2], size_of(x, (x.rank or 0) - 2), size_of(y, (y.rank or 0) - 1)]


def _shared(x: Tensor, y: Tensor) -> list[Size | None]:
    """The sizes that two tensors of one rank have in common, axis by axis."""
    return [a if ordered(a) == ordered(b) else None for a, b in zip(sizes_of(x), sizes_of(y), strict=True)]


def _reshaped(call: BoundCall, x: Tensor, result: Tensor) -> Sizes:
    from ..layout.reshapes import targets

    found = targets(call)
    if found is None:
        return None
    return [v.size or None if isinstance(v, Num) else None for v in found]


def _flattened(call: BoundCall, x: Tensor, result: Tensor) -> Sizes:
    from ..layout.axes import given_axes

    given, rank = given_axes(call), x.rank or 0
    if given is None or set(given) != {"start_dim", "end_dim"} or not all(-rank <= v < rank for v in given.values()):
        return None
    start, end = given["start_dim"] % rank, given["end_dim"] % rank
    sizes = sizes_of(x)
    merged = ordered(tuple(one for size in sizes[start : end + 1] for one in size))
    return [*sizes[:start], merged, *sizes[end + 1 :]]


def _unsqueezed(call: BoundCall, x: Tensor, result: Tensor) -> Sizes:
    axis = call.value("dim")
    if not isinstance(axis, Const) or type(axis.value) is not int:
        return None
    place = axis.value % ((x.rank or 0) + 1)
    return [*sizes_of(x)[:place], None, *sizes_of(x)[place:]]


KINDS: dict[str, Callable[[BoundCall, Tensor, Tensor], Any]] = {
    "permute": _permuted, "transpose": _permuted, "linear": _linear, "matmul": _product, "reshape": _reshaped,
    "flatten": _flattened, "unsqueeze": _unsqueezed, "interpolate": _batch, "pixel_shuffle": _batch,
    **{f"spatial{n}d": _spatial for n in (1, 2, 3)},
    **{f"conv{n}d_{kind}": _batch for n in (1, 2, 3) for kind in ("weight", "transposed")},
}  # fmt: skip
