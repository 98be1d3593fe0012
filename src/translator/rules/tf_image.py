"""TensorFlow's functions of images: sizes, convolutions with kernels of their own."""

from __future__ import annotations

from typing import Any

import libcst as cst

from .. import nodes
from ..infer.facts import BoundCall, given
from ..infer.tf_results import windows
from ..rewrite.context import Context, Edit, Outcome, Refusal
from ..tables.schema import Row
from ..values import Api, Const, Seq, Shape, Value, as_tensor
from .keras_layout import Refused, method, rank_of
from .keras_ops import arg, only, size
from .named import named
from .tf_nn import padding_of, window

METHODS = {"bilinear": "bilinear", "nearest": "nearest-exact", "bicubic": "bicubic"}
"""PyTorch's names. Its "nearest" rounds another way than TensorFlow, which takes the pixel at the centre."""


def method_of(call: BoundCall) -> str:
    """How pixels are interpolated: ``"bilinear"``, or another name in lower case.

    Raises:
        Refused: where that is decided at run time.
    """
    bound = given(call, "method", "interpolation")
    value: Value = bound.value if bound is not None else Const("bilinear")
    if isinstance(value, Api):
        return value.name.rsplit(".", 1)[-1].lower().removesuffix("_neighbor")
    if isinstance(value, Const) and isinstance(value.value, str):
        return value.value.lower()
    raise Refused("XL201", f"{call.api}: the method must be a literal to be translated")


@named("tf_resize")
def resize(ctx: Context, row: Row, call: BoundCall, node: cst.Call, new: cst.Call) -> Outcome:
    """`F.interpolate` with the pixels' centres where TensorFlow has them; TensorFlow computes in float32."""
    only(call, "images", "size", "method", "interpolation", "antialias", "data_format", "name")
    form = call.args.get("data_format")
    if form is not None and form.value not in (Const(None), Const("channels_last")):
        raise Refused("XL201", f"{call.api}: only with the channels last")
    kind, smooth = method_of(call), call.args.get("antialias")
    if smooth is not None and not isinstance(smooth.value, Const):
        raise Refused("XL201", f"{call.api}: `antialias` must be a literal to be translated")
    antialias = smooth is not None and smooth.value == Const(True) and kind != "nearest"
    if kind == "bicubic" and not antialias:
        return Refusal("XL203", f"{call.api}: PyTorch's cubic weights are others (a = -0.75, TensorFlow's a = -0.5)",
                       "with antialias=True both are the same")  # fmt: skip
    if kind not in METHODS:
        return Refusal("XL203", f"{call.api}: the method {kind!r} has no counterpart",
                       "bilinear, nearest, and bicubic with antialias=True do")  # fmt: skip
    x = as_tensor(call.value("images"))
    rank = rank_of(x)
    if rank not in (3, 4):
        raise Refused("XL209", f"{call.api}: whether this is one image or several is not known here")
    image = arg(ctx, call, "images")
    if rank == 3:
        image = nodes.template("{x}[None]", {"x": nodes.parenthesized(image)})
    keywords: dict[str, Any] = {"mode": nodes.literal(METHODS[kind])}
    if antialias:
        keywords["antialias"] = nodes.literal(True)
    if kind != "nearest" and call.api.startswith("tf.") and (x is None or x.dtype not in ("float", "float32")):
        image = method(image, "float")
    wanted = call.args["size"]
    if not isinstance(wanted.value, Seq | Shape):
        raise Refused("XL209", f"{call.api}: the size is not known to be a sequence here")
    made: Any = nodes.call("F.interpolate", image, size(ctx, wanted), **keywords)
    return Edit(nodes.template("{x}[0]", {"x": made}) if rank == 3 else made)


def strided(ctx: Context, call: BoundCall, x: Any, axes: int, name: str = "filters") -> tuple[Any, dict[str, Any], Any]:
    """The input, padded where that must be done by hand, the keywords of the convolution, and what it needs.

    Raises:
        Refused: where padding depends on a size that is not known.
    """
    same, kernel = padding_of(call) == "same", as_tensor(call.value(name))
    step = "stride" if "stride" in call.args else "strides"
    stride, dilation = window(ctx, call, step, axes), window(ctx, call, "dilations", axes)
    needs: tuple[str, ...] = ()
    keywords: dict[str, Any] = {}
    if same and windows(call, step, axes) not in (None, [1] * axes):
        sizes = kernel.dims[:axes] if kernel is not None and kernel.dims else ()
        if len(sizes) != axes or not all(isinstance(n, int) for n in sizes):
            raise Refused("XL402", f"{call.api}: the size of its kernel is not known here")
        every = [list(sizes), windows(call, step, axes), windows(call, "dilations", axes) or [1] * axes]
        x = nodes.call("same_padding", x, *(nodes.literal(tuple(e)) for e in every if e is not None))
        needs = ("helper:same_padding",)
    elif same:
        keywords["padding"] = nodes.literal("same")
    for keyword, value in (("stride", stride), ("dilation", dilation)):
        if value is not None and nodes.integer(value) != 1:
            keywords[keyword] = value
    return x, keywords, needs


def permuted(x: Any, *axes: int) -> Any:
    return method(x, "permute", *(nodes.literal(i) for i in axes))


@named("tf_conv1d")
def conv1d(ctx: Context, row: Row, call: BoundCall, node: cst.Call, new: cst.Call) -> Outcome:
    """The kernel stays as TensorFlow has it: width, inputs, outputs."""
    only(call, "input", "filters", "stride", "padding", "data_format", "dilations", "name")
    x, keywords, needs = strided(ctx, call, arg(ctx, call, "input"), 1)
    return Edit(nodes.call("F.conv1d", x, permuted(arg(ctx, call, "filters"), 2, 1, 0), **keywords), needs)


@named("tf_depthwise_conv2d")
def depthwise(ctx: Context, row: Row, call: BoundCall, node: cst.Call, new: cst.Call) -> Outcome:
    """The kernel stays as TensorFlow has it: height, width, inputs, how many outputs for each."""
    only(call, "input", "filter", "strides", "padding", "data_format", "dilations", "name")
    kernel = as_tensor(call.value("filter"))
    channels = kernel.dims[2] if kernel is not None and kernel.dims and len(kernel.dims) == 4 else None
    if not isinstance(channels, int):
        raise Refused("XL402", f"{call.api}: the size of its kernel is not known here")
    x, keywords, needs = strided(ctx, call, arg(ctx, call, "input"), 2, "filter")
    weight = method(permuted(arg(ctx, call, "filter"), 2, 3, 0, 1), "flatten", nodes.literal(0), nodes.literal(1))
    weight = method(weight, "unsqueeze", nodes.literal(1))
    return Edit(nodes.call("F.conv2d", x, weight, **keywords, groups=nodes.literal(channels)), needs)


@named("tf_conv2d_transpose")
def conv2d_transpose(ctx: Context, row: Row, call: BoundCall, node: cst.Call, new: cst.Call) -> Outcome:
    """The kernel stays as TensorFlow has it: height, width, outputs, inputs."""
    only(call, "input", "filters", "output_shape", "strides", "padding", "data_format", "name")
    padding = padding_of(call) if "padding" in call.args else "same"
    stride = windows(call, "strides", 2)
    shape = ctx.updated(call.args["output_shape"].node)
    if stride is None:
        raise Refused("XL201", f"{call.api}: argument `strides` must be a literal to be translated")
    if not isinstance(shape, cst.List | cst.Tuple) or len(shape.elements) != 4:
        raise Refused("XL201", f"{call.api}: `output_shape` must be written out")
    sizes = nodes.tuple_of([e.value for e in shape.elements[1:3]])
    weight = permuted(arg(ctx, call, "filters"), 3, 2, 0, 1)
    made = nodes.call("conv2d_transpose", arg(ctx, call, "input"), weight, sizes, nodes.literal(tuple(stride)),
                      nodes.literal(padding))  # fmt: skip
    return Edit(made, ("helper:conv2d_transpose",))


@named("tf_lrn")
def local_response(ctx: Context, row: Row, call: BoundCall, node: cst.Call, new: cst.Call) -> Outcome:
    """PyTorch counts the whole window, and divides ``alpha`` by it."""
    only(call, "input", "depth_radius", "bias", "alpha", "beta", "name")
    found = {n: call.args[n].value if n in call.args else Const(d) for n, d in LRN.items()}
    if not all(isinstance(v, Const) and isinstance(v.value, int | float) for v in found.values()):
        raise Refused("XL201", f"{call.api}: its arguments must be literals to be translated")
    radius, bias, alpha, beta = (v.value for v in found.values() if isinstance(v, Const))
    count = 2 * int(radius) + 1
    scaled = nodes.template("{a} * {n}", {"a": nodes.literal(float(alpha)), "n": nodes.literal(count)})
    keywords = {"alpha": scaled, "beta": nodes.literal(float(beta)), "k": nodes.literal(float(bias))}
    return Edit(nodes.call("F.local_response_norm", arg(ctx, call, "input"), nodes.literal(count), **keywords))


LRN = {"depth_radius": 5, "bias": 1.0, "alpha": 1.0, "beta": 0.5}


@named("tf_image_crop")
def crop(ctx: Context, row: Row, call: BoundCall, node: cst.Call, new: cst.Call) -> Outcome:
    """``tf.image.crop_to_bounding_box(image, y, x, height, width)``."""
    from .tf_more import along

    only(call, "image", "offset_height", "offset_width", "target_height", "target_width")
    rows = along(*(arg(ctx, call, n) for n in ("offset_height", "target_height")))
    columns = along(*(arg(ctx, call, n) for n in ("offset_width", "target_width")))
    parts = [cst.Index(cst.Ellipsis()), rows, columns, cst.Slice(None, None)]
    return Edit(cst.Subscript(nodes.parenthesized(arg(ctx, call, "image")), [cst.SubscriptElement(p) for p in parts]))




@named("tf_random_flip")
def random_flip(ctx: Context, row: Row, call: BoundCall, node: cst.Call, new: cst.Call) -> Outcome:
    """Mirrored one time in two."""
    only(call, "image", "seed")
    axis = -2 if call.api.endswith("left_right") else -3
    return Edit(nodes.call("random_flip", arg(ctx, call, "image"), nodes.literal(axis)), ("helper:random_flip",))


UNTRANSLATED = {
    "tf.map_fn": ("fn_output_signature", "dtype"), "tf.image.resize": ("method",),
}  # fmt: skip


def read_as_text(ctx: Context, node: cst.Call) -> list[cst.CSTNode]:
    """Arguments that the rule of their call reads by itself: types of results, ways to resize."""
    call = ctx.call(node)
    names = UNTRANSLATED.get(call.api, ()) if call is not None else ()
    return [call.args[n].node for n in names if call is not None and n in call.args]
