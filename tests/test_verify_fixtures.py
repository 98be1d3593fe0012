"""Every model fixture of both directions goes through ``translator.verify`` as a user's file would."""

from __future__ import annotations

import os
import tomllib
from pathlib import Path
from typing import Any

import pytest

import translator
from translator.proof.pool import Pool

FIXTURES = Path(__file__).resolve().parent.parent / "fixtures"
EVERY = bool(os.environ.get("XLATE_EVERY"))
"""Verify every model of every case, not only a sample: many minutes more."""
SAMPLE = {"custom_autograd", "tf_lstm_text", "tf_augment", "tf_stack_fn"}
GROUPS = {"weights", "eval output"}


def cases() -> list[Any]:
    """One parameter for each ``[[model]]`` of each case, with its source."""
    params = []
    for path in sorted(FIXTURES.glob("*/case.toml")):
        models = tomllib.loads(path.read_text(encoding="utf-8")).get("model", [])
        for source in sorted(path.parent.glob("*_model.py")) if EVERY or path.parent.name in SAMPLE else ():
            params += [
                pytest.param(source, m, id=f"{path.parent.name}-{i}-{m['entry']}")
                for i, m in enumerate(models if EVERY else models[:1])
            ]
    return params


@pytest.mark.parametrize(("source", "model"), cases())
def test_fixture(source: Path, model: dict[str, Any], pool: Pool) -> None:
    report = translator.verify(
        str(source), entry=model["entry"], init=model.get("init", {}), inputs=model["inputs"],
        train=model.get("train", True), pool=pool,
    )  # fmt: skip
    (found,) = report.models
    assert report.exit_code == 0, f"{report}\n{found.spot}"
    assert found.refused == 0
    groups = {check.group for check in found.checks}
    assert groups >= GROUPS
    drawn = any("draws random numbers in train mode" in note for note in found.notes)
    assert drawn is model.get("random", False) or not model.get("train", True)
    if model.get("train", True) and not drawn:
        assert groups >= {"train output", "steps"}
        assert found.exact or not found.expected or source.name == "tf_model.py"
    assert {check.case for check in found.checks} == set(range(len(model["inputs"])))
    assert found.single_worst is not None and found.single_worst < 1e-3
