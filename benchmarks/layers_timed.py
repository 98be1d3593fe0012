"""The layer kinds whose speed `speed.py` measures: the PyTorch layer, its input, and how else Keras can do it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Kind:
    """One kind of layer.

    Attributes:
        made: the PyTorch expression that makes it, with ``nn`` and ``F``.
        shape: of its input, in PyTorch's order.
        by_hand: what a Keras user writes: a layer or function, given ``keras`` and ``tf``, that takes images with
            channels last and sequences as they are.
        call: the PyTorch expression of the call.
    """

    made: str
    shape: tuple[int, ...]
    by_hand: Callable[[Any, Any], Any]
    call: str = "self.layer(x)"


IMAGE = (8, 64, 28, 28)
TOKENS = (8, 128, 128)

KINDS: dict[str, Kind] = {
    "Conv2d 3x3": Kind("nn.Conv2d(64, 64, 3, padding=1)", IMAGE, lambda k, t: k.layers.Conv2D(64, 3, padding="same")),
    "Conv2d 1x1": Kind("nn.Conv2d(64, 128, 1)", IMAGE, lambda k, t: k.layers.Conv2D(128, 1)),
    "Conv2d 3x3, stride 2": Kind(
        "nn.Conv2d(64, 64, 3, stride=2, padding=1)", IMAGE,
        lambda k, t: k.Sequential([k.layers.ZeroPadding2D(1), k.layers.Conv2D(64, 3, 2)]),
    ),
    "Conv2d 3x3, dilation 2": Kind(
        "nn.Conv2d(64, 64, 3, padding=2, dilation=2)", IMAGE,
        lambda k, t: k.layers.Conv2D(64, 3, padding="same", dilation_rate=2),
    ),
    "Conv2d 3x3, 32 groups": Kind(
        "nn.Conv2d(64, 64, 3, padding=1, groups=32)", IMAGE,
        lambda k, t: k.layers.Conv2D(64, 3, padding="same", groups=32),
    ),
    "Conv2d 7x7, depthwise": Kind(
        "nn.Conv2d(64, 64, 7, padding=3, groups=64)", IMAGE,
        lambda k, t: k.layers.Conv2D(64, 7, padding="same", groups=64),
    ),
    "ConvTranspose2d": Kind(
        "nn.ConvTranspose2d(64, 32, 4, stride=2, padding=1)", IMAGE,
        lambda k, t: k.layers.Conv2DTranspose(32, 4, 2, padding="same"),
    ),
    "Conv1d": Kind("nn.Conv1d(128, 128, 5, padding=2)", TOKENS, lambda k, t: k.layers.Conv1D(128, 5, padding="same")),
    "Conv3d": Kind(
        "nn.Conv3d(16, 16, 3, padding=1)", (2, 16, 8, 28, 28), lambda k, t: k.layers.Conv3D(16, 3, padding="same")
    ),
    "MaxPool2d": Kind("nn.MaxPool2d(2)", IMAGE, lambda k, t: k.layers.MaxPooling2D(2)),
    "MaxPool2d, padded": Kind(
        "nn.MaxPool2d(3, stride=2, padding=1)", IMAGE, lambda k, t: k.layers.MaxPooling2D(3, 2, padding="same")
    ),
    "AvgPool2d, padded": Kind(
        "nn.AvgPool2d(3, stride=1, padding=1)", IMAGE, lambda k, t: k.layers.AveragePooling2D(3, 1, padding="same")
    ),
    "AdaptiveAvgPool2d(1)": Kind(
        "nn.AdaptiveAvgPool2d(1)", IMAGE, lambda k, t: k.layers.GlobalAveragePooling2D(keepdims=True)
    ),
    "AdaptiveAvgPool2d(7)": Kind("nn.AdaptiveAvgPool2d(7)", IMAGE, lambda k, t: k.layers.AveragePooling2D(4)),
    "BatchNorm2d": Kind("nn.BatchNorm2d(64)", IMAGE, lambda k, t: k.layers.BatchNormalization()),
    "LayerNorm": Kind("nn.LayerNorm(128)", TOKENS, lambda k, t: k.layers.LayerNormalization()),
    "GroupNorm": Kind("nn.GroupNorm(8, 64)", IMAGE, lambda k, t: k.layers.GroupNormalization(8)),
    "InstanceNorm2d": Kind("nn.InstanceNorm2d(64)", IMAGE, lambda k, t: k.layers.GroupNormalization(-1)),
    "ReLU": Kind("nn.ReLU()", IMAGE, lambda k, t: k.layers.ReLU()),
    "GELU": Kind("nn.GELU()", IMAGE, lambda k, t: k.layers.Activation("gelu")),
    "SiLU": Kind("nn.SiLU()", IMAGE, lambda k, t: k.layers.Activation("silu")),
    "Hardswish": Kind("nn.Hardswish()", IMAGE, lambda k, t: k.layers.Activation("hard_swish")),
    "PReLU": Kind("nn.PReLU(64)", IMAGE, lambda k, t: k.layers.PReLU(shared_axes=[1, 2])),
    "Softmax": Kind("nn.Softmax(dim=1)", IMAGE, lambda k, t: k.layers.Softmax()),
    "Linear": Kind("nn.Linear(128, 256)", TOKENS, lambda k, t: k.layers.Dense(256)),
    "LSTM": Kind(
        "nn.LSTM(128, 64, batch_first=True)", (8, 40, 128), lambda k, t: k.layers.LSTM(64, return_sequences=True),
        "self.layer(x)[0]",
    ),
    "GRU": Kind(
        "nn.GRU(128, 64, batch_first=True)", (8, 40, 128), lambda k, t: k.layers.GRU(64, return_sequences=True),
        "self.layer(x)[0]",
    ),
    "MultiheadAttention": Kind(
        "nn.MultiheadAttention(128, 8, batch_first=True)", TOKENS,
        lambda k, t: (lambda layer: lambda x: layer(x, x))(k.layers.MultiHeadAttention(8, 16)),
        "self.layer(x, x, x, need_weights=False)[0]",
    ),
    "PixelShuffle": Kind("nn.PixelShuffle(2)", IMAGE, lambda k, t: lambda x: t.nn.depth_to_space(x, 2)),
    "Upsample, nearest": Kind("nn.Upsample(scale_factor=2)", IMAGE, lambda k, t: k.layers.UpSampling2D(2)),
    "Upsample, bilinear": Kind(
        "nn.Upsample(scale_factor=2, mode='bilinear')", IMAGE,
        lambda k, t: k.layers.UpSampling2D(2, interpolation="bilinear"),
    ),
    "ReflectionPad2d": Kind(
        "nn.ReflectionPad2d(3)", IMAGE,
        lambda k, t: lambda x: t.pad(x, [(0, 0), (3, 3), (3, 3), (0, 0)], "REFLECT"),
    ),
}  # fmt: skip
