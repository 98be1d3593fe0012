"""A stand-in for the engine with rules that a test can read at a glance: the command line is what is under test.

Every ``torch`` outside of a comment becomes ``tf``; a line with ``REFUSE`` is a refusal, one with ``DEVIATES`` a note,
and one with ``CRASH`` a bug of ours.
"""

from __future__ import annotations

import re

from translator import source
from translator.model import Counts, Diagnostic, Edge, InputError, Options, Severity, Status, Translation


def translate_sources(
    sources: dict[str, bytes], options: Options, module_renames: dict[str, str] | None = None
) -> dict[str, Translation | InputError]:
    return {path: _one(data, options, module_renames or {}) for path, data in sources.items()}


def _one(data: bytes, options: Options, renames: dict[str, str]) -> Translation | InputError:
    if not source.mentions(data, options.direction.source):
        return Translation("", Status.UNCHANGED)
    try:
        read = source.read(data)
    except InputError as error:
        return error
    if "CRASH" in read.text:
        raise RuntimeError("a bug\nof ours")
    lines = [_line(line, renames) for line in read.text.split("\n")]
    text = "\n".join(lines)
    seen = len(re.findall(r"\btorch\b", read.text))
    findings = tuple(_findings(read.text))
    refused = sum(finding.severity is Severity.ERROR for finding in findings)
    status = Status.UNCHANGED if text == read.text else Status.PARTIAL if refused else Status.TRANSLATED
    counts = Counts(seen, seen - refused, refused)
    edges = (Edge("Net", "x", "NHWC"),)
    return Translation(text, status, findings, counts, edges, encoding=read.encoding, bom=read.bom)


def _line(line: str, renames: dict[str, str]) -> str:
    code, mark, comment = line.partition("#")
    moved = re.match(r"from (\S+) import", code)
    if moved and moved.group(1) in renames:
        code = code.replace(moved.group(1), renames[moved.group(1)], 1)
    return re.sub(r"\btorch\b", "tf", code) + mark + comment


def _findings(text: str) -> list[Diagnostic]:
    found = []
    for number, line in enumerate(text.split("\n"), 1):
        if "REFUSE" in line:
            found.append(Diagnostic(number, 3, "XL203", Severity.ERROR, "no counterpart", "do it by hand"))
        if "DEVIATES" in line:
            found.append(Diagnostic(number, 1, "XL301", Severity.NOTE, "differs a little"))
    return found
