"""PyTorch Lightning: which of its modules have the shape that is translated, and what their trainer calls them with."""

from __future__ import annotations

from typing import TYPE_CHECKING

import libcst as cst

from .. import nodes
from ..values import (
    INT,
    STR,
    UNKNOWN,
    Api,
    Func,
    Instance,
    Map,
    Tensor,
    UserClass,
    Value,
    elem_of,
    options_of,
    without_none,
)
from .binding import Args
from .facts import BoundCall
from .results import RESULTS, constant

if TYPE_CHECKING:
    from .interp import Interpreter

MODULE = "pytorch_lightning.LightningModule"
TRAINER = "pytorch_lightning.Trainer"
DATA_MODULE = "pytorch_lightning.LightningDataModule"
STEPS = ("training_step", "validation_step", "test_step", "predict_step")
UNTRANSLATED = frozenset({
    "all_gather", "backward", "clip_gradients", "configure_callbacks", "configure_gradient_clipping",
    "configure_model", "configure_sharded_model", "fabric", "freeze", "hparams_initial", "load_from_checkpoint",
    "logger", "loggers", "lr_scheduler_step", "lr_schedulers", "manual_backward", "on_after_backward",
    "on_after_batch_transfer", "on_before_backward", "on_before_batch_transfer", "on_before_optimizer_step",
    "on_before_zero_grad", "on_load_checkpoint", "on_save_checkpoint", "on_test_model_eval", "on_test_model_train",
    "on_validation_model_eval", "on_validation_model_train", "on_validation_model_zero_grad", "optimizer_step",
    "optimizer_zero_grad", "optimizers", "strict_loading", "tbptt_split_batch", "test_epoch_end", "to_onnx",
    "to_tensorrt", "to_torchscript", "toggle_optimizer", "training_epoch_end", "training_step_end",
    "transfer_batch_to_device", "unfreeze", "untoggle_optimizer", "validation_epoch_end", "validation_step_end",
    "truncated_bptt_steps", "automatic_optimization",
})  # fmt: skip
"""What of a `LightningModule` is not translated, where a class defines it or reads it of itself."""
METRICS = frozenset({"callback_metrics", "logged_metrics", "progress_bar_metrics"})


def obstacle(node: cst.ClassDef) -> str:
    """Why a class that derives from `LightningModule` stays as it is; empty where it is translated."""
    for method in (s for s in node.body.body if isinstance(s, cst.FunctionDef)):
        name, params = method.name.value, [p.name.value for p in method.params.params]
        if name in UNTRANSLATED:
            return f"it defines `{name}`"
        if name in STEPS and {"optimizer_idx", "dataloader_idx"} & set(params):
            return f"`{name}` takes the number of an optimizer or loader"
        found = _of_self(method, params[0] if params else "")
        if found:
            return found
        if name == "configure_optimizers" and not _moves_all(method, params[0] if params else ""):
            return "its optimizers do not just move `self.parameters()`"
    return ""


def _of_self(method: cst.FunctionDef, own: str) -> str:
    for one in nodes.walk(method.body):
        if isinstance(one, cst.Attribute) and nodes.is_name(one.value, own) and one.attr.value in UNTRANSLATED:
            return f"it uses `self.{one.attr.value}`"
    return ""


def _moves_all(method: cst.FunctionDef, own: str) -> bool:
    """Whether all parameters that a method speaks of are those of the whole object, in one group."""
    for one in nodes.walk(method.body):
        name = one.attr.value if isinstance(one, cst.Attribute) else ""
        if name == "named_parameters" or (name == "parameters" and not nodes.is_name(one.value, own)):
            return False
        if isinstance(one, cst.DictElement) and nodes.code(one.key).strip("\"'") == "params":
            return False
    return True


def as_module(base: Value, name: str, node: cst.ClassDef) -> Value:
    """The base of a class, which is PyTorch's module where Lightning's is translated."""
    return Api("torch.nn.Module") if name == MODULE and not obstacle(node) else base


def driven(cls: Value) -> bool:
    """Whether a class is a `LightningModule` that is translated."""
    return isinstance(cls, UserClass) and any("<lightning>" in c.attrs for c in cls.mro())


def run(it: Interpreter, bound: BoundCall) -> Value:
    """``trainer.fit(model, loader)`` calls the model's steps with the loader's batches."""
    model = bound.value("model") if "model" in bound.args else UNKNOWN
    data = bound.args.get("datamodule")
    method = bound.api.rpartition(".")[2]
    for one in options_of(without_none(model)):
        if isinstance(one, Instance) and driven(one.cls):
            _steps(it, one, bound, data.value if data is not None else UNKNOWN, method)
    return RESULTS["none"](bound) if method == "fit" else UNKNOWN


def _steps(it: Interpreter, model: Instance, bound: BoundCall, data: Value, method: str) -> None:
    train = "train_dataloaders" if method == "fit" else "dataloaders"
    kinds = {"fit": ("train", "val"), "validate": ("val",), "test": ("test",), "predict": ("predict",)}[method]
    steps = {"train": "training_step", "val": "validation_step", "test": "test_step", "predict": "predict_step"}
    for kind in kinds:
        given = bound.args.get("val_dataloaders" if kind == "val" and method == "fit" else train)
        loader = given.value if given is not None else UNKNOWN
        if isinstance(loader, Instance) and _method(loader, f"{kind}_dataloader") is not None:
            data, loader = loader, UNKNOWN
        if loader is UNKNOWN:
            loader = _made(it, (data, model), f"{kind}_dataloader")
        func = _method(model, steps[kind])
        if func is not None:
            batch: Args = [(cst.Arg(cst.Name("batch")), elem_of(loader)), (cst.Arg(cst.Name("index")), INT)]
            _call(it, func, batch)
    if method == "fit" and (func := _method(model, "configure_optimizers")) is not None:
        _call(it, func, [])


def _made(it: Interpreter, owners: tuple[Value, ...], name: str) -> Value:
    """The loader that a method of a data module, or of the model, makes."""
    for owner in owners:
        func = _method(owner, name)
        if func is None:
            continue
        for first, args in (("prepare_data", []), ("setup", [(cst.Arg(cst.Name("stage")), STR)])):
            if (found := _method(owner, first)) is not None:
                _call(it, found, args)
        return _call(it, func, [])
    return UNKNOWN


def _method(owner: Value, name: str) -> Func | None:
    found = owner.cls.find(name) if isinstance(owner, Instance) and isinstance(owner.cls, UserClass) else None
    return found if isinstance(found, Func) else None


def _call(it: Interpreter, func: Func, args: Args) -> Value:
    from .functions import call_user

    node = func.node
    count = len(node.params.params) - 1
    return call_user(it, func, args[:count], bound=True)


def trainer_attribute(name: str) -> Value | None:
    """What an attribute of a trainer holds; ``None`` where nothing is known of it."""
    if name in METRICS:
        return Map(None, Tensor(0, (), "float"))
    return INT if name in ("current_epoch", "global_step") else None


RESULTS["lightning"] = constant(UNKNOWN)
