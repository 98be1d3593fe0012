"""Where a project's shared helpers go, how each file imports them, and the text of their module."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from translator.model import Options

from .imports import INIT, Reference, Tree, within

NAME = "xlate_helpers"
ASIDE = frozenset({"test", "tests", "testing", "doc", "docs", "examples", "example", "scripts", "tools", "benchmarks",
                   "_vendor"})  # fmt: skip
"""Packages that come along with a project rather than being it."""
_TARGET = {"tf": "TensorFlow", "torch": "PyTorch"}


@dataclass(frozen=True, slots=True)
class Places:
    """Where helper modules go and who reads which."""

    module: dict[str, str]
    """For each file, the path of the helper module that serves it."""
    spelled: dict[str, str]
    """For each file, that module as the file's import names it."""


def places(tree: Tree, imports: Mapping[str, Iterable[Reference]], stem: str = NAME) -> Places:
    """Give each file its helper module.

    A project that is one package has it inside, so that it is installed with it; scripts and tests beside the
    package take it from there. Otherwise it lies where the imports start: once for each such folder that has
    files which no other can serve.
    """
    reached = {path: _reached(tree, path, imports.get(path, ())) for path in sorted(tree.files)}
    package = main_package(tree, imports)
    module: dict[str, str] = {}
    spelled: dict[str, str] = {}
    for path, roots in reached.items():
        if package is not None and posixpath.dirname(package) in roots:
            module[path] = posixpath.join(package, f"{stem}.py")
        else:
            module[path] = posixpath.join(roots[0], f"{stem}.py")
        spelled[path] = _spelling(tree, path, module[path], imports.get(path, ()))
    return Places(module, spelled)


def main_package(tree: Tree, imports: Mapping[str, Iterable[Reference]]) -> str | None:
    """The folder of the one package that a project is; ``None`` if it is several, or loose modules."""
    if tree.above:
        return None  # the project's own folder is the package
    folders = {path[: -len(INIT) - 1] for path in tree.files if path.endswith("/" + INIT)} | tree.namespaces
    main = {f for f in folders if not tree.is_package(posixpath.dirname(f)) and posixpath.basename(f) not in ASIDE}
    if len(main) != 1:
        return None
    (package,) = main
    if f"{package}/{INIT}" not in tree.files:
        return None
    root = posixpath.dirname(package)
    for path, given in imports.items():
        for level, module, _ in given:
            target = tree.resolve(path, level, module)
            if target is not None and target.endswith(".py") and posixpath.dirname(target) == root:
                return None  # a module beside the package that others import: the root is what they share
    return package


def _reached(tree: Tree, path: str, given: Iterable[Reference]) -> list[str]:
    """The folders in which a file finds absolute imports, the best place for what it shares with others first."""
    root = tree.import_root(path)
    located = [tree.located(path, level, module) for level, module, _ in given if not level]
    used = sorted({start for target, start in located if target is not None} - {root}, key=tree.roots.index)
    loose = root not in tree.roots and root == posixpath.dirname(path)
    return [*used, root] if loose else [root, *used]


def _spelling(tree: Tree, path: str, module: str, given: Iterable[Reference]) -> str:
    """How a file imports its helper module: relative where the file imports that way itself."""
    folder, home = posixpath.dirname(path), posixpath.dirname(module)
    stem = posixpath.splitext(posixpath.basename(module))[0]
    packaged = tree.is_package(home)
    if packaged and within(path, home):
        given = list(given)
        relative = any(level for level, _, _ in given)
        top = (tree.above or (tree.module_name(f"{home}/{INIT}").split(".")[0],))[0]
        absolute = any(not level and name.split(".")[0] == top for level, name, _ in given)
        if relative or not absolute:
            inner = folder[len(home) :].strip("/")
            return "." * (1 + (inner.count("/") + 1 if inner else 0)) + stem
    if packaged:
        return f"{tree.module_name(posixpath.join(home, INIT))}.{stem}"
    return stem


def text(names: Iterable[str], options: Options, taken: frozenset[str] = frozenset()) -> str:
    """The source of a helper module.

    Args:
        names: the helpers that the project's files import; what these need comes along.
        taken: names that are in use where the helpers go: a helper of that name gets an underscore.
    """
    import ast

    # The engine's modules are slow to load, and most runs find all that they need in the cache.
    from translator.emit import HELPERS_ONLY, IMPORTS, TF_NAMES, TORCH_NAMES, helper_text

    code, _ = helper_text(names, options, taken)
    used = {node.id for node in ast.walk(ast.parse(code)) if isinstance(node, ast.Name)}
    ours = IMPORTS.keys() - (TORCH_NAMES if options.direction.target == "tf" else TF_NAMES)
    lines = [statement for name, statement in IMPORTS.items() if name in ours and name in used]
    standard = (HELPERS_ONLY - {"h5py"}) | {"math", "functools"}
    plain = [line for name, line in IMPORTS.items() if line in lines and name in standard]
    rest = [line for line in lines if line not in plain]
    blocks = [_head(options), *("\n".join(block) for block in (plain, rest) if block)]
    return "\n\n".join(blocks) + "\n\n\n" + code.strip() + "\n"


def _head(options: Options) -> str:
    source, target = _TARGET[options.direction.source], _TARGET[options.direction.target]
    return f'"""What {source} has and {target} lacks: functions and layers that the translated files share."""'


def earlier(files: Mapping[str, bytes], options: Options) -> dict[str, frozenset[str]]:
    """The helper modules that an earlier run left in a project, and the helpers that each holds."""
    from translator.emit import closure

    head = _head(options).encode()
    out = {}
    for path, data in files.items():
        if posixpath.basename(path) == f"{NAME}.py" and data.startswith(head):
            found = re.findall(r"^(?:def|class) (\w+)|^([A-Z_]+) = ", data.decode("utf-8", "replace"), re.MULTILINE)
            names = frozenset(a or b for a, b in found)
            out[path] = frozenset(h.name for h in closure(names, options.direction.target)) & names
    return out
