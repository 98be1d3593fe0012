"""Keras's losses: the targets come first, and one value for each sample can be weighed."""

import math

import torch
import torch.nn.functional as F


def as_target(y_true, y_pred):
    """The targets as a tensor of the predictions' type, with as many axes."""
    y_true = torch.as_tensor(y_true, device=y_pred.device).to(y_pred.dtype)
    if y_true.ndim == y_pred.ndim - 1 and (y_true.ndim == 1 or y_pred.shape[-1] == 1):
        return y_true.unsqueeze(-1)
    if y_true.ndim == y_pred.ndim + 1 and y_true.shape[-1] == 1:
        return y_true.squeeze(-1)
    return y_true


def mean_squared_error(y_true, y_pred):
    return (as_target(y_true, y_pred) - y_pred).square().mean(-1)


def mean_absolute_error(y_true, y_pred):
    return (as_target(y_true, y_pred) - y_pred).abs().mean(-1)


def mean_absolute_percentage_error(y_true, y_pred):
    y_true = as_target(y_true, y_pred)
    return 100 * ((y_true - y_pred) / y_true.abs().clamp_min(1e-7)).abs().mean(-1)


def mean_squared_logarithmic_error(y_true, y_pred):
    y_true = as_target(y_true, y_pred)
    return (y_true.clamp_min(1e-7).log1p() - y_pred.clamp_min(1e-7).log1p()).square().mean(-1)


def huber(y_true, y_pred, delta=1.0):
    return F.huber_loss(y_pred, as_target(y_true, y_pred), reduction="none", delta=delta).mean(-1)


def log_cosh(y_true, y_pred):
    error = y_pred - as_target(y_true, y_pred)
    return (torch.logaddexp(error, -error) - math.log(2)).mean(-1)


def hinge(y_true, y_pred):
    y_true = as_target(y_true, y_pred)
    if ((y_true == 0) | (y_true == 1)).all():
        y_true = 2 * y_true - 1
    return (1 - y_true * y_pred).clamp_min(0).mean(-1)


def kl_divergence(y_true, y_pred):
    y_true, y_pred = as_target(y_true, y_pred).clamp(1e-7, 1), y_pred.clamp(1e-7, 1)
    return (y_true * (y_true / y_pred).log()).sum(-1)


def bounds(y_pred):
    """How near to 0 and 1 probabilities count: Keras takes those of a softmax or sigmoid from its logits."""
    source = type(y_pred.grad_fn).__name__
    if source.startswith(("SoftmaxBackward", "SigmoidBackward")):
        info = torch.finfo(y_pred.dtype)
        return info.tiny, 1 - info.eps
    return 1e-7, 1 - 1e-7


def binary_crossentropy(y_true, y_pred, from_logits=False, label_smoothing=0.0):
    y_true = as_target(y_true, y_pred)
    y_true = y_true * (1 - label_smoothing) + 0.5 * label_smoothing
    if from_logits:
        return F.binary_cross_entropy_with_logits(y_pred, y_true, reduction="none").mean(-1)
    p = y_pred.clamp(*bounds(y_pred))
    return -(y_true * p.log() + (1 - y_true) * (1 - p).log()).mean(-1)


def categorical_crossentropy(y_true, y_pred, from_logits=False, label_smoothing=0.0):
    y_true = as_target(y_true, y_pred)
    y_true = y_true * (1 - label_smoothing) + label_smoothing / y_pred.shape[-1]
    if from_logits:
        return -(y_true * y_pred.log_softmax(-1)).sum(-1)
    low, high = bounds(y_pred)
    p = y_pred / y_pred.sum(-1, keepdim=True)
    return -(y_true * p.clamp(low, high).log()).sum(-1)


def sparse_categorical_crossentropy(y_true, y_pred, from_logits=False):
    labels = torch.as_tensor(y_true, device=y_pred.device).long()
    if labels.ndim == y_pred.ndim:
        labels = labels.squeeze(-1)
    logs = y_pred if from_logits else y_pred.clamp(*bounds(y_pred)).log()
    return -logs.log_softmax(-1).gather(-1, labels.unsqueeze(-1)).squeeze(-1)


def cosine_similarity(y_true, y_pred):
    return (F.normalize(as_target(y_true, y_pred), dim=-1) * F.normalize(y_pred, dim=-1)).sum(-1)


def negative_cosine_similarity(y_true, y_pred):
    return -cosine_similarity(y_true, y_pred)


class Loss:
    """A loss function with what is taken of its values: their mean, their sum, or all of them."""

    def __init__(self, function, reduction="sum_over_batch_size", **options):
        self.function = function
        self.reduction = reduction
        self.options = options

    def __call__(self, y_true, y_pred, sample_weight=None):
        values = self.function(y_true, y_pred, **self.options)
        if sample_weight is not None:
            weight = torch.as_tensor(sample_weight, device=values.device).to(values.dtype)
            values = values * weight.reshape(*weight.shape, *[1] * (values.ndim - weight.ndim))
        if self.reduction in ("sum_over_batch_size", "mean"):
            return values.mean()
        return values.sum() if self.reduction == "sum" else values
