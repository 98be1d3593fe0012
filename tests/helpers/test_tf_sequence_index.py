"""The indexing, gathering and scattering helpers against torch in float64: values, dtypes, gradients."""

import numpy as np
import pytest
import tensorflow as tf
import torch
from tf_sequence_support import compare, data

from translator.helpers.tf import index as I

IDS = data(4, 2, 6, high=3)


@pytest.mark.parametrize("dim", [0, 1, -1])
def test_gather_and_scatter(dim):
    x, src, large = data(4, 5, 6), data(3, 4, 4, seed=3), data(4, 5, 6, seed=3)
    index = np.argsort(data(4, 5, 6, seed=9), axis=dim)[:3, :4, :4]
    compare(lambda a, i: torch.gather(a, dim, i), lambda a, i: I.gather(a, dim, i), x, index, traced=True)
    compare(lambda a, i, s: a.scatter(dim, i, s), lambda a, i, s: I.scatter(a, dim, i, s), x, index, src, traced=True)
    compare(lambda a, i: a.scatter(dim, i, 0.1), lambda a, i: I.scatter(a, dim, i, 0.1), x, index)
    for reduce in ("add", "multiply"):
        compare(lambda a, i, r=reduce: a.scatter(dim, i, 1.7, reduce=r),
                lambda a, i, r=reduce: I.scatter(a, dim, i, 1.7, reduce=r), x, index, grad=False)  # fmt: skip
    repeated = data(4, 5, 6, high=3)
    compare(lambda a, i, s: a.scatter_add(dim, i, s), lambda a, i, s: I.scatter_add(a, dim, i, s),
            x, repeated, large, traced=True)  # fmt: skip
    compare(lambda a, i, s: a.scatter(dim, i, s), lambda a, i, s: I.scatter(a, dim, i, s), x, index, large, grad=False)


@pytest.mark.parametrize("reduce", ["sum", "prod", "mean", "amax", "amin"])
@pytest.mark.parametrize("include_self", [True, False])
def test_scatter_reduce(reduce, include_self):
    compare(
        lambda a, i, s: a.scatter_reduce(1, i, s, reduce, include_self=include_self),
        lambda a, i, s: I.scatter_reduce(a, 1, i, s, reduce, include_self),
        data(4, 5, 6),
        data(3, 4, 6, high=5),
        data(3, 4, 6, seed=2),
        traced=True,
    )


def test_scatter_integers():
    x, i = data(5, 4, high=9), data(5, 3, high=4)
    compare(lambda a, b: a.scatter_reduce(1, b, a, "mean"), lambda a, b: I.scatter_reduce(a, 1, b, a, "mean"), x, i)
    compare(lambda a, b: a.scatter(1, b, 7), lambda a, b: I.scatter(a, 1, b, 7), x, i)


@pytest.mark.parametrize("dim", [0, 1, -1])
def test_index_along_an_axis(dim):
    x, index = data(5, 5, 5), np.array([3, 0, 3])
    shape = [5, 5, 5]
    shape[dim] = 3
    source = data(*shape)
    compare(lambda a, i, s: a.index_add(dim, i, s, alpha=0.3), lambda a, i, s: I.index_add(a, dim, i, s, 0.3),
            x, index, source, traced=True)  # fmt: skip
    once = np.array([3, 0, 2])
    compare(lambda a, i, s: a.index_copy(dim, i, s), lambda a, i, s: I.index_copy(a, dim, i, s), x, once, source)
    compare(lambda a, i: a.index_fill(dim, i, 0.1), lambda a, i: I.index_fill(a, dim, i, 0.1), x, index, traced=True)
    compare(lambda a: a.index_fill(dim, torch.tensor([-1]), 2), lambda a: I.index_fill(a, dim, [-1], 2), x)
    compare(lambda a: a.narrow(dim, -3, 2), lambda a: I.narrow(a, dim, -3, 2), x, traced=True)
    compare(lambda a: a.unfold(dim, 3, 2), lambda a: I.unfold(a, dim, 3, 2), data(5, 6, 7), traced=True)
    compare(lambda a: a.roll(2, dim), lambda a: I.roll(a, 2, dim), x)
    compare(lambda a: a.flip(dim), lambda a: I.flip(a, dim), x)
    compare(lambda a: a.repeat_interleave(2, dim), lambda a: I.repeat_interleave(a, 2, dim), x)
    compare(lambda a: a.repeat_interleave(torch.tensor([2, 0, 1, 1, 3]), dim),
            lambda a: I.repeat_interleave(a, [2, 0, 1, 1, 3], dim), x)  # fmt: skip


def test_masks_and_take_along():
    x, mask = data(4, 5), data(4, 5, high=2) == 1
    compare(torch.masked_select, I.masked_select, x, mask, traced=True)
    compare(torch.masked_select, I.masked_select, x, mask[:1])
    compare(torch.masked_scatter, I.masked_scatter, x, mask, data(25), traced=True)
    compare(torch.masked_scatter, I.masked_scatter, x, mask[0], data(7, 5))
    index = np.argsort(x, axis=1)
    compare(lambda a, i: torch.take_along_dim(a, i, 1), lambda a, i: I.take_along_dim(a, i, 1), x, index, traced=True)
    compare(lambda a, i: torch.take_along_dim(a, i, -1), lambda a, i: I.take_along_dim(a, i, -1), x, index[:1, :2])
    compare(lambda a, i: torch.take_along_dim(a, i, 0), lambda a, i: I.take_along_dim(a, i, 0), x, IDS[:2, 0, :5])
    compare(torch.take_along_dim, I.take_along_dim, x, IDS)


def test_planes():
    x = data(2, 4, 6)
    for k in (-7, -2, 0, 1, 7):
        compare(lambda a, k=k: a.tril(k), lambda a, k=k: I.tril(a, k), x, traced=True)
        compare(lambda a, k=k: a.triu(k), lambda a, k=k: I.triu(a, k), x)
    compare(lambda a: a.tril() + a.triu(1), lambda a: I.tril(a) + I.triu(a, 1), data(5, 3, high=9))
    for offset in (-2, 0, 3):
        compare(lambda a, o=offset: a.diagonal(o, -1, 0), lambda a, o=offset: I.diagonal(a, o, -1, 0), x)
    compare(torch.diagonal, I.diagonal, x)
    compare(lambda a: a.roll(5), lambda a: I.roll(a, 5), x, traced=True)
    compare(lambda a: a.roll((1, -2), (0, 2)), lambda a: I.roll(a, (1, -2), (0, 2)), x)
    compare(lambda a: a.flip((0, -1)), lambda a: I.flip(a, (0, -1)), x)
    compare(lambda a: a.repeat_interleave(3), lambda a: I.repeat_interleave(a, 3), x)


LONG, PAIR, MASK1, MASK2 = [2, -1, 0], [[0, 1], [2, 1]], [True, False, True, True, False], data(4, 5, high=2) == 1
INDICES = {
    "int": lambda t: 1,
    "negative int": lambda t: (slice(None), -2),
    "slices": lambda t: (slice(1, None, 2), slice(-4, -1)),
    "ellipsis": lambda t: (Ellipsis, 2),
    "ellipsis inside": lambda t: (1, Ellipsis, slice(0, 2)),
    "none": lambda t: (None, slice(None), None, 1),
    "scalar tensor": lambda t: (t(2), slice(None), t(-1)),
    "list": lambda t: LONG,
    "tensor": lambda t: t(LONG),
    "matrix": lambda t: (slice(None), t(PAIR)),
    "last": lambda t: (Ellipsis, t(LONG)),
    "two adjacent": lambda t: (t(LONG), t([1, 1, 4])),
    "two adjacent inside": lambda t: (slice(1, 3), t(LONG), t([1, 1, 2])),
    "two parted": lambda t: (t(LONG), slice(None), t([1, 1, 2])),
    "two parted by none": lambda t: (slice(None), t(LONG), None, t([1, 1, 2])),
    "broadcast": lambda t: (t([[0], [3]]), t(LONG)),
    "integer is no advanced index": lambda t: (0, slice(None), t(LONG)),
    "integer after": lambda t: (t(LONG), slice(1, 4), 0),
    "tensor and none": lambda t: (t(LONG), None, Ellipsis),
    "mask": lambda t: t(data(4, 5, 6, high=2) == 1),
    "mask of two axes": lambda t: t(MASK2),
    "mask in the middle": lambda t: (slice(1, 3), t(MASK1), slice(2, None)),
    "mask and tensor": lambda t: (slice(None), t(MASK1), t([0, 2, 1])),
    "mask list": lambda t: (slice(None), MASK1),
    "all": lambda t: Ellipsis,
}


@pytest.mark.parametrize("name", INDICES)
def test_index_get_and_update(name):
    index, x = INDICES[name], data(4, 5, 6)
    compare(lambda a: a[index(torch.tensor)], lambda a: I.index_get(a, index(tf.constant)), x, traced=True)

    def torch_update(a, value):
        a = a.clone()
        a[index(torch.tensor)] = value
        return a

    def tf_update(a, value):
        return I.index_update(a, index(tf.constant), value)

    shape = np.zeros((4, 5, 6))[index(np.array)].shape
    if name in ("integer is no advanced index",):
        shape = tuple(torch.zeros(4, 5, 6)[index(torch.tensor)].shape)
    compare(torch_update, tf_update, x, data(*shape))
    compare(torch_update, tf_update, x, data(*shape[-1:]))
    compare(lambda a: torch_update(a, 0.1), lambda a: tf_update(a, 0.1), x, traced=True)
    compare(lambda a: torch_update(a, torch.ones(1, 1, *shape, dtype=a.dtype)),
            lambda a: tf_update(a, tf.ones((1, 1, *shape), a.dtype)), x)  # fmt: skip


def test_index_update_bounds_accumulate_and_integers():
    x = data(5, 4)

    def torch_update(a):
        a = a.clone()
        a[3:9, 1:1] = 5.0
        a[-9:2] += a[-1]
        return a

    def tf_update(a):
        a = I.index_update(a, (slice(3, 9), slice(1, 1)), 5.0)
        return I.index_update(a, slice(-9, 2), I.index_get(a, slice(-9, 2)) + a[-1])

    compare(torch_update, tf_update, x, traced=True)
    rows = [1, 1, 3]
    compare(lambda a, v: a.index_put((torch.tensor(rows),), v, accumulate=True),
            lambda a, v: I.index_update(a, (rows,), v, accumulate=True), x, data(3, 4))  # fmt: skip

    def traced_step(a, t):
        return I.index_update(a, (slice(None), t), a[:, 0])

    signature = [tf.TensorSpec([None, None], tf.float64), tf.TensorSpec([], tf.int32)]
    steps = tf.function(traced_step, input_signature=signature)
    expected = x.copy()
    expected[:, 2] = x[:, 0]
    np.testing.assert_array_equal(steps(x, 2), expected)
    counts = I.index_update(tf.constant([[1, 2], [3, 4]]), (slice(None), 1), tf.constant([9, 8], tf.int64))
    np.testing.assert_array_equal(counts, [[1, 9], [3, 8]])
    assert counts.dtype == tf.int32
