"""``xlate migrate``: a whole repository in, a migrated one out."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import click

from translator import report
from translator.cli_config import KEEP_IO_LAYOUT, configured, message
from translator.cli_root import HELP_OPTIONS
from translator.cli_translate import options_from
from translator.config import Patterns
from translator.model import Direction, Fidelity, InputError, Layout, Options, Status, Style, Translation
from translator.project.migrate import Job, migrate
from translator.project.result import Migration
from translator.reports.options import Reports, report_options


def translating_options(callback: Callable[..., Any]) -> Callable[..., Any]:
    """Decorator under ``@click.command()``: what every command over a repository takes."""

    def choice(flag: str, values: list[str], text: str) -> Callable[..., Any]:
        return click.option(flag, type=click.Choice(values), default=values[0], show_default=True, help=text)

    options = [
        choice("--direction", [str(d) for d in Direction], "Which way to translate."),
        choice("--layout", _first(Layout, Options().layout), "Axis order of images in the TensorFlow program."),
        click.option("--keep-io-layout", is_flag=True, help=KEEP_IO_LAYOUT),
        choice("--fidelity", _first(Fidelity, Options().fidelity), "Plain layers, or the source's behaviour in full."),
        choice("--style", _first(Style, Options().style), "Training loops stay, or become fit where that is all."),
        click.option("--include", multiple=True, metavar="PATTERN", help="Translate only these (as in .gitignore)."),
        click.option("--exclude", multiple=True, metavar="PATTERN", help="Copy these as they are (as in .gitignore)."),
        click.option("--vendor", multiple=True, metavar="PKG",
                     help="Translate what is used of this installed package along (a name, or its folder's path)."),
        click.option("--mappings", multiple=True, metavar="FILE", help="A table of your own; its rows win."),
        choice("--outputs", ["clear", "keep"], "What becomes of the outputs of notebooks that change."),
        click.option("-j", "--jobs", type=click.IntRange(1), metavar="N",
                     help="Processes that translate at once [default: one for each core]."),
        click.option("--no-cache", is_flag=True, help="Neither use nor keep results of other runs."),
    ]  # fmt: skip
    for option in reversed(options):
        callback = option(callback)
    return callback


def _first(values: Any, default: Any) -> list[str]:
    return [str(default), *(str(value) for value in values if value is not default)]


@click.command("migrate", context_settings=HELP_OPTIONS)
@click.argument("source", metavar="SRC")
@click.option("-o", "--output", metavar="DIR", help="Where the migrated tree goes.")
@click.option("--in-place", is_flag=True, help="Replace the sources, if Git has them all.")
@translating_options
@click.option("--engine", type=click.Choice(["processes", "ray"]), default="processes", show_default=True,
              help="Translate in processes of this machine, or on a Ray cluster (xlate[ray]).")  # fmt: skip
@click.option("--force", is_flag=True, help="Replace files that others changed, or that Git does not have.")
@click.option("format_", "--format", type=click.Choice(["text", "json"]), default="text", show_default=True,
              help="How to report; json prints one document.")  # fmt: skip
@click.option("-q", "--quiet", is_flag=True, help="Print errors only.")
@click.option("-v", "--verbose", is_flag=True, help="Print notes too, and a line for each file.")
@report_options
def command(source: str, output: str | None, in_place: bool, reports: Reports, **given: Any) -> None:
    """Migrate the repository in the folder SRC.

    Its Python files and notebooks are translated as one program; what they share goes to one xlate_helpers.py;
    everything else that Git would keep is copied. Running it again changes only what has to change.
    """
    if in_place == (output is not None):
        raise click.UsageError("say where the result goes: -o DIR, or --in-place")
    if given["quiet"] and given["verbose"]:
        raise click.UsageError("--quiet and --verbose exclude each other")
    reports.check(stdout_taken=given["format_"] == "json")
    wanted = patterns(source, given)
    with progress(given["quiet"]) as told:
        job = Job(
            source, output, options_of(given), wanted, given["force"], given["jobs"] or cores(),
            not given["no_cache"], tuple(given["vendor"]), given["engine"], told,
        )  # fmt: skip
        done = _try(job)
    show(done, given["quiet"], given["verbose"])
    document = done.document() if reports.paths or given["format_"] == "json" else {}
    if given["format_"] == "json":
        click.echo(json.dumps(document, indent=2))
    by_path = {outcome.path: outcome for outcome in done.outcomes}
    written = reports.write(document, lambda path: report.texts(by_path[path]))
    click.get_current_context().exit(done.exit_code if written else 3)


def patterns(source: str, given: dict[str, Any]) -> Patterns:
    """Fill in the project's settings, and say which of its files are translated."""
    typed = bool(given["include"] or given["exclude"])
    found = configured(source, given)
    return Patterns(source if typed or found.path is None else found.folder, given["include"], given["exclude"])


def options_of(given: dict[str, Any]) -> Options:
    """The options of a translation, from a command's parameters."""
    return options_from(Direction(given["direction"]), given)


def _try(job: Job) -> Migration:
    try:
        return migrate(job)
    except InputError as error:
        click.echo(f"xlate migrate: {message(error)}", err=True)
        click.get_current_context().exit(3)


def cores() -> int:
    """The cores that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


@contextmanager
def progress(quiet: bool) -> Iterator[Callable[[int, int], None]]:
    """A bar on the terminal, if there is one; else nothing."""
    if quiet or not sys.stderr.isatty() or os.environ.get("TERM") == "dumb":
        yield lambda done, total: None
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    columns = TextColumn("translating"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn()
    # It draws when told: a thread that draws by itself would stand in the way of forking workers.
    with Progress(*columns, console=Console(stderr=True), transient=True, auto_refresh=False) as bar:
        task = bar.add_task("", total=None)

        def told(done: int, total: int) -> None:
            bar.update(task, completed=done, total=total, refresh=True)

        yield told


def show(done: Migration, quiet: bool, verbose: bool) -> None:
    """The lines for people, on standard error."""
    for outcome in done.outcomes:
        path = click.format_filename(outcome.path)
        for finding in report.shown(report.diagnostics(outcome), quiet, verbose):
            click.echo(report.diagnostic_line(path, finding), err=True)
        if verbose and outcome.trace:
            click.echo(outcome.trace, err=True)
        if verbose and isinstance(outcome.result, Translation) and outcome.status is not Status.UNCHANGED:
            click.echo(report.summary_line(outcome, ""), err=True)
    if quiet:
        return
    changed = f"{len(done.written)} written" if done.written or done.removed else "nothing changed"
    removed = f", {len(done.removed)} removed" if done.removed else ""
    total = report.total_line(done.outcomes)
    click.echo(f"{total}; {done.copied} copied; {changed}{removed}", err=True)
