"""Products of matrices, whose factors and results may stand with their last two axes swapped.

``tf.matmul`` reads a factor either way (``transpose_a``, ``transpose_b``), and a product that is wanted the other way
round is the product of the swapped factors: neither costs a transpose.
"""

from __future__ import annotations

from typing import Any

import libcst as cst

from .. import nodes
from ..values import Tensor, as_tensor
from . import behaviour
from .axes import main_tensor, permutation
from .natural import Orders
from .perms import Perm, identity, order_of, rearranged


def swapped(rank: int) -> Perm:
    """Source order, but for the last two axes."""
    return (*range(rank - 2), rank - 1, rank - 2)


def factors(world: Any, node: cst.CSTNode) -> tuple[Any, Any] | None:
    """The expressions of two tensors of at least two axes that are multiplied."""
    if isinstance(node, cst.BinaryOperation):
        pair = (node.left, node.right)
    else:
        call = world.facts.calls.get(node)
        other = next((n for n in ("other", "mat2") if call is not None and n in call.args), "")
        if call is None or call.problem or not other or "input" not in call.args or "out" in call.args:
            return None
        pair = (call.args["input"].node, call.args[other].node)
    tensors = [as_tensor(world.facts.value(n)) for n in pair]
    return pair if all(t is not None and t.rank is not None and t.rank > 1 for t in tensors) else None


def orders(world: Any, node: cst.CSTNode) -> Orders:
    """A factor that is a transposed tensor is read the other way, not moved."""
    for factor in factors(world, node) or ():
        call, tensor = world.facts.calls.get(factor), as_tensor(world.facts.value(factor))
        x = main_tensor(call) if call is not None else None
        if x is None or tensor is None or behaviour.of_node(world, factor) != "rearrange" or x.rank != tensor.rank:
            continue
        dims = permutation(behaviour.row_of(world, call).returns, call, x.rank or 0)  # type: ignore[union-attr]
        if dims is not None and rearranged(order_of(x) or identity(x.rank or 0), dims) == swapped(x.rank or 0):
            yield tensor, swapped(x.rank or 0)


def read_swapped(tensor: Tensor | None) -> bool:
    """Whether a tensor stands with its last two axes swapped."""
    return tensor is not None and tensor.rank is not None and order_of(tensor) == swapped(tensor.rank)


def product(left: Any, right: Any, swaps: tuple[bool, bool], *, turned: bool) -> cst.Call:
    """``tf.matmul`` of two factors, each of which stands swapped or not, the result swapped (``turned``) or not."""
    (a, b), (flag_a, flag_b) = (left, right), swaps
    if turned:
        (a, b), (flag_a, flag_b) = (right, left), (not swaps[1], not swaps[0])
    keywords = {n: nodes.literal(True) for n, flag in (("transpose_a", flag_a), ("transpose_b", flag_b)) if flag}
    return nodes.call("tf.matmul", nodes.bare(a, cst.Name("x")), nodes.bare(b, cst.Name("x")), **keywords)
