"""Rules for masks and conditions: ``where``, ``masked_fill``."""

from __future__ import annotations

from typing import Any

import libcst as cst

from .. import nodes
from ..infer.facts import Bound, BoundCall
from ..infer.results import FLOATS
from ..rewrite.context import Context, Edit, Outcome, Refusal
from ..tables.schema import Row
from ..values import Value, as_tensor, python_type, without_none
from .named import FACT_CONVERTERS, named


@named("where")
def where(ctx: Context, row: Row, call: BoundCall, node: cst.Call, new: cst.Call) -> Outcome:
    """``torch.where(condition, a, b)``; with the condition alone it is ``nonzero``."""
    names = ("condition", "input", "other")
    if any(n not in call.args for n in names):
        if "condition" not in call.args:
            return Refusal("XL202", f"{call.api}: {call.problem}")
        condition = ctx.updated(call.args["condition"].node)
        return Edit(nodes.call("nonzero", condition, as_tuple=nodes.literal(True)), ("helper:nonzero",))
    if any(_steep(ctx, call.args[n].node) for n in names[1:]):
        ctx.note(call.node, "XL401", f"{call.api}: known deviation `g_where_nan`")
    args = [ctx.updated(call.args[n].node) for n in names]
    kinds = [_kind(call.args[n].value) for n in names[1:]]
    if kinds == ["int", "int"]:
        args[1] = nodes.call("tf.constant", args[1], dtype=nodes.dotted("tf.int64"))
    elif _promotes(kinds):
        return Edit(nodes.call("keras.ops.where", *args), ("keras",))
    return Edit(nodes.call("tf.where", *args), ("tf",))


STEEP = frozenset({"sqrt", "rsqrt", "reciprocal"})
"""Where their slope is infinite, TensorFlow takes a gradient of zero for zero; in PyTorch the two make NaN."""


def _steep(ctx: Context, node: cst.BaseExpression) -> bool:
    """Whether an expression computes one of these functions."""
    calls = (ctx.call(n) for n in nodes.walk(node) if isinstance(n, cst.Call))
    return any(c.api.rpartition(".")[2] in STEEP and c.api.startswith("torch.") for c in calls if c is not None)


NUMBERS = ("int", "float", "bool")


def _kind(value: Value) -> str | None:
    """``int``, ``float`` or ``bool`` of a Python number; the dtype of a tensor with ``tensor`` in front."""
    tensor = as_tensor(value)
    if tensor is None:
        return python_type(without_none(value))
    return f"tensor {tensor.dtype}" if tensor.dtype else None


def _promotes(kinds: list[str | None]) -> bool:
    """Whether `tf.where`, which takes the dtype of its first branch, would not give PyTorch's result type."""
    first, second = kinds
    if first in NUMBERS:
        return True
    if second in NUMBERS:
        floating = first is not None and first.removeprefix("tensor ") in FLOATS
        return not floating and (second == "float" or first is None)
    return first is not None and second is not None and first != second


@named("masked_fill")
def masked_fill(ctx: Context, row: Row, call: BoundCall, node: cst.Call, new: cst.Call) -> Outcome:
    """A number takes the dtype of the tensor; other values are cast by a helper."""
    if call.problem:
        return Refusal("XL202", f"{call.api}: {call.problem}")
    x, mask, value = (ctx.updated(call.args[n].node) for n in ("input", "mask", "value"))
    tensor, kind = as_tensor(call.value("input")), _kind(call.args["value"].value)
    dtype = tensor.dtype if tensor is not None else None
    if kind == "float" or (kind == "int" and dtype is not None and dtype != "bool"):
        return Edit(nodes.call("keras.ops.where", mask, value, x), ("keras",))
    return Edit(nodes.call("masked_fill", x, mask, value), ("helper:masked_fill",))


def _as_tuple(ctx: Context, node: Any, bound: Bound, call: BoundCall) -> Any:
    """A sequence of index tensors as a tuple, which indexes axis by axis."""
    if isinstance(node, cst.Tuple):
        return node
    return nodes.tuple_of([e.value for e in node.elements]) if isinstance(node, cst.List) else nodes.call("tuple", node)


FACT_CONVERTERS["as_tuple"] = _as_tuple
