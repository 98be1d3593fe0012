"""What a migration would give, before anything is written: how much translates, and what the rest would cost.

The estimate of hand work is a rule of thumb, the same for everyone: it orders work, it does not promise hours.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from translator.batch import Outcome
from translator.model import Diagnostic, InputError, Severity, Status, Translation
from translator.report import diagnostics

FIRST = {"XL200": 20, "XL203": 30, "XL220": 40, "XL206": 20, "XL213": 15, "XL205": 10, "XL212": 10, "XL900": 30}
"""Minutes for the first place of a gap, by its code: understanding it, and finding out what to write instead."""
FIRST_ELSE = 15
AGAIN = 5
"""Minutes for each further place of the same gap."""
FILE = 30
"""Minutes for a file that cannot be read."""
_API = re.compile(r"\b(?:torch\w*|tensorflow\w*|tf|keras)(?:\.\w+)+")


@dataclass(frozen=True, slots=True)
class Gap:
    """One thing that is not translated, wherever it is used."""

    code: str
    subject: str
    """The API, or what the finding says where it names none."""
    message: str
    hint: str
    places: int
    files: tuple[str, ...]
    unblocks: int
    """How many files would be whole if this were translated."""

    @property
    def minutes(self) -> int:
        return FIRST.get(self.code, FIRST_ELSE) + AGAIN * (self.places - 1)


@dataclass(frozen=True, slots=True)
class Plan:
    """The outlook on a migration."""

    files: Mapping[Status, int]
    seen: int
    translated: int
    refused: int
    gaps: tuple[Gap, ...]
    """The most valuable first: what makes most files whole, then what is in most files, then in most places."""
    failed: tuple[Outcome, ...]

    @property
    def share(self) -> float:
        """The part of API uses that translates, from 0 to 1."""
        return self.translated / self.seen if self.seen else 1.0

    @property
    def minutes(self) -> int:
        return sum(gap.minutes for gap in self.gaps) + FILE * len(self.failed)

    def document(self) -> dict[str, Any]:
        """The plan as plain data; times in minutes."""
        return {
            "schema_version": 1,
            "files": {status.value: self.files.get(status, 0) for status in Status},
            "uses": {"seen": self.seen, "translated": self.translated, "refused": self.refused},
            "share": round(self.share, 4),
            "hand_work_minutes": self.minutes,
            "gaps": [
                {
                    "code": gap.code, "subject": gap.subject, "message": gap.message, "hint": gap.hint,
                    "places": gap.places, "files": list(gap.files), "unblocks": gap.unblocks, "minutes": gap.minutes,
                }
                for gap in self.gaps
            ],
            "failed": [{"path": o.path, "message": str(o.result)} for o in self.failed],
        }  # fmt: skip


def plan(outcomes: Iterable[Outcome]) -> Plan:
    """Sum up what would become of a project's files."""
    outcomes = list(outcomes)
    known = [outcome.result for outcome in outcomes if isinstance(outcome.result, Translation)]
    failed = tuple(outcome for outcome in outcomes if isinstance(outcome.result, InputError))
    places: dict[tuple[str, str], list[tuple[str, Diagnostic]]] = {}
    for outcome in outcomes:
        if isinstance(outcome.result, Translation):
            for finding in diagnostics(outcome):
                if finding.severity is Severity.ERROR:
                    places.setdefault((finding.code, subject(finding)), []).append((outcome.path, finding))
    gaps_of: dict[str, set[tuple[str, str]]] = {}
    for key, found in places.items():
        for path, _ in found:
            gaps_of.setdefault(path, set()).add(key)
    gaps = []
    for key, found in places.items():
        files = tuple(sorted({path for path, _ in found}))
        alone = sum(gaps_of[path] == {key} for path in files)
        first = min(finding for _, finding in found)
        gaps.append(Gap(key[0], key[1], first.message, first.hint, len(found), files, alone))
    gaps.sort(key=lambda gap: (-gap.unblocks, -len(gap.files), -gap.places, gap.code, gap.subject))
    counts = [result.counts for result in known]
    return Plan(
        Counter(outcome.status for outcome in outcomes), sum(c.seen for c in counts),
        sum(c.translated for c in counts), sum(c.refused for c in counts), tuple(gaps), failed,
    )  # fmt: skip


def subject(finding: Diagnostic) -> str:
    """What a finding is about, so that findings about the same are counted together."""
    named = _API.search(finding.message)
    return named.group() if named is not None else finding.message


def hours(minutes: int) -> str:
    """A time as people say it, no more exact than it is."""
    if minutes == 0:
        return "none"
    if minutes < 60:
        return f"about {max(5, round(minutes / 5) * 5)} minutes"
    if minutes < 8 * 60:
        whole = round(minutes / 60)
        return f"about {whole} hour{'s' * (whole > 1)}"
    days = round(minutes / 60 / 7, 1 if minutes < 70 * 60 else 0)
    return f"about {days:g} days"
