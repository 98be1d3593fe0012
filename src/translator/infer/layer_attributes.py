"""Which attributes the framework's layers and tensors have."""

from __future__ import annotations

from typing import TYPE_CHECKING

import libcst as cst

from ..values import UNKNOWN, Instance, Tensor, Value, options_of, without_none
from .annotations import annotation
from .uses import bound_once

if TYPE_CHECKING:
    from .interp import Interpreter

LAYER_ATTRIBUTES = frozenset({
    "weight", "bias", "training", "running_mean", "running_var", "num_batches_tracked", "in_proj_weight",
    "in_proj_bias", "out_proj", "all_weights", "inplace", "T_destination", "call_super_init", "dump_patches",
})  # fmt: skip
"""Attributes of framework layers that are no arguments of their constructors."""
SIZES = frozenset({"in_features", "in_channels"})
"""What a layer takes in: Keras's layers learn it at the first call."""


def having(it: Interpreter, options: tuple[Value, ...], name: str) -> tuple[Value, ...]:
    """The alternatives that may have an attribute: of a container and a convolution, only one has ``stem``."""
    if len(options) < 2:
        return options
    some = tuple(o for o in options if not lacks(it, o, name))
    return some or options


def declared_otherwise(it: Interpreter, place: cst.BaseExpression, owner: Value, name: str) -> Value:
    """What a parameter that was seen as a tensor is, where it is used as only another of its declared kinds can be."""
    if it.func is None or not isinstance(place, cst.Name) or not lacks(it, owner, name):
        return owner
    params = it.func.node.params
    every = (*params.posonly_params, *params.params, *params.kwonly_params)
    said = next((p.annotation for p in every if p.name.value == place.value), None)
    if said is None or not bound_once(it, place):
        return owner
    options = options_of(without_none(annotation(it, said.annotation)))
    other = [o for o in options if o is not UNKNOWN and not lacks(it, o, name)]
    if len(other) != 1:
        return owner
    it.scope.bind(place.value, other[0])
    it.facts.values[place] = other[0]
    return other[0]


def lacks(it: Interpreter, owner: Value, name: str) -> bool:
    """Whether a tensor or layer of the framework certainly has no such attribute, unless the program sets it."""
    if isinstance(owner, Tensor):
        return not owner.variable and f"{it.dialect.tensor}.{name}" not in it.tables.source and not name.startswith("_")
    api = owner.api if isinstance(owner, Instance) else None
    if api is None or not api.startswith("torch.nn.") or api in it.dialect.module_bases:
        return False
    assert isinstance(owner, Instance)
    if name in owner.args or name in LAYER_ATTRIBUTES or name in it.dialect.forward or name.startswith("_"):
        return False
    if f"torch.nn.Module.{name}" in it.tables.source:
        return False
    signature = it.tables.source.get(api)
    if signature is None or f"{api}.{name}" in it.tables.source:
        return False
    return not any(p.name == name for overload in signature.overloads for p in overload)
