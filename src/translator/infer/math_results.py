"""Results of pointwise math, reductions and creation that need more than the general functions."""

from __future__ import annotations

from ..values import FLOAT, INT, UNKNOWN, Api, Const, Instance, Num, Seq, Shape, Tensor, Value, as_tensor, python_type
from .facts import BoundCall
from .results import (
    DTYPES,
    FLOATS,
    RESULTS,
    Result,
    arg_reduce,
    binary_result,
    cast_to,
    create,
    create_like,
    dtype_of,
    reduce,
    reduce_pair,
    same,
    shape_dims,
    tensor_arg,
)

OPERANDS = (
    "input", "other", "exponent", "values", "end", "weight", "tensor1", "tensor2", "min", "max", "n", "abs", "angle",
)  # fmt: skip


def _pointwise(call: BoundCall, operator: str) -> Value:
    """All operands broadcast, in their common dtype."""
    values = [call.args[n].value for n in OPERANDS if n in call.args]
    tensors = [as_tensor(v) or v for v in values if v != Const(None)]
    if not any(isinstance(v, Tensor) for v in tensors):
        return Tensor()
    out = tensors[0]
    for value in tensors[1:]:
        if isinstance(out, Tensor) or isinstance(value, Tensor):
            out = binary_result(operator, out, value)
    if out is tensors[0]:
        return same(call)
    return out


def pointwise(call: BoundCall) -> Value:
    return _pointwise(call, "Add")


def pointwise_float(call: BoundCall) -> Value:
    """The same where integers give floats: division, `atan2`."""
    mode = call.value("rounding_mode") if "rounding_mode" in call.args else Const(None)
    if mode == Const(None):
        return _pointwise(call, "Divide")
    out = pointwise(call)
    if isinstance(mode, Const) or not isinstance(out, Tensor) or out.dtype in FLOATS:
        return out
    return Tensor(out.rank, out.dims, None, out.layout)  # integers stay integers only if they are rounded


def pointwise_bool(call: BoundCall) -> Value:
    out = pointwise(call)
    return Tensor(out.rank, out.dims, "bool", out.layout) if isinstance(out, Tensor) else out


def as_dtype(dtype: str, base: Result) -> Result:
    """The result of another function in a fixed dtype."""

    def result(call: BoundCall) -> Value:
        out = base(call)
        return Tensor(out.rank, out.dims, dtype) if isinstance(out, Tensor) else out

    return result


def reduce_wide(call: BoundCall) -> Value:
    """Sums and products: integers and bools give int64."""
    out = reduce(call)
    if isinstance(out, Tensor) and out.dtype and out.dtype not in FLOATS and "dtype" not in call.args:
        return Tensor(out.rank, out.dims, out.dtype if "complex" in out.dtype else "int64")
    return out


def cumulate(call: BoundCall) -> Value:
    x = tensor_arg(call)
    if x is None:
        return Tensor()
    dtype = dtype_of(call.args["dtype"].value) if "dtype" in call.args else x.dtype
    wide = dtype is not None and dtype not in FLOATS and "complex" not in dtype and "dtype" not in call.args
    return Tensor(x.rank, x.dims, "int64" if wide else dtype, x.layout)


def pairs(*results: Result) -> Result:
    return lambda call: Seq("tuple", [r(call) for r in results])


def extreme(call: BoundCall) -> Value:
    """``max``: of two tensors, along an axis (a pair), or of all elements."""
    return pointwise(call) if "other" in call.args else reduce_pair(call)


def scalar_like(call: BoundCall) -> Value:
    return Tensor(0, dtype=dtype_of(call.args["dtype"].value) if "dtype" in call.args else "float")


def kth(call: BoundCall) -> Value:
    """A pair, one axis less; along the last axis without ``dim``."""
    return Seq("tuple", [reduce_last(call), as_dtype("int64", reduce_last)(call)])


def reduce_last(call: BoundCall) -> Value:
    x = tensor_arg(call)
    if "dim" in call.args or x is None:
        return reduce(call)
    if x.dims is None:
        return Tensor(dtype=x.dtype)
    kept = call.value("keepdim") == Const(True)
    return Tensor(dims=(*x.dims[:-1], 1) if kept else x.dims[:-1], dtype=x.dtype)


def quantile(call: BoundCall) -> Value:
    q = call.value("q")
    out = reduce(call)
    number = python_type(q) is not None or ((t := as_tensor(q)) is not None and t.rank == 0)
    return out if number else Tensor(dtype=out.dtype if isinstance(out, Tensor) else None)


def unique(call: BoundCall) -> Value:
    """The values, or a tuple with what else is asked for."""
    x = tensor_arg(call)
    rank = x.rank if x is not None and "dim" in call.args else None if "dim" in call.args else 1
    asked = [n for n in ("return_inverse", "return_counts") if n in call.args and call.value(n) != Const(False)]
    values = Tensor(rank, dtype=x.dtype if x else None)
    if not asked:
        return values
    inverse = Tensor(1 if "dim" in call.args else x.rank if x else None, dtype="int64")
    extra = {"return_inverse": inverse, "return_counts": Tensor(1, dtype="int64")}
    return Seq("tuple", [values, *(extra[n] for n in asked)])


def full(call: BoundCall) -> Value:
    """``torch.full``: the dtype is that of the value."""
    out = create(call)
    if isinstance(out, Tensor) and "dtype" not in call.args:
        kind = python_type(call.value("fill_value")) or ""
        out.dtype = {"int": "int64", "bool": "bool", "float": "float"}.get(kind)
    return out


def new_full(call: BoundCall) -> Value:
    out, x = create(call), tensor_arg(call)
    if isinstance(out, Tensor) and "dtype" not in call.args:
        out.dtype = x.dtype if x else None
    return out


def randint(call: BoundCall) -> Value:
    out = create(call)
    if isinstance(out, Tensor) and "dtype" not in call.args:
        out.dtype = "int64"
    return out


def normal(call: BoundCall) -> Value:
    if "size" in call.args:
        return create(call)
    mean, std = as_tensor(call.value("mean")), as_tensor(call.value("std"))
    return binary_result("Add", mean or FLOAT, std or FLOAT) if mean or std else Tensor()


def int_vector(call: BoundCall) -> Value:
    return Tensor(1, dtype=dtype_of(call.args["dtype"].value) if "dtype" in call.args else "int64")


def new_data(call: BoundCall) -> Value:
    x, out = tensor_arg(call), RESULTS["from_data"](call)
    return Tensor(out.rank, out.dims, x.dtype if x else None) if isinstance(out, Tensor) else out


def rank(call: BoundCall) -> Value:
    x = tensor_arg(call)
    return Const(x.rank) if x is not None and x.rank is not None else INT


def called_type(call: BoundCall) -> Value | None:
    """What calling a class gives that is no layer: a tensor, a size, a device; ``None`` for other classes."""
    name = call.api.rsplit(".", 1)[-1]
    bounds = [*(b for n, b in call.args.items() if n != "device"), *call.varargs]
    values = [b.value for b in bounds]
    if call.api == "torch.Size":
        sizes = values[0] if len(values) == 1 else None
        return Seq("tuple", sizes.items, sizes.elem) if isinstance(sizes, Seq) else Seq("tuple")
    if call.api in ("torch.finfo", "torch.iinfo", "torch.device"):
        return Instance(Api(call.api))
    if not call.api.startswith("torch.") or not name.endswith("Tensor") or call.api.count(".") > 2:
        return None
    short = name.removesuffix("Tensor").lower()
    dtype = {"": "float", "byte": "uint8", "char": "int8", "float": "float32"}.get(short, DTYPES.get(short, short))
    if len(values) == 1 and not isinstance(values[0], Shape) and python_type(values[0]) != "int":
        data = BoundCall(call.api, call.node, {"data": bounds[0]})
        found = as_tensor(values[0]) or RESULTS["from_data"](data)
        return Tensor(found.rank, found.dims, dtype) if isinstance(found, Tensor) else Tensor(dtype=dtype)
    dims = None if any(b.star for b in bounds) else shape_dims(values)
    return Tensor(len(dims) if dims is not None else None, dims, dtype)


def type_result(call: BoundCall) -> Value:
    """For rows of classes, which are called rarely."""
    found = called_type(call)
    return found if found is not None else UNKNOWN


def real(call: BoundCall) -> Value:
    """Absolute values and parts of complex numbers are real."""
    x = tensor_arg(call)
    parts = {"complex64": "float32", "complex128": "float64"}
    return Tensor(x.rank, x.dims, parts.get(x.dtype or "", x.dtype), x.layout) if x else Tensor()


def tensor_like(call: BoundCall) -> Value:
    """The rank and dtype of the input, with sizes that change."""
    x = tensor_arg(call)
    return Tensor(x.rank, dtype=x.dtype) if x else Tensor()


def tolist(call: BoundCall) -> Value:
    x = tensor_arg(call)
    dtype = (x.dtype if x else None) or ""
    kind = "int" if dtype.startswith(("int", "uint")) else "float" if dtype in FLOATS else None
    elem: Value = Num(kind) if kind else UNKNOWN
    if x is None or not x.rank:
        return UNKNOWN if x is None or x.rank is None else elem
    for _ in range(x.rank):
        elem = Seq("list", None, elem)
    return elem


RESULTS.update({
    "pointwise": pointwise, "pointwise_float": pointwise_float, "pointwise_bool": pointwise_bool,
    "pointwise_double": as_dtype("float64", pointwise), "reduce_wide": reduce_wide, "cumulate": cumulate,
    "reduce_two": pairs(reduce, reduce), "cumulative_pair": pairs(same, as_dtype("int64", same)), "kth": kth,
    "reduce_int": arg_reduce, "quantile": quantile, "unique": unique, "full": full, "new_full": new_full,
    "randint": randint, "int_like": create_like, "normal": normal, "int_vector": int_vector, "new_data": new_data,
    "rank": rank, "type": type_result, "tolist": tolist,
    "argsort": as_dtype("int64", same), "same_int": as_dtype("int64", same),
    "real": real, "tensor_like": tensor_like,
    "cast_bfloat16": cast_to("bfloat16"), "cast_short": cast_to("int16"), "cast_byte": cast_to("uint8"),
    "cast_char": cast_to("int8"), "cast_cfloat": cast_to("complex64"), "cast_cdouble": cast_to("complex128"),
    "extreme": extreme, "scalar_like": scalar_like,
    "float_vector": lambda call: Tensor(1, dtype=x.dtype if (x := tensor_arg(call)) else None),
})  # fmt: skip
