"""A torch module described in plain values, and an object that stands in for it where torch is not imported.

The stand-in has what `translator.weights` asks of a module: its class and bases by name, its settings, its
parameters, buffers and children. So both frameworks never meet in one process.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from .exchange import Parcel


def describe(module: Any, session: Any, parcel: Parcel) -> dict[str, Any]:
    """The module tree: modules and tensors by number, each once, their arrays in the parcel."""
    return _Describer(session, parcel).root(module)


def describe_shapes(module: Any, session: Any) -> tuple[dict[str, Any], dict[int, int]]:
    """The module tree with the shapes of tensors alone, and the number of each tensor by its ``id``."""
    describer = _Describer(session, None)
    return describer.root(module), {key: told["number"] for key, told in describer.tensors.items()}


class _Describer:
    def __init__(self, session: Any, parcel: Parcel | None) -> None:
        self.session, self.parcel = session, parcel
        self.modules: list[dict[str, Any]] = []
        self.numbers: dict[int, int] = {}
        self.tensors: dict[int, dict[str, Any]] = {}

    def root(self, module: Any) -> dict[str, Any]:
        self.number(module)
        order = [self.numbers[id(m)] for m in self.session.made if id(m) in self.numbers]
        return {"modules": self.modules, "order": list(dict.fromkeys(order))}

    def number(self, module: Any) -> int:
        if id(module) in self.numbers:
            return self.numbers[id(module)]
        number = self.numbers[id(module)] = len(self.modules)
        told: dict[str, Any] = {
            "mro": [[base.__module__, base.__name__] for base in type(module).__mro__[:-1]],
            "settings": {k: v for k, v in vars(module).items() if _plain(v)},
            "parameters": {k: self.tensor(t) for k, t in module._parameters.items()},
            "buffers": {k: self.tensor(t) for k, t in module._buffers.items()},
            "site": self.session.sites.get(id(module)),
        }
        self.modules.append(told)
        told["children"] = {k: None if c is None else self.number(c) for k, c in module._modules.items()}
        return number

    def tensor(self, tensor: Any) -> dict[str, Any] | None:
        if tensor is None:
            return None
        if id(tensor) not in self.tensors:
            told = {"number": len(self.tensors), "trained": tensor.requires_grad, "shape": list(tensor.shape)}
            if self.parcel is not None:
                told["array"] = self.parcel.array(tensor)
            self.tensors[id(tensor)] = told
        return self.tensors[id(tensor)]


def _plain(value: Any) -> bool:
    """Whether a setting is a number, a string, or a short list of them."""
    if isinstance(value, list | tuple):
        return len(value) <= 8 and all(isinstance(v, bool | int | float | str) for v in value)
    return value is None or isinstance(value, bool | int | float | str)


class StandInTensor:
    """Enough of a tensor to be copied."""

    def __init__(self, array: Any, trained: bool, number: int) -> None:
        self.values = array
        self.number = number
        self.requires_grad = trained

    @property
    def shape(self) -> tuple[int, ...]:
        return tuple(self.values.shape)

    def detach(self) -> StandInTensor:
        return self

    def cpu(self) -> StandInTensor:
        return self

    def numpy(self) -> Any:
        return self.values


class StandIn:
    """Enough of a module for weights to be paired."""

    _parameters: dict[str, StandInTensor | None]
    _buffers: dict[str, StandInTensor | None]
    _modules: dict[str, StandIn | None]

    def walk(self, path: str = "") -> Iterator[tuple[str, StandIn]]:
        """Every module below with its path, shared ones at each of their paths."""
        yield path, self
        for name, child in self._modules.items():
            if child is not None:
                yield from child.walk(f"{path}.{name}" if path else name)

    def named_parameters(self) -> Iterator[tuple[str, StandInTensor]]:
        return self._named("_parameters")

    def named_buffers(self) -> Iterator[tuple[str, StandInTensor]]:
        return self._named("_buffers")

    def _named(self, kind: str) -> Iterator[tuple[str, StandInTensor]]:
        for path, module in self.walk():
            for name, tensor in getattr(module, kind).items():
                if tensor is not None:
                    yield (f"{path}.{name}" if path else name), tensor


def stand_in(skeleton: dict[str, Any], arrays: dict[str, Any]) -> tuple[StandIn, list[StandIn]]:
    """The stand-in of a described module, and all its modules in the order in which they were made."""
    tensors: dict[int, StandInTensor] = {}

    def tensor(told: dict[str, Any] | None) -> StandInTensor | None:
        if told is None:
            return None
        if told["number"] not in tensors:
            values = arrays[told["array"]] if "array" in told else _empty(told["shape"])
            tensors[told["number"]] = StandInTensor(values, told["trained"], told["number"])
        return tensors[told["number"]]

    modules: list[StandIn] = []
    for told in skeleton["modules"]:
        module = _class(tuple(tuple(m) for m in told["mro"]))()
        vars(module).update({k: tuple(v) if isinstance(v, list) else v for k, v in told["settings"].items()})
        module._parameters = {k: tensor(t) for k, t in told["parameters"].items()}
        module._buffers = {k: tensor(t) for k, t in told["buffers"].items()}
        modules.append(module)
    for module, told in zip(modules, skeleton["modules"], strict=True):
        module._modules = {k: None if n is None else modules[n] for k, n in told["children"].items()}
    return modules[0], [modules[n] for n in skeleton["order"]]


def _empty(shape: list[int]) -> Any:
    """An array of a shape that takes no memory."""
    import numpy as np

    return np.broadcast_to(np.zeros((), "float32"), shape)


def _class(mro: tuple[tuple[str, str], ...]) -> type[StandIn]:
    """A class whose bases have the names and modules of another's."""
    base: type[StandIn] = StandIn
    for module, name in reversed(mro):
        base = type(name, (base,), {"__module__": module})
    return base
