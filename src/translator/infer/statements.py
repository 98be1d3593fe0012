"""The effect of each kind of statement on the environment."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import libcst as cst

from ..values import (
    NONE,
    UNKNOWN,
    Api,
    BoundMethod,
    Const,
    Instance,
    Map,
    Num,
    Seq,
    Shape,
    Tensor,
    Union,
    UserClass,
    Value,
    elem_of,
    escape,
    join,
    options_of,
    unmeasured,
    without_none,
)
from . import leaves, lightning
from .annotations import annotation, filled
from .emitted import stands_for_module
from .functions import define
from .imports import import_from, import_names
from .keras_config import by_format, decided_value
from .keras_given import never_given
from .narrowing import narrow_type
from .sameness import same
from .scope import Scope

if TYPE_CHECKING:
    from .interp import Interpreter


def _line(it: Interpreter, node: cst.SimpleStatementLine | cst.SimpleStatementSuite) -> None:
    for small in node.body:
        handler = SMALL.get(type(small))
        if handler is not None:
            handler(it, small)


def _assign(it: Interpreter, node: cst.Assign) -> None:
    _quiet(it)
    it.rebinding = frozenset(t.target.value for t in node.targets if isinstance(t.target, cst.Name))
    it.rebinding |= _put_back(node)
    value = it.expr(node.value)
    it.rebinding = frozenset()
    value = leaves.bound_leaf(it, node, value)
    if it.direction == "tf2torch":
        value = decided_value(it.facts, node.value, value, inside=it.configuring)
        kept = any(isinstance(t.target, cst.Attribute) for t in node.targets)
        if kept and isinstance(value, Seq | Map):
            it.touch()  # layers that are put into it later have to be found there
    for target in node.targets:
        bind(it, target.target, value)


def _put_back(node: cst.Assign) -> frozenset[str]:
    """The ``x`` of ``x[i] = x[i].add_(1)``: what is changed is assigned to its own place."""
    place = _chain_base(node.value)
    target = node.targets[0].target
    same = len(node.targets) == 1 and isinstance(target, cst.Subscript) and place is not node.value
    return base_name(target) if same and target.deep_equals(place) else frozenset()


def _chain_base(node: Any) -> Any:
    """The ``x`` of ``x.mul_(a).add_(b)``."""
    while isinstance(node, cst.Call) and isinstance(node.func, cst.Attribute) and node.func.attr.value.endswith("_"):
        node = node.func.value
    return node


def _ann_assign(it: Interpreter, node: cst.AnnAssign) -> None:
    promised = annotation(it, node.annotation.annotation)
    value = it.expr(node.value) if node.value is not None else promised
    if it.direction == "tf2torch" and isinstance(node.target, cst.Attribute) and isinstance(value, Seq | Map):
        it.touch()
    if node.value is not None or it.scope.kind == "class" or isinstance(node.target, cst.Attribute):
        _declare(it, node.target, promised)
    if node.value is not None or it.scope.kind == "class":
        bind(it, node.target, filled(value, promised))


def _declare(it: Interpreter, target: cst.BaseExpression, promise: Value) -> None:
    """Remember what an annotation says of an attribute."""
    if isinstance(target, cst.Name) and it.scope.kind == "class" and it.scope.cls is not None:
        it.scope.cls.declared[target.value] = promise
    elif isinstance(target, cst.Attribute) and isinstance(target.value, cst.Name):
        owner = it.scope.lookup(target.value.value)
        if isinstance(owner, Instance) and isinstance(owner.cls, UserClass):
            owner.cls.declared[target.attr.value] = promise


def _aug_assign(it: Interpreter, node: cst.AugAssign) -> None:
    from .expressions import augmented
    from .layers import extended, is_layer

    value = it.expr(node.target)
    other = it.expr(node.value)
    tensor = without_none(value)
    it.facts.values[node] = value
    if isinstance(tensor, Tensor):
        it.touch()
        it.rebinding = base_name(node.target)
        it.changed_in_place(node, tensor)
        it.rebinding = frozenset()
    elif (value is UNKNOWN or isinstance(value, BoundMethod)) and it.scope.module in it.frameworks:
        it.touch()
    if isinstance(tensor, Instance) and is_layer(tensor) and isinstance(node.operator, cst.AddAssign):
        extended(it, node, tensor, other)  # `self.blocks += [...]`
        result: Value = tensor
    else:
        result = augmented(it, node, value, other)
    if tensor is not result and isinstance(tensor, Tensor) and isinstance(result, Tensor):
        tensor.layout.unite(result.layout)
    if isinstance(node.target, cst.Subscript) and isinstance(it.facts.value(node.target.value), Tensor):
        whole = it.facts.value(node.target.value)
        assert isinstance(whole, Tensor)
        escape(whole)
        replace(it, node.target.value, whole)
    else:
        # A buffer or parameter stays what it is: its memory changes.
        keeps = isinstance(tensor, Tensor) and tensor.variable and isinstance(node.target, cst.Attribute)
        bind(it, node.target, value if keeps else result)


def base_name(node: cst.BaseExpression) -> frozenset[str]:
    """The name (or ``.attribute``) that a place is part of."""
    while isinstance(node, cst.Subscript):
        node = node.value
    if isinstance(node, cst.Name):
        return frozenset({node.value})
    return frozenset({"." + node.attr.value}) if isinstance(node, cst.Attribute) else frozenset()


def replace(it: Interpreter, place: cst.BaseExpression, old: Tensor) -> None:
    """The translation puts a new tensor where the source changed one: other memory from here on."""
    new = Tensor(old.rank, old.dims, old.dtype, old.layout, variable=old.variable)
    if isinstance(place, cst.Name):
        it.scope.bind(place.value, new)
    elif isinstance(place, cst.Attribute):
        for owner in options_of(it.facts.value(place.value)):
            if isinstance(owner, Instance) and isinstance(owner.cls, UserClass):
                owner.cls.attrs[place.attr.value] = new


def bind(it: Interpreter, target: cst.BaseExpression, value: Value) -> None:
    """Assign a value to a name, attribute, subscript or a pattern of these."""
    if isinstance(target, cst.Name):
        it.scope.bind(target.value, value)
        it.facts.values[target] = value
    elif isinstance(target, cst.Attribute):
        _bind_attribute(it, target, value)
    elif isinstance(target, cst.Tuple | cst.List):
        _unpack(it, target, value)
    elif isinstance(target, cst.Subscript):
        _bind_item(it, target, value)
    elif isinstance(target, cst.StarredElement):
        bind(it, target.value, Seq("list", None, elem_of(value)))


def _bind_attribute(it: Interpreter, target: cst.Attribute, value: Value) -> None:
    owner = without_none(it.expr(target.value))
    it.facts.values[target] = value
    for one in options_of(owner):
        if not (isinstance(one, Instance) and isinstance(one.cls, UserClass)):
            escape(value)
        else:
            name = target.attr.value
            if name in one.cls.guessed and value is not UNKNOWN:
                one.cls.guessed.discard(name)
                one.cls.attrs.pop(name, None)
            elif value is UNKNOWN and name not in one.cls.attrs and it.direction == "tf2torch" and _before_calls(it):
                one.cls.guessed.add(name)
            set_attribute(it, one.cls, name, value)
    if isinstance(owner, Tensor) or (isinstance(owner, Instance) and owner.api):
        it.touch()


def _before_calls(it: Interpreter) -> bool:
    """Whether a constructor runs without knowing what it will be called with."""
    from .functions import unset_parameters

    return it.func is not None and it.func.name == "__init__" and bool(unset_parameters(it.func) - {"self"})


def set_attribute(it: Interpreter, cls: UserClass, name: str, value: Value) -> None:
    """An attribute is what every function assigns to it: in its last run, for earlier ones knew less."""
    value = unmeasured(value)
    if it.direction == "tf2torch":
        cls.attrs[name] = join(cls.attrs[name], value) if name in cls.attrs else value
        return
    func, run = it.run_key()
    given = cls.given.setdefault(name, {})
    if name in cls.attrs and cls.attrs[name] is not cls.joined.get(name):
        given["other"] = (0, cls.attrs[name])
    old = given.get(func)
    given[func] = (run, join(old[1], value) if old is not None and old[0] == run else value)
    values = [v for _, v in given.values()]
    out = values[0]
    for other in values[1:]:
        out = join(out, other)
    known = cls.attrs.get(name)
    cls.attrs[name] = cls.joined[name] = out
    if known is not None and name in cls.readers and not same(known, out):
        for reader in cls.readers[name] - {it.func}:
            it.invalidate(reader)


def _unpack(it: Interpreter, target: cst.Tuple | cst.List, value: Value) -> None:
    value = without_none(value)
    if any(isinstance(one, Shape | Tensor) for one in options_of(value)):
        it.touch()
    n = len(target.elements)
    star = any(isinstance(e, cst.StarredElement) for e in target.elements)
    for i, element in enumerate(target.elements):
        items = [_nth(one, i, n, star) for one in options_of(value)]
        item = items[0]
        for other in items[1:]:
            item = join(item, other)
        bind(it, element if star and isinstance(element, cst.StarredElement) else element.value, item)


def _nth(value: Value, i: int, n: int, star: bool) -> Value:
    """What the ``i``-th of ``n`` names is bound to."""
    from .expressions import dim_value

    if isinstance(value, Seq) and value.items is not None and len(value.items) == n and not star:
        return value.items[i]
    if isinstance(value, Shape) and not star:
        return dim_value(value, i)
    if isinstance(value, Const) and isinstance(value.value, tuple) and len(value.value) == n:
        return Const(value.value[i])
    return elem_of(value)


def _bind_item(it: Interpreter, target: cst.Subscript, value: Value) -> None:
    from .expressions import slice_values

    owner = it.expr(target.value)
    key = it.expr(target.slice[0].slice.value) if isinstance(target.slice[0].slice, cst.Index) else UNKNOWN
    slice_values(it, target)
    if isinstance(without_none(owner), Tensor):
        it.touch()
        tensor = without_none(owner)
        assert isinstance(tensor, Tensor)
        it.rebinding = base_name(target)
        it.changed_in_place(target, tensor)
        it.rebinding = frozenset()
        escape(tensor)
        replace(it, target.value, tensor)
        if isinstance(target.value, cst.Subscript):  # x[i][j] = v changes x
            whole = without_none(it.facts.value(target.value.value))
            if isinstance(whole, Tensor):
                escape(whole)
                replace(it, target.value.value, whole)
    elif isinstance(owner, Map):
        value = filled(value, owner.promise)
        if owner.items is not None and isinstance(key, Const):
            old = owner.items.get(key.value)
            # One of several layers, where branches set it.
            several = isinstance(old, Instance) and isinstance(value, Instance)
            owner.items[key.value] = join(old, value) if several and old is not None else value
        else:
            owner.elem = join(owner.elem, value) if owner.elem is not UNKNOWN or owner.items else value
            owner.items = None
    elif isinstance(owner, Seq):
        value = filled(value, owner.promise)
        owner.elem = join(elem_of(owner), value)
        owner.items = None
    elif isinstance(owner, Instance) and owner.api in it.dialect.containers:
        it.facts.opened.append(owner)
        owner.elem = value if owner.children == [] else join(elem_of(owner), value)
        owner.children = None
    else:
        escape(value)


def _quiet(it: Interpreter) -> None:
    """Under `torch.no_grad`, where values go matters to gradients, whatever they are."""
    if it.quiet and it.statement is not None:
        it.touch()


def _return(it: Interpreter, node: cst.Return) -> None:
    _quiet(it)
    it.returns.append(it.expr(node.value) if node.value is not None else NONE)
    it.alive = False


def _stop(it: Interpreter, node: Any) -> None:
    for name in ("exc", "test", "msg"):
        child = getattr(node, name, None)
        if isinstance(child, cst.BaseExpression):
            it.expr(child)
    if not isinstance(node, cst.Assert):
        it.alive = False
    else:
        for name, value in narrow(it, node.test, True):
            it.scope.bind(name, value)


def _leave_turn(it: Interpreter, node: cst.Break | cst.Continue) -> None:
    it.exits.append(dict(it.scope.vars))
    it.alive = False


def _expression(it: Interpreter, node: cst.Expr) -> None:
    call = node.value
    _quiet(it)
    if leaves.effect_leaf(it, node):
        return
    place = _chain_base(call)
    if place is not call:
        it.rebinding = base_name(place)
    it.effect = call
    it.expr(call)
    it.rebinding = frozenset()
    if place is not call and isinstance(call, cst.Call) and place is not call.func.value:  # type: ignore[attr-defined]
        changed = without_none(it.facts.value(place))  # x.mul_(a).add_(b) changes x
        if isinstance(changed, Tensor) and isinstance(place, cst.Name | cst.Attribute):
            replace(it, place, changed)


def _global(it: Interpreter, node: cst.Global) -> None:
    it.scope.globals.update(item.name.value for item in node.names)


def _delete(it: Interpreter, node: cst.Del) -> None:
    it.expr(node.target)


# -- compound statements ---------------------------------------------------------------------------


def depends(it: Interpreter, test: cst.BaseExpression, *, sizes: bool = False) -> None:
    """Note that the function at hand goes on as a test says, if that is a tensor's (or with ``sizes`` its sizes')."""
    if it.func is not None and it.direction == "torch2tf" and _of_tensor(it, test, sizes):
        it.facts.branching.add(it.func)


def _of_tensor(it: Interpreter, test: cst.BaseExpression, sizes: bool) -> bool:
    if isinstance(test, cst.UnaryOperation) and isinstance(test.operator, cst.Not):
        return _of_tensor(it, test.expression, sizes)
    if isinstance(test, cst.BooleanOperation):
        return _of_tensor(it, test.left, sizes) or _of_tensor(it, test.right, sizes)
    if isinstance(test, cst.Comparison) and sizes:
        sides = (test.left, *(c.comparator for c in test.comparisons))
        if any(getattr(it.facts.value(side), "dim", False) for side in sides):
            return True
    return isinstance(it.facts.value(test), Tensor)


def is_main(test: cst.BaseExpression) -> bool:
    """``__name__ == "__main__"``."""
    if not isinstance(test, cst.Comparison) or len(test.comparisons) != 1:
        return False
    sides = (test.left, test.comparisons[0].comparator)
    return any(isinstance(s, cst.Name) and s.value == "__name__" for s in sides)


def _if(it: Interpreter, node: cst.If) -> None:
    test = it.expr(node.test)
    depends(it, node.test)
    truth = test.value if isinstance(test, Const) and isinstance(test.value, bool) else None
    outer, demo = it.configuring, it.demonstrating
    it.demonstrating = demo or is_main(node.test)
    it.configuring = outer or (it.direction == "tf2torch" and by_format(it.facts, node.test) is not None)

    never: list[set[str]] = [set(), set()]

    def enter(holds: bool) -> None:
        for name, value in narrow(it, node.test, holds):
            if value is UNKNOWN:
                never[not holds].add(name)
            it.scope.bind(name, value)

    def then() -> None:
        enter(True)
        it.suite(node.body)

    def other() -> None:
        enter(False)
        if isinstance(node.orelse, cst.If):
            it.statement = node.orelse
            _if(it, node.orelse)
        elif node.orelse is not None:
            it.suite(node.orelse.body)

    first = len(it.changes)
    missing = _unset_parameter(it, node.test)
    it.conditions += 1
    paths = [it.branch(then), it.branch(other)]
    it.configuring, it.demonstrating = outer, demo
    it.conditions -= 1
    it.rejoin(first)
    _forget_contradicted(paths, never)
    truth = never_given(it, node) if truth is None else truth
    if truth is not None and paths[not truth][1]:
        it.merge([paths[not truth]])
    else:
        it.merge(paths)
    default = paths[0][0].get(missing, UNKNOWN) if missing and paths[0][1] else UNKNOWN
    declared = without_none(it.facts.value(node.test.left)) if isinstance(node.test, cst.Comparison) else UNKNOWN
    if default is not UNKNOWN and default is not NONE and (declared is UNKNOWN or type(default) is type(declared)):
        it.scope.bind(missing, default)


def _forget_contradicted(paths: list[tuple[dict[str, Value], bool]], never: list[set[str]]) -> None:
    """Where two paths meet, what only a test against a declaration made unknown is what the other path knows."""
    if all(reached for _, reached in paths):
        for i, names in enumerate(never):
            here, there = paths[i][0], paths[1 - i][0]
            here.update({n: there[n] for n in names if here.get(n) is UNKNOWN and n in there})


def _unset_parameter(it: Interpreter, test: cst.BaseExpression) -> str:
    """The parameter of ``if p is None:`` that no caller sets. What ``p`` is then given shows what may stand there."""
    from .evidence import is_parameter

    if not isinstance(test, cst.Comparison) or not isinstance(test.left, cst.Name) or it.func is None:
        return ""
    name, target = test.left.value, test.comparisons[0]
    unset = isinstance(target.operator, cst.Is) and isinstance(target.comparator, cst.Name)
    unset = unset and target.comparator.value == "None" and it.func.passed.get(name, UNKNOWN) is UNKNOWN
    declared = without_none(it.facts.value(test.left))
    vague = declared is UNKNOWN or (isinstance(declared, Seq) and declared.items is None and declared.elem is UNKNOWN)
    return name if unset and vague and is_parameter(it.func, name) else ""


def _loop(it: Interpreter, node: cst.CSTNode, body: Callable[[], None], orelse: cst.Else | None) -> None:
    outer, it.exits = it.exits, []
    for _ in range(2):
        it.statement = node
        end = it.branch(body)
        it.merge([(it.scope.vars, True), end, *((env, True) for env in it.exits)])
    it.exits = outer
    if orelse is not None:
        it.suite(orelse.body)


def _for(it: Interpreter, node: cst.For) -> None:
    values = it.expr(node.iter)
    item = iterated(it, values)
    if isinstance(node.iter, cst.Call) and it.facts.value(node.iter.func) == Api("builtins.range"):
        sizes = [it.facts.value(arg.value) for arg in node.iter.args]
        if it.func is not None and it.direction == "torch2tf" and any(getattr(v, "dim", False) for v in sizes):
            it.facts.branching.add(it.func)

    def body() -> None:
        bind(it, node.target, item)
        it.suite(node.body)

    _loop(it, node, body, node.orelse)


def iterated(it: Interpreter, values: Value) -> Value:
    """What a loop over the value binds at each turn."""
    value = without_none(values)
    if isinstance(value, Tensor):
        it.touch()
    out: Value | None = None
    for one in options_of(value):
        if isinstance(one, Instance):
            it.facts.opened.append(one)
        if isinstance(one, Map):
            item: Value = Num("str") if one.items and all(isinstance(k, str) for k in one.items) else UNKNOWN
        else:
            item = elem_of(one)
        out = item if out is None else join(out, item)
    return out if out is not None else UNKNOWN


def _while(it: Interpreter, node: cst.While) -> None:
    it.expr(node.test)
    depends(it, node.test, sizes=True)

    def body() -> None:
        it.suite(node.body)
        it.statement = node
        it.expr(node.test)

    _loop(it, node, body, node.orelse)


def _with(it: Interpreter, node: cst.With) -> None:
    outer = it.quiet
    for item in node.items:
        value = it.expr(item.item)
        if item.asname is not None:
            bind(it, item.asname.name, value)
        func = it.facts.value(item.item.func) if isinstance(item.item, cst.Call) else UNKNOWN
        it.quiet |= isinstance(func, Api) and func.name.endswith((".no_grad", ".inference_mode"))
    it.suite(node.body)
    it.quiet = outer


def _try(it: Interpreter, node: cst.Try | cst.TryStar) -> None:
    before = (dict(it.scope.vars), True)
    paths = [it.branch(lambda: it.suite(node.body))]
    for handler in node.handlers:
        if handler.type is not None:
            it.expr(handler.type)

        def run(handler: Any = handler) -> None:
            if handler.name is not None:
                bind(it, handler.name.name, UNKNOWN)
            it.suite(handler.body)

        paths.append(it.branch(run))
    if not any(reached for _, reached in paths):
        paths.append(before)
    it.merge(paths)
    for part in (node.orelse, node.finalbody):
        if part is not None:
            it.suite(part.body)


def _function(it: Interpreter, node: cst.FunctionDef) -> None:
    if node in it.facts.emitted:
        it.scope.bind_import(node.name.value, Api(it.facts.emitted[node]))
        return
    func = define(it, node, node.name.value)
    func.decorators = [it.expr(d.decorator) for d in node.decorators]
    for decorator in func.decorators:
        if isinstance(decorator, Api):
            kind = decorator.name.rsplit(".", 1)[-1]
            if kind in ("staticmethod", "classmethod", "property"):
                func.kind = kind
    _signature(it, node.params, node.returns)
    if it.scope.kind == "class" and it.scope.cls is not None:
        func.owner = it.scope.cls
        func.kind = "method" if func.kind == "function" else func.kind
        it.scope.cls.methods[func.name] = func
    it.scope.bind(func.name, func)


def _signature(it: Interpreter, params: cst.Parameters, returns: cst.Annotation | None) -> None:
    every = (*params.posonly_params, *params.params, *params.kwonly_params)
    for param in every:
        if param.default is not None:
            it.expr(param.default)
        if param.annotation is not None:
            annotation(it, param.annotation.annotation)
    if returns is not None:
        annotation(it, returns.annotation)


def _class(it: Interpreter, node: cst.ClassDef) -> None:
    if node in it.facts.emitted:
        it.scope.bind_import(node.name.value, Api(it.facts.emitted[node]))
        return
    cls = it.facts.classes.get(node)
    if cls is None:
        cls = UserClass(node.name.value, node, it.scope)
        it.facts.classes[node] = cls
    bases = [it.expr(arg.value) for arg in node.bases]
    if cls.bases and any(isinstance(b, UserClass) for b in (*bases, *cls.bases)):  # it is met again, in a loop
        for other in it.facts.classes.values():
            other.line = None
    cls.bases = bases
    for decorator in node.decorators:
        it.expr(decorator.decorator)
    for i, base in enumerate(cls.bases):
        if isinstance(base, Api):
            name = it.tables.canonical(base.name)
            if name == lightning.MODULE and (base := lightning.as_module(base, name, node)) is not cls.bases[i]:
                cls.bases[i], cls.attrs["<lightning>"] = base, NONE
                name = "torch.nn.Module"
            cls.module |= (
                name in it.dialect.module_bases
                or (name.startswith("torch.nn.") and it.direction == "torch2tf")
                or stands_for_module(name)
            )
        elif isinstance(base, UserClass):
            cls.module |= base.module
    outer = it.scope
    outer.bind(cls.name, cls)
    it.scope = Scope("class", outer.module, outer, cls=cls)
    it.suite(node.body)
    for name, value in it.scope.vars.items():
        if name not in cls.methods:
            cls.attrs.setdefault(name, value)
    it.scope = outer


def narrow(it: Interpreter, test: cst.BaseExpression, truth: bool) -> list[tuple[str, Value]]:
    """What a test tells about names when it holds (or does not)."""
    if isinstance(test, cst.UnaryOperation) and isinstance(test.operator, cst.Not):
        return narrow(it, test.expression, not truth)
    if isinstance(test, cst.BooleanOperation):
        if isinstance(test.operator, cst.And) == truth:
            return narrow(it, test.left, truth) + narrow(it, test.right, truth)
        return []
    if isinstance(test, cst.Name) and truth:
        value = it.facts.value(test)
        return [(test.value, without_none(value))] if isinstance(value, Union) else []
    if isinstance(test, cst.Comparison) and len(test.comparisons) == 1:
        return _narrow_none(it, test, truth)
    return narrow_type(it, test, truth) if isinstance(test, cst.Call) else []


def _narrow_none(it: Interpreter, test: cst.Comparison, truth: bool) -> list[tuple[str, Value]]:
    target = test.comparisons[0]
    if not (isinstance(test.left, cst.Name) and isinstance(target.comparator, cst.Name)):
        return []
    if target.comparator.value != "None":
        return []
    is_none = isinstance(target.operator, cst.Is | cst.Equal)
    if not is_none and not isinstance(target.operator, cst.IsNot | cst.NotEqual):
        return []
    value = it.facts.value(test.left)
    if is_none == truth:
        return [(test.left.value, NONE)]
    return [(test.left.value, without_none(value))] if isinstance(value, Union) else []


SMALL: dict[type, Callable[[Any, Any], None]] = {
    cst.Assign: _assign, cst.AnnAssign: _ann_assign, cst.AugAssign: _aug_assign, cst.Expr: _expression,
    cst.Return: _return, cst.Raise: _stop, cst.Assert: _stop, cst.Continue: _leave_turn, cst.Break: _leave_turn,
    cst.Import: import_names, cst.ImportFrom: import_from, cst.Global: _global, cst.Del: _delete,
}  # fmt: skip

STATEMENTS: dict[type, Callable[[Any, Any], None]] = {
    cst.SimpleStatementLine: _line, cst.SimpleStatementSuite: _line, cst.If: _if, cst.For: _for, cst.While: _while,
    cst.With: _with, cst.Try: _try, cst.TryStar: _try, cst.FunctionDef: _function, cst.ClassDef: _class, **SMALL,
}  # fmt: skip
