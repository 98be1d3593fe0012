"""Ranks that the use of a value shows."""

from __future__ import annotations

from typing import TYPE_CHECKING

import libcst as cst

from .. import nodes
from ..tables.schema import Row
from ..values import (
    UNKNOWN,
    Func,
    Tensor,
    of_rank,
    without_none,
)
from .facts import BoundCall

if TYPE_CHECKING:
    from .interp import Interpreter


def evidence(it: Interpreter, bound: BoundCall, row: Row) -> None:
    """An unknown first argument of a tensor operation is a tensor."""
    from .evidence import proven_tensor

    first = bound.args.get("input")
    rank = implied_rank(bound.api) if not it.ranks_differ else None
    tensor = without_none(first.value) if first is not None else None
    if rank is not None and isinstance(tensor, Tensor) and tensor.rank is None and first is not None:
        ranked = refined(it, tensor, rank) if it.contained else ranked_parameter(it, first.node, tensor, rank)
        first.value = ranked if ranked is not None else first.value
        return
    if first is None or first.value is not UNKNOWN or row.returns in ("unknown", "create", "from_data"):
        return
    tensor = proven_tensor(it, first.node)
    if tensor is not None:
        first.value = tensor
        if rank is not None:
            refined(it, tensor, rank)


def implied_rank(api: str) -> int | None:
    """The rank that an image or volume operation takes, going by its name: batched input is assumed."""
    name = api.removesuffix(".__call__").lower()
    ranks = {"2d": 4, "3d": 5, "conv1d": 3, "pool1d": 3}
    return next((rank for end, rank in ranks.items() if name.endswith(end)), None)


def ranked_parameter(it: Interpreter, node: cst.BaseExpression, tensor: Tensor, rank: int) -> Tensor | None:
    """A parameter of unknown rank that an operation for one rank takes has that rank."""
    from .evidence import is_parameter

    if not isinstance(node, cst.Name) or it.func is None or not is_parameter(it.func, node.value):
        return refined(it, tensor, rank)
    if it.func.start.get(node.value) is not tensor and reassigned(it.func, node.value):
        return refined(it, tensor, rank)
    passed = it.func.passed.get(node.value, UNKNOWN)
    if passed is not UNKNOWN:
        if isinstance(passed, Tensor) and passed.rank is None and it.func.ranks.setdefault(node.value, rank) == rank:
            it.func.passed[node.value] = of_rank(passed, rank)
            it.func.stale = True
        return refined(it, tensor, rank)
    ranked = Tensor(rank, dtype=tensor.dtype, storage=tensor.storage)
    it.func.passed[node.value] = ranked
    it.func.guessed.add(node.value)
    it.func.stale = True
    it.scope.bind(node.value, ranked)
    it.facts.values[node] = ranked
    return ranked


def reassigned(func: Func, name: str) -> bool:
    """Whether a function puts something else under the name of a parameter: what is used then says nothing of it."""
    targets = (n.target for n in nodes.walk(func.node) if isinstance(n, cst.AssignTarget | cst.AugAssign | cst.For))
    return any(isinstance(n, cst.Name) and n.value == name for t in targets for n in nodes.walk(t))


def refined(it: Interpreter, tensor: Tensor, rank: int) -> Tensor | None:
    """A tensor whose rank its use shows, wherever it came from, unless that use stands under a condition."""
    if it.conditions and not it.contained:
        return None
    tensor.rank, tensor.dims = rank, (None,) * rank
    return tensor
