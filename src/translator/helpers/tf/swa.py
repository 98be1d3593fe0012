"""Averages of a model's weights over the steps of its training."""

import tensorflow as tf
from tensorflow import keras

from .container import clone_layer


def ema_average(decay=0.999):
    """A rule for `AveragedModel`: the average forgets exponentially."""
    return lambda average, value, count: average * decay + value * (1 - decay)


def running_mean(average, value, count):
    """The mean of ``count`` values and one more."""
    return average + (value - average) / (count + 1)


class AveragedModel(keras.Model):
    """A copy of a model (``module``) that holds the average of the weights that it is updated with.

    ``avg_fn(average, value, count)`` gives a new average; the plain mean without it. Statistics of normalisations are
    those of the last update, or averaged too with ``use_buffers``. The copy is made at once where the model has
    variables already, else at the first update.
    """

    def __init__(self, model, device=None, avg_fn=None, multi_avg_fn=None, use_buffers=False):
        super().__init__()
        self.module = clone_layer(model) if model.variables else None
        self.n_averaged = 0
        self.avg_fn = avg_fn or multi_avg_fn or running_mean
        self.use_buffers = use_buffers

    def call(self, *args, **kwargs):
        if self.module is None:
            raise RuntimeError("the averaged model had no variables yet: call it once before, or update the average")
        return self.module(*args, **kwargs)

    def update_parameters(self, model):
        """Take the weights of a model into the average."""
        if self.module is None:
            self.module = clone_layer(model)
        averaged = list(self.module.trainable_variables)
        values = list(model.trainable_variables)
        averaged_buffers, buffers = (list(m.non_trainable_variables) for m in (self.module, model))
        if self.use_buffers:
            averaged, values = averaged + averaged_buffers, values + buffers
            averaged_buffers = buffers = []
        for average, value in zip(averaged, values, strict=True):
            floating = tf.as_dtype(average.dtype).is_floating
            first = self.n_averaged == 0 or not floating
            average.assign(value if first else self.avg_fn(average.value, value.value, self.n_averaged))
        for average, value in zip(averaged_buffers, buffers, strict=True):
            average.assign(value)
        self.n_averaged += 1


def update_bn(loader, model, device=None):
    """Set the running statistics of batch normalisations to the means over the batches of a loader."""
    layers = [layer for layer in model._flatten_layers() if isinstance(layer, keras.layers.BatchNormalization)]
    momenta = [layer.momentum for layer in layers]
    for layer in layers:
        layer.moving_mean.assign(tf.zeros_like(layer.moving_mean))
        layer.moving_variance.assign(tf.ones_like(layer.moving_variance))
    for count, batch in enumerate(loader if layers else ()):
        for layer in layers:
            layer.momentum = 1 - 1 / (count + 1)
        model(batch[0] if isinstance(batch, (list, tuple)) else batch, training=True)
    for layer, momentum in zip(layers, momenta, strict=True):
        layer.momentum = momentum
