"""What belongs together on the two sides: arrays one by one, and all of two models."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from .converters import ShapeError, WeightConverter
from .slots import Slot


@dataclass(frozen=True, slots=True)
class Pair:
    """One array on both sides. ``tensor`` is the torch parameter or buffer."""

    torch_path: str
    tensor: Any
    slot: Slot
    converter: WeightConverter

    def to_keras(self, array: Any) -> Any:
        """The torch array (a value or a gradient) in Keras's order.

        Raises:
            ShapeError: if it does not come out in the slot's shape.
        """
        return _fitted(self.converter.forward, array, self.slot.shape)

    def to_torch(self, array: Any) -> Any:
        """The reverse."""
        return _fitted(self.converter.back, array, tuple(self.tensor.shape))


def _fitted(convert: Any, array: Any, shape: tuple[int, ...]) -> Any:
    try:
        out = convert(array, shape)
    except (ValueError, IndexError) as error:
        raise ShapeError(f"{list(array.shape)} does not fit {list(shape)}") from error
    if tuple(out.shape) != shape:
        raise ShapeError(f"{list(array.shape)} becomes {list(out.shape)}, which does not fit {list(shape)}")
    return out


@dataclass(slots=True)
class Pairing:
    """All pairs of two models, and what has no partner."""

    pairs: list[Pair] = field(default_factory=list)
    torch_left: list[str] = field(default_factory=list)
    keras_left: list[str] = field(default_factory=list)
    modules: list[tuple[str, Any, str]] = field(default_factory=list)
    """(torch path, Keras object, Keras path) of every module that has a counterpart."""
