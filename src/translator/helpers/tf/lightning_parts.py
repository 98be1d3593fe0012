"""What goes with a `LightningModule`: the metrics that it logs, callbacks, data modules."""

import math

import tensorflow as tf
from tensorflow import keras


class Logged:
    """The metrics of a loop over batches: the last value of each, and its mean over the samples."""

    def __init__(self, training):
        self.training = training
        self.last, self.sums, self.modes = {}, {}, {}

    def add(self, name, value, size, on_step, on_epoch, reduce_fx):
        """One value of a metric; ``size`` is the number of samples of its batch."""
        value = float(value)
        self.modes[name] = on_step, on_epoch, reduce_fx
        if on_step:
            self.last[name] = value
        if on_epoch:
            kept = self.sums.get(name)
            if reduce_fx == "mean":
                total, count = kept or (0.0, 0)
                self.sums[name] = total + value * size, count + size
            elif reduce_fx in ("sum", "min", "max"):
                join = {"sum": lambda a, b: a + b, "min": min, "max": max}[reduce_fx]
                self.sums[name] = (value if kept is None else join(kept[0], value)), 1
            else:
                raise ValueError(f"`reduce_fx` is \"mean\", \"sum\", \"min\" or \"max\", not {reduce_fx!r}")

    def steps(self):
        """The metrics of the last step: (by the names of the log, by those of callbacks)."""
        return self.named(self.last, "_step", self.training)

    def epochs(self):
        """The metrics of the whole loop, likewise."""
        return self.named({name: total / count for name, (total, count) in self.sums.items()}, "_epoch", True)

    def named(self, values, ending, plain):
        log, seen = {}, {}
        for name, value in values.items():
            on_step, on_epoch, _ = self.modes[name]
            forked = name + ending if on_step and on_epoch else name
            log[forked] = value
            if plain:
                seen[name] = seen[forked] = value
        return log, seen


class Callback:
    """What happens at the points of a training that its methods are named after."""

    def __getattr__(self, name):
        if name.startswith("on_") or name in ("setup", "teardown"):
            return lambda *args, **kwargs: None
        raise AttributeError(name)


class EarlyStopping(Callback):
    """Ends the training once a metric has not got better for ``patience`` checks."""

    def __init__(
        self, monitor, min_delta=0.0, patience=3, verbose=False, mode="min", strict=True, check_finite=True,
        stopping_threshold=None, divergence_threshold=None, check_on_train_epoch_end=None,
    ):  # fmt: skip
        if mode not in ("min", "max"):
            raise ValueError(f"`mode` is min or max, not {mode}")
        self.monitor, self.patience, self.verbose, self.mode = monitor, patience, verbose, mode
        self.min_delta = min_delta
        self.strict = strict
        self.check_finite = check_finite
        self.stopping_threshold = stopping_threshold
        self.divergence_threshold = divergence_threshold
        self.after_training = check_on_train_epoch_end
        self.sign = 1.0 if mode == "min" else -1.0
        self.best_score = self.sign * math.inf
        self.wait_count = 0
        self.stopped_epoch = 0

    def on_train_epoch_end(self, trainer, model):
        if self.after_epochs(trainer):
            self.check(trainer)

    def on_validation_end(self, trainer, model):
        if not self.after_epochs(trainer) and trainer.fitting and not trainer.sanity_checking:
            self.check(trainer)

    def after_epochs(self, trainer):
        """Whether the metric is looked at after the epochs of training, not after validations."""
        return trainer.check_val_every_n_epoch == 1 if self.after_training is None else self.after_training

    def check(self, trainer):
        if self.monitor not in trainer.metrics:
            if self.strict:
                raise RuntimeError(f"EarlyStopping: `{self.monitor}` is not logged: {', '.join(trainer.metrics)} are")
            return
        value = trainer.metrics[self.monitor]
        if self.ends(value):
            trainer.should_stop = True
            self.stopped_epoch = trainer.current_epoch

    def ends(self, value):
        """Whether the training is over, having seen a metric."""
        reached, diverged = self.stopping_threshold, self.divergence_threshold
        if self.check_finite and not math.isfinite(value):
            return True
        if reached is not None and self.sign * value < self.sign * reached:
            return True
        if diverged is not None and self.sign * value > self.sign * diverged:
            return True
        if self.sign * value + self.min_delta < self.sign * self.best_score:
            self.best_score, self.wait_count = value, 0
            return False
        self.wait_count += 1
        return self.wait_count >= self.patience


class LightningDataModule:
    """Where the batches of a training come from: `train_dataloader` and its like."""

    def prepare_data(self):
        """What is done once, before `setup`."""

    def setup(self, stage=None):
        """Make the datasets for a stage: "fit", "validate", "test" or "predict"."""

    def teardown(self, stage=None):
        """What is done after a stage."""


class Running(keras.layers.Layer):
    """Calls a function; the layers that it calls run in the mode that this layer is called in."""

    def __init__(self):
        super().__init__()
        self.built = True

    def run(self, function, training):
        """The function's value, with its layers in training mode or not."""
        vars(self)["job"] = function
        self(training=training)
        return vars(self).pop("value")

    def call(self, training=None):
        vars(self)["value"] = self.job()


def batch_size(batch):
    """The number of samples of a batch: the first size of its first tensor."""
    first = next((t for t in tf.nest.flatten(batch) if hasattr(t, "shape")), None)
    return int(first.shape[0]) if first is not None and len(first.shape) else 1
