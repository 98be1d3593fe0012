"""Results of more shape operations, of indexing, linear algebra and functional layers."""

from __future__ import annotations

from ..values import STATIC, UNKNOWN, Const, Dim, Seq, Tensor, Value, as_tensor, elem_of
from .facts import BoundCall
from .results import RESULTS, Result, axis_of, int_of, ints_of, promoted, size_values, tensor_arg


def _with(x: Tensor | None, dims: tuple[Dim, ...] | None, rank: int | None = None, view: bool = True) -> Tensor:
    """A tensor of x's dtype, and of its memory if it is a view."""
    out = Tensor(rank, dims, x.dtype if x is not None else None)
    if x is not None and view:
        out.storage = x.storage
    return out


def view_as(call: BoundCall) -> Value:
    x, other = tensor_arg(call), tensor_arg(call, "other")
    return _with(x, other.dims if other else None)


def unflatten(call: BoundCall) -> Value:
    x, sizes = tensor_arg(call), call.value("sizes")
    axis = axis_of(call.value("dim"), x.rank if x else None)
    items = sizes.items if isinstance(sizes, Seq) else None
    if x is None or x.dims is None or axis is None or items is None or axis >= len(x.dims):
        return _with(x, None)
    length = x.dims[axis]
    fixed: Dim = None if length is None else STATIC
    inner = tuple(n if (n := int_of(v)) is not None and n >= 0 else fixed for v in items)
    return _with(x, (*x.dims[:axis], *inner, *x.dims[axis + 1 :]))


def ravel(call: BoundCall) -> Value:
    return _with(tensor_arg(call), None, 1)


def reversed_axes(call: BoundCall) -> Value:
    x = tensor_arg(call)
    return _with(x, x.dims[::-1] if x and x.dims is not None else None)


def swap_last(call: BoundCall) -> Value:
    x = tensor_arg(call)
    dims = x.dims if x else None
    return _with(x, (*dims[:-2], dims[-1], dims[-2]) if dims and len(dims) > 1 else None)


def same_rank(call: BoundCall) -> Value:
    x = tensor_arg(call)
    return _with(x, None, x.rank if x else None)


def tile(call: BoundCall) -> Value:
    x = tensor_arg(call)
    values = size_values(call, "dims")
    one = values[0] if len(values) == 1 else None
    items = one.items if isinstance(one, Seq) else None if one is UNKNOWN else values
    if x is None or x.rank is None or items is None or any(b.star for b in call.varargs):
        return _with(x, None, view=False)
    return _with(x, None, max(x.rank, len(items)), view=False)


def _axis(call: BoundCall, x: Tensor | None, default: int | None = None, name: str = "dim") -> int | None:
    return axis_of(call.args[name].value, x.rank if x else None) if name in call.args else default


def repeat_interleave(call: BoundCall) -> Value:
    x = tensor_arg(call)
    if "dim" not in call.args or call.value("dim") == Const(None):
        return _with(x, None, 1, view=False)
    axis = _axis(call, x)
    if x is None or x.dims is None or axis is None or axis >= len(x.dims):
        return _with(x, None, x.rank if x else None, view=False)
    size, count = x.dims[axis], int_of(call.value("repeats"))
    total: Dim = size * count if isinstance(size, int) and count is not None else None
    return _with(x, (*x.dims[:axis], total, *x.dims[axis + 1 :]), view=False)


def _item(call: BoundCall) -> Tensor | None:
    values = call.value("tensors")
    return as_tensor(elem_of(values)) if isinstance(values, Seq) else None


def hstack(call: BoundCall) -> Value:
    item = _item(call)
    return _with(item, None, max(1, item.rank) if item and item.rank is not None else None, view=False)


def vstack(call: BoundCall) -> Value:
    item = _item(call)
    return _with(item, None, max(2, item.rank) if item and item.rank is not None else None, view=False)


def joined(call: BoundCall) -> Value:
    item = _item(call) or next((t for b in call.varargs if (t := as_tensor(b.value)) is not None), None)
    return _with(item, None, view=False)


def narrow(call: BoundCall) -> Value:
    """A part of one axis: ``narrow``, and ``index_select``-like results."""
    x = tensor_arg(call)
    axis = _axis(call, x)
    if x is None or x.dims is None or axis is None or axis >= len(x.dims):
        return _with(x, None, x.rank if x else None)
    size = int_of(call.value("length"))
    return _with(x, (*x.dims[:axis], size, *x.dims[axis + 1 :]))


def drop_dim(call: BoundCall) -> Value:
    x = tensor_arg(call)
    axis = _axis(call, x)
    if x is None or x.dims is None or axis is None or axis >= len(x.dims):
        return _with(x, None, x.rank - 1 if x and x.rank else None)
    return _with(x, x.dims[:axis] + x.dims[axis + 1 :])


def windows(call: BoundCall) -> Value:
    x = tensor_arg(call)
    axis = _axis(call, x, name="dimension")
    if x is None or x.dims is None or axis is None or axis >= len(x.dims):
        return _with(x, None, x.rank + 1 if x and x.rank is not None else None)
    return _with(x, (*x.dims[:axis], None, *x.dims[axis + 1 :], int_of(call.value("size"))))


def diagonal(call: BoundCall) -> Value:
    x = tensor_arg(call) or tensor_arg(call, "A")
    return _with(x, None, x.rank - 1 if x and x.rank else None)


def diag(call: BoundCall) -> Value:
    x = tensor_arg(call)
    return _with(x, None, {1: 2, 2: 1}.get(x.rank or 0) if x else None, view=False)


def diag_embed(call: BoundCall) -> Value:
    x = tensor_arg(call)
    return _with(x, None, x.rank + 1 if x and x.rank is not None else None, view=False)


def tensor_like(call: BoundCall) -> Value:
    """A tensor of which only the dtype is known: that of the first operand."""
    return _with(next((t for b in call.args.values() if (t := as_tensor(b.value)) is not None), None), None, view=False)


def first(call: BoundCall) -> Value:
    """A tensor like the first argument, whatever that is called: what ``nn.init`` functions give."""
    x = tensor_arg(call, "tensor")
    return Tensor(x.rank, x.dims, x.dtype, storage=x.storage, variable=x.variable) if x else Tensor(dtype="float")


def vector_like(call: BoundCall) -> Value:
    return _with(tensor_arg(call), None, 1, view=False)


def masked_fill(call: BoundCall) -> Value:
    """x, broadcast with the mask where the mask has more axes."""
    x, mask = tensor_arg(call), tensor_arg(call, "mask")
    if x is None or mask is None or x.rank is None or mask.rank is None or mask.rank <= x.rank:
        return _with(x, x.dims if x else None, view=False)
    return _with(x, None, mask.rank, view=False)


def taken(call: BoundCall) -> Value:
    index = tensor_arg(call, "index")
    return _with(tensor_arg(call), index.dims if index else None, view=False)


def gather_along(call: BoundCall) -> Value:
    x = tensor_arg(call)
    flat = "dim" not in call.args or call.value("dim") == Const(None)
    return _with(x, None, 1 if flat else x.rank if x else None, view=False)


def nonzero(call: BoundCall) -> Value:
    if call.value("as_tuple") == Const(True):
        x = tensor_arg(call)
        one = Tensor(1, dtype="int64")
        return Seq("tuple", [one] * x.rank if x and x.rank else None, one)
    rows = "as_tuple" not in call.args or call.value("as_tuple") == Const(False)
    return Tensor(2, dtype="int64") if rows else UNKNOWN


def found(call: BoundCall) -> Value:
    """Places in a sorted sequence: of the shape of the values."""
    x = tensor_arg(call)
    small = call.value("out_int32") if "out_int32" in call.args else Const(False)
    dtype = "int64" if small == Const(False) else "int32" if small == Const(True) else None
    return Tensor(x.rank if x else None, x.dims if x else None, dtype)


# -- linear algebra ------------------------------------------------------------------------------------


def _matrix(call: BoundCall) -> Tensor | None:
    return tensor_arg(call) or tensor_arg(call, "A")


def same_matrix(call: BoundCall) -> Value:
    """A matrix of the shape of the first operand, in new memory."""
    x = _matrix(call)
    return _with(x, x.dims if x else None, view=False)


def per_matrix(call: BoundCall) -> Value:
    """One number for each matrix: determinants, traces."""
    x = _matrix(call)
    return _with(x, x.dims[:-2] if x and x.dims is not None and len(x.dims) > 1 else None, view=False)


def per_matrix_pair(call: BoundCall) -> Value:
    return Seq("tuple", [per_matrix(call), per_matrix(call)])


def per_row(call: BoundCall) -> Value:
    """One vector for each matrix: eigenvalues, singular values."""
    x = _matrix(call)
    return _with(x, None, x.rank - 1 if x and x.rank and x.rank > 1 else None, view=False)


def eigen(call: BoundCall) -> Value:
    return Seq("tuple", [per_row(call), same_matrix(call)])


def svd(call: BoundCall) -> Value:
    x = _matrix(call)
    rank = x.rank if x else None
    return Seq("tuple", [_with(x, None, rank, view=False), per_row(call), _with(x, None, rank, view=False)])


def matrix_pair(call: BoundCall) -> Value:
    x = _matrix(call)
    return Seq("tuple", [_with(x, None, x.rank if x else None, view=False) for _ in range(2)])


def solution(call: BoundCall) -> Value:
    b = tensor_arg(call, "B")
    return _with(b, b.dims if b else None, view=False)


def lstsq(call: BoundCall) -> Value:
    b = tensor_arg(call, "b")
    rest = [_with(b, None, view=False) for _ in range(3)]
    return Seq("tuple", [_with(b, None, b.rank if b else None, view=False), *rest])


def cross(call: BoundCall) -> Value:
    a, b = tensor_arg(call), tensor_arg(call, "other")
    if a is not None and b is not None and a.dims is not None and b.dims is not None and len(a.dims) >= len(b.dims):
        return Tensor(a.rank, dtype=promoted(a, b))
    return _with(a, None, view=False)


def outer(call: BoundCall) -> Value:
    a, b = tensor_arg(call), tensor_arg(call, "vec2")
    dims = (a.dims[0], b.dims[0]) if a and b and a.dims and b.dims else (None, None)
    return _with(a, dims, view=False)


def complex_like(call: BoundCall) -> Value:
    x = tensor_arg(call)
    return Tensor(x.rank if x else None, dtype=None)


# -- functional layers -----------------------------------------------------------------------------------


def linear_weight(call: BoundCall) -> Value:
    x, weight = tensor_arg(call), tensor_arg(call, "weight")
    if x is None or not x.dims:
        return _with(x, None, view=False)
    if weight is not None and weight.rank == 1:
        return _with(x, x.dims[:-1], view=False)
    out: Dim = weight.dims[0] if weight is not None and weight.dims else None
    return _with(x, (*x.dims[:-1], STATIC if out is None else out), view=False)


def conv_weight(rank: int, transposed: bool = False) -> Result:
    """A convolution by a given weight: batched input is assumed where its rank is unknown."""

    def result(call: BoundCall) -> Value:
        x, weight = tensor_arg(call), tensor_arg(call, "weight")
        if x is not None and x.rank == rank + 1:
            return _with(x, None, rank + 1, view=False)
        out: Dim = weight.dims[0] if weight is not None and weight.dims and not transposed else None
        batch: Dim = x.dims[0] if x is not None and x.dims else None
        return _with(x, (batch, STATIC if out is None else out, *(None,) * rank), view=False)

    return result


def embedding_weight(call: BoundCall) -> Value:
    x, weight = tensor_arg(call), tensor_arg(call, "weight")
    size: Dim = weight.dims[-1] if weight is not None and weight.dims else None
    dims = (*x.dims, STATIC if size is None else size) if x is not None and x.dims is not None else None
    return Tensor(dims=dims, dtype=weight.dtype if weight is not None else "float")


def padded(call: BoundCall) -> Value:
    """``F.pad``: the axes that are padded change their size."""
    x, amounts = tensor_arg(call), ints_of(call.value("pad"))
    if x is None or x.dims is None:
        return _with(x, None, view=False)
    pads = call.value("pad")
    count = len(pads.items) // 2 if isinstance(pads, Seq) and pads.items is not None else len(x.dims)
    dims = list(x.dims)
    for i in range(min(count, len(dims))):
        size, axis = dims[-1 - i], len(dims) - 1 - i
        known = isinstance(size, int) and amounts is not None
        dims[axis] = size + amounts[2 * i] + amounts[2 * i + 1] if known else None  # type: ignore[operator,index]
    return _with(x, tuple(dims), view=False)


def similarity(call: BoundCall) -> Value:
    """A reduction over one axis of two broadcast tensors, whose rank is one less."""
    x, y = tensor_arg(call, "x1"), tensor_arg(call, "x2")
    if x is None or y is None or x.rank is None or y.rank is None:
        return _with(x, None, view=False)
    keep = call.value("keepdim") == Const(True)
    rank = max(x.rank, y.rank)
    return _with(x, None, rank if keep else rank - 1, view=False)


def channels_changed(call: BoundCall) -> Value:
    """``pixel_shuffle`` and its like: the last three axes change."""
    x = tensor_arg(call)
    dims = (*x.dims[:-3], STATIC, None, None) if x and x.dims is not None and len(x.dims) > 2 else None
    return _with(x, dims, view=False)


def patches(call: BoundCall) -> Value:
    x = tensor_arg(call)
    return _with(x, (x.dims[0], STATIC, None) if x and x.dims is not None and len(x.dims) == 4 else None, view=False)


def folded(call: BoundCall) -> Value:
    x, size = tensor_arg(call), ints_of(call.value("output_size")) or []
    spatial = tuple(size * 2 if len(size) == 1 else size) or (None, None)
    batch = x.dims[:-2] if x and x.dims else (None,)
    return _with(x, (*batch, STATIC, *spatial), view=False)


def sampled(call: BoundCall) -> Value:
    x = tensor_arg(call)
    dims = (*x.dims[:2], *(None,) * (len(x.dims) - 2)) if x and x.dims is not None and len(x.dims) > 2 else None
    return _with(x, dims, view=False)


def affine_grid(call: BoundCall) -> Value:
    theta = tensor_arg(call, "theta")
    return _with(theta, None, view=False)


RESULTS.update({
    "view_as": view_as, "unflatten": unflatten, "ravel": ravel, "reversed": reversed_axes, "swap_last": swap_last,
    "same_rank": same_rank, "tile": tile, "repeat_interleave": repeat_interleave, "hstack": hstack, "vstack": vstack,
    "joined": joined, "narrow": narrow, "drop_dim": drop_dim, "windows": windows, "diagonal": diagonal, "diag": diag,
    "diag_embed": diag_embed, "tensor_like": tensor_like, "first": first, "vector_like": vector_like,
    "same_matrix": same_matrix, "per_matrix": per_matrix, "per_matrix_pair": per_matrix_pair, "per_row": per_row,
    "eigen": eigen, "svd": svd, "matrix_pair": matrix_pair, "solution": solution, "lstsq": lstsq, "cross": cross,
    "outer": outer, "complex_like": complex_like, "linear_weight": linear_weight, "conv1d_weight": conv_weight(1),
    "conv2d_weight": conv_weight(2), "conv3d_weight": conv_weight(3), "conv1d_transposed": conv_weight(1, True),
    "conv2d_transposed": conv_weight(2, True), "conv3d_transposed": conv_weight(3, True),
    "embedding_weight": embedding_weight, "padded": padded, "similarity": similarity,
    "channels_changed": channels_changed, "patches": patches, "folded": folded, "sampled": sampled,
    "masked_fill": masked_fill, "taken": taken, "gather_along": gather_along, "nonzero": nonzero, "found": found,
    "affine_grid": affine_grid, "index_matrix": lambda call: Tensor(2, dtype="int64"),
})  # fmt: skip
