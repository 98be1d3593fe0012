"""The report of ``xlate verify`` as one page for a browser: it loads nothing, runs nothing, and needs no network."""

from __future__ import annotations

import base64
import hashlib
import math
from collections.abc import Iterable, Iterator
from html import escape
from pathlib import Path

from .judge import TOLERANCE, Check
from .plots import EXPECTED, bars, histogram
from .result import FileReport, ModelReport, Report, Spot
from .table import call, count, number, spot_lines

AROUND = 3
"""How many lines are shown around a place."""
SHOWN = 400
"""How many of a model's quantities are listed, the worst first."""


def page(report: Report) -> str:
    """The page. Whatever comes from the user's files is escaped, and a policy forbids all scripts."""
    style = (Path(__file__).parent / "page.css").read_text("utf-8")
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    policy = f"default-src 'none'; style-src 'sha256-{digest}'; base-uri 'none'; form-action 'none'"
    body = "".join([_summary(report), *(_file(file) for file in report.files)])
    return (
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        f'<meta http-equiv="Content-Security-Policy" content="{policy}">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>xlate verify</title>\n<style>{style}</style>\n</head>\n<body>\n{body}</body>\n</html>\n"
    )


def _summary(report: Report) -> str:
    rows = "".join(
        f"<tr><td>{escape(m.file)}</td><td><code>{escape(call(m))}</code></td><td class=n>{count(m)}</td>"
        f"<td class=n>{number(m.largest)}</td><td class=n>{number(m.worst)}</td>"
        f"<td class=n>{number(m.single_worst)}</td><td>{_verdict(m)}</td></tr>"
        for m in report.models
    )
    head = "".join(
        f"<th{' class=n' if numeric else ''}>{name}</th>"
        for name, numeric in (("file", 0), ("model", 0), ("compared", 1), ("max abs", 1), ("max rel", 1),
                              ("float32", 1), ("verdict", 0))
    )  # fmt: skip
    same = sum(m.ok for m in report.models)
    return (
        f"<h1>xlate verify</h1>\n<p>{same} of {len(report.models)} models compute the same. float64 decides: a norm of "
        f"the difference of at most {TOLERANCE:g} of the norm of the reference.</p>\n"
        f"<div class=wide><table><thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table></div>\n"
    )


def _verdict(model: ModelReport) -> str:
    expected = f" ({len(model.expected)} expected)" if model.expected else ""
    return f'<span class="{model.verdict}">{model.verdict}</span>{expected}'


def _file(file: FileReport) -> str:
    parts = [f"<h2>{escape(file.file)}</h2>\n"]
    if file.error:
        parts.append(f"<p class=differs>{escape(file.error)}</p>\n")
    parts += [f"<p class=note>{escape(note)}</p>\n" for note in file.notes]
    parts += [_model(m, file) for m in file.models]
    if file.source:
        parts.append(_sources(file))
    return "".join(parts)


def _model(model: ModelReport, file: FileReport) -> str:
    parts = [f"<section>\n<h3><code>{escape(call(model))}</code> {_verdict(model)}</h3>\n"]
    if model.failure is not None:
        parts.append(f"<pre class=box>{escape(str(model.failure))}</pre>\n")
    if model.spot is not None:
        parts.append(_spot(model.spot, file))
    if model.layers:
        worst: dict[str, float] = {}
        for path, gap in model.layers:
            worst[path or "(model)"] = max(gap, worst.get(path or "(model)", 0.0))
        parts.append(f"<h4>Error by layer</h4>\n<div class=wide>{bars(list(worst.items()), TOLERANCE)}</div>\n")
    checks = [*model.checks, *model.exact]
    if checks:
        plot = histogram(_groups(checks), TOLERANCE)
        parts.append(f"<h4>Distribution of the differences</h4>\n<div class=wide>{plot}</div>\n")
        parts.append(_checks(model))
    parts += [f"<p class=note>{escape(note)}</p>\n" for note in model.notes]
    return "".join([*parts, "</section>\n"])


def _spot(spot: Spot, file: FileReport) -> str:
    lines = "<br>".join(escape(line.strip()) for line in spot_lines(spot))
    sides = ((file.file, file.source, spot.source), (file.translated_file, file.translated, spot.translated))
    excerpts = "".join(
        _excerpt(text, place) for path, text, place in sides if place is not None and place[0] == path
    )
    return f"<p class=box>{lines}</p>\n<div class=pair>{excerpts}</div>\n"


def _excerpt(text: str, place: tuple[str, int, int]) -> str:
    """The lines of a place with a few around them."""
    first, last = max(1, place[1] - AROUND), place[2] + AROUND
    marked = range(place[1], place[2] + 1)
    lines = [line for i, line in enumerate(_lines(text, set(marked)), 1) if first <= i <= last]
    return f'<div><ol class=code start="{first}">{"".join(lines)}</ol></div>'


def _groups(checks: Iterable[Check]) -> dict[str, list[float]]:
    groups: dict[str, list[float]] = {}
    for check in checks:
        if not check.quantity.problem and check.group != "weights":
            name = f"{check.group}{EXPECTED}" if check.expected else check.group
            groups.setdefault(name, []).append(check.quantity.error)
    return groups


def _checks(model: ModelReport) -> str:
    checks = sorted(model.checks, key=lambda c: (c.ok, -c.quantity.error))
    rows = "".join(_row(c) for c in checks[:SHOWN])
    more = f"<p>and {len(checks) - SHOWN} more</p>" if len(checks) > SHOWN else ""
    head = "<th>what</th><th>quantity</th><th class=n>inputs</th><th class=n>max abs</th><th class=n>rel</th><th></th>"
    return (
        f"<details><summary>All {len(checks)} quantities</summary><div class=wide><table><thead><tr>{head}</tr></thead>"
        f"<tbody>{rows}</tbody></table></div>{more}</details>\n"
    )


def _row(check: Check) -> str:
    q = check.quantity
    said = check.expected and f"expected: {check.expected}"
    style = "" if check.ok else " class=bad"
    return (
        f"<tr{style}><td>{escape(check.group)}</td><td><code>{escape(q.name)}</code></td><td class=n>{check.case}</td>"
        f"<td class=n>{number(q.absolute)}</td><td class=n>{number(q.error if math.isfinite(q.error) else None)}</td>"
        f"<td>{escape(q.problem or said)}</td></tr>"
    )


def _sources(file: FileReport) -> str:
    spots = [m.spot for m in file.models if m.spot is not None]
    left = _listing(file.source, _marked(file.file, (s.source for s in spots)))
    right = _listing(file.translated, _marked(file.translated_file, (s.translated for s in spots)))
    opened = " open" if spots else ""
    return (
        f"<details{opened}><summary>Sources side by side</summary><div class=pair>"
        f"<div><h4>{escape(file.file)}</h4>{left}</div><div><h4>{escape(file.translated_file)}</h4>{right}</div>"
        "</div></details>\n"
    )


def _marked(path: str, places: Iterable[tuple[str, int, int] | None]) -> set[int]:
    return {n for place in places if place is not None and place[0] == path for n in range(place[1], place[2] + 1)}


def _listing(text: str, marked: set[int]) -> str:
    return f"<ol class=code>{''.join(_lines(text, marked))}</ol>"


def _lines(text: str, marked: set[int]) -> Iterator[str]:
    for i, line in enumerate(text.splitlines(), 1):
        yield f"<li{' class=mark' if i in marked else ''}>{escape(line) or ' '}</li>"
