"""`Lambda` layers and functions of `keras.backend`: both versions compute the same."""

from __future__ import annotations

import pytest

from snippets import errors
from tf2torch_support import agrees
from translator import translate

HEAD = (
    "import tensorflow as tf\nfrom tensorflow import keras\nfrom tensorflow.keras import layers\n"
    "from tensorflow.keras import backend as K\n\n\n"
)
IN_SEQUENCE = """
def build():
    return keras.Sequential([
        keras.Input((9, 8, 3)),
        layers.Lambda(lambda x: x / 127.5 - 1.0),
        layers.Conv2D(4, 3, padding="same"),
        layers.Lambda(lambda x: tf.reduce_mean(x, axis=[1, 2])),
        layers.Dense(2),
    ])
"""
DISTANCE = """
def distance(vectors):
    a, b = vectors
    return K.sqrt(K.maximum(K.sum(K.square(a - b), axis=1, keepdims=True), K.epsilon()))


def build():
    base = keras.Sequential([keras.Input((9, 8, 3)), layers.Conv2D(4, 3), layers.Flatten(), layers.Dense(5)])
    left = keras.Input((9, 8, 3))
    right = keras.Input((9, 8, 3))
    d = layers.Lambda(distance, output_shape=lambda shapes: (shapes[0][0], 1))([base(left), base(right)])
    return keras.Model([left, right], layers.Dense(1, activation="sigmoid")(d))
"""
SLICES = """
def build(scale=2.0):
    inputs = keras.Input((9, 8, 6))
    x = layers.Conv2D(6, 3, padding="same")(inputs)
    a = layers.Lambda(lambda t: t[:, :, :, :3], name="class")(x)
    b = layers.Lambda(lambda t: K.bias_add(tf.nn.relu(t), K.mean(t, axis=[0, 1, 2]))[..., 3:] * scale)(x)
    s = layers.Lambda(lambda z: z[0] * 0.1 + z[1])([a, b])
    p = layers.Lambda(lambda t: tf.pad(t, [[0, 0], [1, 0], [0, 2], [0, 0]]))(s)
    return keras.Model(inputs, layers.Conv2D(2, 3)(p))
"""
IN_A_CLASS = """
class Attention(layers.Layer):
    def build(self, input_shape):
        self.w = self.add_weight(name="w", shape=(input_shape[-1], 5), initializer="glorot_uniform")
        self.u = self.add_weight(name="u", shape=(5,), initializer="random_normal")
        super().build(input_shape)

    def call(self, x):
        scores = K.squeeze(K.dot(K.tanh(K.dot(x, self.w)), K.expand_dims(self.u)), axis=-1)
        return K.batch_dot(K.softmax(scores), x, axes=[1, 1])

    def compute_output_shape(self, input_shape):
        return input_shape[0], input_shape[-1]


def build():
    inputs = keras.Input((7, 6))
    x = Attention()(inputs)
    return keras.Model(inputs, layers.Lambda(lambda v: K.l2_normalize(v, axis=-1))(x))
"""
IMAGES = {"x": "float[2,9,8,3]"}
CASES = [
    pytest.param(IN_SEQUENCE, IMAGES, id="sequence"), pytest.param(SLICES, {"x": "float[2,9,8,6]"}, id="slices"),
    pytest.param(DISTANCE, {"a": "float[2,9,8,3]", "b": "float[2,9,8,3]"}, id="distance"),
    pytest.param(IN_A_CLASS, {"x": "float[3,7,6]"}, id="class"),
]  # fmt: skip


@pytest.mark.parametrize(("source", "inputs"), CASES)
def test_it_computes_the_same(source: str, inputs: dict[str, str]) -> None:
    pytest.importorskip("tensorflow")
    text = agrees(HEAD + source, "build", inputs).text
    assert "keras" not in text and "tf." not in text


REFUSED = [
    (SLICES.replace("lambda t: t[:, :, :, :3]", "lambda t: t * x"), "channels-first"),
    (IN_SEQUENCE.replace("lambda x: x / 127.5 - 1.0", "chosen"), "not known"),
    (SLICES.replace('name="class"', 'mask=lambda t: t, name="lambda"'), "`mask`"),
    (IN_SEQUENCE.replace("keras.Input((9, 8, 3))", "keras.Input((9,)), layers.Embedding(5, 3, mask_zero=True)")
     .replace("layers.Conv2D(4, 3, padding=\"same\"),\n        ", "").replace("axis=[1, 2]", "axis=1"), ""),
]  # fmt: skip


@pytest.mark.parametrize(("source", "reason"), REFUSED)
def test_what_is_not_followed_is_refused(source: str, reason: str) -> None:
    translation = translate(HEAD + source, "tf2torch")
    assert any(reason in e for e in errors(translation)), translation.text
