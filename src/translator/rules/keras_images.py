"""Keras layers that prepare and vary images to PyTorch modules; the random ones do nothing in evaluation."""

from __future__ import annotations

from .. import nodes
from .keras_args import LayerArgs
from .keras_layers import Builder, Layer, helper, layer, module
from .keras_layout import Refused

FILLS = ("reflect", "nearest", "constant")


def varied(name: str, *options: str) -> Builder:
    """A layer whose helper has the same name and arguments."""

    def builder(args: LayerArgs) -> Layer:
        args.used.add("seed")
        if "fill_mode" in options and args.const("fill_mode", "reflect") not in FILLS:
            raise Refused("XL201", f"{args.api}: `fill_mode` at this value has no counterpart")
        if "interpolation" in options and args.const("interpolation", "bilinear") not in ("bilinear", "nearest"):
            raise Refused("XL201", f"{args.api}: `interpolation` at this value has no counterpart")
        given = {option: args.node(option) for option in options if args.bound(option) is not None}
        first = next(iter(options))
        plain = [given.pop(first)] if first in given else []
        args.ctx.note(args.call.node, "XL401", f"{args.api}: known deviation `random_streams`")
        return Layer([helper(name, *plain, **given)], None, (f"helper:{name}",))

    return builder


WARP = ("fill_mode", "interpolation", "fill_value")
layer("RandomFlip", image=4)(varied("RandomFlip", "mode"))
layer("RandomRotation", image=4)(varied("RandomRotation", "factor", *WARP))
layer("RandomZoom", image=4)(varied("RandomZoom", "height_factor", "width_factor", *WARP))
layer("RandomTranslation", image=4)(varied("RandomTranslation", "height_factor", "width_factor", *WARP))
layer("RandomContrast", image=4)(varied("RandomContrast", "factor", "value_range"))
layer("RandomBrightness", image=4)(varied("RandomBrightness", "factor", "value_range"))


@layer("CenterCrop", image=4)
def center_crop(args: LayerArgs) -> Layer:
    made = helper("CenterCrop", args.node("height"), args.node("width"))
    return Layer([made], None, ("helper:CenterCrop",))


@layer("Resizing", image=4)
def resizing(args: LayerArgs) -> Layer:
    """``nn.Upsample`` to a size, which makes smaller, too."""
    mode = args.const("interpolation", "bilinear")
    if mode not in ("bilinear", "nearest"):
        raise Refused("XL201", f"{args.api}: interpolation {mode!r} is computed with other weights by PyTorch")
    size = nodes.tuple_of([args.node("height"), args.node("width")])
    name = "bilinear" if mode == "bilinear" else "nearest-exact"
    return Layer([module("Upsample", size=size, mode=nodes.literal(name))])
