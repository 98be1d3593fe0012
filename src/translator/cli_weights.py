"""``xlate weights``: a checkpoint in, the other framework's out. It runs the model's programs, and says so."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import click

from translator.cli_config import KEEP_IO_LAYOUT
from translator.cli_root import HELP_OPTIONS
from translator.cli_verify import _choice
from translator.model import Direction, Fidelity, InputError, Layout, Options
from translator.proof.spec import SpecError, parse_init, parse_inputs

if TYPE_CHECKING:
    from translator.checkpoints.convert import Job, Result

WARNING = "xlate weights runs the code of {} and of its translation"
UNSAFE = "--unsafe: PyTorch loads {}, which runs the code of whoever made it"
SHOWN = 20
"""How many arrays that do not fit are listed."""


@click.command(context_settings=HELP_OPTIONS)
@click.argument("source", metavar="IN")
@click.argument("target", metavar="OUT")
@click.option("--model", metavar="FILE", help="The program that defines the model, in either framework.")
@click.option("--translated", metavar="FILE", help="Its translation, where it stands in a file.")
@_choice("--direction", Direction, None, "From --model to its translation. [default: by what the file imports]")
@click.option("--entry", metavar="NAME", help="The class or function that makes the model.")
@click.option("--init", multiple=True, metavar="ARGS", help="Its arguments: 'num_classes=10, depth=2'.")
@click.option("--input", "input_", multiple=True, metavar="SPEC",
              help="An argument of the call, as in 'x=float32[2,3,64,64]', where it cannot be guessed.")  # fmt: skip
@_choice("--layout", Layout, Options().layout, "Axis order of images in the TensorFlow program.")
@click.option("--keep-io-layout", is_flag=True, help=KEEP_IO_LAYOUT)
@_choice("--fidelity", Fidelity, Options().fidelity, "Of the translation.")
@click.option("--key", metavar="NAME", help="Where the state dict is in a checkpoint of several: 'ema.model'.")
@click.option("--map", "map_", metavar="FILE", help="A map of --save-map, for --model: no program is run then.")
@click.option("--save-map", metavar="FILE", help="Keep which weights belong together, for other checkpoints.")
@click.option("--optimizer", is_flag=True, help="Convert the state of the optimizer too.")
@click.option("--partial", is_flag=True, help="Convert what fits, and leave the rest out.")
@click.option("--allow-nan", is_flag=True, help="Convert values that are not numbers too.")
@click.option("--unsafe", is_flag=True, help="Load Python objects in the checkpoint. THIS RUNS THEIR CODE.")
@click.option("--force", is_flag=True, help="Replace OUT if it exists.")
@click.option("--timeout", type=click.FloatRange(0, min_open=True), default=300.0, show_default=True,
              help="Seconds that each step of each program may take.")  # fmt: skip
@click.option("--list", "list_", is_flag=True, help="List every array with its names on both sides.")
@click.option("--format", "format_", type=click.Choice(["text", "json"]), default="text", show_default=True,
              help="How to report; json prints one document.")  # fmt: skip
def weights(source: str, target: str, **options: Any) -> None:
    """Convert the checkpoint IN of a model to OUT, of the other framework.

    PyTorch's .pt, .pth, .bin and .safetensors (also in shards) to Keras's .weights.h5 and .keras, or back (and from
    older .h5 files and SavedModel folders). Values and dtypes stay as they are; only axes move. Checkpoints are never
    unpickled, but --model IS RUN, to see which weights belong together: only name a program that you would run.

    Exit codes: 0 all converted; 1 something does not fit: nothing is written, unless --partial; 2 usage; 3 an input
    cannot be read or does not run, or the output cannot be written.
    """
    click.get_current_context().exit(_run(source, target, options))


def _run(source: str, target: str, options: dict[str, Any]) -> int:
    try:
        import h5py  # noqa: F401
        import ml_dtypes  # noqa: F401
        import numpy  # noqa: F401
    except ImportError as error:
        raise click.ClickException(f"weights needs {error.name}: pip install 'xlate[weights]'") from None
    from translator.checkpoints.convert import convert

    job = _job(source, target, options)
    if job.model is not None and job.map is None:
        click.echo(WARNING.format(click.format_filename(job.model.path)), err=True)
    if job.unsafe:
        click.echo(UNSAFE.format(click.format_filename(source)), err=True)
    try:
        with _bar() as progress:
            result = convert(job, progress)
    except ValueError as error:
        raise click.UsageError(str(error)) from None
    except InputError as error:
        click.echo(f"{error.code} {error.message}{f' ({error.hint})' if error.hint else ''}", err=True)
        return 1 if error.code == "XL062" else 3
    _report(job, result, options)
    return 0 if result.ok else 1


def _job(source: str, target: str, options: dict[str, Any]) -> Job:
    from translator.checkpoints.convert import Job
    from translator.checkpoints.plan import Model

    if not options["model"] and (not options["map_"] or options["unsafe"]):
        raise click.UsageError("say with --model which program the weights are of (or give its --map)")
    try:
        init, inputs = parse_init(options["init"]), parse_inputs(options["input_"])
    except SpecError as error:
        raise click.UsageError(str(error)) from None
    model = None
    if options["model"]:
        model = Model(options["model"], options["translated"], options["entry"], init, inputs, options["direction"],
                      options["layout"], options["fidelity"], options["keep_io_layout"])  # fmt: skip
    return Job(source, target, model, options["map_"], options["save_map"], options["key"], options["unsafe"],
               options["force"], options["partial"], options["allow_nan"], options["optimizer"],
               options["timeout"])  # fmt: skip


class _bar:
    """A progress bar on a terminal, for what takes long."""

    LARGE = 64 << 20

    def __enter__(self) -> Callable[[int, int], None]:
        self.bar: Any = None
        return self.step

    def step(self, total: int, done: int) -> None:
        import sys

        if self.bar is None and total > self.LARGE and sys.stderr.isatty():
            from rich.console import Console
            from rich.progress import BarColumn, DownloadColumn, Progress, TimeRemainingColumn, TransferSpeedColumn

            columns = (BarColumn(), DownloadColumn(), TransferSpeedColumn(), TimeRemainingColumn())
            self.bar = Progress(*columns, console=Console(stderr=True), transient=True)
            self.bar.start()
            self.task = self.bar.add_task("", total=total)
        if self.bar is not None:
            self.bar.advance(self.task, done)

    def __exit__(self, *error: object) -> None:
        if self.bar is not None:
            self.bar.stop()


def _report(job: Job, result: Result, options: dict[str, Any]) -> None:
    moves = result.moves
    if options["format_"] == "json":
        import json

        told = {
            "source": job.source, "target": job.target, "written": result.written, "bytes": result.bytes,
            "matched": moves.matched, "aside": moves.aside, "computed": moves.computed, "added": moves.added,
            "missing": moves.missing, "unknown": moves.unknown, "unfit": moves.unfit, "unpaired": moves.unpaired,
            "optimizer": moves.optimizer, "notes": result.notes,
        }  # fmt: skip
        click.echo(json.dumps(told, indent=2))
        return
    if options["list_"]:
        for one, other in moves.matched:
            click.echo(f"{one} -> {other}")
    if result.written:
        size = f"{result.bytes / 1e6:.1f} MB" if result.bytes >= 1e5 else f"{result.bytes} bytes"
        click.echo(f"{job.target} written: {len(moves.matched)} arrays, {size}")
    for what, names in (
        ("kept in it for the way back, as Keras has no place for them", moves.aside),
        ("as a new model has them", moves.computed),
        ("added to the first bias, as Keras has one", moves.added),
    ):
        if names:
            click.echo(f"{len(names)} {what}: {', '.join(names[:3])}{' ...' if names[3:] else ''}")
    if moves.optimizer and result.written:
        click.echo(moves.optimizer)
    _problems(job, result)


def _problems(job: Job, result: Result) -> None:
    problems = result.moves.problems
    if not problems:
        return
    what = "left out" if result.written else "nothing was written"
    click.echo(f"XL062 {job.source} does not fit the model: {len(problems)} arrays; {what}", err=True)
    for line in (*problems[:SHOWN], *([f"and {len(problems) - SHOWN} more"] if problems[SHOWN:] else [])):
        click.echo(f"  {line}", err=True)
    for note in result.notes:
        click.echo(f"  {note}", err=True)
