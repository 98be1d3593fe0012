"""TensorFlow's functions of images, whose last three axes are height, width and channels."""

import torch
import torch.nn.functional as F


def pad_to_bounding_box(image, offset_height, offset_width, target_height, target_width):
    """An image inside of a larger one of zeros."""
    height, width = image.shape[-3:-1]
    below, right = target_height - offset_height - height, target_width - offset_width - width
    if min(below, right, offset_height, offset_width) < 0:
        raise ValueError("the image does not fit into the target")
    return F.pad(image, (0, 0, offset_width, right, offset_height, below))


def rgb_to_grayscale(images):
    """Brightness as the eye sees it, with one channel."""
    return (images * torch.tensor([0.2989, 0.587, 0.114], dtype=images.dtype, device=images.device)).sum(-1, True)


def per_image_standardization(image):
    """Images of mean 0 and variance 1; one that is nearly constant is divided by 1 / sqrt(its size)."""
    axes = (-3, -2, -1)
    size = image.shape[-3] * image.shape[-2] * image.shape[-1]
    std = image.std(axes, correction=0, keepdim=True)
    return (image - image.mean(axes, keepdim=True)) / std.clamp(min=size**-0.5)


def convert_image_dtype(image, dtype):
    """Integers count from 0 to their largest, floats from 0 to 1."""
    if image.dtype == dtype:
        return image
    if dtype.is_floating_point:
        return image.to(dtype) if image.is_floating_point() else image.to(dtype) * (1.0 / torch.iinfo(image.dtype).max)
    if not image.is_floating_point():
        raise ValueError(f"from {image.dtype} to {dtype}")
    return (image * (torch.iinfo(dtype).max + 0.5)).to(dtype)


def adjust_contrast(images, contrast_factor):
    """How far each channel is from its mean over an image, times a factor."""
    mean = images.mean((-3, -2), keepdim=True)
    return (images - mean) * contrast_factor + mean


def random_flip(image, axis):
    """An image, mirrored one time in two; of several images each by itself."""
    if image.dim() == 3:
        return image.flip(axis) if torch.rand(()) < 0.5 else image
    chosen = torch.rand(len(image), device=image.device) < 0.5
    return torch.where(chosen.reshape(-1, 1, 1, 1), image.flip(axis), image)


def random_crop(value, size):
    """A block of a given size, anywhere."""
    starts = [int(torch.randint(n - int(k) + 1, ())) for n, k in zip(value.shape, size)]
    return value[tuple(slice(i, i + int(k)) for i, k in zip(starts, size))]


def conv2d_transpose(x, weight, output_size, stride, padding):
    """The gradient of a convolution with TensorFlow's padding, to images of a given height and width."""
    full = F.conv_transpose2d(x, weight, stride=stride)
    kernel, pads = weight.shape[2:], []
    for n, k, s, size in zip(x.shape[2:], kernel, stride, output_size):
        total = max((n - 1) * s + k - size, 0) if padding == "same" else 0
        before = total // 2
        pads = [-before, int(size) + before - ((n - 1) * s + k), *pads]
    return F.pad(full, pads)
