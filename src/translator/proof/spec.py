"""What ``--init`` and ``--input`` say."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterable, Sequence
from typing import Any

from ..compare.inputs import parse_spec

ARRAY = re.compile(r"(float|int|bool|complex)\d*\s*\[.*")


class SpecError(ValueError):
    """A text that says nothing; tells what was expected."""


def parse_init(texts: Iterable[str]) -> dict[str, Any]:
    """Constructor arguments from ``"num_classes=10, block=Bottleneck"``; names stand for what the program calls so.

    Raises:
        SpecError: a text is no list of keyword arguments with plain values.
    """
    out: dict[str, Any] = {}
    for text in texts:
        try:
            call = ast.parse(f"_({text})", mode="eval").body
        except SyntaxError:
            raise SpecError(f"{text!r} is no list of arguments such as 'num_classes=10, depth=2'") from None
        if not isinstance(call, ast.Call) or call.args:
            raise SpecError(f"{text!r}: name each argument, as in 'num_classes=10'")
        for keyword in call.keywords:
            if keyword.arg is None:
                raise SpecError(f"{text!r}: ** is not understood")
            out[keyword.arg] = _value(keyword.value, text)
    return out


def _value(node: ast.expr, text: str) -> Any:
    if isinstance(node, ast.Name | ast.Attribute):
        return {"$name": ast.unparse(node)}
    if isinstance(node, ast.List):
        return [_value(n, text) for n in node.elts]
    if isinstance(node, ast.Tuple):
        return {"$tuple": [_value(n, text) for n in node.elts]}
    try:
        value = ast.literal_eval(node)
    except ValueError:
        raise SpecError(f"{text!r}: {ast.unparse(node)} is no plain value") from None
    return value


def parse_inputs(texts: Sequence[str]) -> list[dict[str, Any]]:
    """Call arguments from ``"x=float32[2,3,64,64]"``; a name that comes again begins another set of arguments.

    Raises:
        SpecError: a text is no specification.
    """
    cases: list[dict[str, Any]] = []
    for text in texts:
        name, equals, value = text.partition("=")
        name, value = name.strip(), value.strip()
        if not equals or not name.isidentifier():
            raise SpecError(f"{text!r}: write NAME=TYPE[SIZES], as in 'x=float32[2,3,64,64]'")
        if not cases or name in cases[-1]:
            cases.append({})
        cases[-1][name] = _input(value, text)
    return cases


def _input(value: str, text: str) -> Any:
    if ARRAY.fullmatch(value):
        plain = re.sub(r"^(float|int|bool|complex)\d*\s*\[", r"\1[", value)
        if parse_spec(plain) is None:
            raise SpecError(
                f"{text!r}: after the sizes only '>0' or '@unit' (floats) or '<BOUND' (integers) may stand"
            )
        return plain
    try:
        return ast.literal_eval(value)
    except (ValueError, SyntaxError):
        raise SpecError(f"{text!r}: neither TYPE[SIZES] (float32, int64, bool, complex64) nor a plain value") from None


def readable(init: dict[str, Any]) -> str:
    """Constructor arguments as they would be written."""

    def text(value: Any) -> str:
        if isinstance(value, dict) and set(value) == {"$name"}:
            return str(value["$name"])
        if isinstance(value, dict) and set(value) == {"$tuple"}:
            return "(" + ", ".join(map(text, value["$tuple"])) + ")"
        return "[" + ", ".join(map(text, value)) + "]" if isinstance(value, list) else repr(value)

    return ", ".join(f"{name}={text(value)}" for name, value in init.items())
