"""Modules for places in `nn.Sequential` where PyTorch has only a tensor method."""

import torch
from torch import nn


class Permute(nn.Module):
    """``x.permute(dims)``."""

    def __init__(self, *dims):
        super().__init__()
        self.dims = dims

    def forward(self, x):
        return x.permute(self.dims)


class Reshape(nn.Module):
    """Every sample in another shape."""

    def __init__(self, shape):
        super().__init__()
        self.shape = tuple(shape)

    def forward(self, x):
        return x.reshape(x.shape[0], *self.shape)


class Mean(nn.Module):
    """The mean over one axis."""

    def __init__(self, dim, keepdim=False):
        super().__init__()
        self.dim = dim
        self.keepdim = keepdim

    def forward(self, x):
        return x.mean(self.dim, self.keepdim)


class Amax(nn.Module):
    """The maximum over one axis; equal maxima share the gradient."""

    def __init__(self, dim, keepdim=False):
        super().__init__()
        self.dim = dim
        self.keepdim = keepdim

    def forward(self, x):
        return x.amax(self.dim, self.keepdim)


class RepeatVector(nn.Module):
    """``n`` copies of each vector along a new second axis."""

    def __init__(self, n):
        super().__init__()
        self.n = n

    def forward(self, x):
        return x.unsqueeze(1).expand(-1, self.n, -1)


class Lambda(nn.Module):
    """A function of tensors as a module."""

    def __init__(self, function):
        super().__init__()
        self.function = function

    def forward(self, x):
        return self.function(x)


class Rescaling(nn.Module):
    """``x * scale + offset``; lists of them hold one number for each channel (axis ``dim``)."""

    def __init__(self, scale, offset=0.0, dim=-1):
        super().__init__()
        self.scale = scale
        self.offset = offset
        self.dim = dim

    def along(self, x, value):
        """The number, or the numbers along their axis."""
        if isinstance(value, (int, float)):
            return value
        shape = [1] * x.ndim
        shape[self.dim] = -1
        return x.new_tensor(value).reshape(shape)

    def forward(self, x):
        return x * self.along(x, self.scale) + self.along(x, self.offset)


class Normalization(nn.Module):
    """Inputs with mean 0 and variance 1 in each channel (axis 1), by statistics that are given or adapted."""

    def __init__(self, num_features, mean=None, variance=None, invert=False):
        super().__init__()
        self.invert = invert
        self.register_buffer("mean", self.statistic(mean, num_features, 0.0), persistent=mean is None)
        self.register_buffer("variance", self.statistic(variance, num_features, 1.0), persistent=variance is None)

    @staticmethod
    def statistic(value, num_features, default):
        """One number for each channel."""
        made = torch.full((num_features,), default)
        return made if value is None else torch.as_tensor(value, dtype=made.dtype).expand(num_features).clone()

    def adapt(self, data):
        """Take the statistics from data of the shape (samples, channels, ...)."""
        axes = [0, *range(2, data.ndim)]
        self.mean.copy_(data.mean(axes))
        self.variance.copy_(data.var(axes, unbiased=False))

    def forward(self, x):
        shape = [1, -1] + [1] * (x.ndim - 2)
        mean, scale = self.mean.reshape(shape), self.variance.reshape(shape).sqrt().clamp_min(1e-7)
        return mean + x * scale if self.invert else (x - mean) / scale


class SharedDropout(nn.Module):
    """Dropout that decides once along each axis whose entry in ``shape`` is 1; ``None`` stands for the input's size."""

    def __init__(self, p, shape):
        super().__init__()
        self.p = p
        self.shape = shape

    def forward(self, x):
        if not self.training or self.p == 0:
            return x
        shape = [size if size is not None else n for size, n in zip(self.shape, x.shape)]
        return x * x.new_empty(shape).bernoulli_(1 - self.p) / (1 - self.p)
