"""Collecting public names and what they stand for; choosing one name where an object has several."""

from __future__ import annotations

import importlib
import inspect
import sys
from collections import defaultdict
from collections.abc import Callable, Iterable
from enum import Enum
from types import ModuleType
from typing import Any

from translator.signature_sources.entries import Entry, NameOf, method_entry


class Registry:
    """Public names and their objects. Names of one object are aliases of its canonical name."""

    def __init__(self, preference: Callable[[str, object], Any]) -> None:
        """``preference`` ranks the names of an object: the least is canonical."""
        self._preference = preference
        self.objects: dict[str, object] = {}
        self._names: dict[int, list[str]] = defaultdict(list)

    def add(self, name: str, value: object) -> None:
        """Note that ``name`` stands for ``value``; a name that is known already keeps its object."""
        if name not in self.objects:
            self.objects[name] = value
            self._names[id(value)].append(name)

    def canonical(self, value: object) -> str | None:
        """The preferred public name of an object that has an identity; None for numbers, texts and strangers."""
        if value is None or isinstance(value, (bool, int, float, str, bytes, tuple, list, dict, set, frozenset)):
            return None
        names = self._names.get(id(value))
        return min(names, key=lambda name: (self._preference(name, value), name)) if names else None

    def items(self) -> list[tuple[str, object]]:
        """All names and objects, sorted by name."""
        return sorted(self.objects.items())

    def add_definitions(self, package: str) -> None:
        """Add where each class and function is defined: ``torch.nn.modules.conv.Conv2d``."""
        for value in list(self.objects.values()):
            path = definition_path(value, package)
            if path:
                self.add(path, value)


def words(text: str) -> list[str]:
    """The words of a text, for long lists of names."""
    return text.split()


def definition_path(value: object, package: str) -> str | None:
    """The dotted path at which an object is defined, if every part of it is public and it is found there."""
    if not (inspect.isclass(value) or inspect.isroutine(value)):  # other objects may compute their attributes
        return None
    module, name = getattr(value, "__module__", None), getattr(value, "__qualname__", None)
    if not isinstance(module, str) or not isinstance(name, str):
        return None
    path = f"{module}.{name}"
    private = any(part.startswith("_") for part in module.split("."))
    if private or "." in name or module.split(".")[0] != package:
        return None
    return path if getattr(sys.modules.get(module), name, None) is value else None


def attributes(module: ModuleType, names: Iterable[str] | None = None) -> list[tuple[str, object]]:
    """The public attributes of a module, or those ``names``, that can be read, sorted."""
    wanted = [name for name in dir(module) if not name.startswith("_")] if names is None else list(names)
    found = []
    for name in sorted(set(wanted)):
        try:
            found.append((name, getattr(module, name)))
        except (AttributeError, ImportError, RuntimeError):  # a lazy part that is not installed
            continue
    return found


def load(name: str) -> ModuleType | None:
    """A module by its name; None where this build of the framework has none."""
    try:
        return importlib.import_module(name)
    except ImportError:
        return None


def defined_under(value: object, prefixes: tuple[str, ...]) -> bool:
    """Whether an object's ``__module__`` is one of the packages ``prefixes`` or lies in one."""
    module = getattr(value, "__module__", None)
    return isinstance(module, str) and any(module == p or module.startswith(p + ".") for p in prefixes)


def class_constants(registry: Registry) -> dict[str, Entry]:
    """Entries for the constants of classes, members of enumerations above all (``tf.image.ResizeMethod.BILINEAR``)."""
    found: dict[str, Entry] = {}
    for name, cls in registry.items():
        if not isinstance(cls, type) or registry.canonical(cls) != name:
            continue
        for attribute in public_attributes(cls):
            value = inspect.getattr_static(cls, attribute)
            member = isinstance(value, Enum) or attribute in getattr(cls, "__members__", ())
            if attribute.isupper() and (member or isinstance(value, (str, int))):
                found[f"{name}.{attribute}"] = {"kind": "constant"}
    return found


def public_attributes(cls: type) -> list[str]:
    """The names of a class's attributes that do not start with an underscore, inherited ones included."""
    return [name for name in sorted(dir(cls)) if not name.startswith("_")]


def bases(cls: type, owners: Iterable[str], registry: Registry) -> list[str]:
    """The classes among ``owners`` that a class inherits from, nearest first."""
    wanted = set(owners)
    names = [registry.canonical(base) for base in cls.__mro__[1:]]
    return [name for name in names if name in wanted]


def inherits(cls: type, owners: Iterable[str], registry: Registry) -> Entry:
    """``{"bases": [...]}``, or nothing for a class without a base among ``owners``."""
    found = bases(cls, owners, registry)
    return {"bases": found} if found else {}


def class_attributes(owner: str, cls: type, owners: list[str], registry: Registry, name_of: NameOf) -> dict[str, Entry]:
    """Entries for a class's public methods and properties, without those of its bases among ``owners``."""
    known = [base for base in cls.__mro__[1:] if registry.canonical(base) in owners]
    found = {}
    for name in public_attributes(cls):
        home = next((one for one in cls.__mro__ if name in vars(one)), cls)
        if home.__module__ in ("builtins", "typing", "enum", "abc") or any(issubclass(base, home) for base in known):
            continue
        entry = method_entry(cls, name, name_of)
        if entry is not None:
            found[f"{owner}.{name}"] = entry
    return found
