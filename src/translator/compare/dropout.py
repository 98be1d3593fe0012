"""Dropout switched off in both frameworks: in train mode two programs can only be compared without it."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any
from unittest.mock import patch

TORCH = ("dropout", "dropout1d", "dropout2d", "dropout3d", "alpha_dropout", "feature_alpha_dropout")
KERAS = (
    "Dropout", "SpatialDropout1D", "SpatialDropout2D", "SpatialDropout3D", "GaussianDropout", "AlphaDropout",
    "GaussianNoise",
)  # fmt: skip


@contextmanager
def dropout_off(frameworks: Collection[str] = ("torch", "tf")) -> Iterator[None]:
    """Within it, dropout functions and layers of the frameworks return their input. See also `settle`."""
    with ExitStack() as stack:
        if "torch" in frameworks:
            _torch_off(stack)
        if "tf" in frameworks:
            _tf_off(stack)
        yield


def _torch_off(stack: ExitStack) -> None:
    import torch
    import torch.nn.functional as F

    for name in TORCH:
        stack.enter_context(patch.object(F, name, _first))
    stack.enter_context(patch.object(torch, "dropout", _first))
    attention = _without(F.scaled_dot_product_attention, "dropout_p", 4)
    stack.enter_context(patch.object(F, "scaled_dot_product_attention", attention))


def _tf_off(stack: ExitStack) -> None:
    import keras
    import tensorflow as tf

    for name in KERAS:
        stack.enter_context(patch.object(getattr(keras.layers, name), "call", _layer))
    stack.enter_context(patch.object(tf.nn, "dropout", _first))
    stack.enter_context(patch.object(keras.random, "dropout", _first))


def settle(module: Any) -> None:
    """Set the dropout between the layers of a torch module's recurrent networks to zero."""
    import torch

    for child in module.modules():
        if isinstance(child, torch.nn.RNNBase):
            child.dropout = 0.0


def _first(x: Any, *args: Any, **kwargs: Any) -> Any:
    return x


def _layer(self: Any, inputs: Any, training: bool = False) -> Any:
    return inputs


def _without(function: Callable[..., Any], name: str, position: int) -> Callable[..., Any]:
    """The function with one of its arguments always 0."""

    def call(*args: Any, **kwargs: Any) -> Any:
        kwargs.pop(name, None)
        return function(*(0.0 if i == position else a for i, a in enumerate(args)), **kwargs)

    return call
