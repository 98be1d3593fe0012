"""``--json``, ``--sarif``, ``--junit`` and ``--html``: the options of every command that translates files.

A command with decorators takes them with ``@report_options`` and receives one argument ``reports``; a command that is
built from a list of parameters adds ``report_parameters()`` and wraps its callback in ``collect``. Both end with
``reports.write(document, texts)``.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import wraps
from typing import Any

import click

from translator.model import InputError
from translator.outputs import STDOUT, write_file

Texts = Callable[[str], tuple[str, str | None]]
"""A record's path to the text of the source and, where there is one, of the translation; asked once for each file."""

KINDS = {
    "json": "the run as one JSON document, as --format json prints it",
    "sarif": "the findings as SARIF 2.1.0, for code scanning",
    "junit": "the files as JUnit XML, for continuous integration",
    "html": "one page for a browser: coverage, sources and translations side by side",
}


@dataclass(frozen=True, slots=True)
class Reports:
    """The report files that were asked for: kind to path."""

    paths: dict[str, str]

    def check(self, taken: Iterable[str] = (), *, stdout_taken: bool = False) -> None:
        """See that no report takes the place of a source, an output, or another report.

        Args:
            taken: files that are read or written otherwise.
            stdout_taken: whether standard output carries something else.

        Raises:
            click.UsageError: one does.
        """
        owners = {os.path.realpath(path): path for path in taken if path != STDOUT}
        if stdout_taken:
            owners[STDOUT] = "standard output"
        for kind, path in self.paths.items():
            real = path if path == STDOUT else os.path.realpath(path)
            if real in owners:
                raise click.UsageError(f"--{kind} {path} would replace {owners[real]}")
            owners[real] = f"the --{kind} report" if path != STDOUT else "what another report prints"

    def write(self, document: dict[str, Any], texts: Texts) -> bool:
        """Write the reports; one that cannot be written gets a line on standard error and stops no other.

        Args:
            document: what ``translator.report.document`` returns.
            texts: gives the HTML page what it shows.

        Returns:
            Whether all were written.
        """
        good = True
        for kind, path in self.paths.items():
            try:
                _put(path, _render(kind, document, texts))
            except InputError as error:
                click.echo(f"{click.format_filename(path)}:1:1: {error.code} {error.message}", err=True)
                good = False
        return good


def report_parameters() -> list[click.Parameter]:
    """The click options; their values reach the callback as ``json_file``, ``sarif_file`` and so on."""
    return [
        click.Option([f"{kind}_file", f"--{kind}"], metavar="FILE", help=f"Write {text}.")
        for kind, text in KINDS.items()
    ]


def collect(callback: Callable[..., Any]) -> Callable[..., Any]:
    """A callback whose report options arrive as one argument, ``reports``."""

    @wraps(callback)
    def collected(*args: Any, **given: Any) -> Any:
        paths = {kind: path for kind in KINDS if (path := given.pop(f"{kind}_file", None)) is not None}
        return callback(*args, reports=Reports(paths), **given)

    return collected


def report_options(callback: Callable[..., Any]) -> Callable[..., Any]:
    """Decorator under ``@click.command()``: adds the options, which arrive as one argument, ``reports``."""
    collected = collect(callback)
    own: list[click.Parameter] = collected.__dict__.setdefault("__click_params__", [])
    own.extend(reversed(report_parameters()))  # click reverses what decorators gathered
    return collected


def _render(kind: str, document: dict[str, Any], texts: Texts) -> Iterator[bytes]:
    """The report in pieces; each kind's code is loaded when it is asked for."""
    if kind == "html":
        from translator.reports.html import page

        yield from page(document, texts)
    elif kind == "junit":
        from translator.reports.junit import junit

        yield junit(document)
    else:
        import json

        if kind == "sarif":
            from translator.reports.sarif import sarif

            document = sarif(document)
        yield (json.dumps(document, indent=2) + "\n").encode("ascii")


def _put(path: str, data: Iterator[bytes]) -> None:
    if path != STDOUT:
        write_file(path, data)
        return
    sys.stdout.flush()
    sys.stdout.buffer.writelines(data)
    sys.stdout.buffer.flush()
