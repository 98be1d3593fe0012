"""A translated model behind the axis orders of its source: what goes in and comes out is transposed at its edge."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from ..model import Edge

LOGICAL = ("NCL", "NCHW", "NCDHW")


def permutation(axes: str) -> tuple[int, ...]:
    """``perm[k]``: the logical axis that stands at place k. ``"NHWC"`` is (0, 2, 3, 1)."""
    logical = next((names for names in LOGICAL if sorted(names) == sorted(axes)), "".join(sorted(axes)))
    return tuple(logical.index(letter) for letter in axes)


def inverse(perm: tuple[int, ...]) -> tuple[int, ...]:
    return tuple(perm.index(axis) for axis in range(len(perm)))


class AtEdge:
    """Calls a model or function with tensors in source order, and gives results in source order.

    Args:
        owner: the name of a function; by default, that of the model's class.
    """

    def __init__(self, model: Any, edges: Iterable[Edge], owner: str = "") -> None:
        owner = owner or type(model).__name__
        self.model = model
        self.edges = {e.name: permutation(e.axes) for e in edges if e.owner == owner}

    def __call__(self, **args: Any) -> Any:
        given = {name: self._given(name, value) for name, value in args.items()}
        return self._result("return", self.model(**given))

    def _given(self, name: str, value: Any) -> Any:
        import tensorflow as tf

        perm = self._order(name)
        if isinstance(value, list | tuple):
            return type(value)(self._given(f"{name}[{i}]", v) for i, v in enumerate(value))
        return tf.transpose(value, perm) if perm is not None and value is not None else value

    def _result(self, name: str, value: Any) -> Any:
        import tensorflow as tf

        if isinstance(value, dict):
            return type(value)((k, self._result(f"{name}[{k!r}]", v)) for k, v in value.items())
        if isinstance(value, list | tuple):
            items = [self._result(f"{name}[{i}]", v) for i, v in enumerate(value)]
            return type(value)(*items) if hasattr(value, "_fields") else type(value)(items)
        perm = self._order(name)
        return tf.transpose(value, inverse(perm)) if perm is not None and value is not None else value

    def _order(self, name: str) -> tuple[int, ...] | None:
        return self.edges.get(name) or self.edges.get(name.rpartition("[")[0] + "[]")
