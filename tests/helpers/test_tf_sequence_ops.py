"""The reduction, tensor and linear-algebra helpers against torch in float64: values, dtypes, gradients."""

import math

import numpy as np
import pytest
import tensorflow as tf
import torch
from tf_sequence_support import compare, data

from translator.helpers.tf import linalg as A
from translator.helpers.tf import reduce as R
from translator.helpers.tf import tensor as T

DIMS = [None, 0, -1, (0, 2)]


@pytest.mark.parametrize("dim", DIMS, ids=str)
@pytest.mark.parametrize("keepdim", [False, True])
def test_moments_and_norms(dim, keepdim):
    x = data(3, 4, 5)
    x[0] = 0.5
    x[:, 1] = 0.0
    for name in ("var", "std", "var_mean", "std_mean"):
        for correction in (0, 1, 2):
            compare(lambda a, n=name, c=correction: getattr(torch, n)(a, dim, correction=c, keepdim=keepdim),
                    lambda a, n=name, c=correction: getattr(R, n)(a, dim, c, keepdim), x)  # fmt: skip
    for p in ("fro", 0, 1, 2, 3, 0.5, 1.5, math.inf, -math.inf):
        compare(lambda a, p=p: torch.norm(a, p, dim, keepdim), lambda a, p=p: R.norm(a, p, dim, keepdim), x,
                grad=p != -math.inf)  # fmt: skip
    compare(lambda a: torch.norm(a, -1.5, dim, keepdim), lambda a: R.norm(a, -1.5, dim, keepdim), np.abs(x) + 1.0)
    missing = x.copy()
    missing[1, 2, 3] = math.nan
    compare(lambda a: a.nansum(dim, keepdim), lambda a: R.nansum(a, dim, keepdim), missing)
    compare(lambda a: a.nanmean(dim, keepdim), lambda a: R.nanmean(a, dim, keepdim), missing)
    compare(lambda a: a.count_nonzero(dim), lambda a: R.count_nonzero(a, dim), x)


def test_moments_traced_and_degenerate():
    compare(lambda a: torch.std_mean(a, 1), lambda a: R.std_mean(a, 1), data(3, 4, 5), traced=True)
    compare(lambda a: a.var(1, True, True), lambda a: R.var(a, 1, True, True), data(3, 4))
    compare(lambda a: a.var(1, False), lambda a: R.var(a, 1, False), data(3, 1))
    assert np.isnan(R.var(tf.constant([[1.0]]), 1).numpy())
    assert np.isnan(torch.tensor([[1.0]]).var(1).item())


@pytest.mark.parametrize("dim", [0, 1, -1])
@pytest.mark.parametrize("keepdim", [False, True])
def test_selections(dim, keepdim):
    x = data(5, 4, 6)
    for torch_function, tf_function in [
        (lambda a: a.max(dim, keepdim), lambda a: R.max_dim(a, dim, keepdim)),
        (lambda a: a.min(dim, keepdim), lambda a: R.min_dim(a, dim, keepdim)),
        (lambda a: a.median(dim, keepdim), lambda a: R.median(a, dim, keepdim)),
        (lambda a: a.kthvalue(2, dim, keepdim), lambda a: R.kthvalue(a, 2, dim, keepdim)),
    ]:
        compare(torch_function, tf_function, x, traced=True)
    tied = data(5, 4, 6, high=3)
    compare(lambda a: a.max(dim, keepdim), lambda a: R.max_dim(a, dim, keepdim), tied)
    compare(lambda a: a.mode(dim, keepdim).values, lambda a: R.mode(a, dim, keepdim)[0], tied)
    values, indices = R.mode(tf.constant(tied), dim, True)
    np.testing.assert_array_equal(np.take_along_axis(tied, indices.numpy(), dim), values)


@pytest.mark.parametrize("dim", [0, 1, -1])
def test_orders(dim):
    traced = dim == 1
    x, tied = data(5, 4, 6), 1.0 * data(5, 4, 6, high=3)
    for descending in (False, True):
        options = {"dim": dim, "descending": descending, "stable": True}
        compare(lambda a, o=options: torch.sort(a, **o), lambda a, o=options: R.sort(a, **o), x, traced=traced)
        compare(lambda a, o=options: torch.sort(a, **o), lambda a, o=options: R.sort(a, **o), tied)
        compare(lambda a, o=options: torch.argsort(a, **o), lambda a, o=options: R.argsort(a, **o), tied > 0)
        compare(lambda a, d=descending: a.topk(3, dim, d), lambda a, d=descending: R.topk(a, 3, dim, d), x,
                traced=traced)  # fmt: skip
    compare(lambda a: a.topk(2, dim, False)[0], lambda a: R.topk(a, 2, dim, False)[0], data(5, 4, 6, high=99))
    for name in ("cummax", "cummin"):
        for values in (x, tied):
            compare(lambda a, n=name: getattr(torch, n)(a, dim), lambda a, n=name: getattr(R, n)(a, dim), values,
                    traced=traced)  # fmt: skip
    zeros = np.where(x > 1.0, 0.0, x)
    compare(lambda a: a.cumprod(dim), lambda a: R.cumprod(a, dim), zeros, traced=traced)
    compare(lambda a: a.logcumsumexp(dim), lambda a: R.logcumsumexp(a, dim), 9.0 * x, traced=traced)


def test_scalars_and_missing_values():
    x = np.array([1.0, math.inf, math.nan, 3.0, math.nan, -math.inf])
    for name, function in [("max", R.max_dim), ("min", R.min_dim), ("median", R.median), ("cummax", R.cummax)]:
        compare(lambda a, n=name: getattr(a, n)(0), lambda a, f=function: f(a, 0), x, grad=False)
    compare(torch.median, R.median, data(3, 4), traced=True)
    compare(torch.median, R.median, data(3, 3, high=9))
    compare(lambda a: a.cumprod(0), lambda a: R.cumprod(a, 0), data(5, high=4).astype(np.int32))
    start = np.array([-math.inf, -math.inf, 0.5, -1.0])
    compare(lambda a: a.logcumsumexp(0), lambda a: R.logcumsumexp(a, 0), start, grad=False)


@pytest.mark.parametrize("interpolation", ["linear", "lower", "higher", "midpoint", "nearest"])
@pytest.mark.parametrize("dim", [None, 0, -1])
def test_quantile(interpolation, dim):
    x = data(5, 4)
    for q in (0.3, [0.0, 0.1, 0.75, 1.0]):
        for keepdim in (False, True):
            args = {"dim": dim, "keepdim": keepdim, "interpolation": interpolation}
            q64 = torch.tensor(q, dtype=torch.float64)
            compare(lambda a, q=q64, k=args: torch.quantile(a, q, **k), lambda a, q=q, k=args: R.quantile(a, q, **k), x)
    missing = np.where(x > 1.0, math.nan, x)
    compare(lambda a: torch.quantile(a, 0.3, dim), lambda a: R.quantile(a, 0.3, dim), missing, grad=False)


def test_unique_and_counts():
    for x in (data(4, 6, high=7), np.round(data(4, 6))):
        for extra in ({}, {"return_inverse": True}, {"return_inverse": True, "return_counts": True}):
            compare(lambda a, e=extra: torch.unique(a, **e), lambda a, e=extra: R.unique(a, **e), x, grad=False)
            compare(lambda a, e=extra: torch.unique_consecutive(a, **e),
                    lambda a, e=extra: R.unique_consecutive(a, **e), x, grad=False)  # fmt: skip
    rows = data(9, 3, 2, high=2)
    for dim in (0, 1, -1):
        compare(lambda a, d=dim: torch.unique(a, dim=d, return_inverse=True, return_counts=True),
                lambda a, d=dim: R.unique(a, dim=d, return_inverse=True, return_counts=True), rows)  # fmt: skip
    for args in ((4, -1.0, 1.0), (5,), (3, 0.5, 0.5)):
        compare(lambda a, o=args: torch.histc(a, *o), lambda a, o=args: R.histc(a, *o), data(40), grad=False)
    ids = data(9, high=5)
    compare(torch.bincount, R.bincount, ids, traced=True)
    compare(lambda a, w: torch.bincount(a, w, 9), lambda a, w: R.bincount(a, w, 9), ids, data(9), grad=False)


def test_split():
    x = data(3, 7, 2)
    for size in (1, 3, 7, 9, [2, 0, 5]):
        compare(lambda a, s=size: a.split(s, 1), lambda a, s=size: T.split(a, s, 1), x)
    for count in (1, 3, 4, 7, 9):
        compare(lambda a, n=count: a.chunk(n, 1), lambda a, n=count: T.chunk(a, n, 1), x)
        compare(lambda a, n=count: a.tensor_split(n, -2), lambda a, n=count: T.tensor_split(a, n, -2), x)
    compare(lambda a: a.chunk(3), lambda a: T.chunk(a, 3), data(4, 2))
    compare(lambda a: a.tensor_split([2, -3, 9], 1), lambda a: T.tensor_split(a, [2, -3, 9], 1), x)
    with pytest.raises(ValueError, match="axis 0"):
        tf.function(lambda a: T.split(a, 2), input_signature=[tf.TensorSpec([None], tf.float64)])(x[0, :, 0])


def test_shapes():
    x = data(1, 3, 1, 2)
    for dim in (0, 1, -2, (0, 1, 2)):
        compare(lambda a, d=dim: a.squeeze(d), lambda a, d=dim: T.squeeze(a, d), x)
    compare(torch.squeeze, T.squeeze, x)
    compare(lambda a: a.expand(2, 4, -1, 5, -1), lambda a: T.expand(a, 2, 4, -1, 5, -1), x, traced=True)
    compare(lambda a: a.expand((4, 3, 1, 2)), lambda a: T.expand(a, (4, 3, 1, 2)), x)
    compare(lambda a: a.repeat(2, 1, 3, 1, 2), lambda a: T.repeat(a, 2, 1, 3, 1, 2), x, traced=True)
    compare(lambda a: a.repeat((2, 3)), lambda a: T.repeat(a, (2, 3)), data(5))
    compare(lambda a: a.movedim(-1, 1), lambda a: T.movedim(a, -1, 1), x)
    compare(lambda a: a.movedim((0, 3), (-1, 0)), lambda a: T.movedim(a, (0, 3), (-1, 0)), x)
    assert T.size_list(tf.constant(x)) == [1, 3, 1, 2]
    sizes = tf.function(lambda a: T.size_list(a)[0] + 1, input_signature=[tf.TensorSpec([None, 2])])
    assert sizes(tf.ones((4, 2))).numpy() == 5


def test_products_and_distances():
    a, b = data(4, 3, 5), data(4, 3, 5, seed=1)
    compare(torch.cross, T.cross, a, b)
    compare(lambda x, y: torch.linalg.cross(x, y, dim=0), lambda x, y: T.cross(x, y, 0), data(3, 5), data(3, 1))
    for p in (1.0, 2.0, 3.0, math.inf, 0.0):
        compare(lambda x, y, p=p: torch.cdist(x, y, p), lambda x, y, p=p: T.cdist(x, y, p),
                data(2, 4, 3), data(2, 5, 3))  # fmt: skip
    same = data(4, 3)
    compare(lambda x: torch.cdist(x, x.detach()), lambda x: T.cdist(x, tf.stop_gradient(x)), same)
    compare(torch.cdist, T.cdist, data(30, 3), data(5, 3), traced=True)
    compare(lambda x, y: torch.pairwise_distance(x, y, 3.0, 1e-3, True),
            lambda x, y: T.pairwise_distance(x, y, 3.0, 1e-3, True), same, data(4, 3, seed=1), traced=True)  # fmt: skip
    compare(torch.pairwise_distance, T.pairwise_distance, same, same.copy())
    compare(torch.cosine_similarity, T.cosine_similarity, a, b, traced=True)
    small = np.concatenate([1e-9 * a[:1], a[1:]])
    compare(lambda x, y: torch.cosine_similarity(x, y, -1), lambda x, y: T.cosine_similarity(x, y, -1), small, b)
    compare(lambda x, y: torch.cosine_similarity(x, y, -1), lambda x, y: T.cosine_similarity(x, y, -1), a, b[0, :1])


def test_matmul():
    for left, right in [((3,), (3,)), ((3,), (3, 4)), ((2, 3), (3,)), ((5, 2, 3), (3,)), ((3,), (5, 3, 4)),
                        ((5, 1, 2, 3), (4, 3, 2))]:  # fmt: skip
        compare(torch.matmul, T.matmul, data(*left), data(*right, seed=1), traced=True)


def test_values():
    ids = data(4, 3, high=5)
    compare(lambda a: torch.nn.functional.one_hot(a), lambda a: T.one_hot(a), ids, traced=True)
    compare(lambda a: torch.nn.functional.one_hot(a, 7), lambda a: T.one_hot(a, 7), ids)
    edges, x = np.array([-1.0, 0.0, 0.5]), np.array([[-1.0, 0.5, 2.0], [-3.0, 0.0, 0.1]])
    for right in (False, True):
        compare(lambda a, b, r=right: torch.bucketize(a, b, right=r), lambda a, b, r=right: T.bucketize(a, b, right=r),
                x, edges, traced=True)  # fmt: skip
    compare(lambda a, b: torch.bucketize(a, b, out_int32=True), lambda a, b: T.bucketize(a, b, True), x, edges)
    for weight in (0.0, 0.1, 0.5, 0.9, 1.0, 2.0):
        compare(lambda a, b, w=weight: torch.lerp(a, b, w), lambda a, b, w=weight: T.lerp(a, b, w),
                data(5), data(5, seed=1))  # fmt: skip
    compare(torch.lerp, T.lerp, data(5), data(5, seed=1), data(5, seed=2))


DTYPES = ["bool", "uint8", "int8", "int16", "int32", "int64", "float16", "bfloat16", "float32", "float64",
          "complex64", "complex128"]  # fmt: skip


def test_promotion_is_torchs():
    def operands(framework_ones, dtypes):
        shapes = ((2,), ())
        return [framework_ones(shape, dtype=d) for d in dtypes for shape in shapes] + [True, 3, 2.5, 1j]

    torch_operands = operands(torch.ones, [getattr(torch, d) for d in DTYPES])
    tf_operands = operands(tf.ones, [getattr(tf, d) for d in DTYPES])
    checked = 0
    for a, x in zip(torch_operands, tf_operands, strict=True):
        for b, y in zip(torch_operands, tf_operands, strict=True):
            if torch.is_tensor(a) or torch.is_tensor(b):
                expected = str(torch.result_type(a, b)).removeprefix("torch.")
                # TensorFlow has no complex number of two half-precision ones.
                assert T.result_type(x, y).name == expected.replace("complex32", "complex64"), (a, b)
                checked += 1
    assert checked > 700
    a, b = T.promote(tf.constant([1, 2]), 0.1)
    assert [a.dtype, b.dtype] == [tf.float32, tf.float32]
    assert T.promote(tf.constant([1.0], tf.float64), 0.1)[1].numpy() == 0.1


def well_conditioned(*shape):
    return data(*shape) + 4.0 * np.eye(shape[-2], shape[-1])


def test_decompositions():
    x = data(2, 4, 3)

    def svd_parts(svd):
        def parts(a):
            u, s, vh = svd(a)
            return s, (u * s[..., None, :]) @ vh, u @ vh

        return parts

    compare(svd_parts(lambda a: torch.linalg.svd(a, full_matrices=False)), svd_parts(lambda a: A.svd(a, False)), x)
    u, s, vh = A.svd(tf.constant(x))
    assert [u.shape, s.shape, vh.shape] == [(2, 4, 4), (2, 3), (2, 3, 3)]
    square = data(2, 4, 4)
    for triangle in "LU":

        def eigen_parts(eigh, t=triangle):
            def parts(a):
                values, vectors = eigh(a, UPLO=t)
                return values, vectors**2

            return parts

        compare(eigen_parts(torch.linalg.eigh), eigen_parts(A.eigh), square, grad=False)
    for mode in ("reduced", "complete"):
        q, r = A.qr(tf.constant(x), mode)
        assert [t.shape for t in torch.linalg.qr(torch.tensor(x), mode)] == [q.shape, r.shape]
        np.testing.assert_allclose(q @ r, x, rtol=1e-9, atol=1e-12)
    assert A.qr(tf.constant(x), "r")[0].shape == torch.linalg.qr(torch.tensor(x), "r")[0].shape == (0,)
    compare(lambda a: torch.linalg.cholesky(a @ a.mT + 3 * torch.eye(4)),
            lambda a: A.cholesky(a @ tf.linalg.matrix_transpose(a) + 3 * tf.eye(4, dtype=a.dtype)), square)  # fmt: skip
    positive = square @ square.transpose(0, 2, 1)
    compare(lambda a: torch.linalg.cholesky(a, upper=True), lambda a: A.cholesky(a, True), positive, grad=False)


def test_solvers():
    a = well_conditioned(2, 3, 3)
    compare(torch.linalg.solve, A.solve, a, data(2, 3, 5))
    compare(torch.linalg.solve, A.solve, a, data(2, 3))
    compare(torch.linalg.solve, A.solve, a[0], data(3))
    compare(torch.linalg.solve, A.solve, a, data(3, 5))
    compare(lambda x, y: torch.linalg.solve(x, y, left=False), lambda x, y: A.solve(x, y, False), a, data(2, 5, 3))
    for shape in ((5, 3), (3, 3), (3, 5)):
        x, y = well_conditioned(2, *shape), data(2, shape[0], 2)
        compare(lambda p, q: torch.linalg.lstsq(p, q).solution, lambda p, q: A.lstsq(p, q)[0], x, y)
        compare(torch.linalg.pinv, A.pinv, x, scale=10.0)
    x, y = well_conditioned(2, 5, 3), data(2, 5, 2)
    compare(torch.linalg.lstsq, A.lstsq, x, y, grad=False)
    low_rank = data(4, 2) @ data(2, 5)
    compare(torch.linalg.pinv, A.pinv, low_rank, grad=False, scale=10.0)
    compare(lambda m: torch.linalg.pinv(m, rtol=0.3), lambda m: A.pinv(m, 0.3), data(4, 3), grad=False)


@pytest.mark.parametrize("keepdim", [False, True])
def test_matrix_norms(keepdim):
    x = data(3, 4, 5)
    for order in ("fro", "nuc", 1, -1, 2, -2, math.inf, -math.inf):
        for dim in ((-2, -1), (0, 1), (2, 0)):
            compare(lambda a, o=order, d=dim: torch.linalg.matrix_norm(a, o, d, keepdim),
                    lambda a, o=order, d=dim: A.matrix_norm(a, o, d, keepdim), x)  # fmt: skip
    compare(lambda a: torch.linalg.norm(a, 2), lambda a: A.linalg_norm(a, 2), x[0])
    compare(lambda a: torch.linalg.norm(a, 2, -1, keepdim), lambda a: A.linalg_norm(a, 2, -1, keepdim), x)
    compare(lambda a: torch.linalg.norm(a, 1, (0, 2), keepdim), lambda a: A.linalg_norm(a, 1, (0, 2), keepdim), x)
    compare(torch.linalg.norm, A.linalg_norm, x)


def test_bilinear():
    bilinear = torch.nn.functional.bilinear
    compare(bilinear, A.bilinear, data(2, 4, 3), data(2, 4, 5), data(6, 3, 5), data(6), traced=True)
    compare(bilinear, A.bilinear, data(4, 3), data(4, 5), data(6, 3, 5))
    layer = A.Bilinear(25, 5, 6, dtype="float64")
    assert 0.15 < np.abs(layer.weight.numpy()).max() <= 0.2
    assert layer.bias.shape == (6,)
    x, y = tf.constant(data(4, 25)), tf.constant(data(4, 5))
    expected = bilinear(*(torch.tensor(t.numpy()) for t in (x, y, layer.weight, layer.bias)))
    np.testing.assert_allclose(layer(x, y), expected, rtol=1e-9)
    assert A.Bilinear(3, 5, 6, bias=False).bias is None


def test_float32_stays_float32():
    x, y = tf.constant(data(4, 5), tf.float32), tf.constant(data(4, 5, seed=1), tf.float32)
    results = [
        R.std_mean(x, 1), R.norm(x, 1.5, 0), R.quantile(x, 0.3), R.histc(x, 4, -1, 1), R.logcumsumexp(x, 0),
        R.cumprod(x, 1), R.nanmean(x), R.median(x), T.cdist(x, y), T.cosine_similarity(x, y), T.lerp(x, y, 0.1),
        T.pairwise_distance(x, y), A.pinv(x), A.matrix_norm(x, "nuc"), A.lstsq(x, x)[0], A.svd(x), A.eigh(x[:, :4]),
    ]  # fmt: skip
    assert {t.dtype for t in tf.nest.flatten(results)} == {tf.float32}
    np.testing.assert_allclose(results[1], R.norm(tf.cast(x, tf.float64), 1.5, 0), rtol=1e-5)
