"""Tensor attributes, subscripts and operators of Keras programs."""

from __future__ import annotations

from typing import Any

import libcst as cst

from .. import nodes
from ..infer import weight_lists
from ..infer.emitted import PLACE, stands_for_module
from ..infer.layers import module_base
from ..infer.results import FLOATS
from ..rewrite.context import Context, Edit, Outcome, Refusal
from ..values import (
    UNKNOWN,
    Api,
    BoundMethod,
    Const,
    Func,
    Instance,
    Shape,
    Tensor,
    UserClass,
    as_tensor,
    elem_of,
    options_of,
    without_none,
)
from . import keras_weight_lists
from .api import api_name
from .keras_activations import function_of
from .keras_arrange import paired
from .keras_calls import short_name
from .keras_layout import Perm, Refused, mapped_axes, method, moved, order, settled
from .keras_training import STEPS


def guarded(rule: Any) -> Any:
    """A rule whose `Refused` becomes its outcome."""

    def run(ctx: Context, node: Any, new: Any) -> Outcome:
        try:
            return rule(ctx, node, new)
        except Refused as refused:
            return refused.refusal

    return run


# -- names -----------------------------------------------------------------------------------------------


@guarded
def name(ctx: Context, node: cst.Name, new: cst.Name) -> Outcome:
    """``training`` is the module's own flag; layers of a functional model are its attributes."""
    if ctx.claim is not None:
        found = ctx.claim.name(node)
        if found is not None:
            return Edit(found)
    if isinstance(ctx.value(node), Func):
        from .keras_helpers import class_of

        made = class_of(ctx, node)
        return Edit(cst.Name(made)) if made is not None else reference(ctx, node, new)
    tensor = as_tensor(ctx.value(node))
    if tensor is not None and tensor.layout.find().clash and not tensor.layout.find().mixed:
        order(tensor)
    if node.value == "training" and has_training(ctx):
        return Edit(nodes.dotted("self.training"))
    return reference(ctx, node, new)


def has_training(ctx: Context) -> bool:
    """Whether the function at hand is a module's method that is told ``training``."""
    func = ctx.func
    if func is None or func.owner is None or not func.owner.module:
        return False
    params = func.node.params
    return any(p.name.value == "training" for p in (*params.params, *params.kwonly_params))


def reference(ctx: Context, node: Any, new: Any) -> Outcome:
    """A framework name that is not called."""
    outcome = api_name(ctx, node, new)
    if isinstance(outcome, Refusal) and (function := function_of(ctx.value(node))) is not None:
        return Edit(function, ("F", "torch"))
    if isinstance(outcome, Edit):
        text = nodes.code(outcome.node)
        short = short_name(text)
        return Edit(nodes.dotted(short), outcome.needs) if short != text else outcome
    return outcome


@guarded
def conditional(ctx: Context, node: cst.IfExp, new: cst.IfExp) -> Outcome:
    """Both alternatives must have one axis order."""
    order(ctx.value(node))
    return None


@guarded
def comprehension(ctx: Context, node: cst.CompFor, new: cst.CompFor) -> Outcome:
    """A loop over a tensor takes its first axis away: what is left stands in Keras's order."""
    iterated = walked(ctx, node.iter, new.iter)
    return Edit(new.with_changes(iter=iterated)) if iterated is not new.iter else None


@guarded
def loop(ctx: Context, node: cst.For, new: cst.For) -> Outcome:
    iterated = walked(ctx, node.iter, new.iter)
    return Edit(new.with_changes(iter=iterated)) if iterated is not new.iter else None


def walked(ctx: Context, node: Any, new: Any) -> Any:
    """What is iterated over, in Keras's order."""
    tensor = as_tensor(ctx.value(node))
    keras_weight_lists.axes_wanted(tensor)
    return moved(new, order(tensor), None) if tensor is not None else new


# -- attributes ----------------------------------------------------------------------------------------------


@guarded
def attribute(ctx: Context, node: cst.Attribute, new: cst.Attribute) -> Outcome:
    """``x.shape``, ``x.dtype``, attributes of layers; names of the framework."""
    value = ctx.value(node)
    if isinstance(value, Api):
        return reference(ctx, node, new)
    owner = without_none(ctx.value(node.value))
    attr = node.attr.value
    if attr == "call" and isinstance(node.value, cst.Call) and nodes.is_name(node.value.func, "super"):
        return Edit(new.with_changes(attr=cst.Name("forward")))
    if attr == "is_floating" and isinstance(node.value, cst.Attribute) and node.value.attr.value == "dtype":
        return Edit(new.with_changes(attr=cst.Name("is_floating_point")))
    if attr == "rank" and isinstance(owner, Shape) and isinstance(new.value, cst.Attribute):
        return Edit(new.value.with_changes(attr=cst.Name("ndim")))
    if isinstance(owner, Tensor):
        return tensor_attribute(ctx, node, new, owner, attr)
    if keras_weight_lists.is_list(ctx, node):
        return Edit(nodes.call(HELD[attr], new.value), (f"helper:{HELD[attr]}",))
    if isinstance(owner, Instance):
        return instance_attribute(ctx, owner, new, attr)
    return keras_weight_lists.unknown_owner(ctx, node, owner)


def tensor_attribute(ctx: Context, node: cst.Attribute, new: cst.Attribute, owner: Tensor, attr: str) -> Outcome:
    if attr == "shape":
        perm = order(owner)
        if perm is None:
            return None
        return Edit(cst.Attribute(moved(new.value, perm, None), cst.Name("shape")))
    if attr in ("dtype", "ndim", "device"):
        return None
    if attr in ("name", "path") and weight_lists.is_weight(owner):
        raise Refused("XL207", f"`.{attr}` of a model's weights: PyTorch's parameters do not know their names",
                      "loop over model.named_parameters()")  # fmt: skip
    if attr == "trainable" and owner.variable:
        return Edit(new.with_changes(attr=cst.Name("requires_grad")))
    if attr == "rank":
        return Edit(new.with_changes(attr=cst.Name("ndim")))
    if isinstance(ctx.value(node), BoundMethod):
        raise Refused("XL200", f"tf.Tensor.{attr} has no row in the tables yet")
    return None


GONE = frozenset({"layers", "kernel", "bias", "gamma", "beta", "moving_mean", "moving_variance",
                  "embeddings", "trainable", "input_spec", "input", "output", "inputs", "outputs",
                  "built"})  # fmt: skip

NORMS = ("LayerNorm", "BatchNorm", "GroupNorm")
OF_NORMS = {"gamma": "weight", "beta": "bias", "moving_mean": "running_mean", "moving_variance": "running_var",
            "epsilon": "eps"}  # fmt: skip
"""Vectors of one number for each channel, and a setting, which are the same in both."""
OTHER_IN_NORMS = frozenset({"momentum", "axis", "center", "scale"})

RENAMED = {
    "Dense": {"units": "out_features"},
    "Embedding": {"input_dim": "num_embeddings", "output_dim": "embedding_dim"},
    "Dropout": {"rate": "p"},
    **{f"Conv{axes}D{kind}": {"filters": "out_channels", "kernel_size": "kernel_size", "strides": "stride"}
       for axes in (1, 2, 3) for kind in ("", "Transpose")},
}  # fmt: skip
"""Settings of layers that PyTorch's modules have under another name."""
HELD = {**dict.fromkeys(weight_lists.TRAINED, "trainable_parameters"),
        **dict.fromkeys(weight_lists.FIXED, "untrained_weights"),
        "weights": "all_weights", "variables": "all_weights",
        "losses": "added_losses", "metrics": "compiled_metrics"}  # fmt: skip
"""The helpers that give what such an attribute holds."""


def instance_attribute(ctx: Context, owner: Instance, new: cst.Attribute, attr: str) -> Outcome:
    """Attributes that Keras gives to layers and models have to be known."""
    own = owner.cls.find(attr) if isinstance(owner.cls, UserClass) else None
    if isinstance(own, Func) and attr == "call":
        return Edit(new.with_changes(attr=cst.Name("forward")))
    if own is not None:
        held = [o for v in (own, elem_of(own)) for o in options_of(without_none(v))]
        hidden = any(isinstance(o, Func | Instance | Tensor) for o in held)  # plain values hide what modules have
        reserved = attr in ctx.tables.target.reserved and isinstance(owner.cls, UserClass) and owner.cls.module
        if reserved and hidden:
            return Edit(new.with_changes(attr=cst.Name(attr + "_")))
        return None
    if attr == "losses" and _is_layer(owner) and not (ctx.func is not None and ctx.func.name in STEPS):
        raise Refused("XL207", "`.losses` is translated in `train_step` only", "add them to the loss by hand")
    if attr in HELD and _is_layer(owner):
        return Edit(nodes.call(HELD[attr], new.value), (f"helper:{HELD[attr]}",))
    renamed = RENAMED.get((owner.api or "").removeprefix("keras.layers.").removeprefix(f"{PLACE}Padded"), {})
    if attr in renamed:
        return Edit(new.with_changes(attr=cst.Name(renamed[attr])))
    if attr in ("compute_dtype", "variable_dtype") and _is_layer(owner):
        return Edit(nodes.template("{x}.weight.dtype", {"x": new.value}))
    if attr == "use_bias" and _is_layer(owner):
        bias = cst.Attribute(new.value, cst.Name("bias"))
        return Edit(nodes.parenthesized(nodes.template("{bias} is not None", {"bias": bias})))
    if (module_base(owner.cls) or "").rsplit(".", 1)[-1].startswith(NORMS):
        if attr in OTHER_IN_NORMS:
            raise Refused("XL207", f"`.{attr}` of a normalisation has another meaning in PyTorch")
        if attr in OF_NORMS:
            return Edit(cst.Attribute(new.value, cst.Name(OF_NORMS[attr])))
    if attr in GONE and _is_layer(owner):
        raise Refused("XL207", f"`.{attr}` of a Keras layer is not translated yet")
    return None


def _is_layer(owner: Instance) -> bool:
    if isinstance(owner.cls, UserClass):
        return owner.cls.module
    return owner.cls.name.startswith("keras.") or stands_for_module(owner.cls.name)


# -- subscripts ------------------------------------------------------------------------------------------------


@guarded
def subscript(ctx: Context, node: cst.Subscript, new: cst.Subscript) -> Outcome:
    """``x.shape[-1]`` is where the channels are now; ``x[..., 0]`` is read in Keras's order."""
    owner = without_none(ctx.value(node.value))
    keras_weight_lists.axes_wanted(owner)
    if isinstance(owner, Shape):
        return shape_item(ctx, node, new, owner)
    if not isinstance(owner, Tensor):
        return None
    perm = order(owner)
    new, flips = forwards(ctx, node, new)
    if perm is None:
        result = settled(ctx, node, flipped(new, flips), None)
        return Edit(result) if result is not new or flips else None
    every = parts(node)
    if len(every) == len(perm) and all(isinstance(e, cst.Slice) for e in every):
        elements = list(new.slice)
        moved_slices = [cst.SubscriptElement(elements[axis].slice) for axis in perm]
        turned = flipped(new.with_changes(slice=moved_slices), mapped_axes(flips, perm))
        return Edit(settled(ctx, node, turned, perm))
    plain = new.with_changes(value=moved(new.value, perm, None))
    return Edit(settled(ctx, node, flipped(plain, flips), None))


def forwards(ctx: Context, node: cst.Subscript, new: cst.Subscript) -> tuple[cst.Subscript, list[int]]:
    """A subscript without steps backwards, and the axes of its result to turn around: ``x[..., ::-1]``.

    Raises:
        Refused: for other steps that are not positive literals.
    """
    every, elements, flips = parts(node), list(new.slice), []
    for i, element in enumerate(every):
        if not isinstance(element, cst.Slice) or element.step is None:
            continue
        step = ctx.value(element.step)
        size = step.value if isinstance(step, Const) and isinstance(step.value, int) else None
        if size is not None and size > 0:
            continue
        whole = size == -1 and element.lower is None and element.upper is None
        if not whole or not all(isinstance(e, cst.Slice | cst.Ellipsis) for e in every):
            raise Refused("XL203", "PyTorch slices have no negative steps", "use torch.flip")
        behind = any(isinstance(e, cst.Ellipsis) for e in every[:i])
        flips.append(i - len(every) if behind else i)
        elements[i] = elements[i].with_changes(slice=cst.Slice(None, None))
    return (new.with_changes(slice=elements) if flips else new), flips


def flipped(node: Any, axes: list[int]) -> Any:
    """A subscript, turned around along some axes; one that takes everything is left out."""
    if not axes:
        return node
    every = [e.slice for e in node.slice]
    plain = all(nodes.code(e.value) == "..." if isinstance(e, cst.Index) else nodes.code(e).strip() == ":"
                for e in every)  # fmt: skip
    return method(node.value if plain else node, "flip", *(nodes.literal(a) for a in axes))


def parts(node: cst.Subscript) -> list[Any]:
    """The slices and indices between the brackets."""
    return [e.slice if isinstance(e.slice, cst.Slice) else e.slice.value for e in node.slice]


def shape_item(ctx: Context, node: cst.Subscript, new: cst.Subscript, owner: Shape) -> Outcome:
    source = node.value
    x = shape_source(ctx, source)
    if x is None:
        return None
    tensor = as_tensor(ctx.value(x))
    perm = order(tensor) if tensor is not None else None
    element = node.slice[0].slice
    key = ctx.value(element.value) if isinstance(element, cst.Index) else UNKNOWN
    if ctx.claim is not None and isinstance(key, Const):
        known = ctx.claim.size(x, key.value)
        if known is not None:
            return Edit(known)
    shape = cst.Attribute(nodes.parenthesized(unmoved(ctx.updated(x), perm)), cst.Name("shape"))
    if perm is not None and isinstance(key, Const) and type(key.value) is int:
        index = nodes.literal(perm.index(key.value % len(perm)))
        return Edit(cst.Subscript(shape, [cst.SubscriptElement(cst.Index(index))]))
    if perm is not None:
        return None
    if isinstance(source, cst.Call):
        return Edit(new.with_changes(value=shape))
    return None


def unmoved(node: Any, perm: Perm) -> Any:
    """A tensor without the permutation to Keras's order that was written for it."""
    if perm is None or not isinstance(node, cst.Call) or not isinstance(node.func, cst.Attribute):
        return node
    inner = node.func.value
    return inner if nodes.code(moved(inner, perm, None)) == nodes.code(node) else node


def rank_asked(ctx: Context, node: cst.Call) -> Any:
    """``len(tf.shape(x))`` as ``x.ndim``; ``None`` for any other call."""
    x = shape_source(ctx, node.args[0].value) if len(node.args) == 1 else None
    tensor = as_tensor(ctx.value(x)) if x is not None else None
    if x is None or tensor is None or ctx.value(node.func) != Api("builtins.len"):
        return None
    return cst.Attribute(nodes.parenthesized(unmoved(ctx.updated(x), order(tensor))), cst.Name("ndim"))


def shape_source(ctx: Context, node: cst.BaseExpression) -> cst.BaseExpression | None:
    """The tensor whose shape an expression asks for: ``x.shape``, ``tf.shape(x)``, ``x.get_shape().as_list()``."""
    listed = listed_shape(ctx, node)
    if listed is not None:
        return shape_source(ctx, listed)
    if isinstance(node, cst.Attribute) and node.attr.value == "shape":
        return node.value
    if isinstance(node, cst.Call):
        call = ctx.call(node)
        if call is not None and call.api in ("tf.shape", "keras.ops.shape") and node.args:
            return node.args[0].value
        if call is not None and call.api == "tf.Tensor.get_shape" and isinstance(node.func, cst.Attribute):
            return node.func.value
    return None


def listed_shape(ctx: Context, node: cst.BaseExpression) -> cst.BaseExpression | None:
    """The shape that ``shape.as_list()`` lists."""
    if isinstance(node, cst.Call) and isinstance(node.func, cst.Attribute) and node.func.attr.value == "as_list":
        return node.func.value if isinstance(ctx.value(node.func.value), Shape) else None
    return None


# -- operators -----------------------------------------------------------------------------------------------------


@guarded
def binary(ctx: Context, node: cst.BinaryOperation, new: cst.BinaryOperation) -> Outcome:
    """Operands in one axis order; divisions of integers as TensorFlow does them."""
    left, right = as_tensor(ctx.value(node.left)), as_tensor(ctx.value(node.right))
    if left is None and right is None:
        return None
    if isinstance(node.operator, cst.Divide) and not _floats(left, right):
        raise Refused(
            "XL210", "a division of integers gives float64 in TensorFlow and float32 in PyTorch", "cast first"
        )
    if isinstance(node.operator, cst.MatrixMultiply):
        keras_weight_lists.axes_wanted(left, right)
        sides = [moved(ctx.updated(n), order(ctx.value(n)), None) for n in (node.left, node.right)]
        return _changed(node, new, sides, settled, ctx, None)
    natural = paired(ctx, [node.left, node.right])
    return _changed(node, new, [ctx.updated(node.left), ctx.updated(node.right)], settled, ctx, natural)


def _changed(node: Any, new: Any, sides: list[Any], settle: Any, ctx: Context, natural: Perm) -> Outcome:
    out = new
    if sides[0] is not new.left or sides[1] is not new.right:
        out = new.with_changes(left=sides[0], right=sides[1])
    result = settle(ctx, node, out, natural)
    return Edit(result) if result is not new else None


def _floats(left: Tensor | None, right: Tensor | None) -> bool:
    """Whether a division is certainly not one of integer tensors."""
    known = [t.dtype for t in (left, right) if t is not None]
    return any(d is None or d in FLOATS for d in known)


@guarded
def comparison(ctx: Context, node: cst.Comparison, new: cst.Comparison) -> Outcome:
    if len(node.comparisons) != 1:
        return None
    target = node.comparisons[0].comparator
    asked = isinstance(node.comparisons[0].operator, cst.In) and ctx.value(node.left) == Const("GPU")
    if asked and isinstance(target, cst.Attribute) and target.attr.value == "device":
        return Edit(cst.Attribute(nodes.parenthesized(ctx.updated(target.value)), cst.Name("is_cuda")))
    if as_tensor(ctx.value(node.left)) is None and as_tensor(ctx.value(target)) is None:
        return None
    if isinstance(node.comparisons[0].operator, cst.Is | cst.IsNot | cst.In | cst.NotIn):
        return None
    natural = paired(ctx, [node.left, target])
    left, right = ctx.updated(node.left), ctx.updated(target)
    if left is new.left and right is new.comparisons[0].comparator:
        return None
    out = new.with_changes(left=left, comparisons=[new.comparisons[0].with_changes(comparator=right)])
    return Edit(settled(ctx, node, out, natural))
