"""``make tables``: what the tables hold, by direction and state.

A name counts once, whatever its aliases (``torch.absolute`` is ``torch.abs``); a family (``torch.library.*``) is one
name.
"""

from __future__ import annotations

import re
import sys
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum

from ..model import Direction
from .check import check
from .invert import invertible, reading
from .load import all_rows
from .schema import Row
from .signatures import SignatureSet, signatures

NO_DEVIATION = frozenset({"no_sample"})
_NAME = re.compile(r"\b(?:torch|nn|F)(?:\.\w+)+|(?<=[\w)\]}])\.([a-z]\w*)(?=\()")


class State(StrEnum):
    """How good a row's translation is."""

    EXACT = "exact"
    IDIOMATIC = "idiomatic"
    """Exact but for a deviation that is listed: an initialiser's distribution, say."""
    REFUSED = "refused"


@dataclass(frozen=True, slots=True)
class Name:
    """One API in one direction."""

    name: str
    state: State
    executed: bool
    """Whether a row of it has samples, which the tests run in both frameworks."""
    cased: bool
    """Whether it has samples, or tests of its own."""
    rows: tuple[Row, ...]


def state(rows: Sequence[Row]) -> State:
    if all(row.refuse for row in rows):
        return State.REFUSED
    deviates = any(set(row.notes) - NO_DEVIATION for row in rows)
    return State.IDIOMATIC if deviates else State.EXACT


def names(direction: Direction, rows: Iterable[Row] | None = None) -> list[Name]:
    """Every API that the tables decide in one direction."""
    known = signatures(direction.source)
    rows = list(all_rows() if rows is None else rows)
    rows = reading(rows) if direction is Direction.TF2TORCH else [r for r in rows if r.one_way != "tf2torch"]
    grouped: dict[str, list[Row]] = {}
    for row in rows:
        for name in row.torch:
            grouped.setdefault(known.canonical(name), []).append(row)
    return [
        Name(n, state(group), any(r.samples for r in group), any(r.samples or r.cases for r in group), tuple(group))
        for n, group in sorted(grouped.items())
    ]


def read_backwards(rows: Iterable[Row] | None = None) -> set[str]:
    """The torch names whose function `tf2torch` can write: rows that are turned around, and rows of its own."""
    rows = list(all_rows() if rows is None else rows)
    known = signatures("torch")
    written = {known.canonical(name) for row in reading(rows) for name in _written(row, known)}
    out: set[str] = set()
    for row in rows:
        if row.one_way == Direction.TF2TORCH or row.refuse:
            continue
        own = {known.canonical(name) for name in row.torch}
        if invertible(row) or own & written:
            out |= own
    return out


def _written(row: Row, known: SignatureSet) -> Iterator[str]:
    """The torch names in what a row of the reverse direction writes."""
    yield from row.tf
    yield from row.writes
    yield from torch_names(row.tf_expr or "")


def torch_names(text: str) -> Iterator[str]:
    """The torch APIs that a text names, and the methods that it calls, as a tensor's."""
    for found in _NAME.finditer(text):
        name = found.group(0)
        if name.startswith("."):
            yield f"torch.Tensor.{found.group(1)}"
        else:
            yield re.sub(r"^nn\.", "torch.nn.", re.sub(r"^F\.", "torch.nn.functional.", name))


def refused_arguments(row: Row, known: SignatureSet) -> tuple[str, ...]:
    """The arguments that are translated at their default alone. What a rule reads is not known here."""
    from ..rules.api import ALWAYS_DROPPED
    from .schema import HOLE

    if row.refuse or row.rule or row.same_args:
        return ()
    holes = set(HOLE.findall(row.tf_expr or ""))
    out: list[str] = []
    for name in row.torch:
        signature = known.get(name)
        for overload in signature.overloads if signature is not None else ():
            for param in overload:
                taken = param.name in row.args or param.name in holes or param.name in ALWAYS_DROPPED
                first = param.name in ("self", "input")
                if not taken and not first and param.kind not in ("va", "vk") and param.name not in out:
                    out.append(param.name)
    return tuple(out)


def without_case(rows: Iterable[Row] | None = None) -> list[Row]:
    """Rows that nothing executes: no samples, no tests of their own, no refusal."""
    return [row for row in (all_rows() if rows is None else rows) if not (row.samples or row.cases or row.refuse)]


def lines(*, arguments: bool = False) -> Iterator[str]:
    """The report."""
    rows = all_rows()
    yield f"{len(rows)} rows in {len({row.file for row in rows})} tables"
    for direction in Direction:
        found = names(direction)
        count = Counter(name.state for name in found)
        mapped = [name for name in found if name.state is not State.REFUSED]
        yield f"{direction.value}: {len(found)} names decided"
        yield "".join(f"  {s.value} {count[s]}" for s in State)
        executed = sum(name.executed for name in mapped)
        cased = sum(name.cased for name in mapped)
        yield f"  mapped {len(mapped)}, executed in both frameworks by samples {executed}, by samples or tests {cased}"
    yield f"torch names that are read backwards, too: {len(read_backwards(rows))}"
    none = without_case(rows)
    yield f"rows without a case: {len(none)}"
    yield from (f"  {row.label}" for row in none)
    known = signatures("torch")
    limited = [(row, args) for row in rows if row.one_way != "tf2torch" and (args := refused_arguments(row, known))]
    yield f"rows with arguments that are translated at their default alone: {len(limited)}"
    if arguments:
        yield from (f"  {row.label}: {', '.join(args)}" for row, args in limited)


def main() -> None:
    """Check the tables and print the report; ``--arguments`` lists each row's refused arguments."""
    check(all_rows())
    print("\n".join(lines(arguments="--arguments" in sys.argv[1:])))


if __name__ == "__main__":
    main()
