"""Build Keras layers that were never called, from the shapes of the torch module's parameters."""

from __future__ import annotations

from typing import Any


def input_shape(module: Any, layer: Any) -> tuple[int | None, ...] | None:
    """The shape to build a leaf layer with, batch axis included; ``None`` if the torch module does not tell."""
    kind = next((c.__name__ for c in type(module).__mro__ if c.__module__.startswith("torch.nn")), "")
    if kind in ("Linear", "NonDynamicallyQuantizableLinear"):
        return (None, module.in_features)
    if "Conv" in kind:
        return _with_channels(layer, module.in_channels, len(module.kernel_size))
    if "BatchNorm" in kind or "InstanceNorm" in kind:
        return _on_axis(layer, module.num_features, _rank(kind))
    if kind == "GroupNorm":
        return _on_axis(layer, module.num_channels, 4)
    if kind in ("LayerNorm", "RMSNorm"):
        return (None, *module.normalized_shape)
    if kind == "Embedding":
        return (None, None)
    if kind == "PReLU":
        return _with_channels(layer, module.num_parameters, 2)
    return None


def _with_channels(layer: Any, channels: int, axes: int) -> tuple[int | None, ...]:
    last = getattr(layer, "data_format", "channels_last") == "channels_last"
    free: tuple[None, ...] = (None,) * axes
    return (None, *free, channels) if last else (None, channels, *free)


def _rank(kind: str) -> int:
    """The rank of the inputs of BatchNorm2d and the like; a BatchNorm1d takes two axes or three."""
    return {"1": 3, "3": 5}.get(kind[-2:-1], 4)


def _on_axis(layer: Any, channels: int, rank: int) -> tuple[int | None, ...]:
    axis = getattr(layer, "axis", -1)
    axis = axis[0] if isinstance(axis, list | tuple) else axis
    shape: list[int | None] = [None] * rank
    shape[axis] = channels
    return tuple(shape)


def build_leaf(module: Any, layer: Any) -> None:
    """Create a leaf layer's variables if it has none yet and the torch module tells their sizes."""
    if getattr(layer, "built", True):
        return
    shape = input_shape(module, layer)
    if shape is not None:
        layer.build(shape)
        layer.built = True
        if type(module).__name__ == "BatchNorm1d":
            layer.input_spec = None  # Keras has noted one rank, but the layer takes both.
