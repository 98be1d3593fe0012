"""The rules of each direction, in the order in which they are asked.

A rule takes ``(context, original, updated)`` and returns an `Edit`, a `Refusal` or ``None``. The
original node is only a key for facts; what is built comes from the updated one.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cache
from typing import Any

from ..model import Direction


@dataclass(frozen=True)
class RuleSet:
    """Rules by the type of the node that they look at."""

    expressions: dict[type, tuple[Callable[..., Any], ...]] = field(default_factory=dict)
    statements: dict[type, tuple[Callable[..., Any], ...]] = field(default_factory=dict)
    claims: dict[type, tuple[Callable[..., Any], ...]] = field(default_factory=dict)
    """Functions that name the nodes which a statement's own rule takes: no expression rule looks at these."""
    structures: dict[type, tuple[Callable[..., Any], ...]] = field(default_factory=dict)
    blocks: tuple[Callable[..., Any], ...] = ()
    """Rules that may take over a whole block of statements."""
    parts: tuple[Callable[..., Any], ...] = ()
    """Rules for single statements that such a structure has claimed."""


@cache
def rules_for(direction: Direction) -> RuleSet:
    """The rules of one direction."""
    if direction is Direction.TORCH2TF:
        from .to_tf import RULES
    else:
        from .to_torch import RULES
    return RULES
