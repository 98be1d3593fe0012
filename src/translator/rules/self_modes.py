"""Methods of models that set the mode themselves, and methods that run layers outside of the model's call.

``was = self.training; self.eval(); ...; self.train(was)`` runs what stands between without training: the calls get
``training=False``. A method of a model that trains takes the mode as an argument instead.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import libcst as cst

from .. import nodes
from ..infer.facts import Facts
from ..rewrite.context import Context, Edit, Outcome
from ..values import Const, Func, Instance, MethodOf, UserClass, options_of, without_none
from .training_modes import decided, inside_module, modes_of
from .training_params import is_module, walk

if TYPE_CHECKING:
    from ..rewrite.rewriter import Rewriter

SENSITIVE = ("Dropout", "dropout", "BatchNorm", "batch_norm", "RReLU", "rrelu", "Transformer", "MultiheadAttention")


@dataclass(slots=True)
class SelfModes:
    """What a method does with its object's mode."""

    dropped: set[Any] = field(default_factory=set)
    """The statements that only read, set or restore the mode."""
    calls: dict[Any, bool] = field(default_factory=dict)
    """Calls that run in a mode which the method sets."""


def self_modes(facts: Facts, func: Func | None) -> SelfModes | None:
    """How a method sets and restores the mode of its own object; ``None`` if it does not, or not so that it is seen."""
    if func is None or not inside_module(func) or func.kind != "method" or isinstance(func.node, cst.Lambda):
        return None
    known = facts.cache.setdefault("self_modes", {})
    if func not in known:
        known[func] = _Scan(func).run()
    return known[func]


class _Scan:
    """Reads the statements of a method in order."""

    def __init__(self, func: Func) -> None:
        self.body: Any = func.node.body  # type: ignore[union-attr]
        params = (*func.node.params.posonly_params, *func.node.params.params)
        self.owner = params[0].name.value if params else ""
        self.out = SelfModes()
        self.saved = ""
        self.mode: bool | None = None
        self.known: set[Any] = set()
        """The reads of the mode, and of the name that keeps it, that are understood."""

    def run(self) -> SelfModes | None:
        if not isinstance(self.body, cst.IndentedBlock):
            return None
        for statement in self.body.body:
            alone = isinstance(statement, cst.SimpleStatementLine) and len(statement.body) == 1
            small = statement.body[0] if alone else None
            if self.saves(small) or self.sets(small) or self.restores(statement):
                self.out.dropped.add(small if small is not None else statement)
            elif self.mode is not None:
                if any(isinstance(n, cst.Return | cst.Raise) for n in walk(statement)):
                    return None
                self.out.calls.update({n: self.mode for n in walk(statement) if isinstance(n, cst.Call)})
        return self.out if self.out.calls and self.mode is None and self.complete() else None

    def complete(self) -> bool:
        """Whether nothing else in the method looks at the mode."""
        for node in nodes.walk(self.body):
            if node in self.known:
                continue
            inner = isinstance(node, cst.FunctionDef | cst.Lambda)
            if inner and any(nodes.is_name(n, self.owner) for n in nodes.walk(node)):
                return False
            if nodes.is_name(node, self.saved) or (self.own(node) in ("training", "train", "eval")):
                return False
        return True

    def own(self, node: Any) -> str:
        """The name of an attribute of the object itself."""
        return node.attr.value if isinstance(node, cst.Attribute) and nodes.is_name(node.value, self.owner) else ""

    def saves(self, node: Any) -> bool:
        if not isinstance(node, cst.Assign) or len(node.targets) != 1 or self.own(node.value) != "training":
            return False
        target = node.targets[0].target
        if self.saved or not isinstance(target, cst.Name):
            return False
        self.saved = target.value
        self.known |= {target, node.value, node.value.attr}  # type: ignore[attr-defined]
        return True

    def sets(self, node: Any) -> bool:
        """``self.eval()``, ``self.train()``, ``self.train(False)``."""
        call = self.mode_call(node)
        if call is None or (call.args and not isinstance(call.args[0].value, cst.Name)):
            return False
        flag = call.args[0].value.value if call.args else str(self.own(call.func) == "train")  # type: ignore[attr-defined]
        if flag not in ("True", "False") or not self.saved:
            return False
        self.mode = flag == "True"
        self.known.add(call.func)
        return True

    def restores(self, statement: Any) -> bool:
        """``self.train(was)``, or ``if was: self.train()`` after ``self.eval()``."""
        test: Any = None
        if isinstance(statement, cst.If) and statement.orelse is None and self.mode is False:
            if len(statement.body.body) != 1:
                return False
            test, statement = statement.test, statement.body.body[0]
        if not isinstance(statement, cst.SimpleStatementLine) or len(statement.body) != 1:
            return False
        call = self.mode_call(statement.body[0])
        if call is None or self.own(call.func) != "train":
            return False
        place = test if test is not None else call.args[0].value if call.args else None
        if not self.saved or not nodes.is_name(place, self.saved) or (test is not None and call.args):
            return False
        self.mode = None
        self.known |= {call.func, place}
        return True

    def mode_call(self, node: Any) -> cst.Call | None:
        call = node.value if isinstance(node, cst.Expr) else None
        if not isinstance(call, cst.Call) or self.own(call.func) not in ("train", "eval"):
            return None
        return call if len(call.args) <= (self.own(call.func) == "train") else None


# -- rules -------------------------------------------------------------------------------------------------


def self_mode_claim(ctx: Context, node: Any) -> list[cst.CSTNode]:
    """What a statement about the object's own mode consists of: no other rule looks at it."""
    found = self_modes(ctx.facts, ctx.func)
    return list(walk(node)) if found is not None and node in found.dropped else []


def self_mode_statement(ctx: Context, node: Any, new: Any) -> Outcome:
    """A statement that only keeps, sets or restores the object's own mode goes."""
    found = self_modes(ctx.facts, ctx.func)
    return Edit([]) if found is not None and node in found.dropped else None


def self_mode_if(rw: Rewriter, node: cst.If) -> Any:
    """``if was: self.train()``."""
    found = self_modes(rw.ctx.facts, rw.ctx.func)
    return rw._removed(node) if found is not None and node in found.dropped else None  # type: ignore[arg-type]


def inner_mode(ctx: Context, node: cst.Call) -> Any:
    """What a call within a method of a module gets as ``training``; ``None`` where Keras passes the mode on itself."""
    found = self_modes(ctx.facts, ctx.func)
    value = without_none(ctx.value(node.func))
    target = value.func if isinstance(value, MethodOf) else value
    modal = isinstance(target, Func) and target in ctx.training
    layer = is_module(value) and modal_layer(ctx, value)
    if found is not None and node in found.calls:
        return nodes.literal(found.calls[node]) if modal or layer else None
    return cst.Name("training") if layer and ctx.func in modal_methods(ctx) else None


def modal_layer(ctx: Context, value: Any) -> bool:
    """Whether a layer may act otherwise in training: a class of the project, a container, or a layer known for it."""
    for one in options_of(value):
        if isinstance(one.cls, UserClass) or one.api in ctx.dialect.containers:
            return True
        dropout = one.args.get("dropout")
        recurrent = dropout is not None and dropout not in (Const(0), Const(0.0))
        if recurrent or any(part in (one.api or "") for part in SENSITIVE):
            return True
    return False


# -- methods that are called from outside ------------------------------------------------------------------


def modal_methods(ctx: Context) -> set[Func]:
    """Methods, other than the call itself, that code outside calls on a model which (perhaps) trains, and what they
    call: they take the mode as an argument."""
    if "modal_methods" not in ctx.facts.cache:
        out: set[Func] = set()
        for node, found in modes_of(ctx.facts).calls.items():
            value = without_none(ctx.facts.value(node.func))
            if isinstance(value, MethodOf) and decided(found) is not False and acts_otherwise(ctx, value.func):
                collect(ctx, value.func, out)
        ctx.facts.cache["modal_methods"] = out
    return ctx.facts.cache["modal_methods"]


def collect(ctx: Context, func: Func, out: set[Func]) -> None:
    """Add a method and the methods that it calls."""
    if func in out or func.kind != "method" or func.name in ctx.dialect.forward or func.name == "__init__":
        return
    out.add(func)
    for call in outer_calls(ctx, func):
        for one in options_of(without_none(ctx.facts.value(call.func))):
            if isinstance(one, MethodOf) and inside_module(one.func) and runs_layers(ctx, one.func, set()):
                collect(ctx, one.func, out)


def outer_calls(ctx: Context, func: Func, target: Func | None = None) -> list[cst.Call]:
    """The calls in a method (of one target, if it is given) that run in the mode of its object."""
    found = self_modes(ctx.facts, func)
    own = found.calls if found is not None else {}
    calls = [n for n in walk(func.node.body) if isinstance(n, cst.Call) and n not in own]
    return calls if target is None else [n for n in calls if reaches(ctx, n, target)]


def reaches(ctx: Context, call: cst.Call, target: Func) -> bool:
    """Whether a call may run a function."""
    values = options_of(without_none(ctx.facts.value(call.func)))
    return any((v.func if isinstance(v, MethodOf) else v) is target for v in values)


def acts_otherwise(ctx: Context, func: Func) -> bool:
    """Whether a method of a model may run layers that act otherwise in training."""
    if not any(part in c.api for c in ctx.facts.calls.values() for part in SENSITIVE):
        return False
    return runs_layers(ctx, func, set())


def runs_layers(ctx: Context, func: Func, seen: set[Any]) -> bool:
    """Whether a method calls layers in its object's mode, itself or through others."""
    if func.node in seen:
        return False
    seen.add(func.node)
    for call in outer_calls(ctx, func):
        for one in options_of(without_none(ctx.facts.value(call.func))):
            inner = one.func if isinstance(one, MethodOf) else one
            if isinstance(one, Instance) and is_module(one):
                return True
            if isinstance(inner, Func) and runs_layers(ctx, inner, seen):
                return True
    return False
