"""Initialisation: ``nn.init`` on layers that Keras has not built yet, and on parameters that exist.

A Keras layer makes its weights at the first call, so its initialiser is replaced instead of its weight.
Scales and modes: He et al. 2015 (kaiming), Glorot and Bengio 2010 (xavier), as `torch.nn.init` defines them.
"""

from __future__ import annotations

import math
from typing import Any

import libcst as cst

from .. import nodes
from ..infer.evidence import is_parameter
from ..infer.facts import BoundCall
from ..infer.uses import bindings
from ..rewrite.context import Context, Edit, Outcome, Refusal
from ..values import Api, Const, Instance, Tensor, UserClass, Value, options_of, without_none
from .kept_layers import built_early
from .tensors import base_api, weight_name

GAINS = {
    "linear": 1.0, "conv1d": 1.0, "conv2d": 1.0, "conv3d": 1.0, "sigmoid": 1.0, "tanh": 5.0 / 3, "relu": math.sqrt(2),
    "selu": 0.75,
}  # fmt: skip
FAR = 6.0
"""Bounds so many deviations away are never reached: the chance is 2e-9 for each value."""


def initialize(ctx: Context, call: BoundCall, node: cst.Call, new: Any) -> Outcome:
    """``nn.init.xxx_(tensor, ...)`` as a statement."""
    first = call.args.get("tensor")
    if first is None:
        return Refusal("XL202", f"{call.api}: {call.problem or 'no tensor'}")
    place = first.node
    while isinstance(place, cst.Attribute) and place.attr.value == "data":
        place = place.value
    if isinstance(place, cst.Attribute):
        owner = without_none(ctx.value(place.value))
        attribute = initializer_attribute(ctx, owner, place.attr.value)
        if attribute == "kernel_initializer" and _maybe_depthwise(ctx, owner):
            attribute = None  # Keras's depthwise layer calls it otherwise
        if attribute is not None and built_early(ctx, owner):
            return at_run_time(ctx, call, place)
        if attribute is None and place.attr.value in ("weight", "bias") and not own_parameter(owner, place.attr.value):
            return at_run_time(ctx, call, place)
        if attribute is not None:
            value = initializer(ctx, call)
            if not isinstance(value, Edit):
                return value
            target = cst.Attribute(ctx.updated(place.value), cst.Name(attribute))
            return Edit(cst.Assign([cst.AssignTarget(target)], value.node), value.needs)
        if any(isinstance(o, Instance) and isinstance(o.cls, Api) for o in options_of(owner)) and not _helper(
            ctx, owner
        ):
            return Refusal("XL207", f"{call.api}: which layer `{nodes.code(place)}` belongs to is not known")
    return fill(ctx, call, place)


def _maybe_depthwise(ctx: Context, owner: Value) -> bool:
    """Whether the layer may be one that becomes Keras's depthwise convolution."""
    from .api import uses_depthwise

    kinds = [base_api(o) for o in options_of(owner) if isinstance(o, Instance)]
    return "torch.nn.Conv2d" in kinds and uses_depthwise(ctx)


def own_parameter(owner: Value, name: str) -> bool:
    """Whether every alternative certainly has such a parameter of its own, not one that a Keras layer builds."""
    return all(
        isinstance(o, Instance) and isinstance(o.cls, UserClass) and o.cls.find(name) is not None
        for o in options_of(owner)
    )


def at_run_time(ctx: Context, call: BoundCall, place: cst.Attribute) -> Outcome:
    """A layer whose class is not known here: the helper finds the right initialiser when it runs."""
    value = initializer(ctx, call)
    if not isinstance(value, Edit):
        return value
    layer, name = ctx.updated(place.value), nodes.literal(place.attr.value)
    return Edit(
        cst.Expr(nodes.call("set_initializer", layer, name, value.node)), (*value.needs, "helper:set_initializer")
    )


def _helper(ctx: Context, owner: Value) -> bool:
    """Whether the layers are helpers, whose variables exist from the start under PyTorch's names."""
    for one in options_of(owner):
        api = base_api(one) if isinstance(one, Instance) else None
        rows = ctx.tables.find(api) if api else []
        if not rows or not rows[0].helper:
            return False
    return True


def initializer_attribute(ctx: Context, owner: Value, name: str) -> str | None:
    """The Keras attribute that holds the initialiser of a layer's weight: the same for all alternatives."""
    names = set()
    for one in options_of(owner):
        if not isinstance(one, Instance) or (isinstance(one.cls, UserClass) and one.cls.find(name) is not None):
            return None
        target = weight_name(ctx, one, name)
        names.add(f"{target}_initializer" if target else None)
    found = names.pop() if len(names) == 1 else None
    if found in ("moving_mean_initializer", "moving_variance_initializer"):
        return found
    return found


def number(ctx: Context, call: BoundCall, name: str, default: float) -> Any:
    bound = call.args.get(name)
    return ctx.updated(bound.node) if bound is not None else nodes.literal(default)


def _keras(name: str, *args: Any, **keywords: Any) -> Edit:
    return Edit(nodes.call(f"keras.initializers.{name}", *args, **keywords), ("keras",))


def initializer(ctx: Context, call: BoundCall) -> Outcome:
    """The Keras initialiser for an ``nn.init`` function."""
    kind = call.api.rsplit(".", 1)[-1].rstrip("_")
    if kind in ("zeros", "ones"):
        return Edit(nodes.literal(kind))
    if kind == "constant":
        value = number(ctx, call, "val", 0)
        plain = {"0": "zeros", "0.0": "zeros", "1": "ones", "1.0": "ones"}.get(nodes.code(value))
        return Edit(nodes.literal(plain)) if plain else _keras("Constant", value)
    if kind == "normal":
        mean = call.args.get("mean")
        given = (
            {"mean": ctx.updated(mean.node)}
            if mean is not None and nodes.code(mean.node) not in ("0", "0.0", "0.")
            else {}
        )
        return _keras("RandomNormal", **given, stddev=number(ctx, call, "std", 1.0))
    if kind == "uniform":
        return _keras("RandomUniform", number(ctx, call, "a", 0.0), number(ctx, call, "b", 1.0))
    if kind == "trunc_normal":
        return truncated(ctx, call)
    if kind.startswith("kaiming"):
        return kaiming(ctx, call, kind)
    if kind.startswith("xavier"):
        scale = squared(ctx, call, "gain")
        spread = "uniform" if kind.endswith("uniform") else "untruncated_normal"
        return _keras("VarianceScaling", scale, mode=nodes.literal("fan_avg"), distribution=nodes.literal(spread))
    if kind == "orthogonal":
        gain = call.args.get("gain")
        return _keras("Orthogonal", **({"gain": ctx.updated(gain.node)} if gain is not None else {}))
    return Refusal("XL200", f"{call.api} has no counterpart in the tables yet")


def truncated(ctx: Context, call: BoundCall) -> Outcome:
    """Cut at absolute bounds that are far away, a truncated normal is a plain one."""
    bounds = [_literal(call, name, default) for name, default in (("a", -2.0), ("b", 2.0))]
    mean: Any = _literal(call, "mean", 0.0)
    std: Any = _literal(call, "std", 1.0)
    default = bounds == [-2.0, 2.0] and mean == 0.0
    if None in (*bounds, mean) or (std is None and not default):
        return Refusal("XL201", f"{call.api}: its bounds are not known here, and Keras cuts at two deviations")
    if std is None:
        ctx.note(call.node, "XL401", f"{call.api}: cut at +-2, which only matters for a large std")
    elif min(abs(bound - mean) for bound in bounds) < FAR * std:
        return Refusal("XL201", f"{call.api}: bounds this close to the spread have no Keras initializer")
    given = {"mean": ctx.updated(call.args["mean"].node)} if mean else {}
    return _keras("RandomNormal", **given, stddev=number(ctx, call, "std", 1.0))


def _literal(call: BoundCall, name: str, default: float) -> float | None:
    """The number that an argument certainly is, or its default; ``None`` for one that is computed."""
    if name not in call.args:
        return default
    value = call.args[name].value
    return float(value.value) if isinstance(value, Const) and isinstance(value.value, int | float) else None


def squared(ctx: Context, call: BoundCall, name: str) -> Any:
    """``gain ** 2``, computed where it is a literal."""
    bound = call.args.get(name)
    if bound is None:
        return nodes.literal(1.0)
    if isinstance(bound.value, Const) and isinstance(bound.value.value, int | float):
        return nodes.literal(float(bound.value.value) ** 2)
    inner = ctx.call(bound.node)
    if inner is not None and inner.api.endswith("calculate_gain"):
        gain = inner.value("nonlinearity")
        if isinstance(gain, Const) and gain.value in GAINS and "param" not in inner.args:
            return nodes.literal(round(GAINS[gain.value] ** 2, 12))
    return nodes.template("{x} ** 2", {"x": ctx.updated(bound.node)})


def kaiming(ctx: Context, call: BoundCall, kind: str) -> Outcome:
    """Variance ``gain**2 / fan``; the gain of a leaky ReLU of slope ``a`` is ``sqrt(2 / (1 + a**2))``."""
    slope, mode = call.args.get("a"), call.args.get("mode")
    nonlinearity = call.value("nonlinearity") if "nonlinearity" in call.args else Const("leaky_relu")
    name = nonlinearity.value if isinstance(nonlinearity, Const) else None
    if name == "leaky_relu":
        scale = _leaky_scale(ctx, slope)
    elif name in GAINS:
        scale = nodes.literal(round(GAINS[name] ** 2, 12))
    else:
        return Refusal("XL201", f"{call.api}: the nonlinearity must be a literal that torch knows")
    spread = "uniform" if kind.endswith("uniform") else "untruncated_normal"
    fan = ctx.updated(mode.node) if mode is not None else nodes.literal("fan_in")
    return _keras("VarianceScaling", scale, mode=fan, distribution=nodes.literal(spread))


def _leaky_scale(ctx: Context, slope: Any) -> Any:
    if slope is None:
        return nodes.literal(2.0)
    if isinstance(slope.value, Const) and isinstance(slope.value.value, int | float):
        return nodes.literal(2.0 / (1 + slope.value.value**2))
    inner = nodes.code(slope.node)
    if inner in ("math.sqrt(5)", "sqrt(5)", "5 ** 0.5", "5**0.5"):
        return nodes.template("1 / 3", {})
    return nodes.template("2 / (1 + {a} ** 2)", {"a": ctx.updated(slope.node)})


def fill(ctx: Context, call: BoundCall, place: cst.BaseExpression) -> Outcome:
    """Initialise a variable that exists: the helper of the same name assigns to it, by PyTorch's fans."""
    name = call.api.rsplit(".", 1)[-1]
    target = ctx.updated(place)
    args = [cst.Arg(ctx.updated(b.node)) if n == "tensor" else nodes.keyword(n, ctx.updated(b.node))
            for n, b in call.args.items() if n not in ("tensor", "generator")]  # fmt: skip
    call_node = nodes.call(name, target, *args)
    value = ctx.value(place)
    if isinstance(value, Tensor) and not value.variable and isinstance(place, cst.Name):
        from .inplace import aliased

        if (refusal := aliased(ctx, call.node)) is not None:
            return refusal
        if _is_given(ctx, place.value):
            args[:0] = [cst.Arg(nodes.call("changeable", target))]
            return Edit(cst.Expr(nodes.call(name, *args)), (f"helper:{name}", "helper:changeable"))
        # A plain tensor cannot be written to: the name takes the new one.
        return Edit(cst.Assign([cst.AssignTarget(place)], call_node), (f"helper:{name}",))
    return Edit(cst.Expr(call_node), (f"helper:{name}",))


def _is_given(ctx: Context, name: str) -> bool:
    """Whether a name is what the function's callers hold: a parameter that is bound nowhere else, nor handed back."""
    func = ctx.func
    if func is None or not is_parameter(func, name):
        return False
    returned = any(isinstance(n, cst.Return) and n.value is not None and nodes.is_name(n.value, name)
                   for n in nodes.walk(func.node.body))  # fmt: skip
    return not returned and name not in set(bindings(func.node.body))


IN_PLACE = {"normal_": "normal_", "uniform_": "uniform_", "zero_": "zeros_", "fill_": "constant_"}


def fill_parameter(ctx: Context, call: BoundCall, node: cst.Call, target: Any) -> Outcome:
    """``p.data.normal_(0, 0.02)``: the old spelling of ``nn.init``."""
    method = call.api.rsplit(".", 1)[-1]
    if method == "requires_grad_":
        return frozen(ctx, node, target)
    name = IN_PLACE.get(method)
    if name is None:
        return variable_update(ctx, call, node, target)
    names = {"normal_": ("mean", "std"), "uniform_": ("from", "to"), "fill_": ("value",)}.get(method, ())
    renames = {"from": "a", "to": "b", "value": "val"}
    given = BoundCall(f"torch.nn.init.{name}", node)
    from ..infer.facts import Bound

    given.args["tensor"] = Bound(target, ctx.value(target))
    for arg, position in zip(node.args, names, strict=False):
        key = arg.keyword.value if arg.keyword is not None else position
        given.args[renames.get(key, key)] = Bound(arg.value, ctx.value(arg.value))
    return initialize(ctx, given, node, None)


def frozen(ctx: Context, node: cst.Call, target: Any) -> Outcome:
    """``p.requires_grad_(False)`` on a parameter of a model's own: Keras's variables have such a flag, too."""
    while isinstance(target, cst.Attribute) and target.attr.value == "data":
        target = target.value
    owner = without_none(ctx.value(target.value)) if isinstance(target, cst.Attribute) else None
    if isinstance(target, cst.Attribute) and target.attr.value in ("weight", "bias"):
        if owner is None or not own_parameter(owner, target.attr.value):
            return Refusal("XL207", "a parameter is frozen that Keras may not have built yet", "freeze the whole layer")
    flag = ctx.updated(node.args[0].value) if node.args else nodes.literal(True)
    place = cst.Attribute(nodes.parenthesized(ctx.updated(target)), cst.Name("trainable"))
    return Edit(cst.Assign([cst.AssignTarget(place)], flag))


def variable_update(ctx: Context, call: BoundCall, node: cst.Call, target: Any) -> Outcome:
    """``p.mul_(x)``, ``p.copy_(x)`` on a parameter or buffer assign to the variable."""
    method = call.api.rsplit(".", 1)[-1]
    place = target
    while isinstance(place, cst.Attribute) and place.attr.value == "data":
        place = place.value
    variable = ctx.updated(place)
    if isinstance(place, cst.Attribute) and place.attr.value in ("weight", "bias"):
        owner = without_none(ctx.value(place.value))
        if not own_parameter(owner, place.attr.value) and not _helper(ctx, owner):
            if method in ("mul_", "div_") and len(node.args) == 1 and ctx.tensor(node.args[0].value) is None:
                factor = ctx.updated(node.args[0].value)
                factor = factor if method == "mul_" else nodes.template("1 / {x}", {"x": factor})
                layer, part = ctx.updated(place.value), nodes.literal(place.attr.value)
                return Edit(
                    cst.Expr(nodes.call("scale_initializer", layer, part, factor)), ("helper:scale_initializer",)
                )
            if method == "copy_" and len(node.args) == 1:
                from .layer_params import copied

                return copied(ctx, place, node.args[0].value)
            return Refusal("XL207", f"{call.api}: Keras has not built this layer's weights yet", "set its initializer")
    simple = {"add_": "assign_add", "sub_": "assign_sub", "copy_": "assign"}.get(method)
    if simple and len(node.args) == 1:
        value = ctx.updated(node.args[0].value)
        return Edit(cst.Expr(cst.Call(cst.Attribute(variable, cst.Name(simple)), [cst.Arg(nodes.bare(value, node))])))
    from .inplace import out_of_place

    value = out_of_place(ctx, node, call)
    if not isinstance(value, Edit):
        return value
    assign = cst.Call(cst.Attribute(variable, cst.Name("assign")), [cst.Arg(nodes.bare(value.node, node))])
    return Edit(cst.Expr(assign), value.needs)


def tie_weights(ctx: Context, node: cst.Assign, new: cst.Assign, target: cst.Attribute) -> Outcome:
    """``self.head.weight = self.embed.weight``: the head reads the embedding's table."""
    owner = without_none(ctx.value(target.value))
    if not isinstance(owner, Instance) or not isinstance(owner.cls, Api) or target.attr.value != "weight":
        return None
    source: Any = node.value
    giver = without_none(ctx.value(source.value)) if isinstance(source, cst.Attribute) else None
    kinds = (owner.api, giver.api if isinstance(giver, Instance) else None)
    if kinds == ("torch.nn.Embedding", "torch.nn.Linear") and isinstance(source, cst.Attribute):
        assert isinstance(giver, Instance)
        owner, target, source = giver, source, target
    elif kinds != ("torch.nn.Linear", "torch.nn.Embedding"):
        source = node
    if not isinstance(source, cst.Attribute) or source.attr.value != "weight":
        return Refusal("XL207", "weights are tied in a way that Keras layers cannot express", "share the layer itself")
    bias = owner.args.get("bias", Const(True))
    if not isinstance(bias, Const):
        return Refusal("XL207", "whether the tied layer has a bias is not known here", "write bias=True or bias=False")
    keywords = {"use_bias": nodes.literal(True)} if bias.value else {}
    head = nodes.call("TiedDense", ctx.updated(source.value), **keywords)
    return Edit(cst.Assign([cst.AssignTarget(ctx.updated(target.value))], head), ("helper:TiedDense",))
