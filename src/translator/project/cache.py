"""Results of earlier runs, found again by what they were made from: texts, options, tables and the tool itself."""

from __future__ import annotations

import contextlib
import dataclasses
import hashlib
import json
import os
import sys
import time
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

import translator
from translator._version import __version__
from translator.caches import folder
from translator.model import ApiUse, Counts, Diagnostic, Edge, InputError, Options, Severity, Status, Translation
from translator.modules import Modules
from translator.outputs import write_file
from translator.tables.location import mappings_dir

from .run import Results
from .units import Program, Unit

KEPT = 30 * 86_400
"""Seconds after which a result that nobody asked for goes."""


class Cache:
    """A folder of results.

    Args:
        options: what is translated with; part of every key, with the texts of the user's own tables.
        place: the folder; by default in the user's caches.
        on: whether anything is kept at all.
    """

    def __init__(self, options: Options, place: Path | None = None, on: bool = True) -> None:
        self.place = (place or folder() / "migrate") if on else None
        tables = [digest(Path(path).read_bytes()) for path in options.mappings]
        self.base = _digest([fingerprint(), repr(options), *tables])

    def key(self, *parts: str) -> str:
        """What a result is found by that depends on ``parts`` besides the options, tables and xlate itself."""
        return _digest([self.base, *parts])

    def unit_key(self, unit: Unit, digests: Mapping[str, str]) -> str:
        """What a unit's results are found by: all of its files, since each may depend on every other."""
        return self.key(*(f"{path}={digests[path]}" for path in unit.paths), _modules(unit.modules))

    def program_key(self, digests: Mapping[str, str], *given: str) -> str:
        """What the division of a project into units is found by."""
        return self.key("program", *given, *(f"{path}={digest}" for path, digest in digests.items()))

    def results(self, key: str) -> Results | None:
        plain = self._read(key)
        if plain is None:
            return None
        try:
            found = {path: _result(value) for path, value in plain.items()}
        except (KeyError, TypeError, ValueError):
            return None
        return Results(found, {path: r.trace for path, r in found.items() if isinstance(r, InputError) and r.trace})

    def keep(self, key: str, done: Results) -> None:
        """Keep the results of a unit, crashes of ours included, since they would come again. Where the machine failed,
        the other files' results are kept, if the failing ones were understood with them."""
        passing = {path for path, r in done.results.items() if isinstance(r, InputError) and r.passing}
        if done.whole or not passing:
            lasting = {path: result for path, result in done.results.items() if path not in passing}
            self._write(key, {path: _plain(result) for path, result in lasting.items()})

    def program(self, key: str) -> Program | None:
        plain = self._read(key)
        if plain is None:
            return None
        try:
            units = [Unit(tuple(paths), Modules(*modules)) for paths, modules in plain["units"]]
            failed = {path: _error(value) for path, value in plain["failed"].items()}
            return Program(units, failed, plain["untouched"], plain["helper_files"])
        except (KeyError, TypeError, ValueError):
            return None

    def keep_program(self, key: str, program: Program) -> None:
        units = [(u.paths, (dict(u.modules.names), dict(u.modules.aliases), dict(u.modules.helpers)))
                 for u in program.units]  # fmt: skip
        failed = {path: _plain(error) for path, error in program.failed.items()}
        self._write(key, {"units": units, "failed": failed, "untouched": program.untouched,
                          "helper_files": program.helper_files})  # fmt: skip

    def text(self, *parts: str, build: Callable[[], str]) -> str:
        """A text that depends on ``parts`` alone."""
        key = self.key("text", *parts)
        found = self._read(key)
        if not isinstance(found, str):
            found = build()
            self._write(key, found)
        return found

    def tidy(self) -> None:
        """Take away what nobody asked for in a long time."""
        if self.place is None:
            return
        old = time.time() - KEPT
        with contextlib.suppress(OSError):
            for path in self.place.glob("*/*.json"):
                if path.stat().st_mtime < old:
                    path.unlink(missing_ok=True)

    def _file(self, key: str) -> Path | None:
        return self.place / key[:2] / f"{key}.json" if self.place is not None else None

    def _read(self, key: str) -> Any:
        path = self._file(key)
        if path is None:
            return None
        try:
            found = json.loads(path.read_bytes())
            if time.time() - path.stat().st_mtime > 86_400:
                os.utime(path)
        except (OSError, ValueError):
            return None
        return found

    def _write(self, key: str, plain: Any) -> None:
        path = self._file(key)
        if path is not None:
            with contextlib.suppress(InputError):  # a full or locked disk: then nothing is kept
                write_file(str(path), json.dumps(plain, separators=(",", ":")).encode())


def digest(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def fingerprint() -> str:
    """The tool itself: its version, its code and its tables."""
    code = Path(translator.__file__).parent
    state = [__version__, sys.version]
    for top in (code, mappings_dir()):
        for path in sorted([*top.rglob("*.py"), *top.rglob("*.toml"), *top.rglob("*.json")]):
            info = path.stat()
            state.append(f"{path.relative_to(top)}:{info.st_size}:{info.st_mtime_ns}")
    return _digest(state)


def _digest(parts: Iterable[str]) -> str:
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()


def _modules(modules: Modules) -> str:
    return json.dumps([dict(modules.names), {k: dict(v) for k, v in modules.aliases.items()}, dict(modules.helpers)],
                      sort_keys=True)  # fmt: skip


def _plain(result: Translation | InputError) -> dict[str, Any]:
    if isinstance(result, InputError):
        return {"error": [result.message, result.line, result.column, result.code, result.hint, result.trace]}
    plain = dataclasses.asdict(result)
    if result.status is Status.UNCHANGED:
        plain["text"] = ""
    return plain


def _error(plain: Mapping[str, Any]) -> InputError:
    message, line, column, code, hint, trace = plain["error"]
    error = InputError(message, line=line, column=column, code=code, hint=hint)
    error.trace = trace
    return error


def _result(plain: dict[str, Any]) -> Translation | InputError:
    if "error" in plain:
        return _error(plain)
    fields = dict(plain)
    fields["status"] = Status(fields["status"])
    fields["counts"] = Counts(**fields["counts"])
    fields["helpers"] = tuple(fields["helpers"])
    fields["diagnostics"] = tuple(
        Diagnostic(**{**d, "severity": Severity(d["severity"])}) for d in fields["diagnostics"]
    )
    fields["edges"] = tuple(Edge(**edge) for edge in fields["edges"])
    fields["apis"] = tuple(ApiUse(**use) for use in fields["apis"])
    return Translation(**fields)
