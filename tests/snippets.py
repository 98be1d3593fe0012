"""Lists of small programs for the tests of rules: what comes out, what stays, what is refused."""

from __future__ import annotations

import textwrap
from typing import Any

import translator
from translator.model import Severity, Translation


def run(source: str, **options: str) -> Translation:
    """Translate a dedented snippet."""
    return translator.translate(textwrap.dedent(source).lstrip("\n"), **options)  # type: ignore[arg-type]


def body(translation: Translation) -> str:
    """The translation without its imports and helpers' blank lines: what the reader looks at."""
    lines = [x for x in translation.text.splitlines() if not x.startswith(("import ", "from "))]
    return "\n".join(lines).strip()


def rewrites(source: str, expected: str, **options: str) -> None:
    """The snippet becomes the expected text, and nothing is refused."""
    translation = run(source, **options)
    assert not errors(translation), errors(translation)
    assert body(translation) == textwrap.dedent(expected).strip()


def stays(source: str) -> None:
    """The snippet comes back byte for byte, without a word."""
    text = textwrap.dedent(source).lstrip("\n")
    translation = translator.translate(text)
    assert translation.text == text
    assert not translation.diagnostics


def errors(translation: Translation) -> list[str]:
    """What was refused: codes and messages."""
    return [f"{d.code} {d.message}" for d in translation.diagnostics if d.severity is Severity.ERROR]


def both(source: str) -> tuple[dict[str, Any], dict[str, Any]]:
    """The names of a PyTorch program and those of its translation, of which nothing is refused."""
    translation = translator.translate(source)
    assert not translation.refused, translation.diagnostics
    theirs: dict[str, Any] = {}
    ours: dict[str, Any] = {}
    exec(source, theirs)
    exec(translation.text, ours)
    return theirs, ours


def refuses(source: str, code: str, line: int) -> Translation:
    """One statement of the snippet is refused with a code, and stands as it was under a marker."""
    text = textwrap.dedent(source).lstrip("\n")
    translation = translator.translate(text)
    found = [(d.code, d.line) for d in translation.diagnostics if d.severity is Severity.ERROR]
    assert (code, line) in found, found
    original = text.splitlines()[line - 1]
    lines = translation.text.splitlines()
    assert original in lines, translation.text
    above = [x for x in lines[: lines.index(original)] if x.strip().startswith("# xlate:")]
    assert any(code in x for x in above), translation.text
    return translation
