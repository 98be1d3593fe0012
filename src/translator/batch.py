"""Translates what was found as one project, and puts each result where it belongs; one bad file stops nothing."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

from translator import source
from translator.discover import STDIN, Found, read_bytes
from translator.model import InputError, Options, Status, Translation
from translator.outputs import STDOUT, Target, module_renames, write_file

Result = Translation | InputError
Sources = dict[str, bytes]
Translate = Callable[[Sources, Mapping[str, Target], Mapping[str, str | None], Options], dict[str, tuple[Result, str]]]
"""Translates sources, given where they go and below which folder each was found: result and traceback of each."""
Engine = Callable[[dict[str, bytes], Options, dict[str, str] | None], Mapping[str, Result]]

NOTEBOOK = ".ipynb"


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of one input."""

    path: str
    """The name to report it under."""
    result: Result
    data: bytes = b""
    """The source's bytes; empty when they could not be read."""
    target: Target | None = None
    named: bool = True
    """Whether the command line named this very file (rather than a folder above it)."""
    trace: str = ""
    """The traceback of a crash of our own."""
    seconds: float = 0.0
    """The file's share, by size, of the time that translating took; 0 if nothing was translated for it."""

    @property
    def status(self) -> Status:
        return self.result.status if isinstance(self.result, Translation) else Status.ERROR

    @property
    def would_write(self) -> bytes | None:
        """The bytes that belong at the target; ``None`` where nothing has to be there."""
        if not isinstance(self.result, Translation) or self.target is None:
            return None
        if self.result.status is Status.UNCHANGED:
            return None if self.target.beside else self.data
        return self.result.data

    def changes(self) -> bool:
        """Whether delivering this would change anything: the target, or the text on its way to standard output."""
        wanted = self.would_write
        if wanted is None or self.target is None:
            return False
        if self.target.path == STDOUT:
            return wanted != self.data
        return wanted != _existing(self.target.path)


def translate_all(
    found: Sequence[Found], targets: Mapping[str, Target], options: Options, stdin_name: str = "<stdin>",
    translate: Translate | None = None,
) -> list[Outcome]:  # fmt: skip
    """The outcome of each input, in order. Nothing is written and nothing raised for a file's own sake.

    Args:
        translate: stands for ``translate_project``.
    """
    outcomes: dict[str, Outcome] = {}
    sources: dict[str, bytes] = {}
    for item in found:
        name = stdin_name if item.path == STDIN else item.path
        outcome = _read(item, name, options, targets.get(item.path))
        outcomes[name] = outcome
        if isinstance(outcome.result, Translation):
            sources[name] = outcome.data
    own_targets = {name: target for name in sources if (target := outcomes[name].target) is not None}
    roots = {item.path: item.root for item in found}
    start = time.perf_counter()
    results = (translate or translate_project)(sources, own_targets, roots, options)
    seconds = shares(sources, time.perf_counter() - start)
    for name, (result, trace) in results.items():
        outcomes[name] = replace(outcomes[name], result=result, trace=trace, seconds=seconds[name])
    return list(outcomes.values())


def shares(sources: Mapping[str, bytes], seconds: float) -> dict[str, float]:
    """The time that files took which were translated together, by their sizes."""
    total = sum(map(len, sources.values())) or 1
    return {name: seconds * len(data) / total for name, data in sources.items()}


def deliver(outcome: Outcome, *, in_place: bool, force: bool) -> bool:
    """Write the outcome's translation to its target, if it is not there already; whether anything was written.

    A file that is already at the target is replaced only when that is what was asked for (``in_place`` or
    ``force``): it may hold work that was done on an earlier translation by hand.

    Raises:
        InputError: the target is taken, or cannot be written.
    """
    wanted, target = outcome.would_write, outcome.target
    if wanted is None or target is None:
        return False
    if target.path == STDOUT:
        sys.stdout.flush()
        sys.stdout.buffer.write(wanted)
        sys.stdout.buffer.flush()
        return True
    existing = _existing(target.path)
    if existing == wanted:
        return False
    if target.beside and os.path.basename(outcome.path) == "__init__.py":
        hint = "translate the package with -o DIR or --in-place"
        raise InputError("an __init__.py has no place beside itself", code="XL012", hint=hint)
    if existing is not None and not (in_place or force):
        hint = "--force replaces it, -o names another place"
        raise InputError(f"{target.path} exists and differs from the translation", code="XL010", hint=hint)
    write_file(target.path, wanted, like=outcome.path)
    return True


def _read(item: Found, name: str, options: Options, target: Target | None) -> Outcome:
    """The input's bytes, with a provisional result: unchanged, or why it cannot be read."""
    named = item.root is None
    if item.error is not None:
        return Outcome(name, item.error, named=named)
    try:
        data = sys.stdin.buffer.read() if item.path == STDIN else read_bytes(item.path)
        if b"\0" in data or (named and not source.mentions(data, options.direction.source)):
            # Whoever names a file wants to hear that it is broken even when there is nothing to translate in it.
            _check(name, data)
    except InputError as error:
        return Outcome(name, error, target=target, named=named)
    return Outcome(name, Translation("", Status.UNCHANGED), data, target, named)


def _check(name: str, data: bytes) -> None:
    """See that a file can be read at all.

    Raises:
        InputError: it cannot.
    """
    if name.endswith(NOTEBOOK):
        from translator import notebook

        notebook.read(data)
    else:
        source.read(data)


def translate_project(
    sources: Sources, targets: Mapping[str, Target], roots: Mapping[str, str | None], options: Options
) -> dict[str, tuple[Result, str]]:
    """Translate the sources as one project, with imports following the files that get a new name.

    A file that names the framework and yet has nothing to translate (in a comment, say) stays where it is, so
    imports of it must not follow: then the rest is translated again, knowing that.
    """
    if not sources:
        return {}
    framework = options.direction.source
    moving = {name: target for name, target in targets.items() if source.mentions(sources[name], framework)}
    while True:
        renames = module_renames(moving, roots)
        results = _guarded(sources, options, renames)
        staying = {name for name in moving if _status(results[name][0]) is Status.UNCHANGED and moving[name].beside}
        if not staying or len(sources) == 1:
            return results
        moving = {name: target for name, target in moving.items() if name not in staying}


def _guarded(sources: dict[str, bytes], options: Options, renames: dict[str, str]) -> dict[str, tuple[Result, str]]:
    """Run the engine; a crash of it costs the file that caused it, and is reported as ours."""
    engine: Engine
    if any(name.endswith(NOTEBOOK) for name in sources):
        from translator.notebook_batch import translate_mixed as engine
    else:
        from translator.engine import translate_sources as engine
    try:
        results = engine(sources, options, renames)
        return {name: (result, getattr(result, "trace", "")) for name, result in results.items()}
    except Exception as error:
        from translator.laws import crash

        failure = crash(error)
        if len(sources) == 1:
            return dict.fromkeys(sources, (failure, failure.trace))
    alone: dict[str, tuple[Result, str]] = {}
    for name, data in sources.items():
        alone.update(_guarded({name: data}, options, renames))
    return alone


def _status(result: Result) -> Status:
    return result.status if isinstance(result, Translation) else Status.ERROR


def _existing(path: str) -> bytes | None:
    try:
        return read_bytes(path)
    except InputError:
        return None
