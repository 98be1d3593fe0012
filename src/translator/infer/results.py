"""What the operations of a framework return: ranks, dimensions, dtypes.

Rows name one of these functions in ``returns``. Each takes a bound call and gives a value; what it
cannot tell stays unknown. Dimensions are in the source's logical order.
"""

from __future__ import annotations

from collections.abc import Callable

from ..values import (
    BOOL,
    FLOAT,
    INT,
    NONE,
    STATIC,
    STR,
    UNKNOWN,
    Api,
    BoundMethod,
    Const,
    Dim,
    Num,
    Seq,
    Shape,
    Tensor,
    Value,
    as_tensor,
    elem_of,
    join,
    python_type,
)
from .facts import BoundCall

Result = Callable[[BoundCall], Value]
COMPARISONS = ("Compare",)
FLOATS = ("float", "float16", "bfloat16", "float32", "float64")
DTYPES = {
    "float": "float32", "double": "float64", "half": "float16", "long": "int64", "int": "int32", "short": "int16",
    "bool": "bool", "cfloat": "complex64", "cdouble": "complex128",
}  # fmt: skip


PACKED = "torch.nn.utils.rnn.PackedSequence"


def dtype_of(value: Value) -> str | None:
    """The dtype that an argument like ``torch.float32``, ``x.dtype`` or ``"float32"`` names."""
    if isinstance(value, Api):
        name = value.name.rsplit(".", 1)[-1]
        return DTYPES.get(name, name)
    if isinstance(value, BoundMethod) and value.name == "dtype" and isinstance(value.receiver, Tensor):
        return value.receiver.dtype
    if isinstance(value, Const) and isinstance(value.value, str):
        return value.value
    return None


def dim_of(value: Value) -> Dim:
    """The size that a number stands for in a shape."""
    if isinstance(value, Const) and isinstance(value.value, int) and value.value >= 0:
        return value.value
    if isinstance(value, Num) and value.type == "int" and not value.dim:
        return STATIC
    return None


def int_of(value: Value) -> int | None:
    return value.value if isinstance(value, Const) and type(value.value) is int else None


def ints_of(value: Value) -> list[int] | None:
    """The integers of a literal int, tuple or list."""
    if isinstance(value, Const) and type(value.value) is int:
        return [value.value]
    if isinstance(value, Seq) and value.items is not None:
        out = [int_of(v) for v in value.items]
        return [i for i in out if i is not None] if None not in out else None
    return None


def axis_of(value: Value, rank: int | None) -> int | None:
    """A literal axis, counted from the front where the rank is known."""
    axis = int_of(value)
    if axis is None or (axis < 0 and rank is None):
        return None
    return axis + rank if axis < 0 and rank is not None else axis


def tensor_arg(call: BoundCall, name: str = "input") -> Tensor | None:
    return as_tensor(call.value(name))


def promoted(a: Value, b: Value) -> str | None:
    """The dtype of ``a op b``, where it is certain."""
    da = a.dtype if isinstance(a, Tensor) else None
    db = b.dtype if isinstance(b, Tensor) else None
    if isinstance(a, Tensor) and isinstance(b, Tensor):
        if da == db:
            return da
        if da in FLOATS and db is not None and db not in FLOATS:
            return da
        if db in FLOATS and da is not None and da not in FLOATS:
            return db
        return None
    tensor, other = (da, b) if isinstance(a, Tensor) else (db, a)
    kind = python_type(other)
    if kind == "float" and tensor is not None and tensor not in FLOATS and "complex" not in tensor:
        return "float"
    return tensor


def broadcast_dims(a: Tensor, b: Tensor) -> tuple[Dim, ...] | None:
    """The dimensions of two tensors after broadcasting; ``None`` if a rank is unknown."""
    if a.dims is None or b.dims is None:
        return None
    n = max(len(a.dims), len(b.dims))
    left = (1,) * (n - len(a.dims)) + a.dims
    right = (1,) * (n - len(b.dims)) + b.dims
    return tuple(y if x == 1 else x if y == 1 or x is not None else y for x, y in zip(left, right, strict=True))


def binary_result(operator: str, a: Value, b: Value) -> Value:
    """The result of an operator where at least one side is a tensor."""
    dtype = promoted(a, b)
    if operator == "Divide" and dtype is not None and dtype not in FLOATS:
        dtype = "float"
    if operator == "MatrixMultiply":
        return matmul_result(a, b)
    if isinstance(a, Tensor) and isinstance(b, Tensor):
        dims = broadcast_dims(a, b)
        return Tensor(len(dims) if dims else None, dims, dtype)
    one = a if isinstance(a, Tensor) else b
    assert isinstance(one, Tensor)
    other = b if one is a else a
    if python_type(other) is None and not isinstance(other, Shape):
        return Tensor(None, None, dtype)
    return Tensor(one.rank, one.dims, dtype, one.layout)


def matmul_result(a: Value, b: Value) -> Value:
    if not isinstance(a, Tensor) or not isinstance(b, Tensor):
        return Tensor()
    dtype = promoted(a, b)
    if not a.dims or not b.dims:
        return Tensor(dtype=dtype)
    if len(a.dims) == 1 or len(b.dims) == 1:
        dims = a.dims[:-1] + (b.dims[:-2] + b.dims[-1:] if len(b.dims) > 1 else ())
        return Tensor(dims=dims, dtype=dtype)
    batch = broadcast_dims(Tensor(dims=a.dims[:-2]), Tensor(dims=b.dims[:-2])) or ()
    return Tensor(dims=(*batch, a.dims[-2], b.dims[-1]), dtype=dtype)


# -- elementwise and reductions ----------------------------------------------------------------------


def same(call: BoundCall) -> Value:
    x = tensor_arg(call)
    return Tensor(x.rank, x.dims, x.dtype) if x else Tensor()


def same_float(call: BoundCall) -> Value:
    x = tensor_arg(call)
    return Tensor(x.rank, x.dims, x.dtype if x.dtype in FLOATS else "float" if x.dtype else None) if x else (Tensor())


def same_bool(call: BoundCall) -> Value:
    x = tensor_arg(call)
    return Tensor(x.rank, x.dims, "bool") if x else Tensor(dtype="bool")


def alias(call: BoundCall) -> Value:
    """A new name for the same memory: ``contiguous``, ``detach``, ``view_as``."""
    x = tensor_arg(call) or tensor_arg(call, "data")
    return Tensor(x.rank, x.dims, x.dtype, x.layout, x.storage) if x else Tensor()


def broadcast(call: BoundCall) -> Value:
    a, b = call.value("input"), call.value("other")
    ta, tb = as_tensor(a) or a, as_tensor(b) or b
    return binary_result("Add", ta, tb) if isinstance(ta, Tensor) or isinstance(tb, Tensor) else Tensor()


def compare(call: BoundCall) -> Value:
    out = broadcast(call)
    return Tensor(out.rank, out.dims, "bool", out.layout) if isinstance(out, Tensor) else out


def reduced(x: Tensor | None, dim: Value, keepdim: Value, dtype: str | None) -> Tensor:
    """``x`` with the axes ``dim`` reduced; every axis if ``dim`` is absent or None."""
    if dim is UNKNOWN or dim == NONE or (isinstance(dim, Seq) and dim.items == []):
        return Tensor(dims=(), dtype=dtype) if keepdim in (UNKNOWN, Const(False)) else Tensor(dtype=dtype)
    axes = ints_of(dim)
    if x is None or x.dims is None or axes is None or (not isinstance(keepdim, Const) and keepdim is not UNKNOWN):
        return Tensor(dtype=dtype)
    rank = len(x.dims)
    gone = {a % rank for a in axes} if rank else set()
    if isinstance(keepdim, Const) and keepdim.value:
        return Tensor(dims=tuple(1 if i in gone else d for i, d in enumerate(x.dims)), dtype=dtype)
    return Tensor(dims=tuple(d for i, d in enumerate(x.dims) if i not in gone), dtype=dtype)


def _passed(call: BoundCall, name: str) -> Value:
    return call.args[name].value if name in call.args else UNKNOWN


def _dim(call: BoundCall) -> Value:
    return next((call.args[n].value for n in ("dim", "axis") if n in call.args), UNKNOWN)


def reduce(call: BoundCall) -> Value:
    x = tensor_arg(call)
    dtype = dtype_of(call.args["dtype"].value) if "dtype" in call.args else x.dtype if x else None
    if not _known_dim(call):
        return Tensor(dtype=dtype)
    return reduced(x, _dim(call), _passed(call, "keepdim"), dtype)


def _known_dim(call: BoundCall) -> bool:
    """Whether ``dim`` is either absent or understood."""
    given = next((call.args[n] for n in ("dim", "axis") if n in call.args), None)
    return given is None or given.value is not UNKNOWN


def reduce_bool(call: BoundCall) -> Value:
    out = reduce(call)
    return Tensor(out.rank, out.dims, "bool") if isinstance(out, Tensor) else out


def arg_reduce(call: BoundCall) -> Value:
    out = reduce(call)
    return Tensor(out.rank, out.dims, "int64") if isinstance(out, Tensor) else out


def reduce_pair(call: BoundCall) -> Value:
    """``max(dim)`` and the like: a pair of values and indices; one value without ``dim``."""
    if "other" in call.args:
        return broadcast(call)
    if _dim(call) is UNKNOWN and "dim" not in call.args:
        return reduce(call)
    values, indices = reduce(call), arg_reduce(call)
    return Seq("tuple", [values, indices])


def pair_same(call: BoundCall) -> Value:
    x = tensor_arg(call)
    rank = x.rank if x else None
    return Seq("tuple", [Tensor(rank, dtype=x.dtype if x else None), Tensor(rank, dtype="int64")])


# -- creation and types ------------------------------------------------------------------------------


def shape_dims(values: list[Value]) -> tuple[Dim, ...] | None:
    """The dimensions that size arguments ask for: ``(2, 3)``, ``((2, 3),)`` or ``(x.shape,)``."""
    if len(values) == 1:
        value = values[0]
        if isinstance(value, Shape):
            return (
                value.tensor.dims[value.start : value.stop] if value.tensor.dims and value.start is not None else None
            )
        if isinstance(value, Seq):
            return tuple(dim_of(v) for v in value.items) if value.items is not None else None
        if python_type(value) != "int":
            return None
    return tuple(dim_of(v) for v in values)


def size_values(call: BoundCall, name: str = "size") -> list[Value]:
    """The size arguments, passed one by one or as one sequence."""
    if name in call.args:
        return [call.args[name].value, *(b.value for b in call.varargs)]
    return [b.value for b in call.varargs]


def create(call: BoundCall) -> Value:
    stars = any(b.star for b in call.varargs)
    dims = None if stars else shape_dims(size_values(call))
    dtype = dtype_of(call.args["dtype"].value) if "dtype" in call.args else "float"
    return Tensor(len(dims) if dims is not None else None, dims, dtype)


def create_like(call: BoundCall) -> Value:
    x = tensor_arg(call)
    dtype = dtype_of(call.args["dtype"].value) if "dtype" in call.args else x.dtype if x else None
    return Tensor(x.rank, x.dims, dtype, x.layout) if x else Tensor(dtype=dtype)


def new_create(call: BoundCall) -> Value:
    x = tensor_arg(call)
    out = create(call)
    if isinstance(out, Tensor) and "dtype" not in call.args:
        out.dtype = x.dtype if x else None
    return out


def arange(call: BoundCall) -> Value:
    if "dtype" in call.args:
        return Tensor(1, dtype=dtype_of(call.args["dtype"].value))
    bounds = [b.value for n, b in call.args.items() if n in ("start", "end", "step")]
    floats = any(python_type(v) == "float" for v in bounds)
    ints = all(python_type(v) == "int" for v in bounds)
    return Tensor(1, dtype="float" if floats else "int64" if ints else None)


def vector(call: BoundCall) -> Value:
    return Tensor(1, dtype=dtype_of(call.args["dtype"].value) if "dtype" in call.args else "float")


def square(call: BoundCall) -> Value:
    return Tensor(2, dtype=dtype_of(call.args["dtype"].value) if "dtype" in call.args else "float")


def from_data(call: BoundCall) -> Value:
    """``torch.tensor(data)``: rank and dtype of nested literals."""
    data = call.value("data")
    rank, value = 0, data
    while isinstance(value, Seq) and value.kind in ("list", "tuple"):
        rank, value = rank + 1, elem_of(value)
    kind = {"int": "int64", "float": "float", "bool": "bool"}.get(python_type(value) or "")
    if "dtype" in call.args:
        kind = dtype_of(call.args["dtype"].value)
    return Tensor(rank if python_type(value) else None, dtype=kind)


def cast_to(dtype: str) -> Result:
    def result(call: BoundCall) -> Value:
        x = tensor_arg(call)
        return Tensor(x.rank, x.dims, dtype, x.layout) if x else Tensor(dtype=dtype)

    return result


def cast(call: BoundCall) -> Value:
    """``x.to(...)``, ``x.type(...)``: the dtype if one is named, else the same tensor."""
    x = tensor_arg(call)
    found = [dtype_of(b.value) for b in (*call.args.values(), *call.varargs, *call.extra.values())]
    dtype = next((d for d in found if d and d not in ("device", "cpu", "cuda")), None)
    other = tensor_arg(call, "other")
    dtype = dtype or (other.dtype if other else x.dtype if x else None)
    if x is None and python_type(call.value("input")) in ("int", "float", "bool"):
        return Tensor(0, dtype=dtype)
    return Tensor(x.rank, x.dims, dtype, x.layout, x.storage) if x else Tensor(dtype=dtype)


def constant(value: Value) -> Result:
    return lambda call: value


def fixed(rank: int | None, dtype: str | None = None) -> Result:
    return lambda call: Tensor(rank, dtype=dtype)


def joined(*values: Value) -> Value:
    out = values[0]
    for value in values[1:]:
        out = join(out, value)
    return out


RESULTS: dict[str, Result] = {
    "unknown": constant(UNKNOWN), "called": constant(UNKNOWN), "type": constant(UNKNOWN), "constant": constant(UNKNOWN),
    "wrapped": constant(UNKNOWN),
    "same": same, "same_float": same_float, "same_bool": same_bool, "alias": alias,
    "broadcast": broadcast, "compare": compare, "reduce": reduce, "reduce_bool": reduce_bool,
    "arg_reduce": arg_reduce, "reduce_pair": reduce_pair, "pair_same": pair_same, "create": create,
    "create_like": create_like, "new_create": new_create, "arange": arange, "vector": vector, "square": square,
    "from_data": from_data, "cast": cast, "cast_bool": cast_to("bool"), "cast_int": cast_to("int32"),
    "cast_long": cast_to("int64"), "cast_float": cast_to("float32"), "cast_double": cast_to("float64"),
    "cast_half": cast_to("float16"), "int": constant(INT), "float": constant(FLOAT), "bool": constant(BOOL),
    "dtype": lambda call: BoundMethod(Tensor(), "dtype"),
    "str": constant(STR), "none": constant(NONE), "scalar": lambda call: Tensor(0), "tensor": lambda call: Tensor(),
    "int_tensor": fixed(None, "int64"), "bool_tensor": fixed(None, "bool"), "dim": constant(Num("int", True)),
    "matrix": fixed(2), "tensors": lambda call: Seq("tuple", None, Tensor()),
    "tensor_pair": lambda call: Seq("tuple", [Tensor(), Tensor()]), "fans": lambda call: Seq("tuple", [INT, INT]),
}  # fmt: skip
