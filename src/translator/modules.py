"""What the files of a project are called, by themselves and by each other: plain values that the engine takes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Modules:
    """The dotted names of a project's files, found from where they lie and how they import each other."""

    names: Mapping[str, str]
    """Path to the module's dotted name, which no other file has. A package is called as its folder."""
    aliases: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    """For a module, the names by which it imports others, where these differ from ``names``."""
    helpers: Mapping[str, str] = field(default_factory=dict)
    """Path to the module of the project's helpers, as an import in that file spells it (``..xlate_helpers``)."""

    def restricted(self, paths: frozenset[str]) -> Modules:
        """The part that concerns some of the files."""
        names = {path: name for path, name in self.names.items() if path in paths}
        known = set(names.values())
        aliases = {name: given for name, given in self.aliases.items() if name in known}
        return Modules(names, aliases, {path: name for path, name in self.helpers.items() if path in paths})


def is_package(path: str) -> bool:
    """Whether a file is a package's own: relative imports in it start at its folder."""
    return path.replace("\\", "/").rsplit("/", 1)[-1] in ("__init__.py", "__init__.pyi")
