"""What of installed packages comes along with a project."""

from __future__ import annotations

from dataclasses import dataclass, field

from translator.model import Diagnostic


@dataclass(slots=True)
class Vendored:
    """What of packages belongs to a project from now on."""

    texts: dict[str, bytes] = field(default_factory=dict)
    """The project's files whose imports changed, with the new text."""
    files: dict[str, bytes] = field(default_factory=dict)
    """Path in the project to the source of a file that is translated along."""
    origins: dict[str, str] = field(default_factory=dict)
    """For each of ``files``, where it lies."""
    names: dict[str, str] = field(default_factory=dict)
    """The distributions that the packages come from, as PEP 503 spells them, to what is imported."""
    licences: dict[str, str] = field(default_factory=dict)
    """Path in the project to the file that belongs there."""
    notes: dict[str, tuple[Diagnostic, ...]] = field(default_factory=dict)
    """For some of ``files``, what is to be said."""
