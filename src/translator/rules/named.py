"""Rules that rows name in ``rule``: what a correspondence of names and arguments cannot say.

Also the facts (``@channel_axis``) and the converters that need to know the value they convert for.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import libcst as cst

from .. import nodes
from ..infer.facts import Bound, BoundCall
from ..rewrite.context import Context, Edit, Outcome, Refusal
from ..tables.schema import Row
from ..values import Const, Num, Seq, Shape, as_tensor, python_type

NamedRule = Callable[[Context, Row, BoundCall, cst.Call, cst.Call], Outcome]
RULES: dict[str, NamedRule] = {}


def named(name: str) -> Callable[[NamedRule], NamedRule]:
    """Register a rule under the name that rows use."""

    def register(rule: NamedRule) -> NamedRule:
        assert name not in RULES, name
        RULES[name] = rule
        return rule

    return register


# -- facts and converters that depend on the value -----------------------------------------------------


def fact(ctx: Context, value: Any, call: BoundCall) -> Any:
    """The node for a constant of a row; ``None`` where the target's default is already right."""
    if value == "@channel_axis":
        return nodes.literal(1) if ctx.channels_first else None
    if value == "@data_format":
        return nodes.literal("channels_first") if ctx.channels_first else None
    if isinstance(value, str) and value.startswith("="):
        return nodes.dotted(value[1:])
    return nodes.literal(value)


def _axis(ctx: Context, node: Any, bound: Bound, call: BoundCall) -> Any:
    return node


def _dtype(ctx: Context, node: Any, bound: Bound, call: BoundCall) -> Any:
    return node


def _flat_ints(ctx: Context, node: Any, bound: Bound, call: BoundCall) -> Any:
    """An int or a sequence of ints as a list."""
    if python_type(bound.value) == "int":
        return cst.List([cst.Element(node)])
    return node


FACT_CONVERTERS: dict[str, Callable[[Context, Any, Bound, BoundCall], Any]] = {
    "axis": _axis, "dtype": _dtype, "axes": _axis, "int_list": _flat_ints,
}  # fmt: skip


# -- shapes --------------------------------------------------------------------------------------------


def shape_node(ctx: Context, call: BoundCall, name: str) -> Any:
    """The sizes that a call passes, as one node: ``x.view(B, -1)`` gives ``(B, -1)``."""
    bound = [*([call.args[name]] if name in call.args else []), *call.varargs]
    if len(bound) == 1:
        only = bound[0]
        node = ctx.updated(only.node)
        if only.star or isinstance(only.value, Seq | Shape):
            return node
        if python_type(only.value) == "int":
            return nodes.tuple_of([node])
        return node
    elements = [cst.StarredElement(ctx.updated(b.node)) if b.star else cst.Element(ctx.updated(b.node)) for b in bound]
    return cst.Tuple(elements)


@named("reshape")
def reshape(ctx: Context, row: Row, call: BoundCall, node: cst.Call, new: cst.Call) -> Outcome:
    """``x.view(...)``, ``x.reshape(...)``, ``torch.reshape(x, shape)``."""
    if "dtype" in call.args and call.api.endswith(".view"):
        only = call.args["dtype"]
        if python_type(only.value) != "int" and not isinstance(only.value, Seq | Shape):
            return Refusal("XL203", "torch.Tensor.view(dtype) reinterprets memory", "use tf.bitcast by hand")
        call.args["size"] = call.args.pop("dtype")
    name = "shape" if "shape" in call.args else "size"
    x = ctx.updated(call.args["input"].node)
    return Edit(nodes.call("tf.reshape", x, shape_node(ctx, call, name)), ("tf",))


@named("view_as")
def view_as(ctx: Context, row: Row, call: BoundCall, node: cst.Call, new: cst.Call) -> Outcome:
    x, other = (ctx.updated(call.args[n].node) for n in ("input", "other"))
    return Edit(nodes.call("tf.reshape", x, nodes.call("keras.ops.shape", other)), ("tf", "keras"))


@named("size")
def size(ctx: Context, row: Row, call: BoundCall, node: cst.Call, new: cst.Call) -> Outcome:
    """``x.size()`` is a tuple of ints (scalar tensors where sizes are dynamic); ``x.size(i)`` one of them."""
    from .tensors import dim_read, shape_read

    x = ctx.updated(call.args["input"].node)
    tensor = as_tensor(call.value("input"))
    if "dim" not in call.args:
        return shape_read(x)
    return dim_read(ctx, x, tensor, ctx.updated(call.args["dim"].node), call.args["dim"].value)


@named("permute")
def permute(ctx: Context, row: Row, call: BoundCall, node: cst.Call, new: cst.Call) -> Outcome:
    x = ctx.updated(call.args["input"].node)
    tensor = as_tensor(call.value("input"))
    order = shape_node(ctx, call, "dims")
    literal = _literal_ints(order)
    if literal is not None and any(i < 0 for i in literal):
        rank = tensor.rank if tensor is not None and tensor.rank is not None else len(literal)
        order = nodes.tuple_of([nodes.literal(i % rank) for i in literal])
    return Edit(nodes.call("tf.transpose", x, order), ("tf",))


def _literal_ints(node: Any) -> list[int] | None:
    if not isinstance(node, cst.Tuple | cst.List):
        return None
    out = [nodes.integer(e.value) for e in node.elements]
    return [i for i in out if i is not None] if None not in out else None


@named("transpose")
def transpose(ctx: Context, row: Row, call: BoundCall, node: cst.Call, new: cst.Call) -> Outcome:
    """Swap two axes. Without the rank, `keras.ops.swapaxes` does it at run time."""
    x = ctx.updated(call.args["input"].node)
    names = ("dim0", "dim1") if "dim0" in call.args else ("axis0", "axis1")
    if any(n not in call.args for n in names):
        return Refusal("XL202", f"{call.api}: both axes must be given")
    tensor = as_tensor(call.value("input"))
    rank = tensor.rank if tensor is not None else None
    axes = [nodes.integer(call.args[n].node) for n in names]
    if rank is None or None in axes:
        a, b = (ctx.updated(call.args[n].node) for n in names)
        return Edit(nodes.call("keras.ops.swapaxes", x, a, b), ("keras",))
    order = list(range(rank))
    i, j = (a % rank for a in axes if a is not None)
    order[i], order[j] = order[j], order[i]
    return Edit(nodes.call("tf.transpose", x, nodes.tuple_of([nodes.literal(k) for k in order])), ("tf",))


@named("flatten")
def flatten(ctx: Context, row: Row, call: BoundCall, node: cst.Call, new: cst.Call) -> Outcome:
    """``flatten(start_dim, end_dim)`` as one reshape of known leading and trailing axes."""
    x = ctx.updated(call.args["input"].node)
    tensor = as_tensor(call.value("input"))
    start = nodes.integer(call.args["start_dim"].node) if "start_dim" in call.args else 0
    end = nodes.integer(call.args["end_dim"].node) if "end_dim" in call.args else -1
    rank = tensor.rank if tensor is not None else None
    if start is None or end is None:
        return Refusal("XL201", f"{call.api}: the axes must be literals")
    if rank is not None:
        start, end = start % rank, end % rank
        end = -1 if end == rank - 1 else end
    if start == 0 and end == -1:
        return Edit(nodes.call("tf.reshape", x, nodes.dotted("[-1]")), ("tf",))
    if start < 0 or not (end == -1 or rank is not None):
        return Refusal("XL209", f"{call.api}: the rank of the input is not known here")
    if not _cheap(x):
        return Edit(_flatten_helper(x, start, end), ("helper:flatten",))
    shape = nodes.call("keras.ops.shape", x)
    lead = [dim_item(shape, i) for i in range(start)]
    tail = [dim_item(shape, i) for i in range(end + 1, rank)] if end != -1 and rank is not None else []
    size = nodes.tuple_of([*lead, nodes.literal(-1), *tail])
    return Edit(nodes.call("tf.reshape", x, size), ("tf", "keras"))


def dim_item(shape: Any, index: int) -> Any:
    return cst.Subscript(shape, [cst.SubscriptElement(cst.Index(nodes.literal(index)))])


def _cheap(node: Any) -> bool:
    """Whether writing an expression twice costs nothing and changes nothing."""
    return isinstance(node, cst.Name) or (isinstance(node, cst.Attribute) and _cheap(node.value))


def _flatten_helper(x: Any, start: int, end: int) -> Any:
    args = {"start_dim": nodes.literal(start)} if start else {}
    if end != -1:
        args["end_dim"] = nodes.literal(end)
    return nodes.call("flatten", x, **args)


@named("cat")
def cat(ctx: Context, row: Row, call: BoundCall, node: cst.Call, new: cst.Call) -> Outcome:
    """``torch.cat(tensors, dim)``: the axis must be written, since there is no default to rely on."""
    tensors = ctx.updated(call.args["tensors"].node)
    axis = next((ctx.updated(call.args[n].node) for n in ("dim", "axis") if n in call.args), nodes.literal(0))
    return Edit(nodes.call("tf.concat", tensors, axis=axis), ("tf",))


@named("repeat")
def repeat(ctx: Context, row: Row, call: BoundCall, node: cst.Call, new: cst.Call) -> Outcome:
    x = ctx.updated(call.args["input"].node)
    tensor = as_tensor(call.value("input"))
    order = shape_node(ctx, call, "repeats" if "repeats" in call.args else "size")
    n = len(order.elements) if isinstance(order, cst.Tuple) else None
    if tensor is None or tensor.rank is None or n != tensor.rank:
        args = [cst.Arg(ctx.updated(b.node), star=b.star) for b in _sizes(call)]
        return Edit(nodes.call("repeat", x, *args), ("helper:repeat",))
    return Edit(nodes.call("tf.tile", x, order), ("tf",))


def _sizes(call: BoundCall) -> list[Bound]:
    names = [n for n in ("size", "repeats", "sizes") if n in call.args]
    return [*(call.args[n] for n in names), *call.varargs]


@named("expand")
def expand(ctx: Context, row: Row, call: BoundCall, node: cst.Call, new: cst.Call) -> Outcome:
    """``x.expand(...)``: -1 keeps a size, so only sizes without it are a plain broadcast."""
    x = ctx.updated(call.args["input"].node)
    bound = _sizes(call)
    sizes = bound[0].value if len(bound) == 1 else None
    items = sizes.items if isinstance(sizes, Seq) else [b.value for b in bound]
    certain = isinstance(sizes, Shape) or (items is not None and all(_never_minus_one(v) for v in items))
    if certain and not any(b.star for b in bound):
        name = "size" if "size" in call.args else "sizes"
        return Edit(nodes.call("tf.broadcast_to", x, shape_node(ctx, call, name)), ("tf",))
    args = [cst.Arg(ctx.updated(b.node), star=b.star) for b in bound]
    return Edit(nodes.call("expand", x, *args), ("helper:expand",))


def _never_minus_one(value: Any) -> bool:
    return (isinstance(value, Const) and value.value != -1) or (isinstance(value, Num) and value.dim)


@named("create")
def create(ctx: Context, row: Row, call: BoundCall, node: cst.Call, new: cst.Call) -> Outcome:
    """``torch.zeros(2, 3)``: sizes as one tuple, the default dtype left to Keras's float type."""
    allowed = {"size", "dtype", "device", "requires_grad", "input", "fill_value", "pin_memory", "layout", "names"}
    unknown = [n for n in (*call.args, *call.extra) if n not in allowed]
    if unknown:
        return Refusal("XL201", f"{call.api}: argument `{unknown[0]}` is not translated")
    args = [shape_node(ctx, call, "size")]
    if "fill_value" in call.args:
        args.append(ctx.updated(call.args["fill_value"].node))
    keywords = {}
    if "dtype" in call.args:
        keywords["dtype"] = ctx.updated(call.args["dtype"].node)
    elif "input" in call.args:
        keywords["dtype"] = cst.Attribute(nodes.parenthesized(ctx.updated(call.args["input"].node)), cst.Name("dtype"))
    return Edit(nodes.call(row.tf[0], *args, **keywords), ("keras",))


@named("arange")
def arange(ctx: Context, row: Row, call: BoundCall, node: cst.Call, new: cst.Call) -> Outcome:
    """``torch.arange``: int64 for ints, where TensorFlow would make int32."""
    if call.problem:
        return Refusal("XL202", f"{call.api}: {call.problem}")
    bounds = [call.args[n] for n in ("start", "end", "step") if n in call.args]
    args = [cst.Arg(ctx.updated(b.node)) for b in bounds]
    if "step" in call.args and "start" not in call.args:
        args.insert(0, cst.Arg(nodes.literal(0)))
    kinds = {python_type(b.value) for b in bounds}
    if "dtype" in call.args:
        dtype = ctx.updated(call.args["dtype"].node)
        return Edit(nodes.call("tf.range", *args, dtype=dtype), ("tf",))
    if "float" in kinds:
        dtype = nodes.call("keras.config.floatx")
        return Edit(nodes.call("tf.range", *args, dtype=dtype), ("tf", "keras"))
    if kinds <= {"int"}:
        return Edit(nodes.call("tf.range", *args, dtype=nodes.dotted("tf.int64")), ("tf",))
    return Refusal("XL209", "torch.arange: the type of its bounds is not known, so neither is its dtype", "give dtype=")


@named("drop_call")
def drop_call(ctx: Context, row: Row, call: BoundCall, node: cst.Call, new: cst.Call) -> Outcome:
    """A method that does nothing in TensorFlow: ``x.contiguous()`` is ``x``."""
    return Edit(ctx.updated(call.args["input"].node))


@named("to")
def to(ctx: Context, row: Row, call: BoundCall, node: cst.Call, new: cst.Call) -> Outcome:
    """``x.to(...)``: a cast if it names a dtype, nothing if it names only a device."""
    from ..infer.results import dtype_of
    from ..values import BoundMethod

    x = ctx.updated(call.args["input"].node)
    bounds = [b for n, b in call.args.items() if n not in ("input", "non_blocking", "copy", "memory_format")]
    for bound in [*bounds, *call.varargs, *call.extra.values()]:
        other = as_tensor(bound.value)
        if other is not None:
            dtype = cst.Attribute(nodes.parenthesized(ctx.updated(bound.node)), cst.Name("dtype"))
            return Edit(nodes.call("tf.cast", x, dtype), ("tf",))
        name = bound.value.name if hasattr(bound.value, "name") else ""
        is_dtype = isinstance(bound.value, BoundMethod) and name == "dtype"
        if is_dtype or (dtype_of(bound.value) is not None and name.startswith("torch.") and "device" not in name):
            return Edit(nodes.call("tf.cast", x, ctx.updated(bound.node)), ("tf",))
    dtype_arg = call.args.get("dtype")
    if dtype_arg is not None and not (isinstance(dtype_arg.value, Const) and dtype_arg.value.value is None):
        return Edit(nodes.call("tf.cast", x, ctx.updated(dtype_arg.node)), ("tf",))
    return Edit(x)


@named("item")
def item(ctx: Context, row: Row, call: BoundCall, node: cst.Call, new: cst.Call) -> Outcome:
    """``x.item()``: a Python number, which only exists outside of a graph."""
    x = ctx.updated(call.args["input"].node)
    method = nodes.parenthesized(x)
    numpy = cst.Call(cst.Attribute(method, cst.Name("numpy")))
    return Edit(cst.Call(cst.Attribute(numpy, cst.Name("item"))))


@named("meshgrid")
def meshgrid(ctx: Context, row: Row, call: BoundCall, node: cst.Call, new: cst.Call) -> Outcome:
    args = [cst.Arg(ctx.updated(b.node), star=b.star) for b in call.varargs]
    for name in ("tensors",):
        if name in call.args:
            args.insert(0, cst.Arg(ctx.updated(call.args[name].node)))
    if len(call.varargs) == 1 and isinstance(call.varargs[0].value, Seq) and not call.varargs[0].star:
        args = [cst.Arg(args[0].value, star="*")]
    given = call.args.get("indexing") or call.extra.get("indexing")
    indexing = ctx.updated(given.node) if given is not None else nodes.literal("ij")
    return Edit(nodes.call("tf.meshgrid", *args, indexing=indexing), ("tf",))


@named("einsum")
def einsum(ctx: Context, row: Row, call: BoundCall, node: cst.Call, new: cst.Call) -> Outcome:
    """``torch.einsum``: an implicit output is written out, since TensorFlow orders it alike but says less."""
    equation = call.args.get("equation")
    bounds = list(call.varargs)
    if equation is None and bounds:
        equation, bounds = bounds[0], bounds[1:]
    if equation is None or python_type(equation.value) != "str":
        return Refusal("XL201", "torch.einsum: the equation must be a string")
    args = [cst.Arg(ctx.updated(b.node), star=b.star) for b in bounds]
    if len(bounds) == 1 and isinstance(bounds[0].value, Seq) and not bounds[0].star:
        args = [cst.Arg(args[0].value, star="*")]
    text = ctx.updated(equation.node)
    if isinstance(equation.value, Const):
        text = nodes.literal(explicit_equation(equation.value.value)) if "->" not in equation.value.value else text
    return Edit(nodes.call("tf.einsum", text, *args), ("tf",))


def explicit_equation(equation: str) -> str:
    """``"ba,ac"`` as ``"ba,ac->bc"``: letters seen once, in alphabetical order."""
    letters = equation.replace(" ", "").replace(",", "").replace("...", "")
    once = "".join(sorted(c for c in set(letters) if letters.count(c) == 1))
    return f"{equation}->{'...' if '...' in equation else ''}{once}"


@named("where")
def where(ctx: Context, row: Row, call: BoundCall, node: cst.Call, new: cst.Call) -> Outcome:
    names = ("condition", "input", "other")
    if any(n not in call.args for n in names):
        condition = ctx.updated(call.args["condition"].node) if "condition" in call.args else None
        if condition is None:
            return Refusal("XL202", f"{call.api}: {call.problem}")
        return Edit(nodes.call("nonzero", condition, as_tuple=nodes.literal(True)), ("helper:nonzero",))
    args = [ctx.updated(call.args[n].node) for n in names]
    a, b = (as_tensor(call.value(n)) for n in names[1:])
    if a is not None and b is not None and a.dtype and b.dtype and a.dtype != b.dtype:
        return Refusal("XL210", f"{call.api}: its branches are {a.dtype} and {b.dtype}", "cast one of them")
    return Edit(nodes.call("tf.where", *args), ("tf",))


@named("tensor")
def tensor(ctx: Context, row: Row, call: BoundCall, node: cst.Call, new: cst.Call) -> Outcome:
    """``torch.tensor(data)``: ints become int64, floats the default float type."""
    data = call.args.get("data") or (call.varargs[0] if call.varargs else None)
    if data is None:
        return Refusal("XL202", f"{call.api}: {call.problem or 'no data'}")
    keywords: dict[str, Any] = {}
    given = call.args.get("dtype") or call.extra.get("dtype")
    kind = call.result.dtype if as_tensor(call.result) is not None else None  # type: ignore[union-attr]
    if given is not None:
        keywords["dtype"] = ctx.updated(given.node)
    elif kind in ("int64",):
        keywords["dtype"] = nodes.dotted("tf.int64")
    elif kind == "float":
        keywords["dtype"] = nodes.call("keras.config.floatx")
    elif kind is None and as_tensor(data.value) is None:
        return Refusal("XL209", f"{call.api}: what it is made of is not known, so neither is its dtype", "give dtype=")
    return Edit(nodes.call("tf.constant" if kind != "tensor" else "tf.convert_to_tensor", ctx.updated(data.node), **keywords), ("tf", "keras"))


from . import containers, layers  # noqa: E402, F401  (they register their rules)
