"""Nested structures are taken apart and put together as PyTorch does it."""

from __future__ import annotations

from collections import OrderedDict, defaultdict, deque, namedtuple
from typing import Any

import pytest

from translator.helpers.tf import tree

Pair = namedtuple("Pair", "a b")
TREES: list[Any] = [
    3, None, [], {}, (1, [2, {"b": 3, "a": None}]), Pair(1, [2]), OrderedDict([("z", 1), ("a", (2,))]),
    defaultdict(list, x=[1]), deque([1, [2]], maxlen=5), [{"k": (1, 2)}, Pair({"q": 3}, 4)], "text", {1, 2},
]  # fmt: skip


@pytest.mark.parametrize("value", TREES, ids=str)
def test_as_in_pytorch(value: Any) -> None:
    theirs = pytest.importorskip("torch").utils._pytree
    leaves, spec = tree.tree_flatten(value)
    assert leaves == theirs.tree_flatten(value)[0] == tree.tree_leaves(value)
    put = tree.tree_unflatten(leaves, spec)
    assert put == value and type(put) is type(value)
    doubled = [tree.tree_map(lambda x: [x], value), theirs.tree_map(lambda x: [x], value)]
    assert doubled[0] == doubled[1] and type(doubled[0]) is type(doubled[1])
    some = [m.tree_map_only(int, lambda x: x + 1, value) for m in (tree, theirs)]
    assert some[0] == some[1]


def test_several_structures() -> None:
    assert tree.tree_map(lambda a, b: a + b, {"x": [1, 2]}, {"x": [3, 4]}) == {"x": [4, 6]}
    for other in ({"y": [3, 4]}, {"x": [3]}, {"x": (3, 4)}):
        with pytest.raises(ValueError, match=r"different k"):
            tree.tree_map(lambda a, b: a + b, {"x": [1, 2]}, other)
    with pytest.raises(ValueError, match="2 leaves"):
        tree.tree_unflatten([1], tree.tree_flatten([0, 0])[1])
