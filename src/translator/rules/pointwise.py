"""Rules for pointwise math: operands get PyTorch's common dtype where TensorFlow would refuse to mix them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import libcst as cst

from .. import nodes
from ..infer.facts import Bound, BoundCall
from ..infer.results import FLOATS
from ..rewrite.context import Context, Edit, Outcome, Refusal
from ..tables.schema import Row
from ..values import NONE, Const, Tensor, as_tensor, python_type, without_none
from .named import named

INTEGERS = ("uint8", "int8", "int16", "int32", "int64")
OPERANDS = ("input", "other", "exponent", "values", "end", "tensor1", "tensor2")
"""The parameters whose dtypes decide the result's."""
Casts = dict[cst.BaseExpression, str]
"""Argument nodes to the dtypes that they are cast to."""


def dtype_node(dtype: str) -> Any:
    return nodes.call("keras.config.floatx") if dtype == "float" else nodes.dotted(f"tf.{dtype}")


def cast(node: Any, dtype: str) -> Any:
    return nodes.call("tf.cast", node, dtype_node(dtype))


def finish(ctx: Context, row: Row, call: BoundCall, new: cst.Call, casts: Casts | None = None) -> Outcome:
    """Apply the row as it stands, with some arguments cast first."""
    from .api import from_template, needs_of, to_call

    if call.problem:
        return Refusal("XL202", f"{call.api}: {call.problem}")
    if casts:
        changed: dict[cst.CSTNode, Any] = {n: cast(ctx.updated(n), d) for n, d in casts.items()}
        ctx = replace(ctx, new={**ctx.new, **changed})
    result = from_template(ctx, row, call) if row.tf_expr else to_call(ctx, row, call, new)
    if isinstance(result, Edit) and casts:
        return replace(result, needs=(*result.needs, *needs_of(nodes.code(result.node))))
    return result


# -- dtypes --------------------------------------------------------------------------------------------


def rank_of_dtype(dtype: str) -> int:
    """The kind of a dtype in PyTorch's order: bool, integer, float, complex."""
    return 0 if dtype == "bool" else 1 if dtype in INTEGERS else 2 if dtype in FLOATS else 3


def common_dtype(operands: list[Bound], *, floating: bool) -> str | Refusal | None:
    """The dtype that PyTorch computes in; ``None`` if it is not known, or nothing has to change.

    Tensors of one axis or more decide; 0-d tensors and numbers only if their kind is a higher one.
    """
    tensors = [t for b in operands if (t := as_tensor(b.value)) is not None]
    if not tensors or any(t.dtype is None for t in tensors):
        return None
    result = _joined([t for t in tensors if t.rank != 0] or tensors)
    for tensor in tensors:
        if isinstance(result, str) and tensor.rank == 0 and rank_of_dtype(tensor.dtype or "") > rank_of_dtype(result):
            result = tensor.dtype
    if isinstance(result, Refusal) or result is None:
        return result
    kinds = {python_type(without_none(b.value)) for b in operands}
    if rank_of_dtype(result) < 2 and ("float" in kinds or floating):
        return "float"
    return "int64" if result == "bool" and "int" in kinds else result


def _joined(tensors: list[Tensor]) -> str | Refusal | None:
    result = tensors[0].dtype
    for tensor in tensors[1:]:
        a, b = result or "", tensor.dtype or ""
        if a == b:
            continue
        if rank_of_dtype(a) != rank_of_dtype(b):
            result = a if rank_of_dtype(a) > rank_of_dtype(b) else b
        elif a in INTEGERS and b in INTEGERS and "uint8" not in (a, b):
            result = a if INTEGERS.index(a) > INTEGERS.index(b) else b
        elif {a, b} <= {"float16", "float32", "float64"}:
            result = max(a, b)
        elif "float" in (a, b) and {a, b} <= {"float", "float32"}:
            result = "float32"
        elif "float" in (a, b) and "float64" in (a, b):
            result = "float64"
        else:
            return Refusal("XL210", f"the dtype of {a} with {b} is not certain", "cast one of them")
    return result


def casts_to(operands: list[Bound], dtype: str) -> Casts:
    """The tensors among the operands that are not of the dtype."""
    return {b.node: dtype for b in operands if (t := as_tensor(b.value)) is not None and t.dtype != dtype}


def operands_of(call: BoundCall) -> list[Bound]:
    return [call.args[n] for n in OPERANDS if n in call.args]


# -- rules ---------------------------------------------------------------------------------------------


def promoting(*, floating: bool = False) -> Callable[[Context, Row, BoundCall, cst.Call, cst.Call], Outcome]:
    """A rule that casts operands to their common dtype; ``floating`` where integers give floats."""

    def rule(ctx: Context, row: Row, call: BoundCall, node: cst.Call, new: cst.Call) -> Outcome:
        operands = operands_of(call)
        dtype = common_dtype(operands, floating=floating)
        if isinstance(dtype, Refusal):
            return Refusal(dtype.code, f"{call.api}: {dtype.message}", dtype.hint)
        return finish(ctx, row, call, new, casts_to(operands, dtype) if dtype else None)

    return rule


named("promote")(promoting())
named("promote_float")(promoting(floating=True))


@named("logical")
def logical(ctx: Context, row: Row, call: BoundCall, node: cst.Call, new: cst.Call) -> Outcome:
    """``logical_and`` and the like: anything but bool counts as whether it is not 0."""
    operands = operands_of(call)
    casts: Casts = {b.node: "bool" for b in operands if (t := as_tensor(b.value)) is None or t.dtype != "bool"}
    return finish(ctx, row, call, new, casts)


def integer(call: BoundCall) -> bool:
    """Whether an operation certainly works on integers."""
    operands = operands_of(call)
    kinds = [t.dtype if (t := as_tensor(b.value)) is not None else python_type(b.value) for b in operands]
    return all(k in ("int", "bool", *INTEGERS) for k in kinds)


@named("extreme")
def extreme(ctx: Context, row: Row, call: BoundCall, node: cst.Call, new: cst.Call) -> Outcome:
    """``torch.maximum``: TensorFlow's own for integers; for floats a tie shares the gradient."""
    plain = {"maximum": "tf.maximum", "minimum": "tf.minimum"}
    tensor = as_tensor(call.value("other"))
    if tensor is None and call.api.rsplit(".", 1)[-1] in ("max", "min"):
        return Refusal("XL209", f"{call.api}: whether its argument is an axis or a tensor is not known", "write dim=")
    if integer(call):
        row = replace(row, tf=(plain[row.helper or ""],), same_args=False, tf_expr=None, args=_TWO)
    return promoting()(ctx, row, call, node, new)


@named("floor_divide")
def floor_divide(ctx: Context, row: Row, call: BoundCall, node: cst.Call, new: cst.Call) -> Outcome:
    """Division rounded down: an operator for integers, a helper for floats, where rounding the quotient is not it."""
    if integer(call):
        row = replace(row, tf=(), tf_expr="{input} // {other}")
    return promoting()(ctx, row, call, node, new)


@named("trunc_divide")
def trunc_divide(ctx: Context, row: Row, call: BoundCall, node: cst.Call, new: cst.Call) -> Outcome:
    """Division rounded towards zero."""
    if integer(call):
        row = replace(row, tf=(), tf_expr="tf.truncatediv({input}, {other})")
    return promoting()(ctx, row, call, node, new)


@named("divide")
def divide(ctx: Context, row: Row, call: BoundCall, node: cst.Call, new: cst.Call) -> Outcome:
    """Division with a mode of rounding that is only known when the program runs; ``None`` written out is none."""
    if call.value("rounding_mode") != NONE:
        return promoting()(ctx, row, call, node, new)
    del call.args["rounding_mode"]
    return promoting(floating=True)(ctx, replace(row, tf=(), tf_expr="{input} / {other}"), call, node, new)


@named("clamp")
def clamp(ctx: Context, row: Row, call: BoundCall, node: cst.Call, new: cst.Call) -> Outcome:
    """``clamp(min, max)``: `tf.clip_by_value` only where min <= max is certain, since the two disagree otherwise."""
    if call.problem:
        return Refusal("XL202", f"{call.api}: {call.problem}")
    if any(n not in ("input", "min", "max") for n in call.args):
        return Refusal("XL201", f"{call.api}: argument `out` is not translated")
    low, high = (b if (b := call.args.get(n)) is not None and b.value != NONE else None for n in ("min", "max"))
    operands = [b for b in (call.args["input"], low, high) if b is not None]
    dtype = common_dtype(operands, floating=False)
    if isinstance(dtype, Refusal):
        return Refusal(dtype.code, f"{call.api}: {dtype.message}", dtype.hint)
    casts = casts_to(operands, dtype) if dtype else {}

    def operand(bound: Bound) -> Any:
        node = ctx.updated(bound.node)
        return cast(node, casts[bound.node]) if bound.node in casts else node

    result = operand(call.args["input"])
    if low is not None and high is not None and _ordered(low, high):
        return _edit(nodes.call("tf.clip_by_value", result, operand(low), operand(high)))
    if low is not None:
        result = nodes.call("tf.maximum", result, operand(low))
    if high is not None:
        result = nodes.call("tf.minimum", result, operand(high))
    return _edit(result)


def _ordered(low: Bound, high: Bound) -> bool:
    a, b = (v.value if isinstance(v, Const) else None for v in (low.value, high.value))
    return isinstance(a, int | float) and isinstance(b, int | float) and a <= b


def _edit(node: Any) -> Edit:
    from .api import needs_of

    return Edit(node, needs_of(nodes.code(node)))


def _two() -> dict[str, Any]:
    from ..tables.schema import ArgMap

    return {"input": ArgMap(("x",)), "other": ArgMap(("y",))}


_TWO = _two()
