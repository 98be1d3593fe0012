"""What the inference needs to know about Keras programs beyond the tables.

Keras finds out the sizes of a layer's weights from what it is called with; PyTorch wants them written. So every
call of a layer is remembered under the call that made the layer, and `input_of` joins what was seen.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import libcst as cst

from .. import nodes
from ..tables.schema import Row
from ..values import (
    SOME,
    UNKNOWN,
    Api,
    Const,
    Dim,
    Func,
    Instance,
    LayoutVar,
    Num,
    Seq,
    Shape,
    Tensor,
    UserClass,
    Value,
    as_tensor,
    elem_of,
    join,
    options_of,
    without_none,
)
from . import weight_lists
from .facts import Bound, BoundCall, Facts

if TYPE_CHECKING:
    from .interp import Interpreter

MADE = "<made>"
"""The entry of an instance's arguments that says which call made it."""
LAMBDA = "keras.layers.Lambda"
STEP = "<step>"
"""The entry of a `TimeDistributed`: what its model takes and gives for one step."""
CHANNELS_FIRST = {3: (0, 2, 1), 4: (0, 3, 1, 2), 5: (0, 4, 1, 2, 3)}
"""For each rank: the logical (channels-last) axis that is stored at each axis of the PyTorch tensor."""


@dataclass(frozen=True, slots=True)
class Made(Value):
    """The call that made a layer."""

    node: cst.CSTNode


def made_by(value: Value) -> cst.CSTNode | None:
    """The call that made a layer, if it is known."""
    mark = value.args.get(MADE) if isinstance(value, Instance) else None
    return mark.node if isinstance(mark, Made) else None


def makers(value: Value) -> frozenset[cst.CSTNode]:
    """The calls that may have made a layer; empty where one of them is not known."""
    sites = [o.sites if isinstance(o, Instance) else frozenset() for o in options_of(without_none(value))]
    return frozenset[cst.CSTNode]().union(*sites) if all(sites) else frozenset()


def demand(tensor: Tensor, perm: tuple[int, ...]) -> bool:
    """Ask for an axis order (``()``: Keras's own); whether it could be granted."""
    root = tensor.layout.find()
    if root.perm is None:
        root.perm = perm
    return root.perm == perm


def together(a: Tensor, b: Tensor) -> bool:
    """Have two tensors in one axis order, unless they already have two."""
    one, other = a.layout.find(), b.layout.find()
    if one.perm is not None and other.perm is not None and one.perm != other.perm:
        return False
    one.unite(other)
    return True


def operated(a: Value, b: Value, out: Value) -> Value:
    """The result of an operator: operands of one rank keep one order, else the larger rank's order is kept."""
    x, y = as_tensor(a), as_tensor(b)
    if weight_lists.met(a, b, out):
        return out
    if isinstance(out, Tensor) and x is not None and y is not None and x.rank is not None and y.rank is not None:
        if x.rank == y.rank:
            together(x, y)
        if out.rank == max(x.rank, y.rank):
            out.layout = (x if x.rank >= y.rank else y).layout
    if isinstance(out, Tensor) and out.rank is None:
        sizes = {last_of(t) for t in (x, y) if t is not None} - {1}
        out.tail = sizes.pop() if len(sizes) == 1 else None
    return out


# -- calls of functions --------------------------------------------------------------------------------


def view(row: Row, call: BoundCall) -> BoundCall:
    """The call with its arguments under their PyTorch names, as the functions in ``results`` expect them."""
    names = {name: spec.to[0] for name, spec in row.args.items() if len(spec.to) == 1}
    out = BoundCall(call.api, call.node, {}, call.varargs, call.extra, call.receiver, call.defaults, call.problem)
    for name, bound in call.args.items():
        out.args[names.get(name, name)] = bound
    return out


def emitted_result(row: Row, call: BoundCall) -> Value:
    """What a helper of the other direction gives: its row tells it in PyTorch's axis order."""
    from .results import RESULTS

    seen, result = view(row, call), RESULTS[row.returns]
    x = as_tensor(seen.value("input"))
    if x is not None and x.rank is None and row.returns.startswith("spatial"):
        x.rank = int(row.returns[len("spatial")]) + 2
        x.dims = (None,) * x.rank
    if row.layout != "channels" or x is None or row.returns.startswith("keras_"):
        return result(seen)
    if is_channels_first(call.args):
        demand(x, ())
        return result(seen)
    perm = CHANNELS_FIRST.get(x.rank or 0)
    if perm is None or x.dims is None:
        return result(seen)
    demand(x, perm)
    seen.args["input"] = Bound(seen.args["input"].node, Tensor(dims=tuple(x.dims[i] for i in perm), dtype=x.dtype))
    out = as_tensor(result(seen))
    if out is None or out.dims is None or len(out.dims) != len(perm):
        return Tensor(dtype=x.dtype)
    dims = tuple(out.dims[perm.index(i)] for i in range(len(perm)))
    return Tensor(dims=dims, dtype=out.dtype, layout=channels_first(len(perm)))


def unify(row: Row, call: BoundCall, result: Value) -> None:
    """Tensors that must keep one axis order: what is joined, and reductions that keep their axes."""
    tailed(row, call, result)
    if weight_lists.carried(call, result):
        return
    if row.returns in SAME_ORDER:
        carried(call, result)
    if isinstance(result, Seq):
        for item in result.items if result.items is not None else [result.elem]:
            if isinstance(item, Tensor):
                demand(item, ())
        return
    if not isinstance(result, Tensor) or result.rank is None:
        return
    if row.returns in ("broadcast", "compare"):
        operated(call.value("input"), call.value("other"), result)
        return
    same: list[Value] = []
    if row.returns == "cat":
        parts = call.value("tensors")
        same = list(parts.items) if isinstance(parts, Seq) and parts.items is not None else [elem_of(parts)]
    elif row.returns.startswith(("reduce", "arg_reduce")) or row.returns in ("expand_as",):
        same = [call.value("input")]
    for value in same:
        tensor = as_tensor(value)
        if tensor is not None and tensor.rank == result.rank:
            together(result, tensor)


SAME_ORDER = frozenset({"same", "same_float", "same_bool", "alias"})
AXISLESS = frozenset(f"keras.layers.{n}.__call__" for n in (
    "Activation", "ReLU", "LeakyReLU", "ELU", "Dropout", "GaussianNoise", "GaussianDropout", "AlphaDropout",
    "Rescaling", "Identity", "ActivityRegularization",
))  # fmt: skip
"""Layers that compute element by element."""


def carried(call: BoundCall, result: Value) -> None:
    """What is computed element by element keeps its axis order."""
    source = as_tensor(call.value("input"))
    if isinstance(result, Tensor) and source is not None and result.rank is not None and result.rank == source.rank:
        together(result, source)


# -- making layers -------------------------------------------------------------------------------------


def made(it: Interpreter, bound: BoundCall, instance: Value) -> Value:
    """Finish an instance: remember its call; a `Sequential` with an input shape runs at once."""
    if not isinstance(instance, Instance):
        return instance
    instance.args[MADE] = Made(bound.node)
    instance.sites = frozenset({bound.node})
    instance.args.update(open_sizes(it, bound))
    for name in ("input_shape", "input_dim", "batch_input_shape", "name"):
        if name in bound.extra:
            instance.args[name] = bound.extra[name].value
    if instance.api == "keras.Sequential":
        layers = bound.args.get("layers")
        items = (
            layers.value.items
            if layers is not None and isinstance(layers.value, Seq)
            else []
            if layers is None
            else None
        )
        instance.children = None
        instance.elem = elem_of(layers.value) if layers is not None else UNKNOWN
        if items is not None:
            instance.children = []
            for item in items:
                add(it, bound.node, instance, item)
    return instance


SIZES = ("filters", "units", "output_dim", "depth_multiplier")
"""The arguments that say how many channels a layer gives."""


def open_sizes(it: Interpreter, bound: BoundCall) -> dict[str, Value]:
    """Sizes that a method's or function's variables decide: callers that are not seen may choose others."""
    func = it.func
    if func is None or (func.owner is None and any(as_tensor(v) is not None for v in func.passed.values())):
        return {}
    out: dict[str, Value] = {}
    for name in SIZES:
        given = bound.args.get(name)
        if given is not None and isinstance(given.value, Const) and not fixed(func, given.node):
            out[name] = Num("int")
    return out


def fixed(func: Func, node: cst.CSTNode) -> bool:
    """Whether an expression means the same in every call of a function: no variable of the function is in it."""
    names = {n.value for n in nodes.walk(node) if isinstance(n, cst.Name)}
    params = getattr(func.node, "params", None)
    own = {p.name.value for p in (*params.params, *params.kwonly_params)} if params is not None else set()
    return not names & (own | func.start.keys() | {"self"})


def declared(layer: Value) -> Tensor | None:
    """The input that a layer's ``input_shape`` promises, or an `Input` itself."""
    if isinstance(layer, Tensor):
        return layer
    if not isinstance(layer, Instance):
        return None
    if layer.api == "keras.layers.InputLayer":
        return shaped(layer.args.get("shape") or layer.args.get("input_shape"), layer.args.get("batch_shape"))
    if "input_dim" in layer.args and isinstance(layer.args["input_dim"], Const) and "output_dim" not in layer.args:
        return Tensor(dims=(None, layer.args["input_dim"].value), dtype="float")
    if "input_shape" in layer.args or "batch_input_shape" in layer.args:
        return shaped(layer.args.get("input_shape"), layer.args.get("batch_input_shape"))
    return None


def shaped(shape: Value | None, batch_shape: Value | None = None, dtype: str = "float") -> Tensor | None:
    """The tensor of a declared shape; the batch is open."""
    whole = batch_shape if batch_shape is not None and batch_shape is not UNKNOWN else None
    value = whole or shape
    if isinstance(value, Const) and isinstance(value.value, tuple):
        value = Seq("tuple", [Const(v) for v in value.value])
    if not isinstance(value, Seq) or value.items is None:
        return None
    dims = tuple(_declared_dim(v) for v in value.items)
    return Tensor(dims=dims if whole is not None else (None, *dims), dtype=dtype)


def _declared_dim(value: Value) -> Dim:
    from .results import dim_of

    return dim_of(value)


def add(it: Interpreter, node: cst.Call, owner: Instance, layer: Value) -> None:
    """Append a layer to a `Sequential`, and run it on what comes out of the layers before."""
    before = owner.args.get("<out>")
    if owner.children is None:
        owner.elem = layer if owner.elem is UNKNOWN else join(owner.elem, layer)
        if isinstance(before, Tensor):  # which sizes it meets is open
            run_next(it, node, owner, layer, Tensor(before.rank, dtype=before.dtype))
        return
    start = declared(layer) if not owner.children else None
    if is_declaration(layer):
        owner.args["<in>"] = owner.args["<out>"] = start or UNKNOWN
        return
    owner.children.append(layer)
    if start is not None:
        owner.args["<in>"] = before = start
    if before is None and len(owner.children) == 1 and _is_embedding(layer):
        before = owner.args["<in>"] = Tensor(2, dtype="int64")
    if before is not None and before is not UNKNOWN:
        run_next(it, node, owner, layer, before)


def run_next(it: Interpreter, node: cst.Call, owner: Instance, layer: Value, before: Value) -> None:
    """Run a layer of a `Sequential` on what the layers before it give."""
    from .calls import call_value

    calls = it.facts.calls.get(node)
    inner = cst.Call(node.func)
    owner.args["<out>"] = call_value(it, inner, layer, [(cst.Arg(cst.Name("x")), before)])
    it.facts.calls.pop(inner, None)
    if calls is not None:
        it.facts.calls[node] = calls


def is_declaration(layer: Value) -> bool:
    """Whether what stands in a `Sequential` only says what comes in."""
    return isinstance(layer, Tensor) or (isinstance(layer, Instance) and layer.api == "keras.layers.InputLayer")


def _is_embedding(layer: Value) -> bool:
    return isinstance(layer, Instance) and layer.api == "keras.layers.Embedding"


# -- calling layers --------------------------------------------------------------------------------------


def called(it: Interpreter, node: cst.CSTNode, layer: Instance, inputs: Value) -> None:
    """Remember what a layer is called with. A user's layer is built with the shape of it."""
    key = layer.cls.node if isinstance(layer.cls, UserClass) else made_by(layer)
    promised = layer.args.get("<in>")
    given = as_tensor(inputs)
    if isinstance(promised, Tensor) and given is not None and given.rank is None:
        given.rank, given.dims = promised.rank, promised.dims
    if key is None:
        return
    it.facts.layer_inputs.setdefault(key, {})[node] = inputs
    inner = layer.args.get("layer")
    if isinstance(inner, Instance) and given is not None and (wrapped := made_by(inner)) is not None:
        step = step_of(given) if layer.api == "keras.layers.TimeDistributed" else given
        it.facts.layer_inputs.setdefault(wrapped, {})[node] = step
    if isinstance(inner, Instance) and given is not None and layer.api == "keras.layers.TimeDistributed":
        if isinstance(inner.cls, UserClass) or inner.api in ("keras.Sequential", "keras.Model"):
            run_step(it, node, layer, inner, step_of(given))
    if isinstance(layer.cls, UserClass):
        build = layer.cls.find("build")
        tensor = as_tensor(inputs)
        if isinstance(build, Func) and tensor is not None:
            from .functions import call_user

            call_user(it, build, [(cst.Arg(cst.Name("input_shape")), Shape(tensor))], bound=True)


def run_step(it: Interpreter, node: cst.CSTNode, layer: Instance, inner: Instance, step: Tensor) -> None:
    """Run the model that a `TimeDistributed` repeats on one step."""
    from .calls import call_value

    call = cst.Call(cst.Name("step"))
    with it.inside():
        result = call_value(it, call, inner, [(cst.Arg(cst.Name("x")), step)])
    it.facts.calls.pop(call, None)
    layer.args[STEP] = Seq("tuple", [step, result])


def call_lambda(it: Interpreter, node: cst.CSTNode, owner: Instance, given: Value) -> Value:
    """What a `Lambda`'s function gives: it takes tensors in Keras's own order, and gives them so."""
    from .calls import call_value
    from .flow import each

    func = without_none(owner.args.get("function", UNKNOWN))
    if not isinstance(func, Func):
        return UNKNOWN
    if not isinstance(given, Seq) and as_tensor(given) is None:
        return UNKNOWN
    with it.inside():
        result = call_value(it, cst.Call(cst.Name("function")), func, [(cst.Arg(cst.Name("x")), each(given, plain))])
    out = each(result, plain)
    first = out.items[0] if isinstance(out, Seq) and out.items else out
    if isinstance(first, Tensor) and keras_mask(given):
        first.mask = SOME
    return out


def plain(tensor: Tensor) -> Tensor:
    """A tensor in Keras's own order."""
    return Tensor(tensor.rank, tensor.dims, tensor.dtype, LayoutVar(source=True), tail=last_of(tensor))


def keras_mask(value: Value) -> bool:
    """Whether a tensor, or one of a list, has a mask."""
    from .keras_masks import masked

    return masked(value) is not None


def fed(inputs: Value, given: Value) -> None:
    """The tensors that a functional model is applied to stand in the order of its inputs."""
    wanted = inputs.items if isinstance(inputs, Seq) and inputs.items is not None else [inputs]
    found = given.items if isinstance(given, Seq) and given.items is not None else [given]
    for a, b in zip(wanted, found, strict=False):
        x, y = as_tensor(a), as_tensor(b)
        if x is not None and y is not None and x.rank == y.rank:
            together(x, y)


def step_of(tensor: Tensor) -> Tensor:
    """One step of a sequence."""
    dims = (tensor.dims[0], *tensor.dims[2:]) if tensor.dims is not None and len(tensor.dims) > 2 else None
    return Tensor(dims=dims, dtype=tensor.dtype, tail=last_of(tensor))


def stepped(perm: tuple[int, ...]) -> tuple[int, ...]:
    """The axis order of a step, with the steps in front."""
    return (0, 1, *(axis + 1 for axis in perm[1:]))


def input_of(facts: Facts, node: cst.CSTNode) -> Value:
    """What the layer made at a call (or all layers of a class) are called with; unknown where nothing is seen."""
    seen = list(facts.layer_inputs.get(node, {}).values())
    out: Value = seen[0] if seen else UNKNOWN
    for value in seen[1:]:
        out = merged(out, value)
    return out


def merged(a: Value, b: Value) -> Value:
    """Like `join`, but without uniting the axis orders."""
    x, y = as_tensor(a), as_tensor(b)
    if x is None or y is None:
        return a if a is b else UNKNOWN
    if x.dims is None or y.dims is None:
        known = y if x.dims is None else x
        return Tensor(dims=known.dims, dtype=known.dtype, layout=known.layout, tail=agreed(last_of(x), last_of(y)))
    if x.rank != y.rank:
        return Tensor(tail=agreed(last_of(x), last_of(y)))
    dims = tuple(agreed(p, q) for p, q in zip(x.dims, y.dims, strict=True))
    return Tensor(dims=dims, dtype=x.dtype, layout=x.layout)


def agreed(p: Dim, q: Dim) -> Dim:
    """A size that is the same in every call: where a function makes a layer each time it is called, one that is known
    says nothing of the others."""
    return p if p == q else None


def last_of(tensor: Tensor | None) -> Dim:
    """The size of the last axis, which may be known without the rank."""
    if tensor is None:
        return None
    return tensor.dims[-1] if tensor.dims else tensor.tail


def tailed(row: Row, call: BoundCall, result: Value) -> Value:
    """Carry the size of the last axis through what leaves it alone, where the rank is not known."""
    if isinstance(result, Tensor) and result.rank is None and result.tail is None:
        if row.returns in ("same", "same_float", "same_bool", "alias", "keras_norm", "keras_batch_norm", "keras_plain"):
            result.tail = last_of(as_tensor(call.value("input")))
        elif row.returns == "keras_merge":
            from .keras_results import parts_of

            sizes = {last_of(p) for p in parts_of(call)}
            result.tail = sizes.pop() if len(sizes) == 1 else None
    return result


def features(facts: Facts, node: cst.CSTNode, *, first: bool = False) -> int | None:
    """The size of the channel axis of what a layer is called with, the last or (``first``) the one behind the batch,
    where it is one known number."""
    tensor = as_tensor(input_of(facts, node))
    size = last_of(tensor) if not first else tensor.dims[1] if tensor and tensor.dims and len(tensor.dims) > 1 else None
    return size if isinstance(size, int) else None


def is_channels_first(args: Mapping[str, Any]) -> bool:
    """Whether the arguments of a layer or function say that its tensors are in PyTorch's order already.

    Args:
        args: by parameter the values, or what is bound to it.
    """
    given = args.get("data_format")
    return (given.value if isinstance(given, Bound) else given) == Const("channels_first")


def channels_first(rank: int | None) -> LayoutVar:
    """A fresh axis order with the channels moved to the front."""
    return LayoutVar(perm=CHANNELS_FIRST.get(rank or 0))


def input_tensor(call: BoundCall) -> Tensor:
    """What `keras.Input` gives."""
    dtype = call.value("dtype")
    name = dtype.value if isinstance(dtype, Const) and isinstance(dtype.value, str) else "float"
    name = name if not name.startswith("float") else "float"
    return shaped(
        call.value("shape"), call.args["batch_shape"].value if "batch_shape" in call.args else None, name
    ) or (Tensor(dtype=name))


def is_framework_layer(value: Value) -> bool:
    """Whether a value is one of Keras's own layers or models."""
    return isinstance(value, Instance) and isinstance(value.cls, Api) and value.cls.name.startswith("keras.")
