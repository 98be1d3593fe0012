"""Faults planted in a translation are found and their places named; a translation in another style is not blamed."""

from __future__ import annotations

import fnmatch
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

import faults
import faults_torch
import translator
from faults import Fault
from translator.proof.pool import Pool
from translator.proof.result import ModelReport

FIXTURES = Path(__file__).resolve().parent.parent / "fixtures"
EVERY = bool(os.environ.get("XLATE_EVERY"))
"""Plant every fault, not only a sample: minutes more."""


@dataclass(frozen=True)
class Planting:
    """A source, a translation of it that is kept as a user would keep it, and what is done to that."""

    source: Path
    edited: Path
    inputs: list[dict[str, Any]]
    faults: list[Fault]
    restyled: dict[str, list[tuple[str, str]]]
    sample: frozenset[str]

    @property
    def layout(self) -> str:
        """That of the edited file."""
        return "channels_first"

    @property
    def text(self) -> str:
        return self.edited.read_text("utf-8")

    def verified(self, text: str, folder: Path, pool: Pool) -> ModelReport:
        path = folder / self.edited.name
        path.write_text(text, "utf-8")
        report = translator.verify(str(self.source), translated=str(path), entry="Net", inputs=self.inputs,
                                   graph=False, steps=0, layout=self.layout, pool=pool)  # fmt: skip
        return report.models[0]


PLANTINGS = {
    "torch2tf": Planting(
        FIXTURES / "mixed" / "torch_model.py", FIXTURES / "mixed" / "edited_tf.py", faults.INPUTS, faults.FAULTS,
        faults.RESTYLED,
        frozenset({"same padding at stride 2", "axis of softmax", "a detach left out", "rate of dropout"}),
    ),
    "tf2torch": Planting(
        FIXTURES / "tf_mixed" / "tf_model.py", FIXTURES / "tf_mixed" / "edited_torch.py", faults_torch.INPUTS,
        faults_torch.FAULTS, faults_torch.RESTYLED, frozenset({"same padding at stride 2"}),
    ),
}  # fmt: skip
SAMPLED = [pytest.param(p, f, id=f"{w}-{f.kind}") for w, p in PLANTINGS.items() for f in p.faults if f.kind in p.sample]
STYLES = [
    pytest.param(p, style, id=f"{way}-{style}")
    for way, p in PLANTINGS.items()
    for style in (sorted(p.restyled) if EVERY else sorted(p.restyled)[:2])
]
BOTH = pytest.mark.parametrize("planting", PLANTINGS.values(), ids=PLANTINGS)


def placed(model: ModelReport, fault: Fault, line: int) -> bool:
    """Whether the place that was named is the fault's: the path, and in code that was edited the line too."""
    spot = model.spot
    if spot is None or not fnmatch.fnmatchcase(spot.path, fault.path):
        return False
    shown = [place for place in (spot.translated, spot.code) if place is not None]
    return fault.elsewhere or any(first <= line <= last for _, first, last in shown)


@pytest.mark.parametrize(("planting", "fault"), SAMPLED)
def test_a_fault_is_found_and_its_place_named(planting: Planting, fault: Fault, tmp_path: Path, pool: Pool) -> None:
    wrong, line = fault.plant(planting.text)
    model = planting.verified(wrong, tmp_path, pool)
    assert model.verdict == "differs", str(model)
    assert placed(model, fault, line), f"{model}\n{model.spot}"


@BOTH
def test_there_are_enough_kinds(planting: Planting) -> None:
    assert len({f.kind for f in planting.faults}) == len(planting.faults) >= 30
    assert len(planting.restyled) >= 10
    for fault in planting.faults:
        assert fault.plant(planting.text)[0] != planting.text


@BOTH
@pytest.mark.skipif(not EVERY, reason="takes minutes; runs with XLATE_EVERY=1")
def test_every_fault_is_found_and_most_places_are_right(planting: Planting, tmp_path: Path, pool: Pool) -> None:
    missed, misplaced = [], []
    for fault in planting.faults:
        wrong, line = fault.plant(planting.text)
        model = planting.verified(wrong, tmp_path, pool)
        found = model.verdict in ("differs", "broken")
        right = found and placed(model, fault, line)
        print(f"{fault.kind}: {model.verdict}{', placed' if right else ''}", flush=True)
        if not found:
            missed.append(fault.kind)
        elif not right:
            misplaced.append(f"{fault.kind}: {model.spot or model.failure}")
    count = len(planting.faults)
    print(f"\n{count - len(missed)} of {count} found, {count - len(missed) - len(misplaced)} places right")
    print("\n".join(misplaced))
    assert not missed
    assert len(misplaced) <= count / 10, "\n".join(misplaced)


@pytest.mark.parametrize(("planting", "style"), STYLES)
def test_another_style_is_no_fault(planting: Planting, style: str, tmp_path: Path, pool: Pool) -> None:
    edited = planting.text
    for old, new in planting.restyled[style]:
        assert old in edited
        edited = edited.replace(old, new, 1)
    model = planting.verified(edited, tmp_path, pool)
    assert model.ok, f"{model}\n{model.spot}"
