"""Layers that pad as TensorFlow's ``padding="same"`` does: as many windows as ``ceil(size / stride)``.

Where the padding is odd the extra element goes behind, so with strides it depends on the size of the input.
"""

import torch
import torch.nn.functional as F
from torch import nn


def same_padding(x, kernel_size, stride, dilation, value=0.0):
    """Pad the trailing axes of ``x`` so that windows start at every ``stride``-th element."""
    pads = []
    for size, k, s, d in zip(x.shape[2:], kernel_size, stride, dilation):
        total = max((-(-size // s) - 1) * s + (k - 1) * d + 1 - size, 0)
        pads = [total // 2, total - total // 2, *pads]
    return F.pad(x, pads, value=value) if any(pads) else x


def as_tuple(value, n):
    """One number for each of ``n`` axes."""
    return tuple(value) if isinstance(value, (tuple, list)) else (value,) * n


class PaddedConv1d(nn.Conv1d):
    """A convolution whose padding, "same", "valid" or "causal" as in TensorFlow, is chosen when it is made."""

    def __init__(self, *args, padding="valid", **kwargs):
        super().__init__(*args, **kwargs)
        if padding.lower() not in ("same", "valid", "causal"):
            raise ValueError(f"padding must be 'same', 'valid' or 'causal', not {padding!r}")
        self.kind = padding.lower()

    def forward(self, x):
        if self.kind == "same":
            x = same_padding(x, self.kernel_size, self.stride, self.dilation)
        elif self.kind == "causal":
            x = F.pad(x, ((self.kernel_size[0] - 1) * self.dilation[0], 0))
        return super().forward(x)


class SameConv1d(nn.Conv1d):
    """A convolution with TensorFlow's same padding."""

    def forward(self, x):
        return super().forward(same_padding(x, self.kernel_size, self.stride, self.dilation))


class LazySameConv1d(nn.LazyConv1d):
    """A convolution with TensorFlow's same padding that finds its input's channels at the first call."""

    cls_to_become = SameConv1d
    forward = SameConv1d.forward  # by then it is one


class PaddedConv2d(nn.Conv2d):
    """A convolution whose padding, "same" or "valid" as in TensorFlow, is chosen when it is made."""

    def __init__(self, *args, padding="valid", **kwargs):
        super().__init__(*args, **kwargs)
        if padding.lower() not in ("same", "valid"):
            raise ValueError(f"padding must be 'same' or 'valid', not {padding!r}")
        self.same = padding.lower() == "same"

    def forward(self, x):
        if self.same:
            x = same_padding(x, self.kernel_size, self.stride, self.dilation)
        return super().forward(x)


class SameConv2d(nn.Conv2d):
    """A convolution with TensorFlow's same padding."""

    def forward(self, x):
        return super().forward(same_padding(x, self.kernel_size, self.stride, self.dilation))


class LazySameConv2d(nn.LazyConv2d):
    """A convolution with TensorFlow's same padding that finds its input's channels at the first call."""

    cls_to_become = SameConv2d
    forward = SameConv2d.forward  # by then it is one


class SameConv3d(nn.Conv3d):
    """A convolution with TensorFlow's same padding."""

    def forward(self, x):
        return super().forward(same_padding(x, self.kernel_size, self.stride, self.dilation))


class LazySameConv3d(nn.LazyConv3d):
    """A convolution with TensorFlow's same padding that finds its input's channels at the first call."""

    cls_to_become = SameConv3d
    forward = SameConv3d.forward  # by then it is one


class SameMaxPool1d(nn.Module):
    """Max pooling with TensorFlow's same padding, which never wins."""

    def __init__(self, kernel_size, stride=None):
        super().__init__()
        self.kernel_size = as_tuple(kernel_size, 1)
        self.stride = as_tuple(stride or kernel_size, 1)

    def forward(self, x):
        x = same_padding(x, self.kernel_size, self.stride, (1,), -float("inf"))
        return F.max_pool1d(x, self.kernel_size, self.stride)


class SameMaxPool2d(nn.Module):
    """Max pooling with TensorFlow's same padding, which never wins."""

    def __init__(self, kernel_size, stride=None):
        super().__init__()
        self.kernel_size = as_tuple(kernel_size, 2)
        self.stride = as_tuple(stride or kernel_size, 2)

    def forward(self, x):
        x = same_padding(x, self.kernel_size, self.stride, (1, 1), -float("inf"))
        return F.max_pool2d(x, self.kernel_size, self.stride)


class SameMaxPool3d(nn.Module):
    """Max pooling with TensorFlow's same padding, which never wins."""

    def __init__(self, kernel_size, stride=None):
        super().__init__()
        self.kernel_size = as_tuple(kernel_size, 3)
        self.stride = as_tuple(stride or kernel_size, 3)

    def forward(self, x):
        x = same_padding(x, self.kernel_size, self.stride, (1, 1, 1), -float("inf"))
        return F.max_pool3d(x, self.kernel_size, self.stride)


class SameAvgPool1d(nn.Module):
    """Average pooling with TensorFlow's same padding, which is not counted."""

    def __init__(self, kernel_size, stride=None):
        super().__init__()
        self.kernel_size = as_tuple(kernel_size, 1)
        self.stride = as_tuple(stride or kernel_size, 1)

    def forward(self, x):
        total = F.avg_pool1d(same_padding(x, self.kernel_size, self.stride, (1,)), self.kernel_size, self.stride)
        ones = same_padding(torch.ones_like(x[:1, :1]), self.kernel_size, self.stride, (1,))
        return total / F.avg_pool1d(ones, self.kernel_size, self.stride)


class SameAvgPool2d(nn.Module):
    """Average pooling with TensorFlow's same padding, which is not counted."""

    def __init__(self, kernel_size, stride=None):
        super().__init__()
        self.kernel_size = as_tuple(kernel_size, 2)
        self.stride = as_tuple(stride or kernel_size, 2)

    def forward(self, x):
        total = F.avg_pool2d(same_padding(x, self.kernel_size, self.stride, (1, 1)), self.kernel_size, self.stride)
        ones = same_padding(torch.ones_like(x[:1, :1]), self.kernel_size, self.stride, (1, 1))
        return total / F.avg_pool2d(ones, self.kernel_size, self.stride)


class SameAvgPool3d(nn.Module):
    """Average pooling with TensorFlow's same padding, which is not counted."""

    def __init__(self, kernel_size, stride=None):
        super().__init__()
        self.kernel_size = as_tuple(kernel_size, 3)
        self.stride = as_tuple(stride or kernel_size, 3)

    def forward(self, x):
        total = F.avg_pool3d(same_padding(x, self.kernel_size, self.stride, (1, 1, 1)), self.kernel_size, self.stride)
        ones = same_padding(torch.ones_like(x[:1, :1]), self.kernel_size, self.stride, (1, 1, 1))
        return total / F.avg_pool3d(ones, self.kernel_size, self.stride)


def same_crop(x, kernel_size, stride):
    """Cut a transposed convolution's output to ``size * stride``; the odd element goes behind."""
    for axis, (k, s) in enumerate(zip(kernel_size, stride), start=2):
        total = max(k - s, 0)
        x = x.narrow(axis, total // 2, x.shape[axis] - total)
    return x


class SameConvTranspose1d(nn.ConvTranspose1d):
    """A transposed convolution with TensorFlow's same padding."""

    def forward(self, x):
        return same_crop(super().forward(x), self.kernel_size, self.stride)


class SameConvTranspose2d(nn.ConvTranspose2d):
    """A transposed convolution with TensorFlow's same padding."""

    def forward(self, x):
        return same_crop(super().forward(x), self.kernel_size, self.stride)


class SameConvTranspose3d(nn.ConvTranspose3d):
    """A transposed convolution with TensorFlow's same padding."""

    def forward(self, x):
        return same_crop(super().forward(x), self.kernel_size, self.stride)
