"""What a statement assigns to must stay a place: a name, an attribute, a part of something."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import libcst as cst

from .context import Refusal

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
