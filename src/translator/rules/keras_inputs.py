"""Inputs that a functional model may be given: ``img_input = Input(shape) if input_tensor is None else input_tensor``.

A PyTorch module is applied to whatever tensor there is, so its input is simply an argument of ``forward``.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import libcst as cst

from .. import nodes
from ..infer.facts import BoundCall
from ..infer.keras_given import none_test
from ..rewrite.context import Context
from .keras_names import names_in

Assignments = list[tuple[str, cst.BaseExpression]]


@dataclass(frozen=True, slots=True)
class Choice:
    """An ``if`` that only says what a model's input is."""

    name: str
    """The variable that holds the input."""
    given: str
    """The parameter that may bring a tensor."""
    call: BoundCall | None
    """The ``Input(...)`` that is made where nothing is brought."""
    aliases: tuple[tuple[str, str], ...] = ()
    """Variables that are set to one that holds the input already, with that one."""


def input_choice(ctx: Context, node: Any) -> Choice | None:
    """Recognise ``if input_tensor is None: x = Input(...) else: ...`` and its counterpart for ``inputs = x``."""
    if not isinstance(node, cst.If) or node.orelse is None:
        return None
    test = none_test(node.test)
    if test is None:
        return None
    given, absent = test
    orelse = [node.orelse] if isinstance(node.orelse, cst.If) else node.orelse.body.body
    plain, other = (node.body.body, orelse) if absent else (orelse, node.body.body)
    made = single_assignment(plain)
    call = ctx.call(made[1]) if made is not None else None
    if made is not None and call is not None and call.api == "keras.Input":
        return Choice(made[0], given, call) if only_inputs(ctx, other, made[0], given) else None
    return renaming(ctx, assignments(plain), assignments(other), given)


def renaming(ctx: Context, plain: Assignments | None, other: Assignments | None, given: str) -> Choice | None:
    """``inputs = get_source_inputs(tensor); x = tensor`` against ``inputs = img_input; x = inputs``."""
    if not plain or not other or [n for n, _ in plain] != [n for n, _ in other]:
        return None
    if not all(isinstance(value, cst.Name) for _, value in plain):
        return None
    if not all(nodes.is_name(value, given) or asks_for_sources(ctx, value) for _, value in other):
        return None
    if not any(asks_for_sources(ctx, value) for _, value in other):
        return None
    aliases = tuple((name, value.value) for name, value in plain if isinstance(value, cst.Name))
    return Choice(plain[0][0], given, None, aliases)


def single_assignment(body: Any) -> tuple[str, cst.BaseExpression] | None:
    found = assignments(body)
    return found[0] if found is not None and len(found) == 1 else None


def assignments(body: Any) -> Assignments | None:
    """Variables and what they are set to, if a body does nothing else."""
    out: Assignments = []
    for statement in body:
        small = statement.body[0] if isinstance(statement, cst.SimpleStatementLine) else None
        if not isinstance(small, cst.Assign) or len(statement.body) != 1 or len(small.targets) != 1:
            return None
        target = small.targets[0].target
        if not isinstance(target, cst.Name):
            return None
        out.append((target.value, small.value))
    return out


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


def asks_for_sources(ctx: Context, node: cst.BaseExpression) -> bool:
    """``get_source_inputs(input_tensor)``, or its first one."""
    if isinstance(node, cst.Subscript) and nodes.code(node.slice[0]) == "0":
        node = node.value
    func = ctx.value(node.func) if isinstance(node, cst.Call) else None
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
