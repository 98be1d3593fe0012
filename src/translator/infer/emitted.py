"""Helpers that a translation the other way left in a file: they are no code of the user's.

What they stand for is known.
A definition counts as one if it is a helper's, but for its layout and comments, and so is all that it uses. Its name
then stands for an API of its own (``torch.xlate.KerasLSTM``, ``tf.xlate.PaddedConv2D``), of which rows say what it is
in the other framework; without such rows it is read as any other code.
"""

from __future__ import annotations

import ast
from collections.abc import Mapping
from functools import cache
from typing import TYPE_CHECKING, Any

import libcst as cst

from .. import nodes

if TYPE_CHECKING:
    from .facts import Facts
    from .interp import Interpreter

PLACE = "tf.xlate."
"""How the names of the helpers begin that stand in programs of TensorFlow."""
DATA_FORMAT = "DATA_FORMAT"
"""The constant of the helpers that says where they look for channels."""
FORMATS = ("channels_last", "channels_first")


def recognise(it: Interpreter, module: cst.Module) -> None:
    """Note the helpers among the definitions at the top of a file."""
    root = it.direction.source
    there = {name: node for node in module.body if (name := defined(node)) is not None}
    whole = untouched(module, there, root)
    names = {there[name]: f"{root}.xlate.{name}" for name in whole}
    code = {n: api for n, api in names.items() if not isinstance(n, cst.SimpleStatementLine)}
    found = {n: api for n, api in code.items() if api in it.tables.index}
    if found:
        if DATA_FORMAT in whole:
            it.facts.data_formats[it.scope.module] = format_of(there[DATA_FORMAT]) or FORMATS[0]
        it.facts.emitted.update(found)
        it.facts.emitted.update(inner(module, set(found), {n: a for n, a in names.items() if n not in found}))


def defined(node: Any) -> str | None:
    """The name of a class, a function or a constant."""
    if isinstance(node, cst.ClassDef | cst.FunctionDef):
        return node.name.value
    line = node.body[0] if isinstance(node, cst.SimpleStatementLine) and len(node.body) == 1 else None
    target = line.targets[0].target if isinstance(line, cst.Assign) and len(line.targets) == 1 else None
    return target.value if isinstance(target, cst.Name) and target.value[0].isupper() else None


def untouched(module: cst.Module, there: Mapping[str, Any], framework: str) -> set[str]:
    """The names of the helpers that are as they were written, with all that they use."""
    from ..emit import helper

    whole = {name for name, node in there.items() if is_helper(module, name, node, framework)}
    while True:
        uses = {name: {u for u in helper(name, framework).uses if helper(u, framework) is not None} for name in whole}  # type: ignore[union-attr]
        broken = {name for name in whole if not uses[name] <= whole}
        if not broken:
            return whole
        whole -= broken


def inner(module: cst.Module, found: set[Any], rest: Mapping[Any, str]) -> dict[cst.CSTNode, str]:
    """Helpers that only such helpers use."""
    outside = [n for n in module.body if n not in found]
    read = {n: {m.value for m in nodes.walk(n) if isinstance(m, cst.Name)} for n in outside}
    out: dict[cst.CSTNode, str] = {}
    while True:
        more = {n: api for n, api in rest.items() if n not in out
                and not any(defined(n) in read[m] for m in outside if m not in out and m is not n)}  # fmt: skip
        if not more:
            return out
        out.update(more)


def is_helper(module: cst.Module, name: str, node: Any, framework: str) -> bool:
    """Whether a definition is the helper of its name."""
    from ..emit import helper

    found = helper(name, framework)
    if found is None:
        return False
    return format_of(node) is not None or alike(found.text, module.code_for_node(node))


def format_of(node: Any) -> str | None:
    """The data format that a file's helpers work in, if this is the statement that says it."""
    if defined(node) != DATA_FORMAT or not isinstance(node, cst.SimpleStatementLine):
        return None
    value = node.body[0].value  # type: ignore[union-attr]
    text = value.evaluated_value if isinstance(value, cst.SimpleString) else None
    return str(text) if text in FORMATS else None


def alike(ours: str, theirs: str) -> bool:
    """Whether two definitions are one program, however they are laid out."""
    ours, theirs = ours.strip(), theirs.strip().replace("\r\n", "\n")
    if ours == theirs:
        return True
    try:
        return ast.dump(ast.parse(ours)) == ast.dump(ast.parse(theirs))
    except SyntaxError:
        return False


def looks_for_channels(it: Interpreter, name: str) -> bool:
    """Whether the data format of the file decides what a helper does."""
    rows = it.tables.find(name) if name.startswith(PLACE) else []
    return any(row.layout == "channels" or row.returns.startswith("keras_") for row in rows)


@cache
def stands_for_module(name: str) -> bool:
    """Whether a helper stands for one of PyTorch's modules."""
    from ..model import Direction
    from ..tables import tables

    rows = tables(Direction.TF2TORCH).find(name) if name.startswith(PLACE) else []
    rows = [row for row in rows if row.returns != "loss"]  # which are called with what no model gives
    modules = any(t.startswith("torch.nn.") and t.rpartition(".")[2][:1].isupper() for row in rows for t in row.tf)
    return modules or any(row.rule == "keras_layer" for row in rows)


def helpers_format(facts: Facts, module: str) -> str | None:
    """The data format of the helpers that a file uses: its own, or the one that all files of the project share."""
    every = set(facts.data_formats.values())
    return facts.data_formats.get(module) or (every.pop() if len(every) == 1 else None)


def without_unused(text: str, names: set[str], framework: str) -> str:
    """A translation without the helpers that nothing in it needs any more, with what only they needed.

    Args:
        names: the helpers whose uses were translated.
    """
    from ..emit import closure, global_names, helper

    tree = ast.parse(text)
    needed = {h.name for h in closure(names, framework)}
    lines = text.splitlines(keepends=True)
    ours: dict[str, tuple[int, int]] = {}
    for node in tree.body:
        name = _defined(node)
        if name is not None and name in needed:
            first = min([node.lineno, *(d.lineno for d in getattr(node, "decorator_list", []))])
            last = node.end_lineno or node.lineno
            found = helper(name, framework)
            if found is not None and (name == DATA_FORMAT or alike(found.text, "".join(lines[first - 1 : last]))):
                ours[name] = (first, last)
    kept: set[str] = set()
    for node in tree.body:
        if _defined(node) not in ours:
            kept |= {h.name for h in closure(global_names(node) & ours.keys(), framework)}
    for first, last in sorted((place for name, place in ours.items() if name not in kept), reverse=True):
        while last < len(lines) and not lines[last].strip():
            last += 1
        del lines[first - 1 : last]
    return "".join(lines)


def _defined(node: ast.stmt) -> str | None:
    """The name of a class, a function or a constant."""
    if isinstance(node, ast.ClassDef | ast.FunctionDef):
        return node.name
    target = node.targets[0] if isinstance(node, ast.Assign) and len(node.targets) == 1 else None
    return target.id if isinstance(target, ast.Name) else None
