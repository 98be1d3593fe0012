"""Rules for tensors that are made, cast, or taken out of the graph: `zeros`, `arange`, `tensor`, `to`, `item`."""

from __future__ import annotations

from typing import Any

import libcst as cst

from .. import nodes
from ..infer.facts import Bound, BoundCall
from ..infer.results import DTYPES, FLOATS, dtype_of
from ..rewrite.context import Context, Edit, Outcome, Refusal
from ..tables.schema import Row
from ..values import NONE, UNKNOWN, Api, BoundMethod, Const, Instance, Seq, Shape, as_tensor, options_of, python_type
from .named import named, shape_node

PLACEMENT = frozenset({"device", "requires_grad", "pin_memory", "layout", "names", "memory_format", "non_blocking"})
"""Arguments about placement and memory that have no meaning here, whatever their value."""
PLAIN = {"keras.ops.zeros": "tf.zeros", "keras.ops.ones": "tf.ones"}
"""What is written instead where the dtype is given: the same function under its TensorFlow name."""


def foreign(call: BoundCall, allowed: set[str]) -> Refusal | None:
    """An argument that the rule does not know."""
    extra = [n for n in (*call.args, *call.extra) if n not in allowed and n not in PLACEMENT and not _is_none(call, n)]
    return Refusal("XL201", f"{call.api}: argument `{extra[0]}` is not translated") if extra else None


def _is_none(call: BoundCall, name: str) -> bool:
    return name in call.args and call.args[name].value == NONE


def node_of(ctx: Context, call: BoundCall, name: str) -> Any:
    """The rewritten argument; ``None`` where it is absent or None."""
    bound = call.args.get(name)
    return None if bound is None or bound.value == NONE else ctx.updated(bound.node)


def attribute(x: Any, name: str) -> Any:
    return cst.Attribute(nodes.parenthesized(x), cst.Name(name))


def edit(node: Any) -> Edit:
    """An edit that needs what its text names."""
    from .api import needs_of

    return Edit(node, needs_of(nodes.code(node)))


def typed(*args: Any, dtype: Any = None, **keywords: Any) -> dict[str, Any]:
    """Keywords without those that are absent."""
    given = {**keywords, "dtype": dtype}
    return {k: v for k, v in given.items() if v is not None}


# -- by size -------------------------------------------------------------------------------------------


@named("create")
def create(ctx: Context, row: Row, call: BoundCall, node: cst.Call, new: cst.Call) -> Outcome:
    """``torch.zeros(2, 3)``: sizes as one tuple, the default dtype left to Keras's float type.

    ``x.new_zeros(2, 3)`` takes its dtype from ``x``.
    """
    problem = foreign(call, {"size", "dtype", "input", "fill_value"})
    if problem is not None:
        return problem
    shape = shape_node(ctx, call, "size")
    dtype = node_of(ctx, call, "dtype")
    if dtype is None and "input" in call.args:
        dtype = attribute(ctx.updated(call.args["input"].node), "dtype")
    name = PLAIN.get(row.tf[0], row.tf[0]) if dtype is not None and _certain_dtype(call) else row.tf[0]
    if "fill_value" not in call.args:
        return edit(nodes.call(name, shape, **typed(dtype=dtype)))
    fill = call.args["fill_value"]
    if dtype is None:
        kind = python_type(fill.value)
        if kind not in ("float", "int", "bool"):
            return Edit(nodes.call("full", shape, ctx.updated(fill.node)), ("helper:full",))
        dtype = {"int": nodes.dotted("tf.int64"), "bool": nodes.dotted("tf.bool")}.get(kind)
    return edit(nodes.call(name, shape, ctx.updated(fill.node), **typed(dtype=dtype)))


def _certain_dtype(call: BoundCall) -> bool:
    """Whether the dtype cannot be None at run time, which only Keras's functions take as the default."""
    bound = call.args.get("dtype")
    return bound is None or isinstance(bound.value, Api | BoundMethod)


@named("random")
def random(ctx: Context, row: Row, call: BoundCall, node: cst.Call, new: cst.Call) -> Outcome:
    """``rand``, ``randn`` and their ``_like`` forms: `keras.random` with one tuple of sizes."""
    problem = foreign(call, {"size", "dtype", "input", "generator"})
    if problem is not None:
        return problem
    dtype, seed = node_of(ctx, call, "dtype"), seeds(call)
    if isinstance(seed, Refusal):
        return seed
    keywords = typed(dtype=dtype) if seed is None else typed(dtype=dtype, seed=attribute(ctx.updated(seed), "seeds"))
    if "input" in call.args:
        x = ctx.updated(call.args["input"].node)
        keywords.setdefault("dtype", attribute(x, "dtype"))
        return edit(nodes.call(row.tf[0], nodes.call("keras.ops.shape", x), **keywords))
    return edit(nodes.call(row.tf[0], shape_node(ctx, call, "size"), **keywords))


def seeds(call: BoundCall) -> Any:
    """The generator that a random function draws from, if one is given."""
    bound = call.args.get("generator")
    if bound is None or bound.value == NONE:
        return None
    known = isinstance(bound.value, Instance) and bound.value.api == "torch.Generator"
    return bound.node if known else Refusal("XL201", f"{call.api}: it is not known which `generator` this is")


@named("randint")
def randint(ctx: Context, row: Row, call: BoundCall, node: cst.Call, new: cst.Call) -> Outcome:
    """``torch.randint(low, high, size)``: int64 unless a dtype is given."""
    problem = foreign(call, {"size", "dtype", "low", "high", "input", "generator"})
    if problem is not None:
        return problem
    seed = seeds(call)
    if isinstance(seed, Refusal):
        return seed
    more = {} if seed is None else {"seed": attribute(ctx.updated(seed), "seeds")}
    if "high" not in call.args:
        return Refusal("XL202", f"{call.api}: {call.problem}")
    low = node_of(ctx, call, "low") or nodes.literal(0)
    dtype = node_of(ctx, call, "dtype")
    if "input" in call.args:
        x = ctx.updated(call.args["input"].node)
        shape: Any = nodes.call("keras.ops.shape", x)
        dtype = dtype if dtype is not None else attribute(x, "dtype")
    else:
        shape = shape_node(ctx, call, "size")
    dtype = dtype if dtype is not None else nodes.literal("int64")
    return edit(nodes.call(row.tf[0], shape, low, ctx.updated(call.args["high"].node), dtype=dtype, **more))


@named("normal")
def normal(ctx: Context, row: Row, call: BoundCall, node: cst.Call, new: cst.Call) -> Outcome:
    """``torch.normal(mean, std, size)``; with tensors for mean and std their shape counts."""
    problem = foreign(call, {"mean", "std", "size", "dtype"})
    if problem is not None:
        return problem
    mean, std = (node_of(ctx, call, n) for n in ("mean", "std"))
    if "size" in call.args:
        keywords = {} if mean is None else {"mean": mean}
        if std is not None:
            keywords["stddev"] = std
        return edit(nodes.call("keras.random.normal", shape_node(ctx, call, "size"), **keywords, **typed(
            dtype=node_of(ctx, call, "dtype")
        )))
    if mean is None:
        return Refusal("XL202", f"{call.api}: {call.problem}")
    return Edit(nodes.call("normal", mean, std if std is not None else nodes.literal(1.0)), ("helper:normal",))


# -- ranges --------------------------------------------------------------------------------------------


@named("arange")
def arange(ctx: Context, row: Row, call: BoundCall, node: cst.Call, new: cst.Call) -> Outcome:
    """``torch.arange``: int64 for ints, where TensorFlow would make int32."""
    if call.problem:
        return Refusal("XL202", f"{call.api}: {call.problem}")
    problem = foreign(call, {"start", "end", "step", "dtype"})
    if problem is not None:
        return problem
    bounds = [call.args[n] for n in ("start", "end", "step") if n in call.args]
    args = [cst.Arg(ctx.updated(b.node)) for b in bounds]
    if "step" in call.args and "start" not in call.args:
        args.insert(0, cst.Arg(nodes.literal(0)))
    dtype = node_of(ctx, call, "dtype")
    if dtype is not None:
        return Edit(nodes.call("tf.range", *args, dtype=dtype), ("tf",))
    kinds = {_bound_kind(b) for b in bounds}
    if "float" in kinds:
        dtype = nodes.call("keras.config.floatx")
        return Edit(nodes.call("tf.range", *args, dtype=dtype), ("tf", "keras"))
    if kinds <= {"int"}:
        return Edit(nodes.call("tf.range", *args, dtype=nodes.dotted("tf.int64")), ("tf",))
    return Edit(nodes.call("arange", *args), ("helper:arange",))


def _bound_kind(bound: Bound) -> str | None:
    """``int`` or ``float`` for a number or a tensor of one; ``None`` if it is not known."""
    tensor = as_tensor(bound.value)
    if tensor is None:
        return python_type(bound.value)
    if tensor.dtype is None:
        return None
    return "float" if tensor.dtype in FLOATS else "int"


# -- from data -----------------------------------------------------------------------------------------


@named("tensor")
def tensor(ctx: Context, row: Row, call: BoundCall, node: cst.Call, new: cst.Call) -> Outcome:
    """``torch.tensor(data)``: ints become int64, floats the default float type, arrays keep their dtype."""
    data = next((call.args[n] for n in ("data", "obj") if n in call.args), call.varargs[0] if call.varargs else None)
    if data is None:
        return Refusal("XL202", f"{call.api}: {call.problem or 'no data'}")
    given = call.args.get("dtype") or call.extra.get("dtype")
    value = ctx.updated(data.node)
    if given is not None and given.value != NONE:
        dtype = ctx.updated(given.node)
        if as_tensor(data.value) is not None:
            return Edit(nodes.call("tf.cast", value, dtype), ("tf",))
        if _plain_data(data.value):
            return edit(nodes.call("tf.constant", value, dtype=dtype))
        return Edit(nodes.call("as_tensor", value, dtype), ("helper:as_tensor",))
    if as_tensor(data.value) is not None:
        return edit(value) if row.tf and row.tf[0] == "tf.convert_to_tensor" else edit(nodes.call("tf.identity", value))
    result = as_tensor(call.result)
    kind = result.dtype if result is not None and _plain_data(data.value) else None
    if kind == "int64":
        return edit(nodes.call("tf.constant", value, dtype=nodes.dotted("tf.int64")))
    if kind == "float":
        return edit(nodes.call("tf.constant", value, dtype=nodes.call("keras.config.floatx")))
    if kind == "bool":
        return edit(nodes.call("tf.constant", value))
    return Edit(nodes.call("as_tensor", value), ("helper:as_tensor",))


def _plain_data(value: Any) -> bool:
    """Whether a value is made of nothing but Python numbers."""
    if isinstance(value, Seq):
        if value.items is None:
            return value.elem is not UNKNOWN and _plain_data(value.elem)
        return all(_plain_data(v) for v in value.items)
    return python_type(value) in ("int", "float", "bool")


@named("typed_tensor")
def typed_tensor(ctx: Context, row: Row, call: BoundCall, node: cst.Call, new: cst.Call) -> Outcome:
    """``torch.FloatTensor([1, 2])`` holds data, ``torch.FloatTensor(2, 3)`` has sizes and no values yet."""
    bounds = [b for n, b in call.args.items() if n not in PLACEMENT] + call.varargs
    name = row.torch[0].rsplit(".", 1)[-1]
    short = name.removesuffix("Tensor").lower()
    dtype: Any = nodes.dotted(f"tf.{DTYPES.get(short, short)}") if short else nodes.call("keras.config.floatx")
    if short == "byte":
        dtype = nodes.dotted("tf.uint8")
    if any(b.star for b in bounds) and not all(b.star for b in bounds):
        return Refusal("XL202", f"{call.api}: `*` arguments hide what is passed")
    kinds = {python_type(b.value) for b in bounds}
    if len(bounds) == 1 and bounds[0].value is UNKNOWN and not bounds[0].star:
        value = ctx.updated(bounds[0].node)
        return Edit(nodes.call("sized_or_filled", value, dtype), ("helper:sized_or_filled", *_keras(dtype)))
    if len(bounds) == 1 and not bounds[0].star and not isinstance(bounds[0].value, Shape) and kinds != {"int"}:
        value = ctx.updated(bounds[0].node)
        if as_tensor(bounds[0].value) is not None:
            return edit(nodes.call("tf.cast", value, dtype))
        if _plain_data(bounds[0].value):
            return edit(nodes.call("tf.constant", value, dtype=dtype))
        return Edit(nodes.call("as_tensor", value, dtype), ("helper:as_tensor", *_keras(dtype)))
    if kinds <= {"int", None} and not any(b.star or as_tensor(b.value) for b in bounds):
        # Several arguments can only be sizes.
        call.varargs, call.args = bounds, {}
        return edit(nodes.call("tf.zeros", shape_node(ctx, call, "size"), dtype=dtype))
    return Refusal("XL209", f"{call.api}: it is not known whether these are sizes")


def _keras(node: Any) -> tuple[str, ...]:
    from .api import needs_of

    return needs_of(nodes.code(node))


@named("tuple")
def to_tuple(ctx: Context, row: Row, call: BoundCall, node: cst.Call, new: cst.Call) -> Outcome:
    """``torch.Size(...)`` is a tuple."""
    return Edit(new.with_changes(func=cst.Name("tuple")))


@named("finfo")
def finfo(ctx: Context, row: Row, call: BoundCall, node: cst.Call, new: cst.Call) -> Outcome:
    """``torch.finfo(dtype)``: NumPy's, of the default float type without an argument."""
    bound = next(iter([*call.args.values(), *call.varargs]), None)
    name = "np.finfo" if call.api.endswith("finfo") and not call.api.endswith("iinfo") else "np.iinfo"
    if bound is None:
        return edit(nodes.call(name, nodes.call("keras.config.floatx")))
    if bound.star or isinstance(bound.value, Const):
        return Refusal("XL202", f"{call.api}: its argument is not a dtype")
    return edit(nodes.call(name, attribute(ctx.updated(bound.node), "as_numpy_dtype")))


@named("device")
def device(ctx: Context, row: Row, call: BoundCall, node: cst.Call, new: cst.Call) -> Outcome:
    """``torch.device("cuda")``: its name, which nothing reads any more."""
    bound = next(iter([*call.args.values(), *call.varargs]), None)
    if bound is None or bound.star:
        return Refusal("XL202", f"{call.api}: {call.problem}")
    return Edit(ctx.updated(bound.node))


# -- casts and what leaves the graph -------------------------------------------------------------------


@named("drop_call")
def drop_call(ctx: Context, row: Row, call: BoundCall, node: cst.Call, new: cst.Call) -> Outcome:
    """A method that does nothing in TensorFlow: ``x.contiguous()`` is ``x``."""
    source = call.args.get("input") or next(iter([*call.args.values(), *call.varargs]), None)
    return Edit(ctx.updated(source.node)) if source is not None else Refusal("XL202", f"{call.api}: {call.problem}")


@named("to")
def to(ctx: Context, row: Row, call: BoundCall, node: cst.Call, new: cst.Call) -> Outcome:
    """``x.to(...)``: a cast if it names a dtype, nothing if it names only a device."""
    x = ctx.updated(call.args["input"].node)
    given = {n: b for n, b in call.args.items() if n not in ("input", "non_blocking", "copy", "memory_format")}
    bounds = [b for b in (*given.values(), *call.varargs, *call.extra.values()) if b.value != NONE]
    if any(b.star for b in bounds):
        return Edit(new.with_changes(func=cst.Name("to"), args=[cst.Arg(x), *new.args]), ("helper:to",))
    for bound in bounds:
        target = cast_target(ctx, bound)
        if isinstance(target, Refusal):
            return Refusal(target.code, f"{call.api}: {target.message}", target.hint)
        if target is not None:
            return edit(nodes.call("tf.cast", x, target))
    return Edit(x)


def cast_target(ctx: Context, bound: Bound) -> Any:
    """The dtype that an argument of ``to`` or ``type`` asks for: ``None`` for a device."""
    node = ctx.updated(bound.node)
    kinds = {_cast_kind(v, nodes.code(bound.node)) for v in options_of(bound.value) if v != NONE}
    if kinds == {"tensor"}:
        return attribute(node, "dtype")
    if kinds == {"dtype"}:
        name = _old_type(bound)
        return nodes.dotted(f"tf.{name}") if name else node
    if kinds == {"device"}:
        return None
    text = nodes.code(bound.node)
    return Refusal("XL209", f"it is not known whether `{text}` is a dtype or a device", "name the argument")


def _cast_kind(value: Any, text: str) -> str | None:
    """``tensor``, ``dtype`` or ``device``; ``None`` if it is not known."""
    if text.lower().endswith("device") and not isinstance(value, Api | Const):
        return "device"
    if as_tensor(value) is not None:
        return "tensor"
    if isinstance(value, BoundMethod):
        return value.name if value.name in ("dtype", "device") else None
    if isinstance(value, Instance):
        return "device" if value.api == "torch.device" else None
    if isinstance(value, Api):
        return "dtype" if value.name.startswith("torch.") and dtype_of(value) is not None else None
    if isinstance(value, Const) and isinstance(value.value, str) and "Tensor" in value.value:
        return "dtype"
    if python_type(value) in ("str", "int"):
        return "device"
    # What is unknown is taken by its name only where dropping or keeping it is what the name says.
    return "device" if "device" in text.lower() else "dtype" if "dtype" in text.lower() else None


def _old_type(bound: Bound) -> str | None:
    """The dtype of ``torch.FloatTensor`` or ``"torch.cuda.LongTensor"``."""
    value = bound.value
    text = value.name if isinstance(value, Api) else value.value if isinstance(value, Const) else ""
    name = str(text).rsplit(".", 1)[-1]
    if not name.endswith("Tensor") or name == "Tensor":
        return None
    short = name.removesuffix("Tensor").lower()
    return {"byte": "uint8", "char": "int8"}.get(short, DTYPES.get(short, short))


@named("type")
def type_(ctx: Context, row: Row, call: BoundCall, node: cst.Call, new: cst.Call) -> Outcome:
    """``x.type(dtype)`` casts; ``x.type()`` would name PyTorch's own tensor class."""
    if "dtype" not in call.args:
        return Refusal("XL203", f"{call.api} without an argument names a PyTorch class", "compare x.dtype")
    return to(ctx, row, call, node, new)


@named("item")
def item(ctx: Context, row: Row, call: BoundCall, node: cst.Call, new: cst.Call) -> Outcome:
    """``x.item()``: a Python number, which only exists outside of a graph."""
    numpy = cst.Call(attribute(ctx.updated(call.args["input"].node), "numpy"))
    return Edit(cst.Call(cst.Attribute(numpy, cst.Name("item"))))
