"""Checkpoints of training programs: weights files of Keras, and nested dicts with arrays.

A Keras model has no weights before it is called. A checkpoint therefore keeps the shapes that the layers were built
with, so that a fresh model can be built before its weights are read.
"""

import collections
import json
import os
import pickle

import h5py
import numpy as np
import tensorflow as tf

from .named import builds_itself, named_weights


def build_configs(model):
    """What each layer below a model was built with, in order."""
    layers = model._flatten_layers(include_self=False)
    return [layer.get_build_config() if layer.built and builds_itself(layer) else None for layer in layers]


def build_layers(model, configs):
    """Build the layers below a fresh model as those of `build_configs` were."""
    for i, config in enumerate(configs):
        layer = list(model._flatten_layers(include_self=False))[i]
        if config and not layer.built:
            layer.build_from_config(config)


def weights_file(path):
    """The path with the ending that Keras wants for weights."""
    return os.path.splitext(str(path))[0] + ".weights.h5"


def save_weights(model, path):
    """Write a model's weights, and the shapes that its layers were built with."""
    model.save_weights(path)
    with h5py.File(path, "a") as file:
        file.attrs["build_configs"] = json.dumps(build_configs(model))


def load_weights(model, path):
    """Read a model's weights; a model that was never called is built first."""
    with h5py.File(path, "r") as file:
        configs = json.loads(file.attrs.get("build_configs", "[]"))
    build_layers(model, configs)
    model.built = True
    model.load_weights(path)


SHAPES = "_build_configs"
"""The key of a state under which the shapes that layers were built with stand, as the bytes of JSON text."""

IncompatibleKeys = collections.namedtuple("IncompatibleKeys", ["missing_keys", "unexpected_keys"])


def model_state(model):
    """The weights of a model by PyTorch's names (arrays in Keras's axis order), and the shapes of its layers."""
    state = {name: variable.numpy() for name, variable in named_weights(model)}
    state[SHAPES] = np.frombuffer(json.dumps(build_configs(model)).encode(), np.uint8)
    return state


def load_model_state(model, state, strict=True):
    """Give a model the weights of `model_state`; one that was never called is built first.

    Without ``strict`` names that only one side has are left out.

    Raises:
        RuntimeError: if names are missing or unknown (with ``strict``), or a shape differs.
    """
    if SHAPES in state:
        build_layers(model, json.loads(np.asarray(state[SHAPES]).tobytes()))
    variables = dict(named_weights(model))
    missing = [name for name in variables if name not in state]
    unexpected = [name for name in state if name not in variables and name != SHAPES]
    shapes = [n for n, v in variables.items() if n in state and tuple(v.shape) != tuple(np.shape(state[n]))]
    if not variables and unexpected:
        raise RuntimeError("the model has no weights yet: call it once before some of its weights are loaded")
    if shapes or (strict and (missing or unexpected)):
        raise RuntimeError(f"missing: {missing}, unexpected: {unexpected}, of another shape: {shapes}")
    for name, variable in variables.items():
        if name in state:
            variable.assign(state[name])
    return IncompatibleKeys(missing, unexpected)


def optimizer_state(optimizer):
    """Each parameter group's learning rate, step count and running averages, and what schedulers change besides."""
    return [
        {
            "variables": [variable.numpy() for variable in group.variables],
            "options": {name: getattr(group, name) for name in ("betas", "momentum") if hasattr(group, name)},
        }
        for group in getattr(optimizer, "optimizers", [optimizer])
    ]


def load_optimizer_state(optimizer, state):
    """Give an optimizer the state of `optimizer_state`: now, or when its first step has made its variables."""
    for group, saved in zip(getattr(optimizer, "optimizers", [optimizer]), state, strict=True):
        values = saved["variables"]
        for name, value in saved["options"].items():
            setattr(group, name, value)
        made = len(group.variables)
        restore(group.variables, values[:made])
        if made < len(values):
            restore_when_built(group, values, made)


def restore(variables, values):
    """Assign values to variables."""
    for variable, value in zip(variables, values, strict=True):
        variable.assign(value)


def restore_when_built(optimizer, values, made):
    """Assign the running averages of an optimizer once its first step makes them."""
    build = optimizer.build

    def build_and_restore(variables):
        build(variables)
        restore(optimizer.variables[made:], values[made:])

    optimizer.build = build_and_restore


def save_checkpoint(values, path):
    """Write nested dicts, lists, numbers and tensors to a file."""

    def plain(value):
        return value.numpy() if isinstance(value, (tf.Tensor, tf.Variable)) else value

    with open(path, "wb") as file:
        pickle.dump(tf.nest.map_structure(plain, values), file)


def load_checkpoint(path):
    """Read what `save_checkpoint` wrote."""
    with open(path, "rb") as file:
        return pickle.load(file)
