"""The files of a run as JUnit XML: a file is a test case, which fails where something was refused."""

from __future__ import annotations

import re
from dataclasses import fields
from typing import Any
from xml.etree import ElementTree

from translator.model import Diagnostic
from translator.report import diagnostic_line

_NO_XML = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def junit(document: dict[str, Any]) -> bytes:
    """The JUnit XML of a run's document (see ``translator.report.document``)."""
    name = f"{document['tool']} {document['direction']}"
    root = ElementTree.Element("testsuites", {"name": name})
    suite = ElementTree.SubElement(root, "testsuite", {"name": name})
    for record in document["files"]:
        _case(suite, record)
    for element in (root, suite):
        element.set("time", _seconds(sum(record.get("seconds", 0) for record in document["files"])))
    for total, tag in (("tests", "testcase"), ("failures", "failure"), ("errors", "error"), ("skipped", "skipped")):
        count = str(sum(1 for _ in suite.iter(tag)))
        suite.set(total, count)
        if total != "skipped":
            root.set(total, count)
    text = ElementTree.tostring(root, encoding="unicode")
    return f'<?xml version="1.0" encoding="utf-8"?>\n{text}\n'.encode()


def _case(suite: ElementTree.Element, record: dict[str, Any]) -> None:
    path = _clean(record["path"])
    case = ElementTree.SubElement(suite, "testcase", {"classname": "xlate", "name": path, "file": path})
    case.set("time", _seconds(record.get("seconds", 0)))
    lines = {severity: _lines(record, severity) for severity in ("error", "warning", "note")}
    if record["status"] == "unchanged":
        ElementTree.SubElement(case, "skipped", {"message": "nothing to translate"})
    if lines["error"]:
        kind = "error" if record["status"] == "error" else "failure"
        first = next(f for f in record["diagnostics"] if f["severity"] == "error")
        more = f" (and {len(lines['error']) - 1} more)" if len(lines["error"]) > 1 else ""
        message = {"type": first["code"], "message": _clean(f"{first['code']} {first['message']}{more}")}
        ElementTree.SubElement(case, kind, message).text = "\n".join(lines["error"])
    rest = lines["warning"] + lines["note"]
    if rest:
        ElementTree.SubElement(case, "system-out").text = "\n".join(rest)


def _lines(record: dict[str, Any], severity: str) -> list[str]:
    known = {entry.name for entry in fields(Diagnostic)}
    found = [
        Diagnostic(**{name: value for name, value in finding.items() if name in known})
        for finding in record["diagnostics"]
        if finding["severity"] == severity
    ]
    return [_clean(diagnostic_line(record["path"], finding)) for finding in found]


def _seconds(seconds: float) -> str:
    return f"{seconds:.4f}"


def _clean(text: str) -> str:
    """Without what XML cannot say: control characters, and bytes of file names that are no text."""
    return _NO_XML.sub("\ufffd", text)
