"""Rules for tensors that share memory with something else: NumPy's arrays, other classes of tensors."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import libcst as cst

from .. import nodes
from ..infer.facts import BoundCall
from ..infer.uses import bindings
from ..rewrite.context import Context, Edit, Outcome, Refusal
from ..tables.schema import Row
from ..values import Api
from .named import named


@named("from_numpy")
def from_numpy(ctx: Context, row: Row, call: BoundCall, node: cst.Call, new: cst.Call) -> Outcome:
    """The array is copied; PyTorch shares its memory, which shows if it is written to afterwards."""
    if call.problem or "ndarray" not in call.args:
        return Refusal("XL202", f"{call.api}: {call.problem or 'no array'}")
    array = call.args["ndarray"].node
    return _changed(ctx, node, array, call) or Edit(nodes.call("tf.convert_to_tensor", ctx.updated(array)), ("tf",))


def _changed(ctx: Context, node: cst.Call, array: cst.BaseExpression, call: BoundCall) -> Refusal | None:
    """Why memory cannot be copied: it is written to after the call."""
    if not isinstance(array, cst.Name) or not _written_after(ctx, node, array.value):
        return None
    message = f"{call.api}: `{array.value}` is changed afterwards, and the tensor shares its memory with it"
    return Refusal("XL206", message, "make the tensor after the last change, or copy it")


def _written_after(ctx: Context, node: cst.Call, name: str) -> bool:
    """Whether parts of ``name`` are assigned to behind a call, in the function that it stands in, before the name
    stands for something else."""
    scope = ctx.func.node if ctx.func is not None else ctx.tree
    for statement in _following(scope, node):
        if _writes(nodes.walk(statement), name):
            return True
        if isinstance(statement, cst.SimpleStatementLine) and name in set(bindings(statement)):
            return False
    walk = nodes.walk(scope)
    return any(found is node for found in walk) and _writes(walk, name)


def _writes(walk: Iterable[cst.CSTNode], name: str) -> bool:
    targets = (n.target for n in walk if isinstance(n, cst.AssignTarget | cst.AugAssign))
    return any(isinstance(t, cst.Subscript) and nodes.is_name(t.value, name) for t in targets)


def _following(scope: cst.CSTNode, node: cst.CSTNode) -> list[Any]:
    """The simple statement that holds a node, and those behind it in its block."""
    for block in nodes.walk(scope):
        body = block.body if isinstance(block, cst.IndentedBlock | cst.Module) else ()
        for i, statement in enumerate(body):
            if isinstance(statement, cst.SimpleStatementLine) and any(n is node for n in nodes.walk(statement)):
                return [*body[i:]]
    return []


@named("frombuffer")
def frombuffer(ctx: Context, row: Row, call: BoundCall, node: cst.Call, new: cst.Call) -> Outcome:
    """The bytes are copied; PyTorch shares them, as with an array."""
    from .api import from_template

    buffer = call.args["buffer"].node if not call.problem and "buffer" in call.args else None
    if buffer is None:
        return Refusal("XL202", f"{call.api}: {call.problem or 'no buffer'}")
    return _changed(ctx, node, buffer, call) or from_template(ctx, row, call)


@named("as_subclass")
def as_subclass(ctx: Context, row: Row, call: BoundCall, node: cst.Call, new: cst.Call) -> Outcome:
    """``x.as_subclass(torch.Tensor)``: a plain tensor, which TensorFlow's tensors are."""
    if call.problem or call.value("cls") != Api("torch.Tensor"):
        return Refusal("XL203", f"{call.api}: TensorFlow's tensors have no subclasses", "pass what it adds beside it")
    return Edit(ctx.updated(call.args["input"].node))
