"""Subclasses of Keras's Model and Layer: `nn.Module` classes with `forward`."""

from __future__ import annotations

from typing import Any

import libcst as cst

from .. import nodes
from ..infer.emitted import PLACE, helpers_format, stands_for_module
from ..infer.facts import Bound, BoundCall
from ..infer.keras_graph import is_declaration, made_by
from ..infer.layers import module_base
from ..model import Edge
from ..rewrite.context import Context, Edit, Outcome, Refusal
from ..rewrite.rewriter import Rewriter
from ..values import (
    UNKNOWN,
    Api,
    Func,
    Instance,
    Map,
    Seq,
    Tensor,
    UserClass,
    Value,
    as_tensor,
    elem_of,
    options_of,
    without_none,
)
from .axis_notes import without_note
from .keras_layout import Refused, letters, moved, order, rank_of

SEQUENTIAL = "keras.Sequential"
BASES = frozenset({"keras.Model", "keras.layers.Layer", "tf.Module"})
DROPPED_METHODS = {
    "get_config": "`get_config` is dropped: PyTorch modules are rebuilt from code",
    "from_config": "`from_config` is dropped: PyTorch modules are rebuilt from code",
    "compute_output_shape": "`compute_output_shape` is dropped: PyTorch finds shapes by running",
    "compute_output_spec": "`compute_output_spec` is dropped: PyTorch finds shapes by running",
}
REFUSED_METHODS = {
    "compute_mask": "masks are not translated yet",
    "predict_step": "custom prediction steps are not translated yet",
}


def class_def(rewriter: Rewriter, node: cst.ClassDef) -> Any:
    """A class of the user's: its base is `nn.Module`."""
    ctx = rewriter.ctx
    cls = ctx.facts.classes.get(node)
    if cls is None or not cls.module:
        return None
    from .keras_build import LAZY, plan

    outer, ctx.cls = ctx.cls, cls
    refusals, ctx.refusals = ctx.refusals, []
    try:
        bases = [base(rewriter, arg) for arg in node.bases]
        if "build" in cls.methods and plan(rewriter, cls).lazy:
            bases.insert(0, cst.Arg(nodes.dotted(LAZY)))
        decorators = [d for d in node.decorators if not registered(ctx, d)]
        found, ctx.refusals = ctx.refusals, refusals
        new = node.with_changes(bases=bases, decorators=decorators)
        if found:
            new = rewriter.marked(node, found)
            ctx.refused += len(found)
        edges(ctx, cls)
        return new.with_changes(body=rewriter.part(node.body))
    finally:
        ctx.cls = outer


PUBLISHED = ("keras_export", "register_keras_serializable", "tf_export")
"""Decorators that only concern Keras's saving and its public names."""


FIRST = "channels_first"
GRAPHS = frozenset({"tf.function", f"{PLACE}compiled", f"{PLACE}graph_control_flow"})
"""Decorators that have TensorFlow make a graph."""


def registered(ctx: Context, decorator: cst.Decorator) -> bool:
    """Whether a class's decorator has no meaning without Keras."""
    node = decorator.decorator
    value = ctx.value(node.func if isinstance(node, cst.Call) else node)
    return isinstance(value, Api) and value.name.endswith(PUBLISHED)


def base(rewriter: Rewriter, arg: cst.Arg) -> cst.Arg:
    from .keras_calls import short_name

    ctx = rewriter.ctx
    assert ctx.cls is not None
    value = ctx.value(arg.value)
    if isinstance(value, Api):
        name = ctx.tables.canonical(value.name)
        ctx.seen += 1
        if name in BASES or name == SEQUENTIAL:
            ctx.translated += 1
            return arg.with_changes(value=nodes.dotted("nn.Module" if name in BASES else "nn.Sequential"))
        row = next(iter(ctx.tables.find(name)), None) if name.startswith(PLACE) else None
        if row is not None and row.layout == "channels" and helpers_format(ctx.facts, ctx.cls.scope.module) != FIRST:
            rewriter.refuse(arg.value, Refusal("XL303", f"{value.name} as a base class, of channels-last tensors"))
            return arg
        if row is not None and row.tf:
            ctx.translated += 1
            return arg.with_changes(value=nodes.dotted(short_name(row.tf[0])))
        if name.split(".")[0] in ctx.dialect.roots:
            rewriter.refuse(arg.value, Refusal("XL204", f"{value.name} as a base class has no counterpart"))
    return arg


def edges(ctx: Context, cls: UserClass) -> None:
    """Report which tensors enter and leave a model channels-first."""
    forward = cls.methods.get("call")
    held = held_by(cls)
    if forward is None and held is not None:
        from .keras_calls import sequence_passes

        try:
            ends = sequence_passes(ctx, held, None, None)
        except Refused:
            return
        found = zip(("input", "return"), ends, strict=True)
        ctx.edges += [Edge(cls.name, name, letters(perm, len(perm))) for name, perm in found if perm]
        return
    if forward is None or forward.node not in ctx.facts.functions:
        return
    for param in forward.node.params.params[1:]:
        edge(ctx, cls.name, param.name.value, forward.start.get(param.name.value))
    outputs(ctx, cls.name, forward.returns)


def held_by(cls: Value) -> Instance | None:
    """The layers of a subclass of `keras.Sequential`."""
    held = cls.find("<children>") if isinstance(cls, UserClass) and module_base(cls) == SEQUENTIAL else None
    return held if isinstance(held, Instance) else None


def outputs(ctx: Context, owner: str, value: Value | None) -> None:
    """The edges of what a model returns."""
    if isinstance(value, Seq) and value.items is not None:
        for i, item in enumerate(value.items):
            edge(ctx, owner, f"return[{i}]", item)
    else:
        edge(ctx, owner, "return", value)


def edge(ctx: Context, owner: str, name: str, value: Value | None) -> None:
    """One tensor at the edge, if its order changed."""
    tensor = as_tensor(value) if value is not None else None
    try:
        perm = order(tensor) if tensor is not None else None
    except Refused:
        return
    if perm is not None:
        ctx.edges.append(Edge(owner, name, letters(perm, rank_of(tensor))))


# -- functions -------------------------------------------------------------------------------------------


def function_def(rewriter: Rewriter, node: cst.FunctionDef) -> Any:
    """A function or method: `call` is `forward`, what only Keras asks for goes."""
    ctx = rewriter.ctx
    func = ctx.facts.functions.get(node)
    if func is None:
        return None
    module = func.owner is not None and func.owner.module
    if module and func.name in DROPPED_METHODS:
        ctx.note(node, "XL403", DROPPED_METHODS[func.name])
        return []
    if module and func.name == "build":
        return build(rewriter, node, func)
    outer, ctx.func = ctx.func, func
    try:
        new = header(rewriter, node, func)
        if module and func.name in REFUSED_METHODS:
            refusal = Refusal("XL203", REFUSED_METHODS[func.name])
            rewriter.refuse(node, refusal)
            ctx.refusals.pop()
            ctx.refused += 1
            return rewriter.marked(node, [(node, refusal)])
        body = rewriter.part(node.body)
        if module and func.name == "__init__" and ctx.cls is not None:
            body = with_weights(rewriter, ctx.cls, body)
        return new.with_changes(body=without_note(body) if module else body)
    finally:
        ctx.func = outer


def with_weights(rewriter: Rewriter, cls: UserClass, body: Any) -> Any:
    """``__init__`` with what ``build`` made."""
    from .keras_build import plan

    extra = plan(rewriter, cls).init
    return body.with_changes(body=[*body.body, *extra]) if extra and isinstance(body, cst.IndentedBlock) else body


def header(rewriter: Rewriter, node: cst.FunctionDef, func: Func) -> cst.FunctionDef:
    """The signature without ``training``, ``mask``, ``name`` and ``**kwargs`` where only Keras reads them."""
    ctx = rewriter.ctx
    from .tf_flow import own_gradient

    outer, ctx.refusals = ctx.refusals, []
    params = rewriter.visit(node.params)
    returns = rewriter.visit(node.returns) if node.returns is not None else None
    decorators = [rewriter.visit(d) for d in node.decorators if not traced(ctx, d)]
    found, ctx.refusals = ctx.refusals, outer
    own = own_gradient(ctx, func)
    if own is not None:
        rewriter.refuse(node, own)
        found.append(ctx.refusals.pop())
    new = node
    if found:
        ctx.refused += len(found)
        new = rewriter.marked(node, found)
        params, returns = node.params, node.returns
    if func.owner is not None and func.owner.module:
        gone = {"training", "mask"} if func.name != "__init__" else {"name", "dtype", "trainable"}
        params = without(params, {n for n in gone if n in ("training",) or not used(node, n)})
        if func.name == "__init__" and params.star_kwarg is not None and not used(node, params.star_kwarg.name.value):
            params = params.with_changes(star_kwarg=None)
            params = trimmed(params)
    name = func.name
    if func.owner is not None and func.owner.module:
        taken = name in ctx.tables.target.reserved
        name = "forward" if name in ctx.dialect.forward else f"{name}_" if taken else name
    return new.with_changes(params=params, returns=returns, decorators=decorators, name=cst.Name(name))


def traced(ctx: Context, decorator: cst.Decorator) -> bool:
    """``@tf.function``: PyTorch runs eagerly. Names under which Keras publishes something go, too."""
    node = decorator.decorator
    value = ctx.value(node.func if isinstance(node, cst.Call) else node)
    gone = isinstance(value, Api) and (value.name in GRAPHS or value.name.endswith(PUBLISHED))
    if gone:
        ctx.seen += 1
        ctx.translated += 1
    return gone


def without(params: cst.Parameters, names: set[str]) -> cst.Parameters:
    """The parameters without some of them."""
    plain = [p for p in params.params if p.name.value not in names]
    only = [p for p in params.kwonly_params if p.name.value not in names]
    star = params.star_arg if only or isinstance(params.star_arg, cst.Param) else cst.MaybeSentinel.DEFAULT
    if len(plain) == len(params.params) and len(only) == len(params.kwonly_params):
        return params
    return trimmed(params.with_changes(params=plain, kwonly_params=only, star_arg=star))


def trimmed(params: cst.Parameters) -> cst.Parameters:
    """No comma after what is the last parameter now."""
    if params.star_kwarg is not None:
        return params
    field = "kwonly_params" if params.kwonly_params else "params"
    items = list(getattr(params, field))
    if (
        items
        and isinstance(items[-1].comma, cst.Comma)
        and not isinstance(items[-1].comma.whitespace_after, cst.ParenthesizedWhitespace)
    ):
        items[-1] = items[-1].with_changes(comma=cst.MaybeSentinel.DEFAULT)
        return params.with_changes(**{field: items})
    return params


class _Reads(cst.CSTVisitor):
    """Whether a name is read outside of ``super().__init__(...)``."""

    def __init__(self, name: str) -> None:
        self.name, self.found = name, False

    def visit_Call(self, node: cst.Call) -> bool:
        return not is_super_init(node)

    def visit_Arg(self, node: cst.Arg) -> bool:
        if nodes.is_name(node.value, self.name) and node.keyword is not None and node.keyword.value == self.name:
            return self.name not in ("mask", "training", "name")
        return True

    def visit_Name(self, node: cst.Name) -> None:
        self.found |= node.value == self.name


def used(node: cst.FunctionDef, name: str) -> bool:
    """Whether a method's body reads a name for anything but Keras's own bookkeeping."""
    visitor = _Reads(name)
    node.body.visit(visitor)
    return visitor.found


def is_super_init(node: Any) -> bool:
    """``super().__init__(...)`` in any of its spellings."""
    return (
        isinstance(node, cst.Call)
        and isinstance(node.func, cst.Attribute)
        and node.func.attr.value == "__init__"
        and isinstance(node.func.value, cst.Call)
        and nodes.is_name(node.func.value.func, "super")
    )


# -- statements -----------------------------------------------------------------------------------------------


def expression_statement(ctx: Context, node: cst.Expr, new: cst.Expr) -> Outcome:
    """``super().__init__(name=..., **kwargs)`` takes no arguments; building and summaries go."""
    call = node.value
    if not isinstance(call, cst.Call):
        return None
    if is_super_init(call) and ctx.cls is not None and ctx.cls.module:
        if any(isinstance(b, Api) and b.name == SEQUENTIAL for b in ctx.cls.bases):
            return super_of_sequence(ctx, ctx.cls, call, new)
        return Edit(new.with_changes(value=super_init(ctx, call, new.value)))
    if isinstance(call.func, cst.Attribute):
        owner = without_none(ctx.value(call.func.value))
        if isinstance(owner, Instance) and call.func.attr.value == "add" and owner.api == "keras.Sequential":
            return sequential_add(ctx, call, new, owner)
        if isinstance(owner, Instance) and call.func.attr.value == "add" and module_base(owner.cls) == SEQUENTIAL:
            held = held_by(owner.cls) if nodes.is_name(call.func.value, "self") else None
            if held is None:
                return Refusal("XL209", "which layers this Sequential holds is not known here")
            return sequential_add(ctx, call, new, held)
        if isinstance(owner, Instance) and is_model(owner):
            return model_method(ctx, call, new, owner)
        known = ctx.cls is not None and ctx.cls.module  # what another library's base class does has to stay
        if known and isinstance(call.func.value, cst.Call) and nodes.is_name(call.func.value.func, "super"):
            return Edit([]) if call.func.attr.value in ("build", "compile") else None
    return None


def super_init(ctx: Context, call: cst.Call, new: Any) -> Any:
    """Arguments that a user's own base class takes stay; Keras's go."""
    assert ctx.cls is not None
    own = next((b for b in ctx.cls.bases if isinstance(b, UserClass)), None)
    if any(isinstance(b, Api) and b.name.startswith(PLACE) for b in ctx.cls.bases):
        return new
    func = nodes.dotted("super().__init__")
    if own is None:
        return cst.Call(func)
    kept = [a for a in new.args if not (a.keyword is not None and a.keyword.value in ("name", "dtype", "trainable"))]
    kept = [a for a in kept if a.star != "**"]
    return new.with_changes(func=func, args=kept)


def super_of_sequence(ctx: Context, cls: UserClass, call: cst.Call, new: cst.Expr) -> Outcome:
    """``super().__init__([a, b])`` of a subclass of `keras.Sequential`: PyTorch's takes its modules one by one."""
    from .keras_sequential import MASKED, sequential

    bound = next((a for a in call.args if not a.star and (a.keyword is None or a.keyword.value == "layers")), None)
    held = held_by(cls)
    if any(a.star == "*" for a in call.args) or (bound is not None and held is None):
        return Refusal("XL202", "the layers of this Sequential are not written out")
    if bound is None or held is None:
        return Edit(new.with_changes(value=cst.Call(nodes.dotted("super().__init__"))))
    layers = Bound(bound.value, ctx.value(bound.value))
    written = call.with_changes(args=[])
    try:
        made = sequential(ctx, BoundCall(SEQUENTIAL, call, {"layers": layers}, result=held), call, written)
    except Refused as refused:
        return refused.refusal
    if not isinstance(made, Edit):
        return made
    if not isinstance(made.node, cst.Call) or nodes.is_name(made.node.func, MASKED):
        return Refusal("XL203", "masks between the layers of a subclass of Sequential are not translated")
    return Edit(new.with_changes(value=made.node.with_changes(func=nodes.dotted("super().__init__"))), made.needs)


def is_model(owner: Instance) -> bool:
    return (
        owner.cls.module
        if isinstance(owner.cls, UserClass)
        else owner.cls.name.startswith(("keras.Model", "keras.Seq"))
    )


def model_method(ctx: Context, call: cst.Call, new: cst.Expr, owner: Instance) -> Outcome:
    """Statements on models that have a plain counterpart, or none at all."""
    assert isinstance(call.func, cst.Attribute)
    method = call.func.attr.value
    if isinstance(owner.cls, UserClass) and owner.cls.find(method) is not None:
        return None
    if method == "summary":
        target = new.value.func.value if isinstance(new.value, cst.Call) else call.func.value  # type: ignore[union-attr]
        return Edit(cst.Expr(nodes.call("print", target)))
    if method == "build":
        return Edit([])
    return None


def sequential_add(ctx: Context, call: cst.Call, new: cst.Expr, owner: Instance) -> Outcome:
    """``model.add(layer)`` becomes ``model.append(layer)``, once for each module."""
    from .keras_sequential import child_modules

    if not isinstance(call.func, cst.Attribute) or not isinstance(new.value, cst.Call):
        return Refusal("XL209", "which layers this Sequential holds is not known here")
    argument = call.args[0].value
    value = ctx.value(argument)
    if is_declaration(value):
        return Edit([])
    state = None
    try:
        from .keras_calls import sequence_passes

        maker = made_by(value)  # of a layer in a loop, several may be known: its first turn counts
        same = (i for i, c in enumerate(owner.children or ()) if c is value or (maker and made_by(c) is maker))
        index = next(same, None)
        if index is None and owner.children is not None:
            return Refusal("XL209", "where this layer stands in its Sequential is not known here")
        state, _ = sequence_passes(ctx, owner, None, None)  # where they are not known, all take and give one order
        for child in (owner.children or ())[:index]:
            _, state = _step(ctx, child, state)
        modules, after = child_modules(ctx, argument, value, state)
        if after != state and sometimes(ctx, call, made_by(owner)):
            raise Refused("XL301", "a layer that changes the axis order is added in some cases, or several times")
    except Refused as refused:
        return refused.refusal
    receiver = new.value.func.value  # type: ignore[union-attr]
    lines = [cst.Expr(cst.Call(cst.Attribute(receiver, cst.Name("append")), [cst.Arg(m)])) for m in modules]
    return Edit([cst.SimpleStatementLine([line]) for line in lines])


def sometimes(ctx: Context, call: cst.Call, since: cst.CSTNode | None) -> bool:
    """Whether a call stands under a condition or in a loop that does not hold the call that came first, too."""
    blocks = (n for n in nodes.walk_statements(ctx.tree) if isinstance(n, cst.If | cst.For | cst.While | cst.Try))
    within = (set(nodes.walk(n)) for n in blocks)
    return any(call in found and since not in found for found in within)


def _step(ctx: Context, child: Value, state: Any) -> tuple[Any, Any]:
    from .keras_calls import child_rank, passes

    if not isinstance(child, Instance) or child.api == "keras.layers.InputLayer":
        return state, state
    return passes(ctx, child, child_rank(ctx, child, len(state) if state else None), state)


def assign(ctx: Context, node: cst.Assign, new: cst.Assign) -> Outcome:
    """A merge layer that is kept for later needs no module: its calls become expressions."""
    from .keras_calls import MERGES

    value = ctx.value(node.value)
    call = ctx.call(node.value)
    target = node.targets[0].target
    tensor = as_tensor(value)
    if tensor is not None and (isinstance(target, cst.Tuple | cst.List) or lost(ctx, target)):
        try:
            moved_value = moved(new.value, order(tensor), None)
        except Refused as refused:
            return refused.refusal
        return Edit(new.with_changes(value=moved_value)) if moved_value is not new.value else None
    if isinstance(target, cst.Attribute) and len(node.targets) == 1:
        if target.attr.value == "trainable":
            return frozen(ctx, target, new)
        if target.attr.value == "input_spec" and nodes.is_name(target.value, "self") and ctx.cls is not None:
            return Edit([])
        container = registered_container(ctx, target, value)
        if container:
            plain = isinstance(new.value, cst.List | cst.Dict) and not new.value.elements
            return Edit(new.with_changes(value=nodes.call(container, *([] if plain else [new.value]))))
    if isinstance(target, cst.Attribute) and tensor is not None and tensor.variable and call is None:
        from .tf_nn import KEPT, kept_by_keras

        if isinstance(node.value, cst.Call) and kept_by_keras(ctx):
            return KEPT
    if isinstance(value, Instance) and value.api in MERGES and call is not None and call.api == value.api:
        return Edit([])
    return None


def frozen(ctx: Context, target: cst.Attribute, new: cst.Assign) -> Outcome:
    """``layer.trainable = False``: in Keras a batch normalisation also stops to follow its batches then."""
    owner = without_none(ctx.value(target.value))
    written = new.targets[0].target
    if not isinstance(owner, Instance) or not is_layer_class(owner) or not isinstance(written, cst.Attribute):
        return None
    if owner.api is None or owner.api.startswith(("keras.Model", "keras.Sequential")) or "BatchNorm" in owner.api:
        return Refusal("XL203", "whether a batch normalisation is frozen here is not known",
                       "set `requires_grad_` of the parameters, and `eval()` of its batch normalisations")  # fmt: skip
    func = cst.Attribute(written.value, cst.Name("requires_grad_"))
    return Edit(cst.Expr(cst.Call(func, [cst.Arg(new.value)])))


def annotated(ctx: Context, node: cst.AnnAssign, new: cst.AnnAssign) -> Outcome:
    """``self.blocks: list = []`` that layers are put into."""
    if not isinstance(node.target, cst.Attribute) or node.value is None or new.value is None:
        return None
    container = registered_container(ctx, node.target, ctx.value(node.value))
    if not container:
        return None
    plain = isinstance(new.value, cst.List | cst.Dict) and not new.value.elements
    made = nodes.call(container, *([] if plain else [new.value]))
    return Edit(cst.Assign([cst.AssignTarget(new.target)], made))


def lost(ctx: Context, target: Any) -> bool:
    """Whether a value is put where it is not followed."""
    return isinstance(target, cst.Subscript | cst.Attribute) and ctx.value(target.value) is UNKNOWN


def registered_container(ctx: Context, target: cst.Attribute, value: Value) -> str:
    """PyTorch finds layers and weights in its own containers only: which one an attribute needs."""
    owner = without_none(ctx.value(target.value))
    if not isinstance(owner, Instance) or not isinstance(owner.cls, UserClass) or not owner.cls.module:
        return ""
    held = owner.cls.find(target.attr.value)
    held = held if isinstance(held, Seq | Map) else value
    if not isinstance(value, Seq | Map) or not isinstance(held, Seq | Map):
        return ""
    items = [o for v in (elem_of(held), elem_of(value)) for o in options_of(v)]
    names = ("nn.ModuleDict", "nn.ParameterDict") if isinstance(held, Map) else ("nn.ModuleList", "nn.ParameterList")
    if any(isinstance(i, Instance) and is_layer_class(i) for i in items):
        return names[0]
    return names[1] if any(isinstance(i, Tensor) and i.variable for i in items) else ""


def is_layer_class(owner: Instance) -> bool:
    if isinstance(owner.cls, UserClass):
        return owner.cls.module
    return owner.cls.name.startswith("keras.") or stands_for_module(owner.cls.name)


# -- build and weights --------------------------------------------------------------------------------------------


def build(rewriter: Rewriter, node: cst.FunctionDef, func: Func) -> Any:
    """``build(input_shape)`` makes the weights when the first input is there: a lazy module does the same."""
    from .keras_build import plan

    ctx = rewriter.ctx
    assert ctx.cls is not None
    ours = plan(rewriter, ctx.cls)
    if ours.refusal is not None:
        rewriter.refuse(node, ours.refusal)
        ctx.refusals.pop()
        ctx.refused += 1
        return rewriter.marked(node, [(node, ours.refusal)])
    made = [ours.method] if ours.method is not None else []
    if "__init__" not in ctx.cls.methods and ours.init:
        me = cst.Parameters([cst.Param(cst.Name("self"))])
        body = cst.IndentedBlock([nodes.statement("super().__init__()"), *ours.init])
        lines = node.leading_lines
        made.insert(0, cst.FunctionDef(cst.Name("__init__"), me, body, leading_lines=lines))
        made[1:] = [m.with_changes(leading_lines=[cst.EmptyLine(indent=False)]) for m in made[1:]]
    return made
