"""Variables of TensorFlow, its random and constant tensors, and the functions of `tf.nn`."""

from __future__ import annotations

from typing import Any

import libcst as cst

from .. import nodes
from ..infer.facts import BoundCall, given
from ..infer.results import ints_of
from ..infer.tf_results import windows
from ..rewrite.context import Context, Edit, Outcome, Refusal
from ..tables.schema import Row
from ..values import Api, Const, Instance, Seq, UserClass, Value, as_tensor, elem_of, python_type
from .keras_layout import Refused, method, rank_of
from .keras_ops import arg, dtype, is_true, only, size
from .named import named

KINDS = {"int": "torch.int32", "float": "torch.float32"}
"""The types that TensorFlow gives to Python's numbers."""


def number_type(value: Value) -> str | None:
    """The type of a number, or of the numbers in nested lists."""
    while isinstance(value, Seq):
        value = elem_of(value)
    return python_type(value)


def is_numpy(value: Value) -> bool:
    return isinstance(value, Instance) and value.api == "numpy.ndarray"


def tensor_of(ctx: Context, call: BoundCall, name: str) -> tuple[Any, bool]:
    """A new tensor with the value of an argument, and whether it holds floats.

    Raises:
        Refused: where the value's type is not known.
    """
    bound, kind = call.args[name], call.args.get("dtype")
    new = nodes.bare(ctx.updated(bound.node), bound.node)
    wanted = dtype(ctx, kind) if kind is not None and kind.value != Const(None) else None
    floats = wanted is None or "float" in nodes.code(wanted)
    tensor = as_tensor(bound.value)
    if tensor is not None:
        made = new if isinstance(new, cst.Call) else method(method(new, "detach"), "clone")
        whole = tensor.dtype is None or tensor.dtype.startswith(("float", "bfloat", "half"))
        return (made, whole) if wanted is None else (method(made, "to", wanted), floats)
    plain = number_type(bound.value)
    if plain in ("int", "float", "bool"):
        wanted = wanted or (nodes.dotted(KINDS[plain]) if plain in KINDS else None)
        keywords = {"dtype": wanted} if wanted is not None else {}
        return nodes.call("torch.tensor", new, **keywords), "float" in nodes.code(wanted) if wanted else False
    if is_numpy(bound.value) or wanted is not None:  # numbers, nested lists or an array, all the same
        return nodes.call("torch.tensor", new, **({"dtype": wanted} if wanted is not None else {})), floats
    raise Refused("XL205", f"{call.api}: what its value is is not known here")


def kept_by_keras(ctx: Context) -> bool:
    """Whether the code at hand belongs to a class that Keras, which does not train such variables, looks after."""
    cls = ctx.cls
    if cls is None or not cls.module:
        return False
    bases = [b for c in cls.mro() for b in c.bases if not isinstance(b, UserClass)]
    return not all(isinstance(b, Api) and b.name == "tf.Module" for b in bases)


KEPT = Refusal("XL203", "a tf.Variable in a Keras layer is trained by Keras 2 and not by Keras 3",
               "make it with self.add_weight(...)")  # fmt: skip


@named("tf_variable")
def variable(ctx: Context, row: Row, call: BoundCall, node: cst.Call, new: cst.Call) -> Outcome:
    """``tf.Variable(value)`` is a parameter; one that is not trained, or counts, has no gradient."""
    only(call, "initial_value", "trainable", "name", "dtype", "shape")
    if kept_by_keras(ctx):
        return KEPT
    if "initial_value" not in call.args:
        raise Refused("XL202", f"{call.api}: its first value is not given")
    made, floats = tensor_of(ctx, call, "initial_value")
    trained = call.args["trainable"].value if "trainable" in call.args else Const(True)
    if not isinstance(trained, Const):
        raise Refused("XL209", "whether this variable is trainable is not known here")
    fixed = {} if floats and trained.value is not False else {"requires_grad": nodes.literal(False)}
    return Edit(nodes.call("nn.Parameter", made, **fixed))


@named("tf_assign")
def assign(ctx: Context, row: Row, call: BoundCall, node: cst.Call, new: cst.Call) -> Outcome:
    """``v.assign_add(x)`` is ``v.data.add_(x)``."""
    only(call, "input", "value", "delta", "name", "read_value", "use_locking")
    receiver = new.func.value if isinstance(new.func, cst.Attribute) else None
    bound = given(call, "value", "delta")
    if receiver is None or bound is None:
        raise Refused("XL202", f"{call.api}: what is assigned is not known here")
    name = {"assign": "copy_", "assign_add": "add_", "assign_sub": "sub_"}[call.api.rsplit(".", 1)[-1]]
    value = nodes.bare(ctx.updated(bound.node), bound.node)
    if name == "copy_" and as_tensor(bound.value) is None:
        if number_type(bound.value) is None and not is_numpy(bound.value):
            raise Refused("XL205", f"{call.api}: what is assigned is not known here")
        value = nodes.call("torch.as_tensor", value)
    return Edit(method(cst.Attribute(receiver, cst.Name("data")), name, value))


@named("tf_constant")
def constant(ctx: Context, row: Row, call: BoundCall, node: cst.Call, new: cst.Call) -> Outcome:
    """``tf.constant([1.0, 2.0])``."""
    only(call, "value", "dtype", "name", "shape")
    if "shape" in call.args and call.args["shape"].value != Const(None):
        raise Refused("XL201", f"{call.api}: argument `shape` is not translated", "use tf.fill")
    return Edit(tensor_of(ctx, call, "value")[0])


@named("keras_set_floatx")
def set_floatx(ctx: Context, row: Row, call: BoundCall, node: cst.Call, new: cst.Call) -> Outcome:
    """Keras's float type is PyTorch's default one."""
    bound = given(call, "value")
    if bound is None:
        raise Refused("XL202", f"{call.api}: the type is not given")
    return Edit(nodes.call("torch.set_default_dtype", dtype(ctx, bound)))


@named("tf_fill")
def fill(ctx: Context, row: Row, call: BoundCall, node: cst.Call, new: cst.Call) -> Outcome:
    only(call, "dims", "value", "name")
    plain = python_type(call.args["value"].value)
    if plain not in ("int", "float", "bool"):
        raise Refused("XL205", f"{call.api}: the type of its value is not known here")
    keywords = {"dtype": nodes.dotted(KINDS[plain])} if plain in KINDS else {}
    return Edit(nodes.call("torch.full", size(ctx, call.args["dims"]), arg(ctx, call, "value"), **keywords))


@named("tf_truncated_normal")
def truncated_normal(ctx: Context, row: Row, call: BoundCall, node: cst.Call, new: cst.Call) -> Outcome:
    """Cut off at two standard deviations."""
    only(call, "shape", "mean", "stddev", "dtype", "seed", "name")
    kind = call.args.get("dtype")
    made = nodes.call("torch.empty", size(ctx, call.args["shape"]),
                      dtype=dtype(ctx, kind) if kind is not None else nodes.dotted("torch.float32"))  # fmt: skip
    from .keras_weights import truncated

    mean, std = (arg(ctx, call, n) or nodes.literal(d) for n, d in (("mean", 0.0), ("stddev", 1.0)))
    return Edit(truncated(mean, std, made))


@named("tf_cross_entropy")
def cross_entropy(ctx: Context, row: Row, call: BoundCall, node: cst.Call, new: cst.Call) -> Outcome:
    """PyTorch has the classes on the second axis, TensorFlow on the last one."""
    only(call, "labels", "logits", "axis", "name")
    axis = call.args.get("axis")
    logits = as_tensor(call.value("logits"))
    rank = rank_of(logits)
    last = axis is None or axis.value in (Const(-1), Const((rank or 0) - 1))
    if not last or rank == 1:
        raise Refused("XL201", f"{call.api}: only with the classes on the last of several axes")
    wide = rank == 2
    sparse = "sparse" in call.api
    parts = [nodes.parenthesized(arg(ctx, call, n)) for n in ("logits", "labels")]
    if not wide:
        front = (nodes.literal(-1), nodes.literal(1))
        parts = [method(parts[0], "movedim", *front), parts[1] if sparse else method(parts[1], "movedim", *front)]
    if sparse:
        parts[1] = method(parts[1], "long")
    return Edit(nodes.call("F.cross_entropy", *(nodes.unwrapped(p) for p in parts), reduction=nodes.literal("none")))


def window(ctx: Context, call: BoundCall, name: str, axes: int, default: int = 1) -> Any:
    """Sizes of windows as PyTorch takes them: one number where they are alike; ``None`` for 1.

    Raises:
        Refused: where they are not written out.
    """
    if name not in call.args:
        return None
    found = windows(call, name, axes)
    if found is None:
        raise Refused("XL201", f"{call.api}: argument `{name}` must be a literal to be translated")
    return nodes.literal(found[0] if len(set(found)) == 1 else tuple(found))


def padding_of(call: BoundCall) -> str:
    """``"same"`` or ``"valid"``, and channels last.

    Raises:
        Refused: for explicit paddings, and for channels first.
    """
    form = call.args.get("data_format")
    if form is not None and form.value not in (Const(None), Const("NHWC"), Const("NWC")):
        raise Refused("XL201", f"{call.api}: only with the channels last")
    bound = call.args.get("padding")
    text = bound.value.value if bound is not None and isinstance(bound.value, Const) else None
    if not isinstance(text, str) or text.lower() not in ("same", "valid"):
        raise Refused("XL201", f'{call.api}: `padding` must be "SAME" or "VALID"')
    return text.lower()


@named("tf_conv2d")
def conv2d(ctx: Context, row: Row, call: BoundCall, node: cst.Call, new: cst.Call) -> Outcome:
    """The kernel stays as TensorFlow has it: height, width, inputs, outputs."""
    only(call, "input", "filters", "strides", "padding", "data_format", "dilations", "name")
    same, kernel = padding_of(call) == "same", as_tensor(call.value("filters"))
    stride, dilation = window(ctx, call, "strides", 2), window(ctx, call, "dilations", 2)
    x = arg(ctx, call, "input")
    needs: tuple[str, ...] = ()
    keywords: dict[str, Any] = {}
    if same and windows(call, "strides", 2) not in (None, [1, 1]):
        sizes = kernel.dims[:2] if kernel is not None and kernel.dims else ()
        if len(sizes) != 2 or not all(isinstance(n, int) for n in sizes):
            raise Refused("XL402", f"{call.api}: the size of its kernel is not known here")
        every = [sizes, windows(call, "strides", 2), windows(call, "dilations", 2) or [1, 1]]
        x = nodes.call("same_padding", x, *(nodes.literal(tuple(e)) for e in every if e is not None))
        needs = ("helper:same_padding",)
    elif same:
        keywords["padding"] = nodes.literal("same")
    if stride is not None and nodes.integer(stride) != 1:
        keywords["stride"] = stride
    if dilation is not None and nodes.integer(dilation) != 1:
        keywords["dilation"] = dilation
    weight = method(arg(ctx, call, "filters"), "permute", *(nodes.literal(i) for i in (3, 2, 0, 1)))
    return Edit(nodes.call("F.conv2d", x, weight, **keywords), needs)


@named("tf_pool2d")
def pool2d(ctx: Context, row: Row, call: BoundCall, node: cst.Call, new: cst.Call) -> Outcome:
    only(call, "input", "value", "ksize", "strides", "padding", "data_format", "name")
    name = "MaxPool2d" if "max_pool" in call.api else "AvgPool2d"
    x = arg(ctx, call, "input", "value")
    kernel, stride = window(ctx, call, "ksize", 2), window(ctx, call, "strides", 2)
    args = [kernel] if nodes.code(stride) == nodes.code(kernel) else [kernel, stride]
    if padding_of(call) == "same":
        made = nodes.call(f"Same{name}", *args)
        return Edit(cst.Call(made, [cst.Arg(nodes.bare(x, node))]), (f"helper:Same{name}",))
    return Edit(nodes.call("F." + ("max_pool2d" if "max" in call.api else "avg_pool2d"), x, *args))


@named("tf_norm")
def norm(ctx: Context, row: Row, call: BoundCall, node: cst.Call, new: cst.Call) -> Outcome:
    only(call, "tensor", "ord", "axis", "keepdims", "name")
    kind, axis = call.args.get("ord"), call.args.get("axis")
    if kind is not None and kind.value not in (Const("euclidean"), Const(2), Const(1)):
        raise Refused("XL201", f"{call.api}: only the euclidean norm, or that of order 1, of vectors")
    axes = ints_of(axis.value) if axis is not None else None
    if kind is not None and kind.value != Const("euclidean") and axes is not None and len(axes) > 1:
        raise Refused("XL201", f"{call.api}: norms of matrices")
    keywords: dict[str, Any] = {"ord": nodes.literal(1)} if kind is not None and kind.value == Const(1) else {}
    if axis is not None and axis.value != Const(None):
        keywords["dim"] = ctx.updated(axis.node)
    if is_true(call, "keepdims"):
        keywords["keepdim"] = nodes.literal(True)
    return Edit(nodes.call("torch.linalg.vector_norm", arg(ctx, call, "tensor"), **keywords))


@named("tf_pad")
def pad(ctx: Context, row: Row, call: BoundCall, node: cst.Call, new: cst.Call) -> Outcome:
    """PyTorch counts the axes from the last one."""
    only(call, "tensor", "x", "paddings", "pad_width", "mode", "constant_values", "name")
    mode = call.args.get("mode")
    if mode is not None and str(getattr(mode.value, "value", "")).lower() != "constant":
        raise Refused("XL201", f"{call.api}: only with a constant")
    bound = given(call, "paddings", "pad_width")
    value = bound.value if bound is not None else None
    pairs = [ints_of(v) for v in value.items] if isinstance(value, Seq) and value.items is not None else [None]
    flat = [n for pair in reversed(pairs) if pair is not None for n in pair]
    if not all(pair is not None and len(pair) == 2 for pair in pairs):
        raise Refused("XL201", f"{call.api}: its paddings must be literals to be translated")
    while len(flat) > 2 and flat[-2:] == [0, 0]:
        flat = flat[:-2]
    number = call.args.get("constant_values")
    keywords = {"value": ctx.updated(number.node)} if number is not None and number.value != Const(0) else {}
    return Edit(nodes.call("F.pad", arg(ctx, call, "tensor", "x"), nodes.literal(tuple(flat)), **keywords))


LOOKUPS = frozenset({"tf.gather", "tf.nn.embedding_lookup", "keras.layers.Embedding"})


@named("tf_clip_by_global_norm")
def clip_by_global_norm(ctx: Context, row: Row, call: BoundCall, node: cst.Call, new: cst.Call) -> Outcome:
    """TensorFlow's gradient of a lookup holds a row for each time that it was looked up, and their norms."""
    only(call, "t_list", "clip_norm", "name")
    if any(c.api in LOOKUPS for c in ctx.facts.calls.values()):
        ctx.note(node, "XL401", f"{call.api}: known deviation `clip_norm_of_lookups`: where a row is looked up twice, "
                 "TensorFlow adds the two norms, PyTorch takes the norm of the sum")  # fmt: skip
    parts = [arg(ctx, call, "t_list"), arg(ctx, call, "clip_norm")]
    return Edit(nodes.call("clip_by_global_norm", *parts), ("helper:clip_by_global_norm",))


@named("tf_moments")
def moments(ctx: Context, row: Row, call: BoundCall, node: cst.Call, new: cst.Call) -> Outcome:
    """Mean and variance."""
    only(call, "x", "axes", "keepdims", "name")
    x, dim = nodes.parenthesized(arg(ctx, call, "x")), ctx.updated(call.args["axes"].node)
    if not isinstance(x, cst.Name | cst.Attribute):
        raise Refused("XL203", f"{call.api}: its input needs a name, since it is read twice")
    keep = {"keepdim": nodes.literal(True)} if is_true(call, "keepdims") else {}
    made = [method(x, "mean", dim=dim, **keep), method(x, "var", dim=dim, correction=nodes.literal(0), **keep)]
    return Edit(nodes.tuple_of(made).with_changes(lpar=[cst.LeftParen()], rpar=[cst.RightParen()]))
