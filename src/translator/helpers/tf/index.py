"""Indexing, gathering and scattering with PyTorch's meaning, as functions that return new tensors."""

import tensorflow as tf

from translator.helpers.tf.reduce import axis_to_last, to_dtype


def flat_positions(shape, dim, index):
    """Row-major positions, in a tensor of dynamic ``shape``, of the elements that ``index`` names along ``dim``.

    The other coordinates of an element are those of its place in ``index``, as for torch.gather.
    """
    rank = len(index.shape)
    shape = tf.cast(shape, tf.int64)
    sizes = tf.shape(index, tf.int64)
    strides = tf.math.cumprod(shape, exclusive=True, reverse=True)
    positions = tf.cast(index, tf.int64) * strides[dim % rank] if rank else tf.cast(index, tf.int64)
    for d in range(rank):
        if d != dim % rank:
            place = tf.reshape(tf.range(sizes[d]), [-1 if i == d else 1 for i in range(rank)])
            positions += place * strides[d]
    return positions


def gather(x, dim, index):
    """x at ``index`` along ``dim``, element by element; other axes of ``index`` may be shorter than those of x."""
    return tf.gather(tf.reshape(x, [-1]), flat_positions(tf.shape(x), dim, index))


def scatter(x, dim, index, src, reduce=None):
    """x with ``src`` (a tensor, or one number) written at ``index`` along ``dim``; reduce "add" or "multiply"."""
    if reduce is not None:
        source = to_dtype(src, x.dtype)
        source = tf.fill(tf.shape(index), source) if len(source.shape) == 0 < len(index.shape) else source
        return scatter_reduce(x, dim, index, source, {"add": "sum", "multiply": "prod"}[reduce])
    positions = tf.reshape(flat_positions(tf.shape(x), dim, index), (-1, 1))
    flat = tf.tensor_scatter_nd_update(tf.reshape(x, [-1]), positions, source_values(x, index, src))
    return tf.reshape(flat, tf.shape(x))


def source_values(x, index, src):
    """The elements of ``src`` that belong to ``index``, flat; one number is repeated."""
    src = to_dtype(src, x.dtype)
    if len(src.shape) == 0:
        return tf.fill([tf.size(index)], src)
    return tf.reshape(tf.slice(src, [0] * len(src.shape), tf.shape(index)), [-1])


def scatter_add(x, dim, index, src):
    """x with ``src`` added at ``index`` along ``dim``; repeated indices add up."""
    positions = tf.reshape(flat_positions(tf.shape(x), dim, index), (-1, 1))
    flat = tf.tensor_scatter_nd_add(tf.reshape(x, [-1]), positions, source_values(x, index, src))
    return tf.reshape(flat, tf.shape(x))


def scatter_reduce(x, dim, index, src, reduce, include_self=True):
    """x with ``src`` reduced into ``index`` along ``dim`` by "sum", "prod", "mean", "amax" or "amin"."""
    flat = tf.reshape(x, [-1])
    count = tf.size(flat, tf.int64)
    segments = tf.reshape(flat_positions(tf.shape(x), dim, index), [-1])
    values = source_values(x, index, src)
    hits = tf.math.unsorted_segment_sum(tf.ones_like(segments), segments, count)
    if include_self:
        values, segments = tf.concat([flat, values], 0), tf.concat([tf.range(count), segments], 0)
    if reduce == "mean":
        size = tf.maximum(hits + 1 if include_self else hits, 1)
        total = tf.math.unsorted_segment_sum(values, segments, count)
        result = total / tf.cast(size, x.dtype) if x.dtype.is_floating else total // tf.cast(size, x.dtype)
    else:
        functions = {
            "sum": tf.math.unsorted_segment_sum,
            "prod": tf.math.unsorted_segment_prod,
            "amax": tf.math.unsorted_segment_max,
            "amin": tf.math.unsorted_segment_min,
        }
        result = functions[reduce](values, segments, count)
    return tf.reshape(tf.where(hits > 0, result, flat), tf.shape(x))


def take_along_dim(x, indices, dim=None):
    """x at ``indices`` along ``dim``, the other axes broadcast; without ``dim`` x and indices are flat."""
    if dim is None:
        return tf.gather(tf.reshape(x, [-1]), tf.reshape(indices, [-1]))
    rank = len(x.shape)
    dim %= rank

    def broadcast(a, b):
        sizes = tf.broadcast_dynamic_shape(
            tf.concat([tf.shape(a)[:dim], [1], tf.shape(a)[dim + 1 :]], 0),
            tf.concat([tf.shape(b)[:dim], [1], tf.shape(b)[dim + 1 :]], 0),
        )
        return tf.broadcast_to(a, tf.concat([sizes[:dim], tf.shape(a)[dim : dim + 1], sizes[dim + 1 :]], 0))

    return gather(broadcast(x, indices), dim, broadcast(indices, x))


def axis_to_front(x, dim):
    """x with axis ``dim`` moved to the front."""
    rank = len(x.shape)
    dim %= rank
    return x if dim == 0 else tf.transpose(x, [dim, *range(dim), *range(dim + 1, rank)])


def axis_from_front(x, dim):
    """x with its first axis moved to position ``dim``."""
    rank = len(x.shape)
    dim %= rank
    return x if dim == 0 else tf.transpose(x, [*range(1, dim + 1), 0, *range(dim + 1, rank)])


def index_add(x, dim, index, source, alpha=1):
    """x with alpha * ``source`` added to the slices that the 1-D ``index`` names along ``dim``; repeats add up."""
    source = source if isinstance(alpha, int) and alpha == 1 else source * to_dtype(alpha, source.dtype)
    added = tf.tensor_scatter_nd_add(axis_to_front(x, dim), tf.reshape(index, (-1, 1)), axis_to_front(source, dim))
    return axis_from_front(added, dim)


def index_copy(x, dim, index, source):
    """x with ``source`` written over the slices that the 1-D ``index`` names along ``dim``."""
    copied = tf.tensor_scatter_nd_update(axis_to_front(x, dim), tf.reshape(index, (-1, 1)), axis_to_front(source, dim))
    return axis_from_front(copied, dim)


def index_fill(x, dim, index, value):
    """x with ``value`` in the slices that the 1-D ``index`` names along ``dim``."""
    rank = len(x.shape)
    index = tf.reshape(tf.cast(index, tf.int64), (-1, 1))
    size = tf.shape(x, tf.int64)[dim]
    index = tf.where(index < 0, index + size, index)
    chosen = tf.reduce_any(index == tf.range(size), axis=0)
    chosen = tf.reshape(chosen, [-1 if d == dim % rank else 1 for d in range(rank)])
    return tf.where(chosen, to_dtype(value, x.dtype), x)


def take(x, index):
    """The elements of flat x at ``index``, in the shape of ``index``; negative places count from the end."""
    flat, index = tf.reshape(x, [-1]), tf.cast(index, tf.int64)
    return tf.gather(flat, tf.where(index < 0, index + tf.size(flat, tf.int64), index))


def put(x, index, source, accumulate=False):
    """x with ``source`` written (or added, if ``accumulate``) at the flat places ``index``."""
    return tf.reshape(index_update(tf.reshape(x, [-1]), index, source, accumulate), tf.shape(x))


def masked_fill(x, mask, value):
    """x with ``value`` (a number or a 0-d tensor, cast to x's dtype) where the boolean ``mask`` is True."""
    return tf.where(mask, to_dtype(value, x.dtype), x)


def masked_select(x, mask):
    """The elements of x, broadcast with the boolean ``mask``, where it is True, flat."""
    shape = tf.broadcast_dynamic_shape(tf.shape(x), tf.shape(mask))
    x, mask = tf.broadcast_to(x, shape), tf.broadcast_to(mask, shape)
    return tf.boolean_mask(tf.reshape(x, [-1]), tf.reshape(mask, [-1]))


def masked_scatter(x, mask, source):
    """x with the first elements of ``source``, in order, where the boolean ``mask`` is True."""
    places = tf.where(tf.broadcast_to(mask, tf.shape(x)))
    return tf.tensor_scatter_nd_update(x, places, tf.reshape(source, [-1])[: tf.shape(places)[0]])


def is_basic(item):
    """Whether an index item is None, an Ellipsis, a slice, an integer or a 0-d integer tensor."""
    if item is None or item is Ellipsis or isinstance(item, slice):
        return True
    if isinstance(item, (bool, list, tuple)):
        return False
    return isinstance(item, int) or (len(item.shape) == 0 and "int" in str(item.dtype))


def index_items(index, rank):
    """The items of an index as a list, one or more for each axis of x: lists as tensors, the Ellipsis written out."""
    items = [i if is_basic(i) else tf.convert_to_tensor(i) for i in (index if isinstance(index, tuple) else (index,))]
    used = 0
    for item in items:
        mask = not is_basic(item) and item.dtype == tf.bool
        used += len(item.shape) if mask else 0 if item is None or item is Ellipsis else 1
    where = next((i for i, item in enumerate(items) if item is Ellipsis), len(items))
    return items[:where] + [slice(None)] * (rank - used) + items[where + 1 :]


def index_get(x, index):
    """x[index] for integers, slices, None, an Ellipsis, integer tensors or lists, and boolean masks, mixed freely.

    Integer tensors broadcast together; their axes come where they stood, or first if a slice or None parts them.
    """
    items, basic, tensors = [], [], {}
    for item in index_items(index, len(x.shape)):
        if not is_basic(item) and item.dtype == tf.bool:
            items.extend(tf.unstack(tf.where(item), num=len(item.shape), axis=1))
        else:
            items.append(item)
    for item in items:
        if not is_basic(item):
            # The axis in the result of the basic part, in which integers have dropped theirs.
            axis = sum(1 for i in basic if i is None or isinstance(i, slice))
            tensors[axis] = tf.cast(item, tf.int64)
        basic.append(item if is_basic(item) else slice(None))
    if any(i is None or not isinstance(i, slice) or i != slice(None) for i in basic):
        x = x[tuple(basic)]
    if not tensors:
        return x
    axes = list(tensors)
    sizes = tf.shape(x, tf.int64)
    tensors = [tf.where(t < 0, t + sizes[axis], t) for axis, t in tensors.items()]
    if len(axes) == 1:
        return tf.gather(x, tensors[0], axis=axes[0])
    shape = tf.shape(tensors[0])
    for t in tensors[1:]:
        shape = tf.broadcast_dynamic_shape(shape, tf.shape(t))
    place = tf.stack([tf.broadcast_to(t, shape) for t in tensors], axis=-1)
    rest = [d for d in range(len(x.shape)) if d not in axes]
    if axes != list(range(len(axes))):
        x = tf.transpose(x, axes + rest)
    result = tf.gather_nd(x, place)
    count, first = max(len(t.shape) for t in tensors), axes[0]
    if first == 0 or axes != list(range(first, first + len(axes))):
        return result
    rank = len(result.shape)
    return tf.transpose(result, [*range(count, count + first), *range(count), *range(count + first, rank)])


def slice_update(x, items, value):
    """x with ``value`` at the integers and slices ``items``, by one strided copy."""
    begin, end, strides = [], [], []
    begin_mask = end_mask = shrink_mask = 0
    for i, item in enumerate(items):
        if isinstance(item, slice):
            begin_mask |= (item.start is None) << i
            end_mask |= (item.stop is None) << i
            begin.append(0 if item.start is None else item.start)
            end.append(0 if item.stop is None else item.stop)
            strides.append(1 if item.step is None else item.step)
        else:
            # The end counts only for the axis length that is checked: an integer takes one element.
            shrink_mask |= 1 << i
            begin.append(item)
            end.append(item + 1)
            strides.append(1)
    return tf.raw_ops.TensorStridedSliceUpdate(
        input=x,
        begin=tf.stack([tf.cast(b, tf.int32) for b in begin]),
        end=tf.stack([tf.cast(e, tf.int32) for e in end]),
        strides=tf.stack([tf.cast(s, tf.int32) for s in strides]),
        value=tf.broadcast_to(value, tf.shape(x[tuple(items)])),
        begin_mask=begin_mask,
        end_mask=end_mask,
        shrink_axis_mask=shrink_mask,
    )


def index_update(x, index, value, accumulate=False):
    """A copy of x after ``x[index] = value``, for every index that ``index_get`` takes; value broadcasts.

    With ``accumulate`` the value is added, and repeated indices add up (torch.Tensor.index_put).
    """
    value = to_dtype(value, x.dtype)
    items = index_items(index, len(x.shape))
    if not accumulate and all(is_basic(i) for i in items):
        # An axis that None adds has size 1: the value loses it, and the axis is not indexed.
        taken = index_get(x, tuple(items))
        value = tf.reshape(drop_leading(value, taken), tf.shape(x[tuple(i for i in items if i is not None)]))
        return slice_update(x, [i for i in items if i is not None], value)
    masked = len(items) == 1 and not is_basic(items[0]) and items[0].dtype == tf.bool
    if masked and not accumulate and len(value.shape) == 0:
        return tf.where(items[0], value, x)
    positions = index_get(tf.reshape(tf.range(tf.size(x, tf.int64)), tf.shape(x)), tuple(items))
    value = tf.reshape(drop_leading(value, positions), [-1])
    update = tf.tensor_scatter_nd_add if accumulate else tf.tensor_scatter_nd_update
    return tf.reshape(update(tf.reshape(x, [-1]), tf.reshape(positions, (-1, 1)), value), tf.shape(x))


def drop_leading(value, target):
    """value broadcast to the shape of ``target``; surplus leading axes of size 1 are dropped first."""
    surplus = max(0, len(value.shape) - len(target.shape))
    return tf.broadcast_to(tf.reshape(value, tf.shape(value)[surplus:]) if surplus else value, tf.shape(target))


def narrow(x, dim, start, length):
    """``length`` slices of x along ``dim`` from ``start``, which may be negative."""
    dim %= len(x.shape)
    start = tf.where(start < 0, start + tf.shape(x)[dim], start) if tf.is_tensor(start) or start < 0 else start
    return x[(slice(None),) * dim + (slice(start, start + length),)]


def unfold(x, dimension, size, step):
    """All windows of ``size`` along an axis, every ``step``; the window becomes the last axis."""
    count = (tf.shape(x)[dimension] - size) // step + 1 if x.shape[dimension] is None else None
    count = (x.shape[dimension] - size) // step + 1 if count is None else count
    windows = tf.gather(x, tf.range(count)[:, None] * step + tf.range(size), axis=dimension)
    return axis_to_last(windows, dimension % len(x.shape) + 1)


def diagonal(x, offset=0, dim1=0, dim2=1):
    """The diagonals of the planes (dim1, dim2) of x as the last axis; offset > 0 lies above the main one."""
    rank = len(x.shape)
    dim1, dim2 = dim1 % rank, dim2 % rank
    rest = [d for d in range(rank) if d not in (dim1, dim2)]
    planes = tf.transpose(x, [*rest, dim1, dim2])
    sizes = tf.shape(planes)
    row, column = max(-offset, 0), max(offset, 0)
    count = tf.maximum(tf.minimum(sizes[-2] - row, sizes[-1] - column), 0)
    positions = (tf.range(count) + row) * sizes[-1] + tf.range(count) + column
    return tf.gather(tf.reshape(planes, tf.concat([sizes[:-2], [-1]], 0)), positions, axis=-1)


def tril(x, diagonal=0):
    """x (..., n, m) with 0 above the given diagonal."""
    rows, columns = tf.range(tf.shape(x)[-2])[:, None], tf.range(tf.shape(x)[-1])
    return tf.where(columns - rows <= diagonal, x, tf.zeros_like(x))


def triu(x, diagonal=0):
    """x (..., n, m) with 0 below the given diagonal."""
    rows, columns = tf.range(tf.shape(x)[-2])[:, None], tf.range(tf.shape(x)[-1])
    return tf.where(columns - rows >= diagonal, x, tf.zeros_like(x))


def roll(x, shifts, dims=None):
    """x shifted cyclically along ``dims``; without ``dims`` as one flat sequence."""
    if dims is None:
        return tf.reshape(tf.roll(tf.reshape(x, [-1]), shifts, axis=0), tf.shape(x))
    return tf.roll(x, shifts, axis=dims)


def repeat_interleave(x, repeats, dim=None, output_size=None):
    """Each element (or slice along ``dim``) repeated that many times in place; without ``dim`` the result is flat."""
    return tf.repeat(x, repeats, axis=dim)


def flip(x, *dims):
    """x reversed along the axes given as one sequence or several arguments."""
    dims = dims[0] if len(dims) == 1 and isinstance(dims[0], (list, tuple)) else dims
    return tf.reverse(x, list(dims))
