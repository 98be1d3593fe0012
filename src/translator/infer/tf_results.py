"""What functions of `tf.nn` and variables are: shapes in TensorFlow's channels-last order."""

from __future__ import annotations

from ..values import STATIC, Api, Dim, Instance, LayoutVar, Seq, Tensor, Value, as_tensor, python_type
from .facts import Bound, BoundCall
from .keras_graph import channels_first
from .keras_results import _demand, _image, _sizes, _spatial, _strided, _text
from .results import RESULTS, Result, dim_of, dtype_of, int_of, tensor_arg


def variable(call: BoundCall) -> Value:
    """``tf.Variable(value)``: of the value's shape; it keeps its axes."""
    bound = call.args.get("initial_value")
    given = as_tensor(bound.value) if bound is not None else None
    dtype = dtype_of(call.args["dtype"].value) if "dtype" in call.args else None
    if given is None and bound is not None:
        listed = RESULTS["from_data"](BoundCall("", call.node, {"data": Bound(bound.node, bound.value)}))
        kind = {"float": "float32", "int64": "int32"}.get(getattr(listed, "dtype", None) or "")
        given = Tensor(as_tensor(listed).rank if as_tensor(listed) else None, dtype=kind)  # type: ignore[union-attr]
    if given is None:
        return Tensor(variable=True, layout=LayoutVar(perm=()))
    dims = tuple(STATIC if d is None else d for d in given.dims) if given.dims is not None else None
    return Tensor(given.rank, dims, dtype or given.dtype, LayoutVar(perm=()), variable=True)


def each_sample(call: BoundCall) -> Value:
    """A loss for each sample: the logits without their last axis."""
    logits = as_tensor(call.value("logits"))
    dims = logits.dims[:-1] if logits is not None and logits.dims else None
    return Tensor(dims=dims, dtype=logits.dtype if logits is not None else None)


def conv(axes: int, depthwise: bool = False) -> Result:
    """A convolution with a kernel tensor of the shape (*sizes, inputs, outputs)."""

    def result(call: BoundCall) -> Value:
        x, kernel = tensor_arg(call), as_tensor(call.value("filter" if depthwise else "filters"))
        _demand(x, axes + 2)
        dims: tuple[Dim, ...] = kernel.dims if kernel is not None and kernel.dims else (None,) * (axes + 2)
        step = "stride" if "stride" in call.args else "strides"
        strides, padding = windows(call, step, axes), _text(call, "padding", "VALID")
        sizes: tuple[Dim, ...] = (None,) * axes
        dilations = windows(call, "dilations", axes)
        if strides and dilations and all(isinstance(d, int) for d in dims[:axes]):
            every = zip(_spatial(x, axes), dims[:axes], strides, dilations, strict=True)
            sizes = tuple(_strided(n, k, s, padding, d) for n, k, s, d in every if isinstance(k, int))
        if depthwise:
            inputs, each = dims[2:4]
            return _image(x, sizes, inputs * each if isinstance(inputs, int) and isinstance(each, int) else STATIC)
        return _image(x, sizes, dims[-1] if len(dims) == axes + 2 and dims[-1] is not None else STATIC)

    return result


def conv_transpose(call: BoundCall) -> Value:
    """``tf.nn.conv2d_transpose``, which is told what shape comes out."""
    x, wanted = tensor_arg(call), call.value("output_shape")
    _demand(x, 4)
    known = wanted.items if isinstance(wanted, Seq) and wanted.items is not None else []
    dims = tuple(dim_of(v) for v in known) if len(known) == 4 else (None,) * 4
    return _image(x, dims[1:3], dims[3] if dims[3] is not None else STATIC)


def resized(call: BoundCall) -> Value:
    """``tf.image.resize(images, size)`` of one image or several."""
    x, wanted = tensor_arg(call), call.value("size")
    known = wanted.items if isinstance(wanted, Seq) and wanted.items is not None else []
    sizes = tuple(dim_of(v) for v in known) if len(known) == 2 else (None, None)
    kind = call.args.get("method") or call.args.get("interpolation")
    nearest = kind is not None and "nearest" in str(kind.value).lower()
    dtype = x.dtype if x is not None and nearest else "float32"
    if x is not None and x.rank == 3:
        return Tensor(dims=(*sizes, x.dims[-1] if x.dims else None), dtype=dtype)
    if x is not None and x.rank == 4:
        _demand(x, 4)
        out = _image(x, sizes, x.dims[-1] if x.dims and x.dims[-1] is not None else STATIC)
        return Tensor(out.rank, out.dims, dtype, out.layout)
    return Tensor(dtype=dtype)


def normalized(call: BoundCall) -> Value:
    """What looks at the channels of an image and leaves its shape."""
    x = tensor_arg(call)
    _demand(x, 4)
    return Tensor(x.rank, x.dims, x.dtype, channels_first(4)) if x is not None and x.rank == 4 else Tensor()


def pool(axes: int) -> Result:
    def result(call: BoundCall) -> Value:
        x = tensor_arg(call)
        _demand(x, axes + 2)
        size, strides = windows(call, "ksize", axes), windows(call, "strides", axes)
        padding = _text(call, "padding", "VALID")
        sizes: tuple[Dim, ...] = (None,) * axes
        if size and strides:
            every = zip(_spatial(x, axes), size, strides, strict=True)
            sizes = tuple(_strided(n, k, s, padding) for n, k, s in every)
        return _image(x, sizes, x.dims[-1] if x is not None and x.dims else STATIC)

    return result


def windows(call: BoundCall, name: str, axes: int) -> list[int] | None:
    """Sizes of windows along the spatial axes: TensorFlow takes one number, one for each, or one for every axis."""
    found = call.args.get(name)
    value = found.value if found is not None else None
    if isinstance(value, Seq) and value.items is not None and len(value.items) == axes + 2:
        numbers = [int_of(v) for v in value.items]
        inner = [n for n in numbers[1:-1] if n is not None]
        return inner if len(inner) == axes and numbers[0] == numbers[-1] == 1 else None
    return _sizes(call, name, axes, 1)


def top(call: BoundCall) -> Value:
    """``tf.math.top_k``: values and where they stood."""
    x = tensor_arg(call)
    k = int_of(call.value("k")) if "k" in call.args else 1
    dims = (*x.dims[:-1], k) if x is not None and x.dims else None
    return Seq("tuple", [Tensor(dims=dims, dtype=x.dtype if x else None), Tensor(dims=dims, dtype="int32")])


def filled(call: BoundCall) -> Value:
    """``tf.fill(dims, value)``."""
    made = RESULTS["create"](call)
    kind = {"float": "float32", "int": "int32", "bool": "bool"}.get(python_type(call.value("value")) or "")
    return Tensor(made.rank, made.dims, kind) if isinstance(made, Tensor) else made


def constant(call: BoundCall) -> Value:
    """``tf.constant(value)``: as a variable, but in whatever axis order it is wanted."""
    out = variable(BoundCall("", call.node, {**call.args, "initial_value": call.args["value"]} if "value" in call.args
                             else {}))  # fmt: skip
    assert isinstance(out, Tensor)
    return Tensor(out.rank, out.dims, out.dtype)


def padded(call: BoundCall) -> Value:
    x = tensor_arg(call)
    return Tensor(x.rank, None if x.rank is None else (None,) * x.rank, x.dtype) if x is not None else Tensor()


def ensured(call: BoundCall) -> Value:
    """``tf.ensure_shape(x, shape)``: the same tensor, of which more is known."""
    x, shape = tensor_arg(call), call.value("shape")
    if x is None or not isinstance(shape, Seq) or shape.items is None:
        return x or Tensor()
    return Tensor(dims=tuple(int_of(v) for v in shape.items), dtype=x.dtype, layout=x.layout, storage=x.storage)


def moments(call: BoundCall) -> Value:
    view = {"axes": "dim", "keepdims": "keepdim"}
    args = {view.get(n, n): b for n, b in call.args.items()}
    one = [RESULTS["reduce"](BoundCall("", call.node, args)) for _ in range(2)]
    return Seq("tuple", one)


def clipped(call: BoundCall) -> Value:
    return Seq("tuple", [call.value("tensors"), Tensor(0)])


RESULTS.update({
    "tf_constant": constant, "tf_pad": padded, "tf_moments": moments, "tf_ensured": ensured, "tf_clipped": clipped,
    "cloned": lambda call: call.value("model"), "numpy": lambda call: Instance(Api("numpy.ndarray")),
    "tf_variable": variable, "tf_each_sample": each_sample, "tf_conv1d": conv(1), "tf_conv2d": conv(2),
    "tf_depthwise": conv(2, depthwise=True),
    "tf_conv2d_transpose": conv_transpose, "tf_resize": resized, "tf_lrn": normalized,
    "tf_pool2d": pool(2), "tf_top_k": top, "tf_fill": filled,
})  # fmt: skip

__all__ = ["windows"]
