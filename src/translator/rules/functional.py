"""Rules for products and for the functional forms of layers."""

from __future__ import annotations

import libcst as cst

from .. import nodes
from ..infer.facts import BoundCall
from ..infer.results import int_of
from ..rewrite.context import Context, Edit, Outcome, Refusal
from ..tables.schema import Row
from ..values import Const, Seq, Tensor, as_tensor
from .named import named

# -- linear algebra --------------------------------------------------------------------------------------


@named("matmul")
def matmul(ctx: Context, row: Row, call: BoundCall, node: cst.Call, new: cst.Call) -> Outcome:
    """`tf.matmul` wants at least two axes on both sides; `keras.ops.matmul` takes vectors as PyTorch does."""
    if call.problem or "out" in call.args:
        return Refusal("XL202", f"{call.api}: {call.problem or 'argument `out` is not translated'}")
    a, b = (ctx.updated(call.args[n].node) for n in ("input", "other"))
    ranks = [t.rank if (t := as_tensor(call.value(n))) is not None else None for n in ("input", "other")]
    if all(r is not None and r > 1 for r in ranks):
        return Edit(nodes.call("tf.matmul", a, b), ("tf",))
    return Edit(nodes.call("keras.ops.matmul", a, b), ("keras",))


# -- functional layers -----------------------------------------------------------------------------------


@named("linear_function")
def linear_function(ctx: Context, row: Row, call: BoundCall, node: cst.Call, new: cst.Call) -> Outcome:
    """``F.linear``: a product with the transposed weight, where the ranks and the bias are known."""
    if call.problem or "out" in call.args:
        return Refusal("XL202", f"{call.api}: {call.problem or 'argument `out` is not translated'}")
    x, weight = (ctx.updated(call.args[n].node) for n in ("input", "weight"))
    ranks = [t.rank if (t := as_tensor(call.value(n))) is not None else None for n in ("input", "weight")]
    bias = call.args.get("bias")
    none = bias is None or bias.value == Const(None)
    if all(r is not None and r > 1 for r in ranks) and (none or isinstance(bias.value, Tensor)):  # type: ignore[union-attr]
        product = nodes.call("tf.matmul", x, weight, transpose_b=nodes.literal(True))
        if bias is None or none:
            return Edit(product, ("tf",))
        total = nodes.template("{a} + {b}", {"a": product, "b": ctx.updated(bias.node)})
        return Edit(nodes.parenthesized(total), ("tf",))
    args = [x, weight] if none or bias is None else [x, weight, ctx.updated(bias.node)]
    return Edit(nodes.call("linear", *args), ("helper:linear",))


@named("batched")
def batched(ctx: Context, row: Row, call: BoundCall, node: cst.Call, new: cst.Call) -> Outcome:
    """A function over one to three spatial axes: its helper needs the batch axis, which PyTorch can do without."""
    from .api import to_call

    if call.problem:
        return Refusal("XL202", f"{call.api}: {call.problem}")
    tensor, spatial = as_tensor(call.value("input")), next((int(c) for c in reversed(call.api) if c.isdigit()), 0)
    if spatial and tensor is not None and tensor.rank == spatial + 1:
        return one_sample(ctx, row, call, new)
    if spatial and tensor is not None and tensor.rank not in (None, spatial + 2):
        return Refusal("XL201", f"{call.api} is translated for batches only", "add an axis in front, and drop it after")
    return to_call(ctx, row, call, new)


def one_sample(ctx: Context, row: Row, call: BoundCall, new: cst.Call) -> Outcome:
    """A sample without a batch axis gets one for the call."""
    from .api import to_call

    x = call.args["input"].node
    if not ctx.channels_first and not isinstance(call.result, Seq):
        from ..layout.unproven import LayoutUnproven

        raise LayoutUnproven(call.node, "a sample has no batch axis", [call.node])
    if isinstance(call.result, Seq):
        return Refusal("XL201", f"{call.api} is translated for batches only", "add an axis in front, and drop it after")
    before = ctx.new.get(x)
    ctx.new[x] = nodes.call("tf.expand_dims", ctx.updated(x), nodes.literal(0))
    out = to_call(ctx, row, call, new)
    ctx.new.pop(x)
    if before is not None:
        ctx.new[x] = before
    if not isinstance(out, Edit):
        return out
    return Edit(nodes.call("tf.squeeze", out.node, nodes.literal(0)), (*out.needs, "tf"))


@named("pad")
def pad(ctx: Context, row: Row, call: BoundCall, node: cst.Call, new: cst.Call) -> Outcome:
    """``F.pad``: amounts that are written out and not negative are those of `tf.pad`, last axis first."""
    from .api import to_call

    if call.problem:
        return Refusal("XL202", f"{call.api}: {call.problem}")
    tensor = as_tensor(call.value("input"))
    amounts = call.args["pad"]
    values = amounts.value.items if isinstance(amounts.value, Seq) else None
    elements = amounts.node.elements if isinstance(amounts.node, cst.Tuple | cst.List) else ()
    mode = call.args["mode"].value if "mode" in call.args else Const("constant")
    sizes = [int_of(v) for v in values] if values is not None and len(values) == len(elements) else [None]
    plain = all(n is not None and n >= 0 for n in sizes)
    how = {"constant": None, "reflect": "REFLECT"}.get(mode.value, "") if isinstance(mode, Const) else ""
    if not plain or how == "" or tensor is None or tensor.rank is None:
        return to_call(ctx, row, call, new)
    pairs = [nodes.tuple_of([nodes.literal(0), nodes.literal(0)]) for _ in range(tensor.rank - len(elements) // 2)]
    ends = [ctx.updated(e.value) for e in elements]
    pairs += [nodes.tuple_of(ends[i : i + 2]) for i in range(len(ends) - 2, -1, -2)]
    keywords = {"mode": nodes.literal(how)} if how else {}
    value = call.args.get("value")
    if value is not None and how is None and value.value not in (Const(None), Const(0), Const(0.0), Const(False)):
        keywords["constant_values"] = ctx.updated(value.node)
    return Edit(nodes.call("tf.pad", ctx.updated(call.args["input"].node), nodes.tuple_of(pairs), **keywords), ("tf",))
