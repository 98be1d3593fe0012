"""Training in the way of Keras's `compile`, `fit`, `evaluate` and `predict`, as plain loops."""

import numpy as np
import torch


def trainable_parameters(module):
    """The parameters that are trained."""
    return [p for p in module.parameters() if p.requires_grad]


def untrained_weights(module):
    """The parameters that are not trained, and the statistics."""
    fixed = [p for p in module.parameters() if not p.requires_grad]
    return fixed + [b for b in module.buffers() if b.is_floating_point()]


def all_weights(module):
    """All parameters, and the statistics."""
    return [p for p in module.parameters() if p.requires_grad] + untrained_weights(module)


def clip_by_norm(t, clip_norm):
    """The tensor, scaled down to a length if it is longer."""
    return t * (clip_norm / t.norm().clamp(min=clip_norm))


def gradient(target, sources, output_gradients=None, create_graph=False):
    """Gradients of (the sum of) the targets; `None` for sources that they do not depend on."""
    one = isinstance(sources, torch.Tensor)
    wanted = [sources] if one else list(sources)
    targets = target if isinstance(target, (list, tuple)) else [target]
    total = sum(
        t.sum() if output_gradients is None else (t * output_gradients).sum() for t in targets
    )
    found = torch.autograd.grad(total, wanted, retain_graph=True, create_graph=create_graph, allow_unused=True)
    return found[0] if one else list(found)


def add_loss(module, value):
    """Have the training loop add a value to the loss of this step."""
    module.__dict__.setdefault("added_losses", []).append(value)


def added_losses(model):
    """The losses that the modules of a model added since they were last cleared."""
    return [value for module in model.modules() for value in module.__dict__.get("added_losses", ())]


def clear_losses(model):
    """Forget the losses of the last step."""
    for module in model.modules():
        module.__dict__.pop("added_losses", None)


def tensors(value):
    """Arrays as tensors, in lists, tuples and dictionaries, too; floats and bytes in the default type."""
    if isinstance(value, dict):
        return {k: tensors(v) for k, v in value.items()}
    if isinstance(value, (list, tuple)) and not all(isinstance(v, (int, float)) for v in value):
        return type(value)(tensors(v) for v in value)
    value = torch.as_tensor(value)
    small = value.is_floating_point() or value.dtype == torch.uint8
    return value.to(torch.get_default_dtype()) if small else value


def rearranged(value, dims):
    """Tensors with their axes in the order in which a model takes or gives them."""
    if dims is None or value is None:
        return value
    if isinstance(value, (list, tuple)):
        several = dims if isinstance(dims, list) else [dims] * len(value)
        return type(value)(rearranged(v, d) for v, d in zip(value, several))
    dims = dims[0] if isinstance(dims, list) else dims
    return value if dims is None else value.permute(dims)


def called(model, x):
    """A model's predictions in the axis order of the data: channels last."""
    setup = model.setup
    clear_losses(model)
    x = rearranged(x, setup["input_dims"])
    several = isinstance(x, (list, tuple)) and model.forward.__code__.co_argcount > 2
    out = model(**x) if isinstance(x, dict) else model(*x) if several else model(x)
    return rearranged(out, setup["output_dims"])


def compile_model(model, optimizer=None, loss=None, metrics=(), loss_weights=None, weighted_metrics=(), input_dims=None,
                  output_dims=None):  # fmt: skip
    """Choose how a model is trained. ``input_dims`` and ``output_dims`` move axes between data and model."""
    model.optimizer = optimizer
    model.setup = {
        "loss": loss, "metrics": [*metrics, *weighted_metrics], "weighted": list(weighted_metrics),
        "loss_weights": loss_weights, "input_dims": input_dims, "output_dims": output_dims,
    }  # fmt: skip


def compute_loss(model, x=None, y=None, y_pred=None, sample_weight=None):
    """The loss that was chosen, with what the modules added."""
    loss, weights = model.setup["loss"], model.setup["loss_weights"]
    parts = added_losses(model)
    if isinstance(loss, (list, tuple)) or (loss is not None and isinstance(y_pred, (list, tuple))):
        losses = loss if isinstance(loss, (list, tuple)) else [loss] * len(y_pred)
        several = [f(a, b, sample_weight) for f, a, b in zip(losses, y, y_pred) if f is not None]
        parts = [v * w for v, w in zip(several, weights or [1] * len(several))] + parts
    elif loss is not None:
        parts = [loss(y, y_pred, sample_weight), *parts]
    return sum(parts)


def compiled_metrics(model):
    """The metrics of a model: its own, or those that were chosen."""
    own = getattr(model, "metrics", None)
    return list(own) if own is not None else model.setup["metrics"]


def update_metrics(model, y, y_pred, sample_weight=None):
    """Take a batch into the metrics that were chosen."""
    for metric in model.setup["metrics"]:
        weight = sample_weight if metric in model.setup["weighted"] else None
        outputs = list(zip(y, y_pred)) if isinstance(y_pred, (list, tuple)) else [(y, y_pred)]
        for a, b in outputs:
            metric.update_state(a, b, weight)


def unpacked(batch):
    """Inputs, targets and weights of a batch; what is missing is `None`."""
    if not isinstance(batch, (list, tuple)):
        batch = (batch,)
    return (*batch, *[None] * (3 - len(batch)))


def length(value):
    """The number of samples."""
    while isinstance(value, (list, tuple, dict)):
        value = next(iter(value.values())) if isinstance(value, dict) else value[0]
    return len(value)


def rows(value, index):
    """Some samples."""
    if value is None:
        return None
    if isinstance(value, dict):
        return {k: v[index] for k, v in value.items()}
    return [v[index] for v in value] if isinstance(value, (list, tuple)) else value[index]


def is_loader(x):
    """Whether something gives batches by itself."""
    return not isinstance(x, (np.ndarray, torch.Tensor, list, tuple, dict)) and hasattr(x, "__iter__")


def batches(x, y=None, sample_weight=None, batch_size=None, shuffle=False, steps=None):
    """Batches of arrays, or those of a loader, as tensors."""
    if is_loader(x):
        for number, batch in enumerate(x):
            if steps is not None and number >= steps:
                return
            yield tuple(tensors(v) for v in batch) if isinstance(batch, (list, tuple)) else (tensors(batch),)
        return
    n, size = length(x), batch_size or 32
    order = np.random.permutation(n) if shuffle else np.arange(n)
    for start in range(0, n, size):
        if steps is not None and start >= steps * size:
            return
        index = order[start : start + size]
        parts = [rows(v, index) for v in (x, y, sample_weight)]
        yield tuple(tensors(v) for v in parts if v is not None)


def class_weights(y, weights):
    """The weight of each sample by its class."""
    y = np.asarray(y)
    labels = y.argmax(-1) if y.ndim > 1 and y.shape[-1] > 1 else y.reshape(-1)
    return np.array([weights[int(k)] for k in labels], np.float64)


def split_off(arrays, share):
    """The last share of the samples, which is kept for validation."""
    n = length(arrays[0])
    at = int(n * (1 - share))
    return [rows(v, slice(0, at)) for v in arrays], [rows(v, slice(at, n)) for v in arrays]


def train_on_batch(model, batch):
    """One step; the loss of the batch."""
    x, y, weight = unpacked(batch)
    y_pred = called(model, x)
    loss = compute_loss(model, x, y, y_pred, weight)
    params = trainable_parameters(model)
    grads = torch.autograd.grad(loss, params, allow_unused=True)
    model.optimizer.apply_gradients(zip(grads, params))
    update_metrics(model, y, y_pred, weight)
    return loss.detach()


def run_epoch(model, data, train, callbacks=(), show=None):
    """All batches once; the mean loss and the metrics by name."""
    step = getattr(model, "train_step" if train else "test_step", None)
    model.train(train)
    for metric in compiled_metrics(model):
        metric.reset_state()
    logs, total, count = {}, 0.0, 0
    for number, batch in enumerate(data):
        if train:
            for callback in callbacks:
                callback.on_train_batch_begin(number)
        if step is not None:
            clear_losses(model)
            logs = {k: float(v) for k, v in step(batch if len(batch) > 1 else batch[0]).items()}
        elif train:
            n = length(batch[0])
            total, count = total + float(train_on_batch(model, batch)) * n, count + n
        else:
            with torch.no_grad():
                x, y, weight = unpacked(batch)
                y_pred = called(model, x)
                n = length(x)
                total, count = total + float(compute_loss(model, x, y, y_pred, weight)) * n, count + n
                update_metrics(model, y, y_pred, weight)
        if step is None:
            logs = {"loss": total / count, **{m.name: float(m.result()) for m in model.setup["metrics"]}}
        if train:
            for callback in callbacks:
                callback.on_train_batch_end(number, logs)
            if show is not None:
                show(number + 1, logs)
    return logs


def progress(total):
    """A function that prints how far an epoch is."""

    def show(done, logs):
        bar = "=" * (30 * done // total) if total else ""
        print(f"\r{done}/{total or '?'} [{bar:30}] {printed(logs)}", end="", flush=True)

    return show


def printed(logs):
    """Losses and metrics as Keras prints them."""
    return " - ".join(f"{name}: {value:.4f}" for name, value in logs.items())


def evaluate(model, x, y=None, batch_size=None, verbose="auto", sample_weight=None, steps=None, callbacks=None,
             return_dict=False):  # fmt: skip
    """The loss and the metrics on data; the loss alone where there are no metrics."""
    logs = run_epoch(model, batches(x, y, sample_weight, batch_size, steps=steps), train=False)
    if verbose in ("auto", 1, 2):
        print(printed(logs))
    if return_dict:
        return logs
    return list(logs.values()) if len(logs) > 1 else next(iter(logs.values()))


def predict(model, x, batch_size=None, verbose="auto", steps=None, input_dims=None, output_dims=None):
    """A model's predictions for data, as NumPy arrays."""
    if not hasattr(model, "setup"):
        compile_model(model, input_dims=input_dims, output_dims=output_dims)
    model.eval()
    with torch.no_grad():
        found = [called(model, unpacked(batch)[0]) for batch in batches(x, None, None, batch_size, steps=steps)]
    if isinstance(found[0], (list, tuple)):
        return [torch.cat(part).numpy() for part in zip(*found)]
    return torch.cat(found).numpy()


class Callback:
    """What may be called while a model is trained."""

    def set_model(self, model):
        self.model = model

    def set_params(self, params):
        self.params = params

    def on_train_begin(self, logs=None):
        pass

    def on_train_end(self, logs=None):
        pass

    def on_epoch_begin(self, epoch, logs=None):
        pass

    def on_epoch_end(self, epoch, logs=None):
        pass

    def on_train_batch_begin(self, batch, logs=None):
        pass

    def on_train_batch_end(self, batch, logs=None):
        pass


class History(Callback):
    """The losses and metrics of each epoch."""

    def on_train_begin(self, logs=None):
        self.epoch = []
        self.history = {}

    def on_epoch_end(self, epoch, logs=None):
        self.epoch.append(epoch)
        for name, value in (logs or {}).items():
            self.history.setdefault(name, []).append(value)


def fit(model, x, y=None, batch_size=None, epochs=1, verbose="auto", callbacks=None, validation_split=0.0,
        validation_data=None, shuffle=True, class_weight=None, sample_weight=None, initial_epoch=0,
        steps_per_epoch=None, validation_steps=None, validation_batch_size=None, validation_freq=1):  # fmt: skip
    """Train a model that was compiled; the losses and metrics of each epoch."""
    history = History()
    model.stop_training = False
    if validation_split and validation_data is None:
        (x, y, sample_weight), validation_data = split_off([x, y, sample_weight], validation_split)
    if class_weight is not None:
        sample_weight = class_weights(y, class_weight) * (1 if sample_weight is None else np.asarray(sample_weight))
    steps = steps_per_epoch
    if steps is None and not is_loader(x):
        steps = -(-length(x) // (batch_size or 32))
    every = [*(callbacks or ()), history]
    for callback in every:
        callback.set_model(model)
        callback.set_params({"epochs": epochs, "steps": steps, "verbose": verbose})
        callback.on_train_begin()
    for epoch in range(initial_epoch, epochs):
        for callback in every:
            callback.on_epoch_begin(epoch)
        if verbose in ("auto", 1, 2):
            print(f"Epoch {epoch + 1}/{epochs}")
        data = batches(x, y, sample_weight, batch_size, shuffle, steps_per_epoch)
        logs = run_epoch(model, data, True, every, progress(steps) if verbose in ("auto", 1) else None)
        if validation_data is not None and (epoch + 1) % validation_freq == 0:
            held = validation_data if not is_loader(validation_data) else (validation_data,)
            size = validation_batch_size or batch_size
            found = run_epoch(model, batches(*held, batch_size=size, steps=validation_steps), train=False)
            logs = logs | {f"val_{name}": value for name, value in found.items()}
        if verbose in ("auto", 1, 2):
            print(f"\r{steps or ''} - {printed(logs)}")
        for callback in every:
            callback.on_epoch_end(epoch, logs)
        if model.stop_training:
            break
    for callback in every:
        callback.on_train_end()
    return history
