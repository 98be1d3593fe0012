"""Tensors that a function which builds a functional model may be given instead of making an ``Input``.

A PyTorch module is applied to whatever tensor there is: the translation refuses a tensor that is passed to the function
(`rules.keras_inputs`), so what follows is known of the ``Input`` alone.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import libcst as cst

from .. import nodes
from .facts import Facts

if TYPE_CHECKING:
    from .interp import Interpreter


def none_test(test: cst.BaseExpression) -> tuple[str, bool] | None:
    """``x is None``: the name, and whether the test holds where it is absent."""
    if not isinstance(test, cst.Comparison) or len(test.comparisons) != 1 or not isinstance(test.left, cst.Name):
        return None
    target = test.comparisons[0]
    if not nodes.is_name(target.comparator, "None") or not isinstance(target.operator, cst.Is | cst.IsNot):
        return None
    return test.left.value, isinstance(target.operator, cst.Is)


def never_given(it: Interpreter, node: cst.If) -> bool | None:
    """Which way a test for such a tensor goes, once both branches ran; ``None`` for any other ``if``."""
    found = none_test(node.test)
    if found is None or it.func is None or it.direction != "tf2torch" or node.orelse is None:
        return None
    name, absent = found
    known: set[tuple[Any, str]] = it.facts.cache.setdefault("given_inputs", set())
    if makes_input(it.facts, node.body if absent else getattr(node.orelse, "body", None)):
        known.add((it.func.node, name))
    return absent if (it.func.node, name) in known else None


def makes_input(facts: Facts, body: Any) -> bool:
    """Whether a branch does nothing but ``x = Input(...)``."""
    if not isinstance(body, cst.IndentedBlock) or len(body.body) != 1:
        return False
    line = body.body[0]
    small = line.body[0] if isinstance(line, cst.SimpleStatementLine) else None
    call = facts.calls.get(small.value) if isinstance(small, cst.Assign) else None
    return call is not None and call.api == "keras.Input"
