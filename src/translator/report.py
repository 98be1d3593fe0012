"""Outcomes as lines for people, as a diff, and as one JSON document for programs."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from translator._version import __version__
from translator.batch import Outcome
from translator.model import Diagnostic, InputError, Options, Severity, Status, Translation
from translator.outputs import STDOUT

SCHEMA_VERSION = 1
"""Raised when a field changes its meaning or goes away, not when one is added."""

_RED, _GREEN, _CYAN, _BOLD, _RESET = "\x1b[31m", "\x1b[32m", "\x1b[36m", "\x1b[1m", "\x1b[0m"


def diagnostics(outcome: Outcome) -> tuple[Diagnostic, ...]:
    """The outcome's findings; a file that failed has exactly one."""
    if isinstance(outcome.result, Translation):
        return outcome.result.diagnostics
    error = outcome.result
    return (Diagnostic(error.line, error.column, error.code, Severity.ERROR, error.message, error.hint),)


def diagnostic_line(path: str, finding: Diagnostic) -> str:
    """``path:line:column: code message (hint)``, on one line whatever the message."""
    hint = f" ({finding.hint})" if finding.hint else ""
    text = " ".join(f"{finding.message}{hint}".split())
    place = f"cell {finding.cell}:{finding.line}" if finding.cell else str(finding.line)
    return f"{path}:{place}:{finding.column}: {finding.code} {text}"


def shown(findings: Iterable[Diagnostic], quiet: bool, verbose: bool) -> list[Diagnostic]:
    """Which findings are worth a line: errors always, warnings unless quiet, notes when asked for."""
    levels = {Severity.ERROR}
    if not quiet:
        levels.add(Severity.WARNING)
    if verbose:
        levels.update(Severity)
    return [finding for finding in findings if finding.severity in levels]


def summary_line(outcome: Outcome, action: str) -> str:
    """One line that says what became of a file; ``action`` is what was, or would be, done with it."""
    result = outcome.result
    if isinstance(result, InputError):
        return f"{outcome.path}: failed"
    if result.status is Status.UNCHANGED:
        return f"{outcome.path}: nothing to translate"
    counts = result.counts
    line = f"{outcome.path}{action}: {_plural(counts.seen, 'API use')} seen, {counts.translated} translated, "
    line += f"{counts.refused} refused"
    notes = sum(finding.severity is Severity.NOTE for finding in result.diagnostics)
    return f"{line}, {_plural(notes, 'note')}" if notes else line


def total_line(outcomes: Sequence[Outcome]) -> str:
    """One line over all files."""
    count = Counter(outcome.status for outcome in outcomes)
    words = {
        Status.TRANSLATED: "translated",
        Status.PARTIAL: "partly translated",
        Status.UNCHANGED: "with nothing to translate",
        Status.ERROR: "failed",
    }
    parts = [f"{count[status]} {word}" for status, word in words.items() if count[status]]
    return f"{_plural(len(outcomes), 'file')}: {', '.join(parts)}"


def diff(outcome: Outcome) -> str:
    """A unified diff from the source to what would be written, which ``patch`` and ``git apply`` take."""
    result = outcome.result
    if not isinstance(result, Translation) or result.status is Status.UNCHANGED:
        return ""
    import difflib

    new_name = outcome.target.path if outcome.target is not None else outcome.path
    bom = "\ufeff" if result.bom else ""
    old = bom + outcome.data.removeprefix(b"\xef\xbb\xbf").decode(result.encoding)
    lines = difflib.unified_diff(
        _lines(old),
        _lines(bom + result.text),
        outcome.path,
        outcome.path if new_name == STDOUT else new_name,
    )
    return "".join(line if line.endswith("\n") else f"{line}\n\\ No newline at end of file\n" for line in lines)


def texts(outcome: Outcome) -> tuple[str, str | None]:
    """The outcome's source as far as it is text, and the translation where there is one."""
    result = outcome.result
    if not isinstance(result, Translation):
        return outcome.data.decode("utf-8", "replace"), None
    source = outcome.data.removeprefix(b"\xef\xbb\xbf").decode(result.encoding, "replace")
    return source, None if result.status is Status.UNCHANGED else result.text


def coloured(text: str) -> str:
    """A unified diff with ANSI colours."""
    return "".join(_coloured_lines(text))


def document(outcomes: Sequence[Outcome], options: Options, extras: dict[str, dict[str, Any]]) -> dict[str, Any]:
    """The JSON document of a run.

    Args:
        outcomes: the files, in order.
        options: what they were translated with.
        extras: more fields for a file, by its path (``diff``, ``text``).
    """
    count = Counter(outcome.status for outcome in outcomes)
    return {
        "schema_version": SCHEMA_VERSION,
        "tool": "xlate",
        "version": __version__,
        "direction": options.direction.value,
        "layout": options.layout.value,
        "keep_io_layout": options.keep_io_layout,
        "fidelity": options.fidelity.value,
        "style": options.style.value,
        "summary": {"files": len(outcomes)} | {status.value: count[status] for status in Status},
        "files": [_record(outcome) | extras.get(outcome.path, {}) for outcome in outcomes],
    }


def _record(outcome: Outcome) -> dict[str, Any]:
    result = outcome.result
    known = isinstance(result, Translation)
    translation = result if isinstance(result, Translation) else Translation("", Status.ERROR)
    writes = outcome.would_write is not None and outcome.target is not None
    return {
        "path": outcome.path,
        "output": outcome.target.path if writes and outcome.target is not None else None,
        "status": outcome.status.value,
        "counts": _counts(translation) if known else None,
        "edges": [{"owner": edge.owner, "name": edge.name, "axes": edge.axes} for edge in translation.edges],
        "renames": dict(translation.renames),
        "helpers": list(translation.helpers),
        "apis": [{"name": use.name, "calls": use.calls, "refused": use.refused} for use in translation.apis],
        "diagnostics": _findings(outcome),
    } | ({"seconds": round(outcome.seconds, 4)} if outcome.seconds else {})


def _counts(translation: Translation) -> dict[str, int]:
    counts = translation.counts
    return {"seen": counts.seen, "translated": counts.translated, "refused": counts.refused}


def _findings(outcome: Outcome) -> list[dict[str, Any]]:
    """The findings; those in a notebook's cells say where in the file they are, too."""
    found = diagnostics(outcome)
    out = [_finding(finding) for finding in found]
    if any(finding.cell for finding in found):
        from translator.notebook_places import Places

        places = Places(outcome.data.decode("utf-8-sig", "replace"))
        for finding, record in zip(found, out, strict=True):
            if finding.cell:
                line, column = places.find(finding.cell, finding.line, finding.column)
                record["in_file"] = {"line": line, "column": column}
    return out


def _finding(finding: Diagnostic) -> dict[str, Any]:
    return {
        "code": finding.code,
        "severity": finding.severity.value,
        "line": finding.line,
        "column": finding.column,
        "message": finding.message,
        "hint": finding.hint,
    } | ({"cell": finding.cell} if finding.cell else {})


def _lines(text: str) -> list[str]:
    """Split at newlines alone: ``splitlines`` also splits at form feeds, which no patch tool does."""
    lines = [f"{line}\n" for line in text.split("\n")]
    last = lines.pop().removesuffix("\n")
    return [*lines, last] if last else lines


def _coloured_lines(text: str) -> Iterator[str]:
    for line in _lines(text):
        body, end = (line[:-1], "\n") if line.endswith("\n") else (line, "")
        if line.startswith(("---", "+++")):
            yield f"{_BOLD}{body}{_RESET}{end}"
        elif line.startswith("@@"):
            yield f"{_CYAN}{body}{_RESET}{end}"
        elif line.startswith("-"):
            yield f"{_RED}{body}{_RESET}{end}"
        elif line.startswith("+"):
            yield f"{_GREEN}{body}{_RESET}{end}"
        else:
            yield line


def _plural(count: int, noun: str) -> str:
    return f"{count} {noun}" if count == 1 else f"{count} {noun}s"
