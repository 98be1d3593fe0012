"""Every model program under ``fixtures/`` computes the same after translation.

Outputs, gradients and buffers with noise in all weights, in eval and train mode, eagerly and under ``tf.function``.
"""

from __future__ import annotations

import os
import tomllib
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from translator import Severity, Translation, translate

FIXTURES = Path(__file__).resolve().parent.parent / "fixtures"


EVERY = bool(os.environ.get("XLATE_EVERY"))
"""Run every model of every case, not only the first: minutes more."""


def cases() -> list[Any]:
    """One parameter for each case with a PyTorch source (with XLATE_EVERY for each ``[[model]]`` of it)."""
    params = []
    for path in sorted(FIXTURES.glob("*/case.toml")):
        if (path.parent / "torch_model.py").exists():
            models = tomllib.loads(path.read_text(encoding="utf-8")).get("model", [])
            params += [
                pytest.param(path.parent, m, id=f"{path.parent.name}-{i}-{m['entry']}")
                for i, m in enumerate(models if EVERY else models[:1])
            ]
    return params


@cache
def translation(folder: Path) -> Translation:
    return translate((folder / "torch_model.py").read_bytes())


def refusals(folder: Path) -> list[str]:
    """What was refused, one line each."""
    found = translation(folder).diagnostics
    return [f"{folder.name}/torch_model.py:{d.line}:{d.column}: {d.code} {d.message}" for d in found
            if d.severity is Severity.ERROR]  # fmt: skip


@pytest.mark.parametrize(("folder", "model"), cases())
def test_model(folder: Path, model: dict[str, Any]) -> None:
    pytest.importorskip("torch")
    pytest.importorskip("tensorflow")
    from translator.compare import compare_program, still_uses

    refused = refusals(folder)
    assert not refused, "\n" + "\n".join(refused)
    text = translation(folder).text
    assert not still_uses(text, "torch"), "the translation still uses torch"
    source = (folder / "torch_model.py").read_text(encoding="utf-8")
    result = compare_program(
        source, text, model["entry"], model.get("init", {}), model["inputs"], train=model.get("train", True),
        edges=translation(folder).edges,
    )  # fmt: skip
    assert result.ok, f"\n{result}"
