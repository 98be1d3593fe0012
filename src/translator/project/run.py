"""Translates a project's units: each on its own, so that what goes wrong in one costs no other."""

from __future__ import annotations

import traceback
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field

from translator.batch import INTERNAL
from translator.model import InputError, Options, Translation

from .units import Unit

Result = Translation | InputError


@dataclass(slots=True)
class Results:
    """What became of each file, and the traceback of each crash of our own."""

    results: dict[str, Result] = field(default_factory=dict)
    traces: dict[str, str] = field(default_factory=dict)

    def update(self, other: Results) -> None:
        self.results.update(other.results)
        self.traces.update(other.traces)


def translate_unit(unit: Unit, texts: Mapping[str, bytes], options: Options) -> Results:
    """Translate one unit. A file that makes the engine fail is left out and the rest tried again."""
    from translator.engine import translate_sources

    sources = {path: texts[path] for path in unit.paths}
    try:
        return Results(dict(translate_sources(sources, options, modules=unit.modules)))
    except Exception as error:
        if len(unit.paths) == 1:
            return crashed(unit.paths[0], error)
    alone = Results()
    for path in unit.paths:
        alone.update(translate_unit(Unit((path,), unit.modules.restricted(frozenset((path,)))), texts, options))
    bad = [path for path in unit.paths if path in alone.traces]
    good = tuple(path for path in unit.paths if path not in bad)
    if bad and good:
        rest = translate_unit(Unit(good, unit.modules.restricted(frozenset(good))), texts, options)
        alone.update(rest)
    return alone


def crashed(path: str, error: BaseException) -> Results:
    """A crash of ours, as the result of the file that caused it."""
    message = str(error).split("\n", 1)[0][:200]
    failure = InputError(
        f"internal error of xlate ({type(error).__name__}: {message}); the file is left as it is",
        code=INTERNAL,
        hint="please report it, with the traceback that --verbose prints",
    )
    return Results({path: failure}, {path: "".join(traceback.format_exception(error))})


def translate_units(
    units: Iterable[Unit], texts: Mapping[str, bytes], options: Options, done: Callable[[int], None]
) -> Results:
    """Translate all units.

    Args:
        done: told how many files are finished, as they are.
    """
    out = Results()
    for unit in units:
        out.update(translate_unit(unit, texts, options))
        done(len(unit.paths))
    return out
