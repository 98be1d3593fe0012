"""Migrates a whole repository: what is found, what becomes of it, what is written."""

from __future__ import annotations

import os
import posixpath
import re
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, replace
from functools import partial

from translator.batch import Outcome
from translator.config import Patterns
from translator.discover import read_bytes
from translator.model import InputError, Options, Status, Translation
from translator.outputs import Target
from translator.source import decode

from . import helper_module
from .cache import Cache, digest
from .deliver import Delivery, Item, deliver, locked, replace_sources, require_clean
from .imports import INIT, ROOT_MARKS
from .load import Loaded, bind, load, read_all
from .result import Migration
from .run import Answers, Results, translate_units
from .scan import Entry, Kind, scan
from .stays import say_what_stays
from .units import Program, Unit, divide, helper_stem
from .vendored import Vendored

_IMPORT = re.compile(rb"^[ \t]*(?:import|from)[ \t]+(\w+)", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Job:
    """What is to be migrated, where to, and how."""

    source: str
    output: str | None
    """The folder that gets the migrated tree; ``None`` to replace the source."""
    options: Options
    wanted: Patterns | None = None
    """Which files are translated; the others are copied as they are."""
    force: bool = False
    workers: int = 0
    """Processes that translate at once; 0 for none but this one."""
    cached: bool = True
    """Whether results of earlier runs are used and kept."""
    vendor: tuple[str, ...] = ()
    """Installed packages of which comes along what the project imports."""
    engine: str = "processes"
    """What translates: ``"processes"`` of this machine, or a ``"ray"`` cluster."""
    progress: Callable[[int, int], None] = lambda done, total: None
    """Told how many files of how many are translated."""


@dataclass(slots=True)
class Prepared:
    """A migration before anything is written."""

    outcomes: list[Outcome]
    kinds: dict[str, str]
    items: list[Item]
    helpers: list[str]
    copied: int


def migrate(job: Job) -> Migration:
    """Translate a project and write the result.

    Raises:
        InputError: the source is no folder, or the output cannot be written at all.
    """
    if not os.path.isdir(job.source):
        raise InputError(f"{job.source} is no folder", code="XL006", hint="migrate takes the folder of a project")
    if job.output is None and not job.force:
        require_clean(job.source)
    with locked(job.output or job.source):
        ready = prepare(job)
        if job.output is None:
            done = replace_sources(ready.items, job.source)
        else:
            done = deliver(ready.items, job.output, force=job.force)
    return _migration(job, ready, done)


def prepare(job: Job) -> Prepared:
    """Everything but the writing."""
    skip = [job.output] if job.output is not None else []
    entries = scan(job.source, job.wanted, skip)
    loaded = load(job.source, entries)
    earlier = helper_module.earlier(loaded.raw, job.options) if job.output is None else {}
    for path in earlier:
        del loaded.raw[path], loaded.texts[path]
    options = replace(job.options, helpers_module=helper_stem(loaded.texts, job.options))
    others = [entry.path for entry in entries if entry.path not in loaded.texts]
    cache = Cache(options, on=job.cached)
    along = _vendored(job, loaded, others, options)
    program, results = _translate(job, loaded.texts, others, options, cache)
    results.results.update(loaded.failed | program.failed)
    results.results.update({path: Translation("", Status.UNCHANGED) for path in program.untouched})
    _keep_imports(along, loaded, results)
    imported = _imported(loaded.texts, results)
    own, above = package_above(job.source)
    say_what_stays(loaded.texts, results, options, {own, *above})
    bind(loaded, results, options)
    _rewrite_dependencies(job.source, entries, loaded, results, options, imported, along.names)
    _look_into_copies(job.source, entries, loaded, results, options)
    ready = _assemble(job, entries, loaded.raw, results)
    _add_vendored(job, ready, along, results)
    _add_helpers(ready, program, results, options, earlier, cache)
    if job.output is None:
        ready.items = [item for item in ready.items if item.data is not None]
    return ready


def _vendored(job: Job, loaded: Loaded, others: list[str], options: Options) -> Vendored:
    """Take in what comes along with the project."""
    if not job.vendor:
        return Vendored()
    from .vendor import vendor

    name, above = package_above(job.source)
    stem = options.helpers_module or helper_module.NAME
    along = vendor(job.vendor, job.source, loaded.texts, others, options, name, above, stem)
    there = loaded.texts.keys() - along.origins.keys()  # a folder of that name may be the project's own
    along.files = {path: data for path, data in along.files.items() if path not in there}
    loaded.texts.update(along.texts | along.files)
    return along


def _keep_imports(along: Vendored, loaded: Loaded, results: Results) -> None:
    """A file in which nothing else is translated still has its imports changed; what is to be said is added."""
    for path in along.texts:
        result = results.results.get(path)
        if isinstance(result, Translation) and result.status is Status.UNCHANGED:
            text, encoding, bom = decode(loaded.texts[path])
            results.results[path] = replace(result, text=text, status=Status.TRANSLATED, encoding=encoding, bom=bom)
    for path, notes in along.notes.items():
        result = results.results.get(path)
        if isinstance(result, Translation):
            results.results[path] = replace(result, diagnostics=(*notes, *result.diagnostics))


def _add_vendored(job: Job, ready: Prepared, along: Vendored, results: Results) -> None:
    """The outcomes and items of what comes along."""
    output = job.output if job.output is not None else job.source
    for path, data in along.files.items():
        result = results.results[path]
        origin = along.origins.get(path)
        place = origin if origin not in (None, path) else os.path.join(job.source, path)
        assert place is not None
        target = Target(os.path.join(output, path), tree=True)
        outcome = Outcome(place, result, data, target, named=False, trace=results.traces.get(path, ""),
                          seconds=results.seconds.get(path, 0.0))  # fmt: skip
        ready.outcomes.append(outcome)
        ready.kinds[place] = "vendored"
        wanted = outcome.would_write
        ready.items.append(Item(path, data if wanted is None else wanted))
    for path, licence in along.licences.items():
        ready.items.append(Item(path, read_bytes(licence)))
        ready.copied += 1


def _rewrite_dependencies(
    root: str, entries: list[Entry], loaded: Loaded, results: Results, options: Options, imported: Collection[str],
    along: Mapping[str, str],
) -> None:  # fmt: skip
    """Bring the files that say what the project needs in line with what its translated files import."""
    files = [e.path for e in entries if e.kind is Kind.DEPENDENCIES and e.error is None]
    setups = [path for path in loaded.raw if posixpath.basename(path) == "setup.py"]
    if not files and not setups:
        return
    from .dependencies import rewrite

    data, failed = read_all(root, files)
    results.results.update(failed)
    for path, raw in data.items():
        result = rewrite(path, raw, options, imported, along)
        if result.status is not Status.UNCHANGED or result.diagnostics:
            results.results[path] = result
            loaded.raw[path] = raw
    for path in setups:
        done = results.results.get(path)
        if isinstance(done, Translation):
            text = loaded.raw[path] if done.status is Status.UNCHANGED else done.data
            result = rewrite(path, text, options, imported, along)
            if result.status is not Status.UNCHANGED:
                found = (*done.diagnostics, *result.diagnostics)
                status = Status.PARTIAL if done.refused else Status.TRANSLATED
                results.results[path] = replace(done, text=result.text, status=status, diagnostics=found)


def _look_into_copies(root: str, entries: list[Entry], loaded: Loaded, results: Results, options: Options) -> None:
    """Say which of the files that nobody rewrites speak of the source framework."""
    from .mentions import mentions

    for entry in entries:
        if entry.error is None and entry.kind in (Kind.OTHER, Kind.DEPENDENCIES) and entry.path not in results.results:
            found = mentions(root, entry.path, options)
            if found:
                results.results[entry.path] = Translation("", Status.UNCHANGED, found)
                loaded.raw.update(read_all(root, [entry.path])[0])


def _imported(texts: dict[str, bytes], results: Results) -> frozenset[str]:
    """The top-level names that the project's files import once they are translated."""
    found: set[bytes] = set()
    for path, data in texts.items():
        result = results.results.get(path)
        if isinstance(result, Translation) and result.status is not Status.UNCHANGED:
            data = result.data
        found.update(_IMPORT.findall(data))
    return frozenset(name.decode() for name in found)


def _translate(
    job: Job, texts: dict[str, bytes], others: list[str], options: Options, cache: Cache
) -> tuple[Program, Results]:
    """The project's programs, and what became of their files, as far as possible from the results of earlier runs."""
    digests = {path: digest(data) for path, data in texts.items()}
    name, above = package_above(job.source)
    stem = options.helpers_module or helper_module.NAME
    marks = sorted(path for path in others if posixpath.basename(path) in ROOT_MARKS)
    key = cache.program_key(digests, stem, name, *above, "--", *marks)
    program = cache.program(key)
    if program is None:
        program = divide(texts, others, options, name, above, stem, job.workers)
        cache.keep_program(key, program)
    out, missing = Results(), []
    known: dict[tuple[str, ...], Results] = {}
    for unit in program.units:
        kept = cache.results(cache.unit_key(unit, digests)) or Results()
        out.update(kept)
        if kept.results.keys() != set(unit.paths):
            missing.append(unit)
            known[unit.paths] = kept
    total = sum(len(unit.paths) for unit in program.units)
    job.progress(len(out.results), total)
    finished = len(out.results)

    def done(unit: Unit, found: Results) -> None:
        nonlocal finished
        kept = known[unit.paths]
        finished += len(unit.paths) - len(kept.results)
        if found.whole:
            found = kept.with_(found)
        cache.keep(cache.unit_key(unit, digests), found)
        job.progress(finished, total)

    if missing:
        out.update(translate_units(missing, texts, options, job.workers, done, _engine(job), known))
        cache.tidy()
    return program, out


def _engine(job: Job) -> Answers | None:
    if job.engine != "ray":
        return None
    from .cluster import answers

    return answers(max(1, job.workers))


def package_above(folder: str) -> tuple[str, tuple[str, ...]]:
    """The name of a folder, and if it is a package the parts of its dotted name."""
    place = os.path.abspath(folder)
    name, parts = os.path.basename(place), []
    while os.path.isfile(os.path.join(place, INIT)):
        place, last = os.path.split(place)
        parts.append(last)
    return name, tuple(reversed(parts))


def _assemble(
    job: Job,
    entries: list[Entry],
    texts: dict[str, bytes],
    results: Results,
) -> Prepared:
    """The outcome of each file, and what belongs at each place of the output."""
    output = job.output if job.output is not None else job.source
    ready = Prepared([], {}, [], [], 0)
    for entry in entries:
        place = os.path.join(job.source, entry.path)
        result = entry.error if entry.error is not None else results.results.get(entry.path)
        if result is None:
            ready.items.append(_copy(job.source, entry))
            ready.copied += 1
            continue
        target = Target(os.path.join(output, entry.path), tree=True)
        data = texts.get(entry.path, b"")
        outcome = Outcome(place, result, data, target, named=False, trace=results.traces.get(entry.path, ""),
                          seconds=results.seconds.get(entry.path, 0.0))  # fmt: skip
        ready.outcomes.append(outcome)
        ready.kinds[place] = entry.kind.value
        wanted = outcome.would_write
        if wanted is not None and wanted != data:
            ready.items.append(Item(entry.path, wanted, place))
        elif entry.error is None and os.path.isfile(place) and entry.path in texts:
            ready.items.append(_copy(job.source, entry))
            ready.copied += entry.kind is Kind.OTHER
    return ready


def _add_helpers(
    ready: Prepared, program: Program, results: Results, options: Options, earlier: Mapping[str, frozenset[str]],
    cache: Cache,
) -> None:  # fmt: skip
    """The modules of the helpers that the translated files import."""
    needed: dict[str, set[str]] = {}
    for item in ready.items:
        result = results.results.get(item.path)
        if item.data is not None and isinstance(result, Translation) and result.helpers:
            needed.setdefault(program.helper_files[item.path], set()).update(result.helpers)
    for path, names in sorted(needed.items()):
        names |= earlier.get(path, frozenset())
        text = cache.text("helpers", *sorted(names), build=partial(helper_module.text, names, options))
        ready.items.append(Item(path, text.encode()))
        ready.helpers.append(path)


def _copy(root: str, entry: Entry) -> Item:
    place = os.path.join(root, entry.path)
    if entry.kind is Kind.LINK:
        target = os.readlink(place)
        if os.path.isabs(target):
            target = os.path.relpath(os.path.realpath(place), os.path.realpath(os.path.dirname(place)))
        return Item(entry.path, None, place, link=target)
    return Item(entry.path, None, place)


def _migration(job: Job, ready: Prepared, done: Delivery) -> Migration:
    output = job.output if job.output is not None else job.source
    by_path = {os.path.join(job.source, path): error for path, error in done.errors.items()}
    outcomes = [
        replace(outcome, result=by_path.pop(outcome.path)) if outcome.path in by_path else outcome
        for outcome in ready.outcomes
    ]
    outcomes += [Outcome(path, error, named=False) for path, error in by_path.items()]
    return Migration(
        job.source, job.output, job.options, tuple(sorted(outcomes, key=lambda outcome: outcome.path)), ready.kinds,
        tuple(os.path.join(output, path) for path in ready.helpers),
        tuple(os.path.join(output, path) for path in done.written), ready.copied,
        tuple(os.path.join(output, path) for path in done.removed),
    )  # fmt: skip
