"""Translates a project's units in worker processes; what goes wrong costs the file that caused it and no other."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING

from translator.batch import shares
from translator.laws import crash
from translator.model import INTERNAL, InputError, Options, Translation

from .pool import Died, Pool
from .units import Unit

if TYPE_CHECKING:
    from translator.engine import Rewrite, Rewritten

Result = Translation | InputError


@dataclass(slots=True)
class Results:
    """What became of each file, and the traceback of each crash of our own."""

    results: dict[str, Result] = field(default_factory=dict)
    traces: dict[str, str] = field(default_factory=dict)
    seconds: dict[str, float] = field(default_factory=dict)
    """The share of each in the time that its unit took."""
    whole: bool = True
    """Whether all files of the unit were understood together; if so, one that failed then cost itself only."""

    def with_(self, other: Results) -> Results:
        """These and others, as a new object."""
        out = Results(whole=self.whole and other.whole)
        out.update(self)
        out.update(other)
        return out

    def update(self, other: Results) -> None:
        self.results.update(other.results)
        self.traces.update(other.traces)
        self.seconds.update(other.seconds)


@dataclass(frozen=True, slots=True)
class Task:
    """A unit with all that its translation needs, to be sent to a worker."""

    unit: Unit
    sources: dict[str, bytes]
    options: Options
    workers: int
    """Processes that may work on this unit."""
    known: frozenset[str] = frozenset()
    """Files whose results are there already: they are understood, since others depend on them, and not rewritten."""


Answers = Callable[[Sequence[Task]], Iterator[tuple[Task, Results | Died]]]
"""Translates tasks, in any order or at once."""


def translate_units(
    units: Sequence[Unit],
    texts: Mapping[str, bytes],
    options: Options,
    workers: int,
    done: Callable[[Unit, Results], None],
    answers: Answers | None = None,
    known: Mapping[tuple[str, ...], Results] | None = None,
) -> Results:
    """Translate all units; the result is the same for any number of workers, wherever they are.

    Args:
        workers: processes that translate at once; 0 for none but this one.
        done: told what became of each unit, as it is finished.
        answers: translates the units; by default, processes of this machine.
        known: for the paths of some units, results that are there already.
    """
    answers = answers or partial(_answers, workers=workers)
    share = max(1, workers // max(1, len(units)))
    there = {paths: frozenset(results.results) for paths, results in (known or {}).items()}
    tasks = [
        Task(u, {path: texts[path] for path in u.paths}, options, share if workers else 0,
             there.get(u.paths, frozenset()))
        for u in units
    ]  # fmt: skip
    tasks.sort(key=lambda task: -sum(map(len, task.sources.values())))
    out = Results()
    for task, answer in answers(tasks):
        result = answer if isinstance(answer, Results) else _isolated(task, answers, answer)
        out.update(result)
        done(task.unit, result)
    return out


def translate_task(task: Task) -> Results:
    """Translate one unit in this process. If that fails as a whole, files that fail alone are left out."""
    from translator.engine import translate_sources

    def spread(paths: Sequence[str], rewrite: Rewrite) -> dict[str, Rewritten]:
        todo = [path for path in paths if path not in task.known]
        if task.workers > 1:  # the longest first, so that none is left with one at the end
            todo.sort(key=lambda path: -len(task.sources[path]))
        return _spread(todo, rewrite, task.workers)

    start = time.perf_counter()
    try:
        found = translate_sources(task.sources, task.options, modules=task.unit.modules, spread=spread)
    except Exception as error:
        if len(task.sources) == 1:
            return _failed(task.unit.paths[0], crash(error))
        return _without_culprits(task, [(t, translate_task(t)) for t in _alone(task)], crash(error), translate_task)
    traces = {path: r.trace for path, r in found.items() if isinstance(r, InputError) and r.trace}
    return Results(dict(found), traces, shares(task.sources, time.perf_counter() - start))


def _answers(tasks: Sequence[Task], workers: int) -> Iterator[tuple[Task, Results | Died]]:
    if not tasks:
        return
    if not workers:
        for task in tasks:
            yield task, translate_task(task)
        return
    _load(tasks[0].options)
    for number, answer in Pool(translate_task, min(workers, len(tasks))).run(tasks):
        yield tasks[number], answer


def _load(options: Options) -> None:
    """Load what every worker needs before they are forked, so that they share it."""
    from translator import engine  # noqa: F401
    from translator.tables import tables

    tables(options.direction)


def _spread(paths: Sequence[str], rewrite: Rewrite, workers: int) -> dict[str, Rewritten]:
    """Rewrite files in forked processes, which have everything that was understood; or here, where that is no gain."""
    from .pool import can_fork

    def guarded(path: str) -> Rewritten:
        try:
            return rewrite(path)
        except Exception as error:
            return crash(error)

    if workers < 2 or len(paths) < 2 * workers or not can_fork():
        return {path: guarded(path) for path in paths}
    out: dict[str, Rewritten] = {}
    for number, answer in Pool(guarded, workers).run(paths):
        out[paths[number]] = died(answer) if isinstance(answer, Died) else answer
    return out


def died(why: Died) -> InputError:
    """The result of a file that a worker had when it ended."""
    failure = InputError(f"internal error of xlate (a worker was {why}); the file is left as it is", code=INTERNAL,
                         hint="please report it, with the file")  # fmt: skip
    failure.passing = True
    return failure


def _isolated(task: Task, answers: Answers, why: Died) -> Results:
    """A unit whose worker died: the files that kill a worker alone are left out."""
    if len(task.sources) == 1:
        return _failed(task.unit.paths[0], died(why))
    alone = list(answers(_alone(task)))
    results = [(t, a if isinstance(a, Results) else _failed(t.unit.paths[0], died(a))) for t, a in alone]

    def again(rest: Task) -> Results:
        ((_, answer),) = answers([rest])
        return answer if isinstance(answer, Results) else _all_failed(rest, died(answer))

    return _without_culprits(task, results, died(why), again)


def _alone(task: Task) -> list[Task]:
    """Each file of a unit as a unit of its own."""
    return [_part(task, (path,)) for path in task.unit.paths]


def _part(task: Task, paths: tuple[str, ...]) -> Task:
    modules = task.unit.modules.restricted(frozenset(paths))
    return Task(Unit(paths, modules), {path: task.sources[path] for path in paths}, task.options, task.workers)


def _without_culprits(
    task: Task, alone: Sequence[tuple[Task, Results]], why: InputError, again: Callable[[Task], Results]
) -> Results:
    """Translate a unit without the files that fail by themselves. If none does, the unit fails as a whole:
    files that were translated without knowing each other could be wrong without a word."""
    out = Results(whole=False)
    good: list[str] = []
    for part, result in alone:
        (path,) = part.unit.paths
        failure = result.results[path]
        if isinstance(failure, InputError) and failure.code == INTERNAL:
            out.update(result)
        else:
            good.append(path)
    if not out.results:
        return _all_failed(task, why)
    if good:
        out.update(again(_part(task, tuple(good))))
    return out


def _all_failed(task: Task, why: InputError) -> Results:
    out = Results(whole=False)
    for path in task.unit.paths:
        message = why.message.replace("; the file is left as it is", " while files that import each other are translated together")  # fmt: skip # noqa: E501
        failure = InputError(message, code=INTERNAL, hint="--exclude files to find out which it is")
        failure.trace, failure.passing = why.trace, why.passing
        out.update(_failed(path, failure))
    return out


def _failed(path: str, error: InputError) -> Results:
    return Results({path: error}, {path: error.trace or error.message})
