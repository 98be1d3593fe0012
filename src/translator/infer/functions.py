"""Calling the project's own functions: parameters, defaults, and what call sites pass."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import libcst as cst

from .. import nodes
from ..values import (
    NONE,
    UNKNOWN,
    Api,
    Const,
    Func,
    Instance,
    Map,
    MethodOf,
    Num,
    Seq,
    Tensor,
    Union,
    UserClass,
    Value,
    elem_of,
    escape,
    join,
    of_rank,
)
from .agnostic import given_tensor
from .annotations import annotation, filled
from .constructors import own_steps
from .evidence import is_no_tensor
from .input_specs import specified
from .sameness import same
from .scope import Scope
from .sizes import returned

if TYPE_CHECKING:
    from .interp import Interpreter

Args = list[tuple[cst.Arg, Value]]


def define(it: Interpreter, node: cst.FunctionDef | cst.Lambda, name: str) -> Func:
    """The function value of a ``def`` or ``lambda``: one per node, however often it is met."""
    func = it.facts.functions.get(node)
    if func is None:
        func = Func(name, node, it.scope)
        it.facts.functions[node] = func
        it.pending.append(func)
    func.scope = it.scope
    return func


def initial_parameters(it: Interpreter, func: Func, scope: Scope) -> None:
    """Bind the parameters at the start of a run: callers first, then annotation, default and role."""
    params = func.node.params
    positional = (*params.posonly_params, *params.params)
    is_forward = func.owner is not None and func.owner.module and func.name in it.dialect.forward
    for i, param in enumerate((*positional, *params.kwonly_params)):
        name = param.name.value
        if i == 0 and func.owner is not None and func.kind in ("method", "property"):
            scope.vars[name] = Instance(func.owner)
        elif i == 0 and func.owner is not None and func.kind == "classmethod":
            scope.vars[name] = func.owner
        else:
            scope.vars[name] = _own(it, _parameter(it, func, param, is_forward or (i > 0 and is_backward(func))))
    if isinstance(params.star_arg, cst.Param):
        declared = _declared(it, params.star_arg)
        passed = _own(it, func.passed.get(params.star_arg.name.value, UNKNOWN))
        seen = declared is UNKNOWN and isinstance(passed, Seq)
        rest = Seq("tuple", None, elem_of(passed), passed.head()) if seen else Seq("tuple", None, declared)
        scope.vars[params.star_arg.name.value] = rest  # how many are passed is another caller's choice
    if params.star_kwarg is not None:
        scope.vars[params.star_kwarg.name.value] = Map(None, _declared(it, params.star_kwarg))


def _declared(it: Interpreter, param: cst.Param) -> Value:
    return annotation(it, param.annotation.annotation) if param.annotation is not None else UNKNOWN


def declared_result(it: Interpreter, func: Func, result: Value) -> Value:
    """What a function returns, with its annotation where that is not seen."""
    node = func.node
    if isinstance(node, cst.Lambda) or node.returns is None or node.asynchronous is not None:
        return result
    if result is NONE and _is_abstract(node):
        result = UNKNOWN
    if result is not UNKNOWN and not isinstance(result, Seq | Map | Union):
        return result
    home = Scope("function", func.scope.module, func.scope, func=func, cls=func.owner)
    saved, it.scope = it.scope, home
    promise = annotation(it, node.returns.annotation)
    it.scope = saved
    return filled(result, promise)


def _is_abstract(node: cst.FunctionDef) -> bool:
    """Whether a body only says that the method is there: ``...``, ``pass``, a docstring."""
    small = [s for line in node.body.body if isinstance(line, cst.SimpleStatementLine) for s in line.body]
    plain = len(small) == len(node.body.body) or isinstance(node.body, cst.SimpleStatementSuite)
    small = list(node.body.body) if isinstance(node.body, cst.SimpleStatementSuite) else small  # type: ignore[arg-type]
    empty = (cst.SimpleString, cst.ConcatenatedString, cst.Ellipsis)
    return plain and all(
        isinstance(s, cst.Pass) or (isinstance(s, cst.Expr) and isinstance(s.value, empty)) for s in small
    )


def is_backward(func: Func) -> bool:
    """Whether a function is the gradient of an operation of the program's own: it is given gradients."""
    from .expressions import framework_base

    owner = func.owner
    return owner is not None and func.name == "backward" and framework_base(owner) == "torch.autograd.Function"


def _own(it: Interpreter, value: Value, depth: int = 0) -> Value:
    """The value with axis orders of its own: what crosses a call is converted there, or agrees there."""
    if it.direction == "tf2torch" or depth > 3:
        return value
    if isinstance(value, Tensor):
        if value.variable:
            return value
        return Tensor(value.rank, value.dims, value.dtype, storage=value.storage, tail=value.tail)
    if isinstance(value, Union):
        return Union(tuple(_own(it, option, depth + 1) for option in value.options))
    if isinstance(value, Seq) and isinstance(elem_of_kind(value), Tensor):
        items = None if value.items is None else [_own(it, v, depth + 1) for v in value.items]
        first = _own(it, value.first, depth + 1) if value.first is not None else None
        return Seq(value.kind, items, _own(it, value.elem, depth + 1), first)
    if isinstance(value, Map) and value.items is not None:
        return Map({k: _own(it, v, depth + 1) for k, v in value.items.items()}, value.elem)
    return value


def elem_of_kind(value: Seq) -> Value:
    """One of the elements, to see of what kind they are."""
    return next((v for v in value.items or () if isinstance(v, Tensor)), value.elem)


def _parameter(it: Interpreter, func: Func, param: cst.Param, is_forward: bool) -> Value:
    passed = func.passed.get(param.name.value)
    default = it.expr(param.default) if param.default is not None else None
    annotated = annotation(it, param.annotation.annotation) if param.annotation is not None else UNKNOWN
    if passed is not None and _is_none(passed) and it.direction != "tf2torch":
        passed = join(passed, annotated) if annotated is not UNKNOWN else passed
    if passed is not None and passed is not UNKNOWN:
        passed = filled(passed, annotated)
        if isinstance(passed, Tensor) and passed.rank is None and isinstance(annotated, Tensor):
            # The annotation may know more; but in a Keras program what is passed and the parameter have one order.
            return annotated if it.direction == "torch2tf" else passed
        alone = default is None or (_is_none(passed) and it.direction != "tf2torch")
        return passed if alone else join(passed, _widened(it, default))
    if isinstance(annotated, Instance) and not annotated.sites and is_layer(annotated):
        annotated.sites = frozenset({param})  # whatever it is, in one run it is one object
    if annotated is not UNKNOWN:
        return annotated if default is None else join(annotated, _widened(it, default))
    if is_forward and it.direction == "torch2tf" and is_no_tensor(it, func, param.name.value):
        return UNKNOWN if default is None or _is_none(default) else _widened(it, default)
    if default is None and is_forward and it.direction == "tf2torch":
        told = specified(func, param.name.value)
        return told if told is not None else Tensor(storage=param)
    if default is None:
        return Tensor(storage=param) if is_forward else UNKNOWN
    if _is_none(default):
        return join(Tensor(storage=param), default) if is_forward else UNKNOWN
    return _widened(it, default)


def is_layer(value: Instance) -> bool:
    """Whether an object is a layer or model of the source framework's."""
    return value.cls.module if isinstance(value.cls, UserClass) else value.cls.name.startswith("torch.nn.")


def _is_none(value: Value) -> bool:
    return isinstance(value, Const) and value.value is None


def _widened(it: Interpreter, default: Value) -> Value:
    """A default says what type a parameter has, not what value."""
    from ..values import Num, python_type

    if it.direction == "tf2torch" and isinstance(default, Seq) and default.items is not None:
        return Seq(default.kind, [_widened(it, v) for v in default.items])
    kind = python_type(default)
    return Num(kind) if kind in ("int", "float", "bool", "str") else default


def bind_user(func: Func, args: Args, *, bound: bool) -> dict[str, Value] | None:
    """Parameter name to passed value; ``None`` when star arguments hide which is which."""
    params = func.node.params
    positional = [p.name.value for p in (*params.posonly_params, *params.params)]
    if bound:
        positional = positional[1:]
    out: dict[str, Value] = {}
    hidden = False
    rest: list[Value] = []
    many: list[Value] = []
    for star, keyword, value in _spread(args):
        if star == "**" or (star and (positional or not isinstance(value, Seq))):
            hidden = hidden or star == "*"
            for name in (*positional, *(p.name.value for p in params.kwonly_params if star == "**")):
                out.setdefault(name, UNKNOWN)
            escape(value)
        elif keyword is not None:
            out[keyword] = value
        elif star or hidden or many:
            many.append(value)
        elif positional:
            out[positional.pop(0)] = value
        else:
            rest.append(value)
    if isinstance(params.star_arg, cst.Param) and not hidden and (not many or (len(many) == 1 and not rest)):
        # One by one, or a list of unknown length that is passed on whole.
        whole = many[0] if many else None
        elem = Seq("tuple", None, whole.elem) if isinstance(whole, Seq) else Seq("tuple", rest)
        out[params.star_arg.name.value] = elem
        return out
    for value in (*rest, *many):
        escape(value)
    if isinstance(params.star_arg, cst.Param):
        out[params.star_arg.name.value] = Seq("tuple")
    return out


def _spread(args: Args) -> Iterator[tuple[str, str | None, Value]]:
    """Star, keyword and value of each argument, those of a list of known length one by one."""
    for arg, value in args:
        if arg.star == "*" and isinstance(value, Seq) and value.items is not None:
            yield from (("", None, item) for item in value.items)
        else:
            yield arg.star, arg.keyword.value if arg.keyword is not None else None, value


def _unset(it: Interpreter, func: Func, args: Args, *, bound: bool) -> set[str]:
    """The parameters of whose arguments nothing is known because nobody called the caller so far.

    Functions of a Keras program that take tensors are called by what builds the model, which may stand below them.
    """
    caller = it.func
    if it.direction != "tf2torch" or caller is None or caller.callers:
        return set()
    if not unset_parameters(caller):
        return set()
    marks: Args = [(a, Const(_holds_unknown(v))) for a, v in args]
    return {n for n, v in (bind_user(func, marks, bound=bound) or {}).items() if v == Const(True)}


def unset_parameters(func: Func) -> set[str]:
    """The parameters of which nothing is known because no call was seen."""
    params = func.node.params
    every = (*params.posonly_params, *params.params, *params.kwonly_params)
    return {p.name.value for p in every if p.default is None and p.name.value not in func.passed}


def _holds_unknown(value: Value) -> bool:
    return value is UNKNOWN or (isinstance(value, Seq) and any(v is UNKNOWN for v in value.items or [value.elem]))


def call_user(it: Interpreter, func: Func, args: Args, *, bound: bool) -> Value:
    """Call a function of the project: widen its parameters, run it if that changed anything."""
    passed = bind_user(func, args, bound=bound)
    indirect = it.contained or any(a.star for a, _ in args)
    if it.func is not None:
        func.callers.add(it.func)
        it.func.calls.add(func)
    else:
        func.callers.add(None)
    changed = False
    unset = _unset(it, func, args, bound=bound)
    for name, value in (passed or {}).items():
        if name in unset:
            continue
        if indirect:
            it.facts.flows.append((value, func, name, it.run_key()))
        old = func.passed.get(name)
        if name in func.guessed and value is not UNKNOWN:
            func.guessed.discard(name)
            old = None
        new = _joined(it, func, name, _shown(it, _own(it, value)), args[0][0] if args else None, old)
        if isinstance(new, Tensor) and new.rank is None and name in func.ranks:
            new = of_rank(new, func.ranks[name])
        if old is None or not same(old, new):
            changed = True
        func.passed[name] = new
    if not func.runs or (changed and func.runs < 3 and not func.running):
        result = it.run_function(func)
    else:
        if changed:
            it.invalidate(func)
        result = func.returns if func.returns is not None else UNKNOWN
    own_steps(it, func, passed or {})
    own = _own(it, result)
    if it.direction == "torch2tf" and func.returned[1:] == [] and func.kind != "property":
        returned(result, own, func.start, passed or {})
    return _for_this_call(it, func, passed) or _like_argument(it, func, passed or {}, own)


def _like_argument(it: Interpreter, func: Func, passed: dict[str, Value], result: Value) -> Value:
    """What a function gives that takes tensors of several ranks, and hands on the axes of what it is given."""
    if not isinstance(result, Tensor) or result.rank is not None or it.direction != "torch2tf":
        return result
    given = given_tensor(it, func, passed)
    if given is None:
        if func.like_argument:  # it was taken for one when less was known
            func.like_argument = False
            for caller in func.callers:
                it.invalidate(caller)
        return result
    func.like_argument = True
    return Tensor(given.rank, given.dims, result.dtype, storage=result.storage)


def _shown(it: Interpreter, value: Value) -> Value:
    """What a demonstration under ``if __name__ == "__main__":`` passes to a Keras model: others bring other sizes."""
    demo = it.direction == "tf2torch" and it.demonstrating and it.func is None
    if demo and isinstance(value, Tensor) and value.dims is not None:
        return Tensor(value.rank, (None,) * len(value.dims), value.dtype, value.layout, value.storage)
    return value


def _joined(it: Interpreter, func: Func, name: str, value: Value, site: Any, old: Value | None) -> Value:
    """What all call sites pass to a parameter. What a site passed in an earlier run, when less was known, is void."""
    if it.direction == "tf2torch":
        return value if old is None else join(old, value)
    sites = func.sites.setdefault(name, {})
    run = it.run_key()
    before = sites.get(site)
    if old is not None and not sites:
        sites["other"] = (None, old)
    here = join(before[1], value) if before is not None and before[0] == run else value
    sites[site] = (run, here)
    known = func.joined.get(name)
    out: Value | None = None
    if known is not None and _settled(known):  # functions that are called in hundreds of places
        if before is None:
            out = join(known, here)
        elif before[1] is here or (type(here) in _FROZEN and before[1] == here):
            out = known
    if out is None:
        for _, one in sites.values():
            out = one if out is None else join(out, one)
    assert out is not None
    func.joined[name] = out
    return out


_FROZEN = frozenset({Const, Num, Api})


def _settled(value: Value) -> bool:
    """Whether nothing that happens to a value can change what it is joined to."""
    return value is UNKNOWN or type(value) in _FROZEN


def _for_this_call(it: Interpreter, func: Func, passed: dict[str, Value] | None) -> Value | None:
    """What a function of one ``return`` that is given a layer returns to this call: ``clones(layer, n)`` is called
    with layers of many classes, and what it gives is of the class that it was given."""
    expression = _only_return(func)
    if expression is None or func.running or not any(_is_module(v) for v in (passed or {}).values()):
        return None
    scope = Scope("function", func.scope.module, func.scope, func=func)
    facts = it.facts
    inner = list(nodes.walk(expression))
    saved = [(d, {n: d[n] for n in inner if n in d}) for d in (facts.values, facts.calls)]
    func.running = True
    with it._in(scope, func):
        initial_parameters(it, func, scope)
        scope.vars.update(passed or {})
        result = it.expr(expression)
    func.running = False
    for known, old in saved:
        for node in inner:
            known.pop(node, None)
        known.update(old)  # type: ignore[arg-type]
    return result


def _only_return(func: Func) -> cst.BaseExpression | None:
    """The expression that a plain function consists of, but for its docstring."""
    if func.owner is not None or not isinstance(func.node, cst.FunctionDef):
        return None
    lines = list(func.node.body.body)
    last = lines[-1].body[-1] if isinstance(lines[-1], cst.SimpleStatementLine) else lines[-1]
    first = lines[0].body[0] if isinstance(lines[0], cst.SimpleStatementLine) else None
    doc = isinstance(first, cst.Expr) and isinstance(first.value, cst.SimpleString | cst.ConcatenatedString)
    return last.value if isinstance(last, cst.Return) and len(lines) == 1 + doc else None


def _is_module(value: Value) -> bool:
    return isinstance(value, Instance) and is_layer(value)


def instantiate(it: Interpreter, cls: UserClass, args: Args) -> Instance:
    """Make an instance of a user class: runs its constructor with these arguments."""
    cls.made_in.add(it.func)
    init = cls.find("__init__")
    if isinstance(init, Func):
        call_user(it, init, args, bound=True)
        if init.owner is not None and init.owner is not cls:
            cls.made_in.add(it.func)
    elif not isinstance(init, Func) and _is_dataclass(cls):
        fill_dataclass(cls, args)
    return Instance(cls)


def _is_dataclass(cls: UserClass) -> bool:
    return bool(cls.attrs)


def fill_dataclass(cls: UserClass, args: Args) -> None:
    """What a constructor that nobody wrote sets: the fields, in the order in which the class declares them."""
    fields = _fields(cls)
    for i, (arg, value) in enumerate(args):
        if arg.star:
            return
        name = arg.keyword.value if arg.keyword is not None else fields[i] if i < len(fields) else ""
        owner = next((c for c in cls.mro() if name in c.attrs), cls)
        old = owner.attrs.get(name, UNKNOWN)
        promised = old is UNKNOWN and name not in owner.filled  # the annotation only says that there is one
        if name:
            owner.attrs[name] = value if promised or name not in owner.attrs else join(old, value)
            owner.filled.add(name)


def _fields(cls: UserClass) -> list[str]:
    """The annotated names in the bodies of a class and its bases; the bases' come first."""
    lines = (line for one in reversed(cls.mro()) for line in one.node.body.body)
    small = (s for line in lines if isinstance(line, cst.SimpleStatementLine) for s in line.body)
    names = [s.target.value for s in small if isinstance(s, cst.AnnAssign) and isinstance(s.target, cst.Name)]
    return list(dict.fromkeys(names))


def method_of(it: Interpreter, receiver: Value, func: Func) -> Value:
    """A method looked up on an instance or class: bound, or called at once when it is a property."""
    if func.kind == "property":
        return call_user(it, func, [], bound=True)
    return MethodOf(func, receiver) if func.kind != "staticmethod" else func
