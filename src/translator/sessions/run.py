"""Translating programs of which some build a graph for a session: whole, or left as they are with the reason."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace

import libcst as cst

from ..model import Diagnostic, InputError, Severity, Status, Translation
from ..source import BOM, decode
from .spelling import Unclear
from .write import eager, has_session

Results = dict[str, Translation | InputError]
HINT = "move the graph into a tf.Module or keras.Model, what sess.run computes into functions of what was fed"


def mentions_session(sources: Mapping[str, bytes]) -> bool:
    """Whether any file looks as if it built a graph and ran it."""
    return any(b"placeholder(" in data and b"Session(" in data for data in sources.values())


def translated(sources: Mapping[str, bytes], translate: Callable[[Mapping[str, bytes]], Results]) -> Results:
    """Translate files after their graphs were written as modules and functions.

    A file whose translation would not be whole stays as it is, with the reason.
    """
    written: dict[str, bytes] = {}
    reasons: dict[str, tuple[int, str]] = {}
    notes: dict[str, list[Diagnostic]] = {}
    for path, data in sources.items():
        try:
            text, encoding, bom = decode(data)
        except InputError:
            continue
        if not has_session(text):
            continue
        try:
            made, remarks = eager(text)
            notes[path] = [Diagnostic(start(data), 1, "XL403", Severity.NOTE, n) for n in remarks]
        except Unclear as unclear:
            reasons[path] = (place(text, unclear), unclear.reason)
            continue
        except (cst.ParserSyntaxError, RecursionError):
            continue  # which the translation itself says better
        written[path] = BOM * bom + made.encode(encoding)
    results = translate({**sources, **written})
    failed = {p: found for p in written if (found := first_error(results.get(p))) is not None}
    if failed:
        results = translate({**sources, **{p: t for p, t in written.items() if p not in failed}})
        for path, found in failed.items():
            reasons[path] = (start(sources[path]), f"{found.code} {found.message}")
    for path in written:
        result = results.get(path)
        if path not in failed and isinstance(result, Translation):
            every = (*at_session(result, start(sources[path])), *notes[path])
            results[path] = replace(result, diagnostics=tuple(sorted(every)))
    for path, (line, reason) in reasons.items():
        result = results.get(path)
        if isinstance(result, Translation):
            told = Diagnostic(line, 1, "XL203", Severity.ERROR, f"the graph is not translated: {reason}", HINT)
            every = tuple(sorted({*result.diagnostics, told}))
            results[path] = replace(result, status=Status.PARTIAL, diagnostics=every)
    return results


def first_error(result: Translation | InputError | None) -> Diagnostic | None:
    """The first refusal in a file's translation."""
    found = result.diagnostics if isinstance(result, Translation) else ()
    return next((d for d in found if d.severity is Severity.ERROR), None)


def at_session(result: Translation, line: int) -> tuple[Diagnostic, ...]:
    """The notes of a translation, at the line where the session is: those of its text are of no file."""
    return tuple(sorted({replace(d, line=line, column=1) for d in result.diagnostics}))


def start(data: bytes) -> int:
    """The line where the session is opened."""
    before = data[: data.index(b"Session(")]
    return before.count(b"\n") + 1


def place(text: str, unclear: Unclear) -> int:
    """The line of what is unclear."""
    if unclear.node is not None:
        said = cst.Module([]).code_for_node(unclear.node).strip().split("\n")
        for i, line in enumerate(text.split("\n"), 1):
            if any(s.strip() and not s.strip().startswith("#") and s.strip() == line.strip() for s in said):
                return i
        first = next((s.strip() for s in said if s.strip() and not s.strip().startswith("#")), "")
        at = text.find(first) if first else -1
        if at >= 0:
            return text.count("\n", 0, at) + 1
    return start(text.encode("utf-8", "replace"))
