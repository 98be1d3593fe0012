"""Linear algebra with PyTorch's argument and return conventions."""

import math

import tensorflow as tf
from tensorflow import keras

from translator.helpers.tf.reduce import norm, to_dtype


def svd(x, full_matrices=True):
    """(U, S, Vh) with x = U diag(S) Vh."""
    s, u, v = tf.linalg.svd(x, full_matrices=full_matrices)
    return u, s, tf.linalg.adjoint(v)


def eigh(x, UPLO="L"):
    """(eigenvalues ascending, eigenvectors in columns) of a Hermitian matrix, of which one triangle is read."""
    return tf.linalg.eigh(x if UPLO == "L" else tf.linalg.adjoint(x))


def qr(x, mode="reduced"):
    """(Q, R); mode "complete" gives a square Q, mode "r" an empty one."""
    q, r = tf.linalg.qr(x, full_matrices=mode == "complete")
    return (tf.zeros([0], x.dtype), r) if mode == "r" else (q, r)


def solve(a, b, left=True):
    """The X with a X = b, or X a = b if not ``left``; b may be a vector (or a batch of vectors)."""
    vector = len(b.shape) == 1 or (len(b.shape) == len(a.shape) - 1 and b.shape == a.shape[:-1])
    if vector:
        return tf.linalg.solve(a, b[..., None])[..., 0]
    if not left:
        return tf.linalg.matrix_transpose(solve(tf.linalg.matrix_transpose(a), tf.linalg.matrix_transpose(b)))
    batch = tf.broadcast_dynamic_shape(tf.shape(a)[:-2], tf.shape(b)[:-2])
    a = tf.broadcast_to(a, tf.concat([batch, tf.shape(a)[-2:]], 0))
    return tf.linalg.solve(a, tf.broadcast_to(b, tf.concat([batch, tf.shape(b)[-2:]], 0)))


def cholesky(x, upper=False):
    """The triangular factor L with x = L L^H, or U with x = U^H U if ``upper``."""
    factor = tf.linalg.cholesky(x)
    return tf.linalg.adjoint(factor) if upper else factor


def lstsq(a, b, rcond=None):
    """(solution, residuals, rank, singular values) of min |a X - b| for a (..., m, n) of full rank.

    As with PyTorch's default driver, the residuals and the singular values are empty.
    """
    m, n = a.shape[-2], a.shape[-1]
    if m >= n:
        q, r = tf.linalg.qr(a)
        solution = tf.linalg.triangular_solve(r, tf.matmul(q, b, adjoint_a=True), lower=False)
    else:
        q, r = tf.linalg.qr(tf.linalg.adjoint(a))
        solution = tf.matmul(q, tf.linalg.triangular_solve(r, b, lower=False, adjoint=True))
    empty = tf.zeros([0], a.dtype)
    rank = tf.fill(tf.shape(a)[:-2], tf.constant(min(m, n), tf.int64))
    return solution, empty, rank, empty


def pinv(x, rtol=None, hermitian=False):
    """The pseudo-inverse; singular values up to rtol (default max(m, n) eps) times the largest count as 0."""
    s, u, v = tf.linalg.svd(x)
    if rtol is None:
        rtol = max(x.shape[-2:]) * (2.0**-52 if s.dtype == tf.float64 else 2.0**-23)
    kept = s > to_dtype(rtol, s.dtype) * tf.reduce_max(s, axis=-1, keepdims=True)
    inverse = tf.where(kept, 1.0 / tf.where(kept, s, tf.ones_like(s)), tf.zeros_like(s))
    return tf.matmul(v * tf.cast(inverse, x.dtype)[..., None, :], u, adjoint_b=True)


def matrix_norm(x, ord="fro", dim=(-2, -1), keepdim=False):
    """Matrix norm over two axes: "fro", "nuc", inf, -inf, 1, -1, 2 or -2."""
    rank = len(x.shape)
    rows, columns = (d % rank for d in dim)
    if ord == "fro":
        return norm(x, 2, dim=[rows, columns], keepdim=keepdim)
    rest = [d for d in range(rank) if d not in (rows, columns)]
    matrix = tf.transpose(x, [*rest, rows, columns])
    if ord in ("nuc", 2, -2):
        s = tf.linalg.svd(matrix, compute_uv=False)
        result = tf.reduce_sum(s, -1) if ord == "nuc" else s[..., 0 if ord == 2 else -1]
    else:
        sums = tf.reduce_sum(tf.abs(matrix), axis=-1 if abs(ord) == math.inf else -2)
        result = tf.reduce_max(sums, -1) if ord > 0 else tf.reduce_min(sums, -1)
    for axis in sorted((rows, columns)) if keepdim else ():
        result = tf.expand_dims(result, axis)
    return result


def linalg_norm(x, ord=None, dim=None, keepdim=False):
    """torch.linalg.norm: a matrix norm for an ``ord`` with two axes, else the vector norm (p = 2 without ``ord``)."""
    axes = list(range(len(x.shape))) if dim is None else [dim] if isinstance(dim, int) else list(dim)
    if ord is not None and len(axes) == 2:
        return matrix_norm(x, ord, axes, keepdim)
    return norm(x, 2 if ord is None else ord, axes, keepdim)


def bilinear(x1, x2, weight, bias=None):
    """y[..., o] = x1[..., i] weight[o, i, j] x2[..., j] + bias[o]."""
    y = tf.einsum("...i,oij,...j->...o", x1, tf.convert_to_tensor(weight), x2)
    return y if bias is None else y + bias


class Bilinear(keras.layers.Layer):
    """A bilinear form of two inputs with PyTorch's weight (out, in1, in2) and initial U(-1/sqrt(in1), 1/sqrt(in1))."""

    def __init__(self, in1_features, in2_features, out_features, bias=True, device=None, dtype=None, **kwargs):
        super().__init__(dtype=dtype, **kwargs)
        bound = 1.0 / math.sqrt(in1_features)
        uniform = keras.initializers.RandomUniform(-bound, bound)
        shape = (out_features, in1_features, in2_features)
        self.weight = self.add_weight(shape=shape, initializer=uniform, name="weight")
        self.bias = self.add_weight(shape=(out_features,), initializer=uniform, name="bias") if bias else None

    def call(self, input1, input2):
        return bilinear(input1, input2, self.weight, self.bias)


def linear(x, weight, bias=None):
    """x (..., in) times the transposed weight (out, in), or (in,), plus bias; x may be a vector."""
    weight = tf.convert_to_tensor(weight)
    if len(weight.shape) == 1:
        y = tf.linalg.matvec(x, weight) if len(x.shape) > 1 else tf.reduce_sum(x * weight)
    else:
        y = tf.matmul(x, weight, transpose_b=True) if len(x.shape) > 1 else tf.linalg.matvec(weight, x)
    return y if bias is None else y + bias


def logdet(x):
    """The logarithm of the determinant; NaN where it is negative."""
    sign, size = tf.linalg.slogdet(x)
    return tf.where(sign < 0, tf.constant(math.nan, x.dtype), size)


def matrix_power(x, n):
    """The n-th power of square matrices by repeated squaring; a negative one is that of the inverse."""
    if n < 0:
        return matrix_power(tf.linalg.inv(x), -n)
    result = None
    while n:
        if n % 2:
            result = x if result is None else tf.matmul(result, x)
        x, n = tf.matmul(x, x) if n > 1 else x, n // 2
    return tf.eye(x.shape[-1], batch_shape=tf.shape(x)[:-2], dtype=x.dtype) if result is None else result


def multi_dot(*matrices):
    """The product of a chain of matrices; the first and the last may be vectors."""
    result = matrices[0]
    for x in matrices[1:]:
        result = keras.ops.matmul(result, x)
    return result


def svd_factors(x, some=True):
    """(U, S, V) with x = U diag(S) V^H; square U and V unless ``some``."""
    s, u, v = tf.linalg.svd(x, full_matrices=not some)
    return u, s, v


def kron(x, other):
    """The Kronecker product: each element of x times all of ``other``, in blocks."""
    rank = max(len(x.shape), len(other.shape))
    a = [1] * (rank - len(x.shape)) + list(keras.ops.shape(x))
    b = [1] * (rank - len(other.shape)) + list(keras.ops.shape(other))
    x = tf.reshape(x, [n for size in a for n in (size, 1)])
    other = tf.reshape(other, [n for size in b for n in (1, size)])
    return tf.reshape(x * other, [m * n for m, n in zip(a, b, strict=True)])


def fill_diagonal(x, fill_value):
    """The matrix x (N, M) with one value all along its diagonal."""
    if len(x.shape) != 2:
        raise ValueError(f"fill_diagonal takes matrices, not {len(x.shape)} axes.")
    diagonal = tf.linalg.diag_part(x)
    return tf.linalg.set_diag(x, tf.fill(tf.shape(diagonal), tf.cast(fill_value, x.dtype)))
