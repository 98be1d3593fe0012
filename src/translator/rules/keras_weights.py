"""``add_weight`` to `nn.Parameter`, and Keras initializers to `nn.init` calls."""

from __future__ import annotations

from typing import Any

import libcst as cst

from .. import nodes
from ..infer.facts import BoundCall
from ..rewrite.context import Context, Edit, Outcome
from ..tables.schema import Row
from ..values import UNKNOWN, Api, Const, Instance, Tensor, Value, python_type
from .keras_layout import Refused
from .named import named

PLAIN = {
    "zeros": "nn.init.zeros_({x})", "ones": "nn.init.ones_({x})", "random_normal": "nn.init.normal_({x}, std=0.05)",
    "normal": "nn.init.normal_({x}, std=0.05)", "uniform": "nn.init.uniform_({x}, -0.05, 0.05)",
    "random_uniform": "nn.init.uniform_({x}, -0.05, 0.05)", "glorot_uniform": "nn.init.xavier_uniform_({x})",
    "glorot_normal": "nn.init.xavier_normal_({x})", "zero": "nn.init.zeros_({x})", "one": "nn.init.ones_({x})",
    "truncated_normal": "nn.init.trunc_normal_({x}, std=0.05, a=-0.1, b=0.1)",
}  # fmt: skip
"""Initializers by name, at Keras's defaults."""
CLASSES = {
    "RandomNormal": ("random_normal", {"mean": 0.0, "stddev": 0.05}), "Zeros": ("zeros", {}), "Ones": ("ones", {}),
    "RandomUniform": ("random_uniform", {"minval": -0.05, "maxval": 0.05}), "GlorotUniform": ("glorot_uniform", {}),
    "Constant": ("constant", {"value": 0.0}), "TruncatedNormal": ("truncated_normal", {"mean": 0.0, "stddev": 0.05}),
    "random_normal_initializer": ("random_normal", {"mean": 0.0, "stddev": 0.05}), "zeros_initializer": ("zeros", {}),
    "ones_initializer": ("ones", {}),
    "random_uniform_initializer": ("random_uniform", {"minval": -0.05, "maxval": 0.05}),
    "constant_initializer": ("constant", {"value": 0.0}),
}  # fmt: skip


def filled(ctx: Context, call: BoundCall, target: Any) -> Any:
    """An expression that initialises a tensor as ``add_weight`` asks.

    Raises:
        Refused: for an initializer that has no counterpart.
    """
    bound = call.args.get("initializer")
    value: Value = bound.value if bound is not None else Const(None)
    if isinstance(value, Const) and value.value is None:
        return nodes.template(PLAIN["glorot_uniform"], {"x": target})
    chosen = value is UNKNOWN or python_type(value) == "str"
    if bound is not None and chosen and isinstance(bound.node, cst.Attribute | cst.Name):
        ctx.needs.add("helper:initialize")
        return nodes.call("initialize", target, ctx.updated(bound.node))
    if isinstance(value, Const) and isinstance(value.value, str):
        name = value.value.lower()
        if name not in PLAIN:
            raise Refused("XL201", f"the initializer {value.value!r} has no counterpart that is known")
        return nodes.template(PLAIN[name], {"x": target})
    if isinstance(value, Instance) and value.api is not None and value.api.rsplit(".", 1)[-1] in CLASSES:
        kind, defaults = CLASSES[value.api.rsplit(".", 1)[-1]]
        written = ctx.call(bound.node) if bound is not None else None
        return with_arguments(ctx, value, written, kind, defaults, target)
    raise Refused("XL201", "this initializer has no counterpart that is known")


def with_arguments(
    ctx: Context, value: Instance, written: BoundCall | None, kind: str, defaults: dict[str, Any], target: Any
) -> Any:
    """An initializer object with its arguments: literals, or expressions where it is ``written`` in this place."""
    given: dict[str, Any] = {}
    for name, default in defaults.items():
        found = value.args.get(name, Const(default))
        argument = written.args.get(name) if written is not None else None
        if argument is not None and number(argument.node) is None and not framework(ctx, argument.node):
            given[name] = ctx.updated(argument.node)
        elif isinstance(found, Const):
            given[name] = nodes.literal(found.value)
        else:
            raise Refused("XL201", f"the initializer's `{name}` must be a literal to be translated")
    if kind == "random_normal":
        mean = {} if number(given["mean"]) == 0 else {"mean": given["mean"]}
        return nodes.call("nn.init.normal_", target, **mean, std=given["stddev"])
    if kind == "random_uniform":
        return nodes.call("nn.init.uniform_", target, given["minval"], given["maxval"])
    if kind == "constant":
        return nodes.call("nn.init.constant_", target, given["value"])
    if kind == "truncated_normal" and (number(given["mean"]), number(given["stddev"])) != (0, 0.05):
        return truncated(given["mean"], given["stddev"], target)
    return nodes.template(PLAIN[kind], {"x": target})


def framework(ctx: Context, node: Any) -> bool:
    """Whether an expression computes with the framework."""
    return any(ctx.call(n) is not None or isinstance(ctx.value(n), Api | Tensor) for n in nodes.walk(node))


def truncated(mean: Any, std: Any, target: Any) -> Any:
    """Keras cuts a normal distribution off at two standard deviations."""
    m, s = number(mean), number(std)
    if m is None or s is None:
        parts = {"x": target, "m": mean, "s": std}
        return nodes.template("nn.init.trunc_normal_({x}, {m}, {s}, {m} - 2 * {s}, {m} + 2 * {s})", parts)
    return nodes.call("nn.init.trunc_normal_", target, mean, std, nodes.literal(m - 2 * s), nodes.literal(m + 2 * s))


def number(node: Any) -> float | None:
    """The value of a number that is written out, with its sign."""
    if isinstance(node, cst.UnaryOperation) and isinstance(node.operator, cst.Minus):
        inner = number(node.expression)
        return -inner if inner is not None else None
    return node.evaluated_value if isinstance(node, cst.Integer | cst.Float) else None


def shape_of(ctx: Context, call: BoundCall) -> Any:
    """The shape argument as a tuple; ``()`` where there is none."""
    bound = call.args.get("shape") or (call.varargs[0] if call.varargs else None)
    if bound is None:
        return nodes.tuple_of([])
    new = ctx.updated(bound.node)
    if isinstance(new, cst.List):
        return nodes.tuple_of([e.value for e in new.elements])
    return new


def sizes(shape: Any) -> list[Any]:
    """A written shape as separate arguments, as ``torch.zeros(2, 3)`` takes them."""
    return [e.value for e in shape.elements] if isinstance(shape, cst.Tuple) and shape.elements else [shape]


def never_given(ctx: Context, node: Any) -> bool:
    """Whether an attribute keeps an optional argument of the class, which nobody passes: ``None``, or what it stands
    for by `keras.regularizers.get`."""
    init = ctx.cls.methods.get("__init__") if ctx.cls is not None else None
    if init is None or not isinstance(node, cst.Attribute) or not nodes.is_name(node.value, "self"):
        return False
    kept = [a for a in nodes.walk(init.node) if isinstance(a, cst.Assign) and _sets(a, node.attr.value)]
    if len(kept) != 1:
        return False
    value = kept[0].value
    call = ctx.call(value)
    if call is not None and call.api in ("keras.regularizers.get", "keras.constraints.get"):
        value = call.args["identifier"].node
    params = (*init.node.params.params, *init.node.params.kwonly_params)
    own = next((p for p in params if nodes.is_name(value, p.name.value)), None)
    default = own.default if own is not None else None
    return own is not None and nodes.is_name(default, "None") and own.name.value not in init.passed


def _sets(node: cst.Assign, name: str) -> bool:
    target = node.targets[0].target
    return isinstance(target, cst.Attribute) and nodes.is_name(target.value, "self") and target.attr.value == name


def trainable(ctx: Context, call: BoundCall) -> bool:
    """Whether the weight takes part in training.

    Raises:
        Refused: if that is computed, or it has a regularizer or constraint.
    """
    for name in ("regularizer", "constraint"):
        bound = call.args.get(name)
        if bound is not None and never_given(ctx, bound.node):
            ctx.note(call.node, "XL401", f"add_weight: `{name}`, which nothing here passes, is left out")
        elif bound is not None and bound.value != Const(None):
            raise Refused("XL201", f"add_weight: `{name}` is not translated yet")
    value = call.args["trainable"].value if "trainable" in call.args else Const(True)
    if not isinstance(value, Const):
        raise Refused("XL209", "whether this weight is trainable is not known here")
    return bool(value.value)


@named("keras_add_weight")
def add_weight(ctx: Context, row: Row, call: BoundCall, node: cst.Call, new: cst.Call) -> Outcome:
    """``self.add_weight(shape=..., initializer=...)``."""
    shape = shape_of(ctx, call)
    name = call.args["initializer"].value if "initializer" in call.args else UNKNOWN
    text = name.value.lower() if isinstance(name, Const) and isinstance(name.value, str) else ""
    if text in ("zeros", "ones"):
        value = nodes.call(f"torch.{text}", *sizes(shape))
    else:
        value = filled(ctx, call, nodes.call("torch.empty", *sizes(shape)))
    keywords = {} if trainable(ctx, call) else {"requires_grad": nodes.literal(False)}
    return Edit(nodes.call("nn.Parameter", value, **keywords))
