"""Finds the files that a program consists of, and translates them together."""

from __future__ import annotations

import ast
import os
from collections.abc import Iterator
from dataclasses import dataclass

from ..discover import read_bytes
from ..engine import translate_sources
from ..infer.interp import Interpreter
from ..model import InputError, Options, Translation
from ..outputs import module_name
from ..source import read
from .loading import File, Program


@dataclass(frozen=True, slots=True)
class Gathered:
    """The files of a program: dotted name to path, and path to bytes."""

    main: str
    paths: dict[str, str]
    data: dict[str, bytes]

    def program(self) -> Program:
        """The program as it stands.

        Raises:
            InputError: its main file is no Python that can be read.
        """
        files = {}
        for name, path in self.paths.items():
            try:
                text = read(self.data[path]).text
            except InputError:
                if name == self.main:
                    raise
                continue
            files[name] = File(path, text, os.path.basename(path) == "__init__.py")
        return Program(self.main, files)


def gather(path: str) -> Gathered:
    """A file and the files beside it, or above it in its packages, that it imports, and those that they import.

    Raises:
        InputError: the file cannot be read.
    """
    main = module_name(path)
    paths, data = {main: path}, {path: read_bytes(path)}
    root = os.path.abspath(path)
    for _ in range(main.count(".") + 1):
        root = os.path.dirname(root)
    roots = list(dict.fromkeys([root, os.path.dirname(os.path.abspath(path))]))
    waiting = [main]
    while waiting:
        name = waiting.pop()
        here = paths[name]
        for wanted in _imports(data[here], name, os.path.basename(here) == "__init__.py"):
            found = _find(wanted, roots) if wanted not in paths else None
            if found is not None:
                try:
                    data[found] = read_bytes(found)
                except InputError:
                    continue
                paths[wanted] = found
                waiting.append(wanted)
    return Gathered(main, paths, data)


def _find(name: str, roots: list[str]) -> str | None:
    for root in roots:
        base = os.path.join(root, *name.split("."))
        for candidate in (base + ".py", os.path.join(base, "__init__.py")):
            if os.path.isfile(candidate):
                return os.path.relpath(candidate) if not os.path.isabs(root) else candidate
    return None


def _imports(data: bytes, module: str, package: bool) -> Iterator[str]:
    """The dotted names that a file may import, packages on the way included."""
    try:
        tree = ast.parse(data)
    except (SyntaxError, ValueError):
        return
    for node in ast.walk(tree):
        names: list[str] = []
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            base = node.module or ""
            if node.level:
                above = module.split(".")[: len(module.split(".")) - node.level + package]
                base = ".".join([*above, *([base] if base else [])])
            names = [base, *(f"{base}.{alias.name}" if base else alias.name for alias in node.names)]
        for name in names:
            pieces = name.split(".") if name else []
            yield from (".".join(pieces[: i + 1]) for i in range(len(pieces)))


@dataclass(frozen=True, slots=True)
class Translated:
    """A program's translation: all its files, what is told of the main one, and what the inference knows."""

    program: Program
    main: Translation
    interpreter: Interpreter | None
    """``None`` where the main file names no framework."""


def translated(gathered: Gathered, options: Options) -> Translated:
    """The program's translation.

    Raises:
        InputError: the main file cannot be translated.
    """
    seen: list[Interpreter] = []
    results = translate_sources(gathered.data, options, watch=lambda path, tree, ctx: seen.append(ctx.interpreter))
    main = results[gathered.paths[gathered.main]]
    if isinstance(main, InputError):
        raise main
    suffix = f" (to {options.direction.target})"
    files = {}
    for name, path in gathered.paths.items():
        result = results[path]
        if isinstance(result, Translation):
            files[name] = File(path + suffix, result.text, os.path.basename(path) == "__init__.py")
    return Translated(Program(gathered.main, files), main, seen[0] if seen else None)
