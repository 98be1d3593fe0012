"""Modules for places in `nn.Sequential` where PyTorch has only a tensor method."""

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


class Rescaling(nn.Module):
    """``x * scale + offset``."""

    def __init__(self, scale, offset=0.0):
        super().__init__()
        self.scale = scale
        self.offset = offset

    def forward(self, x):
        return x * self.scale + self.offset
