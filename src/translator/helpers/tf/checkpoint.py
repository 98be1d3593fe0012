"""Checkpoints of training programs: nested dicts with arrays, and weights files of Keras."""

import os
import pickle

import numpy as np
import tensorflow as tf


def weights_file(path):
    """The path with the ending that Keras wants for weights."""
    return os.path.splitext(str(path))[0] + ".weights.h5"


def model_state(model):
    """All weights of a built model, in order."""
    return {"weights": [np.array(w) for w in model.weights]}


def load_model_state(model, state):
    """Give a built model the weights of `model_state`."""
    if len(model.weights) != len(state["weights"]):
        raise ValueError("the model has other weights than the checkpoint: call it once before loading")
    for variable, value in zip(model.weights, state["weights"], strict=True):
        variable.assign(value)


def optimizer_state(optimizer):
    """The learning rate, step count and running averages of an optimizer."""
    return {"variables": [np.array(v) for v in optimizer.variables]}


def load_optimizer_state(optimizer, state):
    """Give an optimizer the state of `optimizer_state`: now, or when its first step has made its variables."""

    def restore():
        for variable, value in zip(optimizer.variables, state["variables"], strict=True):
            variable.assign(value)

    if len(optimizer.variables) == len(state["variables"]):
        restore()
        return
    build = optimizer.build

    def build_and_restore(variables):
        build(variables)
        restore()

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
