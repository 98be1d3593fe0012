"""``xlate torch2tf`` and ``xlate tf2torch``: options in, one call, lines and an exit code out."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import click

from translator import report
from translator.batch import Outcome, deliver, translate_all
from translator.cli_config import KEEP_IO_LAYOUT, configured
from translator.cli_root import HELP_OPTIONS
from translator.config import Patterns
from translator.discover import STDIN, discover
from translator.model import Direction, Fidelity, InputError, Layout, Options, Style, Translation
from translator.outputs import STDOUT, SUFFIX, PlanError, Target, plan
from translator.reports.options import Reports, collect, report_parameters


@dataclass(frozen=True, slots=True)
class Request:
    """What the command line asked for."""

    options: Options
    paths: tuple[str, ...]
    output: str | None
    in_place: bool
    diff: bool
    check: bool
    json: bool
    stdin_filename: str | None
    force: bool
    colour: bool
    quiet: bool
    verbose: bool
    reports: Reports
    wanted: Patterns

    @property
    def writes(self) -> bool:
        return not (self.diff or self.check)


def run(request: Request) -> int:
    """Do what was asked, and return the exit code.

    Raises:
        click.UsageError: the options or paths do not go together.
    """
    _check_usage(request)
    direction = request.options.direction
    found = [item for item in discover(request.paths, SUFFIX[direction]) if item.root is None or item.error is not None
             or request.wanted.match(item.path)]  # fmt: skip
    try:
        targets = plan(found, request.output, request.in_place, direction)
    except PlanError as error:
        raise click.UsageError(str(error)) from None
    _check_reports(request, targets)
    outcomes = translate_all(found, targets, request.options, request.stdin_filename or "<stdin>")
    work = [_finish(outcome, request) for outcome in outcomes]
    outcomes = [outcome for outcome, _ in work]
    if not found and not request.quiet:
        click.echo("no Python files found", err=True)
    if len(outcomes) > 1 and not request.quiet:
        click.echo(report.total_line(outcomes), err=True)
    reported = _report(outcomes, request)
    return 3 if not reported else _exit_code(outcomes, request.check and any(changed for _, changed in work))


def own_tables(direction: Direction, mappings: Sequence[str]) -> tuple[str, ...]:
    """The paths of users' tables, which are in order.

    Raises:
        click.UsageError: one is not; the message says which row and why.
    """
    if mappings:
        from translator.cli_explain import own_or_usage_error

        own_or_usage_error(direction, tuple(mappings))
    return tuple(mappings)


def options_from(direction: Direction, given: Mapping[str, Any]) -> Options:
    """The options of a translation, from a command's parameters.

    Raises:
        click.UsageError: a table of the user's is not in order.
    """
    return Options(
        direction, Layout(given["layout"]), Fidelity(given["fidelity"]), Style(given.get("style", Style.LOOP)),
        outputs=given.get("outputs", "clear"), mappings=own_tables(direction, given["mappings"]),
        keep_io_layout=given.get("keep_io_layout", False),
    )  # fmt: skip


def _check_usage(request: Request) -> None:
    if request.in_place and request.output is not None:
        raise click.UsageError("--in-place and --output exclude each other")
    if request.quiet and request.verbose:
        raise click.UsageError("--quiet and --verbose exclude each other")
    if STDIN in request.paths:
        if len(request.paths) > 1:
            raise click.UsageError("'-' (standard input) stands alone")
        if request.in_place:
            raise click.UsageError("standard input has no place: --in-place needs files")
    elif request.stdin_filename is not None:
        raise click.UsageError("--stdin-filename goes with '-' (standard input)")
    if request.json and request.output == STDOUT:
        raise click.UsageError("--format json already prints to standard output: '-o -' cannot")


def _finish(outcome: Outcome, request: Request) -> tuple[Outcome, bool]:
    """Deliver one outcome and print its lines.

    Returns:
        The outcome, with a failed delivery as its result, and whether it changes anything.
    """
    changes = outcome.changes()
    written = False
    to_stdout = outcome.target is not None and outcome.target.path == STDOUT
    if request.writes and not (to_stdout and request.json):
        try:
            written = deliver(outcome, in_place=request.in_place, force=request.force)
        except InputError as error:
            outcome = replace(outcome, result=error)
    if request.diff and not request.json:
        text = report.diff(outcome)
        click.echo(report.coloured(text) if request.colour else text, nl=False, color=request.colour)
    _print_lines(outcome, _action(outcome, request, written, changes), request)
    return outcome, changes


def _print_lines(outcome: Outcome, action: str, request: Request) -> None:
    path = click.format_filename(outcome.path)
    for finding in report.shown(report.diagnostics(outcome), request.quiet, request.verbose):
        click.echo(report.diagnostic_line(path, finding), err=True)
    if request.verbose and outcome.trace:
        click.echo(outcome.trace, err=True)
    failed = not isinstance(outcome.result, Translation)
    boring = not outcome.named and not outcome.changes() and not action
    if request.quiet or failed or (boring and not request.verbose and not _counted(outcome)):
        return
    click.echo(report.summary_line(outcome, action), err=True)


def _counted(outcome: Outcome) -> bool:
    return isinstance(outcome.result, Translation) and outcome.result.counts.seen > 0


def _action(outcome: Outcome, request: Request, written: bool, changes: bool) -> str:
    """What was done with the file, for its summary line."""
    if outcome.target is None or not isinstance(outcome.result, Translation) or outcome.target.path == STDOUT:
        return ""
    if request.writes:
        if outcome.would_write is None:
            return ""
        place = " (in place)" if request.in_place else f" -> {outcome.target.path}"
        return place if written else f"{place} (up to date)"
    if request.check and changes:
        return " would be rewritten" if request.in_place else f" -> {outcome.target.path} would be written"
    return ""


def _check_reports(request: Request, targets: Mapping[str, Target]) -> None:
    """See that reports have places of their own.

    Raises:
        click.UsageError: one would replace a source or an output, or two things would go to standard output.
    """
    outputs = [target.path for target in targets.values()]
    prints = request.json or request.diff or (STDOUT in outputs and not request.check)
    request.reports.check([*targets, *outputs], stdout_taken=prints)


def _report(outcomes: Sequence[Outcome], request: Request) -> bool:
    """Print and write the reports that were asked for; whether all could be."""
    if not request.json and not request.reports.paths:
        return True
    document = _document(outcomes, request)
    if request.json:
        import json

        click.echo(json.dumps(document, indent=2))
    by_path = {outcome.path: outcome for outcome in outcomes}
    return request.reports.write(document, lambda path: report.texts(by_path[path]))


def _document(outcomes: Sequence[Outcome], request: Request) -> dict[str, Any]:
    extras: dict[str, dict[str, Any]] = {}
    for outcome in outcomes:
        fields: dict[str, Any] = {}
        if request.diff:
            fields["diff"] = report.diff(outcome)
        if STDIN in request.paths and isinstance(outcome.result, Translation):
            fields["text"] = outcome.result.text
        extras[outcome.path] = fields
    return report.document(outcomes, request.options, extras)


def _exit_code(outcomes: Sequence[Outcome], work_found: bool) -> int:
    if any(isinstance(outcome.result, InputError) for outcome in outcomes):
        return 3
    refused = any(isinstance(outcome.result, Translation) and outcome.result.refused for outcome in outcomes)
    return 1 if refused or work_found else 0


def _wants_colour(choice: bool | None) -> bool:
    """An option beats NO_COLOR, which beats what the terminal can do."""
    if choice is not None:
        return choice
    return not os.environ.get("NO_COLOR") and sys.stdout.isatty()


def _command(direction: Direction, doc: str) -> click.Command:
    """The click command for one direction."""
    suffix = SUFFIX[direction]

    def callback(paths: tuple[str, ...], **flags: Any) -> None:
        flags |= {"include": (), "exclude": ()}
        config = configured(paths[0] if paths[0] != STDIN else flags["stdin_filename"] or ".", flags)
        wanted = Patterns(config.folder, flags.pop("include"), flags.pop("exclude"))
        options = options_from(direction, flags)
        for name in ("layout", "fidelity", "style", "outputs", "mappings", "keep_io_layout"):
            flags.pop(name, None)
        flags["json"] = flags.pop("format_") == "json"
        flags["colour"] = _wants_colour(flags.pop("colour"))
        click.get_current_context().exit(run(Request(options, paths, wanted=wanted, **flags)))

    parameters: list[click.Parameter] = [
        click.Argument(["paths"], nargs=-1, required=True, metavar="PATH..."),
        click.Option(
            ["-o", "--output"], metavar="FILE|DIR", help=f"Where to write [default: beside, NAME{suffix}.py]."
        ),
        click.Option(["--in-place"], is_flag=True, help="Replace the sources."),
        click.Option(["--diff"], is_flag=True, help="Print a unified diff; write nothing."),
        click.Option(["--check"], is_flag=True, help="Write nothing; exit 1 if anything would change."),
        click.Option(["--force"], is_flag=True, help="Replace outputs that exist and differ."),
        _choice("--layout", list(Layout), Options().layout, "Axis order of images in the TensorFlow program."),
        _choice("--fidelity", list(Fidelity), Options().fidelity, "Plain layers, or the source's behaviour in full."),
        *_of_torch(direction),
        _choice("--format", ["text", "json"], "text", "How to report; json prints one document.", "format_"),
        click.Option(["--mappings"], multiple=True, metavar="FILE", help="A table of your own; its rows win."),
        _choice("--outputs", ["clear", "keep"], "clear", "Outputs of notebooks that change."),
        click.Option(["--stdin-filename"], metavar="NAME", help="Name to report standard input under."),
        *report_parameters(),
        click.Option(["colour", "--color/--no-color"], default=None, help="Colour the diff [default: on a terminal]."),
        click.Option(["-q", "--quiet"], is_flag=True, help="Print errors only."),
        click.Option(["-v", "--verbose"], is_flag=True, help="Print notes too, and tracebacks of internal errors."),
    ]
    return click.Command(direction.value, HELP_OPTIONS, collect(callback), parameters, help=doc.format(suffix=suffix))


def _of_torch(direction: Direction) -> list[click.Parameter]:
    """What only a translation to TensorFlow has a choice in."""
    if direction is not Direction.TORCH2TF:
        return []
    told = "Training loops stay loops, or become compile and fit where nothing else happens in them."
    kept = click.Option(["--keep-io-layout"], is_flag=True, help=KEEP_IO_LAYOUT)
    return [kept, _choice("--style", list(Style), Options().style, told)]


def _choice(flag: str, values: Sequence[str], default: str, text: str, name: str | None = None) -> click.Option:
    names = [name, flag] if name else [flag]
    choices = click.Choice([str(value) for value in values])
    return click.Option(names, type=choices, default=str(default), show_default=True, help=text)


_OUTPUTS = """

    PATH is a file, a notebook, a folder (searched for both) or - for standard input. Each translation is written beside
    its source as NAME{suffix}.py, and imports between the files follow. A folder given with -o receives the files
    under their own names.
"""

torch2tf = _command(Direction.TORCH2TF, "Translate PyTorch source to TensorFlow/Keras 3." + _OUTPUTS)
tf2torch = _command(Direction.TF2TORCH, "Translate TensorFlow/Keras source to PyTorch." + _OUTPUTS)
