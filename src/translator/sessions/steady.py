"""What a graph was built with, and whether its functions find the same when they run."""

from __future__ import annotations

from typing import Any

import libcst as cst

from .. import nodes
from .read import Graph, names
from .spelling import Unclear, tf_name


def steady(graph: Graph, before: list[Any], after: list[Any]) -> None:
    """Make sure that what the graph reads of Python is the same when its functions run as when it was built.

    Raises:
        Unclear: for a variable of Python that is set more than once.
    """
    steps = [s.node for s in graph.steps]
    built = [*steps, *graph.variables.values(), *graph.optimizers.values()]
    built += [t.optimizer for t in graph.training.values()]
    built += [*graph.cells.values(), *(g.norm for g in graph.gradients.values() if g.norm is not None)]
    read_by = set().union(*(names(n) for n in built)) - graph.names
    functions = {s.name.value: s for s in graph.kept if isinstance(s, cst.FunctionDef)}
    called: set[str] = set()
    while functions.keys() & read_by - called:  # what the functions read that the graph is built by
        new = functions.keys() & read_by - called
        called |= new
        read_by |= set().union(*(names(functions[n].body) - set(bound_in(functions[n])) for n in new))
    times: dict[str, int] = {}
    for statement in (*before, *after):
        for name in bound(statement):
            times[name] = times.get(name, 0) + 1
    changed = {n for n in read_by if times.get(n, 0) > 1 or any(n in bound(s) for s in after)}
    if changed:
        raise Unclear(f"`{min(changed)}`, which the graph was built with, changes")
    for value in graph.variables.values():
        for call in (n for n in nodes.walk(value) if isinstance(n, cst.Call)):
            ours = isinstance(call.func, cst.Name) and call.func.value in graph.makers
            if not tf_name(call.func) and not ours:
                raise Unclear(f"`{nodes.code(call.func)}` gives a variable its first value", value)


def bound_in(function: cst.FunctionDef) -> list[str]:
    """The variables of a function's own."""
    params = [p.name.value for p in (*function.params.params, *function.params.kwonly_params)]
    return [*params, *(n for s in function.body.body for n in bound(s))]


def bound(node: Any) -> list[str]:
    """The names that a statement sets, each as often as it does."""
    out: list[str] = []

    class Targets(cst.CSTVisitor):
        def visit_FunctionDef(self, one: cst.FunctionDef) -> bool:
            out.append(one.name.value)
            return any(isinstance(n, cst.Global) for n in nodes.walk(one))

        def visit_Lambda(self, one: cst.Lambda) -> bool:
            return False

        def visit_AssignTarget(self, one: cst.AssignTarget) -> None:
            out.extend(plain_names(one.target))

        def visit_AugAssign(self, one: cst.AugAssign) -> None:
            out.extend(plain_names(one.target))

        def visit_AnnAssign(self, one: cst.AnnAssign) -> None:
            out.extend(plain_names(one.target))

        def visit_For(self, one: cst.For) -> None:
            out.extend(plain_names(one.target))

        def visit_AsName(self, one: cst.AsName) -> None:
            out.extend(plain_names(one.name))

        def visit_NamedExpr(self, one: cst.NamedExpr) -> None:
            out.extend(plain_names(one.target))

    node.visit(Targets())
    return out


def plain_names(target: Any) -> list[str]:
    """The variables of a target; what is set inside of an object is no variable."""
    if isinstance(target, cst.Name):
        return [target.value]
    if isinstance(target, cst.Tuple | cst.List):
        return [n for e in target.elements for n in plain_names(e.value)]
    return []
