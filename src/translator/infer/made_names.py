"""Attributes whose names a program makes: ``setattr(self, f"layer{i}", layer)``, read as ``self.layer1``."""

from __future__ import annotations

import libcst as cst

from ..values import UserClass, Value, join


def made_name(node: cst.BaseExpression) -> str:
    """The key under which a class keeps attributes whose names are made: what they begin with, in angle brackets."""
    return f"<{_beginning(node)}...>"


def _beginning(node: cst.BaseExpression) -> str:
    if isinstance(node, cst.BinaryOperation) and isinstance(node.operator, cst.Add | cst.Modulo):
        first = _beginning(node.left)
        return first.split("%", 1)[0] if isinstance(node.operator, cst.Modulo) else first
    if isinstance(node, cst.Call) and isinstance(node.func, cst.Attribute) and node.func.attr.value == "format":
        return _beginning(node.func.value).split("{", 1)[0]
    if isinstance(node, cst.FormattedString):
        first = node.parts[0] if node.parts else None
        return first.value if isinstance(first, cst.FormattedStringText) else ""
    value = node.evaluated_value if isinstance(node, cst.SimpleString) else ""
    return value if isinstance(value, str) else ""


ANY = "<...>"
"""The key of names of which nothing is seen: ``setattr(self, name, value)``."""


def of_made_name(cls: UserClass, name: str, *, inherited: bool) -> Value | None:
    """What ``setattr(self, f"layer{i}", value)`` may have set ``name`` to.

    Args:
        inherited: whether the framework's class has such an attribute. What else is read must have been set by the
            class itself, be it under a name of which nothing is seen.
    """
    found: Value | None = None
    for one in cls.mro():
        for key, value in one.attrs.items():
            fits = key.startswith("<") and key.endswith("...>") and name.startswith(key[1:-4])
            if fits and (key != ANY or not inherited):
                found = value if found is None else join(found, value)
    return found
