"""Where a functional Keras model is built: from the first ``Input`` to ``Model(...)``, and what it is called."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

import libcst as cst

from ..rewrite.context import Context, Refusal
from .keras_inputs import Choice, input_choice
from .keras_modules import edge, outputs
from .keras_names import assigned, calls_in, is_layer, names_in, tensorish


def find_region(ctx: Context, body: Sequence[Any]) -> tuple[int, int] | None:
    """The statements from the first ``Input`` to ``Model(...)`` in a block: first and last index."""
    first = last = None
    for i, statement in enumerate(body):
        choice = input_choice(ctx, statement)
        if choice is not None and choice.call is not None and first is None:
            first = i
        if not isinstance(statement, cst.SimpleStatementLine):
            continue
        for call in calls_in(statement):
            if is_input(ctx, call) and first is None:
                first = i
            if is_model(ctx, call) and first is not None and last is None:
                last = i
    return (first, last) if first is not None and last is not None else None


def leaks(ctx: Context, body: Sequence[Any], first: int, last: int) -> Refusal | None:
    """Tensors and layers of a region that are used after it keep it from becoming a class."""
    made = set(assigned(body[first:last]))
    for statement in body[last + 1 :]:
        for name in names_in(statement):
            value = ctx.value(name)
            if name.value in made and (tensorish(value) or is_layer(value)):
                return Refusal("XL213", f"`{name.value}` of a functional model is used after the model is made",
                               "make the second model from the layers of the first")  # fmt: skip
    return None


def input_names(ctx: Context, body: list[Any], bound: Any) -> Any:
    """The variables of the model's inputs, in the order in which the model takes them."""
    node = {**bound.args, **bound.extra}["inputs"].node
    parts = [e.value for e in node.elements] if isinstance(node, cst.List | cst.Tuple) else [node]
    names = []
    for part in parts:
        if not isinstance(part, cst.Name):
            return Refusal("XL213", "the inputs of this model are not written as variables")
        names.append(part.value)
    choices = input_choices(ctx, body)
    alias: dict[str, str] = {}
    for choice in choices:
        for name, source in choice.aliases:
            alias[name] = alias.get(source, source)
    names = [alias.get(n, n) for n in names]
    made = {c.name for c in choices if c.call is not None}
    for statement in body:
        if isinstance(statement, cst.SimpleStatementLine) and isinstance(statement.body[0], cst.Assign):
            assign = statement.body[0]
            if is_input(ctx, assign.value) and isinstance(assign.targets[0].target, cst.Name):
                made.add(assign.targets[0].target.value)
    if set(names) != made:
        return Refusal("XL213", "the inputs of this model are not the `Input` variables before it")
    return names


def input_choices(ctx: Context, body: list[Any]) -> list[Choice]:
    """The statements that only say what a model's input is."""
    return [c for s in body if (c := input_choice(ctx, s)) is not None]


def model_name(ctx: Context, end: Any, bound: Any, base: str, known: dict[cst.CSTNode, Any]) -> str:
    """A class name from ``name=``, from the function, or from the variable."""
    given = {**bound.args, **bound.extra}.get("name")
    value = getattr(ctx.value(given.node), "value", None) if given is not None else None
    taken = {c.name for c in ctx.facts.classes.values()} | {h.name for h in known.values()}
    taken |= {f.name for f in ctx.facts.functions.values()}
    target = ""
    if isinstance(end.body[0], cst.Assign) and isinstance(end.body[0].targets[0].target, cst.Name):
        target = end.body[0].targets[0].target.value
    for text in (value if isinstance(value, str) else "", base, target):
        name = class_name(text) if text else ""
        for one in (name, f"{name}Model") if name and name.isidentifier() else ():
            if one not in taken:
                return one
    return "Net"


def report_edges(ctx: Context, name: str, body: list[Any], inputs: list[str], returned: Any) -> None:
    """Say which inputs and outputs of a model stand channels-first."""
    for choice in input_choices(ctx, body):
        if choice.call is not None and choice.name in inputs:
            edge(ctx, name, choice.name, ctx.value(choice.call.node))
    for statement in body:
        if isinstance(statement, cst.SimpleStatementLine) and isinstance(statement.body[0], cst.Assign):
            assign = statement.body[0]
            target = assign.targets[0].target
            if isinstance(target, cst.Name) and target.value in inputs and is_input(ctx, assign.value):
                edge(ctx, name, target.value, ctx.value(assign.value))
    outputs(ctx, name, ctx.value(returned.node))


def is_input(ctx: Context, node: cst.CSTNode) -> bool:
    call = ctx.call(node)
    return call is not None and call.api == "keras.Input"


def is_model(ctx: Context, node: cst.CSTNode) -> bool:
    """``Model(inputs, outputs)``."""
    call = ctx.call(node)
    return call is not None and call.api == "keras.Model" and "outputs" in {**call.args, **call.extra}


def class_name(name: str) -> str:
    """``build_resnet`` is ``ResNet``-like: ``Resnet``; ``conv_block`` is ``ConvBlock``."""
    text = re.sub(r"^(build|make|create|get|define|construct)_+", "", name.strip("_"))
    parts = [p for p in re.split(r"[_\W]+", text) if p]
    out = "".join(p[0].upper() + p[1:] for p in parts)
    return out if out not in ("", "Model") else "Net"
