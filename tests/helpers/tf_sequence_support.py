"""Run a PyTorch function and its TensorFlow helper on the same float64 data and compare values and gradients."""

import numpy as np
import tensorflow as tf
import torch

RTOL = 1e-9


def data(*shape, seed=0, low=None, high=None):
    """float64 normal values, or integers in [low, high)."""
    rng = np.random.default_rng([seed, *shape])
    return rng.standard_normal(shape) if high is None else rng.integers(low or 0, high, shape)


def flat(result):
    """The tensors of a nested result in order, without None."""
    if result is None:
        return []
    if isinstance(result, (list, tuple)):
        return [t for part in result for t in flat(part)]
    return [result]


def assert_close(actual, expected, scale=1.0):
    """Equal shapes, and values within RTOL of the largest expected magnitude; NaN and inf must coincide."""
    actual, expected = np.asarray(actual), np.asarray(expected)
    assert actual.shape == expected.shape
    if expected.dtype.kind not in "fc":
        assert actual.dtype == expected.dtype
        np.testing.assert_array_equal(actual, expected)
        return
    assert actual.dtype == expected.dtype
    finite = np.abs(expected[np.isfinite(expected)])
    size = max(1.0, float(finite.max())) if finite.size else 1.0
    np.testing.assert_allclose(actual, expected, rtol=RTOL * scale, atol=RTOL * scale * size)


def weights_like(values):
    """Fixed float64 weights that turn results into one number to differentiate."""
    return [np.cos(np.arange(v.size, dtype=np.float64) + i).reshape(v.shape) for i, v in enumerate(values)]


def differentiable(array):
    """Whether a torch or NumPy value takes part in gradients."""
    return str(array.dtype).endswith("float64")


def torch_run(function, arrays, extra=(), grad=True):
    """(results, gradients of inputs and of the tensors ``extra``) of a torch function."""
    inputs = [torch.tensor(a, requires_grad=grad and differentiable(a)) for a in arrays]
    results = flat(function(*inputs))
    used = [r for r in results if r.requires_grad]
    wanted = [t for t in (*inputs, *extra) if t.requires_grad]
    grads = []
    if used and wanted:
        weights = weights_like([r.detach().numpy() for r in used])
        total = sum((r * torch.tensor(w)).sum() for r, w in zip(used, weights, strict=True))
        grads = torch.autograd.grad(total, wanted, allow_unused=True)
        grads = [torch.zeros_like(t) if g is None else g for t, g in zip(wanted, grads, strict=True)]
    return [r.detach().numpy() for r in results], [g.numpy() for g in grads]


def tf_run(function, arrays, extra=(), traced=False, grad=True):
    """The same of a TensorFlow function; ``traced``: in a tf.function with unknown sizes ("batch": but the last)."""
    inputs = [tf.constant(a) for a in arrays]

    def compute(*inputs):
        if not grad:
            return flat(function(*inputs)), []
        with tf.GradientTape() as tape:
            tape.watch([t for t in inputs if t.dtype.is_floating])
            results = flat(function(*inputs))
            used = [r for r in results if r.dtype.is_floating]
            total = tf.zeros((), tf.float64)
            for i, r in enumerate(used):
                weights = tf.cos(tf.range(tf.cast(tf.size(r), tf.float64), dtype=tf.float64) + float(i))
                total += tf.reduce_sum(r * tf.reshape(weights, tf.shape(r)))
        wanted = [t for t in inputs if t.dtype.is_floating] + list(extra)
        grads = tape.gradient(total, wanted, unconnected_gradients="zero")
        return results, [tf.convert_to_tensor(g) for g in grads]

    if traced:
        last = [t.shape[-1:] if traced == "batch" else [None] * min(1, t.shape.rank) for t in inputs]
        signature = [
            tf.TensorSpec([None] * (t.shape.rank - 1) + list(n), t.dtype) for t, n in zip(inputs, last, strict=True)
        ]
        compute = tf.function(compute, input_signature=signature)
    results, grads = compute(*inputs)
    return [r.numpy() for r in results], [g.numpy() for g in grads]


def compare(torch_function, tf_function, *arrays, grad=True, traced=False, scale=1.0):
    """Values, integer dtypes and (unless ``grad`` is off) gradients agree; ``traced`` repeats it."""
    expected, expected_grads = torch_run(torch_function, arrays, grad=grad)
    assert expected
    for mode in (False, traced) if traced else (False,):
        actual, grads = tf_run(tf_function, arrays, traced=mode, grad=grad)
        assert len(actual) == len(expected)
        for a, e in zip(actual, expected, strict=True):
            assert_close(a, e, scale)
        if expected_grads:
            for a, e in zip(grads, expected_grads, strict=True):
                assert_close(a, e, scale)
