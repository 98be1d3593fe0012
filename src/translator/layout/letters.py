"""Operations whose axes are written as letters: ``einsum`` equations and einops patterns.

They take and give any axis order: the letters of each tensor are written in the order in which it stands.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import libcst as cst

from .. import nodes
from ..infer.einops_results import axes_of
from ..infer.facts import Bound, BoundCall
from ..infer.shapes import explicit_equation
from ..values import Const, Seq, Tensor, Value, as_tensor
from .natural import Orders
from .perms import Perm, identity, order_of

REST = frozenset({"...", "…"})

Terms = tuple[list[Tensor], list[list[str]], list[str]]
"""The tensors that are given, the axes of each, and the axes of the result; all as the source has them."""


def equation_of(call: BoundCall) -> tuple[Bound, list[Bound]] | None:
    """The equation of an ``einsum``, and its tensors."""
    bounds = list(call.varargs)
    equation = call.args.get("equation") or (bounds.pop(0) if bounds else None)
    return (equation, bounds) if equation is not None else None


def einsum_terms(call: BoundCall) -> Terms | None:
    """``None`` where the equation is not written out, or the rank of a tensor is not known."""
    found = equation_of(call)
    value = found[0].value if found is not None else None
    if found is None or not isinstance(value, Const) or not isinstance(value.value, str) or "." in value.value:
        return None
    text = value.value if "->" in value.value else explicit_equation(value.value)
    left, right = text.replace(" ", "").split("->")
    values: list[Value] = [b.value for b in found[1]]
    if len(values) == 1 and isinstance(values[0], Seq):
        values = values[0].items or []
    return _terms(values, [list(side) for side in left.split(",")], list(right))


def pattern_terms(world: Any, node: cst.Call) -> tuple[Terms, cst.Arg] | None:
    """The axes of an einops pattern, and the argument that it stands in; ``None`` where it leaves some open."""
    arg = next((a for a in node.args if a.keyword is not None and a.keyword.value == "pattern"), None)
    if arg is None and len(node.args) > 1 and node.args[1].keyword is None:
        arg = node.args[1]
    if arg is None or any(a.star for a in node.args[:2]):
        return None
    value = world.facts.value(arg.value)
    if not isinstance(value, Const) or not isinstance(value.value, str) or value.value.count("->") != 1:
        return None
    left, _, right = value.value.partition("->")
    found = _terms([world.facts.value(node.args[0].value)], [axes_of(left)], axes_of(right))
    return (found, arg) if found is not None else None


def _terms(values: list[Value], given: list[list[str]], out: list[str]) -> Terms | None:
    tensors = [t for v in values if (t := as_tensor(v)) is not None]
    if len(tensors) != len(values) or len(tensors) != len(given) or any(REST & {*side} for side in (*given, out)):
        return None
    if any(t.rank != len(side) for t, side in zip(tensors, given, strict=True)):
        return None
    return tensors, given, out


def standing(axes: list[str], order: Perm | None) -> list[str]:
    """Axes in the order in which they stand."""
    return [axes[a] for a in order or identity(len(axes))]


def orders(world: Any, node: cst.CSTNode, value: Value) -> Orders:
    """The result as its axes stand in the first tensor that was moved; new ones go last."""
    result = as_tensor(value)
    terms = terms_of(world, node)
    if result is None or terms is None or len(terms[2]) != result.rank:
        return
    tensors, given, out = terms
    for tensor, axes in zip(tensors, given, strict=True):
        order = order_of(tensor)
        if order is not None:
            places = {name: i for i, axis in enumerate(standing(axes, order)) for name in axes_of(axis.strip("()"))}
            first = [next((places[n] for n in axes_of(a.strip("()")) if n in places), len(places)) for a in out]
            yield result, tuple(sorted(range(len(out)), key=lambda i: (first[i], i)))
            return


def terms_of(world: Any, node: cst.CSTNode) -> Terms | None:
    """The axes of an ``einsum`` or of an einops function."""
    call = world.facts.calls.get(node)
    if call is not None and not call.api.startswith("einops."):
        return einsum_terms(call)
    found = pattern_terms(world, node) if isinstance(node, cst.Call) else None
    return found[0] if found is not None else None


def physical_einsum(call: BoundCall, terms: Terms, chosen: Perm | None) -> BoundCall:
    """An ``einsum`` whose equation has the axes as they stand."""
    tensors, given, out = terms
    sides = ["".join(standing(axes, order_of(t))) for t, axes in zip(tensors, given, strict=True)]
    text = f"{','.join(sides)}->{''.join(standing(out, chosen))}"
    bound = Bound(nodes.literal(text), Const(text))
    if "equation" in call.args:
        return replace(call, args={**call.args, "equation": bound})
    return replace(call, varargs=[bound, *call.varargs[1:]])


def physical_pattern(terms: Terms, chosen: Perm | None) -> cst.BaseExpression:
    """An einops pattern with the axes as they stand."""
    (tensor,), (axes,), out = terms
    return nodes.literal(f"{' '.join(standing(axes, order_of(tensor)))} -> {' '.join(standing(out, chosen))}")
