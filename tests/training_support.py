"""Run a training program and its translation from the same weights on the same batches, and compare trajectories."""

from __future__ import annotations

import copy
import inspect
import random
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from types import ModuleType
from typing import Any
from unittest.mock import patch

import numpy as np

from translator.compare.edges import permutation
from translator.model import Edge

FIXTURES = Path(__file__).resolve().parent.parent / "fixtures"


class Start:
    """Gives the translation's model the weights that the original's started with."""

    def __init__(self, inputs: Any = None, first: Any = None, before: Any = None) -> None:
        self.inputs, self.first, self.before = inputs, first, before

    def start(self, model: Any) -> None:
        from translator import weights

        if self.inputs is None:
            self.first = copy.deepcopy(model)
            return
        model(self.inputs)
        if self.before is not None:  # builds layers that a call does not reach
            self.before(model)
        report = weights.copy(self.first, model)
        assert not report.torch_left and not report.mismatched, report


class TorchSide:
    """The original program: models start as they are made, with dropout off."""

    name = "torch"

    def __init__(self) -> None:
        self.first: list[Any] = []
        self.models: list[Any] = []

    def tensor(self, array: Any) -> Any:
        import torch

        return torch.tensor(array)

    def array(self, tensor: Any) -> Any:
        return tensor.detach().numpy()

    def images(self, array: Any) -> Any:
        return self.tensor(array)

    def image(self, tensor: Any, function: str) -> Any:
        return self.array(tensor)

    @contextmanager
    def noise(self, program: Any, rng: Any) -> Iterator[None]:
        """Random numbers from NumPy, so that the other side can have the same."""
        import torch

        def drawn(draw: Any) -> Any:
            return lambda *size, **_: torch.tensor(draw(size[0] if isinstance(size[0], tuple | list) else size))

        with ExitStack() as stack:
            stack.enter_context(patch.object(torch, "rand", drawn(rng.random)))
            stack.enter_context(patch.object(torch, "randn", drawn(rng.standard_normal)))
            kind = torch.distributions.Categorical
            stack.enter_context(patch.object(kind, "sample", lambda d: torch.tensor(choice(rng, d.probs.detach()))))
            yield

    def start(self, model: Any, *inputs: Any, **named: Any) -> Any:
        import torch

        for module in model.modules():
            if isinstance(module, torch.nn.Dropout | torch.nn.Dropout2d):
                module.p = 0.0
            elif isinstance(getattr(module, "dropout", None), float):
                module.dropout = 0.0
        self.first.append(copy.deepcopy(model))
        self.models.append(model)
        return model


class TfSide:
    """The translation: models are built by a call, then given the weights that the torch ones started with."""

    name = "tf"

    def __init__(self, first: list[Any], edges: tuple[Edge, ...] = ()) -> None:
        self.first = list(first)
        self.edges = edges
        self.models: list[Any] = []

    def tensor(self, array: Any) -> Any:
        import tensorflow as tf

        return tf.constant(array)

    def at_edge(self, model: Any, *inputs: Any) -> list[Any]:
        """Inputs in the axis orders that a model takes."""
        names = list(inspect.signature(model.call).parameters)
        orders = {e.name: permutation(e.axes) for e in self.edges if e.owner == type(model).__name__}
        return [np.transpose(x, orders[n]) if n in orders else x for n, x in zip(names, inputs, strict=False)]

    def images(self, array: Any) -> Any:
        """Images (N, C, H, W) as the program's functions take them."""
        return self.tensor(np.moveaxis(array, 1, -1) if self.edges else array)

    def array(self, tensor: Any) -> Any:
        return tensor.numpy()

    def image(self, tensor: Any, function: str) -> Any:
        """An image that a function gives, as PyTorch has it."""
        moved = any(e.owner == function and e.name.startswith("return") for e in self.edges)
        return np.moveaxis(tensor.numpy(), -1, 1) if moved else tensor.numpy()

    @contextmanager
    def noise(self, program: Any, rng: Any) -> Iterator[None]:
        """Random numbers from NumPy, as the other side has them."""
        import tensorflow as tf

        def drawn(draw: Any) -> Any:
            return lambda shape, *_, **__: tf.constant(draw(tuple(shape)))

        with ExitStack() as stack:
            stack.enter_context(patch.object(tf.keras.random, "uniform", drawn(rng.random)))
            stack.enter_context(patch.object(tf.keras.random, "normal", drawn(rng.standard_normal)))
            kind = getattr(program, "Categorical", None)
            if kind is not None:
                stack.enter_context(patch.object(kind, "sample", lambda d: tf.constant(choice(rng, d.probs.numpy()))))
            yield

    def start(self, model: Any, *inputs: Any, **named: Any) -> Any:
        import tensorflow as tf

        from translator import weights

        model(*(self.tensor(i) for i in self.at_edge(model, *inputs)), **tf.nest.map_structure(self.tensor, named))
        for layer in model._flatten_layers():
            for name in ("rate", "dropout"):
                if isinstance(getattr(layer, name, None), float):
                    setattr(layer, name, 0.0)
        report = weights.copy(self.first[len(self.models)], model)
        assert not report.torch_left and not report.mismatched, report
        self.models.append(model)
        return model


def choice(rng: Any, shares: Any) -> Any:
    """The index that a uniform number falls on, for each row of shares."""
    sums = np.cumsum(np.asarray(shares), -1)
    return (rng.random(sums.shape[:-1])[..., None] > sums / sums[..., -1:]).sum(-1)


def translated(name: str, fidelity: str = "exact", style: str = "loop") -> Any:
    from translator import translate

    return translate((FIXTURES / name / "torch_model.py").read_text("utf-8"), fidelity=fidelity, style=style)


def program(text: str, name: str) -> ModuleType:
    from translator.compare.program import load

    return load(text, name)


def distance(expected: Any, actual: Any) -> float:
    """Norm of the difference over the norm of the reference."""
    a, b = np.asarray(expected, np.float64), np.asarray(actual, np.float64)
    assert a.shape == b.shape
    return float(np.linalg.norm(a - b) / max(np.linalg.norm(a), 1e-12))


def trajectories(
    name: str, drive: Any, fidelity: str = "exact", style: str = "loop"
) -> tuple[Any, Any, dict[str, float]]:
    """(losses of the original, losses of the translation, distance of each final parameter and buffer)."""
    import torch

    from translator import weights
    from translator.compare.precision import precision

    result = translated(name, fidelity, style)
    assert not result.refused, [d for d in result.diagnostics if d.severity == "error"]
    with precision("float64"):
        torch.manual_seed(0)
        np.random.seed(0)
        random.seed(0)
        source = program((FIXTURES / name / "torch_model.py").read_text("utf-8"), name)
        theirs = TorchSide()
        with theirs.noise(source, np.random.default_rng(1)):
            expected = drive(source, theirs)
        target = program(result.text, name + "_tf")
        ours = TfSide(theirs.first, result.edges)
        np.random.seed(0)
        random.seed(0)
        with ours.noise(target, np.random.default_rng(1)):
            actual = drive(target, ours)
        gaps: dict[str, float] = {}
        for i, (model, trained) in enumerate(zip(ours.models, theirs.models, strict=True)):
            back = copy.deepcopy(trained)
            report = weights.copy_back(model, back)
            assert not report.torch_left and not report.mismatched, report
            for (key, a), b in zip(trained.state_dict().items(), back.state_dict().values(), strict=True):
                gaps[f"{i}.{key}"] = distance(a, b)
    return expected, actual, gaps
