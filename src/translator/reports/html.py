"""One self-contained page for a browser: coverage, findings, and each file beside its translation.

The page holds no markup of the sources: they travel as JSON, one inert block a file, which the page's script reads when
the file is opened, and puts on the screen as text. So a page of thousands of files opens at once, and nothing in a
source or a file name can become markup or run. A content security policy admits the page's own script alone.
"""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Iterator
from html import escape
from pathlib import Path
from typing import Any

from translator.codes import CODES
from translator.reports.options import Texts

_HERE = Path(__file__).parent
_SCRIPTS = ("lines.js", "page.js", "fileview.js")


def page(document: dict[str, Any], texts: Texts) -> Iterator[bytes]:
    """The page of a run's document (see ``translator.report.document``), in pieces.

    Args:
        texts: gives a file's source and translation; asked once for each file, so that none has to stay in memory.
    """
    style = (_HERE / "page.css").read_text("utf-8")
    script = "".join((_HERE / name).read_text("utf-8") for name in _SCRIPTS)
    values = {
        "policy": f"default-src 'none'; style-src '{_digest(style)}'; script-src '{_digest(script)}'; img-src data:; "
        "base-uri 'none'; form-action 'none'",
        "title": escape(f"{document['tool']} {document['direction']}"),
        "summary": escape(summary(document)),
    }
    template = (_HERE / "page.html").read_text("utf-8")
    before, _, rest = template.partition("{{data}}")
    for name, value in values.items():
        before = before.replace("{{" + name + "}}", value)
    yield before.replace("{{style}}", style).encode()
    paths = [record["path"] for record in document["files"]]
    books = {path: Book(*texts(path)) for path in paths if path.endswith(".ipynb")}
    yield _block("index", _index(document, books))
    for number, path in enumerate(paths):
        source, translation = books[path].texts if path in books else texts(path)
        yield _block(f"text-{number}", {"source": source, "translation": translation})
    yield rest.replace("{{script}}", script).encode()


def summary(document: dict[str, Any]) -> str:
    """One sentence over the run, for the page's head and for readers without scripts."""
    count = document["summary"]
    done = f"{count['files']} files: {count['translated']} translated, {count['partial']} partly"
    return f"{done}, {count['unchanged']} with nothing to translate, {count['error']} failed"


def _index(document: dict[str, Any], books: dict[str, Book]) -> dict[str, Any]:
    """The document, with the titles of the codes that it uses, and where the page shows what is found in cells."""
    used = {finding["code"] for record in document["files"] for finding in record["diagnostics"]}
    files = [{k: v for k, v in record.items() if k not in ("diff", "text")} for record in document["files"]]
    for record in files:
        if (book := books.get(record["path"])) is not None:
            record["diagnostics"] = [f | {"at": book.line(f)} for f in record["diagnostics"]]
    return {**document, "files": files, "codes": {code: CODES.get(code, (code, "")) for code in sorted(used)}}


class Book:
    """A notebook as the page shows it: cell by cell, each under a line that says which it is."""

    def __init__(self, source: str, translation: str | None) -> None:
        shown, self.starts = _cells(source)
        self.texts = shown, _cells(translation)[0] if translation is not None else None

    def line(self, finding: dict[str, Any]) -> int:
        """Where a finding stands in the text that is shown."""
        return int(self.starts.get(finding.get("cell"), 0) + finding["line"])


def _cells(text: str) -> tuple[str, dict[int | None, int]]:
    """The cells of a notebook as one text, and after how many lines each starts; other text as it is."""
    try:
        cells = json.loads(text)["cells"]
        parts: list[str] = []
        starts: dict[int | None, int] = {}
        for number, cell in enumerate(cells, 1):
            source = cell["source"] if isinstance(cell["source"], str) else "".join(cell["source"])
            kind = cell["cell_type"]
            parts.append(f"# %% cell {number}" + ("" if kind == "code" else f" [{kind}]"))
            starts[number] = len(parts)
            parts += [line if kind == "code" else f"# {line}" for line in source.split("\n")]
    except (ValueError, KeyError, TypeError):
        return text, {}
    return "\n".join(parts) + "\n", starts


def _block(name: str, value: Any) -> bytes:
    """A block of data that neither ends early nor opens a comment, whatever stands in it."""
    text = json.dumps(value, separators=(",", ":"))
    for character in "<>&":
        text = text.replace(character, f"\\u{ord(character):04x}")
    return f'<script type="application/json" id="{name}">{text}</script>\n'.encode("ascii")


def _digest(text: str) -> str:
    return "sha256-" + base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
