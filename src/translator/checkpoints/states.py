"""Finds the state dict among what a checkpoint holds."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from ..model import InputError
from .arrays import Stored, broken

USUAL = ("state_dict", "model_state_dict", "model_state", "model", "net", "module", "network", "weights", "params")
WRAPPERS = ("module.", "_orig_mod.", "model.module.")
"""What parallel and compiled models put before each name."""


def state_dict(held: Any, path: str, key: str | None = None) -> dict[str, Stored]:
    """The tensors by name.

    Args:
        held: what the file holds.
        key: where the state dict is, ``"ema.model"`` for a dict in a dict; by default it is looked for.

    Raises:
        InputError: there is none, or it is not clear which one is meant.
    """
    found = _under(held, path, key) if key else _looked_for(held, path)
    named = {str(name): value for name, value in found.items() if isinstance(value, Stored)}
    return {name: replace(value, name=name) for name, value in named.items()}


def _under(held: Any, path: str, key: str) -> Mapping[Any, Any]:
    for piece in key.split("."):
        if not isinstance(held, Mapping) or piece not in held:
            names = ", ".join(map(str, held)) if isinstance(held, Mapping) else "no dict"
            raise InputError(f"{path}: no {key!r} in it", code="XL064", hint=f"there is: {names}"[:300])
        held = held[piece]
    if not isinstance(held, Mapping) or not _is_state(held):
        raise InputError(f"{path}: {key!r} holds no tensors by name", code="XL064")
    return held


def _looked_for(held: Any, path: str) -> Mapping[Any, Any]:
    if not isinstance(held, Mapping):
        raise broken(path, f"it holds a {type(held).__name__}, and no state dict")
    if _is_state(held):
        return held
    states: dict[str, Mapping[Any, Any]] = {str(n): value for n, value in held.items() if _is_state(value)}
    if not states:
        raise broken(path, "it holds no state dict")
    usual = [name for name in USUAL if name in states]
    if len(states) == 1 or len(usual) == 1:
        return states[usual[0] if usual else next(iter(states))]
    raise InputError(f"{path}: it holds several state dicts: {', '.join(states)}", code="XL064",
                     hint="say which with --key")  # fmt: skip


def _is_state(held: Any) -> bool:
    return isinstance(held, Mapping) and any(isinstance(value, Stored) for value in held.values())


def unwrapped(state: dict[str, Stored], wanted: set[str]) -> dict[str, Stored]:
    """The state with the names of the model itself, where a wrapper's stand before all of them."""
    for prefix in WRAPPERS:
        bare = {name.removeprefix(prefix): value for name, value in state.items()}
        if all(name.startswith(prefix) for name in state) and len(wanted & set(bare)) > len(wanted & set(state)):
            return {name: replace(value, name=name) for name, value in bare.items()}
    return state
