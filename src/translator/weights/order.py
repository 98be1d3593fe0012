"""Pair the weights of two models in the order in which their layers were made.

For a translation that names and nests layers anew (a functional Keras model becomes a class), attribute paths say
nothing, but both programs make their layers in one order.
"""

from __future__ import annotations

from typing import Any

from .converters import CONVERTERS, WeightConverter
from .pairs import Pair, Pairing
from .recurrent import own_variables, recurrent, recurrent_kind, variable_pair
from .walk import find_slot, row_of

PROJECTION = WeightConverter(
    lambda array, shape: array.T.reshape(shape), lambda array, shape: array.reshape(shape[::-1]).T
)
"""A linear map whose Keras kernel has an axis for the heads."""


def pair_in_order(modules: list[tuple[str, Any]], layers: list[Any]) -> Pairing:
    """Pair modules and layers that hold weights themselves, one after the other.

    Args:
        modules: (path, torch module), in the order in which they were made.
        layers: Keras layers, likewise.
    """
    out = Pairing()
    left = [layer for layer in layers if own_variables(layer)]
    for path, module in modules:
        if not own_tensors(module):
            continue
        kind = recurrent_kind(module)
        cells, left = (left[:2], left[2:]) if kind and module.bidirectional else (left[:1], left[1:])
        if not cells:
            out.torch_left += [f"{path}.{name}" for name in own_tensors(module)]
            continue
        out.modules.append((path, cells[0], getattr(cells[0], "path", cells[0].name)))
        pairs = recurrent(path, module, cells, kind) if kind else leaf(path, module, cells[0])
        out.pairs += pairs
        taken = {id(p.tensor) for p in pairs}
        out.torch_left += [f"{path}.{n}" for n, t in own_tensors(module).items() if id(t) not in taken]
        filled = {id(p.slot.value) for p in pairs}
        out.keras_left += [v.path for c in cells for v in own_variables(c) if id(v) not in filled]
    out.keras_left += [v.path for layer in left for v in own_variables(layer)]
    if any(recurrent_kind(m) for _, m in modules):  # The second bias of an LSTM is none in Keras: it is zero.
        out.torch_left = [name for name in out.torch_left if not name.rpartition(".")[2].startswith("bias_hh")]
    return out


def own_tensors(module: Any) -> dict[str, Any]:
    """The parameters and buffers that a torch module holds itself."""
    held = {**module._parameters, **module._buffers}
    return {name: t for name, t in held.items() if t is not None and name != "num_batches_tracked"}


def leaf(path: str, module: Any, layer: Any) -> list[Pair]:
    """One module and one layer: by the table row of the module's class, else by position."""
    row = row_of(module.__class__)
    if row is None:
        named = zip(own_tensors(module).items(), own_variables(layer), strict=False)
        return [variable_pair(f"{path}.{name}", t, layer, v, CONVERTERS["same"]) for (name, t), v in named]
    out = []
    for name, tensor in own_tensors(module).items():
        found = find_slot(layer, row, name, layer.name)
        if found is not None:
            slot, via = found
            converter = CONVERTERS[via]
            if via in ("linear", "same") and len(slot.shape) > len(tensor.shape):
                converter = PROJECTION if via == "linear" else CONVERTERS["reshape"]
            out.append(Pair(f"{path}.{name}", tensor, slot, converter))
    return out
