"""Notebooks among the files of a command: each goes to the engine as a program and comes back as a notebook."""

from __future__ import annotations

import ast
import re
from collections.abc import Mapping

from translator import notebook
from translator.model import InputError, Options, Translation
from translator.modules import Modules
from translator.outputs import module_name

SUFFIX = ".ipynb"
_HELPERS = "xlate_helpers"


def translate_mixed(
    sources: Mapping[str, bytes], options: Options, renames: Mapping[str, str] | None
) -> dict[str, Translation | InputError]:
    """What ``engine.translate_sources`` gives, for Python files and notebooks together.

    The helpers that a notebook needs get a cell of their own, above the first that uses one.
    """
    from translator.engine import translate_sources

    programs: dict[str, bytes] = {}
    books: dict[str, notebook.Notebook] = {}
    out: dict[str, Translation | InputError] = {}
    for path, data in sources.items():
        if not path.endswith(SUFFIX):
            programs[path] = data
            continue
        try:
            books[path] = notebook.read(data)
            programs[path] = books[path].program().encode("utf-8", "surrogatepass")
        except InputError as error:
            out[path] = error
    names = {path: module_name(path) + (SUFFIX.replace(".", "_") if path in books else "") for path in programs}
    modules = Modules(names, {}, dict.fromkeys(books, _HELPERS))
    out.update(translate_sources(programs, options, renames, modules=modules))
    for path, book in books.items():
        result = out[path]
        if isinstance(result, Translation):
            try:
                out[path] = _assembled(book, result, options)
            except InputError as error:
                out[path] = error
    return {path: out[path] for path in sources}


def _assembled(book: notebook.Notebook, result: Translation, options: Options) -> Translation:
    if not result.helpers:
        return notebook.assemble(book, result, options)
    from dataclasses import replace

    from translator.project.helper_module import text

    bare = re.sub(rf"^from {_HELPERS} import (?:\([^)]*\)|[^\n]*)\n", "", result.text, count=1, flags=re.MULTILINE)
    code = text(result.helpers, options, _own(book, options))
    return notebook.assemble(book, replace(result, text=bare), options, code, result.helpers)


def _own(book: notebook.Notebook, options: Options) -> frozenset[str]:
    """The names that the notebook defines, which helpers must not take."""
    from translator.engine import own_names
    from translator.infer.dialect import DIALECTS

    return own_names(ast.parse(book.program()), DIALECTS[options.direction].roots)
