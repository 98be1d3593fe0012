"""Statements that change memory: in-place methods, item assignment, augmented assignment, registration.

TensorFlow's tensors do not change. ``x.add_(y)`` becomes ``x = x + y``, which is the same only if nothing
else sees the old memory: that is proven, or the statement is refused.
"""

from __future__ import annotations

from typing import Any

import libcst as cst

from .. import nodes
from ..infer.calls import DRAWN, changes_input, undated, works_in_place
from ..infer.facts import BoundCall
from ..rewrite.context import Context, Edit, Outcome, Refusal
from ..values import NONE, Const, Instance, Tensor, UserClass, as_tensor, options_of, without_none
from .api import api_call, applies, translate_call
from .tensors import index_keys, index_tuple, key_kind, renamed, resettable
from .unknown_inplace import unproven


def aliased(ctx: Context, node: cst.CSTNode) -> Refusal | None:
    """A refusal if something still sees the memory that an operation changes, and is read afterwards."""
    change = ctx.facts.inplace.get(node)
    if change is None or not (change.seen or ctx.facts.read_after(change)):
        return None
    return Refusal(
        "XL206", "this changes memory in place that is read again under another name, which TensorFlow cannot do",
        "make a copy, or compute a new value and use that",
    )  # fmt: skip


def inplace_call(ctx: Context, node: cst.Call, new: cst.Call) -> Outcome:
    """A call that changes its argument: fine only if nothing reads the old memory afterwards."""
    if node not in ctx.facts.inplace:
        return None
    refusal = aliased(ctx, node)
    call = ctx.call(node)
    if refusal is not None or call is None or call.receiver is None or not _in_place(ctx, call):
        return refusal
    tensor = as_tensor(call.receiver.value)
    if tensor is not None and tensor.variable:
        return Refusal(
            "XL206", "a parameter is changed in place within an expression", "make it a statement of its own"
        )
    return out_of_place(ctx, node, call)


def claimed_call(ctx: Context, node: cst.Expr) -> list[cst.CSTNode]:
    """The call of an in-place statement, and the weight that it initialises."""
    call = ctx.call(node.value)
    if call is None or not isinstance(node.value, cst.Call):
        return []
    if call.api.startswith("torch.nn.init."):
        first = call.args.get("tensor")
        return [node.value, *(_attributes(first.node) if first is not None else [])]
    if call.receiver is None or not _in_place(ctx, call) or not isinstance(node.value.func, cst.Attribute):
        return []
    receiver = node.value.func.value
    tensor = as_tensor(ctx.value(receiver))
    places = _attributes(receiver) if tensor is not None and (tensor.variable or _parameter_place(receiver)) else []
    calls, base = chain(ctx, node.value)
    if isinstance(base if calls else receiver, cst.Subscript):
        places = [base if calls else receiver]
    return [node.value, *places, *calls]


def chain(ctx: Context, node: cst.Call) -> tuple[list[cst.Call], Any]:
    """The earlier calls of ``x.mul_(a).add_(b)``, from the last to the first, and the place that they change."""
    calls: list[cst.Call] = []
    place = node.func.value if isinstance(node.func, cst.Attribute) else None
    while isinstance(place, cst.Call) and isinstance(place.func, cst.Attribute):
        call = ctx.call(place)
        if call is None or call.receiver is None or not _in_place(ctx, call):
            return [], None
        calls.append(place)
        place = place.func.value
    tensor = as_tensor(ctx.value(place)) if place is not None and calls else None
    kinds = cst.Name | cst.Attribute if tensor is not None and tensor.variable else PLACES
    return (calls, place) if tensor is not None and isinstance(place, kinds) else ([], None)


PLACES = cst.Name | cst.Attribute | cst.Subscript
"""What a changed tensor can be assigned to."""


def chained(ctx: Context, node: cst.Call, call: BoundCall, calls: list[cst.Call], place: Any) -> Outcome:
    """Several changes of one tensor in a row are one assignment."""
    tensor = as_tensor(ctx.value(place))
    assert tensor is not None
    if not tensor.variable:
        refusal = next((r for c in (*calls, node) if (r := aliased(ctx, c)) is not None), None)
        if refusal is not None or (isinstance(place, cst.Subscript) and (refusal := of_copy(ctx, place)) is not None):
            return refusal
    while isinstance(place, cst.Attribute) and place.attr.value == "data":
        place = place.value
    value: Outcome = None
    needs: tuple[str, ...] = ()
    for inner in [*reversed(calls), node]:
        bound = ctx.call(inner)
        assert bound is not None
        value = out_of_place(ctx, inner, bound)
        if not isinstance(value, Edit):
            return value
        ctx.new[inner] = nodes.parenthesized(value.node)
        needs += value.needs
    assert isinstance(value, Edit)
    if not tensor.variable:
        return assign(ctx, place, Edit(nodes.bare(value.node, node), needs))
    method = cst.Attribute(ctx.updated(place), cst.Name("assign"))
    return Edit(cst.Expr(cst.Call(method, [cst.Arg(nodes.bare(value.node, node))])), needs)


def _attributes(node: cst.BaseExpression) -> list[cst.CSTNode]:
    """``m.weight.data`` and ``m.weight``: the place that a statement writes to."""
    out: list[cst.CSTNode] = []
    while isinstance(node, cst.Attribute) and node.attr.value == "data":
        out.append(node)
        node = node.value
    return [*out, node] if isinstance(node, cst.Attribute) else out


def claimed_targets(ctx: Context, node: cst.Assign | cst.AugAssign) -> list[cst.CSTNode]:
    """Parts of tensors and weights of layers that are assigned to."""
    targets = [node.target] if isinstance(node, cst.AugAssign) else [t.target for t in node.targets]
    out: list[cst.CSTNode] = []
    for target in targets:
        if isinstance(target, cst.Subscript) and as_tensor(ctx.value(target.value)) is not None:
            out.append(target)
        elif isinstance(target, cst.Attribute) and target.attr.value in ("weight", "bias"):
            owner = without_none(ctx.value(target.value))
            if isinstance(owner, Instance) and owner.api:
                out.append(target)
                if isinstance(node, cst.Assign) and isinstance(node.value, cst.Attribute):
                    out.append(node.value)
    return out


def call_statement(ctx: Context, node: cst.Expr, new: cst.Expr) -> Outcome:
    """A call that stands alone: it is there for its effect."""
    if not isinstance(node.value, cst.Call):
        return None
    place = ctx.facts.handed_back.get(node.value)
    if place is not None:
        return Edit(cst.Assign([cst.AssignTarget(place)], nodes.bare(new.value, node.value)))
    call = ctx.call(node.value)
    if call is not None and call.api.startswith("torch.nn.init."):
        from .initializers import initialize

        return initialize(ctx, call, node.value, new.value)
    if call is not None and call.api == f"{ctx.dialect.tensor}.requires_grad_" and _plain_tensor(ctx, node.value):
        return Edit([])  # a tape is told what to watch
    if call is not None and call.receiver is not None and _in_place(ctx, call):
        return in_place(ctx, node, node.value, call)
    if call is not None and call.receiver is None and "input" in call.args:
        asked = "inplace" in call.args and call.args["inplace"].value != Const(False)
        if asked or works_in_place(call.api):
            return _function_in_place(ctx, new, call)
    if call is not None and call.api in NORMALIZED:
        hint = "assign what it returns: layer = weight_norm(layer)"
        return Refusal("XL206", f"{call.api}: in Keras the layer that it is given stays as it is", hint)
    if not isinstance(new.value, cst.Call):
        if call is None:
            return None
        # `model.to(device)` became `model`, which as a statement does nothing.
        return Edit([]) if isinstance(new.value, cst.Name | cst.Attribute) else None
    return module_method(ctx, node.value, new.value)


NORMALIZED = frozenset({"torch.nn.utils.weight_norm", "torch.nn.utils.parametrizations.weight_norm"})


def _function_in_place(ctx: Context, new: cst.Expr, call: BoundCall) -> Outcome:
    """``F.relu_(x)`` as a statement, on a name or attribute that holds a tensor."""
    target = call.args["input"].node
    tensor = as_tensor(ctx.value(target))
    place = isinstance(target, cst.Name | cst.Attribute) and not _parameter_place(target)
    if not place or not changes_input(call) or tensor is None or tensor.variable:
        return Refusal("XL206", f"{call.api}: it is called for its effect on memory", "assign what it returns")
    return assign(ctx, target, Edit(new.value))


def _plain_tensor(ctx: Context, node: cst.Call) -> bool:
    """Whether a method is called on a name that holds a tensor, not a variable."""
    target = node.func.value if isinstance(node.func, cst.Attribute) else None
    tensor = as_tensor(ctx.value(target)) if isinstance(target, cst.Name) else None
    return tensor is not None and not tensor.variable


def _in_place(ctx: Context, call: BoundCall) -> bool:
    return call.api.startswith(ctx.dialect.tensor + ".") and call.api.endswith("_") and not call.api.endswith("__")


def in_place(ctx: Context, statement: cst.CSTNode, node: cst.Call, call: BoundCall) -> Outcome:
    """``x.relu_()`` as a statement."""
    target = node.func.value if isinstance(node.func, cst.Attribute) else None
    if isinstance(target, cst.Attribute) and target.attr.value == "data" and isinstance(target.value, cst.Subscript):
        target = target.value
    tensor = as_tensor(ctx.value(target)) if target is not None else None
    if call.api.endswith(".share_memory_"):
        return Edit([])  # it changes nothing that a tensor holds
    if target is None or tensor is None:
        return Refusal("XL205", "what this changes in place is not known")
    if isinstance(target, cst.Subscript) and variable_part(ctx, target):
        value = out_of_place(ctx, node, call)
        return assign(ctx, target, value) if isinstance(value, Edit) else value
    calls, place = chain(ctx, node)
    if calls:
        return chained(ctx, node, call, calls, place)
    if tensor.variable or _parameter_place(target):
        from .initializers import fill_parameter

        return fill_parameter(ctx, call, node, target)
    if not isinstance(target, PLACES):
        return Refusal("XL206", "this changes a temporary value in place", "assign the value to a name first")
    if isinstance(undated(target), cst.Name) and undated(target) is not target and node.func.attr.value in DRAWN:  # type: ignore[union-attr]
        from .initializers import fill_parameter

        return fill_parameter(ctx, call, node, target)
    refusal = aliased(ctx, node) or (of_copy(ctx, target) if isinstance(target, cst.Subscript) else None)
    if refusal is not None:
        return refusal
    value = out_of_place(ctx, node, call)
    if not isinstance(value, Edit):
        return value
    return assign(ctx, target, value)


def of_copy(ctx: Context, target: cst.Subscript) -> Refusal | None:
    """``x[mask].zero_()`` changes a copy, which PyTorch then forgets."""
    kinds = {key_kind(element, value) for element, value in index_keys(ctx, target)}
    if "unknown" in kinds:
        return Refusal("XL205", "whether this index gives a view or a copy is not known here", "annotate the index")
    if kinds <= {"basic"}:
        return None
    return Refusal("XL206", "this changes a copy, not the tensor that is indexed", "assign to the subscript instead")


def _parameter_place(target: cst.BaseExpression) -> bool:
    """``m.weight.data``, ``m.bias``: a parameter, whatever ``m`` is."""
    if isinstance(target, cst.Attribute) and target.attr.value == "data":
        target = target.value
    return isinstance(target, cst.Attribute) and target.attr.value in ("weight", "bias")


def out_of_place(ctx: Context, node: cst.Call, call: BoundCall) -> Outcome:
    """The value that an in-place method would have stored."""
    name = call.api[:-1]
    rows = ctx.tables.find(call.api) or ctx.tables.find(name)
    row = next((r for r in rows if applies(r, call)), None)
    if row is None:
        return Refusal("XL200", f"{call.api} has no row in the tables yet")
    return translate_call(ctx, row, call, node, ctx.updated(node) if isinstance(ctx.updated(node), cst.Call) else node)


def assign(ctx: Context, target: Any, value: Edit) -> Outcome:
    """``target = value`` for a name, attribute, or part of a tensor."""
    if isinstance(target, cst.Subscript):
        owner = ctx.tensor(target.value)
        if owner is None:
            return Refusal("XL205", "what this changes in place is not known to be a tensor")
        whole = ctx.updated(target.value)
        name = update_helper(ctx, target)
        update = nodes.call(name, whole, index_tuple(ctx, target), nodes.bare(value.node, target))
        if variable_part(ctx, target):
            node = cst.Expr(nodes.call(nodes.code(whole) + ".assign", update))
            return Edit(node, (*value.needs, f"helper:{name}"))
        node = cst.Assign([cst.AssignTarget(whole)], update)
        return Edit(node, (*value.needs, f"helper:{name}"))
    place = ctx.updated(target) if isinstance(target, cst.Attribute) else target
    return Edit(cst.Assign([cst.AssignTarget(place)], nodes.bare(value.node, target)), value.needs)


def variable_part(ctx: Context, target: cst.Subscript) -> bool:
    """Whether a subscript is a part of a variable whose axes are PyTorch's."""
    tensor = as_tensor(ctx.value(target.value))
    return tensor is not None and tensor.variable and isinstance(ctx.updated(target.value), cst.Name | cst.Attribute)


def assign_item(ctx: Context, node: cst.Assign, new: cst.Assign) -> Outcome:
    """``x[i] = v`` on a tensor becomes ``x = index_update(x, i, v)``."""
    from .initializers import tie_weights

    target = node.targets[0].target
    if isinstance(target, cst.Attribute):
        return tie_weights(ctx, node, new, target)
    if not isinstance(target, cst.Subscript):
        return None
    owner = without_none(ctx.value(target.value))
    if not isinstance(owner, Tensor):
        return None
    if len(node.targets) > 1:
        return Refusal("XL206", "one value is assigned to several places, one of them part of a tensor")
    if owner.variable and not variable_part(ctx, target):
        return Refusal("XL206", "part of a parameter is assigned", "use `variable.assign` with the whole value")
    place = _held(ctx, target.value)
    if place is None:
        return Refusal("XL206", "part of a temporary tensor is assigned", "assign the tensor to a name first")
    refusal = aliased(ctx, target) or (of_copy(ctx, target.value) if isinstance(target.value, cst.Subscript) else None)
    if refusal is not None:
        return refusal
    name = update_helper(ctx, target)
    update = nodes.call(name, ctx.updated(target.value), index_tuple(ctx, target), new.value)
    whole = ctx.updated(place)
    if isinstance(target.value, cst.Subscript):
        update = nodes.call("slice_assign", whole, index_tuple(ctx, target.value), update)
        made = new.with_changes(targets=[cst.AssignTarget(whole)], value=update)
        return Edit(made, (f"helper:{name}", "helper:slice_assign"))
    if owner.variable:
        return Edit(cst.Expr(nodes.call(nodes.code(whole) + ".assign", update)), (f"helper:{name}",))
    return Edit(new.with_changes(targets=[cst.AssignTarget(whole)], value=update), (f"helper:{name}",))


def _held(ctx: Context, place: cst.BaseExpression) -> cst.BaseExpression | None:
    """The name or attribute that holds what a part of is assigned: ``x`` of ``x`` and of ``x[i]``."""
    if isinstance(place, cst.Subscript):
        whole = without_none(ctx.value(place.value))
        place = place.value
        if not isinstance(whole, Tensor) or whole.variable:
            return None
    return place if isinstance(place, cst.Name | cst.Attribute) else None


def update_helper(ctx: Context, target: cst.Subscript) -> str:
    """The shorter helper for integers and slices, the general one for tensors and masks."""
    basic = all(key_kind(element, value) == "basic" for element, value in index_keys(ctx, target))
    return "slice_assign" if basic else "index_update"


def augmented(ctx: Context, node: cst.AugAssign, new: cst.AugAssign) -> Outcome:
    """``x += y`` on a tensor rebinds the name in TensorFlow; PyTorch changes the memory."""
    refusal = unproven(ctx, node)
    if refusal is not None:
        return refusal
    tensor = without_none(ctx.value(node.target))
    if not isinstance(tensor, Tensor):
        return None
    refusal = aliased(ctx, node)
    if refusal is not None:
        return refusal
    given, needs = _in_dtype_of(ctx, node, new, tensor)
    if isinstance(node.target, cst.Subscript):
        from .tensors import subscript

        operator = getattr(cst, type(node.operator).__name__.removesuffix("Assign"))()
        target: Any = new.target
        old = subscript(ctx, node.target, target) or Edit(target)
        if isinstance(old, Refusal):
            return old
        value = cst.BinaryOperation(nodes.parenthesized(old.node), operator, nodes.parenthesized(given))
        return assign(ctx, node.target, Edit(value, (*old.needs, *needs)))
    if tensor.variable:
        method = {"AddAssign": "assign_add", "SubtractAssign": "assign_sub"}.get(type(node.operator).__name__)
        if method is None:
            return Refusal("XL206", "a parameter is changed in place", "use `variable.assign`")
        call = cst.Call(cst.Attribute(new.target, cst.Name(method)), [cst.Arg(given)])
        return Edit(cst.Expr(call), needs)
    return Edit(new.with_changes(value=given), needs) if needs else None


def _in_dtype_of(
    ctx: Context, node: cst.AugAssign, new: cst.AugAssign, tensor: Tensor
) -> tuple[cst.BaseExpression, tuple[str, ...]]:
    """The operand of ``x += y``, in the dtype that ``x`` keeps: integers and bools beside floats."""
    from .tensors import EXACT, mixed

    other = without_none(ctx.value(node.value))
    if not isinstance(other, Tensor) or other.dtype not in EXACT or not mixed(tensor, other):
        return new.value, ()
    owner = new.target.value if isinstance(new.target, cst.Subscript) else new.target
    return nodes.call("tf.cast", nodes.bare(new.value, node.value), cst.Attribute(owner, cst.Name("dtype"))), ("tf",)


# -- statements of modules ---------------------------------------------------------------------------------


def module_method(ctx: Context, node: cst.Call, new: cst.Call) -> Outcome:
    """``self.register_buffer(...)``, ``self.add_module(...)``, ``self.apply(...)`` and the like."""
    if not isinstance(node.func, cst.Attribute) or not isinstance(new.func, cst.Attribute):
        return None
    owner = without_none(ctx.value(node.func.value))
    if not isinstance(owner, Instance) or not _is_module(owner):
        return None
    handler = METHODS.get(node.func.attr.value)
    return handler(ctx, node, new, owner) if handler is not None else None


def _is_module(owner: Instance) -> bool:
    return owner.cls.module if isinstance(owner.cls, UserClass) else (owner.api or "").startswith("torch.nn")


def _register(ctx: Context, node: cst.Call, new: cst.Call, owner: Instance) -> Outcome:
    """A buffer or parameter under a literal name is an attribute; others go through `setattr`."""
    assert isinstance(new.func, cst.Attribute)
    args = {a.keyword.value: a for a in new.args if a.keyword is not None}
    plain = [a for a in new.args if a.keyword is None]
    name = plain[0].value if plain else args["name"].value
    value = plain[1].value if len(plain) > 1 else next((args[k].value for k in ("tensor", "param") if k in args), None)
    if value is None:
        return Refusal("XL202", "what is registered is not given")
    original = [a.value for a in node.args if a.keyword is None]
    buffer = node.func.attr.value == "register_buffer"  # type: ignore[union-attr]
    given = next((a.value for a in node.args if a.keyword is not None and a.keyword.value in ("tensor", "param")), None)
    if buffer:
        variable = buffer_value(ctx, original[1] if len(original) > 1 else given, value)
        if isinstance(variable, Refusal):
            return variable
        value = variable
    key = ctx.value(original[0]) if original else None
    if isinstance(key, Const) and isinstance(key.value, str) and isinstance(owner.cls, UserClass):
        target: Any = cst.Attribute(new.func.value, cst.Name(key.value))
        moved = renamed(ctx, owner.cls, key.value, target)
        target = moved.node if isinstance(moved, Edit) else target
        return Edit(cst.Assign([cst.AssignTarget(target)], value), ("keras",))
    return Edit(cst.Expr(nodes.call("setattr", new.func.value, name, value)), ("keras",))


def buffer_value(ctx: Context, node: Any, new: Any) -> Any:
    """The variable of a buffer; a tensor that may be ``None`` gives one only where it is not."""
    if nodes.is_name(new, "None"):
        return new
    variable = nodes.call("keras.Variable", nodes.bare(new, node), trainable=nodes.literal(False))
    if NONE not in options_of(ctx.value(node)):
        return variable
    if isinstance(new, cst.IfExp) and NONE in (ctx.value(node.body), ctx.value(node.orelse)):
        parts = {n: buffer_value(ctx, getattr(node, n), getattr(new, n)) for n in ("body", "orelse")}
        return next((p for p in parts.values() if isinstance(p, Refusal)), new.with_changes(**parts))
    if not isinstance(new, cst.Name | cst.Attribute):
        return Refusal("XL202", "a buffer is registered that may be None", "assign it to a name first")
    return nodes.template("{variable} if {x} is not None else None", {"variable": variable, "x": new})


def _add_module(ctx: Context, node: cst.Call, new: cst.Call, owner: Instance) -> Outcome:
    """``self.add_module("name", layer)`` on a plain module is an attribute; on a container it stays a call."""
    assert isinstance(new.func, cst.Attribute)
    base = owner.api or _container_base(ctx, owner)
    if base in ctx.dialect.containers or len(new.args) != 2:
        return None
    name, value = (a.value for a in new.args)
    key = ctx.value(node.args[0].value)
    if isinstance(key, Const) and isinstance(owner.cls, UserClass):
        target = cst.Attribute(new.func.value, cst.Name(key.value))
        moved = renamed(ctx, owner.cls, key.value, target)
        target = moved.node if isinstance(moved, Edit) else target
        return Edit(cst.Assign([cst.AssignTarget(target)], value))
    return Edit(cst.Expr(nodes.call("setattr", new.func.value, name, value)))


def _container_base(ctx: Context, owner: Instance) -> str | None:
    from .tensors import base_api

    return base_api(owner)


def _apply(ctx: Context, node: cst.Call, new: cst.Call, owner: Instance) -> Outcome:
    """``model.apply(init)`` visits every layer."""
    assert isinstance(new.func, cst.Attribute)
    if len(new.args) != 1:
        return None
    layers = cst.Call(cst.Attribute(new.func.value, cst.Name("_flatten_layers")))
    call = cst.Expr(cst.Call(new.args[0].value, [cst.Arg(cst.Name("layer"))]))
    loop = cst.For(cst.Name("layer"), layers, cst.IndentedBlock([cst.SimpleStatementLine([call])]))
    return Edit([loop])


def _reset(ctx: Context, node: cst.Call, new: cst.Call, owner: Instance) -> Outcome:
    """``layer.reset_parameters()`` of a layer that Keras has, too."""
    if isinstance(owner.cls, UserClass) or not resettable(ctx, owner):
        return None
    assert isinstance(new.func, cst.Attribute)
    return Edit(cst.Expr(nodes.call("draw_anew", new.func.value)), ("helper:draw_anew",))


METHODS = {
    "register_buffer": _register, "register_parameter": _register, "add_module": _add_module,
    "register_module": _add_module, "apply": _apply, "reset_parameters": _reset,
}  # fmt: skip

__all__ = ["api_call", "assign_item", "augmented", "call_statement"]
