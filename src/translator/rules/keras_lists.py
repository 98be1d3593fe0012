"""Lists of layers in a functional model: ``blocks = []``, ``blocks.append(Dense(8))``, ``x = blocks[i](x)``.

Such a list is an `nn.ModuleList` of ``__init__``, and its layers are made where they stand; they need no attributes.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import libcst as cst

from .. import nodes
from ..rewrite.context import Context
from ..values import Seq, Value, options_of
from .keras_layout import Refused
from .keras_names import calls_in, is_layer

ADDING = ("append", "insert", "extend")


@dataclass(slots=True)
class Lists:
    """The lists of layers of a region."""

    names: set[str] = field(default_factory=set)
    """Their variables."""
    held: set[str] = field(default_factory=set)
    """The variables of layers that are put into a list and used for nothing else."""
    made: set[cst.CSTNode] = field(default_factory=set)
    """The calls that make what stands in a list, or in another layer."""


def holds_layers(value: Value) -> bool:
    """Whether a value is a list of layers."""
    if not isinstance(value, Seq):
        return False
    every = value.items if value.items is not None else [value.elem]
    return bool(every) and all(is_layer(o) for v in every for o in options_of(v))


def find(ctx: Context, body: list[Any], variables: dict[cst.CSTNode, str]) -> Lists:
    """The lists of layers in a region's statements.

    Args:
        variables: the calls that make a layer for a variable, with the variable.
    """
    out = Lists()
    read: dict[str, int] = {}
    added: dict[str, int] = {}

    class Visitor(cst.CSTVisitor):
        def visit_Name(self, node: cst.Name) -> None:
            read[node.value] = read.get(node.value, 0) + 1
            if holds_layers(ctx.value(node)):
                out.names.add(node.value)

        def visit_AssignTarget(self, node: cst.AssignTarget) -> bool:
            return not isinstance(node.target, cst.Name)

    for statement in body:
        statement.visit(Visitor())
    for statement in body:
        for node in nodes.walk(statement):
            if isinstance(node, cst.Assign) and isinstance(node.targets[0].target, cst.Name):
                if node.targets[0].target.value in out.names:
                    out.made.update(calls_in(node.value))
            elif adds(node, out.names):
                for arg in node.args:
                    out.made.update(calls_in(arg))
                    if isinstance(arg.value, cst.Name):
                        added[arg.value.value] = added.get(arg.value.value, 0) + 1
            elif isinstance(node, cst.Call) and is_sequential(ctx, node):
                for arg in node.args:
                    out.made.update(calls_in(arg))
    out.held = {n for n in variables.values() if added.get(n) and added[n] == read.get(n)}
    out.made |= {call for call, name in variables.items() if name in out.held}
    return out


def adds(node: cst.CSTNode, names: set[str]) -> bool:
    """``blocks.append(layer)``."""
    return (
        isinstance(node, cst.Call)
        and isinstance(node.func, cst.Attribute)
        and isinstance(node.func.value, cst.Name)
        and node.func.value.value in names
        and node.func.attr.value in ADDING
    )


def is_sequential(ctx: Context, node: cst.Call) -> bool:
    """``Sequential([...])``, which makes the modules of its list itself."""
    call = ctx.call(node)
    return call is not None and call.api == "keras.Sequential"


def module_list(node: cst.BaseExpression, new: Any) -> Any:
    """The list of modules for a list of layers.

    Raises:
        Refused: where the list is not written out.
    """
    if isinstance(node, cst.List | cst.Tuple) and not node.elements:
        return nodes.call("nn.ModuleList")
    if isinstance(node, cst.List | cst.Tuple | cst.ListComp):
        return nodes.call("nn.ModuleList", new)
    raise Refused("XL213", "a list of layers is not written out where it is made")
