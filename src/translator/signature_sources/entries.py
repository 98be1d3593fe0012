"""What one API looks like in the signature files, and how Python's own signatures become that.

A parameter is ``[name, kind]`` or ``[name, kind, default]``. The kinds are ``po`` (positional only), ``pk``
(positional or keyword), ``ko`` (keyword only), ``va`` (``*args``) and ``vk`` (``**kwargs``). The default is source
text: a literal, the dotted name of what is no literal (``torch.strided``, ``math.inf``), or ``...`` where there is
a default that has no text (a sentinel object).
"""

from __future__ import annotations

import inspect
import math
from collections.abc import Callable, Iterable
from enum import Enum
from typing import Any, get_overloads

Param = list[str]
Overload = list[Param]
Entry = dict[str, Any]
NameOf = Callable[[object], str | None]

UNSTATED = "..."
"""The default of a parameter that may be left out, where its value has no source text."""

KINDS = {
    inspect.Parameter.POSITIONAL_ONLY: "po",
    inspect.Parameter.POSITIONAL_OR_KEYWORD: "pk",
    inspect.Parameter.KEYWORD_ONLY: "ko",
    inspect.Parameter.VAR_POSITIONAL: "va",
    inspect.Parameter.VAR_KEYWORD: "vk",
}


def default_text(value: object, name_of: NameOf) -> str:
    """The source text of a default; ``name_of`` gives the public name of a function, class or constant."""
    if value is None or type(value) in (bool, int, str, bytes):
        return repr(value)
    if type(value) is float:
        return _float_text(value)
    if type(value) in (set, frozenset) and not value:
        return f"{type(value).__name__}()"
    if type(value) in (tuple, list):
        return _sequence_text(value, name_of)  # type: ignore[arg-type]
    if type(value) is dict:
        pairs = ((default_text(k, name_of), default_text(v, name_of)) for k, v in value.items())
        return "{" + ", ".join(f"{k}: {v}" for k, v in pairs) + "}"
    if isinstance(value, Enum):
        cls = type(value)
        return f"{name_of(cls) or f'{cls.__module__}.{cls.__qualname__}'}.{value.name}"
    return name_of(value) or UNSTATED


def _float_text(value: float) -> str:
    if math.isnan(value):
        return "math.nan"
    if math.isinf(value):
        return "math.inf" if value > 0 else "-math.inf"
    return repr(value)


def _sequence_text(values: tuple[object, ...] | list[object], name_of: NameOf) -> str:
    inner = ", ".join(default_text(value, name_of) for value in values)
    if isinstance(values, list):
        return f"[{inner}]"
    return f"({inner},)" if len(values) == 1 else f"({inner})"


def overload_of(signature: inspect.Signature, name_of: NameOf, *, drop_first: bool = False) -> Overload:
    """The parameters of a Python signature; ``drop_first`` leaves out ``self`` or ``cls``."""
    params = list(signature.parameters.values())
    if drop_first and params and params[0].kind is not inspect.Parameter.VAR_POSITIONAL:
        params = params[1:]
    found = []
    for param in params:
        item = [param.name, KINDS[param.kind]]
        if param.default is not inspect.Parameter.empty:
            item.append(default_text(param.default, name_of))
        found.append(item)
    return found


def unique(overloads: Iterable[Overload]) -> list[Overload]:
    """The overloads without repetition (they often differ in their types only), in their order."""
    kept: list[Overload] = []
    for overload in overloads:
        if overload not in kept:
            kept.append(overload)
    return kept


def function_overloads(function: Any, name_of: NameOf, *, drop_first: bool = False) -> list[Overload] | None:
    """What ``inspect`` and ``typing.overload`` say of a function written in Python; None where they say nothing."""
    try:
        found = [overload_of(inspect.signature(function), name_of, drop_first=drop_first)]
    except (TypeError, ValueError):
        return None
    if takes_anything(found[0]):
        typed = [inspect.signature(one) for one in get_overloads(function)]
        stated = [overload_of(one, name_of, drop_first=drop_first) for one in typed]
        found = [one for one in stated if not takes_anything(one)] or found
    return unique(found)


def takes_anything(overload: Overload) -> bool:
    """Whether a signature is a bare ``(*args, **kwargs)``, which most often hides the real one."""
    return [param[1] for param in overload] == ["va", "vk"]


def class_overloads(cls: type, name_of: NameOf) -> list[Overload] | None:
    """How a class is called: its own ``__init__``, else its ``__new__``, without the first argument."""
    if issubclass(cls, Enum):
        return [[["value", "pk"]]]  # what ``inspect`` says of an Enum differs between Python's versions
    init = inspect.getattr_static(cls, "__init__")
    new = inspect.getattr_static(cls, "__new__")
    new = new.__func__ if isinstance(new, staticmethod) else new
    if inspect.isfunction(init):
        return function_overloads(init, name_of, drop_first=True)
    if inspect.isfunction(new):
        return function_overloads(new, name_of, drop_first=True)
    if init is object.__init__ and new is object.__new__:
        return [[]]
    return None


def method_entry(cls: type, attribute: str, name_of: NameOf) -> Entry | None:
    """The entry of one attribute of a class: a method or a property. None for plain data."""
    raw = inspect.getattr_static(cls, attribute)
    if isinstance(raw, (staticmethod, classmethod)):
        bound = raw.__func__
        return _method(function_overloads(bound, name_of, drop_first=isinstance(raw, classmethod)))
    if inspect.isclass(raw):
        return None
    if inspect.isroutine(raw):
        return _method(function_overloads(raw, name_of, drop_first=True))
    if isinstance(raw, property) or inspect.isdatadescriptor(raw) or hasattr(type(raw), "__get__"):
        return {"kind": "property"}
    return None


def _method(overloads: list[Overload] | None) -> Entry:
    entry: Entry = {"kind": "method"}
    if overloads is not None:
        entry["overloads"] = overloads
    return entry
