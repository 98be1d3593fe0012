"""What statements use, bind and touch: the slice of a block that a loss is computed by."""

from __future__ import annotations

from typing import Any

import libcst as cst

from ..infer.facts import Facts
from ..values import Api, BoundMethod, Func, Instance, MethodOf, Partial, Tensor, UserClass, options_of, without_none
from .training_modes import called_method
from .training_params import is_module, sites_of, walk

RUNS = ("torch.utils.checkpoint.", "torch.func.")
"""APIs that run the layers which they are given."""


def dotted_text(node: Any) -> str:
    """``a.b`` of a chain of names; empty for anything else."""
    if isinstance(node, cst.Attribute):
        inner = dotted_text(node.value)
        return f"{inner}.{node.attr.value}" if inner else ""
    return node.value if isinstance(node, cst.Name) else ""


def uses(node: Any) -> set[str]:
    """The names and dotted names that are read (or bound) anywhere in a node."""
    out = set()
    for one in walk(node):
        if isinstance(one, cst.Name):
            out.add(one.value)
        elif isinstance(one, cst.Attribute):
            text = dotted_text(one)
            if text:
                out.add(text)
    return out


def targets(node: Any) -> list[Any]:
    """The expressions that a statement assigns, in nested statements too."""
    out: list[Any] = []
    for one in walk(node):
        if isinstance(one, cst.AssignTarget | cst.AugAssign | cst.AnnAssign | cst.For | cst.NamedExpr | cst.CompFor):
            out.append(one.target)
        elif isinstance(one, cst.AsName):
            out.append(one.name)
    flat: list[Any] = []
    while out:
        one = out.pop()
        if isinstance(one, cst.Tuple | cst.List):
            out += [e.value for e in one.elements]
        else:
            flat.append(one)
    return flat


def changes(node: Any, facts: Facts) -> set[str]:
    """The names that a statement binds, or whose objects it may change by a method or an item."""
    out: set[str] = set()
    for target in targets(node):
        out.add(dotted_text(target))
        while isinstance(target, cst.Subscript):
            target = target.value
            out.add(dotted_text(target))
    for one in walk(node):
        if isinstance(one, cst.Call) and isinstance(one.func, cst.Attribute):
            tensor = isinstance(without_none(facts.value(one.func.value)), Tensor)
            if not tensor or one.func.attr.value.endswith("_"):
                out.add(dotted_text(one.func.value))
    return out - {""}


def reads(node: Any) -> set[str]:
    """The names that a statement reads: of a plain assignment, only those of its value."""
    if not isinstance(node, cst.SimpleStatementLine):
        return uses(node)
    out: set[str] = set()
    for small in node.body:
        if isinstance(small, cst.Assign) and all(isinstance(t, cst.Name) for t in targets(small)):
            out |= uses(small.value)
        else:
            out |= uses(small)
    return out


def binds_surely(node: Any) -> set[str]:
    """The names that a plain assignment replaces."""
    if not isinstance(node, cst.SimpleStatementLine):
        return set()
    assigned = [s for s in node.body if isinstance(s, cst.Assign | cst.AnnAssign)]
    return {dotted_text(t) for s in assigned for t in targets(s)} - {""}


class Touch:
    """Whether a node may read trainable variables, directly or through the project's functions."""

    def __init__(self, facts: Facts) -> None:
        self.facts = facts

    def touches(self, node: Any) -> bool:
        return any(self._one(n) for n in walk(node))

    def touches_alone(self, node: cst.Call) -> bool:
        """Whether the call itself, apart from its arguments, may read variables."""
        return self._one(node)

    def _one(self, node: Any) -> bool:
        if isinstance(node, cst.Call):
            call = self.facts.calls.get(node)
            if call is not None and call.api.startswith(RUNS):
                return True
            return any(self._callee(o) for o in options_of(without_none(self.facts.value(node.func))))
        if isinstance(node, cst.Name | cst.Attribute):
            value = without_none(self.facts.value(node))
            return isinstance(value, Tensor) and value.variable
        return False

    def _callee(self, value: Any) -> bool:
        if isinstance(value, Instance):
            method = called_method(value)
            if method is not None:
                return self._reaches(method, set())
            return is_module(value) and not (value.api or "").endswith("Loss")
        if isinstance(value, Api | BoundMethod | UserClass):
            return False
        if isinstance(value, Func | MethodOf):
            func = value.func if isinstance(value, MethodOf) else value
            return self._reaches(func, set())
        return True

    def _reaches(self, func: Func, seen: set[Any]) -> bool:
        """Whether running a function may run a layer."""
        if func.node in seen:
            return False
        seen.add(func.node)
        if func.owner is not None and func.owner.module:
            return True
        body = func.node.body
        return any(self._inner(n, seen) for n in walk(body))

    def _inner(self, node: Any, seen: set[Any]) -> bool:
        if not isinstance(node, cst.Call):
            return self._one(node)
        for one in options_of(without_none(self.facts.value(node.func))):
            if isinstance(one, Func | MethodOf):
                if self._reaches(one.func if isinstance(one, MethodOf) else one, seen):
                    return True
            elif not isinstance(one, Partial) and self._callee(one):
                return True
        return False

    def mentions(self, node: Any, sites: frozenset[Any], seen: set[Any] | None = None) -> bool:
        """Whether a node names one of these objects, or calls a function that does."""
        seen = seen if seen is not None else set()
        for one in walk(node):
            if isinstance(one, cst.Name | cst.Attribute) and sites_of(self.facts.value(one)) & sites:
                return True
            if isinstance(one, cst.Call):
                for value in options_of(without_none(self.facts.value(one.func))):
                    func = value.func if isinstance(value, MethodOf) else value
                    if isinstance(func, Func) and func.node not in seen:
                        seen.add(func.node)
                        if self.mentions(func.node.body, sites, seen):
                            return True
        return False


def slice_of(touch: Touch, items: list[Any], end: int, loss: Any, skip: set[Any]) -> tuple[int, int] | None:
    """Where in ``items[:end]`` the computation of a loss begins and ends, as far as it may read variables.

    ``skip`` holds statements that take part in no computation (``zero_grad`` and the like). Both are ``end`` where
    the loss expression itself is the whole computation; ``None`` if the computation stands elsewhere.
    """
    needed = uses(loss)
    start, stop = (end, end) if touch.touches(loss) else (None, None)
    for i in range(end - 1, -1, -1):
        item = items[i]
        if item in skip:
            continue
        if changes(item, touch.facts) & needed:
            needed = (needed - binds_surely(item)) | reads(item)
            stop = i + 1 if stop is None else stop
            if touch.touches(item):
                start = i
    return (start, stop) if start is not None and stop is not None else None
