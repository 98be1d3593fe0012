"""Signatures out of the type stubs that PyTorch ships for what it implements in C++.

The stubs are parsed, never imported. A function of the Python argument parser stands there once for each overload.
"""

from __future__ import annotations

import ast
from functools import cache
from pathlib import Path

from translator.signature_sources.entries import UNSTATED, Overload, unique

Overloads = dict[str, list[Overload]]


@cache
def _tree(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"))


def functions(path: Path) -> Overloads:
    """The overloads of each function of a stub file. ``self`` is called ``input``, as the argument parser does."""
    names = _imported(_tree(path))
    found = _collect(_tree(path).body, names)
    for overloads in found.values():
        for overload in overloads:
            for param in overload:
                param[0] = "input" if param[0] == "self" else param[0]
    return {name: tidy(overloads) for name, overloads in found.items()}


def classes(path: Path) -> dict[str, Overloads]:
    """For each class of a stub file the overloads of its methods, without ``self`` and ``cls``."""
    tree = _tree(path)
    names = _imported(tree)
    return {
        node.name: {name: tidy(one) for name, one in _collect(node.body, names, in_class=True).items()}
        for node in tree.body
        if isinstance(node, ast.ClassDef)
    }


def tidy(overloads: list[Overload]) -> list[Overload]:
    """Overloads without repetition, old forms last.

    An old form takes by position what a newer one takes by keyword only: ``add(input, alpha, other)``. Its variant
    with a required ``out`` is merged with it.
    """
    kept = unique(overloads)
    for overload in list(kept):
        with_out = [*overload, ["out", "ko"]]
        if with_out in kept:
            kept.remove(with_out)
            overload.append(["out", "ko", "None"])
    by_keyword = {param[0] for overload in kept for param in overload if param[1] == "ko"}
    return sorted(kept, key=lambda one: any(param[0] in by_keyword and param[1:] == ["pk"] for param in one))


def _imported(tree: ast.Module) -> dict[str, str]:
    """What the names that a stub imports stand for: ``strided`` is ``torch.strided``."""
    names = {}
    for node in tree.body:
        if isinstance(node, ast.ImportFrom) and node.module and not node.level:
            names.update({item.asname or item.name: f"{node.module}.{item.name}" for item in node.names})
    return names


def _collect(body: list[ast.stmt], names: dict[str, str], *, in_class: bool = False) -> Overloads:
    found: Overloads = {}
    for node in body:
        if isinstance(node, ast.FunctionDef):
            overload = _overload(node.args, names)
            decorators = {item.id for item in node.decorator_list if isinstance(item, ast.Name)}
            if in_class and "staticmethod" not in decorators:
                overload = overload[1:]
            found.setdefault(node.name, []).append(overload)
    return found


def _overload(args: ast.arguments, names: dict[str, str]) -> Overload:
    plain = args.posonlyargs + args.args
    without = len(plain) - len(args.defaults)
    found: Overload = []
    for index, arg in enumerate(plain):
        kind = "po" if index < len(args.posonlyargs) else "pk"
        found.append([arg.arg, kind, *_default(args.defaults[index - without] if index >= without else None, names)])
    if args.vararg:
        found.append([args.vararg.arg, "va"])
    for arg, default in zip(args.kwonlyargs, args.kw_defaults, strict=True):
        found.append([arg.arg, "ko", *_default(default, names)])
    if args.kwarg:
        found.append([args.kwarg.arg, "vk"])
    return found


def _default(node: ast.expr | None, names: dict[str, str]) -> list[str]:
    if node is None:
        return []
    if isinstance(node, ast.Constant) and node.value is Ellipsis:
        return [UNSTATED]
    text = ast.unparse(node)
    head, dot, rest = text.partition(".")
    return [names[head] + dot + rest] if head in names else [text]
