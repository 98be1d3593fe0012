"""torchvision.transforms.functional: operations on PIL images and on image tensors (..., channels, height, width)."""

import numpy as np
import PIL.Image
import tensorflow as tf
from tensorflow import keras

from translator.helpers.tf.resize import interpolate
from translator.helpers.tf.spatial import pad

DEEP_MODES = {"I": np.int32, "I;16": np.int16, "F": np.float32}


def is_picture(image):
    """Whether an image is PIL's; anything but that and a tensor is an error."""
    if not isinstance(image, PIL.Image.Image) and not tf.is_tensor(image):
        raise TypeError(f"a PIL image or a tensor is asked for, not {type(image).__name__}")
    return isinstance(image, PIL.Image.Image)


def image_dimensions(image):
    """[channels, height, width] of an image."""
    if is_picture(image):
        return [len(image.getbands()), image.height, image.width]
    return [1 if len(image.shape) == 2 else image.shape[-3], image.shape[-2], image.shape[-1]]


def image_size(image):
    """[width, height] of an image."""
    return image_dimensions(image)[:0:-1]


def resampling(mode):
    """Pillow's filter by torchvision's name or Pillow's number."""
    if not isinstance(mode, str):
        return PIL.Image.Resampling(mode)
    return PIL.Image.Resampling["NEAREST" if mode == "nearest-exact" else mode.upper()]


def pair(size):
    """(height, width) of a size that is one number or two."""
    if isinstance(size, (int, float)):
        return int(size), int(size)
    return (size[0], size[0]) if len(size) == 1 else tuple(size)


def picture_array(image, dtype=None):
    """A PIL image or array as an array (channels, height, width)."""
    array = np.asarray(image, dtype)
    return array[None] if array.ndim == 2 else array.transpose(2, 0, 1)


def to_tensor(pic):
    """A PIL image or array (height, width, channels) as a tensor (channels, height, width); bytes become [0, 1]."""
    if isinstance(pic, np.ndarray):
        array = picture_array(pic)
    elif is_picture(pic) and not tf.is_tensor(pic):
        array = picture_array(pic, DEEP_MODES.get(pic.mode, np.uint8))
        array = array * np.uint8(255) if pic.mode == "1" else array
    else:
        raise TypeError("a PIL image or an array is asked for, not a tensor")
    if array.dtype != np.uint8:
        return tf.constant(array)
    return tf.constant(array.astype(keras.config.floatx()) / np.asarray(255, keras.config.floatx()))


def pil_to_tensor(pic):
    """A PIL image as a tensor (channels, height, width) of its own type."""
    if not is_picture(pic):
        raise TypeError("a PIL image is asked for, not a tensor")
    return tf.constant(picture_array(pic))


def largest_value(dtype):
    """What white is in an image of this type."""
    return 1.0 if dtype.is_floating else float(dtype.max)


def convert_image_dtype(image, dtype=tf.float32):
    """An image tensor of another type, with its values scaled to the type's range."""
    dtype = tf.as_dtype(dtype)
    if image.dtype == dtype or (image.dtype.is_floating and dtype.is_floating):
        return tf.cast(image, dtype)
    if image.dtype.is_floating:
        if (image.dtype, dtype) in ((tf.float32, tf.int32), (tf.float32, tf.int64), (tf.float64, tf.int64)):
            raise RuntimeError(f"an image of {image.dtype.name} has too few digits for {dtype.name}")
        return tf.cast(image * (largest_value(dtype) + 1.0 - 1e-3), dtype)
    if dtype.is_floating:
        return tf.cast(image, dtype) / largest_value(image.dtype)
    ratio = (image.dtype.max + 1) / (dtype.max + 1)
    return tf.cast(image // int(ratio), dtype) if ratio > 1 else tf.cast(image, dtype) * int(1 / ratio)


def to_pil_image(pic, mode=None):
    """A tensor (channels, height, width) or array (height, width, channels) as a PIL image; [0, 1] becomes bytes."""
    array = np.asarray(pic)
    if tf.is_tensor(pic) and array.ndim == 3:
        array = array.transpose(1, 2, 0)
    if array.ndim not in (2, 3) or (array.ndim == 3 and array.shape[-1] > 4):
        raise ValueError(f"an image has 2 or 3 axes and up to 4 channels, not the shape {array.shape}")
    if np.issubdtype(array.dtype, np.floating) and mode != "F":
        array = (array * 255).astype(np.uint8)
    channels = 1 if array.ndim == 2 else array.shape[-1]
    if channels == 1:
        array = array.reshape(array.shape[:2])
        known = {"uint8": "L", "int16": "I;16", "int32": "I", "float32": "F"}.get(array.dtype.name)
        modes = (known,)
    else:
        modes = {2: ("LA",), 3: ("RGB", "YCbCr", "HSV"), 4: ("RGBA", "CMYK", "RGBX")}[channels]
        known = modes[0] if array.dtype == np.uint8 else None
    if mode is not None and mode not in modes:
        raise ValueError(f"an image of {channels} channels has one of the modes {modes}, not {mode}")
    if known is None:
        raise TypeError(f"an image of {array.dtype} is not known")
    size = array.shape[1::-1]
    return PIL.Image.frombytes(mode or known, size, np.ascontiguousarray(array).tobytes())


def standardize(tensor, mean, std, inplace=False):
    """(tensor - mean) / std for each channel of an image."""
    if not tensor.dtype.is_floating:
        raise TypeError(f"an image of floating point numbers is asked for, not of {tensor.dtype.name}")
    mean, std = (tf.reshape(tf.convert_to_tensor(np.asarray(v), tensor.dtype), (-1, 1, 1)) for v in (mean, std))
    if tf.reduce_any(std == 0):
        raise ValueError("a standard deviation is 0")
    return (tensor - mean) / std


def resized_size(height, width, size, max_size=None):
    """(height, width) that an image gets: of one number, the shorter side has it and the longer one keeps its share."""
    if not isinstance(size, int) and len(size) == 2:
        return tuple(size)
    short = size if isinstance(size, int) else size[0]
    long = int(short * max(height, width) / min(height, width))
    if max_size is not None and long > max_size:
        short, long = int(max_size * short / long), max_size
    return (long, short) if width <= height else (short, long)


def resize_image(img, size, interpolation="bilinear", max_size=None, antialias=True):
    """The image at another size."""
    _, height, width = image_dimensions(img)
    wanted = resized_size(height, width, size, max_size)
    if wanted == (height, width):
        return img
    if is_picture(img):
        return img.resize(wanted[::-1], resampling(interpolation))
    mode = interpolation if isinstance(interpolation, str) else resampling(interpolation).name.lower()
    if mode not in ("nearest", "nearest-exact", "bilinear", "bicubic"):
        raise ValueError(f"tensors are not resized by {mode}")
    batch = tf.reshape(img, (-1, *img.shape[-3:]))
    batch = batch if img.dtype.is_floating else tf.cast(batch, tf.float32)
    smooth = bool(antialias) and mode in ("bilinear", "bicubic")
    flag = False if mode in ("bilinear", "bicubic") else None
    out = interpolate(batch, wanted, None, mode, flag, antialias=smooth, data_format="channels_first")
    if not img.dtype.is_floating:
        out = tf.clip_by_value(out, 0.0, 255.0) if mode == "bicubic" and img.dtype == tf.uint8 else out
        out = tf.cast(tf.round(out), img.dtype)
    return tf.reshape(out, (*img.shape[:-2], *wanted))


def sides(padding):
    """(left, top, right, bottom) of a padding that is one number, two or four."""
    values = (padding,) if isinstance(padding, int) else tuple(padding)
    return values * (4 // len(values))


def pad_image(img, padding, fill=0, padding_mode="constant"):
    """The image with a border; negative sides cut it off."""
    left, top, right, bottom = sides(padding)
    if not is_picture(img):
        if padding_mode == "symmetric":
            raise ValueError("tensors are not padded symmetrically")
        mode = "replicate" if padding_mode == "edge" else padding_mode
        batch = tf.reshape(img, (-1, *img.shape[-3:]))
        out = pad(batch, (left, right, top, bottom), mode, float(fill) if mode == "constant" else None)
        return tf.reshape(out, (*img.shape[:-2], *out.shape[-2:]))
    if img.mode == "P":
        raise TypeError("an image with a palette: convert it first, image.convert('RGB')")
    if padding_mode == "constant":
        size = img.width + left + right, img.height + top + bottom
        out = PIL.Image.new(img.mode, size, band_values(fill, img))
        out.paste(img, (left, top))
        return out
    if min(left, top, right, bottom) < 0:
        img = img.crop((max(-left, 0), max(-top, 0), img.width - max(-right, 0), img.height - max(-bottom, 0)))
        left, top, right, bottom = (max(side, 0) for side in (left, top, right, bottom))
    array = np.asarray(img)
    amounts = [(top, bottom), (left, right), (0, 0)][: array.ndim]
    return PIL.Image.fromarray(np.pad(array, amounts, padding_mode))


def band_values(fill, image):
    """A fill value for each band of a PIL image."""
    number = float if image.mode == "F" else int
    values = [0 if fill is None else fill] if not isinstance(fill, (list, tuple)) else list(fill)
    bands = len(image.getbands())
    if len(values) not in (1, bands):
        raise ValueError(f"{len(values)} fill values for {bands} bands")
    values = tuple(number(v) for v in (values * bands if len(values) == 1 else values))
    return values[0] if bands == 1 else values


def crop_image(img, top, left, height, width):
    """A part of the image; what lies outside of it is black."""
    if is_picture(img):
        return img.crop((left, top, left + width, top + height))
    _, rows, columns = image_dimensions(img)
    outside = max(-left, 0), max(-top, 0), max(left + width - columns, 0), max(top + height - rows, 0)
    if any(outside):
        img = pad_image(img, outside)
        left, top = max(left, 0), max(top, 0)
    return img[..., top : top + height, left : left + width]


def center_crop(img, output_size):
    """The middle of the image, with a black border where it is too small."""
    height, width = pair(output_size)
    _, rows, columns = image_dimensions(img)
    below, beside = max(height - rows, 0), max(width - columns, 0)
    if below or beside:
        img = pad_image(img, (beside // 2, below // 2, (beside + 1) // 2, (below + 1) // 2))
        _, rows, columns = image_dimensions(img)
    return crop_image(img, round((rows - height) / 2.0), round((columns - width) / 2.0), height, width)


def resized_crop(img, top, left, height, width, size, interpolation="bilinear", antialias=True):
    """A part of the image at another size."""
    return resize_image(crop_image(img, top, left, height, width), list(pair(size)), interpolation, None, antialias)


def mirrored(img):
    """The image with left and right exchanged."""
    if is_picture(img):
        return img.transpose(PIL.Image.Transpose.FLIP_LEFT_RIGHT)
    return tf.reverse(img, [-1])


def upside_down(img):
    """The image with top and bottom exchanged."""
    if is_picture(img):
        return img.transpose(PIL.Image.Transpose.FLIP_TOP_BOTTOM)
    return tf.reverse(img, [-2])


def rotate_image(img, angle, interpolation="nearest", expand=False, center=None, fill=None):
    """A PIL image turned by an angle in degrees, against the clock."""
    if not is_picture(img):
        raise TypeError("only PIL images are turned: put the rotation before ToTensor")
    return img.rotate(angle, resampling(interpolation), expand, center, fillcolor=band_values(fill, img))


def erase(img, i, j, h, w, v, inplace=False):
    """An image tensor with a rectangle of another value."""
    _, height, width = image_dimensions(img)
    rows = (tf.range(height) >= i) & (tf.range(height) < i + h)
    columns = (tf.range(width) >= j) & (tf.range(width) < j + w)
    v = tf.cast(v, img.dtype)
    if len(v.shape) and v.shape[-1] != 1:
        v = tf.pad(v, [(0, 0)] * (len(v.shape) - 2) + [(i, height - i - h), (j, width - j - w)])
    return tf.where(rows[:, None] & columns, v, img)
