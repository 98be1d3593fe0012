"""What the spatial helpers share: per-axis arguments, axis order and padding."""

import numpy as np
import tensorflow as tf
from tensorflow import keras


def ntuple(value, rank):
    """`value`, or one value for each of `rank` spatial axes, as a tuple of length `rank`."""
    values = tuple(value) if isinstance(value, (tuple, list)) else (value,)
    return values * rank if len(values) == 1 else values


def to_channels_last(x):
    """(N, C, *spatial) to (N, *spatial, C)."""
    rank = len(x.shape)
    return tf.transpose(x, (0, *range(2, rank), 1))


def to_channels_first(x):
    """(N, *spatial, C) to (N, C, *spatial)."""
    rank = len(x.shape)
    return tf.transpose(x, (0, rank - 1, *range(1, rank - 1)))


def extend_axis(x, axis, before, after, mode):
    """Lengthen one axis by `before` and `after` entries; mode "reflect", "replicate" or "circular"."""
    lead = (slice(None),) * axis
    size = keras.ops.shape(x)[axis]
    if mode == "circular":
        parts = [x[(*lead, slice(size - before, size))], x, x[(*lead, slice(0, after))]]
    elif mode == "replicate":
        first, last = x[(*lead, slice(0, 1))], x[(*lead, slice(size - 1, size))]
        parts = [first] * before + [x] + [last] * after
    elif mode == "reflect":
        amounts = [(0, 0)] * len(x.shape)
        amounts[axis] = (before, after)
        return tf.pad(x, amounts, "REFLECT")
    else:
        raise ValueError(f"unknown padding mode {mode!r}")
    return tf.concat(parts, axis)


def pad_spatial(x, pads, mode="zeros", value=0.0):
    """Pad the spatial axes of a channels-last tensor; `pads` holds (before, after) for each axis."""
    if not any(before or after for before, after in pads):
        return x
    if mode in ("zeros", "constant"):
        return tf.pad(x, [(0, 0), *pads, (0, 0)], constant_values=value)
    for axis, (before, after) in enumerate(pads, start=1):
        if before or after:
            x = extend_axis(x, axis, before, after, mode)
    return x


def pad(x, pad, mode="constant", value=0.0):
    """Pad as torch.nn.functional.pad: `pad` is (last axis before, after, next to last before, ...).

    Works on the axes of `x` as they stand. A negative amount crops.
    """
    rank = len(x.shape)
    amounts = [(0, 0)] * rank
    for i in range(len(pad) // 2):
        amounts[rank - 1 - i] = (pad[2 * i], pad[2 * i + 1])

    def positive(amount):
        return max(amount, 0) if isinstance(amount, int) else tf.maximum(amount, 0)

    sizes = keras.ops.shape(x)
    if not all(isinstance(n, int) and n >= 0 for pair in amounts for n in pair):
        x = x[tuple(slice(positive(-a), n - positive(-b)) for (a, b), n in zip(amounts, sizes, strict=True))]
        amounts = [(positive(a), positive(b)) for a, b in amounts]
    if mode == "constant":
        return tf.pad(x, amounts, constant_values=np.asarray(value or 0, x.dtype.as_numpy_dtype))
    for axis, (before, after) in enumerate(amounts):
        if not (isinstance(before, int) and isinstance(after, int) and before == after == 0):
            x = extend_axis(x, axis, before, after, mode)
    return x
