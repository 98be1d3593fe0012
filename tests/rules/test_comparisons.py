"""Methods of what comes of comparing things of which nothing is known; what a module of the framework has."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from snippets import both

SOURCE = """
import torch


def found(data, c):
    mask = data.y <= c
    return mask.nonzero(as_tuple=False).view(-1), (data.y == c).float().mean(dim=0), (data.y == c).sum()


def newer(x):
    if hasattr(torch, "compile") and not hasattr(torch, "nothing_of_this_name"):
        return x.relu()
    return x.sigmoid()
"""


class Data:
    def __init__(self, y: Any) -> None:
        self.y = y


def test_comparisons_of_unknown_things_give_tensors_where_they_are_used_so() -> None:
    tf, torch = pytest.importorskip("tensorflow"), pytest.importorskip("torch")
    theirs, ours = both(SOURCE)
    y = np.array([3, 1, 2, 3, 3])
    expected = theirs["found"](Data(torch.tensor(y)), torch.tensor(2))
    actual = ours["found"](Data(tf.constant(y)), tf.constant(2, tf.int64))
    for one, other in zip(expected, actual, strict=True):
        np.testing.assert_array_equal(one.numpy(), other.numpy())
    np.testing.assert_array_equal(ours["newer"](tf.constant([-1.0, 2.0])), [0.0, 2.0])
