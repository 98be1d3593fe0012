"""The command group: each command is loaded when it is called, so that none pays for another's imports."""

from __future__ import annotations

import os
from importlib import import_module
from typing import Any

import click

from translator._version import __version__

COMMANDS = {
    "torch2tf": ("translator.cli_translate:torch2tf", "Translate PyTorch source to TensorFlow/Keras 3."),
    "tf2torch": ("translator.cli_translate:tf2torch", "Translate TensorFlow/Keras source to PyTorch."),
    "coverage": ("translator.cli_coverage:coverage", "Count framework calls in code by what becomes of them."),
    "migrate": ("translator.cli_migrate:command", "Migrate a whole repository."),
    "lsp": ("translator.cli_lsp:lsp", "Run the language server, for editors."),
    "plan": ("translator.cli_plan:command", "Say what migrating a repository would give; write nothing."),
    "config": ("translator.cli_config:command", "Show the settings of a project, and where they come from."),
    "sync": ("translator.cli_sync:sync", "Keep translations beside their sources in step with them."),
    "verify": ("translator.cli_verify:verify", "Run source and translation on the same numbers and compare."),
    "weights": ("translator.cli_weights:weights", "Convert a checkpoint between PyTorch and Keras."),
    "explain": ("translator.cli_explain:explain", "Explain a diagnostic code, or an API's row in the tables."),
}
"""Command name to the click command (``module:attribute``) and the line that ``xlate --help`` shows for it."""

HELP_OPTIONS = {"help_option_names": ["-h", "--help"]}


class LazyGroup(click.Group):
    """A click group over a table of import paths."""

    def __init__(self, *args: Any, lazy: dict[str, tuple[str, str]], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.lazy = lazy

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(self.lazy)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in self.lazy:
            return None
        module, _, attribute = self.lazy[cmd_name][0].partition(":")
        command = getattr(import_module(module), attribute)
        assert isinstance(command, click.Command)
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl([(name, text) for name, (_, text) in self.lazy.items()])

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        name = args[0]
        if name not in self.lazy and (os.path.exists(name) or name.endswith(".py")):
            ways = " or ".join(f"'xlate {command} {name}'" for command in ("torch2tf", "tf2torch"))
            raise click.UsageError(f"say which way to translate: {ways}", ctx)
        return super().resolve_command(ctx, args)


@click.group(cls=LazyGroup, lazy=COMMANDS, context_settings=HELP_OPTIONS)
@click.version_option(__version__, "-V", "--version", message="xlate %(version)s")
def root() -> None:
    """Translate deep-learning source code between PyTorch and TensorFlow/Keras 3.

    Exit codes: 0 clean; 1 something was refused, or --check found work; 2 usage; 3 an input failed.
    """
