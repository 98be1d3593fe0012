"""`torch.no_grad` where a tape may be recording: what is computed under it has its gradient stopped.

TensorFlow records under a tape only, so code that no tape can reach needs nothing.
"""

from __future__ import annotations

from typing import Any

import libcst as cst

from .. import nodes
from ..rewrite.context import Context, Edit, Outcome
from ..values import UNKNOWN, Api, Func, Map, Seq, Tensor, Union, Value, without_none

DECORATORS = frozenset({"torch.no_grad", "torch.inference_mode", "torch.autograd.no_grad"})


def recorded(ctx: Context, func: Func | None) -> bool:
    """Whether a function runs inside of a model's `forward`, or of a function that computes gradients."""
    known = ctx.facts.cache.setdefault("recorded", {})
    if func is None:
        return False
    if func not in known:
        known[func] = _recorded(ctx, func)
    return bool(known[func])


def _recorded(ctx: Context, func: Func) -> bool:
    seen: set[Func] = set()
    todo = [func]
    while todo:
        one = todo.pop()
        if one in seen:
            continue
        seen.add(one)
        if one.owner is not None and one.owner.module and one.name in ctx.dialect.forward:
            return True
        if _computes_gradients(one):
            return True
        todo += [caller for caller in one.callers if isinstance(caller, Func)]
    return False


def _computes_gradients(func: Func) -> bool:
    return any(
        type(n) is cst.Call and isinstance(n.func, cst.Attribute) and n.func.attr.value == "backward"
        for n in nodes.walk(func.node.body)
    )


def decorator(ctx: Context, node: cst.Decorator, func: Func) -> cst.Decorator | None:
    """What ``@torch.no_grad()`` becomes on a function whose tensors a tape may see."""
    call = node.decorator
    value = ctx.value(call.func if isinstance(call, cst.Call) else call)
    name = ctx.tables.canonical(value.name) if isinstance(value, Api) else ""
    gives = func.returns is None or func.returns is UNKNOWN or differentiable(func.returns)
    if name not in DECORATORS or not gives or not recorded(ctx, func):
        return None
    ctx.seen += 1
    ctx.translated += 1
    ctx.needs.add("helper:no_gradient")
    return node.with_changes(decorator=cst.Name("no_gradient"))


def differentiable(value: Value, depth: int = 0) -> bool:
    """Whether a value is or holds a tensor that may have a gradient."""
    if isinstance(value, Tensor):
        return value.dtype is None or "float" in value.dtype or "complex" in value.dtype
    parts: list[Value] = []
    if isinstance(value, Seq | Map):
        items = value.items.values() if isinstance(value, Map) and value.items is not None else value.items
        parts = [value.elem, *(items or ())]
    elif isinstance(value, Union):
        parts = list(value.options)
    return depth < 4 and any(differentiable(part, depth + 1) for part in parts)


def stopped(ctx: Context, node: Any, new: Any) -> Edit | None:
    """An expression with the gradients of its tensors stopped; ``None`` if it has none."""
    value = without_none(ctx.value(node))
    if isinstance(value, Tensor) and value is ctx.value(node):
        call = nodes.call("tf.stop_gradient", nodes.bare(new, node))
        return Edit(call, ("tf",)) if differentiable(value) else None
    if isinstance(node, cst.Tuple) and isinstance(new, cst.Tuple):
        needs: tuple[str, ...] = ()
        elements = []
        for old, element in zip(node.elements, new.elements, strict=True):
            edit = stopped(ctx, old.value, element.value)
            needs += edit.needs if edit is not None else ()
            elements.append(element.with_changes(value=edit.node) if edit is not None else element)
        return Edit(new.with_changes(elements=elements), needs) if needs else None
    if not differentiable(value) and not (value is UNKNOWN and isinstance(node, cst.Call)):
        return None
    return Edit(nodes.call("without_gradient", nodes.bare(new, node)), ("helper:without_gradient",))


def quiet_return(ctx: Context, node: cst.Return, new: cst.Return) -> Outcome:
    """``return y`` out of a block under `torch.no_grad`."""
    if not ctx.quiet or node.value is None or new.value is None:
        return None
    edit = stopped(ctx, node.value, new.value)
    return Edit(new.with_changes(value=edit.node), edit.needs) if edit is not None else None


def quiet_append(ctx: Context, node: cst.Expr, new: cst.Expr) -> Outcome:
    """``kept.append(y)`` in a block under `torch.no_grad`."""
    call, done = node.value, new.value
    if not ctx.quiet or not isinstance(call, cst.Call) or not isinstance(done, cst.Call) or len(call.args) != 1:
        return None
    if not isinstance(call.func, cst.Attribute) or call.func.attr.value not in ("append", "extend"):
        return None
    edit = stopped(ctx, call.args[0].value, done.args[0].value)
    if edit is None:
        return None
    changed = done.with_changes(args=[done.args[0].with_changes(value=edit.node)])
    return Edit(new.with_changes(value=changed), edit.needs)


def quiet_assign(ctx: Context, node: cst.Assign, new: cst.Assign) -> Outcome:
    """``self.y = y`` in a block under `torch.no_grad`; names get theirs stopped at its end."""
    targets = [t.target for t in node.targets]
    if not ctx.quiet or not all(isinstance(t, cst.Attribute | cst.Subscript) for t in targets):
        return None
    places = [without_none(ctx.value(t.value)) for t in targets if isinstance(t, cst.Attribute | cst.Subscript)]
    variable = any(isinstance(v := ctx.value(t), Tensor) and v.variable for t in targets)
    if variable or any(isinstance(p, Tensor) for p in places):
        return None
    edit = stopped(ctx, node.value, new.value)
    return Edit(new.with_changes(value=edit.node), edit.needs) if edit is not None else None
