"""Subclasses of `keras.Sequential`, and models that statements put together: both versions compute the same."""

from __future__ import annotations

import pytest

from snippets import errors
from tf2torch_support import agrees
from translator import translate
from translator.model import Severity

HEAD = "import tensorflow as tf\nfrom tensorflow import keras\nfrom tensorflow.keras import layers\n\n\n"
WRITTEN = '''
class Net(keras.Sequential):
    """What each layer is for stands beside it."""

    def __init__(self, units=2):
        super().__init__([
            keras.Input((9, 8, 3)),  # images
            layers.Conv2D(4, 3, strides=2, padding="same"),  # halves them
            layers.BatchNormalization(),
            layers.Flatten(),
            layers.Dense(units),
        ], name="net")
'''
ADDED = """
class Net(tf.keras.Sequential):
    def __init__(self, units=(5, 4), name=None, **kwargs):
        super(Net, self).__init__(name=name, **kwargs)
        self.add(layers.InputLayer((6,)))
        for n in units:
            self.add(layers.Dense(n, activation="relu"))
            self.add(layers.BatchNormalization())
        self.add(layers.Dense(2))

    def call(self, x, training=None):
        return tf.nn.softmax(super().call(x, training=training))
"""
BLOCKS = """
class Block(keras.Sequential):
    def __init__(self, filters, kernel, strides=1):
        super().__init__()
        self.add(layers.Conv2D(filters, kernel, strides=strides, padding="same", use_bias=False))
        self.add(layers.BatchNormalization())
        self.add(layers.ReLU())


class Net(keras.Model):
    def __init__(self):
        super().__init__()
        self.a = Block(4, 3, 2)
        self.b = Block(6, 1)
        self.pool = layers.GlobalAveragePooling2D()
        self.out = layers.Dense(2)

    def call(self, x):
        return self.out(self.pool(self.b(self.a(x))))


if __name__ == "__main__":
    Net()(tf.zeros([2, 9, 8, 3]))
"""
LOOP = """
def Net(units=(5, 4)):
    model = keras.Sequential()
    model.add(keras.Input((9, 8, 3)))
    for n in units:
        model.add(layers.Conv2D(n, 3, padding="same", activation="relu"))
        model.add(layers.BatchNormalization())
    model.add(layers.Flatten())
    for n in units:
        model.add(layers.Dense(n))
    return model
"""
TAKEN = """
class Net(keras.Model):
    def __init__(self):
        super().__init__()
        self.half = layers.Dense(4)
        self.modules = [layers.Dense(3), layers.Dense(4)]
        self.type = 2.0
        self.children = layers.BatchNormalization()

    def train(self, x):
        return self(x) * 2.0

    def apply(self, x):
        return x * self.type

    def call(self, x):
        x = self.half(x)
        for layer in self.modules:
            x = layer(x)
        return self.children(self.apply(x))


if __name__ == "__main__":
    Net()(tf.zeros([3, 6]))
"""
CASES = [
    pytest.param(TAKEN, "float[3,6]", id="names that modules have"),
    pytest.param(WRITTEN, "float[3,9,8,3]", id="written"), pytest.param(ADDED, "float[3,6]", id="added"),
    pytest.param(BLOCKS, "float[3,9,8,3]", id="blocks"), pytest.param(LOOP, "float[3,9,8,3]", id="loop"),
]  # fmt: skip


@pytest.mark.parametrize(("source", "inputs"), CASES)
def test_it_computes_the_same(source: str, inputs: str) -> None:
    pytest.importorskip("tensorflow")
    assert "keras" not in agrees(HEAD + source, "Net", {"x": inputs}).text


def test_a_subclass_stays_one() -> None:
    text = translate(HEAD + WRITTEN, "tf2torch").text
    assert "class Net(nn.Sequential):" in text and "# halves them" in text and "Input" not in text


SOMETIMES = """
def build(top):
    model = keras.Sequential([layers.Conv2D(8, 3)])
    if top:
        model.add(layers.Dense(8))
    model.add(layers.Conv2D(8, 3))
    return model


build(True)(tf.zeros([2, 8, 8, 8]))
"""
REFUSED = [
    (SOMETIMES, "XL301"),
    (SOMETIMES.replace("if top:", "for _ in range(top):"), "XL301"),
    (LOOP.replace("        model.add(layers.B", 8 * " " + "model.add(layers.Dense(3))\n        model.add(layers.B"),
     "XL301"),
    (BLOCKS.replace("self.add(layers.ReLU())", "self.add(layers.Flatten())\n\n    def call(self, x):\n"
                    "        return 2.0 * super().call(x)"), "XL303"),
]  # fmt: skip


@pytest.mark.parametrize(("source", "code"), REFUSED)
def test_what_would_mix_axis_orders_is_refused(source: str, code: str) -> None:
    translation = translate(HEAD + source, "tf2torch")
    assert code in {d.code for d in translation.diagnostics if d.severity is Severity.ERROR}, translation.text


PASSED_ON = """
BLOCKS = [{"filters": 4, "strides": 2}, {"filters": 5, "strides": 1}]


def block(x, filters, strides, name=""):
    x = layers.Conv2D(filters, 3, strides=strides, padding="same", name=name)(x)
    return layers.BatchNormalization()(x)


def build(blocks=BLOCKS):
    inputs = keras.Input((9, 8, 3))
    x = inputs
    for i, args in enumerate(blocks):
        args = dict(args)
        x = block(x, name=f"block{i}", **args)
    return keras.Model(inputs, x)
"""


def test_what_stars_pass_goes_to_the_layers_that_are_made() -> None:
    translation = translate(HEAD + PASSED_ON, "tf2torch")
    assert not errors(translation) and "**args" in translation.text, translation.text
