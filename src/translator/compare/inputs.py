"""Input specifications such as ``"float[2,3,8,6]"`` and the arrays drawn for them.

``float[2,3]`` is normal, ``float[2,3]>0`` positive, ``float[2,3]@unit`` in (0, 1), ``int[2,3]<50`` non-negative and
below the bound (2 where none is given), ``bool[4]`` fair, ``complex[3]`` normal in both parts.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

SPEC = re.compile(r"(float|int|bool|complex)\[([\d,\s]*)\](?:(>)\s*0|@(unit)|<\s*(\d+))?")
DTYPES = {"float": "float64", "int": "int64", "bool": "bool", "complex": "complex128"}


@dataclass(frozen=True, slots=True)
class Spec:
    """An array to draw: ``kind`` is float, int, bool or complex; ``domain`` is ``""``, ``"positive"`` or ``"unit"``."""

    kind: str
    shape: tuple[int, ...]
    domain: str = ""
    below: int = 2


def parse_spec(value: Any) -> Spec | None:
    """The specification that a value states; ``None`` for a value that stands for itself."""
    match = SPEC.fullmatch(value.strip()) if isinstance(value, str) else None
    if match is None:
        return None
    kind, sizes, positive, unit, below = match.groups()
    shape = tuple(int(size) for size in sizes.split(",") if size.strip())
    return Spec(kind, shape, "positive" if positive else unit or "", int(below) if below else 2)


def draw(spec: Spec, rng: Any) -> Any:
    """A numpy array (float64, int64, bool or complex128) for a specification."""
    if spec.kind == "int":
        return rng.integers(0, spec.below, spec.shape)
    if spec.kind == "bool":
        return rng.random(spec.shape) < 0.5
    if spec.domain == "unit":
        return rng.uniform(0.02, 0.98, spec.shape)
    values = rng.standard_normal(spec.shape)
    if spec.kind == "complex":
        return values + 1j * rng.standard_normal(spec.shape)
    return abs(values) + 0.05 if spec.domain == "positive" else values


def draw_inputs(inputs: dict[str, Any], seed: int) -> dict[str, Any]:
    """Arrays for the specifications among ``inputs``, seeded; lists and tuples are searched, other values stay."""
    import numpy as np

    rng = np.random.default_rng(seed)

    def one(value: Any) -> Any:
        if isinstance(value, list | tuple) and any(parse_spec(v) for v in value):
            return type(value)(one(v) for v in value)
        spec = parse_spec(value)
        return draw(spec, rng) if spec is not None else value

    return {name: one(value) for name, value in inputs.items()}
