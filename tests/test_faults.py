"""Faults planted in a translation are found and their places named; a translation in another style is not blamed."""

from __future__ import annotations

import fnmatch
import os
from pathlib import Path

import pytest

import translator
from faults import FAULTS, INPUTS, RESTYLED, Fault
from translator.proof.pool import Pool
from translator.proof.result import ModelReport

FOLDER = Path(__file__).resolve().parent.parent / "fixtures" / "mixed"
EVERY = bool(os.environ.get("XLATE_EVERY"))
"""Plant every fault, not only a sample: minutes more."""
SAMPLE = {"same padding at stride 2", "axis of softmax", "a detach left out", "rate of dropout"}


def verified(text: str, folder: Path, pool: Pool) -> ModelReport:
    path = folder / "edited_tf.py"
    path.write_text(text, "utf-8")
    source = str(FOLDER / "torch_model.py")
    report = translator.verify(
        source, translated=str(path), entry="Net", inputs=INPUTS, graph=False, steps=0, pool=pool
    )
    return report.models[0]


def text() -> str:
    return (FOLDER / "edited_tf.py").read_text("utf-8")


def placed(model: ModelReport, fault: Fault, line: int) -> bool:
    """Whether the place that was named is the fault's: the path, and in code that was edited the line too."""
    spot = model.spot
    if spot is None or not fnmatch.fnmatchcase(spot.path, fault.path):
        return False
    shown = spot.translated
    return fault.elsewhere or (shown is not None and shown[1] <= line <= shown[2])


@pytest.mark.parametrize("fault", [f for f in FAULTS if f.kind in SAMPLE], ids=lambda f: f.kind)
def test_a_fault_is_found_and_its_place_named(fault: Fault, tmp_path: Path, pool: Pool) -> None:
    wrong, line = fault.plant(text())
    model = verified(wrong, tmp_path, pool)
    assert model.verdict == "differs", str(model)
    assert placed(model, fault, line), f"{model}\n{model.spot}"


def test_there_are_enough_kinds() -> None:
    assert len({f.kind for f in FAULTS}) == len(FAULTS) >= 30
    assert len(RESTYLED) >= 10
    for fault in FAULTS:
        assert fault.plant(text())[0] != text()


@pytest.mark.skipif(not EVERY, reason="takes minutes; runs with XLATE_EVERY=1")
def test_every_fault_is_found_and_most_places_are_right(tmp_path: Path, pool: Pool) -> None:
    missed, misplaced = [], []
    for fault in FAULTS:
        wrong, line = fault.plant(text())
        model = verified(wrong, tmp_path, pool)
        if model.verdict not in ("differs", "broken"):
            missed.append(fault.kind)
        elif not placed(model, fault, line):
            misplaced.append(f"{fault.kind}: {model.spot or model.failure}")
    assert not missed
    assert len(misplaced) <= len(FAULTS) / 10, "\n".join(misplaced)


STYLES = sorted(RESTYLED) if EVERY else sorted(RESTYLED)[:2]


@pytest.mark.parametrize("style", STYLES)
def test_another_style_is_no_fault(style: str, tmp_path: Path, pool: Pool) -> None:
    edited = text()
    for old, new in RESTYLED[style]:
        assert old in edited
        edited = edited.replace(old, new, 1)
    model = verified(edited, tmp_path, pool)
    assert model.ok, f"{model}\n{model.spot}"
