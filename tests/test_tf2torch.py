"""Keras programs and their PyTorch translations compute the same, and read as the rules promise."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any

import pytest
import tf2torch_support as support

from translator import Translation, translate
from translator.model import Severity

FIXTURES = Path(__file__).resolve().parent.parent / "fixtures"


def cases() -> list[Any]:
    """One parameter for each ``[[model]]`` of each case with a Keras source."""
    params = []
    for path in sorted(FIXTURES.glob("*/case.toml")):
        if (path.parent / "tf_model.py").exists():
            models = tomllib.loads(path.read_text(encoding="utf-8"))["model"]
            params += [pytest.param(path.parent, m, id=f"{path.parent.name}-{m['entry']}") for m in models]
    return params


def to_torch(text: str) -> Translation:
    return translate(text, "tf2torch")


@pytest.mark.parametrize(("folder", "model"), cases())
def test_fixture_computes_the_same(folder: Path, model: dict[str, Any]) -> None:
    pytest.importorskip("tensorflow")
    from translator.compare.precision import precision

    source = (folder / "tf_model.py").read_text(encoding="utf-8")
    translation = to_torch(source)
    assert not [d for d in translation.diagnostics if d.severity is Severity.ERROR]
    assert "tensorflow" not in translation.text.split("def ")[0] and "keras." not in translation.text
    with precision("float64"):
        found = support.compare(source, translation, model)
    assert found.weights > 0
    assert {"eval output", "train output", "eval gradient", "train gradient"} <= set(found.worst)
    assert max(found.worst.values()) < 1e-9, found.worst
