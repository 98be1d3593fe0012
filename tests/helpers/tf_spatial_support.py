"""Compares a spatial helper with PyTorch: values and gradients, both data formats, eagerly and in a graph."""

import os
from functools import partial

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import keras
import numpy as np
import tensorflow as tf
import torch

TOLERANCE = 1e-9
FORMATS = ("channels_last", "channels_first")


def draw(*shape, seed=0):
    """Normal float64 values."""
    return np.random.default_rng(seed).standard_normal(shape)


def to_last(x):
    """(N, C, *spatial) to (N, *spatial, C)."""
    return np.moveaxis(x, 1, -1) if x.ndim > 2 else x


def to_first(x):
    """(N, *spatial, C) to (N, C, *spatial)."""
    return np.moveaxis(x, -1, 1) if x.ndim > 2 else x


def assert_close(actual, expected, what="", tolerance=TOLERANCE):
    """Largest difference, relative to the largest expected value, within `tolerance`."""
    actual, expected = np.asarray(actual), np.asarray(expected)
    assert actual.shape == expected.shape, f"{what}: {actual.shape} instead of {expected.shape}"
    scale = max(np.abs(expected).max(initial=0.0), 1e-30)
    error = np.abs(actual - expected).max(initial=0.0) / scale
    assert error <= tolerance, f"{what}: relative error {error:.3g}"


def torch_run(function, arrays, dtype=torch.float64):
    """Output and the gradients of sum(output * cotangent) for all `arrays`, by PyTorch."""
    tensors = [torch.tensor(a, dtype=dtype, requires_grad=True) for a in arrays]
    y = function(*tensors)
    cotangent = draw(*y.shape, seed=9)
    grads = torch.autograd.grad(y, tensors, torch.tensor(cotangent, dtype=dtype), allow_unused=True)
    return (
        y.detach().numpy(),
        cotangent,
        [np.zeros(a.shape) if g is None else g.numpy() for a, g in zip(arrays, grads, strict=True)],
    )


def tf_run(function, arrays, cotangent, graph=False, unknown=()):
    """The same by TensorFlow; in a graph, the axes `unknown` of the first array have no known size."""
    tensors = [tf.constant(a) for a in arrays]

    def run(*tensors):
        with tf.GradientTape() as tape:
            tape.watch(tensors)
            y = function(*tensors)
            loss = tf.reduce_sum(y * tf.constant(cotangent, y.dtype))
        return y, tape.gradient(loss, tensors, unconnected_gradients="zero")

    if graph:
        shape = [None if axis in unknown else n for axis, n in enumerate(arrays[0].shape)]
        specs = [tf.TensorSpec(shape, tensors[0].dtype), *(tf.TensorSpec(t.shape, t.dtype) for t in tensors[1:])]
        run = tf.function(run, input_signature=specs)
    y, grads = run(*tensors)
    return y.numpy(), [tf.convert_to_tensor(g).numpy() for g in grads]


def check(torch_function, tf_function, x, *others, unknown=True, formats=FORMATS, output=to_last, graph=True):
    """Compare `torch_function(x, *others)` with `tf_function(x, *others, data_format)`; x is (N, C, *spatial).

    `output` moves PyTorch's result to the axis order expected with channels_last. The first format runs in a graph
    too, with unknown sizes of all axes but the channels' (of the batch only with `unknown=False`).
    """
    expected, cotangent, grads = torch_run(torch_function, (x, *others))
    for data_format in formats:
        last = data_format == "channels_last"
        arrays = (np.ascontiguousarray(to_last(x) if last else x), *others)
        wanted, weight = (output(expected), output(cotangent)) if last else (expected, cotangent)
        wanted_grads = [to_last(grads[0]) if last else grads[0], *grads[1:]]
        open_axes = [i for i in range(x.ndim) if i != (x.ndim - 1 if last else 1)] if unknown else [0]
        for traced in (False, True) if graph and data_format == formats[0] else (False,):
            y, found = tf_run(partial(tf_function, data_format=data_format), arrays, weight, traced, open_axes)
            place = f"{data_format}, {'graph' if traced else 'eager'}"
            assert_close(y, wanted, f"output, {place}")
            for i, (a, b) in enumerate(zip(found, wanted_grads, strict=True)):
                assert_close(a, b, f"gradient {i}, {place}")


def check_layer(module, make_layer, x, weights, training=None, unknown=True, formats=FORMATS):
    """Compare a PyTorch module with the Keras layer that `make_layer(data_format)` gives, weights' gradients too.

    `weights` maps a PyTorch parameter's name to (attribute of the layer, function from one's array to the other's).
    """
    module = module.double()
    names = list(weights)
    parameters = dict(module.named_parameters())
    x_torch = torch.tensor(x, requires_grad=True)
    y_torch = module(x_torch)
    cotangent = draw(*y_torch.shape, seed=9)
    wanted = torch.autograd.grad(y_torch, [x_torch, *(parameters[n] for n in names)], torch.tensor(cotangent))
    for data_format in formats:
        last = data_format == "channels_last"
        layer = make_layer(data_format)
        move = to_last if last else (lambda a: a)
        inputs = tf.constant(np.ascontiguousarray(move(x)))
        shape = [n if i == (x.ndim - 1 if last else 1) else None for i, n in enumerate(inputs.shape)]
        symbolic = layer(keras.Input(inputs.shape[1:], dtype="float64"))
        assert symbolic.shape[1:] == move(y_torch.detach().numpy()).shape[1:]
        for name in names:
            attribute, convert = weights[name]
            getattr(layer, attribute).assign(convert(parameters[name].detach().numpy()))
        variables = [getattr(layer, weights[name][0]).value for name in names]
        keywords = {} if training is None else {"training": training}

        def run(inputs):
            with tf.GradientTape() as tape:
                tape.watch(inputs)
                y = layer(inputs, **keywords)  # noqa: B023
                loss = tf.reduce_sum(y * move(cotangent))  # noqa: B023
            return y, tape.gradient(loss, [inputs, *variables])  # noqa: B023

        spec = tf.TensorSpec(shape if unknown else inputs.shape, tf.float64)
        for function in (run, tf.function(run, input_signature=[spec])) if last else (run,):
            y, grads = function(inputs)
            assert_close(y, move(y_torch.detach().numpy()), f"output, {data_format}")
            assert_close(grads[0], move(wanted[0].numpy()), f"input gradient, {data_format}")
            for name, grad, right in zip(names, grads[1:], wanted[1:], strict=True):
                converted = weights[name][1](right.numpy())
                assert_close(grad, converted, f"gradient of {name}, {data_format}")
