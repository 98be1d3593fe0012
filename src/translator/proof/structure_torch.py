"""A torch model's weights by name and shape, without their values: on PyTorch's ``meta`` device where that works."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch

from ..compare.inputs import draw_inputs
from ..compare.running import torch_call
from ..model import Direction
from .exchange import Parcel
from .guess_torch import guessed_cases
from .side import Problem, Session, saved
from .skeleton import describe_shapes


def structure(side: Any) -> dict[str, Any]:
    """The module tree, the state dict's names of each tensor by its number, and arguments of a call if any are known.

    Args:
        side: a `TorchSide`.
    """
    for device in ("meta", "cpu"):  # not every program runs on tensors that have no values
        try:
            return _structure(side, device)
        except Exception:
            if device == "cpu":
                raise
            side.session.close()
            side.session, side.module = Session(side.session.program), None
    raise AssertionError


def _structure(side: Any, device: str) -> dict[str, Any]:
    _build(side, device)
    cases, note = list(side.task.cases), ""
    if not cases and side.task.direction is Direction.TORCH2TF:
        side.stage = "guessing inputs"
        try:
            cases = guessed_cases(side.module, _moved(side, device))[:1]
        except Problem as error:
            note = str(error)
    if any(isinstance(p, torch.nn.UninitializedParameter) for p in side.module.parameters()):
        if not cases:
            return {"lazy": True}
        torch_call(_moved(side, device), draw_inputs(cases[0], 0), {}, grad=False)
    skeleton, numbers = describe_shapes(side.module, side.session)
    names: dict[str, list[str]] = {}
    other = []
    for name, value in side.module.state_dict(keep_vars=True).items():
        number = numbers.get(id(value))
        names.setdefault(str(number), []).append(name) if number is not None else other.append(name)
    buffers = [numbers[id(b)] for b in side.module.buffers() if id(b) in numbers]
    parameters = [(names.get(str(numbers.get(id(p)))), p.requires_grad) for p in side.module.parameters()]
    return {
        "skeleton": skeleton, "names": names, "other": other, "buffers": buffers, "cases": cases, "note": note,
        "parameters": [[known[0], learns] for known, learns in parameters if known],
    }  # fmt: skip


def constants(side: Any, names: list[str], out: str) -> dict[str, Any]:
    """The values that a new model has under some names of its state dict."""
    parcel = Parcel()
    _build(side, "cpu")
    state = side.module.state_dict()
    keys = {name: parcel.array(state[name]) for name in names if name in state}
    parcel.save(saved(out))
    return {"keys": keys}


def unpickle(side: Any, path: str, out: str) -> dict[str, Any]:
    """Load a checkpoint with all of its Python objects, and save its tensors alone."""
    side.stage = "loading"
    side.session.load(False, torch.nn.Module)
    side.stage = "loading the checkpoint"
    held = torch.load(path, map_location="cpu", weights_only=False)
    torch.save(_tensors(held), out)
    return {}


def _tensors(held: Any) -> Any:
    """The tensors of nested dicts; a module stands for its state dict."""
    if isinstance(held, torch.nn.Module):
        held = held.state_dict()
    if isinstance(held, Mapping):
        inner = {str(name): _tensors(value) for name, value in held.items()}
        return {name: value for name, value in inner.items() if value is not None}
    return held.detach() if isinstance(held, torch.Tensor) else None


def _build(side: Any, device: str) -> None:
    side.stage = "loading"
    side.session.load(False, torch.nn.Module)
    side.stage = "building"
    torch.manual_seed(side.task.seed)
    with torch.device(device):
        side.model = side.session.build(side.task.entry, side.task.init, torch.nn.Module)
    if not isinstance(side.model, torch.nn.Module):
        raise Problem(f"{side.task.entry} gives a {type(side.model).__name__}, which is no torch.nn.Module")
    side.module = side.model.eval()


def _moved(side: Any, device: str) -> Any:
    """The model's call with its tensors on a device, in the precision of users."""

    def move(value: Any) -> Any:
        if isinstance(value, torch.Tensor):
            return value.to(device, torch.float32 if value.is_floating_point() else value.dtype)
        return type(value)(move(v) for v in value) if isinstance(value, list | tuple) else value

    return lambda **given: side.call(**{name: move(value) for name, value in given.items()})
