"""Tensor functions with PyTorch's arguments where TensorFlow's differ."""

import numpy as np
import tensorflow as tf
from tensorflow import keras

from translator.helpers.tf.reduce import norm, safe_sqrt, to_dtype


def size_list(x):
    """The sizes of x: integers where they are known, else scalar tensors."""
    return [tf.shape(x)[i] if n is None else n for i, n in enumerate(x.shape)]


def known_size(x, dim):
    """The size of one axis as an integer; an error where it is not known while tracing."""
    size = x.shape[dim]
    if size is None:
        raise ValueError(f"The size of axis {dim} must be known to split it.")
    return size


def split(x, split_size_or_sections, dim=0):
    """Pieces of the given size along ``dim`` (the last may be smaller), or of the listed sizes."""
    sizes = split_size_or_sections
    if isinstance(sizes, (list, tuple)):
        return tf.split(x, [int(n) for n in sizes], axis=dim)
    size = known_size(x, dim)
    sizes = [min(sizes, size - start) for start in range(0, size, sizes)] or [0]
    return tf.split(x, sizes, axis=dim)


def chunk(x, chunks, dim=0):
    """At most ``chunks`` pieces of equal size, the last possibly smaller."""
    return split(x, max(1, -(-known_size(x, dim) // chunks)), dim)


def tensor_split(x, indices_or_sections, dim=0):
    """Exactly that many pieces, the first ones larger by one, or pieces cut at the listed indices."""
    size = known_size(x, dim)
    cuts = indices_or_sections
    if isinstance(cuts, int):
        small, larger = divmod(size, cuts)
        sizes = [small + 1] * larger + [small] * (cuts - larger)
        return tf.split(x, sizes, axis=dim)
    ends = [range(size)[:i].stop for i in cuts]
    starts = [0, *ends]
    axis = dim % len(x.shape)
    return [x[(slice(None),) * axis + (slice(a, b),)] for a, b in zip(starts, [*ends, size], strict=True)]


def view_as_type(x, dtype):
    """The bytes of x as another type; where its items are larger or smaller, the last axis shrinks or grows."""
    ratio = dtype.size / x.dtype.size
    if ratio > 1:
        x = tf.reshape(x, (*size_list(x)[:-1], -1, int(ratio)))
    out = tf.bitcast(x, dtype)
    return tf.reshape(out, (*size_list(x)[:-1], -1)) if ratio < 1 else out


def squeeze(x, dim=None):
    """Drop the axes of size 1 among ``dim`` (an axis, several, or all); other axes stay as they are."""
    rank = len(x.shape)
    dims = range(rank) if dim is None else [dim] if isinstance(dim, int) else dim
    axes = [d for d in {d % rank for d in dims if rank} if x.shape[d] == 1]
    return tf.squeeze(x, axes) if axes else x


def expand(x, *sizes):
    """Broadcast x to ``sizes`` (one sequence or several arguments); -1 keeps the size of an axis."""
    sizes = sizes[0] if len(sizes) == 1 and isinstance(sizes[0], (list, tuple)) else sizes
    own = [1] * (len(sizes) - len(x.shape)) + size_list(x)
    return tf.broadcast_to(x, [o if isinstance(n, int) and n == -1 else n for n, o in zip(sizes, own, strict=True)])


def repeat(x, *sizes):
    """Tile x that many times along each axis; further leading counts add axes."""
    sizes = sizes[0] if len(sizes) == 1 and isinstance(sizes[0], (list, tuple)) else sizes
    for _ in range(len(sizes) - len(x.shape)):
        x = x[None]
    return tf.tile(x, sizes)


def movedim(x, source, destination):
    """Move axes of x to new positions; the others keep their order."""
    rank = len(x.shape)
    source = [source] if isinstance(source, int) else source
    destination = [destination] if isinstance(destination, int) else destination
    moves = dict(zip([d % rank for d in destination], [s % rank for s in source], strict=True))
    rest = iter([d for d in range(rank) if d not in moves.values()])
    return tf.transpose(x, [moves[d] if d in moves else next(rest) for d in range(rank)])


def cross(x, other, dim=None):
    """Cross product of broadcast x and other along ``dim``; by default the first axis of size 3."""
    shape = tf.broadcast_dynamic_shape(tf.shape(x), tf.shape(other))
    rank = max(len(x.shape), len(other.shape))
    dim = x.shape.as_list().index(3) + rank - len(x.shape) if dim is None else dim % rank
    x, other = movedim(tf.broadcast_to(x, shape), dim, -1), movedim(tf.broadcast_to(other, shape), dim, -1)
    return movedim(tf.linalg.cross(x, other), -1, dim)


def cdist(x1, x2, p=2.0, compute_mode="use_mm_for_euclid_dist_if_necessary"):
    """Distances (..., P, R) of the rows of x1 (..., P, M) and x2 (..., R, M), with gradient 0 at distance 0.

    Euclidean distances go through a matmul where PyTorch's do: more than 25 rows, unless ``compute_mode`` says.
    """
    many = any(n is None or n > 25 for n in (x1.shape[-2], x2.shape[-2]))
    matmul = compute_mode == "use_mm_for_euclid_dist" or (many and not compute_mode.startswith("donot"))
    if p != 2 or not matmul:
        return norm(x1[..., :, None, :] - x2[..., None, :, :], p, dim=-1)
    square1 = tf.reduce_sum(x1 * x1, axis=-1)[..., :, None]
    square2 = tf.reduce_sum(x2 * x2, axis=-1)[..., None, :]
    square = square1 + square2 - 2.0 * tf.matmul(x1, x2, transpose_b=True)
    return safe_sqrt(tf.where(square > 0.0, square, tf.zeros_like(square)))


def pairwise_distance(x1, x2, p=2.0, eps=1e-6, keepdim=False):
    """The p-norm of x1 - x2 + eps along the last axis."""
    return norm(x1 - x2 + eps, p, dim=-1, keepdim=keepdim)


def cosine_similarity(x1, x2, dim=1, eps=1e-8):
    """x1 . x2 / (max(|x1|, eps) max(|x2|, eps)) along ``dim``; the limit is not differentiated."""

    def unit(x):
        length = norm(x, 2, dim=dim, keepdim=True)
        return x / (length + tf.stop_gradient(tf.maximum(length, eps) - length))

    if len(x1.shape) != len(x2.shape):
        shape = tf.broadcast_dynamic_shape(tf.shape(x1), tf.shape(x2))
        x1, x2 = tf.broadcast_to(x1, shape), tf.broadcast_to(x2, shape)
    return tf.reduce_sum(unit(x1) * unit(x2), axis=dim)


def one_hot(x, num_classes=-1):
    """One-hot integers (int64); the number of classes is the largest value plus 1 unless given."""
    if isinstance(num_classes, int) and num_classes == -1:
        num_classes = tf.cast(tf.reduce_max(x), tf.int32) + 1
    return tf.one_hot(x, num_classes, dtype=tf.int64)


def bucketize(x, boundaries, out_int32=False, right=False):
    """The index i with boundaries[i-1] < x <= boundaries[i], or with the equality on the left if ``right``."""
    x, boundaries = promote(x, boundaries)
    side = "right" if right else "left"
    found = tf.searchsorted(boundaries, tf.reshape(x, [-1]), side=side, out_type=tf.int32 if out_int32 else tf.int64)
    return tf.reshape(found, tf.shape(x))


def searchsorted(sorted_sequence, values, out_int32=False, right=False, side=None):
    """Where ``values`` (..., m) go into the sorted last axis (..., n), before equal elements or (``right``) after.

    One sorted vector serves values of any shape.
    """
    sequence, values = promote(sorted_sequence, values)
    dtype, side = tf.int32 if out_int32 else tf.int64, side or ("right" if right else "left")
    shape = tf.shape(values)
    if len(sequence.shape) == 1:
        values = tf.reshape(values, [-1])
    return tf.reshape(tf.searchsorted(sequence, values, side=side, out_type=dtype), shape)


def lerp(start, end, weight):
    """start + weight * (end - start), exact at weight 1."""
    weight = to_dtype(weight, start.dtype)
    near_end = end - (end - start) * (1 - weight)
    return tf.where(tf.abs(weight) < 0.5, start + weight * (end - start), near_end)


def to(x, *args, dtype=None, **kwargs):
    """x as the type that is among the arguments, or that another tensor has; devices and the rest change nothing."""
    other = [kwargs["other"]] if "other" in kwargs else []
    for value in (dtype, *args, *other):
        value = value.dtype if tf.is_tensor(value) else value
        if isinstance(value, tf.DType):
            return tf.cast(x, value)
    return x


def promote_types(a, b):
    """The dtype that holds both dtypes a and b, by PyTorch's rules: a float wins over integers whatever their size."""
    if a == b:
        return a
    if a.is_complex or b.is_complex:
        wide = tf.float64 in (a, b) or tf.complex128 in (a, b)
        return tf.complex128 if wide else tf.complex64
    if a.is_floating and b.is_floating:
        return tf.float32 if a.size == b.size else max(a, b, key=lambda dtype: dtype.size)
    if a.is_floating or b.is_floating:
        return a if a.is_floating else b
    return tf.as_dtype(np.promote_types(a.as_numpy_dtype, b.as_numpy_dtype))


def result_type(a, b):
    """PyTorch's result dtype for two operands, each a tensor or a number.

    Numbers and 0-d tensors count only where their kind (bool, integer, float, complex) is the higher one.
    """

    def kind(dtype):
        return 0 if dtype == tf.bool else 1 if dtype.is_integer else 2 if dtype.is_floating else 3

    def describe(value):
        if isinstance(value, (bool, int)):
            return 0, tf.bool if isinstance(value, bool) else tf.int64
        if isinstance(value, (float, complex)):
            default = tf.as_dtype(keras.config.floatx())
            wide = default == tf.float64
            return 0, default if isinstance(value, float) else tf.complex128 if wide else tf.complex64
        tensor = tf.convert_to_tensor(value)
        return (2 if tensor.shape.rank is None or tensor.shape.rank else 1), tensor.dtype

    (rank_a, a), (rank_b, b) = describe(a), describe(b)
    if rank_a == rank_b or kind(a) == kind(b):
        return promote_types(a, b) if rank_a == rank_b else (a if rank_a > rank_b else b)
    strong, weak = (a, b) if rank_a > rank_b else (b, a)
    if kind(weak) == 3 and kind(strong) == 2:
        return tf.complex128 if strong == tf.float64 else tf.complex64
    return weak if kind(weak) > kind(strong) else strong


def promote(a, b):
    """Both operands cast to the dtype that PyTorch gives their result."""
    dtype = result_type(a, b)
    return to_dtype(a, dtype), to_dtype(b, dtype)


def matmul(a, b):
    """Matrix product; a 1-D operand is a row on the left or a column on the right, and its axis goes again."""
    if len(a.shape) == 1 and len(b.shape) == 1:
        return tf.reduce_sum(a * b)
    if len(a.shape) == 1:
        return tf.squeeze(tf.matmul(a[None], b), -2)
    if len(b.shape) == 1:
        return tf.linalg.matvec(a, b)
    return tf.matmul(a, b)
