"""The marker comments above what was left of the source framework, and the comments of a program in general.

A file that has markers is a translation already. To translate it once more would take what is written for the other
framework for the source's, so it stays as it is, and each marker is told of again.
"""

from __future__ import annotations

import re

from .model import Diagnostic, Severity

MARKER = "# xlate:"
HINT = "translate what it says by hand and take the marker away, or translate the original again"

_STRINGS = r"'''(?:\\.|[^\\])*?'''|\"\"\"(?:\\.|[^\\])*?\"\"\"|'(?:\\.|[^'\\\n])*'|\"(?:\\.|[^\"\\\n])*\""
_TOKEN = f"(?:{_STRINGS})|(#[^\r\n]*)"
_MARKER = rf"{MARKER} (XL\d\d\d) (.+)"


def marker(code: str, message: str) -> str:
    """The comment that stands above a statement which was refused."""
    return " ".join(f"{MARKER} {code} {message}".split())


def comments(text: str) -> list[tuple[int, str]]:
    """The comments of a program with their lines, from 1, in order."""
    if "#" not in text:
        return []
    out = []
    line, at = 1, 0
    for match in re.finditer(_TOKEN, text, re.DOTALL):
        if match.group(1) is not None:
            line += text.count("\n", at, match.start())
            at = match.start()
            out.append((line, match.group(1).rstrip()))
    return out


def marked(text: str) -> tuple[Diagnostic, ...]:
    """What the markers in a program say; empty if it has none."""
    if MARKER not in text:
        return ()
    lines = text.split("\n")
    out = []
    for line, comment in comments(text):
        found = re.fullmatch(_MARKER, comment)
        if found:
            column = lines[line - 1].find("#") + 1
            out.append(Diagnostic(line, column, found[1], Severity.ERROR, found[2], HINT))
    return tuple(out)
