"""Variables that only name layers: ``conv_name = name + "_conv"``. PyTorch names submodules by attribute instead."""

from __future__ import annotations

from typing import Any

import libcst as cst

from ..rewrite.context import Context
from ..values import Func
from .keras_names import assigned


def labels(ctx: Context, func: Func) -> set[str]:
    """The parameters and variables of a function that are read for the names of layers only."""
    cache = ctx.facts.cache.setdefault("keras_labels", {})
    found = cache.get(func.node)
    if found is not None:
        return found  # type: ignore[no-any-return]
    node = func.node
    if not isinstance(node, cst.FunctionDef):
        return set()
    params = [p.name.value for p in (*node.params.params, *node.params.kwonly_params)]
    cache[node] = set(params)  # what a function passes on to itself says nothing
    out = label_names(ctx, {*params, *assigned(node.body.body)}, node.body)
    cache[node] = out
    return out


def label_names(ctx: Context, names: set[str], body: cst.CSTNode) -> set[str]:
    """Those of the names that a body reads for the names of layers only."""
    names = set(names)
    while True:
        reads = _Reads(ctx, names)
        body.visit(reads)
        if not reads.found & names:
            return names
        names -= reads.found


class _Reads(cst.CSTVisitor):
    """The names that are read for anything but names of layers, if ``names`` hold nothing else."""

    def __init__(self, ctx: Context, names: set[str]) -> None:
        self.ctx, self.names = ctx, names
        self.found: set[str] = set()

    def visit_Name(self, node: cst.Name) -> None:
        self.found.add(node.value)

    def visit_Attribute(self, node: cst.Attribute) -> bool:
        node.value.visit(self)
        return False

    def visit_AssignTarget(self, node: cst.AssignTarget) -> bool:
        if not isinstance(node.target, cst.Name):
            node.target.visit(self)
        return False

    def visit_Assign(self, node: cst.Assign) -> bool:
        return not is_label_assignment(node, self.names)

    def visit_If(self, node: cst.If) -> bool:
        return not only_labels(node, self.names)

    def visit_WithItem(self, node: cst.WithItem) -> bool:
        return not is_name_scope(self.ctx, node)

    def visit_Call(self, node: cst.Call) -> bool:
        func = self.ctx.value(node.func)
        if isinstance(func, Func):
            gone = passed_labels(self.ctx, node, func)
            node.func.visit(self)
            for arg in node.args:
                if arg not in gone:
                    arg.value.visit(self)
            return False
        for arg in node.args:
            if arg.keyword is None or arg.keyword.value != "name":
                arg.value.visit(self)
        node.func.visit(self)
        return False

    def visit_FunctionDef(self, node: cst.FunctionDef) -> bool:
        node.body.visit(self)
        return False


def passed_labels(ctx: Context, node: cst.Call, func: Func) -> set[cst.Arg]:
    """The arguments of a call that are labels to the function."""
    inner = labels(ctx, func)
    params = [p.name.value for p in func.node.params.params]
    out = set()
    for i, arg in enumerate(node.args):
        name = arg.keyword.value if arg.keyword is not None else params[i] if i < len(params) else ""
        if not arg.star and name in inner:
            out.add(arg)
    return out


def is_label_assignment(node: Any, names: set[str]) -> bool:
    """``bn_name = name + "_bn"``."""
    if isinstance(node, cst.AugAssign):
        return isinstance(node.target, cst.Name) and node.target.value in names
    return isinstance(node, cst.Assign) and all(
        isinstance(t.target, cst.Name) and t.target.value in names for t in node.targets
    )


def only_labels(node: Any, names: set[str]) -> bool:
    """Whether a statement does nothing but name layers."""
    if isinstance(node, cst.SimpleStatementLine):
        return all(is_label_assignment(s, names) for s in node.body)
    if isinstance(node, cst.If):
        parts: list[Any] = [*node.body.body]
        if isinstance(node.orelse, cst.Else):
            parts += node.orelse.body.body
        elif node.orelse is not None:
            parts.append(node.orelse)
        return all(only_labels(p, names) for p in parts)
    return False


def is_name_scope(ctx: Context, node: cst.WithItem) -> bool:
    """``with backend.name_scope("block"):``"""
    call = node.item
    value = ctx.value(call.func) if isinstance(call, cst.Call) else None
    return getattr(value, "name", "").endswith("name_scope")
