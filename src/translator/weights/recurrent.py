"""Recurrent layers: PyTorch's parameters, and Keras's cells, which order their gates otherwise."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from .converters import CONVERTERS, WeightConverter
from .pairs import Pair
from .slots import Slot

GATES = {"LSTM": (0, 1, 2, 3), "GRU": (1, 0, 2), "RNN": (0,)}
"""Keras's gates, in PyTorch's order. Each of these orders is its own inverse."""


def recurrent_kind(module: Any) -> str:
    """``"LSTM"``, ``"GRU"``, ``"RNN"``, or nothing."""
    names = [base.__name__ for base in type(module).__mro__ if base.__module__.startswith("torch.nn")]
    return next((kind for kind in GATES if kind in names), "")


def cells_of(module: Any, layer: Any) -> list[Any]:
    """The cells of Keras's own recurrent layer that stand for a module of PyTorch's, one for each way.

    Empty where the layer is none, or where the module has several layers.
    """
    ways = ("forward_layer", "backward_layer")
    layers = [getattr(layer, way, None) for way in ways] if module.bidirectional else [layer]
    cells = [getattr(one, "cell", None) for one in layers]
    fits = all(hasattr(cell, "units") for cell in cells) and not hasattr(layer, "weight_ih_l0")
    return cells if fits and module.num_layers == 1 else []


def own_variables(layer: Any) -> list[Any]:
    """The variables that a Keras layer holds itself, in the order in which it made them."""
    return [v for v in (*layer._trainable_variables, *layer._non_trainable_variables) if v.dtype != "uint32"]


def variable_pair(path: str, tensor: Any, layer: Any, variable: Any, converter: WeightConverter) -> Pair:
    return Pair(path, tensor, VariableSlot(layer, None, variable.path, variable), converter)


@dataclass(frozen=True, slots=True)
class VariableSlot(Slot):
    """A variable itself, wherever it is kept."""

    variable: Any = None

    @property
    def value(self) -> Any:
        return self.variable


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
            out.append(variable_pair(f"{path}.{name}", module._parameters[name], cell, variable, kernel))
        if len(variables) < 3:
            continue
        names = [f"bias_{n}_l0{end}" for n in ("ih", "hh")]
        rows = [None] if len(variables[2].shape) == 1 else [0, 1]
        for row, name in zip(rows, names, strict=False):
            slot = VariableSlot(cell, None, variables[2].path, variables[2])
            other = module._parameters[names[1]] if row is None else None
            tensor = module._parameters[name]
            out.append(BiasPair(f"{path}.{name}", tensor, slot, CONVERTERS["same"], row, kind, other))
    return out


@dataclass(frozen=True, slots=True)
class BiasPair(Pair):
    """A bias, or one row of two, with its gates in Keras's order."""

    row: int | None
    kind: str
    other: Any = None
    """PyTorch's second bias, which is added where Keras has one."""

    def to_keras(self, array: Any) -> Any:
        turned = gates_turned(array, self.kind)
        if self.row is None:
            return turned if self.other is None else turned + gates_turned(self.other.detach().cpu().numpy(), self.kind)
        whole = self.slot.read().copy()
        whole[self.row] = turned
        return whole

    def to_torch(self, array: Any) -> Any:
        return gates_turned(array if self.row is None else array[self.row], self.kind)
