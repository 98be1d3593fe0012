"""Tensor attributes, subscripts and operators: what needs to know that a value is a tensor."""

from __future__ import annotations

from typing import Any

import libcst as cst

from .. import nodes
from ..emit import helper
from ..infer.expressions import RESULT_FIELDS, WRAPPED
from ..infer.layer_attributes import SIZES
from ..infer.lightning import MODULE, UNTRANSLATED
from ..infer.results import FLOATS
from ..layout.perms import Perm, order_of
from ..rewrite.context import Context, Edit, Outcome, Refusal
from ..tables.schema import Row
from ..values import (
    UNKNOWN,
    Api,
    BoundMethod,
    Const,
    Instance,
    Seq,
    Shape,
    Tensor,
    Union,
    UserClass,
    Value,
    as_tensor,
    options_of,
    python_type,
    without_none,
)
from .kept_layers import READABLE, read_too_early
from .lightning import BY_HAND, of_lightning

PYTHON_METHODS = frozenset(
    name for kind in (list, dict, str, set, bytes, int, float, tuple) for name in dir(kind)
)  # fmt: skip
LAYER_SIZES = frozenset({"in_features", "out_features", "in_channels", "out_channels"})
HARMLESS = frozenset({"shape", "ndim", "dtype", "data", "T", "real", "imag", "item", "tolist", "numpy"})
"""Attributes that unknown values may well have for reasons other than being tensors (NumPy's, mostly)."""


# -- shapes ----------------------------------------------------------------------------------------------


def chosen_order(ctx: Context, tensor: Tensor | None) -> Perm | None:
    """The order of a tensor as the translated program has it; ``None`` for source order."""
    return None if ctx.channels_first else order_of(tensor)


def shape_read(x: Any, order: Perm | None = None) -> Edit:
    """The sizes of a tensor in source order: ints where they are fixed, scalar tensors where they are not."""
    shape = nodes.call("keras.ops.shape", x)
    if order is None:
        return Edit(shape, ("keras",))
    places = nodes.tuple_of([nodes.literal(order.index(axis)) for axis in range(len(order))])
    name = "axis" if not any(nodes.is_name(n, "axis") for n in nodes.walk(x)) else "axis_"
    form = f"tuple({{shape}}[{name}] for {name} in {{places}})"
    return Edit(nodes.template(form, {"shape": shape, "places": places}), ("keras",))


def dim_read(x: Any, tensor: Tensor | None, axis: Any, value: Value, order: Perm | None = None) -> Edit:
    """One size, of a value that is in the given order: read off the static shape where the model fixes it."""
    index = value.value if isinstance(value, Const) and type(value.value) is int else None
    dims = tensor.dims if tensor is not None else None
    fixed = index is not None and dims is not None and -len(dims) <= index < len(dims) and dims[index] is not None
    if order is not None:
        if index is None:
            whole = shape_read(x, order)
            return Edit(cst.Subscript(whole.node, [cst.SubscriptElement(cst.Index(axis))]), whole.needs)
        place = order.index(index % len(order))
        axis = nodes.literal(-1 if place == len(order) - 1 else place)
    shape = cst.Attribute(nodes.parenthesized(x), cst.Name("shape")) if fixed else nodes.call("keras.ops.shape", x)
    return Edit(cst.Subscript(shape, [cst.SubscriptElement(cst.Index(axis))]), () if fixed else ("keras",))


def attribute(ctx: Context, node: cst.Attribute, new: cst.Attribute) -> Outcome:
    """``x.shape``, ``x.T``, ``layer.weight`` and other attributes that are not called."""
    owner = without_none(ctx.value(node.value))
    name = node.attr.value
    if node in ctx.facts.ambiguous:
        message = f"`.{name}`: this is a tensor or a value of type {ctx.facts.ambiguous[node]}, whose method differs"
        return Refusal("XL209", message, "ask with isinstance first, or annotate it with one type")
    if isinstance(owner, Tensor):
        return tensor_attribute(ctx, node, new, owner, name)
    if name in UNTRANSLATED and of_lightning(owner, name):
        return Refusal("XL203", f"{MODULE}.{name}: this part of Lightning is not translated", BY_HAND)
    if isinstance(owner, Union):
        owner = setting_owner(ctx, owner, name)
    if isinstance(owner, Instance) and not (owner.api in ctx.dialect.module_bases and name in LAYER_SIZES):
        return instance_attribute(ctx, node, new, owner, name)
    if isinstance(owner, Seq) and owner.kind == "tuple" and owner.items and name in RESULT_FIELDS:
        return Edit(cst.Subscript(new.value, [cst.SubscriptElement(cst.Index(nodes.literal(RESULT_FIELDS[name])))]))
    if name in LAYER_SIZES and unknown_layer(ctx, owner, name):
        hint = "annotate the layer with its class, or keep the number yourself"
        return Refusal("XL207", f"`.{name}` of an unknown layer: Keras keeps it under another name or not", hint)
    method = ctx.value(node)
    if name == "grad" and owner is UNKNOWN and not any("grad" in c.attrs for c in ctx.facts.classes.values()):
        hint = "give the function the gradients that the tape gave, or annotate what this belongs to"
        return Refusal("XL203", "torch.Tensor.grad: gradients are not kept with variables", hint)
    if isinstance(method, BoundMethod) and method.receiver is UNKNOWN and node in ctx.facts.unknown_calls:
        return unknown_receiver(ctx, node, name)
    return None


def unknown_item(ctx: Context, node: cst.Call, new: cst.Call) -> Outcome:
    """``x.item()`` of an unknown number: a TensorFlow tensor has no ``item``, a NumPy array of any of them has."""
    if node.args or node.func not in ctx.facts.unknown_calls or not isinstance(new.func, cst.Attribute):
        return None
    method = ctx.value(node.func)
    known = isinstance(method, BoundMethod) and method.receiver is not UNKNOWN
    if new.func.attr.value != "item" or known or any("item" in c.methods for c in ctx.facts.classes.values()):
        return None
    if isinstance(new.func.value, cst.Call) and isinstance(made := new.func.value.func, cst.Attribute):
        if made.attr.value == "numpy":  # an array, or a number of NumPy's, which has it too
            return None
    array = nodes.call("np.asarray", new.func.value)
    return Edit(cst.Call(cst.Attribute(array, cst.Name("item"))), ("np",))


def setting_owner(ctx: Context, owner: Union, name: str) -> Value:
    """The one alternative that has a setting of this name: ``.out_channels`` of a convolution or a container."""
    having = []
    for one in options_of(owner):
        signature = (
            ctx.tables.source.get(one.cls.name) if isinstance(one, Instance) and isinstance(one.cls, Api) else None
        )
        if signature is None:
            return owner
        if any(p.name == name for overload in signature.overloads for p in overload):
            having.append(one)
    return having[0] if len(having) == 1 else owner


LAYER_METHODS = frozenset({
    "state_dict", "load_state_dict", "named_parameters", "named_buffers", "named_modules", "named_children",
    "zero_grad", "register_buffer", "register_parameter", "register_forward_hook", "register_full_backward_hook",
    "eval",
})  # fmt: skip
"""Methods that layers or optimizers of PyTorch have, and hardly anything else."""


def unknown_layer(ctx: Context, owner: Value, name: str) -> bool:
    """Whether a value is a layer of no known class; what nothing is known of is one where only layers say that."""
    if any(name in cls.attrs for cls in ctx.facts.classes.values()):
        return False
    if isinstance(owner, Union):
        layers = [o for o in options_of(owner) if isinstance(o, Instance)]
        return len(layers) == len(options_of(owner)) and all(isinstance(o.cls, Api) for o in layers)
    while isinstance(owner, BoundMethod) and isinstance(owner.receiver, BoundMethod):
        owner = owner.receiver
    inner = owner.receiver if isinstance(owner, BoundMethod) else owner
    if isinstance(inner, Instance):
        known = base_api(inner) if isinstance(owner, Instance) else None
        return known is None or known in ctx.dialect.module_bases
    return inner is UNKNOWN and name.endswith("_features")


def unknown_receiver(ctx: Context, node: cst.Attribute, name: str) -> Outcome:
    """A tensor method on something that may or may not be a tensor is not guessed."""
    full = f"{ctx.dialect.tensor}.{name}"
    if name in LAYER_METHODS:
        return Refusal("XL205", f"`.{name}`: it is not known whose this is", "annotate the value with its class")
    if name in PYTHON_METHODS or name in HARMLESS or name.startswith("_") or full not in ctx.tables.source:
        return None
    return Refusal(
        "XL205", f"`.{name}`: it is not known whether this is a tensor", "annotate the value as torch.Tensor"
    )


def tensor_attribute(ctx: Context, node: cst.Attribute, new: cst.Attribute, owner: Tensor, name: str) -> Outcome:
    x = new.value
    if name == "shape":
        return shape_read(x, chosen_order(ctx, owner))
    if name == "data":
        return Edit(x) if owner.variable else Edit(nodes.call("tf.stop_gradient", x), ("tf",))
    if name == "requires_grad" and owner.variable:
        return Edit(cst.Attribute(nodes.parenthesized(x), cst.Name("trainable")))
    place = weight_type(ctx, node)
    if place is not None and isinstance(x, cst.Attribute):
        return Edit(x.value.with_changes() if name == "device" else cst.Attribute(x.value, cst.Name("compute_dtype")))
    if name in ("dtype", "ndim", "device"):
        return (
            None
            if name != "ndim"
            else Edit(cst.Attribute(cst.Attribute(nodes.parenthesized(x), cst.Name("shape")), cst.Name("rank")))
        )
    if name == "T" and owner.rank in (None, 2):
        return Edit(nodes.call("tf.transpose", x), ("tf",))
    if name == "mT":
        return Edit(nodes.call("tf.linalg.matrix_transpose", x), ("tf",))
    rows = ctx.tables.find(f"{ctx.dialect.tensor}.{name}")
    entry = ctx.tables.source.get(f"{ctx.dialect.tensor}.{name}")
    if rows and not rows[0].refuse and entry is not None and entry.kind != "property":
        return Refusal("XL204", f"the method `.{name}` of a tensor is passed on without being called", "write a lambda")
    if rows and rows[0].tf_expr and rows[0].returns:
        return Edit(nodes.template(rows[0].tf_expr, {"input": x}), ("tf", "keras"))
    if rows and rows[0].refuse:
        return Refusal("XL203", f"{ctx.dialect.tensor}.{name}: {rows[0].refuse}", rows[0].hint)
    return Refusal("XL200", f"{ctx.dialect.tensor}.{name} has no row in the tables yet")


# -- attributes of layers --------------------------------------------------------------------------------


def weight_name(ctx: Context, owner: Instance, name: str) -> str | None:
    """The Keras attribute that holds a PyTorch layer's parameter."""
    api = base_api(owner)
    rows = ctx.tables.find(api) if api else []
    target = rows[0].weights.get(name) if rows else None
    return target.get("to") if isinstance(target, dict) else target


def base_api(owner: Instance) -> str | None:
    """The framework layer that an instance is, or descends from."""
    if isinstance(owner.cls, Api):
        return owner.cls.name
    for cls in owner.cls.mro():
        for base in cls.bases:
            if isinstance(base, Api) and base.name not in ("torch.nn.Module",):
                return base.name
    return None


RESETTABLE = frozenset({
    "Linear", "Conv1d", "Conv2d", "Conv3d", "BatchNorm1d", "BatchNorm2d", "BatchNorm3d", "LayerNorm", "GroupNorm",
})  # fmt: skip


def resettable(ctx: Context, owner: Instance) -> bool:
    """Whether the weights of a layer are all drawn by initialisers that its Keras form has."""
    plain = owner.api == "torch.nn.Embedding" and "padding_idx" not in owner.args
    return isinstance(owner.cls, Api) and (plain or (owner.api or "").removeprefix("torch.nn.") in RESETTABLE)


def instance_attribute(ctx: Context, node: cst.Attribute, new: cst.Attribute, owner: Instance, name: str) -> Outcome:
    """Renamed, translated and refused attributes of layers and models."""
    user = owner.cls if isinstance(owner.cls, UserClass) else None
    if owner.api is not None and owner.api.partition(".")[0] not in ctx.dialect.roots:
        return None  # an object of another library (a NumPy array) keeps its attributes
    if user is not None and name == "training" and user.module and user.find("training") is None:
        return training_flag(ctx, node)
    own = user.find(name) if user is not None else None
    if own is not None:
        return renamed(ctx, user, name, new) if user is not None else None
    if name == WRAPPED and ctx.value(node) is owner:
        return Edit(new.value)
    if name in ctx.dialect.forward and user is None:
        if isinstance(node.value, cst.Call) and nodes.is_name(node.value.func, "super"):
            return Edit(new.with_changes(attr=cst.Name("call")))
        return Edit(new.value)
    if name == "reset_parameters" and resettable(ctx, owner):
        return None
    if node in ctx.facts.unknown_calls and user is None:
        return Refusal("XL200", f"{owner.api}.{name} has no row in the tables yet")
    if user is None and ctx.dialect.containers.get(owner.api or "") == "dict" and name in owner.args:
        return Edit(cst.Subscript(new.value, [cst.SubscriptElement(cst.Index(nodes.literal(name)))]))
    if name in ("weight", "bias") or name.startswith(("running_", "weight_", "bias_")):
        if read_too_early(ctx, node):
            return Refusal("XL207", f"`.{name}` is read before Keras builds this layer", "read it after the first call")
        return layer_parameter(ctx, owner, new, name)
    api = base_api(owner)
    rows = ctx.tables.find(api) if api else []
    spec = rows[0].args.get(name) if rows else None
    if spec is not None and spec.to and spec.via is None and not spec.drop:
        return Edit(new.with_changes(attr=cst.Name(spec.to[0]))) if spec.to[0] != name else None
    if rows and name in rows[0].attributes:
        return Edit(new.with_changes(attr=cst.Name(rows[0].attributes[name])))
    unnamed = spec is None and name == "in_channels" and bool(rows)
    if (unnamed or (spec is not None and spec.drop)) and not (rows and rows[0].helper):
        known = owner.args.get(name) or ctx.value(node)
        if isinstance(known, Const):
            return Edit(nodes.literal(known.value))
        if name in SIZES and (api in READABLE or user is not None) and rows[0].adapter:
            return None
        return Refusal("XL207", f"`.{name}` of {api}: the Keras layer does not keep it", "write the number")
    setting = rows and api is not None and spec is None and not rows[0].helper and _is_setting(ctx, api, name)
    if setting and not (user is not None and _kept(ctx, rows[0], name)):
        return Refusal("XL207", f"`.{name}` of {api}: the Keras layer does not keep it", "write the value")
    return None


def _kept(ctx: Context, row: Row, name: str) -> bool:
    """Whether the helper that stands for a class which is subclassed keeps an argument under its name."""
    found = helper(row.adapter, ctx.options.direction.target) if row.adapter else None
    return found is not None and f"self.{name} = " in found.text


def _is_setting(ctx: Context, api: str, name: str) -> bool:
    """Whether a class takes an argument of that name, which its objects keep."""
    signature = ctx.tables.source.get(api)
    overloads = signature.overloads if signature is not None else ()
    return any(param.name == name for overload in overloads for param in overload)


def weight_type(ctx: Context, node: cst.Attribute) -> cst.Attribute | None:
    """``layer.weight`` in ``layer.weight.dtype``: a Keras layer has no weights until it is called."""
    place = node.value
    if node.attr.value not in ("dtype", "device") or not isinstance(place, cst.Attribute):
        return None
    owner = without_none(ctx.value(place.value))
    layer = isinstance(owner, Instance) and owner.api is not None and place.attr.value in ("weight", "bias")
    return place if layer else None


def weight_type_claim(ctx: Context, node: cst.Attribute) -> list[cst.CSTNode]:
    place = weight_type(ctx, node)
    return [place] if place is not None else []


def layer_parameter(ctx: Context, owner: Instance, new: cst.Attribute, name: str) -> Outcome:
    """``layer.weight`` as it looks in PyTorch's axis order."""
    target = weight_name(ctx, owner, name)
    if target is None:
        api = base_api(owner)
        rows = ctx.tables.find(api) if api else []
        if rows and rows[0].helper:
            return None
        return Refusal("XL207", f"`.{name}` of {api or 'this layer'} has no counterpart that is known")
    plain = new.with_changes(attr=cst.Name(target))
    if name == "weight" and target == "kernel":
        api = base_api(owner) or ""
        if api.endswith("Linear"):
            return Edit(nodes.call("tf.transpose", plain), ("tf",))
        return Refusal(
            "XL207", f"the weight of {api} is read outside of the layer: its axes differ", "transpose by hand"
        )
    return Edit(plain)


def training_flag(ctx: Context, node: cst.Attribute) -> Outcome:
    """``self.training`` is the ``training`` argument of `call`."""
    if ctx.func is not None and ctx.func in ctx.training:
        return Edit(cst.Name("training"))
    return Refusal("XL211", "`training` is read where no `training` argument can be passed", "pass it as an argument")


def renamed(ctx: Context, cls: UserClass | None, name: str, new: cst.Attribute) -> Outcome:
    """An attribute whose name Keras reserves gets a trailing underscore, everywhere."""
    if cls is None or not cls.module or not reserved(ctx, name):
        return None
    if name in ctx.dialect.forward:
        return Edit(new.with_changes(attr=cst.Name("call")))
    owner = next((c for c in cls.mro() if name in c.attrs or name in c.methods), cls)
    ctx.renames[f"{owner.name}.{name}"] = name + "_"
    return Edit(new.with_changes(attr=cst.Name(name + "_")))


OVERRIDABLE = frozenset({
    "__init__", "call", "predict", "evaluate", "fit", "summary", "save", "export", "training", "train_step",
    "test_step", "predict_step", "load_weights", "save_weights",
})  # fmt: skip


def reserved(ctx: Context, name: str) -> bool:
    """Whether a user's attribute of this name would break a Keras layer."""
    if name in ctx.dialect.forward:
        return True
    return name in ctx.tables.target.reserved and name not in OVERRIDABLE


# -- subscripts --------------------------------------------------------------------------------------------


def subscript(ctx: Context, node: cst.Subscript, new: cst.Subscript) -> Outcome:
    """``x[...]`` on a tensor, and ``x.shape[i]``."""
    owner = without_none(ctx.value(node.value))
    if ctx.role == "annotation" and isinstance(owner, Api) and owner.name.split(".", 1)[0] in ctx.dialect.roots:
        return Edit(new.value)  # `DataLoader[T]`: what stands for the class is not generic
    if isinstance(owner, Shape):
        return shape_item(ctx, node, new, owner)
    several = isinstance(owner, Union) and any(isinstance(option, Tensor) for option in owner.options)
    if not isinstance(owner, Tensor) and not several:
        return None
    keys = index_keys(ctx, node)
    kinds = [key_kind(e, v) for e, v in keys]
    if all(k == "basic" for k in kinds):
        return None
    if not several:
        return _picked(ctx, node, new, keys, kinds)
    from .asked import asked_item

    asked = asked_item(ctx, node, _picked(ctx, node, new, keys, kinds), new)
    if asked is not None:
        return asked
    message = "this is a tensor or something else, and tensors are indexed in another way by this"
    return Refusal("XL209", message, "ask with isinstance first, or annotate it with one type")


def _picked(ctx: Context, node: cst.Subscript, new: cst.Subscript, keys: Any, kinds: list[str]) -> Outcome:
    """What is read of a tensor by indices of which some are tensors."""
    if kinds == ["mask"]:
        return Edit(nodes.call("tf.boolean_mask", new.value, index_nodes(ctx, node)[0]), ("tf",))
    parts = list(nodes.walk(node.slice[0]))
    negative = any(isinstance(n, cst.UnaryOperation) and isinstance(n.operator, cst.Minus) for n in parts)
    if kinds == ["tensor"] and keys[0][1] is not UNKNOWN and not negative:
        return Edit(nodes.call("tf.gather", new.value, index_nodes(ctx, node)[0]), ("tf",))
    return Edit(nodes.call("index_get", new.value, index_tuple(ctx, node)), ("helper:index_get",))


def shape_item(ctx: Context, node: cst.Subscript, new: cst.Subscript, owner: Shape) -> Outcome:
    """``x.shape[1]`` of a fixed size is read off the static shape."""
    if not isinstance(node.value, cst.Attribute) or owner.start != 0 or owner.stop is not None:
        return None
    element = node.slice[0].slice
    if len(node.slice) != 1 or not isinstance(element, cst.Index):
        return None
    key = ctx.value(element.value)
    x = ctx.updated(node.value.value)
    return dim_read(x, owner.tensor, ctx.updated(element.value), key, chosen_order(ctx, owner.tensor))


def index_keys(ctx: Context, node: cst.Subscript) -> list[tuple[cst.BaseSlice, Value]]:
    """Each part of an index with its value (unknown for slices)."""
    out: list[tuple[cst.BaseSlice, Value]] = []
    for element in node.slice:
        part = element.slice
        if isinstance(part, cst.Index) and isinstance(part.value, cst.Tuple) and len(node.slice) == 1:
            return [(cst.Index(e.value), ctx.value(e.value)) for e in part.value.elements]
        out.append((part, ctx.value(part.value) if isinstance(part, cst.Index) else UNKNOWN))
    return out


def key_kind(element: cst.BaseSlice, value: Value) -> str:
    if isinstance(element, cst.Slice):
        return "basic"
    value = without_none(value)
    tensor = as_tensor(value)
    if tensor is not None:
        return "mask" if tensor.dtype == "bool" else "basic" if tensor.rank == 0 else "tensor"
    if isinstance(value, Const) or python_type(value) in ("int", "NoneType"):
        return "basic"
    if isinstance(value, Seq):
        return "tensor"
    return "unknown"


def index_nodes(ctx: Context, node: cst.Subscript) -> list[Any]:
    return [_index_node(ctx, e) for e, _ in index_keys(ctx, node)]


def _index_node(ctx: Context, element: cst.BaseSlice) -> Any:
    """One part of an index as an expression: ``:`` is ``slice(None)``."""
    if isinstance(element, cst.Index):
        return ctx.updated(element.value)
    assert isinstance(element, cst.Slice)
    parts = [ctx.updated(p) if p is not None else nodes.dotted("None") for p in (element.lower, element.upper)]
    if element.step is not None:
        parts.append(ctx.updated(element.step))
    elif nodes.is_name(parts[0], "None"):
        parts = parts[1:]
    return nodes.call("slice", *parts)


def index_tuple(ctx: Context, node: cst.Subscript) -> Any:
    items = index_nodes(ctx, node)
    return items[0] if len(items) == 1 else nodes.tuple_of(items)


# -- operators ---------------------------------------------------------------------------------------------


def binary(ctx: Context, node: cst.BinaryOperation, new: cst.BinaryOperation) -> Outcome:
    """Operators that TensorFlow does not promote, and products with vectors."""
    left, right = as_tensor(ctx.value(node.left)), as_tensor(ctx.value(node.right))
    if left is None and right is None:
        return None
    if isinstance(node.operator, cst.MatrixMultiply):
        if left is not None and right is not None and 1 in (left.rank, right.rank):
            return Edit(nodes.call("keras.ops.matmul", new.left, new.right), ("keras",))
        return None
    promoting = PROMOTING.get(type(node.operator))
    if left is not None and right is not None and promoting and mixed(left, right):
        return promoted(promoting, (node.left, new.left, left), (node.right, new.right, right), new)
    logical = {cst.Add: cst.BitOr(), cst.Multiply: cst.BitAnd()}.get(type(node.operator))
    if logical is not None and left is not None and right is not None and left.dtype == right.dtype == "bool":
        return Edit(nodes.parenthesized(new.with_changes(operator=logical)))
    cast = mixed_types(left, right, ctx.value(node.left), ctx.value(node.right), type(node.operator))
    if cast is None:
        return None
    changes = {}
    for side in cast[0]:
        changes[side] = nodes.call("tf.cast", getattr(new, side), _dtype_node(cast[1], new))
    needs = ("tf", "keras") if cast[1] == "float" else ("tf",)
    result = new.with_changes(**changes)
    return Edit(result, needs)


EXACT = frozenset({"int64", "int32", "int16", "int8", "uint8", "bool"})
PROMOTING = {
    cst.Add: "add", cst.Subtract: "subtract", cst.Multiply: "multiply", cst.Divide: "true_divide", cst.Power: "power",
    cst.Equal: "equal", cst.NotEqual: "not_equal", cst.LessThan: "less", cst.LessThanEqual: "less_equal",
    cst.GreaterThan: "greater", cst.GreaterThanEqual: "greater_equal",
}  # fmt: skip
"""Operators to the functions of `keras.ops` that promote integers and bools beside floats as PyTorch does."""


def mixed(left: Tensor, right: Tensor) -> bool:
    """Whether a tensor of integers or bools meets one of floats, or one that may be of floats."""
    (exact, other) = (left, right) if left.dtype in EXACT else (right, left)
    return exact.dtype in EXACT and (other.dtype is None or other.dtype in FLOATS)


Side = tuple[Any, Any, Tensor]
"""An operand as it was, as it is now, and its value."""


def promoted(name: str, left: Side, right: Side, new: Any) -> Outcome:
    """An operation of mixed types: one side is cast where the other's type can be named, else Keras promotes."""
    swapped = left[2].dtype in EXACT and right[2].dtype not in EXACT
    exact, other = (left, right) if swapped else (right, left)
    named = isinstance(other[1], cst.Name | cst.Attribute)
    if isinstance(new, cst.BinaryOperation) and named and (exact[2].dtype == "bool" or other[2].dtype in FLOATS):
        cast = nodes.call("tf.cast", exact[1], cst.Attribute(other[1], cst.Name("dtype")))
        return Edit(new.with_changes(**{"left" if swapped else "right": cast}), ("tf",))
    return Edit(nodes.call(f"keras.ops.{name}", left[1], right[1]), ("keras",))


def _dtype_node(dtype: str, new: Any) -> Any:
    if dtype in ("left", "right"):
        return cst.Attribute(nodes.parenthesized(getattr(new, dtype)), cst.Name("dtype"))
    return nodes.call("keras.config.floatx") if dtype == "float" else nodes.dotted(f"tf.{dtype}")


def mixed_types(
    left: Tensor | None, right: Tensor | None, a: Value, b: Value, operator: type
) -> tuple[tuple[str, ...], str] | None:
    """Which sides need a cast, and to what: ``None`` if none is known to."""
    da, db = (t.dtype if t is not None else None for t in (left, right))
    exact = EXACT
    if left is not None and right is not None:
        if da in FLOATS and db in exact:
            return (("right",), "left")
        if da in exact and db in FLOATS:
            return (("left",), "right")
        if {da, db} in ({"float", "float64"}, {"float32", "float64"}):
            return _of_two_floats(left, right)
        if da in exact and db in exact and operator is cst.Divide:
            return (("left", "right"), "float")
        if {da, db} == {"bool", "int64"} and operator in (cst.Add, cst.Subtract, cst.Multiply):
            return (("left",), "right") if da == "bool" else (("right",), "left")
        return None
    side, dtype, other = ("left", da, b) if left is not None else ("right", db, a)
    kind = python_type(without_none(other))
    if dtype in exact and (kind == "float" or (operator is cst.Divide and kind == "int")):
        return ((side,), "float")
    if dtype == "bool" and kind in ("int", "bool") and operator in (cst.Add, cst.Subtract, cst.Multiply):
        return ((side,), "int64")
    return None


def _of_two_floats(left: Tensor, right: Tensor) -> tuple[tuple[str, ...], str] | None:
    """Single and double precision: the wider one wins, but a tensor without axes gives way to one with axes."""
    if left.rank is None or right.rank is None:
        return None
    if (left.rank == 0) != (right.rank == 0):
        return (("left",), "right") if left.rank == 0 else (("right",), "left")
    return (("left",), "right") if right.dtype == "float64" else (("right",), "left")


def builtin_call(ctx: Context, node: cst.Call, new: cst.Call) -> Outcome:
    """``len(x)`` of a tensor: its first size. ``next(model.parameters())``: Keras's variables are a list."""
    if nodes.is_name(node.func, "isinstance") and ctx.value(node.func) == Api("builtins.isinstance"):
        from .asked import type_test

        return type_test(ctx, node, new)
    if nodes.is_name(node.func, "next") and node.args and ctx.value(node.func) == Api("builtins.next"):
        inner = ctx.call(node.args[0].value)
        if inner is not None and inner.api.endswith(".parameters"):
            return Edit(new.with_changes(args=[cst.Arg(nodes.call("iter", new.args[0].value)), *new.args[1:]]))
    if not nodes.is_name(node.func, "len") or len(node.args) != 1:
        return None
    value = without_none(ctx.value(node.args[0].value))
    if not isinstance(value, Tensor) or ctx.value(node.func) != Api("builtins.len"):
        return None
    return dim_read(new.args[0].value, value, nodes.literal(0), Const(0))


def equality(ctx: Context, node: cst.Comparison, new: cst.Comparison) -> Outcome:
    """``mask == 0``: TensorFlow does not compare booleans with numbers."""
    if len(node.comparisons) != 1 or not isinstance(node.comparisons[0].operator, cst.Equal | cst.NotEqual):
        return None
    tensor, other = as_tensor(ctx.value(node.left)), ctx.value(node.comparisons[0].comparator)
    if tensor is None or tensor.dtype not in (None, "bool") or not isinstance(other, Const):
        return None
    if type(other.value) not in (int, bool) or other.value not in (0, 1):
        return None
    equal = isinstance(node.comparisons[0].operator, cst.Equal)
    if tensor.dtype == "bool":
        same = bool(other.value) == equal
        return Edit(new.left if same else nodes.call("tf.logical_not", new.left), ("tf",))
    name = "keras.ops.equal" if equal else "keras.ops.not_equal"
    return Edit(nodes.call(name, new.left, new.comparisons[0].comparator), ("keras",))


def mixed_comparison(ctx: Context, node: cst.Comparison, new: cst.Comparison) -> Outcome:
    """``x > n`` of floats and integers: TensorFlow compares tensors of one type only."""
    if len(node.comparisons) != 1:
        return None
    name = PROMOTING.get(type(node.comparisons[0].operator))
    left, right = (without_none(ctx.value(side)) for side in (node.left, node.comparisons[0].comparator))
    if name is None or not (isinstance(left, Tensor) and isinstance(right, Tensor) and mixed(left, right)):
        return None
    right_node, right_new = node.comparisons[0].comparator, new.comparisons[0].comparator
    return promoted(name, (node.left, new.left, left), (right_node, right_new, right), new)


def comparison(ctx: Context, node: cst.Comparison, new: cst.Comparison) -> Outcome:
    """``layer.bias is not None`` asks how a layer was made, since Keras builds its weights later."""
    if len(node.comparisons) != 1 or not isinstance(node.left, cst.Attribute):
        return None
    target = node.comparisons[0]
    owner = without_none(ctx.value(node.left.value))
    name = node.left.attr.value
    layers = [
        o for o in options_of(owner) if isinstance(o, Instance) and base_api(o) not in (None, *ctx.dialect.containers)
    ]
    if not layers or name not in ("bias", "weight") or not nodes.is_name(target.comparator, "None"):
        return None
    if any(isinstance(o.cls, UserClass) and o.cls.find(name) for o in layers):
        return None
    flags = {_flag(ctx, o, name) for o in layers}
    if name == "weight" and flags <= {None} and all(weight_name(ctx, o, name) for o in layers):
        return Edit(nodes.literal(isinstance(target.operator, cst.IsNot | cst.NotEqual)))
    flag = flags.pop() if len(flags) == 1 else None
    if flag is None or not isinstance(target.operator, cst.Is | cst.IsNot | cst.Equal | cst.NotEqual):
        return Refusal("XL207", f"whether this layer has a `{name}` cannot be asked in Keras before it is built")
    owner_node = ctx.updated(node.left.value)
    asked: Any = cst.Attribute(owner_node, cst.Name(flag))
    if isinstance(target.operator, cst.Is | cst.Equal):
        asked = cst.UnaryOperation(cst.Not(), asked)
    return Edit(asked)


def _flag(ctx: Context, owner: Instance, name: str) -> str | None:
    """The constructor flag that says whether a layer has this parameter."""
    target = weight_name(ctx, owner, name)
    return {"bias": "use_bias", "beta": "center", "gamma": "scale"}.get(target or "")
