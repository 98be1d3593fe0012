"""Loops over all parameters that initialise them: Keras has not made most of them yet.

``for p in model.parameters(): if p.dim() > 1: nn.init.xavier_uniform_(p)`` would walk an empty list, so it
becomes one call that sets initialisers. A loop of another shape is refused as a whole.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import libcst as cst

from .. import nodes
from ..rewrite.context import Edit, Refusal
from .initializers import initializer

if TYPE_CHECKING:
    from ..rewrite.rewriter import Rewriter

SYMMETRIC = (
    "trunc_normal_", "xavier_uniform_", "xavier_normal_", "normal_", "uniform_", "zeros_", "ones_", "constant_",
)  # fmt: skip
"""Initialisers that do not ask which axis is the input."""


def parameter_loop(rewriter: Rewriter, node: cst.For) -> Any:
    """A loop over ``model.parameters()``."""
    ctx = rewriter.ctx
    call = ctx.call(node.iter)
    if call is None or not call.api.endswith(".parameters") or not isinstance(node.target, cst.Name):
        return None
    finder = _Inits(ctx)
    node.body.visit(finder)
    if not finder.found:
        return None
    edit = _as_call(rewriter, node, node.target.value)
    if isinstance(edit, Edit):
        ctx.seen += 1
        ctx.translated += 1
        ctx.needs.update(edit.needs)
        return [cst.SimpleStatementLine([edit.node], leading_lines=node.leading_lines)]
    refusal = Refusal(
        "XL207", "parameters are initialised in a loop before Keras makes them", "set the layers' initializers"
    )
    outer, ctx.refusals = ctx.refusals, []
    rewriter.refuse(node.iter, refusal)
    found, ctx.refusals = ctx.refusals, outer
    ctx.refused += 1
    return rewriter.marked(node, found)


class _Inits(cst.CSTVisitor):
    """Whether a block calls ``nn.init``."""

    def __init__(self, ctx: Any) -> None:
        self.ctx = ctx
        self.found = False

    def visit_Call(self, node: cst.Call) -> None:
        call = self.ctx.call(node)
        self.found |= call is not None and call.api.startswith("torch.nn.init.")


def _as_call(rewriter: Rewriter, node: cst.For, name: str) -> Any:
    """The loop as ``initialize_all(model, lambda: initializer, min_rank=...)``, if it is of the usual shape."""
    ctx = rewriter.ctx
    rank, body = 0, node.body.body
    if len(body) == 1 and isinstance(body[0], cst.If):
        found = _least_rank(body[0].test, name)
        if found is None or body[0].orelse is not None:
            return None
        rank, body = found, body[0].body.body
    if len(body) != 1 or not isinstance(body[0], cst.SimpleStatementLine) or len(body[0].body) != 1:
        return None
    small = body[0].body[0]
    call = ctx.call(small.value) if isinstance(small, cst.Expr) else None
    if (
        call is None
        or call.api.rsplit(".", 1)[-1] not in SYMMETRIC
        or not nodes.is_name(call.args["tensor"].node, name)
    ):
        return None
    for argument, bound in call.args.items():
        if argument != "tensor":
            ctx.new[bound.node] = rewriter.visit(bound.node)
    value = initializer(ctx, call)
    if not isinstance(value, Edit):
        return None
    made: Any = value.node
    if isinstance(made, cst.SimpleString):
        made = nodes.call("keras.initializers.get", made)
    model = rewriter.visit(node.iter.func.value)
    args: dict[str, Any] = {"min_rank": nodes.literal(rank)} if rank else {}
    result = nodes.call("initialize_all", model, cst.Lambda(cst.Parameters(), made), **args)
    return Edit(cst.Expr(result), (*value.needs, "keras", "helper:initialize_all"))


def _least_rank(test: cst.BaseExpression, name: str) -> int | None:
    """The ``n`` of ``p.dim() > n - 1``, ``p.ndim >= n`` and ``len(p.shape) > n - 1``."""
    if not isinstance(test, cst.Comparison) or len(test.comparisons) != 1:
        return None
    asked = nodes.code(test.left).strip()
    bound = nodes.integer(test.comparisons[0].comparator)
    if asked not in (f"{name}.dim()", f"{name}.ndim", f"len({name}.shape)", f"{name}.ndimension()") or bound is None:
        return None
    operator = test.comparisons[0].operator
    return (
        bound + 1
        if isinstance(operator, cst.GreaterThan)
        else bound
        if isinstance(operator, cst.GreaterThanEqual)
        else None
    )
