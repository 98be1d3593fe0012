"""Activations: Keras names or functions to PyTorch modules and functions."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from .. import nodes
from ..rewrite.context import Context
from ..values import UNKNOWN, Api, Const, Value, python_type
from .keras_layout import Perm, Refused


@dataclass(frozen=True, slots=True)
class Activation:
    """``module`` for a place in `nn.Sequential`, ``function`` for an expression; ``{dim}`` is the channel axis."""

    module: str
    function: str


ACTIVATIONS: dict[str, Activation | None] = {
    "linear": None,
    "relu": Activation("nn.ReLU()", "F.relu({x})"),
    "relu6": Activation("nn.ReLU6()", "F.relu6({x})"),
    "sigmoid": Activation("nn.Sigmoid()", "torch.sigmoid({x})"),
    "tanh": Activation("nn.Tanh()", "torch.tanh({x})"),
    "softmax": Activation("nn.Softmax(dim={dim})", "F.softmax({x}, dim={dim})"),
    "log_softmax": Activation("nn.LogSoftmax(dim={dim})", "F.log_softmax({x}, dim={dim})"),
    "gelu": Activation("nn.GELU()", "F.gelu({x})"),
    "elu": Activation("nn.ELU()", "F.elu({x})"),
    "selu": Activation("nn.SELU()", "F.selu({x})"),
    "softplus": Activation("nn.Softplus(threshold=50)", "F.softplus({x}, threshold=50)"),
    "softsign": Activation("nn.Softsign()", "F.softsign({x})"),
    "silu": Activation("nn.SiLU()", "F.silu({x})"),
    "swish": Activation("nn.SiLU()", "F.silu({x})"),
    "mish": Activation("nn.Mish()", "F.mish({x})"),
    "leaky_relu": Activation("nn.LeakyReLU(0.2)", "F.leaky_relu({x}, 0.2)"),
    "hard_sigmoid": Activation("nn.Hardsigmoid()", "F.hardsigmoid({x})"),
    "hard_silu": Activation("nn.Hardswish()", "F.hardswish({x})"),
    "hard_swish": Activation("nn.Hardswish()", "F.hardswish({x})"),
}
"""Keras 3's names. The thresholds keep softplus exact in double precision, leaky_relu's slope is Keras's."""


def activation_of(value: Value, api: str) -> str | None:
    """The name of the activation that an argument gives; ``None`` for no activation.

    Raises:
        Refused: if it cannot be told.
    """
    if value is UNKNOWN or value == Const(None):
        return None
    name: str | None = None
    if isinstance(value, Const) and isinstance(value.value, str):
        name = value.value
    elif isinstance(value, Api) and value.name.startswith(
        ("tf.nn.", "keras.activations.", "keras.ops.", "tf.", "keras.")
    ):
        name = value.name.rsplit(".", 1)[-1]
        if name == "leaky_relu" and value.name.startswith("tf."):
            name = "leaky_relu"
    if name is None or name.lower() not in ACTIVATIONS:
        if python_type(value) == "str":
            raise Refused("XL209", f"{api}: which activation is meant is not known here")
        raise Refused("XL201", f"{api}: this activation has no counterpart that is known")
    return None if ACTIVATIONS[name.lower()] is None else name.lower()


def function_of(value: Value) -> Any:
    """The function of one argument that stands for an activation which is passed on; ``None`` if there is none."""
    name = value.name.rpartition(".") if isinstance(value, Api) else ("", "", "")
    found = ACTIVATIONS.get(name[2]) if name[0] in ("tf", "tf.nn", "keras.activations", "keras.ops") else None
    function = found.function.removesuffix("({x})") if found is not None else "("
    return nodes.dotted(function) if "(" not in function else None


def is_known(value: Value) -> bool:
    """Whether an activation can be written out."""
    if value is UNKNOWN:
        return False
    try:
        activation_of(value, "")
    except Refused:
        return False
    return True


def module(name: str, perm: Perm = None) -> Any:
    """The activation as a module."""
    found = ACTIVATIONS[name]
    assert found is not None
    return nodes.template(found.module, {"dim": nodes.literal(channel_axis(perm))})


def applied(ctx: Context, name: str | None, x: Any, perm: Perm) -> Any:
    """The activation of an expression."""
    found = ACTIVATIONS[name] if name is not None else None
    if found is None:
        return x
    return nodes.template(found.function, {"x": x, "dim": nodes.literal(channel_axis(perm))})


def channel_axis(perm: Perm) -> int:
    """Where Keras's last axis is."""
    return -1 if perm is None else perm.index(len(perm) - 1)
