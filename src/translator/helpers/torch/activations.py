"""Activations by Keras's names, for programs that choose one at run time."""

import torch
import torch.nn.functional as F
from torch import nn


def get_activation(activation, dim=-1):
    """The function that Keras means by a name, by ``None`` (no change) or by the function itself."""
    if activation is None:
        return lambda x: x
    if callable(activation):
        return activation
    functions = {
        "linear": lambda x: x,
        "relu": F.relu,
        "relu6": F.relu6,
        "sigmoid": torch.sigmoid,
        "tanh": torch.tanh,
        "softmax": lambda x: F.softmax(x, dim=dim),
        "log_softmax": lambda x: F.log_softmax(x, dim=dim),
        "gelu": F.gelu,
        "elu": F.elu,
        "selu": F.selu,
        "softplus": lambda x: F.softplus(x, threshold=50),
        "softsign": F.softsign,
        "silu": F.silu,
        "swish": F.silu,
        "mish": F.mish,
        "exponential": lambda x: torch.exp(x),
        "leaky_relu": lambda x: F.leaky_relu(x, 0.2),
        "hard_sigmoid": F.hardsigmoid,
        "hard_silu": F.hardswish,
        "hard_swish": F.hardswish,
    }
    if activation not in functions:
        raise ValueError(f"unknown activation {activation!r}: it is one of {', '.join(functions)}")
    return functions[activation]


class Activation(nn.Module):
    """An activation that is chosen by name when the module is made."""

    def __init__(self, activation, dim=-1):
        super().__init__()
        self.function = get_activation(activation, dim)

    def forward(self, x):
        return self.function(x)
