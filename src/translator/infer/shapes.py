"""Results of operations that change shapes: reshapes, joins, layers with spatial axes."""

from __future__ import annotations

from ..values import (
    STATIC,
    UNKNOWN,
    Const,
    Dim,
    Instance,
    Seq,
    Shape,
    Tensor,
    Value,
    as_tensor,
    elem_of,
    one_list,
    python_type,
)
from .facts import BoundCall
from .results import (
    PACKED,
    RESULTS,
    Result,
    axis_of,
    dim_of,
    dtype_of,
    int_of,
    ints_of,
    matmul_result,
    shape_dims,
    size_values,
    tensor_arg,
)


def reshape(call: BoundCall) -> Value:
    x = tensor_arg(call)
    if "dtype" in call.args and (dtype := dtype_of(call.args["dtype"].value)) is not None:
        return Tensor(x.rank if x else None, dtype=dtype, storage=x.storage if x else None)
    values = size_values(call, next((n for n in ("shape", "dtype") if n in call.args), "size"))
    stars = any(b.star for b in call.varargs)
    dims = None if stars else shape_dims(values)
    if dims is not None and x is not None:
        dims = _solve_minus_one(x, values, dims)
    return Tensor(
        len(dims) if dims is not None else None, dims, x.dtype if x else None, storage=x.storage if x else None
    )


def _solve_minus_one(x: Tensor, values: list[Value], dims: tuple[Dim, ...]) -> tuple[Dim, ...]:
    """A ``-1`` is fixed when everything else, on both sides, is; ``(B, -1)`` of fixed trailing axes too."""
    items = values[0].items if len(values) == 1 and isinstance(values[0], Seq) else values
    holes = [i for i, v in enumerate(items or []) if int_of(v) == -1]
    if len(holes) != 1 or x.dims is None:
        return dims
    dynamic_in = sum(d is None for d in x.dims)
    dynamic_out = sum(d is None for i, d in enumerate(dims) if i != holes[0])
    if dynamic_in == dynamic_out and dynamic_in <= 1:
        return tuple(STATIC if i == holes[0] else d for i, d in enumerate(dims))
    return dims


def flatten(call: BoundCall) -> Value:
    x = tensor_arg(call)
    if x is None or x.dims is None:
        return Tensor(dtype=x.dtype if x else None, storage=x.storage if x else None)
    rank = len(x.dims)
    start = axis_of(call.value("start_dim"), rank) if "start_dim" in call.args else int(_default(call, "start_dim", 0))
    end = axis_of(call.value("end_dim"), rank) if "end_dim" in call.args else rank - 1
    if start is None or end is None:
        return Tensor(dtype=x.dtype, storage=x.storage)
    merged = x.dims[start : end + 1]
    size: Dim = STATIC if all(d is not None for d in merged) else None
    return Tensor(dims=(*x.dims[:start], size, *x.dims[end + 1 :]), dtype=x.dtype, storage=x.storage)


def _default(call: BoundCall, name: str, fallback: int) -> int:
    text = call.defaults.get(name, "")
    return int(text) if text.lstrip("-").isdigit() else fallback


def permute(call: BoundCall) -> Value:
    x = tensor_arg(call)
    values = size_values(call, "dims")
    order = ints_of(values[0]) if len(values) == 1 else [i for v in values if (i := int_of(v)) is not None]
    if x is None or order is None or (x.rank is not None and len(order) != x.rank):
        return Tensor(dtype=x.dtype if x else None, storage=x.storage if x else None)
    dims = tuple(x.dims[i] for i in order) if x.dims is not None else None
    return Tensor(len(order), dims, x.dtype, storage=x.storage)


def transpose(call: BoundCall) -> Value:
    x = tensor_arg(call)
    if x is None or x.dims is None:
        return Tensor(rank=x.rank if x else None, dtype=x.dtype if x else None, storage=x.storage if x else None)
    names = ("dim0", "dim1") if "dim0" in call.args else ("axis0", "axis1")
    a, b = (axis_of(call.value(n), x.rank) for n in names)
    dims = list(x.dims)
    if a is None or b is None or max(a, b) >= len(dims):
        dims = [None] * len(dims)
    else:
        dims[a], dims[b] = dims[b], dims[a]
    return Tensor(dims=tuple(dims), dtype=x.dtype, storage=x.storage)


def unsqueeze(call: BoundCall) -> Value:
    x = tensor_arg(call)
    if x is None or x.dims is None:
        return Tensor(dtype=x.dtype if x else None, storage=x.storage if x else None)
    axis = axis_of(call.value("dim"), len(x.dims) + 1)
    dims = list(x.dims)
    if axis is None:
        return Tensor(rank=len(dims) + 1, dtype=x.dtype, storage=x.storage)
    dims.insert(axis, 1)
    return Tensor(dims=tuple(dims), dtype=x.dtype, storage=x.storage)


def squeeze(call: BoundCall) -> Value:
    x = tensor_arg(call)
    axis = axis_of(call.value("dim"), x.rank if x else None) if "dim" in call.args else None
    if x is None or x.dims is None or axis is None or axis >= len(x.dims) or x.dims[axis] != 1:
        return Tensor(dtype=x.dtype if x else None, storage=x.storage if x else None)
    return Tensor(dims=x.dims[:axis] + x.dims[axis + 1 :], dtype=x.dtype, storage=x.storage)


def expand(call: BoundCall) -> Value:
    x = tensor_arg(call)
    values = size_values(call)
    dims = None if any(b.star for b in call.varargs) else shape_dims(values)
    return Tensor(
        len(dims) if dims is not None else None, dims, x.dtype if x else None, storage=x.storage if x else None
    )


def expand_as(call: BoundCall) -> Value:
    x, other = tensor_arg(call), tensor_arg(call, "other")
    return Tensor(other.rank if other else None, other.dims if other else None, x.dtype if x else None)


def repeat(call: BoundCall) -> Value:
    x = tensor_arg(call)
    values = size_values(call, "repeats")
    one = values[0] if len(values) == 1 else None
    items = one.items if isinstance(one, Seq) else values
    return Tensor(len(items) if items and not any(b.star for b in call.varargs) else None, dtype=x.dtype if x else None)


def disagree(values: Value) -> bool:
    """Whether tensors stand in different axis orders, each of which is certain."""
    items = values.items if isinstance(values, Seq) and values.items is not None else []
    perms = {t.layout.find().perm for v in items if (t := as_tensor(v)) is not None}
    return len(perms - {None}) > 1


def cat(call: BoundCall) -> Value:
    values = one_list(call.value("tensors"))
    if disagree(values):
        return Tensor()
    item = as_tensor(elem_of(values)) if isinstance(values, Seq) else None
    if item is None or item.dims is None:
        return Tensor(dtype=item.dtype if item else None)
    given = call.args.get("dim")
    axis = axis_of(given.value, item.rank) if given else 0
    sizes: list[Dim] = []
    if isinstance(values, Seq) and values.items is not None and axis is not None:
        sizes = [t.dims[axis] for v in values.items if (t := as_tensor(v)) and t.dims and axis < len(t.dims)]
    total: Dim = (
        sum(s for s in sizes if isinstance(s, int))
        if sizes and all(isinstance(s, int) for s in sizes)
        else (STATIC if sizes and all(s is not None for s in sizes) else None)
    )
    dims = tuple(total if i == axis else d for i, d in enumerate(item.dims)) if axis is not None else None
    return Tensor(item.rank, dims, item.dtype)


def stack(call: BoundCall) -> Value:
    values = one_list(call.value("tensors"))
    item = as_tensor(elem_of(values)) if isinstance(values, Seq) else None
    if item is None or item.dims is None:
        return Tensor(dtype=item.dtype if item else None)
    axis = axis_of(call.args["dim"].value, len(item.dims) + 1) if "dim" in call.args else 0
    n: Dim = len(values.items) if isinstance(values, Seq) and values.items is not None else None
    if axis is None:
        return Tensor(rank=len(item.dims) + 1, dtype=item.dtype)
    return Tensor(dims=(*item.dims[:axis], n, *item.dims[axis:]), dtype=item.dtype)


def split(call: BoundCall) -> Value:
    """``split``, ``chunk``, ``tensor_split``: several tensors of the same rank, sharing memory."""
    x = tensor_arg(call) or tensor_arg(call, "tensor")
    axis = axis_of(call.args["dim"].value, x.rank if x else None) if "dim" in call.args else 0
    dims: tuple[Dim, ...] | None = None
    if x is not None and x.dims is not None and axis is not None and axis < len(x.dims):
        piece: Dim = None if x.dims[axis] is None else STATIC
        dims = (*x.dims[:axis], piece, *x.dims[axis + 1 :])
    part = Tensor(x.rank if x else None, dims, x.dtype if x else None, storage=x.storage if x else None)
    length = x.dims[axis] if x is not None and x.dims is not None and axis is not None and axis < len(x.dims) else None
    count = _piece_count(call, length)
    return Seq("tuple", [part] * count if count is not None else None, part)


def _piece_count(call: BoundCall, length: Dim) -> int | None:
    """How many pieces a split gives; ``chunk`` is taken at its word where the size is not known."""
    chunks = int_of(call.value("chunks"))
    if chunks is not None:
        return -(-length // max(1, -(-length // chunks))) if isinstance(length, int) and length else chunks
    how = next((call.args[n].value for n in SPLITS if n in call.args), UNKNOWN)
    if isinstance(how, Seq):
        extra = 1 if "indices" in call.args or "tensor_indices_or_sections" in call.args else 0
        return len(how.items) + extra if how.items is not None else None
    number = int_of(how)
    if number is None or "sections" in call.args or "tensor_indices_or_sections" in call.args or "indices" in call.args:
        return number
    return -(-length // number) if isinstance(length, int) and length and number else None


SPLITS = ("split_size_or_sections", "split_size", "split_sizes", "sections", "indices", "tensor_indices_or_sections")


def unbind(call: BoundCall) -> Value:
    x = tensor_arg(call)
    axis = axis_of(call.args["dim"].value, x.rank if x else None) if "dim" in call.args else 0
    if x is None or x.dims is None or axis is None or axis >= len(x.dims):
        return Seq("tuple", None, Tensor(dtype=x.dtype if x else None))
    part = Tensor(dims=x.dims[:axis] + x.dims[axis + 1 :], dtype=x.dtype, storage=x.storage)
    n = x.dims[axis]
    return Seq("tuple", [part] * n if isinstance(n, int) and n < 64 else None, part)


def matmul(call: BoundCall) -> Value:
    other = next((call.value(n) for n in ("other", "mat2", "vec", "tensor") if n in call.args), UNKNOWN)
    return matmul_result(as_tensor(call.value("input")) or UNKNOWN, as_tensor(other) or UNKNOWN)


def einsum(call: BoundCall) -> Value:
    bounds = list(call.varargs)
    equation = call.value("equation") if "equation" in call.args else bounds.pop(0).value if bounds else UNKNOWN
    values = [b.value for b in bounds]
    if len(values) == 1 and isinstance(values[0], Seq) and values[0].items is not None:
        values = values[0].items
    operands = [as_tensor(v) for v in values]
    dtype = next((x.dtype for x in operands if x), None)
    if not isinstance(equation, Const) or not isinstance(equation.value, str):
        return Tensor(dtype=dtype)
    text = equation.value if "->" in equation.value else explicit_equation(equation.value)
    left, right = text.replace(" ", "").split("->")
    if "." in right:
        return Tensor(dtype=dtype)
    sizes: dict[str, Dim] = {}
    for letters, x in zip(left.split(","), operands, strict=False):
        if x is not None and x.dims is not None and len(x.dims) == len(letters):
            sizes.update(zip(letters, x.dims, strict=True))
    return Tensor(dims=tuple(sizes.get(c) for c in right), dtype=dtype)


def explicit_equation(equation: str) -> str:
    """``"ba,ac"`` as ``"ba,ac->bc"``: letters seen once, in alphabetical order."""
    letters = equation.replace(" ", "").replace(",", "").replace("...", "")
    once = "".join(sorted(c for c in set(letters) if letters.count(c) == 1))
    return f"{equation}->{'...' if '...' in equation else ''}{once}"


# -- layers and their functional forms -----------------------------------------------------------------


def linear(call: BoundCall) -> Value:
    x = tensor_arg(call)
    out = call.value("out_features")
    if x is None or x.dims is None or not x.dims:
        return Tensor(dtype=x.dtype if x else None)
    size: Dim = out.value if isinstance(out, Const) and isinstance(out.value, int) else STATIC
    return Tensor(dims=(*x.dims[:-1], size), dtype=x.dtype)


def embedding(call: BoundCall) -> Value:
    x = tensor_arg(call)
    size = dim_of(call.value("embedding_dim")) or STATIC
    if x is None or x.dims is None:
        return Tensor(dtype="float")
    return Tensor(dims=(*x.dims, size), dtype="float")


def spatial(rank: int) -> Result:
    """Convolutions and pools over ``rank`` spatial axes: batched input is assumed where its rank is unknown."""

    def result(call: BoundCall) -> Value:
        if call.value("return_indices") == Const(True):
            return pooled_pair(call)
        x = tensor_arg(call)
        channels: Dim = STATIC
        out = call.value("out_channels")
        if isinstance(out, Const) and isinstance(out.value, int):
            channels = out.value
        elif "out_channels" not in call.args and "weight" not in call.args:
            channels = x.dims[1] if x is not None and x.dims is not None and len(x.dims) == rank + 2 else STATIC
        batch: Dim = x.dims[0] if x is not None and x.dims else None
        if x is not None and x.rank == rank + 1:
            return Tensor(rank + 1, dtype=x.dtype)
        sizes = _spatial_sizes(call, rank)
        return Tensor(dims=(batch, channels, *sizes), dtype=x.dtype if x else None)

    return result


def pooled_pair(call: BoundCall) -> Value:
    """Maxima and their indices: batched input is assumed where its rank is unknown."""
    rank = int(next(c for c in reversed(call.api) if c.isdigit())) + 2
    x = tensor_arg(call)
    lead = x.dims[:2] if x is not None and x.dims is not None and len(x.dims) == rank else (None, STATIC)
    dims = (*lead, *(None,) * (rank - 2))
    return Seq("tuple", [Tensor(dims=dims, dtype=x.dtype if x else None), Tensor(dims=dims, dtype="int64")])


def unpooled(call: BoundCall) -> Value:
    """As many axes as there were."""
    x = tensor_arg(call)
    if x is None or x.dims is None:
        return Tensor(dtype=x.dtype if x else None)
    return Tensor(dims=(*x.dims[:2], *(None,) * (len(x.dims) - 2)), dtype=x.dtype)


def _spatial_sizes(call: BoundCall, rank: int) -> tuple[Dim, ...]:
    """Known only for adaptive pools and resizing to a literal size."""
    size = ints_of(call.value("output_size")) or ints_of(call.value("size"))
    if size:
        return tuple(size * rank if len(size) == 1 else size)
    return (None,) * rank


def interpolate(call: BoundCall) -> Value:
    x = tensor_arg(call)
    if x is None or x.dims is None:
        return Tensor(dtype=x.dtype if x else None)
    return Tensor(dims=(*x.dims[:2], *(None,) * (len(x.dims) - 2)), dtype=x.dtype)


def pixel_shuffle(call: BoundCall) -> Value:
    x = tensor_arg(call)
    batch: Dim = x.dims[0] if x and x.dims else None
    return Tensor(dims=(batch, STATIC, None, None), dtype=x.dtype if x else None)


def recurrent(states: int) -> Result:
    """``(output, state)`` of a recurrent layer; the state of an LSTM is a pair."""

    def result(call: BoundCall) -> Value:
        x = tensor_arg(call)
        batch_first = call.value("batch_first") == Const(True)
        lead = x.dims[:2] if x is not None and x.dims is not None and len(x.dims) == 3 else (None, None)
        batch = lead[0] if batch_first else lead[1]
        output: Value = Tensor(dims=(*lead, STATIC), dtype="float")
        if isinstance(given := call.value("input"), Instance) and given.api == PACKED:
            output = Instance(given.cls, given.args | {"data": Tensor(2, dtype="float")})
        state = [Tensor(dims=(STATIC, batch, STATIC), dtype="float") for _ in range(states)]
        return Seq("tuple", [output, state[0] if states == 1 else Seq("tuple", list(state))])

    return result


def recurrent_cell(states: int) -> Result:
    def result(call: BoundCall) -> Value:
        x = tensor_arg(call)
        out = Tensor(dims=(x.dims[0], STATIC) if x and x.dims else (None, STATIC), dtype="float")
        return out if states == 1 else Seq("tuple", [out, out])

    return result


def attention(call: BoundCall) -> Value:
    q = tensor_arg(call, "query") or tensor_arg(call)
    return Seq("tuple", [Tensor(q.rank if q else 3, q.dims if q else None, "float"), Tensor(3, dtype="float")])


def like_query(call: BoundCall) -> Value:
    q = tensor_arg(call, "query") or tensor_arg(call)
    return Tensor(q.rank, q.dims, q.dtype) if q else Tensor()


def where(call: BoundCall) -> Value:
    if "input" not in call.args or "other" not in call.args:
        return Seq("tuple", None, Tensor(1, dtype="int64"))
    from .results import binary_result

    parts = [as_tensor(call.value(n)) for n in ("condition", "input", "other")]
    found = [p for p in parts if p is not None]
    if not found:
        return Tensor()
    out: Value = found[0]
    for part in found[1:]:
        out = binary_result("Add", out, part)
    dtypes = [as_tensor(call.value(n)) for n in ("input", "other")]
    dtype = next((t.dtype for t in dtypes if t is not None), None)
    return Tensor(out.rank, out.dims, dtype) if isinstance(out, Tensor) else Tensor()


def gather(call: BoundCall) -> Value:
    x, index = tensor_arg(call), tensor_arg(call, "index")
    return Tensor(x.rank if x else None, index.dims if index else None, x.dtype if x else None)


def index_select(call: BoundCall) -> Value:
    x = tensor_arg(call)
    axis = axis_of(call.value("dim"), x.rank if x else None)
    if x is None or x.dims is None or axis is None:
        return Tensor(rank=x.rank if x else None)
    return Tensor(dims=tuple(None if i == axis else d for i, d in enumerate(x.dims)), dtype=x.dtype)


def one_hot(call: BoundCall) -> Value:
    x = tensor_arg(call)
    size = dim_of(call.value("num_classes")) if "num_classes" in call.args else None
    return Tensor(dims=(*x.dims, size) if x and x.dims is not None else None, dtype="int64")


def size_result(call: BoundCall) -> Value:
    from .expressions import dim_value

    x = tensor_arg(call)
    if x is None:
        return UNKNOWN
    if "dim" not in call.args:
        return Shape(x)
    axis = int_of(call.value("dim"))
    return dim_value(Shape(x), axis) if axis is not None else RESULTS["dim"](call)


def meshgrid(call: BoundCall) -> Value:
    n = len(call.varargs)
    if n == 1 and isinstance(call.varargs[0].value, Seq) and call.varargs[0].value.items is not None:
        n = len(call.varargs[0].value.items)
    return Seq("tuple", [Tensor(n) for _ in range(n)])


def item(call: BoundCall) -> Value:
    from ..values import FLOAT, INT

    x = tensor_arg(call)
    return INT if x and x.dtype and x.dtype.startswith("int") else FLOAT if x and x.dtype else UNKNOWN


OVER_CLASSES = frozenset({
    "torch.nn.functional.cross_entropy", "torch.nn.functional.nll_loss", "torch.nn.CrossEntropyLoss", "torch.nn.NLLLoss"
})  # fmt: skip
"""Losses that have one value for each sample or place, not for each class."""


def _unreduced(call: BoundCall) -> tuple[Dim, ...] | None:
    """The sizes of a loss with ``reduction="none"``; ``None`` where the operands may be broadcast."""
    x, y = as_tensor(call.value("input")), as_tensor(call.value("target"))
    if x is None or y is None or x.rank is None or y.rank is None or x.dims is None:
        return None
    if call.api.removesuffix(".__call__") in OVER_CLASSES:
        return (*x.dims[:1], *x.dims[2:]) if x.rank > 1 else ()
    return (None,) * x.rank if x.rank == y.rank else None


def loss(call: BoundCall) -> Value:
    reduction = call.value("reduction") if "reduction" in call.args else Const("mean")
    if isinstance(reduction, Const) and reduction.value == "none":
        return Tensor(dims=_unreduced(call), dtype="float")
    return Tensor(dims=() if python_type(reduction) == "str" and isinstance(reduction, Const) else None, dtype="float")


RESULTS.update({
    "reshape": reshape, "flatten": flatten, "permute": permute, "transpose": transpose, "unsqueeze": unsqueeze,
    "squeeze": squeeze, "expand": expand, "expand_as": expand_as, "repeat": repeat, "cat": cat, "stack": stack,
    "split": split, "unbind": unbind, "matmul": matmul, "einsum": einsum, "linear": linear, "embedding": embedding,
    "spatial1d": spatial(1), "spatial2d": spatial(2), "spatial3d": spatial(3), "interpolate": interpolate,
    "pooled_pair": pooled_pair, "unpooled": unpooled,
    "pixel_shuffle": pixel_shuffle, "lstm": recurrent(2), "gru": recurrent(1), "lstm_cell": recurrent_cell(2),
    "gru_cell": recurrent_cell(1), "attention": attention, "like_query": like_query, "where": where,
    "gather": gather, "index_select": index_select, "one_hot": one_hot, "size": size_result, "meshgrid": meshgrid,
    "item": item, "loss": loss,
})  # fmt: skip
