"""Call arguments for a torch module whose user named none: shapes are tried until the forward pass runs."""

from __future__ import annotations

import inspect
import itertools
from collections.abc import Callable, Iterator
from typing import Any

import torch

from ..compare.inputs import draw_inputs
from ..compare.running import torch_call
from .side import Problem

SIZES = ((40, 32), (64, 48), (32, 32), (64, 64), (28, 28), (96, 64), (128, 128), (224, 224), (299, 299), (16, 16))
LENGTHS = (12, 9, 16, 32, 8, 5, 64, 128, 256, 512, 1024)
TRIES = 120


def guessed_cases(module: Any, call: Callable[..., Any]) -> list[dict[str, Any]]:
    """Two sets of arguments, of different sizes where the module takes both.

    Raises:
        Problem: none was found; the message names the option to use.
    """
    names = needed(module.forward)
    if not names:
        return [{}]
    module.eval()
    last = ""
    for tried, specs in enumerate(_candidates(module, names)):
        if tried >= TRIES:
            break
        case = dict(zip(names, specs, strict=True))
        last = attempt(call, case)
        if not last:
            return [case, *_second(call, case)]
    wanted = " ".join(f"--input '{name}=float32[2,3]'" for name in names)
    raise Problem(f"no input was found that forward({', '.join(names)}) runs with; say {wanted} (last tried: {last})")


def needed(function: Callable[..., Any]) -> list[str]:
    """The parameters that have no default."""
    kinds = (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)
    parameters = inspect.signature(function).parameters.values()
    return [p.name for p in parameters if p.default is p.empty and p.kind not in kinds]


def attempt(call: Callable[..., Any], case: dict[str, Any]) -> str:
    """Why a call with these arguments fails; nothing if it runs."""
    try:
        torch_call(call, draw_inputs(case, 0), {}, grad=False)
    except Exception as error:
        return f"{case}: {type(error).__name__}: {str(error).strip().splitlines()[0][:160] if str(error) else ''}"
    return ""


def _second(call: Callable[..., Any], case: dict[str, Any]) -> list[dict[str, Any]]:
    """Another batch size, and other sizes behind it where the module takes them."""
    for change in (_larger, _batch_only):
        other = {name: change(spec) for name, spec in case.items()}
        if other != case and not attempt(call, other):
            return [other]
    return []


def _larger(spec: str) -> str:
    kind, shape, rest = _split(spec)
    if len(shape) >= 4 or (kind == "int" and len(shape) == 2):
        first = 2 if len(shape) >= 4 else 1
        shape = [3, *shape[1:first], *(n + n // 2 if kind == "float" else n - 2 for n in shape[first:])]
    else:
        shape = [3, *shape[1:]]
    return f"{kind}[{','.join(map(str, shape))}]{rest}"


def _batch_only(spec: str) -> str:
    kind, shape, rest = _split(spec)
    return f"{kind}[{','.join(map(str, [3, *shape[1:]]))}]{rest}"


def _split(spec: str) -> tuple[str, list[int], str]:
    kind, _, rest = spec.partition("[")
    shape, _, rest = rest.partition("]")
    return kind, [int(n) for n in shape.split(",") if n], rest


def _candidates(module: Any, names: list[str]) -> Iterator[tuple[str, ...]]:
    """Specifications for all needed arguments, the likeliest first."""
    options = _of_layers(module)
    if len(names) == 1:
        yield from ((spec,) for spec in options)
        return
    # Several inputs are mostly of one kind: first all alike, then every combination of the first few.
    yield from (tuple(spec for _ in names) for spec in options)
    few = list(dict.fromkeys([*options[:4], *_first_of_each_kind(options)]))[:6]
    yield from itertools.product(few, repeat=len(names))


def _first_of_each_kind(options: list[str]) -> list[str]:
    first: dict[Any, str] = {}
    for spec in options:
        kind, shape, _ = _split(spec)
        first.setdefault((kind, len(shape)), spec)
    return list(first.values())


def _of_layers(module: Any) -> list[str]:
    """What the layers at the front take, in the order in which they are defined."""
    out: list[str] = []
    for child in itertools.islice((m for m in module.modules() if not list(m.children())), 12):
        out += _of_layer(child)
    for length in (8, 16, 64):
        out += [f"float[2,{length}]", f"float[2,5,{length}]"]
    return list(dict.fromkeys([*out, *(f"float[2,{c},{h},{w}]" for c in (3, 1) for h, w in SIZES[:4])]))


def _of_layer(layer: Any) -> list[str]:
    kind = type(layer).__name__
    if isinstance(layer, torch.nn.Embedding | torch.nn.EmbeddingBag):
        return [f"int[2,{n}]<{layer.num_embeddings}" for n in LENGTHS[:6]]
    if isinstance(layer, torch.nn.modules.conv._ConvNd):
        return _images(layer.in_channels, len(layer.kernel_size))
    if isinstance(layer, torch.nn.modules.batchnorm._NormBase) and hasattr(layer, "num_features"):
        return _images(layer.num_features, {"1": 1, "3": 3}.get(kind[-2:-1], 2))
    if isinstance(layer, torch.nn.Linear):
        return [f"float[2,{layer.in_features}]", f"float[2,5,{layer.in_features}]", *_flattened(layer.in_features)]
    if isinstance(layer, torch.nn.RNNBase):
        return [f"float[2,7,{layer.input_size}]", f"float[7,2,{layer.input_size}]"]
    if isinstance(layer, torch.nn.LayerNorm):
        sizes = ",".join(map(str, layer.normalized_shape))
        return [f"float[2,{sizes}]", f"float[2,5,{sizes}]"]
    return []


def _images(channels: int, axes: int) -> list[str]:
    if axes == 1:
        return [f"float[2,{channels},{n}]" for n in LENGTHS[2:]]
    if axes == 3:
        return [f"float[2,{channels},{n},{n + 4},{n + 8}]" for n in (8, 16, 32)]
    return [f"float[2,{channels},{h},{w}]" for h, w in SIZES]


def _flattened(features: int) -> list[str]:
    """Images whose values are as many as a linear layer takes: the model may flatten them itself."""
    side = int(features**0.5)
    if side * side == features and side > 3:
        return [f"float[2,1,{side},{side}]", f"float[2,{side},{side}]"]
    side = int((features / 3) ** 0.5)
    return [f"float[2,3,{side},{side}]"] if 3 * side * side == features else []
