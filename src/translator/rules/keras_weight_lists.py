"""Lists of a model's weights when PyTorch is written: see `infer.weight_lists`."""

from __future__ import annotations

import libcst as cst

from ..infer.facts import BoundCall
from ..infer.weight_lists import CHANGES, KNOWN_BY_NAME, LISTS, is_weight
from ..rewrite.context import Context, Outcome, Refusal
from ..tables.schema import Row
from ..values import UNKNOWN, BoundMethod, Shape, Tensor, Value, as_tensor, python_type
from .keras_layout import Refused

BY_ELEMENT = frozenset({
    "same", "same_float", "same_bool", "alias", "create_like", "broadcast", "compare", "tf_clipped",
})  # fmt: skip
WHOLE = frozenset({"tf.add_n", "tf.linalg.global_norm", "tf.clip_by_norm", "tf.size", "tf.shape", "keras.ops.shape"})
"""Functions of tensors as a whole, or element by element, whose results say less of it."""


def axisless(ctx: Context, row: Row, call: BoundCall, node: cst.Call) -> None:
    """Of a model's weights only that is translated which does not look at their axes.

    Raises:
        Refused: for anything else.
    """
    bounds = [*call.args.values(), *call.varargs, *call.extra.values()]
    given = [b.value for b in bounds if is_weight(b.value) and not isinstance(b.value, Shape)]
    method = call.api.rpartition(".")[2]
    if method in CHANGES and (call.receiver is not None) and bounds:
        _assigned(call, call.receiver.value)
        return
    if not given or row.returns in BY_ELEMENT or row.returns.startswith("cast") or call.api in WHOLE:
        return
    result = as_tensor(ctx.value(node))
    if result is not None and result.rank == 0:
        return
    axes_wanted(*given)


def _assigned(call: BoundCall, target: Value) -> None:
    """What a weight is set to must come from weights, or be a number."""
    if not is_weight(target):
        return
    value = next((b.value for n, b in call.args.items() if n in ("value", "delta")), UNKNOWN)
    tensor = as_tensor(value)
    number = python_type(value) in ("int", "float") or (tensor is not None and tensor.rank == 0)
    if not number and not is_weight(value):
        raise Refused("XL207", "a weight of a model is set to something whose axes may stand in another order",
                      "set the parameter by its name, with the axes of PyTorch's layer")  # fmt: skip


def axes_wanted(*values: Value | None) -> None:
    """An operation looks at the axes of its operands.

    Raises:
        Refused: if one is a model's weight.
    """
    if any(isinstance(v, Tensor | Shape) and is_weight(v) for v in values):
        raise Refused("XL207", "the axes of a model's weights stand in another order in PyTorch",
                      "read the parameter by its name")  # fmt: skip


def is_list(ctx: Context, node: cst.Attribute) -> bool:
    """Whether an attribute is a list of a model's weights."""
    return node.attr.value in LISTS and is_weight(ctx.value(node))


def unknown_owner(ctx: Context, node: cst.Attribute, owner: Value) -> Outcome:
    """A method that objects of TensorFlow have, of something that is not known."""
    while isinstance(owner, BoundMethod):
        owner = owner.receiver
    name = node.attr.value
    if owner is not UNKNOWN or node not in ctx.facts.unknown_calls or name not in KNOWN_BY_NAME:
        return None
    return Refusal("XL205", f"`.{name}`: it is not known whose this is", "annotate the value with its class")
