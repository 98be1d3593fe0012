"""``xlate coverage``: how much of some code is translated, and what is missed most."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from typing import Any

import click

from .cli_explain import own_or_usage_error
from .cli_root import HELP_OPTIONS
from .coverage import DECIDED, FileCoverage, State, misses, other_errors, survey, tally
from .discover import discover, read_bytes
from .model import Direction, InputError, Options
from .outputs import SUFFIX

SCHEMA_VERSION = 1


@click.command(context_settings=HELP_OPTIONS)
@click.argument("paths", nargs=-1, required=True, metavar="PATH...")
@click.option("--from", "source", type=click.Choice(["torch", "tf"]), default="torch", show_default=True,
              help="The framework that the code is written for.")  # fmt: skip
@click.option("--mappings", multiple=True, metavar="FILE", help="A table of your own; its rows win.")
@click.option("--top", default=40, show_default=True, type=click.IntRange(0), help="How many misses to list.")
@click.option("--format", "format_", type=click.Choice(["text", "json"]), default="text", show_default=True,
              help="How to report.")  # fmt: skip
def coverage(paths: tuple[str, ...], source: str, mappings: tuple[str, ...], top: int, format_: str) -> int:
    """Count the framework calls in some code by what becomes of them, most frequent misses first.

    Each PATH (a file or a folder) is read as one project. Nothing is written and none of it is run.
    """
    direction = Direction.TORCH2TF if source == "torch" else Direction.TF2TORCH
    own_or_usage_error(direction, mappings)
    options = Options(direction, mappings=mappings)
    files: list[FileCoverage] = []
    for path in paths:
        sources = dict(_read(path, options.direction))
        if sources:
            files += survey(sources, options)
    if not files:
        raise click.UsageError("no Python files found")
    click.echo(json.dumps(document(files), indent=2) if format_ == "json" else "\n".join(lines(files, top)))
    return 3 if any(file.failed for file in files) else 0


def _read(path: str, direction: Direction) -> Iterator[tuple[str, bytes]]:
    for found in discover([path], SUFFIX[direction]):
        try:
            if found.error is not None:
                raise found.error
            yield found.path, read_bytes(found.path)
        except InputError as error:
            click.echo(f"{found.path}: {error.message}", err=True)


def lines(files: Sequence[FileCoverage], top: int) -> Iterator[str]:
    """The report for people."""
    using = [file for file in files if file.uses]
    models = [file for file in using if file.model]
    yield f"{len(files)} files, {len(using)} use the framework, {len(models)} define models"
    for title, calls in (("call sites", True), ("other uses", False)):
        count = tally(using, calls=calls)
        total = sum(count.values())
        decided = sum(count[state] for state in DECIDED)
        yield f"{title:<12} {total:>7}"
        yield f"  decided    {decided:>7}  {share(decided, total)}"
        for state in State:
            yield f"  {state:<10} {count[state]:>7}  {share(count[state], total)}"
    for title, some in (("files with no diagnostic", using), ("model files with no diagnostic", models)):
        clean = sum(file.clean for file in some)
        yield f"{title}: {clean} of {len(some)}  {share(clean, len(some))}"
    yield from (f"failed: {file.path}: {file.failed}" for file in files if file.failed)
    found = misses(using)
    if found and top:
        yield f"most frequent misses ({min(top, len(found))} of {len(found)}): calls, files, where first"
    for miss in found[:top]:
        yield f"{miss.count:>6} {miss.files:>4}  {miss.code} {miss.message}  [{miss.example}]"
    rest = other_errors(using)
    if rest and top:
        yield f"refusals that belong to no single API ({min(top, len(rest))} of {len(rest)})"
    for count_, code, message in rest[:top]:
        yield f"{count_:>6}       {code} {message}"


def share(part: int, whole: int) -> str:
    """A part in per cent."""
    return f"{100 * part / whole:5.1f} %" if whole else "    -"


def document(files: Sequence[FileCoverage]) -> dict[str, Any]:
    """The report for programs."""
    using = [file for file in files if file.uses]
    models = [file for file in using if file.model]
    return {
        "version": SCHEMA_VERSION,
        "calls": _counts(using, calls=True),
        "other_uses": _counts(using, calls=False),
        "files": {
            "read": len(files), "using": len(using), "clean": sum(f.clean for f in using),
            "models": len(models), "clean_models": sum(f.clean for f in models),
            "failed": {f.path: f.failed for f in files if f.failed},
        },
        "misses": [
            {"api": m.api, "code": m.code, "message": m.message, "count": m.count, "files": m.files, "first": m.example}
            for m in misses(using)
        ],
        "other_errors": [{"count": n, "code": code, "message": text} for n, code, text in other_errors(using)],
    }  # fmt: skip


def _counts(files: Sequence[FileCoverage], *, calls: bool) -> dict[str, int]:
    count = tally(files, calls=calls)
    return {"total": sum(count.values())} | {state.value: count[state] for state in State}
