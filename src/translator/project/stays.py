"""What a migrated project still imports from libraries that are made for the other framework."""

from __future__ import annotations

import ast
import re
from collections.abc import Collection, Mapping
from dataclasses import replace

from translator import source
from translator.model import Diagnostic, InputError, Options, Severity, Status, Translation

from .packages import FRIENDS, IMPORTED_AS
from .run import Results

TOOLS = frozenset({"triton", "pytorch-cuda", "accelerate", "lightning", "pytorch-lightning", "pytorch-ignite"})
"""Libraries that drive programs rather than being part of them: their source is no use to a translated project."""


def say_what_stays(
    texts: Mapping[str, bytes], results: Results, options: Options, names: Collection[str] = ()
) -> None:
    """Add a finding to each file that goes on importing a library which needs the source's framework.

    Where a use of it is refused anyway, that is a note on what could be done; else it is the refusal itself.

    Args:
        names: what the project's own folder is imported as.
    """
    friends = {IMPORTED_AS.get(name, name.replace("-", "_")): name for name in FRIENDS[options.direction.source]}
    ours = {path.split("/")[-1].removesuffix(".py") for path in texts} | {part for p in texts for part in p.split("/")}
    ours |= set(names)
    friends = {module: name for module, name in friends.items() if module not in ours}
    pattern = re.compile(rf"^[ \t]*(?:import|from)[ \t][^#\n]*\b(?:{'|'.join(friends)})\b".encode(), re.MULTILINE)
    for path, data in texts.items():
        result = results.results.get(path)
        if not friends or not isinstance(result, Translation):
            continue
        after = data if result.status is Status.UNCHANGED else result.data
        if not pattern.search(after):
            continue
        left = _imports(after)
        found = [
            _finding(friends[top], node, result, options)
            for top, node in _imports(data).items()
            if top in left and top in friends
        ]
        if found:
            results.results[path] = _with(result, data, found)


def _with(result: Translation, data: bytes, found: list[Diagnostic]) -> Translation:
    listed = tuple(sorted((*result.diagnostics, *found)))
    if not any(finding.severity is Severity.ERROR for finding in found):
        return replace(result, diagnostics=listed)
    if result.status is Status.UNCHANGED:
        text, encoding, bom = source.decode(data)
        return replace(result, text=text, status=Status.PARTIAL, diagnostics=listed, encoding=encoding, bom=bom)
    return replace(result, status=Status.PARTIAL, diagnostics=listed)


def _finding(name: str, node: ast.stmt, result: Translation, options: Options) -> Diagnostic:
    module = IMPORTED_AS.get(name, name.replace("-", "_"))
    refused = any(d.severity is Severity.ERROR and module in d.message for d in result.diagnostics)
    hint = FRIENDS[options.direction.source][name]
    if name not in TOOLS:
        hint = f"--vendor {module} translates what is used of it along with the project; {hint}"
    message = f"{module} is made for the other framework, and is still imported"
    severity = Severity.WARNING if refused else Severity.ERROR
    return Diagnostic(node.lineno, node.col_offset + 1, "XL604", severity, message, hint)


def _imports(data: bytes) -> dict[str, ast.stmt]:
    """The top-level names that a program imports, each with its first import."""
    out: dict[str, ast.stmt] = {}
    try:
        tree = source.parse(source.decode(data)[0])
    except InputError:
        return out
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                out.setdefault(alias.name.split(".")[0], node)
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            out.setdefault(node.module.split(".")[0], node)
    return out
