"""Classes of layers and models, their methods, and the calls between them."""

from __future__ import annotations

from typing import Any

import libcst as cst

from .. import nodes
from ..infer.lightning import STEPS, driven
from ..rewrite.context import Context, Edit, Outcome, Refusal
from ..rewrite.rewriter import Rewriter
from ..values import Api, Func, Instance, MethodOf, UserClass, as_tensor, without_none
from .control import needless
from .graph_flow import flow_decorator
from .lightning import refused_base
from .model_edges import documented, specified
from .no_gradients import decorator
from .tensors import reserved
from .training_carry import with_tape

STATE_DICT_HOOKS = frozenset({"_load_from_state_dict", "_save_to_state_dict", "_register_load_state_dict_pre_hook"})
"""Methods that only PyTorch's own loading and saving calls: they convert the state of older versions of a class."""


def class_def(rewriter: Rewriter, node: cst.ClassDef) -> Any:
    """A class: its bases become Keras's, and its methods know what class they are in."""
    ctx = rewriter.ctx
    cls = ctx.facts.classes.get(node)
    if cls is None:
        return None
    outer, ctx.cls = ctx.cls, cls
    refusals, ctx.refusals = ctx.refusals, []
    try:
        bases = [base_arg(rewriter, cls, arg) for arg in node.bases]
        found, ctx.refusals = ctx.refusals, refusals
        decorators = [d for d in node.decorators if not dropped_decorator(ctx, d)]
        new = node
        if found:
            # A class of the other framework with layers of this one inside would be neither.
            ctx.refused += len(found)
            return rewriter.marked(node, found)
        if any(a is not b for a, b in zip(bases, node.bases, strict=True)):
            new = node.with_changes(bases=bases)
        if len(decorators) != len(node.decorators):
            new = new.with_changes(decorators=decorators)
        body = specified(ctx, cls, rewriter.part(node.body))
        return new.with_changes(body=body) if body is not node.body else new
    finally:
        ctx.cls = outer


def base_arg(rewriter: Rewriter, cls: UserClass, arg: cst.Arg) -> cst.Arg:
    """One base class."""
    ctx = rewriter.ctx
    if isinstance(arg.value, cst.Subscript) and _of_framework(ctx, ctx.value(arg.value.value)):
        # `Dataset[T]`: neither Keras's classes nor the helpers are generic.
        arg = arg.with_changes(value=arg.value.value)
    value = ctx.value(arg.value)
    left = refused_base(ctx, cls, ctx.tables.canonical(value.name) if isinstance(value, Api) else "")
    if left is not None:
        rewriter.refuse(arg.value, left)
        return arg
    if isinstance(value, Api) and ctx.tables.canonical(value.name) == "torch.nn.Module":
        ctx.seen += 1
        ctx.translated += 1
        ctx.needs.add("keras")
        return arg.with_changes(value=nodes.dotted(module_base(ctx, cls)))
    if isinstance(value, Api) and _of_framework(ctx, value):
        rows = ctx.tables.find(ctx.tables.canonical(value.name))
        adapter = rows[0].adapter if rows else None
        if adapter:
            ctx.seen += 1
            ctx.translated += 1
            ctx.needs.add(f"helper:{adapter}")
            return arg.with_changes(value=nodes.dotted(adapter))
        if rows and rows[0].refuse:
            why = Refusal("XL203", f"{value.name} as a base class: {rows[0].refuse}", rows[0].hint)
        else:
            why = Refusal("XL204", f"{value.name} as a base class has no counterpart")
        rewriter.refuse(arg.value, why)
        return arg
    new = rewriter.in_role("base", arg.value)
    return arg.with_changes(value=new) if new is not arg.value else arg


def module_base(ctx: Context, cls: UserClass) -> str:
    """What a class derives from in place of `nn.Module`."""
    return "keras.layers.Layer" if cls in ctx.local_layers else "keras.Model"


def base_init(ctx: Context, node: cst.Call, new: cst.Call) -> Outcome:
    """``nn.Module.__init__(self)``, the oldest form of ``super().__init__()``."""
    call = ctx.call(node)
    if call is None or call.api != "torch.nn.Module.__init__" or ctx.cls is None or len(new.args) != 1:
        return None
    func = cst.Attribute(nodes.dotted(module_base(ctx, ctx.cls)), cst.Name("__init__"))
    return Edit(new.with_changes(func=func), ("keras",))


def _of_framework(ctx: Context, value: Any) -> bool:
    return isinstance(value, Api) and value.name.split(".", 1)[0] in ctx.dialect.roots


def dropped_decorator(ctx: Context, decorator: cst.Decorator) -> bool:
    """Decorators that only concern PyTorch's compilers and autograd."""
    node = decorator.decorator
    func = node.func if isinstance(node, cst.Call) else node
    value = ctx.value(func)
    name = ctx.tables.canonical(value.name) if isinstance(value, Api) else ""
    dropped = name.startswith(("torch.jit.", "torch.compiler.", "torch._dynamo")) or name in (
        "torch.no_grad", "torch.inference_mode", "torch.enable_grad", "torch.compile", "torch.fx.wrap",
    )  # fmt: skip
    if dropped:
        ctx.seen += 1
        ctx.translated += 1
    return dropped


def function_def(rewriter: Rewriter, node: cst.FunctionDef) -> Any:
    """A function or method: its name, its parameters, its decorators."""
    ctx = rewriter.ctx
    func = ctx.facts.functions.get(node)
    if func is None:
        return None
    if func.owner is not None and func.owner.module and func.name in STATE_DICT_HOOKS:
        ctx.note(node, "XL403", f"`{func.name}` is dropped: Keras does not call it when it loads or saves weights")
        return []
    if is_overload(ctx, node):
        return []
    if needless(ctx, func):
        ctx.note(node, "XL403", f"`{func.name}` is dropped: TensorFlow's tapes know which gradients are needed")
        return []
    outer, ctx.func = ctx.func, func
    try:
        quiet = {d: decorator(ctx, d, func) for d in node.decorators}
        decorators = [quiet[d] or d for d in node.decorators if quiet[d] is not None or not dropped_decorator(ctx, d)]
        decorators += flow_decorator(ctx, func)
        changed = decorators != list(node.decorators)
        trimmed = node.with_changes(decorators=decorators) if changed else node
        new = signature(rewriter, node, trimmed, func)
        body = rewriter.part(node.body)
        return documented(ctx, func, new.with_changes(body=body) if body is not node.body else new)
    finally:
        ctx.func = outer


def is_overload(ctx: Context, node: cst.FunctionDef) -> bool:
    """Whether a function only declares another signature of the next one for TorchScript."""
    names = [ctx.value(d.decorator) for d in node.decorators]
    return any(isinstance(n, Api) and n.name in ("torch.jit._overload_method", "torch.jit._overload") for n in names)


def signature(rewriter: Rewriter, node: cst.FunctionDef, new: cst.FunctionDef, func: Func) -> cst.FunctionDef:
    """The header: annotations and defaults rewritten, `forward` called `call`, `training` added."""
    ctx = rewriter.ctx
    outer, ctx.refusals = ctx.refusals, []
    params = rewriter.visit(node.params)
    returns = rewriter.visit(node.returns) if node.returns is not None else None
    decorators = [rewriter.visit(d) for d in new.decorators]
    refusals, ctx.refusals = ctx.refusals, outer
    if refusals:
        ctx.refused += len(refusals)
        new = rewriter.marked(new, refusals)
        params, returns, decorators = node.params, node.returns, list(new.decorators)
    if takes_training(ctx, func):
        params = with_training(params)
    if ctx.steps:
        params = with_tape(ctx, func, params)
    changes = {"params": params, "returns": returns, "decorators": decorators}
    name = method_name(ctx, func)
    if name != func.name:
        changes["name"] = cst.Name(name)
    changes = {k: v for k, v in changes.items() if v is not getattr(node, k)}
    if list(new.decorators) == list(changes.get("decorators", ())):
        changes.pop("decorators", None)
    return new.with_changes(**changes) if changes else new


def method_name(ctx: Context, func: Func) -> str:
    """The name of a method in Keras."""
    if func.owner is None or not func.owner.module:
        return func.name
    if func.name in ctx.dialect.forward:
        return "call"
    if reserved(ctx, func.name) and not (driven(func.owner) and func.name in STEPS):
        ctx.renames[f"{func.owner.name}.{func.name}"] = func.name + "_"
        return func.name + "_"
    return func.name


def with_training(params: cst.Parameters) -> cst.Parameters:
    """The parameters with ``training=None`` after the positional ones."""
    if any(p.name.value == "training" for p in (*params.params, *params.kwonly_params)):
        return params
    flag = cst.Param(cst.Name("training"), default=cst.Name("None"), equal=nodes.TIGHT)
    if isinstance(params.star_arg, cst.Param | cst.ParamStar):
        return params.with_changes(kwonly_params=[*params.kwonly_params, flag])
    return params.with_changes(params=[*params.params, flag])


def training_functions(ctx: Context) -> set[Func]:
    """The functions that need a ``training`` argument: those that read it, and those that call them."""
    from .self_modes import modal_methods, outer_calls, self_modes

    out = {
        f for f in ctx.facts.functions.values()
        if f.reads_training and f.name != "__init__" and self_modes(ctx.facts, f) is None
    } | modal_methods(ctx)  # fmt: skip
    todo = list(out)
    while todo:
        func = todo.pop()
        if func.owner is not None and func.name in ctx.dialect.forward:
            continue
        outer = enclosing(func)
        for caller in func.callers if outer is None else {outer}:
            if isinstance(caller, Func) and caller not in out and caller.name != "__init__":
                if self_modes(ctx.facts, caller) is not None and not outer_calls(ctx, caller, func):
                    continue
                out.add(caller)
                todo.append(caller)
    return out


def enclosing(func: Func) -> Func | None:
    """The function around a local one whose ``training`` that reads; a constructor has none."""
    outer = func.scope.func
    return outer if outer is not None and outer.name != "__init__" else None


def takes_training(ctx: Context, func: Func) -> bool:
    """Whether a function has a ``training`` argument of its own."""
    outer = enclosing(func)
    return func in ctx.training and (outer is None or outer not in ctx.training)


def inner_layers(ctx: Context) -> set[UserClass]:
    """Module classes that are only made inside of other modules: layers, not models."""
    inside: set[Any] = {f for f in ctx.facts.functions.values() if f.owner is not None and f.owner.module}
    grew = True
    while grew:
        grew = False
        for func in ctx.facts.functions.values():
            if func not in inside and func.callers and all(c in inside for c in func.callers):
                inside.add(func)
                grew = True
    modules = [c for c in ctx.facts.classes.values() if c.module]
    layers = {c for c in modules if c.made_in and all(m in inside for m in c.made_in)}
    for cls in modules:
        layers |= {b for b in cls.mro()[1:] if not b.made_in and cls in layers}
    return layers


# -- calls -------------------------------------------------------------------------------------------------


def layer_call(ctx: Context, node: cst.Call, new: cst.Call) -> Outcome:
    """Calling a layer or method of the project: Keras takes only tensors by position."""
    func = without_none(ctx.value(node.func))
    target: Func | None = None
    layer = False
    if isinstance(func, Instance) and isinstance(func.cls, UserClass) and func.cls.module:
        found = func.cls.find(ctx.dialect.forward[0])
        target, layer = (found if isinstance(found, Func) else None), True
    elif isinstance(func, MethodOf):
        target = func.func
        if target.name in ctx.dialect.forward and isinstance(node.func, cst.Attribute):
            return None
    elif isinstance(func, Func):
        target = func
    if target is None:
        return None
    args = list(new.args)
    if layer:
        args = by_keyword(ctx, node, args, target)
    elif takes_training(ctx, target) and ctx.func in ctx.training:
        args.append(nodes.keyword("training", cst.Name("training")))
    if len(args) == len(new.args) and all(a is b for a, b in zip(args, new.args, strict=True)):
        return None
    return Edit(new.with_changes(args=args))


def by_keyword(ctx: Context, node: cst.Call, args: list[cst.Arg], target: Func) -> list[cst.Arg]:
    """Arguments that are not certainly tensors, or that Keras would fill in itself, get their names."""
    names = [p.name.value for p in (*target.node.params.posonly_params, *target.node.params.params)][1:]
    out: list[cst.Arg] = []
    keywords = False
    for i, (old, arg) in enumerate(zip(node.args, args, strict=True)):
        plain = not old.star and old.keyword is None and i < len(names)
        tensor = as_tensor(ctx.value(old.value))
        certain = tensor is not None and tensor is without_none(ctx.value(old.value)) and ctx.value(old.value) is tensor
        if (plain and i and (keywords or not certain or names[i] in ("mask", "training"))) or (
            plain and i == 0 and _scalar(ctx, old.value)
        ):
            keywords = True
            arg = arg.with_changes(keyword=cst.Name(names[i]), equal=nodes.TIGHT)
        out.append(arg)
    return out


def _scalar(ctx: Context, node: cst.BaseExpression) -> bool:
    from ..values import python_type

    return python_type(ctx.value(node)) is not None
