"""In which mode, training or not, each call of a model runs: a walk over the program in the order of execution.

A fresh PyTorch module trains. ``model.train()`` and ``model.eval()`` are followed through branches, loops and
the project's own functions. The result is what the calls are written with: ``training=True``, ``training=False``,
or, where it depends on the run, the mode that the model remembers.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import libcst as cst

from .. import nodes
from ..infer.facts import Facts
from ..values import Const, Func, Instance, MethodOf, UserClass, Value, options_of, without_none
from .training_params import is_module, sites_of

FRESH = "fresh"
MIXED = "mixed"
State = dict[Any, Any]


def join_states(a: State, b: State) -> State:
    """What is known where two ways meet."""
    return {k: _either(a.get(k, FRESH), b.get(k, FRESH)) for k in a.keys() | b.keys()}


def _either(a: Any, b: Any) -> Any:
    if a == b:
        return a
    return True if {a, b} == {True, FRESH} else MIXED


def key_of(value: Value, node: Any, home: Any) -> Any:
    """What stands for a model: the calls that may have made it, else its name in the function."""
    sites = sites_of(value)
    return sites or (id(home), node.value if isinstance(node, cst.Name) else "")


def overlap(a: Any, b: Any) -> bool:
    """Whether two keys may stand for the same model."""
    return bool(a & b) if isinstance(a, frozenset) and isinstance(b, frozenset) else bool(a == b)


def changed(state: State, key: Any, mode: Any) -> State:
    """What is known after the mode of a model was set: of others that it may be, no more than either."""
    return {**{k: _either(m, mode) if overlap(k, key) else m for k, m in state.items()}, key: mode}


def known(state: State, key: Any) -> Any:
    """The mode of a model; of one that may be several, what all of them have in common."""
    if key in state:
        return state[key]
    if not isinstance(key, frozenset):
        return MIXED
    out: Any = None
    for site in key:
        found = [m for k, m in state.items() if isinstance(k, frozenset) and site in k]
        alone = state.get(frozenset({site}))
        start = MIXED if isinstance(site, cst.Param) else FRESH  # a caller's model may be in any mode
        mode = alone if alone is not None else _either(found[0], start) if found else start
        out = mode if out is None else _either(out, mode)
    return out


class Modes:
    """Walks the program; ``calls`` holds for each call of a module the modes that it may run in."""

    def __init__(self, facts: Facts) -> None:
        self.facts = facts
        self.calls: dict[Any, set[Any]] = {}
        self.keys: dict[Any, Any] = {}
        self.done: dict[Any, State] = {}
        self.active: set[Any] = set()
        self.home: Any = None

    def run(self) -> None:
        reached: set[Any] = set()
        for tree in self.facts.trees:
            self.home = tree
            self.block(tree.body, {})
        reached = {key[0] for key in self.done}
        for func in list(self.facts.functions.values()):
            if func.node not in reached and not inside_module(func):
                self.function(func, {})

    # -- statements ----------------------------------------------------------------------------------------

    def block(self, body: Iterable[Any], state: State) -> State:
        for statement in body:
            state = self.statement(statement, state)
        return state

    def statement(self, node: Any, state: State) -> State:
        if isinstance(node, cst.FunctionDef | cst.ClassDef):
            return state
        if isinstance(node, cst.If):
            state = self.expressions(node.test, state)
            other = self.statement(node.orelse, state) if node.orelse is not None else state
            return join_states(self.block(node.body.body, state), other)
        if isinstance(node, cst.For | cst.While):
            state = self.expressions(node.iter if isinstance(node, cst.For) else node.test, state)
            once = join_states(state, self.block(node.body.body, state))
            return join_states(state, self.block(node.body.body, once))
        if isinstance(node, cst.Try):
            end = join_states(state, self.block(node.body.body, state))
            for handler in node.handlers:
                end = join_states(end, self.block(handler.body.body, end))
            for part in (node.orelse, node.finalbody):
                end = self.block(part.body.body, end) if part is not None else end
            return end
        if isinstance(node, cst.With):
            for item in node.items:
                state = self.expressions(item.item, state)
            return self.block(node.body.body, state)
        if isinstance(node, cst.Else):
            return self.block(node.body.body, state)
        return self.expressions(node, state)

    def expressions(self, node: Any, state: State) -> State:
        """The calls in an expression or small statement, arguments first."""
        if isinstance(node, cst.Lambda):
            return state
        for child in nodes.parts(node):
            state = self.expressions(child, state)
        return self.call(node, state) if isinstance(node, cst.Call) else state

    # -- calls -----------------------------------------------------------------------------------------------

    def call(self, node: cst.Call, state: State) -> State:
        change = mode_change(self.facts, node)
        if change is not None:
            receiver, mode = change
            key = key_of(self.facts.value(receiver), receiver, self.home)
            self.keys[node] = key
            return changed(state, key, mode)
        for one in options_of(without_none(self.facts.value(node.func))):
            if isinstance(one, Func):
                state = self.function(one, state)
            elif isinstance(one, MethodOf) and not inside_module(one.func):
                state = self.function(one.func, state)
            elif isinstance(one, UserClass) and not one.module and isinstance(one.find("__init__"), Func):
                state = self.function(one.find("__init__"), state)  # type: ignore[arg-type]
            elif isinstance(one, Instance) and (found := called_method(one)) is not None:
                state = self.function(found, state)
        self.module_call(node, state)
        return state

    def module_call(self, node: cst.Call, state: State) -> None:
        value = without_none(self.facts.value(node.func))
        receiver = node.func
        bound = self.facts.calls.get(node)
        if bound is not None and bound.api == "torch.utils.checkpoint.checkpoint" and node.args:
            receiver = node.args[0].value
            value = without_none(self.facts.value(receiver))
        if isinstance(value, MethodOf) and inside_module(value.func) and isinstance(node.func, cst.Attribute):
            value, receiver = without_none(value.receiver), node.func.value
        if not is_module(value):
            return
        key = key_of(value, receiver, self.home)
        self.keys[node] = key
        self.calls.setdefault(node, set()).add(known(state, key))

    def function(self, func: Func, state: State) -> State:
        if inside_module(func) or isinstance(func.node, cst.Lambda):
            return state
        memo = (func.node, frozenset(state.items()))
        if memo in self.done:
            return self.done[memo]
        if func.node in self.active:
            return state
        self.active.add(func.node)
        outer, self.home = self.home, func.node
        self.done[memo] = self.block(func.node.body.body, dict(state))
        self.home = outer
        self.active.discard(func.node)
        return self.done[memo]


def called_method(value: Instance) -> Func | None:
    """The method that runs where an object that is no layer is called."""
    found = value.cls.find("__call__") if isinstance(value.cls, UserClass) and not value.cls.module else None
    return found if isinstance(found, Func) else None


def inside_module(func: Func) -> bool:
    """Whether a function is a method of a layer or model."""
    return func.owner is not None and func.owner.module


def mode_change(facts: Facts, node: Any) -> tuple[Any, Any] | None:
    """The receiver and the new mode of ``model.train(...)`` or ``model.eval()``."""
    if not isinstance(node, cst.Call) or not isinstance(node.func, cst.Attribute):
        return None
    name = node.func.attr.value
    if name not in ("train", "eval") or len(node.args) > (name == "train"):
        return None
    value = without_none(facts.value(node.func.value))
    if not is_module(value) or any(
        isinstance(o.cls, UserClass) and o.cls.find(name) for o in options_of(value) if isinstance(o, Instance)
    ):
        return None
    if not node.args:
        return node.func.value, name == "train"
    flag = facts.value(node.args[0].value)
    return node.func.value, flag.value if isinstance(flag, Const) and isinstance(flag.value, bool) else MIXED


def decided(found: set[Any]) -> bool | None:
    """The one mode of a call; ``None`` if it depends on the run."""
    plain = {True if m == FRESH else m for m in found}
    return next(iter(plain)) if len(plain) == 1 and MIXED not in plain else None


def modes_of(facts: Facts) -> Modes:
    """The modes of all calls of the project: computed once."""
    if facts.modes is None:
        modes = Modes(facts)
        modes.run()
        facts.modes = modes  # type: ignore[assignment]
    return facts.modes  # type: ignore[return-value]
