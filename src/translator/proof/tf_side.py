"""The worker's work in TensorFlow: build, take over the weights, run in every mode, and tell what came out.

Gradients and buffers leave in PyTorch's axis order and under PyTorch's names. Imports tensorflow.
"""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from .. import weights
from ..compare.buffers import _biased
from ..compare.dropout import dropout_off
from ..compare.inputs import draw_inputs
from ..compare.precision import precision
from ..compare.running import tf_arguments, tf_call
from ..compare.values import array
from ..model import Direction
from ..weights.order import pair_in_order
from .edges import Perm, adapted
from .exchange import Opened, Parcel
from .graph import in_graph
from .guess_tf import guessed_cases
from .side import Problem, Session, Task, drawn, named_parameters, saved
from .skeleton import stand_in
from .tracing import KerasTracer


class TFSide:
    """Holds one program and its model between the commands of a task."""

    def __init__(self, program: Any, task: Task) -> None:
        self.session = Session(program)
        self.task = task
        self.stage = "loading"
        self.model: Any = None
        self.pairing: Any = None
        self.layers: dict[str, Any] = {}
        self.astray: list[str] = []
        """PyTorch's names of weights that found no place."""
        self.cases = task.cases

    # -- building ------------------------------------------------------------------------------------

    def guess(self) -> dict[str, Any]:
        """The call arguments, for a source whose user named none."""
        with _settings("float64"):
            self._load("float64")
            self.stage = "guessing inputs"
            self.cases = self.cases or guessed_cases(self.model, self.call)
        return {"cases": self.cases}

    def _load(self, dtype: str) -> None:
        self.stage = "loading"
        self.session.load(dtype == "float64", keras.layers.Layer)
        self.stage = "building"
        keras.utils.set_random_seed(self.task.seed)
        self.model = self.session.build(self.task.entry, self.task.init, keras.layers.Layer)
        if not callable(self.model):
            raise Problem(f"{self.task.entry} gives a {type(self.model).__name__}, which cannot be called")

    def build(self, skeleton: dict[str, Any], arrays: dict[str, Any], dtype: str) -> str:
        """Load the program, build the entry and copy the weights; what is wrong with them, if anything."""
        if self.model is None or dtype == "float32":
            self._load(dtype)
        self.stage = "running"
        with self.session.recording(keras.layers.Layer):
            for case in self.cases:
                self.call(**tf_arguments(draw_inputs(case, self.task.seed), dtype), training=False)
        for layer in self.session.made:
            if getattr(layer, "dropout", 0.0) and isinstance(layer.dropout, float):
                layer.dropout = 0.0
        self.stage = "copying weights"
        self.pair(skeleton, arrays)
        return self.transfer()

    def pair(self, skeleton: dict[str, Any], arrays: dict[str, Any]) -> None:
        """Find the place of each of PyTorch's parameters and buffers."""
        root, made = stand_in(skeleton, arrays)
        self.pairing = self._pairing(root, made)

    def _pairing(self, root: Any, made: list[Any]) -> Any:
        """By attribute path where both sides agree on it; else in the order in which layers were made."""
        found = weights.pair_up(root, self.model)
        if self.task.direction is Direction.TF2TORCH and (found.torch_left or found.keras_left):
            paths = {id(module): path for path, module in reversed(list(root.walk()))}
            ordered = pair_in_order([(paths[id(m)], m) for m in made], self._own_layers())
            if len(ordered.torch_left) + len(ordered.keras_left) < len(found.torch_left) + len(found.keras_left):
                ordered.modules = [*found.modules, *ordered.modules]
                return ordered
        return found

    def _own_layers(self) -> list[Any]:
        """The model's layers in the order in which they were made."""
        inside = {id(x) for x in self.model._flatten_layers()} if hasattr(self.model, "_flatten_layers") else None
        return [x for x in self.session.made if inside is None or id(x) in inside]

    def transfer(self) -> str:
        """Write the weights; what does not fit, as text."""
        self.astray = [*self.pairing.torch_left, *map(self._torch_name, self.pairing.keras_left)]
        problems = [f"only in PyTorch: {name}" for name in self.pairing.torch_left]
        problems += [f"only in Keras: {name}" for name in self.pairing.keras_left]
        for pair in self.pairing.pairs:
            try:
                pair.slot.write(pair.to_keras(pair.tensor.numpy()))
            except (weights.ShapeError, ValueError) as error:
                self.astray.append(pair.torch_path)
                problems.append(f"{pair.torch_path} does not fit {pair.slot.path}: {error}")
        return "; ".join(problems)

    def _torch_name(self, path: str) -> str:
        """PyTorch's path of the part that holds a variable of Keras's, and the variable's own name."""
        holders = [
            part for part, layer, _ in self.pairing.modules
            if any(path == v.path for v in getattr(layer, "variables", ()))
        ]  # fmt: skip
        holder = max(holders, key=len, default="")
        return f"{holder}.{path.rpartition('/')[2]}" if holder else path.rpartition("/")[2]

    @property
    def call(self) -> Any:
        """The model's call in the source's names and axis order, with ``training`` as a keyword."""
        parameters, anything, listed = _parameters(self.model)

        def call(*, training: bool, **given: Any) -> Any:
            def invoke(named: dict[str, Any]) -> Any:
                mode = {"training": training} if _takes_training(self.model) else {}
                if listed:
                    values = list(named.values())
                    return self.model(values if len(values) > 1 else values[0], **mode)
                known = anything or set(named) <= set(parameters)
                return self.model(**named, **mode) if known else self.model(*named.values(), **mode)

            return adapted(invoke, parameters, self.task.edges, self.task.direction, _transpose)(**given)

        return call

    # -- running ---------------------------------------------------------------------------------------

    def run(self, told: dict[str, Any], arrived: str, out: str) -> dict[str, Any]:
        """Everything that the PyTorch side ran, with its weights.

        Args:
            told: what `TorchSide.run` returned; ``arrived`` is the file of its arrays.
        """
        parcel = Parcel()
        arrays = Opened(Path(arrived)).arrays
        self.cases = told["cases"]
        result: dict[str, Any] = {"parameters": []}
        self.pairing = None
        with _settings("float64"):
            result["weights"] = self.build(told["skeleton"], arrays, "float64")
            result["parameters"] = _parameters(self.model)[0]
            result["modules"] = self._places()
            result["astray"] = self.astray
            result["trained"] = {p.torch_path: _trained(p.slot.value) for p in self.pairing.pairs}
            if result["weights"]:
                return result
            self.stage = "running"
            self.arrays = drawn(self.cases, self.task.seed)
            result["eval"] = [self.once(case, parcel, False) for case in self.arrays]
            result["train"] = [self.once(case, parcel, True) for case in self.arrays] if told["train"] else []
            if told["steps"]:
                result["steps"] = self.steps(parcel, told["steps"]["rate"])
                self.transfer()
            if self.task.graph and self.task.direction is Direction.TORCH2TF:
                self.stage = "running under tf.function"
                result["graph"], result["notes"] = in_graph(self, self.arrays, parcel)
        parcel.save(saved(out))
        return result

    def survey(self, told: dict[str, Any], arrived: str) -> dict[str, Any]:
        """What `trace` needs, for a translation that does not run to its end: layers with what weights they take."""
        with _settings("float64"):
            self.cases = told["cases"]
            self.arrays = drawn(self.cases, self.task.seed)
            if self.task.direction is Direction.TF2TORCH:
                problem = self.build(told["skeleton"], Opened(Path(arrived)).arrays, "float64")
                return {"weights": problem, "modules": self._places(), "astray": self.astray}
            self.pair(told["skeleton"], Opened(Path(arrived)).arrays)
            problem = self.transfer()
            return {"weights": problem, "modules": self._places(), "astray": self.astray}

    def reference(self, out: str) -> dict[str, Any]:
        """The weights in Keras's own order, by attribute path."""
        parcel = Parcel()
        self.transfer()
        keys = {p.slot.path.removeprefix("model"): parcel.array(p.slot.read()) for p in self.pairing.pairs}
        parcel.save(saved(out))
        return {"weights": keys}

    def single(self, told: dict[str, Any], arrived: str, out: str) -> dict[str, Any]:
        """The eval output in float32."""
        parcel, session, model = Parcel(), self.session, self.model
        pairing = self.pairing
        self.session = Session(session.program)
        try:
            with _settings("float32"):
                self.build(told["skeleton"], Opened(Path(arrived)).arrays, "float32")
                self.stage = "running in float32"
                output = self.call(**tf_arguments(self.arrays[0], "float32"), training=False)
                result = {"output": parcel.put(output)}
        finally:
            self.session.close()
            self.session, self.model, self.pairing = session, model, pairing
        parcel.save(saved(out))
        return result

    def once(self, case: dict[str, Any], parcel: Parcel, training: bool) -> dict[str, Any]:
        """One call: outputs, gradients, and in train mode the buffers afterwards."""
        result, gradients = tf_call(
            lambda **args: self.call(**args, training=training), tf_arguments(case), self.variables()
        )
        told: dict[str, Any] = {"output": parcel.put(result), "gradients": self.told(gradients, parcel)}
        if training:
            buffers = [p for p in self.pairing.pairs if not p.tensor.requires_grad]
            told["buffers"] = {p.torch_path: parcel.array(p.to_torch(p.slot.read())) for p in buffers}
            told["biased"] = [p.torch_path for p in buffers if _biased(p.slot.owner)]
            self.transfer()
        return told

    def variables(self) -> dict[str, Any]:
        """The trained variables under PyTorch's names."""
        trained = [p for p in self.pairing.pairs if p.tensor.requires_grad]
        return {p.torch_path: getattr(p.slot.value, "value", p.slot.value) for p in trained}

    def told(self, gradients: dict[str, Any], parcel: Parcel) -> dict[str, str]:
        """Gradients in PyTorch's axis order."""
        pairs = {p.torch_path: p for p in self.pairing.pairs}
        return {
            name: parcel.array(pairs[name].to_torch(array(g)) if name in pairs else array(g))
            for name, g in gradients.items()
        }

    def steps(self, parcel: Parcel, rate: float) -> dict[str, Any]:
        """The same steps of gradient descent with momentum: the state afterwards."""
        speed: dict[int, Any] = {}
        for step in range(self.task.steps):
            args = tf_arguments(self.arrays[step % len(self.arrays)])
            variables = self.variables()
            unique = {id(v): v for v in variables.values()}
            _, gradients = tf_call(lambda **a: self.call(**a, training=True), args, variables)
            by_id = {id(v): gradients[name] for name, v in variables.items()}
            for key, variable in unique.items():
                speed[key] = 0.9 * speed.get(key, 0.0) + by_id[key]
                variable.assign_sub(rate * speed[key])
        pairs = self.pairing.pairs
        return {"state": {p.torch_path: parcel.array(p.to_torch(p.slot.read())) for p in pairs}}

    def structure(self, told: dict[str, Any], config: bool) -> dict[str, Any]:
        """Where PyTorch's weights stand in Keras's files."""
        from .structure_tf import structure

        with _settings("float32"):
            return structure(self, told, config)

    # -- tracing -----------------------------------------------------------------------------------------

    def _places(self) -> dict[str, Any]:
        """PyTorch's path of each paired module: Keras's path, class, settings and the line that made it."""
        self.layers = {}
        places = {}
        for path, layer, place in self.pairing.modules:
            if path in self.layers or not isinstance(layer, keras.layers.Layer):
                continue
            self.layers[path] = layer
            places[path] = {
                "path": place,
                "class": type(layer).__name__,
                "settings": _settings_of(layer),
                "site": self.session.sites.get(id(layer)),
            }
        return places

    def trace(self, case: int, training: bool, out: str, watched: list[Any] | None = None) -> dict[str, Any]:
        """The inputs and outputs of every paired layer in one call; of the one that is ``watched``, variables too."""
        parcel = Parcel()
        with _settings("float64"):
            self.transfer()
            with KerasTracer(self.layers, self.session.paths, parcel, watched) as tracer:
                error = tracer.attempt(lambda: self.call(**tf_arguments(self.arrays[case]), training=training))
        parcel.save(saved(out))
        return {"events": tracer.events, "error": error, "variables": tracer.watch.notes}


@contextmanager
def _settings(dtype: str) -> Iterator[None]:
    with precision(dtype, ("tf",)), dropout_off(("tf",)):
        yield


def _transpose(value: Any, perm: Perm) -> Any:
    return tf.transpose(value, perm)


def _parameters(model: Any) -> tuple[list[str], bool, bool]:
    """The names of a model's inputs, whether it takes others too, and whether it takes all of them as one list."""
    graph = isinstance(model, keras.Sequential) or type(model).__name__ == "Functional" or hasattr(model, "_functional")
    if graph and getattr(model, "inputs", None):
        return [tensor.name for tensor in model.inputs], False, True
    names, anything = named_parameters(getattr(model, "call", model))
    return [n for n in names if n != "training"], anything, graph


def _takes_training(model: Any) -> bool:
    if isinstance(model, keras.layers.Layer):
        return True
    parameters = inspect.signature(model).parameters
    return "training" in parameters or any(p.kind is p.VAR_KEYWORD for p in parameters.values())


def _trained(value: Any) -> bool | None:
    trainable = getattr(value, "trainable", None)
    return bool(trainable) if trainable is not None else None


def _settings_of(layer: Any) -> dict[str, Any]:
    """A layer's settings as plain values; activations and the like by their names."""
    out: dict[str, Any] = {}
    for name, value in vars(layer).items():
        if name.startswith("_"):
            continue
        if callable(value) and hasattr(value, "__name__"):
            out[name] = value.__name__
        elif isinstance(value, np.generic):
            out[name] = value.item()
        elif value is None or isinstance(value, bool | int | float | str):
            out[name] = value
        elif isinstance(value, list | tuple) and len(value) <= 8:
            if all(isinstance(v, bool | int | float | str) for v in value):
                out[name] = list(value)
    return out
