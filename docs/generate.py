"""The reference pages of the site, made from the program itself: commands, diagnostics, API tables.

mkdocs runs this file as a hook while it builds (see mkdocs.yml); the pages exist in the site only.
"""

from __future__ import annotations

import html
import tomllib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import click

from translator.cli_root import root
from translator.codes import CODES
from translator.model import Direction
from translator.tables import Row
from translator.tables.load import all_rows

GROUPS = {
    "XL0": "Inputs and outputs",
    "XL2": "Refused",
    "XL3": "Axis orders",
    "XL4": "Known deviations and notes",
    "XL6": "Whole repositories",
    "XL9": "Defects of xlate",
}


def commands() -> str:
    """Every command with its options, as its ``--help`` says them."""
    parts = ["# Commands\n", _command("xlate", root, click.Context(root, info_name="xlate", **root.context_settings))]
    parts += [_command(f"xlate {name}", command, context) for name, command, context in _subcommands()]
    return "\n".join(parts)


def diagnostics() -> str:
    """Every code with its title and its meaning."""
    lines = ["# Diagnostics\n", "Codes are stable: one that is given up is not used again.\n"]
    prefixes = sorted({code[:3] for code in CODES})
    for prefix in prefixes:
        lines.append(f"## {GROUPS.get(prefix, prefix + 'xx')}\n\n| code | what | meaning |\n| --- | --- | --- |")
        for code, (title, text) in sorted(CODES.items()):
            if code.startswith(prefix):
                lines.append(f"| <a id='{code}'></a>`{code}` | {_cell(title)} | {_cell(text)} |")
        lines.append("")
    return "\n".join(lines)


def apis() -> str:
    """Every row of the tables, by file."""
    rows = all_rows()
    by_file: dict[str, list[Row]] = {}
    for row in rows:
        by_file.setdefault(row.file, []).append(row)
    refused = sum(1 for row in rows if row.refuse)
    lines = [
        "# API tables\n",
        f"{len(rows)} rows, {refused} of them reasons why something has no counterpart. `xlate explain NAME` shows a "
        "row with its arguments, deviations and samples; [mapping tables](../tables.md) says how to write one.\n",
    ]
    for file, found in sorted(by_file.items()):
        title = file.removesuffix(".toml").replace("_", " ").capitalize()
        lines.append(f"## {title}\n\n| PyTorch | TensorFlow | known deviations |\n| --- | --- | --- |")
        lines += [_row(row) for row in found]
        lines.append("")
    return "\n".join(lines)


SEMANTICS = Path(__file__).resolve().parent.parent / "tests" / "semantics"


FILES = ("cases", "models", "programs", "training", "initial", "keras", "channels_first")


def trap_cases() -> dict[str, dict[str, dict[str, Any]]]:
    """The cases of all files by group."""
    found: dict[str, dict[str, dict[str, Any]]] = {}
    for name in FILES:
        groups = tomllib.loads((SEMANTICS / f"{name}.toml").read_text("utf-8"))
        if all("about" in case or "layer" in case for case in groups.values()):
            groups = {name: groups}
        for group, cases in groups.items():
            found.setdefault(group, {}).update(cases)
    return found


def differences() -> str:
    """The known traps, by id: what the obvious mapping gets wrong, and how it is known that xlate does not."""
    groups = trap_cases()
    cases = {id_: case for group in groups.values() for id_, case in group.items()}
    listed = sorted({note for row in all_rows() for note in row.notes} - set(cases) - {"no_sample"})
    lines = [
        "# Known differences\n",
        f"{len(cases)} traps, each shown by a test under its id. *executed*: the naive form fails on its inputs, the "
        "translation does what the original does. *refused*: the translation says so by the diagnostic that is named. "
        "*listed*: it deviates, and says so, or only where the original has no number.\n",
        "What only a GPU shows (`u_gpu`: indices out of range that give zeros, cuDNN's recurrent paths, TF32) is not "
        "tested: everything here runs on the CPU.\n",
    ]
    for group, found in groups.items():
        title = group.replace("_", " ").capitalize()
        lines.append(f"## {title}\n\n| id | code | written naively | what differs | shown |")
        lines.append("| --- | --- | --- | --- | --- |")
        for id_, case in found.items():
            code, naive = (_inline(case.get(k)) for k in (_code_key(case), "naive"))
            about = _cell(case.get("about", "channels first"))
            lines.append(f"| `{id_}` | {code} | {naive} | {about} | {_state(case)} |")
        lines.append("")
    lines.append("## Other listed deviations\n\n" + ", ".join(f"`{id_}`" for id_ in listed) + "\n")
    return "\n".join(lines)


def _code_key(case: dict[str, Any]) -> str:
    keys = ("code", "model", "torch", "tf", "layer", "optimizer", "schedule")
    return next(key for key in keys if key in case)


def _inline(text: str | None) -> str:
    """One expression as code; a program of several lines is left to the test."""
    if not text or "\n" in text:
        return "a program" if text else ""
    return f"`{_code(text)}`"


def _state(case: dict[str, Any]) -> str:
    if "refused" in case:
        return "refused" if case["refused"] == "any" else f"refused ({case['refused']})"
    return "listed" if "noted" in case or "deviates" in case else "executed"


PAGES: dict[str, Callable[[], str]] = {
    "reference/commands.md": commands,
    "reference/diagnostics.md": diagnostics,
    "reference/apis.md": apis,
    "reference/differences.md": differences,
}


def on_files(files: Any, config: Any) -> Any:
    """mkdocs's hook: add the pages."""
    from mkdocs.structure.files import File

    for path, make in PAGES.items():
        files.append(File.generated(config, path, content=make()))
    return files


def _subcommands() -> Iterator[tuple[str, click.Command, click.Context]]:
    parent = click.Context(root, info_name="xlate")
    for name in root.list_commands(parent):
        command = root.get_command(parent, name)
        assert command is not None
        yield name, command, click.Context(command, info_name=name, parent=parent, **command.context_settings)


def _command(title: str, command: click.Command, context: click.Context) -> str:
    lines = [f"## {title}\n", f"```text\n{command.get_usage(context)}\n```\n"]
    text = (command.help or "").replace("\b", "")
    lines += [f"{_text(paragraph)}\n" for paragraph in _paragraphs(text)]
    records = [record for param in command.get_params(context) if (record := _record(param, context))]
    if records:
        lines.append("| option | what it does |\n| --- | --- |")
        lines += [f"| `{_code(flags)}` | {_cell(what)} |" for flags, what in records]
        lines.append("")
    return "\n".join(lines)


def _record(param: click.Parameter, context: click.Context) -> tuple[str, str] | None:
    """An option's flags and its help; arguments are explained in the text."""
    return param.get_help_record(context) if isinstance(param, click.Option) else None


def _paragraphs(text: str) -> list[str]:
    return [" ".join(part.split()) for part in text.strip().split("\n\n") if part.strip()]


def _row(row: Row) -> str:
    source = ", ".join(f"`{_code(name)}`" for name in row.torch) or "–"
    if row.refuse:
        hint = f" ({row.hint})" if row.hint else ""
        target = f"*refused:* {_cell(row.refuse + hint)}"
    elif row.tf:
        target = ", ".join(f"`{_code(name)}`".replace("`helper:", "helper `") for name in row.tf)
    else:
        target = f"`{_code(row.tf_expr)}`" if row.tf_expr else f"rule `{row.rule}`" if row.rule else "–"
    if row.one_way:
        target += f" ({Direction(row.one_way).value} only)"
    notes = ", ".join(f"`{note}`" for note in row.notes if note != "no_sample")
    return f"| {source} | {target} | {notes} |"


def _code(text: str) -> str:
    """Text for a code span in a table."""
    return " ".join(text.split()).replace("|", "\\|").replace("`", "'")


def _cell(text: str) -> str:
    return _text(" ".join(text.split())).replace("|", "\\|")


def _text(text: str) -> str:
    """Text outside of code spans: what looks like a tag or emphasis is none."""
    parts = text.split("`")
    if len(parts) % 2 == 0:
        parts = [text.replace("`", "'")]
    for i in range(0, len(parts), 2):
        parts[i] = html.escape(parts[i], quote=False).replace("*", "\\*").replace("_", "\\_").replace("[", "\\[")
    return "`".join(parts)
