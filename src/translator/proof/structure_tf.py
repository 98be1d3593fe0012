"""Where a Keras model keeps each of PyTorch's weights in its files. Its variables get no values where that works."""

from __future__ import annotations

import base64
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import keras
import numpy as np
import tensorflow as tf
from keras.src.backend import StatelessScope
from keras.src.backend.common.variables import Variable as KerasVariable
from keras.src.saving import saving_lib

from ..compare.inputs import draw_inputs
from ..compare.running import tf_arguments
from ..model import Direction
from ..weights.converters import CONVERTERS
from ..weights.order import PROJECTION
from ..weights.recurrent import KERNELS, BiasPair
from .guess_tf import guessed_cases
from .side import Problem, Session
from .skeleton import stand_in

NAMED = {**CONVERTERS, "projection": PROJECTION, **{f"kernel {kind}": kernel for kind, kernel in KERNELS.items()}}
CONVERTER_NAMES = {id(converter): name for name, converter in NAMED.items()}


def structure(side: Any, told: dict[str, Any], config: bool) -> dict[str, Any]:
    """The plan, as plain values (`translator.checkpoints.plan.Plan`).

    Args:
        side: a `TFSide`.
        told: what `structure_torch.structure` gave.
        config: whether the model's own description is wanted, for a ``.keras`` file.
    """
    for lazy in (True, False):  # not every program runs on variables that have no values
        try:
            with _without_values() if lazy else _nothing():
                return _structure(side, told, lazy, config)
        except Exception:
            if not lazy:
                raise
            side.session.close()
            side.session, side.model = Session(side.session.program), None
            keras.backend.clear_session()
    raise AssertionError


@contextmanager
def _nothing() -> Iterator[None]:
    yield


@contextmanager
def _without_values() -> Iterator[None]:
    """Within it, Keras's variables keep their initialisers and get no memory."""
    original = KerasVariable.__init__

    def init(self: Any, initializer: Any, shape: Any = None, dtype: Any = None, *args: Any, **kwargs: Any) -> None:
        if not callable(initializer) and not isinstance(initializer, str):
            with tf.init_scope():
                value = self._convert_to_tensor(initializer, dtype=dtype)
            shape, dtype, initializer = value.shape, dtype or value.dtype, lambda *args, **kwargs: value
        original(self, initializer, shape, dtype, *args, **kwargs)

    KerasVariable.__init__ = init
    try:
        with StatelessScope(initialize_variables=False):
            yield
    finally:
        KerasVariable.__init__ = original


def _structure(side: Any, told: dict[str, Any], lazy: bool, config: bool) -> dict[str, Any]:
    side._load("float32")
    side.stage = "running"
    with side.session.recording(keras.layers.Layer):
        note = _call(side, told["cases"], lazy) or told["note"]
    side.stage = "pairing weights"
    root, made = stand_in(told["skeleton"], {})
    pairing = side._pairing(root, made)
    files = _Recorder()
    saving_lib._save_state(side.model, files, None, "", set())
    files.without("optimizer")  # of a model that its program compiles
    plan = {**_linked(pairing, told, files), "groups": files.groups, "layers": _layers(side.model, files)}
    plan["parameters"] = told["parameters"]
    known = [files.paths.get(id(v), []) for v in getattr(side.model, "trainable_variables", ())]
    plan["variables"] = [paths[0] for paths in known if paths]
    plan["order"] = [(files.paths.get(id(v)) or [""])[0] for v in getattr(side.model, "variables", ())]
    plan["notes"] = [note] if note else []
    if config:
        plan["config"], plan["metadata"] = _described(side)
    return plan


def _call(side: Any, cases: list[dict[str, Any]], lazy: bool) -> str:
    """One call, so that layers are built that need one; why none was possible.

    Without values, a graph is drawn of the call and thrown away.
    """

    def call(**given: Any) -> Any:
        with tf.__internal__.FuncGraph("structure").as_default() if lazy else _nothing():
            return side.call(**given)

    if not cases and side.task.direction is Direction.TF2TORCH:
        try:
            cases = guessed_cases(side.model, call)
        except Problem as error:
            return str(error)
    for case in cases[:1]:
        call(**tf_arguments(draw_inputs(case, side.task.seed), "float32"), training=False)
    return ""


class _Recorder(saving_lib.H5IOStore):  # type: ignore[misc]
    """Stands in for a file while Keras saves: notes under which path each variable goes."""

    def __init__(self) -> None:
        self.paths: dict[int, list[str]] = {}
        self.variables: dict[str, Any] = {}
        self.groups: dict[str, str] = {}
        self.here = ""

    def __bool__(self) -> bool:
        return True

    def make(self, path: str, metadata: dict[str, str] | None = None) -> _Recorder:
        self.here = path
        if metadata:
            self.groups[path] = metadata["name"]
        return self

    def without(self, group: str) -> None:
        """Forget what stands under a group."""
        self.groups.pop(group, None)
        self.variables = {path: v for path, v in self.variables.items() if not path.startswith(f"{group}/")}
        for paths in self.paths.values():
            paths[:] = [path for path in paths if not path.startswith(f"{group}/")]

    def __setitem__(self, key: str, value: Any) -> None:
        path = "/".join(p for p in (self.here, "vars", key) if p)
        self.paths.setdefault(id(value), []).append(path)
        self.variables[path] = value


def _linked(pairing: Any, told: dict[str, Any], files: _Recorder) -> dict[str, Any]:
    """The links of all pairs, and what is left over."""
    names, buffers = told["names"], set(told["buffers"])
    plan: dict[str, Any] = {"links": [], "constants": {}, "torch_left": [], "counters": []}
    computed: set[str] = set()
    done: set[int] = set()
    for pair in pairing.pairs:
        known = names.get(str(pair.tensor.number), [])
        paths = files.paths.get(id(pair.slot.value), [])
        done.add(pair.tensor.number)
        if not known:
            computed.update(paths)  # PyTorch does not keep it: both programs compute it
        elif paths:
            _link(plan["links"], pair, known, paths)
        elif pair.tensor.number in buffers:
            plan["constants"].update(dict.fromkeys(known))
        else:
            plan["torch_left"] += known
    biases = [link["torch"][0] for link in plan["links"] if link["via"].startswith("bias ")]
    second = [_second_bias(name) for names_ in biases for name in names_]
    for number, known in names.items():
        if int(number) not in done and known[0] not in second:
            counter = known[0].rpartition(".")[2] == "num_batches_tracked"
            plan["counters" if counter else "torch_left"] += known
    linked = {path for link in plan["links"] for path in link["keras"]}
    own = [p for p, v in files.variables.items() if p not in linked and (p in computed or str(v.dtype) == "uint32")]
    plan["seeds"] = {path: _packed(_value(files.variables[path])) for path in own}
    plan["keras_left"] = [path for path in files.variables if path not in linked and path not in own]
    return plan


def _link(links: list[dict[str, Any]], pair: Any, names: list[str], paths: list[str]) -> None:
    via = CONVERTER_NAMES.get(id(pair.converter), "same")
    shapes = [list(pair.tensor.shape)]
    torch = [names]
    if isinstance(pair, BiasPair):
        if pair.row == 1:  # joins the first row's link
            links[-1]["torch"] += torch
            links[-1]["torch_shapes"] += shapes
            return
        via = f"bias {pair.kind}" if pair.row is None else f"biases {pair.kind}"
        if pair.row is None:
            torch, shapes = [names, [_second_bias(n) for n in names]], shapes * 2
    keras_shape = list(pair.slot.shape)
    links.append({"torch": torch, "keras": paths, "torch_shapes": shapes, "keras_shape": keras_shape, "via": via})


def _second_bias(name: str) -> str:
    """The name of the bias that PyTorch's recurrent layers add to another."""
    head, dot, last = name.rpartition(".")
    return head + dot + last.replace("bias_ih", "bias_hh")


def _value(variable: Any) -> Any:
    if not isinstance(variable, KerasVariable):
        return np.asarray(variable)
    if variable._value is None:
        with tf.init_scope():
            return np.asarray(variable._initializer(variable._shape, dtype=variable._dtype))
    return np.asarray(variable.value)


def _packed(array: Any) -> list[Any]:
    return [array.dtype.name, list(array.shape), base64.b64encode(np.ascontiguousarray(array).tobytes()).decode()]


def _layers(model: Any, files: _Recorder) -> list[list[list[str]]]:
    """The paths of each top layer's weights, in the order in which Keras 1 and 2 wrote them."""
    if not hasattr(model, "layers"):
        return []
    held = [[*layer.trainable_weights, *layer.non_trainable_weights] for layer in model.layers]
    known = [[files.paths.get(id(v), []) for v in layer if str(v.dtype) != "uint32"] for layer in held]
    return [layer for layer in known if layer]


def _described(side: Any) -> tuple[str, str]:
    """The two descriptions in a ``.keras`` file."""
    side.stage = "describing the model"
    if not isinstance(side.model, keras.Model):
        raise Problem(f"{side.task.entry} gives a {type(side.model).__name__}: a .keras file holds a keras.Model")
    config, metadata = saving_lib._serialize_model_as_json(side.model)
    return config, metadata
