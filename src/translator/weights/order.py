"""Pair the weights of two models in the order in which their layers were made.

For a translation that names and nests layers anew (a functional Keras model becomes a class), attribute paths say
nothing, but both programs make their layers in one order.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from .converters import CONVERTERS, WeightConverter
from .slots import Slot
from .walk import Pair, Pairing, find_slot, row_of

GATES = {"LSTM": (0, 1, 2, 3), "GRU": (1, 0, 2), "RNN": (0,)}
"""Keras's gates, in PyTorch's order. Each of these orders is its own inverse."""


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


def own_variables(layer: Any) -> list[Any]:
    """The variables that a Keras layer holds itself, in the order in which it made them."""
    return [v for v in (*layer._trainable_variables, *layer._non_trainable_variables) if v.dtype != "uint32"]


def own_tensors(module: Any) -> dict[str, Any]:
    """The parameters and buffers that a torch module holds itself."""
    held = {**module._parameters, **module._buffers}
    return {name: t for name, t in held.items() if t is not None and name != "num_batches_tracked"}


def recurrent_kind(module: Any) -> str:
    """``"LSTM"``, ``"GRU"``, ``"RNN"``, or nothing."""
    names = [base.__name__ for base in type(module).__mro__ if base.__module__.startswith("torch.nn")]
    return next((kind for kind in GATES if kind in names), "")


def leaf(path: str, module: Any, layer: Any) -> list[Pair]:
    """One module and one layer: by the table row of the module's class, else by position."""
    row = row_of(module.__class__)
    if row is None:
        named = zip(own_tensors(module).items(), own_variables(layer), strict=False)
        return [_pair(f"{path}.{name}", t, layer, v, CONVERTERS["same"]) for (name, t), v in named]
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


def _pair(path: str, tensor: Any, layer: Any, variable: Any, converter: WeightConverter) -> Pair:
    return Pair(path, tensor, VariableSlot(layer, None, variable.path, variable), converter)


@dataclass(frozen=True, slots=True)
class VariableSlot(Slot):
    """A variable itself, wherever it is kept."""

    variable: Any = None

    @property
    def value(self) -> Any:
        return self.variable


PROJECTION = WeightConverter(
    lambda array, shape: array.T.reshape(shape), lambda array, shape: array.reshape(shape[::-1]).T
)
"""A linear map whose Keras kernel has an axis for the heads."""


def gates_turned(array: Any, kind: str) -> Any:
    """Rows of PyTorch's gates in Keras's order, or the reverse.

    Args:
        array: gates times units along the first axis.
    """
    import numpy as np

    parts = np.split(array, len(GATES[kind]), axis=0)
    return np.concatenate([parts[i] for i in GATES[kind]], axis=0)


def _kernel(kind: str) -> WeightConverter:
    return WeightConverter(lambda a, s: gates_turned(a, kind).T, lambda a, s: gates_turned(a.T, kind))


KERNELS = {kind: _kernel(kind) for kind in GATES}
"""Of the inputs and of the state, by the kind of layer."""


def recurrent(path: str, module: Any, cells: list[Any], kind: str) -> list[Pair]:
    """The kernels and biases of Keras's cells, one for each way, with those of a PyTorch layer."""
    kernel = KERNELS[kind]
    out = []
    for cell, end in zip(cells, ("", "_reverse"), strict=False):
        variables = own_variables(cell)
        for variable, name in zip(variables, (f"weight_ih_l0{end}", f"weight_hh_l0{end}"), strict=False):
            out.append(_pair(f"{path}.{name}", module._parameters[name], cell, variable, kernel))
        if len(variables) < 3:
            continue
        names = [f"bias_{n}_l0{end}" for n in ("ih", "hh")]
        rows = [None] if len(variables[2].shape) == 1 else [0, 1]
        for row, name in zip(rows, names, strict=False):
            slot = VariableSlot(cell, None, variables[2].path, variables[2])
            out.append(BiasPair(f"{path}.{name}", module._parameters[name], slot, CONVERTERS["same"], row, kind))
    return out


@dataclass(frozen=True, slots=True)
class BiasPair(Pair):
    """A bias, or one row of two, with its gates in Keras's order."""

    row: int | None
    kind: str

    def to_keras(self, array: Any) -> Any:
        turned = gates_turned(array, self.kind)
        if self.row is None:
            return turned
        whole = self.slot.read().copy()
        whole[self.row] = turned
        return whole

    def to_torch(self, array: Any) -> Any:
        return gates_turned(array if self.row is None else array[self.row], self.kind)
