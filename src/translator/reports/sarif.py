"""The findings of a run as SARIF 2.1.0, the format of code scanning services and editors."""

from __future__ import annotations

import hashlib
import os
from collections import Counter
from collections.abc import Iterator
from typing import Any
from urllib.parse import quote

from translator.codes import CODES

SCHEMA = "https://json.schemastore.org/sarif-2.1.0.json"
LEVELS = {"error": "error", "warning": "warning", "note": "note"}


def sarif(document: dict[str, Any]) -> dict[str, Any]:
    """The SARIF log of a run's document (see ``translator.report.document``)."""
    findings = [(record, finding) for record in document["files"] for finding in record["diagnostics"]]
    used = sorted({finding["code"] for _, finding in findings})
    worst = {code: _worst(finding["severity"] for _, finding in findings if finding["code"] == code) for code in used}
    driver = {
        "name": document["tool"],
        "version": document["version"],
        "semanticVersion": document["version"],
        "rules": [_rule(code, worst[code]) for code in used],
    }
    run = {
        "tool": {"driver": driver},
        "automationDetails": {"id": f"{document['tool']}/{document['direction']}/"},
        "columnKind": "unicodeCodePoints",
        "invocations": [{"executionSuccessful": document["summary"]["error"] == 0}],
        "properties": {"layout": document["layout"], "fidelity": document["fidelity"], "summary": document["summary"]},
        "results": list(_results(findings, used)),
    }
    return {"$schema": SCHEMA, "version": "2.1.0", "runs": [run]}


def _worst(severities: Iterator[str]) -> str:
    return min(severities, key=list(LEVELS).index)


def _rule(code: str, severity: str) -> dict[str, Any]:
    title, text = CODES[code]
    return {
        "id": code,
        "shortDescription": {"text": title},
        "fullDescription": {"text": text},
        "help": {"text": f"{title}. {text}", "markdown": f"**{title}.** {text}"},
        "defaultConfiguration": {"level": LEVELS[severity]},
    }


def _results(findings: list[tuple[dict[str, Any], dict[str, Any]]], rules: list[str]) -> Iterator[dict[str, Any]]:
    index = {code: number for number, code in enumerate(rules)}
    again: Counter[tuple[str, str, str]] = Counter()
    for record, finding in findings:
        hint = f" ({finding['hint']})" if finding["hint"] else ""
        identity = record["path"], finding["code"], finding["message"]
        again[identity] += 1
        yield {
            "ruleId": finding["code"],
            "ruleIndex": index[finding["code"]],
            "level": LEVELS[finding["severity"]],
            "message": {"text": f"{_within(finding)}{finding['message']}{hint}"},
            "locations": [{"physicalLocation": _place(record["path"], finding)}],
            "partialFingerprints": {"finding/v1": _fingerprint(*identity, str(again[identity]))},
        }


def _place(path: str, finding: dict[str, Any]) -> dict[str, Any]:
    at = finding.get("in_file", finding)  # lines of a cell are no lines of the file
    region = {"startLine": max(at["line"], 1), "startColumn": max(at["column"], 1)}
    return {"artifactLocation": _artifact(path), "region": region}


def _within(finding: dict[str, Any]) -> str:
    """Which cell and line of a notebook."""
    return f"cell {finding['cell']}, line {finding['line']}: " if finding.get("cell") else ""


def _artifact(path: str) -> dict[str, str]:
    """A relative path stays relative to the root of the sources, whatever that is for the reader of the log."""
    encoded = quote(os.fsencode(path.replace(os.sep, "/")))
    if os.path.isabs(path):
        return {"uri": "file://" + ("" if encoded.startswith("/") else "/") + encoded}
    # A first segment with a colon would read as a scheme; quote() has encoded it.
    return {"uri": encoded, "uriBaseId": "%SRCROOT%"}


def _fingerprint(*parts: str) -> str:
    """What stays the same while lines move: the n-th finding of this code and message in this file."""
    return hashlib.sha256("\0".join(parts).encode("utf-8", "surrogateescape")).hexdigest()[:32]
