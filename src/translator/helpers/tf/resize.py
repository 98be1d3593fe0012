"""Resizing with PyTorch's sampling positions: torch.nn.functional.interpolate."""

import math

import tensorflow as tf
from tensorflow import keras

from translator.helpers.tf.config import DATA_FORMAT
from translator.helpers.tf.pool_adaptive import adaptive_avg_pool
from translator.helpers.tf.spatial import ntuple, to_channels_first, to_channels_last


def scaled_size(size, factor):
    """floor(size * factor) of an int or an integer tensor."""
    if isinstance(size, int):
        return math.floor(float(size) * factor)
    return tf.cast(tf.floor(tf.cast(size, tf.float64) * factor), tf.int32)


def cubic_weight(distance, a):
    """Keys' cubic convolution kernel with parameter `a` (IEEE Trans. ASSP 29, 1981)."""
    d = tf.abs(distance)
    near = ((a + 2) * d - (a + 3)) * d * d + 1
    far = ((d - 5) * d + 8) * d * a - 4 * a
    return tf.where(d <= 1, near, tf.where(d < 2, far, tf.zeros_like(d)))


def source_positions(count, size, step, align_corners):
    """Where each of `count` output samples lies on an axis of `size` samples, float64."""
    index = tf.range(count, dtype=tf.float64)
    if align_corners:
        span = tf.cast(size - 1, tf.float64)
        return index * (span / tf.cast(tf.maximum(count - 1, 1), tf.float64))
    return (index + 0.5) * step - 0.5


def resize_matrix(size, count, step, cubic, align_corners, antialias):
    """Weights (count, size) of linear or cubic interpolation along one axis, float64."""
    inputs = tf.range(size, dtype=tf.float64)
    if antialias:
        if align_corners:
            step = tf.cast(size - 1, tf.float64) / tf.cast(tf.maximum(count - 1, 1), tf.float64)
        centre = (tf.range(count, dtype=tf.float64) + 0.5) * step
        distance = (inputs[None] + 0.5 - centre[:, None]) / tf.maximum(tf.convert_to_tensor(step, tf.float64), 1.0)
        weights = cubic_weight(distance, -0.5) if cubic else tf.nn.relu(1.0 - tf.abs(distance))
        return weights / tf.reduce_sum(weights, 1, keepdims=True)
    position = source_positions(count, size, step, align_corners)
    if not cubic:
        position = tf.clip_by_value(position, 0.0, tf.cast(size - 1, tf.float64))
        return tf.nn.relu(1.0 - tf.abs(position[:, None] - inputs[None]))
    floor = tf.floor(position)
    weights = tf.zeros((count, size), tf.float64)
    for tap in (-1, 0, 1, 2):
        place = tf.clip_by_value(tf.cast(floor, tf.int32) + tap, 0, size - 1)
        weight = cubic_weight(position - floor - tap, -0.75)
        weights += weight[:, None] * tf.one_hot(place, size, dtype=tf.float64)
    return weights


def apply_along(x, matrix, axis):
    """Multiply `matrix` (new, old) into one axis of `x`."""
    shape = keras.ops.shape(x)
    rows = tf.reshape(x, (-1, shape[axis], math.prod(shape[axis + 1 :])))
    y = tf.matmul(tf.cast(matrix, x.dtype), rows)
    return tf.reshape(y, [*shape[:axis], keras.ops.shape(matrix)[0], *shape[axis + 1 :]])


def resize_planes(x, counts, kernel, align_corners, half_pixel_centers):
    """Run a TensorFlow resize kernel over the one to three spatial axes of a channels-last tensor."""
    shape, last = keras.ops.shape(x), keras.ops.shape(x)[-1]
    options = {"align_corners": align_corners, "half_pixel_centers": half_pixel_centers}
    if len(counts) == 1:
        return tf.squeeze(kernel(images=x[:, None], size=(1, counts[0]), **options), 1)
    if len(counts) == 2:
        return kernel(images=x, size=tuple(counts), **options)
    depth, height, width = counts
    y = kernel(images=tf.reshape(x, (-1, *shape[2:])), size=(height, width), **options)
    y = kernel(images=tf.reshape(y, (-1, shape[1], height * width, last)), size=(depth, height * width), **options)
    return tf.reshape(y, (-1, depth, height, width, last))


def resize_nearest(x, counts, steps, regular, exact):
    """Nearest-neighbour resizing of a channels-last tensor."""
    if regular:
        return resize_planes(x, counts, tf.raw_ops.ResizeNearestNeighbor, False, exact)
    for axis, (count, step) in enumerate(zip(counts, steps, strict=True), start=1):
        index = tf.range(count, dtype=tf.float32) + (0.5 if exact else 0.0)
        place = tf.cast(tf.floor(index * tf.cast(step, tf.float32)), tf.int32)
        x = tf.gather(x, tf.minimum(place, keras.ops.shape(x)[axis] - 1), axis=axis)
    return x


def interpolate(
    x,
    size=None,
    scale_factor=None,
    mode="nearest",
    align_corners=None,
    recompute_scale_factor=None,
    antialias=False,
    data_format=DATA_FORMAT,
):
    """torch.nn.functional.interpolate of one to three spatial axes."""
    if data_format == "channels_first":
        x = to_channels_last(x)
    sizes = keras.ops.shape(x)[1:-1]
    if size is not None:
        counts, factors = list(ntuple(size, len(sizes))), None
    else:
        factors = ntuple(scale_factor, len(sizes))
        counts = [scaled_size(n, f) for n, f in zip(sizes, factors, strict=True)]
    if factors is None or recompute_scale_factor:
        regular, steps = True, [n / o for n, o in zip(sizes, counts, strict=True)]
    else:
        # A given factor sets the step, also where the rounded size does not match it.
        steps = [1.0 / f for f in factors]
        regular = all(
            n * f == o if isinstance(n, int) else f == int(f) for n, f, o in zip(sizes, factors, counts, strict=True)
        )
    if mode == "area":
        y = adaptive_avg_pool(x, counts, "channels_last")
    elif mode in ("nearest", "nearest-exact"):
        y = resize_nearest(x, counts, steps, regular, mode == "nearest-exact")
    elif mode != "bicubic" and not antialias and x.dtype == tf.float32 and (regular or align_corners):
        y = resize_planes(x, counts, tf.raw_ops.ResizeBilinear, bool(align_corners), not align_corners)
    else:
        y = x
        for axis, (n, o, step) in enumerate(zip(sizes, counts, steps, strict=True), start=1):
            y = apply_along(y, resize_matrix(n, o, step, mode == "bicubic", align_corners, antialias), axis)
    return to_channels_first(y) if data_format == "channels_first" else y


class Upsample(keras.layers.Layer):
    """torch.nn.Upsample."""

    def __init__(
        self,
        size=None,
        scale_factor=None,
        mode="nearest",
        align_corners=None,
        recompute_scale_factor=None,
        data_format=DATA_FORMAT,
        **kwargs,
    ):
        super().__init__(**kwargs)
        self.size = size
        self.scale_factor = scale_factor
        self.mode = mode
        self.align_corners = align_corners
        self.recompute_scale_factor = recompute_scale_factor
        self.data_format = data_format

    def call(self, inputs):
        return interpolate(
            inputs,
            self.size,
            self.scale_factor,
            self.mode,
            self.align_corners,
            self.recompute_scale_factor,
            data_format=self.data_format,
        )

    def get_config(self):
        own = ("size", "scale_factor", "mode", "align_corners", "recompute_scale_factor", "data_format")
        return {**super().get_config(), **{name: getattr(self, name) for name in own}}
