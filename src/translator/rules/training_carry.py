"""Losses that are computed before the function which differentiates them is called.

``finish_episode`` calls ``backward`` on what ``select_action`` collected; ``backward_G`` on what ``forward`` kept in an
attribute. The tape is opened by the caller, around all that runs layers up to the call, and is handed over.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import libcst as cst

from .. import nodes
from ..rewrite.context import Context, Edit, Outcome
from ..values import Const, Func, Instance, Num, Seq, Tensor, without_none
from .training_flow import dotted_text, slice_of, targets
from .training_params import Unresolved, walk, walk_home
from .training_parts import Block, Event, Region, Unit, bodies

if TYPE_CHECKING:
    from .training_plan import Planner

TAPE = "tape"


def carry(planner: Planner, block: Block) -> None:
    """Let the callers of a block's function bring the tape.

    Raises:
        Unresolved: where that is not possible.
    """
    home = block.home
    func = planner.facts.functions.get(home) if isinstance(home, cst.FunctionDef) else None
    if func is None or (func.owner is not None and func.owner.module):
        raise Unresolved("where the loss is computed is not in the same block")
    calls = [n for n, f in planner.facts.results if f is func and isinstance(n, cst.Call)]
    if not calls or home in planner.plan.carried:
        raise Unresolved("where the loss is computed is not in the same block")
    places = [(call, *place_of(planner, call)) for call in dict.fromkeys(calls)]
    used = {n.value for c in [home, *(p[1] for p in places)] for n in walk_home(c) if isinstance(n, cst.Name)}
    name = next(n for n in (TAPE, f"{func.name}_tape", "outer_tape") if n not in used)
    for call, caller, statements, at in places:
        planner.plan.pending.append((statements, span(planner, caller, statements, at), call, caller, name))
        planner.plan.carried_calls[call] = name
        planner.facts.touched.add(statements[at])
    planner.plan.carried[home] = name


def place_of(planner: Planner, call: cst.Call) -> tuple[Any, Any, int]:
    """The function that a call stands in, the statement list, and where in it."""
    caller = planner.plan.program.home.get(call)
    if not isinstance(caller, cst.FunctionDef):
        raise Unresolved("where the loss is computed is not in the same block")
    func = planner.facts.functions.get(caller)
    if func is None or (func.owner is not None and func.owner.module):
        raise Unresolved("the loss is computed inside of a layer")
    for statements in lists(caller.body):
        for i, statement in enumerate(statements):
            if isinstance(statement, cst.SimpleStatementLine) and any(n is call for n in walk(statement)):
                return caller, statements, i
    raise Unresolved("where the loss is computed is not in the same block")


def lists(body: Any) -> Any:
    """The statement lists of a function, from the outside in."""
    if isinstance(body, cst.IndentedBlock):
        yield body.body
        for statement in body.body:
            if not isinstance(statement, cst.FunctionDef | cst.ClassDef):
                for inner in bodies(statement):
                    yield from lists(inner)


def span(planner: Planner, caller: Any, statements: Any, at: int) -> int:
    """The first statement of a list that runs layers, if no others of the function do but those up to the call."""
    inside = {n for s in statements[: at + 1] for n in walk(s)}
    outside = (n for n in walk(caller.body) if n not in inside)
    if any(isinstance(n, cst.Call) and planner.touch.touches_alone(n) for n in outside):
        raise Unresolved("layers are run elsewhere in the function that calls for the step")
    first = next((i for i, s in enumerate(statements[:at]) if planner.touch.touches(s)), None)
    if first is None:
        raise Unresolved("where the loss is computed is not in the same block")
    return first


def kept_elsewhere(planner: Planner, items: list[Any], loss: Any, home: Any) -> bool:
    """Whether a computation reads an attribute in which another function keeps what layers computed."""
    makers = kept(planner)
    for item in [*items, loss]:
        for node in walk(item):
            if isinstance(node, cst.Attribute) and makers.get(node.attr.value, {home}) - {home}:
                value = without_none(planner.facts.value(node))
                if isinstance(value, Seq) or (isinstance(value, Tensor) and not value.variable):
                    return True
    return False


def kept(planner: Planner) -> dict[str, set[Any]]:
    """Attributes that functions outside of layers store results of layers in, with these functions."""
    if planner.plan.kept is None:
        out: dict[str, set[Any]] = {}
        for home, func in planner.facts.functions.items():
            if isinstance(home, cst.FunctionDef) and not (func.owner is not None and func.owner.module):
                for statements in lists(home.body):
                    for i, statement in enumerate(statements):
                        for name in stored(planner, list(statements), i, statement):
                            out.setdefault(name, set()).add(home)
        planner.plan.kept = out
    return planner.plan.kept


def stored(planner: Planner, items: list[Any], i: int, statement: Any) -> list[str]:
    """The attributes that a statement stores what layers computed in."""
    small = statement.body[0] if isinstance(statement, cst.SimpleStatementLine) and statement.body else None
    if isinstance(small, cst.Assign):
        names = [t.attr.value for t in targets(small) if isinstance(t, cst.Attribute)]
        value: Any = small.value
    elif isinstance(small, cst.Expr) and isinstance(small.value, cst.Call) and is_append(small.value):
        names = [dotted_text(small.value.func.value).rsplit(".", 1)[-1]]  # type: ignore[attr-defined]
        value = small.value.args[0].value
    else:
        return []
    if not names or is_object(planner, value):
        return []
    return names if slice_of(planner.touch, items, i, value, set()) is not None else []


def is_append(call: cst.Call) -> bool:
    func = call.func
    appends = isinstance(func, cst.Attribute) and func.attr.value == "append" and len(call.args) == 1
    return appends and isinstance(func.value, cst.Attribute)  # type: ignore[attr-defined]


def is_object(planner: Planner, node: Any) -> bool:
    """Whether a value is no tensor: an object, a number that left the graph."""
    value = without_none(planner.facts.value(node))
    return isinstance(value, Instance | Const | Num)


def open_tapes(planner: Planner) -> None:
    """Give the callers their units, after all blocks have theirs."""
    for statements, first, call, caller, name in planner.plan.pending:
        at = next(i for i, s in enumerate(statements) if any(n is call for n in walk(s)))
        block = planner.plan.blocks.get(statements[0])
        if block is None:
            block = Block(list(statements), [None] * len(statements), [], caller)
            planner.plan.blocks[statements[0]] = block
        low, high = block.items.index(statements[first]), block.items.index(statements[at])
        event = Event("carry", (high, 0), statements[at], call)
        region = Region(low, high + 1, event, name)
        unit = Unit(low, high + 1, [region], place=statements[at])
        inner = [u for u in block.units if u.start < unit.end and unit.start < u.end]
        for other in inner:
            unit.start, unit.end = min(unit.start, other.start), max(unit.end, other.end)
            unit.reason = unit.reason or other.reason
            unit.regions += other.regions
            unit.events += other.events
            block.units.remove(other)
        block.units.append(unit)
        planner.plan.carriers.append((unit, name, caller))


def carried_call(ctx: Context, node: cst.Call, new: cst.Call) -> Outcome:
    """The call of a function that differentiates what its caller computed: it is handed the tape."""
    name = ctx.steps.carried_calls.get(node) if ctx.steps else None
    if name is None:
        return None
    return Edit(new.with_changes(args=[*new.args, nodes.keyword(name, cst.Name(name))]))


def with_tape(ctx: Context, func: Func, params: cst.Parameters) -> cst.Parameters:
    """The parameters of such a function."""
    name = ctx.steps.carried.get(func.node) if ctx.steps else None
    if name is None:
        return params
    param = cst.Param(cst.Name(name))
    plain = not params.kwonly_params and params.star_kwarg is None and not isinstance(params.star_arg, cst.Param)
    if plain and not any(p.default is not None for p in params.params):
        return params.with_changes(params=[*params.params, param])
    bare = not isinstance(params.star_arg, cst.Param) and not params.kwonly_params
    star = cst.ParamStar() if bare else params.star_arg
    return params.with_changes(star_arg=star, kwonly_params=[*params.kwonly_params, param])
