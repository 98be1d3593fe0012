"""``xlate config`` and what the commands that translate take from ``[tool.xlate]``."""

from __future__ import annotations

import os
from typing import Any

import click
from click.core import ParameterSource

from translator import config
from translator.cli_root import HELP_OPTIONS
from translator.model import InputError

KEEP_IO_LAYOUT = "Models take and give images as the source does, with a transpose each way."
"""The help of ``--keep-io-layout``."""


def configured(start: str, given: dict[str, Any]) -> config.Config:
    """Fill in what the command line leaves open from the project's settings.

    Args:
        start: the file or folder that the settings are looked for from.
        given: the values of the command's parameters; those that the user did not give are replaced.

    Raises:
        click.UsageError: the settings are wrong.
    """
    context = click.get_current_context()
    try:
        found = config.find(start)
    except InputError as error:
        raise click.UsageError(message(error)) from None
    for name, value in found.values.items():
        key = name.replace("-", "_")
        if key in given and context.get_parameter_source(key) in (None, ParameterSource.DEFAULT):
            given[key] = value
    return found


def message(error: InputError) -> str:
    """One line for a failure."""
    return f"{error.code} {error.message}" + (f" ({error.hint})" if error.hint else "")


@click.command("config", context_settings=HELP_OPTIONS)
@click.argument("path", default=".", metavar="[PATH]")
@click.option("format_", "--format", type=click.Choice(["text", "json"]), default="text", show_default=True,
              help="How to print; json prints one document.")  # fmt: skip
def command(path: str, format_: str) -> None:
    """Show the settings that hold for PATH (a file or folder), and where each comes from.

    They are read from [tool.xlate] of the nearest pyproject.toml that has it; options on the command line overrule
    them.
    """
    if not os.path.exists(path):
        raise click.UsageError(f"no such file or folder: {path}")
    try:
        found = config.find(path)
    except InputError as error:
        raise click.UsageError(message(error)) from None
    rows: dict[str, dict[str, Any]] = {}
    for key, default in config.DEFAULTS.items():
        value = found.values.get(key, default)
        origin = found.path if key in found.values else "default"
        rows[key] = {"value": list(value) if isinstance(value, tuple) else value, "origin": origin}
    if format_ == "json":
        import json

        click.echo(json.dumps({"file": found.path, "settings": rows}, indent=2))
        return
    for key, row in rows.items():
        value = row["value"]
        shown = "[" + ", ".join(f'"{item}"' for item in value) + "]" if isinstance(value, list) else f'"{value}"'
        click.echo(f"{key} = {shown}  # {row['origin']}")
