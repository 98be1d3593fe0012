"""The line of a docstring that says which tensors stand in another axis order than in the source."""

from __future__ import annotations

import re
from typing import Any

import libcst as cst

HEAD = "Axis order: "
_NOTE = re.compile(r"\s*" + HEAD + r"[^.\n]*\.(?P<end>\s*)$")


def with_note(body: cst.IndentedBlock, said: str) -> cst.IndentedBlock:
    """A body whose docstring ends with a note."""
    text = f"{HEAD}{said}."
    old = docstring(body)
    if old is None:
        line = cst.SimpleStatementLine([cst.Expr(cst.SimpleString(f'"""{text}"""'))])
        return body.with_changes(body=[line, *body.body])
    inner = old.raw_value
    if "\n" in inner:
        start, indent = inner.rstrip(), re.split(r"\n", inner)[-1]
        indent = indent if not indent.strip() else re.match(r"\s*", indent)[0]  # type: ignore[index]
        return _with_docstring(body, old, f"{start}\n\n{indent}{text}\n{indent}")
    joint = "" if not inner or inner[-1].isspace() else " " if inner[-1] in ".!?:" else ". "
    return _with_docstring(body, old, f"{inner}{joint}{text}")


def without_note(body: Any) -> Any:
    """A body whose docstring does not end with such a note."""
    old = docstring(body) if isinstance(body, cst.IndentedBlock) else None
    found = _NOTE.search(old.raw_value) if old is not None else None
    if old is None or found is None:
        return body
    left = old.raw_value[: found.start()]
    if left:
        return _with_docstring(body, old, left + found["end"])
    return body.with_changes(body=body.body[1:]) if len(body.body) > 1 else body


def docstring(body: cst.IndentedBlock) -> cst.SimpleString | None:
    """A docstring in double or single quotes, if the body begins with one."""
    first = body.body[0] if body.body else None
    small = first.body[0] if isinstance(first, cst.SimpleStatementLine) and first.body else None
    value = small.value if isinstance(small, cst.Expr) else None
    return value if isinstance(value, cst.SimpleString) and value.prefix == "" else None


def _with_docstring(body: cst.IndentedBlock, old: cst.SimpleString, inner: str) -> cst.IndentedBlock:
    new = old.with_changes(value=f"{old.quote}{inner}{old.quote}")
    first = body.body[0]
    assert isinstance(first, cst.SimpleStatementLine)
    line = first.with_changes(body=[cst.Expr(new), *first.body[1:]])
    return body.with_changes(body=[line, *body.body[1:]])
