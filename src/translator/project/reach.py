"""What a program reaches of a package: the modules that its imports lead to, and what of each ``__init__.py``.

A package's ``__init__.py`` mostly gathers everything that there is, so following all of its imports would take the
whole package. Only those are followed, and kept, that bring a name which somebody takes, or which a text in the
program spells (``create_model("resnet18")`` finds its function in a register); its other statements stay.
"""

from __future__ import annotations

import ast
import os
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field

from translator import source
from translator.discover import read_bytes
from translator.model import InputError

Chain = tuple[str, ...]
_NAME = re.compile(r"[A-Za-z_]\w{2,}(?=$|[.:/])")


@dataclass(slots=True)
class Module:
    """A file of the package."""

    name: str
    path: str
    """Where it lies."""
    package: bool
    tree: ast.Module
    text: str
    taken: set[str] = field(default_factory=set)
    """Of an ``__init__.py``: the names that others take."""
    whole: bool = False
    kept: set[ast.stmt] = field(default_factory=set)
    """Of an ``__init__.py``: the imports that are followed."""


class Reach:
    """The modules of one package that are reached, as requests come in.

    Args:
        name: what the package is imported as.
        folder: where it lies.
        spelled: the words that the program's texts consist of.
    """

    def __init__(self, name: str, folder: str, spelled: frozenset[str] = frozenset()) -> None:
        self.name = name
        self.folder = folder
        self.spelled = spelled
        self.modules: dict[str, Module] = {}
        """By dotted name; those that are reached."""
        self.seen: dict[str, Module | None] = {}
        self.opened: dict[str, set[str]] = {}
        """Of packages, the modules that are read as their attributes, so that they have to import them."""
        self.family: Mapping[str, Reach] = {name: self}
        """All packages that are taken from, by name."""

    # -- files -----------------------------------------------------------------------------------

    def module(self, name: str) -> Module | None:
        """A module of the package, reached or not."""
        if name not in self.seen:
            self.seen[name] = self._read(name)
        return self.seen[name]

    def _read(self, name: str) -> Module | None:
        if name.split(".")[0] != self.name:
            return None
        base = os.path.join(self.folder, *name.split(".")[1:])
        for path, package in ((os.path.join(base, "__init__.py"), True), (f"{base}.py", False)):
            if os.path.isfile(path):
                try:
                    text = source.decode(read_bytes(path))[0]
                    return Module(name, path, package, source.parse(text), text)
                except InputError:
                    return None
        return None

    # -- requests --------------------------------------------------------------------------------

    def take(self, name: str, member: str | None = None) -> bool:
        """A module, or a name that is taken from one; whether there is such a thing."""
        module = self.module(name)
        if module is None:
            return False
        if member == "*":
            self._enter(module)
            self._take_all(module)
            return True
        if member is None:
            self._enter(module)
            return True
        if member in self.exported(module, private=True):
            self._enter(module)
            if module.package and member not in module.taken:
                module.taken.add(member)
                self._follow_package(module)
            return True
        return self.take(f"{name}.{member}")

    def take_chain(self, name: str, chains: Iterable[Chain] | None) -> None:
        """What is used of a module that a name stands for; ``None`` for all of it."""
        module = self.module(name)
        if module is None:
            return
        self._enter(module)
        if chains is None:
            self._take_all(module)
            return
        for chain in chains:
            if not chain:
                continue
            if module.package and self._is_module(module, chain[0]):
                self.opens(f"{name}.{chain[0]}")
                self.take_chain(f"{name}.{chain[0]}", [chain[1:]] if chain[1:] else None)
            else:
                self.take(name, chain[0])

    def opens(self, name: str) -> None:
        """A module is read as an attribute of the package above it, which is to import it then."""
        above, _, last = name.rpartition(".")
        if above:
            self.opened.setdefault(above, set()).add(last)
            self.opens(above)

    def _is_module(self, package: Module, name: str) -> bool:
        """Whether a package's attribute is its module of that name, and nothing that it binds to the name itself."""
        if self.module(f"{package.name}.{name}") is None:
            return False
        for node in bindings(package.tree.body):
            if isinstance(node, ast.ImportFrom):
                for alias in node.names:
                    if (alias.asname or alias.name) == name and absolute(package, node) != package.name:
                        return False
            elif isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
                if node.name == name:
                    return False
        return True

    def _take_all(self, module: Module) -> None:
        if module.package and not module.whole:
            module.whole = True
            self._follow_package(module)

    def _enter(self, module: Module) -> None:
        """Take a module in: the packages above it, and if it is no package all that it imports."""
        if module.name in self.modules:
            return
        self.modules[module.name] = module
        above = module.name.rpartition(".")[0]
        parent = self.module(above) if above else None
        if parent is not None:
            self._enter(parent)
        if not module.package:
            for node in ast.walk(module.tree):
                self._follow(module, node, module.tree)

    def _follow_package(self, module: Module) -> None:
        """Follow the imports of an ``__init__.py`` that bring what is taken, or what its other statements use."""
        imports = [node for node in module.tree.body if only_imports(node)]
        rest = [node for node in module.tree.body if not only_imports(node)]
        wanted = {n.id for node in rest for n in ast.walk(node) if isinstance(n, ast.Name)} | module.taken
        for node in imports:
            if node not in module.kept and (module.whole or self._brings(module, node, wanted)):
                module.kept.add(node)
                for inner in ast.walk(node):
                    self._follow(module, inner, module.tree)
        for node in rest:
            for inner in ast.walk(node):
                self._follow(module, inner, module.tree)

    def _brings(self, module: Module, node: ast.stmt, wanted: set[str]) -> bool:
        """Whether an import binds a wanted name, or leads to what a text of the program spells."""
        for inner in ast.walk(node):
            if not isinstance(inner, ast.Import | ast.ImportFrom):
                continue
            base = absolute(module, inner) if isinstance(inner, ast.ImportFrom) else None
            inside = base is not None and base.split(".")[0] == self.name
            for alias in inner.names:
                bound = alias.asname or alias.name.split(".")[0]
                if alias.name == "*" and base is not None:
                    target = self.module(base)
                    if target is not None and wanted & self.exported(target):
                        return True
                elif bound in wanted or base == "__future__":
                    return True
                if inside and self.spelled and self._spells(base or "", alias.name):
                    return True
        return False

    def _spells(self, base: str, name: str) -> bool:
        for dotted in (base, f"{base}.{name}"):
            found = self.module(dotted)
            if found is not None and not found.package and self.spelled & definitions(found.tree):
                return True
        return False

    def _follow(self, module: Module, node: ast.AST, tree: ast.Module) -> None:
        """Follow an import of a module of the package."""
        for target, member, bound in imported(module, node):
            reach = self.family.get(target.split(".")[0])
            if reach is not None:
                reach.request(target, member, lambda bound=bound: chains(tree, bound))  # type: ignore[misc]

    def request(self, target: str, member: str | None, used: Callable[[], set[Chain] | None]) -> bool:
        """What an import asks for: a module (of which ``used`` is used), or a name of one, which may be a module."""
        if member is None:
            found = self.module(target) is not None
            self.take_chain(target, used())
            return found
        module = self.module(target)
        if module is not None and module.package and member != "*" and self._is_module(module, member):
            self.take_chain(f"{target}.{member}", used())
            return True
        return self.take(target, member)

    def exported(self, module: Module, private: bool = False, _above: frozenset[str] = frozenset()) -> set[str]:
        """The names that a module has: those that a star takes, or with ``private`` all."""
        listed: set[str] | None = None
        names: set[str] = set()
        for node in bindings(module.tree.body):
            if isinstance(node, ast.ImportFrom) and any(alias.name == "*" for alias in node.names):
                target = self.module(absolute(module, node))
                if target is not None and target.name not in _above:
                    names |= self.exported(target, _above=_above | {module.name})
            elif isinstance(node, ast.Import | ast.ImportFrom):
                names |= {alias.asname or alias.name.split(".")[0] for alias in node.names}
            elif isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
                names.add(node.name)
            elif isinstance(node, ast.Name):
                names.add(node.id)
                if node.id == "__all__":
                    listed = _listed(module.tree)
        if private:
            return names
        public = {name for name in names if not name.startswith("_")}
        return listed if listed is not None else public

    # -- results ---------------------------------------------------------------------------------

    def text(self, module: Module) -> str:
        """The source of a reached module, an ``__init__.py`` without the imports that nobody needs."""
        opened = "".join(f"from . import {name}\n" for name in sorted(self.opened.get(module.name, ())))
        if not module.package or module.whole:
            return module.text
        return self._shortened(module) + ("\n" + opened if opened else "")

    def _shortened(self, module: Module) -> str:
        if not module.taken:
            return f'"""Part of {self.name}; what its own file does is left out, since only its modules are used."""\n'
        dropped = [node for node in module.tree.body if only_imports(node) and node not in module.kept]
        if not dropped:
            return module.text
        dropped += [node for node in module.tree.body if _names_all(node)]
        lines = module.text.splitlines(keepends=True)
        for node in dropped:
            for number in range(node.lineno - 1, node.end_lineno or node.lineno):
                lines[number] = ""
        return "".join(lines)


def bindings(body: Iterable[ast.stmt]) -> Iterator[ast.AST]:
    """What binds names at the top level of a module, within conditions too."""
    for node in body:
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef | ast.Import | ast.ImportFrom):
            yield node
            continue
        for name in ast.iter_child_nodes(node):
            if not isinstance(name, ast.stmt | ast.ExceptHandler):
                yield from (n for n in ast.walk(name) if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Store))
        for block in ("body", "orelse", "finalbody"):
            yield from bindings(getattr(node, block, ()))
        for handler in getattr(node, "handlers", ()):
            yield from bindings(handler.body)


def definitions(tree: ast.Module) -> set[str]:
    """The functions and classes that a module defines, and the keys of the tables that it writes down."""
    out = {n.name for n in tree.body if isinstance(n, ast.FunctionDef | ast.ClassDef)}
    for node in tree.body:
        value = node.value if isinstance(node, ast.Assign) else None
        if isinstance(value, ast.Dict):
            out |= {k.value for k in value.keys if isinstance(k, ast.Constant) and isinstance(k.value, str)}
    return out


def only_imports(node: ast.stmt) -> bool:
    """Whether a statement imports and does nothing else: also one that tries to."""
    if isinstance(node, ast.Import | ast.ImportFrom):
        return True
    if not isinstance(node, ast.Try) or node.finalbody:
        return False
    inner = [*node.body, *node.orelse, *(s for handler in node.handlers for s in handler.body)]
    return all(isinstance(s, ast.Import | ast.ImportFrom | ast.Pass) for s in inner)


def imported(module: Module | None, node: ast.AST) -> Iterator[tuple[str, str | None, str]]:
    """The imports of a statement: the module, the name that is taken from it, and the name that is bound.

    Args:
        module: where it stands; ``None`` for a file outside of the package, whose relative imports are not followed.
    """
    if isinstance(node, ast.Import):
        for alias in node.names:
            if alias.asname:
                yield alias.name, None, alias.asname
            else:
                top = alias.name.split(".")[0]
                yield top, None, top
                if top != alias.name:
                    yield alias.name, None, alias.name
    elif isinstance(node, ast.ImportFrom) and (module is not None or not node.level):
        base = absolute(module, node) if module is not None else node.module or ""
        for alias in node.names:
            yield base, alias.name, alias.asname or alias.name


def absolute(module: Module, node: ast.ImportFrom) -> str:
    """The dotted name of the module that an ``import from`` reads."""
    if not node.level:
        return node.module or ""
    parts = module.name.split(".")
    parts = parts[: len(parts) - node.level + module.package]
    return ".".join([*parts, *([node.module] if node.module else [])])


def chains(tree: ast.AST, bound: str) -> set[Chain] | None:
    """The attributes that are read of a name (``bound`` may be dotted); ``None`` if it is used as a whole."""
    first, *more = bound.split(".")
    out: set[Chain] = set()
    inner: set[ast.AST] = set()
    for node in ast.walk(tree):
        parts: list[str] = []
        top: ast.AST = node
        while isinstance(top, ast.Attribute):
            parts.append(top.attr)
            top = top.value
            if parts and node not in inner:
                inner.add(top)
        if node in inner or not isinstance(top, ast.Name) or top.id != first:
            continue
        if not parts and isinstance(top.ctx, ast.Load) and not more:
            return None
        path = parts[::-1]
        if path[: len(more)] == more and len(path) > len(more):
            out.add(tuple(path[len(more) :]))
    return out


def words(trees: Mapping[str, ast.Module]) -> frozenset[str]:
    """What the texts in programs spell that could be a name: ``"resnet18"``, or its start in ``"resnet18.a1_in1k"``."""
    found = (n.value for tree in trees.values() for n in ast.walk(tree) if isinstance(n, ast.Constant))
    texts = (_NAME.match(value) for value in found if isinstance(value, str) and len(value) < 80)
    return frozenset(text.group() for text in texts if text)


def _listed(tree: ast.Module) -> set[str] | None:
    """The names in the lists that make up ``__all__``; ``None`` if they are not written down."""
    values = [n.value for n in tree.body if isinstance(n, ast.Assign | ast.AugAssign) and _names_all(n)]
    parts = [c for value in values for c in ast.walk(value)]
    if any(isinstance(part, ast.Name | ast.Call) for part in parts):
        return None
    return {c.value for c in parts if isinstance(c, ast.Constant) and isinstance(c.value, str)}


def _names_all(node: ast.stmt) -> bool:
    targets = node.targets if isinstance(node, ast.Assign) else [node.target] if isinstance(node, ast.AugAssign) else []
    return any(isinstance(t, ast.Name) and t.id == "__all__" for t in targets)
