"""Functions that bring their own gradient."""

import functools

import numpy as np
import tensorflow as tf


class FunctionContext:
    """What `Function.forward` keeps for `Function.backward`."""

    def __init__(self, needs_input_grad):
        self.needs_input_grad = needs_input_grad
        self.saved_tensors = ()

    def save_for_backward(self, *tensors):
        self.saved_tensors = tensors


class Function:
    """Base of operations with a gradient of their own.

    Subclasses define static methods ``forward(ctx, *args)`` and ``backward(ctx, *grads)``; the latter returns
    one gradient (or None) for each argument. `apply` runs the operation so that a `tf.GradientTape` sees it.
    """

    @classmethod
    def apply(cls, *args):
        args = [tf.convert_to_tensor(a) if hasattr(a, "shape") and hasattr(a, "dtype") else a for a in args]
        places = [i for i, a in enumerate(args) if tf.is_tensor(a)]
        ctx = FunctionContext(tuple(tf.is_tensor(a) and a.dtype.is_floating for a in args))

        @tf.custom_gradient
        def run(*tensors):
            values = list(args)
            for place, tensor in zip(places, tensors):
                values[place] = tensor
            outputs = cls.forward(ctx, *values)

            def gradient(*upstream):
                grads = cls.backward(ctx, *upstream)
                grads = grads if isinstance(grads, tuple) else (grads,)
                return [grads[place] for place in places]

            return outputs, gradient

        return run(*[args[place] for place in places])


def gradcheck(func, inputs, eps=1e-06, atol=1e-05, rtol=0.001, raise_exception=True):
    """Whether the gradients of ``func`` at floating-point inputs agree with central differences of step ``eps``.

    Each of its outputs is compared with respect to each such input: |a - n| <= atol + rtol |n|. If they disagree,
    raises RuntimeError, or returns False without ``raise_exception``.
    """
    inputs = [tf.convert_to_tensor(x) for x in (inputs if isinstance(inputs, (tuple, list)) else [inputs])]
    places = [i for i, x in enumerate(inputs) if x.dtype.is_floating]

    def output(index, *moved):
        values = list(inputs)
        for place, value in zip(places, moved, strict=True):
            values[place] = value
        return tf.nest.flatten(func(*values))[index]

    start = [inputs[place] for place in places]
    for index, result in enumerate(tf.nest.flatten(func(*inputs))):
        if not result.dtype.is_floating:
            continue
        analytic, numeric = tf.test.compute_gradient(functools.partial(output, index), start, delta=eps)
        for place, a, n in zip(places, analytic, numeric, strict=True):
            if not np.allclose(a, n, rtol=rtol, atol=atol):
                if raise_exception:
                    raise RuntimeError(f"output {index}, input {place}: gradient {a}, differences {n}")
                return False
    return True


def without_gradient(values):
    """The values, with the gradient of every tensor among them stopped."""
    return tf.nest.map_structure(lambda v: tf.stop_gradient(v) if tf.is_tensor(v) else v, values)


def no_gradient(function):
    """A decorator: what the function returns has no gradient."""

    @functools.wraps(function)
    def run(*args, **kwargs):
        return without_gradient(function(*args, **kwargs))

    return run
