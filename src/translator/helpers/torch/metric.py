"""Keras's metrics: means over all samples since the last reset."""

import torch

from .loss import as_target, mean_squared_error


def accuracy(y_true, y_pred):
    """The share of right answers: of classes where there are several, else of those above one half."""
    y_true = torch.as_tensor(y_true, device=y_pred.device)
    if y_pred.shape[-1] == 1:
        return binary_accuracy(y_true, y_pred)
    if y_true.ndim < y_pred.ndim or y_true.shape[-1] == 1:
        return sparse_categorical_accuracy(y_true, y_pred)
    return categorical_accuracy(y_true, y_pred)


def binary_accuracy(y_true, y_pred, threshold=0.5):
    y_true = as_target(y_true, y_pred)
    return (y_true == (y_pred > threshold)).to(y_pred.dtype).mean(-1)


def sparse_categorical_accuracy(y_true, y_pred):
    labels = torch.as_tensor(y_true, device=y_pred.device)
    if labels.ndim == y_pred.ndim:
        labels = labels.squeeze(-1)
    return (y_pred.argmax(-1) == labels).to(y_pred.dtype)


def categorical_accuracy(y_true, y_pred):
    return (y_pred.argmax(-1) == torch.as_tensor(y_true, device=y_pred.device).argmax(-1)).to(y_pred.dtype)


def sparse_top_k_categorical_accuracy(y_true, y_pred, k=5):
    labels = torch.as_tensor(y_true, device=y_pred.device).reshape(y_pred.shape[:-1])
    return (y_pred.topk(k, -1).indices == labels.unsqueeze(-1)).any(-1).to(y_pred.dtype)


class Average:
    """The mean of all values that it was given, weighed where weights come with them."""

    def __init__(self, name="mean"):
        self.name = name
        self.reset_state()

    def reset_state(self):
        self.total = 0.0
        self.count = 0.0

    def update_state(self, values, sample_weight=None):
        values = torch.as_tensor(values).detach()
        values = values if values.is_floating_point() else values.to(torch.get_default_dtype())
        if sample_weight is None:
            self.total = self.total + values.sum()
            self.count = self.count + values.numel()
        else:
            weight = torch.as_tensor(sample_weight).to(values.dtype)
            weight = weight.reshape(*weight.shape, *[1] * (values.ndim - weight.ndim)).expand(values.shape)
            self.total = self.total + (values * weight).sum()
            self.count = self.count + weight.sum()

    def result(self):
        return torch.as_tensor(self.total / self.count if self.count else 0.0)

    def __call__(self, *args, **kwargs):
        self.update_state(*args, **kwargs)
        return self.result()


class AverageOf(Average):
    """The mean of a function of targets and predictions."""

    def __init__(self, function, name=None, **options):
        super().__init__(name or function.__name__)
        self.function = function
        self.options = options

    def update_state(self, y_true, y_pred, sample_weight=None):
        with torch.no_grad():
            values = self.function(y_true, torch.as_tensor(y_pred), **self.options)
        super().update_state(values, sample_weight)


class RootMeanSquaredError(AverageOf):
    """The root of the mean of the squared errors."""

    def __init__(self, name="root_mean_squared_error"):
        super().__init__(mean_squared_error, name)

    def result(self):
        return super().result().sqrt()


class Precision(Average):
    """The share of right answers among those above a threshold."""

    def __init__(self, thresholds=None, name="precision"):
        super().__init__(name)
        self.threshold = 0.5 if thresholds is None else thresholds

    def update_state(self, y_true, y_pred, sample_weight=None):
        y_pred = torch.as_tensor(y_pred)
        there = y_pred > self.threshold
        right = (as_target(y_true, y_pred) == 1) & there
        weight = 1 if sample_weight is None else torch.as_tensor(sample_weight).reshape(-1, *[1] * (y_pred.ndim - 1))
        self.total = self.total + (right * weight).sum()
        self.count = self.count + (self.among(right, there, as_target(y_true, y_pred)) * weight).sum()

    def among(self, right, there, y_true):
        return there

    def result(self):
        return torch.as_tensor(self.total / self.count if self.count else 0.0)


class Recall(Precision):
    """The share of those that were found."""

    def __init__(self, thresholds=None, name="recall"):
        super().__init__(thresholds, name)

    def among(self, right, there, y_true):
        return y_true == 1
