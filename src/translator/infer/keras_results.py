"""What Keras layers return: dimensions in Keras's channels-last order, and the axis order that they demand."""

from __future__ import annotations

from typing import Any

from ..model import Direction
from ..tables import tables
from ..values import NONE, STATIC, UNKNOWN, Api, Const, Dim, Instance, LayoutVar, Map, Seq, Tensor, Value, as_tensor
from .facts import Bound, BoundCall
from .keras_graph import CHANNELS_FIRST, STEP, channels_first, demand, input_tensor, is_channels_first, together
from .results import RESULTS, Result, constant, dim_of, int_of, ints_of, tensor_arg


def _demand(x: Tensor | None, rank: int, first: bool = False) -> None:
    """PyTorch's layer wants its channels first, where they may be already; the layer itself proves the rank."""
    if x is None:
        return
    if x.rank is None:
        x.rank, x.dims = rank, (None,) * rank
    if x.rank == rank:
        demand(x, () if first else CHANNELS_FIRST[rank])


def _sizes(call: BoundCall, name: str, axes: int, default: int) -> list[int] | None:
    if name not in call.args:
        return [default] * axes
    found = ints_of(call.value(name))
    if found is None:
        return [default] * axes if call.value(name) == Const(None) else None
    return found * axes if len(found) == 1 else found


def _text(call: BoundCall, name: str, default: str) -> str | None:
    value = call.value(name) if name in call.args else Const(default)
    return value.value.lower() if isinstance(value, Const) and isinstance(value.value, str) else None


def _strided(n: Dim, size: int, stride: int, padding: str | None, dilation: int = 1) -> Dim:
    """The number of windows of a convolution or pool (Keras's arithmetic)."""
    if not isinstance(n, int) or padding is None:
        return n if n is None else STATIC
    if padding == "same":
        return -(-n // stride)
    left = n + (size - 1) * dilation if padding == "causal" else n
    return (left - (size - 1) * dilation - 1) // stride + 1


def _spatial(x: Tensor | None, axes: int, first: bool = False) -> tuple[Dim, ...]:
    if x is None or x.dims is None or x.rank != axes + 2:
        return (None,) * axes
    return x.dims[2:] if first else x.dims[1:-1]


def _image(x: Tensor | None, sizes: tuple[Dim, ...], channels: Dim, first: bool = False) -> Tensor:
    rank = len(sizes) + 2
    batch = x.dims[0] if x is not None and x.dims else None
    dtype = x.dtype if x is not None else None
    if first:
        return Tensor(dims=(batch, channels, *sizes), dtype=dtype, layout=LayoutVar(perm=()))
    return Tensor(dims=(batch, *sizes, channels), dtype=dtype, layout=channels_first(rank))


def _channels(x: Tensor | None, first: bool = False) -> Dim:
    if x is None or not x.dims:
        return STATIC
    return x.dims[1] if first and len(x.dims) > 1 else x.dims[-1]


def conv(axes: int, *, depthwise: bool = False, transposed: bool = False) -> Result:
    def result(call: BoundCall) -> Value:
        x, first = tensor_arg(call), is_channels_first(call.args)
        _demand(x, axes + 2, first)
        kernel, strides = _sizes(call, "kernel_size", axes, 1), _sizes(call, "strides", axes, 1)
        dilation = _sizes(call, "dilation_rate", axes, 1)
        padding = _text(call, "padding", "valid") if "pad" not in call.args else None
        sizes: tuple[Dim, ...] = tuple(None for _ in range(axes))
        if kernel and strides and dilation:
            every = zip(_spatial(x, axes, first), kernel, strides, dilation, strict=True)
            sizes = tuple(
                _grown(n, k, s, padding) if transposed else _strided(n, k, s, padding, d) for n, k, s, d in every
            )
        channels = dim_of(call.value("filters")) if "filters" in call.args else STATIC
        if depthwise:
            times = int_of(call.value("depth_multiplier")) if "depth_multiplier" in call.args else 1
            c = _channels(x, first)
            channels = c * times if isinstance(c, int) and times is not None else STATIC
        return _image(x, sizes, channels or STATIC, first)

    return result


def _grown(n: Dim, size: int, stride: int, padding: str | None) -> Dim:
    if not isinstance(n, int) or padding is None:
        return n if n is None else STATIC
    return n * stride if padding == "same" else n * stride + max(size - stride, 0)


def padded_transpose(axes: int) -> Result:
    """A transposed convolution with PyTorch's padding, whose size is left open."""

    def result(call: BoundCall) -> Value:
        x, first = tensor_arg(call), is_channels_first(call.args)
        _demand(x, axes + 2, first)
        return _image(x, (None,) * axes, dim_of(call.value("filters")) or STATIC, first)

    return result


def pool(axes: int) -> Result:
    def result(call: BoundCall) -> Value:
        x, first = tensor_arg(call), is_channels_first(call.args)
        _demand(x, axes + 2, first)
        size = _sizes(call, "pool_size", axes, 2)
        given = "strides" in call.args and call.value("strides") != Const(None)
        strides = _sizes(call, "strides", axes, 1) if given else size
        padding = _text(call, "padding", "valid")
        sizes: tuple[Dim, ...] = (None,) * axes
        if size and strides:
            every = zip(_spatial(x, axes, first), size, strides, strict=True)
            sizes = tuple(_strided(n, k, s, padding) for n, k, s in every)
        return _image(x, sizes, _channels(x, first), first)

    return result


def global_pool(axes: int) -> Result:
    def result(call: BoundCall) -> Value:
        x, first = tensor_arg(call), is_channels_first(call.args)
        if axes > 1 or first:
            _demand(x, axes + 2, first)
        elif x is not None and x.rank is None:
            x.rank, x.dims = axes + 2, (None,) * (axes + 2)
        keep = call.value("keepdims") == Const(True)
        batch = x.dims[0] if x is not None and x.dims else None
        if keep and first:
            return _image(x, (1,) * axes, _channels(x, first), first)
        if keep:
            out = Tensor(dims=(batch, *(1,) * axes, _channels(x)), dtype=x.dtype if x else None)
            out.layout = channels_first(axes + 2) if axes > 1 else LayoutVar()
            return out
        return Tensor(dims=(batch, _channels(x, first)), dtype=x.dtype if x else None)

    return result


def resized(axes: int, sign: int) -> Result:
    """Padding and cropping (``sign`` 1 and -1) by literal amounts, upsampling (0)."""

    def result(call: BoundCall) -> Value:
        x, first = tensor_arg(call), is_channels_first(call.args)
        _demand(x, axes + 2, first)
        sizes: tuple[Any, ...] = tuple(None if n is None else STATIC for n in _spatial(x, axes, first))
        if sign == 0:
            factors = _sizes(call, "size", axes, 2)
            scaled = zip(_spatial(x, axes, first), factors or (), strict=False)
            sizes = tuple(n * f if isinstance(n, int) else n for n, f in scaled) or sizes
        else:
            amounts = pairs(call.value("padding" if sign > 0 else "cropping"), axes)
            if amounts is not None:
                every = zip(_spatial(x, axes, first), amounts, strict=True)
                sizes = tuple(n + sign * sum(a) if isinstance(n, int) else n for n, a in every)
        return _image(x, sizes, _channels(x, first), first)

    return result


def sized(call: BoundCall) -> Value:
    """Images of a size that the layer is told."""
    x, first = tensor_arg(call), is_channels_first(call.args)
    _demand(x, 4, first)
    sizes = (dim_of(call.value("height")) or STATIC, dim_of(call.value("width")) or STATIC)
    return _image(x, sizes, _channels(x, first), first)


def pairs(value: Value, axes: int) -> list[tuple[int, int]] | None:
    """Amounts before and after each axis of Keras's ``padding`` and ``cropping``."""
    if value is UNKNOWN:
        return [(1, 1)] * axes
    one = int_of(value)
    if one is not None:
        return [(one, one)] * axes
    items = value.items if isinstance(value, Seq) else None
    if items is None:
        return None
    flat = [int_of(v) for v in items]
    if None not in flat:
        numbers = [v for v in flat if v is not None]
        return [(numbers[0], numbers[1])] if axes == 1 and len(numbers) == 2 else [(n, n) for n in numbers]
    inner = [ints_of(v) for v in items]
    if any(i is None or len(i) != 2 for i in inner) or len(inner) != axes:
        return None
    return [(i[0], i[1]) for i in inner if i is not None]


def batch_norm(call: BoundCall) -> Value:
    x = tensor_arg(call)
    if x is None:
        return Tensor()
    if x.rank != 2 and "axis" in call.args and int_of(call.value("axis")) == 1:
        demand(x, ())
        return Tensor(x.rank, x.dims, x.dtype, LayoutVar(perm=()))
    if x.rank in CHANNELS_FIRST:
        demand(x, CHANNELS_FIRST[x.rank])
        return Tensor(dims=x.dims, dtype=x.dtype, layout=channels_first(x.rank))
    return Tensor(x.rank, x.dims, x.dtype, x.layout)


def image(axes: int) -> Result:
    """The shape stays, the channels move."""

    def result(call: BoundCall) -> Value:
        x, first = tensor_arg(call), is_channels_first(call.args)
        _demand(x, axes + 2, first)
        return _image(x, _spatial(x, axes, first), _channels(x, first), first)

    return result


def plain(call: BoundCall) -> Value:
    """The shape stays; the axes stand in source order."""
    x = tensor_arg(call)
    return Tensor(x.rank, x.dims, x.dtype) if x else Tensor()


def dense(call: BoundCall) -> Value:
    x = tensor_arg(call)
    units = dim_of(call.value("units")) or STATIC
    return Tensor(dims=(*x.dims[:-1], units), dtype=x.dtype) if x is not None and x.dims else Tensor(tail=units)


def embedding(call: BoundCall) -> Value:
    x = tensor_arg(call)
    size = dim_of(call.value("output_dim")) or STATIC
    return (
        Tensor(dims=(*x.dims, size), dtype="float")
        if x is not None and x.dims is not None
        else Tensor(dtype="float", tail=size)
    )


def flatten(call: BoundCall) -> Value:
    x = tensor_arg(call)
    if x is None or x.dims is None:
        return Tensor(2)
    size: Dim = 1
    for n in x.dims[1:]:
        size = (
            size * n if isinstance(size, int) and isinstance(n, int) else None if n is None or size is None else STATIC
        )
    return Tensor(dims=(x.dims[0], size), dtype=x.dtype)


def reshape_layer(call: BoundCall) -> Value:
    x = tensor_arg(call)
    target = call.value("target_shape")
    if not isinstance(target, Seq) or target.items is None:
        return Tensor(dtype=x.dtype if x else None)
    sizes: list[Dim] = [dim_of(v) for v in target.items]
    holes = [i for i, v in enumerate(target.items) if int_of(v) == -1]
    whole = [d for d in x.dims[1:] if isinstance(d, int)] if x is not None and x.dims else []
    if len(holes) == 1 and x is not None and x.dims and len(whole) == len(x.dims) - 1:
        total, rest = 1, 1
        for n in whole:
            total *= n
        for i, d in enumerate(sizes):
            rest *= d if isinstance(d, int) and i != holes[0] else 1
        sizes[holes[0]] = total // rest
    return Tensor(dims=(x.dims[0] if x is not None and x.dims else None, *sizes), dtype=x.dtype if x else None)


def merge(call: BoundCall) -> Value:
    """Add, Multiply, ... of a list of tensors of one shape."""
    parts = parts_of(call)
    if not parts:
        return Tensor()
    first = parts[0]
    dims = first.dims
    layout = first.layout
    for other in parts[1:]:
        if other.rank == first.rank and dims is not None and other.dims is not None:
            together(first, other)
            dims = tuple(q if p == 1 else p if p is not None else q for p, q in zip(dims, other.dims, strict=True))
        else:
            dims = None
    return Tensor(first.rank if dims is None else None, dims, first.dtype, layout)


def parts_of(call: BoundCall) -> list[Tensor]:
    """The tensors of a merge layer's list."""
    value = call.value("input") if "input" in call.args else call.value("inputs")
    items = value.items if isinstance(value, Seq) and value.items is not None else []
    if isinstance(value, Seq) and value.items is None:
        items = [value.elem]
    found = [as_tensor(v) for v in items]
    return [t for t in found if t is not None] if all(t is not None for t in found) else []


def concatenate(call: BoundCall) -> Value:
    parts = parts_of(call)
    axis = int_of(call.value("axis")) if "axis" in call.args else -1
    if not parts or axis is None or any(p.dims is None or p.rank != parts[0].rank for p in parts):
        return Tensor()
    listed = call.value("input") if "input" in call.args else call.value("inputs")
    if isinstance(listed, Seq) and listed.items is None:
        sizes_of = parts[0].dims or ()
        at = axis % len(sizes_of)
        return Tensor(dims=tuple(None if i == at else d for i, d in enumerate(sizes_of)), dtype=parts[0].dtype,
                      layout=parts[0].layout)  # fmt: skip
    rank = len(parts[0].dims or ())
    axis %= rank
    sizes = [p.dims[axis] for p in parts if p.dims]
    total: Dim = (
        sum(s for s in sizes if isinstance(s, int))
        if all(isinstance(s, int) for s in sizes)
        else (STATIC if all(s is not None for s in sizes) else None)
    )
    for other in parts[1:]:
        together(parts[0], other)
    dims = tuple(total if i == axis else d for i, d in enumerate(parts[0].dims or ()))
    return Tensor(dims=dims, dtype=parts[0].dtype, layout=parts[0].layout)


def recurrent(states: int) -> Result:
    def result(call: BoundCall) -> Value:
        x = tensor_arg(call)
        units = dim_of(call.value("units")) or STATIC
        batch = x.dims[0] if x is not None and x.dims else None
        steps = x.dims[1] if x is not None and x.dims and len(x.dims) == 3 else None
        whole = call.value("return_sequences") == Const(True)
        out = Tensor(dims=(batch, steps, units) if whole else (batch, units), dtype="float")
        if call.value("return_state") == Const(True):
            return Seq("tuple", [out, *(Tensor(dims=(batch, units), dtype="float") for _ in range(states))])
        return out

    return result


def bidirectional(call: BoundCall) -> Value:
    from ..values import Instance

    inner = call.value("layer")
    x = tensor_arg(call)
    if not isinstance(inner, Instance):
        return Tensor()
    units = dim_of(inner.args.get("units", UNKNOWN)) or STATIC
    mode = call.args["merge_mode"].value if "merge_mode" in call.args else Const("concat")
    wide: Dim = units * 2 if isinstance(units, int) else STATIC
    size = wide if mode == Const("concat") else units if isinstance(mode, Const) else None
    lead = x.dims[:2] if x is not None and x.dims and len(x.dims) == 3 else (None, None)
    whole = inner.args.get("return_sequences") == Const(True)
    out = [Tensor(dims=(*lead, size) if whole else (lead[0], size), dtype="float") for _ in range(1 + (mode == NONE))]
    if inner.args.get("return_state") == Const(True):
        count = 4 if inner.api == "keras.layers.LSTM" else 2
        out += [Tensor(dims=(lead[0], units), dtype="float") for _ in range(count)]
    return out[0] if len(out) == 1 else Seq("tuple", list[Value](out))


def one_step(call: BoundCall, inner: Instance, step: Tensor) -> tuple[Tensor, Tensor | None]:
    """What a layer or model takes and gives for one step of a sequence."""
    seen = call.args.get(STEP)
    if seen is not None and isinstance(seen.value, Seq) and seen.value.items:
        first, last = (as_tensor(v) for v in seen.value.items)
        return first if first is not None else step, last
    row = next(iter(tables(Direction.TF2TORCH).find(inner.api or "")), None)
    if row is None:
        return step, None
    args = {k: Bound(call.node, v) for k, v in inner.args.items() if k != "input"}
    out = RESULTS[row.returns](
        BoundCall(f"{inner.api}.__call__", call.node, {**args, "input": Bound(call.node, step)})
    )  # fmt: skip
    return step, as_tensor(out)


def time_distributed(call: BoundCall) -> Value:
    """A layer at each step: what it gives for one step, with the steps in front."""
    from ..values import Instance
    from .keras_graph import step_of, stepped

    inner, x = call.value("layer"), tensor_arg(call)
    if not isinstance(inner, Instance) or x is None:
        return Tensor()
    step, result = one_step(call, inner, step_of(x))
    if result is None or result.dims is None:
        return Tensor()
    if step.layout.find().perm:
        demand(x, stepped(step.layout.find().perm or ()))
    made = Tensor(dims=(result.dims[0], x.dims[1] if x.dims else None, *result.dims[1:]), dtype=result.dtype)
    if result.layout.find().perm:
        demand(made, stepped(result.layout.find().perm or ()))
    return made


def repeat_vector(call: BoundCall) -> Value:
    x = tensor_arg(call)
    batch, size = (x.dims[0], x.dims[-1]) if x is not None and x.dims else (None, STATIC)
    return Tensor(dims=(batch, dim_of(call.value("n")), size), dtype="float")


def permute_layer(call: BoundCall) -> Value:
    x = tensor_arg(call)
    order = ints_of(call.value("dims"))
    if x is None or x.dims is None or order is None or len(order) != len(x.dims) - 1:
        return Tensor(dtype=x.dtype if x else None)
    return Tensor(dims=(x.dims[0], *(x.dims[i] for i in order)), dtype=x.dtype)


def variable(call: BoundCall) -> Value:
    """``self.add_weight(shape=...)``."""
    from .results import shape_dims

    shape = call.args.get("shape") or (call.varargs[0] if call.varargs else None)
    dims = shape_dims([shape.value]) if shape is not None else ()
    if dims is None:
        return Tensor(dtype="float", variable=True, layout=LayoutVar(perm=()))
    dims = tuple(STATIC if d is None else d for d in dims)
    return Tensor(dims=dims, dtype="float", variable=True, layout=LayoutVar(perm=()))


def mha(call: BoundCall) -> Value:
    q = as_tensor(call.value("input")) or as_tensor(call.value("query"))
    out = Tensor(q.rank, q.dims, "float") if q is not None else Tensor(dtype="float")
    if call.value("return_attention_scores") == Const(True):
        return Seq("tuple", [out, Tensor(4, dtype="float")])
    return out


def dynamic_shape(call: BoundCall) -> Value:
    """``tf.shape(x)`` and ``keras.ops.shape(x)``."""
    from ..values import Shape

    x = tensor_arg(call)
    return Shape(x) if x is not None else UNKNOWN


def arange(call: BoundCall) -> Value:
    """``tf.range`` and ``keras.ops.arange``."""
    from .results import dtype_of

    if "dtype" in call.args:
        return Tensor(1, dtype=dtype_of(call.value("dtype")))
    return Tensor(1, dtype="int64")


def gather(call: BoundCall) -> Value:
    """``tf.gather(x, i, axis)``: one axis becomes those of the index."""
    x, index = tensor_arg(call), as_tensor(call.value("index"))
    axis = int_of(call.value("axis")) if "axis" in call.args else 0
    if x is None or index is None or x.dims is None or index.dims is None or axis is None:
        return Tensor(dtype=x.dtype if x else None)
    axis %= len(x.dims)
    return Tensor(dims=(*x.dims[:axis], *index.dims, *x.dims[axis + 1 :]), dtype=x.dtype)


RESULTS.update({
    "variables": lambda call: Seq("list", None, Tensor(dtype="float", variable=True)),
    "ndarray": constant(Instance(Api("numpy.ndarray"))),
    "channels_last": constant(Const("channels_last")), "backend": constant(Const("tensorflow")),
    "image_shape": lambda call: Seq("tuple", [UNKNOWN, UNKNOWN, UNKNOWN]),
    "keras_arange": arange, "examples": lambda call: Map(None, Tensor()),
    "keras_sized2d": sized, "keras_gather": gather,
    "keras_input": input_tensor, "keras_dense": dense, "keras_embedding": embedding, "keras_flatten": flatten,
    "keras_reshape": reshape_layer, "keras_merge": merge, "keras_concatenate": concatenate, "keras_norm": plain,
    "keras_batch_norm": batch_norm, "keras_lstm": recurrent(2), "keras_gru": recurrent(1),
    "keras_bidirectional": bidirectional, "keras_rnn": recurrent(1), "keras_time_distributed": time_distributed,
    "keras_repeat_vector": repeat_vector, "keras_permute": permute_layer,
    "keras_variable": variable, "keras_attention": mha, "tf_shape": dynamic_shape, "keras_plain": plain,
})  # fmt: skip
for _axes in (1, 2, 3):
    RESULTS.update({
        f"keras_conv{_axes}d": conv(_axes), f"keras_conv_transpose{_axes}d": conv(_axes, transposed=True),
        f"keras_depthwise{_axes}d": conv(_axes, depthwise=True), f"keras_pool{_axes}d": pool(_axes),
        f"keras_global_pool{_axes}d": global_pool(_axes), f"keras_pad{_axes}d": resized(_axes, 1),
        f"keras_image{_axes}d": image(_axes), f"keras_crop{_axes}d": resized(_axes, -1),
        f"keras_upsample{_axes}d": resized(_axes, 0), f"keras_padded_transpose{_axes}d": padded_transpose(_axes),
    })  # fmt: skip

__all__ = ["pairs", "parts_of"]
