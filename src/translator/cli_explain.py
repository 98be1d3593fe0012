"""``xlate explain``: a diagnostic code, or an API's row in the tables."""

from __future__ import annotations

import click

from .codes import CODES
from .model import Direction
from .tables import Row, TableError, Tables, tables
from .tables.signatures import Param, Signature


@click.command()
@click.argument("what")
@click.option("--mappings", multiple=True, metavar="FILE", help="A table of your own, read before the others.")
def explain(what: str, mappings: tuple[str, ...]) -> None:
    """Explain a diagnostic code (XL203) or an API (torch.nn.Linear, keras.layers.Dense)."""
    text = explanation(what, mappings)
    if not text:
        raise click.UsageError(f"{what!r} is neither a code nor an API that the tables know")
    click.echo(text)


def explanation(what: str, mappings: tuple[str, ...] = ()) -> str:
    """What is known of a code or an API; empty where that is nothing.

    Raises:
        click.UsageError: a table of the user's is not in order.
    """
    if what.upper() in CODES:
        title, text = CODES[what.upper()]
        return f"{what.upper()}: {title}\n{text}"
    parts: list[str] = []
    for direction in Direction:
        table = own_or_usage_error(direction, mappings)
        rows = table.find(what)
        signature = table.source.get(what)
        if signature is not None and (rows or not parts):
            parts.append(_signature(signature))
        parts += map(describe, rows)
        if rows:
            break
    return "\n".join(parts)


def own_or_usage_error(direction: Direction, mappings: tuple[str, ...]) -> Tables:
    """The tables with users' own before them.

    Raises:
        click.UsageError: a table of the user's is not in order; the message says which row and why.
    """
    try:
        return tables(direction, mappings)
    except TableError as error:
        raise click.UsageError(str(error)) from None


def _signature(signature: Signature) -> str:
    lines = [f"{signature.name} ({signature.kind})"]
    lines += ["  (" + ", ".join(map(_param, overload)) + ")" for overload in signature.overloads]
    return "\n".join(lines)


def _param(param: Param) -> str:
    star = {"va": "*", "vk": "**"}.get(param.kind, "")
    return star + param.name + (f"={param.default}" if param.default is not None else "")


def describe(row: Row) -> str:
    """A row in words: names, arguments, deviations, samples, and where it stands."""
    lines = [f"  torch: {', '.join(row.torch)}"] if row.torch else []
    if row.refuse:
        lines.append(f"  refused: {row.refuse}" + (f" ({row.hint})" if row.hint else ""))
    else:
        lines.append(f"  tf:    {', '.join(row.tf) or row.tf_expr or f'rule {row.rule}'}")
    for name, spec in row.args.items():
        target = "dropped" if spec.drop else ", ".join(spec.to) or name
        via = f" via {spec.via}" if spec.via else ""
        only = f" only {list(spec.only)}" if spec.only is not None else ""
        lines.append(f"    {name} -> {target}{via}{only}")
    if row.weights:
        lines.append(
            "  weights: "
            + ", ".join(f"{k} -> {v if isinstance(v, str) else v.get('to')}" for k, v in row.weights.items())
        )
    notes = [n for n in row.notes if n != "no_sample"]
    if notes:
        lines.append("  known deviations: " + ", ".join(notes))
    lines += [f"  sample: {s.get('code', s)}" for s in row.samples]
    lines += [f"  case: {case}" for case in row.cases]
    lines.append(f"  {row.file if row.own else f'mappings/{row.file}'}, row {row.number}")
    return "\n".join(lines)
