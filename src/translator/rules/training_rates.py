"""Learning rates that the program reads and sets itself, frozen parameters, and settings of PyTorch's backends."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import libcst as cst

from .. import nodes
from ..rewrite.context import Context, Edit, Outcome, Refusal
from ..values import Api, Const, without_none
from .training_params import is_module, walk
from .training_parts import is_optimizer

if TYPE_CHECKING:
    from ..rewrite.rewriter import Rewriter


def groups_owner(ctx: Context, node: Any) -> Any:
    """The optimizer of ``optimizer.param_groups``."""
    asked = isinstance(node, cst.Attribute) and node.attr.value == "param_groups"
    return node.value if asked and is_optimizer(without_none(ctx.value(node.value))) else None


def key_of(node: cst.Subscript) -> Any:
    """The only index of a subscript, as a node."""
    part = node.slice[0].slice if len(node.slice) == 1 else None
    return part.value if isinstance(part, cst.Index) else None


def text_of(node: Any) -> Any:
    return node.evaluated_value if isinstance(node, cst.SimpleString) else None


def group_item(ctx: Context, node: Any) -> tuple[Any, Any] | None:
    """Optimizer and group index of ``optimizer.param_groups[i]["lr"]``."""
    if not isinstance(node, cst.Subscript) or not isinstance(node.value, cst.Subscript):
        return None
    owner = groups_owner(ctx, node.value.value)
    return (owner, key_of(node.value)) if owner is not None and text_of(key_of(node)) == "lr" else None


def rate_of(owner: Any, index: Any) -> Any:
    """The learning rate of one group, as something that can be set."""
    if nodes.integer(index) == 0:
        return cst.Attribute(owner, cst.Name("learning_rate"))
    group = cst.Subscript(nodes.call("param_groups", owner), [cst.SubscriptElement(cst.Index(index))])
    return cst.Attribute(group, cst.Name("learning_rate"))


def rate_needs(index: Any) -> tuple[str, ...]:
    return () if nodes.integer(index) == 0 else ("helper:param_groups",)


def rate_read(ctx: Context, node: cst.Subscript, new: cst.Subscript) -> Outcome:
    """``optimizer.param_groups[0]["lr"]`` where it is read."""
    found = group_item(ctx, node)
    if found is None:
        return None
    owner, index = found
    return Edit(nodes.call("float", rate_of(ctx.updated(owner), index)), rate_needs(index))


def groups_used(ctx: Context, node: cst.Attribute, new: cst.Attribute) -> Outcome:
    """``optimizer.param_groups`` in any form that is not known."""
    if groups_owner(ctx, node) is None or node in ctx.claimed:
        return None
    return Refusal("XL222", "`param_groups` is used in a way that is not translated", "set optimizer.learning_rate")


def rate_claim(ctx: Context, node: Any) -> set[Any]:
    """The nodes of a rate that is read or set, so that nothing else looks at `param_groups` there."""
    out: set[Any] = set()
    if group_item(ctx, node) is not None:
        out.add(node.value.value)
    if isinstance(node, cst.Assign):
        for target in node.targets:
            if group_item(ctx, target.target) is not None or backend(ctx, target.target):
                out |= set(walk(target.target))
    return out


def backend(ctx: Context, node: Any) -> bool:
    """Whether a node is a setting like ``torch.backends.cudnn.benchmark``."""
    value = ctx.value(node.value) if isinstance(node, cst.Attribute) else None
    return isinstance(value, Api) and value.name.startswith("torch.backends")


def rate_assign(ctx: Context, node: cst.Assign, new: cst.Assign) -> Outcome:
    """``optimizer.param_groups[0]["lr"] = lr``; settings of PyTorch's backends go."""
    if len(node.targets) != 1:
        return None
    target = node.targets[0].target
    if backend(ctx, target):
        return Edit([])
    found = group_item(ctx, target)
    if found is None:
        return None
    owner, index = found
    place = rate_of(ctx.updated(owner), index)
    return Edit(cst.Assign([cst.AssignTarget(place)], new.value), rate_needs(index))


def rate_loop(rw: Rewriter, node: cst.For) -> Any:
    """``for group in optimizer.param_groups: group["lr"] = lr`` sets the rates of all groups."""
    ctx = rw.ctx
    owner = groups_owner(ctx, node.iter)
    if owner is None:
        return frozen_loop(rw, node)
    lines = list(node.body.body) if isinstance(node.body, cst.IndentedBlock) else []
    if not isinstance(node.target, cst.Name) or not lines or not all(sets_rate(s, node.target.value) for s in lines):
        return None
    ctx.seen += 1
    ctx.translated += 1
    ctx.needs.add("helper:param_groups")
    name = node.target.value
    body = []
    for statement in lines:
        small = statement.body[0]
        value = with_rates(rw.visit(small.value), name)
        if isinstance(small, cst.Assign):
            new: Any = small.with_changes(targets=[cst.AssignTarget(rate(name))], value=value)
        else:
            operator = getattr(cst, type(small.operator).__name__.removesuffix("Assign"))()
            current = nodes.call("float", rate(name))
            changed = cst.BinaryOperation(current, operator, nodes.parenthesized(value))
            new = cst.Assign([cst.AssignTarget(rate(name))], changed)
        body.append(statement.with_changes(body=[new]))
    groups = nodes.call("param_groups", rw.visit(owner))
    return node.with_changes(iter=groups, body=node.body.with_changes(body=body))


def rate(name: str) -> Any:
    return cst.Attribute(cst.Name(name), cst.Name("learning_rate"))


def is_rate(node: Any, name: str) -> bool:
    return isinstance(node, cst.Subscript) and nodes.is_name(node.value, name) and text_of(key_of(node)) == "lr"


def sets_rate(statement: Any, name: str) -> bool:
    """Whether a statement only sets ``group["lr"]``, from nothing else of the group."""
    if not isinstance(statement, cst.SimpleStatementLine) or len(statement.body) != 1:
        return False
    small = statement.body[0]
    if isinstance(small, cst.Assign):
        target = small.targets[0].target if len(small.targets) == 1 else None
    else:
        target = small.target if isinstance(small, cst.AugAssign) else None
    if target is None or not is_rate(target, name):
        return False
    known = [n.value for n in walk(small.value) if is_rate(n, name)]
    return all(n in known for n in walk(small.value) if nodes.is_name(n, name))


def with_rates(node: Any, name: str) -> Any:
    """An expression with ``group["lr"]`` read off the optimizer."""
    if is_rate(node, name):
        return nodes.call("float", rate(name))
    return nodes.rebuild(node, lambda child: with_rates(child, name))


# -- frozen parameters -----------------------------------------------------------------------------------------


def frozen_loop(rw: Rewriter, node: cst.For) -> Any:
    """``for p in model.parameters(): p.requires_grad = False``: before a layer is built it has no variables to mark."""
    owner, flag = frozen(rw.ctx, node)
    if owner is None:
        return None
    rw.ctx.seen += 1
    rw.ctx.translated += 1
    rw.ctx.needs.add("helper:set_requires_grad")
    call = nodes.call("set_requires_grad", rw.visit(owner), rw.visit(flag))
    return [cst.SimpleStatementLine([cst.Expr(call)], leading_lines=node.leading_lines)]


def frozen(ctx: Context, node: Any) -> tuple[Any, Any]:
    """The module and the flag of a loop that does nothing but freeze (or unfreeze) parameters."""
    if not isinstance(node, cst.For) or not isinstance(node.target, cst.Name) or not isinstance(node.iter, cst.Call):
        return None, None
    func = node.iter.func
    if not isinstance(func, cst.Attribute) or func.attr.value != "parameters" or node.iter.args or node.orelse:
        return None, None
    body = node.body.body
    line = body[0] if len(body) == 1 else None
    small = line.body[0] if isinstance(line, cst.SimpleStatementLine) and len(line.body) == 1 else line
    if isinstance(small, cst.Expr):
        flag = frozen_by_call(ctx, small.value, node.target.value)
        known = flag is not None and is_module(without_none(ctx.value(func.value)))
        return (func.value, flag) if known else (None, None)
    if not isinstance(small, cst.Assign) or len(small.targets) != 1:
        return None, None
    if not is_module(without_none(ctx.value(func.value))):
        return None, None
    target = small.targets[0].target
    known = isinstance(ctx.value(small.value), Const)
    if isinstance(target, cst.Attribute) and target.attr.value == "requires_grad" and known:
        return (func.value, small.value) if nodes.is_name(target.value, node.target.value) else (None, None)
    return None, None


def frozen_by_call(ctx: Context, call: Any, name: str) -> Any:
    """The flag of ``p.requires_grad_(False)``."""
    if not isinstance(call, cst.Call) or not isinstance(call.func, cst.Attribute):
        return None
    if call.func.attr.value != "requires_grad_" or not nodes.is_name(call.func.value, name) or len(call.args) > 1:
        return None
    flag = call.args[0].value if call.args else nodes.literal(True)
    return flag if not call.args or isinstance(ctx.value(flag), Const) else None


def freeze_call(ctx: Context, node: Any) -> Any:
    """The flag of ``module.requires_grad_(False)`` as a statement."""
    call = node.value if isinstance(node, cst.Expr) else None
    if not isinstance(call, cst.Call) or not isinstance(call.func, cst.Attribute):
        return None
    if (
        call.func.attr.value != "requires_grad_"
        or len(call.args) > 1
        or not is_module(without_none(ctx.value(call.func.value)))
    ):
        return None
    flag = call.args[0].value if call.args else nodes.literal(True)
    return flag if not call.args or isinstance(ctx.value(flag), Const) else None


def freeze_claim(ctx: Context, node: cst.Expr) -> set[Any]:
    """The call, which no rule for expressions is to look at."""
    return {node.value} if freeze_call(ctx, node) is not None else set()


def freeze_statement(ctx: Context, node: cst.Expr, new: cst.Expr) -> Outcome:
    """``module.requires_grad_(False)``."""
    flag = freeze_call(ctx, node)
    if flag is None:
        return None
    assert isinstance(new.value, cst.Call) and isinstance(new.value.func, cst.Attribute)
    call = nodes.call("set_requires_grad", new.value.func.value, flag)
    return Edit(cst.Expr(call), ("helper:set_requires_grad",))


def freezes(ctx: Context) -> bool:
    """Whether the project freezes whole modules."""
    every = (n for tree in ctx.facts.trees for n in nodes.walk(tree) if isinstance(n, cst.For | cst.Expr))
    return any(frozen(ctx, n)[0] is not None or freeze_call(ctx, n) is not None for n in every)


