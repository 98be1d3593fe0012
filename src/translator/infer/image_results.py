"""What torchvision's transforms and datasets give."""

from __future__ import annotations

from typing import TYPE_CHECKING

import libcst as cst

from ..values import INT, NONE, UNKNOWN, Const, Instance, Seq, Tensor, Value, as_tensor, join, options_of, without_none
from .binding import Args
from .facts import BoundCall
from .results import RESULTS

if TYPE_CHECKING:
    from .interp import Interpreter

TRANSFORMS, DATASETS = "torchvision.transforms.", "torchvision.datasets."
MAKERS = {"ToTensor": "float", "PILToTensor": "uint8", "ToImage": "uint8"}
"""Transforms that make tensors of pictures, and of which type."""
PICTURES = frozenset({"ToPILImage"})
SEVERAL = frozenset({"Compose", "RandomApply"})


def image_item(it: Interpreter, bound: BoundCall) -> Value:
    """One item of a dataset of torchvision's: what its transforms make of an image and a number."""
    image = transformed(it, bound.value("transform"), UNKNOWN)
    return Seq("tuple", [image, transformed(it, bound.value("target_transform"), INT)])


def transformed(it: Interpreter, transform: Value, image: Value) -> Value:
    """What a transform, a function or one of several makes of an image."""
    if transform in (UNKNOWN, NONE):
        return image
    out: Value | None = None
    for one in options_of(without_none(transform)):
        value = _one(it, one, image)
        out = value if out is None else join(out, value)
    return out if out is not None else UNKNOWN


def _one(it: Interpreter, transform: Value, image: Value) -> Value:
    from .calls import call_value

    if not isinstance(transform, Instance) or not (transform.api or "").startswith(TRANSFORMS):
        args: Args = [(cst.Arg(cst.Name("image")), image)]
        return call_value(it, cst.Call(cst.Name("transform")), transform, args)
    name = (transform.api or "").rpartition(".")[2]
    if name in SEVERAL:
        steps = transform.args.get("transforms", UNKNOWN)
        if not isinstance(steps, Seq) or steps.items is None:
            return UNKNOWN
        for step in steps.items:
            image = transformed(it, step, image)
        return image
    if name == "Lambda":
        return transformed(it, transform.args.get("lambd", UNKNOWN), image)
    if name in MAKERS:
        return Tensor(3, None, MAKERS[name])
    if name in PICTURES:
        return UNKNOWN
    tensor = as_tensor(image)
    if tensor is None:
        return Tensor(None, None, "float") if name == "Normalize" else UNKNOWN
    return Tensor(tensor.rank, None, tensor.dtype if name not in ("ConvertImageDtype", "ToDtype") else None)


def call_transform(it: Interpreter, owner: Instance, args: Args) -> Value:
    """``transform(image)``."""
    return transformed(it, owner, args[0][1] if args else Const(None))


def _item(bound: BoundCall) -> Value:
    """``super().__getitem__(index)`` of a dataset: an image that its transforms may have changed, and its class."""
    return Seq("tuple", [UNKNOWN, INT])


RESULTS["image_item"] = _item
