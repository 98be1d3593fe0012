"""Which variables an optimizer moves: read off the expression that it was made with, and written where it steps."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, cast

import libcst as cst

from .. import nodes
from ..infer.expressions import WRAPPED
from ..infer.facts import Facts
from ..rewrite.context import Context
from ..values import Api, Instance, Tensor, Value, options_of, without_none
from .training_choices import OTHER_RANKS, by_rank, chosen, chosen_variables

OPTIM = "torch.optim."
LAYERS = ("torch.nn.", "torch.optim.swa_utils.AveragedModel")
PASS_THROUGH = frozenset({"builtins.list", "builtins.tuple", "builtins.iter", "itertools.chain"})


class Unresolved(Exception):
    """Why it cannot be told which variables are meant."""


@dataclass(frozen=True)
class Source:
    """The variables of one module (``kind`` "module"), or one tensor that is optimized itself ("tensor").

    ``root`` is the object that the expression starts from, ``path`` the attributes after it.
    """

    kind: str
    sites: frozenset[Any]
    path: str
    node: Any
    tests: tuple[Any, ...] = ()
    """What the variables of a module are chosen by, in terms of ``v`` and ``name``."""

    def key(self) -> tuple[str, frozenset[Any], str, tuple[str, ...]]:
        """What two sources that mean the same have in common."""
        return self.kind, self.sites, self.path, tuple(nodes.code(t) for t in self.tests)


Group = tuple[Source, ...]


walk = nodes.walk_own


_LOOKED_UP = frozenset({cst.Call, cst.Name, cst.Attribute})
_SCOPES = frozenset({cst.FunctionDef, cst.Lambda})


class Program:
    """Where things stand in the project: which function a node is in, and what names are assigned there."""

    def __init__(self, facts: Facts) -> None:
        self.facts = facts
        self.home: dict[Any, Any] = {}
        rest: list[tuple[Any, Any]] = [(tree, tree) for tree in facts.trees]
        while rest:
            node, home = rest.pop()
            for child in nodes.parts(node):
                kind = type(child)
                if kind in _LOOKED_UP:
                    self.home[child] = home
                rest.append((child, child if kind in _SCOPES else home))

    @classmethod
    def of(cls, facts: Facts) -> Program:
        """The project's: made once for all of its files."""
        if "program" not in facts.cache:
            facts.cache["program"] = cls(facts)
        return cast(Program, facts.cache["program"])

    @cached_property
    def optimizer_calls(self) -> list[cst.Call]:
        """The calls that make optimizers."""
        return [
            n for n, c in self.facts.calls.items()
            if c.api.startswith(OPTIM) and "." not in c.api.removeprefix(OPTIM) and c.receiver is None
            and isinstance(n, cst.Call) and isinstance(c.result, Instance)
        ]  # fmt: skip

    def assigned(self, node: cst.Name) -> Any:
        """The one expression that a local name is assigned; ``None`` if there are several or none."""
        found = []
        for one in walk_home(self.home.get(node)):
            if isinstance(one, cst.Assign) and any(nodes.is_name(t.target, node.value) for t in one.targets):
                found.append(one)
            elif isinstance(one, cst.AugAssign | cst.For) and nodes.is_name(one.target, node.value):
                return None
        if len(found) > 1:
            found = self._before(node, found)
        return found[0].value if len(found) == 1 else None

    def _before(self, node: cst.Name, found: list[cst.Assign]) -> list[cst.Assign]:
        """Of several assignments that follow each other in one block, the last one before a name is read."""
        home = self.home.get(node)
        block = home.body.body if isinstance(home, cst.FunctionDef) else getattr(home, "body", ())
        places = {s.body[0]: i for i, s in enumerate(block) if isinstance(s, cst.SimpleStatementLine) and s.body}
        reader = next((i for i, s in enumerate(block) if any(n is node for n in walk(s))), None)
        if reader is None or any(a not in places for a in found):
            return []
        return [a for a in found if places[a] < reader][-1:]

    def api(self, node: Any) -> str:
        """The qualified name of what a call calls, if it is a library's."""
        call = self.facts.calls.get(node)
        if call is not None:
            return call.api
        value = self.facts.value(node.func) if isinstance(node, cst.Call) else None
        return value.name if isinstance(value, Api) else ""


def walk_home(home: Any) -> Iterator[Any]:
    """Everything in a function or file, without what stands in nested functions."""
    if home is not None:
        for child in nodes.parts(home):
            if not isinstance(child, cst.FunctionDef | cst.ClassDef | cst.Lambda):
                yield from walk(child)


def groups_of(program: Program, call: Any) -> tuple[Group, ...]:
    """The parameter groups of an optimizer, each with its sources.

    Raises:
        Unresolved: with the reason.
    """
    bound = program.facts.calls.get(call)
    if bound is None:
        raise Unresolved("which optimizer is made is decided when the program runs")
    given = bound.args.get("params")
    if given is None:
        raise Unresolved("what the optimizer is to move is not given")
    node = resolved(program, given.node)
    if isinstance(node, cst.List) and node.elements and all(isinstance(e.value, cst.Dict) for e in node.elements):
        return tuple(sources(program, entry(cst.ensure_type(e.value, cst.Dict), "params")) for e in node.elements)
    return (sources(program, node),)


def entry(node: cst.Dict, key: str) -> Any:
    """The value under a literal key of a dict display."""
    for element in node.elements:
        named = isinstance(element, cst.DictElement) and isinstance(element.key, cst.SimpleString)
        if named and element.key.evaluated_value == key:
            return element.value
    raise Unresolved(f"a parameter group has no `{key}`")


def resolved(program: Program, node: Any) -> Any:
    """What a local name stands for."""
    for _ in range(4):
        if not isinstance(node, cst.Name) or isinstance(without_none(program.facts.value(node)), Tensor):
            return node
        value = program.assigned(node)
        if value is None:
            raise Unresolved(f"`{node.value}` is not assigned once in the same function")
        node = value
    return node


def sources(program: Program, node: Any) -> Group:
    """The sources of an expression that gives parameters."""
    node = resolved(program, node)
    if isinstance(node, cst.Call):
        return of_call(program, node)
    if isinstance(node, cst.BinaryOperation) and isinstance(node.operator, cst.Add):
        return sources(program, node.left) + sources(program, node.right)
    if isinstance(node, cst.ListComp | cst.GeneratorExp):
        return of_comprehension(program, node)
    if isinstance(node, cst.List | cst.Tuple):
        return tuple(s for e in node.elements for s in of_element(program, e))
    if isinstance(node, cst.Attribute | cst.Name):
        value = without_none(program.facts.value(node))
        if isinstance(value, Tensor) and value.variable:
            return (rooted(program, "tensor", node),)
        if isinstance(value, Tensor):
            raise Unresolved(f"`{nodes.code(node)}` is a tensor, no variable (make it an nn.Parameter)")
    raise Unresolved(f"`{nodes.code(node)[:60]}` is no expression whose parameters are known")


def of_element(program: Program, element: Any) -> Group:
    if isinstance(element, cst.StarredElement):
        return sources(program, element.value)
    return sources(program, element.value)


def of_call(program: Program, node: cst.Call) -> Group:
    if isinstance(node.func, cst.Attribute) and node.func.attr.value == "parameters":
        if is_module(without_none(program.facts.value(node.func.value))):
            return (rooted(program, "module", node.func.value),)
        raise Unresolved(f"it is not known what `{nodes.code(node.func.value)}` is")
    name = program.api(node)
    if name in PASS_THROUGH:
        return tuple(s for a in node.args for s in sources(program, a.value))
    if name == "builtins.filter" and len(node.args) == 2 and keeps_trainable(node.args[0].value):
        return sources(program, node.args[1].value)
    raise Unresolved(f"`{nodes.code(node)[:60]}` is no expression whose parameters are known")


def keeps_trainable(node: Any) -> bool:
    """``lambda p: p.requires_grad``: just what ``trainable_variables`` leaves out anyway."""
    body = node.body if isinstance(node, cst.Lambda) else None
    return isinstance(body, cst.Attribute) and body.attr.value == "requires_grad"


def of_comprehension(program: Program, node: Any) -> Group:
    """``[p for p in model.parameters() if p.dim() > 1]``."""
    choice = chosen(program, node)
    if choice is None:
        raise Unresolved("the parameters are chosen by a test that is not known here")
    if by_rank(choice.tests) and any(c.api in OTHER_RANKS for c in program.facts.calls.values()):
        raise Unresolved("the parameters are chosen by their rank, which differs in Keras for a layer that is used")
    if not choice.named:
        found = sources(program, choice.iterated)
    elif is_module(without_none(program.facts.value(choice.iterated))):
        found = (rooted(program, "module", choice.iterated),)
    else:
        raise Unresolved(f"it is not known what `{nodes.code(choice.iterated)}` is")
    return tuple(replace(s, tests=s.tests + choice.tests) for s in found)


def is_module(value: Value) -> bool:
    """Whether a value is a layer or model."""
    one = options_of(value)
    return bool(one) and all(
        isinstance(o, Instance) and ((o.api or "").startswith(LAYERS) or getattr(o.cls, "module", False))
        for o in one
    )


def rooted(program: Program, kind: str, node: Any) -> Source:
    """The source that starts at the outermost object whose making is known."""
    path = ""
    best: tuple[frozenset[Any], str] | None = None
    current = node
    while True:
        found = sites_of(program.facts.value(current))
        if found:
            best = (found, path)
        if not isinstance(current, cst.Attribute):
            break
        path = path if wraps(program.facts, current) else f".{current.attr.value}{path}"
        current = current.value
    if best is None and kind == "module":
        best = of_receiver(program, current, path)
    if best is None and kind == "module":
        raise Unresolved(f"it is not known which object `{nodes.code(node)}` is")
    return Source(kind, best[0] if best else frozenset(), best[1] if best else "", node)


def wraps(facts: Facts, node: cst.Attribute) -> bool:
    """Whether an attribute is the model in a parallel wrapper, which is the model itself."""
    return node.attr.value == WRAPPED and facts.value(node) is without_none(facts.value(node.value))


def of_receiver(program: Program, node: Any, path: str) -> tuple[frozenset[Any], str] | None:
    """``self`` in a method: the objects that the method is called on."""
    home = program.home.get(node)
    func = program.facts.functions.get(home)
    params = home.params.params if isinstance(home, cst.FunctionDef) else ()
    if func is None or func.owner is None or not params or not nodes.is_name(node, params[0].name.value):
        return None
    out: frozenset[Any] = frozenset()
    for call, called in program.facts.results:
        if called is func and isinstance(call, cst.Call) and isinstance(call.func, cst.Attribute):
            found = sites_of(program.facts.value(call.func.value))
            if not found:
                return None
            out |= found
    return (out, path) if out else None


def sites_of(value: Value) -> frozenset[Any]:
    """The calls that may have made an object; empty if any of its alternatives is of unknown making."""
    out: frozenset[Any] = frozenset()
    for one in options_of(without_none(value)):
        if not isinstance(one, Instance) or not one.sites:
            return frozenset()
        out |= one.sites
    return out


# -- where the optimizer steps ------------------------------------------------------------------------------


def written(ctx: Context, program: Program, source: Source, home: Any) -> Any:
    """An expression for the object of a source that is valid in a function (or at the top of a file).

    Raises:
        Unresolved: where nothing there is known to be that object.
    """
    if program.home.get(source.node) is home:
        return ctx_expression(ctx, source.node)
    if source.kind == "tensor":
        raise Unresolved(f"`{nodes.code(source.node)}` is not visible where the optimizer steps")
    for one in walk_home(home):
        if isinstance(one, cst.Name | cst.Attribute) and sites_of(program.facts.value(one)) == source.sites:
            if len(source.sites) > 1 and not related(program, source, one, home):
                raise Unresolved(f"`{nodes.code(one)}` is not always what the optimizer was made with")
            return with_path(ctx_expression(ctx, one), source.path)
    own = own_attribute(program, source, home)
    if own is not None:
        return with_path(ctx_expression(ctx, own), source.path)
    raise Unresolved(f"`{nodes.code(source.node)}` is not visible where the optimizer steps")


def own_attribute(program: Program, source: Source, home: Any) -> Any:
    """``self.net`` in a method, where the object is kept as an attribute."""
    func = program.facts.functions.get(home)
    params = home.params.params if isinstance(home, cst.FunctionDef) else ()
    if func is None or func.owner is None or not params or len(source.sites) > 1:
        return None
    for cls in func.owner.mro():
        for name, value in cls.attrs.items():
            if name.isidentifier() and sites_of(value) == source.sites:
                return cst.Attribute(cst.Name(params[0].name.value), cst.Name(name))
    return None


def related(program: Program, source: Source, node: Any, home: Any) -> bool:
    """Whether several possible objects come in pairs: nothing is known of that yet."""
    return False


def ctx_expression(ctx: Context, node: Any) -> Any:
    """A plain name or attribute as it is written in the translation."""
    from ..values import UserClass
    from .tensors import renamed

    if not isinstance(node, cst.Attribute):
        return node
    if wraps(ctx.facts, node):
        return ctx_expression(ctx, node.value)
    new = node.with_changes(value=ctx_expression(ctx, node.value))
    owner = without_none(ctx.value(node.value))
    if isinstance(owner, Instance) and isinstance(owner.cls, UserClass):
        edit = renamed(ctx, owner.cls, node.attr.value, new)
        return edit.node if edit is not None else new
    return new


def with_path(node: Any, path: str) -> Any:
    for name in path.split(".")[1:]:
        node = cst.Attribute(node, cst.Name(name))
    return node


def variables(ctx: Context, program: Program, groups: tuple[Group, ...], home: Any) -> Any:
    """``model.trainable_variables``; sums for several modules; a list of lists for several parameter groups."""
    parts = [group_variables(ctx, program, g, home) for g in groups]
    return parts[0] if len(parts) == 1 else cst.List([cst.Element(p) for p in parts])


def group_variables(ctx: Context, program: Program, group: Group, home: Any) -> Any:
    parts: list[Any] = []
    for source in group:
        node = written(ctx, program, source, home)
        part = module_variables(ctx, node) if source.kind == "module" else None
        if part is not None and source.tests:
            part = chosen_variables(ctx, node, source.tests, part)
        parts.append(part if part is not None else cst.List([cst.Element(node)]))
    if not parts:
        raise Unresolved("the optimizer has no parameters")
    out = parts[0]
    for part in parts[1:]:
        out = cst.BinaryOperation(out, cst.Add(), part)
    return out


def module_variables(ctx: Context, node: Any) -> Any:
    """The variables of a module that are to move."""
    from .training_rates import freezes

    if freezes(ctx):
        ctx.needs.add("helper:unfrozen_variables")
        return nodes.call("unfrozen_variables", node)
    return cst.Attribute(node, cst.Name("trainable_variables"))
