"""Helpers that a translation the other way left in a file: they are no code of the user's.

What they stand for is known.
A definition counts as one if it is a helper's, word for word. Its name then stands for an API of its own
(``torch.xlate.KerasLSTM``), of which rows say what it is in the other framework; without such rows it is read as any
other code.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import libcst as cst

from .. import nodes

if TYPE_CHECKING:
    from .interp import Interpreter

PLACE = "xlate"


def recognise(it: Interpreter, module: cst.Module) -> None:
    """Note the helpers among the definitions at the top of a file."""
    root = it.direction.source
    definitions = [n for n in module.body if isinstance(n, cst.ClassDef | cst.FunctionDef)]
    names = {node: f"{root}.{PLACE}.{node.name.value}" for node in definitions}
    found = {n: api for n, api in names.items() if api in it.tables.index and is_helper(module, n, root)}
    if found:
        it.facts.emitted.update(found)
        it.facts.emitted.update(inner(module, set(found), {n: a for n, a in names.items() if n not in found}, root))


def inner(module: cst.Module, found: set[Any], rest: Mapping[Any, str], framework: str) -> dict[cst.CSTNode, str]:
    """Helpers that only such helpers use."""
    outside = [n for n in module.body if n not in found]
    read = {n: {m.value for m in nodes.walk(n) if isinstance(m, cst.Name)} for n in outside}
    out: dict[cst.CSTNode, str] = {}
    while True:
        more = {n: api for n, api in rest.items() if n not in out and is_helper(module, n, framework)
                and not any(n.name.value in read[m] for m in outside if m not in out and m is not n)}  # fmt: skip
        if not more:
            return out
        out.update(more)


def is_helper(module: cst.Module, node: cst.ClassDef | cst.FunctionDef, framework: str) -> bool:
    """Whether a definition is the helper of its name."""
    from ..emit import helper

    found = helper(node.name.value, framework)
    return found is not None and found.text.strip() == module.code_for_node(node).strip().replace("\r\n", "\n")


def without_unused(text: str, names: set[str], framework: str) -> str:
    """A translation without the helpers that nothing in it needs any more, with what only they needed.

    Args:
        names: the helpers whose uses were translated.
    """
    import ast

    from ..emit import closure, global_names, helper

    tree = ast.parse(text)
    needed = {h.name for h in closure(names, framework)}
    lines = text.splitlines(keepends=True)
    ours: dict[str, tuple[int, int]] = {}
    for node in tree.body:
        if isinstance(node, ast.ClassDef | ast.FunctionDef) and node.name in needed:
            first = min([node.lineno, *(d.lineno for d in node.decorator_list)])
            last = node.end_lineno or node.lineno
            found = helper(node.name, framework)
            if found is not None and found.text.strip() == "".join(lines[first - 1 : last]).strip():
                ours[node.name] = (first, last)
    kept: set[str] = set()
    for node in tree.body:
        if getattr(node, "name", None) not in ours:
            kept |= {h.name for h in closure(global_names(node) & ours.keys(), framework)}
    for first, last in sorted((place for name, place in ours.items() if name not in kept), reverse=True):
        while last < len(lines) and not lines[last].strip():
            last += 1
        del lines[first - 1 : last]
    return "".join(lines)
