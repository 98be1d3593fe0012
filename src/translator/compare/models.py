"""Whether a model and its translation compute the same: outputs, gradients, buffers; eagerly and in a graph."""

from __future__ import annotations

import traceback
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from types import ModuleType
from typing import Any

from ..model import Edge
from .buffers import batch_sizes, compare_buffers, snapshot
from .dropout import dropout_off, settle
from .edges import AtEdge
from .inputs import draw_inputs
from .noise import fill
from .precision import precision
from .program import load, unload
from .result import Result
from .running import compare_gradients, projected_gradients, tf_arguments, tf_call, torch_call
from .values import Quantity, compare_values

TOLERANCE = {"float64": 1e-9, "float32": 1e-3}
"""Norm of the difference over norm of the reference. In float32 only eval outputs are compared."""


@dataclass(frozen=True, slots=True)
class _Programs:
    """What is compared: the arguments of `compare_program`."""

    source: str
    translated: str
    entry: str
    init: Mapping[str, Any]
    cases: list[dict[str, Any]]
    seed: int
    edges: tuple[Edge, ...]


@dataclass(slots=True)
class _Models:
    """Both models with equal weights, and the modules that define them."""

    module: Any
    keras: Any
    edged: AtEdge
    """The Keras model, called in the axis order of the source."""
    pairs: list[Any]
    programs: list[ModuleType]

    @property
    def trained(self) -> dict[str, Any]:
        return {p.torch_path: p for p in self.pairs if p.tensor.requires_grad}

    def unload(self) -> None:
        for program in self.programs:
            unload(program)


def compare_program(
    source: str, translated: str, entry: str, init: Mapping[str, Any], inputs: Iterable[Mapping[str, Any]], *,
    train: bool = True, graph: bool = True, single: bool = True, seed: int = 0, edges: Iterable[Edge] = (),
) -> Result:  # fmt: skip
    """Build, fill and run both programs, which executes their code, and compare them.

    Args:
        source: the PyTorch program, ``translated`` the TensorFlow one.
        entry: the class, or the function that makes a model, in both.
        init: its arguments.
        inputs: the call's arguments by name, several times, with specifications such as ``"float[2,3,8,6]"``.
        train: also compare in train mode (off where the model draws random numbers).
        graph: also compare under ``tf.function``, with the sizes that differ among ``inputs`` left open.
        single: also look at the outputs in float32.
        edges: the axis orders at the edge of the translated model, where they are not the source's.

    Returns:
        every quantity that was compared until a stage failed; what either program raises is a failed quantity.
    """
    cases = [dict(case) for case in inputs]
    result = Result()
    programs = _Programs(source, translated, entry, init, cases, seed, tuple(edges))
    stages: list[Callable[[], None]] = [lambda: _compare(result, programs, train, graph)]
    if single:
        stages.append(lambda: _single(result, programs))
    for stage in stages:
        if not result.failures:
            try:
                stage()
            except Exception as error:
                result.add([Quantity("running", problem=_told(error))], 0.0)
    return result


def _told(error: Exception) -> str:
    """An exception with the lines of the programs that it passed through."""
    frames = [f for f in traceback.extract_tb(error.__traceback__) if f.filename.startswith("<_xlate_")]
    where = "".join(f"\n      {f.filename}:{f.lineno}: {f.line}" for f in frames)
    return f"{type(error).__name__}: {str(error)[:1500]}{where}"


def _models(programs: _Programs, dtype: str) -> tuple[_Models, list[Quantity]]:
    """Both models, built and filled, and what is wrong with their weights."""
    import torch

    from .. import weights

    wide = dtype == "float64"
    modules = [load(programs.source, "torch", wide=wide), load(programs.translated, "tf", wide=wide)]
    torch.manual_seed(programs.seed)
    module = getattr(modules[0], programs.entry)(**programs.init).to(getattr(torch, dtype))
    settle(module)
    keras = getattr(modules[1], programs.entry)(**programs.init)
    edged = AtEdge(keras, programs.edges)
    fill(module, programs.seed)
    for case in programs.cases:
        edged(**tf_arguments(draw_inputs(case, programs.seed), dtype), training=False)
    report = weights.copy(module, keras)
    problems = [Quantity("weights", problem="" if report.ok else str(report))]
    return _Models(module, keras, edged, weights.pair_up(module, keras).pairs, modules), problems


def _compare(result: Result, programs: _Programs, train: bool, graph: bool) -> None:
    tolerance = TOLERANCE["float64"]
    with precision("float64"), dropout_off():
        models, problems = _models(programs, "float64")
        if not result.add(problems, tolerance):
            return
        arrays = [draw_inputs(case, programs.seed + 1 + i) for i, case in enumerate(programs.cases)]
        for i, case in enumerate(arrays):
            models.module.eval()
            found = projected_gradients(models.module, models.edged, models.pairs, case, f"inputs {i} eval", False)
            if not result.add(found, tolerance):
                return
            if train and not result.add(_train_step(models, case, f"inputs {i} train", result.notes), tolerance):
                return
        if graph:
            models.module.eval()
            for cases in _groups(arrays):
                if not result.add(_graph(models, cases, result.notes), tolerance):
                    return
        models.unload()


def _train_step(models: _Models, case: dict[str, Any], name: str, notes: list[str]) -> list[Quantity]:
    """Train mode: outputs, gradients and buffers; the weights are made equal again afterwards."""
    from .. import weights

    module = models.module.train()
    before = snapshot(module)
    with batch_sizes(module) as sizes:
        found = projected_gradients(module, models.edged, models.pairs, case, name, True)
    changed, said = compare_buffers(name, module, models.pairs, before, sizes)
    notes += [note for note in said if note not in notes]
    weights.copy(module, models.keras)
    return found + changed


def _groups(arrays: list[dict[str, Any]]) -> list[list[dict[str, Any]]]:
    """The inputs that one graph is traced for: equal names, ranks and dtypes of tensors, and all other values equal."""
    groups: dict[Any, list[dict[str, Any]]] = {}
    for case in arrays:
        kind = tuple((k, v.ndim, str(v.dtype)) if hasattr(v, "dtype") else (k, repr(v)) for k, v in case.items())
        groups.setdefault(kind, []).append(case)
    return list(groups.values())


def _graph(models: _Models, cases: list[dict[str, Any]], notes: list[str]) -> list[Quantity]:
    """Eval mode under ``tf.function``: sizes open where the program can be traced so, else a graph for each size."""
    import tensorflow as tf

    trained = models.trained
    variables = {name: getattr(p.slot.value, "value", p.slot.value) for name, p in trained.items()}
    fixed = {k: v for k, v in cases[0].items() if not hasattr(v, "dtype")}
    tensors = [{k: v for k, v in tf_arguments(case).items() if k not in fixed} for case in cases]

    def run(args: dict[str, Any]) -> Any:
        return tf_call(lambda **a: models.edged(**a, **fixed, training=False), args, variables)

    traced = tf.function(run, input_signature=[_signature(tensors)])
    try:
        traced.get_concrete_function()
    except Exception as error:
        notes.append(f"under tf.function only with fixed sizes: {str(error).strip().splitlines()[0][:200]}")
        traced = tf.function(run)
    found: list[Quantity] = []
    for i, (case, args) in enumerate(zip(cases, tensors, strict=True)):
        expected, grads = torch_call(models.module, case, {k: p.tensor for k, p in trained.items()})
        actual, tf_grads = traced(args)
        found += compare_values(f"graph {i} output", expected, actual)
        if not any(q.problem for q in found):
            found += compare_gradients(f"graph {i}", grads, tf_grads, trained)
    return found


def _signature(tensors: list[dict[str, Any]]) -> dict[str, Any]:
    """A specification for all of some inputs: an axis that differs among them is open."""
    import tensorflow as tf

    specs = {}
    for name, value in tensors[0].items():
        sizes = zip(*(t[name].shape for t in tensors), strict=True)
        specs[name] = tf.TensorSpec([s[0] if len(set(s)) == 1 else None for s in sizes], value.dtype)
    return specs


def _single(result: Result, programs: _Programs) -> None:
    """Eval outputs in float32, where Keras and TensorFlow are as users run them."""
    with precision("float32"), dropout_off():
        models, problems = _models(programs, "float32")
        models.module.eval()
        arrays = draw_inputs(programs.cases[0], programs.seed + 1)
        expected, _ = torch_call(models.module, arrays, {}, grad=False, dtype="float32")
        actual = models.edged(**tf_arguments(arrays, "float32"), training=False)
        result.add(problems + compare_values("float32 eval output", expected, actual), TOLERANCE["float32"])
        models.unload()
