"""Inputs that a functional model may be given: ``img_input = Input(shape) if input_tensor is None else input_tensor``.

A PyTorch module is applied to whatever tensor there is, so its input is simply an argument of ``forward``.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import libcst as cst

from .. import nodes
from ..infer.facts import BoundCall
from ..rewrite.context import Context
from .keras_names import names_in


@dataclass(frozen=True, slots=True)
class Choice:
    """An ``if`` that only says what a model's input is."""

    name: str
    """The variable that holds the input."""
    given: str
    """The parameter that may bring a tensor."""
    call: BoundCall | None
    """The ``Input(...)`` that is made where nothing is brought."""
    alias: str
    """The variable that the input was in before, if it was in one."""


def input_choice(ctx: Context, node: Any) -> Choice | None:
    """Recognise ``if input_tensor is None: x = Input(...) else: ...`` and its counterpart for ``inputs = x``."""
    if not isinstance(node, cst.If) or not isinstance(node.orelse, cst.Else):
        return None
    test = none_test(node.test)
    if test is None:
        return None
    given, absent = test
    plain, other = (node.body.body, node.orelse.body.body) if absent else (node.orelse.body.body, node.body.body)
    made = single_assignment(plain)
    if made is None or not only_inputs(ctx, other, made[0], given):
        return None
    name, value = made
    call = ctx.call(value)
    if call is not None and call.api == "keras.Input":
        return Choice(name, given, call, "")
    if isinstance(value, cst.Name) and asks_for_sources(ctx, other):
        return Choice(name, given, None, value.value)
    return None


def none_test(test: cst.BaseExpression) -> tuple[str, bool] | None:
    """``x is None``: the name, and whether the test holds where it is absent."""
    if not isinstance(test, cst.Comparison) or len(test.comparisons) != 1 or not isinstance(test.left, cst.Name):
        return None
    target = test.comparisons[0]
    if not nodes.is_name(target.comparator, "None") or not isinstance(target.operator, cst.Is | cst.IsNot):
        return None
    return test.left.value, isinstance(target.operator, cst.Is)


def single_assignment(body: Any) -> tuple[str, cst.BaseExpression] | None:
    if len(body) != 1 or not isinstance(body[0], cst.SimpleStatementLine) or len(body[0].body) != 1:
        return None
    small = body[0].body[0]
    target = small.targets[0].target if isinstance(small, cst.Assign) and len(small.targets) == 1 else None
    return (target.value, small.value) if isinstance(target, cst.Name) else None


def only_inputs(ctx: Context, body: Any, name: str, given: str) -> bool:
    """Whether statements do nothing but put what was given into a variable."""
    if len(body) == 1 and isinstance(body[0], cst.If):
        other = body[0].orelse
        return (
            isinstance(other, cst.Else)
            and only_inputs(ctx, body[0].body.body, name, given)
            and only_inputs(ctx, other.body.body, name, given)
        )
    made = single_assignment(body)
    return made is not None and made[0] == name and any(n.value == given for n in names_in(made[1]))


def asks_for_sources(ctx: Context, body: Any) -> bool:
    """``inputs = get_source_inputs(input_tensor)``."""
    made = single_assignment(body)
    func = ctx.value(made[1].func) if made is not None and isinstance(made[1], cst.Call) else None
    return getattr(func, "name", "").endswith("get_source_inputs")


def refuses(given: str) -> cst.If:
    """The statement that keeps a tensor from being passed over in silence."""
    text = f"`{given}` has no meaning for a PyTorch module: apply the module to the tensor"
    raised = cst.Raise(nodes.call("ValueError", nodes.literal(text)))
    body = cst.IndentedBlock([cst.SimpleStatementLine([raised])])
    test = cst.Comparison(cst.Name(given), [cst.ComparisonTarget(cst.IsNot(), cst.Name("None"))])
    return cst.If(test, body)


def pruned(body: list[Any], given: set[str]) -> list[Any]:
    """The statements before a model without what is only done to a tensor that was given."""
    out: list[Any] = []
    for statement in body:
        if isinstance(statement, cst.If) and needs_given(statement.test, given):
            other = statement.orelse
            if isinstance(other, cst.If):
                out += pruned([other], given)
            elif other is not None:
                out += list(other.body.body)
        else:
            out.append(statement)
    return out


def needs_given(test: cst.BaseExpression, given: set[str]) -> bool:
    """Whether a test can hold only where one of the tensors was given."""
    if isinstance(test, cst.BooleanOperation) and isinstance(test.operator, cst.And):
        return needs_given(test.left, given) or needs_given(test.right, given)
    found = none_test(test)
    return found is not None and found[0] in given and not found[1]
