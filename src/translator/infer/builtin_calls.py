"""Calls of Python's builtins and of the standard library, as far as values flow through them."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import libcst as cst

from ..values import (
    BOOL,
    FLOAT,
    INT,
    STR,
    UNKNOWN,
    Api,
    Const,
    Func,
    Instance,
    Map,
    Num,
    Partial,
    Seq,
    Shape,
    Tensor,
    UserClass,
    Value,
    as_tensor,
    elem_of,
    join,
    options_of,
    python_type,
    without_none,
)
from .annotations import annotation, filled
from .binding import Args
from .made_names import made_name

if TYPE_CHECKING:
    from .interp import Interpreter

Handler = Callable[["Interpreter", cst.Call, Args], Value]


def _first(args: Args) -> Value:
    return without_none(args[0][1]) if args else UNKNOWN


def _super(it: Interpreter, node: cst.Call, args: Args) -> Value:
    owner = it.func.owner if it.func is not None else None
    if owner is None and args and isinstance(args[0][1], UserClass):
        owner = args[0][1]
    if owner is None or not owner.bases:
        return UNKNOWN
    it.touch()
    base = next((b for b in owner.bases if isinstance(b, UserClass)), owner.bases[0])
    return Instance(base) if isinstance(base, UserClass | Api) else UNKNOWN


def _len(it: Interpreter, node: cst.Call, args: Args) -> Value:
    value = _first(args)
    if isinstance(value, Tensor):
        it.touch()
        return Num("int", True)
    if isinstance(value, Seq) and value.items is not None:
        return Const(len(value.items))
    if isinstance(value, Shape) and value.tensor.rank is not None and value.start == 0 and value.stop is None:
        return Const(value.tensor.rank)
    return INT


def _number(kind: str) -> Handler:
    def handler(it: Interpreter, node: cst.Call, args: Args) -> Value:
        value = _first(args)
        if isinstance(value, Tensor):
            it.touch()
            return Num(kind)
        if isinstance(value, Const) and isinstance(value.value, int | float):
            return Const(int(value.value) if kind == "int" else float(value.value))
        return Num(kind, getattr(value, "dim", False))

    return handler


def _range(it: Interpreter, node: cst.Call, args: Args) -> Value:
    dynamic = any(getattr(v, "dim", False) for _, v in args)
    return Seq("list", None, Num("int", dynamic))


def _enumerate(it: Interpreter, node: cst.Call, args: Args) -> Value:
    from .statements import iterated

    return Seq("list", None, Seq("tuple", [INT, iterated(it, args[0][1]) if args else UNKNOWN]))


def _zip(it: Interpreter, node: cst.Call, args: Args) -> Value:
    from .statements import iterated

    return Seq("list", None, Seq("tuple", [iterated(it, v) for _, v in args]))


def _sequence(kind: str) -> Handler:
    def handler(it: Interpreter, node: cst.Call, args: Args) -> Value:
        from .statements import iterated

        if not args:
            return Seq(kind, [])
        value = _first(args)
        if isinstance(value, Seq):
            return Seq(kind, list(value.items) if value.items is not None else None, value.elem)
        if isinstance(value, Instance) and value.children is not None:
            return Seq(kind, list(value.children))
        if isinstance(value, Shape):
            it.touch()
            return value
        return Seq(kind, None, iterated(it, value))

    return handler


def _dict(it: Interpreter, node: cst.Call, args: Args) -> Value:
    if not args:
        return Map({})
    if args and all(a.keyword is not None for a, _ in args):
        return Map({a.keyword.value: v for a, v in args if a.keyword is not None})
    value = _first(args)
    if isinstance(value, Map):
        return Map(dict(value.items) if value.items is not None else None, value.elem)
    if isinstance(value, Seq) and value.items is not None:
        pairs = [v for v in value.items if isinstance(v, Seq) and v.items is not None and len(v.items) == 2]
        if len(pairs) == len(value.items) and all(isinstance(p.items[0], Const) for p in pairs):  # type: ignore[index]
            return Map({p.items[0].value: p.items[1] for p in pairs})  # type: ignore[index,union-attr]
    item = elem_of(value)
    if isinstance(item, Seq) and item.items is not None and len(item.items) == 2:
        return Map(None, item.items[1])
    return Map()


def _getattr(it: Interpreter, node: cst.Call, args: Args) -> Value:
    from .expressions import attribute_of

    if len(args) >= 2 and isinstance(args[1][1], Const) and isinstance(args[1][1].value, str):
        return attribute_of(it, _first(args), args[1][1].value)
    owner = _first(args)
    if isinstance(owner, Api) and owner.name.split(".")[0] in it.dialect.roots:
        it.touch()
    if isinstance(owner, Instance) and isinstance(owner.cls, UserClass):
        options = [v for v in owner.cls.attrs.values() if isinstance(v, Instance)]
        out: Value = UNKNOWN
        for i, value in enumerate(options):
            out = value if i == 0 else join(out, value)
        return out
    return UNKNOWN


def _setattr(it: Interpreter, node: cst.Call, args: Args) -> Value:
    owner = _first(args)
    if len(args) == 3 and isinstance(owner, Instance) and isinstance(owner.cls, UserClass):
        key = args[1][1]
        name = str(key.value) if isinstance(key, Const) else made_name(args[1][0].value)
        attrs, value = owner.cls.attrs, args[2][1]
        attrs[name] = join(attrs[name], value) if name in attrs else value
    return UNKNOWN


def _same(it: Interpreter, node: cst.Call, args: Args) -> Value:
    return args[0][1] if args else UNKNOWN


def _deepcopy(it: Interpreter, node: cst.Call, args: Args) -> Value:
    """Another object of the same kind."""
    value = _first(args)
    if isinstance(value, Instance):
        it.touch()
        return Instance(value.cls, value.args, value.children, value.elem, frozenset({node}))
    if any(isinstance(o, Instance) for o in options_of(value)):
        it.touch()
    return args[0][1] if args else UNKNOWN


def _extreme(it: Interpreter, node: cst.Call, args: Args) -> Value:
    values = [v for _, v in args]
    if len(values) == 1:
        return elem_of(values[0])
    out: Value = UNKNOWN
    for i, value in enumerate(values):
        out = value if i == 0 else join(out, value)
    return out


def _sum(it: Interpreter, node: cst.Call, args: Args) -> Value:
    item = elem_of(_first(args))
    if as_tensor(item) is not None:
        it.touch()
    return item


def _abs(it: Interpreter, node: cst.Call, args: Args) -> Value:
    value = _first(args)
    if isinstance(value, Tensor):
        it.touch()
        return Tensor(value.rank, value.dims, value.dtype)
    return value


def _map(it: Interpreter, node: cst.Call, args: Args) -> Value:
    from .calls import call_value

    if len(args) < 2:
        return UNKNOWN
    items: Args = [(arg, elem_of(value)) for arg, value in args[1:]]
    return Seq("list", None, call_value(it, node, args[0][1], items))


def _partial(it: Interpreter, node: cst.Call, args: Args) -> Value:
    if not args:
        return UNKNOWN
    it.touch()
    keywords = {a.keyword.value: v for a, v in args[1:] if a.keyword is not None}
    return Partial(args[0][1], [v for a, v in args[1:] if a.keyword is None], keywords)


def _pow(it: Interpreter, node: cst.Call, args: Args) -> Value:
    return FLOAT if any(python_type(v) == "float" for _, v in args) else INT


def _apply_function(it: Interpreter, node: cst.Call, args: Args) -> Value:
    value = _first(args)
    return value if isinstance(value, Func) else UNKNOWN


def cast(it: Interpreter, node: cst.Call, args: Args) -> Value:
    """``typing.cast(Tensor, x)``."""
    if len(args) != 2 or any(a.star for a, _ in args):
        return UNKNOWN
    return filled(args[1][1], annotation(it, node.args[0].value))


def _has_attribute(it: Interpreter, node: cst.Call, args: Args) -> Value:
    if it.scope.module in it.frameworks:
        it.touch()  # the answer for a layer may be another one in the other framework
    return BOOL


BUILTIN_CALLS: dict[str, Handler] = {
    "builtins.super": _super, "builtins.len": _len, "builtins.int": _number("int"), "builtins.float": _number("float"),
    "builtins.round": _number("int"), "builtins.range": _range, "builtins.enumerate": _enumerate, "builtins.zip": _zip,
    "builtins.list": _sequence("list"), "builtins.tuple": _sequence("tuple"), "builtins.sorted": _sequence("list"),
    "builtins.reversed": _sequence("list"), "builtins.set": _sequence("set"), "builtins.iter": _same,
    "builtins.next": lambda it, node, args: elem_of(_first(args)),
    "builtins.dict": _dict, "collections.OrderedDict": _dict, "builtins.getattr": _getattr,
    "builtins.setattr": _setattr, "builtins.max": _extreme, "builtins.min": _extreme, "builtins.sum": _sum,
    "builtins.abs": _abs, "builtins.map": _map, "builtins.isinstance": lambda it, node, args: BOOL,
    "builtins.hasattr": _has_attribute, "builtins.bool": lambda it, node, args: BOOL,
    "builtins.all": lambda it, node, args: BOOL, "builtins.any": lambda it, node, args: BOOL,
    "builtins.str": lambda it, node, args: STR, "builtins.pow": _pow, "functools.partial": _partial,
    "copy.deepcopy": _deepcopy, "copy.copy": _same, "functools.wraps": _apply_function,
    "math.sqrt": lambda it, node, args: FLOAT, "math.log": lambda it, node, args: FLOAT,
    "math.exp": lambda it, node, args: FLOAT, "math.floor": _number("int"), "math.ceil": _number("int"),
    "typing.cast": cast, "typing_extensions.cast": cast,
    "math.prod": lambda it, node, args: INT,
    # A class that only holds what it is given: it runs nothing, and what it holds is not followed.
    "collections.namedtuple": lambda it, node, args: Api("collections.namedtuple.record"),
    "typing.NamedTuple": lambda it, node, args: Api("collections.namedtuple.record"),
    **dict.fromkeys(
        ("os.path.join", "os.path.basename", "os.path.dirname", "os.path.abspath", "os.path.realpath", "os.getcwd",
         "os.path.normpath", "os.path.expanduser", "os.path.relpath", "builtins.repr", "builtins.chr"),
        lambda it, node, args: STR,
    ),
}  # fmt: skip
