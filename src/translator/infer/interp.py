"""The abstract interpreter: statements, branches, loops, functions and classes of one project.

Each function is run with what its callers pass, joined over all call sites, until nothing changes
(or its budget is spent). Facts of the last run win.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING

import libcst as cst

from ..model import Direction
from ..tables import tables
from ..values import (
    NONE,
    UNKNOWN,
    Func,
    Instance,
    Map,
    Seq,
    Tensor,
    Union,
    Value,
    join,
    without_none,
)
from .dialect import DIALECTS
from .emitted import recognise
from .facts import Facts, InPlace, Run
from .ranks import implied_rank
from .sameness import same
from .scope import Scope, join_vars

if TYPE_CHECKING:
    from ..values import Namespace

MAX_RUNS = 5
"""How often one function may be run, and once more for each of its callers: call sites seen late change what its
parameters are."""

LAST_ROUNDS = 2
"""How often functions whose runs are spent are run once more, with what they are passed at the end."""

MAX_CALLS = 200
"""How many functions are followed into each other at once. Those further down run later, their callers again then."""

OF_A_RUN = (
    "scope", "func", "statement", "returns", "alive", "contained", "conditions", "effect", "rebinding", "quiet",
)  # fmt: skip
"""What belongs to the run of one function, and is put back after those that it calls."""


class Interpreter:
    """Runs the modules of a project abstractly and fills `Facts`."""

    def __init__(self, direction: Direction, mappings: tuple[str, ...] = ()) -> None:
        self.direction = direction
        self.tables = tables(direction, mappings)
        self.dialect = DIALECTS[direction]
        if self.tables.roots - self.dialect.roots:
            self.dialect = replace(self.dialect, roots=self.dialect.roots | self.tables.roots)
        self.facts = Facts()
        self.modules: dict[str, Namespace] = {}
        self.packages: set[str] = set()
        """Modules that are packages: in their ``__init__.py``, one dot means the package itself."""
        self.load_module: Callable[[str], Namespace | None] = lambda name: None
        self.scope = Scope("module", "")
        self.func: Func | None = None
        self.statement: cst.CSTNode | None = None
        self.tick = 0
        self.pending: list[Func] = []
        self.depth = 0
        """How many functions are being run, each called by the one before."""
        self.late: set[Func] = set()
        """Functions whose callers did not wait for them, since too many were being run."""
        self.returns: list[Value] = []
        self.alive = True
        self.exits: list[dict[str, Value]] = []
        self.changes: list[InPlace] = []
        self.effect: cst.CSTNode | None = None
        """The call that a statement consists of: there for its effect."""
        self.configuring = False
        self.demonstrating = False
        """Whether the statements at hand run because of Keras's data format."""
        self.quiet = False
        """Whether the statements at hand stand in a block without gradients."""
        self.metadata = False
        """Whether what is evaluated is only asked for its sizes or type."""
        self.rebinding: frozenset[str] = frozenset()
        self.calling: cst.CSTNode | None = None
        self.keywords: frozenset[str] = frozenset()
        self.positional: tuple[cst.Arg, ...] = ()
        """The keywords of the call whose function is being evaluated."""
        self.contained = 0
        self.ranks_differ = False
        """Whether what is called may be one of several layers that take tensors of different ranks."""
        self.conditions = 0
        """How many conditions what is being interpreted stands under."""
        self.frameworks: set[str] = set()
        """The modules that import the source framework."""

    # -- modules ---------------------------------------------------------------------------------

    def run_module(self, module: cst.Module, scope: Scope) -> None:
        """Interpret the top level of a file; its functions run when called or at the end."""
        self.facts.trees.append(module)
        recognise(self, module)
        with self._in(scope, None):
            self.block(module.body)

    def finish(self) -> None:
        """Run every function that was not called, and every one whose callers changed, to a fixed point."""
        classes = list(self.facts.classes.values())
        if self.direction is Direction.TF2TORCH:
            # Keras classes learn their sizes from those that use them, which mostly stand below them.
            self._drain(lambda f: bool(f.callers) or (f.owner is None and f.scope.kind != "function"))
            classes.reverse()
        for cls in classes:
            init = cls.methods.get("__init__")
            if init is not None and not init.runs:
                self.run_function(init)
        # A function inside of another is called by what gets it, so it waits for that.
        self._drain(lambda f: bool(f.callers) or f.scope.kind != "function")
        self._drain(lambda f: True)
        for _ in range(LAST_ROUNDS):
            late = [f for f in self.facts.functions.values() if unsettled(f)]
            for func in late:
                self.run_function(func)
            self._drain(lambda f: True)
            if not late:
                return
        self.facts.unsettled.update(f.node for f in self.facts.functions.values() if unsettled(f))

    def _drain(self, wanted: Callable[[Func], bool]) -> None:
        """Run the functions that wait, as long as one of the wanted is among them."""
        torch = self.direction is Direction.TORCH2TF
        while True:
            order = range(len(self.pending)) if torch else range(len(self.pending) - 1, -1, -1)
            found = next((i for i in order if torch or wanted(self.pending[i])), None)
            if found is None:
                return
            func = self.pending.pop(found)
            if func.stale and func.runs < budget(func):
                self.run_function(func)

    @contextmanager
    def _in(self, scope: Scope, func: Func | None):  # type: ignore[no-untyped-def]
        saved = {name: getattr(self, name) for name in OF_A_RUN}
        self.scope, self.func, self.returns, self.alive, self.contained, self.conditions = scope, func, [], True, 0, 0
        self.effect, self.rebinding, self.quiet = None, frozenset(), False
        try:
            yield
        finally:
            for name, value in saved.items():
                setattr(self, name, value)

    @contextmanager
    def inside(self):  # type: ignore[no-untyped-def]
        """Calls from here on are made by a container or the like, and are not what the call at hand says."""
        self.contained += 1
        try:
            yield
        finally:
            self.contained -= 1

    @contextmanager
    def one_of(self, options: Iterable[Value]):  # type: ignore[no-untyped-def]
        """One of some layers is called: what their names say of ranks counts only where all agree."""
        saved = self.ranks_differ
        names = [o.api for o in options if isinstance(o, Instance) and o.api]
        self.ranks_differ = saved or len({rank for n in names if (rank := implied_rank(n)) is not None}) > 1
        try:
            yield
        finally:
            self.ranks_differ = saved

    def run_key(self) -> Run:
        """Which run of which function this is."""
        return self.func, self.func.runs if self.func is not None else 0

    def touch(self) -> None:
        """Mark the current statement as one that the rewriting must look at."""
        if self.statement is not None:
            self.facts.touched.add(self.statement)

    # -- functions and classes -------------------------------------------------------------------

    def run_function(self, func: Func) -> Value:
        """Run a function with the joined arguments of its callers; returns what it returns."""
        from .flow import with_own_gradient
        from .functions import declared_result, initial_parameters

        if func.running:
            return func.returns if func.returns is not None else declared_result(self, func, UNKNOWN)
        if self.depth >= MAX_CALLS:
            self.late.add(func)
            self.pending.append(func)
            func.stale = True
            return func.returns if func.returns is not None else declared_result(self, func, UNKNOWN)
        func.running, func.stale = True, False
        func.runs += 1
        self.depth += 1
        scope = Scope("function", func.scope.module, func.scope, func=func, cls=func.owner)
        with self._in(scope, func):
            initial_parameters(self, func, scope)
            func.start, func.given = dict(scope.vars), dict(func.passed)
            if isinstance(func.node, cst.Lambda):
                result = self.expr(func.node.body)
                self.returns.append(result)
            else:
                self.suite(func.node.body)
                if self.alive:
                    self.returns.append(NONE)
                result = self.returns[0] if self.returns else UNKNOWN
                for value in self.returns[1:]:
                    result = join(result, value)
                result = with_own_gradient(self, func, declared_result(self, func, result))
            func.returned = self.returns
        func.running = False
        self.depth -= 1
        if func in self.late or (func.returns is not None and not same(func.returns, result)):
            self.late.discard(func)
            for caller in func.callers:
                self.invalidate(caller)
        func.returns = result
        if func.stale and func.runs < budget(func):
            self.pending.append(func)
        return result

    def invalidate(self, func: Func | None) -> None:
        """Have a function run again, since something that it depends on changed."""
        if func is not None and not func.stale:
            func.stale = True
            if func.runs < budget(func):
                self.pending.append(func)

    # -- statements ------------------------------------------------------------------------------

    def suite(self, body: cst.BaseSuite) -> None:
        self.block(body.body)

    def block(self, statements: Iterable[cst.CSTNode]) -> None:
        from .statements import STATEMENTS

        for statement in statements:
            handler = STATEMENTS.get(type(statement))
            if handler is not None:
                self.statement = statement
                handler(self, statement)

    def expr(self, node: cst.BaseExpression) -> Value:
        """Evaluate an expression, and remember what it is."""
        from .expressions import EXPRESSIONS

        handler = EXPRESSIONS.get(type(node))
        value = handler(self, node) if handler is not None else UNKNOWN
        self.facts.values[node] = value
        return value

    def branch(self, run: Callable[[], None]) -> tuple[dict[str, Value], bool]:
        """Run one path from here: its environment at the end, and whether the end is reached."""
        before, alive = self.scope.vars, self.alive
        self.scope.vars, self.alive = dict(before), True
        first = len(self.changes)
        run()
        for change in self.changes[first:]:
            self.settle(change)
        after, reached = self.scope.vars, self.alive
        self.scope.vars, self.alive = before, alive
        return after, reached

    def merge(self, paths: list[tuple[dict[str, Value], bool]]) -> None:
        """Go on from where several paths meet."""
        live = [env for env, reached in paths if reached]
        if not live:
            self.alive = False
            live = [paths[0][0]] if paths else []
        out = live[0] if live else self.scope.vars
        for env in live[1:]:
            out = join_vars(out, env)
        self.scope.vars = out

    # -- memory ----------------------------------------------------------------------------------

    def changed_in_place(self, node: cst.CSTNode, value: Value, drawn: str = "") -> None:
        """Record that ``value``'s memory changes here. A caller whose argument it was has to know.

        ``drawn`` is the name of a value that is only drawn anew.
        """
        tensor = without_none(value)
        if not isinstance(tensor, Tensor):
            return
        run = (self.func, self.func.runs if self.func is not None else 0)
        change = InPlace(self.tick, tensor.storage, run, self.holders(tensor.storage))
        old = self.facts.inplace.get(node)
        if old is not None and old.run == run:
            self.settle(old)
            change.seen = old.seen
            change.storage |= old.storage if old.tick == self.tick else frozenset()
        self.facts.inplace[node] = change
        self.changes.append(change)
        if self.func is not None and not tensor.variable:  # a variable is assigned to, which its holders see
            for name, start in self.func.start.items():
                passed = without_none(start)
                if (isinstance(passed, Tensor) and passed.storage & tensor.storage) or name == drawn:
                    self._mutates(self.func, name, drawn=bool(drawn))

    def _mutates(self, func: Func, name: str, *, drawn: bool) -> None:
        """A function changes what it is given: whoever calls it looks again."""
        if name in func.mutates and (drawn or name in func.rewritten):
            return
        func.mutates.add(name)
        if not drawn:
            func.rewritten.add(name)
        for caller in func.callers:
            self.invalidate(caller)

    def settle(self, change: InPlace) -> None:
        """Note whether the memory was read since it changed."""
        change.seen = change.seen or self.facts.read_after(change)

    def exclusive(self, run: Callable[[], Value]) -> Value:
        """Evaluate one of several paths of which only one is taken: what the others read does not matter to it."""
        first = len(self.changes)
        out = run()
        for change in self.changes[first:]:
            self.settle(change)
        return out

    def rejoin(self, first: int) -> None:
        """All paths are done: from here on every read comes after all of their changes."""
        for change in self.changes[first:]:
            change.tick = self.tick

    def holders(self, storage: frozenset[object]) -> frozenset[object]:
        """The names of this function, and attributes of its object, that hold memory, less those that the
        statement at hand binds anew."""
        out = {(self.func, n) for n, v in self.scope.vars.items() if memory_of(v) & storage}
        owner = self.func.owner if self.func is not None else None
        if owner is not None:
            out |= {(None, "." + n) for n, v in owner.attrs.items() if memory_of(v) & storage}
        return frozenset(h for h in out if h[1] not in self.rebinding)

    def read(self, value: Value, name: str) -> None:
        """Note that a name or attribute which holds tensors is read."""
        self.tick += 1
        key = (None if name.startswith(".") else self.func, name)
        for memory in memory_of(value):
            self.facts.last_read.setdefault(memory, {})[key] = self.tick


def budget(func: Func) -> int:
    """How often a function may be run."""
    return MAX_RUNS + len(func.callers)


def unsettled(func: Func) -> bool:
    """Whether what a function is passed changed after its last run, for which nothing was left."""
    if not func.stale or not func.runs or func.runs < budget(func):
        return False
    return func.given.keys() != func.passed.keys() or not all(same(v, func.given[k]) for k, v in func.passed.items())


def memory_of(value: Value, depth: int = 0) -> frozenset[object]:
    """The memory that a value holds, directly or in a list, tuple or dict."""
    if isinstance(value, Tensor):
        return value.storage
    if depth > 2:
        return frozenset()
    items: tuple[Value, ...] = ()
    if isinstance(value, Seq):
        items = tuple(value.items) if value.items is not None else (value.elem,)
    elif isinstance(value, Map):
        items = tuple(value.items.values()) if value.items is not None else (value.elem,)
    elif isinstance(value, Union):
        items = value.options
    out: frozenset[object] = frozenset()
    for item in items:
        out |= memory_of(item, depth + 1)
    return out
