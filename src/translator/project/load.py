"""Reads what is translated of a project: Python files, stubs and notebooks, all as Python programs."""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from translator import notebook
from translator.discover import read_bytes
from translator.model import InputError, Options, Status, Translation

from .run import Results
from .scan import Entry, Kind


@dataclass(slots=True)
class Loaded:
    """The files of a project that are looked into."""

    raw: dict[str, bytes] = field(default_factory=dict)
    """Path to bytes."""
    texts: dict[str, bytes] = field(default_factory=dict)
    """Path to the Python program that a file is, or that a notebook's cells are."""
    books: dict[str, notebook.Notebook] = field(default_factory=dict)
    failed: dict[str, InputError] = field(default_factory=dict)


def load(root: str, entries: Iterable[Entry]) -> Loaded:
    """Read the files; those that cannot be read are listed with the reason."""
    out = Loaded()
    wanted = [e for e in entries if e.error is None and e.kind in (Kind.PYTHON, Kind.STUB, Kind.NOTEBOOK)]
    out.raw, out.failed = read_all(root, [entry.path for entry in wanted])
    for entry in wanted:
        data = out.raw.get(entry.path)
        if data is None:
            continue
        if entry.kind is not Kind.NOTEBOOK:
            out.texts[entry.path] = data
            continue
        try:
            book = notebook.read(data)
        except InputError as error:
            out.failed[entry.path] = error
            continue
        if book.language == "python":
            out.books[entry.path] = book
            out.texts[entry.path] = book.program().encode("utf-8", "surrogatepass")
    return out


def read_all(root: str, paths: Sequence[str]) -> tuple[dict[str, bytes], dict[str, InputError]]:
    """The bytes of files, and why others cannot be read."""
    data: dict[str, bytes] = {}
    failed: dict[str, InputError] = {}
    for path in paths:
        try:
            data[path] = read_bytes(os.path.join(root, path))
        except InputError as error:
            failed[path] = error
    return data, failed


def bind(loaded: Loaded, results: Results, options: Options) -> None:
    """Put the translations of notebooks' programs into notebooks again."""
    for path, book in loaded.books.items():
        result = results.results.get(path, Translation("", Status.UNCHANGED))
        if isinstance(result, Translation):
            try:
                results.results[path] = notebook.assemble(book, result, options)
            except InputError as error:
                results.results[path] = error
