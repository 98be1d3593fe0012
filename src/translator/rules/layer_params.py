"""Parameters of framework layers that Keras builds later: frozen, copied into, and initialised by their names."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import libcst as cst

from .. import nodes
from ..rewrite.context import Context, Edit, Outcome, Refusal
from ..values import Api, Const, Func, Instance, Map, Seq, UserClass, Value, elem_of, options_of, without_none
from .initializers import initializer, initializer_attribute
from .tensors import base_api, weight_name
from .training_params import is_module

if TYPE_CHECKING:
    from ..rewrite.rewriter import Rewriter

BUFFERS = ("running_mean", "running_var", "num_batches_tracked")


# -- frozen layers -----------------------------------------------------------------------------------------


def unbuilt_weight(ctx: Context, node: Any) -> cst.Attribute | None:
    """``layer.weight`` (also behind ``.data``) of a layer whose weights Keras makes at the first call."""
    while isinstance(node, cst.Attribute) and node.attr.value == "data":
        node = node.value
    if not isinstance(node, cst.Attribute):
        return None
    name = node.attr.value
    for one in options_of(without_none(ctx.value(node.value))):
        if not isinstance(one, Instance) or weight_name(ctx, one, name) is None:
            return None
        if isinstance(one.cls, UserClass) and one.cls.find(name) is not None:
            return None
    return node


def flag_target(ctx: Context, node: Any) -> tuple[cst.Attribute, Any] | None:
    """The weight and the new flag of ``layer.weight.requires_grad = flag`` or ``...requires_grad_(flag)``."""
    if isinstance(node, cst.Assign) and len(node.targets) == 1:
        target: Any = node.targets[0].target
        flag: Any = node.value
        found = isinstance(target, cst.Attribute) and target.attr.value == "requires_grad"
    elif isinstance(node, cst.Expr) and isinstance(node.value, cst.Call) and len(node.value.args) < 2:
        target, args = node.value.func, node.value.args
        found = isinstance(target, cst.Attribute) and target.attr.value == "requires_grad_"
        flag = args[0].value if args else None
    else:
        return None
    place = unbuilt_weight(ctx, target.value) if found else None  # type: ignore[union-attr]
    return (place, flag) if place is not None else None


def flag_claim(ctx: Context, node: Any) -> list[cst.CSTNode]:
    """The places that a statement which freezes a weight writes to."""
    found = flag_target(ctx, node)
    if found is None:
        return []
    target = node.targets[0].target if isinstance(node, cst.Assign) else node.value.func
    out: list[cst.CSTNode] = [] if isinstance(node, cst.Assign) else [node.value]
    while target is not found[0]:
        out.append(target)
        target = target.value
    return [*out, target]


def flag_statement(ctx: Context, node: Any, new: Any) -> Outcome:
    """A layer without other parameters is frozen as a whole: ``layer.trainable = False``."""
    found = flag_target(ctx, node)
    if found is None:
        return None
    place, flag = found
    if not all(only_parameter(ctx, o, place.attr.value) for o in options_of(without_none(ctx.value(place.value)))):
        hint = "freeze the whole layer, or set the variable's `trainable` once it is built"
        return Refusal("XL207", "one of several parameters of a layer is frozen before Keras builds it", hint)
    target = cst.Attribute(ctx.updated(place.value), cst.Name("trainable"))
    value = ctx.updated(flag) if flag is not None else nodes.literal(True)
    return Edit(cst.Assign([cst.AssignTarget(target)], value))


def only_parameter(ctx: Context, layer: Value, name: str) -> bool:
    """Whether a layer has no other parameter than the named one."""
    assert isinstance(layer, Instance)
    rows = ctx.tables.find(base_api(layer) or "")
    others = [n for n in rows[0].weights if n != name and n not in BUFFERS]
    own = layer.cls.attrs.values() if isinstance(layer.cls, UserClass) else ()
    if any(getattr(v, "variable", False) or isinstance(v, Instance) for v in own):
        return False
    return not others or (others == ["bias"] and layer.args.get("bias") == Const(False))


# -- values copied in --------------------------------------------------------------------------------------


def copied(ctx: Context, place: cst.Attribute, source: cst.BaseExpression) -> Outcome:
    """``layer.weight.data.copy_(x)`` in a constructor: the layer is built with that value."""
    refusal = Refusal(
        "XL207", f"`{nodes.code(place)}` is written to, and Keras has not built this layer's weights yet",
        "assign to the variable after the first call, or set the layer's initializer",
    )  # fmt: skip
    if unbuilt_weight(ctx, place) is None or ctx.func is None or not only_constructs(ctx.func, set()):
        return refusal
    attribute = initializer_attribute(ctx, without_none(ctx.value(place.value)), place.attr.value)
    value = ctx.updated(source)
    needs: tuple[str, ...] = ("keras",)
    if attribute == "kernel_initializer":
        apis = [base_api(o) for o in options_of(without_none(ctx.value(place.value))) if isinstance(o, Instance)]
        if any(a != "torch.nn.Linear" for a in apis):
            return refusal
        value, needs = nodes.call("tf.transpose", value), ("keras", "tf")
    if attribute is None:
        return refusal
    target = cst.Attribute(ctx.updated(place.value), cst.Name(attribute))
    return Edit(cst.Assign([cst.AssignTarget(target)], nodes.call("keras.initializers.Constant", value)), needs)


def only_constructs(func: Func, seen: set[Func]) -> bool:
    """Whether a function runs only while layers are made: a constructor, or called by constructors alone."""
    if func in seen or func.name == "__init__":
        return True
    seen.add(func)
    return bool(func.callers) and all(isinstance(c, Func) and only_constructs(c, seen) for c in func.callers)


def copied_layer(ctx: Context, node: cst.Call, new: cst.Call) -> Outcome:
    """``copy.deepcopy(layer)``: Keras layers are copied by their attributes, since they need not be built yet."""
    if ctx.value(node.func) != Api("copy.deepcopy") or len(node.args) != 1 or node.args[0].keyword is not None:
        return None
    if not is_module(ctx.value(node.args[0].value)):
        return None
    return Edit(nodes.call("clone_layer", new.args[0].value), ("helper:clone_layer",))


# -- parameters by name ------------------------------------------------------------------------------------

COMPONENT = re.compile(r"[A-Za-z_]\w*")


def named_parameters_loop(rw: Rewriter, node: cst.For) -> Any:
    """``for name, p in self.named_parameters(): if name.endswith("proj.weight"): nn.init.normal_(p, ...)``.

    The variables do not exist yet, so the layers of that path get another initialiser.
    """
    names = loop_names(rw.ctx, node)
    cases = [branch(rw, s, names) for s in node.body.body] if names is not None else []
    if not cases or None in cases:
        return None
    taken = {n.value for n in nodes.walk(rw.ctx.tree) if isinstance(n, cst.Name)}
    layer = next(n for n in ("layer", "sublayer", "inner_layer") if n not in taken)
    body = []
    for statement, (test, attribute, value, certain) in zip(node.body.body, cases, strict=True):  # type: ignore[misc]
        if not certain:
            guard = nodes.call("hasattr", cst.Name(layer), nodes.literal(attribute))
            test = cst.BooleanOperation(test, cst.And(), guard)
        target = cst.Attribute(cst.Name(layer), cst.Name(attribute))
        line = cst.SimpleStatementLine([cst.Assign([cst.AssignTarget(target)], value)])
        body.append(statement.with_changes(test=test, body=statement.body.with_changes(body=[line])))
    owner = node.iter.func.value  # type: ignore[union-attr,attr-defined]
    rw.ctx.seen += 1
    rw.ctx.translated += 1
    rw.ctx.needs.add("helper:named_layers")
    first, second = node.target.elements  # type: ignore[attr-defined]
    target = node.target.with_changes(elements=[first, second.with_changes(value=cst.Name(layer))])
    return node.with_changes(
        target=target, iter=nodes.call("named_layers", rw.visit(owner)), body=node.body.with_changes(body=body)
    )


def loop_names(ctx: Context, node: cst.For) -> tuple[str, str] | None:
    """The two names of a loop over ``module.named_parameters()`` of a class of the project."""
    func = node.iter.func if isinstance(node.iter, cst.Call) and not node.iter.args else None
    if not isinstance(func, cst.Attribute) or func.attr.value != "named_parameters" or node.orelse is not None:
        return None
    owner = without_none(ctx.value(func.value))
    if not isinstance(owner, Instance) or not isinstance(owner.cls, UserClass) or not owner.cls.module:
        return None
    target = node.target
    parts = [e.value for e in target.elements] if isinstance(target, cst.Tuple) else []
    if len(parts) != 2 or not all(isinstance(p, cst.Name) for p in parts):
        return None
    if not isinstance(node.body, cst.IndentedBlock):
        return None
    return parts[0].value, parts[1].value  # type: ignore[union-attr]


def branch(rw: Rewriter, statement: Any, names: tuple[str, str] | None) -> tuple[Any, str, Any, bool] | None:
    """The new test, the initialiser's attribute and value of one ``if``, and whether every such layer has it."""
    assert names is not None
    name, parameter = names
    if not isinstance(statement, cst.If) or statement.orelse is not None or len(statement.body.body) != 1:
        return None
    line = statement.body.body[0]
    if not isinstance(line, cst.SimpleStatementLine) or len(line.body) != 1:
        return None
    small = line.body[0]
    call = rw.ctx.call(small.value) if isinstance(small, cst.Expr) else None
    path = ending(statement.test, name)
    if call is None or path is None or not call.api.startswith("torch.nn.init.") or "tensor" not in call.args:
        return None
    others = [b.node for n, b in call.args.items() if n != "tensor"]
    used = {n.value for other in others for n in nodes.walk(other) if isinstance(n, cst.Name)}
    if not nodes.is_name(call.args["tensor"].node, parameter) or used & {name, parameter}:
        return None
    attributes = {initializer_attribute(rw.ctx, o, path[1]) for o in reached(rw.ctx, path[0])}
    known = attributes - {None}
    if len(known) != 1:
        return None
    for other in others:
        rw.visit(other)
    value = initializer(rw.ctx, call)
    if not isinstance(value, Edit):
        return None
    rw.ctx.needs.update(value.needs)
    method = "endswith" if isinstance(statement.test, cst.Call) else "=="
    text = f'{name}.endswith("{path[0]}")' if method == "endswith" else f'{name} == "{path[0]}"'
    return cst.parse_expression(text), known.pop(), value.node, None not in attributes  # type: ignore[return-value]


def ending(test: Any, name: str) -> tuple[str, str] | None:
    """The layer's path and the parameter of ``name.endswith("proj.weight")`` or ``name == "head.weight"``."""
    text = None
    if isinstance(test, cst.Call) and isinstance(test.func, cst.Attribute) and len(test.args) == 1:
        if nodes.is_name(test.func.value, name) and test.func.attr.value == "endswith":
            text = test.args[0].value
    elif isinstance(test, cst.Comparison) and len(test.comparisons) == 1 and nodes.is_name(test.left, name):
        text = test.comparisons[0].comparator if isinstance(test.comparisons[0].operator, cst.Equal) else None
    value = text.evaluated_value if isinstance(text, cst.SimpleString) else None
    found = re.fullmatch(r"(.+)\.(weight|bias)", value) if isinstance(value, str) else None
    if found is None or not all(COMPONENT.fullmatch(part) for part in found[1].lstrip(".").split(".")):
        return None
    return found[1], found[2]


def reached(ctx: Context, path: str) -> list[Value]:
    """What may stand under an attribute whose path ends so."""
    last = path.rsplit(".", 1)[-1]
    out: list[Value] = []
    for cls in ctx.facts.classes.values():
        if cls.module:
            for name, value in cls.attrs.items():
                inner = entries(name, value)
                out += [v for key, v in inner if key == last or ("." not in path and key.endswith(last))]
    return [o for value in out for o in options_of(without_none(value))]


def entries(name: str, value: Value) -> list[tuple[str, Value]]:
    """The name and value of an attribute, and of what a dict in it holds."""
    out = [(name, value)]
    for one in options_of(without_none(value)):
        inner = one.args if isinstance(one, Instance) and one.api == "torch.nn.ModuleDict" else None
        if isinstance(one, Map) and one.items is not None:
            inner = one.items
        out += [(str(k), v) for k, v in (inner or {}).items()]
        if isinstance(one, Seq):
            out.append((name, elem_of(one)))
    return out
