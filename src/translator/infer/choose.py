"""Which of an API's rows a call falls under."""

from __future__ import annotations

from collections.abc import Sequence

from ..converters import is_literal
from ..tables.schema import Row
from ..values import Const, as_tensor
from .facts import BoundCall


def applies(row: Row, call: BoundCall) -> bool:
    """Whether a row's ``when`` holds: the rank of the input, an argument given or absent, at a literal."""
    for key, wanted in row.when.items():
        if key == "rank":
            tensor = as_tensor(call.value("input"))
            if tensor is None or tensor.rank != wanted:
                return False
        elif key == "given":
            if any(name not in call.args for name in wanted):
                return False
        elif key == "absent":
            if any(name in call.args for name in wanted):
                return False
        elif key not in call.args or call.args[key].value != Const(wanted) or not is_literal(call.args[key].node):
            return False
    return True


def chosen(rows: Sequence[Row], call: BoundCall) -> Row | None:
    """The first row that applies; where none is known to, the first, if all of them give the same kind of result."""
    found = next((row for row in rows if applies(row, call)), None)
    if found is None and rows and len({row.returns for row in rows}) == 1:
        return rows[0]
    return found
