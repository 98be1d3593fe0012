"""Which attributes the framework's layers have."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..values import Instance, Value

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


def lacks(it: Interpreter, owner: Value, name: str) -> bool:
    """Whether a layer of the framework certainly has no such attribute, unless the program sets it."""
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
