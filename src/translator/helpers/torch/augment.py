"""Random changes of images (batch, channels, height, width) while a model trains, as Keras's layers make them."""

import math

import torch
import torch.nn.functional as F
from torch import nn


def warped(x, matrix, fill_mode="reflect", fill_value=0.0, mode="bilinear"):
    """Images whose pixel at (column, row) is taken from where a matrix (batch, 2, 3) sends (column, row, 1)."""
    h, w = x.shape[-2:]
    rows, columns = torch.meshgrid(
        torch.arange(h, dtype=x.dtype, device=x.device), torch.arange(w, dtype=x.dtype, device=x.device), indexing="ij"
    )
    places = torch.stack([columns, rows, torch.ones_like(rows)], -1) @ matrix.to(x).transpose(1, 2)[:, None]
    grid = (2 * places + 1) / torch.tensor([w, h], dtype=x.dtype, device=x.device) - 1
    padding = {"reflect": "reflection", "nearest": "border", "constant": "zeros"}[fill_mode]
    return F.grid_sample(x - fill_value, grid, mode, padding, align_corners=False) + fill_value


def drawn(x, low, high):
    """A random number for each image."""
    return low + (high - low) * torch.rand(len(x), dtype=x.dtype, device=x.device)


def factor_bounds(factor):
    """The lowest and the highest number that a factor stands for."""
    return tuple(sorted(factor)) if isinstance(factor, (list, tuple)) else (-abs(factor), abs(factor))


class RandomFlip(nn.Module):
    """Turns every other image around, from left to right or from top to bottom."""

    def __init__(self, mode="horizontal_and_vertical"):
        super().__init__()
        self.mode = mode

    def forward(self, x):
        if self.training:
            turn = (drawn(x, 0.0, 1.0) <= 0.5)[:, None, None, None]
            for name, axis in (("horizontal", 3), ("vertical", 2)):
                if name in self.mode:
                    x = torch.where(turn, x.flip(axis), x)
        return x


class RandomRotation(nn.Module):
    """Rotates images around their centres by up to ``factor`` of a full turn."""

    def __init__(self, factor, fill_mode="reflect", interpolation="bilinear", fill_value=0.0):
        super().__init__()
        self.factor = factor_bounds(factor)
        self.options = (fill_mode, fill_value, interpolation)

    def forward(self, x):
        if not self.training:
            return x
        angle = drawn(x, *self.factor) * 2 * math.pi
        cx, cy = (x.shape[-1] - 1) / 2, (x.shape[-2] - 1) / 2
        cos, sin = angle.cos(), angle.sin()
        first = torch.stack([cos, -sin, cx - cx * cos + cy * sin], -1)
        second = torch.stack([sin, cos, cy - cx * sin - cy * cos], -1)
        return warped(x, torch.stack([first, second], 1), *self.options)


class RandomZoom(nn.Module):
    """Magnifies images around their centres; positive factors zoom out."""

    def __init__(self, height_factor, width_factor=None, fill_mode="reflect", interpolation="bilinear", fill_value=0.0):
        super().__init__()
        self.height_factor = factor_bounds(height_factor)
        self.width_factor = None if width_factor is None else factor_bounds(width_factor)
        self.options = (fill_mode, fill_value, interpolation)

    def forward(self, x):
        if not self.training:
            return x
        zy = 1 + drawn(x, *self.height_factor)
        zx = zy if self.width_factor is None else 1 + drawn(x, *self.width_factor)
        zero = torch.zeros_like(zx)
        first = torch.stack([zx, zero, (x.shape[-1] - 1) / 2 * (1 - zx)], -1)
        second = torch.stack([zero, zy, (x.shape[-2] - 1) / 2 * (1 - zy)], -1)
        return warped(x, torch.stack([first, second], 1), *self.options)


class RandomTranslation(nn.Module):
    """Shifts images by up to a share of their height and width."""

    def __init__(self, height_factor, width_factor, fill_mode="reflect", interpolation="bilinear", fill_value=0.0):
        super().__init__()
        self.height_factor = factor_bounds(height_factor)
        self.width_factor = factor_bounds(width_factor)
        self.options = (fill_mode, fill_value, interpolation)

    def forward(self, x):
        if not self.training:
            return x
        dy = drawn(x, *self.height_factor) * x.shape[-2]
        dx = drawn(x, *self.width_factor) * x.shape[-1]
        one, zero = torch.ones_like(dx), torch.zeros_like(dx)
        matrix = torch.stack([torch.stack([one, zero, -dx], -1), torch.stack([zero, one, -dy], -1)], 1)
        return warped(x, matrix, *self.options)


class RandomContrast(nn.Module):
    """Stretches the values of each channel around their mean by a random factor."""

    def __init__(self, factor, value_range=(0, 255)):
        super().__init__()
        self.factor = factor_bounds(factor) if isinstance(factor, (list, tuple)) else (0, factor)
        self.value_range = value_range

    def forward(self, x):
        if not self.training:
            return x
        factor = drawn(x, 1 - self.factor[0], 1 + self.factor[1])[:, None, None, None]
        mean = x.mean((2, 3), keepdim=True)
        low, high = self.value_range
        return ((x - mean) * factor + mean).clamp(low, high)


class RandomBrightness(nn.Module):
    """Adds a random share of the range of values."""

    def __init__(self, factor, value_range=(0, 255)):
        super().__init__()
        self.factor = factor_bounds(factor)
        self.value_range = value_range

    def forward(self, x):
        if not self.training:
            return x
        low, high = self.value_range
        return (x + drawn(x, *self.factor)[:, None, None, None] * (high - low)).clamp(low, high)


class CenterCrop(nn.Module):
    """The middle of images that are at least that large."""

    def __init__(self, height, width):
        super().__init__()
        self.height = height
        self.width = width

    def forward(self, x):
        top, left = (x.shape[-2] - self.height) // 2, (x.shape[-1] - self.width) // 2
        if top < 0 or left < 0:
            raise ValueError(f"an image of {x.shape[-2]} x {x.shape[-1]} is too small to be cropped")
        return x[..., top : top + self.height, left : left + self.width]
