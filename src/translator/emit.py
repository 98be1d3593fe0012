"""The last stage: imports and helpers are put in order on the rewritten text.

It works on text with the standard library's positions, since by now only whole statements move.
"""

from __future__ import annotations

import ast
import marshal
import re
import sys
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache, lru_cache
from pathlib import Path
from typing import Any

from . import syntax
from .caches import cached
from .infer.imports import framework_name
from .model import Layout, Options
from .tables.signatures import Param

HELPERS = Path(__file__).resolve().parent / "helpers"
IMPORTS = {
    "bisect": "import bisect", "collections": "import collections", "copy": "import copy", "csv": "import csv",
    "glob": "import glob", "gzip": "import gzip", "inspect": "import inspect", "re": "import re",
    "types": "import types",
    "itertools": "import itertools",
    "json": "import json", "math": "import math", "os": "import os", "pickle": "import pickle",
    "random": "import random", "struct": "import struct", "typing": "import typing", "weakref": "import weakref",
    "ThreadPoolExecutor": "from concurrent.futures import ThreadPoolExecutor",
    "functools": "import functools", "h5py": "import h5py", "np": "import numpy as np", "PIL": "import PIL.Image",
    "tf": "import tensorflow as tf", "keras": "from tensorflow import keras", "torch": "import torch",
    "nn": "from torch import nn", "F": "import torch.nn.functional as F",
}  # fmt: skip
"""What a name in written code is imported by, in the order of the imports."""
TORCH_NAMES, TF_NAMES = frozenset({"torch", "nn", "F"}), frozenset({"tf", "keras"})
HELPERS_ONLY = frozenset({
    "bisect", "collections", "copy", "csv", "glob", "gzip", "random", "re", "struct", "itertools", "json", "h5py", "os",
    "pickle", "ThreadPoolExecutor", "PIL", "typing", "inspect", "types", "weakref",
})  # fmt: skip
"""Names that only helpers need an import for: in the user's code they are the user's own."""
MAX_LINE = 100
"""Characters of an import of helpers, from which on each name gets a line of its own."""


# -- helpers -----------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Helper:
    """The source of one helper: a function, a class or a constant."""

    name: str
    text: str
    uses: frozenset[str]
    """The names that it uses and does not bind itself."""
    loads: frozenset[str]
    """All names that it reads."""
    order: tuple[str, int]
    params: tuple[Param, ...] = ()
    bases: tuple[str, ...] = ()
    """The bases of a class without a constructor of its own."""


@cache
def _packed(framework: str) -> dict[str, bytes]:
    """Every helper of a framework by name, as plain data, from the cache."""
    files = sorted((HELPERS / framework).glob("*.py"))

    def build() -> dict[str, bytes]:
        out: dict[str, bytes] = {}
        for path in files:
            there = {found.name: found for found in _module(path)}
            out = {name: marshal.dumps(_plain(found)) for name, found in there.items()} | out
        return out

    return cached(f"helpers-{framework}", [*files, Path(__file__), Path(syntax.__file__)], build)  # type: ignore[no-any-return]


def _plain(found: Helper) -> tuple[Any, ...]:
    params = tuple((p.name, p.kind, p.default) for p in found.params)
    return (found.name, found.text, found.uses, found.loads, found.order, params, found.bases)


def _module(path: Path) -> Iterator[Helper]:
    """The helpers of one file."""
    text = path.read_text("utf-8")
    lines = text.splitlines(keepends=True)
    for node in ast.parse(text).body:
        names: list[str] = []
        if isinstance(node, ast.FunctionDef | ast.ClassDef):
            names = [node.name]
        elif isinstance(node, ast.Assign):
            names = [t.id for t in node.targets if isinstance(t, ast.Name) and t.id[0].isupper()]
        for name in names:
            first = min([node.lineno, *(d.lineno for d in getattr(node, "decorator_list", []))])
            source = "".join(lines[first - 1 : node.end_lineno])
            uses, loads = global_names(node), frozenset(_names(node))
            yield Helper(name, source, uses, loads, (path.name, node.lineno), _params(node), _bases(node))


def local_names(node: ast.FunctionDef | ast.Lambda) -> frozenset[str]:
    """The parameters and variables of a function."""
    a = node.args
    params = {p.arg for p in (*a.posonlyargs, *a.args, *a.kwonlyargs, a.vararg, a.kwarg) if p is not None}
    stored = {n.id for n in ast.walk(node) if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Store)}
    return frozenset(params | stored)


def global_names(node: ast.AST, local: frozenset[str] = frozenset()) -> frozenset[str]:
    """The names that a definition uses and does not bind itself."""
    if isinstance(node, ast.FunctionDef | ast.Lambda):
        local = local | local_names(node)
    if isinstance(node, ast.Name):
        return frozenset() if node.id in local else frozenset({node.id})
    return frozenset().union(*(global_names(c, local) for c in ast.iter_child_nodes(node)))


def _params(node: ast.stmt) -> tuple[Param, ...]:
    """The parameters of a helper function, or of a helper class's constructor."""
    if isinstance(node, ast.ClassDef):
        init = next((n for n in node.body if isinstance(n, ast.FunctionDef) and n.name == "__init__"), None)
        return _params(init)[1:] if init is not None else ()
    if not isinstance(node, ast.FunctionDef):
        return ()
    a = node.args
    positional = [*a.posonlyargs, *a.args]
    defaults: list[ast.expr | None] = [None] * (len(positional) - len(a.defaults)) + list(a.defaults)
    out = [Param(p.arg, "pk", ast.unparse(d) if d else None) for p, d in zip(positional, defaults, strict=True)]
    if a.vararg:
        out.append(Param(a.vararg.arg, "va"))
    out += [Param(p.arg, "ko", ast.unparse(d) if d else None) for p, d in zip(a.kwonlyargs, a.kw_defaults, strict=True)]
    if a.kwarg:
        out.append(Param(a.kwarg.arg, "vk"))
    return tuple(out)


def _bases(node: ast.stmt) -> tuple[str, ...]:
    return tuple(b.id for b in node.bases if isinstance(b, ast.Name)) if isinstance(node, ast.ClassDef) else ()


@cache
def helper(name: str, framework: str = "tf") -> Helper | None:
    """A helper by name."""
    found = _packed(framework).get(name)
    if found is None:
        return None
    name, text, uses, loads, order, params, bases = marshal.loads(found)
    return Helper(name, text, uses, loads, order, tuple(Param(*p) for p in params), bases)


def helper_params(name: str, framework: str = "tf") -> tuple[Param, ...] | None:
    """The parameters of a helper; ``None`` if there is no such helper."""
    found = helper(name, framework)
    if found is None or found.params or not found.bases:
        return found.params if found is not None else None
    return helper_params(found.bases[0], framework)


def closure(names: Iterable[str], framework: str) -> list[Helper]:
    """The helpers and all that they use, each after what it needs."""
    index = _packed(framework)
    out: list[Helper] = []
    done: set[str] = set()

    def add(name: str) -> None:
        if name in done or name not in index:
            return
        done.add(name)
        found = helper(name, framework)
        if found is None:
            return
        for used in sorted(found.uses):
            add(used)
        out.append(found)

    for name in sorted(names):
        add(name)
    return out


def helper_text(
    names: Iterable[str], options: Options, taken: frozenset[str] = frozenset()
) -> tuple[str, list[Helper]]:
    """The source of the helpers that a file needs, and which they are. Names that are taken get an underscore."""
    found = closure(names, options.direction.target)
    parts = []
    for item in found:
        text = item.text.rstrip()
        if item.name == "DATA_FORMAT":
            text = f'DATA_FORMAT = "{options.layout.value}"'
        for name in taken & {h.name for h in found}:
            text = renamed(text, name, name + "_")
        parts.append(text)
    constants = [p for p in parts if re.match(r"[A-Z_]+ = ", p)]
    rest = [p for p in parts if p not in constants]
    return "\n\n\n".join(constants + rest), found


def renamed(text: str, old: str, new: str) -> str:
    """A helper's source with a global name changed: its definition and its uses, not parameters of that name."""
    places: list[tuple[int, int]] = []

    def visit(node: ast.AST, local: frozenset[str]) -> None:
        if isinstance(node, ast.FunctionDef | ast.Lambda):
            local = local | local_names(node)
        if isinstance(node, ast.Name) and node.id == old and old not in local:
            places.append((node.lineno, node.col_offset))
        for child in ast.iter_child_nodes(node):
            visit(child, local)

    tree = ast.parse(text)
    visit(tree, frozenset())
    lines = text.split("\n")
    for top in tree.body:
        if isinstance(top, ast.FunctionDef | ast.ClassDef) and top.name == old:
            places.append((top.lineno, lines[top.lineno - 1].index(old, 3)))
    for line, column in sorted(places, reverse=True):
        row = lines[line - 1]
        lines[line - 1] = row[:column] + new + row[column + len(old) :]
    return "\n".join(lines)


# -- imports -----------------------------------------------------------------------------------------------


@dataclass(slots=True)
class _Change:
    start: int
    end: int
    text: str


def finish(
    text: str, helpers: Iterable[str], options: Options, roots: frozenset[str], module: str = "",
    renames: Mapping[str, str] | None = None, taken: frozenset[str] = frozenset(), shared: str | None = None,
    lines: Iterable[str] = (), source: ast.Module | None = None,
) -> tuple[str, tuple[str, ...]]:  # fmt: skip
    """Drop imports that nothing uses any more, add those that the translation needs, insert the helpers.

    Args:
        shared: the module that the helpers are imported from; ``None`` puts them into the text.
        lines: imports of the libraries that users' tables write.
        source: the program before the rewriting: what it used of the standard library may have gone with it.

    Raises:
        SyntaxError: if the rewritten text does not parse, which is a bug of the rewriting.
    """
    tree = ast.parse(text)
    code, found = helper_text(helpers, options, taken) if shared is None else ("", [])
    names = tuple(h.name for h in found) if shared is None else tuple(sorted(helpers))
    used = _names(tree)
    inner = frozenset().union(*(h.loads for h in found))
    offsets = _line_offsets(text)
    changes: list[_Change] = []
    first: int | None = None
    for body in syntax.blocks(tree):
        dropped = 0
        for node in body:
            if not isinstance(node, ast.Import | ast.ImportFrom):
                continue
            if first is None and body is tree.body and _of_framework(node, roots):
                first = offsets[node.lineno - 1]
            new = _import(node, used - set(names), roots, module, renames or {})
            if new is None and source is not None and _is_standard(node):
                new = _without(node, _gone(node, used | (inner & IMPORTS.keys()), source))
            if new is not None:
                dropped += not new
                last = dropped == len(body) and body is not tree.body  # of a block in which nothing else is left
                changes.append(_replace(text, offsets, node, new, alone=last))
    ours = IMPORTS.keys() - (TORCH_NAMES if options.direction.target == "tf" else TF_NAMES)
    wanted = [
        n
        for n in IMPORTS
        if n in ours
        and n in (inner if n in HELPERS_ONLY else used | inner)
        and n not in _bound(tree)
        and n not in taken
        and (n in inner or source is None or not _is_users(n, source, tree))
    ]
    there = {ast.unparse(n) for n in tree.body if isinstance(n, ast.Import | ast.ImportFrom)}
    block = [*(IMPORTS[n] for n in wanted), *(line for line in sorted(lines) if line not in there)]
    place = first if first is not None else _after_imports(text, tree, offsets)
    head = _head(text, tree, offsets)
    newline = "\r\n" if "\r\n" in text else "\n"
    changes.append(_Change(place, place, "".join(line + newline for line in block)))
    text = _apply(text, changes)
    if code:
        text = _insert_helpers(text, code, head + sum(len(c.text) - c.end + c.start for c in changes if c.end <= head))
    elif shared is not None and names:
        text = _insert_import(text, shared, names, taken)
    return text, names


def _is_users(name: str, source: ast.Module, tree: ast.Module) -> bool:
    """Whether a name that the output reads is one that the program read and did not bind: ``import *`` brings it."""
    if name not in _used(source) or name in _bound(source):
        return False
    before, after = (sum(type(n) is ast.Name and n.id == name for n in syntax.walk(t)) for t in (source, tree))
    return after <= before


def _names(tree: ast.AST) -> set[str]:
    """The names that a program reads, with those in ``__all__`` and in quoted annotations of parameters."""
    out: set[str] = set()
    for node in syntax.walk(tree):
        if type(node) is ast.Name:
            if type(node.ctx) is ast.Load:
                out.add(node.id)
        elif isinstance(node, ast.Assign) and any(isinstance(t, ast.Name) and t.id == "__all__" for t in node.targets):
            out |= {c.value for c in ast.walk(node.value) if isinstance(c, ast.Constant) and isinstance(c.value, str)}
        elif isinstance(node, ast.arg) and isinstance(node.annotation, ast.Constant):
            out |= set(re.findall(r"(?<![\w.])\w+", str(node.annotation.value)))
    return out


def _of_framework(node: ast.stmt, roots: frozenset[str]) -> bool:
    if isinstance(node, ast.ImportFrom):
        return node.level == 0 and framework_name(node.module or "").split(".")[0] in roots
    return isinstance(node, ast.Import) and any(framework_name(a.name).split(".")[0] in roots for a in node.names)


@lru_cache(maxsize=1)
def _used(tree: ast.Module) -> set[str]:
    return _names(tree)


def _is_standard(node: ast.Import | ast.ImportFrom) -> bool:
    """Whether an import names only the standard library."""
    if isinstance(node, ast.ImportFrom):
        return node.level == 0 and (node.module or "").split(".")[0] in sys.stdlib_module_names - {"__future__"}
    return all(alias.name.split(".")[0] in sys.stdlib_module_names for alias in node.names)


def _binds(alias: ast.alias) -> str:
    return alias.asname or alias.name.split(".")[0]


def _gone(node: ast.Import | ast.ImportFrom, used: Collection[str], source: ast.Module) -> set[str]:
    """The names of an import that only the source used."""
    return {name for name in map(_binds, node.names) if name not in used and name in _used(source)}


def _without(node: ast.Import | ast.ImportFrom, gone: set[str]) -> str | None:
    """The text of an import without some names; ``None`` if that changes nothing."""
    kept = [alias for alias in node.names if _binds(alias) not in gone]
    if len(kept) == len(node.names):
        return None
    start = f"from {node.module} import" if isinstance(node, ast.ImportFrom) else "import"
    return f"{start} {_aliases(kept)}" if kept else ""


def _import(
    node: ast.Import | ast.ImportFrom, used: set[str], roots: frozenset[str], module: str, renames: Mapping[str, str]
) -> str | None:
    """The new text of an import; ``None`` to leave it, empty to drop it."""
    if not _of_framework(node, roots):
        return _follow(node, module, renames)
    kept = []
    for alias in node.names:
        bound = alias.asname or (alias.name if isinstance(node, ast.ImportFrom) else alias.name.split(".")[0])
        foreign = isinstance(node, ast.Import) and framework_name(alias.name).split(".")[0] not in roots
        if bound in used or alias.name == "*" or foreign:
            kept.append(alias)
    if len(kept) == len(node.names):
        return None
    if not kept:
        return ""
    names = ", ".join(a.name + (f" as {a.asname}" if a.asname else "") for a in kept)
    return f"from {node.module} import {names}" if isinstance(node, ast.ImportFrom) else f"import {names}"


def _follow(node: ast.Import | ast.ImportFrom, module: str, renames: Mapping[str, str]) -> str | None:
    """Imports of files that got a new name follow them."""
    if not renames:
        return None
    if isinstance(node, ast.Import):
        names = []
        for alias in node.names:
            new = renames.get(alias.name)
            plain = alias.name + (f" as {alias.asname}" if alias.asname else "")
            names.append(f"{new} as {alias.asname or alias.name}" if new and "." not in alias.name else plain)
        text = "import " + ", ".join(names)
        return text if text != ast.unparse(node) else None
    base = node.module or ""
    package = module.split(".")[: -node.level] if node.level else []
    absolute = ".".join([*package, base] if base else package)
    dots = "." * node.level
    if absolute in renames:
        new = renames[absolute].rsplit(".", 1)[-1]
        target = ".".join([*base.split(".")[:-1], new])
        return f"from {dots}{target} import {_aliases(node.names)}"
    members = {a.name: renames.get(f"{absolute}.{a.name}" if absolute else a.name) for a in node.names}
    if any(members.values()):
        parts = []
        for alias in node.names:
            moved = members[alias.name]
            new = moved.rsplit(".", 1)[-1] if moved else alias.name
            asname = alias.asname or (alias.name if moved else None)
            parts.append(new + (f" as {asname}" if asname else ""))
        return f"from {dots}{base} import {', '.join(parts)}"
    return None


def _aliases(names: list[ast.alias]) -> str:
    return ", ".join(a.name + (f" as {a.asname}" if a.asname else "") for a in names)


def _line_offsets(text: str) -> list[int]:
    return [0, *(match.end() for match in re.finditer("\n", text))]


def _position(text: str, offsets: list[int], line: int, column: int) -> int:
    """The index of a position whose column counts UTF-8 bytes, as `ast` does."""
    start = offsets[line - 1]
    end = offsets[line] if line < len(offsets) else len(text)
    row = text[start:end]
    return start + (column if row.isascii() else len(row.encode()[:column].decode()))


def _replace(text: str, offsets: list[int], node: ast.stmt, new: str, *, alone: bool) -> _Change:
    start = _position(text, offsets, node.lineno, node.col_offset)
    end = _position(text, offsets, node.end_lineno or node.lineno, node.end_col_offset or 0)
    if new or alone:
        return _Change(start, end, new or "pass")
    line = text.rfind("\n", 0, start) + 1
    stop = text.find("\n", end)
    stop = len(text) if stop < 0 else stop + 1
    before, after = text[line:start], text[end:stop]
    if before.strip() == "" and (after.strip() == "" or after.strip().startswith("#")):
        return _Change(line, stop, "")
    if after.lstrip().startswith(";"):
        return _Change(
            start,
            end + after.index(";") + 1 + (len(after.split(";", 1)[1]) - len(after.split(";", 1)[1].lstrip(" "))),
            "",
        )
    return _Change(start, end, "pass")


def _bound(tree: ast.Module) -> set[str]:
    """Names that the file's own imports bind, if anything still uses them."""
    out: set[str] = set()
    for node in tree.body:
        if isinstance(node, ast.Import):
            out |= {a.asname or a.name.split(".")[0] for a in node.names}
        elif isinstance(node, ast.ImportFrom):
            out |= {a.asname or a.name for a in node.names}
    return out


def _after_imports(text: str, tree: ast.Module, offsets: list[int]) -> int:
    """Where new imports go in a file that has none of the framework: after the last import at the top."""
    last = 0
    for i, node in enumerate(tree.body):
        doc = i == 0 and isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)
        if doc or isinstance(node, ast.Import | ast.ImportFrom):
            last = node.end_lineno or 0
        else:
            break
    if not last:  # what stands on top of everything (how to run the file, its encoding, a licence) stays there
        while last < len(offsets) and text.startswith("#", offsets[last]):
            last += 1
    return offsets[last] if last < len(offsets) else len(text)


def _head(text: str, tree: ast.Module, offsets: list[int]) -> int:
    """Where the first statement begins that is neither an import nor the docstring."""
    for i, node in enumerate(tree.body):
        doc = i == 0 and isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)
        if not doc and not isinstance(node, ast.Import | ast.ImportFrom):
            first: ast.stmt | ast.expr = (getattr(node, "decorator_list", None) or [node])[0]
            return _position(text, offsets, first.lineno, 0 if first is not node else node.col_offset)
    return len(text)


def _apply(text: str, changes: list[_Change]) -> str:
    out = text
    for change in sorted(changes, key=lambda c: (c.start, c.end), reverse=True):
        out = out[: change.start] + change.text + out[change.end :]
    return out


def _insert_helpers(text: str, code: str, end: int) -> str:
    """Helpers stand under the imports, which are all in ``text[:end]``."""
    tree = ast.parse(text[:end])
    offsets = _line_offsets(text)
    place = _after_imports(text, tree, offsets)
    newline = "\r\n" if "\r\n" in text else "\n"
    head, tail = text[:place].rstrip(), text[place:].lstrip("\r\n")
    body = code.replace("\n", newline)
    return f"{head}{newline * 3}{body}{newline * 3}{tail}" if head else f"{body}{newline * 3}{tail}"


def _insert_import(text: str, module: str, names: tuple[str, ...], taken: frozenset[str]) -> str:
    """The project's helpers are imported under the other imports."""
    tree = ast.parse(text)
    there = {
        (alias.name, alias.asname)
        for node in tree.body
        if isinstance(node, ast.ImportFrom) and "." * node.level + (node.module or "") == module
        for alias in node.names
    }
    wanted = [(name, f"{name}_" if name in taken else None) for name in names]
    parts = [f"{name} as {other}" if other else name for name, other in wanted if (name, other) not in there]
    if not parts:
        return text
    line = f"from {module} import {', '.join(parts)}"
    if len(line) > MAX_LINE:
        line = f"from {module} import (\n" + "".join(f"    {part},\n" for part in parts) + ")"
    newline = "\r\n" if "\r\n" in text else "\n"
    place = _after_imports(text, tree, _line_offsets(text))
    head, tail = text[:place], text[place:]
    gap = newline if head and not head.endswith("\n") else ""
    if place and not _local_above(tree, module):
        gap += newline
    return f"{head}{gap}{line.replace(chr(10), newline)}{newline}{tail}"


def _local_above(tree: ast.Module, module: str) -> bool:
    """Whether the last of the imports at the top is of the project itself: then another stands right under it."""
    last: ast.stmt | None = None
    for i, node in enumerate(tree.body):
        doc = i == 0 and isinstance(node, ast.Expr)
        if not doc and not isinstance(node, ast.Import | ast.ImportFrom):
            break
        last = node
    if isinstance(last, ast.ImportFrom):
        return bool(last.level) or (last.module or "").split(".")[0] == module.split(".")[0]
    return False


def data_format(options: Options) -> str:
    return "channels_first" if options.layout is Layout.CHANNELS_FIRST else "channels_last"
