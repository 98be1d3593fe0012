"""How much of some code the tables cover: every call of the source framework, and what becomes of it.

A call is counted by itself: *translated* says that this very call, with these arguments, was translated and that
nothing else in its statement stood in the way.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

import libcst as cst

from .engine import translate_sources
from .model import InputError, Options, Severity, Translation
from .rewrite.context import Context, Finding
from .rewrite.places import positions
from .values import Api

NO_ROW = "XL200"
NO_RECEIVER = "XL205"


class State(StrEnum):
    """What became of one use of the source framework."""

    TRANSLATED = "translated"
    """With these arguments, and with no diagnostic."""
    BLOCKED = "blocked"
    """It could be translated; something else in its statement could not."""
    REFUSED = "refused"
    """A row or rule decides it: not with these arguments, or not at all. The diagnostic says why."""
    UNKNOWN = "unknown"
    """No row, or a method of something that is not known to be a tensor."""


DECIDED = (State.TRANSLATED, State.BLOCKED, State.REFUSED)


@dataclass(frozen=True, slots=True)
class Site:
    """One use of an API. Lines start at 1."""

    path: str
    line: int
    api: str
    state: State
    call: bool
    """A call; else a name that is passed on, annotates or is a constant."""
    code: str = ""
    message: str = ""


@dataclass(slots=True)
class FileCoverage:
    """One file: what it uses, and what was said about it."""

    path: str
    sites: list[Site] = field(default_factory=list)
    errors: list[tuple[int, str, str]] = field(default_factory=list)
    """Line, code and message of each refusal, also of those that belong to no single API."""
    model: bool = False
    """Whether it defines a layer or a model."""
    failed: str = ""

    @property
    def uses(self) -> bool:
        return bool(self.sites or self.errors)

    @property
    def clean(self) -> bool:
        return not self.errors and not self.failed


def survey(sources: Mapping[str, bytes], options: Options) -> list[FileCoverage]:
    """Translate the files of one project and see what becomes of each use of the source framework."""
    found = {path: FileCoverage(path) for path in sources}

    def watch(path: str, tree: cst.Module, ctx: Context) -> None:
        found[path] = of_file(path, tree, ctx)

    results = _guarded(sources, options, watch)
    for path, result in results.items():
        coverage = found[path]
        if isinstance(result, str):
            coverage.failed = result
        else:
            known = {(line, code) for line, code, _ in coverage.errors}
            said = [d for d in result.diagnostics if d.severity is Severity.ERROR]
            coverage.errors += [(d.line, d.code, d.message) for d in said if (d.line, d.code) not in known]
    return [found[path] for path in sources]


def _guarded(sources: Mapping[str, bytes], options: Options, watch: Any) -> dict[str, Translation | str]:
    """The translations; a crash of the translator costs the file that caused it."""
    try:
        results = translate_sources(sources, options, watch=watch)
    except Exception as error:
        if len(sources) == 1:
            return {path: f"internal error ({type(error).__name__})" for path in sources}
        return {p: r for path, data in sources.items() for p, r in _guarded({path: data}, options, watch).items()}
    return {p: r.message if isinstance(r, InputError) else r for p, r in results.items()}


def of_file(path: str, tree: cst.Module, ctx: Context) -> FileCoverage:
    """What one rewritten file uses."""
    refusals: dict[cst.CSTNode, Finding] = {}
    for finding in ctx.findings:
        if finding.severity is Severity.ERROR:
            refusals.setdefault(finding.node, finding)
    units = dict(_units(tree))
    spoiled = {units.get(node) for node in refusals} - {None}
    uses = [use for node in units if (use := _use(ctx, node, refusals)) is not None]
    inner = {node.func for node, _, call in uses if call} | {u.value for u in units if isinstance(u, cst.Attribute)}
    places = positions(tree, {node for node, _, _ in uses} | set(refusals))
    coverage = FileCoverage(path, model=any(cls.module for cls in _classes(tree, ctx)))
    for node, api, call in uses:
        if not call and node in inner:
            continue
        refusal = refusals.get(node) or (refusals.get(node.func) if call else None)
        blocked = units[node] in spoiled
        line = places.get(node, (1, 1))[0]
        state = _state(refusal, blocked)
        said = (refusal.code, refusal.message) if refusal else ("", "")
        coverage.sites.append(Site(path, line, api, state, call, *said))
    coverage.errors = sorted({(places.get(n, (1, 1))[0], f.code, f.message) for n, f in refusals.items()})
    return coverage


def _state(refusal: Finding | None, blocked: bool) -> State:
    if refusal is None:
        return State.BLOCKED if blocked else State.TRANSLATED
    return State.UNKNOWN if refusal.code in (NO_ROW, NO_RECEIVER) else State.REFUSED


def _use(ctx: Context, node: Any, refusals: Mapping[cst.CSTNode, Finding]) -> tuple[Any, str, bool] | None:
    """A node that uses an API: itself, the API's name, and whether it is a call."""
    if isinstance(node, cst.Call):
        call = ctx.call(node)
        if call is not None and not call.api.endswith("__call__"):
            return (node, call.api, True) if call.api.split(".", 1)[0] in ctx.dialect.roots else None
        refusal = refusals.get(node) or refusals.get(node.func)
        if refusal is not None and refusal.code == NO_RECEIVER and isinstance(node.func, cst.Attribute):
            return node, f"?.{node.func.attr.value}", True
        return None
    if node in ctx.facts.direct:
        value = ctx.value(node)
        if isinstance(value, Api) and value.name.split(".", 1)[0] in ctx.dialect.roots:
            return node, ctx.tables.canonical(value.name), False
    return None


def _classes(tree: cst.Module, ctx: Context) -> Iterator[Any]:
    for statement in tree.body:
        if isinstance(statement, cst.ClassDef) and statement in ctx.facts.classes:
            yield ctx.facts.classes[statement]


def _units(node: cst.CSTNode, unit: cst.CSTNode | None = None) -> Iterator[tuple[Any, cst.CSTNode | None]]:
    """Every node with the statement that is kept as a whole: a line, or the header of a compound statement."""
    if isinstance(node, cst.BaseStatement):
        unit = node
    yield node, unit
    for child in node.children:
        yield from _units(child, unit)


# -- totals ----------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Miss:
    """A reason why calls were not translated, and how often it was met."""

    api: str
    code: str
    message: str
    count: int
    files: int
    example: str
    """``path:line`` of the first one."""


def tally(files: Sequence[FileCoverage], *, calls: bool) -> Counter[State]:
    """How many call sites (or other uses) are in which state."""
    return Counter(site.state for file in files for site in file.sites if site.call is calls)


def misses(files: Sequence[FileCoverage]) -> list[Miss]:
    """Why uses were not translated, most frequent first. What merely stands beside a refusal is not counted."""
    groups: dict[tuple[str, str, str], list[Site]] = defaultdict(list)
    for file in files:
        for site in file.sites:
            if site.state in (State.REFUSED, State.UNKNOWN):
                groups[site.api, site.code, site.message].append(site)
    out = [
        Miss(*key, len(sites), len({s.path for s in sites}), f"{sites[0].path}:{sites[0].line}")
        for key, sites in groups.items()
    ]
    return sorted(out, key=lambda m: (-m.count, -m.files, m.api, m.message))


def other_errors(files: Sequence[FileCoverage]) -> list[tuple[int, str, str]]:
    """Refusals that belong to no single API (a subscript, a class, a loop): count, code, message."""
    count: Counter[tuple[str, str]] = Counter()
    for file in files:
        own = {(site.line, site.code, site.message) for site in file.sites}
        count.update((code, message) for line, code, message in file.errors if (line, code, message) not in own)
    return sorted(((n, code, message) for (code, message), n in count.items()), key=lambda e: (-e[0], e[1:]))
