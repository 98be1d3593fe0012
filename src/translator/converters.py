"""Named converters for argument values: each works on literals and, where it can, on expressions.

A converter is invertible: ``back(forward(v)) == v`` for every literal that it accepts. Rows name
converters in ``via``; the engine converts a literal, or wraps an expression, or refuses.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import libcst as cst

from . import nodes


class NotConvertible(ValueError):
    """The value has no counterpart: the message says why."""


@dataclass(frozen=True, slots=True)
class Converter:
    """``forward`` maps a torch literal to a TensorFlow one, ``back`` the reverse.

    ``expression`` and ``back_expression`` do the same to a node whose value is not known; ``None``
    means that only literals can be converted.
    """

    forward: Callable[[Any], Any]
    back: Callable[[Any], Any]
    expression: str | None = None
    back_expression: str | None = None


def _same(value: Any) -> Any:
    return value


def _one_minus(value: float) -> float:
    """``1 - value`` without the noise of binary fractions: ``0.1 -> 0.9``."""
    return float(round(1 - value, 12))


def _pair(value: Any) -> Any:
    """Two equal sizes as one: ``(2, 2) -> 2``."""
    if isinstance(value, tuple | list) and value and all(v == value[0] for v in value):
        return value[0]
    return tuple(value) if isinstance(value, list) else value


def _only(*accepted: Any) -> Callable[[Any], Any]:
    def check(value: Any) -> Any:
        if value not in accepted:
            raise NotConvertible(f"only {', '.join(map(repr, accepted))} can be translated, not {value!r}")
        return value

    return check


def _table(pairs: dict[Any, Any]) -> tuple[Callable[[Any], Any], Callable[[Any], Any]]:
    back = {v: k for k, v in pairs.items()}

    def forward(value: Any) -> Any:
        if value not in pairs:
            raise NotConvertible(f"the value {value!r} has no counterpart")
        return pairs[value]

    def reverse(value: Any) -> Any:
        if value not in back:
            raise NotConvertible(f"the value {value!r} has no counterpart")
        return back[value]

    return forward, reverse


def _not(value: bool) -> bool:
    return not value


def _plus_one(value: int) -> int:
    return value + 1


def _minus_one(value: int) -> int:
    return value - 1


def _stride(value: Any) -> Any:
    """A pool's stride: PyTorch's native functions write "the same as the window" as ``()``."""
    return None if value in ((), [], None) else _pair(value)


CONVERTERS: dict[str, Converter] = {
    "same": Converter(_same, _same, "{x}", "{x}"),
    "one_minus": Converter(_one_minus, _one_minus, "1 - {x}", "1 - {x}"),
    "not": Converter(_not, _not, "not {x}", "not {x}"),
    "pair": Converter(_pair, _same, "{x}", "{x}"),
    "stride": Converter(_stride, _same, "{x}", "{x}"),
    "zero_if_none": Converter(lambda v: 0.0 if v is None else v, _same, "{x}", "{x}"),
    "flag": Converter(bool, _same, "{x}", "{x}"),
    "plus_one": Converter(_plus_one, _minus_one, "{x} + 1", "{x} - 1"),
    "gelu": Converter(*_table({"none": False, "tanh": True}), '{x} == "tanh"', '"tanh" if {x} else "none"'),
    "reduction": Converter(*_table({"mean": "sum_over_batch_size", "sum": "sum", "none": None})),
    "as_list": Converter(lambda v: [v] if isinstance(v, int) else list(v), lambda v: v[0] if len(v) == 1 else v),
}


BACK = "back:"
"""Prefix of the converters that run in the other direction."""


def converter(name: str) -> Converter | None:
    """The converter of a name, or its opposite."""
    found = CONVERTERS.get(name.removeprefix(BACK))
    if found is None or not name.startswith(BACK):
        return found
    return Converter(found.back, found.forward, found.back_expression, found.expression)


def convert(name: str, node: Any, value: Any, *, known: bool, back: bool = False) -> Any:
    """A node for the converted argument.

    Raises:
        NotConvertible: if the literal has no counterpart, or the value is not known and must be.
    """
    found = converter(name)
    if found is None:
        raise KeyError(name)
    if known:
        out = (found.back if back else found.forward)(value)
        return node if out is value or (out == value and type(out) is type(value)) else nodes.literal(out)
    text = found.back_expression if back else found.expression
    if text is None:
        raise NotConvertible("its value must be a literal, since the other framework counts it differently")
    return nodes.template(text, {"x": node}) if text != "{x}" else node


def is_literal(node: cst.CSTNode) -> bool:
    """Whether a node writes out its value: a number, a string, True, None, or a tuple of these."""
    if isinstance(node, cst.Integer | cst.Float | cst.SimpleString):
        return True
    if isinstance(node, cst.Name):
        return node.value in ("True", "False", "None")
    if isinstance(node, cst.UnaryOperation):
        return is_literal(node.expression)
    if isinstance(node, cst.Tuple | cst.List):
        return all(is_literal(e.value) for e in node.elements)
    return False
