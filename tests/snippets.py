"""Lists of small programs for the tests of rules: what comes out, what stays, what is refused."""

from __future__ import annotations

import textwrap

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
    errors = [d for d in translation.diagnostics if d.severity is Severity.ERROR]
    assert not errors, errors
    assert body(translation) == textwrap.dedent(expected).strip()


def stays(source: str) -> None:
    """The snippet comes back byte for byte, without a word."""
    text = textwrap.dedent(source).lstrip("\n")
    translation = translator.translate(text)
    assert translation.text == text
    assert not translation.diagnostics


def refuses(source: str, code: str, line: int) -> Translation:
    """One statement of the snippet is refused with a code, and stands as it was under a marker."""
    text = textwrap.dedent(source).lstrip("\n")
    translation = translator.translate(text)
    errors = [(d.code, d.line) for d in translation.diagnostics if d.severity is Severity.ERROR]
    assert (code, line) in errors, errors
    original = text.splitlines()[line - 1]
    lines = translation.text.splitlines()
    assert original in lines, translation.text
    above = [x for x in lines[: lines.index(original)] if x.strip().startswith("# xlate:")]
    assert any(code in x for x in above), translation.text
    return translation
