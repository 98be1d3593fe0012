"""Modules of the project that only permute axes: ``Permute([0, 2, 3, 1])`` in a sequence of layers.

Which axes it is, is said where one is made. So each can be told those of the orders that its own tensors have, while
the class stays as it is.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import libcst as cst

from .. import nodes
from ..values import Api, Const, Func, Instance, Tensor, UserClass, Value, as_tensor
from .binding import Args
from .facts import Run

if TYPE_CHECKING:
    from .interp import Interpreter

MARK = "<permutes>"
"""The argument of an instance that stands for a module whose axes are known."""
SWAPS = frozenset({"transpose", "swapaxes", "swapdims"})


@dataclass(frozen=True, slots=True)
class Kept:
    """The axes as a constructor keeps them: attributes to its parameters, in order."""

    attributes: tuple[tuple[str, str], ...]
    swap: bool
    """Two axes change places; else one attribute holds all axes in their new order."""


@dataclass(slots=True)
class Made:
    """A call that makes such a module, and where the module is called."""

    cls: UserClass
    kept: Kept
    axes: tuple[int, ...]
    """What the call says: the new order, or the two axes."""
    uses: list[Use]

    def dims(self, rank: int) -> tuple[int, ...] | None:
        """The axes of a tensor in their new order; ``None`` if it has no such axes."""
        if not self.kept.swap:
            dims = tuple(a % rank for a in self.axes) if rank else ()
            return dims if sorted(dims) == list(range(rank)) else None
        if any(not -rank <= a < rank for a in self.axes):
            return None
        dims = tuple(range(rank))
        a, b = (axis % rank for axis in self.axes)
        return tuple(b if d == a else a if d == b else d for d in dims)


@dataclass(frozen=True, slots=True)
class Use:
    """One call of such a module: what goes in, and what comes out."""

    node: cst.Call
    given: Value
    result: Tensor
    run: Run
    contained: bool
    """Whether a container calls it, which converts nothing."""


def made(it: Interpreter, cls: UserClass, node: cst.Call, args: Args) -> Instance | None:
    """The module that a call of its class makes; ``None`` if the class does more, or the axes are not written out."""
    if it.direction != "torch2tf" or not cls.module or node in it.facts.unmoved:
        return None
    kept = kept_axes(it, cls)
    axes = _literal(cls, kept, args) if kept is not None else None
    if kept is None or axes is None:
        return None
    it.facts.permuters.setdefault(node, Made(cls, kept, axes, []))
    return Instance(cls, {MARK: Const(True)}, sites=frozenset({node}))


def is_one(value: Value) -> bool:
    """Whether a value is a module that permutes by axes that are known."""
    return isinstance(value, Instance) and MARK in value.args


def called(it: Interpreter, node: cst.Call, owner: Instance, given: Value) -> Tensor:
    """What such a module gives."""
    x = as_tensor(given)
    made = [it.facts.permuters[site] for site in owner.sites]
    ranks = {len(m.axes) for m in made if not m.kept.swap}
    rank = ranks.pop() if len(ranks) == 1 else x.rank if x is not None else None
    dims = {m.dims(rank) for m in made} if rank is not None else {None}
    only = next(iter(dims)) if len(dims) == 1 else None
    sizes = tuple(x.dims[d] for d in only) if only is not None and x is not None and x.dims is not None else None
    result = Tensor(rank, sizes if rank is None or sizes is not None else (None,) * rank, x.dtype if x else None)
    result.storage = x.storage if x is not None else result.storage
    node = it.facts.handed.get(node, node)
    for one in made:
        one.uses.append(Use(node, given, result, it.run_key(), bool(it.contained)))
    return result


def kept_axes(it: Interpreter, cls: UserClass) -> Kept | None:
    """How a class that only permutes axes keeps them; ``None`` for any other class."""
    key = f"permuting {id(cls.node)}"
    if key not in it.facts.cache:
        it.facts.cache[key] = _kept_axes(it, cls)
    return it.facts.cache[key]  # type: ignore[no-any-return]


def _kept_axes(it: Interpreter, cls: UserClass) -> Kept | None:
    bases = [it.tables.canonical(b.name) if isinstance(b, Api) else "" for b in cls.bases]
    init, forward = cls.methods.get("__init__"), cls.methods.get("forward")
    if bases != ["torch.nn.Module"] or init is None or forward is None or set(cls.methods) != {"__init__", "forward"}:
        return None
    stored = _stored(init)
    taken = _taken(forward)
    if stored is None or taken is None or len(taken[0]) != len(stored) or not set(taken[0]) <= stored.keys():
        return None
    return Kept(tuple((name, stored[name]) for name in taken[0]), taken[1])


def _statements(func: Func) -> list[Any]:
    """The small statements of a function, without its docstring; none if there are others."""
    body = func.node.body
    lines = body.body if isinstance(body, cst.IndentedBlock) else ()
    small = [s for line in lines for s in (line.body if isinstance(line, cst.SimpleStatementLine) else (line,))]
    texts = (cst.SimpleString, cst.ConcatenatedString)
    return [s for s in small if not (isinstance(s, cst.Expr) and isinstance(s.value, texts))]


def _stored(init: Func) -> dict[str, str] | None:
    """Attributes to the parameters that a constructor keeps in them; ``None`` if it does anything else."""
    params = init.node.params
    own = params.params[0].name.value if params.params else ""
    names = {p.name.value for p in params.params[1:]}
    names |= {params.star_arg.name.value} if isinstance(params.star_arg, cst.Param) else set()
    out: dict[str, str] = {}
    for statement in _statements(init):
        if isinstance(statement, cst.Expr) and nodes.code(statement.value).startswith("super("):
            continue
        target = statement.targets[0].target if isinstance(statement, cst.Assign) else None
        value = statement.value if isinstance(statement, cst.Assign) else None
        plain = isinstance(target, cst.Attribute) and nodes.is_name(target.value, own)
        if not plain or not isinstance(value, cst.Name) or value.value not in names or len(statement.targets) != 1:
            return None
        out[target.attr.value] = value.value
    return out


def _taken(forward: Func) -> tuple[list[str], bool] | None:
    """The attributes that ``return x.permute(*self.dims)`` takes, and whether it swaps two axes."""
    params, lines = [p.name.value for p in forward.node.params.params], _statements(forward)
    call = lines[0].value if len(lines) == 1 and isinstance(lines[0], cst.Return) else None
    if isinstance(call, cst.Call) and isinstance(call.func, cst.Attribute) and call.func.attr.value == "contiguous":
        call = call.func.value
    if len(params) != 2 or not isinstance(call, cst.Call) or not isinstance(call.func, cst.Attribute):
        return None
    own, x = params
    values, name = [a.value for a in call.args], call.func.attr.value
    if nodes.is_name(call.func.value, "torch") and values and nodes.is_name(values[0], x):
        values = values[1:]
    elif not nodes.is_name(call.func.value, x):
        return None
    read = [v.attr.value for v in values if isinstance(v, cst.Attribute) and nodes.is_name(v.value, own)]
    if len(read) != len(values) or len(read) != (2 if name in SWAPS else 1) or name not in {"permute", *SWAPS}:
        return None
    return read, name in SWAPS


def _literal(cls: UserClass, kept: Kept, args: Args) -> tuple[int, ...] | None:
    """The axes that a call of the class gives, if they are written out."""
    init = cls.methods["__init__"].node.params
    names = [p.name.value for p in init.params[1:]]
    plain = [arg for arg, _ in args if arg.keyword is None and not arg.star]
    if isinstance(init.star_arg, cst.Param):
        whole = not names and len(plain) == len(args) and not kept.swap
        return _numbers([arg.value for arg in plain]) if whole else None
    given = {arg.keyword.value: arg.value for arg, _ in args if arg.keyword is not None}
    given |= {name: arg.value for name, arg in zip(names, plain, strict=False)}
    values = [given[parameter] for _, parameter in kept.attributes if parameter in given]
    if not len(args) == len(given) == len(values) == len(kept.attributes):
        return None
    if kept.swap:
        return _numbers(values)
    return _numbers([e.value for e in values[0].elements]) if isinstance(values[0], cst.List | cst.Tuple) else None


def _numbers(values: Sequence[cst.BaseExpression]) -> tuple[int, ...] | None:
    out = tuple(number for value in values if (number := nodes.integer(value)) is not None)
    return out if out and len(out) == len(values) else None
