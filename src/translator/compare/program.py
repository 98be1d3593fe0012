"""Programs from their text: loaded as modules of their own, and what they still use of a framework."""

from __future__ import annotations

import ast
import itertools
import linecache
import sys
from types import ModuleType

from .precision import widen

_numbers = itertools.count()


def load(text: str, name: str, *, wide: bool = True) -> ModuleType:
    """Execute a program as a module; with ``wide`` its float32 names mean float64.

    The module is registered in ``sys.modules`` under a fresh name, as dataclasses need, and its lines are
    known to tracebacks.

    Raises:
        whatever the program's top level raises.
    """
    unique = f"_xlate_{name}_{next(_numbers)}"
    filename = f"<{unique}>"
    text = widen(text) if wide else text
    module = ModuleType(unique)
    # Under the very name of its text, autograph would look for the file and forget the text.
    module.__file__ = filename + ".py"
    linecache.cache[filename] = (len(text), None, text.splitlines(keepends=True), filename)
    sys.modules[unique] = module
    try:
        exec(compile(text, filename, "exec", dont_inherit=True), module.__dict__)
    except BaseException:
        del sys.modules[unique]
        raise
    return module


def unload(module: ModuleType) -> None:
    """Forget a module of `load`."""
    sys.modules.pop(module.__name__, None)
    linecache.cache.pop(f"<{module.__name__}>", None)


def still_uses(text: str, package: str) -> list[int]:
    """The lines on which a program imports or names a package."""
    lines: list[int] = []
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            names = [node.module or ""]
        else:
            names = [node.id] if isinstance(node, ast.Name) else []
        if any(name.split(".")[0] == package for name in names):
            lines.append(getattr(node, "lineno", 0))
    return sorted(set(lines))
