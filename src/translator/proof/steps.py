"""The learning rate of the steps that both sides make."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

MOVE = 1e-4
"""How far the first step moves the parameters, relative to their norm.

Far above `judge.TOLERANCE`, so that what the next steps compute from moved parameters matters; near enough that
rounding stays rounding. Steps of 1e-2 part two runs of one narrow MobileNet in PyTorch alone (its two memory formats)
by 5e-9 after three steps.
"""


def learning_rate(parameters: Mapping[str, Any], gradients: Mapping[str, Any]) -> float:
    """The rate at which one step moves all parameters together by `MOVE` of their norm."""
    import numpy as np

    def norm(arrays: Any) -> float:
        return float(np.sqrt(sum(float(np.sum(np.square(a))) for a in arrays)))

    slope = norm(gradients[name] for name in parameters)
    return MOVE * (norm(parameters.values()) or 1.0) / slope if slope and np.isfinite(slope) else 0.0
