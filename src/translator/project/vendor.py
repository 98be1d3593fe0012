"""Takes what a project imports of an installed package into the project, so that it is translated along.

The package's modules go to ``_vendor`` beside the project's helpers, with the package's licence, and the imports of the
project lead there. What the tables translate anyway (``torchvision.transforms.Normalize``) stays for them.
"""

from __future__ import annotations

import ast
import os
import posixpath
import re
import sys
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass

from translator import source
from translator.discover import read_bytes
from translator.model import Diagnostic, InputError, Options, Severity

from . import helper_module
from .dependencies import canonical
from .imports import INIT, Tree, find_roots, graph, references
from .installed import Package, find
from .packages import FRAMEWORK
from .reach import Chain, Module, Reach, absolute, chains, words
from .vendored import Vendored

FOLDER = "_vendor"
_HEAD = '"""Packages that this project is made with: the parts of their sources that it needs."""\n'


@dataclass(frozen=True, slots=True)
class _Edit:
    node: ast.stmt
    text: str


def vendor(
    given: Sequence[str], project: str, texts: Mapping[str, bytes], others: list[str], options: Options,
    name: str, above: tuple[str, ...], stem: str,
) -> Vendored:  # fmt: skip
    """What the project's files take from the given packages.

    Args:
        given: packages, as ``installed.find`` takes them.
        project: the project's folder.
        texts, others, name, above, stem: as ``units.divide`` takes them.

    Raises:
        InputError: a package cannot be found.
    """
    packages = [find(each, project) for each in given]
    trees = _parsed(texts)
    tree = Tree(frozenset(trees), name, above, find_roots(trees, others))
    imports = {path: references(parsed) for path, parsed in trees.items()}
    graph(tree, imports)
    places = helper_module.places(tree, imports, stem)
    using = {p: t for p, t in trees.items() if _tops(t) & {package.name for package in packages}}
    spelled = words(using)
    family = {package.name: Reach(package.name, package.folder, spelled) for package in packages}
    for reach in family.values():
        reach.family = family
    known = _known(options)
    out = Vendored()
    homes: dict[str, None] = {}
    for path, parsed in using.items():
        taken = _Taker(parsed, family, known, lambda top, path=path: tree.resolve(path, 0, top) is not None)  # type: ignore[misc]
        prefix = _beside(places.spelled[path])
        edits = [edit for node in ast.walk(parsed) if (edit := taken.edit(node, prefix)) is not None]
        if edits:
            out.texts[path] = source.encode_like(texts[path], _edited(source.decode(texts[path])[0], edits))
            homes[posixpath.dirname(places.module[path])] = None
    out.names = {canonical(dist): package.name for package in packages for dist in (package.name, package.distribution)}
    for number, home in enumerate(homes):
        _place(out, packages, family, tree, home, first=not number, ours=FRAMEWORK[options.direction.source])
    return out


def _parsed(texts: Mapping[str, bytes]) -> dict[str, ast.Module]:
    out = {}
    for path, data in texts.items():
        try:
            out[path] = source.parse(source.decode(data)[0])
        except InputError:
            continue  # it is reported where it is translated
    return out


def _tops(tree: ast.Module) -> set[str]:
    return {module.split(".")[0] for level, module, _ in references(tree) if not level}


def _known(options: Options) -> Callable[[str], bool]:
    """Whether the tables translate an API."""
    from translator.tables import tables

    rows = tables(options.direction, options.mappings)
    return lambda api: any(not row.refuse for row in rows.find(api))


def _beside(spelled: str) -> str:
    """How a file imports the packages' folder, from how it imports the helpers beside it."""
    return spelled[: len(spelled) - len(spelled.rpartition(".")[2])] + FOLDER


class _Taker:
    """Asks for what one file imports, and says how the file imports it from then on."""

    def __init__(
        self, tree: ast.Module, family: Mapping[str, Reach], known: Callable[[str], bool], ours: Callable[[str], bool],
    ) -> None:  # fmt: skip
        self.tree = tree
        self.family = family
        self.known = known
        self.ours = ours
        """Whether a name is a module of the project."""

    def edit(self, node: ast.AST, prefix: str) -> _Edit | None:
        """The new form of an import that reads a package; ``None`` for anything else."""
        if isinstance(node, ast.ImportFrom) and not node.level and node.module:
            reach = self._reach(node.module)
            taken = [alias for alias in node.names if reach is not None and self._member(reach, node.module, alias)]
            if taken:
                rest = [alias for alias in node.names if alias not in taken]
                lines = [f"from {node.module} import {_aliases(rest)}"] if rest else []
                return _Edit(node, "; ".join([*lines, f"from {prefix}.{node.module} import {_aliases(taken)}"]))
        if isinstance(node, ast.Import):
            parts = [self._module(alias, prefix) for alias in node.names]
            if any(moved for moved, _ in parts):
                return _Edit(node, "; ".join(text for _, text in parts))
        return None

    def _reach(self, module: str) -> Reach | None:
        top = module.split(".")[0]
        return None if self.ours(top) else self.family.get(top)

    def _member(self, reach: Reach, module: str, alias: ast.alias) -> bool:
        used = chains(self.tree, alias.asname or alias.name)
        if alias.name != "*" and self._translated(f"{module}.{alias.name}", used):
            return False
        return reach.request(module, alias.name, lambda: used)

    def _module(self, alias: ast.alias, prefix: str) -> tuple[bool, str]:
        """Whether a module moves, and how it is imported then."""
        plain = f"import {_aliases([alias])}"
        reach = self._reach(alias.name)
        top = alias.name.split(".")[0]
        if reach is None or reach.module(alias.name) is None:
            return False, plain
        used = chains(self.tree, alias.asname or top)
        if self._translated(alias.name if alias.asname else top, used):
            return False, plain
        if not alias.asname:
            reach.take_chain(alias.name, [])
            reach.opens(alias.name)
            reach.take_chain(top, used)
            return True, f"from {prefix} import {top}"
        reach.take_chain(alias.name, used)
        above, _, last = alias.name.rpartition(".")
        return True, f"from {prefix}{'.' * bool(above)}{above} import {last} as {alias.asname}"

    def _translated(self, name: str, used: set[Chain] | None) -> bool:
        """Whether the tables have a row for a name, or for what is used below it."""
        below = (".".join([name, *chain[:i]]) for chain in used or () for i in range(1, len(chain) + 1))
        return self.known(name) or any(self.known(api) for api in below)


def _aliases(names: Iterable[ast.alias]) -> str:
    return ", ".join(a.name + (f" as {a.asname}" if a.asname else "") for a in names)


def _edited(text: str, edits: Iterable[_Edit]) -> str:
    """A text with other imports, on as many lines as before, so that what follows keeps its place."""
    lines = text.encode("utf-8", "surrogatepass").splitlines(keepends=True)
    for edit in sorted(edits, key=lambda edit: -edit.node.lineno):
        first, last = edit.node.lineno - 1, (edit.node.end_lineno or edit.node.lineno) - 1
        before, after = lines[first][: edit.node.col_offset], lines[last][edit.node.end_col_offset :]
        whole = b"".join(lines[first : last + 1])
        new = _moved(whole[len(before) : len(whole) - len(after)], edit.text, before.decode())
        lines[first : last + 1] = [before + new + after, *[b""] * (last - first)]
    return b"".join(lines).decode("utf-8", "surrogatepass")


def _moved(old: bytes, new: str, indent: str) -> bytes:
    """An import that is written anew; where only its module changes, all else stays as it is."""
    match = re.fullmatch(r"from (\S+) import [^;]*", new)
    start = re.match(rb"from\s+[\w.]+(\s+import\b)", old)
    if match and start and re.findall(r"\w+", new.split(" import ", 1)[1]) == re.findall(
        r"\w+", re.sub(r"#[^\n]*", "", old[start.end() :].decode("utf-8", "replace"))
    ):
        return b"from " + match[1].encode() + old[start.start(1) :]
    room = old.count(b"\n")
    parts = new.split("; ")
    if len(parts) - 1 <= room:  # each on a line of its own
        return ("\n" + indent).join(parts).encode() + b"\n" * (room - len(parts) + 1)
    return new.encode() + b"\n" * room


def _place(
    out: Vendored, packages: Sequence[Package], family: Mapping[str, Reach], tree: Tree, home: str, first: bool,
    ours: Collection[str],
) -> None:  # fmt: skip
    """Put what is reached of the packages into one folder of the project.

    Args:
        ours: what the framework is imported as, which needs no mention.
    """
    base = posixpath.join(home, FOLDER)
    above = tree.module_name(posixpath.join(home, INIT)) if tree.is_package(home) else ""
    prefix = f"{above}.{FOLDER}" if above else FOLDER
    out.files[f"{base}/{INIT}"] = _HEAD.encode()
    for package in packages:
        reach = family[package.name]
        if not reach.modules:
            continue
        for module in reach.modules.values():
            inner = os.path.relpath(module.path, package.folder).replace(os.sep, "/")
            path = f"{base}/{package.name}/{inner}"
            text = reach.text(module)
            out.files[path] = source.encode_like(read_bytes(module.path), _own_imports(text, family, prefix))
            out.origins[path] = module.path if first else path
        for licence in package.licences:
            out.licences[f"{base}/{package.name}/{os.path.basename(licence)}"] = licence
        out.notes[f"{base}/{package.name}/{INIT}"] = _said(package, reach, {*family, *ours})


def _own_imports(text: str, family: Mapping[str, Reach], prefix: str) -> str:
    """A file of a package whose absolute imports of packages lead to where these are now."""
    tree = source.parse(text)
    taker = _Taker(tree, family, lambda api: False, lambda top: False)
    edits = [edit for node in ast.walk(tree) if (edit := taker.edit(node, prefix)) is not None]
    return _edited(text, edits) if edits else text


def _said(package: Package, reach: Reach, there: Collection[str]) -> tuple[Diagnostic, ...]:
    """How much of a package came along, under which terms, and what it needs besides what is there."""
    count = len(reach.modules)
    needs = sorted(_needs(reach.modules.values()) - set(there) - sys.stdlib_module_names)
    more = f"; it imports {', '.join(needs)}" if needs else ""
    message = f"{count} module{'s' * (count > 1)} of {package.label} translated along{more}"
    note = Diagnostic(1, 1, "XL605", Severity.NOTE, message, "see to it that its licence allows what you do with it")
    if package.licences:
        return (note,)
    missing = f"no licence file of {package.label} is installed"
    return (note, Diagnostic(1, 1, "XL605", Severity.WARNING, missing, "put it beside the translation by hand"))


def _needs(modules: Iterable[Module]) -> set[str]:
    """The packages that modules import."""
    out = set()
    for module in modules:
        for node in ast.walk(module.tree):
            if isinstance(node, ast.Import):
                out |= {alias.name.split(".")[0] for alias in node.names}
            elif isinstance(node, ast.ImportFrom):
                out.add(absolute(module, node).split(".")[0])
    return out - {""}
