"""Which file of a project each import reads: by where the files lie, as Python itself would find them.

Nothing is looked up on the disk and nothing imported. Paths are relative to the project's folder, with ``/``.
"""

from __future__ import annotations

import ast
import posixpath
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field

Reference = tuple[int, str, str]
"""An import: how many dots, the module, and the name that is taken from it (``""`` for the module itself)."""

ROOT_MARKS = ("pyproject.toml", "setup.py", "setup.cfg")
INIT = "__init__.py"


def references(tree: ast.Module) -> list[Reference]:
    """Every import of a file, wherever it stands."""
    out: set[Reference] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            out |= {(0, alias.name, "") for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            out |= {(node.level, node.module or "", alias.name) for alias in node.names}
    return sorted(out)


@dataclass(slots=True)
class Tree:
    """The Python files of a project and the folders that imports are looked for in."""

    files: frozenset[str]
    name: str = ""
    """Name of the project's own folder: what is called when the folder itself is a package."""
    above: tuple[str, ...] = ()
    """If the project's folder lies within packages, their names from the outermost down to ``name``."""
    roots: tuple[str, ...] = ("",)
    """Folders that imports may start at besides the importing file's own."""
    folders: frozenset[str] = field(init=False)
    namespaces: set[str] = field(default_factory=set)
    """Folders without an ``__init__.py`` that some import treats as a package."""

    def __post_init__(self) -> None:
        self.folders = frozenset(parent for path in self.files for parent in parents(path))

    def is_package(self, folder: str) -> bool:
        if not folder:
            return bool(self.above)
        return f"{folder}/{INIT}" in self.files or folder in self.namespaces

    def import_root(self, path: str) -> str:
        """The folder that holds the outermost package of a file; for a file in no package, its own folder."""
        folder = posixpath.dirname(path)
        while folder and self.is_package(folder):
            folder = posixpath.dirname(folder)
        return folder

    def module_name(self, path: str) -> str:
        """The dotted name of a file: from its outermost package, or from the root above it."""
        root = self.import_root(path)
        if root not in self.roots and not self._is_root(path, root):
            root = max((r for r in self.roots if within(path, r)), key=len, default="")
        inner = path[len(root) + 1 :] if root else path
        parts = inner.rsplit(".", 1)[0].split("/")
        if parts[-1] == "__init__":
            parts.pop()
        return ".".join([*(self.above if not root else ()), *parts])

    def _is_root(self, path: str, root: str) -> bool:
        return bool(root) and posixpath.dirname(path) != root

    def resolve(self, importer: str, level: int, module: str) -> str | None:
        """The file that ``module`` is in, or the folder if it is a package without an ``__init__.py``."""
        return self.located(importer, level, module)[0]

    def located(self, importer: str, level: int, module: str) -> tuple[str | None, str]:
        """What ``resolve`` gives, and the folder where the search for it started."""
        parts = module.split(".") if module else []
        if level:
            folder = posixpath.dirname(importer)
            for _ in range(level - 1):
                if not folder:
                    return None, ""
                folder = posixpath.dirname(folder)
            return self._find(folder, parts), folder
        for root in dict.fromkeys((self.import_root(importer), posixpath.dirname(importer), *self.roots)):
            if root == "" and self.above:
                continue  # imports start above the project: see below
            found = self._find(root, parts)
            if found is not None:
                return found, root
        for prefix in (self.above, (self.name,)):
            if prefix and prefix[0] and tuple(parts[: len(prefix)]) == prefix:
                return self._find("", parts[len(prefix) :]), ""
        return None, ""

    def _find(self, folder: str, parts: list[str]) -> str | None:
        path = posixpath.join(folder, *parts)
        if parts and f"{path}.py" in self.files and f"{path}/{INIT}" not in self.files:
            return f"{path}.py"
        init = f"{path}/{INIT}" if path else INIT
        if init in self.files:
            return init
        return path if path in self.folders and parts else None


def parents(path: str) -> Iterator[str]:
    """Every folder above a path, the innermost first, without the project's own."""
    folder = posixpath.dirname(path)
    while folder:
        yield folder
        folder = posixpath.dirname(folder)


def within(path: str, folder: str) -> bool:
    return not folder or path.startswith(folder + "/")


def find_roots(files: Iterable[str], others: Iterable[str]) -> tuple[str, ...]:
    """The folders of a project that its imports start at: its own, ``src``, and those of projects inside of it."""
    folders = {parent for path in files for parent in parents(path)}
    marked = {posixpath.dirname(path) for path in others if posixpath.basename(path) in ROOT_MARKS}
    roots = {"", *marked}
    roots |= {src for root in roots if (src := posixpath.join(root, "src")) in folders}
    return tuple(sorted(roots, key=lambda root: (root.count("/"), root != "", root)))


def find_namespaces(tree: Tree, imports: Mapping[str, Iterable[Reference]]) -> set[str]:
    """The folders that have no ``__init__.py`` and yet are imported from as packages."""
    out: set[str] = set()
    for path, given in imports.items():
        for level, module, _ in given:
            target, root = tree.located(path, level, module)
            if target is None:
                continue
            if level and not tree.is_package(posixpath.dirname(path)):
                out.add(posixpath.dirname(path))
            between = [folder for folder in parents(target) if folder != root and within(folder, root)]
            if target in tree.folders:
                between.append(target)
            out |= {folder for folder in between if f"{folder}/{INIT}" not in tree.files}
    return out - {""}


@dataclass(frozen=True, slots=True)
class Graph:
    """Who imports whom."""

    names: dict[str, str]
    """Path to dotted name; no two files have the same."""
    aliases: dict[str, dict[str, str]]
    """For a module, what it calls others, where that is not their dotted name."""
    edges: dict[str, frozenset[str]]
    """Path to the files of the project that it imports."""


def graph(tree: Tree, imports: Mapping[str, Iterable[Reference]]) -> Graph:
    """Resolve every import of a project. The tree learns which of its folders are packages without a file."""
    tree.namespaces |= find_namespaces(tree, imports)
    names = unique_names(tree)
    aliases: dict[str, dict[str, str]] = {}
    edges: dict[str, frozenset[str]] = {}
    for path, given in imports.items():
        found: set[str] = set()
        other: dict[str, str] = {}
        for level, module, name in given:
            for dotted, target in _targets(tree, path, level, module, name):
                real = names[target] if target in names else _folder_name(tree, names, target)
                if target in names:
                    found.add(target)
                if not level and dotted != real:
                    other[dotted] = real
        edges[path] = frozenset(found - {path})
        if other:
            aliases[names[path]] = other
    return Graph(names, aliases, edges)


def unique_names(tree: Tree) -> dict[str, str]:
    """The dotted name of each file; a second file of one name gets that of its whole path."""
    names: dict[str, str] = {}
    used: set[str] = set()
    for path in sorted(tree.files, key=lambda path: (not path.endswith(".py"), path)):
        name = tree.module_name(path)
        if name in used or not name:
            name = path.rsplit(".", 1)[0].replace("/", ".")
        while name in used:
            name += "_"
        used.add(name)
        names[path] = name
    return names


def _targets(tree: Tree, path: str, level: int, module: str, name: str) -> Iterator[tuple[str, str]]:
    """What an import reads: the module, the packages above it, and the submodule that it may name."""
    dotted = [".".join(module.split(".")[: i + 1]) for i in range(module.count(".") + 1)] if module else []
    for part in dotted if not level else [module]:
        target = tree.resolve(path, level, part)
        if target is not None:
            yield part, target
    if name and name != "*":
        inner = f"{module}.{name}" if module else name
        target = tree.resolve(path, level, inner)
        if target is not None:
            yield inner, target


def _folder_name(tree: Tree, names: Mapping[str, str], folder: str) -> str:
    """The dotted name of a package without an ``__init__.py``, as its files have it."""
    inside = next(path for path in sorted(tree.files) if path.startswith(folder + "/"))
    depth = inside[len(folder) + 1 :].count("/") + (0 if inside.endswith(INIT) else 1)
    return ".".join(names[inside].split(".")[: -depth or None])


def components(edges: Mapping[str, frozenset[str]]) -> list[tuple[str, ...]]:
    """The files that are tied by imports, whichever way: each group is a program of its own."""
    group: dict[str, str] = {path: path for path in edges}

    def top(path: str) -> str:
        while group[path] != path:
            group[path] = group[group[path]]
            path = group[path]
        return path

    for path, targets in edges.items():
        for target in targets:
            a, b = sorted((top(path), top(target)))
            group[b] = a
    out: dict[str, list[str]] = {}
    for path in sorted(edges):
        out.setdefault(top(path), []).append(path)
    return [tuple(paths) for paths in out.values()]
