"""Signatures of the frameworks' APIs, read from the generated files, and binding calls to them."""

from __future__ import annotations

import ast
import json
import marshal
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

from ..caches import cached
from .location import mappings_dir

POSITIONAL = ("po", "pk")


@dataclass(frozen=True, slots=True)
class Param:
    """One parameter. ``default`` is the source text of its default, ``None`` where it is required."""

    name: str
    kind: str
    default: str | None = None

    @property
    def literal(self) -> Any:
        """The default as a Python value; the text itself where it is no literal."""
        assert self.default is not None
        return _literal(self.default)


@cache
def _literal(text: str) -> Any:
    try:
        return ast.literal_eval(text)
    except (ValueError, SyntaxError):
        return text


Overload = tuple[Param, ...]


@dataclass(frozen=True, slots=True)
class Signature:
    """An API's kind and its overloads (for a class those of its constructor, without ``self``)."""

    name: str
    kind: str
    overloads: tuple[Overload, ...] = ()
    call: tuple[Overload, ...] = ()
    synonyms: dict[str, str] = field(default_factory=dict)
    """Other spellings of keywords that a native function takes: ``axis`` for ``dim``."""


def written_params(text: str) -> list[list[str]]:
    """The parameters of a signature that is written out, ``"(x, dim=1, *, out=None)"``, as in the signature files."""
    (node,) = ast.parse(f"def f{text}: pass").body
    assert isinstance(node, ast.FunctionDef)
    a = node.args
    positional = [*((p, "po") for p in a.posonlyargs), *((p, "pk") for p in a.args)]
    defaults = [None] * (len(positional) - len(a.defaults)) + list(a.defaults)
    out = [_written(p.arg, kind, d) for (p, kind), d in zip(positional, defaults, strict=True)]
    out += [[a.vararg.arg, "va"]] if a.vararg else []
    out += [_written(p.arg, "ko", d) for p, d in zip(a.kwonlyargs, a.kw_defaults, strict=True)]
    return out + ([[a.kwarg.arg, "vk"]] if a.kwarg else [])


def _written(name: str, kind: str, default: ast.expr | None) -> list[str]:
    return [name, kind] if default is None else [name, kind, ast.unparse(default)]


def _overloads(raw: list[Any]) -> tuple[Overload, ...]:
    return tuple(tuple(Param(*p) for p in overload) for overload in raw)


class SignatureSet:
    """The signatures of one framework, by qualified name."""

    def __init__(self, raw: dict[str, Any]) -> None:
        self.version: str = raw.get("version", "")
        self.apis: dict[str, Any] = raw.get("apis", {})
        self.tensor_methods_only: frozenset[str] = frozenset(raw.get("tensor_methods_only", ()))
        self.reserved: frozenset[str] = frozenset(raw.get("reserved_attributes", ()))
        self.synonyms: dict[str, str] = {
            other: name for name, others in raw.get("argument_synonyms", {}).items() for other in others
        }
        self._parsed: dict[str, Signature] = {}

    def extended(self, apis: dict[str, Any]) -> SignatureSet:
        """These signatures and some more; the same set where there are none."""
        if not apis:
            return self
        more = SignatureSet({})
        more.version, more.tensor_methods_only, more.reserved = self.version, self.tensor_methods_only, self.reserved
        more.apis, more.synonyms = {**self.apis, **apis}, self.synonyms
        return more

    def canonical(self, name: str) -> str:
        """The one name that stands for all names of an object."""
        entry = self._entry(name)
        return entry.get("alias") or entry.get("same_as") or name if entry else name

    def get(self, name: str) -> Signature | None:
        """The signature of an API, through aliases; ``None`` if it is not known."""
        found = self._parsed.get(name)
        if found is not None:
            return found
        entry = self._entry(name)
        if entry is None:
            return self._inherited(name)
        if "alias" in entry:
            return self.get(entry["alias"])
        signature = Signature(
            name, entry["kind"], _overloads(entry.get("overloads", [])), _overloads(entry.get("call", [])),
            self.synonyms if entry.get("native") else {},
        )
        self._parsed[name] = signature
        return signature

    def bases(self, name: str) -> list[str]:
        """The nearest known bases of a class."""
        entry = self._entry(self.canonical(name))
        return entry.get("bases", []) if entry else []

    def _inherited(self, name: str) -> Signature | None:
        """A method that a class has from one of its bases."""
        owner, _, method = name.rpartition(".")
        for base in self.bases(owner):
            found = self.get(f"{base}.{method}")
            if found is not None:
                return found
        return None

    def _entry(self, name: str) -> dict[str, Any] | None:
        """What the file says of an API. Entries are unpacked when they are asked for: a program uses few of them."""
        found = self.apis.get(name)
        if type(found) is bytes:
            found = self.apis[name] = marshal.loads(found)
        return found

    def __contains__(self, name: str) -> bool:
        return name in self.apis


@cache
def signatures(framework: str) -> SignatureSet:
    """The signatures of ``"torch"`` or ``"tf"``; empty if the generated file is missing."""
    path = mappings_dir() / "signatures" / f"{framework}.json"
    if not path.is_file():
        return SignatureSet({})
    return SignatureSet(cached(f"signatures-{framework}", [path, Path(__file__)], lambda: _packed(path)))


def _packed(path: Path) -> dict[str, Any]:
    """A signature file with each API's entry as bytes."""
    raw: dict[str, Any] = json.loads(path.read_bytes())
    return {**raw, "apis": {name: marshal.dumps(entry) for name, entry in raw["apis"].items()}}
