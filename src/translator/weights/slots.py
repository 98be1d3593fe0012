"""Places of the Keras side that hold an array, and reading and writing them."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import Any

from ..model import Direction
from ..tables import tables


@dataclass(frozen=True, slots=True)
class Slot:
    """An attribute (or item) that holds a variable, or a tensor that is replaced as a whole."""

    owner: Any
    key: Any
    path: str

    @property
    def value(self) -> Any:
        return self.owner[self.key] if isinstance(self.owner, list | dict) else getattr(self.owner, self.key)

    @property
    def shape(self) -> tuple[int, ...]:
        return tuple(int(n) for n in self.value.shape)

    def read(self) -> Any:
        """The array that the slot holds."""
        import numpy as np

        value = self.value
        return np.asarray(value.numpy() if hasattr(value, "numpy") else value)

    def write(self, array: Any) -> None:
        """Put an array of the slot's shape there, in the slot's dtype."""
        import tensorflow as tf

        value = self.value
        if hasattr(value, "assign"):
            value.assign(tf.cast(array, value.dtype))
        else:
            new = array.astype(value.dtype) if not tf.is_tensor(value) else tf.cast(array, value.dtype)
            if isinstance(self.owner, list | dict):
                self.owner[self.key] = new
            else:
                setattr(self.owner, self.key, new)


def is_array(value: Any) -> bool:
    """Whether a value is a variable, a tensor or a numpy array."""
    return hasattr(value, "shape") and hasattr(value, "dtype") and not hasattr(value, "call")


def member(owner: Any, name: str) -> tuple[Any, Any, str] | None:
    """The child of a Keras object that a torch child of this name became: (holder, key, path part).

    Lists and dicts are asked by item; layers by attribute, as it is or with the underscore that a reserved
    name gets; containers of steps by position or by their own names.
    """
    if isinstance(owner, dict):
        return (owner, name, f"[{name!r}]") if name in owner else None
    if isinstance(owner, list | tuple):
        fits = name.isdecimal() and int(name) < len(owner)
        return (owner, int(name), f"[{name}]") if fits else None
    steps = getattr(owner, "layers", None) if is_container(owner) else None
    if steps is not None:
        names = list(getattr(owner, "names", [str(i) for i in range(len(steps))]))
        index = names.index(name) if name in names else int(name) if name.isdecimal() else -1
        if 0 <= index < len(steps):
            return steps, index, f".layers[{index}]"
    # Where Keras has an attribute of the name itself, the renamed one is the translated one.
    for candidate in (f"{name}_", name) if name in reserved() else (name, f"{name}_"):
        if hasattr(owner, candidate):
            return owner, candidate, f".{candidate}"
    return None


@cache
def reserved() -> frozenset[str]:
    """The attribute names that Keras keeps for itself."""
    return tables(Direction.TORCH2TF).target.reserved


def is_container(value: Any) -> bool:
    """Whether a layer holds steps in order: `keras.Sequential`, or the helper of that name (also when subclassed)."""
    return any(base.__name__ == "Sequential" for base in type(value).__mro__)


def item(holder: Any, key: Any) -> Any:
    return getattr(holder, key) if isinstance(key, str) and not isinstance(holder, dict) else holder[key]
