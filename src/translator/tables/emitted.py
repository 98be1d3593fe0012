"""Helpers that one direction writes, as the other one reads them.

A row says of a helper what it stands for (``torch = "torch.nn.functional.interpolate"``,
``tf = "helper:interpolate"``), or that it takes the arguments of an API itself (``adapter = "Conv2d"``). Read
backwards, that is a row for the helper: it is called ``tf.xlate.interpolate``, and its parameters are those of its
definition. What a row of this kind cannot say stands in ``mappings/helpers_read.toml`` by that name.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import replace
from typing import Any

from ..converters import CONVERTERS
from ..model import Direction
from .invert import back
from .schema import ArgMap, Row
from .signatures import Param, signatures

PLACE = "tf.xlate."
PLAIN = frozenset({"axis", "axes", "dtype", "int_list"})
"""Converters that leave alone what a helper is given."""
OPTIONS = frozenset({"given", "absent"})


def read_back(rows: Iterable[Row]) -> list[Row]:
    """Rows in reading direction for the helpers that ``torch2tf`` writes, one for each helper."""
    out: dict[str, list[Row]] = {}
    for row in rows:
        if row.one_way == Direction.TF2TORCH or row.refuse or row.own or not row.torch:
            continue
        for name, made in (*_function(row), *_adapter(row)):
            out.setdefault(name, []).append(made)
    best = {name: min(found, key=lambda row: _differing(row, name)) for name, found in out.items()}
    return [row for name, row in best.items() if not _of_many_ranks(out[name])]


def _of_many_ranks(rows: list[Row]) -> bool:
    """Whether one helper stands for classes that PyTorch has for each rank."""
    names = {row.tf[0] for row in rows}
    return len(names) > 1 and len({re.sub(r"[123]d$", "", n.replace("Lazy", "")) for n in names}) < len(names) - 1


def _differing(row: Row, helper: str) -> int:
    """How many of a helper's defaults the API does not share: the row that fits best stands for it."""
    signature = signatures("torch").get(row.tf[0])
    theirs = {p.name: p.default for o in (signature.overloads if signature is not None else ()) for p in o}
    ours = {p.name: p.default for p in _params(helper) or ()}
    pairs = [(ours.get(name), theirs.get(spec.to[0])) for name, spec in row.args.items() if spec.to]
    return sum(a != b for a, b in pairs)


def _adapter(row: Row) -> Iterator[tuple[str, Row]]:
    """A helper with the very arguments of the API."""
    params = _params(row.adapter) if row.adapter else None
    if params is not None and row.adapter:
        theirs = _names(row.torch[0])
        args = {p.name: ArgMap((p.name,)) for p in params if p.name in theirs}
        made = _reading(row, row.adapter, args)
        many = any(p.kind == "va" for p in params)
        yield row.adapter, replace(made, rule="emitted_renamed" if many else None)


def _function(row: Row) -> Iterator[tuple[str, Row]]:
    """A helper to whose parameters a row sends the API's arguments."""
    params = _params(row.helper) if row.helper and not row.rule and not row.tf_expr else None
    if params is None or not row.helper or not row.when.keys() <= OPTIONS:
        return
    if row.torch[0].startswith("torch.Tensor."):
        if [p.name for p in params[1:]] == list(_names(row.torch[0])) and not any(s.via for s in row.args.values()):
            yield row.helper, replace(_reading(row, row.helper, {}), rule="emitted_method")
        return
    theirs = _names(row.torch[0])
    home = {target: (name, spec) for name, spec in row.args.items() for target in spec.to}
    if len(home) < sum(len(spec.to) for spec in row.args.values()):
        return  # one parameter for several arguments
    args: dict[str, ArgMap] = {}
    for i, param in enumerate(params):
        if param.kind in ("va", "vk"):
            continue
        name, spec = home.get(param.name, (param.name, ArgMap((param.name,))))
        if spec.via is not None and spec.via not in CONVERTERS and spec.via not in PLAIN:
            return
        via = back(spec.via) if spec.via in CONVERTERS else None
        if name in theirs:
            args[param.name] = ArgMap((name,), via, only=None if via else spec.only)
        elif i == 0 and param.default is None and theirs:
            args[param.name] = ArgMap((next(iter(theirs)),))
    for name, value in row.tf_args.items():
        if isinstance(value, str) and value[:1] in "=@":
            return
        args[name] = ArgMap(only=(value,), drop=True)
    given = {one.to[0] for one in args.values() if one.to}
    if _missing(row.torch[0], given) or _reinterpreted(row.torch[0], params, args):
        return
    required = {args[p.name].to[0] for p in params if p.default is None and p.name in args and args[p.name].to}
    if not set(row.when.get("given", ())) <= required:
        return
    yield row.helper, _reading(row, row.helper, args)


def _missing(api: str, given: set[str]) -> bool:
    """Whether an API needs an argument that a helper does without."""
    signature = signatures("torch").get(api)
    overloads = signature.overloads if signature is not None else ()
    needed = [{p.name for p in o if p.default is None and p.kind not in ("va", "vk")} for o in overloads]
    return bool(needed) and all(n - given for n in needed)


def _reinterpreted(api: str, params: Iterable[Param], args: dict[str, ArgMap]) -> bool:
    """Whether ``None`` means something by default for a helper, and the API's own default is another value."""
    signature = signatures("torch").get(api)
    theirs = {p.name: p.default for o in (signature.overloads if signature is not None else ()) for p in o}
    none = [args[p.name].to[0] for p in params if p.default == "None" and p.name in args and args[p.name].to]
    return any((text := theirs.get(name)) not in (None, "None") and text[:1] in "-(['\"0123456789TF" for name in none)


def _reading(row: Row, helper: str, args: dict[str, ArgMap]) -> Row:
    if "data_format" not in args:
        args = {**args, "data_format": ArgMap(drop=True)}
    layout = "channels" if _moves_channels(helper) else row.layout if row.layout != "channels" else ""
    return replace(
        row, torch=(PLACE + helper,), tf=(row.torch[0],), args=args, same_args=False, tf_args={}, torch_args={},
        when={}, adapter=None, rule=None, tf_expr=None, instance_of=(), notes=(), layout=layout, one_way=None,
    )  # fmt: skip


def helper_signatures(rows: Iterable[Row]) -> dict[str, Any]:
    """The signatures of the helpers that rows in reading direction are about, as the signature files hold them."""
    out = {}
    for row in rows:
        for name in row.torch:
            if name.startswith(PLACE) and name not in out:
                out[name] = _signature(name.removeprefix(PLACE))
    return {name: entry for name, entry in out.items() if entry is not None}


def _signature(helper: str) -> dict[str, Any] | None:
    params = _params(helper)
    if params is None:
        return None
    listed = [[p.name, p.kind] if p.default is None else [p.name, p.kind, p.default] for p in params]
    return {"kind": "class" if helper[:1].isupper() else "function", "overloads": [listed]}


def _params(helper: str) -> tuple[Param, ...] | None:
    from ..emit import helper_params

    return helper_params(helper, "tf")


def _names(api: str) -> dict[str, None]:
    """The names of an API's parameters in order, of all its overloads."""
    signature = signatures("torch").get(api)
    overloads = signature.overloads if signature is not None else ()
    return {p.name: None for overload in overloads for p in overload if p.kind not in ("va", "vk")}


def _moves_channels(helper: str) -> bool:
    """Whether the file's data format decides where a helper looks for the channels."""
    from ..emit import helper as find

    found = find(helper, "tf")
    return found is not None and ("DATA_FORMAT" in found.uses or any(_moves_channels(b) for b in found.bases))
