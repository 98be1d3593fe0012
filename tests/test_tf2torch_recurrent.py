"""Recurrent layers, and layers at each step of a sequence: both versions compute the same."""

from __future__ import annotations

import pytest

from snippets import errors
from tf2torch_support import agrees
from translator import translate

HEAD = "import tensorflow as tf\nfrom tensorflow import keras\nfrom tensorflow.keras import layers\n\n\n"
SEQUENTIAL = "def build():\n    return keras.Sequential([keras.Input({shape}), {layers}])\n"
LAYERS = [
    ("sum", "(4, 6)", "layers.Bidirectional(layers.LSTM(5, return_sequences=True), merge_mode='sum')"),
    ("mul", "(4, 6)", "layers.Bidirectional(layers.GRU(5), merge_mode='mul'), layers.Dense(2)"),
    ("average", "(4, 6)", "layers.Bidirectional(layers.SimpleRNN(5), merge_mode='ave'), layers.Dense(2)"),
    ("backwards", "(4, 6)", "layers.LSTM(5, go_backwards=True, return_sequences=True), "
     "layers.GRU(3, go_backwards=True)"),
    ("simple", "(4, 6)", "layers.SimpleRNN(5, activation='relu', return_sequences=True), layers.SimpleRNN(3)"),
    ("normalized steps", "(4, 6)", "layers.TimeDistributed(layers.Dense(5)), "
     "layers.TimeDistributed(layers.BatchNormalization()), layers.LSTM(2)"),
    ("frames", "(4, 8, 7, 3)", "layers.TimeDistributed(layers.Conv2D(5, 3, activation='relu')), "
     "layers.TimeDistributed(layers.MaxPooling2D(2)), layers.TimeDistributed(layers.Flatten()), layers.GRU(3)"),
]  # fmt: skip
STATES = """
def build():
    inputs = keras.Input((4, 6))
    o, fh, fc, bh, bc = layers.Bidirectional(layers.LSTM(5, return_sequences=True, return_state=True))(inputs)
    a, b = layers.Bidirectional(layers.GRU(5, return_sequences=True), merge_mode=None)(o)
    h, c = layers.Concatenate()([fh, bh]), layers.Concatenate()([fc, bc])
    return keras.Model(inputs, [layers.LSTM(10)(o, initial_state=[h, c]), a - 2.0 * b])
"""
MODEL_PER_STEP = """
def encoder():
    i = keras.Input((8, 7, 3))
    x = layers.Conv2D(4, 3, activation="relu")(i)
    x = layers.BatchNormalization()(x)
    return keras.Model(i, layers.GlobalMaxPooling2D()(x))


def build():
    head = keras.Sequential([keras.Input((4,)), layers.Dense(3, activation="tanh")])
    inputs = keras.Input((4, 8, 7, 3))
    x = layers.TimeDistributed(encoder())(inputs)
    x = layers.TimeDistributed(head)(x)
    return keras.Model(inputs, layers.GRU(2)(x))
"""
UNKNOWN_SIZE = """
class Net(keras.Model):
    def __init__(self):
        super().__init__()
        self.step = keras.Sequential([layers.Conv2D(4, 3, activation="relu"), layers.GlobalMaxPooling2D()])
        self.steps = layers.TimeDistributed(self.step)
        self.first = layers.Bidirectional(layers.LSTM(3, return_sequences=True))
        self.second = layers.GRU(4, return_sequences=True)
        self.last = layers.SimpleRNN(2)

    def call(self, x):
        return self.last(self.second(self.first(self.steps(x))))


def build():
    return Net()


if __name__ == "__main__":
    build()(tf.zeros([2, 4, 8, 7, 3]))
"""
CASES = [
    *(pytest.param(SEQUENTIAL.format(shape=shape, layers=made), f"float[3,{shape.strip('()')}]", id=name)
      for name, shape, made in LAYERS),
    pytest.param(STATES, "float[3,4,6]", id="states"),
    pytest.param(MODEL_PER_STEP, "float[2,4,8,7,3]", id="model per step"),
    pytest.param(UNKNOWN_SIZE, "float[2,4,8,7,3]", id="unknown sizes"),
]  # fmt: skip


@pytest.mark.parametrize(("source", "inputs"), CASES)
def test_it_computes_the_same(source: str, inputs: str) -> None:
    pytest.importorskip("tensorflow")
    agrees(HEAD + source, "build", {"x": inputs})


REFUSED = [
    ("layers.LSTM(5, stateful=True)", "stateful"), ("layers.LSTM(5, activation='relu')", "activation"),
    ("layers.GRU(5, reset_after=False)", "reset_after"), ("layers.SimpleRNN(5, activation='sigmoid')", "activation"),
    ("layers.Bidirectional(layers.LSTM(5, go_backwards=True))", "goes backwards"),
    ("layers.Masking(), layers.SimpleRNN(5)", "a mask"),
    ("layers.Masking(), layers.Bidirectional(layers.LSTM(5), merge_mode='sum')", "merge_mode"),
    ("layers.Masking(), layers.LSTM(5, go_backwards=True)", "a mask"),
]  # fmt: skip


@pytest.mark.parametrize(("made", "reason"), REFUSED)
def test_what_has_no_counterpart_is_refused(made: str, reason: str) -> None:
    translation = translate(HEAD + SEQUENTIAL.format(shape="(4, 6)", layers=made), "tf2torch")
    assert any(reason in e for e in errors(translation)), translation.text
