"""The report of ``xlate verify`` for a terminal."""

from __future__ import annotations

import math
from collections.abc import Iterable

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from .result import FileReport, ModelReport, Report, Spot
from .spec import readable

STYLES = {"same": "green", "differs": "bold red", "broken": "bold red", "failed": "yellow"}
SHOWN = 8
"""How many of a model's differences are listed."""


def show(report: Report, console: Console) -> None:
    """Print a table of all models, then what there is to say about each."""
    if report.models:
        console.print(_table(report.models))
    for file in report.files:
        for line in _details(file):
            console.print(line, soft_wrap=True, highlight=False)


def number(value: float | None) -> str:
    """A difference as the table shows it."""
    if value is None:
        return "-"
    return "not comparable" if math.isinf(value) else "0" if value == 0 else f"{value:.1e}"


def _table(models: Iterable[ModelReport]) -> Table:
    table = Table(box=None, pad_edge=False, header_style="bold")
    table.add_column("model")
    for name in ("compared", "max abs", "max rel", "float32"):
        table.add_column(name, justify="right")
    table.add_column("verdict")
    for m in models:
        problem = any(c.quantity.problem for c in m.failures)
        measured = ("-", "-") if not m.checks or (problem and m.worst == 0) else (number(m.largest), number(m.worst))
        verdict = f"[{STYLES[m.verdict]}]{m.verdict}[/]"
        if m.verdict == "same" and m.expected:
            verdict += f" ({len(m.expected)} expected)"
        table.add_row(escape(f"{m.file}: {call(m)}"), str(count(m)), *measured, number(m.single_worst), verdict)
    return table


def count(model: ModelReport) -> int:
    """How many quantities decide."""
    return sum(not c.expected for c in model.checks) + len(model.exact)


def call(model: ModelReport) -> str:
    """The entry as it was built."""
    return f"{model.entry}({readable(model.init)})"


def _details(file: FileReport) -> Iterable[str]:
    for note in file.notes:
        yield escape(f"{file.file}: {note}")
    for m in file.models:
        name = f"{m.file}: {m.entry}: "
        if m.failure is not None:
            yield escape(name + str(m.failure))
        for check in m.failures[:SHOWN]:
            yield escape(f"{name}inputs {check.case}, {check.group}: {check.quantity}")
        if len(m.failures) > SHOWN:
            yield escape(f"{name}and {len(m.failures) - SHOWN} more")
        if m.spot is not None:
            yield from (escape(name + line) for line in spot_lines(m.spot))
        for reason, paths in _expected(m).items():
            proof = "; exact with --fidelity exact" if m.exact and m.ok else ""
            yield escape(f"{name}expected: {reason} ({', '.join(paths[:3])}{' ...' if paths[3:] else ''}){proof}")
        for note in m.notes:
            yield escape(name + note)


def spot_lines(spot: Spot) -> Iterable[str]:
    """Where the two part, as lines."""
    yield f"first at {spot.path or 'the model itself'}: {spot.what}"
    for place in (spot.source, spot.translated):
        if place is not None:
            yield f"  {place[0]}:{place[1]}" + (f"-{place[2]}" if place[2] > place[1] else "")
    if spot.code is not None:
        yield f"  or its class: {spot.code[0]}:{spot.code[1]}-{spot.code[2]}"
    if spot.trap:
        yield f"  likeliest: {spot.trap}"


def _expected(model: ModelReport) -> dict[str, list[str]]:
    out: dict[str, list[str]] = {}
    for check in model.expected:
        paths = out.setdefault(check.expected, [])
        if check.path not in paths:
            paths.append(check.path)
    return out
