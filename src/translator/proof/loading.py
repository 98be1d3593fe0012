"""A program of one or several files, loaded in a worker process apart from everything else."""

from __future__ import annotations

import importlib.abc
import importlib.machinery
import linecache
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from types import CodeType, FrameType, ModuleType
from typing import Any

from ..compare.precision import widen


@dataclass(frozen=True, slots=True)
class File:
    """One module of a program: the path to show, and its text."""

    path: str
    text: str
    package: bool = False


@dataclass(frozen=True, slots=True)
class Program:
    """The modules of a program by dotted name, and which of them is the one to look at."""

    main: str
    files: Mapping[str, File]

    @property
    def text(self) -> str:
        return self.files[self.main].text

    @property
    def path(self) -> str:
        return self.files[self.main].path

    def plain(self) -> dict[str, Any]:
        """The program as JSON can hold it."""
        return {"main": self.main, "files": {k: [f.path, f.text, f.package] for k, f in self.files.items()}}

    @staticmethod
    def of(plain: Mapping[str, Any]) -> Program:
        return Program(plain["main"], {k: File(*f) for k, f in plain["files"].items()})


class _Finder(importlib.abc.MetaPathFinder, importlib.abc.InspectLoader):
    """Finds the modules of one program before any other of the same names."""

    def __init__(self, program: Program, wide: bool) -> None:
        self.texts = {name: widen(file.text) if wide else file.text for name, file in program.files.items()}
        self.program = program
        self.packages = {p for name in program.files for p in _above(name)} - set(program.files)

    def find_spec(self, fullname: str, path: Any, target: Any = None) -> importlib.machinery.ModuleSpec | None:
        if fullname in self.packages:
            return importlib.machinery.ModuleSpec(fullname, self, is_package=True)
        file = self.program.files.get(fullname)
        if file is None:
            return None
        spec = importlib.machinery.ModuleSpec(fullname, self, origin=file.path, is_package=file.package)
        spec.has_location = True
        return spec

    def get_source(self, fullname: str) -> str:
        return self.texts.get(fullname, "")

    def get_code(self, fullname: str) -> CodeType:
        path = self.program.files[fullname].path if fullname in self.texts else f"<{fullname}>"
        text = self.get_source(fullname)
        # Without a time of change, linecache never asks the disk, where another text may stand.
        linecache.cache[path] = (len(text), None, text.splitlines(keepends=True), path)
        return compile(text, path, "exec", dont_inherit=True)


def _above(name: str) -> list[str]:
    pieces = name.split(".")
    return [".".join(pieces[:i]) for i in range(1, len(pieces))]


@contextmanager
def loaded(program: Program, *, wide: bool) -> Iterator[ModuleType]:
    """The main module of a program, executed; with ``wide`` its float32 names mean float64.

    Its modules are known to ``import`` inside of the block only.

    Raises:
        whatever the program's top level raises.
    """
    finder = _Finder(program, wide)
    names = set(program.files) | finder.packages
    hidden = {name: sys.modules.pop(name) for name in names if name in sys.modules}
    sys.meta_path.insert(0, finder)
    try:
        __import__(program.main)
        yield sys.modules[program.main]
    finally:
        sys.meta_path.remove(finder)
        for name in names:
            sys.modules.pop(name, None)
        sys.modules.update(hidden)
        for file in program.files.values():
            linecache.cache.pop(file.path, None)


def site(paths: Sequence[str], skip: Any = None) -> tuple[str, int] | None:
    """The innermost line of the program on the stack, as (path, line).

    Args:
        paths: the program's files.
        skip: an object under construction, whose own ``__init__`` methods are passed over.
    """
    frame: FrameType | None = sys._getframe(1)
    known = set(paths)
    while frame is not None:
        code = frame.f_code
        if code.co_filename in known:
            own = code.co_argcount and frame.f_locals.get(code.co_varnames[0]) is skip
            if skip is None or not own:
                return code.co_filename, frame.f_lineno
        frame = frame.f_back
    return None
