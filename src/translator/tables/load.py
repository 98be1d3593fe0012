"""Load the rows and index them by source name, for either direction."""

from __future__ import annotations

import marshal
import os
from collections.abc import Iterable, Sequence
from dataclasses import fields
from functools import cache
from pathlib import Path
from typing import Any

from ..caches import cached
from ..model import Direction
from .location import mappings_dir
from .schema import ArgMap, Row, TableError, parse_row
from .signatures import SignatureSet, signatures, written_params

FIELDS = tuple(f.name for f in fields(Row))


class Tables:
    """All rows, asked by a qualified name of the source framework.

    Rows are kept packed and made when they are asked for: a file needs a few dozen of a thousand.
    """

    def __init__(self, data: dict[str, Any], direction: Direction) -> None:
        self.direction = direction
        own = data["signatures"]
        self.source: SignatureSet = signatures(direction.source).extended(own[direction.source])
        self.target: SignatureSet = signatures(direction.target).extended(own[direction.target])
        self.roots: frozenset[str] = frozenset(data["roots"])
        """First components of the names that users' tables translate."""
        self.families: list[tuple[str, int]] = data["families"]
        self.packed: list[bytes] = data["rows"]
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
                found = [from_plain(marshal.loads(self.packed[i])) for i in numbers]
            else:
                owner, _, method = name.rpartition(".")
                found = next((r for b in self.source.bases(owner) if (r := self.find(f"{b}.{method}"))), [])
                if not found and owner == "torch" and method.endswith("_") and name in self.source:
                    found = self.find(name[:-1])  # torch.sigmoid_(x) gives what torch.sigmoid(x) does
                found = found or self._of_family(name)
            self.made[name] = found
        return found

    def _of_family(self, name: str) -> list[Row]:
        """The row for all names that begin alike (``torch.library.*``): the one with the longest beginning."""
        found = [(prefix, i) for prefix, i in self.families if name.startswith(prefix)]
        return [from_plain(marshal.loads(self.packed[max(found)[1]]))] if found else []


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
    """Rows in packed form, and which of them stand for which name."""
    source = signatures(direction.source)
    rows = list(rows)
    own = own_signatures(rows)
    if direction is Direction.TF2TORCH:
        from .emitted import helper_signatures, read_back
        from .invert import reading

        mine = reading(rows)
        named = {name for row in mine for name in row.torch}
        rows = [*mine, *(row for row in read_back(rows) if row.torch[0] not in named)]
        own["tf"] |= helper_signatures(rows)
    packed: list[bytes] = []
    index: dict[str, list[int]] = {}
    families: list[tuple[str, int]] = []
    roots: set[str] = set()
    for row in rows:
        if row.one_way and row.one_way != direction:
            continue
        for name in row.torch:
            if name.endswith("*"):
                families.append((name[:-1], len(packed)))
                continue
            for known in sorted({name, source.canonical(name)}):
                index.setdefault(known, []).append(len(packed))
            if row.own:
                roots.add(name.split(".", 1)[0])
        packed.append(marshal.dumps(to_plain(row)))
    return {"rows": packed, "index": index, "families": families, "roots": sorted(roots), "signatures": own}


def own_signatures(rows: Iterable[Row]) -> dict[str, dict[str, Any]]:
    """Signatures that users' tables give, by framework and name, in the form of the signature files."""
    out: dict[str, dict[str, Any]] = {"torch": {}, "tf": {}}
    for row in rows:
        for framework, names, text in (("torch", row.torch, row.signature), ("tf", row.tf, row.tf_signature)):
            for name in names if text else ():
                assert text is not None
                kind = "class" if name.rpartition(".")[2][:1].isupper() else "function"
                out[framework][name] = {"kind": kind, "overloads": [written_params(text)]}
    return out


def read_rows(path: Path, *, own: bool = False) -> list[Row]:
    """The rows of one table; ``own`` where it is a user's.

    Raises:
        TableError: if the file is not TOML or a row is malformed.
    """
    import tomllib

    name = str(path) if own else path.name
    try:
        raw = tomllib.loads(path.read_text("utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise TableError(f"{name}: {error}") from error
    except OSError as error:
        raise TableError(f"{name}: cannot be read: {(error.strerror or str(error)).lower()}") from error
    unknown = set(raw) - {"row"}
    rows = raw.get("row", [])
    if unknown or not isinstance(rows, list) or not all(isinstance(r, dict) for r in rows):
        listed = f"unknown top-level keys {sorted(unknown)}; " if unknown else ""
        raise TableError(f"{name}: {listed}a table holds [[row]] entries")
    return [parse_row(r, name, i, own=own) for i, r in enumerate(rows, 1)]


@cache
def all_rows() -> tuple[Row, ...]:
    """Every row of the shipped tables."""
    return tuple(row for path in sorted(mappings_dir().glob("*.toml")) for row in read_rows(path))


@cache
def tables(direction: Direction, mappings: tuple[str, ...] = ()) -> Tables:
    """The shipped tables, read in one direction, with users' own before them.

    Args:
        mappings: paths of users' tables. For an API that one of them names, the shipped rows come after.

    Raises:
        TableError: a table of the user's cannot be read, or says what the tables do not accept.
    """
    folder, code = mappings_dir(), Path(__file__).parent
    own = own_tables(mappings)
    helpers = sorted((code.parent / "helpers" / "tf").glob("*.py")) if direction is Direction.TF2TORCH else []
    files = [
        *own,
        *helpers,
        *sorted(folder.glob("*.toml")),
        *sorted((folder / "signatures").glob("*.json")),
        *sorted(code.glob("*.py")),
    ]
    name = f"tables-{direction.value}" + ("-own" if own else "")
    data = cached(name, files, lambda: compile_tables(checked(own), direction))
    return Tables(data, direction)


def own_tables(mappings: Iterable[str]) -> list[Path]:
    """The paths of users' tables.

    Raises:
        TableError: one is not there.
    """
    paths = [Path(os.path.abspath(name)) for name in mappings]
    for path, name in zip(paths, mappings, strict=True):
        if not path.is_file():
            raise TableError(f"{name}: no such table")
    return paths


def checked(own: Sequence[Path]) -> list[Row]:
    """Users' rows and then all others, checked.

    Raises:
        TableError: something in a table is wrong.
    """
    from .check import check

    mine = [row for path in own for row in read_rows(path, own=True)]
    check(mine)
    shipped = list(all_rows())
    check(shipped)
    return [*mine, *shipped]
