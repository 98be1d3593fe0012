"""Reshapes that need the sizes of their input."""

import math

import numpy as np
import tensorflow as tf
from tensorflow import keras


def flatten(x, start_dim=0, end_dim=-1):
    """Merge the axes from ``start_dim`` to ``end_dim`` (included) into one."""
    shape = list(keras.ops.shape(x))
    if not shape:
        return tf.reshape(x, [1])
    start, end = start_dim % len(shape), end_dim % len(shape)
    merged = shape[start : end + 1]
    size = math.prod(merged) if all(isinstance(n, int) for n in merged) else -1
    return tf.reshape(x, [*shape[:start], size, *shape[end + 1 :]])


def nonzero(x, as_tuple=False):
    """Indices of the elements that are not zero: one row each, or one vector per axis."""
    indices = tf.where(tf.cast(x, tf.bool) if x.dtype == tf.bool else tf.not_equal(x, 0))
    return tuple(tf.unstack(indices, num=len(x.shape), axis=1)) if as_tuple else indices


def unflatten(x, dim, sizes):
    """x with axis ``dim`` split into axes of the given sizes, one of which may be -1."""
    shape = list(keras.ops.shape(x))
    dim %= len(shape)
    return tf.reshape(x, [*shape[:dim], *sizes, *shape[dim + 1 :]])


def tile(x, *dims):
    """x repeated that many times along its last axes (one sequence or several arguments); more counts add axes."""
    dims = dims[0] if len(dims) == 1 and isinstance(dims[0], (list, tuple)) else dims
    for _ in range(len(dims) - len(x.shape)):
        x = x[None]
    return tf.tile(x, [1] * (len(x.shape) - len(dims)) + list(dims))


def broadcast_tensors(*tensors):
    """The tensors, all broadcast to their common shape."""
    shape = tf.shape(tensors[0])
    for x in tensors[1:]:
        shape = tf.broadcast_dynamic_shape(shape, tf.shape(x))
    return [tf.broadcast_to(x, shape) for x in tensors]


def atleast(x, rank):
    """x with at least ``rank`` axes (1, 2 or 3): a row for 2; for 3 its axes become the first or the middle ones."""
    if len(x.shape) >= rank:
        return x
    if len(x.shape) == 0:
        return tf.reshape(x, [1] * rank)
    x = x[None] if len(x.shape) == 1 else x
    return x if rank == 2 else x[..., None]


def column_stack(tensors):
    """Vectors as columns, and matrices, joined side by side."""
    return tf.concat([tf.reshape(x, (-1, 1)) if len(x.shape) < 2 else x for x in tensors], axis=1)


def dstack(tensors):
    """Tensors of at least three axes (see ``atleast``) joined along the third."""
    return tf.concat([atleast(x, 3) for x in tensors], axis=2)


def block_diag(*tensors):
    """A matrix with the given matrices (vectors count as rows) along its diagonal and 0 elsewhere."""
    blocks = [atleast(x, 2) for x in tensors]
    width = sum(keras.ops.shape(x)[1] for x in blocks)
    rows, before = [], 0
    for x in blocks:
        size = keras.ops.shape(x)[1]
        rows.append(tf.pad(x, ((0, 0), (before, width - before - size))))
        before += size
    return tf.concat(rows, axis=0)


def select(x, dim, index):
    """The slice of x at ``index`` (negative counts from the end) along ``dim``, which goes."""
    return x[(slice(None),) * (dim % len(x.shape)) + (index,)]


def triangle_indices(row, col, offset=0, lower=True, dtype=tf.int64):
    """(2, n) rows and columns of the lower or upper triangle of a matrix, in row-major order."""
    difference = tf.range(col) - tf.range(row)[:, None]
    return tf.transpose(tf.cast(tf.where(difference <= offset if lower else difference >= offset), dtype))


def cartesian_prod(*tensors):
    """All combinations of one element of each vector, one combination per row."""
    if len(tensors) == 1:
        return tensors[0]
    return tf.stack([tf.reshape(x, [-1]) for x in tf.meshgrid(*tensors, indexing="ij")], axis=1)


def combinations(x, r=2, with_replacement=False):
    """All combinations of ``r`` elements of a vector of known length, one per row, in the order of their places."""
    grid = np.stack(np.meshgrid(*[np.arange(x.shape[0])] * r, indexing="ij"), -1).reshape(-1, r)
    steps = np.diff(grid, axis=1)
    return tf.gather(x, grid[np.all(steps >= 0 if with_replacement else steps > 0, axis=1)])


def slice_assign(x, index, value):
    """A copy of x after ``x[index] = value``, for integers and slices; value broadcasts."""
    positions = tf.reshape(tf.range(tf.size(x)), tf.shape(x))[index]
    value = tf.broadcast_to(tf.cast(value, x.dtype), tf.shape(positions))
    flat = tf.tensor_scatter_nd_update(tf.reshape(x, [-1]), tf.reshape(positions, (-1, 1)), tf.reshape(value, [-1]))
    return tf.reshape(flat, tf.shape(x))


def vstack(tensors):
    """Matrices on top of one another; vectors count as rows."""
    return tf.concat([atleast(x, 2) for x in tensors], axis=0)


def rot90(x, k=1, dims=(0, 1)):
    """x turned k times by 90 degrees in the plane of two axes, from the first towards the second."""
    first, second = dims
    if k % 4 == 0:
        return x
    if k % 4 == 2:
        return tf.reverse(x, [first, second])
    y = keras.ops.swapaxes(x, first, second)
    return tf.reverse(y, [first] if k % 4 == 1 else [second])


def arange(*bounds):
    """Numbers from a start (0) to an end by a step (1): int64 for integers, else the default float type."""
    whole = all("int" in str(getattr(b, "dtype", type(b).__name__)) for b in bounds)
    return tf.range(*bounds, dtype=tf.int64 if whole else keras.config.floatx())
