"""What the naive forms of the cases may use, beside the frameworks: layers with given weights, and PyTorch's weights
in the shapes that somebody in a hurry would give them.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from translator.compare.values import array, parts


def scope() -> dict[str, Any]:
    """The names of naive TensorFlow code."""
    import keras
    import tensorflow as tf

    own = {f.__name__: f for f in (load, heads, zrh, flat, counted, twice, rates, stairs)}
    return {"tf": tf, "keras": keras, "np": np, **own}


def errors() -> tuple[type[Exception], ...]:
    """What a naive form may raise: that fails, too."""
    import tensorflow as tf

    return (tf.errors.OpError, ValueError, TypeError, IndexError, AttributeError, AssertionError)


def differs(expected: Any, actual: Any, case: dict[str, Any]) -> bool:
    """Whether two results differ in structure, shapes, values or (with `dtype`) types."""
    wanted, found = ([array(v) for _, v in parts(value)] for value in (expected, actual))
    if len(wanted) != len(found) or any(a.shape != b.shape for a, b in zip(wanted, found, strict=True)):
        return True
    if case.get("dtype") and any(a.dtype != b.dtype for a, b in zip(wanted, found, strict=True)):
        return True
    near = {"rtol": 0, "atol": case.get("tolerance", 1e-6), "equal_nan": True}
    return not all(np.allclose(b, a, **near) for a, b in zip(wanted, found, strict=True))


def load(layer: Any, inputs: Any, *values: Any, **options: Any) -> Any:
    """Call a layer whose weights are ``values``; without any, as they are."""
    inputs = inputs if isinstance(inputs, tuple) else (inputs,)
    layer(*inputs, **options)
    if values:
        layer.set_weights([np.asarray(v) for v in values])
    return layer(*inputs, **options)


def heads(w: list[Any], *, turned: bool = True) -> list[Any]:
    """The weights of ``MultiHeadAttention(2, 2)`` on 4 features from PyTorch's packed ones."""
    packed, bias, out, out_bias = w
    found = []
    for part, its_bias in zip(np.split(packed, 3), np.split(bias, 3), strict=True):
        found += [(part.T if turned else part).reshape(4, 2, 2), its_bias.reshape(2, 2)]
    return [*found, out.T.reshape(2, 2, 4), out_bias]


def zrh(weight: Any) -> Any:
    """The gates of a GRU, of 3 units each, in Keras's order."""
    r, z, n = np.split(np.asarray(weight), 3)
    return np.concatenate([z, r, n])


def flat(*layers: Any) -> Any:
    """A model whose weights are in Keras's order: trainable ones first."""
    import keras

    class Flat(keras.Sequential):
        def set_weights(self, weights: Any) -> None:
            ordered = [*self.trainable_variables, *self.non_trainable_variables]
            for variable, value in zip(ordered, weights, strict=True):
                variable.assign(value)

    return Flat(layers)


def counted() -> Any:
    """A function that counts its calls, as far as Python sees them."""
    calls = [0]

    def step(x: Any) -> Any:
        calls[0] += 1
        return x * calls[0]

    return step


def twice(function: Any, x: Any) -> Any:
    return function(x) + function(x)


def rates(values: list[float]) -> Any:
    """A schedule that lists the rate of each step."""
    import keras

    class Listed(keras.optimizers.schedules.LearningRateSchedule):
        def __call__(self, step: Any) -> Any:
            return keras.ops.convert_to_tensor(values)[keras.ops.cast(step, "int32")]

    return Listed()


def stairs(schedule: Any) -> Any:
    """A schedule that counts epochs of two steps."""
    return rates([float(schedule(i // 2)) for i in range(10)])
