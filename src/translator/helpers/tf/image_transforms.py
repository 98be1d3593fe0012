"""torchvision.transforms: callables for one image, a PIL image or a tensor (..., channels, height, width).

What is random is drawn from NumPy's global state, as the orders of the loaders are.
"""

import math
import random

import numpy as np

from translator.helpers.tf.image import (
    center_crop,
    convert_image_dtype,
    crop_image,
    erase,
    image_dimensions,
    mirrored,
    pad_image,
    pair,
    pil_to_tensor,
    resize_image,
    resized_crop,
    rotate_image,
    standardize,
    to_pil_image,
    to_tensor,
    upside_down,
)
from translator.helpers.tf.image_color import adjust_brightness, adjust_contrast, adjust_hue, adjust_saturation, gray


class Transform:
    """A callable whose attributes are the parameters that it was made with."""

    def __repr__(self):
        return f"{type(self).__name__}({', '.join(f'{k}={v}' for k, v in vars(self).items())})"


class Compose(Transform):
    """Transforms one after the other."""

    def __init__(self, transforms):
        self.transforms = transforms

    def __call__(self, img):
        for transform in self.transforms:
            img = transform(img)
        return img


class ToTensor(Transform):
    """A PIL image or array as a tensor (channels, height, width) in [0, 1]."""

    def __call__(self, pic):
        return to_tensor(pic)


class PILToTensor(Transform):
    """A PIL image as a tensor (channels, height, width) of its own type."""

    def __call__(self, pic):
        return pil_to_tensor(pic)


class ToPILImage(Transform):
    """A tensor or array as a PIL image."""

    def __init__(self, mode=None):
        self.mode = mode

    def __call__(self, pic):
        return to_pil_image(pic, self.mode)


class ConvertImageDtype(Transform):
    """A tensor of another type, with its values scaled to the type's range."""

    def __init__(self, dtype):
        self.dtype = dtype

    def __call__(self, image):
        return convert_image_dtype(image, self.dtype)


class Normalize(Transform):
    """(image - mean) / std for each channel."""

    def __init__(self, mean, std, inplace=False):
        self.mean = mean
        self.std = std

    def __call__(self, tensor):
        return standardize(tensor, self.mean, self.std)


class Resize(Transform):
    """The image at another size: (height, width), or one number for the shorter side."""

    def __init__(self, size, interpolation="bilinear", max_size=None, antialias=True):
        self.size = size
        self.interpolation = interpolation
        self.max_size = max_size
        self.antialias = antialias

    def __call__(self, img):
        return resize_image(img, self.size, self.interpolation, self.max_size, self.antialias)


class CenterCrop(Transform):
    """The middle of the image."""

    def __init__(self, size):
        self.size = pair(size)

    def __call__(self, img):
        return center_crop(img, self.size)


class Pad(Transform):
    """The image with a border."""

    def __init__(self, padding, fill=0, padding_mode="constant"):
        self.padding = padding
        self.fill = fill
        self.padding_mode = padding_mode

    def __call__(self, img):
        return pad_image(img, self.padding, self.fill, self.padding_mode)


class Lambda(Transform):
    """A function as a transform."""

    def __init__(self, lambd):
        self.lambd = lambd

    def __call__(self, img):
        return self.lambd(img)


class Grayscale(Transform):
    """The brightness of a color image, in one channel or three."""

    def __init__(self, num_output_channels=1):
        self.num_output_channels = num_output_channels

    def __call__(self, img):
        return gray(img, self.num_output_channels)


class RandomApply(Transform):
    """Transforms one after the other, with a probability."""

    def __init__(self, transforms, p=0.5):
        self.transforms = transforms
        self.p = p

    def __call__(self, img):
        return Compose(self.transforms)(img) if np.random.random() < self.p else img


class RandomChoice(Transform):
    """One of several transforms."""

    def __init__(self, transforms, p=None):
        self.transforms = transforms
        self.p = p

    def __call__(self, img):
        return random.choices(self.transforms, self.p)[0](img)


class RandomOrder(Transform):
    """Transforms in a random order."""

    def __init__(self, transforms):
        self.transforms = transforms

    def __call__(self, img):
        return Compose(random.sample(list(self.transforms), len(self.transforms)))(img)


class RandomHorizontalFlip(Transform):
    """Left and right exchanged, with a probability."""

    def __init__(self, p=0.5):
        self.p = p

    def __call__(self, img):
        return mirrored(img) if np.random.random() < self.p else img


class RandomVerticalFlip(Transform):
    """Top and bottom exchanged, with a probability."""

    def __init__(self, p=0.5):
        self.p = p

    def __call__(self, img):
        return upside_down(img) if np.random.random() < self.p else img


class RandomGrayscale(Transform):
    """The image without its colors, with a probability."""

    def __init__(self, p=0.1):
        self.p = p

    def __call__(self, img):
        return gray(img, image_dimensions(img)[0]) if np.random.random() < self.p else img


class RandomCrop(Transform):
    """A part of the image at a random place."""

    def __init__(self, size, padding=None, pad_if_needed=False, fill=0, padding_mode="constant"):
        self.size = pair(size)
        self.padding = padding
        self.pad_if_needed = pad_if_needed
        self.fill = fill
        self.padding_mode = padding_mode

    @staticmethod
    def get_params(img, output_size):
        """(top, left, height, width) of a random part."""
        _, rows, columns = image_dimensions(img)
        height, width = output_size
        if rows < height or columns < width:
            raise ValueError(f"an image of {(rows, columns)} has no part of {(height, width)}")
        return np.random.randint(rows - height + 1), np.random.randint(columns - width + 1), height, width

    def __call__(self, img):
        if self.padding is not None:
            img = pad_image(img, self.padding, self.fill, self.padding_mode)
        _, rows, columns = image_dimensions(img)
        if self.pad_if_needed and columns < self.size[1]:
            img = pad_image(img, (self.size[1] - columns, 0), self.fill, self.padding_mode)
        if self.pad_if_needed and rows < self.size[0]:
            img = pad_image(img, (0, self.size[0] - rows), self.fill, self.padding_mode)
        return crop_image(img, *self.get_params(img, self.size))


def random_part(rows, columns, scale, ratio):
    """(height, width) of a random share of an image with a random ratio of its sides; None if none fits at once."""
    for _ in range(10):
        area = rows * columns * np.random.uniform(*scale)
        aspect = math.exp(np.random.uniform(math.log(ratio[0]), math.log(ratio[1])))
        yield round(math.sqrt(area / aspect)), round(math.sqrt(area * aspect))


class RandomResizedCrop(Transform):
    """A random part of the image, of random size and ratio of sides, at a fixed size."""

    def __init__(self, size, scale=(0.08, 1.0), ratio=(3 / 4, 4 / 3), interpolation="bilinear", antialias=True):
        self.size = pair(size)
        self.scale = scale
        self.ratio = ratio
        self.interpolation = interpolation
        self.antialias = antialias

    @staticmethod
    def get_params(img, scale, ratio):
        """(top, left, height, width) of a random part; the middle of the image where ten of them do not fit."""
        _, rows, columns = image_dimensions(img)
        for height, width in random_part(rows, columns, scale, ratio):
            if 0 < width <= columns and 0 < height <= rows:
                return np.random.randint(rows - height + 1), np.random.randint(columns - width + 1), height, width
        height, width = rows, columns
        if columns / rows < min(ratio):
            height = round(columns / min(ratio))
        elif columns / rows > max(ratio):
            width = round(rows * max(ratio))
        return (rows - height) // 2, (columns - width) // 2, height, width

    def __call__(self, img):
        part = self.get_params(img, self.scale, self.ratio)
        return resized_crop(img, *part, self.size, self.interpolation, self.antialias)


class RandomRotation(Transform):
    """A PIL image turned by a random angle in degrees."""

    def __init__(self, degrees, interpolation="nearest", expand=False, center=None, fill=0):
        self.degrees = (-degrees, degrees) if isinstance(degrees, (int, float)) else tuple(degrees)
        self.interpolation = interpolation
        self.expand = expand
        self.center = center
        self.fill = fill

    @staticmethod
    def get_params(degrees):
        """A random angle."""
        return np.random.uniform(*degrees)

    def __call__(self, img):
        angle = self.get_params(self.degrees)
        return rotate_image(img, angle, self.interpolation, self.expand, self.center, self.fill)


class ColorJitter(Transform):
    """Brightness, contrast, saturation and hue changed by random amounts, in a random order."""

    def __init__(self, brightness=0, contrast=0, saturation=0, hue=0):
        self.brightness = self.limits(brightness, 1)
        self.contrast = self.limits(contrast, 1)
        self.saturation = self.limits(saturation, 1)
        self.hue = self.limits(hue, 0)

    @staticmethod
    def limits(value, center):
        """(lowest, highest) factor; None where nothing changes."""
        if isinstance(value, (int, float)):
            lowest = center - value
            value = (max(lowest, 0.0) if center else lowest, center + value)
        low, high = float(value[0]), float(value[1])
        bounds = (0.0, math.inf) if center else (-0.5, 0.5)
        if not bounds[0] <= low <= high <= bounds[1]:
            raise ValueError(f"factors lie in {bounds}, not in {(low, high)}")
        return None if low == high == center else (low, high)

    @staticmethod
    def get_params(brightness, contrast, saturation, hue):
        """A random order of the four changes, and a factor for each."""
        limits = (brightness, contrast, saturation, hue)
        return np.random.permutation(4), *(None if one is None else np.random.uniform(*one) for one in limits)

    def __call__(self, img):
        order, *factors = self.get_params(self.brightness, self.contrast, self.saturation, self.hue)
        changes = (adjust_brightness, adjust_contrast, adjust_saturation, adjust_hue)
        for i in order:
            if factors[i] is not None:
                img = changes[i](img, factors[i])
        return img


class RandomErasing(Transform):
    """A random rectangle of an image tensor set to a value, or to noise ("random"), with a probability."""

    def __init__(self, p=0.5, scale=(0.02, 0.33), ratio=(0.3, 3.3), value=0, inplace=False):
        self.p = p
        self.scale = scale
        self.ratio = ratio
        self.value = value

    @staticmethod
    def get_params(img, scale, ratio, value=None):
        """(top, left, height, width, value) of a random rectangle; the whole image as it is where none fits."""
        channels, rows, columns = image_dimensions(img)
        # Here the ratio is height to width.
        for width, height in random_part(rows, columns, scale, ratio):
            if height < rows and width < columns:
                noise = np.random.standard_normal((channels, height, width)).astype(np.float32)
                fill = noise if value is None else np.reshape(np.asarray(value, np.float32), (-1, 1, 1))
                place = np.random.randint(rows - height + 1), np.random.randint(columns - width + 1)
                return *place, height, width, fill
        return 0, 0, rows, columns, img

    def __call__(self, img):
        if np.random.random() >= self.p:
            return img
        value = None if self.value == "random" else np.atleast_1d(np.asarray(self.value, np.float32))
        if value is not None and len(value) not in (1, img.shape[-3]):
            raise ValueError(f"{len(value)} values for {img.shape[-3]} channels")
        return erase(img, *self.get_params(img, self.scale, self.ratio, value))
