"""Functions of TensorFlow that call functions: branches, loops over tensors, tensors by number.

What they call is interpreted with what they pass. Tensors that a loop carries or takes apart stand in Keras's own axis
order: the loops' rules refuse a function that gives another one.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import libcst as cst

from ..values import (
    UNKNOWN,
    Api,
    Func,
    Instance,
    LayoutVar,
    Map,
    Seq,
    Tensor,
    Value,
    as_tensor,
    elem_of,
    join,
    python_type,
    without_none,
)
from .facts import Bound, BoundCall, given
from .results import RESULTS, constant

if TYPE_CHECKING:
    from .interp import Interpreter

Flow = Callable[["Interpreter", BoundCall], Value]
OWN_GRADIENT = "tf.custom_gradient"
KINDS = {"int": "int32", "float": "float32", "bool": "bool"}
"""The types that TensorFlow gives to Python's numbers."""


def called(it: Interpreter, call: BoundCall, func: Bound | None, values: list[Value]) -> Value:
    """What a function that is handed over gives for these values."""
    from .calls import call_value

    if func is None:
        return UNKNOWN
    inner = cst.Call(func.node)
    it.facts.handed[inner] = call.node
    return call_value(it, inner, without_none(func.value), [(cst.Arg(func.node), v) for v in values])


def each(value: Value, change: Callable[[Tensor], Value]) -> Value:
    """A structure with its tensors changed; Python's numbers become tensors."""
    tensor = as_tensor(value)
    if tensor is not None:
        return change(tensor)
    if isinstance(value, Seq):
        items = [each(v, change) for v in value.items] if value.items is not None else None
        return Seq(value.kind, items, each(value.elem, change) if items is None else UNKNOWN)
    if isinstance(value, Map):
        known = {k: each(v, change) for k, v in value.items.items()} if value.items is not None else None
        return Map(known, each(value.elem, change) if known is None else UNKNOWN)
    kind = python_type(value)
    return change(Tensor(0, (), KINDS[kind])) if kind in KINDS else value


def plain(tensor: Tensor) -> Tensor:
    """A tensor like this one in Keras's own axis order."""
    return Tensor(tensor.rank, tensor.dims, tensor.dtype, LayoutVar(perm=()))


def without_first(tensor: Tensor) -> Tensor:
    """One entry along the first axis."""
    dims = tensor.dims[1:] if tensor.dims else None
    rank = tensor.rank - 1 if tensor.rank else None
    return Tensor(rank, dims, tensor.dtype, LayoutVar(perm=()))


def stacked(tensor: Tensor) -> Tensor:
    """Tensors like this one along a new first axis."""
    dims = (None, *tensor.dims) if tensor.dims is not None else None
    return Tensor(tensor.rank + 1 if tensor.rank is not None else None, dims, tensor.dtype, LayoutVar(perm=()))


def open_sizes(old: Value, new: Value) -> Value:
    """What a loop carries: of what was there before and what comes out, only what both agree on."""
    return each(join(each(old, plain), each(new, plain)), plain)


def cond(it: Interpreter, call: BoundCall) -> Value:
    """``tf.cond(pred, true_fn, false_fn)``: what either gives."""
    results = [called(it, call, given(call, name), []) for name in ("true_fn", "false_fn")]
    return join(*results)


def while_loop(it: Interpreter, call: BoundCall) -> Value:
    bound = given(call, "loop_vars")
    start = bound.value if bound is not None else UNKNOWN
    carried = each(start, plain)
    for _ in range(3):
        values = list(carried.items) if isinstance(carried, Seq) and carried.items is not None else None
        if values is None:
            return UNKNOWN
        called(it, call, given(call, "cond"), values)
        made = called(it, call, given(call, "body"), values)
        if isinstance(made, Seq) and made.items is not None and len(made.items) == len(values):
            carried = Seq(made.kind, [open_sizes(a, b) for a, b in zip(values, made.items, strict=True)])
    return carried


def map_fn(it: Interpreter, call: BoundCall) -> Value:
    elems = given(call, "elems", "xs", "elements")
    one = each(elems.value, without_first) if elems is not None else UNKNOWN
    return each(called(it, call, given(call, "fn", "f", "function"), [one]), stacked)


def fold(it: Interpreter, call: BoundCall) -> Value:
    """``tf.foldl``: the last value."""
    elems, start = given(call, "elems"), given(call, "initializer")
    one = each(elems.value, without_first) if elems is not None else UNKNOWN
    first = start is None or start.value is UNKNOWN
    value = one if first or start is None else each(start.value, plain)
    for _ in range(2):
        value = open_sizes(value, called(it, call, given(call, "fn"), [value, one]))
    return value


def scan(it: Interpreter, call: BoundCall) -> Value:
    return each(fold(it, call), stacked)


def array(it: Interpreter, call: BoundCall) -> Value:
    """``tf.TensorArray(...)``."""
    return Instance(Api("tf.TensorArray"), {"element": Tensor(layout=LayoutVar(perm=()))})


def array_written(it: Interpreter, call: BoundCall) -> Value:
    """``array.write(i, x)`` and ``array.unstack(x)``: the array, of whose tensors more is known."""
    owner = call.receiver.value if call.receiver is not None else UNKNOWN
    value = as_tensor(call.value("value"))
    if not isinstance(owner, Instance) or value is None:
        return owner
    one = without_first(value) if call.api.endswith("unstack") else plain(value)
    before = as_tensor(owner.args.get("element", UNKNOWN))
    known = one if before is None or before.rank is None else as_tensor(join(before, one))
    owner.args["element"] = known if known is not None else Tensor(layout=LayoutVar(perm=()))
    return owner


def array_element(it: Interpreter, call: BoundCall) -> Value:
    owner = call.receiver.value if call.receiver is not None else UNKNOWN
    found = as_tensor(owner.args.get("element", UNKNOWN)) if isinstance(owner, Instance) else None
    return plain(found) if found is not None else Tensor()


def array_stacked(it: Interpreter, call: BoundCall) -> Value:
    one = array_element(it, call)
    return stacked(one) if isinstance(one, Tensor) else UNKNOWN


def array_joined(it: Interpreter, call: BoundCall) -> Value:
    one = array_element(it, call)
    dims = (None, *one.dims[1:]) if isinstance(one, Tensor) and one.dims else None
    return Tensor(dims=dims, dtype=getattr(one, "dtype", None), layout=LayoutVar(perm=()))


def with_own_gradient(it: Interpreter, func: Func, result: Value) -> Value:
    """A function with `tf.custom_gradient` returns its result and a gradient, of which callers see the result."""
    if not any(isinstance(d, Api) and d.name == OWN_GRADIENT for d in func.decorators):
        return result
    if not isinstance(result, Seq) or result.items is None or len(result.items) != 2:
        return UNKNOWN
    from .calls import call_value

    value, gradient = result.items
    upstream = each(value, plain)
    values = upstream.items if isinstance(upstream, Seq) and upstream.items is not None else [upstream]
    call_value(it, cst.Call(cst.Name(func.name)), gradient, [(cst.Arg(cst.Name("upstream")), v) for v in values])
    return value


def nest_map(it: Interpreter, call: BoundCall) -> Value:
    """``tf.nest.map_structure(f, *structures)``: like the first of them."""
    every = [b.value for b in call.varargs]
    if not every:
        return UNKNOWN
    return _mapped(it, call, every)


def _mapped(it: Interpreter, call: BoundCall, values: list[Value]) -> Value:
    first = values[0]
    if isinstance(first, Seq):
        known = [v.items if isinstance(v, Seq) else None for v in values]
        if all(items is not None and len(items) == len(known[0] or ()) for items in known):
            return Seq(first.kind, [_mapped(it, call, list(p)) for p in zip(*(k or () for k in known), strict=True)])
        return Seq(first.kind, None, _mapped(it, call, [elem_of(v) for v in values]))
    if isinstance(first, Map) and first.items is not None:
        every = [v.items if isinstance(v, Map) and v.items is not None else {} for v in values]
        return Map({k: _mapped(it, call, [m.get(k, UNKNOWN) for m in every]) for k in first.items})
    if isinstance(first, Map):
        return Map(None, _mapped(it, call, [elem_of(v) for v in values]))
    return called(it, call, given(call, "func"), [each(v, plain) for v in values])


def nest_flatten(it: Interpreter, call: BoundCall) -> Value:
    bound = given(call, "structure")
    found: list[Value] | None = _leaves(bound.value) if bound is not None else None
    if found is None:
        return Seq("list", None, UNKNOWN)
    return Seq("list", found)


def _leaves(value: Value) -> list[Value] | None:
    if isinstance(value, Seq):
        parts = [_leaves(v) for v in value.items] if value.items is not None else [None]
    elif isinstance(value, Map):
        parts = [_leaves(v) for _, v in sorted(value.items.items())] if value.items is not None else [None]
    elif value is UNKNOWN:
        return None
    else:
        return [each(value, plain) if isinstance(value, Tensor) else value]
    return [leaf for part in parts for leaf in part or ()] if None not in parts else None


def nest_packed(it: Interpreter, call: BoundCall) -> Value:
    bound = given(call, "structure")
    return each(bound.value, plain) if bound is not None else UNKNOWN


FLOWS: dict[str, Flow] = {
    "tf_cond": cond, "tf_while": while_loop, "tf_map": map_fn, "tf_fold": fold, "tf_scan": scan,
    "tf_array": array, "tf_array_written": array_written, "tf_array_element": array_element,
    "tf_nest_map": nest_map, "tf_nest_flatten": nest_flatten, "tf_nest_packed": nest_packed,
    "tf_array_stacked": array_stacked, "tf_array_joined": array_joined,
}  # fmt: skip
RESULTS.update({name: constant(UNKNOWN) for name in FLOWS})

