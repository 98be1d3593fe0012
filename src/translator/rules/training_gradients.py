"""``p.grad`` in loops over a model's parameters: read for a norm or a test, changed in place, or cleared.

Gradients are the list that the tape gave, in Keras's axis order, so only what does not see the order of axes is
translated: operations on each element, and reductions over all of them.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import libcst as cst

from .. import nodes
from ..values import as_tensor, without_none
from .training_params import Unresolved, is_module, sites_of, walk
from .training_parts import Event, Place

if TYPE_CHECKING:
    from ..rewrite.rewriter import Rewriter
    from .training_emit import Emitter
    from .training_plan import Planner

NAME = "gradient"
WHOLE = frozenset({
    "norm", "vector_norm", "mean", "sum", "max", "min", "any", "all", "std", "var", "numel", "nelement", "item",
    "count_nonzero",
})  # fmt: skip
"""What reduces a gradient to one number, or asks how many it holds."""
EACH = frozenset({
    "detach", "clone", "abs", "pow", "square", "cpu", "float", "double", "isnan", "isinf", "isfinite", "sqrt", "mul",
    "div", "clamp", "clip", "neg", "nan_to_num", "sign",
})  # fmt: skip
CLEARS = frozenset({"zero_", "detach_"})
CHANGES: dict[str, Any] = {"mul_": cst.Multiply, "div_": cst.Divide, "multiply_": cst.Multiply, "divide_": cst.Divide}
OPERATORS: dict[Any, Any] = {cst.MultiplyAssign: cst.Multiply, cst.DivideAssign: cst.Divide}


@dataclass(eq=False)
class Loops:
    """The loops of a statement over the parameters of one model, and the gradients that are read in them."""

    call: cst.Call
    targets: list[Any]
    iterated: list[Any]
    grads: list[Any]
    above: dict[Any, Any] = field(default_factory=dict)
    """Each node of the statement to the one that it stands in."""


def find_loops(planner: Planner, statement: Any) -> Loops | None:
    """The loops of a statement whose parameters' gradients it speaks of; ``None`` if there is anything else."""
    grads = [n for n in walk(statement) if isinstance(n, cst.Attribute) and n.attr.value == "grad"]
    if not grads:
        return None
    loops = [n for n in walk(statement) if isinstance(n, cst.For | cst.CompFor) and gives_parameters(planner, n.iter)]
    if not loops or len({nodes.code(n.iter) for n in loops}) != 1:
        return None
    names = {n.target.value for n in loops if isinstance(n.target, cst.Name)}
    if len(names) != 1 or not all(isinstance(n.target, cst.Name) for n in loops):
        return None
    if not all(isinstance(g.value, cst.Name) and g.value.value in names for g in grads):
        return None
    if any(isinstance(n, cst.Lambda | cst.FunctionDef) or nodes.is_name(n, NAME) for n in walk(statement)):
        return None
    above = {child: n for n in walk(statement) for child in nodes.parts(n)}
    return Loops(loops[0].iter, [n.target for n in loops], [n.iter for n in loops], grads, above)


def gives_parameters(planner: Planner, node: Any) -> bool:
    """``model.parameters()``."""
    if not isinstance(node, cst.Call) or not isinstance(node.func, cst.Attribute) or node.args:
        return False
    return node.func.attr.value == "parameters" and is_module(without_none(planner.facts.value(node.func.value)))


def gradient_event(planner: Planner, statement: Any, place: Place) -> Event | None:
    """What a statement does with the gradients of a model's parameters."""
    own = isinstance(statement, cst.For) and gives_parameters(planner, statement.iter)
    loops = find_loops(planner, statement) if own or isinstance(statement, cst.SimpleStatementLine) else None
    if loops is None:
        return None
    only = single(statement, loops)
    if only is not None and clears(only, loops):
        assert isinstance(loops.call.func, cst.Attribute)
        value = without_none(planner.facts.value(loops.call.func.value))
        return Event("zero", place, statement, loops.call, sites_of(value))
    if only is not None and change(planner, only, loops) is not None:
        return Event("change", place, statement, loops.call)
    if only is not None and update(planner, only, loops) is not None:
        return Event("step", place, statement, loops.call, frozenset({statement}), by_hand=True)
    if all(ends(planner, g, loops) == "number" for g in loops.grads):
        return Event("look", place, statement, loops.call)
    return None


def single(statement: Any, loops: Loops) -> Any:
    """The statements of a loop that does nothing else, under ``if p.grad is not None:`` or not."""
    if not isinstance(statement, cst.For) or statement.orelse is not None or statement.iter is not loops.call:
        return None
    body = statement.body.body
    if len(body) == 1 and isinstance(body[0], cst.If) and body[0].orelse is None:
        test = nodes.code(body[0].test).replace("(", "").replace(")", "").strip()
        name = loops.targets[0].value
        if test not in (f"{name}.grad is not None", f"{name}.grad"):
            return None
        body = body[0].body.body
    lines = [s.body[0] for s in body if isinstance(s, cst.SimpleStatementLine) and len(s.body) == 1]
    return lines if lines and len(lines) == len(body) else None


def owner(node: Any, loops: Loops) -> bool:
    """``p.grad`` or ``p.grad.data``."""
    if isinstance(node, cst.Attribute) and node.attr.value == "data":
        node = node.value
    return node in loops.grads


def clears(lines: list[Any], loops: Loops) -> bool:
    """``p.grad = None``, ``p.grad.zero_()``, ``p.grad.detach_()`` and ``p.grad.zero_()``."""

    def one(small: Any) -> bool:
        if isinstance(small, cst.Assign):
            alone = len(small.targets) == 1 and small.targets[0].target in loops.grads
            return alone and nodes.is_name(small.value, "None")
        call = small.value if isinstance(small, cst.Expr) else None
        method = isinstance(call, cst.Call) and isinstance(call.func, cst.Attribute)
        return method and call.func.attr.value in CLEARS and owner(call.func.value, loops)

    last = nodes.code(lines[-1])
    return all(one(small) for small in lines) and ("zero_" in last or last.endswith("None"))


def change(planner: Planner, lines: list[Any], loops: Loops) -> Callable[[Rewriter], Any] | None:
    """The new gradient as an expression of the old one, where the loop's only statement changes it."""
    if len(lines) != 1:
        return None
    small, old = lines[0], cst.Name(NAME)
    if isinstance(small, cst.AugAssign) and owner(small.target, loops) and scalar(planner, small.value, loops):
        kind = OPERATORS.get(type(small.operator))
        return None if kind is None else lambda rw: cst.BinaryOperation(old, kind(), closed(rw.visit(small.value)))
    if isinstance(small, cst.Assign) and len(small.targets) == 1 and owner(small.targets[0].target, loops):
        inner = [g for g in loops.grads if any(n is g for n in walk(small.value))]
        if inner and all(ends(planner, g, loops, small) == "each" for g in inner):
            return lambda rw: rw.visit(small.value)
        return None
    call = small.value if isinstance(small, cst.Expr) else None
    if not isinstance(call, cst.Call) or not isinstance(call.func, cst.Attribute) or not owner(call.func.value, loops):
        return None
    return method(planner, call, loops)


def method(planner: Planner, call: Any, loops: Loops) -> Callable[[Rewriter], Any] | None:
    """``p.grad.clamp_(-1, 1)``, ``p.grad.mul_(scale)``."""
    old, name, bound = cst.Name(NAME), call.func.attr.value, planner.facts.calls.get(call)
    values = [a.value for a in call.args]
    if any(a.star for a in call.args) or not all(scalar(planner, v, loops) for v in values):
        return None
    if name in CHANGES and len(values) == 1 and call.args[0].keyword is None:
        return lambda rw: cst.BinaryOperation(old, CHANGES[name](), closed(rw.visit(values[0])))
    if name not in ("clamp_", "clip_") or bound is None or {"min", "max"} - set(bound.args):
        return None
    low, high = bound.args["min"].node, bound.args["max"].node

    def clipped(rw: Rewriter) -> Any:
        rw.ctx.needs.add("tf")
        return nodes.call("tf.clip_by_value", old, rw.visit(low), rw.visit(high))

    return clipped


def closed(node: Any) -> Any:
    """An operand that stands for itself."""
    return nodes.parenthesized(node) if isinstance(node, cst.BinaryOperation | cst.IfExp) else node


def scalar(planner: Planner, node: Any, loops: Loops) -> bool:
    """Whether an operand is one number, whatever the axes of the gradient are."""
    inside = list(walk(node))
    if any(nodes.is_name(n, loops.targets[0].value) for n in inside):
        return False
    tensor = as_tensor(planner.facts.value(node))
    return tensor is None or tensor.rank == 0


def alike(planner: Planner, node: Any, loops: Loops) -> bool:
    """Whether an operand has the parameter's axes: the parameter or its gradient, times numbers."""
    if isinstance(node, cst.BinaryOperation):
        sides = [(s, alike(planner, s, loops)) for s in (node.left, node.right)]
        return any(same for _, same in sides) and all(same or scalar(planner, s, loops) for s, same in sides)
    return owner(node, loops) or moved(node, loops)


def moved(node: Any, loops: Loops) -> bool:
    """``p`` or ``p.data``."""
    if isinstance(node, cst.Attribute) and node.attr.value == "data":
        node = node.value
    return nodes.is_name(node, loops.targets[0].value)


def update(planner: Planner, lines: list[Any], loops: Loops) -> tuple[str, Any, Any] | None:
    """A step written out: ("assign_sub", ...), the expression, and what it is multiplied with (or ``None``)."""
    small = lines[0]
    if len(lines) != 1:
        return None
    found: tuple[str, Any, Any] | None = None
    if isinstance(small, cst.AugAssign) and moved(small.target, loops):
        name = {cst.SubtractAssign: "assign_sub", cst.AddAssign: "assign_add"}.get(type(small.operator))  # type: ignore[call-overload]
        found = (name, small.value, None) if name is not None else None
    call = small.value if isinstance(small, cst.Expr) else None
    if isinstance(call, cst.Call) and isinstance(call.func, cst.Attribute) and moved(call.func.value, loops):
        found = of_method(planner, call, loops)
    if found is None:
        return None
    value = list(walk(found[1]))
    inner = [g for g in loops.grads if any(n is g for n in walk(small))]
    stop = loops.above.get(found[1])
    clear = all(any(n is g for n in value) and ends(planner, g, loops, stop) == "each" for g in inner)
    return found if inner and clear else None


def of_method(planner: Planner, call: Any, loops: Loops) -> tuple[str, Any, Any] | None:
    """``p.data.add_(p.grad, alpha=-lr)``, ``p.sub_(lr * p.grad)``, and PyTorch 1's ``p.data.add_(-lr, p.grad)``."""
    name = {"add_": "assign_add", "sub_": "assign_sub"}.get(call.func.attr.value)
    plain = [a.value for a in call.args if a.keyword is None and not a.star]
    named = {a.keyword.value: a.value for a in call.args if a.keyword is not None}
    if name is None or len(plain) + len(named) != len(call.args) or set(named) - {"alpha"}:
        return None
    if len(plain) == 2 and not named and scalar(planner, plain[0], loops):
        return name, plain[1], plain[0]
    alpha = named.get("alpha")
    return (name, plain[0], alpha) if len(plain) == 1 and (alpha is None or scalar(planner, alpha, loops)) else None


def steps_by_hand(planner: Planner, node: Any) -> bool:
    """``with torch.no_grad():`` around a step that is written out, and nothing else but the clearing of gradients."""
    if not isinstance(node, cst.With) or not isinstance(node.body, cst.IndentedBlock):
        return False
    if not all(planner.plan.program.api(i.item) == "torch.no_grad" for i in node.items):
        return False
    events = [planner.event(s, (0, 0)) for s in node.body.body]
    return any(e is not None and e.by_hand for e in events) and all(
        e is not None and (e.by_hand or e.kind in ("zero", "change", "look", "clip")) for e in events
    )


def ends(planner: Planner, node: Any, loops: Loops, stop: Any = None) -> str:
    """What becomes of a gradient: "number", "each" (in the statement ``stop``, of its size), or "" if unclear."""
    while True:
        up = loops.above.get(node)
        if up is stop and stop is not None:
            return "each"
        if isinstance(up, cst.Arg):
            call = loops.above[up]
            known = planner.facts.calls.get(call)
            name = known.api.rpartition(".")[2] if known is not None and known.api.startswith("torch.") else ""
        elif isinstance(up, cst.Attribute) and up.attr.value == "data":
            node = up
            continue
        elif isinstance(up, cst.Attribute):
            call, name = loops.above[up], up.attr.value
            if not isinstance(call, cst.Call) or call.func is not up:
                return ""
        elif isinstance(up, cst.BinaryOperation):
            other = up.right if up.left is node else up.left
            if not scalar(planner, other, loops) and not alike(planner, other, loops):
                return ""
            node = up
            continue
        else:
            return "number" if is_test(up) else ""
        if not plain(planner, call, node, loops) or name not in WHOLE | EACH:
            return ""
        if name in WHOLE:
            return "number"
        node = call


def is_test(node: Any) -> bool:
    """``... is None``, ``... is not None``."""
    if not isinstance(node, cst.Comparison):
        return isinstance(node, cst.ComparisonTarget)
    return len(node.comparisons) == 1 and nodes.is_name(node.comparisons[0].comparator, "None")


def plain(planner: Planner, call: cst.Call, node: Any, loops: Loops) -> bool:
    """Whether a call names no axis, and takes numbers besides the gradient."""
    bound = planner.facts.calls.get(call)
    names = set(bound.args) if bound is not None else {a.keyword.value for a in call.args if a.keyword is not None}
    others = [a.value for a in call.args if a.value is not node]
    return not names & {"dim", "axis", "keepdim", "out"} and all(scalar(planner, o, loops) for o in others)


# -- what is written ---------------------------------------------------------------------------------------


def place_of(emitter: Emitter, event: Event) -> tuple[Any, Any]:
    """The gradients that a statement means, and the optimizer that steps with them."""
    planner = emitter.planner
    from .training_params import sources

    wanted = planner.pieces(sources(planner.plan.program, event.call))
    for step in (e for e in emitter.block.events if e.kind == "step"):
        every = planner.pieces(tuple(s for g in planner.groups(step.who) for s in g))
        ready = all(p.place < event.place for p in emitter.parts.get(step.who, []))
        between = [e for e in emitter.block.events if e.kind == "zero" and step.place < e.place < event.place]
        if every == wanted and ready and not between:
            waits = step.who in emitter.plan.waiting
            held = cst.Attribute(emitter.optimizer(step.who), cst.Name("accumulated")) if waits else None
            return held if held is not None else cst.Name(emitter.names[step.who]), step.who
    raise Unresolved("`.grad` is not that of just the parameters of one optimizer that steps here")


def changed(emitter: Emitter, event: Event) -> Any:
    """``gradients = map_gradients(lambda gradient: ..., gradients)``."""
    place, _ = place_of(emitter, event)
    loops = find_loops(emitter.planner, event.statement)
    assert loops is not None
    make = change(emitter.planner, single(event.statement, loops), loops)
    assert make is not None
    emitter.plan.instead.update({g: cst.Name(NAME) for g in loops.grads})

    def lines(rw: Rewriter) -> list[Any]:
        rw.ctx.needs.add("helper:map_gradients")
        body = cst.Lambda(cst.Parameters([cst.Param(cst.Name(NAME))]), make(rw))
        value = nodes.call("map_gradients", body, place)
        return [cst.SimpleStatementLine([cst.Assign([cst.AssignTarget(place)], value)])]

    return lines


def stepped(emitter: Emitter, event: Event) -> Any:
    """``for p, gradient in zip(variables, gradients): p.assign_sub(lr * gradient)``."""
    if event.who in emitter.plan.waiting:
        raise Unresolved("the gradients that are stepped with are those of several backward calls")
    loops = find_loops(emitter.planner, event.statement)
    assert loops is not None
    lines = single(event.statement, loops)
    found = update(emitter.planner, lines, loops)
    assert found is not None
    name, value, factor = found
    shown, place = emitter.shown[event.who], cst.Name(emitter.names[event.who])
    emitter.plan.instead.update({g: cst.Name(NAME) for g in loops.grads})
    tested = isinstance(event.statement.body.body[0], cst.If)

    def made(rw: Rewriter) -> list[Any]:
        rw.ctx.needs.add("helper:dense_gradients")
        change = rw.visit(value)
        if factor is not None:
            change = cst.BinaryOperation(closed(rw.visit(factor)), cst.Multiply(), closed(change))
        body: Any = cst.SimpleStatementLine([cst.Expr(nodes.call(f"{loops.targets[0].value}.{name}", change))])
        if tested:
            body = cst.If(nodes.template(f"{NAME} is not None", {}), cst.IndentedBlock([body]))
        target = cst.Tuple([cst.Element(loops.targets[0]), cst.Element(cst.Name(NAME))], lpar=(), rpar=())
        pairs = nodes.call("zip", shown, nodes.call("dense_gradients", place))
        return [cst.For(target, pairs, cst.IndentedBlock([body]))]

    return made


def looked_at(emitter: Emitter, event: Event) -> Any:
    """The same statement, with loops over the gradients in the place of those over the parameters."""
    place, who = place_of(emitter, event)
    planner, statement = emitter.planner, event.statement
    loops = find_loops(planner, statement)
    assert loops is not None
    if isinstance(planner.variables(who, emitter.block.home), cst.List) and len(planner.groups(who)) > 1:
        raise Unresolved("`.grad` of an optimizer with several groups is not translated")
    dense = nodes.call("dense_gradients", place)
    used = {g.value for g in loops.grads}
    name = loops.targets[0].value
    skip = {*loops.targets, *used}
    both = any(nodes.is_name(n, name) and n not in skip for n in walk(statement))
    target: Any = cst.Name(NAME)
    iterated: Any = dense
    if both:
        target = cst.Tuple([cst.Element(cst.Name(name)), cst.Element(target)], lpar=(), rpar=())
        iterated = nodes.call("zip", emitter.shown[who], dense)
    emitter.plan.instead.update({g: cst.Name(NAME) for g in loops.grads})
    emitter.plan.instead.update(dict.fromkeys(loops.targets, target))
    emitter.plan.instead.update(dict.fromkeys(loops.iterated, iterated))

    def lines(rw: Rewriter) -> list[Any]:
        rw.ctx.needs.add("helper:dense_gradients")
        new = rw.line(statement) if isinstance(statement, cst.SimpleStatementLine) else rw.compound(statement)
        return new if isinstance(new, list) else [new]

    return lines
