"""torchvision.utils: images side by side, and in files."""

import math

import numpy as np
import PIL.Image
import tensorflow as tf


def scaled_to_unit(image, value_range):
    """The image with its range, or a given one, moved to [0, 1]."""
    low, high = value_range if value_range is not None else (tf.reduce_min(image), tf.reduce_max(image))
    image = tf.clip_by_value(image, low, high) if value_range is not None else image
    return (image - low) / tf.maximum(tf.cast(high - low, image.dtype), tf.cast(1e-5, image.dtype))


def make_grid(tensor, nrow=8, padding=2, normalize=False, value_range=None, scale_each=False, pad_value=0.0):
    """Images (n, channels, height, width) as one image (channels, height, width), ``nrow`` to a row."""
    images = tf.stack(tensor) if isinstance(tensor, (list, tuple)) else tf.convert_to_tensor(tensor)
    images = images[None] if len(images.shape) == 2 else images
    images = images[None] if len(images.shape) == 3 else images
    images = tf.repeat(images, 3, 1) if images.shape[1] == 1 else images
    if normalize and scale_each:
        images = tf.stack([scaled_to_unit(image, value_range) for image in images])
    elif normalize:
        images = scaled_to_unit(images, value_range)
    count, _, height, width = images.shape
    if count == 1:
        return images[0]
    columns = min(nrow, count)
    rows = math.ceil(count / columns)
    missing = rows * columns - count
    empty = tf.cast(pad_value, images.dtype)
    cells = tf.pad(images, ((0, missing), (0, 0), (padding, 0), (padding, 0)), constant_values=empty)
    height, width = height + padding, width + padding
    cells = tf.reshape(cells, (rows, columns, -1, height, width))
    grid = tf.reshape(tf.transpose(cells, (2, 0, 3, 1, 4)), (-1, rows * height, columns * width))
    return tf.pad(grid, ((0, 0), (0, padding), (0, padding)), constant_values=empty)


def save_image(tensor, fp, format=None, **options):
    """Write images (n, channels, height, width) in [0, 1] as one picture; options are those of ``make_grid``."""
    grid = np.asarray(make_grid(tensor, **options), np.float32)
    array = np.clip(grid * np.float32(255) + np.float32(0.5), 0, 255).astype(np.uint8)
    PIL.Image.fromarray(array.transpose(1, 2, 0)).save(fp, format=format)
