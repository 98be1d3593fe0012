"""Colors of PIL images and of image tensors (..., channels, height, width), as torchvision changes them."""

import numpy as np
import PIL.Image
import tensorflow as tf

from translator.helpers.tf.image import image_dimensions, is_picture, largest_value


def blended(image, other, factor):
    """factor * image + (1 - factor) * other, within the range of the image's type."""
    out = factor * tf.cast(image, tf.float64 if image.dtype == tf.float64 else tf.float32)
    out += (1.0 - factor) * tf.cast(other, out.dtype)
    return tf.cast(tf.clip_by_value(out, 0.0, largest_value(image.dtype)), image.dtype)


def merged(image, other, factor):
    """Two PIL images blended; an alpha channel stays."""
    if "A" in image.getbands():
        other.putalpha(image.getchannel("A"))
    return PIL.Image.blend(other, image, factor)


def gray(img, num_output_channels=1):
    """The brightness of a color image, in one channel or three."""
    if num_output_channels not in (1, 3):
        raise ValueError("a gray image has 1 or 3 channels")
    if is_picture(img):
        plain = img.convert("L")
        return plain if num_output_channels == 1 else PIL.Image.merge("RGB", (plain, plain, plain))
    if img.shape[-3] == 3:
        red, green, blue = tf.unstack(tf.cast(img, img.dtype if img.dtype.is_floating else tf.float32), axis=-3)
        img = tf.expand_dims(tf.cast(0.2989 * red + 0.587 * green + 0.114 * blue, img.dtype), -3)
    return tf.repeat(img, 3, -3) if num_output_channels == 3 and img.shape[-3] == 1 else img


def adjust_brightness(img, brightness_factor):
    """The image with all values scaled."""
    if brightness_factor < 0:
        raise ValueError("a factor is not negative")
    if is_picture(img):
        return merged(img, PIL.Image.new(img.mode, img.size, 0), brightness_factor)
    return blended(img, tf.zeros_like(img), brightness_factor)


def adjust_contrast(img, contrast_factor):
    """The image with its distance to its mean brightness scaled."""
    if contrast_factor < 0:
        raise ValueError("a factor is not negative")
    if is_picture(img):
        mean = int(np.asarray(img.convert("L")).mean() + 0.5)
        return merged(img, PIL.Image.new("L", img.size, mean).convert(img.mode), contrast_factor)
    plain = gray(img)
    plain = plain if img.dtype.is_floating else tf.cast(plain, tf.float32)
    return blended(img, tf.reduce_mean(plain, (-3, -2, -1), keepdims=True), contrast_factor)


def adjust_saturation(img, saturation_factor):
    """The image with its distance to gray scaled."""
    if saturation_factor < 0:
        raise ValueError("a factor is not negative")
    if is_picture(img):
        return merged(img, img.convert("L").convert(img.mode), saturation_factor)
    return img if image_dimensions(img)[0] == 1 else blended(img, gray(img), saturation_factor)


def adjust_hue(img, hue_factor):
    """A PIL image with its hue turned, by up to half the circle (0.5)."""
    if not -0.5 <= hue_factor <= 0.5:
        raise ValueError("a hue is turned by -0.5 to 0.5")
    if not is_picture(img):
        raise TypeError("only PIL images change their hue: put the change before ToTensor")
    if img.mode in ("L", "1", "I", "F"):
        return img
    hue, saturation, value = img.convert("HSV").split()
    turned = hue.point([(i + int(hue_factor * 255)) % 256 for i in range(256)])
    return PIL.Image.merge("HSV", (turned, saturation, value)).convert(img.mode)
