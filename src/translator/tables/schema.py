"""What a table row may say, and the check that it says it right.

A row states a correspondence between two APIs. Argument order and defaults are not part of it:
they come from the generated signatures.
"""

from __future__ import annotations

import ast
import re
from dataclasses import dataclass, field
from typing import Any

HOLE = re.compile(r"\{(\w+)\}")

KEYS = {
    "torch", "tf", "tf_expr", "torch_expr", "args", "tf_args", "torch_args", "returns", "rule", "adapter", "attributes",
    "instance_of", "weights", "axis", "layout", "notes", "refuse", "hint",
    "samples", "cases", "writes", "when", "one_way", "canonical", "infer", "signature", "tf_signature", "imports",
}  # fmt: skip


LAYOUTS = (
    "opaque", "pointwise", "channels", "axis", "rearrange", "reshape", "pad", "einsum", "create", "loss", "class_loss",
)  # fmt: skip


class TableError(ValueError):
    """A row that the tables cannot accept: names the file, the row and what is wrong."""


@dataclass(frozen=True, slots=True)
class ArgMap:
    """Where one source argument goes.

    ``to`` names the target parameters (several when one value feeds more than one); ``via`` a converter;
    ``drop`` accepts any value and writes nothing; ``only`` restricts the accepted literals.
    """

    to: tuple[str, ...] = ()
    via: str | None = None
    drop: bool = False
    only: tuple[Any, ...] | None = None


@dataclass(frozen=True, slots=True)
class Row:
    """One correspondence. See ``docs/tables.md`` for every key."""

    torch: tuple[str, ...]
    tf: tuple[str, ...]
    file: str
    number: int
    tf_expr: str | None = None
    torch_expr: str | None = None
    args: dict[str, ArgMap] = field(default_factory=dict)
    same_args: bool = False
    tf_args: dict[str, Any] = field(default_factory=dict)
    torch_args: dict[str, Any] = field(default_factory=dict)
    returns: str = "unknown"
    rule: str | None = None
    adapter: str | None = None
    attributes: dict[str, str] = field(default_factory=dict)
    """Settings that the source's layer keeps as attributes, and what they are called in the other framework."""
    instance_of: tuple[str, ...] = ()
    weights: dict[str, Any] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    refuse: str | None = None
    hint: str = ""
    samples: tuple[dict[str, Any], ...] = ()
    cases: tuple[str, ...] = ()
    """Tests that execute the row, where a single expression cannot show what it does."""
    writes: tuple[str, ...] = ()
    """What a rule of `tf2torch` writes: names that its samples' or the fixtures' translations hold."""
    when: dict[str, Any] = field(default_factory=dict)
    one_way: str | None = None
    canonical: bool = True
    layout: str = ""
    """How axis order passes through: ``pointwise``, ``channels``, ``aware`` (the rule asks itself), or ``opaque``
    (source order in and out)."""
    signature: str | None = None
    tf_signature: str | None = None
    """Of APIs that the signature files do not have, private ones or those of users' tables: ``"(x, dim=1)"``."""
    imports: tuple[str, ...] = ()
    """What the translation must import, in users' tables: ``"import mylib.layers as ml"``."""
    own: bool = False
    """Whether the row stands in a table of the user's."""

    @property
    def label(self) -> str:
        return f"{self.file}: row {self.number} ({(self.torch or self.tf)[0]})"

    @property
    def helper(self) -> str | None:
        """The runtime helper that stands for the API on the TensorFlow side, if there is one."""
        if self.tf and self.tf[0].startswith("helper:"):
            return self.tf[0].removeprefix("helper:")
        return None


def _names(value: Any, where: str) -> tuple[str, ...]:
    names = (value,) if isinstance(value, str) else tuple(value)
    if not all(isinstance(n, str) and n for n in names):
        raise TableError(f"{where}: a name must be a string, or a list of strings")
    return names


def _arg_map(value: Any, where: str) -> ArgMap:
    if isinstance(value, str):
        return ArgMap((value,))
    if not isinstance(value, dict):
        raise TableError(f"{where}: an argument maps to a name or to a table, not to {value!r}")
    unknown = set(value) - {"to", "via", "drop", "only"}
    if unknown:
        raise TableError(f"{where}: unknown keys {sorted(unknown)}")
    only = tuple(value["only"]) if "only" in value else None
    return ArgMap(_names(value["to"], where) if "to" in value else (), value.get("via"), bool(value.get("drop")), only)


def _check_template(text: str | None, where: str) -> None:
    if text is None:
        return
    try:
        ast.parse(HOLE.sub("_hole", text), mode="eval")
    except SyntaxError as error:
        raise TableError(f"{where}: the expression does not parse: {text!r}") from error


USERS_KEYS = ("signature", "tf_signature", "imports")


def _check_signature(text: Any, where: str) -> None:
    try:
        ast.parse(f"def f{text}: pass")
    except SyntaxError as error:
        raise TableError(f'{where}: a signature is written as "(x, dim=1)", not {text!r}') from error


def _check_import(line: str, where: str) -> None:
    try:
        (node,) = ast.parse(line).body
    except (SyntaxError, ValueError) as error:
        raise TableError(f"{where}: `imports` holds import statements, not {line!r}") from error
    if not isinstance(node, ast.Import | ast.ImportFrom):
        raise TableError(f"{where}: `imports` holds import statements, not {line!r}")


def parse_row(raw: dict[str, Any], file: str, number: int, *, own: bool = False) -> Row:
    """Build a row from its TOML table.

    Args:
        own: whether it stands in a user's table: samples are welcome there, not asked for.

    Raises:
        TableError: on an unknown key, a malformed value, or a row that claims something without a sample.
    """
    names = raw.get("torch") or raw.get("tf") or "?"
    where = f"{file}: row {number} ({names})"
    unknown = set(raw) - KEYS
    if unknown:
        raise TableError(f"{where}: unknown keys {sorted(unknown)}")
    torch = _names(raw.get("torch", ()), where)
    tf = _names(raw.get("tf", ()), where)
    if not torch and not tf:
        raise TableError(f"{where}: names neither a torch nor a tf API")
    args = raw.get("args", {})
    same = args == "same"
    if not same and not isinstance(args, dict):
        raise TableError(f'{where}: `args` is a table, or "same"')
    for key in USERS_KEYS:
        if key in raw and not own and key == "imports":
            raise TableError(f"{where}: `{key}` is for users' tables")
    for key in ("signature", "tf_signature"):
        if key in raw:
            _check_signature(raw[key], where)
    imports = _names(raw.get("imports", ()), where)
    for line in imports:
        _check_import(line, where)
    row = Row(
        torch=torch,
        tf=tf,
        file=file,
        number=number,
        tf_expr=raw.get("tf_expr"),
        torch_expr=raw.get("torch_expr"),
        args={} if same else {k: _arg_map(v, where) for k, v in args.items()},
        same_args=same,
        tf_args=raw.get("tf_args", {}),
        torch_args=raw.get("torch_args", {}),
        returns=raw.get("returns", "unknown"),
        rule=raw.get("rule"),
        adapter=raw.get("adapter"),
        attributes=dict(raw.get("attributes", {})),
        instance_of=_names(raw.get("instance_of", ()), where),
        weights=raw.get("weights", {}),
        notes=tuple(raw.get("notes", ())),
        refuse=raw.get("refuse"),
        hint=raw.get("hint", ""),
        samples=tuple(raw.get("samples", ())),
        writes=_names(raw.get("writes", ()), where),
        when=raw.get("when", {}),
        one_way=raw.get("one_way"),
        canonical=raw.get("canonical", True),
        layout=raw.get("layout", ""),
        cases=_names(raw.get("cases", ()), where),
        signature=raw.get("signature"),
        tf_signature=raw.get("tf_signature"),
        imports=imports,
        own=own,
    )
    if row.layout and row.layout not in LAYOUTS:
        raise TableError(f"{where}: layout is one of {', '.join(LAYOUTS)}, not {row.layout!r}")
    _check_template(row.tf_expr, where)
    _check_template(row.torch_expr, where)
    if not own and not row.refuse and not row.samples and not row.cases and "no_sample" not in row.notes:
        raise TableError(f"{where}: needs at least one sample (or `refuse` with a reason)")
    if not (row.tf or row.tf_expr or row.refuse or row.rule or row.torch_expr):
        raise TableError(f"{where}: needs a target (`tf`, `tf_expr`), a `rule`, or a `refuse` reason")
    return row
