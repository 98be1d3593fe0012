"""Control flow that depends on tensors."""

import functools

import tensorflow as tf


def graph_control_flow(method):
    """A decorator of ``call``: under `tf.function`, branches and loops in it may depend on tensors.

    TensorFlow converts such code by itself, but not where Keras calls it.
    """

    @functools.cache
    def converted():
        return tf.autograph.to_graph(method)

    @functools.wraps(method)
    def run(*args, **kwargs):
        return (converted() if tf.inside_function() else method)(*args, **kwargs)

    return run
