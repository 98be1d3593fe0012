"""What ``isinstance`` and its like tell about a name."""

from __future__ import annotations

from typing import TYPE_CHECKING

import libcst as cst

from ..model import Direction
from ..values import (
    UNKNOWN,
    Api,
    Const,
    Foreign,
    Instance,
    Map,
    Num,
    Seq,
    Shape,
    Tensor,
    Union,
    UserClass,
    Value,
    options_of,
    python_type,
)
from .annotations import promised
from .imports import dotted

if TYPE_CHECKING:
    from .interp import Interpreter

ASKS_FOR_TENSOR = frozenset({"torch.is_tensor", "tf.is_tensor"})
ASKS_FOR_TARGETS = {Direction.TORCH2TF: "tf.is_tensor", Direction.TF2TORCH: "torch.is_tensor"}
SEQUENCES = frozenset({"list", "tuple", "set", "Sequence", "Iterable", "Collection", "MutableSequence"})
MAPPINGS = frozenset({"dict", "Mapping", "MutableMapping", "OrderedDict", "defaultdict"})
NUMBERS = frozenset({"int", "float", "complex", "bool", "Number", "Real", "Integral"})


def narrow_type(it: Interpreter, test: cst.Call, truth: bool) -> list[tuple[str, Value]]:
    """What a call that asks for a type tells about the name that it asks about."""
    place = test.args[0].value if test.args else None
    if not isinstance(place, cst.Name):
        return []
    asked = it.facts.value(test.func)
    # A name that a function gave (`tf1, tf, tfv = try_import_tf()`) is what it is spelled as.
    name = it.tables.canonical(asked.name if isinstance(asked, Api) else dotted(test.func))
    if name == ASKS_FOR_TARGETS[it.direction] and it.facts.value(place) is UNKNOWN:
        # What the other framework is asked about is translated already, by hand or by us, and what is no tensor of its
        # own there is none of ours after the translation.
        return [(place.value, Foreign(name, closed=truth))]
    if name == "builtins.isinstance" and len(test.args) == 2:
        kinds = _kinds(it.facts.value(test.args[1].value))
    elif len(test.args) == 1 and (name in ASKS_FOR_TENSOR or name.endswith(".is_keras_tensor")):
        kinds = [Api(it.dialect.tensor)]
    else:
        return []
    value = _narrowed(it, it.facts.value(place), kinds, truth)
    return [(place.value, value)] if value is not None else []


def _kinds(value: Value) -> list[Value]:
    """The classes that are asked for."""
    if isinstance(value, Seq) and value.items:
        return [k for item in value.items for k in _kinds(item)]
    return [k for option in value.options for k in _kinds(option)] if isinstance(value, Union) else [value]


def _narrowed(it: Interpreter, value: Value, kinds: list[Value], truth: bool) -> Value | None:
    """The value on the path where the test holds, or where it does not; ``None`` if that says nothing new."""
    options = () if value is UNKNOWN else options_of(value)
    answers = [[_is(it, option, kind) for kind in kinds] for option in options]
    if not truth:
        rest = [o for o, answer in zip(options, answers, strict=True) if True not in answer]
        if not rest and options:
            return UNKNOWN  # against what is declared: the program knows better
        return _either(rest) if len(rest) < len(options) else None
    fitting = [(o, True in a) for o, a in zip(options, answers, strict=True) if set(a) != {False}]
    narrower = any(isinstance(kind, UserClass) for kind in kinds)
    if fitting and all(sure or not (narrower or isinstance(o, Instance)) for o, sure in fitting):
        return _either([o for o, _ in fitting])
    asked = [_object_of(it, kind) for kind in kinds]
    return None if UNKNOWN in asked else _either(asked)


def _either(options: list[Value]) -> Value:
    return options[0] if len(options) == 1 else Union(tuple(options))


def _object_of(it: Interpreter, kind: Value) -> Value:
    """An object of a class that is asked for."""
    known = promised(it, kind)
    if known is not UNKNOWN or not isinstance(kind, Api):
        return known
    name = it.tables.canonical(kind.name)
    return Instance(Api(name)) if name.split(".", 1)[0] in it.dialect.roots else UNKNOWN


def _is(it: Interpreter, value: Value, kind: Value) -> bool | None:
    """Whether a value is of a class; ``None`` where that depends."""
    if isinstance(kind, UserClass):
        if isinstance(value, Instance) and isinstance(value.cls, UserClass):
            return True if kind in value.cls.mro() else None
        if isinstance(value, Tensor):  # of which the project may have a class of its own
            return None if any(isinstance(base, Api) for cls in kind.mro() for base in cls.bases) else False
        return None if isinstance(value, Instance) else False
    if not isinstance(kind, Api):
        return None
    name = it.tables.canonical(kind.name)
    last = name.rpartition(".")[2]
    if isinstance(value, Tensor):
        if name == it.dialect.tensor:
            return True
        return None if name.split(".", 1)[0] in it.dialect.roots else False
    if isinstance(value, Seq | Shape):
        if name == "torch.Size":
            return None if isinstance(value, Shape) or value.kind == "tuple" else False
        exact = isinstance(value, Seq) and value.kind == last == "tuple"
        return exact or last in ("Sequence", "Iterable", "Collection") or (None if last in SEQUENCES else False)
    if isinstance(value, Map):
        return None if last in MAPPINGS or last in ("Iterable", "Collection") else False
    if isinstance(value, Num | Const):
        return _is_number(python_type(value) or "", last)
    if isinstance(value, Instance) and value.api == name:
        return True
    return False if isinstance(value, Instance) and name == it.dialect.tensor and value.api else None


def _is_number(have: str, asked: str) -> bool | None:
    """A number or string of a type; what is declared as a float may be an integer."""
    if have not in NUMBERS or asked not in NUMBERS:
        return have == asked if have in ("str", "NoneType") or have in NUMBERS else None
    if asked in ("Number", "Real"):
        return have != "complex"
    return True if have == asked != "float" else None
