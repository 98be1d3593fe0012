"""What rows must keep to beyond their own form: every name that they use exists, and every row can be reached.

Tables are checked when they are compiled: once for each change of a table, never in an ordinary translation.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from ..converters import BACK
from ..model import Direction
from .invert import ties
from .schema import HOLE, Row, TableError

MOST = 20
"""How many problems one error lists."""


def check(rows: Sequence[Row]) -> None:
    """Raise what is wrong with some tables.

    Raises:
        TableError: naming each row and what is wrong with it.
    """
    _register()
    found = [*(p for row in rows for p in problems(row)), *unreachable(rows), *tied(rows)]
    if found:
        more = [f"and {len(found) - MOST} more"] if len(found) > MOST else []
        raise TableError("\n".join([*found[:MOST], *more]))


def _register() -> None:
    """Import what registers rules and results under the names that rows use."""
    from importlib import import_module
    from pkgutil import iter_modules

    for package in ("infer", "rules"):
        name = f"{__package__.rpartition('.')[0]}.{package}"
        for module in iter_modules(import_module(name).__path__):
            import_module(f"{name}.{module.name}")


def problems(row: Row) -> Iterator[str]:
    """Names in one row that nothing has."""
    from ..emit import helper_params
    from ..infer.results import RESULTS
    from ..rules import named

    if row.rule is not None and row.rule not in named.RULES:
        yield f"{row.label}: there is no rule {row.rule!r}{_near(row.rule, named.RULES)}"
    if any(name.endswith("*") for name in row.torch) and not row.refuse:
        yield f"{row.label}: a row for a whole family can only refuse"
    if row.refuse and not row.hint and not row.own:
        yield f"{row.label}: a refusal says in `hint` what to do instead"
    if row.returns not in RESULTS:
        yield f"{row.label}: there is no result {row.returns!r}{_near(row.returns, RESULTS)}"
    for name, spec in row.args.items():
        if spec.via is not None and not _converter(spec.via):
            yield f"{row.label}: argument {name}: there is no converter {spec.via!r}"
    target = Direction.TF2TORCH.target if row.one_way == Direction.TF2TORCH else Direction.TORCH2TF.target
    for helper in (row.helper, row.adapter):
        if helper is not None and helper_params(helper, target) is None:
            yield f"{row.label}: there is no helper {helper!r}"
    yield from _holes(row)


def _converter(name: str) -> bool:
    from ..converters import CONVERTERS
    from ..rules.named import FACT_CONVERTERS

    return name.removeprefix(BACK) in CONVERTERS or name in FACT_CONVERTERS


def _near(name: str, known: Iterable[str]) -> str:
    import difflib

    close = difflib.get_close_matches(name, list(known), 1)
    return f"; did you mean {close[0]!r}?" if close else ""


def _holes(row: Row) -> Iterator[str]:
    """Holes of an expression that no argument of the API fills."""
    from .signatures import signatures

    backwards = row.one_way == Direction.TF2TORCH
    text = row.torch_expr if backwards else row.tf_expr
    known = signatures("tf" if backwards else "torch")
    for name in row.tf if backwards else row.torch:
        signature = known.get(name)
        if text is None or signature is None or not signature.overloads or row.rule:
            continue
        params = {p.name for overload in signature.overloads for p in overload} | {"input", "self"}
        missing = sorted(set(HOLE.findall(text)) - params)
        if missing:
            yield f"{row.label}: {name} has no argument {missing[0]!r} to fill the expression with"


def reach(row: Row) -> str:
    """Which calls a row applies to, as text: two rows of one name must differ in it."""
    return repr(sorted((k, sorted(v) if isinstance(v, list) else v) for k, v in row.when.items()))


def unreachable(rows: Iterable[Row]) -> Iterator[str]:
    """Rows that stand behind one of the same name that takes every call, or the same calls."""
    for direction in Direction:
        seen: dict[str, dict[str, Row]] = {}
        for row in rows:
            if row.one_way is None and direction is Direction.TF2TORCH:
                continue  # what is read backwards by inversion has a check of its own: `tied`
            if row.one_way is not None and row.one_way != direction:
                continue
            for name in row.torch if direction is Direction.TORCH2TF else row.tf:
                before = seen.setdefault(name, {})
                first = before.get("[]") or before.get(reach(row))
                if first is not None:
                    yield f"{row.label}: {name} already has {first.label} for the same calls"
                before[reach(row)] = row


def tied(rows: Iterable[Row]) -> Iterator[str]:
    """Targets that several rows claim to be read back by."""
    for name, labels in ties(rows):
        yield f"{' and '.join(labels)}: both are read back from {name}; one must say `canonical = false`"
