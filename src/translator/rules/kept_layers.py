"""Layers that are asked for what Keras learns later: their weights before the first call, and their input's size.

Such a layer is made by the helper class that takes PyTorch's own arguments: it keeps the size of its input, and
builds its weights when they are read.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import libcst as cst

from .. import nodes
from ..infer.facts import BoundCall
from ..infer.layer_attributes import SIZES
from ..rewrite.context import Context
from ..values import Const, Func, Instance, Value, options_of

READABLE = frozenset(
    {"torch.nn.Linear", "torch.nn.Embedding", *(f"torch.nn.Conv{n}d" for n in (1, 2, 3))}
)  # fmt: skip
"""Layers whose helper class builds itself when its weights are read."""


@dataclass(slots=True)
class Kept:
    """The calls that make such layers, and the classes of which each may be one; those read by constructors apart."""

    sites: set[Any] = field(default_factory=set)
    apis: set[str] = field(default_factory=set)
    early_sites: set[Any] = field(default_factory=set)
    early_apis: set[str] = field(default_factory=set)


def kept(ctx: Context, call: BoundCall) -> bool:
    """Whether a call makes a layer that is asked for its weights before its first call, or for its input's size."""
    if call.api not in READABLE:
        return False
    found = kept_layers(ctx)
    return call.node in found.sites or call.api in found.apis


def read_too_early(ctx: Context, node: cst.Attribute) -> bool:
    """Whether a constructor reads weights of a layer that no helper builds at that time."""
    from .layer_params import only_constructs

    if ctx.func is None or not only_constructs(ctx.func, set()):
        return False
    layers = [o for o in options_of(ctx.value(node.value)) if isinstance(o, Instance) and o.api is not None]
    rows = [ctx.tables.find(o.api) for o in layers if o.api is not None and o.api not in READABLE]
    unbuilt = [r for r in rows if r and not r[0].helper]
    return bool(unbuilt) and node not in written_places(ctx) and not called_before(ctx.func, node)


def built_early(ctx: Context, layer: Value) -> bool:
    """Whether constructors may have built a layer's weights, so that a new initialiser comes too late."""
    found = kept_layers(ctx)
    for one in options_of(layer):
        if isinstance(one, Instance) and one.api is not None:
            if one.sites & found.early_sites or one.api in found.early_apis:
                return True
            if not one.sites and any(_made(ctx, site) == one.api for site in found.early_sites):
                return True
    return False


def _made(ctx: Context, site: Any) -> str | None:
    call = ctx.call(site)
    return call.api if call is not None else None


def kept_layers(ctx: Context) -> Kept:
    """Every such layer of the project."""
    if "kept_layers" not in ctx.facts.cache:
        ctx.facts.cache["kept_layers"] = _found(ctx) if ctx.facts.layer_reads else Kept()
    return ctx.facts.cache["kept_layers"]  # type: ignore[no-any-return]


def _found(ctx: Context) -> Kept:
    from .layer_params import only_constructs

    out = Kept()
    unread = written_places(ctx)
    reads = [r for r in ctx.facts.layer_reads if r[0] not in unread and not _known(ctx, r[0], r[1])]
    dropped = dropped_sizes(ctx, {r[0] for r in reads if r[0].attr.value in SIZES})
    waiting = []
    for read in reads:
        node, layer, func = read
        if node in dropped:
            waiting.append(read)
            continue
        if node.attr.value not in SIZES and func is not None and called_before(func, node):
            continue
        early = node.attr.value not in SIZES and (func is None or only_constructs(func, set()))
        _add(out, layer, early)
    grew = True
    while grew:  # the size of a layer that is itself an argument of one that is kept
        grew = False
        for read in list(waiting):
            if dropped[read[0]] in out.sites or _made(ctx, dropped[read[0]]) in out.apis:
                waiting.remove(read)
                _add(out, read[1], early=False)
                grew = True
    return out


def _add(out: Kept, layer: Instance, early: bool) -> None:
    if layer.sites:
        out.sites |= layer.sites
        out.early_sites |= layer.sites if early else set()
    elif layer.api is not None:
        out.apis.add(layer.api)
        out.early_apis |= {layer.api} if early else set()


def _known(ctx: Context, node: cst.Attribute, layer: Instance) -> bool:
    """Whether a size is written out where it is read."""
    return node.attr.value in SIZES and isinstance(layer.args.get(node.attr.value), Const)


def written_places(ctx: Context) -> set[cst.CSTNode]:
    """``layer.weight`` where it is initialised, frozen, shared or asked for its type, but not read."""
    if "written_places" not in ctx.facts.cache:
        ctx.facts.cache["written_places"] = _written_places(ctx)
    return ctx.facts.cache["written_places"]  # type: ignore[no-any-return]


def _written_places(ctx: Context) -> set[cst.CSTNode]:
    out: set[cst.CSTNode] = set()

    def add(node: Any) -> None:
        while isinstance(node, cst.Attribute) and node.attr.value == "data":
            node = node.value
        out.add(node)

    for node, call in ctx.facts.calls.items():
        if call.api.startswith("torch.nn.init.") and "tensor" in call.args:
            add(call.args["tensor"].node)
        elif call.receiver is not None and call.api.endswith("_") and isinstance(node, cst.Call):
            add(call.receiver.node)
    for node in ctx.facts.values:
        if isinstance(node, cst.Attribute) and node.attr.value in ("dtype", "device", "requires_grad"):
            add(node.value)
        elif isinstance(node, cst.Comparison) and nodes.is_name(node.comparisons[0].comparator, "None"):
            add(node.left)
    for tree in ctx.facts.trees:
        for assign in shared_weights(tree):
            add(assign.value)
    return out


def shared_weights(tree: cst.Module) -> list[cst.Assign]:
    """``a.weight = b.weight``."""
    found = []
    for node in nodes.walk_statements(tree):
        if isinstance(node, cst.Assign):
            target = node.targets[0].target
            if isinstance(target, cst.Attribute) and target.attr.value in ("weight", "bias"):
                found.append(node)
    return found


def dropped_sizes(ctx: Context, reads: set[cst.CSTNode]) -> dict[cst.CSTNode, cst.CSTNode]:
    """Reads of sizes that only serve as the input's size of another layer, which Keras does not ask for."""
    out: dict[cst.CSTNode, cst.CSTNode] = {}
    for call in ctx.facts.calls.values() if reads else ():
        for name in SIZES & call.args.keys():
            if call.api.startswith("torch.nn.") and not call.api.endswith("__call__"):
                out.update((n, call.node) for n in nodes.walk(call.args[name].node) if n in reads)
    return out


def existing(ctx: Context, read: cst.CSTNode, model: cst.BaseExpression) -> bool | None:
    """Whether the variables of a model exist where they are read; ``None`` if that cannot be told.

    They do after a call of it in the same function, and do not where the function makes it and calls it later at most.
    """
    if read in _only_first(ctx):
        return True
    name = nodes.code(model)
    block = ctx.func.node.body if ctx.func is not None else ctx.tree
    if isinstance(block, cst.BaseExpression):
        return None
    if _called(block, read, name):
        return True
    owner = ctx.func.owner if ctx.func is not None and ctx.func.name == "__init__" else None
    if owner is not None and owner.module and name.split(".")[0] == "self":
        return False
    made = False
    for statement in _before(block, read) if isinstance(model, cst.Name) else ():
        made = _makes(ctx, statement, name) or (made and not _passed_on(statement, name))
    return False if made else None


UNCALLED = frozenset({
    "parameters", "named_parameters", "modules", "named_modules", "children", "to", "cuda", "cpu", "train", "eval",
})  # fmt: skip
"""Methods of a module that do not call it."""


def _passed_on(statement: cst.CSTNode, name: str) -> bool:
    """Whether a line does more with a module than to ask for its parts, so that it may be called there."""
    inside = list(nodes.walk(statement))
    plain = {n.value for n in inside if isinstance(n, cst.Attribute) and n.attr.value in UNCALLED}
    return any(nodes.is_name(n, name) and n not in plain for n in inside)


def _only_first(ctx: Context) -> set[cst.CSTNode]:
    """The calls in ``next(model.parameters())``: that there is none is an error in Keras, too.

    Those that an optimizer or a function of `torch.nn.utils` is given are looked at when it runs.
    """
    if "only_first" not in ctx.facts.cache:
        calls = [n for n in ctx.facts.values if isinstance(n, cst.Call) and nodes.is_name(n.func, "next") and n.args]
        users = ("torch.optim.", "torch.nn.utils.")
        later = [a for n, c in ctx.facts.calls.items() if c.api.startswith(users) for a in n.children]
        ctx.facts.cache["only_first"] = {n.args[0].value for n in calls} | {n for a in later for n in nodes.walk(a)}
    return ctx.facts.cache["only_first"]  # type: ignore[no-any-return]


def _before(block: Any, read: cst.CSTNode) -> list[cst.CSTNode]:
    """The simple statements of a block that run before a node in it, in the blocks around it, too."""
    out: list[cst.CSTNode] = []
    for statement in block.body:
        inside = list(nodes.walk(statement))
        if read in inside:
            bodies = [n for n in inside if isinstance(n, cst.IndentedBlock) and read in nodes.walk(n)]
            return out + (_before(bodies[0], read) if bodies else [])
        if isinstance(statement, cst.SimpleStatementLine):
            out.append(statement)
        elif any(isinstance(n, cst.Call) for n in inside):
            out.clear()  # what a loop or branch calls is not followed
    return []


def _makes(ctx: Context, statement: cst.CSTNode, name: str) -> bool:
    """Whether a line binds the name to a new module, which nothing can have called yet."""
    small = statement.body[-1] if isinstance(statement, cst.SimpleStatementLine) else None
    if not isinstance(small, cst.Assign) or not isinstance(small.value, cst.Call):
        return False
    value = ctx.value(small.value)
    made = isinstance(value, Instance) and small.value in value.sites
    return made and any(nodes.is_name(t.target, name) for t in small.targets)


def called_before(func: Func, read: cst.Attribute) -> bool:
    """Whether the function certainly calls the layer before it reads its weights."""
    layer = nodes.code(read.value)
    return isinstance(func.node, cst.FunctionDef) and _called(func.node.body, read, layer) is True


def _called(block: Any, read: cst.CSTNode, layer: str) -> bool | None:
    """Whether the layer is called in a block before the read; ``None`` if the read is not in the block."""
    seen = False
    for statement in block.body:
        inside = list(nodes.walk(statement))
        if read in inside:
            bodies = [n for n in inside if isinstance(n, cst.IndentedBlock) and read in nodes.walk(n)]
            return seen or (bool(bodies) and _called(bodies[0], read, layer) is True)
        simple = isinstance(statement, cst.SimpleStatementLine | cst.Assign | cst.Expr | cst.Return)
        seen = seen or (
            simple and any(isinstance(n, cst.Call) and nodes.code(n.func) == layer for n in inside)
        )
    return None
