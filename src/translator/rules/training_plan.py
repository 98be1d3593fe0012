"""The plan of a file's training steps, made before anything is rewritten: which statements belong to which step.

A step is ``zero_grad``, forward, loss, ``backward``, clipping and ``step`` in any order in one block (the ``backward``
may stand under an ``if``). It is translated as one structure or refused as one. Gradients that are collected over
several ``backward`` calls with a ``step`` elsewhere wait on the optimizer.
"""

from __future__ import annotations

from typing import Any

import libcst as cst

from ..rewrite.context import Context
from ..values import Const, Instance, Num, UserClass, is_off, without_none
from .training_carry import carry, kept_elsewhere, open_tapes
from .training_choices import merged
from .training_closures import closure_call, find_closures
from .training_flow import Touch, slice_of
from .training_gradients import gradient_event, steps_by_hand
from .training_grads import grad_call, grad_region, join_grads
from .training_params import (
    Group,
    Program,
    Source,
    Unresolved,
    groups_of,
    is_module,
    sites_of,
    sources,
    variables,
    walk,
    walk_home,
)
from .training_parts import (
    CLIPS,
    GRAD_BLOCKS,
    SCALERS,
    Block,
    Event,
    Place,
    Plan,
    Region,
    Unit,
    bodies,
    is_optimizer,
    name_of,
    whole,
)


class Planner:
    """Finds the steps of one file."""

    def __init__(self, ctx: Context) -> None:
        self.ctx = ctx
        self.facts = ctx.facts
        self.plan = Plan(Program.of(ctx.facts))
        self.touch = Touch(ctx.facts)

    # -- blocks --------------------------------------------------------------------------------------------

    def collect(self, statements: Any, home: Any) -> None:
        """Find the blocks with a ``backward``, from the outside in."""
        statements = list(statements)
        if not statements:
            return
        block = Block([], [], [], home)
        self.flatten(statements, block, None)
        for i, item in enumerate(block.items):
            self.events(block, i, item)
        taken = {e.branch for e in block.events if e.branch is not None}
        if block.events:
            self.plan.blocks[statements[0]] = block
        for item in block.items:
            inner = item if isinstance(item, cst.FunctionDef) else home
            for body in bodies(item):
                if not (item in taken and body is item.body):
                    self.collect(body.body, inner)

    def flatten(self, statements: Any, block: Block, origin: Any) -> None:
        for statement in statements:
            if self.neutral(statement) or steps_by_hand(self, statement):
                self.flatten(statement.body.body, block, origin or statement)
            else:
                block.items.append(statement)
                block.origin.append(origin)

    def neutral(self, node: Any) -> bool:
        """A ``with`` that only switches gradients on, around a ``backward``."""
        if not isinstance(node, cst.With) or not isinstance(node.body, cst.IndentedBlock):
            return False
        names = [self.plan.program.api(i.item) for i in node.items]
        return all(n in GRAD_BLOCKS for n in names) and any(self.is_backward(n) for n in walk(node.body))

    def events(self, block: Block, i: int, item: Any) -> None:
        found = self.event(item, (i, 0))
        if found is not None:
            block.events.append(found)
        elif isinstance(item, cst.If) and isinstance(item.body, cst.IndentedBlock):
            inner = [e for j, s in enumerate(item.body.body) if (e := self.event(s, (i, j))) is not None]
            backward = next((e for e in inner if e.kind == "backward"), None)
            own = list(item.body.body[: backward.place[1]]) if backward is not None else []
            if backward is not None and self.defined_in(own, self.loss(backward)):
                return
            for event in inner:
                event.branch = item
            block.events += inner

    def defined_in(self, statements: list[Any], loss: Any) -> bool:
        return slice_of(self.touch, statements, len(statements), loss, set()) is not None

    # -- events --------------------------------------------------------------------------------------------

    def is_backward(self, node: Any) -> bool:
        call = self.facts.calls.get(node)
        return call is not None and call.api == "torch.Tensor.backward"

    def event(self, statement: Any, place: Place) -> Event | None:
        """What part of a step a statement is."""
        known = gradient_event(self, statement, place)
        if known is not None or not isinstance(statement, cst.SimpleStatementLine) or len(statement.body) != 1:
            return known
        inner = grad_call(self, statement)
        if inner is not None:
            return Event("grad", place, statement, inner)
        stepped = closure_call(self, statement)
        if stepped is not None:
            who = sites_of(without_none(self.facts.value(stepped.func.value)))
            return Event("closure", place, statement, stepped, who)
        small = statement.body[0]
        call = small.value if isinstance(small, cst.Expr | cst.Assign) else None
        if not isinstance(call, cst.Call):
            return None
        api = self.plan.program.api(call)
        if api in CLIPS:
            return Event("clip", place, statement, call)
        if not isinstance(call.func, cst.Attribute):
            return None
        name = call.func.attr.value
        value = without_none(self.facts.value(call.func.value))
        if isinstance(small, cst.Assign):
            return None
        if self.is_backward(call):
            return Event("backward", place, statement, call)
        if name == "zero_grad" and (is_module(value) or is_optimizer(value)):
            return Event("zero", place, statement, call, sites_of(value))
        if isinstance(value, Instance) and value.api in SCALERS and name in ("step", "unscale_"):
            return self.scaler_event(name, place, statement, call)
        if name == "step" and is_optimizer(value) and not call.args:
            return Event("step", place, statement, call, sites_of(value))
        return None

    def scaler_event(self, name: str, place: Place, statement: Any, call: cst.Call) -> Event | None:
        """``scaler.step(optimizer)`` and ``scaler.unscale_(optimizer)``."""
        if len(call.args) != 1 or call.args[0].star:
            return None
        node = call.args[0].value
        value = without_none(self.facts.value(node))
        if not is_optimizer(value):
            return None
        return Event("step" if name == "step" else "unscale", place, statement, call, sites_of(value), owner=node)

    def loss(self, event: Event) -> Any:
        """The expression that ``backward`` is called on."""
        assert isinstance(event.call.func, cst.Attribute)
        return event.call.func.value

    # -- planning --------------------------------------------------------------------------------------------

    def run(self, tree: cst.Module) -> Plan:
        """Plan the file: first which optimizers' gradients wait, then the units."""
        self.collect(tree.body, tree)
        for block in self.plan.blocks.values():
            self.find_waiting(block)
        for block in list(self.plan.blocks.values()):
            self.units(block)
        open_tapes(self)
        self.spread()
        for call in self.plan.program.optimizer_calls:
            self.drop_lists(call)
        return self.plan

    def drop_lists(self, call: cst.Call) -> None:
        """Lists of parameters that only an optimizer is made with go: their variables are written where it steps."""
        try:
            groups_of(self.plan.program, call)
        except Unresolved:
            return
        home = self.plan.program.home.get(call)
        body = home.body.body if isinstance(home, cst.FunctionDef) else getattr(home, "body", ())
        given = self.facts.calls[call].args["params"].node
        names, lists = {n.value for n in walk(given) if isinstance(n, cst.Name)}, []
        for statement in reversed(body):
            small = statement.body[0] if isinstance(statement, cst.SimpleStatementLine) else None
            if not isinstance(small, cst.Assign) or len(small.targets) != 1:
                continue
            target, kinds = small.targets[0].target, cst.ListComp | cst.DictComp | cst.List | cst.Call
            if isinstance(target, cst.Name) and target.value in names and isinstance(small.value, kinds):
                if not is_module(without_none(self.facts.value(small.value))):
                    lists.append(statement)
                    names |= {n.value for n in walk(small.value) if isinstance(n, cst.Name)}
        made = {s.body[0].targets[0].target.value for s in lists}
        skipped = {n for s in [*lists, *self.plan.replaced] if isinstance(s, cst.CSTNode) for n in walk(s)}
        skipped |= set(walk(call))
        reads = (n for n in walk_home(home) if isinstance(n, cst.Name) and n.value in made)
        if all(n in skipped for n in reads):
            for statement in lists:
                self.plan.replaced[statement] = lambda rw: []

    def spread(self) -> None:
        """Where a part of a step is refused whose gradients wait for it elsewhere, all of its parts are."""
        units = [u for b in self.plan.blocks.values() for u in b.units]
        self.spread_carried(units)
        grew = True
        while grew:
            grew = False
            lost = {w for u in units if u.reason for w in self.waited(u)}
            for unit in units:
                if not unit.reason and self.waited(unit) & lost:
                    unit.reason, unit.regions, grew = "another part of it is left as it is", [], True
        for unit in units:
            if unit.reason:
                for event in unit.events:
                    self.plan.replaced.pop(event.statement, None)
                    self.plan.closure_steps.pop(event.call, None)

    def spread_carried(self, units: list[Unit]) -> None:
        """A function and the callers that bring its tape are refused together."""
        for block in self.plan.blocks.values():
            name = self.plan.carried.get(block.home)
            parts = [u for u in block.units if any(e.kind == "backward" for e in u.events)] if name else []
            calls = [c for c, n in self.plan.carried_calls.items() if self.facts_func(c) is block.home]
            callers = [u for u, _, _ in self.plan.carriers if any(r.backward.call in calls for r in u.regions)]
            reason = next((u.reason for u in [*parts, *callers] if u.reason), "")
            if reason:
                for unit in [*parts, *callers]:
                    unit.reason, unit.regions = unit.reason or "another part of it is left as it is", []
                self.plan.carried.pop(block.home, None)
                for call in calls:
                    self.plan.carried_calls.pop(call)

    def facts_func(self, call: Any) -> Any:
        """The function of the project that a call calls."""
        return next((f.node for n, f in self.facts.results if n is call), None)

    def waited(self, unit: Unit) -> set[Any]:
        """The optimizers with waiting gradients that a unit has to do with."""
        if any(e.kind == "backward" for e in unit.events):
            return set(self.plan.waiting)
        return {e.who for e in unit.events} & self.plan.waiting

    def find_waiting(self, block: Block) -> None:
        backwards = [e for e in block.events if e.kind == "backward"]
        used: set[Event] = set()
        for step in (e for e in block.events if e.kind == "step"):
            found = self.contributions(block, step)
            if found is None:
                self.plan.waiting.add(step.who)
            else:
                used.update(found)
        find_closures(self, block)
        if any(b not in used for b in backwards) and not self.harmless(block, backwards, used):
            self.plan.waiting |= self.steppers()

    def harmless(self, block: Block, backwards: list[Event], used: set[Event]) -> bool:
        return False

    def steppers(self) -> set[frozenset[Any]]:
        """All optimizers that step somewhere in the file."""
        return {e.who for b in self.plan.blocks.values() for e in b.events if e.kind in ("step", "closure")}

    def contributions(self, block: Block, step: Event) -> list[Event] | None:
        """The ``backward`` calls whose sum a step applies; ``None`` where the order does not prove it."""
        order = sorted(block.events, key=lambda e: e.place)
        at = order.index(step)
        found: list[Event] = []
        for event in order[:at][::-1] + order[at + 1 :][::-1]:
            wrapped = event.place > step.place
            if event.kind == "zero" and self.clears(event, step) and self.sure(event, step, found):
                return found[::-1] if found and not (wrapped and self.others(block)) else None
            if event.kind == "backward":
                if wrapped or (event.branch is not step.branch):
                    return None
                found.append(event)
        return None

    def sure(self, zero: Event, step: Event, found: list[Event]) -> bool:
        """Whether a clearing happens whenever the step does."""
        return zero.branch is None or zero.branch is step.branch

    def others(self, block: Block) -> bool:
        """Whether another block of the file computes gradients too."""
        return any(e.kind == "backward" for b in self.plan.blocks.values() if b is not block for e in b.events)

    def clears(self, zero: Event, step: Event) -> bool:
        """Whether a ``zero_grad`` clears all that an optimizer moves."""
        if not zero.who:
            return False
        value = without_none(self.facts.value(zero.call.func.value))  # type: ignore[attr-defined]
        if is_optimizer(value):
            return zero.who == step.who
        try:
            every = [s for g in self.groups(step.who) for s in g]
        except Unresolved:
            return False
        return all(s.kind == "module" and s.sites and s.sites <= zero.who for s in every)

    def groups(self, who: frozenset[Any]) -> tuple[Group, ...]:
        """The parameter groups of an optimizer; the same for each call that may have made it."""
        if not who:
            raise Unresolved("it is not known which optimizer this is")
        first: tuple[Group, ...] | None = None
        for call in who:
            hand = isinstance(call, cst.For)
            found = (sources(self.plan.program, call.iter),) if hand else groups_of(self.plan.program, call)
            if first is not None and [[s.key() for s in g] for g in found] != [
                [s.key() for s in g] for g in first
            ]:
                raise Unresolved("the optimizer may move different parameters")
            first = found
        assert first is not None
        return first

    def variables(self, who: frozenset[Any], home: Any) -> Any:
        return variables(self.ctx, self.plan.program, self.groups(who), home)

    # -- units -----------------------------------------------------------------------------------------------

    def units(self, block: Block) -> None:
        backwards = [e for e in block.events if e.kind == "backward"]
        grads = self.grad_units(block)
        block.events = [e for e in block.events if e.kind != "grad"]
        if not backwards:
            block.units += grads
            self.loose(block)
            return
        touched = [e.place[0] for e in block.events]
        unit = Unit(min(touched), max(touched) + 1, place=backwards[0].statement, events=list(block.events))
        try:
            unit.regions = self.regions(block, backwards) if not self.carries(block, backwards) else []
            self.take_in(block, unit, grads)
            from .training_emit import Emitter

            Emitter(self, block, unit).fill()
        except Unresolved as error:
            unit.reason, unit.regions = str(error), []
        unit.start = min([unit.start, *(r.start for r in unit.regions)])
        whole(block, unit)
        block.units.append(unit)

    def carries(self, block: Block, backwards: list[Event]) -> bool:
        """Whether the caller brings the tape, since the loss, or a part of it, is computed before the call."""
        skip = {e.statement for e in block.events}
        for event in backwards:
            self.check(event)
            found = slice_of(self.touch, block.items, event.place[0], self.loss(event), skip)
            here = found is not None and (found[0] < found[1] or not isinstance(self.loss(event), cst.Name))
            items = block.items[found[0] : found[1]] if found is not None else []
            if here and not kept_elsewhere(self, items, self.loss(event), block.home):
                continue
            if len(backwards) > 1:
                raise Unresolved("several losses, one of which is computed elsewhere")
            carry(self, block)
            return True
        return False

    def grad_units(self, block: Block) -> list[Unit]:
        """A unit for each ``autograd.grad`` of a block."""
        out: list[Unit] = []
        for event in (e for e in block.events if e.kind == "grad"):
            unit = Unit(event.place[0], event.place[0] + 1, place=event.statement)
            try:
                region = grad_region(self, block, event)
                unit.start, unit.regions = min(unit.start, region.start), [region]
            except Unresolved as error:
                unit.reason = str(error)
            while out and not unit.reason and unit.start < out[-1].end:
                inner = out.pop()  # a gradient of a gradient
                unit.reason = inner.reason
                unit.start, unit.regions = min(unit.start, inner.start), [*unit.regions, *inner.regions]
            out.append(unit)
        join_grads(block, [], [r for u in out for r in u.regions])
        return out

    def take_in(self, block: Block, unit: Unit, grads: list[Unit]) -> None:
        """Units of ``autograd.grad`` that stand in a training step become part of it."""
        start = min([unit.start, *(r.start for r in unit.regions)])
        for inner in grads:
            if inner.start < unit.end and start < inner.end:
                if inner.reason:
                    raise Unresolved(inner.reason)
                join_grads(block, unit.regions, inner.regions)
                unit.regions += inner.regions
                unit.start, unit.end = min(unit.start, inner.start), max(unit.end, inner.end)
            else:
                block.units.append(inner)

    def loose(self, block: Block) -> None:
        """``zero_grad``, clipping and ``step`` away from any ``backward``: they work on what waits."""
        from .training_emit import Emitter

        for event in block.events:
            unit = Unit(event.place[0], event.place[0] + 1, place=event.statement, events=[event])
            block.units.append(unit)
            try:
                if event.kind == "zero" and not self.steppers():
                    raise Unresolved("no step of this optimizer is recognised")
                Emitter(self, block, unit).fill([event])
            except Unresolved as error:
                unit.reason = str(error)

    def regions(self, block: Block, backwards: list[Event]) -> list[Region]:
        skip = {e.statement for e in block.events}
        out: list[Region] = []
        for event in backwards:
            self.check(event)
            end = event.place[0]
            found = slice_of(self.touch, block.items, end, self.loss(event), skip)
            if found is None:
                raise Unresolved("where the loss is computed is not in the same block")
            if event.branch is not None and self.touch.touches(self.loss(event)):
                raise Unresolved("the loss is computed where only some runs come")
            region = Region(*found, event)
            if region.start == region.end and isinstance(self.loss(event), cst.Name | cst.Attribute):
                raise Unresolved("where the loss is computed is not in the same block")
            for earlier in out:
                if earlier.start < region.start < earlier.end < region.end:
                    region.start = earlier.start
            out.append(region)
        for a in out:
            last = a.backward.place[0]
            if any(b is not a and b.start <= last and a.start <= b.backward.place[0] for b in out):
                a.tape = f"{name_of(self.loss(a.backward))}_tape"
        return out

    def check(self, event: Event) -> None:
        """Refuse the arguments of ``backward`` that have no form here."""
        call = self.facts.calls[event.call]
        for name, bound in call.args.items():
            harmless = name in ("input", "retain_graph", "gradient") or is_off(bound.value)
            if not harmless:
                raise Unresolved(f"`backward` with `{name}=` is not translated yet")
        if call.problem:
            raise Unresolved(f"backward: {call.problem}")

    def covers(self, block: Block, region: Region, who: frozenset[Any]) -> bool:
        """Whether every module that an optimizer moves is used under the tape."""
        inside = [*block.items[region.start : region.end], self.loss(region.backward)]
        every = [s for g in self.groups(who) for s in g]
        return any(s.kind == "tensor" or self.touch.mentions(i, s.sites) for s in every for i in inside)

    def clip_sources(self, event: Event) -> set[tuple[str, frozenset[Any], str]]:
        bound = self.facts.calls[event.call].args.get("parameters")
        if bound is None:
            raise Unresolved("what is clipped is not given")
        return self.pieces(sources(self.plan.program, bound.node))

    def pieces(self, group: Group) -> set[tuple[str, frozenset[Any], str]]:
        """The sources of a group, a whole model as its parts where it has no parameters besides these."""
        out: set[tuple[str, frozenset[Any], str]] = set()
        for source in merged(group):
            if source.tests:
                raise Unresolved("only some of a model's parameters are meant")
            parts = None if source.path else self.children(source)
            out |= {(source.kind, source.sites, source.path)} if parts is None else parts
        return out

    def children(self, source: Source) -> set[tuple[str, frozenset[Any], str]] | None:
        """The layers with parameters that a user's model holds as attributes; ``None`` if it may hold others."""
        value = without_none(self.facts.value(source.node))
        if not isinstance(value, Instance) or not isinstance(value.cls, UserClass):
            return None
        out = set()
        for cls in value.cls.mro():
            for name, attr in cls.attrs.items():
                if isinstance(attr, Const | Num):
                    continue
                if not is_module(attr) or not isinstance(attr, Instance) or name.startswith("<"):
                    return None
                rows = self.ctx.tables.find(attr.api) if attr.api else []
                if not rows or rows[0].weights or attr.api in self.ctx.dialect.containers:
                    out.add((source.kind, source.sites, f".{name}"))
        return out

    def used_names(self, home: Any) -> set[str]:
        return {n.value for n in walk_home(home) if isinstance(n, cst.Name)}
