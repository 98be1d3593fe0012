"""A plan says what a migration would give, with the most valuable gaps first, and writes nothing."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from translator.batch import Outcome
from translator.cli_root import root
from translator.model import Counts, Diagnostic, InputError, Severity, Status, Translation
from translator.project.plan import hours, plan


def outcome(path: str, *messages: str, seen: int = 10) -> Outcome:
    found = tuple(Diagnostic(i, 1, "XL203", Severity.ERROR, text) for i, text in enumerate(messages, 1))
    counts = Counts(seen, seen - len(messages), len(messages))
    return Outcome(path, Translation("", Status.PARTIAL if messages else Status.TRANSLATED, found, counts))


RARE, COMMON, OTHER = "torch.rare has no counterpart", "torch.common.x: no", "no API here"


def test_gaps_are_ordered_by_the_files_that_they_keep_from_being_whole() -> None:
    outlook = plan(
        [
            outcome("a.py", RARE), outcome("b.py", RARE, RARE), outcome("c.py", COMMON, COMMON, OTHER),
            outcome("d.py", COMMON, OTHER), outcome("e.py", COMMON, RARE, OTHER), outcome("f.py"),
            Outcome("g.py", InputError("broken")),
        ]
    )
    assert [(g.subject, g.unblocks, len(g.files), g.places) for g in outlook.gaps] == [
        ("torch.rare", 2, 3, 4), ("torch.common.x", 0, 3, 4), ("no API here", 0, 3, 3),
    ]  # fmt: skip
    assert (outlook.seen, outlook.refused, outlook.translated) == (60, 11, 49)
    assert outlook.share == pytest.approx(49 / 60)
    assert outlook.minutes == (30 + 15) + (30 + 15) + (30 + 10) + 30
    assert outlook.files[Status.PARTIAL] == 5


def test_notes_are_no_gaps() -> None:
    note = Translation("", Status.TRANSLATED, (Diagnostic(1, 1, "XL401", Severity.NOTE, "torch.x deviates"),))
    outlook = plan([Outcome("a.py", note)])
    assert not outlook.gaps and outlook.minutes == 0 and outlook.share == 1


def test_hours() -> None:
    assert [hours(m) for m in (0, 3, 44, 61, 400, 480, 4200)] == [
        "none", "about 5 minutes", "about 45 minutes", "about 1 hour", "about 7 hours", "about 1.1 days",
        "about 10 days",
    ]  # fmt: skip


def test_the_command(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("p").mkdir()
    Path("p/a.py").write_text("import torch\nx = torch.fft.hfft2(y)\nz = torch.ones(3)\n")
    Path("p/b.py").write_text("import torch\nz = torch.ones(3)\n")
    Path("p/readme.txt").write_text("")
    before = sorted(Path().rglob("*"))
    result = CliRunner().invoke(root, ["plan", "p"])
    assert result.exit_code == 1
    assert "1 translate whole\n      1 translate in part\n      1 are copied as they are\n" in result.stdout
    assert "Hand work: about" in result.stdout
    assert "torch.fft.hfft2" in result.stdout.splitlines()[-1]
    document = json.loads(CliRunner().invoke(root, ["plan", "p", "--format", "json"]).stdout)
    assert document["gaps"][0]["files"] == ["p/a.py"] and document["gaps"][0]["unblocks"] == 1
    assert document["files"]["translated"] == 1
    assert sorted(Path().rglob("*")) == before
    assert CliRunner().invoke(root, ["plan", "p/b.py"]).exit_code == 2
