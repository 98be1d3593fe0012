"""Calls of layers, containers and modules, and of the methods that these inherit."""

from __future__ import annotations

from functools import reduce
from typing import TYPE_CHECKING

import libcst as cst

from ..values import (
    NONE,
    UNKNOWN,
    Api,
    Const,
    Func,
    Instance,
    LayoutVar,
    Seq,
    Tensor,
    Union,
    UserClass,
    Value,
    as_tensor,
    elem_of,
    escape,
    join,
    options_of,
    without_none,
)
from . import image_results, keras_graph, keras_masks, permuting
from .binding import Args, bind_api
from .emitted import PLACE, helpers_format, looks_for_channels
from .facts import Bound, BoundCall, Pass
from .functions import call_user, fill_dataclass, is_layer
from .made_names import made_name
from .ranks import evidence, ranked_parameter
from .results import RESULTS
from .sizes import remember
from .weight_lists import gradients

if TYPE_CHECKING:
    from ..tables.schema import Row
    from ..tables.signatures import Signature
    from .interp import Interpreter


def unwraps(node: cst.Call, owner: Instance) -> bool:
    """Whether ``program.module()`` gives the model of an exported program: a model that wants inputs is not run."""
    if node.args or not isinstance(node.func, cst.Attribute) or node.func.attr.value != "module":
        return False
    forward = owner.cls.find("forward") if isinstance(owner.cls, UserClass) else None
    if not isinstance(forward, Func) or isinstance(forward.node, cst.Lambda):
        return False
    return any(p.default is None for p in forward.node.params.params[1:])


def call_instance(it: Interpreter, node: cst.Call, owner: Instance, args: Args) -> Value:
    """``layer(x)``."""
    from .calls import mutated

    it.touch()
    if unwraps(node, owner):
        return owner
    if it.direction == "tf2torch" and args:
        keras_graph.called(it, node, owner, args[0][1])
        if owner.api == "keras.Model" and "outputs" in owner.args:
            keras_graph.fed(owner.args.get("inputs", UNKNOWN), args[0][1])
            return owner.args["outputs"]
    if permuting.is_one(owner) and args:
        return permuting.called(it, node, owner, args[0][1])
    if isinstance(owner.cls, UserClass):
        for name in (*it.dialect.forward, "__call__"):
            forward = owner.cls.find(name)
            if isinstance(forward, Func):
                it.facts.results.append((node, forward))
                result = call_user(it, forward, args, bound=True)
                mutated(it, node, forward, args, bound=True)
                if it.direction == "tf2torch" and args:
                    keras_masks.through(owner.cls, args[0][1], result)
                return result
        children = owner.cls.find(STEPS)
        if isinstance(children, Instance):
            return call_container(it, node, children, args)
        base = module_base(owner.cls)
        plain = base is not None and it.direction == "torch2tf" and base not in it.dialect.module_bases
        return call_layer(it, node, Instance(Api(base)), args) if plain and base is not None else UNKNOWN
    if owner.api in it.dialect.containers:
        return call_container(it, node, owner, args)
    if owner.api == keras_graph.LAMBDA and args and it.direction == "tf2torch":
        return keras_graph.call_lambda(it, node, owner, args[0][1])
    if (owner.api or "").startswith(image_results.TRANSFORMS):
        return image_results.call_transform(it, owner, args)
    return call_layer(it, node, owner, args)


def call_container(it: Interpreter, node: cst.Call, owner: Instance, args: Args) -> Value:
    """Run a sequential container."""
    result = _steps(it, node, owner, args)
    if not isinstance(result, Tensor) or it.contained or result.variable or it.direction != "torch2tf":
        return result
    # What comes out may be wanted in another axis order.
    it.facts.exits.setdefault(it.facts.handed.get(node, node), []).append((it.run_key(), result))
    return Tensor(result.rank, result.dims, result.dtype, storage=result.storage, tail=result.tail)


def _steps(it: Interpreter, node: cst.Call, owner: Instance, args: Args) -> Value:
    """Layer by layer where they are known, else assume the last kind's rank."""
    entry = args[0][1] if args else UNKNOWN
    if isinstance(entry, Tensor) and not it.contained and it.direction == "torch2tf":
        # What goes in may stand in another axis order than the argument.
        entry = Tensor(entry.rank, entry.dims, entry.dtype, storage=entry.storage, variable=entry.variable)
    if owner.children is not None:
        value = entry
        for i, child in enumerate(owner.children):
            value = run_layer(it, node, child, (args[0][0], value)) if args else UNKNOWN
            if i == 0:
                _entered(it, args, entry)
        return value
    value = entry
    out: Value | None = None
    firsts = options_of(owner.first) if owner.first is not None else options_of(owner.elem)
    for option in options_of(owner.elem):
        if isinstance(option, Instance) and args:
            given = value
            if isinstance(value, Tensor) and not any(_same_layer(option, f) for f in firsts):
                given = Tensor(value.rank, value.dims, value.dtype, value.layout)
            if isinstance(value, Tensor) and it.direction == "tf2torch":  # which sizes a layer meets is open
                given = Tensor(value.rank, dtype=value.dtype, layout=value.layout)
            with it.one_of(options_of(owner.elem)):
                result = run_layer(it, node, option, (args[0][0], given), loops=True)
            out = result if out is None else join(out, result)
    _entered(it, args, entry)
    if isinstance(value, Tensor) and it.dialect.containers.get(owner.api or "") == "sequential":
        # Of layers that are not all known, a tensor comes out of a tensor: of which rank is open.
        if out is not None and out is not UNKNOWN and _complete(owner.elem):
            return out
        escape(out or UNKNOWN)
        escape(value)
        return Tensor(dtype=value.dtype, layout=LayoutVar(source=True))
    return out if out is not None else UNKNOWN


def _entered(it: Interpreter, args: Args, entry: Value) -> None:
    """What the first layer takes shows the rank of the argument."""
    given = args[0][1] if args else UNKNOWN
    if isinstance(given, Tensor) and isinstance(entry, Tensor) and given.rank is None and entry.rank is not None:
        if not it.contained:
            ranked_parameter(it, args[0][0].value, given, entry.rank)


def run_layer(it: Interpreter, node: cst.Call, layer: Value, arg: tuple[cst.Arg, Value], loops: bool = False) -> Value:
    """Run one layer of a container."""
    from .calls import call_value

    out: Value | None = None
    options = options_of(without_none(layer))
    for option in options:
        with it.inside(), it.one_of(options):
            result = call_value(it, node, option, [arg])
        it.facts.passes.append(Pass(node, option, arg[1], result, it.run_key(), loops))
        out = result if out is None else join(out, result)
    return out if out is not None else UNKNOWN


def _complete(elem: Value) -> bool:
    """Whether every alternative is a known layer."""
    return all(isinstance(option, Instance) for option in options_of(elem))


def _same_layer(a: Instance, b: Value) -> bool:
    return isinstance(b, Instance) and a.cls == b.cls


def _left_out(signature: Signature | None, owner: Instance) -> dict[str, str]:
    """The defaults of what a layer was made without."""
    fitting = (o for o in signature.overloads if owner.args.keys() <= {p.name for p in o}) if signature else ()
    return {p.name: p.default for p in next(iter(fitting), ()) if p.default is not None and p.name not in owner.args}


def _told(row: Row, bound: BoundCall) -> Value:
    bound.result = RESULTS[row.returns](bound)
    remember(row.returns, bound)
    return bound.result


def call_layer(it: Interpreter, node: cst.Call, owner: Instance, args: Args) -> Value:
    """Call a framework layer: its row says what comes out."""
    from .calls import inplace_argument

    assert owner.api is not None
    rows = it.tables.find(owner.api)
    row = rows[0] if rows else None
    signature = it.tables.source.get(owner.api)
    from ..tables import signatures

    called = signature.call if signature is not None else ()
    shape = signatures.Signature(owner.api, "call", called) if called else None
    bound = bind_api(owner.api + ".__call__", node, shape, args, None)
    if "input" not in bound.args:
        first = next(iter(bound.args.values()), bound.varargs[0] if bound.varargs else None)
        if first is not None:
            bound.args["input"] = first
    if row is not None and row.returns != "unknown":
        evidence(it, bound, row)
    bound.args = {**{k: Bound(node, v) for k, v in owner.args.items() if k != "input"}, **bound.args}
    bound.defaults = {**_left_out(signature, owner), **bound.defaults}
    if "data_format" not in bound.args and looks_for_channels(it, owner.api):  # of a user's subclass
        kind = helpers_format(it.facts, it.scope.module)
        bound.args |= {"data_format": Bound(node, Const(kind))} if kind is not None else {}
    told = keras_graph.emitted_result if owner.api.startswith(PLACE) else _told
    bound.result = told(row, bound) if row is not None else UNKNOWN
    if row is not None and it.direction == "tf2torch":
        keras_graph.tailed(row, bound, bound.result)
        if bound.api in keras_graph.AXISLESS:
            keras_graph.carried(bound, bound.result)
        keras_masks.flow(it.facts, bound, node, keras_graph.made_by(owner), bool(it.contained))
    for site in owner.sites:
        it.facts.layer_uses.setdefault(site, []).append((bound.value("input"), it.run_key()))
    given = bound.args.get("input")
    if owner.api == "torch.nn.Module" and given is not None and isinstance(given.value, Tensor):
        # Of a module of no known class a tensor is presumed to come: perhaps what it was given.
        escape(given.value)
        bound.result = Tensor(layout=LayoutVar(source=True), storage=given.value.storage | {node})
    inplace_argument(it, node, bound)
    if it.facts.calls.get(node) is None or it.facts.calls[node].api.endswith("__call__"):
        it.facts.calls[node] = bound
    return bound.result


def instance_method(it: Interpreter, node: cst.Call, owner: Instance, name: str, args: Args) -> Value:
    """Methods that objects inherit from the framework's module class, and of containers and optimizers."""
    from .calls import call_api

    it.touch()
    base = owner.api or module_base(owner.cls)
    if base is None:
        if name == "__init__" and isinstance(owner.cls, UserClass):  # `super().__init__(...)` into a dataclass
            fill_dataclass(owner.cls, args)
        return UNKNOWN
    if base == "numpy.ndarray":
        return UNKNOWN if name in ("item", "tolist") else owner
    if it.tables.find(f"{base}.{name}"):
        receiver = node.func.value if isinstance(node.func, cst.Attribute) else node.func
        call_api(it, node, f"{base}.{name}", args, Bound(receiver, owner))
    if base == "tf.GradientTape" and name == "gradient" and len(args) > 1:
        return gradients(args[1][1])
    if name == "__init__" and isinstance(owner.cls, Api) and owner.api in it.dialect.containers:
        _container_init(it, node, owner, args)
        return NONE
    if name == "add" and owner.api == "keras.Sequential" and args:
        keras_graph.add(it, node, owner, args[0][1])
        return NONE
    if name == "add" and base == "keras.Sequential" and isinstance(owner.cls, UserClass) and args:
        _added(it, node, owner.cls, args[0][1])
        return NONE
    if name in ("append", "insert", "add_module", "extend", "register_module") and args:
        _add_child(it, node, owner, name, args)
        return NONE
    if name in ("register_buffer", "register_parameter") and isinstance(owner.cls, UserClass) and len(args) > 1:
        _register(owner.cls, args)
        return NONE
    if name in ("modules", "children", "named_modules", "named_children", "_flatten_layers"):
        return _walked(it, node, owner, name)
    if name in ("parameters", "buffers"):
        return Seq("list", None, Tensor(dtype="float", variable=True))
    if name in ("named_parameters", "named_buffers"):
        return Seq("list", None, Seq("tuple", [RESULTS["str"](BoundCall("", node)), Tensor(variable=True)]))
    if name in ("values",):
        return Seq("list", None, elem_of(owner))
    if name in ("items",):
        return Seq("list", None, Seq("tuple", [RESULTS["str"](BoundCall("", node)), elem_of(owner)]))
    if name in ("to", "cuda", "cpu", "train", "eval", "float", "double", "half", "requires_grad_", "apply"):
        return owner
    if name in it.dialect.forward:
        return call_instance(it, node, owner, args)
    bound = it.facts.calls.get(node)
    if bound is None and (owner.api or "").split(".", 1)[0] in it.dialect.roots and name != "__init__":
        it.facts.unknown_calls.add(node.func)
    return bound.result if bound is not None else UNKNOWN


def module_base(cls: Value) -> str | None:
    """The framework class that a user class descends from."""
    if isinstance(cls, Api):
        return cls.name
    bases = [b for c in cls.mro() for b in c.bases if isinstance(b, Api)] if isinstance(cls, UserClass) else []
    return next((b.name for b in bases if b.name.split(".", 1)[0] != "builtins"), None)


def _walked(it: Interpreter, node: cst.Call, owner: Instance, name: str) -> Value:
    """What a loop over a module's layers meets: a container's own steps, where only these are asked for."""
    below = name.endswith("children")
    steps = below and owner.api in it.dialect.containers and _complete(elem_of(owner))
    own = _own_layers(owner) if below else []
    layer = elem_of(owner) if steps else reduce(join, own) if own else _any_layer(it, owner)
    if name.startswith("named"):
        return Seq("list", None, Seq("tuple", [RESULTS["str"](BoundCall("", node)), layer]))
    return Seq("list", list(owner.children) if steps and owner.children is not None else None, layer)


STEPS = "<children>"
"""The attribute of a class of the project that holds the layers of the container that it descends from."""
ANY_LAYER = "<any>"
"""Marks the object that stands for whatever layer a walk meets."""


def _any_layer(it: Interpreter, owner: Instance) -> Value:
    """What a walk over all layers may meet: any framework layer, any of the project's."""
    home = it.func.owner if it.func is not None else None
    if any(isinstance(cls, UserClass) and cls.node in it.facts.unmoved for cls in (home, owner.cls)):
        return Instance(Api(next(iter(sorted(it.dialect.module_bases)))))  # none of this program
    known = [Instance(c) for c in it.facts.classes.values() if c.module][:4]
    return Union((Instance(Api(next(iter(sorted(it.dialect.module_bases)))), {ANY_LAYER: Const(True)}), *known))


def _own_layers(owner: Instance) -> list[Value]:
    """The layers that are attributes of an object of the project's, where all of them are seen."""
    if not isinstance(owner.cls, UserClass) or STEPS in owner.cls.attrs:
        return []
    own = [without_none(v) for c in owner.cls.mro() for v in c.attrs.values()]
    layers: list[Value] = [o for v in own for o in options_of(v) if isinstance(o, Instance) and is_layer(o)]
    return layers if UNKNOWN not in own else []


def _container_init(it: Interpreter, node: cst.Call, owner: Instance, args: Args) -> None:
    """``super().__init__(*layers)`` in a subclass of a container."""
    from .calls import first_layer, listed_layers

    if it.func is None or it.func.owner is None:
        return
    if it.direction == "tf2torch" and owner.api == "keras.Sequential":
        it.func.owner.attrs[STEPS] = _begun(it, node, args)
        return
    given = [(a.star, v) for a, v in args]
    children, elem = listed_layers(given)
    new = Instance(owner.cls, {}, children, elem)
    new.first = first_layer(given)
    _brought(it, it.func.owner, "__init__", new)


def _begun(it: Interpreter, node: cst.Call, args: Args) -> Instance:
    """``super().__init__([a, b])`` in a subclass of `keras.Sequential`."""
    given = next((v for a, v in args if a.star != "**" and (a.keyword is None or a.keyword.value == "layers")), None)
    held = Instance(Api("keras.Sequential"), {}, [])
    items = given.items if isinstance(given, Seq) else [] if given is None else None
    for item in items or ():
        keras_graph.add(it, node, held, item)
    if items is None:
        held.children, held.elem = None, elem_of(given or UNKNOWN)
    return held


def _added(it: Interpreter, node: cst.Call, cls: UserClass, layer: Value) -> None:
    """``self.add(layer)`` in a subclass of `keras.Sequential`: what the constructor's own lines add stands in order."""
    held = cls.attrs.get(STEPS)
    if not isinstance(held, Instance):
        return
    body = it.func.node.body if it.func is not None else None
    lines = [part for line in body.body if isinstance(line, cst.SimpleStatementLine) for part in line.body] if (
        isinstance(body, cst.IndentedBlock)) else []  # fmt: skip
    if held.children is not None and not any(isinstance(line, cst.Expr) and line.value is node for line in lines):
        held.elem = reduce(join, held.children) if held.children else held.elem
        held.children = None
    keras_graph.add(it, node, held, layer)


def _brought(it: Interpreter, cls: UserClass, site: object, new: Instance) -> None:
    """One place in the constructors of a container's subclass gives it layers. What the place gave in an earlier run,
    when less was known, is void."""
    given = cls.given.setdefault(STEPS, {})
    func, run = it.run_key()
    before = given.get((site, func))
    if before is not None and before[0] == run:  # in a loop
        new = Instance(new.cls, {}, None, join(elem_of(before[1]), elem_of(new)))
        new.first = before[1].first if isinstance(before[1], Instance) else None
    given[site, func] = (run, new)
    made = [part for _, part in given.values() if isinstance(part, Instance)]
    parts = [part for part in made if part.children != [] or part.elem is not UNKNOWN]
    if len(parts) > 1:
        whole = Instance(made[0].cls, {}, None, reduce(join, [elem_of(part) for part in parts]))
        whole.first = parts[0].first
    else:
        whole = Instance(made[0].cls, {}, parts[0].children, parts[0].elem) if parts else made[0]
        whole.first = parts[0].first if parts else None
    cls.attrs[STEPS] = whole


def extended(it: Interpreter, node: cst.CSTNode, owner: Instance, more: Value) -> None:
    """More layers at the end of a list of layers."""
    _take_in(it, node, owner, elem_of(more))


def _add_child(it: Interpreter, node: cst.Call, owner: Instance, name: str, args: Args) -> None:
    """``append``, ``add_module`` and the like. A container's step is an attribute, too, if it has a name."""
    values = elem_of(args[-1][1]) if name == "extend" else args[-1][1]
    _take_in(it, node, owner, values)
    if name not in ("add_module", "register_module"):
        return
    key = args[0][1]
    if isinstance(owner.cls, UserClass):
        attrs, made = owner.cls.attrs, isinstance(key, Const)
        known = str(key.value) if isinstance(key, Const) else made_name(args[0][0].value)
        attrs[known] = values if made or known not in attrs else join(attrs[known], values)
    elif isinstance(key, Const):
        owner.args = {**owner.args, str(key.value): values}


def _take_in(it: Interpreter, node: cst.CSTNode, owner: Instance, values: Value) -> None:
    if isinstance(owner.cls, UserClass):
        new = Instance(Api("children"), {}, None, values)
        new.first = values
        _brought(it, owner.cls, node, new)
        return
    empty = owner.children == [] and owner.elem is UNKNOWN
    old = elem_of(owner) if owner.children else owner.elem
    owner.elem = values if empty else join(old, values)
    if empty:
        owner.first = values
    owner.children = None


def _register(cls: UserClass, args: Args) -> None:
    key, value = args[0][1], args[1][1]
    tensor = as_tensor(value)
    if tensor is not None:
        value = Tensor(tensor.rank, tensor.dims, tensor.dtype, tensor.layout, variable=True)
    if isinstance(key, Const):
        name = str(key.value)
        cls.attrs[name] = join(cls.attrs[name], value) if name in cls.attrs else value
