"""Normalisations that PyTorch has only with both a scale and a shift, or with neither."""

from torch import nn


def drop_half(norm, scale, center):
    """Take the scale or the shift away from a normalisation."""
    if not scale:
        norm.register_parameter("weight", None)
    if not center:
        norm.register_parameter("bias", None)


class PartialBatchNorm1d(nn.BatchNorm1d):
    """Batch normalisation with a scale or a shift only."""

    def __init__(self, num_features, eps=1e-5, momentum=0.1, scale=True, center=True):
        super().__init__(num_features, eps, momentum)
        drop_half(self, scale, center)


class PartialBatchNorm2d(nn.BatchNorm2d):
    """Batch normalisation with a scale or a shift only."""

    def __init__(self, num_features, eps=1e-5, momentum=0.1, scale=True, center=True):
        super().__init__(num_features, eps, momentum)
        drop_half(self, scale, center)


class BatchNorm(nn.BatchNorm1d):
    """Batch normalisation of the channels, axis 1, of an input of any rank."""

    def _check_input_dim(self, input):
        pass


class LazyBatchNorm(nn.LazyBatchNorm1d):
    """Batch normalisation of axis 1 of any input; the first call tells how many channels there are."""

    cls_to_become = BatchNorm

    def _check_input_dim(self, input):
        pass
