"""Training steps as graphs."""

import functools

import tensorflow as tf
from tensorflow import keras

from .named import builds_itself


def compiled(step):
    """A training step that TensorFlow runs as a graph.

    With models that have no variables yet it runs as Python once, which makes them. It stays Python where an argument
    is anything else than tensors, models, losses and optimizers, or where no graph can be made of it.
    """
    graph = tf.function(step, autograph=False)
    seen = {}

    @functools.wraps(step)
    def run(*arguments):
        parts = [a for a in arguments if callable(a) or hasattr(a, "apply_gradients")]
        rest = tf.nest.flatten([a for a in arguments if not any(a is p for p in parts)])
        models = [p for p in parts if isinstance(p, keras.layers.Layer)]
        if not all(isinstance(a, tf.Tensor) for a in rest) or not all(map(has_variables, models)):
            return step(*arguments)
        key = tuple(map(id, parts))
        if key not in seen:
            seen[key] = traceable(graph, arguments, parts), parts  # parts are kept, so that their ids stay theirs
        return graph(*arguments) if seen[key][0] else step(*arguments)

    return run


def has_variables(model):
    """Whether all layers of a model have made their variables."""
    return all(layer.built or not builds_itself(layer) for layer in model._flatten_layers())


class AskedFor(Exception):
    """Carries the variables that an optimizer is to be built with, out of a graph that is being made."""


def build_optimizer(optimizer, graph, arguments):
    """Build an optimizer that has no variables yet: a graph cannot make them a second time, so it only says which."""

    def ask(variables):
        raise AskedFor(variables)

    build, optimizer.build = optimizer.build, ask
    try:
        graph.get_concrete_function(*arguments)
    except AskedFor as asked:
        build(asked.args[0])
        optimizer.built = True
    finally:
        optimizer.build = build


def traceable(graph, arguments, parts):
    """Whether a graph can be made for such arguments; optimizers among the parts are built."""
    try:
        for group in (g for p in parts for g in getattr(p, "optimizers", [p])):
            if hasattr(group, "apply_gradients") and not group.built:
                build_optimizer(group, graph, arguments)
        graph.get_concrete_function(*arguments)
    except Exception:
        return False
    return True
