"""``xlate verify``: options in, one report and an exit code out. It runs the user's programs, and says so."""

from __future__ import annotations

from collections.abc import Callable
from enum import StrEnum
from typing import TYPE_CHECKING, Any

import click

from translator.cli_config import KEEP_IO_LAYOUT
from translator.cli_root import HELP_OPTIONS
from translator.model import Direction, Fidelity, InputError, Layout, Options
from translator.proof.spec import SpecError, parse_init, parse_inputs

if TYPE_CHECKING:
    from translator.proof.result import Report

WARNING = "xlate verify runs the code of {} and of its translation"


def _choice(flag: str, kinds: type[StrEnum], default: StrEnum | None, text: str) -> Callable[..., Any]:
    values = click.Choice([kind.value for kind in kinds])
    shown = default.value if default is not None else None
    return click.option(flag, type=values, default=shown, show_default=shown is not None, help=text)


@click.command(context_settings=HELP_OPTIONS)
@click.argument("paths", nargs=-1, required=True, metavar="FILE...")
@_choice("--direction", Direction, None, "[default: by what the file imports]")
@click.option("--translated", metavar="FILE", help="A translation that stands in a file, edited by hand perhaps.")
@click.option("--entry", multiple=True, metavar="NAME", help="A class or function to build. May be repeated.")
@click.option("--init", multiple=True, metavar="ARGS", help="Its arguments: 'num_classes=10, depth=2'.")
@click.option(
    "--input", "input_", multiple=True, metavar="SPEC",
    help="An argument of the call: 'x=float32[2,3,64,64]', 'ids=int64[2,7]<100'. May be repeated; a name that comes "
    "again begins another set.",
)  # fmt: skip
@click.option("--steps", type=click.IntRange(0), default=3, show_default=True, help="Steps of gradient descent.")
@click.option("--no-train", is_flag=True, help="Compare in eval mode only.")
@_choice("--layout", Layout, Options().layout, "Axis order of images in the TensorFlow program.")
@click.option("--keep-io-layout", is_flag=True, help=KEEP_IO_LAYOUT)
@_choice("--fidelity", Fidelity, Options().fidelity, "Plain layers, or the source's behaviour in full.")
@click.option("--seed", type=int, default=0, show_default=True, help="Of the weights and inputs.")
@click.option("--timeout", type=click.FloatRange(0, min_open=True), default=300.0, show_default=True,
              help="Seconds that each step of each side may take.")  # fmt: skip
@click.option("--html", metavar="FILE", help="Write a page: sources side by side, error by layer, distributions.")
@click.option("--write-test", metavar="FILE", help="Write a pytest file that checks the translation from now on.")
@click.option("--format", "format_", type=click.Choice(["text", "json"]), default="text", show_default=True,
              help="How to report; json prints one document.")  # fmt: skip
def verify(paths: tuple[str, ...], **options: Any) -> None:
    """Run a model and its translation on the same weights and inputs, and compare what they compute.

    Outputs in eval and train mode (dropout off), all gradients, all buffers after a training step, and the
    parameters after some steps, in float64; float32 is shown beside it. THIS RUNS THE CODE OF THE FILES: only
    use it on code that you would run.

    Exit codes: 0 all the same; 1 something differs; 2 usage; 3 a source cannot be read or does not run.
    """
    click.get_current_context().exit(_run(paths, options))


def _run(paths: tuple[str, ...], options: dict[str, Any]) -> int:
    request = _request(paths, options)
    click.echo(WARNING.format(", ".join(click.format_filename(p) for p in paths)), err=True)
    try:
        import numpy  # noqa: F401
        import rich  # noqa: F401
    except ImportError as error:
        raise click.ClickException(f"verify needs {error.name}: pip install 'xlate[verify]'") from None
    report = _verified(paths, request, options["timeout"])
    if options["format_"] == "json":
        import json

        from translator.proof.document import document

        click.echo(json.dumps(document(report), indent=2))
    else:
        from rich.console import Console

        from translator.proof.table import show

        show(report, Console())
    return max(report.exit_code, _written(report, options))


def _written(report: Report, options: dict[str, Any]) -> int:
    """Write what was asked for besides; 3 if it could not be."""
    code = 0
    try:
        if options["html"]:
            from translator.outputs import write_file
            from translator.proof.html import page

            write_file(options["html"], page(report).encode())
        if options["write_test"]:
            code = _write_test(report, options["write_test"], options["translated"])
    except InputError as error:
        click.echo(f"{error.code} {error.message}{f' ({error.hint})' if error.hint else ''}", err=True)
        return 3
    return code


def _write_test(report: Report, path: str, translated: str | None) -> int:
    """A test of the one model that was verified."""
    from translator.outputs import SUFFIX
    from translator.proof.testfile import write_test

    models = report.models
    if len(models) != 1:
        raise InputError(f"--write-test takes one model, and {len(models)} were verified", code="XL052",
                         hint="name one with --entry")  # fmt: skip
    (file,) = report.files
    target = translated or file.file.removesuffix(".py") + f"{SUFFIX[file.direction]}.py"
    for written in write_test(path, models[0], file.direction, target):
        click.echo(f"{written} written", err=True)
    return 0


def _request(paths: tuple[str, ...], options: dict[str, Any]) -> dict[str, Any]:
    """The options as `translator.proof.files.Request` takes them.

    Raises:
        click.UsageError: they do not go together, or say nothing.
    """
    if len(paths) > 1:
        for name in ("translated", "entry", "init", "input_", "write_test"):
            if options[name]:
                option = name.strip("_").replace("_", "-")
                raise click.UsageError(f"--{option} is for one file, and {len(paths)} are given")
    try:
        init, inputs = parse_init(options["init"]), parse_inputs(options["input_"])
    except SpecError as error:
        raise click.UsageError(str(error)) from None
    return {
        "direction": options["direction"], "translated": options["translated"], "entries": options["entry"],
        "init": init, "inputs": inputs, "train": not options["no_train"], "steps": options["steps"],
        "layout": options["layout"], "fidelity": options["fidelity"], "seed": options["seed"],
        "keep_io_layout": options["keep_io_layout"], "layers": bool(options["html"]),
        "keep": bool(options["write_test"]),
    }  # fmt: skip


def _verified(paths: tuple[str, ...], request: dict[str, Any], timeout: float) -> Report:
    """All files with one pair of processes; a bad one stops nothing."""
    from translator.proof.files import Request, verify_file
    from translator.proof.pool import Pool
    from translator.proof.result import FileReport, Report

    report = Report()
    with Pool(timeout) as pool:
        for path in paths:
            try:
                report.files.append(verify_file(pool, Request(path, **request)))
            except InputError as error:
                hint = f" ({error.hint})" if error.hint else ""
                report.files.append(FileReport(path, "", error=f"{error.message}{hint}", code=error.code))
    for file in report.files:
        if file.error:
            click.echo(f"{click.format_filename(file.file)}: {file.code} {file.error}", err=True)
    return report
