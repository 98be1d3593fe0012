"""What belongs to a project: every file below its folder that Git would keep, and what each is."""

from __future__ import annotations

import fnmatch
import os
import posixpath
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

from translator.config import Patterns
from translator.discover import SKIPPED_FOLDERS, unreadable
from translator.model import InputError

if TYPE_CHECKING:
    from pathspec import GitIgnoreSpec

NEVER = SKIPPED_FOLDERS | {".git", ".hg", ".svn", ".tox", ".nox", ".eggs", ".mypy_cache", ".pytest_cache",
                           ".ruff_cache", ".ipynb_checkpoints", ".venv"}  # fmt: skip
TEMPORARY = ".xlate-tmp"
"""Folder in the output that holds files while they are written."""
MANIFEST = ".xlate-migrate.json"
"""File in the output that says what was written there."""


class Kind(StrEnum):
    """What a file of a project is to its migration."""

    PYTHON = "python"
    STUB = "stub"
    NOTEBOOK = "notebook"
    DEPENDENCIES = "dependencies"
    OTHER = "other"
    LINK = "link"


DEPENDENCY_FILES = ("requirements*.txt", "requirements*.in", "constraints*.txt", "*requirements.txt",
                    "pyproject.toml", "setup.cfg", "environment*.yml", "environment*.yaml", "conda*.yml", "conda*.yaml",
                    "Dockerfile", "Dockerfile.*", "*.dockerfile")  # fmt: skip
"""Names of the files that say what a project needs."""
_EXTENSIONS = {".py": Kind.PYTHON, ".pyi": Kind.STUB, ".ipynb": Kind.NOTEBOOK}


@dataclass(frozen=True, slots=True)
class Entry:
    """One file of a project."""

    path: str
    """Relative to the project's folder, with ``/``."""
    kind: Kind
    error: InputError | None = None
    """Why it can be neither translated nor copied."""


def scan(root: str, wanted: Patterns | None = None, skip: Iterable[str] = ()) -> list[Entry]:
    """The files of a project, in a stable order.

    Args:
        root: the project's folder.
        wanted: which files are translated; the others are copied as they are.
        skip: real paths of folders that do not belong to the project (the output inside of it).
    """
    walker = _Walker(root, frozenset(os.path.realpath(path) for path in skip))
    out = []
    for entry in walker.walk("", list(_above(root))):
        plain = entry.kind in (Kind.LINK, Kind.OTHER)
        translated = plain or wanted is None or wanted.match(os.path.join(root, entry.path))
        out.append(entry if translated else Entry(entry.path, Kind.OTHER, entry.error))
    return sorted(out, key=lambda entry: entry.path)


def kind_of(name: str) -> Kind:
    """What a file is, by its name."""
    kind = _EXTENSIONS.get(posixpath.splitext(name)[1])
    if kind is not None:
        return kind
    base = posixpath.basename(name)
    known = any(fnmatch.fnmatchcase(base, pattern) for pattern in DEPENDENCY_FILES)
    known = known or (posixpath.basename(posixpath.dirname(name)) == "requirements" and base.endswith((".txt", ".in")))
    return Kind.DEPENDENCIES if known else Kind.OTHER


Ignores = list[tuple[str, "GitIgnoreSpec"]]
"""Rules, each with what stands between its folder and a path of the project: the innermost rule that knows decides."""


class _Walker:
    def __init__(self, root: str, skip: frozenset[str]) -> None:
        self.root = root
        self.real = os.path.realpath(root)
        self.skip = skip

    def walk(self, folder: str, ignores: Ignores) -> Iterator[Entry]:
        """The entries of ``folder`` (relative, empty for the project's own) and below."""
        full = os.path.join(self.root, folder) if folder else self.root
        try:
            with os.scandir(full) as found:
                entries = sorted(found, key=lambda entry: entry.name)
        except OSError as error:
            yield Entry(folder or ".", Kind.OTHER, unreadable(error))
            return
        rules = _read_rules(full)
        if rules is not None:
            ignores = [*ignores, (f"{folder}/" if folder else "", rules)]
        for entry in entries:
            path = f"{folder}/{entry.name}" if folder else entry.name
            if entry.is_symlink():
                if not _ignored(path, False, ignores):
                    yield self._link(path)
            elif entry.is_dir(follow_symlinks=False):
                if not self._skipped(entry) and not _ignored(path, True, ignores):
                    yield from self.walk(path, ignores)
            elif not _ignored(path, False, ignores) and entry.name not in (MANIFEST, ".git"):
                regular = entry.is_file(follow_symlinks=False)
                odd = None if regular else InputError("neither a file nor a folder", code="XL008")
                yield Entry(path, kind_of(path) if regular else Kind.OTHER, odd)

    def _skipped(self, entry: os.DirEntry[str]) -> bool:
        if entry.name in NEVER or entry.name == TEMPORARY or os.path.exists(os.path.join(entry.path, "pyvenv.cfg")):
            return True
        return bool(self.skip) and os.path.realpath(entry.path) in self.skip

    def _link(self, path: str) -> Entry:
        """A symbolic link is copied as a link, if it leads to something inside the project."""
        full = os.path.join(self.root, path)
        target = os.path.realpath(full)
        if os.path.islink(target):
            return Entry(path, Kind.LINK, InputError("a loop of symbolic links", code="XL007"))
        if target != self.real and not target.startswith(self.real + os.sep):
            hint = "copy what it leads to by hand"
            message = f"a symbolic link that leads out of the project ({os.readlink(full)}), not followed"
            return Entry(path, Kind.LINK, InputError(message, code="XL009", hint=hint))
        return Entry(path, Kind.LINK)


def _above(root: str) -> Iterator[tuple[str, GitIgnoreSpec]]:
    """The rules of the folders above the project, up to the top of its Git repository, outermost first.

    None, if they leave out the project itself: whoever names a folder wants it.
    """
    folder, found = os.path.realpath(root), []
    prefix = ""
    while not os.path.exists(os.path.join(folder, ".git")):
        parent, name = os.path.split(folder)
        if parent == folder:
            return  # in no repository
        folder, prefix = parent, f"{name}/{prefix}"
        rules = _read_rules(folder)
        if rules is not None:
            found.append((f"-{prefix}", rules))
    if not _ignored("", False, list(reversed(found))):
        yield from reversed(found)


def _read_rules(folder: str) -> GitIgnoreSpec | None:
    from pathspec import GitIgnoreSpec

    try:
        with open(os.path.join(folder, ".gitignore"), encoding="utf-8", errors="replace") as file:
            return GitIgnoreSpec.from_lines(file.read().splitlines())
    except OSError:
        return None


def _ignored(path: str, folder: bool, ignores: Ignores) -> bool:
    for prefix, rules in reversed(ignores):
        inner = prefix[1:] + path if prefix.startswith("-") else path[len(prefix) :]
        known = rules.check_file(inner + "/" * folder).include
        if known is not None:
            return known
    return False
