"""The worker's work in PyTorch: build, fill with noise, run in every mode, and tell what came out. Imports torch."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch

from ..compare.buffers import batch_sizes
from ..compare.dropout import dropout_off, settle
from ..compare.inputs import draw_inputs
from ..compare.noise import fill
from ..compare.precision import precision
from ..compare.running import torch_call
from ..model import Direction
from .edges import Perm, adapted
from .exchange import Parcel
from .guess_torch import guessed_cases
from .side import Problem, Session, Task, drawn, named_parameters, saved
from .skeleton import describe
from .steps import learning_rate
from .structure_torch import constants, structure, unpickle
from .tracing import TorchTracer


class TorchSide:
    """Holds one program and its model between the commands of a task."""

    def __init__(self, program: Any, task: Task) -> None:
        self.session = Session(program)
        self.task = task
        self.stage = "loading"
        self.module: Any = None
        self.model: Any = None
        self.start: dict[str, Any] = {}
        self.cases: list[dict[str, Any]] = []

    # -- building ------------------------------------------------------------------------------------

    def build(self, dtype: str) -> None:
        """Load the program, build the entry and fill it with noise."""
        self.stage = "loading"
        self.session.load(dtype == "float64", torch.nn.Module)
        self.stage = "building"
        torch.manual_seed(self.task.seed)
        self.model = self.session.build(self.task.entry, self.task.init, torch.nn.Module)
        if isinstance(self.model, torch.nn.Module):
            self.model.to(getattr(torch, dtype))
            self.module = self.model
        elif callable(self.model):
            raise Problem(f"{self.task.entry} gives a {type(self.model).__name__}, which is no torch.nn.Module")
        settle(self.module)
        if not self.cases:
            self.stage = "guessing inputs"
            self.cases = self.task.cases or guessed_cases(self.module, self.call)
        if any(isinstance(p, torch.nn.UninitializedParameter) for p in self.module.parameters()):
            self.stage = "running"
            torch_call(self.call, draw_inputs(self.cases[0], 0), {}, grad=False, dtype=dtype)
            self.module.to(getattr(torch, dtype))
        fill(self.module, self.task.seed)
        if self.task.direction is Direction.TF2TORCH:
            _single_biases(self.module)

    @property
    def call(self) -> Any:
        """The model's call in the source's names and axis order."""
        parameters, anything = named_parameters(self.module.forward)

        def invoke(given: dict[str, Any]) -> Any:
            known = anything or set(given) <= set(parameters)
            return self.module(**given) if known else self.module(*given.values())

        return adapted(invoke, parameters, self.task.edges, self.task.direction, _permute)

    def restore(self) -> None:
        with torch.no_grad():
            for name, tensor in _state(self.module).items():
                tensor.copy_(self.start[name])

    # -- running ---------------------------------------------------------------------------------------

    def run(self, out: str) -> dict[str, Any]:
        """Everything that is compared, in float64, and the eval output in float32."""
        parcel = Parcel()
        with _settings("float64"):
            self.build("float64")
            self.start = {name: tensor.detach().clone() for name, tensor in _state(self.module).items()}
            told: dict[str, Any] = {"cases": self.cases}
            told["parameters"] = named_parameters(self.module.forward)[0]
            told["skeleton"] = describe(self.module, self.session, parcel)
            self.stage = "running"
            self.arrays = drawn(self.cases, self.task.seed)
            told["random"] = {"eval": self.random(False), "train": self.random(True)}
            training = self.task.train and not told["random"]["train"]
            told["eval"] = [self.once(case, parcel, False) for case in self.arrays]
            told["train"] = [self.once(case, parcel, True) for case in self.arrays] if training else []
            told["steps"] = self.steps(parcel) if training and self.task.steps else None
            self.restore()
        parcel.save(saved(out))
        return told

    def survey(self, out: str) -> dict[str, Any]:
        """What the other side needs for `trace`, of a translation that does not run to its end."""
        parcel = Parcel()
        with _settings("float64"):
            self.restore()
            told = {"cases": self.cases, "skeleton": describe(self.module, self.session, parcel)}
        parcel.save(saved(out))
        return told

    def single(self, out: str) -> dict[str, Any]:
        """The eval output in float32."""
        parcel = Parcel()
        session, start = self.session, self.start
        self.session = Session(session.program)
        keep = self.module, self.model
        try:
            with _settings("float32"):
                self.build("float32")
                self.module.eval()
                result, _ = torch_call(self.call, self.arrays[0], {}, grad=False, dtype="float32")
                told = {"output": parcel.put(result)}
        finally:
            self.session.close()
            self.session, self.start = session, start
            self.module, self.model = keep
        parcel.save(saved(out))
        return told

    def once(self, case: dict[str, Any], parcel: Parcel, training: bool) -> dict[str, Any]:
        """One call: outputs, gradients, and in train mode the buffers afterwards."""
        self.restore()
        self.module.train(training)
        trained = dict(self.module.named_parameters())
        with batch_sizes(self.module) as sizes:
            result, gradients = torch_call(self.call, case, trained)
        told: dict[str, Any] = {
            "output": parcel.put(result),
            "gradients": {name: parcel.array(g) for name, g in gradients.items()},
        }
        if training:
            told["buffers"] = {name: parcel.array(b) for name, b in self.module.named_buffers()}
            told["batches"] = {
                name: {"sizes": seen, "momentum": self.module.get_submodule(name).momentum}
                for name, seen in sizes.items()
            }
        return told

    def random(self, training: bool) -> bool:
        """Whether two runs of the same call differ: then nothing can be compared in that mode."""
        outputs = []
        for seed in (1, 2):
            self.restore() if training else None
            self.module.train(training)
            torch.manual_seed(seed)
            parcel = Parcel()
            told = parcel.put(torch_call(self.call, self.arrays[0], {}, grad=False)[0])
            outputs.append((str(told), [a.tobytes() for a in parcel.arrays.values()]))
        return outputs[0] != outputs[1]

    def steps(self, parcel: Parcel) -> dict[str, Any]:
        """N steps of gradient descent with momentum in train mode: the state afterwards."""
        self.restore()
        self.module.train(True)
        trained = {name: p for name, p in self.module.named_parameters() if p.requires_grad}
        speed: dict[str, Any] = {}
        rate = 0.0
        for step in range(self.task.steps):
            _, gradients = torch_call(self.call, self.arrays[step % len(self.arrays)], trained)
            if not rate:
                rate = learning_rate({n: p.detach().numpy() for n, p in trained.items()}, gradients)
            with torch.no_grad():
                for name, p in trained.items():
                    speed[name] = 0.9 * speed.get(name, 0.0) + torch.from_numpy(gradients[name])
                    p.sub_(rate * speed[name])
        return {"rate": rate, "state": {name: parcel.array(t) for name, t in _state(self.module).items()}}

    def structure(self) -> dict[str, Any]:
        """Names and shapes of the weights."""
        return structure(self)

    def constants(self, names: list[str], out: str) -> dict[str, Any]:
        """Weights that the program computes by itself."""
        return constants(self, names, out)

    def unpickle(self, path: str, out: str) -> dict[str, Any]:
        """Load a checkpoint that runs code, and save its tensors alone."""
        return unpickle(self, path, out)

    # -- tracing -----------------------------------------------------------------------------------------

    def trace(self, case: int, training: bool, out: str, watched: list[Any] | None = None) -> dict[str, Any]:
        """The inputs and outputs of every module in one call; of the one that is ``watched``, variables too."""
        parcel = Parcel()
        with _settings("float64"):
            self.restore()
            self.module.train(training)
            with TorchTracer(self.module, self.session.paths, parcel, watched) as tracer:
                error = tracer.attempt(lambda: torch_call(self.call, self.arrays[case], {}, grad=False))
        parcel.save(saved(out))
        return {"events": tracer.events, "error": error, "variables": tracer.watch.notes}


@contextmanager
def _settings(dtype: str) -> Iterator[None]:
    with precision(dtype, ("torch",)), dropout_off(("torch",)):
        yield


def _state(module: Any) -> dict[str, Any]:
    """Parameters and buffers by their first path."""
    return {**dict(module.named_parameters()), **dict(module.named_buffers())}


def _permute(value: Any, perm: Perm) -> Any:
    return value.permute(perm)


def _single_biases(module: Any) -> None:
    """Keras's LSTM has one bias where PyTorch adds two: the second is zero."""
    for child in module.modules():
        if isinstance(child, torch.nn.LSTM):
            with torch.no_grad():
                for name, p in child.named_parameters(recurse=False):
                    if name.startswith("bias_hh"):
                        p.zero_()
