"""Load the rows and index them by source name, for either direction."""

from __future__ import annotations

import tomllib
from collections.abc import Iterable
from dataclasses import fields
from functools import cache
from pathlib import Path
from typing import Any

from ..model import Direction
from .compiled import cached
from .invert import reading
from .location import mappings_dir
from .schema import ArgMap, Row, TableError, parse_row
from .signatures import SignatureSet, signatures

FIELDS = tuple(f.name for f in fields(Row))


class Tables:
    """All rows, asked by a qualified name of the source framework.

    Rows are kept as plain tuples and made when they are asked for: a file needs a few dozen of a thousand.
    """

    def __init__(self, data: dict[str, Any], direction: Direction) -> None:
        self.direction = direction
        self.source: SignatureSet = signatures(direction.source)
        self.target: SignatureSet = signatures(direction.target)
        self.plain: list[tuple[Any, ...]] = data["rows"]
        self.index: dict[str, list[int]] = data["index"]
        self.made: dict[str, list[Row]] = {}

    def canonical(self, name: str) -> str:
        """The name under which rows and signatures know an API."""
        return name if name in self.index else self.source.canonical(name)

    def find(self, name: str) -> list[Row]:
        """The rows for an API: several where ``when`` tells them apart."""
        found = self.made.get(name)
        if found is None:
            numbers = self.index.get(name) or self.index.get(self.source.canonical(name))
            if numbers is not None:
                found = [from_plain(self.plain[i]) for i in numbers]
            else:
                owner, _, method = name.rpartition(".")
                found = next((r for b in self.source.bases(owner) if (r := self.find(f"{b}.{method}"))), [])
            self.made[name] = found
        return found


def to_plain(row: Row) -> tuple[Any, ...]:
    """A row as a tuple of plain values."""
    values = {name: getattr(row, name) for name in FIELDS}
    values["args"] = {k: (a.to, a.via, a.drop, a.only) for k, a in row.args.items()}
    return tuple(values[name] for name in FIELDS)


def from_plain(values: tuple[Any, ...]) -> Row:
    """The row of a plain tuple."""
    given = dict(zip(FIELDS, values, strict=True))
    given["args"] = {k: ArgMap(*a) for k, a in given["args"].items()}
    return Row(**given)


def compile_tables(rows: Iterable[Row], direction: Direction) -> dict[str, Any]:
    """Rows in plain form, and which of them stand for which name."""
    source = signatures(direction.source)
    if direction is Direction.TF2TORCH:
        rows = reading(rows)
    plain: list[tuple[Any, ...]] = []
    index: dict[str, list[int]] = {}
    for row in rows:
        if row.one_way and row.one_way != direction:
            continue
        for name in row.torch:
            for known in sorted({name, source.canonical(name)}):
                index.setdefault(known, []).append(len(plain))
        plain.append(to_plain(row))
    return {"rows": plain, "index": index}


def read_rows(path: Path) -> list[Row]:
    """The rows of one table.

    Raises:
        TableError: if the file is not TOML or a row is malformed.
    """
    try:
        raw = tomllib.loads(path.read_text("utf-8"))
    except tomllib.TOMLDecodeError as error:
        raise TableError(f"{path.name}: {error}") from error
    unknown = set(raw) - {"row"}
    if unknown:
        raise TableError(f"{path.name}: unknown top-level keys {sorted(unknown)}; a table holds [[row]] entries")
    return [parse_row(r, path.name, i) for i, r in enumerate(raw.get("row", []), 1)]


@cache
def all_rows() -> tuple[Row, ...]:
    """Every row of the shipped tables."""
    return tuple(row for path in sorted(mappings_dir().glob("*.toml")) for row in read_rows(path))


@cache
def tables(direction: Direction) -> Tables:
    """The shipped tables, read in one direction."""
    folder, code = mappings_dir(), Path(__file__).parent
    files = [
        *sorted(folder.glob("*.toml")),
        *sorted((folder / "signatures").glob("*.json")),
        *sorted(code.glob("*.py")),
    ]
    data = cached(f"tables-{direction.value}", files, lambda: compile_tables(all_rows(), direction))
    return Tables(data, direction)
