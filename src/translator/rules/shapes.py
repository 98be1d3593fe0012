"""Rules for operations that change shapes: reshapes, permutations, broadcasting, joins and splits."""

from __future__ import annotations

from typing import Any

import libcst as cst

from .. import nodes
from ..infer.facts import Bound, BoundCall, given
from ..infer.results import axis_of, dtype_of, int_of
from ..infer.shapes import explicit_equation
from ..rewrite.context import Context, Edit, Outcome, Refusal
from ..tables.schema import Row
from ..values import Const, Num, Seq, Shape, Tensor, as_tensor, python_type
from .named import named, shape_node

# -- what the rules share ------------------------------------------------------------------------------


def receiver(call: BoundCall) -> Bound:
    """The tensor that an operation works on: ``input``, or ``tensor`` in a few Python functions."""
    return call.args["input"] if "input" in call.args else call.args["tensor"]


def receiver_tensor(call: BoundCall) -> Tensor | None:
    return as_tensor(receiver(call).value)


def cheap(node: Any) -> bool:
    """Whether writing an expression twice costs nothing and changes nothing."""
    return isinstance(node, cst.Name) or (isinstance(node, cst.Attribute) and cheap(node.value))


def literal_ints(node: Any) -> list[int] | None:
    """The integers of a tuple or list that is written out."""
    if not isinstance(node, cst.Tuple | cst.List):
        return None
    out = [nodes.integer(e.value) for e in node.elements]
    return [i for i in out if i is not None] if None not in out else None


def sizes_of(call: BoundCall, *names: str) -> list[Bound]:
    """Sizes passed one by one, or as one sequence."""
    return [*(call.args[n] for n in names if n in call.args), *call.varargs]


def passed_on(ctx: Context, helper: str, x: Any, bounds: list[Bound], **keywords: Any) -> Edit:
    """A helper that takes sizes the way the source does."""
    args = [cst.Arg(ctx.updated(b.node), star=b.star) for b in bounds]
    return Edit(nodes.call(helper, x, *args, **keywords), (f"helper:{helper}",))


# -- reshapes ------------------------------------------------------------------------------------------


@named("reshape")
def reshape(ctx: Context, row: Row, call: BoundCall, node: cst.Call, new: cst.Call) -> Outcome:
    """``x.view(...)``, ``x.reshape(...)``, ``torch.reshape(x, shape)``."""
    if "dtype" in call.args and call.api.endswith(".view"):
        only = call.args["dtype"]
        if python_type(only.value) != "int" and not isinstance(only.value, Seq | Shape):
            return _viewed_as(ctx, call, only)
        call.args["size"] = call.args.pop("dtype")
    name = "shape" if "shape" in call.args else "size"
    x = ctx.updated(call.args["input"].node)
    return Edit(nodes.call("tf.reshape", x, shape_node(ctx, call, name)), ("tf",))


def _viewed_as(ctx: Context, call: BoundCall, dtype: Bound) -> Outcome:
    """``x.view(torch.int32)``: the same bytes as another type."""
    if dtype_of(dtype.value) is None:
        return Refusal("XL209", "torch.Tensor.view: it is not known whether this is a size or a dtype", "annotate it")
    return passed_on(ctx, "view_as_type", ctx.updated(call.args["input"].node), [dtype])


@named("size")
def size(ctx: Context, row: Row, call: BoundCall, node: cst.Call, new: cst.Call) -> Outcome:
    """``x.size()`` is a tuple of ints (scalar tensors where sizes are dynamic); ``x.size(i)`` one of them."""
    from .tensors import chosen_order, dim_read, shape_read

    x = ctx.updated(call.args["input"].node)
    tensor = as_tensor(call.value("input"))
    if "dim" not in call.args:
        return shape_read(x, chosen_order(ctx, tensor))
    axis = call.args["dim"]
    return dim_read(x, tensor, ctx.updated(axis.node), axis.value, chosen_order(ctx, tensor))


@named("flatten")
def flatten(ctx: Context, row: Row, call: BoundCall, node: cst.Call, new: cst.Call) -> Outcome:
    """``flatten(start_dim, end_dim)`` as one reshape of known leading and trailing axes."""
    from .tensors import dim_read

    x = ctx.updated(call.args["input"].node)
    tensor = as_tensor(call.value("input"))
    start = nodes.integer(call.args["start_dim"].node) if "start_dim" in call.args else 0
    end = nodes.integer(call.args["end_dim"].node) if "end_dim" in call.args else -1
    rank = tensor.rank if tensor is not None else None
    if start is None or end is None:
        keywords = {n: ctx.updated(call.args[n].node) for n in ("start_dim", "end_dim") if n in call.args}
        return passed_on(ctx, "flatten", x, [], **keywords)
    if rank:
        start, end = start % rank, end % rank
        end = -1 if end == rank - 1 else end
    if start == 0 and end == -1:
        return Edit(nodes.call("tf.reshape", x, nodes.dotted("[-1]")), ("tf",))
    if start < 0 or not (end == -1 or rank is not None) or not cheap(x):
        return Edit(_flatten_helper(x, start, end), ("helper:flatten",))
    dims = tensor.dims if tensor is not None and tensor.dims is not None else ()
    if (start, end) == (1, -1) and dims and all(d is not None for d in dims[1:]):
        # The other way round, with -1 for the features, their number would be lost where the batch size is not known.
        return Edit(nodes.template("tf.reshape({x}, (-1, math.prod({x}.shape[1:])))", {"x": x}), ("tf", "math"))
    lead = [dim_read(x, tensor, nodes.literal(i), Const(i)) for i in range(start)]
    tail = [dim_read(x, tensor, nodes.literal(i), Const(i)) for i in range(end + 1, rank or 0)] if end != -1 else []
    sizes = nodes.tuple_of([e.node for e in lead] + [nodes.literal(-1)] + [e.node for e in tail])
    return Edit(nodes.call("tf.reshape", x, sizes), ("tf", "keras"))


def _flatten_helper(x: Any, start: int, end: int) -> Any:
    args = {"start_dim": nodes.literal(start)} if start else {}
    if end != -1:
        args["end_dim"] = nodes.literal(end)
    return nodes.call("flatten", x, **args)


@named("unflatten")
def unflatten(ctx: Context, row: Row, call: BoundCall, node: cst.Call, new: cst.Call) -> Outcome:
    """The last axis split into written sizes is one reshape; other axes need the sizes around them."""
    if call.problem:
        return Refusal("XL202", f"{call.api}: {call.problem}")
    x, dim, sizes = (ctx.updated(call.args[n].node) for n in ("input", "dim", "sizes"))
    tensor = as_tensor(call.value("input"))
    last = tensor is not None and tensor.rank is not None and nodes.integer(dim) in (-1, tensor.rank - 1)
    if (nodes.integer(dim) == -1 or last) and cheap(x) and isinstance(sizes, cst.Tuple | cst.List):
        lead = nodes.template("keras.ops.shape({x})[:-1]", {"x": x})
        shape = cst.Tuple([cst.StarredElement(lead), *sizes.elements])
        return Edit(nodes.call("tf.reshape", x, shape), ("tf", "keras"))
    return Edit(nodes.call("unflatten", x, dim, sizes), ("helper:unflatten",))


# -- permutations --------------------------------------------------------------------------------------


@named("permute")
def permute(ctx: Context, row: Row, call: BoundCall, node: cst.Call, new: cst.Call) -> Outcome:
    x = ctx.updated(call.args["input"].node)
    order = shape_node(ctx, call, "dims")
    literal = literal_ints(order)
    if literal is not None and any(i < 0 for i in literal):
        order = nodes.tuple_of([nodes.literal(i % len(literal)) for i in literal])
    return Edit(nodes.call("tf.transpose", x, order), ("tf",))


@named("transpose")
def transpose(ctx: Context, row: Row, call: BoundCall, node: cst.Call, new: cst.Call) -> Outcome:
    """Swap two axes. Without the rank, `keras.ops.swapaxes` does it at run time."""
    names = ("dim0", "dim1") if "dim0" in call.args else ("axis0", "axis1")
    if any(n not in call.args for n in ("input", *names)):
        args = [cst.Arg(ctx.updated(a.value), star=a.star) for a in node.args]
        own = [cst.Arg(ctx.updated(call.receiver.node))] if call.receiver is not None else []
        return Edit(cst.Call(nodes.dotted("keras.ops.swapaxes"), [*own, *args]), ("keras",))
    x = ctx.updated(call.args["input"].node)
    tensor = as_tensor(call.value("input"))
    rank = tensor.rank if tensor is not None else None
    axes = [nodes.integer(call.args[n].node) for n in names]
    if not rank or None in axes:
        a, b = (ctx.updated(call.args[n].node) for n in names)
        return Edit(nodes.call("keras.ops.swapaxes", x, a, b), ("keras",))
    order = list(range(rank))
    i, j = (a % rank for a in axes if a is not None)
    order[i], order[j] = order[j], order[i]
    return Edit(nodes.call("tf.transpose", x, nodes.tuple_of([nodes.literal(k) for k in order])), ("tf",))


@named("flip")
def flip(ctx: Context, row: Row, call: BoundCall, node: cst.Call, new: cst.Call) -> Outcome:
    """``tf.reverse`` wants a sequence of axes."""
    x = ctx.updated(call.args["input"].node)
    bounds = sizes_of(call, "dims")
    one = bounds[0].value if len(bounds) == 1 else None
    if any(b.star for b in bounds) or (one is not None and not isinstance(one, Seq) and python_type(one) != "int"):
        return passed_on(ctx, "flip", x, bounds)
    if isinstance(one, Seq):
        return Edit(nodes.call("tf.reverse", x, ctx.updated(bounds[0].node)), ("tf",))
    axes = cst.List([cst.Element(ctx.updated(b.node)) for b in bounds])
    return Edit(nodes.call("tf.reverse", x, axes), ("tf",))


@named("roll")
def roll(ctx: Context, row: Row, call: BoundCall, node: cst.Call, new: cst.Call) -> Outcome:
    """Without axes (or with an empty sequence of them) the tensor rolls as one flat sequence."""
    if call.problem:
        return Refusal("XL202", f"{call.api}: {call.problem}")
    x, shifts = (ctx.updated(call.args[n].node) for n in ("input", "shifts"))
    dims = call.args.get("dims")
    if dims is None or (isinstance(dims.value, Seq) and dims.value.items == []):
        return Edit(nodes.call("roll", x, shifts), ("helper:roll",))
    return Edit(nodes.call("tf.roll", x, shifts, axis=ctx.updated(dims.node)), ("tf",))


# -- axes of size 1, broadcasting, repetition ------------------------------------------------------------


@named("squeeze")
def squeeze(ctx: Context, row: Row, call: BoundCall, node: cst.Call, new: cst.Call) -> Outcome:
    """PyTorch keeps an axis whose size is not 1, TensorFlow refuses it: plain only where the size is known."""
    x = ctx.updated(call.args["input"].node)
    tensor = as_tensor(call.value("input"))
    dims = tensor.dims if tensor is not None else None
    bounds = sizes_of(call, "dim")
    if not bounds:
        if dims is None or not all(isinstance(d, int) for d in dims):
            return passed_on(ctx, "squeeze", x, [])
        return Edit(nodes.call("tf.squeeze", x), ("tf",)) if 1 in dims else Edit(x)
    axis = axis_of(bounds[0].value, len(dims) if dims is not None else None) if len(bounds) == 1 else None
    known = dims[axis] if dims is not None and axis is not None and axis < len(dims) else None
    if isinstance(known, int) and len(bounds) == 1:
        return Edit(nodes.call("tf.squeeze", x, axis=ctx.updated(bounds[0].node)), ("tf",)) if known == 1 else Edit(x)
    if len(bounds) > 1:
        return Edit(nodes.call("squeeze", x, shape_node(ctx, call, "dim")), ("helper:squeeze",))
    return passed_on(ctx, "squeeze", x, bounds)


@named("repeat")
def repeat(ctx: Context, row: Row, call: BoundCall, node: cst.Call, new: cst.Call) -> Outcome:
    """``x.repeat(...)``: one count for each axis is a tile; more counts add axes in front."""
    return _tiled(ctx, call, "repeats", "repeat")


@named("tile")
def tile(ctx: Context, row: Row, call: BoundCall, node: cst.Call, new: cst.Call) -> Outcome:
    """``torch.tile``: fewer counts than axes are those of the last axes."""
    return _tiled(ctx, call, "dims", "tile")


def _tiled(ctx: Context, call: BoundCall, name: str, helper: str) -> Outcome:
    x = ctx.updated(call.args["input"].node)
    tensor = as_tensor(call.value("input"))
    counts = shape_node(ctx, call, name)
    elements = counts.elements if isinstance(counts, cst.Tuple | cst.List) else ()
    plain = elements and not any(isinstance(e, cst.StarredElement) for e in elements)
    if tensor is None or tensor.rank is None or not plain or len(elements) != tensor.rank:
        return passed_on(ctx, helper, x, sizes_of(call, name))
    return Edit(nodes.call("tf.tile", x, counts), ("tf",))


@named("expand")
def expand(ctx: Context, row: Row, call: BoundCall, node: cst.Call, new: cst.Call) -> Outcome:
    """``x.expand(...)``: -1 keeps a size, so only sizes without it are a plain broadcast."""
    x = ctx.updated(call.args["input"].node)
    bound = sizes_of(call, "size", "sizes")
    sizes = bound[0].value if len(bound) == 1 else None
    items = sizes.items if isinstance(sizes, Seq) else [b.value for b in bound]
    certain = isinstance(sizes, Shape) or (items is not None and all(_never_minus_one(v) for v in items))
    if certain and not any(b.star for b in bound):
        name = "size" if "size" in call.args else "sizes"
        return Edit(nodes.call("tf.broadcast_to", x, shape_node(ctx, call, name)), ("tf",))
    return passed_on(ctx, "expand", x, bound)


def _never_minus_one(value: Any) -> bool:
    return (isinstance(value, Const) and value.value != -1) or (isinstance(value, Num) and value.dim)


# -- joins and splits ----------------------------------------------------------------------------------


def without_empty(ctx: Context, call: BoundCall) -> Any:
    """The tensors of a written list without those of sizes (0,): PyTorch leaves them out, whatever the others are."""
    tensors = ctx.updated(call.args["tensors"].node)
    old = call.args["tensors"].node
    if not isinstance(old, cst.List | cst.Tuple) or not isinstance(tensors, cst.List | cst.Tuple):
        return tensors
    known = [as_tensor(ctx.value(e.value)) for e in old.elements]
    empty = [t is not None and t.dims is not None and t.dims == (0,) for t in known]
    if not any(empty) or all(empty):
        return tensors
    kept = [cst.Element(e.value) for e, gone in zip(tensors.elements, empty, strict=True) if not gone]
    return cst.List(kept)


@named("cat")
def cat(ctx: Context, row: Row, call: BoundCall, node: cst.Call, new: cst.Call) -> Outcome:
    """``torch.cat(tensors, dim)``: the axis must be written, since there is no default to rely on."""
    if call.problem:
        return Refusal("XL202", f"{call.api}: {call.problem}")
    if "out" in call.args:
        return Refusal("XL201", f"{call.api}: argument `out` is not translated")
    tensors = without_empty(ctx, call)
    dim = given(call, "dim", "axis")
    axis = ctx.updated(dim.node) if dim is not None else nodes.literal(0)
    return Edit(nodes.call("tf.concat", tensors, axis=axis), ("tf",))


def _split(ctx: Context, call: BoundCall, count: int, sizes: Any = None) -> Edit:
    """``tf.split`` into equal parts, or into listed sizes."""
    dim = given(call, "dim")
    keywords = {"axis": ctx.updated(dim.node)} if dim is not None else {}
    parts = nodes.literal(count) if sizes is None else sizes
    return Edit(nodes.call("tf.split", ctx.updated(receiver(call).node), parts, **keywords), ("tf",))


def _split_helper(ctx: Context, call: BoundCall, helper: str, how: Bound) -> Edit:
    dim = given(call, "dim")
    keywords = {"dim": ctx.updated(dim.node)} if dim is not None else {}
    return passed_on(ctx, helper, ctx.updated(receiver(call).node), [how], **keywords)


def _split_length(call: BoundCall) -> int | None:
    """The size of the axis to split, where it is known."""
    tensor, dim = receiver_tensor(call), given(call, "dim")
    if tensor is None or tensor.dims is None:
        return None
    axis = axis_of(dim.value, tensor.rank) if dim is not None else 0
    size = tensor.dims[axis] if axis is not None and axis < len(tensor.dims) else None
    return size if isinstance(size, int) else None


def _pieces(ctx: Context, call: BoundCall, length: int, piece: int) -> Edit:
    """Pieces of one size, the last possibly smaller."""
    if piece < 1 or length % piece == 0:
        return _split(ctx, call, max(1, length // max(1, piece)))
    sizes = [min(piece, length - start) for start in range(0, length, piece)]
    return _split(ctx, call, 0, cst.List([cst.Element(nodes.literal(n)) for n in sizes]))


@named("split")
def split(ctx: Context, row: Row, call: BoundCall, node: cst.Call, new: cst.Call) -> Outcome:
    """PyTorch's number is the size of a piece, TensorFlow's the number of pieces."""
    if call.problem:
        return Refusal("XL202", f"{call.api}: {call.problem}")
    how = given(call, "split_size_or_sections", "split_size", "split_sizes")
    assert how is not None
    if isinstance(how.value, Seq):
        return _split(ctx, call, 0, ctx.updated(how.node))
    piece, length = int_of(how.value), _split_length(call)
    if piece is not None and length is not None:
        return _pieces(ctx, call, length, piece)
    return _split_helper(ctx, call, "split", how)


@named("chunk")
def chunk(ctx: Context, row: Row, call: BoundCall, node: cst.Call, new: cst.Call) -> Outcome:
    """At most that many pieces of equal size: plain where the size of the axis is known."""
    if call.problem:
        return Refusal("XL202", f"{call.api}: {call.problem}")
    count, length = int_of(call.value("chunks")), _split_length(call)
    if count and length:
        return _pieces(ctx, call, length, -(-length // count))
    return _split_helper(ctx, call, "chunk", call.args["chunks"])


@named("tensor_split")
def tensor_split(ctx: Context, row: Row, call: BoundCall, node: cst.Call, new: cst.Call) -> Outcome:
    how = given(call, "sections", "indices", "tensor_indices_or_sections")
    if call.problem or how is None:
        return Refusal("XL202", f"{call.api}: {call.problem}")
    return _split_helper(ctx, call, "tensor_split", how)


# -- functions of several tensors ------------------------------------------------------------------------


def star_args(ctx: Context, bounds: list[Bound]) -> list[cst.Arg]:
    """Tensors passed one by one; one list of them is unpacked."""
    args = [cst.Arg(ctx.updated(b.node), star=b.star) for b in bounds]
    if len(bounds) == 1 and isinstance(bounds[0].value, Seq) and not bounds[0].star:
        args = [cst.Arg(args[0].value, star="*")]
    return args


@named("tensors")
def tensors(ctx: Context, row: Row, call: BoundCall, node: cst.Call, new: cst.Call) -> Outcome:
    """A helper that takes any number of tensors."""
    assert row.helper is not None
    return Edit(nodes.call(row.helper, *star_args(ctx, sizes_of(call, "tensors"))), (f"helper:{row.helper}",))


@named("atleast")
def atleast(ctx: Context, row: Row, call: BoundCall, node: cst.Call, new: cst.Call) -> Outcome:
    """``torch.atleast_2d(x)``: of one tensor; several would come back as a tuple."""
    bounds = sizes_of(call, "tensors", "input")
    if len(bounds) != 1 or bounds[0].star or as_tensor(bounds[0].value) is None:
        return Refusal("XL201", f"{call.api} is translated for one tensor", "call it once for each tensor")
    rank = nodes.literal(int(call.api[-2]))
    return Edit(nodes.call("atleast", ctx.updated(bounds[0].node), rank), ("helper:atleast",))


@named("triangle_indices")
def triangle_indices(ctx: Context, row: Row, call: BoundCall, node: cst.Call, new: cst.Call) -> Outcome:
    """``torch.tril_indices`` and ``torch.triu_indices``."""
    if call.problem or "layout" in call.args:
        return Refusal("XL202", f"{call.api}: {call.problem or 'argument `layout` is not translated'}")
    keywords = {}
    if "offset" in call.args:
        keywords["offset"] = ctx.updated(call.args["offset"].node)
    if "triu" in call.api:
        keywords["lower"] = nodes.literal(False)
    if "dtype" in call.args:
        keywords["dtype"] = ctx.updated(call.args["dtype"].node)
    sizes = (ctx.updated(call.args[n].node) for n in ("row", "col"))
    return Edit(nodes.call("triangle_indices", *sizes, **keywords), ("helper:triangle_indices",))


@named("meshgrid")
def meshgrid(ctx: Context, row: Row, call: BoundCall, node: cst.Call, new: cst.Call) -> Outcome:
    """PyTorch's default is matrix indexing, TensorFlow's is Cartesian."""
    args = star_args(ctx, sizes_of(call, "tensors"))
    indexing = given(call, "indexing") or call.extra.get("indexing")
    how = ctx.updated(indexing.node) if indexing is not None else nodes.literal("ij")
    return Edit(nodes.call("tf.meshgrid", *args, indexing=how), ("tf",))


@named("einsum")
def einsum(ctx: Context, row: Row, call: BoundCall, node: cst.Call, new: cst.Call) -> Outcome:
    """``torch.einsum``: an implicit output is written out, since TensorFlow orders it alike but says less."""
    bounds = list(call.varargs)
    equation = call.args.get("equation") or (bounds.pop(0) if bounds else None)
    if equation is None or python_type(equation.value) != "str":
        return Refusal("XL201", "torch.einsum: the equation must be a string")
    text = ctx.updated(equation.node)
    if isinstance(equation.value, Const) and "->" not in equation.value.value:
        text = nodes.literal(explicit_equation(equation.value.value))
    return Edit(nodes.call("tf.einsum", text, *star_args(ctx, bounds)), ("tf",))
