"""Loops that make layers: lists of modules in ``__init__``, and loops over them in ``forward``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import libcst as cst

from .. import nodes
from .keras_claim import Claim
from .keras_config import decided
from .keras_flow import Turns, reads, settled
from .keras_layout import Refused
from .keras_names import assignment, calls_in, names_in, plural, tensorish
from .keras_sizes import Either, Own, mentions

if TYPE_CHECKING:
    from ..rewrite.rewriter import Rewriter


UNSAID = "what_init_knows"
"""Stands for what a loop of ``forward`` cannot run over."""


def loop(rewriter: Rewriter, claim: Claim, node: cst.For) -> list[Any]:
    """A loop makes its layers in lists, and runs over them in ``forward``."""
    from .keras_walk import block, tested

    if node.orelse is not None:
        raise Refused("XL213", "layers are made in a loop with an `else`")
    outermost = not claim.in_loop
    if outermost:
        claim.stepped |= stepped_in(claim, node)
        claim.steps = []
    iter_init = tested(rewriter, claim, node.iter, "init")
    targets = [n.value for n in names_in(node.target)]
    before = claim.init, claim.in_loop, claim.loop_layers, set(claim.loop_names)
    changing = loop_sizes(claim, node)
    claim.in_loop += 1
    claim.init, claim.loop_layers = [], []
    claim.loop_names |= set(targets)
    for target in targets:
        claim.sizes.forget(target)
    for name, variable in changing.items():
        claim.sizes.known[name] = cst.Name(variable)
    starts, claim.starts = claim.starts, {}
    forward = block(rewriter, claim, node.body.body)
    inside, made_here = claim.init, list(claim.loop_layers)
    follow(claim, inside, changing)
    claim.init, claim.in_loop, claim.loop_layers, claim.loop_names = before
    lists = made_here + (claim.steps if outermost else [])
    if inside:
        claim.init += [assignment(cst.Name(v), s) for v, s in starts.items()]
        claim.init += [assignment(nodes.dotted(f"self.{plural(n)}"), nodes.call("nn.ModuleList")) for n in lists]
        claim.init.append(Turns(node.target, iter_init, inside))
    if not forward:
        return []
    made = over(rewriter, claim, node, forward, made_here)
    if not outermost or not claim.steps:
        return [made]
    return stepping(claim, made)


def over(rewriter: Rewriter, claim: Claim, node: cst.For, forward: list[Any], made_here: list[str]) -> cst.For:
    """The loop of ``forward``: over the layers, and over what the source loops over where that is needed."""
    targets = {n.value for n in names_in(node.target)}
    used = bool({n for s in forward for n in reads(s)} & targets)
    iters: list[Any] = []
    names: list[Any] = []
    if used or not made_here:
        iters, names = [iterated(rewriter, claim, node)], [node.target]
    iters += [nodes.dotted(f"self.{plural(n)}") for n in made_here]
    names += [cst.Name(n) for n in made_here]
    target = names[0] if len(names) == 1 else nodes.tuple_of(names).with_changes(lpar=[], rpar=[])
    source = iters[0] if len(iters) == 1 else nodes.call("zip", *iters)
    return cst.For(target, source, cst.IndentedBlock(forward), leading_lines=node.leading_lines)


def iterated(rewriter: Rewriter, claim: Claim, node: cst.For) -> Any:
    """What a loop of ``forward`` runs over; a mark where only `__init__` knows, which is no harm if the loop becomes
    one over its layers."""
    from .keras_walk import tested

    ctx = claim.ctx
    refusals, findings = len(ctx.refusals), len(ctx.findings)
    out = tested(rewriter, claim, node.iter, "forward")
    if len(ctx.refusals) == refusals or not claim.in_loop:
        return out
    found = ctx.refusals[refusals][1]
    claim.unsaid = Refused(found.code, found.message, found.hint)
    del ctx.refusals[refusals:], ctx.findings[findings:]
    return cst.Name(UNSAID)


def stepped_in(claim: Claim, node: cst.For) -> set[str]:
    """The layers that a loop makes under a condition, or in a loop inside of it."""
    out: set[str] = set()

    def within(body: Any, deep: bool) -> None:
        for statement in body:
            if isinstance(statement, cst.SimpleStatementLine):
                for call in calls_in(statement):
                    if call in claim.names and (deep or call in claim.guards):
                        out.add(claim.names[call])
            elif isinstance(statement, cst.If):
                live = decided(claim.ctx, statement)
                if live is not None:
                    within(live, deep)
                    continue
                within(statement.body.body, True)
                other = statement.orelse
                within(other.body.body if isinstance(other, cst.Else) else [other] if other is not None else [], True)
            elif isinstance(statement, cst.For):
                within(statement.body.body, True)

    within(node.body.body, False)
    return out


def stepping(claim: Claim, made: cst.For) -> list[Any]:
    """Loops that take the next layer of a list: one plain loop where nothing else happens in them."""
    steps, claim.steps = claim.steps, []
    inner: Any = made
    targets: set[str] = set()
    while isinstance(inner, cst.For) and len(inner.body.body) == 1:
        targets |= {n.value for n in names_in(inner.target)}
        inner = inner.body.body[0]
    if len(steps) == 1 and isinstance(inner, cst.SimpleStatementLine) and not reads(inner) & targets:
        call = f"next({plural(steps[0])})"
        if nodes.code(inner).count(call) == 1:
            name = cst.Name(steps[0])

            def replace(part: Any) -> Any:
                if isinstance(part, cst.Call) and nodes.code(part) == call:
                    return name
                return nodes.rebuild(part, replace)

            source = nodes.dotted(f"self.{plural(steps[0])}")
            return [cst.For(name, source, cst.IndentedBlock([replace(inner)]), leading_lines=made.leading_lines)]
    if claim.unsaid is not None and UNSAID in reads(made):
        raise claim.unsaid
    for statement in nodes.walk(made):
        if isinstance(statement, cst.Call) and isinstance(statement.func, cst.Attribute):
            if statement.func.attr.value in ("pop", "popitem"):
                raise Refused("XL213", "a loop that makes layers changes what it runs over")
    starts = [assignment(cst.Name(plural(n)), nodes.call("iter", nodes.dotted(f"self.{plural(n)}"))) for n in steps]
    return [*starts, made]


def follow(claim: Claim, inside: list[Any], changing: dict[str, str]) -> None:
    """At the end of each turn the variables of channels take their new values."""
    for name, variable in changing.items():
        size = claim.sizes._variable(name)
        if size is None:
            if any(variable in reads(s) for s in settled(inside)):
                raise Refused("XL402", f"the channels of `{name}` after a turn of a loop are not known here")
            claim.sizes.known[name] = None
            continue
        if nodes.code(size) != variable:
            inside.append(assignment(cst.Name(variable), size))
            for other, known in list(claim.sizes.known.items()):
                if other != name and not isinstance(known, Either | Own | list | None) and mentions(known, variable):
                    claim.sizes.known[other] = None
        claim.sizes.known[name] = cst.Name(variable)


def loop_sizes(claim: Claim, node: cst.For) -> dict[str, str]:
    """The tensor variables that a loop replaces, with the variable of ``__init__`` that follows their channels."""
    claim.starts = {}
    out: dict[str, str] = {}
    targets: list[str] = []

    class Targets(cst.CSTVisitor):
        def visit_Assign(self, one: cst.Assign) -> None:
            if tensorish(claim.ctx.value(one.value)):
                for target in one.targets:
                    targets.extend(n.value for n in names_in(target.target))

    node.body.visit(Targets())
    for name in dict.fromkeys(targets):
        start = claim.sizes._variable(name)
        if start is None:
            continue
        variable = "channels" if not out else f"{name}_channels"
        if isinstance(start, cst.Name) and claim.in_loop and start.value.endswith("channels"):
            variable = start.value  # which the outer loop follows
        elif not nodes.is_name(start, variable):
            claim.starts[variable] = start
        out[name] = variable
    return out
