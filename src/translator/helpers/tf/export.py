"""Models in files that other programs run: TF Serving, the TensorFlow Lite converter, C++."""

import os

import tensorflow as tf
from tensorflow import keras


def traced(model, example_inputs):
    """The model after a call with example inputs, which makes its variables; `export_model` asks for such inputs."""
    inputs = example_inputs if isinstance(example_inputs, (list, tuple)) else (example_inputs,)
    model(*inputs)
    vars(model)["example_specs"] = [tf.TensorSpec((None, *x.shape[1:]), x.dtype) for x in inputs]
    return model


def export_model(model, path):
    """Write a model that has been called as a SavedModel: a folder with the name of the path, without its ending.

    It takes what the model was traced or called with, in batches of any size, and does not train.
    """
    folder = os.path.splitext(os.fspath(path))[0]
    specs = vars(model).get("example_specs")
    if not model.built:
        raise ValueError("the model has no variables yet: call it once, then export it")
    if specs is None:
        model.export(folder, verbose=False)
        return
    archive = keras.export.ExportArchive()
    archive.track(model)
    archive.add_endpoint("serve", lambda *inputs: model(*inputs, training=False), specs)
    archive.write_out(folder, verbose=False)
