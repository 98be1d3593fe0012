"""Functions of a Keras program that take tensors and make layers: each becomes a module class.

A function that is passed on as a value (``stack_fn``) becomes a class that is passed on: its constructor takes the
channels of every tensor before the other arguments, and says in ``out_channels`` what comes out.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import libcst as cst

from ..rewrite.context import Context, Refusal
from ..values import Func, Value, options_of
from .keras_labels import label_names, labels
from .keras_layout import Refused
from .keras_names import assigned, calls_in, is_layer, tensorish
from .keras_regions import class_name, is_input, is_model


@dataclass(slots=True, eq=False)
class Helper:
    """A function that makes layers and applies them: a module class in the translation."""

    func: Func
    name: str
    tensors: list[str]
    options: list[str]
    outer: Func | None = None
    """The function that makes and returns it (``def conv_block(filters): def apply(x): ...; return apply``)."""
    sized: list[str] = field(default_factory=list)
    """The tensor parameters whose channels the constructor takes."""
    size: Any = None
    """The channels of what it returns, in terms of the constructor's parameters; a list for a tuple."""
    told: bool = False
    """Whether ``out_channels`` says what it returns."""
    unsized: set[str] = field(default_factory=set)
    """The tensor parameters whose channels not every caller knows: what is made for them finds out itself."""
    value: bool = False
    """Whether it is passed on, so that its constructor has to be the one that all such classes have."""
    plain: bool = False
    """It turned out to make no modules: it stays a function."""
    definition: Any = None
    """What it became, once that is known."""
    refusal: Refusal | None = None
    busy: bool = False
    needs: set[str] = field(default_factory=set)
    """What the definition relies on: imports and runtime helpers."""
    findings: list[Any] = field(default_factory=list)
    """What is to be said about it."""

    @property
    def parameters(self) -> list[cst.Param]:
        """The parameters that the constructor's arguments come from, and the tensors."""
        inner = [*self.func.node.params.params, *self.func.node.params.kwonly_params]
        if self.outer is None:
            return inner
        return [*self.outer.node.params.params, *self.outer.node.params.kwonly_params, *inner]

    @property
    def definition_node(self) -> Any:
        """The function that the class takes the place of."""
        return (self.outer or self.func).node


def outers(ctx: Context) -> dict[cst.CSTNode, Helper]:
    """The helpers whose function is made by another one, by that one."""
    return {h.outer.node: h for h in helpers(ctx).values() if h.outer is not None}


def helpers(ctx: Context) -> dict[cst.CSTNode, Helper]:
    """The functions that make layers and apply them to tensors, all of whose callers build models."""
    found = ctx.facts.cache.get("keras_helpers")
    if found is None:
        found = ctx.facts.cache["keras_helpers"] = _find_helpers(ctx)
        for helper in _passed_on(ctx, found):
            helper.value = True
            helper.sized = list(helper.tensors)
            helper.options = [p.name.value for p in helper.parameters if p.name.value not in helper.tensors]
    return found  # type: ignore[no-any-return]


def _find_helpers(ctx: Context) -> dict[cst.CSTNode, Helper]:
    out: dict[cst.CSTNode, Helper] = {}
    grew = True
    while grew:
        grew = False
        for node, func in ctx.facts.functions.items():
            if node in out or not isinstance(node, cst.FunctionDef) or func.owner is not None:
                continue
            helper = as_helper(ctx, func, out)
            if helper is not None:
                out[node] = helper
                grew = True
    taken: dict[object, set[str]] = {}
    for helper in out.values():
        made_by(ctx, helper)
        scope = (helper.outer or helper.func).scope
        own = helper.definition_node
        place = scope.func.node if scope.func is not None else scope.module
        names = taken.setdefault(place, {c.name for c in ctx.facts.classes.values()})
        others = {f.name for f in ctx.facts.functions.values() if f.node is not own and f.scope.module == scope.module}
        while helper.name in names or helper.name in others:
            helper.name += "_" if helper.name.endswith("Block") else "Block"
        names.add(helper.name)
    return out


def made_by(ctx: Context, helper: Helper) -> None:
    """Find the function that does nothing but make and return a helper: its arguments are the constructor's."""
    outer = helper.func.scope.func
    node = outer.node if outer is not None else None
    if outer is None or outer.owner is not None or not isinstance(node, cst.FunctionDef) or node.decorators:
        return
    last = node.body.body[-1]
    returned = last.body[-1] if isinstance(last, cst.SimpleStatementLine) else None
    if not isinstance(returned, cst.Return) or not isinstance(returned.value, cst.Name):
        return
    inner = [p.name.value for p in (*helper.func.node.params.params, *helper.func.node.params.kwonly_params)]
    params = node.params
    stars = params.star_kwarg is not None or isinstance(params.star_arg, cst.Param)
    others = [s for s in node.body.body[:-1] if s is not helper.func.node]
    if returned.value.value != helper.func.name or set(inner) != set(helper.tensors) or stars:
        return
    if any(is_layer(ctx.value(c)) or tensorish(ctx.value(c)) for s in others for c in calls_in(s)):
        return
    names = [p.name.value for p in (*params.params, *params.kwonly_params)]
    every = {*names, *inner, *assigned(node.body.body), *assigned(helper.func.node.body.body)}
    helper.outer, helper.name = outer, class_name(outer.name)
    gone = label_names(ctx, every, node.body)
    helper.options = [n for n in names if n not in gone]


def as_helper(ctx: Context, func: Func, known: dict[cst.CSTNode, Helper]) -> Helper | None:
    node = func.node
    assert isinstance(node, cst.FunctionDef)
    params = node.params
    if params.star_arg is not cst.MaybeSentinel.DEFAULT and isinstance(params.star_arg, cst.Param):
        return None
    if params.star_kwarg is not None or node.decorators:
        return None
    names = [p.name.value for p in (*params.params, *params.kwonly_params)]
    tensors = [n for n in names if n in func.passed and tensorish(func.passed[n])]
    if not tensors:
        return None
    calls = calls_in(node.body)
    if any(is_input(ctx, c) or is_model(ctx, c) for c in calls):
        return None
    makes = any(isinstance(c.func, cst.Call) and is_layer(ctx.value(c.func)) for c in calls)
    if not makes and not any(known_callees(known, ctx.value(c.func)) for c in calls):
        return None
    gone = labels(ctx, func)
    helper = Helper(func, class_name(func.name), tensors, [n for n in names if n not in tensors and n not in gone])
    helper.unsized = {n for n in tensors if (node, n) in ctx.facts.unsized}
    return helper


def known_callees(known: dict[cst.CSTNode, Helper], value: Value) -> list[Helper]:
    """The helpers that a callee may be, if it can be nothing else."""
    options = options_of(value)
    found = [known[o.node] for o in options if isinstance(o, Func) and o.node in known]
    return found if len(found) == len(options) else []


def _passed_on(ctx: Context, known: dict[cst.CSTNode, Helper]) -> list[Helper]:
    """The helpers that are used other than by calling them by name."""
    called: set[cst.CSTNode] = set()

    class Calls(cst.CSTVisitor):
        def visit_Call(self, node: cst.Call) -> None:
            called.add(node.func)

    for tree in ctx.facts.trees if known else ():
        tree.visit(Calls())
    by_node = {h.definition_node: h for h in known.values()}
    out = []
    for node, value in list(ctx.facts.values.items()):
        options = [o for o in options_of(value) if isinstance(o, Func)]
        if options and isinstance(node, cst.Name) and node not in called:
            out += [by_node[o.node] for o in options if o.node in by_node]
    return list(dict.fromkeys(out))


def named_directly(ctx: Context, helper: Helper, node: cst.Name) -> bool:
    """Whether a name is the one that the helper's ``def`` gave it, rather than a variable that holds it."""
    func = ctx.func
    params = [p.name.value for p in func.node.params.params] if func is not None else []
    return node.value == (helper.outer or helper.func).name and node.value not in params


def class_of(ctx: Context, node: cst.Name) -> str | None:
    """The class that a function's name stands for, where the function became one."""
    value = ctx.value(node)
    if not isinstance(value, Func):
        return None
    helper = helpers(ctx).get(value.node) or outers(ctx).get(value.node)
    if helper is None or helper.plain or not named_directly(ctx, helper, node):
        return None
    return helper.name if helper.name != node.value else None


def bound_arguments(helper: Helper, node: cst.Call) -> dict[str, cst.Arg]:
    """A call's arguments by parameter; ``**`` for a mapping of some of them.

    Raises:
        Refused: where a star hides them.
    """
    inner = [p.name.value for p in helper.func.node.params.params]
    if helper.outer is None:
        return _bound(helper, inner, node)
    if not isinstance(node.func, cst.Call):
        raise Refused("XL213", f"what `{helper.outer.name}` gives is kept in a variable")
    options = _bound(helper, [p.name.value for p in helper.outer.node.params.params], node.func)
    return {**options, **_bound(helper, inner, node)}


def _bound(helper: Helper, names: list[str], node: cst.Call) -> dict[str, cst.Arg]:
    out: dict[str, cst.Arg] = {}
    for i, arg in enumerate(node.args):
        if arg.star == "*":
            raise Refused("XL202", f"`{helper.func.name}`: star arguments hide what is passed")
        if arg.star == "**":
            out["**"] = arg
        elif arg.keyword is not None:
            out[arg.keyword.value] = arg
        elif i < len(names):
            out[names[i]] = arg
    return out
