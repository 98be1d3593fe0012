"""The ``xlate`` command's way in: small, so that ``--version`` costs an interpreter start and nothing more."""

from __future__ import annotations

import sys
from collections.abc import Sequence

INTERRUPTED = 130
"""What shells report for a command that Ctrl-C ended."""


def main(arguments: Sequence[str] | None = None) -> None:
    """Run ``xlate`` with ``arguments`` (default: the process's own) and exit the process.

    Exit codes: 0 clean; 1 something was refused, or ``--check`` found work; 2 usage; 3 an input failed.
    """
    given = list(sys.argv[1:] if arguments is None else arguments)
    if given in (["--version"], ["-V"]):
        from translator._version import __version__

        print(f"xlate {__version__}")
        sys.exit(0)
    sys.exit(_run(given))


def _run(arguments: list[str]) -> int:
    import gc

    # Syntax trees are millions of small objects that live to the end: collecting them midway finds nothing.
    gc.set_threshold(200_000, 50, 100)
    from translator.quickstart import remembered_methods

    with remembered_methods():
        return _command(arguments)


def _command(arguments: list[str]) -> int:
    import click

    from translator.cli_root import root

    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):  # a terminal that lacks a character shows an escape, not a traceback
            stream.reconfigure(errors="backslashreplace")
    try:
        code = root.main(arguments, prog_name="xlate", standalone_mode=False)
        if not sys.stdout.closed:  # the language server closes its stream when the editor says goodbye
            sys.stdout.flush()
    except click.ClickException as error:
        error.show()
        return error.exit_code
    except (click.Abort, KeyboardInterrupt):
        click.echo("interrupted", err=True)
        return INTERRUPTED
    except BrokenPipeError:
        import os

        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # else the exit flushes into the pipe again
        return 0
    except Exception as error:
        return _crashed(error, arguments)
    return code if isinstance(code, int) else 0


def _crashed(error: Exception, arguments: list[str]) -> int:
    """Tell of a crash of ours that no file is to blame for; the exit code is that of a failed input."""
    import tempfile
    import traceback

    import click

    from translator.interrupts import reraise_interrupt

    try:
        reraise_interrupt(error)
    except KeyboardInterrupt:
        click.echo("interrupted", err=True)
        return INTERRUPTED
    if isinstance(error, ModuleNotFoundError) and not (error.name or "").startswith("translator"):
        click.echo(
            f"Error: the package {error.name!r} is missing here; install xlate again with its dependencies", err=True
        )
        return 3
    with tempfile.NamedTemporaryFile("w", prefix="xlate-crash-", suffix=".txt", delete=False, encoding="utf-8") as log:
        log.write(f"xlate {' '.join(arguments)}\n\n" + "".join(traceback.format_exception(error)))
    first = str(error).split("\n", 1)[0][:200]
    click.echo(f"Error: internal error of xlate ({type(error).__name__}: {first})", err=True)
    click.echo(f"  please report it, with {log.name}", err=True)
    return 3
