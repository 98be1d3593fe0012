"""Keras's callbacks."""

import csv
import math

import torch

from .fit import Callback


def better(name, mode):
    """Whether less of a metric is better: 1 if so, -1 if more is."""
    if mode == "auto":
        mode = "max" if any(part in name for part in ("acc", "auc", "precision", "recall", "f1")) else "min"
    return 1 if mode == "min" else -1


class EarlyStopping(Callback):
    """Ends training when a metric has not become better for some epochs."""

    def __init__(self, monitor="val_loss", min_delta=0, patience=0, verbose=0, mode="auto", baseline=None,
                 restore_best_weights=False, start_from_epoch=0):  # fmt: skip
        self.monitor = monitor
        self.min_delta = abs(min_delta)
        self.patience = patience
        self.verbose = verbose
        self.sign = better(monitor, mode)
        self.baseline = baseline
        self.restore_best_weights = restore_best_weights
        self.start_from_epoch = start_from_epoch

    def on_train_begin(self, logs=None):
        self.best = math.inf
        self.wait = 0
        self.kept = None
        self.stopped_epoch = 0

    def on_epoch_end(self, epoch, logs=None):
        value = (logs or {}).get(self.monitor)
        if value is None or epoch < self.start_from_epoch:
            return
        value *= self.sign
        if self.restore_best_weights and self.kept is None:
            self.keep()
        self.wait += 1
        if value < self.best - self.min_delta:
            self.best = value
            if self.restore_best_weights:
                self.keep()
            if self.baseline is None or value < self.sign * self.baseline - self.min_delta:
                self.wait = 0
            return
        if self.wait >= self.patience and epoch > 0:
            self.stopped_epoch = epoch
            self.model.stop_training = True

    def keep(self):
        self.kept = {k: v.clone() for k, v in self.model.state_dict().items()}

    def on_train_end(self, logs=None):
        if self.restore_best_weights and self.kept is not None:
            self.model.load_state_dict(self.kept)


class ModelCheckpoint(Callback):
    """Saves the weights after each epoch, or only those that are the best so far."""

    def __init__(self, filepath, monitor="val_loss", verbose=0, save_best_only=False, save_weights_only=False,
                 mode="auto"):  # fmt: skip
        self.filepath = str(filepath)
        self.monitor = monitor
        self.verbose = verbose
        self.save_best_only = save_best_only
        self.sign = better(monitor, mode)
        self.best = math.inf

    def on_epoch_end(self, epoch, logs=None):
        logs = logs or {}
        if self.save_best_only:
            value = logs.get(self.monitor)
            if value is None or value * self.sign >= self.best:
                return
            self.best = value * self.sign
        torch.save(self.model.state_dict(), self.filepath.format(epoch=epoch + 1, **logs))


class ReduceLROnPlateau(Callback):
    """Lowers the learning rate when a metric does not become better."""

    def __init__(self, monitor="val_loss", factor=0.1, patience=10, verbose=0, mode="auto", min_delta=1e-4, cooldown=0,
                 min_lr=0.0):  # fmt: skip
        self.monitor = monitor
        self.factor = factor
        self.patience = patience
        self.verbose = verbose
        self.sign = better(monitor, mode)
        self.min_delta = min_delta
        self.cooldown = cooldown
        self.min_lr = min_lr

    def on_train_begin(self, logs=None):
        self.best = math.inf
        self.wait = self.resting = 0

    def on_epoch_end(self, epoch, logs=None):
        value = (logs or {}).get(self.monitor)
        if value is None:
            return
        if self.resting > 0:
            self.resting -= 1
            self.wait = 0
        if value * self.sign < self.best - self.min_delta:
            self.best = value * self.sign
            self.wait = 0
        elif self.resting <= 0:
            self.wait += 1
            optimizer = self.model.optimizer
            if self.wait >= self.patience and optimizer.learning_rate > self.min_lr:
                optimizer.learning_rate = max(optimizer.learning_rate * self.factor, self.min_lr)
                self.resting = self.cooldown
                self.wait = 0


class LearningRateScheduler(Callback):
    """Sets the learning rate of each epoch by a function of the epoch and the rate so far."""

    def __init__(self, schedule, verbose=0):
        self.schedule = schedule
        self.verbose = verbose

    def on_epoch_begin(self, epoch, logs=None):
        optimizer = self.model.optimizer
        try:
            optimizer.learning_rate = self.schedule(epoch, optimizer.learning_rate)
        except TypeError:
            optimizer.learning_rate = self.schedule(epoch)

    def on_epoch_end(self, epoch, logs=None):
        if logs is not None:
            logs["learning_rate"] = float(self.model.optimizer.learning_rate)


class TerminateOnNaN(Callback):
    """Ends training when the loss is no number."""

    def on_train_batch_end(self, batch, logs=None):
        if not math.isfinite((logs or {}).get("loss", 0.0)):
            self.model.stop_training = True


class CSVLogger(Callback):
    """Writes the losses and metrics of each epoch to a file."""

    def __init__(self, filename, separator=",", append=False):
        self.filename = filename
        self.separator = separator
        self.append = append

    def on_train_begin(self, logs=None):
        self.file = open(self.filename, "a" if self.append else "w", newline="")
        self.writer = None

    def on_epoch_end(self, epoch, logs=None):
        if self.writer is None:
            self.writer = csv.DictWriter(self.file, ["epoch", *sorted(logs)], delimiter=self.separator)
            if not self.append:
                self.writer.writeheader()
        self.writer.writerow({"epoch": epoch, **logs})
        self.file.flush()

    def on_train_end(self, logs=None):
        self.file.close()


class LambdaCallback(Callback):
    """Calls the functions that it was given."""

    def __init__(self, on_epoch_begin=None, on_epoch_end=None, on_train_begin=None, on_train_end=None,
                 on_train_batch_begin=None, on_train_batch_end=None):  # fmt: skip
        given = {
            "on_epoch_begin": on_epoch_begin, "on_epoch_end": on_epoch_end, "on_train_begin": on_train_begin,
            "on_train_end": on_train_end, "on_train_batch_begin": on_train_batch_begin,
            "on_train_batch_end": on_train_batch_end,
        }  # fmt: skip
        self.__dict__.update({name: function for name, function in given.items() if function is not None})
