"""What cannot be proven about axis orders, and which operations are left in the source's order then."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import libcst as cst

from .. import nodes

Place = tuple[str, int]
"""A node by its file and its number there, as another process finds it."""


class LayoutUnproven(Exception):
    """The channels-last order of a value cannot be proven.

    Attributes:
        node: where that is seen.
        leave: what can stay in source order instead: calls of operations, calls that make layers, classes that call
            layers from outside of the program. If there are none, the whole program is translated with channels first.
    """

    def __init__(self, node: cst.CSTNode, reason: str, leave: Iterable[cst.CSTNode] = ()) -> None:
        super().__init__(reason)
        self.node, self.reason, self.leave = node, reason, frozenset(leave)


@dataclass(frozen=True, slots=True)
class Unproven:
    """The same as a result that can be sent between processes."""

    reason: str
    where: Place | None
    leave: tuple[Place, ...]


def located(error: LayoutUnproven, trees: Mapping[str, cst.Module]) -> Unproven:
    """Name the nodes by their places."""
    wanted, found = {error.node, *error.leave}, dict[cst.CSTNode, Place]()
    for path, tree in trees.items():
        for number, node in enumerate(nodes.walk(tree)):
            if node in wanted:
                found[node] = (path, number)
    leave = tuple(sorted(found[node] for node in error.leave if node in found))
    return Unproven(error.reason, found.get(error.node), leave)


def at(places: Iterable[Place], trees: Mapping[str, cst.Module]) -> list[cst.CSTNode]:
    """The nodes at some places."""
    numbers: dict[str, set[int]] = {}
    for path, number in places:
        numbers.setdefault(path, set()).add(number)
    return [n for path, some in numbers.items() for i, n in enumerate(nodes.walk(trees[path])) if i in some]
