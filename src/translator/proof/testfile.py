"""Writes a test that users keep beside a translation: it needs neither xlate nor the source's framework.

The weights, inputs and outputs of a verified model go into an ``.npz`` file. The test builds the translation, fills it
and compares in float32, as the model is used.
"""

from __future__ import annotations

import io
import os
import re
from pathlib import Path
from typing import Any

from ..model import Direction, InputError
from ..outputs import write_file
from .result import ModelReport, Reference

LIMIT = 64 * 2**20
"""The most bytes that the weights of one test may take."""
TOLERANCE = 1e-4
"""Of the norm of an output, in float32."""


def write_test(path: str, model: ModelReport, direction: Direction, translated: str) -> tuple[str, str]:
    """Write the test of one model and its data; returns both paths.

    Args:
        path: the test's file. The data goes beside it, as ``NAME_reference.npz``.
        translated: the file of the translation.

    Raises:
        InputError: the model has no reference, or too large a one, or a file cannot be written.
    """
    reference = model.reference
    if reference is None:
        raise InputError(f"{model.entry} was not verified, so there is nothing to test against", code="XL052")
    size = sum(a.nbytes for a in reference.weights.values())
    if size > LIMIT:
        hint = "make a smaller model with --init"
        raise InputError(f"its weights take {size / 2**20:.0f} MB, more than a test should", code="XL052", hint=hint)
    data = Path(path).with_name(Path(path).stem.removeprefix("test_") + "_reference.npz")
    kind = "keras" if direction is Direction.TORCH2TF else "torch"
    text = (Path(__file__).parent / f"test_{kind}.py.txt").read_text("utf-8")
    values = {
        "entry": model.entry,
        "module": os.path.basename(translated),
        "source": os.path.basename(model.file),
        "path": os.path.relpath(translated, Path(path).resolve().parent).replace(os.sep, "/"),
        "data": data.name,
        "others": repr(_others(reference)),
        "tolerance": repr(TOLERANCE),
        "build": f"module.{model.entry}({_arguments(model.init)})",
    }
    write_file(str(data), _packed(reference))
    write_file(path, re.sub(r"\{\{(\w+)\}\}", lambda m: values[m[1]], text).encode())
    return path, str(data)


def _arguments(init: dict[str, Any]) -> str:
    def text(value: Any) -> str:
        if isinstance(value, dict) and set(value) == {"$name"}:
            return f"module.{value['$name']}"
        if isinstance(value, dict) and set(value) == {"$tuple"}:
            return "(" + "".join(f"{text(v)}, " for v in value["$tuple"]) + ")"
        return "[" + ", ".join(map(text, value)) + "]" if isinstance(value, list) else repr(value)

    return ", ".join(f"{name}={text(value)}" for name, value in init.items())


def _others(reference: Reference) -> list[dict[str, Any]]:
    return [{k: v for k, v in case.items() if not hasattr(v, "dtype")} for case in reference.inputs]


def _packed(reference: Reference) -> bytes:
    import numpy as np

    arrays = {f"weight:{name}": value for name, value in reference.weights.items()}
    for number, case in enumerate(reference.inputs):
        arrays |= {f"input:{number}:{k}": v for k, v in case.items() if hasattr(v, "dtype")}
    for number, leaves in enumerate(reference.outputs):
        arrays |= {f"output:{number}:{i}": leaf for i, leaf in enumerate(leaves)}
    buffer = io.BytesIO()
    np.savez_compressed(buffer, allow_pickle=False, **arrays)
    return buffer.getvalue()
