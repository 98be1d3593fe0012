"""``xlate plan``: what a migration would give, before anything is written."""

from __future__ import annotations

import json
import os
from typing import Any

import click

from translator.cli_config import message
from translator.cli_migrate import cores, options_of, patterns, progress, translating_options
from translator.cli_root import HELP_OPTIONS
from translator.model import InputError, Status
from translator.project.migrate import Job, prepare
from translator.project.plan import Plan, hours, plan

SHOWN = 15


@click.command("plan", context_settings=HELP_OPTIONS)
@click.argument("source", metavar="DIR")
@translating_options
@click.option("--all", "everything", is_flag=True, help=f"List every gap, not the first {SHOWN} only.")
@click.option("format_", "--format", type=click.Choice(["text", "json"]), default="text", show_default=True,
              help="How to report; json prints one document.")  # fmt: skip
def command(source: str, **given: Any) -> None:
    """Say how much of the repository in DIR translates, and what the rest would take. Nothing is written.

    Gaps are listed with the most valuable first: those that alone keep most files from being whole. The hand work
    is a rule of thumb (docs/migrate.md).
    """
    if not os.path.isdir(source):
        raise click.UsageError(f"{source} is no folder")
    wanted = patterns(source, given)
    with progress(False) as told:
        job = Job(
            source, None, options_of(given), wanted, workers=given["jobs"] or cores(),
            cached=not given["no_cache"], vendor=tuple(given["vendor"]), progress=told,
        )  # fmt: skip
        try:
            ready = prepare(job)
        except InputError as error:
            raise click.UsageError(message(error)) from None
    outlook = plan(ready.outcomes)
    if given["format_"] == "json":
        click.echo(json.dumps(outlook.document(), indent=2))
    else:
        show(outlook, ready.copied, given["everything"])
    click.get_current_context().exit(3 if outlook.failed else int(bool(outlook.gaps)))


def show(outlook: Plan, copied: int, everything: bool) -> None:
    """The plan for people, on standard output."""
    files = outlook.files
    rows = [
        (files.get(Status.TRANSLATED, 0), "translate whole"),
        (files.get(Status.PARTIAL, 0), "translate in part"),
        (files.get(Status.UNCHANGED, 0), "have nothing to translate"),
        (len(outlook.failed), "cannot be read or translated"),
        (copied, "are copied as they are"),
    ]
    click.echo("Files:")
    for count, text in rows:
        if count:
            click.echo(f"{count:7d} {text}")
    click.echo(f"API uses: {outlook.translated} of {outlook.seen} translate ({100 * outlook.share:.1f} %)")
    click.echo(f"Hand work: {hours(outlook.minutes)}")
    for outcome in outlook.failed:
        click.echo(f"  {click.format_filename(outcome.path)}: {outcome.result}")
    if not outlook.gaps:
        return
    click.echo("\nGaps, the most valuable first:")
    click.echo("  makes whole  files  places  what")
    shown = outlook.gaps if everything else outlook.gaps[:SHOWN]
    for gap in shown:
        hint = f" ({gap.hint})" if gap.hint else ""
        text = " ".join(f"{gap.code} {gap.message}{hint}".split())
        click.echo(f"  {gap.unblocks:11d}  {len(gap.files):5d}  {gap.places:6d}  {text}")
    if len(shown) < len(outlook.gaps):
        click.echo(f"  and {len(outlook.gaps) - len(shown)} more: --all lists them")
