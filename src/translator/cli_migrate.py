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
from translator.cli_root import HELP_OPTIONS
from translator.model import Direction, Fidelity, InputError, Layout, Options, Status, Translation
from translator.project.migrate import Job, migrate
from translator.project.result import Migration
from translator.reports.options import Reports, report_options


@click.command("migrate", context_settings=HELP_OPTIONS)
@click.argument("source", metavar="SRC")
@click.option("-o", "--output", metavar="DIR", help="Where the migrated tree goes.")
@click.option("--in-place", is_flag=True, help="Replace the sources, if Git has them all.")
@click.option("--direction", type=click.Choice([d.value for d in Direction]), default=Direction.TORCH2TF.value,
              show_default=True, help="Which way to translate.")  # fmt: skip
@click.option("--layout", type=click.Choice([str(v) for v in Layout]), default=str(Options().layout),
              show_default=True, help="Axis order of images in the TensorFlow program.")  # fmt: skip
@click.option("--fidelity", type=click.Choice([str(v) for v in Fidelity]), default=str(Options().fidelity),
              show_default=True, help="Plain layers, or the source's behaviour in full.")  # fmt: skip
@click.option("--include", multiple=True, metavar="PATTERN", help="Translate only these (as in .gitignore).")
@click.option("--exclude", multiple=True, metavar="PATTERN", help="Copy these as they are (as in .gitignore).")
@click.option("--outputs", type=click.Choice(["clear", "keep"]), default="clear", show_default=True,
              help="What becomes of the outputs of notebooks that change.")  # fmt: skip
@click.option("-j", "--jobs", type=click.IntRange(1), metavar="N",
              help="Processes that translate at once [default: one for each core].")  # fmt: skip
@click.option("--no-cache", is_flag=True, help="Neither use nor keep results of other runs.")
@click.option("--force", is_flag=True, help="Replace files of the output that others changed.")
@click.option("format_", "--format", type=click.Choice(["text", "json"]), default="text", show_default=True,
              help="How to report; json prints one document.")  # fmt: skip
@click.option("-q", "--quiet", is_flag=True, help="Print errors only.")
@click.option("-v", "--verbose", is_flag=True, help="Print notes too, and a line for each file.")
@report_options
def command(source: str, output: str | None, in_place: bool, reports: Reports, **given: Any) -> None:
    """Migrate the repository in the folder SRC.

    Its Python files are translated as one program; what they share goes to one xlate_helpers.py; everything else
    that Git would keep is copied. Running it again changes only what has to change.
    """
    if in_place == (output is not None):
        raise click.UsageError("say where the result goes: -o DIR, or --in-place")
    if given["quiet"] and given["verbose"]:
        raise click.UsageError("--quiet and --verbose exclude each other")
    options = Options(
        Direction(given["direction"]), Layout(given["layout"]), Fidelity(given["fidelity"]), outputs=given["outputs"]
    )
    reports.check(stdout_taken=given["format_"] == "json")
    with progress(given["quiet"]) as told:
        job = Job(
            source, output, options, given["include"], given["exclude"], given["force"],
            given["jobs"] or cores(), not given["no_cache"], told,
        )  # fmt: skip
        done = _try(job)
    show(done, given["quiet"], given["verbose"])
    document = done.document() if reports.paths or given["format_"] == "json" else {}
    if given["format_"] == "json":
        click.echo(json.dumps(document, indent=2))
    by_path = {outcome.path: outcome for outcome in done.outcomes}
    written = reports.write(document, lambda path: report.texts(by_path[path]))
    click.get_current_context().exit(done.exit_code if written else 3)


def _try(job: Job) -> Migration:
    try:
        return migrate(job)
    except InputError as error:
        hint = f" ({error.hint})" if error.hint else ""
        click.echo(f"xlate migrate: {error.code} {error.message}{hint}", err=True)
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
