"""Run a Keras program and its PyTorch translation on the same weights and inputs.

Weights go over in the order in which layers are made, which both programs share: names and nesting may differ.
"""

from __future__ import annotations

import contextlib
import inspect
import sys
import types
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any
from unittest.mock import patch

import numpy as np

from snippets import errors
from translator import translate
from translator.compare.inputs import draw_inputs
from translator.compare.running import projection
from translator.model import Translation

TO_NCHW = {3: (0, 2, 1), 4: (0, 3, 1, 2), 5: (0, 4, 1, 2, 3)}
FRAMES = {"NDCHW": (0, 1, 4, 2, 3)}
"""Axis orders of sequences of images."""


def moves(axes: str) -> tuple[int, ...]:
    """How the axes of a tensor of Keras's move to an edge's order."""
    return FRAMES.get(axes, TO_NCHW.get(len(axes), ()))


@dataclass
class Program:
    """A module that was run, with the layers in the order in which they were made."""

    module: types.ModuleType
    made: list[Any]


@contextlib.contextmanager
def recorded(owner: type) -> Iterator[list[Any]]:
    """The instances of ``owner`` that are made inside of the block."""
    made: list[Any] = []
    original = owner.__init__

    def init(self: Any, *args: Any, **kwargs: Any) -> None:
        if not any(self is m for m in made):
            made.append(self)
        original(self, *args, **kwargs)

    owner.__init__ = init  # type: ignore[method-assign]
    try:
        yield made
    finally:
        owner.__init__ = original  # type: ignore[method-assign]


def execute(text: str, name: str) -> types.ModuleType:
    """Run a program's text as a module of its own."""
    module = types.ModuleType(name)
    sys.modules[name] = module
    exec(compile(text, f"<{name}>", "exec"), module.__dict__)
    return module


def entry(module: types.ModuleType, model: dict[str, Any]) -> Any:
    found = getattr(module, model["entry"])
    is_model = hasattr(found, "parameters") or hasattr(found, "trainable_variables")
    if is_model and not isinstance(found, type):
        return found
    return found(**model.get("init", {}))


@dataclass
class Comparison:
    """The largest relative difference of each kind of result."""

    worst: dict[str, float] = field(default_factory=dict)
    weights: int = 0

    def add(self, name: str, expected: Any, actual: Any, largest: float = 0.0) -> None:
        """Take in one pair. A gradient that is zero but for rounding is measured against the ``largest`` one."""
        assert tuple(expected.shape) == tuple(actual.shape), (name, expected.shape, actual.shape)
        scale = float(np.linalg.norm(expected))
        scale = scale if scale > 1e-12 * largest else largest or 1.0
        self.worst[name] = max(self.worst.get(name, 0.0), float(np.linalg.norm(expected - actual)) / scale)


# -- weights ------------------------------------------------------------------------------------------------


def own_weights(layer: Any) -> list[Any]:
    """The variables that a Keras layer holds itself, in the order in which it made them."""
    every = (*layer._trainable_variables, *layer._non_trainable_variables)
    return [v for v in every if v.dtype not in ("uint32", "int32", "int64")]


def persistent(module: Any) -> list[str]:
    """The names of the buffers that belong to a module's state."""
    gone = {"num_batches_tracked", *module._non_persistent_buffers_set}
    return [n for n, b in module._buffers.items() if b is not None and n not in gone]


def own_parameters(module: Any) -> list[Any]:
    buffers = [module._buffers[n] for n in persistent(module)]
    return [*(p for p in module._parameters.values() if p is not None), *buffers]


def dense(k: np.ndarray) -> np.ndarray:
    return k.T


def heads_out(k: np.ndarray) -> np.ndarray:
    return k.reshape(k.shape[0], -1).T


def heads_in(k: np.ndarray) -> np.ndarray:
    return k.reshape(-1, k.shape[-1]).T


def conv(k: np.ndarray) -> np.ndarray:
    n = k.ndim
    return k.transpose(n - 1, n - 2, *range(n - 2))


def depthwise(k: np.ndarray) -> np.ndarray:
    return k.transpose(2, 3, 0, 1).reshape(-1, 1, *k.shape[:2])


def gates(n: int, order: tuple[int, ...]) -> Any:
    def convert(k: np.ndarray) -> np.ndarray:
        parts = np.split(k, n, axis=-1)
        return np.concatenate([parts[i] for i in order], axis=-1).T

    return convert


def same(k: np.ndarray) -> np.ndarray:
    return k


def converters(layer: Any, module: Any) -> list[tuple[int, str, Any]]:
    """For each Keras variable of a layer: its number, the PyTorch parameter, and how its axes move."""
    import torch
    from torch import nn

    kind = type(layer).__name__
    if kind == "EinsumDense":  # the projections of attention: their heads are axes of their own
        last = "output" in layer.name
        pairs = [(0, "weight", heads_in if last else heads_out), (1, "bias", np.ravel)]
    elif isinstance(module, nn.Linear):
        pairs = [(0, "weight", dense), (1, "bias", same)]
    elif isinstance(module, nn.modules.conv._ConvNd):
        pairs = [(0, "weight", depthwise if kind.startswith("Depthwise") else conv), (1, "bias", same)]
    elif isinstance(module, nn.modules.batchnorm._NormBase):
        pairs = [(0, "weight", same), (1, "bias", same), (2, "running_mean", same), (3, "running_var", same)]
    elif isinstance(module, nn.LayerNorm):
        pairs = [(0, "weight", same), (1, "bias", same)]
    elif isinstance(module, nn.Embedding):
        pairs = [(0, "weight", same)]
    else:
        assert isinstance(module, torch.nn.Module)
        names = [n for n in (*module._parameters, *persistent(module)) if getattr(module, n) is not None]
        return [(i, name, same) for i, name in enumerate(names)]
    if isinstance(module, nn.modules.batchnorm._NormBase):
        pairs = [(i, p[1], p[2]) for i, p in enumerate(q for q in pairs if getattr(module, q[1]) is not None)]
    return [p for p in pairs if p[0] < len(own_weights(layer))]


def recurrent(cells: list[Any], module: Any) -> list[tuple[Any, Any, Any]]:
    """Weights of Keras cells with PyTorch's parameters: input and recurrent kernels, and the biases."""
    import torch

    out = []
    for cell, end in zip(cells, ("", "_reverse"), strict=False):
        order = {"LSTM": (4, (0, 1, 2, 3)), "GRU": (3, (1, 0, 2))}.get(module.mode, (1, (0,)))
        kernel, recurrent_kernel, bias = own_weights(cell)
        for variable, name in ((kernel, "weight_ih_l0"), (recurrent_kernel, "weight_hh_l0")):
            out.append((variable, getattr(module, name + end), gates(*order)))
        two = [getattr(module, f"bias_{n}_l0{end}") for n in ("ih", "hh")]
        if len(bias.shape) == 1:
            with torch.no_grad():
                two[1].zero_()
            out.append((bias, two[0], gates(*order)))
        else:
            for row, target in enumerate(two):
                turned = gates(*order)
                out.append((bias, target, lambda k, row=row, turned=turned: turned(k[row : row + 1])[:, 0]))
    return out


def paired(layers: list[Any], modules: list[Any]) -> list[tuple[Any, Any, Any]]:
    """Keras variable, PyTorch tensor, and the conversion from one to the other.

    Raises:
        AssertionError: if the two programs do not hold the same weights.
    """
    import torch

    left = [x for x in layers if own_weights(x)]
    out: list[tuple[Any, Any, Any]] = []
    pointwise: list[Any] = []
    for module in modules:
        if not own_parameters(module):
            continue
        if isinstance(module, torch.nn.RNNBase):
            n = 2 if module.bidirectional else 1
            out += recurrent(left[:n], module)
            del left[:n]
            continue
        if pointwise:
            out += zip(pointwise, [module.weight, module.bias], (conv, same), strict=False)
            pointwise = []
            continue
        layer = left.pop(0)
        variables = own_weights(layer)
        if type(layer).__name__.startswith("SeparableConv"):
            out.append((variables[0], module.weight, depthwise))
            pointwise = variables[1:]
            continue
        pairs = converters(layer, module)
        assert len(pairs) == len(variables), (layer.name, module)
        for number, name, convert in pairs:
            out.append((variables[number], getattr(module, name), convert))
    assert not left, [x.name for x in left]
    return out


def fill(variables: list[Any], rng: Any) -> None:
    """Noise for every weight, of a size that keeps deep networks in range; variances stay positive."""
    for variable in variables:
        shape = tuple(variable.shape)
        fan_in = int(np.prod(shape[:-1])) if len(shape) > 1 else 1
        value = rng.standard_normal(shape) * (0.4 if fan_in < 20 else (2 / fan_in) ** 0.5)
        positive = "variance" in variable.path or "gamma" in variable.path
        variable.assign(np.abs(value) + 0.5 if positive else value)


def transfer(pairs: list[tuple[Any, Any, Any]]) -> None:
    import torch

    with torch.no_grad():
        for variable, target, convert in pairs:
            value = convert(np.asarray(variable))
            assert value.shape == tuple(target.shape), (variable.path, value.shape, tuple(target.shape))
            target.copy_(torch.from_numpy(np.array(value)))


# -- running ---------------------------------------------------------------------------------------------------


def axes_of(translation: Translation, module: Any, model: dict[str, Any]) -> dict[str, str]:
    """The edges of a model by name, as the translation reports them."""
    owners = {type(module).__name__, model["entry"]}
    return {e.name: e.axes for e in translation.edges if e.owner in owners}


def to_torch(module: Any, arrays: dict[str, Any], edges: dict[str, str]) -> list[Any]:
    """The inputs in the translation's order and axis order."""
    import torch

    names = list(inspect.signature(module.forward).parameters)
    out = []
    for name, array in zip(names, arrays.values(), strict=False):
        moved = array.transpose(moves(edges[name])) if name in edges else array
        tensor = torch.from_numpy(np.array(moved))
        out.append(tensor.to(torch.get_default_dtype()) if tensor.is_floating_point() else tensor)
    return out


def flat(value: Any) -> list[Any]:
    return [v for item in value for v in flat(item)] if isinstance(value, (list, tuple)) else [value]


def compare(
    source: str, translation: Translation, model: dict[str, Any], modes: tuple[bool, ...] = (False, True)
) -> Comparison:
    """Outputs in eval and train mode, and all gradients, of both programs."""
    return compare_models(
        lambda: entry(execute(source, "tf_program"), model),
        lambda: entry(execute(translation.text, "torch_program"), model),
        model["inputs"], lambda module: axes_of(translation, module, model), modes,
    )  # fmt: skip


def compare_models(
    make_keras: Any, make_torch: Any, inputs: Any, edges_of: Any, modes: tuple[bool, ...] = (False, True)
) -> Comparison:
    """Build both models, give them the same weights, and run them on the same inputs."""
    import keras
    import torch

    with recorded(keras.layers.Layer) as layers:
        net = make_keras()
        first = draw_inputs(inputs[0], 3)
        call_keras(net, list(first.values()), training=False)
    with recorded(torch.nn.Module) as modules:
        module = make_torch()
    edges = edges_of(module)
    module.eval()
    with torch.no_grad():
        module(*to_torch(module, first, edges))
    mine = {id(m) for m in module.modules()}
    inside = {id(x) for x in net._flatten_layers()}
    layers = [x for x in layers if id(x) in inside]
    pairs = paired(layers, [m for m in modules if id(m) in mine])
    fill([v for x in layers for v in own_weights(x)], np.random.default_rng(5))
    for x in layers:
        if isinstance(x, keras.layers.Dropout):
            x.rate = 0.0
        if isinstance(x, keras.layers.Normalization) and own_weights(x):
            x.finalize_state()
        # Keras rounds Python's numbers to float32 before it casts them.
        if isinstance(x, keras.layers.Normalization) and x.input_mean is not None:
            given = (x.input_mean, x.input_variance)
            x.mean, x.variance = (np.broadcast_to(np.asarray(v, np.float64), x.mean.shape) for v in given)
        if isinstance(x, keras.layers.Rescaling):
            x.scale, x.offset = np.asarray(x.scale, np.float64), np.asarray(x.offset, np.float64)
    for m in module.modules():
        if isinstance(m, torch.nn.Dropout) or type(m).__name__ == "SharedDropout":
            m.p = 0.0
    out = Comparison(weights=len(pairs))
    for training in modes:
        for number, case in enumerate(inputs):
            transfer(pairs)
            module.train(training)
            arrays = draw_inputs(case, 7 + number)
            with same_draws():
                one_case(out, "train" if training else "eval", net, module, pairs, arrays, edges, training)
    return out


@contextlib.contextmanager
def same_draws(seed: int = 11) -> Iterator[None]:
    """Random numbers of layers that vary images: both frameworks draw the same."""
    import keras
    import keras.src.backend.tensorflow as backend
    import torch

    mine, theirs = np.random.default_rng(seed), np.random.default_rng(seed)

    def uniform(shape: Any, minval: float = 0.0, maxval: float = 1.0, dtype: Any = None, seed: Any = None) -> Any:
        drawn = minval + (maxval - minval) * mine.random([int(n) for n in shape])
        return backend.convert_to_tensor(drawn, dtype or keras.config.floatx())

    def rand(*size: int, **kinds: Any) -> Any:
        return torch.tensor(theirs.random(size), **kinds)

    with patch.object(backend.random, "uniform", uniform), patch.object(torch, "rand", rand):
        yield


def arguments(module: Any) -> list[str]:
    """The names of what a module is called with."""
    return list(inspect.signature(module.forward).parameters)


def call_keras(net: Any, arrays: list[Any], *, training: bool) -> Any:
    import keras

    functional = isinstance(net, keras.Sequential) or hasattr(net, "_functional") or type(net).__name__ == "Functional"
    if functional and len(arrays) > 1:
        return net(arrays, training=training)
    try:
        return net(*arrays, training=training)
    except TypeError:
        return net(*arrays)


def one_case(
    out: Comparison, mode: str, net: Any, module: Any, pairs: Any, arrays: dict[str, Any], edges: dict[str, str],
    training: bool,
) -> None:  # fmt: skip
    import keras
    import tensorflow as tf
    import torch

    floats = keras.config.floatx()
    inputs = [tf.convert_to_tensor(a.astype(floats) if a.dtype.kind == "f" else a) for a in arrays.values()]
    floats = [x for x in inputs if x.dtype.is_floating]
    with tf.GradientTape() as tape:
        for x in floats:
            tape.watch(x)
        results = flat(call_keras(net, inputs, training=training))
        total = sum(tf.reduce_sum(r * tf.cast(projection(i, tuple(r.shape)), r.dtype)) for i, r in enumerate(results))
    trainable = [(v, t, c) for v, t, c in pairs if v.trainable]
    unique = list({id(v): v for v, _, _ in trainable}.values())
    grads = tape.gradient(total, [*[v.value for v in unique], *floats])
    by_variable = {id(v): g for v, g in zip(unique, grads, strict=False)}
    given = to_torch(module, arrays, edges)
    for x in given:
        if x.is_floating_point():
            x.requires_grad_()
    found = flat(module(*given))
    assert len(found) == len(results)
    torch_total: Any = 0.0
    for i, (expected, actual) in enumerate(zip(results, found, strict=True)):
        name = "return" if len(found) == 1 else f"return[{i}]"
        if name in edges:
            order = moves(edges[name])
            actual = actual.permute(*(order.index(a) for a in range(actual.ndim)))
        out.add(f"{mode} output", expected.numpy(), actual.detach().numpy())
        weight = torch.from_numpy(projection(i, tuple(actual.shape))).to(actual.dtype)
        torch_total = torch_total + (actual * weight).sum()
    module.zero_grad()
    torch_total.backward()
    largest = max(float(np.linalg.norm(tf.convert_to_tensor(g).numpy())) for g in by_variable.values())
    for variable, target, convert in trainable:
        gradient = by_variable[id(variable)]
        dense_gradient = tf.convert_to_tensor(gradient).numpy()
        out.add(f"{mode} gradient", convert(dense_gradient), target.grad.numpy(), largest)
    names = [n for n, x in zip(arguments(module), given, strict=False) if x.is_floating_point()]
    for n, x, g in zip(names, [x for x in given if x.is_floating_point()], grads[len(unique) :], strict=True):
        expected = g.numpy().transpose(moves(edges[n])) if n in edges else g.numpy()
        out.add(f"{mode} input gradient", expected, x.grad.numpy())


# -- round trips -----------------------------------------------------------------------------------------------


def compare_keras(source: str, there: Translation, back: str, model: dict[str, Any]) -> float:
    """The largest relative difference of an output of a Keras program and of what came back of it.

    ``there`` is the PyTorch program between them, whose axis orders the one that came back has.
    """
    import keras
    import tensorflow as tf

    nets, weights = [], []
    for text in (source, back):
        with recorded(keras.layers.Layer) as layers:
            nets.append(entry(execute(text, f"round_trip_{len(nets)}"), model))
            moved = nets[1:] and axes_of(there, nets[-1], model)
            first = draw_inputs(model["inputs"][0], 3)
            call_keras(nets[-1], ordered(nets[-1], first, moved or {}), training=False)
        inside = {id(x) for x in nets[-1]._flatten_layers()}
        weights.append(in_order([x for x in layers if id(x) in inside]))
    assert [tuple(v.shape) for v in weights[0]] == [tuple(v.shape) for v in weights[1]]
    fill(weights[0], np.random.default_rng(5))
    for a, b in zip(*weights, strict=True):
        b.assign(a)
    worst = 0.0
    for number, case in enumerate(model["inputs"]):
        arrays = draw_inputs(case, 7 + number)
        expected = flat(call_keras(nets[0], [tf.convert_to_tensor(a) for a in arrays.values()], training=False))
        given = [tf.convert_to_tensor(a) for a in ordered(nets[1], arrays, moved or {})]
        found = flat(call_keras(nets[1], given, training=False))
        assert len(found) == len(expected)
        for i, (a, b) in enumerate(zip(expected, found, strict=True)):
            x, y = np.asarray(a), np.asarray(b)
            if ("return" if len(found) == 1 else f"return[{i}]") in (moved or {}):
                order = TO_NCHW[y.ndim]
                y = y.transpose([order.index(axis) for axis in range(y.ndim)])
            assert x.shape == y.shape
            worst = max(worst, float(np.linalg.norm(x - y) / np.linalg.norm(x)))
    return worst


def in_order(layers: list[Any]) -> list[Any]:
    """The variables of layers in the order in which these were made; those that hold others make them when they run."""
    whole = [x for x in layers if type(x).__name__ in ("MultiHeadAttention", "Bidirectional", "LSTM", "GRU")]
    parts = {id(y): x for x in whole for y in x._flatten_layers() if y is not x}
    out = []
    for x in layers:
        if id(x) not in parts:
            every = list(x._flatten_layers()) if x in whole else [x]
            out += [v for y in every for v in own_weights(y)]
    return out


def ordered(net: Any, arrays: dict[str, Any], moved: dict[str, str]) -> list[Any]:
    """Inputs in the axis order that a program takes them in."""
    names = [n for n in inspect.signature(net.call).parameters if n not in ("training", "mask")]
    out = []
    for i, array in enumerate(arrays.values()):
        known = {names[i] if i < len(names) else "", "input" if i == 0 else ""}  # PyTorch's containers take an `input`
        out.append(array.transpose(TO_NCHW[array.ndim]) if known & moved.keys() else array)
    return out


def agrees(source: str, entry: str, inputs: dict[str, str]) -> Translation:
    """A Keras program translates as a whole, and computes the same in float64."""
    import keras

    from translator.compare.precision import precision

    translation = translate(source, "tf2torch")
    assert not errors(translation), translation.text
    keras.backend.clear_session()
    with precision("float64"):
        found = compare(source, translation, {"entry": entry, "inputs": [inputs]})
    assert max(found.worst.values()) < 1e-9, found.worst
    return translation
