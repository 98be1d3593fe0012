"""Reductions and orderings with PyTorch's defaults, pairs (values, int64 indices) and gradients."""

import math

import numpy as np
import tensorflow as tf


def to_dtype(value, dtype):
    """value as a tensor of ``dtype``; a number keeps its double precision, which tf.cast would round to float32."""
    number = isinstance(value, (bool, int, float, complex, list, tuple))
    return tf.cast(np.asarray(value) if number else value, dtype)


def safe_sqrt(x):
    """Square root with gradient 0 at 0."""
    zero = x == 0
    return tf.where(zero, tf.zeros_like(x), tf.sqrt(tf.where(zero, tf.ones_like(x), x)))


def var_mean(x, dim=None, correction=1, keepdim=False):
    """(variance, mean) over ``dim`` (an axis, several or all); divides by n - correction (True and False count too)."""
    mean = tf.reduce_mean(x, axis=dim, keepdims=True)
    square = tf.reduce_sum(tf.square(x - mean), axis=dim, keepdims=keepdim)
    count = tf.size(x) // tf.maximum(tf.size(mean), 1)
    divisor = tf.maximum(tf.cast(count, x.dtype) - int(correction), 0)
    return square / divisor, mean if keepdim else tf.reshape(mean, tf.shape(square))


def var(x, dim=None, correction=1, keepdim=False):
    """Variance over ``dim``, unbiased unless ``correction`` is 0 or False."""
    return var_mean(x, dim, correction, keepdim)[0]


def std_mean(x, dim=None, correction=1, keepdim=False):
    """(standard deviation, mean) over ``dim``; the gradient is 0 where the deviation is 0."""
    variance, mean = var_mean(x, dim, correction, keepdim)
    return safe_sqrt(variance), mean


def std(x, dim=None, correction=1, keepdim=False):
    """Standard deviation over ``dim``, unbiased unless ``correction`` is 0 or False."""
    return std_mean(x, dim, correction, keepdim)[0]


def axis_to_last(x, dim):
    """x with axis ``dim`` moved to the end."""
    rank = len(x.shape)
    dim = dim % rank if rank else 0
    return x if dim >= rank - 1 else tf.transpose(x, [*range(dim), *range(dim + 1, rank), dim])


def axis_from_last(x, dim):
    """x with its last axis moved to position ``dim``."""
    rank = len(x.shape)
    dim = dim % rank if rank else 0
    return x if dim >= rank - 1 else tf.transpose(x, [*range(dim), rank - 1, *range(dim, rank - 1)])


def take_last(x, indices):
    """x (..., n) at indices (..., k) along the last axis."""
    return tf.gather(x, indices, axis=-1, batch_dims=len(x.shape) - 1)


def pick(x, index, dim, keepdim):
    """(values, int64 indices) for one index (...) into the last axis of x, which stood at ``dim``."""
    index = tf.cast(index, tf.int64)[..., None]
    values = take_last(x, index)
    if keepdim:
        return axis_from_last(values, dim), axis_from_last(index, dim)
    return values[..., 0], index[..., 0]


def prefer_nan(x, index):
    """The index (...) into the last axis of x (..., n), or that of the first NaN where there is one."""
    if not x.dtype.is_floating:
        return index
    missing = tf.math.is_nan(x)
    first = tf.argmax(tf.cast(missing, tf.int8), axis=-1)
    return tf.where(tf.reduce_any(missing, axis=-1), first, tf.cast(index, tf.int64))


def max_dim(x, dim, keepdim=False):
    """(values, indices) of the maxima along ``dim``; only the chosen element gets a gradient, NaN counts as largest."""
    x = axis_to_last(x, dim)
    return pick(x, prefer_nan(x, tf.argmax(x, axis=-1)), dim, keepdim)


def min_dim(x, dim, keepdim=False):
    """(values, indices) of the minima along ``dim``; only the chosen one gets a gradient, NaN counts as smallest."""
    x = axis_to_last(x, dim)
    return pick(x, prefer_nan(x, tf.argmin(x, axis=-1)), dim, keepdim)


def argsort(x, dim=-1, descending=False, stable=True):
    """Indices (int64) that sort x along ``dim``; equal elements keep their order."""
    keys = axis_to_last(tf.cast(x, tf.int32) if x.dtype == tf.bool else x, dim)
    order = tf.argsort(keys, axis=-1, direction="DESCENDING" if descending else "ASCENDING", stable=True)
    return axis_from_last(tf.cast(order, tf.int64), dim)


def sort(x, dim=-1, descending=False, stable=True):
    """(values, indices) of x sorted along ``dim``; equal elements keep their order."""
    last = axis_to_last(x, dim)
    indices = argsort(last, -1, descending)
    return axis_from_last(take_last(last, indices), dim), axis_from_last(indices, dim)


def topk(x, k, dim=-1, largest=True, sorted=True):
    """(values, indices) of the k largest or smallest elements along ``dim``, in order."""
    last = axis_to_last(x, dim)
    if largest:
        values, indices = tf.math.top_k(last, k)
    else:
        indices = argsort(last, -1)[..., :k] if not x.dtype.is_floating else tf.math.top_k(-last, k).indices
        values = take_last(last, indices)
    return axis_from_last(values, dim), axis_from_last(tf.cast(indices, tf.int64), dim)


def kthvalue(x, k, dim=-1, keepdim=False):
    """(values, indices) of the k-th smallest element along ``dim``, counting from 1."""
    last = axis_to_last(x, dim)
    return pick(last, argsort(last, -1)[..., k - 1], dim, keepdim)


def median(x, dim=None, keepdim=False):
    """The lower median of all elements, or (values, indices) along ``dim``; NaN if there is one."""
    last = tf.reshape(x, [-1]) if dim is None else axis_to_last(x, dim)
    order = argsort(last, -1)
    index = prefer_nan(last, order[..., (tf.shape(last)[-1] - 1) // 2])
    if dim is None:
        return last[index]
    return pick(last, index, dim, keepdim)


def mode(x, dim=-1, keepdim=False):
    """(values, indices) of the most frequent element along ``dim``: the smallest of several, at its last position."""
    last = axis_to_last(x, dim)
    order = argsort(last, -1)
    ordered = take_last(last, order)
    # In sorted order the last element of a run knows the length of the run.
    count = tf.searchsorted(*flat_rows(ordered, ordered), side="right") - tf.searchsorted(*flat_rows(ordered, ordered))
    best = tf.reshape(tf.argmax(count, axis=-1), tf.shape(last)[:-1])
    length = tf.reshape(tf.reduce_max(count, axis=-1), tf.shape(last)[:-1])
    end = best + tf.cast(length, tf.int64) - 1
    return pick(last, take_last(order, end[..., None])[..., 0], dim, keepdim)


def flat_rows(a, b):
    """a and b (..., n) as matrices of rows."""
    return tf.reshape(a, (-1, tf.shape(a)[-1])), tf.reshape(b, (-1, tf.shape(b)[-1]))


def prefix_scan(combine, values, dim):
    """Inclusive scan of tensors along ``dim`` with an associative ``combine(earlier, later)``, by doubling."""
    values = [axis_to_last(v, dim) for v in values]
    size = tf.shape(values[0])[-1]
    shapes = [v.shape for v in values]

    def body(shift, *values):
        joined = combine([v[..., : size - shift] for v in values], [v[..., shift:] for v in values])
        values = [tf.concat([v[..., :shift], j], axis=-1) for v, j in zip(values, joined, strict=True)]
        for v, shape in zip(values, shapes, strict=True):
            v.set_shape(shape)
        return (2 * shift, *values)

    _, *values = tf.while_loop(lambda shift, *_: shift < size, body, (tf.constant(1), *values))
    return [axis_from_last(v, dim) for v in values]


def cumulative_extreme(x, dim, wins):
    """(values, indices) of the running extreme: a later element replaces the best so far where ``wins`` or NaN."""
    last = axis_to_last(x, dim)
    positions = tf.broadcast_to(tf.range(tf.shape(last, tf.int64)[-1]), tf.shape(last))

    def combine(earlier, later):
        better = wins(later[0], earlier[0])
        if x.dtype.is_floating:
            better |= tf.math.is_nan(later[0])
        return [tf.where(better, b, a) for a, b in zip(earlier, later, strict=True)]

    _, indices = prefix_scan(combine, [tf.stop_gradient(last), positions], -1)
    return axis_from_last(take_last(last, indices), dim), axis_from_last(indices, dim)


def cummax(x, dim):
    """(values, indices) of the running maximum along ``dim``; of equal elements the last."""
    return cumulative_extreme(x, dim, lambda new, old: new >= old)


def cummin(x, dim):
    """(values, indices) of the running minimum along ``dim``; of equal elements the last."""
    return cumulative_extreme(x, dim, lambda new, old: new <= old)


def cumprod(x, dim):
    """Running product along ``dim``, whose gradient is right at zeros too; integers give int64."""
    x = x if x.dtype.is_floating or x.dtype.is_complex else tf.cast(x, tf.int64)
    return prefix_scan(lambda a, b: [a[0] * b[0]], [x], dim)[0]


def logcumsumexp(x, dim):
    """log of the running sum of exp(x) along ``dim``."""

    def combine(a, b):
        largest = tf.stop_gradient(tf.maximum(a[0], b[0]))
        shift = tf.where(tf.math.is_finite(largest), largest, tf.zeros_like(largest))
        return [tf.math.log(tf.exp(a[0] - shift) + tf.exp(b[0] - shift)) + shift]

    return prefix_scan(combine, [x], dim)[0]


def norm(x, p="fro", dim=None, keepdim=False):
    """Vector p-norm over ``dim`` (an axis, several or all), with gradient 0 where it is 0; "fro" is p = 2."""
    x = tf.convert_to_tensor(x)
    size = tf.abs(x)
    if p in ("fro", 2):
        square = size * size if x.dtype.is_complex else x * x
        return safe_sqrt(tf.reduce_sum(square, axis=dim, keepdims=keepdim))
    if p == math.inf:
        return tf.reduce_max(size, axis=dim, keepdims=keepdim)
    if p == -math.inf:
        return tf.reduce_min(size, axis=dim, keepdims=keepdim)
    if p == 0:
        return tf.reduce_sum(tf.cast(size != 0, size.dtype), axis=dim, keepdims=keepdim)
    if p == 1:
        return tf.reduce_sum(size, axis=dim, keepdims=keepdim)
    if p < 0:
        return tf.reduce_sum(size**p, axis=dim, keepdims=keepdim) ** (1.0 / p)
    zero = size == 0
    powers = tf.where(zero, tf.zeros_like(size), tf.where(zero, tf.ones_like(size), size) ** p)
    total = tf.reduce_sum(powers, axis=dim, keepdims=keepdim)
    zero = total == 0
    return tf.where(zero, tf.zeros_like(total), tf.where(zero, tf.ones_like(total), total) ** (1.0 / p))


def quantile(x, q, dim=None, keepdim=False, interpolation="linear"):
    """Quantiles along ``dim`` (or of all elements); a 1-D ``q`` adds a leading axis. NaN if there is one.

    interpolation: "linear", "lower", "higher", "midpoint" or "nearest".
    """
    rank = len(x.shape)
    last = tf.reshape(x, [-1]) if dim is None else axis_to_last(x, dim)
    missing = tf.reduce_any(tf.math.is_nan(last), axis=-1, keepdims=True)
    ordered = tf.sort(last, axis=-1)
    q = to_dtype(q, x.dtype)
    place = tf.reshape(q, [-1]) * tf.cast(tf.shape(last)[-1] - 1, x.dtype)
    if interpolation == "nearest":
        place = tf.round(place)
    below, above = tf.floor(place), tf.math.ceil(place)
    weight = {"lower": 0.0 * place, "higher": 0.0 * place + 1.0, "midpoint": 0.0 * place + 0.5}.get(
        interpolation, place - below
    )
    low = tf.gather(ordered, tf.cast(below, tf.int32), axis=-1)
    high = tf.gather(ordered, tf.cast(above, tf.int32), axis=-1)
    # Selected, not multiplied, so that an infinite neighbour with weight 0 gives no NaN.
    result = tf.where(weight == 0, low, tf.where(weight == 1, high, low + weight * (high - low)))
    result = tf.where(missing, tf.cast(math.nan, x.dtype), result)
    if keepdim:
        expanded = result[..., None]
        if dim is None:
            result = tf.reshape(result, [-1] + [1] * rank)
        else:
            result = tf.stack([axis_from_last(r, dim) for r in tf.unstack(expanded, axis=-2)])
    else:
        result = tf.transpose(result, [len(result.shape) - 1, *range(len(result.shape) - 1)])
    return result[0] if len(q.shape) == 0 else result


def lexicographic_order(rows):
    """The order that sorts the rows (m, n) by their first, then second, ... entry."""
    columns = tf.shape(rows)[1]

    def body(i, order):
        keys = tf.gather(rows[:, columns - 1 - i], order)
        return i + 1, tf.gather(order, tf.argsort(keys, stable=True))

    start = (tf.constant(0), tf.range(tf.shape(rows)[0]))
    return tf.while_loop(lambda i, _: i < columns, body, start)[1]


def unique(x, sorted=True, return_inverse=False, return_counts=False, dim=None):
    """The distinct elements in ascending order, or the distinct slices along ``dim``.

    Returns the values alone, or a tuple (values, inverse, counts) of what was asked for.
    """
    if dim is None:
        values, inverse, counts = tf.unique_with_counts(tf.reshape(x, [-1]), tf.int64)
        order = argsort(values)
        inverse = tf.reshape(inverse, tf.shape(x))
    else:
        dim = dim % len(x.shape)
        values, inverse, counts = tf.raw_ops.UniqueWithCountsV2(x=x, axis=[dim], out_idx=tf.int64)
        rows = axis_to_last(values, dim)
        order = lexicographic_order(tf.transpose(tf.reshape(rows, (-1, tf.shape(rows)[-1]))))
    values = tf.gather(values, order, axis=dim or 0)
    rank = tf.math.invert_permutation(order)
    results = [values]
    if return_inverse:
        results.append(tf.cast(tf.gather(rank, inverse), tf.int64))
    if return_counts:
        results.append(tf.gather(counts, order))
    return results[0] if len(results) == 1 else tuple(results)


def unique_consecutive(x, return_inverse=False, return_counts=False):
    """The elements of flattened x without repetitions of the one before; also (inverse, counts) if asked for."""
    flat = tf.reshape(x, [-1])
    starts = tf.concat([tf.ones_like(flat[:1], tf.bool), flat[1:] != flat[:-1]], 0)
    inverse = tf.cumsum(tf.cast(starts, tf.int64)) - 1
    results = [tf.boolean_mask(flat, starts)]
    if return_inverse:
        results.append(tf.reshape(inverse, tf.shape(x)))
    if return_counts:
        results.append(tf.math.unsorted_segment_sum(tf.ones_like(inverse), inverse, tf.size(results[0])))
    return results[0] if len(results) == 1 else tuple(results)


def nansum(x, dim=None, keepdim=False):
    """Sum over ``dim`` in which NaN counts as 0."""
    return tf.reduce_sum(tf.where(tf.math.is_nan(x), tf.zeros_like(x), x), axis=dim, keepdims=keepdim)


def nanmean(x, dim=None, keepdim=False):
    """Mean over ``dim`` of what is not NaN."""
    count = tf.reduce_sum(tf.cast(~tf.math.is_nan(x), x.dtype), axis=dim, keepdims=keepdim)
    return nansum(x, dim, keepdim) / count


def count_nonzero(x, dim=None):
    """The number (int64) of elements over ``dim`` that are not 0."""
    x = x if x.dtype == tf.bool else x != 0
    return tf.reduce_sum(tf.cast(x, tf.int64), axis=dim)


def histc(x, bins=100, min=0, max=0):
    """Counts (of x's dtype) in equal bins of [min, max]; values outside do not count. min == max means x's range."""
    flat = tf.reshape(x, [-1])
    low, high = to_dtype(min, x.dtype), to_dtype(max, x.dtype)
    if min == max:
        low, high = tf.reduce_min(flat), tf.reduce_max(flat)
        same = low == high
        low, high = tf.where(same, low - 1, low), tf.where(same, high + 1, high)
    inside = tf.boolean_mask(flat, (flat >= low) & (flat <= high))
    place = tf.cast((inside - low) * tf.cast(bins, x.dtype) / (high - low), tf.int32)
    return tf.math.unsorted_segment_sum(tf.ones_like(inside), tf.minimum(place, bins - 1), bins)


def bincount(x, weights=None, minlength=0):
    """How often each of 0 .. max occurs in 1-D x (int64), or the sum of its weights; at least ``minlength`` long."""
    size = tf.maximum(tf.reduce_max(tf.concat([x, tf.constant([-1], x.dtype)], 0)) + 1, tf.cast(minlength, x.dtype))
    weights = tf.ones_like(x, tf.int64) if weights is None else weights
    if not weights.dtype.is_floating and weights.dtype != tf.int64:
        weights = tf.cast(weights, tf.float64)
    return tf.math.unsorted_segment_sum(weights, x, size)
