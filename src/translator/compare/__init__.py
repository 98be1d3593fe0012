"""Run a program and its translation on the same numbers and compare what they compute.

This executes the programs: only call it on code that you would run.
"""

from __future__ import annotations

from .inputs import draw_inputs, parse_spec
from .models import compare_program
from .precision import precision
from .program import load, still_uses, unload
from .result import Result
from .values import Quantity, compare_values

__all__ = [
    "Quantity",
    "Result",
    "compare_program",
    "compare_values",
    "draw_inputs",
    "load",
    "parse_spec",
    "precision",
    "still_uses",
    "unload",
]
