"""Saving and loading: weights files of Keras where only weights are kept, else one file with all that is saved."""

from __future__ import annotations

import os
from typing import Any

import libcst as cst

from .. import nodes
from ..rewrite.context import Context, Edit, Outcome, Refusal
from ..values import Api, Const, Instance, without_none
from .training_params import is_module
from .training_parts import is_optimizer


def checkpoint_call(ctx: Context, node: cst.Call, new: cst.Call) -> Outcome:
    """``torch.save``, ``torch.load``, ``state_dict`` and ``load_state_dict``."""
    name = api_of(ctx, node)
    if name == "torch.save":
        return save(ctx, node, new)
    if name == "torch.load":
        return load(ctx, node, new)
    if isinstance(node.func, cst.Attribute) and node.func.attr.value == "save" and len(node.args) == 1:
        value = without_none(ctx.value(node.func.value))
        if is_module(value) and not own_method(value, "save") and not node.args[0].star:
            owner, path = ctx.updated(node.func.value), ctx.updated(node.args[0].value)
            return Edit(nodes.call("export_model", owner, path), ("helper:export_model",))
    if isinstance(node.func, cst.Attribute) and node.func.attr.value in ("state_dict", "load_state_dict"):
        value = without_none(ctx.value(node.func.value))
        if is_module(value) and not own_method(value, node.func.attr.value):
            return state(ctx, node, "model")
        if isinstance(value, Instance) and is_optimizer(value):
            return state(ctx, node, "optimizer")
    return None


def own_method(value: Any, name: str) -> bool:
    return not isinstance(value.cls, Api) and value.cls.find(name) is not None if isinstance(value, Instance) else False


def api_of(ctx: Context, node: Any) -> str:
    value = ctx.value(node.func) if isinstance(node, cst.Call) else None
    return ctx.tables.canonical(value.name) if isinstance(value, Api) else ""


def argument(call: cst.Call, position: int, name: str) -> Any:
    """An argument by place or keyword."""
    for arg in call.args:
        if arg.keyword is not None and arg.keyword.value == name:
            return arg.value
    plain = [a.value for a in call.args if a.keyword is None]
    return plain[position] if position < len(plain) else None


def state_of_module(ctx: Context, node: Any) -> Any:
    """The model of ``model.state_dict()``."""
    if not isinstance(node, cst.Call) or node.args or not isinstance(node.func, cst.Attribute):
        return None
    asked = node.func.attr.value == "state_dict" and is_module(without_none(ctx.value(node.func.value)))
    return node.func.value if asked else None


def only_weights(ctx: Context) -> bool:
    """Whether all that the project saves are models' weights, loaded straight into models."""
    loads, direct = 0, 0
    for node, call in ctx.facts.calls.items():
        if not isinstance(node, cst.Call):
            continue
        if call.api == "torch.save" and state_of_module(ctx, argument(node, 0, "obj")) is None:
            return False
        loads += call.api == "torch.load"
        if isinstance(node.func, cst.Attribute) and node.func.attr.value == "load_state_dict":
            inner = argument(node, 0, "state_dict")
            strict = argument(node, 1, "strict")
            if strict is not None and ctx.value(strict) != Const(True):
                return False
            direct += api_of(ctx, inner) == "torch.load" and is_module(without_none(ctx.value(node.func.value)))
    return loads == direct


def weights_path(node: Any, new: Any) -> tuple[Any, tuple[str, ...]]:
    """A path with Keras's ending for weights."""
    if isinstance(new, cst.SimpleString) and isinstance(new.evaluated_value, str):
        quote = new.quote
        return cst.SimpleString(f"{quote}{os.path.splitext(new.evaluated_value)[0]}.weights.h5{quote}"), ()
    return nodes.call("weights_file", new), ("helper:weights_file",)


def save(ctx: Context, node: cst.Call, new: cst.Call) -> Outcome:
    values, path = argument(node, 0, "obj"), argument(node, 1, "f")
    if values is None or path is None or len(node.args) > 2:
        return Refusal("XL202", "torch.save: what is saved, and where, is not given plainly")
    model = state_of_module(ctx, values)
    if model is not None and only_weights(ctx):
        file, needs = weights_path(path, ctx.updated(path))
        ctx.note(node, "XL401", "weights are written to a .weights.h5 file, as Keras wants it")
        return Edit(nodes.call("save_weights", ctx.updated(model), file), (*needs, "helper:save_weights"))
    args = [argument(new, 0, "obj"), argument(new, 1, "f")]
    return Edit(nodes.call("save_checkpoint", *args), ("helper:save_checkpoint",))


def load(ctx: Context, node: cst.Call, new: cst.Call) -> Outcome:
    path = argument(new, 0, "f")
    allowed = {"f", "map_location", "weights_only"}
    if path is None or any(a.keyword is not None and a.keyword.value not in allowed for a in node.args):
        return Refusal("XL202", "torch.load: an argument is not translated")
    return Edit(nodes.call("load_checkpoint", path), ("helper:load_checkpoint",))


def state(ctx: Context, node: cst.Call, kind: str) -> Outcome:
    """``model.state_dict()`` and ``model.load_state_dict(values)``."""
    assert isinstance(node.func, cst.Attribute)
    owner = ctx.updated(node.func.value)
    if node.func.attr.value == "state_dict":
        if node.args:
            return Refusal("XL201", "state_dict: its arguments are not translated")
        return Edit(nodes.call(f"{kind}_state", owner), (f"helper:{kind}_state",))
    values = argument(node, 0, "state_dict")
    strict = argument(node, 1, "strict")
    if kind == "optimizer" and strict is not None:
        return Refusal("XL202", "load_state_dict: an optimizer's state is loaded whole")
    if values is None:
        return Refusal("XL202", "load_state_dict: what is loaded is not given")
    loose = strict is not None and ctx.value(strict) != Const(True)
    if kind == "model" and not loose and api_of(ctx, values) == "torch.load" and only_weights(ctx):
        inner = argument(values, 0, "f")
        file, needs = weights_path(inner, ctx.updated(inner))
        return Edit(nodes.call("load_weights", owner, file), (*needs, "helper:load_weights"))
    more = {"strict": ctx.updated(strict)} if loose else {}
    return Edit(nodes.call(f"load_{kind}_state", owner, ctx.updated(values), **more), (f"helper:load_{kind}_state",))
