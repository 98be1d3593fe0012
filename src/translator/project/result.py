"""What a migration gives: the same outcomes as translating files gives, with what happened to the rest of the tree."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from translator import report
from translator.batch import Outcome
from translator.model import InputError, Options, Translation


@dataclass(frozen=True, slots=True)
class Migration:
    """A project that was, or would be, migrated."""

    source: str
    """The project's folder."""
    output: str | None
    """Where the migrated tree is; ``None`` when it replaces the source."""
    options: Options
    outcomes: tuple[Outcome, ...]
    """Each file that was looked into, and each that could not be: in the order of their paths."""
    kinds: Mapping[str, str] = field(default_factory=dict)
    """For each outcome's path what the file is: python, stub, notebook, dependencies, other, link, vendored."""
    helpers: tuple[str, ...] = ()
    """The helper modules that were written, as paths."""
    written: tuple[str, ...] = ()
    """Every path that this run changed."""
    copied: int = 0
    """Files that belong to the tree as they are."""
    removed: tuple[str, ...] = ()
    """Outputs of an earlier run whose source is gone."""

    @property
    def exit_code(self) -> int:
        """3 if an input failed, 1 if something was refused, else 0."""
        if any(isinstance(outcome.result, InputError) for outcome in self.outcomes):
            return 3
        return int(any(isinstance(o.result, Translation) and o.result.refused for o in self.outcomes))

    def document(self) -> dict[str, Any]:
        """The JSON document of the run: that of ``report.document``, and what belongs to a project only."""
        extras = {path: {"kind": kind} for path, kind in self.kinds.items()}
        project = {
            "source": self.source,
            "output": self.output,
            "helpers": list(self.helpers),
            "written": len(self.written),
            "copied": self.copied,
            "removed": list(self.removed),
        }
        return report.document(self.outcomes, self.options, extras) | {"project": project}


def failures(outcomes: Sequence[Outcome]) -> list[Outcome]:
    """The outcomes that are errors."""
    return [outcome for outcome in outcomes if isinstance(outcome.result, InputError)]
