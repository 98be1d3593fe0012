"""Results of layers and activations that are not the shape of their first input."""

from __future__ import annotations

from ..values import UNKNOWN, Api, Const, Dim, Instance, Seq, Tensor, Value, as_tensor, elem_of
from .facts import BoundCall
from .results import PACKED, RESULTS, axis_of, tensor_arg


def softmax_of_logits(call: BoundCall) -> Value:
    """The shape of the argument ``logits``."""
    x = tensor_arg(call, "logits")
    return Tensor(x.rank, x.dims, x.dtype, x.layout) if x else Tensor()


def halved(call: BoundCall) -> Value:
    """``glu``: half as long along ``dim``."""
    x = tensor_arg(call)
    if x is None or x.dims is None:
        return Tensor(rank=x.rank if x else None, dtype=x.dtype if x else None)
    axis = axis_of(call.args["dim"].value, len(x.dims)) if "dim" in call.args else len(x.dims) - 1
    dims: list[Dim] = list(x.dims)
    if axis is None:
        return Tensor(rank=len(dims), dtype=x.dtype)
    size = dims[axis]
    dims[axis] = size // 2 if isinstance(size, int) else size
    return Tensor(dims=tuple(dims), dtype=x.dtype)


def like_target(call: BoundCall) -> Value:
    """A transformer's output has the shape of the target sequence."""
    x = tensor_arg(call, "tgt")
    return Tensor(x.rank, x.dims, x.dtype) if x else Tensor(3, dtype="float")


def patches(call: BoundCall) -> Value:
    """``unfold``: (N, C * kh * kw, positions)."""
    x = tensor_arg(call)
    return Tensor(dims=(x.dims[0] if x and x.dims else None, None, None), dtype=x.dtype if x else None)


def similarity(call: BoundCall) -> Value:
    """One axis less than the inputs have."""
    x = tensor_arg(call)
    rank = x.rank - 1 if x is not None and x.rank else None
    return Tensor(rank, dtype=x.dtype if x else None)


def emitted_recurrent(call: BoundCall) -> Value:
    """Keras's recurrent layers: their last output or all of them, and the states where they are asked for."""
    x = tensor_arg(call)
    batch, steps = (x.dims[0], x.dims[1]) if x is not None and x.dims is not None and len(x.dims) == 3 else (None, None)
    whole = call.value("return_sequences")
    out = Tensor(dims=(batch, steps, None) if whole == Const(True) else (batch, None), dtype="float")
    if not isinstance(whole, Const) and whole is not UNKNOWN:
        out = Tensor(dtype="float")
    if call.value("return_state") != Const(True):
        return out
    states = (1 if "GRU" in call.api or "RNN" in call.api else 2) * (1 + (call.value("bidirectional") == Const(True)))
    return Seq("tuple", [out, *(Tensor(dims=(batch, None), dtype="float") for _ in range(states))])


def emitted_image(call: BoundCall) -> Value:
    """Images, channels first, whose size Keras's same padding decides."""
    x = tensor_arg(call)
    rank = int(call.api.removesuffix(".__call__")[-2]) + 2
    batch = x.dims[0] if x is not None and x.dims is not None and len(x.dims) == rank else None
    channels = x.dims[1] if "Pool" in call.api and x is not None and x.dims and len(x.dims) == rank else None
    filters = call.value("out_channels")
    if isinstance(filters, Const) and isinstance(filters.value, int):
        channels = filters.value
    return Tensor(dims=(batch, channels, *(None,) * (rank - 2)), dtype=x.dtype if x is not None else "float")


def emitted_mean(call: BoundCall) -> Value:
    """The mean over steps."""
    x = tensor_arg(call)
    if x is None or x.dims is None or len(x.dims) != 3:
        return Tensor(dtype="float")
    keep = call.value("keepdim") == Const(True)
    return Tensor(dims=(x.dims[0], 1, x.dims[2]) if keep else (x.dims[0], x.dims[2]), dtype=x.dtype)


def packed(call: BoundCall) -> Value:
    """Sequences of several lengths, packed: what they hold has no axis of time."""
    given = call.value("sequences") if "sequences" in call.args else call.value("input")
    x = as_tensor(elem_of(given) if isinstance(given, Seq) and given.items is None else _first(given))
    rank = x.rank if x is not None else None
    lost = "input" in call.args
    data = Tensor(rank - 1 if rank and lost else rank, dtype=x.dtype if x is not None else None)
    return packed_sequence(data)


def packed_sequence(data: Tensor) -> Instance:
    """A packed sequence of what its ``data`` is like."""
    return Instance(Api(PACKED), {"data": data, "batch_sizes": Tensor(1, dtype="int64")})


def _first(value: Value) -> Value:
    return value.items[0] if isinstance(value, Seq) and value.items else value


def padded(call: BoundCall) -> Value:
    """The sequences side by side, and their lengths."""
    given = call.value("sequence")
    data = given.args.get("data") if isinstance(given, Instance) and given.api == PACKED else None
    data = data if isinstance(data, Tensor) else Tensor()
    wide = Tensor(data.rank + 1 if data.rank else None, dtype=data.dtype)
    return Seq("tuple", [wide, Tensor(1, dtype="int64")])


def padded_rows(call: BoundCall) -> Value:
    """Tensors side by side."""
    data = packed(call).args["data"]  # type: ignore[attr-defined]
    return Tensor(data.rank + 1 if data.rank else None, dtype=data.dtype)


def unpadded(call: BoundCall) -> Value:
    """A list of tensors."""
    x = tensor_arg(call, "padded_sequences")
    return Seq("list", None, Tensor(x.rank - 1 if x and x.rank else None, dtype=x.dtype if x else None))


RESULTS.update({
    "packed": packed, "padded": padded, "padded_rows": padded_rows, "unpadded": unpadded,
    "emitted_recurrent": emitted_recurrent, "emitted_mean": emitted_mean, "emitted_image": emitted_image,
    "softmax_of_logits": softmax_of_logits, "halved": halved, "like_target": like_target, "patches": patches,
    "similarity": similarity,
})  # fmt: skip
