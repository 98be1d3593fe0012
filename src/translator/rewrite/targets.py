"""What every edit must keep: what a statement assigns to stays a place, and what ``*`` and ``**`` hide stays passed."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import libcst as cst

from .. import nodes
from ..infer.imports import dotted
from ..values import Map, Seq
from .context import Context, Edit, Refusal

PLACES = (cst.Name, cst.Attribute, cst.Subscript)


def lost_place(statement: Any) -> Refusal | None:
    """Why a translated statement must not stay: one of its targets is a value."""
    if all(isinstance(one, PLACES) for target in targets(statement) for one in leaves(target)):
        return None
    message = "what this assigns to is a value in TensorFlow, not a place"
    return Refusal("XL206", message, "assign to the variable itself")


def targets(node: Any) -> Iterator[Any]:
    """What a statement assigns to or deletes."""
    if isinstance(node, cst.Assign):
        yield from (t.target for t in node.targets)
    elif isinstance(node, cst.AugAssign | cst.AnnAssign | cst.For | cst.Del):
        yield node.target
    elif isinstance(node, cst.With):
        yield from (item.asname.name for item in node.items if item.asname is not None)


def leaves(node: Any) -> Iterator[Any]:
    """The single targets of a tuple or list of them."""
    if isinstance(node, cst.StarredElement):
        yield from leaves(node.value)
    elif isinstance(node, cst.Tuple | cst.List):
        for element in node.elements:
            yield from leaves(element if isinstance(element, cst.StarredElement) else element.value)
    else:
        yield node


def lost_arguments(ctx: Context, node: Any, outcome: Any) -> Refusal | None:
    """Why the translation of a call must not stay: what ``*`` or ``**`` passes is unknown, and it is not passed on."""
    if not isinstance(node, cst.Call) or not isinstance(outcome, Edit):
        return None
    if ctx.claim is not None and node in ctx.claim.names:  # which passes them on where the layers are made
        return None
    hidden = [a.value for a in node.args if a.star and not _is_known(ctx.value(a.value))]
    if not hidden:
        return None
    kept = {dotted(found).rpartition(".")[2] for found in nodes.walk(outcome.node)}
    if all(not dotted(value) or dotted(value).rpartition(".")[2] in kept for value in hidden):
        return None
    return Refusal("XL202", "`*` or `**` arguments hide what is passed", "write the arguments out")


def _is_known(value: Any) -> bool:
    return isinstance(value, Map | Seq) and value.items is not None
