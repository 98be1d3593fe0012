"""Models that are compiled, traced and exported: the model itself, which a SavedModel is written of."""

from __future__ import annotations

from typing import Any

import libcst as cst

from .. import nodes
from ..infer.facts import BoundCall
from ..rewrite.context import Context, Edit, Outcome, Refusal
from ..tables.schema import Row
from ..values import Const, without_none
from .named import named
from .training_params import is_module


@named("unscripted")
def unscripted(ctx: Context, row: Row, call: BoundCall, node: cst.Call, new: cst.Call) -> Outcome:
    """``torch.jit.script(model)`` is the model."""
    given = next(iter(call.args.values()), None)
    if given is None or given.star or call.varargs:
        return Refusal("XL202", f"{call.api}: what is compiled is not given")
    name = call.api.removeprefix("torch.")
    ctx.note(node, "XL406", f"{name} is dropped: the translation runs as Python", "tf.function makes a graph of a call")
    return Edit(ctx.updated(given.node))


@named("traced")
def traced(ctx: Context, row: Row, call: BoundCall, node: cst.Call, new: cst.Call) -> Outcome:
    """``jit.trace(model, example)``, ``export.export(model, args)``: the model, which then knows its inputs."""
    made = traced_model(ctx, call)
    if isinstance(made, Refusal):
        return made
    name = call.api.removeprefix("torch.")
    ctx.note(node, "XL406", f"{name} is dropped: the model itself runs, as Python", "tf.function makes a graph of it")
    return Edit(made, ("helper:traced",))


def traced_model(ctx: Context, call: BoundCall) -> Any:
    """The model after a call with the example inputs, as an expression; a refusal where they are not plain."""
    model = call.args.get("func") or call.args.get("mod") or call.args.get("model")
    example = call.args.get("example_inputs") or call.args.get("args")
    if call.problem or model is None or example is None or model.star or example.star or call.varargs:
        return Refusal("XL202", f"{call.api}: what is traced, and with what, is not given")
    if not is_module(without_none(model.value)):
        hint = "tf.function(f).get_concrete_function(...) traces a function"
        return Refusal("XL201", f"{call.api}: only models are traced here", hint)
    named = next((n for n in ("kwargs", "example_kwarg_inputs") if given(call, n)), None)
    if named is not None:
        return Refusal("XL201", f"{call.api}: argument `{named}` is not translated", "give the inputs by position")
    for name in ("dynamic_axes", "dynamic_shapes"):
        if given(call, name) and not only_batches(call.args[name].node):
            hint = "write keras.export.ExportArchive with a tf.TensorSpec for each input"
            return Refusal("XL201", f"{call.api}: `{name}` leaves more open than the size of the batch", hint)
    return nodes.call("traced", ctx.updated(model.node), ctx.updated(example.node))


def given(call: BoundCall, name: str) -> bool:
    """Whether an argument is given, and not as ``None``."""
    return name in call.args and call.args[name].value != Const(None)


def only_batches(node: Any) -> bool:
    """Whether open axes are no others than the first: ``{"x": {0: "batch"}}``, ``({0: batch},)``, ``[0]``."""
    if isinstance(node, cst.Dict):
        entries = [e for e in node.elements if isinstance(e, cst.DictElement)]
        if len(entries) != len(node.elements):
            return False
        if all(isinstance(e.key, cst.SimpleString) for e in entries):
            return all(only_batches(e.value) for e in entries)
        return all(nodes.integer(e.key) == 0 for e in entries)
    if isinstance(node, cst.List | cst.Tuple):
        if any(nodes.integer(e.value) is not None for e in node.elements):
            return all(nodes.integer(e.value) == 0 for e in node.elements)
        return all(isinstance(e, cst.Element) and only_batches(e.value) for e in node.elements)
    return nodes.is_name(node, "None")


@named("onnx_export")
def onnx_export(ctx: Context, row: Row, call: BoundCall, node: cst.Call, new: cst.Call) -> Outcome:
    """``torch.onnx.export(model, args, path)``: the same model as a SavedModel, which TensorFlow's own tools read."""
    made, path = traced_model(ctx, call), call.args.get("f")
    if isinstance(made, Refusal):
        return made
    if path is None or path.star:
        return Refusal("XL202", f"{call.api}: the file that is written is not given")
    if given(call, "training"):
        hint = "a model is exported as it infers"
        return Refusal("XL201", f"{call.api}: argument `training` is not translated", hint)
    hint = "a folder with the file's name, without its ending; model.export(path, format='onnx') writes an ONNX file"
    message = "torch.onnx.export: a SavedModel is written, for TF Serving and TF Lite; no ONNX file"
    ctx.note(node, "XL408", message, hint)
    return Edit(nodes.call("export_model", made, ctx.updated(path.node)), ("helper:traced", "helper:export_model"))
