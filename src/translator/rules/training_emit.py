"""The TensorFlow form of the parts of a training step: what stands in the place of each statement."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, cast

import libcst as cst

from .. import nodes
from ..model import Fidelity
from ..values import Const
from .training_closures import closure_form
from .training_gradients import changed, looked_at, stepped
from .training_params import Unresolved, ctx_expression, sites_of, walk_home

if TYPE_CHECKING:
    from ..rewrite.context import Context
    from ..rewrite.rewriter import Rewriter
    from .training_parts import Block, Event, Unit
    from .training_plan import Planner

Lines = Callable[["Rewriter"], list[Any]]


def line(value: Any, target: Any = None) -> cst.SimpleStatementLine:
    """``value`` or ``target = value`` as a statement."""
    small = cst.Expr(value) if target is None else cst.Assign([cst.AssignTarget(target)], value)
    return cst.SimpleStatementLine([small])


def upstream(ctx: Context, rw: Rewriter, event: Event) -> dict[str, Any]:
    """``y.backward(gradient)``: what the gradient of each element is multiplied with."""
    given = ctx.facts.calls[event.call].args.get("gradient")
    return {} if given is None or given.value == Const(None) else {"output_gradients": rw.visit(given.node)}


class Emitter:
    """Gives each statement of a unit its new lines."""

    def __init__(self, planner: Planner, block: Block, unit: Unit) -> None:
        self.planner, self.block, self.unit = planner, block, unit
        self.ctx, self.plan = planner.ctx, planner.plan
        self.parts: dict[Any, list[Event]] = {}
        """Optimizer to the backward calls whose sum it applies."""
        self.names: dict[Any, str] = {}
        self.shown: dict[Any, Any] = {}
        """Optimizer to the expression for its variables."""
        self.prefaces: dict[Event, list[Any]] = {}
        self.extra: dict[Event, str] = {}

    def fill(self, events: list[Event] | None = None) -> None:
        """Write the new lines of all events to the plan.

        Raises:
            Unresolved: if any of them has none.
        """
        events = self.block.events if events is None else events
        new: dict[Any, Lines] = {}
        self.prepare([e for e in events if e.kind in ("step", "closure")], [e for e in events if e.kind == "backward"])
        for event in events:
            if event.kind == "closure":
                self.plan.closure_steps[event.call] = closure_form(self.ctx, event, self.shown[event.who])
            else:
                new[event.statement] = getattr(self, event.kind)(event)
        self.plan.replaced.update(new)

    # -- preparation -------------------------------------------------------------------------------------

    def prepare(self, steps: list[Event], backwards: list[Event]) -> None:
        for step in steps:
            self.shown[step.who] = self.planner.variables(step.who, self.block.home)
            if step.who not in self.plan.waiting:
                self.parts[step.who] = self.planner.contributions(self.block, step) or []
        self.name_gradients(steps)
        for event in backwards:
            if not self.takers(event):
                raise Unresolved("no optimizer is known that steps with these gradients")
            region = self.region(event)
            for who in self.takers(event):
                direct = region is not None and who not in self.plan.waiting
                if direct and not self.planner.covers(self.block, region, who):
                    raise Unresolved("the model that the optimizer moves is not run in the same block")
            self.preface(event)

    def region(self, event: Event) -> Any:
        """The tape of a backward call; ``None`` if the caller of the function brings it."""
        return next((r for r in self.unit.regions if r.backward is event), None)

    def takers(self, backward: Event) -> list[Any]:
        """The optimizers that a backward call gives gradients to."""
        direct = [who for who, parts in self.parts.items() if backward in parts]
        waiting = [w for w in self.plan.waiting if self.block.home in (self.plan.closures.get(w) or {self.block.home})]
        return direct + [w for w in waiting if self.reachable(w)]

    def reachable(self, who: Any) -> bool:
        if who not in self.shown:
            self.shown[who] = self.planner.variables(who, self.block.home)
        return True

    def name_gradients(self, steps: list[Event]) -> None:
        used = self.planner.used_names(self.block.home)
        spans = [(p[0].place, s.place) for s in steps if (p := self.parts.get(s.who))]
        apart = all(a is b or a[1] < b[0] or b[1] < a[0] for a in spans for b in spans)
        for step in steps:
            name = "gradients" if apart else f"{self.optimizer_name(step)}_gradients"
            self.names[step.who] = name + "_" if name in used else name

    def optimizer_name(self, step: Event) -> str:
        node = step.optimizer
        return node.attr.value if isinstance(node, cst.Attribute) else node.value

    def preface(self, event: Event) -> None:
        """Give long expressions for variables a name, before their first use."""
        for who in self.takers(event):
            node = self.shown[who]
            if isinstance(node, cst.Attribute | cst.Name):
                continue
            used = self.planner.used_names(self.block.home)
            name = (
                "variables"
                if len(self.shown) == 1
                else self.names.get(who, "gradients").replace("gradients", "variables")
            )
            name = name + "_" if name in used else name
            self.prefaces.setdefault(event, []).append(line(node, cst.Name(name)))
            self.shown[who] = cst.Name(name)

    def optimizer(self, who: Any) -> Any:
        """An expression for an optimizer in this function."""
        for node in walk_home(self.block.home):
            if isinstance(node, cst.Name | cst.Attribute) and sites_of(self.ctx.value(node)) == who:
                return ctx_expression(self.ctx, node)
        raise Unresolved("the optimizer is not visible where the loss is computed")

    # -- the parts -----------------------------------------------------------------------------------------

    def backward(self, event: Event) -> Lines:
        region = self.region(event)
        tape = region.tape if region is not None else self.plan.carried[self.block.home]
        loss = self.planner.loss(event)
        takers = self.takers(event)
        shown = {who: self.shown[who] for who in takers}
        simple = isinstance(loss, cst.Name | cst.Attribute)
        name = "loss" if "loss" not in self.planner.used_names(self.block.home) else "step_loss"
        name = "scaled_loss" if isinstance(loss, cst.Call) and self.plan.program.api(loss).endswith(".scale") else name
        waiting = {who: self.optimizer(who) for who in takers if who in self.plan.waiting}
        prefaces = self.prefaces.get(event, [])
        first = {who: self.parts[who][0] is event for who in takers if who in self.parts}

        def lines(rw: Rewriter) -> list[Any]:
            value = rw.visit(loss) if simple else cst.Name(name)
            wanted = [shown[w] for w in takers]
            asked = wanted[0] if len(wanted) == 1 else cst.List([cst.Element(w) for w in wanted])
            gradient = nodes.call(f"{tape}.gradient", value, asked, **upstream(self.ctx, rw, event))
            out = list(prefaces)
            if region is None and not simple:
                out.append(line(rw.visit(loss), cst.Name(name)))
            if len(takers) == 1:
                return [*out, self.collected(rw, takers[0], gradient, first, waiting)]
            temporary = [self.names.get(w, f"gradients_{i}") for i, w in enumerate(takers)]
            temporary = [t if first.get(w) else f"new_{t}" for t, w in zip(temporary, takers, strict=True)]
            names = cst.Tuple([cst.Element(cst.Name(t)) for t in temporary], lpar=(), rpar=())
            out.append(line(gradient, names))
            for who, part in zip(takers, temporary, strict=True):
                if not first.get(who):
                    out.append(self.collected(rw, who, cst.Name(part), first, waiting))
            return out

        if not simple:
            self.extra[event] = name
            self.plan.replaced[(event.statement, "loss")] = lambda rw: [line(rw.visit(loss), cst.Name(name))]
        return lines

    def collected(self, rw: Rewriter, who: Any, value: Any, first: dict[Any, bool], waiting: dict[Any, Any]) -> Any:
        """The gradients kept: under their name, added to earlier ones, or with the optimizer."""
        if who in waiting:
            rw.ctx.needs.add("helper:accumulate_gradients")
            return line(nodes.call("accumulate_gradients", waiting[who], value))
        name = cst.Name(self.names[who])
        if first[who]:
            return line(value, name)
        rw.ctx.needs.add("helper:add_gradients")
        return line(nodes.call("add_gradients", name, value), name)

    def step(self, event: Event) -> Lines:
        if event.by_hand:
            return cast(Lines, stepped(self, event))
        shown, name = self.shown[event.who], self.names[event.who]
        waits = event.who in self.plan.waiting
        node = event.optimizer
        call: Any = event.call.func

        def lines(rw: Rewriter) -> list[Any]:
            optimizer = rw.visit(node)
            if event.owner is not None:
                given = cst.Attribute(optimizer, cst.Name("accumulated")) if waits else cst.Name(name)
                return [line(cst.Call(rw.visit(call), [cst.Arg(a) for a in (optimizer, given, shown)]))]
            if waits:
                rw.ctx.needs.add("helper:apply_accumulated")
                return [line(nodes.call("apply_accumulated", optimizer, shown))]
            pairs = nodes.call("zip", cst.Name(name), shown)
            return [line(cst.Call(cst.Attribute(optimizer, cst.Name("apply_gradients")), [cst.Arg(pairs)]))]

        return lines

    def unscale(self, event: Event) -> Lines:
        waits, node, call = event.who in self.plan.waiting, event.optimizer, event.call
        if not waits and event.who not in self.names:
            raise Unresolved("the gradients of another step are unscaled")
        name = None if waits else cst.Name(self.names[event.who])

        def lines(rw: Rewriter) -> list[Any]:
            optimizer = rw.visit(node)
            place = name if name is not None else cst.Attribute(optimizer, cst.Name("accumulated"))
            assert isinstance(call.func, cst.Attribute)
            method = cst.Attribute(rw.visit(call.func.value), cst.Name("unscale"))
            return [line(cst.Call(method, [cst.Arg(optimizer), cst.Arg(place)]), place)]

        return lines

    def zero(self, event: Event) -> Lines:
        cleared = [w for w in self.plan.waiting if w == event.who or self.under(event, w)]
        owners = [self.optimizer(w) for w in cleared]

        def lines(rw: Rewriter) -> list[Any]:
            if owners:
                rw.ctx.needs.add("helper:clear_gradients")
            return [line(nodes.call("clear_gradients", o)) for o in owners]

        return lines

    def under(self, event: Event, who: Any) -> bool:
        """Whether a module's ``zero_grad`` clears an optimizer's gradients; a part of them is refused."""
        if not event.who or event.who in self.planner.steppers():
            return False
        every = [s for g in self.planner.groups(who) for s in g]
        inside = [bool(s.sites) and s.sites <= event.who for s in every]
        if any(inside) and not all(inside):
            raise Unresolved("`zero_grad` clears only a part of the gradients that wait")
        return all(inside)

    def change(self, event: Event) -> Lines:
        return cast(Lines, changed(self, event))

    def look(self, event: Event) -> Lines:
        return cast(Lines, looked_at(self, event))

    def clip(self, event: Event) -> Lines:
        who = self.clipped(event)
        call = self.ctx.facts.calls[event.call]
        values = {k: b.node for k, b in call.args.items()}
        by_norm = not call.api.endswith("value_")
        size = values.get("max_norm" if by_norm else "clip_value")
        norm = call.args.get("norm_type")
        plain = norm is None or norm.value in (Const(2), Const(2.0))
        if "error_if_nonfinite" in values and call.args["error_if_nonfinite"].value != Const(False):
            raise Unresolved("clipping with error_if_nonfinite is not translated")
        small = event.statement.body[0]
        target = small.targets[0].target if isinstance(small, cst.Assign) else None
        exact = self.ctx.options.fidelity is Fidelity.EXACT
        listed = (
            isinstance(self.planner.variables(who, self.block.home), cst.List) and len(self.planner.groups(who)) > 1
        )
        waits = who in self.plan.waiting
        owner: Any = self.optimizer(who) if waits else None
        place: Any = cst.Attribute(owner, cst.Name("accumulated")) if waits else cst.Name(self.names[who])

        def lines(rw: Rewriter) -> list[Any]:
            if not by_norm:
                rw.ctx.needs.add("helper:clip_gradients_by_value")
                return [line(nodes.call("clip_gradients_by_value", place, rw.visit(size)), place)]
            both = cst.Tuple(
                [cst.Element(n) for n in (place, target if target is not None else cst.Name("_"))], lpar=(), rpar=()
            )
            if plain and not exact and not listed:
                rw.ctx.needs.add("tf")
                rw.ctx.note(event.call, "XL401", f"{call.api}: known deviation `clip_norm_eps`")
                return [line(nodes.call("tf.clip_by_global_norm", place, rw.visit(size)), both)]
            rw.ctx.needs.add("helper:clip_gradients_by_norm")
            more = {} if plain else {"norm_type": rw.visit(values["norm_type"])}
            return [line(nodes.call("clip_gradients_by_norm", place, rw.visit(size), **more), both)]

        return lines

    def clipped(self, event: Event) -> Any:
        """The optimizer whose gradients a clipping call changes: all of them, after the last backward."""
        wanted = self.planner.clip_sources(event)
        order = sorted(self.block.events, key=lambda e: e.place)
        for step in (e for e in order if e.kind == "step" and e.place > event.place):
            every = self.planner.pieces(tuple(s for g in self.planner.groups(step.who) for s in g))
            ready = all(p.place < event.place for p in self.parts.get(step.who, []))
            if every == wanted and ready:
                return step.who
        raise Unresolved("it is not known that just the gradients of one optimizer are clipped")
