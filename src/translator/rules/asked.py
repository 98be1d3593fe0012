"""Methods of what may be a tensor or something else: the translation asks when it runs.

``x.size(0)`` becomes ``keras.ops.shape(x)[0] if tf.is_tensor(x) else x.size(0)``. That holds whatever else ``x`` may
be, but for the framework's own objects: what these share with tensors is refused.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import libcst as cst

from .. import nodes
from ..infer.binding import bind_api
from ..infer.choose import applies
from ..infer.evidence import EXACT
from ..infer.facts import Bound, BoundCall
from ..rewrite.context import Context, Edit, Outcome, Refusal
from ..tables.schema import Row
from ..values import BOOL, Api, BoundMethod, Instance, LayoutVar, Shape, Tensor, options_of, without_none
from .api import translate_call
from .tensors import chosen_order

NO_RECEIVER = "XL205"
SHARED = frozenset({
    "to", "cuda", "cpu", "xpu", "float", "double", "half", "bfloat16", "type", "apply", "train", "eval", "sample",
})  # fmt: skip
"""Methods of tensors that layers (or distributions) have, too."""
CASTS = frozenset({"to", "float", "double", "half", "bfloat16", "type"})
"""Those of them that a layer does not have in TensorFlow, so that it says so where one comes."""
PLACES = (cst.Name, cst.Integer, cst.SimpleString)


@dataclass(frozen=True, slots=True)
class Asked:
    """A call, or a chain of calls, that asks whether ``root`` is a tensor, and its forms if it is and if it is not."""

    root: Any
    tensors: Any
    others: Any


def asked_call(ctx: Context, node: cst.Call, new: cst.Call) -> Outcome:
    """A method of tensors that is called on something unknown, or of several kinds, which can be named twice."""
    func = node.func
    code = "XL209" if func in ctx.facts.ambiguous else NO_RECEIVER if func in ctx.facts.unknown_calls else ""
    refused = [r for r in ctx.refusals if r[0] is func and r[1].code == code]
    if not refused or not isinstance(func, cst.Attribute):
        return None
    unknown = Tensor(dtype="bool" if ctx.value(func.value) == BOOL else None, layout=LayoutVar(source=True))
    tensor = possible_tensor(ctx, func.value) if code == "XL209" else unknown
    if tensor is None:
        return None
    name, inner = func.attr.value, ctx.asked.get(func.value)
    if inner is None and named_twice(func.value):
        inner = Asked(ctx.updated(func.value), ctx.updated(func.value), ctx.updated(func.value))
    if inner is None or name == "requires_grad_":  # a layer's means its variables
        return None
    plain = new.with_changes(func=func.with_changes(value=inner.others))
    call = _as_tensors(ctx, node, name, tensor)
    row = next((r for r in ctx.tables.find(call.api) if applies(r, call)), None)
    outcome = _translated(ctx, row, call, inner.tensors, plain) if row is not None and not row.refuse else None
    if not isinstance(outcome, Edit) or not isinstance(outcome.node, cst.BaseExpression):
        return None
    moved = nodes.code(outcome.node) == nodes.code(inner.tensors)
    if not moved and (name.endswith("_") or (name in SHARED and not _of_tensors_only(ctx, name, node))):
        return None
    ctx.refusals[:] = [r for r in ctx.refusals if r not in refused]
    ctx.findings[:] = [f for f in ctx.findings if f.node is not func or f.code != code]
    told(ctx, node, f"`.{name}`")
    ctx.physical[node] = call
    ctx.asked[node] = asked = Asked(inner.root, outcome.node, plain)
    question = _question(asked, name, moved and inner.root is inner.others)
    return Edit(nodes.parenthesized(question), (*outcome.needs, "tf"))


def possible_tensor(ctx: Context, node: cst.BaseExpression) -> Tensor | None:
    """The tensor that a value of several kinds may be, if it has source order and nothing else is the framework's."""
    options = options_of(without_none(ctx.value(node)))
    found = [o for o in options if isinstance(o, Tensor)]
    ours = [o for o in options if isinstance(o, Instance) and o.api and o.api.split(".", 1)[0] in ctx.dialect.roots]
    if len(found) != 1 or ours or any(isinstance(o, Shape) for o in options) or found[0].variable:
        return None
    return found[0] if chosen_order(ctx, found[0]) is None else None


def asked_item(ctx: Context, node: cst.Subscript, tensors: Outcome, others: cst.Subscript) -> Outcome:
    """An item of a tensor or of something else, given the forms for both; ``None`` if it cannot be asked for."""
    if not isinstance(tensors, Edit) or possible_tensor(ctx, node.value) is None or not named_twice(node):
        return None
    told(ctx, node, "an item")
    asked = Asked(ctx.updated(node.value), tensors.node, others)
    return Edit(nodes.parenthesized(_question(asked, "", False)), (*tensors.needs, "tf"))


def told(ctx: Context, node: cst.CSTNode, what: str) -> None:
    ctx.note(node, "XL410", f"{what}: whether this is a tensor is asked when it runs", "annotate it with one type")


def _question(asked: Asked, name: str, moved: bool) -> cst.BaseExpression:
    holes = {"x": asked.root, "tensors": asked.tensors, "others": asked.others, "name": nodes.literal(name)}
    if moved:  # tensors, layers and whatever else has no such method stay as they are
        return nodes.template("{others} if hasattr({x}, {name}) else {x}", holes)  # type: ignore[no-any-return]
    return nodes.template("{tensors} if tf.is_tensor({x}) else {others}", holes)  # type: ignore[no-any-return]


def named_twice(node: cst.CSTNode | None) -> bool:
    """Whether an expression costs little and changes nothing: a name, an attribute, an item or a slice, or one compared
    with another."""
    if node is None or isinstance(node, PLACES):
        return True
    if isinstance(node, cst.UnaryOperation):
        return isinstance(node.operator, cst.Minus) and named_twice(node.expression)
    if isinstance(node, cst.Attribute):
        return named_twice(node.value)
    if isinstance(node, cst.Comparison):
        return named_twice(node.left) and all(named_twice(part.comparator) for part in node.comparisons)
    if isinstance(node, cst.Subscript):
        parts = [s.slice for s in node.slice]
        places = [p for s in parts for p in ((s.value,) if isinstance(s, cst.Index) else (s.lower, s.upper, s.step))]
        return named_twice(node.value) and all(map(named_twice, places))
    return False


def type_test(ctx: Context, node: cst.Call, new: cst.Call) -> Outcome:
    """``isinstance(x, torch.Tensor)``, also with other types beside it.

    Parameters are tensors in PyTorch. In TensorFlow variables are none, but for `tf.is_tensor`.
    """
    kind, shown = (node.args[1].value, new.args[1].value) if len(node.args) == 2 else (None, None)
    if kind is None or shown is None:
        return None
    question = nodes.call("tf.is_tensor", new.args[0].value)
    if _of_tensors(ctx, kind):
        return Edit(question, ("tf",))
    if not isinstance(kind, cst.Tuple) or not any(_of_tensors(ctx, e.value) for e in kind.elements):
        return None
    if not named_twice(node.args[0].value):
        return Refusal("XL209", "variables are no tf.Tensor, but parameters are tensors in PyTorch", "give it a name")
    others = [b.value for a, b in zip(kind.elements, shown.elements, strict=True) if not _of_tensors(ctx, a.value)]
    if not others:
        return Edit(question, ("tf",))
    rest = others[0] if len(others) == 1 else cst.Tuple([cst.Element(o) for o in others])
    holes = {"question": question, "x": new.args[0].value, "rest": rest}
    return Edit(nodes.parenthesized(nodes.template("{question} or isinstance({x}, {rest})", holes)), ("tf",))


def _of_tensors(ctx: Context, kind: cst.BaseExpression) -> bool:
    value = ctx.value(kind)
    return isinstance(value, Api) and ctx.tables.canonical(value.name) == "torch.Tensor"


def _of_tensors_only(ctx: Context, name: str, node: cst.Call) -> bool:
    """Whether no layer takes such a call: it asks for integers, for the type that another tensor has, or an item."""
    if name in CASTS and isinstance(node.func, cst.Attribute) and isinstance(node.func.value, cst.Subscript):
        return True  # what data holds: a layer is not called by its place in it
    value = ctx.value(node.args[0].value) if name == "to" and len(node.args) == 1 else None
    if isinstance(value, Api):
        return ctx.tables.canonical(value.name).rpartition(".")[2] in EXACT
    return isinstance(value, BoundMethod) and value.name == "dtype" and isinstance(value.receiver, Tensor)


def _as_tensors(ctx: Context, node: cst.Call, name: str, tensor: Tensor) -> BoundCall:
    """The call as if it were a tensor's."""
    assert isinstance(node.func, cst.Attribute)
    api = ctx.tables.canonical(f"{ctx.dialect.tensor}.{name}")
    args = [(arg, ctx.value(arg.value)) for arg in node.args]
    receiver = Bound(node.func.value, tensor)
    return bind_api(api, node, ctx.tables.source.get(api), args, receiver)


def _translated(ctx: Context, row: Row, call: BoundCall, tensors: Any, plain: cst.Call) -> Outcome:
    """What the call becomes, with the receiver known as a tensor while rules look at it."""
    assert call.receiver is not None
    node, values = call.receiver.node, ctx.facts.values
    before, form, noted = values.get(node), ctx.new.get(node), len(ctx.findings)
    values[node], ctx.new[node] = call.receiver.value, tensors
    try:
        written = plain.with_changes(func=plain.func.with_changes(value=tensors))
        return translate_call(ctx, row, call, call.node, written)
    finally:
        del ctx.findings[noted:]
        for known, old in ((values, before), (ctx.new, form)):
            known.pop(node, None)
            if old is not None:
                known[node] = old  # type: ignore[index]
