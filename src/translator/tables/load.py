"""Load the rows and index them by source name, for either direction."""

from __future__ import annotations

import tomllib
from collections.abc import Iterable
from functools import cache
from pathlib import Path

from ..model import Direction
from .invert import reading
from .location import mappings_dir
from .schema import Row, TableError, parse_row
from .signatures import SignatureSet, signatures


class Tables:
    """All rows, asked by a qualified name of the source framework."""

    def __init__(self, rows: Iterable[Row], direction: Direction) -> None:
        self.direction = direction
        self.source: SignatureSet = signatures(direction.source)
        self.target: SignatureSet = signatures(direction.target)
        self.rows: dict[str, list[Row]] = {}
        if direction is Direction.TF2TORCH:
            rows = reading(rows)
        for row in rows:
            if row.one_way and row.one_way != direction:
                continue
            for name in row.torch:
                for known in {name, self.source.canonical(name)}:
                    self.rows.setdefault(known, []).append(row)

    def canonical(self, name: str) -> str:
        """The name under which rows and signatures know an API."""
        return name if name in self.rows else self.source.canonical(name)

    def find(self, name: str) -> list[Row]:
        """The rows for an API: several where ``when`` tells them apart."""
        found = self.rows.get(name) or self.rows.get(self.source.canonical(name))
        if found is None:
            owner, _, method = name.rpartition(".")
            found = next((r for b in self.source.bases(owner) if (r := self.find(f"{b}.{method}"))), [])
        return found


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
    return Tables(all_rows(), direction)
