"""Models that say how they are trained, and what trains them: the order of steps is that of PyTorch Lightning."""

import inspect
import itertools
import types

import tensorflow as tf
from tensorflow import keras

from .lightning_parts import Logged, Running, batch_size
from .optim_gradients import (
    accumulate_gradients,
    apply_accumulated,
    clear_gradients,
    clip_gradients_by_norm,
    clip_gradients_by_value,
    unfrozen_variables,
)


class LightningModule(keras.Model):
    """A model with its own `training_step`, `validation_step` and `configure_optimizers`.

    `train_step` and `evaluation_step` take what these give; a `Trainer` calls them for each batch.
    """

    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        vars(self).update(trainer=None, hparams=types.SimpleNamespace(), running=Running())

    current_epoch = property(lambda self: self.trainer.current_epoch if self.trainer else 0)
    global_step = property(lambda self: self.trainer.global_step if self.trainer else 0)

    def log(
        self, name, value, prog_bar=False, logger=True, on_step=None, on_epoch=None, reduce_fx="mean", sync_dist=False,
        batch_size=None, rank_zero_only=False,
    ):  # fmt: skip
        """Note a metric, by default for each step of training, and as a mean over the samples elsewhere."""
        if self.trainer is not None:
            self.trainer.log(name, value, on_step, on_epoch, reduce_fx, batch_size)

    def log_dict(self, dictionary, **kwargs):
        """Note several metrics."""
        for name, value in dictionary.items():
            self.log(name, value, **kwargs)

    def print(self, *args, **kwargs):
        print(*args, **kwargs)

    def save_hyperparameters(self, *names, ignore=(), logger=True):
        """Keep the arguments of the constructor that calls this in ``hparams``."""
        here = inspect.currentframe().f_back.f_locals
        ignored = {"self", "__class__", *([ignore] if isinstance(ignore, str) else ignore)}
        taken = inspect.signature(type(self).__init__).parameters
        given = {n: here[n] for n in taken if n in here and taken[n].kind is not inspect.Parameter.VAR_KEYWORD}
        for parameter in taken.values():
            if parameter.kind is inspect.Parameter.VAR_KEYWORD:
                given |= here.get(parameter.name, {})
        vars(self.hparams).update({n: v for n, v in given.items() if n not in ignored and (not names or n in names)})

    def run(self, method, batch, index, training):
        """What a step gives for a batch, with the layers in training mode or not."""
        taken = inspect.signature(method).parameters
        named = {"training": training} if "training" in taken else {}
        several = len([n for n in taken if n != "training"]) > 1
        return self.running.run(lambda: method(batch, *([index] if several else []), **named), training)

    def train_step(self, batch, index=0, share=1):
        """Add the gradients of a batch, divided by ``share``, to those that wait; gives what `training_step` gives."""
        with tf.GradientTape() as tape:
            out = self.run(self.training_step, batch, index, True)
            loss = out["loss"] if isinstance(out, dict) else out
            loss = loss if loss is None or share == 1 else loss / share
        if loss is not None:
            accumulate_gradients(self.trainer.optimizer, tape.gradient(loss, unfrozen_variables(self)))
        return out

    def evaluation_step(self, batch, index=0, method=None):
        """What `validation_step`, or another such method, gives for a batch."""
        return self.run(method or self.validation_step, batch, index, False)

    def predict_step(self, batch, batch_idx):
        """What the model itself gives."""
        return self(batch)


class Trainer:
    """Trains a `LightningModule`, in one process."""

    def __init__(
        self, *, max_epochs=None, min_epochs=None, max_steps=-1, callbacks=None, limit_train_batches=None,
        limit_val_batches=None, limit_test_batches=None, limit_predict_batches=None, num_sanity_val_steps=None,
        check_val_every_n_epoch=1, accumulate_grad_batches=1, gradient_clip_val=None, gradient_clip_algorithm=None,
        fast_dev_run=False,
    ):  # fmt: skip
        if fast_dev_run:
            one = int(fast_dev_run)
            limit_train_batches = limit_val_batches = limit_test_batches = limit_predict_batches = one
            max_epochs, max_steps, num_sanity_val_steps, callbacks = 1, one, 0, None
        unset = max_epochs is None and max_steps == -1
        self.max_epochs = 1000 if unset else -1 if max_epochs is None else max_epochs
        self.min_epochs = min_epochs or 0
        self.max_steps = max_steps
        self.callbacks = list(callbacks) if isinstance(callbacks, (list, tuple)) else [callbacks] if callbacks else []
        self.limits = {
            "train": limit_train_batches, "val": limit_val_batches, "test": limit_test_batches,
            "predict": limit_predict_batches,
        }  # fmt: skip
        self.num_sanity_val_steps = 2 if num_sanity_val_steps is None else num_sanity_val_steps
        self.check_val_every_n_epoch = check_val_every_n_epoch
        self.accumulate_grad_batches = accumulate_grad_batches
        self.gradient_clip_val = gradient_clip_val
        self.gradient_clip_algorithm = gradient_clip_algorithm or "norm"
        self.current_epoch = self.global_step = 0
        self.should_stop = self.sanity_checking = self.fitting = False
        self.is_global_zero, self.global_rank, self.world_size = True, 0, 1
        self.metrics, self.log_metrics = {}, {}
        self.results, self.size, self.in_batch = None, 1, False
        self.model = self.optimizer = None
        self.schedulers = []

    @property
    def callback_metrics(self):
        """The metrics that are known now, as tensors."""
        return {name: tf.constant(value, keras.config.floatx()) for name, value in self.metrics.items()}

    @property
    def logged_metrics(self):
        """The metrics that were logged last, as tensors."""
        return {name: tf.constant(value, keras.config.floatx()) for name, value in self.log_metrics.items()}

    optimizers = property(lambda self: [self.optimizer])

    # -- what is called from outside -----------------------------------------------------------------------

    def fit(self, model, train_dataloaders=None, val_dataloaders=None, datamodule=None):
        """Train for all epochs, with a validation after each."""
        train = self.start(model, "fit", train_dataloaders, datamodule, "train_dataloader")
        val = None
        if hasattr(model, "validation_step"):
            val = self.loader(model, datamodule, val_dataloaders, "val_dataloader")
        self.configure(model.configure_optimizers())
        self.fitting = True
        self.call("on_fit_start")
        if val is not None and self.num_sanity_val_steps:
            self.sanity_checking = True
            self.evaluate(val, "validation", self.num_sanity_val_steps)
            self.sanity_checking, self.metrics, self.log_metrics = False, {}, {}
        self.call("on_train_start")
        while not self.done():
            self.epoch(train, val)
            self.current_epoch += 1
        self.call("on_train_end")
        self.call("on_fit_end")
        self.fitting = False
        self.finish("fit", datamodule)

    def validate(self, model=None, dataloaders=None, verbose=True, datamodule=None):
        """The metrics of a validation, in a list of one dict."""
        return self.outside(model, "validation", "validate", dataloaders, "val_dataloader", verbose, datamodule)

    def test(self, model=None, dataloaders=None, verbose=True, datamodule=None):
        """The metrics of a test, in a list of one dict."""
        return self.outside(model, "test", "test", dataloaders, "test_dataloader", verbose, datamodule)

    def predict(self, model=None, dataloaders=None, datamodule=None):
        """What `predict_step`, or else the model, gives for each batch."""
        model = model or self.model
        loader = self.start(model, "predict", dataloaders, datamodule, "predict_dataloader")
        self.call("on_predict_start")
        batches = enumerate(self.limited(loader, "predict"))
        out = [model.evaluation_step(batch, index, model.predict_step) for index, (batch, _) in batches]
        self.call("on_predict_end")
        self.finish("predict", datamodule)
        return out

    # -- data ------------------------------------------------------------------------------------------------

    def start(self, model, stage, given, datamodule, name):
        """Take a model and the batches for a stage."""
        if hasattr(given, name):  # a data module in the place of a loader
            given, datamodule = None, given
        self.model = model
        vars(model)["trainer"] = self
        for owner in (datamodule, model):
            for method, arguments in (("prepare_data", ()), ("setup", (stage,))):
                if hasattr(owner, method):
                    getattr(owner, method)(*arguments)
        vars(self)["datamodule"] = datamodule
        return self.loader(model, datamodule, given, name)

    def loader(self, model, datamodule, given, name):
        """The batches: what is given, or what the data module or the model makes; ``None`` if nothing does."""
        if given is not None:
            if isinstance(given, (list, tuple, dict)):
                raise TypeError("several loaders at once: call this for each of them")
            return given
        datamodule = datamodule or self.datamodule
        owner = next((o for o in (datamodule, model) if hasattr(o, name)), None)
        return None if owner is None else getattr(owner, name)()

    def limited(self, loader, kind, most=None):
        """The batches of a loader (``most`` at most), each with whether it is the last."""
        limit = self.limits[kind]
        if isinstance(limit, float):
            limit = int(len(loader) * limit)
        limit = min((n for n in (limit, most) if n is not None), default=None)
        waiting = []
        for batch in itertools.islice(loader, limit):
            if waiting:
                yield waiting.pop(), False
            waiting.append(batch)
        if waiting:
            yield waiting.pop(), True

    # -- loops -----------------------------------------------------------------------------------------------

    def done(self):
        """Whether the training is over."""
        if self.current_epoch == self.max_epochs or self.global_step == self.max_steps:
            return True
        return self.should_stop and self.current_epoch >= self.min_epochs

    def epoch(self, train, val):
        """One epoch of training."""
        model, results = self.model, Logged(True)
        self.results = results
        self.call("on_train_epoch_start")
        for index, (batch, last) in enumerate(self.limited(train, "train")):
            self.size, self.in_batch = batch_size(batch), True
            self.call("on_train_batch_start", batch, index)
            out = model.train_step(batch, index, self.accumulate_grad_batches)
            stepped = last or (index + 1) % self.accumulate_grad_batches == 0
            if stepped:
                self.step()
                self.schedule("step", index)
            if last:
                self.schedule("epoch", self.current_epoch)
            self.call("on_train_batch_end", out, batch, index)
            self.in_batch = False
            self.know(results.steps())
            if last and val is not None and (self.current_epoch + 1) % self.check_val_every_n_epoch == 0:
                self.evaluate(val, "validation")
                self.results = results
            if stepped:
                self.schedule("step", index, plateau=True)
            if self.global_step == self.max_steps:
                break
        self.know(results.epochs())
        self.call("on_train_epoch_end", monitors=False)
        self.know(results.epochs())
        for callback in self.callbacks:
            if hasattr(callback, "monitor"):  # which looks at what the model logs at the end of an epoch
                callback.on_train_epoch_end(self, model)
        self.schedule("epoch", self.current_epoch, plateau=True)

    def step(self):
        """Clip the gradients that wait, and take a step with them."""
        optimizer, clip = self.optimizer, self.gradient_clip_val
        if clip and self.gradient_clip_algorithm == "norm":
            optimizer.accumulated, _ = clip_gradients_by_norm(optimizer.accumulated, clip)
        elif clip:
            optimizer.accumulated = clip_gradients_by_value(optimizer.accumulated, clip)
        apply_accumulated(optimizer, unfrozen_variables(self.model))
        clear_gradients(optimizer)
        self.global_step += 1

    def evaluate(self, loader, kind, most=None):
        """A validation or test: its metrics."""
        model, results = self.model, Logged(False)
        self.results = results
        method = getattr(model, f"{kind}_step")
        self.call(f"on_{kind}_start")
        self.call(f"on_{kind}_epoch_start")
        for index, (batch, _) in enumerate(self.limited(loader, "val" if kind == "validation" else "test", most)):
            self.size, self.in_batch = batch_size(batch), True
            self.call(f"on_{kind}_batch_start", batch, index)
            out = model.evaluation_step(batch, index, method)
            self.call(f"on_{kind}_batch_end", out, batch, index)
            self.in_batch = False
        self.know(results.epochs())
        self.call(f"on_{kind}_epoch_end")
        self.know(results.epochs())
        self.call(f"on_{kind}_end")
        return results.epochs()[0]

    def outside(self, model, kind, stage, given, name, verbose, datamodule):
        """A validation or test that is asked for by itself."""
        loader = self.start(model or self.model, stage, given, datamodule, name)
        found = self.evaluate(loader, kind)
        self.finish(stage, datamodule)
        if verbose:
            for metric, value in found.items():
                print(f"{metric}: {value}")
        return [found]

    def finish(self, stage, datamodule):
        for owner in (datamodule, self.model):
            if hasattr(owner, "teardown"):
                owner.teardown(stage)

    # -- optimizers, metrics, callbacks ----------------------------------------------------------------------

    def configure(self, made):
        """Take the optimizer and the schedulers from any of the forms that `configure_optimizers` may give."""
        schedulers = []
        if isinstance(made, dict):
            schedulers = [made["lr_scheduler"]] if "lr_scheduler" in made else []
            made = made["optimizer"]
        elif isinstance(made, (list, tuple)):
            pair = len(made) == 2 and all(isinstance(m, (list, tuple)) for m in made)
            made, schedulers = made if pair else (made, [])
            if len(made) != 1:
                raise TypeError("several optimizers are not stepped by themselves: write the loop out")
            made = made[0]
        self.optimizer = made
        defaults = {"interval": "epoch", "frequency": 1, "monitor": None}
        self.schedulers = [defaults | (s if isinstance(s, dict) else {"scheduler": s}) for s in schedulers]

    def schedule(self, interval, index, plateau=False):
        """Step the schedulers of an interval: those that follow a metric, or the others."""
        for entry in self.schedulers:
            follows = hasattr(entry["scheduler"], "num_bad_epochs")
            if follows != plateau or entry["interval"] != interval or (index + 1) % entry["frequency"]:
                continue
            if not follows:
                entry["scheduler"].step()
            elif entry["monitor"] not in self.metrics:
                raise RuntimeError(f"ReduceLROnPlateau: `{entry['monitor']}` is not logged")
            else:
                entry["scheduler"].step(self.metrics[entry["monitor"]])

    def log(self, name, value, on_step, on_epoch, reduce_fx, size):
        """Note a metric of the loop that runs."""
        steps = self.in_batch and self.results.training
        on_step = steps if on_step is None else on_step
        on_epoch = not steps if on_epoch is None else on_epoch
        weight = size or (self.size if self.in_batch else 1)
        self.results.add(name, value, weight, on_step, on_epoch, reduce_fx)

    def know(self, found):
        """Metrics become known to callbacks and schedulers."""
        log, seen = found
        self.log_metrics |= log
        self.metrics |= seen

    def call(self, name, *arguments, monitors=True):
        """A hook: the callbacks' first, then the model's. What monitors metrics waits for the end of an epoch."""
        for callback in self.callbacks:
            if monitors or not hasattr(callback, "monitor"):
                getattr(callback, name)(self, self.model, *arguments)
        if hasattr(self.model, name):
            getattr(self.model, name)(*arguments)
