"""Sampling at given positions: torch.nn.functional.grid_sample and affine_grid."""

import tensorflow as tf
from tensorflow import keras

from translator.helpers.tf.config import DATA_FORMAT
from translator.helpers.tf.resize import cubic_weight
from translator.helpers.tf.spatial import to_channels_first, to_channels_last


def clip_position(position, size):
    """Clip to [0, size - 1], with gradient 0 at the bounds and beyond."""
    high = tf.cast(size - 1, position.dtype)
    inside = (position > 0) & (position < high)
    return tf.where(inside, position, tf.stop_gradient(tf.clip_by_value(position, 0.0, high)))


def reflect_position(position, size, align_corners):
    """Reflect positions at the border samples' centres (align_corners) or outer edges, then clip."""
    low = tf.cast(0.0 if align_corners else -0.5, position.dtype)
    span = tf.cast(size - 1 if align_corners else size, position.dtype)
    distance = tf.where(position < low, low - position, position - low)
    flips = tf.floor(distance / tf.maximum(span, 0.5))
    rest = distance - flips * span
    mirrored = tf.where(flips % 2 == 0, rest + low, span - rest + low)
    return clip_position(tf.where(span > 0, mirrored, tf.zeros_like(mirrored)), size)


def bound_position(position, size, padding_mode, align_corners):
    """Move positions into the axis as `padding_mode` says; "zeros" leaves them."""
    if padding_mode == "border":
        return clip_position(position, size)
    if padding_mode == "reflection":
        return reflect_position(position, size, align_corners)
    return position


def axis_taps(position, size, mode, padding_mode, align_corners):
    """(index, weight) of each sample that takes part along one axis, for normalised positions in [-1, 1]."""
    length = tf.cast(size, position.dtype)
    if align_corners:
        position = (position + 1.0) * 0.5 * (length - 1.0)
    else:
        position = ((position + 1.0) * length - 1.0) * 0.5
    if mode == "bicubic":
        floor = tf.stop_gradient(tf.floor(position))
        places = [floor + tap for tap in (-1.0, 0.0, 1.0, 2.0)]
        taps = [
            (bound_position(place, size, padding_mode, align_corners), cubic_weight(position - place, -0.75))
            for place in places
        ]
    else:
        position = bound_position(position, size, padding_mode, align_corners)
        if mode == "nearest":
            taps = [(tf.round(position), tf.ones_like(position))]
        else:
            floor = tf.stop_gradient(tf.floor(position))
            taps = [(floor, floor + 1.0 - position), (floor + 1.0, position - floor)]
    inside = [tf.cast((place >= 0) & (place <= length - 1.0), position.dtype) for place, _ in taps]
    return [
        (tf.cast(tf.clip_by_value(place, 0.0, length - 1.0), tf.int32), weight * mask)
        for (place, weight), mask in zip(taps, inside, strict=True)
    ]


def grid_sample(x, grid, mode="bilinear", padding_mode="zeros", align_corners=False, data_format=DATA_FORMAT):
    """torch.nn.functional.grid_sample; grid (N, *out, 2 or 3) holds (x, y[, z]) in [-1, 1]."""
    if data_format == "channels_first":
        x = to_channels_last(x)
    shape = keras.ops.shape(x)
    sizes = shape[1:-1]
    coordinates = tf.unstack(grid, axis=-1)[::-1]
    taps = [axis_taps(c, n, mode, padding_mode, align_corners) for c, n in zip(coordinates, sizes, strict=True)]
    flat = tf.reshape(x, (shape[0], -1, shape[-1]))
    corners = [(0, 1.0)]
    for axis, size in zip(taps, sizes, strict=True):
        corners = [(index * size + place, weight * factor) for index, weight in corners for place, factor in axis]
    total = tf.add_n([tf.gather(flat, index, batch_dims=1) * weight[..., None] for index, weight in corners])
    return to_channels_first(total) if data_format == "channels_first" else total


def affine_grid(theta, size, align_corners=False, data_format=DATA_FORMAT):
    """torch.nn.functional.affine_grid; theta (N, d, d + 1), `size` the image's shape in `data_format` order."""
    spatial = list(size[1:-1] if data_format == "channels_last" else size[2:])

    def positions(count):
        index = tf.cast(tf.range(count), theta.dtype)
        count = tf.cast(count, theta.dtype)
        if align_corners:
            return (2.0 * index - (count - 1.0)) / tf.maximum(count - 1.0, 1.0)
        return (2.0 * index + 1.0) / count - 1.0

    axes = tf.meshgrid(*[positions(count) for count in spatial], indexing="ij")[::-1]
    base = tf.reshape(tf.stack([*axes, tf.ones_like(axes[0])], -1), (-1, len(spatial) + 1))
    grid = tf.matmul(base, theta, transpose_b=True)
    return tf.reshape(grid, (-1, *spatial, len(spatial)))
