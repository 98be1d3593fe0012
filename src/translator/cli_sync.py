"""``xlate sync``: keep translations that stand beside their sources in step with them, as a commit hook does."""

from __future__ import annotations

import fnmatch
import os
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import click

from translator import report
from translator.batch import Outcome, Result, Sources, deliver, translate_all, translate_project
from translator.cli_config import KEEP_IO_LAYOUT, configured
from translator.cli_root import HELP_OPTIONS
from translator.cli_translate import options_from
from translator.config import Patterns
from translator.discover import Found, discover
from translator.model import Direction, Fidelity, InputError, Layout, Options, Style, Translation
from translator.outputs import SUFFIX, Target, plan
from translator.reports.options import Reports, report_options


@dataclass(frozen=True, slots=True)
class Wanted:
    """What the command line asked for."""

    options: Options
    projects: tuple[str, ...]
    changed: tuple[str, ...]
    exclude: tuple[str, ...]
    everything: bool
    check: bool
    allow_refused: bool
    cached: bool
    settings: Patterns
    """Which files the project's settings let be translated."""


@click.command(context_settings=HELP_OPTIONS)
@click.argument("changed", nargs=-1, metavar="[FILE]...")
@click.option("--direction", type=click.Choice([str(d) for d in Direction]), default="torch2tf", show_default=True)
@click.option("--project", "projects", multiple=True, metavar="DIR", help="What is translated together. [default: .]")
@click.option("--exclude", multiple=True, metavar="PATTERN", help="Sources whose translations are left alone.")
@click.option("--all", "everything", is_flag=True, help="Begin translations of sources that have none, too.")
@click.option("--check", is_flag=True, help="Write nothing; exit 1 if a translation is out of step.")
@click.option("--allow-refused", is_flag=True, help="Do not exit 1 because something was refused.")
@click.option("--mappings", multiple=True, metavar="FILE", help="A table of your own; its rows win.")
@click.option("--fidelity", type=click.Choice([str(f) for f in Fidelity]), default="idiomatic", show_default=True)
@click.option("--keep-io-layout", is_flag=True, help=KEEP_IO_LAYOUT)
@click.option("--style", type=click.Choice([str(s) for s in Style]), default="loop", show_default=True)
@click.option("--layout", type=click.Choice([str(v) for v in Layout]), default=str(Options().layout), show_default=True)
@click.option("--no-cache", is_flag=True, help="Neither use nor keep results of other runs.")
@report_options
def sync(reports: Reports, projects: tuple[str, ...], **given: Any) -> None:
    """Keep translations in step with the sources that they stand beside.

    Every x.py of the project that has an x_tf.py beside it (or x_torch.py, with --direction tf2torch) is translated
    anew, all of them as one program. With FILEs, nothing is done unless one of them belongs to the project: so a hook
    calls it. A translation is replaced only where git has its present text, so that no work by hand is lost.
    The settings in [tool.xlate] hold, as they do for the other commands.
    """
    projects = projects or (".",)
    keys = ("direction", "layout", "fidelity", "style", "mappings", "keep_io_layout")
    chosen = {key: given[key] for key in keys} | {"outputs": "clear"}
    found = configured(projects[0], chosen)
    options = options_from(Direction(chosen["direction"]), chosen)
    lists: dict[str, Any] = {key: found.values.get(key, ()) for key in ("include", "exclude")}
    wanted = Wanted(
        options, projects, given["changed"], given["exclude"], given["everything"], given["check"],
        given["allow_refused"], not given["no_cache"], Patterns(found.folder, **lists),
    )  # fmt: skip
    click.get_current_context().exit(run(wanted, reports))


def run(wanted: Wanted, reports: Reports) -> int:
    """Do what was asked, and return the exit code."""
    direction = wanted.options.direction
    found = [_plain(item) for item in discover(wanted.projects, SUFFIX[direction])]
    targets = plan(found, None, False, direction)
    pairs = {path for path, target in targets.items() if _is_pair(path, target, wanted)}
    reports.check([*targets, *(target.path for target in targets.values())])
    if not pairs or not _concerned(wanted.changed, targets):
        return 0
    outcomes = translate_all(found, targets, wanted.options, translate=_remembering if wanted.cached else None)
    done = [_finish(outcome, wanted) for outcome in outcomes if outcome.path in pairs]
    shown = [outcome for outcome, _ in done]
    by_path = {outcome.path: outcome for outcome in shown}
    document = report.document(shown, wanted.options, {})
    if not reports.write(document, lambda path: report.texts(by_path[path])):
        return 3
    if any(isinstance(outcome.result, InputError) for outcome in shown):
        return 3
    refused = any(isinstance(outcome.result, Translation) and outcome.result.refused for outcome in shown)
    return int((wanted.check and any(stale for _, stale in done)) or (refused and not wanted.allow_refused))


def _remembering(
    sources: Sources, targets: Mapping[str, Target], roots: Mapping[str, str | None], options: Options
) -> dict[str, tuple[Result, str]]:
    """Translate a project, or find what an earlier run made of the same texts."""
    from translator.project.cache import Cache, digest
    from translator.project.run import Results

    cache = Cache(options)
    places = (f"{name}:{target.path}:{target.beside}:{roots.get(name)}" for name, target in sorted(targets.items()))
    key = cache.key("sync", *places, *(f"{name}={digest(data)}" for name, data in sorted(sources.items())))
    known = cache.results(key)
    if known is None or known.results.keys() != sources.keys():
        done = translate_project(sources, targets, roots, options)
        if not any(trace for _, trace in done.values()):
            cache.keep(key, Results({name: result for name, (result, _) in done.items()}))
        return done
    return {name: (result, "") for name, result in known.results.items()}


def _plain(item: Found) -> Found:
    """Paths as the hook names them: ``a.py``, not ``./a.py``."""
    return replace(item, path=os.path.normpath(item.path)) if item.error is None else item


def _is_pair(path: str, target: Target, wanted: Wanted) -> bool:
    if os.path.basename(path) == "__init__.py":  # which has no place beside itself
        return False
    if any(fnmatch.fnmatch(path.replace(os.sep, "/"), pattern) for pattern in wanted.exclude):
        return False
    if not wanted.settings.match(path):
        return False
    return wanted.everything or os.path.isfile(target.path)


def _concerned(changed: Sequence[str], targets: dict[str, Target]) -> bool:
    """Whether a file that changed belongs to the project: as a source, or as a translation."""
    if not changed:
        return True
    own = {os.path.realpath(path) for pair in targets.items() for path in (pair[0], pair[1].path)}
    return any(os.path.realpath(path) in own for path in changed)


def _finish(outcome: Outcome, wanted: Wanted) -> tuple[Outcome, bool]:
    """Bring one translation up to date, or say that it is not; whether it was out of step."""
    stale = outcome.changes()
    written = False
    if stale and not wanted.check and outcome.target is not None:
        try:
            written = deliver(outcome, in_place=False, force=_kept_by_git(outcome.target.path))
        except InputError as error:
            outcome = replace(outcome, result=error)
    for finding in report.shown(report.diagnostics(outcome), quiet=False, verbose=False):
        click.echo(report.diagnostic_line(outcome.path, finding), err=True)
    if stale and outcome.target is not None:
        what = "rewritten" if written else "out of step with its source"
        click.echo(f"{outcome.target.path}: {what}", err=True)
    return outcome, stale


def _kept_by_git(path: str) -> bool:
    """Whether git has the file as it is now, committed or staged, so that replacing it loses nothing."""
    folder, name = os.path.split(os.path.abspath(path))
    for question in (["ls-files", "--error-unmatch"], ["diff", "--quiet"]):
        try:
            done = subprocess.run(["git", *question, "--", name], cwd=folder, capture_output=True, check=False)
        except OSError:
            return False
        if done.returncode:
            return False
    return True
