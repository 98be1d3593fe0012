"""Which classes and functions of a program are models, found without running it."""

from __future__ import annotations

import ast
from collections.abc import Collection
from dataclasses import dataclass, replace

from ..infer.interp import Interpreter
from ..values import Api, Func, Instance, UserClass


@dataclass(frozen=True, slots=True)
class Entry:
    """A class of models, or a function that makes one."""

    name: str
    required: tuple[str, ...] = ()
    """The arguments that have no default."""
    makes: str = ""
    """The class of what it gives: itself for a class."""
    line: int = 0


def entries(interpreter: Interpreter, text: str, module: str) -> list[Entry]:
    """The entry points of one file of a program, in the order in which they stand.

    Args:
        interpreter: what the inference knows of the program.
    """
    lines = {n.name: n.lineno for n in ast.parse(text).body if isinstance(n, ast.ClassDef | ast.FunctionDef)}
    found = [*_classes(interpreter, module), *_functions(interpreter, module)]
    own = [replace(e, line=lines[e.name]) for e in found if e.name in lines]
    return sorted(own, key=lambda e: e.line)


def chosen(found: list[Entry], given: Collection[str] = ()) -> tuple[list[Entry], list[Entry]]:
    """Those that can be built with the arguments that are ``given`` and stand for all that is in the file; the rest.

    A class that another one uses is verified as a part of it. Where a class cannot be made without arguments, the
    first function that makes one of it can be its entry.
    """
    take: list[Entry] = []
    for made in dict.fromkeys(e.makes for e in found):
        ready = [e for e in found if e.makes == made and set(e.required) <= set(given)]
        ready.sort(key=lambda e: e.name != made)
        take += ready[:1]
    return take, [e for e in found if e not in take]


def _classes(interpreter: Interpreter, module: str) -> list[Entry]:
    classes = [c for c in interpreter.facts.classes.values() if c.module and c.scope.module == module]
    used = {base.name for c in interpreter.facts.classes.values() for base in c.bases if isinstance(base, UserClass)}
    out = []
    for cls in classes:
        inside = any(f is not None and f.owner is not None and f.owner.module for f in cls.made_in)
        if inside or cls.name in used or not _has_forward(cls, interpreter):
            continue
        out.append(Entry(cls.name, _required(cls), cls.name))
    return out


def _has_forward(cls: UserClass, interpreter: Interpreter) -> bool:
    if any(cls.find(name) is not None for name in interpreter.dialect.forward):
        return True
    # A subclass of a model of the framework's own inherits it.
    bases = {b.name for c in cls.mro() for b in c.bases if isinstance(b, Api)}
    return any(interpreter.tables.canonical(b) in interpreter.dialect.containers for b in bases)


def _required(cls: UserClass) -> tuple[str, ...]:
    init = cls.find("__init__")
    return _needed(init)[1:] if isinstance(init, Func) else ()


def _needed(func: Func) -> tuple[str, ...]:
    params = func.node.params
    plain = [*params.posonly_params, *params.params, *params.kwonly_params]
    return tuple(p.name.value for p in plain if p.default is None)


def _functions(interpreter: Interpreter, module: str) -> list[Entry]:
    out = []
    for func in interpreter.facts.functions.values():
        outer = func.scope.kind == "module" and func.owner is None
        if not outer or func.scope.module != module or not func.name or func.name.startswith("<"):
            continue
        made = func.returns
        if isinstance(made, Instance) and _model(interpreter, made):
            name = made.cls.name if isinstance(made.cls, UserClass) else func.name
            out.append(Entry(func.name, _needed(func), name))
    return out


def _model(interpreter: Interpreter, made: Instance) -> bool:
    if isinstance(made.cls, UserClass):
        return made.cls.module
    name = interpreter.tables.canonical(made.cls.name)
    return name in interpreter.dialect.module_bases

