"""``optimizer.step(closure)``: the closure leaves its gradients with the optimizer, which then steps."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import libcst as cst

from .. import nodes
from ..rewrite.context import Context, Edit
from ..values import Func, Instance, options_of, without_none
from .training_params import Unresolved, walk
from .training_parts import is_optimizer

if TYPE_CHECKING:
    from .training_parts import Block, Event
    from .training_plan import Planner


def closure_call(planner: Planner, statement: Any) -> Any:
    """The only ``optimizer.step(closure)`` of a statement."""
    found = [
        n for n in walk(statement)
        if isinstance(n, cst.Call) and n.args and isinstance(n.func, cst.Attribute) and n.func.attr.value == "step"
        and is_optimizer(without_none(planner.facts.value(n.func.value)))
    ]  # fmt: skip
    return found[0] if len(found) == 1 else None


def find_closures(planner: Planner, block: Block) -> None:
    """Note which optimizers step with closures, and which functions these are."""
    plan = planner.plan
    for event in (e for e in block.events if e.kind == "closure"):
        plan.waiting.add(event.who)
        given = without_none(planner.facts.value(event.call.args[0].value))
        home = given.node if isinstance(given, Func) else None
        known = plan.closures.setdefault(event.who, set())
        if known is None or home is None or not clears_first(planner, home, event.who):
            plan.closures[event.who] = None
        else:
            known.add(home)
    for event in (e for e in block.events if e.kind == "step"):
        plan.closures[event.who] = None


def clears_first(planner: Planner, home: Any, who: Any) -> bool:
    """Whether a closure begins its gradients anew, so that those of other places never count."""
    blocks = [b for b in planner.plan.blocks.values() if b.home is home]
    if len(blocks) != 1:
        return False
    zeros = [e.place for e in blocks[0].events if e.kind == "zero" and e.branch is None and e.who == who]
    backwards = [e.place for e in blocks[0].events if e.kind == "backward"]
    return bool(zeros) and all(min(zeros) < b for b in backwards)


def closure_form(ctx: Context, event: Event, shown: Any) -> Callable[[Context], Any]:
    """The new form of the call; the variables are asked for after the closure, which may be what builds the model.

    Raises:
        Unresolved: if more than a closure is given.
    """
    if len(event.call.args) != 1 or event.call.args[0].star:
        raise Unresolved("`step` with more than a closure")
    node, function = event.optimizer, event.call.args[0].value
    kinds = {o.api for o in options_of(without_none(ctx.value(node))) if isinstance(o, Instance)}
    if "torch.optim.LBFGS" in kinds and len(kinds) > 1:
        raise Unresolved("the optimizer may be an LBFGS or another one")
    variables = cst.Lambda(cst.Parameters(), shown)

    def made(ctx: Context) -> Edit:
        optimizer, closure = ctx.updated(node), ctx.updated(function)
        if "torch.optim.LBFGS" in kinds:
            step = cst.Attribute(optimizer, cst.Name("step"))
            return Edit(cst.Call(step, [cst.Arg(closure), cst.Arg(variables)]))
        call = nodes.call("step_with_closure", optimizer, closure, variables)
        return Edit(call, ("helper:step_with_closure",))

    return made
