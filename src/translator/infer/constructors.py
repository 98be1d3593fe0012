"""The layers of one subclass of a container, where a constructor of the project makes them for several.

Functions are run once for all of their callers. A constructor that makes `Conv2d` for one subclass and `Conv3d` for
another would leave either with both, and with tensors of no known rank, so that it is run for each by itself, too.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from .. import nodes
from ..values import Func, Instance, UserClass, Value
from .scope import Scope

if TYPE_CHECKING:
    from .interp import Interpreter


def own_steps(it: Interpreter, func: Func, passed: dict[str, Value]) -> None:
    """Find the layers that a base's constructor makes for the subclass that calls it with these arguments.

    Nothing else of this run is kept: what holds for all callers is found by the run for all.
    """
    from .layers import STEPS

    cls, base = it.func.owner if it.func is not None else None, func.owner
    if cls is None or base is None or not _for_subclass(it, func, base, cls):
        return
    body = list(nodes.walk(func.node))
    facts = it.facts
    saved = [(known, {n: known[n] for n in body if n in known}) for known in (facts.values, facts.calls)]
    lists = [(found, len(found)) for found in (facts.flows, facts.results, facts.passes)]
    attrs, given = dict(base.attrs), base.given.pop(STEPS, {})
    del base.attrs[STEPS]
    alone = Func(func.name, func.node, func.scope, base, func.kind, dict(passed), decorators=func.decorators)
    func.running = True
    with it._in(Scope("function", func.scope.module, func.scope, func=alone, cls=base), alone):
        from .functions import initial_parameters

        initial_parameters(it, alone, it.scope)
        it.suite(func.node.body)
    func.running = False
    if STEPS in base.attrs:
        cls.attrs[STEPS] = base.attrs[STEPS]
    base.attrs.clear()
    base.attrs.update(attrs)
    base.given[STEPS] = given
    for known, old in saved:
        for node in body:
            known.pop(node, None)  # type: ignore[attr-defined]
        known.update(old)  # type: ignore[attr-defined]
    for found, length in lists:
        del found[length:]  # type: ignore[attr-defined]


def _for_subclass(it: Interpreter, func: Func, base: UserClass, cls: UserClass) -> bool:
    """Whether a call in a constructor runs that of a base which is a container and makes its layers."""
    from .layers import STEPS, module_base

    if func.name != "__init__" or base is cls or func.running or base not in cls.mro():
        return False
    container = it.dialect.containers.get(module_base(base) or "")
    if it.func is None or it.func.name != "__init__" or container != "sequential":
        return False
    return isinstance(base.attrs.get(STEPS), Instance)
