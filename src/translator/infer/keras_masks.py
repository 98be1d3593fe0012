"""Masks: which steps of a sequence count. Keras hangs them on tensors; here each masked tensor knows its origin.

A mask is made by one call (of an `Embedding` with ``mask_zero``, of `Masking`), kept by layers that work step by step,
read by recurrent layers and pooling, and lost elsewhere.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import libcst as cst

from ..values import SOME, Const, Instance, Mask, Seq, Tensor, UserClass, Value, as_tensor

if TYPE_CHECKING:
    from .facts import BoundCall, Facts


def _layers(names: str) -> frozenset[str]:
    return frozenset(f"keras.layers.{name}" for name in names.split())


MAKERS = _layers("Embedding Masking")
KEEPERS = _layers(
    "Activation ReLU LeakyReLU ELU PReLU Dropout SpatialDropout1D GaussianNoise GaussianDropout AlphaDropout Identity "
    "Rescaling Normalization LayerNormalization Dense UnitNormalization ActivityRegularization"
)
"""Layers that leave a mask as it is and do not look at it."""
RECURRENT = _layers("LSTM GRU SimpleRNN RNN Bidirectional")
READERS = RECURRENT | _layers("GlobalAveragePooling1D")
"""Layers that are told the mask."""
MIXING = _layers(
    "MultiHeadAttention GroupQueryAttention Attention AdditiveAttention BatchNormalization GroupNormalization Softmax "
    "TimeDistributed Add Subtract Multiply Average Maximum Minimum Concatenate Dot ConvLSTM1D ConvLSTM2D ConvLSTM3D "
    "Lambda"
)
"""Layers that combine masks, or read them in ways of their own."""


def masked(value: Value) -> Mask | None:
    """The mask of a tensor, or of any tensor in a sequence."""
    if isinstance(value, Seq):
        found = [m for v in (value.items if value.items is not None else [value.elem]) if (m := masked(v)) is not None]
        return (found[0] if len(set(found)) == 1 else SOME) if found else None
    tensor = as_tensor(value)
    return tensor.mask if tensor is not None else None


def flow(facts: Facts, call: BoundCall, node: cst.CSTNode, layer: cst.CSTNode | None, inner: bool) -> None:
    """Give the result of a layer's call the mask that it has in Keras.

    Args:
        node: the call.
        layer: what made the layer.
        inner: whether a container calls the layer rather than the call itself.
    """
    api = call.api.removesuffix(".__call__")
    given = call.value("input")
    every = {**call.args, **call.extra}
    told = every["mask"].value if "mask" in every else Const(None)
    before = masked(given) if told == Const(None) else SOME
    out = call.result
    if before is not None and api in READERS:
        facts.mask_readers.update(n for n in (before.call, layer) if n is not None)
    first = out.items[0] if isinstance(out, Seq) and out.items else out
    if not isinstance(first, Tensor) or first is as_tensor(given):
        return
    first.mask = after(api, call, before, SOME if inner else Mask(node))


def after(api: str, call: BoundCall, before: Mask | None, made: Mask) -> Mask | None:
    """The mask behind a layer."""
    if api == "keras.layers.Masking":
        return made
    if api == "keras.layers.Embedding":
        zero = call.args["mask_zero"].value if "mask_zero" in call.args else Const(False)
        return None if zero == Const(False) else made if zero == Const(True) else SOME
    if before is None or api in KEEPERS:
        return before
    if api in RECURRENT:
        return before if sequences({n: b.value for n, b in call.args.items()}) else None
    return SOME if api in MIXING else None


def sequences(args: Mapping[str, Value]) -> bool:
    """Whether a recurrent layer that was made with these arguments gives all its outputs, or may."""
    inner = args.get("layer")
    found = (inner.args if isinstance(inner, Instance) else args).get("return_sequences", Const(False))
    return found != Const(False)


def through(cls: UserClass, given: Value, result: Value) -> None:
    """What a layer of the user's gives: it may say itself what becomes of masks."""
    out = as_tensor(result)
    says = cls.find("supports_masking") is not None or cls.find("compute_mask") is not None
    if out is not None and says and (masked(given) is not None or cls.find("compute_mask") is not None):
        out.mask = SOME
