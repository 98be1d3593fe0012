"""Pair the parameters and buffers of a torch module with the variables of its Keras counterpart.

The two object trees are walked together by attribute path: what the translation keeps. Inside of a layer that a
table row knows, the row's ``weights`` entries name the Keras attribute and the converter.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from typing import Any

from ..model import Direction
from ..tables import Row, tables
from .build import build_leaf
from .converters import CONVERTERS
from .pairs import Pair, Pairing
from .recurrent import cells_of, own_variables, recurrent, recurrent_kind
from .slots import Slot, is_array, item, member


def pair_up(module: Any, model: Any) -> Pairing:
    """Walk both models together.

    Tied torch parameters are paired once, at their first path. ``num_batches_tracked`` only counts where
    the Keras layer counts too. Leaf layers that were never called are built from torch's shapes.
    """
    walker = _Walker()
    walker.module(module, model, "", type(model).__name__ if not hasattr(model, "call") else "model")
    walker.out.keras_left = [name for name, v in _weights(model) if id(v) not in walker.used]
    return walker.out


def _weights(model: Any) -> Iterator[tuple[str, Any]]:
    """The state of a Keras object: its weights, or what a plain object or list of layers holds."""
    if hasattr(model, "weights") and hasattr(model, "built"):
        for variable in model.weights:
            yield getattr(variable, "path", variable.name), variable
    elif isinstance(model, list | tuple | dict):
        for child in model.values() if isinstance(model, dict) else model:
            yield from _weights(child)


class _Walker:
    def __init__(self) -> None:
        self.out = Pairing()
        self.seen_tensors: set[int] = set()
        self.seen_modules: set[tuple[int, int]] = set()
        self.used: set[int] = set()

    def module(self, module: Any, keras: Any, path: str, place: str) -> None:
        if (id(module), id(keras)) in self.seen_modules:
            return
        self.seen_modules.add((id(module), id(keras)))
        self.out.modules.append((path.removesuffix("."), keras, place))
        kind = recurrent_kind(module)
        cells = cells_of(module, keras) if kind else []
        if cells:
            self.recurrent(path, module, cells, kind)
            return
        row = row_of(module.__class__)
        if row is not None:
            build_leaf(module, keras)
        done = normalized(module, keras)
        for name, (own, tensor) in done.items():
            self.tensor(module, keras, row, own, tensor, f"{path}{name}", place)
        for name, tensor in (*module._parameters.items(), *module._buffers.items()):
            if tensor is not None and name not in done:
                self.tensor(module, keras, row, name, tensor, f"{path}{name}", place)
        only = _only_child(module, keras) if row is None else None
        if only is not None:  # a layer with its activation after it, which Keras's layer does itself
            self.module(module._modules[only], keras, f"{path}{only}.", place)
            return
        for name, child in module._modules.items():
            if child is None or (done and name == "parametrizations"):
                continue
            found = member(keras, name)
            target = item(*found[:2]) if found is not None else None
            if found is None or target is None:
                self.missing(child, f"{path}{name}.")
            else:
                self.module(child, target, f"{path}{name}.", place + found[2])

    def recurrent(self, path: str, module: Any, cells: list[Any], kind: str) -> None:
        """A recurrent layer of PyTorch's and Keras's own, whose gates stand in another order."""
        pairs = recurrent(path.removesuffix("."), module, cells, kind)
        self.out.pairs += pairs
        self.used |= {id(pair.slot.value) for pair in pairs}
        paired = {id(pair.tensor) for pair in pairs}
        for name, tensor in module._parameters.items():
            # The second bias of an LSTM is none in Keras: it is zero.
            if tensor is not None and id(tensor) not in paired and not name.startswith("bias_hh"):
                self.out.torch_left.append(path + name)
        self.seen_tensors |= {id(t) for t in module._parameters.values() if t is not None}

    def missing(self, module: Any, path: str) -> None:
        for name, tensor in (*module.named_parameters(), *module.named_buffers()):
            if id(tensor) not in self.seen_tensors and not name.endswith("num_batches_tracked"):
                self.out.torch_left.append(path + name)

    def tensor(self, module: Any, keras: Any, row: Row | None, name: str, tensor: Any, path: str, place: str) -> None:
        if id(tensor) in self.seen_tensors:
            return
        self.seen_tensors.add(id(tensor))
        found = find_slot(keras, row, name, place)
        if found is None:
            if name != "num_batches_tracked":
                self.out.torch_left.append(path)
            return
        slot, via = found
        self.used.add(id(slot.value))
        self.out.pairs.append(Pair(path, tensor, slot, CONVERTERS[via]))


def normalized(module: Any, keras: Any) -> dict[str, tuple[str, Any]]:
    """The lengths and directions of a normalised weight by PyTorch's names, old and new, with their names here."""
    if not is_array(getattr(keras, "weight_g", None)):
        return {}
    if "weight_g" in module._parameters:
        return {name: (name, module._parameters[name]) for name in ("weight_g", "weight_v")}
    held = module._modules.get("parametrizations")
    pair = held["weight"]._parameters if held is not None and "weight" in held else {}
    own = {"original0": "weight_g", "original1": "weight_v"}
    return {f"parametrizations.weight.{name}": (own[name], t) for name, t in pair.items() if name in own}


def _only_child(module: Any, keras: Any) -> str | None:
    """The one child of a container that holds weights, where Keras has a single layer in its place."""
    if not hasattr(keras, "call") or getattr(keras, "_layers", None) or not own_variables(keras):
        return None
    if not any(base.__name__ == "Sequential" for base in type(module).__mro__):
        return None
    holding = [name for name, child in module._modules.items() if child is not None and any(child.named_parameters())]
    return holding[0] if len(holding) == 1 else None


def find_slot(keras: Any, row: Row | None, name: str, place: str) -> tuple[Slot, str] | None:
    """Where a Keras object keeps the torch parameter ``name``, and the name of the converter."""
    entry = row.weights.get("weight" if name == "weight_v" else name) if row is not None else None
    if name == "weight_v" and entry is not None:
        entry = {"to": name, "via": entry["via"]} if isinstance(entry, dict) else name
        name = "weight"
    if name == "weight_g" and is_array(getattr(keras, name, None)):
        return Slot(keras, name, f"{place}.{name}"), "reshape"
    if entry is not None:
        to, via = (entry, "same") if isinstance(entry, str) else (entry["to"], entry.get("via", "same"))
        if to != name and is_array(getattr(keras, to, None)):
            depthwise = via == "conv" and any("Depthwise" in c.__name__ for c in type(keras).__mro__)
            return Slot(keras, to, f"{place}.{to}"), "depthwise" if depthwise else via
    found = member(keras, name)
    if found is None or not is_array(item(*found[:2])):
        return None
    via = entry.get("via", "same") if isinstance(entry, dict) and entry["to"] == name else "same"
    return Slot(found[0], found[1], place + found[2]), via


@cache
def row_of(kind: type) -> Row | None:
    """The table row with weight entries for a torch module's class, or for the nearest base that has one."""
    known = tables(Direction.TORCH2TF)
    for base in kind.__mro__:
        if base.__module__.startswith("torch.nn"):
            for row in known.find(f"torch.nn.{base.__name__}"):
                if row.weights:
                    return row
    return None
