"""Rules for reductions: which axes, which dtype, and when PyTorch gives a pair of values and indices."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import libcst as cst

from .. import nodes
from ..infer.facts import BoundCall
from ..infer.results import FLOATS
from ..rewrite.context import Context, Edit, Outcome, Refusal
from ..tables.schema import Row
from ..values import NONE, Const, Seq, as_tensor, python_type
from .creation import edit, node_of
from .named import named
from .pointwise import cast

KNOWN = frozenset({"input", "dim", "keepdim", "dtype"})
EXTREMES = frozenset({"tf.reduce_max", "tf.reduce_min"})
"""Of nothing they are infinite, where PyTorch raises."""


def problem_of(call: BoundCall, known: frozenset[str] = KNOWN) -> Refusal | None:
    """Why the call cannot be written, if it cannot: unbound, or with an argument that is not known."""
    if call.problem:
        return Refusal("XL202", f"{call.api}: {call.problem}")
    extra = [n for n, b in call.args.items() if n not in known and b.value != NONE]
    return Refusal("XL201", f"{call.api}: argument `{extra[0]}` is not translated") if extra else None


def axes(ctx: Context, call: BoundCall) -> Any:
    """The axes as a node; ``None`` where all are reduced: no ``dim``, None or an empty sequence."""
    bound = call.args.get("dim")
    if bound is not None and isinstance(bound.value, Seq) and bound.value.items == []:
        return None
    node = node_of(ctx, call, "dim")
    return named_axis(ctx, node, call)


def named_axis(ctx: Context, node: Any, call: BoundCall) -> Any:
    """The axis in the target's order."""
    from .named import FACT_CONVERTERS

    return FACT_CONVERTERS["axes"](ctx, node, call.args["dim"], call) if node is not None else None


def keep(ctx: Context, call: BoundCall) -> Any:
    """``keepdim`` as a node; ``None`` where it is False."""
    return None if call.value("keepdim") == Const(False) else node_of(ctx, call, "keepdim")


def given(**keywords: Any) -> dict[str, Any]:
    return {k: v for k, v in keywords.items() if v is not None}


def dtype_of_input(call: BoundCall) -> str | None:
    tensor = as_tensor(call.value("input"))
    return tensor.dtype if tensor is not None else None


# -- what the input is cast to before it is reduced --------------------------------------------------------


def _as_is(call: BoundCall) -> str | Refusal | None:
    return None


def _wide(call: BoundCall) -> str | Refusal | None:
    """Sums and products of integers and bools are int64."""
    dtype = dtype_of_input(call)
    exact = dtype is not None and dtype not in FLOATS and "complex" not in dtype
    return "int64" if exact and dtype != "int64" else None


def _truth(call: BoundCall) -> str | Refusal | None:
    return None if dtype_of_input(call) == "bool" else "bool"


def _floating(call: BoundCall) -> str | Refusal | None:
    dtype = dtype_of_input(call)
    if dtype is not None and dtype not in FLOATS and "complex" not in dtype and "dtype" not in call.args:
        return Refusal("XL203", f"{call.api} is not defined for {dtype}", "give dtype=, or cast to a float first")
    return None


def _promoted(call: BoundCall) -> str | Refusal | None:
    dtype = dtype_of_input(call)
    return "float" if dtype is not None and dtype not in FLOATS and "complex" not in dtype else None


def reduction(before: Callable[[BoundCall], str | Refusal | None]) -> Any:
    """A rule for ``op(input, dim, keepdim, dtype)`` that becomes ``row.tf(x, axis=, keepdims=)``."""

    def rule(ctx: Context, row: Row, call: BoundCall, node: cst.Call, new: cst.Call) -> Outcome:
        problem = problem_of(call)
        if problem is not None:
            return problem
        x = ctx.updated(call.args["input"].node)
        asked = node_of(ctx, call, "dtype")
        dtype = before(call)
        if isinstance(dtype, Refusal):
            return dtype
        if row.tf[0] in EXTREMES and may_be_empty(ctx, call.args["input"].node):
            ctx.note(call.node, "XL401", f"{call.api}: known deviation `prod_empty`")
        if asked is not None:
            x = nodes.call("tf.cast", x, asked)
        elif dtype is not None:
            x = cast(x, dtype)
        return edit(nodes.call(row.tf[0], x, **given(axis=axes(ctx, call), keepdims=keep(ctx, call))))

    return rule


for _name, _before in {
    "reduce": _as_is, "reduce_wide": _wide, "reduce_bool": _truth, "reduce_mean": _floating, "reduce_float": _promoted,
}.items():  # fmt: skip
    named(_name)(reduction(_before))


def may_be_empty(ctx: Context, node: cst.BaseExpression) -> bool:
    """Whether a tensor is what a mask or a slice with a computed end leaves of another, which may be nothing."""
    if not isinstance(node, cst.Subscript):
        return False
    for element in (e.slice for e in node.slice):
        if isinstance(element, cst.Slice):
            if element.upper is not None and nodes.integer(element.upper) in (None, 0):
                return True
        elif (tensor := as_tensor(ctx.value(element.value))) is not None and tensor.dtype == "bool":
            return True
    return False


@named("cumulate")
def cumulate(ctx: Context, row: Row, call: BoundCall, node: cst.Call, new: cst.Call) -> Outcome:
    """``cumsum`` and ``cumprod``: integers are added in int64."""
    problem = problem_of(call)
    if problem is not None:
        return problem
    x, asked, dtype = ctx.updated(call.args["input"].node), node_of(ctx, call, "dtype"), _wide(call)
    if asked is not None:
        x = nodes.call("tf.cast", x, asked)
    elif isinstance(dtype, str):
        x = cast(x, dtype)
    if row.helper:
        return Edit(nodes.call(row.helper, x, axes(ctx, call)), (f"helper:{row.helper}", *edit(x).needs))
    return edit(nodes.call(row.tf[0], x, axis=axes(ctx, call)))


@named("arg_reduce")
def arg_reduce(ctx: Context, row: Row, call: BoundCall, node: cst.Call, new: cst.Call) -> Outcome:
    """``argmax``: of the flattened tensor without ``dim``; always int64."""
    problem = problem_of(call)
    if problem is not None:
        return problem
    x = ctx.updated(call.args["input"].node)
    axis, kept = axes(ctx, call), call.value("keepdim")
    if dtype_of_input(call) == "bool":
        x = cast(x, "int32")
    for note in row.notes if dtype_of_input(call) in (None, *FLOATS) else ():
        ctx.note(call.node, "XL401", f"{call.api}: known deviation `{note}`")
    if axis is None:
        if "keepdim" in call.args and kept != Const(False):
            return Refusal("XL201", f"{call.api}: `keepdim` without `dim` is not translated")
        return edit(nodes.call(row.tf[0], nodes.call("tf.reshape", x, nodes.dotted("[-1]"))))
    found = nodes.call(row.tf[0], x, axis=axis)
    if "keepdim" not in call.args or kept == Const(False):
        return edit(found)
    if kept != Const(True):
        return Refusal("XL201", f"{call.api}: argument `keepdim` must be a literal")
    return edit(nodes.call("tf.expand_dims", found, axis=axis))


@named("deviation")
def deviation(ctx: Context, row: Row, call: BoundCall, node: cst.Call, new: cst.Call) -> Outcome:
    """``std`` and ``var`` with either spelling of the correction: ``unbiased=False`` or ``correction=0``."""
    problem = problem_of(call, frozenset({"input", "dim", "keepdim", "unbiased", "correction"}))
    if problem is not None:
        return problem
    dim = call.args.get("dim")
    if dim is not None and python_type(dim.value) == "bool":
        call.args["unbiased"] = call.args.pop("dim")
    correction = next((n for n in ("unbiased", "correction") if node_of(ctx, call, n) is not None), None)
    value = call.value(correction) if correction else Const(1)
    x, axis, kept = ctx.updated(call.args["input"].node), axes(ctx, call), keep(ctx, call)
    if row.helper == "var" and isinstance(value, Const) and value.value in (0, False):
        return edit(nodes.call("tf.math.reduce_variance", x, **given(axis=axis, keepdims=kept)))
    written = None
    if correction and not (isinstance(value, Const) and value.value in (1, True)):
        literal = nodes.literal(int(value.value)) if isinstance(value, Const) else None
        written = literal if literal is not None else node_of(ctx, call, correction)
    assert row.helper is not None
    result = nodes.call(row.helper, x, **given(dim=axis, correction=written, keepdim=kept))
    return Edit(result, (f"helper:{row.helper}", *edit(result).needs))


@named("aminmax")
def aminmax(ctx: Context, row: Row, call: BoundCall, node: cst.Call, new: cst.Call) -> Outcome:
    """The smallest and the largest value, as a pair."""
    problem = problem_of(call)
    if problem is not None:
        return problem
    x = ctx.updated(call.args["input"].node)
    result = nodes.call("aminmax", x, **given(dim=axes(ctx, call), keepdim=keep(ctx, call)))
    return Edit(result, ("helper:aminmax",))


@named("count_nonzero")
def count_nonzero(ctx: Context, row: Row, call: BoundCall, node: cst.Call, new: cst.Call) -> Outcome:
    """``count_nonzero(x, dim)``: dims may come one by one."""
    dims = [*([call.args["dim"]] if "dim" in call.args else []), *call.varargs]
    if any(b.star for b in dims):
        return Refusal("XL202", f"{call.api}: `*` arguments hide what is passed")
    x = ctx.updated(call.args["input"].node)
    if not dims:
        return Edit(nodes.call("count_nonzero", x), ("helper:count_nonzero",))
    axis = ctx.updated(dims[0].node) if len(dims) == 1 else nodes.tuple_of([ctx.updated(b.node) for b in dims])
    return Edit(nodes.call("count_nonzero", x, axis), ("helper:count_nonzero",))
