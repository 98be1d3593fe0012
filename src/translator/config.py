"""Settings in ``[tool.xlate]`` of the nearest ``pyproject.toml``: found upwards, checked, and overruled by options."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from translator.model import Direction, Fidelity, InputError, Layout, Style

FILE = "pyproject.toml"
CHOICES: dict[str, tuple[str, ...]] = {
    "direction": tuple(Direction), "layout": tuple(Layout), "fidelity": tuple(Fidelity), "style": tuple(Style),
    "outputs": ("clear", "keep"),
}  # fmt: skip
FLAGS = ("keep-io-layout",)
LISTS = ("include", "exclude", "mappings", "vendor")
DEFAULTS: dict[str, str | bool | tuple[str, ...]] = {
    "direction": Direction.TORCH2TF.value, "layout": Layout.CHANNELS_LAST.value,
    "fidelity": Fidelity.IDIOMATIC.value, "style": Style.LOOP.value, "outputs": "clear", "include": (), "exclude": (),
    "mappings": (), "vendor": (), "keep-io-layout": False,
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Config:
    """What a project's file says."""

    path: str | None
    """The file; ``None`` if none has anything to say."""
    values: Mapping[str, str | bool | tuple[str, ...]]
    """The keys that it sets. The paths in ``mappings`` are those of files already."""

    @property
    def folder(self) -> str:
        """The folder that the patterns are relative to."""
        return os.path.dirname(self.path) if self.path is not None else ""


@dataclass(frozen=True, slots=True)
class Patterns:
    """Which files are translated: patterns as in ``.gitignore``, relative to a folder."""

    folder: str
    include: Sequence[str] = ()
    exclude: Sequence[str] = ()

    def match(self, path: str) -> bool:
        """Whether the file at ``path`` is translated; without ``include``, all are that ``exclude`` does not name."""
        if not self.include and not self.exclude:
            return True
        from pathspec import GitIgnoreSpec

        inner = os.path.relpath(os.path.abspath(path), os.path.abspath(self.folder or ".")).replace(os.sep, "/")
        if self.include and not GitIgnoreSpec.from_lines(self.include).match_file(inner):
            return False
        return not GitIgnoreSpec.from_lines(self.exclude).match_file(inner)


def find(start: str) -> Config:
    """The settings for a file or folder.

    Args:
        start: where to begin; the folders above follow, up to the top of a Git repository.

    Raises:
        InputError: the file cannot be read, or says what it should not. ``path`` is in the message.
    """
    folder = os.path.abspath(start if os.path.isdir(start) else os.path.dirname(start) or ".")
    while True:
        path = os.path.join(folder, FILE)
        if os.path.isfile(path):
            config = read(path)
            if config is not None:
                return config
        above = os.path.dirname(folder)
        if above == folder or os.path.exists(os.path.join(folder, ".git")):
            return Config(None, {})
        folder = above


def read(path: str) -> Config | None:
    """The settings of one file; ``None`` if it has no ``[tool.xlate]``.

    Raises:
        InputError: it cannot be read, or says what it should not.
    """
    try:
        with open(path, "rb") as file:
            raw = file.read()
    except OSError as error:
        raise InputError(f"{path}: cannot be read: {(error.strerror or str(error)).lower()}", code="XL007") from None
    if b"xlate" not in raw:  # most projects have nothing to say, and the start has to be quick
        return None
    import tomllib

    try:
        document = tomllib.loads(raw.decode("utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise InputError(f"{path}: no TOML: {error}", code="XL015") from None
    tool = document.get("tool", {})
    table = tool.get("xlate") if isinstance(tool, dict) else None
    if table is None:
        return None
    if not isinstance(table, dict):
        raise InputError(f"{path}: tool.xlate is a table: [tool.xlate]", code="XL015")
    text = raw.decode("utf-8")
    values = {key: _value(path, text, key, value) for key, value in table.items()}
    folder = os.path.dirname(path)
    tables = values.get("mappings")
    if isinstance(tables, tuple):
        values["mappings"] = tuple(os.path.join(folder, name) for name in tables)
    return Config(path, values)


def _value(path: str, text: str, key: str, value: Any) -> str | bool | tuple[str, ...]:
    place = f"{path}:{_line(text, key)}"
    if key in CHOICES:
        if value not in CHOICES[key]:
            raise InputError(f"{place}: {key} is one of {', '.join(CHOICES[key])}, not {value!r}", code="XL015")
        return str(value)
    if key in LISTS:
        if not isinstance(value, list) or not all(isinstance(item, str) for item in value):
            raise InputError(f"{place}: {key} is a list of strings, not {value!r}", code="XL015")
        return tuple(value)
    if key in FLAGS:
        if not isinstance(value, bool):
            raise InputError(f"{place}: {key} is true or false, not {value!r}", code="XL015")
        return value
    from difflib import get_close_matches

    known = sorted([*CHOICES, *FLAGS, *LISTS])
    near = get_close_matches(key, known, 1)
    hint = f"did you mean {near[0]}?" if near else f"there are {', '.join(known)}"
    raise InputError(f"{place}: unknown key {key} in [tool.xlate]", code="XL015", hint=hint)


def _line(text: str, key: str) -> int:
    start = re.search(r"^\s*\[tool\.xlate\]", text, re.MULTILINE)
    at = re.search(rf"^\s*[\"']?{re.escape(key)}[\"']?\s*=", text[start.end() :], re.MULTILINE) if start else None
    if start is None or at is None:
        return 1
    inner = at.end() + start.end()
    return text.count("\n", 0, inner) + 1
