"""Axis orders at the edge: the translation may take and return tensors in the other framework's order.

Everything is compared in the source's order. The side that runs the translation gets its inputs turned just before
the call and turns its outputs just after, inside of what gradients flow through, so that those come out right too.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from ..compare.edges import permutation
from ..model import Direction, Edge

Perm = tuple[int, ...]


def edges_of(edges: Iterable[Edge], owners: Iterable[str]) -> dict[str, str]:
    """Axis letters (of the translation) by parameter name or ``"return"``, for one entry point."""
    wanted = set(owners)
    return {edge.name: edge.axes for edge in edges if edge.owner.rpartition(".")[2] in wanted or edge.owner in wanted}


def axes_at(edges: Mapping[str, str], place: str) -> str | None:
    """The axes of one tensor: its own, or those of every element of the list or dictionary that it stands in."""
    return edges.get(place) or edges.get(place.rpartition("[")[0] + "[]")


def into(axes: str, direction: Direction) -> Perm:
    """``perm[k]`` is the source's axis that stands at axis ``k`` of the translation."""
    if direction is Direction.TORCH2TF:
        return permutation(axes)
    source = ["N", *(a for a in axes if a not in "NC"), "C"]
    return tuple(source.index(a) for a in axes)


def back(axes: str, direction: Direction) -> Perm:
    """The reverse: from the translation's order to the source's."""
    perm = into(axes, direction)
    return tuple(perm.index(k) for k in range(len(perm)))


def adapted(
    invoke: Callable[[dict[str, Any]], Any], parameters: Sequence[str], edges: Mapping[str, str], direction: Direction,
    transpose: Callable[[Any, Perm], Any],
) -> Callable[..., Any]:  # fmt: skip
    """A program's call, with arguments by the source's parameter names and in the source's axis order.

    Args:
        invoke: takes the arguments by the program's own parameter names.
        parameters: those names. Where the source has others, arguments go by position.
        edges: the axis orders at this program's edge, see `edges_of`; none for the source itself.
    """

    def turn(value: Any, place: str, way: Callable[[str, Direction], Perm]) -> Any:
        axes = axes_at(edges, place)
        if axes is None or len(getattr(value, "shape", ())) != len(axes):
            return value
        return transpose(value, way(axes, direction))

    def call(**given: Any) -> Any:
        named = dict(zip(own_names(given, parameters), given.values(), strict=False))
        result = invoke({n: _each(v, lambda x, place: turn(x, place, into), n) for n, v in named.items()})
        return _each(result, lambda x, place: turn(x, place, back), "return")

    return call


def own_names(given: Iterable[str], parameters: Sequence[str]) -> list[str]:
    """A program's own names of arguments that are given by the source's: the same, or those at the same positions."""
    names = list(given)
    return names if set(names) <= set(parameters) or len(parameters) < len(names) else list(parameters)[: len(names)]


def _each(value: Any, turn: Callable[[Any, str], Any], place: str) -> Any:
    """What stands in lists, tuples and dictionaries, one by one, each by its place: ``return['p2'][0]``."""
    if isinstance(value, dict):
        return type(value)((k, _each(v, turn, f"{place}[{k!r}]")) for k, v in value.items())
    if isinstance(value, list | tuple):
        items = [_each(v, turn, f"{place}[{i}]") for i, v in enumerate(value)]
        return type(value)(*items) if hasattr(value, "_fields") else type(value)(items)
    return turn(value, place)
