"""Call arguments for a Keras model whose user named none. Imports tensorflow."""

from __future__ import annotations

import inspect
import itertools
from collections.abc import Callable, Iterator
from typing import Any

import keras

from ..compare.inputs import draw_inputs
from ..compare.running import tf_arguments
from .side import Problem

FREE = {1: (), 2: (7,), 3: (7, 6), 4: (32, 24, 3), 5: (8, 10, 12, 3)}
"""Sizes behind the batch axis, by rank, where a model leaves them open."""
SIDES = ((32, 24), (64, 48), (32, 32), (28, 28), (64, 64), (224, 224))


def guessed_cases(model: Any, call: Callable[..., Any]) -> list[dict[str, Any]]:
    """Two sets of arguments with different batch sizes.

    Raises:
        Problem: none was found; the message names the option to use.
    """
    inputs = getattr(model, "inputs", None)
    if inputs:
        bound = _embedded(model)
        return [{t.name: _of_input(t, batch, bound) for t in inputs} for batch in (2, 3)]
    names = _needed(model)
    last = ""
    for spec in _specs(model):
        case = dict.fromkeys(names, spec)
        try:
            call(**tf_arguments(draw_inputs(case, 0)), training=False)
        except Exception as error:
            last = f"{case}: {type(error).__name__}: {str(error).strip()[:160]}"
        else:
            return [case, dict.fromkeys(names, spec.replace("[2,", "[3,"))]
    wanted = " ".join(f"--input '{name}=float32[2,3]'" for name in names)
    raise Problem(f"no input was found that call({', '.join(names)}) runs with; say {wanted} (last tried: {last})")


def _of_input(tensor: Any, batch: int, bound: int) -> str:
    free = FREE.get(len(tensor.shape), ())
    sizes = [batch, *(free[i] if n is None else n for i, n in enumerate(tensor.shape[1:]))]
    shape = ",".join(map(str, sizes))
    return f"int[{shape}]<{bound}" if _is_index(tensor) else f"float[{shape}]"


def _is_index(tensor: Any) -> bool:
    """Whether an input holds integers: by its type, or since an embedding reads it."""
    if "int" in str(tensor.dtype):
        return True
    nodes = getattr(tensor._keras_history.operation, "_outbound_nodes", [])
    return any(isinstance(node.operation, keras.layers.Embedding) for node in nodes)


def _embedded(model: Any) -> int:
    sizes = [x.input_dim for x in model._flatten_layers() if isinstance(x, keras.layers.Embedding)]
    return min(sizes, default=10)


def _needed(model: Any) -> list[str]:
    call = getattr(model, "call", model)
    parameters = inspect.signature(call).parameters.values()
    skip = (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)
    return [
        p.name for p in parameters if p.default is p.empty and p.kind not in skip and p.name not in ("training", "mask")
    ]


def _specs(model: Any) -> Iterator[str]:
    """What the layers at the front take, in the order in which they are defined, then what is common."""
    layers = list(itertools.islice(model._flatten_layers(include_self=False), 30))
    for layer in layers:
        kind = type(layer).__name__
        if isinstance(layer, keras.layers.Embedding):
            yield from (f"int[2,{n}]<{layer.input_dim}" for n in (7, 9, 16))
        elif "2D" in kind:
            yield from (f"float[2,{h},{w},3]" for h, w in SIDES)
        elif "1D" in kind:
            yield from (f"float[2,{n},6]" for n in (16, 64))
        elif "3D" in kind:
            yield "float[2,16,20,24,3]"
        elif isinstance(layer, keras.layers.RNN):
            yield "float[2,7,6]"
        elif isinstance(layer, keras.layers.Dense):
            yield from ("float[2,6]", "float[2,5,8]")
    yield from ("float[2,6]", "float[2,7,8]", "float[2,32,24,3]", "int[2,7]<10")
