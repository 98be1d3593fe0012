"""Functions of TensorFlow on parts of tensors: slices, scattered updates, ranges, types."""

from __future__ import annotations

from typing import Any

import libcst as cst

from .. import nodes
from ..infer.facts import Bound, BoundCall, given
from ..infer.results import int_of, ints_of
from ..rewrite.context import Context, Edit, Outcome
from ..tables.schema import Row
from ..values import Const, Seq, Shape, as_tensor, python_type
from .keras_layout import Refused, method
from .keras_ops import arg, dtype, only, size
from .named import named
from .tf_flow import helper


@named("tf_sequence_mask")
def sequence_mask(ctx: Context, row: Row, call: BoundCall, node: cst.Call, new: cst.Call) -> Outcome:
    only(call, "lengths", "maxlen", "dtype", "name")
    keywords: dict[str, Any] = {}
    if "dtype" in call.args:
        keywords["dtype"] = dtype(ctx, call.args["dtype"])
    limit = call.args.get("maxlen")
    parts = [ctx.updated(limit.node)] if limit is not None and limit.value != Const(None) else []
    return helper("sequence_mask", arg(ctx, call, "lengths"), *parts, **keywords)


@named("tf_eye")
def eye(ctx: Context, row: Row, call: BoundCall, node: cst.Call, new: cst.Call) -> Outcome:
    """float32 unless told, or Keras's float type for `keras.ops`."""
    only(call, "num_rows", "num_columns", "N", "M", "dtype", "name")
    kind, wide = call.args.get("dtype"), given(call, "num_columns", "M")
    parts = [arg(ctx, call, "num_rows", "N")]
    if wide is not None and wide.value != Const(None):
        parts.append(ctx.updated(wide.node))
    keywords = {}
    if kind is not None and kind.value != Const(None):
        keywords["dtype"] = dtype(ctx, kind)
    elif call.api.startswith("tf."):
        keywords["dtype"] = nodes.dotted("torch.float32")
    return Edit(nodes.call("torch.eye", *parts, **keywords), ("torch",))


@named("tf_linspace")
def linspace(ctx: Context, row: Row, call: BoundCall, node: cst.Call, new: cst.Call) -> Outcome:
    """Numbers give float32 in TensorFlow, and Keras's float type in `keras.ops`."""
    only(call, "start", "stop", "num", "dtype", "name")
    ends = [call.args[n] for n in ("start", "stop")]
    kinds = {python_type(b.value) for b in ends}
    if not kinds <= {"int", "float"}:
        raise Refused("XL209", f"{call.api}: its ends are not known to be numbers")
    kind, keywords = call.args.get("dtype"), {}
    if kind is not None and kind.value != Const(None):
        keywords["dtype"] = dtype(ctx, kind)
    elif call.api.startswith("tf."):
        keywords["dtype"] = nodes.dotted("torch.float32")
    parts = [ctx.updated(b.node) for b in ends]
    count = arg(ctx, call, "num") or nodes.literal(50)
    return Edit(nodes.call("torch.linspace", *parts, count, **keywords), ("torch",))


@named("tf_repeat")
def repeat(ctx: Context, row: Row, call: BoundCall, node: cst.Call, new: cst.Call) -> Outcome:
    """``tf.repeat(x, [2, 1], axis=0)``: PyTorch takes several counts as a tensor."""
    only(call, "input", "x", "repeats", "axis", "name")
    counts, axis = call.args["repeats"], call.args.get("axis")
    written = ctx.updated(counts.node)
    if isinstance(counts.value, Seq):
        written = nodes.call("torch.tensor", written)
    elif python_type(counts.value) != "int" and as_tensor(counts.value) is None:
        raise Refused("XL209", f"{call.api}: whether it is told one count or several is not known here")
    keywords = {"dim": ctx.updated(axis.node)} if axis is not None and axis.value != Const(None) else {}
    made = method(arg(ctx, call, "input", "x"), "repeat_interleave", written, **keywords)
    return Edit(made, ("torch",) if isinstance(counts.value, Seq) else ())


def written_out(node: Any) -> list[Any] | None:
    """The parts of a list or tuple that is written out."""
    if not isinstance(node, cst.List | cst.Tuple) or any(isinstance(e, cst.StarredElement) for e in node.elements):
        return None
    return [e.value for e in node.elements]


@named("tf_slice")
def slice_of(ctx: Context, row: Row, call: BoundCall, node: cst.Call, new: cst.Call) -> Outcome:
    """``tf.slice(x, [0, i], [-1, 2])`` is ``x[:, i:i + 2]``."""
    only(call, "input_", "inputs", "begin", "start_indices", "size", "shape", "name")
    bounds = [given(call, "begin", "start_indices"), given(call, "size", "shape")]
    starts, sizes = (written_out(ctx.updated(b.node)) if b is not None else None for b in bounds)
    if starts is None or sizes is None or len(starts) != len(sizes):
        raise Refused("XL201", f"{call.api}: where it begins and how long it is must be written out")
    parts = [cst.SubscriptElement(along(s, n)) for s, n in zip(starts, sizes, strict=True)]
    return Edit(cst.Subscript(nodes.parenthesized(arg(ctx, call, "input_", "inputs")), parts))


def along(start: Any, count: Any) -> cst.Slice:
    """One axis of a slice; a count of -1 goes to the end."""
    first, length = nodes.integer(start), nodes.integer(count)
    lower = None if first == 0 else start
    if length == -1:
        return cst.Slice(lower, None)
    if first is not None and length is not None:
        return cst.Slice(lower, nodes.literal(first + length))
    return cst.Slice(lower, count if first == 0 else nodes.template("{a} + {b}", {"a": start, "b": count}))


@named("tf_band_part")
def band_part(ctx: Context, row: Row, call: BoundCall, node: cst.Call, new: cst.Call) -> Outcome:
    """How many diagonals stay below and above the main one; -1: all."""
    only(call, "input", "num_lower", "num_upper", "name")
    below, above = (int_of(call.value(n)) for n in ("num_lower", "num_upper"))
    if below is None or above is None:
        raise Refused("XL201", f"{call.api}: its numbers of diagonals must be literals to be translated")
    x = arg(ctx, call, "input")
    if below >= 0:
        x = method(x, "triu", *([nodes.literal(-below)] if below else []))
    if above >= 0:
        x = method(x, "tril", *([nodes.literal(above)] if above else []))
    return Edit(x)


@named("tf_scatter_update")
def scatter_update(ctx: Context, row: Row, call: BoundCall, node: cst.Call, new: cst.Call) -> Outcome:
    """``tf.tensor_scatter_nd_update(x, i, updates)``: the last axis of the indices counts along the first axes."""
    only(call, "tensor", "inputs", "indices", "updates", "name")
    indices, updates = call.args["indices"], call.args["updates"]
    if as_tensor(indices.value) is None or as_tensor(updates.value) is None:
        raise Refused("XL205", f"{call.api}: its indices and updates are not known to be tensors")
    places = nodes.call("tuple", method(method(arg(ctx, call, "indices"), "long"), "unbind", nodes.literal(-1)))
    value = arg(ctx, call, "updates")
    if call.api.endswith("_sub"):
        value = nodes.template("-{x}", {"x": nodes.parenthesized(value)})
    keywords = {"accumulate": nodes.literal(True)} if call.api.endswith(("_add", "_sub")) else {}
    return Edit(method(arg(ctx, call, "tensor", "inputs"), "index_put", places, value, **keywords))


@named("tf_scatter_nd")
def scatter_nd(ctx: Context, row: Row, call: BoundCall, node: cst.Call, new: cst.Call) -> Outcome:
    only(call, "indices", "updates", "values", "shape", "name")
    values = given(call, "updates", "values")
    if as_tensor(call.value("indices")) is None or values is None or as_tensor(values.value) is None:
        raise Refused("XL205", f"{call.api}: its indices and updates are not known to be tensors")
    return helper("scatter_nd", arg(ctx, call, "indices"), ctx.updated(values.node), size(ctx, call.args["shape"]))


@named("tf_sorted")
def ordered(ctx: Context, row: Row, call: BoundCall, node: cst.Call, new: cst.Call) -> Outcome:
    """``tf.sort`` and ``tf.argsort``: equal values keep their order in both directions."""
    only(call, "values", "x", "axis", "direction", "stable", "name")
    axis, way = call.args.get("axis"), call.args.get("direction")
    if way is not None and way.value not in (Const("ASCENDING"), Const("DESCENDING")):
        raise Refused("XL201", f"{call.api}: `direction` must be a literal to be translated")
    keywords: dict[str, Any] = {"dim": ctx.updated(axis.node)} if axis is not None and axis.value != Const(-1) else {}
    if way is not None and way.value == Const("DESCENDING"):
        keywords["descending"] = nodes.literal(True)
    x = arg(ctx, call, "values", "x")
    if call.api.endswith("argsort"):
        return Edit(method(x, "argsort", **keywords, stable=nodes.literal(True)))
    return Edit(cst.Attribute(method(x, "sort", **keywords), cst.Name("values")))


@named("tf_asserted")
def asserted(ctx: Context, row: Row, call: BoundCall, node: cst.Call, new: cst.Call) -> Outcome:
    """``tf.debugging.assert_equal(x, y)``: tensors, or Python's numbers."""
    only(call, "x", "y", "rank", "condition", "data", "message", "summarize", "name")
    kind = call.api.rsplit(".", 1)[-1].lower().removeprefix("assert_")
    names = [n for n in ("x", "y", "rank", "condition") if n in call.args]
    test = nodes.template(ASSERTED[kind], {n: nodes.parenthesized(ctx.updated(call.args[n].node)) for n in names})
    message = call.args.get("message")
    parts = [ctx.updated(message.node)] if message is not None and message.value != Const(None) else []
    return helper("assert_all", test, *parts)


ASSERTED = {
    "equal": "{x} == {y}", "greater": "{x} > {y}", "greater_equal": "{x} >= {y}", "less": "{x} < {y}",
    "less_equal": "{x} <= {y}", "rank": "{x}.dim() == {rank}", "positive": "{x} > 0", "non_negative": "{x} >= 0",
    "assert": "{condition}", "none_equal": "{x} != {y}",
}  # fmt: skip


@named("tf_nest_map")
def nest_map(ctx: Context, row: Row, call: BoundCall, node: cst.Call, new: cst.Call) -> Outcome:
    if call.extra or any(a.star or a.keyword is not None for a in new.args):
        raise Refused("XL202", f"{call.api}: `*` or keyword arguments hide what is passed")
    return helper("map_structure", *(nodes.bare(a.value, node) for a in new.args))


def sizes_of(ctx: Context, bound: Bound) -> Any:
    """Two sizes for images, as a tuple where they are written out."""
    if isinstance(bound.value, Seq | Shape):
        return size(ctx, bound)
    raise Refused("XL209", "the size of the image is not known to be a sequence here")


def literal_ints(call: BoundCall, name: str) -> list[int]:
    """Integers that are written out.

    Raises:
        Refused: where they are not.
    """
    found = ints_of(call.value(name)) if name in call.args else None
    if found is None:
        raise Refused("XL201", f"{call.api}: argument `{name}` must be a literal to be translated")
    return found


@named("tf_files")
def files(ctx: Context, row: Row, call: BoundCall, node: cst.Call, new: cst.Call) -> Outcome:
    """Python's own functions for files; what they cannot read is a path of Google's storage."""
    names = {"makedirs": "path", "exists": "path", "isdir": "path", "listdir": "path", "glob": "pattern",
             "rmtree": "path", "remove": "path", "GFile": "name"}  # fmt: skip
    what = call.api.rsplit(".", 1)[-1]
    only(call, names[what], "mode")
    path = next((a.value for a in new.args if a.keyword is None or a.keyword.value == names[what]), None)
    if path is None or any(a.star for a in new.args):
        raise Refused("XL202", f"{call.api}: which path it gets is not known here")
    mode = call.args.get("mode")
    if what == "GFile":
        parts = [path, *([ctx.updated(mode.node)] if mode is not None and mode.value != Const("r") else [])]
        return Edit(nodes.call("open", *parts))
    module = {"glob": "glob", "rmtree": "shutil"}.get(what, "os")
    keywords = {"exist_ok": nodes.literal(True)} if what == "makedirs" else {}
    func = "os.path." + what if what in ("exists", "isdir") else f"{module}.{what}"
    return Edit(nodes.call(func, path, **keywords), (f"import {module}",))


@named("tf_checkpoint")
def checkpoint(ctx: Context, row: Row, call: BoundCall, node: cst.Call, new: cst.Call) -> Outcome:
    """The helpers of the same names: objects by keyword, or a checkpoint, a folder and how many to keep."""
    name = call.api.rsplit(".", 1)[-1]
    known = {"checkpoint", "directory", "max_to_keep", "checkpoint_name"}
    positional = any(a.keyword is None for a in new.args)
    if any(a.star for a in new.args) or (name == "Checkpoint" and positional):
        raise Refused("XL202", f"{call.api}: which objects it gets is not written out")
    if name != "Checkpoint" and any(a.keyword is not None and a.keyword.value not in known for a in new.args):
        raise Refused("XL201", f"{call.api}: only a folder, a number to keep and a name are translated")
    return Edit(new.with_changes(func=cst.Name(name)), (f"helper:{name}",))


@named("tf_checkpoint_method")
def checkpoint_method(ctx: Context, row: Row, call: BoundCall, node: cst.Call, new: cst.Call) -> Outcome:
    """The helpers' methods have the same names."""
    only(call, "input", "self", "file_prefix", "save_path", "checkpoint_number")
    return None
