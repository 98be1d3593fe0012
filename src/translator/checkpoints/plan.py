"""Which arrays of both sides belong together: plain values, made once for a model, good for all its checkpoints."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from ..model import InputError, Options

VERSION = 1


@dataclass(frozen=True, slots=True)
class Model:
    """A program that defines a model, and how the model is made: the arguments of `translator.verify`."""

    path: str
    translated: str | None = None
    entry: str | None = None
    init: Mapping[str, Any] = field(default_factory=dict)
    inputs: Sequence[Mapping[str, Any]] = ()
    direction: str | None = None
    layout: str = Options().layout.value
    fidelity: str = "idiomatic"
    keep_io_layout: bool = False


@dataclass(slots=True)
class Link:
    """Arrays of PyTorch's and the one of Keras's that holds the same numbers."""

    torch: list[list[str]]
    """The names of each array in a state dict: several where it is tied. Two arrays for the biases of an LSTM."""
    keras: list[str]
    """Paths in a Keras weight file: several where two layers share a variable."""
    torch_shapes: list[tuple[int, ...]]
    keras_shape: tuple[int, ...]
    via: str
    """The converter, see `translator.weights.converters`."""


@dataclass(slots=True)
class Plan:
    """All links of a model, and what has no partner."""

    links: list[Link] = field(default_factory=list)
    counters: list[str] = field(default_factory=list)
    """PyTorch's ``num_batches_tracked``, which Keras does not keep."""
    constants: dict[str, Any] = field(default_factory=dict)
    """Arrays of PyTorch's state dict that both programs compute by themselves: [dtype, shape, values or None]."""
    seeds: dict[str, Any] = field(default_factory=dict)
    """States of Keras's random generators and the like, with the values of a new model: [dtype, shape, values]."""
    torch_left: list[str] = field(default_factory=list)
    keras_left: list[str] = field(default_factory=list)
    groups: dict[str, str] = field(default_factory=dict)
    """The name of the layer behind each path of a Keras weight file."""
    parameters: list[tuple[str, bool]] = field(default_factory=list)
    """PyTorch's parameters in their order, and whether they learn: an optimizer's state goes by it."""
    variables: list[str] = field(default_factory=list)
    """Keras's trainable variables in their order."""
    order: list[str] = field(default_factory=list)
    """All of Keras's variables in their order; empty for one that stands in no file."""
    layers: list[list[list[str]]] = field(default_factory=list)
    """Paths of the weights of each layer at the top, for files of Keras 1 and 2."""
    config: str = ""
    metadata: str = ""
    """What a ``.keras`` file says of the model beside its weights; empty where Keras cannot tell."""
    notes: list[str] = field(default_factory=list)

    def text(self) -> str:
        return json.dumps({"version": VERSION, **asdict(self)}, indent=1) + "\n"

    @staticmethod
    def of(plain: dict[str, Any]) -> Plan:
        links = [Link(x["torch"], x["keras"], [tuple(s) for s in x["torch_shapes"]], tuple(x["keras_shape"]), x["via"])
                 for x in plain["links"]]  # fmt: skip
        return Plan(links, **{k: v for k, v in plain.items() if k not in ("links", "version")})

    @staticmethod
    def read(path: str) -> Plan:
        """A plan that was kept with ``--save-map``.

        Raises:
            InputError: it is none.
        """
        try:
            with open(path, encoding="utf-8") as file:
                plain = json.load(file)
            if plain["version"] != VERSION:
                raise InputError(f"{path}: a map of another version of xlate", code="XL060", hint="make it anew")
            return Plan.of(plain)
        except (OSError, ValueError, KeyError, TypeError, RecursionError) as error:
            reason = error.strerror if isinstance(error, OSError) else "it is no map of weights"
            raise InputError(f"{path}: {reason}", code="XL060", hint="make one with --save-map") from None
