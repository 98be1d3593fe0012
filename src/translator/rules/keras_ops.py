"""Functions of TensorFlow that a row alone cannot say: what the PyTorch form depends on."""

from __future__ import annotations

from typing import Any

import libcst as cst

from .. import nodes
from ..infer.facts import Bound, BoundCall, given
from ..infer.results import int_of, ints_of
from ..rewrite.context import Context, Edit, Outcome, Refusal
from ..tables.schema import Row
from ..values import Api, BoundMethod, Const, Seq, Shape, as_tensor, is_off, python_type
from .api import at_default, ctx_default
from .keras_layout import Refused, in_source_order, method
from .named import named


def arg(ctx: Context, call: BoundCall, *names: str) -> Any:
    """The written form of the first of these arguments that is given."""
    bound = given(call, *names)
    return nodes.bare(ctx.updated(bound.node), bound.node) if bound is not None else None


def only(call: BoundCall, *names: str) -> None:
    """Refuse arguments that a rule does not know, unless they are as they would be without being given."""
    for name, bound in call.args.items():
        default = ctx_default(call, name)
        plain = at_default(default, bound) if default is not None else is_off(bound.value)
        if name not in names and not plain:
            raise Refused("XL201", f"{call.api}: argument `{name}` is not translated")


def is_true(call: BoundCall, name: str) -> bool:
    """A flag that must be a literal."""
    bound = call.args.get(name)
    if bound is None:
        return False
    if not isinstance(bound.value, Const):
        raise Refused("XL201", f"{call.api}: `{name}` must be a literal to be translated")
    return bool(bound.value.value)


@named("keras_reduce")
def reduce(ctx: Context, row: Row, call: BoundCall, node: cst.Call, new: cst.Call) -> Outcome:
    """``tf.reduce_mean(x, axis=-1)`` is ``x.mean(dim=-1)``."""
    only(call, "input_tensor", "x", "axis", "keepdims")
    x = arg(ctx, call, "input_tensor", "x")
    name = row.tf[0].rsplit(".", 1)[-1]
    axis, keep = given(call, "axis"), call.args.get("keepdims")
    if keep is not None and keep.value in (Const(False), Const(None)):
        keep = None
    keywords: dict[str, Any] = {}
    whole = axis is None or axis.value == Const(None)
    if axis is not None and not whole:
        dim = ctx.updated(axis.node)
        several = isinstance(axis.value, Seq) or isinstance(dim, cst.Tuple | cst.List)
        if several and name == "prod":
            raise Refused("XL201", f"{call.api}: PyTorch multiplies over one axis at a time")
        if isinstance(dim, cst.List):
            dim = nodes.tuple_of([e.value for e in dim.elements])
        keywords["dim"] = dim
    elif name == "logsumexp":
        x, whole = method(x, "flatten"), True
        keywords["dim"] = nodes.literal(0)
    if keep is not None:
        if whole:
            raise Refused("XL201", f"{call.api}: `keepdims` without `axis`")
        keywords["keepdim"] = ctx.updated(keep.node)
    if name in ("var", "std"):
        keywords["correction"] = nodes.literal(0)
    return Edit(method(x, name, **keywords))


@named("keras_argmax")
def argmax(ctx: Context, row: Row, call: BoundCall, node: cst.Call, new: cst.Call) -> Outcome:
    """TensorFlow's ``argmax`` reduces the first axis by default, Keras's all of them."""
    only(call, "input", "x", "axis", "keepdims")
    axis = given(call, "axis")
    keywords: dict[str, Any] = {}
    if axis is not None and axis.value != Const(None):
        keywords["dim"] = ctx.updated(axis.node)
    elif call.api.startswith("tf."):
        keywords["dim"] = nodes.literal(0)
    if is_true(call, "keepdims"):
        keywords["keepdim"] = nodes.literal(True)
    return Edit(method(arg(ctx, call, "input", "x"), row.tf[0].rsplit(".", 1)[-1], **keywords))


@named("keras_softmax")
def softmax(ctx: Context, row: Row, call: BoundCall, node: cst.Call, new: cst.Call) -> Outcome:
    only(call, "logits", "x", "axis")
    name = "log_softmax" if "log_softmax" in call.api else "softmax"
    axis = given(call, "axis")
    dim = ctx.updated(axis.node) if axis is not None and axis.value != Const(None) else nodes.literal(-1)
    return Edit(nodes.call(f"F.{name}", arg(ctx, call, "logits", "x"), dim=dim))


@named("keras_gelu")
def gelu(ctx: Context, row: Row, call: BoundCall, node: cst.Call, new: cst.Call) -> Outcome:
    """Exact by default in `tf.nn` and `keras.activations`, the tanh form by default in `keras.ops`."""
    only(call, "features", "x", "approximate")
    tanh = is_true(call, "approximate") if "approximate" in call.args else call.api.startswith("keras.ops.")
    keywords = {"approximate": nodes.literal("tanh")} if tanh else {}
    return Edit(nodes.call("F.gelu", arg(ctx, call, "features", "x"), **keywords))


@named("keras_matmul")
def matmul(ctx: Context, row: Row, call: BoundCall, node: cst.Call, new: cst.Call) -> Outcome:
    """``tf.matmul(a, b, transpose_b=True)`` is ``a @ b.transpose(-2, -1)``."""
    only(call, "a", "b", "transpose_a", "transpose_b")
    sides = []
    for name in ("a", "b"):
        side = ctx.updated(call.args[name].node)
        if is_true(call, f"transpose_{name}"):
            side = method(side, "transpose", nodes.literal(-2), nodes.literal(-1))
        sides.append(side)
    return Edit(nodes.call("torch.matmul", *(nodes.bare(s, node) for s in sides)))


@named("keras_transpose")
def transpose(ctx: Context, row: Row, call: BoundCall, node: cst.Call, new: cst.Call) -> Outcome:
    only(call, "a", "x", "perm", "axes")
    x = arg(ctx, call, "a", "x")
    order = given(call, "perm", "axes")
    tensor = as_tensor(call.args["a" if "a" in call.args else "x"].value)
    if order is None or order.value == Const(None):
        if tensor is None:
            raise Refused("XL205", f"{call.api}: what is transposed is not known here")
        return Edit(cst.Attribute(nodes.parenthesized(x), cst.Name("T")))
    new_order = ctx.updated(order.node)
    literal = ints_of(order.value)
    if literal is not None:
        swapped = [i for i, a in enumerate(literal) if a != i]
        if len(swapped) == 2:
            rank = len(literal)
            last = swapped == [rank - 2, rank - 1] and rank > 2
            axes = [-2, -1] if last else swapped
            return Edit(method(x, "transpose", *(nodes.literal(a) for a in axes)))
        return Edit(method(x, "permute", *(nodes.literal(a) for a in literal)))
    return Edit(method(x, "permute", new_order))


@named("keras_swapaxes")
def swapaxes(ctx: Context, row: Row, call: BoundCall, node: cst.Call, new: cst.Call) -> Outcome:
    """The same arguments in the same order, so that it does not matter how they are passed."""
    if any(a.keyword is not None or a.star == "**" for a in new.args):
        only(call, "x", "axis1", "axis2")
        return Edit(nodes.call("torch.swapaxes", *(arg(ctx, call, n) for n in ("x", "axis1", "axis2"))), ("torch",))
    if all(b.node is not node.args[0].value for b in (*call.args.values(), *call.varargs)):
        in_source_order(ctx, node.args[0].value)  # which the call's other arguments are by now
    first = new.args[0].with_changes(value=ctx.updated(node.args[0].value))
    return Edit(cst.Call(nodes.dotted("torch.swapaxes"), [first, *new.args[1:]]), ("torch",))


@named("keras_squeeze")
def squeeze(ctx: Context, row: Row, call: BoundCall, node: cst.Call, new: cst.Call) -> Outcome:
    only(call, "input", "x", "axis")
    axis = given(call, "axis")
    args = []
    if axis is not None and axis.value != Const(None):
        dims = ints_of(axis.value)
        if dims is None:
            raise Refused("XL201", f"{call.api}: its axes must be literals to be translated")
        args = [nodes.literal(dims[0] if len(dims) == 1 else tuple(dims))]
    return Edit(method(arg(ctx, call, "input", "x"), "squeeze", *args))


@named("keras_split")
def split(ctx: Context, row: Row, call: BoundCall, node: cst.Call, new: cst.Call) -> Outcome:
    """An int is a number of parts in TensorFlow, and the size of a part in PyTorch's ``split``."""
    only(call, "value", "num_or_size_splits", "axis")
    sections = call.args["num_or_size_splits"]
    x = arg(ctx, call, "value")
    axis = given(call, "axis")
    dim = {"dim": ctx.updated(axis.node)} if axis is not None else {}
    if python_type(sections.value) == "int":
        return Edit(method(x, "chunk", ctx.updated(sections.node), **dim))
    if isinstance(sections.value, Seq):
        return Edit(method(x, "split", ctx.updated(sections.node), **dim))
    raise Refused("XL209", f"{call.api}: whether it is told a number or sizes is not known here")


@named("keras_einsum")
def einsum(ctx: Context, row: Row, call: BoundCall, node: cst.Call, new: cst.Call) -> Outcome:
    parts = [*call.args.values(), *call.varargs]
    if call.extra or not parts:
        raise Refused("XL201", f"{call.api}: keywords are not translated")
    return Edit(nodes.call("torch.einsum", *(ctx.updated(b.node) for b in parts)))


@named("keras_shape")
def shape(ctx: Context, row: Row, call: BoundCall, node: cst.Call, new: cst.Call) -> Outcome:
    """``tf.shape(x)`` is ``x.shape``."""
    return Edit(cst.Attribute(nodes.parenthesized(arg(ctx, call, "input", "x")), cst.Name("shape")))


def of_floatx(ctx: Context, node: Any) -> bool:
    """``keras.config.floatx()``."""
    call = ctx.call(node) if isinstance(node, cst.Call) else None
    return call is not None and call.api in ("keras.config.floatx", "keras.backend.floatx")


def float_types(ctx: Context, node: cst.Call) -> list[cst.CSTNode]:
    """``dtype=keras.config.floatx()``, which the rule of the call reads by itself."""
    call = ctx.call(node)
    kind = call.args.get("dtype") if call is not None and call.api.split(".", 1)[0] in ctx.dialect.roots else None
    return [kind.node] if kind is not None and of_floatx(ctx, kind.node) else []


@named("keras_meshgrid")
def meshgrid(ctx: Context, row: Row, call: BoundCall, node: cst.Call, new: cst.Call) -> Outcome:
    """Both count along the second axis first unless they are told."""
    if set(call.extra) - {"indexing", "name"} or any(a.star for a in node.args):
        return Refusal("XL202", f"{call.api}: which tensors it gets is not known here")
    way = call.args.get("indexing") or call.extra.get("indexing")
    plain = [a.with_changes(comma=cst.MaybeSentinel.DEFAULT) for a in new.args if a.keyword is None]
    written = ctx.updated(way.node) if way is not None else nodes.literal("xy")
    return Edit(nodes.call("torch.meshgrid", *(a.value for a in plain), indexing=written), ("torch",))


def dtype(ctx: Context, bound: Bound) -> Any:
    """A dtype argument: a name of TensorFlow's, a string, or another tensor's."""
    value = bound.value
    if isinstance(value, Const) and isinstance(value.value, str):
        return nodes.dotted(f"torch.{value.value}")
    if isinstance(value, BoundMethod) and value.name == "dtype":
        return ctx.updated(bound.node)
    if isinstance(value, Api) and value.name in ("keras.config.floatx", "keras.backend.floatx"):
        return nodes.call("torch.get_default_dtype")
    if isinstance(value, Api):
        return ctx.updated(bound.node)
    if of_floatx(ctx, bound.node):
        return nodes.call("torch.get_default_dtype")
    if isinstance(bound.node, cst.Attribute) and bound.node.attr.value in ("compute_dtype", "variable_dtype"):
        return ctx.updated(bound.node)
    raise Refused("XL209", "which dtype is meant is not known here")


@named("keras_cast")
def cast(ctx: Context, row: Row, call: BoundCall, node: cst.Call, new: cst.Call) -> Outcome:
    """``tf.cast(x, tf.float32)`` is ``x.to(torch.float32)``."""
    only(call, "x", "dtype")
    bound = call.args.get("dtype")
    if bound is None:
        raise Refused("XL202", f"{call.api}: the dtype is not given")
    if as_tensor(call.args["x"].value) is None:
        number = python_type(call.args["x"].value)
        if number is None:
            raise Refused("XL205", f"{call.api}: what is cast is not known here")
        return Edit(nodes.call("torch.tensor", ctx.updated(call.args["x"].node), dtype=dtype(ctx, bound)))
    return Edit(method(ctx.updated(call.args["x"].node), "to", dtype(ctx, bound)))


@named("keras_create")
def create(ctx: Context, row: Row, call: BoundCall, node: cst.Call, new: cst.Call) -> Outcome:
    """``tf.zeros(shape)``; without a dtype TensorFlow makes float32, Keras its own float type."""
    only(call, "shape", "dtype")
    name = call.api.rsplit(".", 1)[-1]
    kind = call.args.get("dtype")
    keywords = {"dtype": dtype(ctx, kind)} if kind is not None and kind.value != Const(None) else {}
    if kind is None and call.api.startswith("tf."):
        keywords = {"dtype": nodes.dotted("torch.float32")}
    return Edit(nodes.call(f"torch.{name}", size(ctx, call.args["shape"]), **keywords))


def size(ctx: Context, bound: Bound) -> Any:
    """A shape argument: TensorFlow takes lists and tensors, PyTorch tuples."""
    new = ctx.updated(bound.node)
    if isinstance(new, cst.List):
        return nodes.tuple_of([e.value for e in new.elements])
    if isinstance(bound.value, Seq | Shape) or python_type(bound.value) == "int":
        return new
    raise Refused("XL209", "the shape is not known to be a sequence here")


@named("keras_arange")
def arange(ctx: Context, row: Row, call: BoundCall, node: cst.Call, new: cst.Call) -> Outcome:
    """Integers are int32 in TensorFlow; PyTorch's int64 serves the same (indices, positions)."""
    only(call, "start", "limit", "stop", "delta", "step", "dtype")
    bounds = [b for n, b in call.args.items() if n != "dtype"]
    kind = call.args.get("dtype")
    keywords = {}
    if kind is not None and kind.value != Const(None):
        keywords["dtype"] = dtype(ctx, kind)
    elif any(python_type(b.value) == "float" for b in bounds):
        keywords["dtype"] = nodes.dotted("torch.float32")
    elif any(python_type(b.value) != "int" for b in bounds):
        raise Refused("XL209", f"{call.api}: the type of its bounds is not known here")
    return Edit(nodes.call("torch.arange", *(ctx.updated(b.node) for b in bounds), **keywords))


@named("keras_gather")
def gather(ctx: Context, row: Row, call: BoundCall, node: cst.Call, new: cst.Call) -> Outcome:
    """``tf.gather(x, i)`` is ``x[i]``."""
    only(call, "params", "x", "reference", "indices", "ids", "axis")
    x = nodes.parenthesized(arg(ctx, call, "params", "x", "reference"))
    axis = given(call, "axis")
    number = 0 if axis is None else int_of(axis.value)
    if number is None and axis is not None and axis.value == Const(None) and call.api.startswith("tf."):
        number = 0
    if number is None or number < 0 or (axis is None and call.api == "keras.ops.take"):
        raise Refused("XL201", f"{call.api}: `axis` must be written as a number from the front")
    whole = [cst.SubscriptElement(cst.Slice(None, None))] * number
    listed, picked = given(call, "indices", "ids"), arg(ctx, call, "indices", "ids")
    numbers = ints_of(listed.value) if listed is not None else None
    if listed is not None and isinstance(listed.value, Seq) and (numbers is None or listed.value.kind != "list"):
        picked = nodes.call("torch.tensor", picked)  # PyTorch takes lists of lists, and tuples, apart
    index = cst.SubscriptElement(cst.Index(picked))
    return Edit(cst.Subscript(x, [*whole, index]))


@named("keras_one_hot")
def one_hot(ctx: Context, row: Row, call: BoundCall, node: cst.Call, new: cst.Call) -> Outcome:
    """PyTorch's one-hot vectors are integers, and it refuses classes out of range."""
    only(call, "indices", "x", "depth", "num_classes", "dtype")
    kind = call.args.get("dtype")
    wanted = dtype(ctx, kind) if kind is not None and kind.value != Const(None) else None
    if wanted is None:
        wanted = nodes.dotted("torch.float32") if call.api.startswith("tf.") else nodes.call("torch.get_default_dtype")
    hot = nodes.call(
        "F.one_hot", method(arg(ctx, call, "indices", "x"), "long"), arg(ctx, call, "depth", "num_classes")
    )
    return Edit(method(hot, "to", wanted))


@named("keras_random")
def random(ctx: Context, row: Row, call: BoundCall, node: cst.Call, new: cst.Call) -> Outcome:
    """Random numbers of the same distribution."""
    only(call, "shape", "dtype", "seed", "mean", "stddev", "minval", "maxval")
    kind = call.args.get("dtype")
    if kind is not None:
        keywords = {"dtype": dtype(ctx, kind)}
    else:
        keywords = {"dtype": nodes.dotted("torch.float32")} if call.api.startswith("tf.") else {}
    normal = call.api.endswith("normal")
    shape = size(ctx, call.args["shape"])
    start, scale = (("mean", 0.0), ("stddev", 1.0)) if normal else (("minval", 0.0), ("maxval", 1.0))
    if given(call, start[0], scale[0]) is None or all(as_default(call, *option) for option in (start, scale)):
        return Edit(nodes.call("torch.randn" if normal else "torch.rand", shape, **keywords))
    values = [arg(ctx, call, n) or nodes.literal(d) for n, d in (start, scale)]
    return Edit(method(nodes.call("torch.empty", shape, **keywords), "normal_" if normal else "uniform_", *values))


def as_default(call: BoundCall, name: str, value: float) -> bool:
    """Whether an argument is certainly at its default."""
    bound = call.args.get(name)
    return bound is None or (isinstance(bound.value, Const) and bound.value.value == value)


@named("keras_input")
def input_layer(ctx: Context, row: Row, call: BoundCall, node: cst.Call, new: cst.Call) -> Outcome:
    return Refusal("XL213", "keras.Input stands outside of a model that can be taken apart")
