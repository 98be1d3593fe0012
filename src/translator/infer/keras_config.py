"""What Keras's configuration decides: programs that ask for the image data format were written for both."""

from __future__ import annotations

from typing import TYPE_CHECKING

import libcst as cst

from ..values import Const, Value

if TYPE_CHECKING:
    from .facts import Facts

FORMATS = ("channels_last", "channels_first", "tensorflow", "torch", "jax")
"""Data formats and backends: a TensorFlow program runs in the first of each."""


def compared(facts: Facts, left: cst.BaseExpression, right: cst.BaseExpression, *, positive: bool) -> bool | None:
    """The truth of ``left == right`` where the data format decides it, directly or through ``bn_axis``."""
    a, b = facts.value(left), facts.value(right)
    if not isinstance(a, Const) or not isinstance(b, Const):
        return None
    asked = {a.value, b.value} <= set(FORMATS) or id(a) in facts.configured
    return (a.value == b.value) is positive if asked else None


def by_format(facts: Facts, test: cst.BaseExpression) -> bool | None:
    """The truth of a test that asks for the data format (``image_data_format() == "channels_first"``)."""
    if isinstance(test, cst.Comparison) and len(test.comparisons) == 1:
        target = test.comparisons[0]
        if isinstance(target.operator, cst.Equal | cst.NotEqual):
            return compared(facts, test.left, target.comparator, positive=isinstance(target.operator, cst.Equal))
    return None


def decided_value(facts: Facts, node: cst.BaseExpression, value: Value, *, inside: bool) -> Value:
    """What an assignment binds: a value that the data format decides is marked as such."""
    by_test = isinstance(node, cst.IfExp) and by_format(facts, node.test) is not None
    if not (inside or by_test) or not isinstance(value, Const):
        return value
    made = Const(value.value)
    facts.configured[id(made)] = made
    return made
