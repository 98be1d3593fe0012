"""Cuts a project into the programs that it is made of: files that imports tie together are translated together."""

from __future__ import annotations

import posixpath
from collections.abc import Mapping
from dataclasses import dataclass, field

from translator import source
from translator.model import InputError, Options, Translation
from translator.modules import Modules

from . import helper_module
from .imports import Reference, Tree, components, find_roots, graph, references
from .pool import Pool

Result = Translation | InputError
WORTHWHILE = 60
"""Files from which on reading them in several processes is sooner done."""


@dataclass(frozen=True, slots=True)
class Unit:
    """Files that are translated together, with what their translation depends on besides their texts."""

    paths: tuple[str, ...]
    modules: Modules


@dataclass(slots=True)
class Program:
    """A project as its programs."""

    units: list[Unit] = field(default_factory=list)
    failed: dict[str, InputError] = field(default_factory=dict)
    """Files that cannot be read as Python."""
    untouched: list[str] = field(default_factory=list)
    """Files in which nothing is to be translated: no file of their program names the framework."""
    helper_files: dict[str, str] = field(default_factory=dict)
    """For each file, the path of its helper module."""


def divide(
    texts: Mapping[str, bytes], others: list[str], options: Options, name: str = "", above: tuple[str, ...] = (),
    stem: str = helper_module.NAME, workers: int = 0,
) -> Program:  # fmt: skip
    """Divide a project's Python files into units.

    Args:
        texts: path to bytes.
        others: the paths of the project's other files, some of which mark where imports start.
        name: the name of the project's folder.
        above: if that folder is a package itself, its dotted name's parts.
        stem: name of the helper module.
        workers: processes that read files at once; 0 for none but this one.
    """
    program = Program()
    imports: dict[str, list[Reference]] = {}
    for path, found in _read(texts, workers).items():
        if isinstance(found, list):
            imports[path] = found
        elif source.mentions(texts[path], options.direction.source) or b"\0" in texts[path]:
            program.failed[path] = found
        else:
            imports[path] = []
    tree = Tree(frozenset(imports), name, above, find_roots(imports, others))
    links = graph(tree, imports)
    places = helper_module.places(tree, imports, stem)
    program.helper_files = places.module
    everything = Modules(links.names, links.aliases, places.spelled)
    for paths in components(links.edges):
        if any(source.mentions(texts[path], options.direction.source) for path in paths):
            program.units.append(Unit(paths, everything.restricted(frozenset(paths))))
        else:
            program.untouched += paths
    return program


def _read(texts: Mapping[str, bytes], workers: int) -> dict[str, list[Reference] | InputError]:
    """The imports of each file, or why it cannot be read."""
    if workers < 2 or len(texts) < WORTHWHILE:
        return {path: _imports(data) for path, data in texts.items()}
    order = sorted(texts, key=lambda path: -len(texts[path]))
    parts = [{path: texts[path] for path in order[start :: 4 * workers]} for start in range(4 * workers)]
    found: dict[str, list[Reference] | InputError] = {}
    for number, answer in Pool(_imports_of, workers).run(parts):
        # What a worker died of is met again, and told, where the file is translated.
        found |= answer if isinstance(answer, dict) else {path: [] for path in parts[number]}
    return {path: found[path] for path in texts}


def _imports_of(texts: Mapping[str, bytes]) -> dict[str, list[Reference] | InputError]:
    return {path: _imports(data) for path, data in texts.items()}


def _imports(data: bytes) -> list[Reference] | InputError:
    try:
        return references(source.parse(source.decode(data)[0]))
    except InputError as error:
        return error


def helper_stem(paths: Mapping[str, bytes], options: Options) -> str:
    """A name for the helper module that no file of the project has."""
    taken = {posixpath.splitext(posixpath.basename(path))[0] for path in paths}
    for name in (helper_module.NAME, f"{helper_module.NAME}_{options.direction.target}"):
        if name not in taken:
            return name
    number = 2
    while f"{helper_module.NAME}_{number}" in taken:
        number += 1
    return f"{helper_module.NAME}_{number}"
