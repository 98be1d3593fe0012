"""Calls: of framework APIs, layers, the project's own functions and classes, and builtins."""

from __future__ import annotations

from contextlib import nullcontext
from typing import TYPE_CHECKING

import libcst as cst

from ..tables.schema import Row
from ..values import (
    BOOL,
    NONE,
    STATIC,
    UNKNOWN,
    Api,
    BoundMethod,
    Const,
    Foreign,
    Func,
    Instance,
    LayoutVar,
    Map,
    MethodOf,
    Num,
    Partial,
    Seq,
    Shape,
    Tensor,
    Union,
    UserClass,
    Value,
    as_tensor,
    elem_of,
    escape,
    join,
    options_of,
    python_type,
    without_none,
)
from . import (  # noqa: F401  (some register)
    einops_results,
    emitted,
    flow,
    keras_graph,
    keras_results,
    layer_results,
    lightning,
    permuting,
    shape_results,
    shapes,
    tf_results,
    training,
)
from .annotations import filled
from .binding import Args, bind_api
from .builtin_calls import BUILTIN_CALLS, cast
from .choose import chosen
from .facts import SAVED, Bound, BoundCall
from .foreign import foreign
from .functions import bind_user, call_user, instantiate
from .layers import call_instance, instance_method
from .math_results import called_type
from .ranks import evidence
from .results import RESULTS
from .sizes import remember

if TYPE_CHECKING:
    from .interp import Interpreter


def call(it: Interpreter, node: cst.Call) -> Value:
    """Evaluate a call: its function, its arguments, then what it gives."""
    it.calling = node.func
    it.keywords = frozenset(a.keyword.value for a in node.args if a.keyword is not None)
    it.positional = tuple(a for a in node.args if a.keyword is None)
    func = it.expr(node.func)
    if it.direction == "tf2torch" and unfollowed(func) and (it.keywords & TOLD or _trains(it, func)):
        it.touch()
    args: Args = [(arg, it.expr(arg.value)) for arg in node.args]
    out: Value | None = None
    options = _callable(options_of(without_none(func)))
    for option in options:
        with it.one_of(options) if len(options) > 1 else nullcontext():
            value = call_value(it, node, option, args)
        out = value if out is None else join(out, value)
    if _through_variable(it, node, func):
        it.facts.calls.pop(node, None)
    it.facts.ambiguous.pop(node.func, None)
    if len(options) > 1 and (other := _not_a_tensor(options)) is not None and node in it.facts.calls:
        it.facts.ambiguous[node.func] = other
        del it.facts.calls[node]
    if out is None or out is UNKNOWN:
        return _inner_module(it, node, func, args)
    return out


def _inner_module(it: Interpreter, node: cst.Call, func: Value, args: Args) -> Value:
    """What an attribute of a module gives that `forward` calls with a tensor: presumably a module, so a tensor."""
    owner = it.func.owner if it.func is not None and it.func.name in it.dialect.forward else None
    own = isinstance(node.func, cst.Attribute) and isinstance(node.func.value, cst.Name)
    if owner is None or not owner.module or not own or func is not UNKNOWN or not args:
        return UNKNOWN
    receiver, given = it.facts.value(node.func.value), args[0][1]  # type: ignore[attr-defined]
    if isinstance(receiver, Instance) and receiver.cls is owner and isinstance(given, Tensor):
        it.touch()
        escape(given)
        return Tensor(layout=LayoutVar(source=True), storage=given.storage | {node})
    return UNKNOWN


def _callable(options: tuple[Value, ...]) -> tuple[Value, ...]:
    """The alternatives that can be called: of a tensor or a tuple, only the tensor has ``argmax``."""
    tensors = tuple(o for o in options if isinstance(o, BoundMethod) and isinstance(o.receiver, Tensor))
    return tensors if tensors and not any(_has_method(o) for o in options if o not in tensors) else options


PLAIN: dict[str, type] = {k.__name__: k for k in (int, float, bool, str, bytes, list, tuple, set)}


def _has_method(option: Value) -> bool:
    """Whether what is called may be a method of something that is no tensor."""
    if not isinstance(option, BoundMethod):
        return True
    owner, name = option.receiver, option.name
    if isinstance(owner, Seq):
        return hasattr(PLAIN.get(owner.kind, list), name)
    if isinstance(owner, Map):
        return hasattr(dict, name)
    if isinstance(owner, Num | Const):
        return hasattr(PLAIN.get(python_type(owner) or "", object), name)
    if isinstance(owner, Shape):
        return name in ("numel", "index", "count", "as_list")
    if isinstance(owner, Instance) and isinstance(owner.cls, UserClass):  # which has no such method of its own
        return any(not isinstance(base, UserClass) for cls in owner.cls.mro() for base in cls.bases)
    return True


def _not_a_tensor(options: tuple[Value, ...]) -> str | None:
    """What a method may be called on beside a tensor, in words; ``None`` if there is no tensor, or nothing else."""
    others = [o for o in options if not (isinstance(o, BoundMethod) and isinstance(o.receiver, Tensor))]
    if not others or len(others) == len(options):
        return None
    owner = getattr(others[0], "receiver", UNKNOWN)
    if isinstance(owner, Instance):
        return owner.cls.name
    return getattr(owner, "kind", None) or python_type(owner) or "object of another class"


def _through_variable(it: Interpreter, node: cst.Call, func: Value) -> bool:
    """Whether an API is called through a variable: what the variable holds is translated where it is set."""
    if isinstance(func, Partial):
        return isinstance(func.func, Api)
    if isinstance(func, Api):
        return node.func not in it.facts.direct and func.name.split(".", 1)[0] in it.dialect.roots
    return isinstance(func, Union) and any(isinstance(o, Api | Partial) for o in func.options)


def call_value(it: Interpreter, node: cst.Call, func: Value, args: Args) -> Value:
    """Call one possible value of the function."""
    if isinstance(func, Api):
        return call_api(it, node, func.name, args)
    if isinstance(func, BoundMethod):
        return call_method(it, node, func, args)
    if isinstance(func, Func):
        it.facts.results.append((node, func))
        result = call_user(it, func, args, bound=False)
        mutated(it, node, func, args, bound=False)
        return result
    if isinstance(func, MethodOf):
        return _call_method_of(it, node, func, args)
    if isinstance(func, UserClass):
        it.touch()
        made = instantiate(it, func, args)
        return permuting.made(it, func, node, args) or training.made(made, node)
    if isinstance(func, Instance):
        return call_instance(it, node, func, args)
    if isinstance(func, Foreign) and func.closed:
        return func
    if isinstance(func, Partial):
        given: Args = [(cst.Arg(cst.Name("partial")), v) for v in func.args]
        named: Args = [(cst.Arg(cst.Name("partial"), keyword=cst.Name(k)), v) for k, v in func.keywords.items()]
        with it.inside():
            return call_value(it, node, func.func, [*given, *args, *named])
    return UNKNOWN


def unfollowed(func: Value) -> bool:
    """Whether nothing is known of what is called, or of the object whose method it is."""
    return func is UNKNOWN or (isinstance(func, BoundMethod) and func.receiver is UNKNOWN)


TRAINING = frozenset({"fit", "evaluate", "predict", "train_on_batch", "test_on_batch", "predict_on_batch"})
"""Methods that models of Keras have, and objects of few other libraries."""


def _trains(it: Interpreter, func: Value) -> bool:
    """Whether a method of something unknown may train a model of Keras."""
    return isinstance(func, BoundMethod) and func.name in TRAINING and it.scope.module in it.frameworks


TOLD = frozenset({"training", "epochs", "batch_size", "callbacks", "validation_data", "verbose", "optimizer", "loss",
                  "metrics"})  # fmt: skip
"""Arguments by which Keras's models are known where they are called, and told to train."""


def _call_method_of(it: Interpreter, node: cst.Call, func: MethodOf, args: Args) -> Value:
    it.facts.results.append((node, func.func))
    result = call_user(it, func.func, args, bound=True)
    mutated(it, node, func.func, args, bound=True)
    if isinstance(func.receiver, Instance) and func.func.name in it.dialect.forward:
        it.touch()
    return result


# -- framework APIs ------------------------------------------------------------------------------------


def row_for(it: Interpreter, name: str, call: BoundCall) -> Row | None:
    """The row that applies, if it is known which."""
    return chosen(it.tables.find(name), call)


def call_api(it: Interpreter, node: cst.Call, name: str, args: Args, receiver: Bound | None = None) -> Value:
    root = name.split(".", 1)[0]
    if root not in it.dialect.roots:
        handler = BUILTIN_CALLS.get(name)
        if handler is None and root == "numpy":
            return Instance(Api("numpy.ndarray"))
        return handler(it, node, args) if handler is not None else foreign(name)
    it.touch()
    name = it.tables.canonical(name)
    signature = it.tables.source.get(name)
    bound = bind_api(name, node, signature, args, receiver)
    bound.module = it.scope.module
    if emitted.looks_for_channels(it, name) and "data_format" not in bound.args:
        kind = emitted.helpers_format(it.facts, it.scope.module)
        if kind is not None:  # the default of all helpers that look for channels
            bound.args["data_format"] = Bound(node.func, Const(kind))
    it.facts.calls[node] = bound
    if name in it.dialect.parameter_types:
        bound.result = _parameter(bound)
    elif name == "torch.jit.annotate":
        bound.result = cast(it, node, args)
    elif (rows := it.tables.find(name)) and rows[0].returns == "alias":
        bound.result = RESULTS["alias"](bound)
        remember("alias", bound)
    elif rows and rows[0].returns == "wrapped":
        params = [p.name for overload in signature.overloads for p in overload] if signature is not None else []
        first = next((bound.args[p] for p in params if p in bound.args), next(iter(bound.args.values()), None))
        bound.result = first.value if first is not None and not first.star else UNKNOWN
    elif rows and rows[0].returns == "called" and args:
        plain = [a for a in args[1:] if a[0].keyword is None]
        inner = cst.Call(args[0][0].value)
        it.facts.handed[inner] = node
        bound.result = call_value(it, inner, without_none(args[0][1]), plain)
    elif rows and rows[0].returns == "lightning":
        bound.result = lightning.run(it, bound)
    elif rows and rows[0].returns in flow.FLOWS:
        bound.result = flow.FLOWS[rows[0].returns](it, bound)
    elif (made := called_type(bound)) is not None:
        bound.result = made
    elif signature is not None and signature.kind == "class":
        bound.result = make_instance(it, name, bound, args)
    else:
        row = row_for(it, name, bound)
        if row is not None:
            seen = keras_graph.view(row, bound) if it.direction == "tf2torch" else bound
            evidence(it, seen, row)
            ours = name.startswith(emitted.PLACE)
            bound.result = keras_graph.emitted_result(row, bound) if ours else RESULTS[row.returns](seen)
            if it.direction == "tf2torch":
                keras_graph.unify(row, seen, bound.result)
            else:
                remember(row.returns, bound)
    inplace_argument(it, node, bound)
    return bound.result


def mutated(it: Interpreter, node: cst.Call, func: Func, args: Args, *, bound: bool) -> None:
    """A call changes what it passes to parameters that the function changes in place."""
    if func.mutates:
        place = handed_back(func, node, bound=bound) if it.effect is node else None
        for name, value in (bind_user(func, args, bound=bound) or {}).items():
            tensor = without_none(value)
            drawn = name not in func.rewritten and (
                value is UNKNOWN or (isinstance(tensor, Tensor) and tensor.variable)
            )
            if name not in func.mutates or drawn:
                continue
            it.touch()
            it.rebinding = frozenset({place.value}) if place is not None else it.rebinding
            it.changed_in_place(node, Tensor() if value is UNKNOWN else value)
            if value is UNKNOWN and place is None and node in it.facts.inplace:
                it.facts.inplace[node].seen = True  # whoever holds it
        if place is not None:
            _take_back(it, node, place)


def handed_back(func: Func, node: cst.Call, *, bound: bool) -> cst.Name | None:
    """The name of the tensor that a function changes in place and returns, whichever way it is left."""
    if len(func.mutates) != 1 or not isinstance(func.node, cst.FunctionDef):
        return None
    (name,) = func.mutates
    finder = _Returns()
    func.node.body.visit(finder)
    last = func.node.body.body[-1]
    ends = isinstance(last, cst.SimpleStatementLine) and isinstance(last.body[-1], cst.Return)
    if not ends or not all(isinstance(r, cst.Name) and r.value == name for r in finder.found):
        return None
    names = [p.name.value for p in (*func.node.params.posonly_params, *func.node.params.params)][bound:]
    for i, arg in enumerate(node.args):
        if arg.star:
            return None
        if (arg.keyword.value if arg.keyword is not None else names[i] if i < len(names) else "") == name:
            return arg.value if isinstance(arg.value, cst.Name) else None
    return None


class _Returns(cst.CSTVisitor):
    def __init__(self) -> None:
        self.found: list[cst.BaseExpression | None] = []

    def visit_Return(self, node: cst.Return) -> None:
        self.found.append(node.value)

    def visit_FunctionDef(self, node: cst.FunctionDef) -> bool:
        return False


def _take_back(it: Interpreter, node: cst.Call, place: cst.Name) -> None:
    """The translation binds the name to what the function returns."""
    it.touch()
    it.rebinding = frozenset()
    it.facts.handed_back[node] = place
    tensor = as_tensor(it.facts.value(place))
    if tensor is not None:
        new = Tensor(tensor.rank, tensor.dims, tensor.dtype, tensor.layout, variable=tensor.variable)
        it.scope.bind(place.value, new)


def inplace_argument(it: Interpreter, node: cst.Call, bound: BoundCall) -> None:
    """``inplace=True`` changes the input's memory, and so does `F.relu_`; as a statement it is an assignment."""
    if not changes_input(bound):
        return
    from .statements import base_name, replace

    first = "tensor" if draws(bound) else "input"
    value, given = bound.value(first), bound.args.get(first)
    tensor = without_none(value)
    if draws(bound) and not (isinstance(tensor, Tensor) and not tensor.variable):
        return  # the weights of a layer, and variables, stay where they are
    place = given.node if given is not None and it.effect is node else None
    place = undated(place) if draws(bound) and place is not None else place
    if isinstance(place, cst.Name | cst.Attribute):
        it.rebinding = base_name(place)
    it.changed_in_place(node, value, _drawn_name(given.node) if draws(bound) and given is not None else "")
    if isinstance(place, cst.Name | cst.Attribute) and isinstance(tensor, Tensor):
        it.rebinding = frozenset()
        replace(it, place, tensor)


def changes_input(bound: BoundCall) -> bool:
    """Whether a function certainly changes its input."""
    asked = bound.args.get("inplace") is not None and bound.args["inplace"].value == Const(True)
    return asked or works_in_place(bound.api) or draws(bound)


def draws(bound: BoundCall) -> bool:
    """Whether a function gives its argument new values: ``torch.nn.init.uniform_``."""
    return bound.api.startswith("torch.nn.init.") and bound.api.endswith("_")


DRAWN = frozenset({"normal_", "uniform_", "zero_", "fill_"})
"""Methods by which ``p.data`` gets new values."""


def undated(node: cst.BaseExpression) -> cst.BaseExpression:
    """``p`` of ``p.data``, which shares its memory."""
    while isinstance(node, cst.Attribute) and node.attr.value == "data":
        node = node.value
    return node


def _drawn_name(node: cst.BaseExpression) -> str:
    """The name of what is drawn anew."""
    plain = undated(node)
    return plain.value if isinstance(plain, cst.Name) else ""


def works_in_place(api: str) -> bool:
    """Whether a function by its name changes its input: ``torch.relu_``, ``torch.nn.functional.elu_``."""
    module, _, name = api.rpartition(".")
    return name.endswith("_") and not name.startswith("_") and module in ("torch", "torch.nn.functional")


def _parameter(bound: BoundCall) -> Value:
    if bound.api == "tf.Variable":
        return RESULTS["tf_variable"](bound)
    data = bound.args.get("data") or bound.args.get("initializer")
    tensor = as_tensor(data.value) if data is not None else None
    if tensor is None:
        return Tensor(dtype="float", variable=True)
    dims = tuple(STATIC if d is None else d for d in tensor.dims) if tensor.dims is not None else None
    return Tensor(tensor.rank, dims, tensor.dtype, variable=True)


def make_instance(it: Interpreter, name: str, bound: BoundCall, args: Args) -> Value:
    """An object of a framework class, with its constructor's values; containers know their layers."""
    values = {n: b.value for n, b in bound.args.items()}
    kind = it.dialect.containers.get(name)
    if it.direction == "tf2torch" and (kind is None or name == "keras.Sequential"):
        return keras_graph.made(it, bound, Instance(Api(name), values))
    if kind is None:
        return training.made(Instance(Api(name), values, None, training.yields(it, bound)), bound.node)
    children, elem = listed_layers([(a.star, v) for a, v in args])
    made = Instance(Api(name), values, children, elem, frozenset({bound.node}))
    made.first = first_layer([(a.star, v) for a, v in args])
    if kind in ("dict", "sequential") and args and isinstance(args[0][1], Map) and args[0][1].items is not None:
        made.args = {str(k): v for k, v in args[0][1].items.items()}
    return made


def first_layer(args: list[tuple[str, Value]]) -> Value | None:
    """The first layer that a container is given."""
    if not args:
        return None
    star, value = args[0]
    if isinstance(value, Seq) and (star or value.kind == "list"):
        return value.head()
    return value if isinstance(value, Instance) else None


def listed_layers(args: list[tuple[str, Value]]) -> tuple[list[Value] | None, Value]:
    """The layers in a container's arguments: one by one if known, and what each of them is."""
    children: list[Value] | None = []
    elem: Value | None = None
    for star, value in args:
        many = bool(star) or isinstance(value, Seq | Map)
        items = getattr(value, "items", None) if many else [value]
        if isinstance(items, dict):
            items = list(items.values())
        if items is not None and children is not None:
            children += items
        else:
            children = None
        one = elem_of(value) if many else value
        elem = one if elem is None else join(elem, one)
    return children, elem if elem is not None else UNKNOWN


# -- methods ---------------------------------------------------------------------------------------------


def call_method(it: Interpreter, node: cst.Call, method: BoundMethod, args: Args) -> Value:
    owner, name = method.receiver, method.name
    receiver = node.func.value if isinstance(node.func, cst.Attribute) else node.func
    if isinstance(owner, Tensor):
        return _tensor_method(it, node, owner, name, receiver, args)
    if isinstance(owner, Shape):
        it.touch()
        if name == "as_list" and it.direction == "tf2torch":
            return owner
        return {"numel": RESULTS["dim"](BoundCall("", node)), "index": RESULTS["int"](BoundCall("", node))}.get(
            name, UNKNOWN
        )
    if isinstance(owner, Seq):
        return _list_method(it, receiver, owner, name, args)
    if isinstance(owner, Map):
        return _dict_method(owner, name, args)
    if isinstance(owner, Instance):
        return instance_method(it, node, owner, name, args)
    if owner is UNKNOWN and name == "save_for_backward" and it.func is not None and it.func.owner is not None:
        known = None if any(a.star for a, _ in args) else [_fresh(v) for _, v in args]
        it.func.owner.attrs[SAVED] = Seq("tuple", known, Tensor())
    if isinstance(owner, Const | Api) and name in ("format", "join", "lower", "upper", "strip", "replace"):
        return RESULTS["str"](BoundCall("", node))
    return UNKNOWN


def _fresh(value: Value) -> Value:
    """A tensor like another, in memory of its own."""
    tensor = as_tensor(value) or Tensor()
    return NONE if value == NONE else Tensor(tensor.rank, tensor.dims, tensor.dtype, LayoutVar(source=True))


def _tensor_method(
    it: Interpreter, node: cst.Call, owner: Tensor, name: str, receiver: cst.BaseExpression, args: Args
) -> Value:
    it.touch()
    full = f"{it.dialect.tensor}.{name}"
    if full not in it.tables.source and f"tf.Variable.{name}" in it.tables.source:
        full = f"tf.Variable.{name}"
    if name.endswith("_") and not name.startswith("_"):
        escape(owner)
        drawn = name in DRAWN and undated(receiver) is not receiver
        it.changed_in_place(node, owner, _drawn_name(receiver) if drawn else "")
        if not it.tables.find(full):
            full = full[:-1]
        call_api(it, node, full, args, Bound(receiver, owner))
        it.facts.calls[node].api = f"{it.dialect.tensor}.{name}"
        from .statements import replace

        if it.effect is node:
            replace(it, receiver, owner)
        return Tensor(owner.rank, owner.dims, owner.dtype, owner.layout, variable=owner.variable)
    return call_api(it, node, full, args, Bound(receiver, owner))


def _list_method(it: Interpreter, receiver: cst.BaseExpression, owner: Seq, name: str, args: Args) -> Value:
    if name in ("append", "insert", "add", "extend") and args:
        value = args[-1][1]
        many = name == "extend"
        item = filled(elem_of(value) if many else value, owner.promise)
        head = value.head() if many and isinstance(value, Seq) else item
        longer = owner.added(item, head) if name != "insert" else Seq(owner.kind, None, join(elem_of(owner), item))
        longer.promise = owner.promise
        if isinstance(receiver, cst.Name):
            it.scope.bind(receiver.value, longer)
        # Other names of the list see the change, too.
        owner.first = longer.first if owner.items == [] or name == "insert" else owner.head()
        owner.items, owner.elem = None, longer.elem
        return NONE
    if name == "pop":
        return elem_of(owner)
    if name == "copy":
        return Seq(owner.kind, owner.items and list(owner.items), owner.elem, owner.first, owner.promise)
    return UNKNOWN


def _dict_method(owner: Map, name: str, args: Args) -> Value:
    if name in ("get", "pop", "setdefault") and args:
        key = args[0][1]
        found = owner.items.get(key.value) if owner.items is not None and isinstance(key, Const) else None
        value = found if found is not None else elem_of(owner)
        return join(value, args[1][1]) if len(args) > 1 else value
    if name == "values":
        return Seq("list", None, elem_of(owner))
    if name == "items":
        return Seq("list", None, Seq("tuple", [UNKNOWN, elem_of(owner)]))
    if name == "update":
        old = [elem_of(owner)] if owner.items != {} else []
        every = [*old, *(filled(v if a.keyword is not None else elem_of(v), owner.promise) for a, v in args)]
        owner.items, owner.elem = None, every[0] if every else UNKNOWN
        for value in every[1:]:
            owner.elem = join(owner.elem, value)
    return UNKNOWN


# -- objects -----------------------------------------------------------------------------------------------


def truth(value: Value) -> Value:
    return Const(bool(value.value)) if isinstance(value, Const) else BOOL
