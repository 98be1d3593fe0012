"""Functional Keras programs as model collections write them: both versions compute the same, weights and all."""

from __future__ import annotations

from typing import Any

import pytest

import tf2torch_support as support
from translator import translate
from translator.model import Severity

HEAD = """\
import keras
import tensorflow as tf
from keras import Model, Sequential, backend, initializers, layers, ops
"""

EITHER = '''
class Scale(layers.Layer):
    def __init__(self, factor, **kwargs):
        super().__init__(**kwargs)
        self.factor = factor

    def call(self, x):
        return x * self.factor


def block(x, filters, factor):
    y = layers.Conv2D(filters, 3, padding="same")(x)
    if factor:
        layer = Scale(factor)
    else:
        layer = layers.Activation("linear")
    y = layer(y)
    return layers.Conv2D(filters, 1)(y + layer(y))


def net():
    image = layers.Input((7, 6, 3))
    return Model(image, block(block(image, 4, 0.5), 5, 0.0))
'''

LISTS = '''
def net(widths=(4, 6, 5)):
    image = layers.Input((12, 16, 3))
    stem = Sequential([layers.Conv2D(widths[0], 2, strides=2), layers.LayerNormalization(epsilon=1e-3)])
    steps = []
    steps.append(stem)
    for i in range(2):
        step = Sequential([layers.LayerNormalization(), layers.Conv2D(widths[i + 1], 2, strides=2, activation="relu")])
        steps.append(step)
    heads = [layers.Dense(3, activation="tanh") for _ in range(2)]
    rates = [float(x) for x in range(len(steps))]
    x = image
    for i in range(len(steps)):
        x = steps[i](x) + rates[i]
        x = layers.Conv2D(widths[i], 1)(x)
    x = layers.GlobalAveragePooling2D()(x)
    total = heads[0](x)
    return Model(image, total + heads[1](x))
'''

UNSIZED = '''
def block(filters, name=None):
    if name is None:
        name = "block" + str(backend.get_uid("block"))

    def apply(inputs):
        x = layers.Conv2D(filters, 3, padding="same", name=name + "_conv")(inputs)
        x = layers.Dense(2 * filters, name=name + "_wide")(x)
        return inputs + layers.Dense(filters, name=name + "_narrow")(x)

    return apply


def net(widths=(4, 6)):
    image = layers.Input((6, 5, 3))
    downs = [layers.Conv2D(w, 2) for w in widths]
    x = image
    for i in range(2):
        x = downs[i](x)
        for j in range(2):
            x = block(widths[i])(x)
    return Model(image, x)
'''

POOLED = '''
def net(pooling=None):
    image = layers.Input((7, 6, 3))
    x = layers.Conv2D(5, 3)(image)
    if pooling == "avg":
        x = layers.GlobalAveragePooling2D()(x)
    elif pooling == "max":
        x = layers.GlobalMaxPooling2D()(x)
    x = layers.LayerNormalization(epsilon=1e-3)(x)
    return Model(image, x)
'''

GIVEN = '''
def norm(name=None):
    def apply(x):
        return layers.Normalization(mean=[0.5, -1.0, 2.0], variance=[4.0, 0.25, 2.25], name=name)(x)

    return apply


def net(input_tensor=None, size=(7, 6, 3)):
    if input_tensor is None:
        image = layers.Input(shape=size)
    elif backend.is_keras_tensor(input_tensor):
        image = input_tensor
    else:
        image = layers.Input(tensor=input_tensor, shape=size)
    if input_tensor is not None:
        inputs = keras.utils.get_source_inputs(input_tensor)[0]
        x = input_tensor
    else:
        inputs = image
        x = inputs
    if size[-1] == 3:
        x = norm()(x)
    return Model(inputs=inputs, outputs=layers.Conv2D(4, 3)(x))
'''

SIZES = '''
class Gain(layers.Layer):
    def __init__(self, start, width, **kwargs):
        super().__init__(**kwargs)
        self.start = start
        self.width = width
        self.conv = layers.Conv2D(width, 3, padding="same")

    def build(self, _):
        self.gain = self.add_weight(shape=(self.width,), initializer=initializers.Constant(2 * self.start))

    def call(self, x):
        x = self.conv(x)
        height, width = ops.shape(x)[1], tf.shape(x)[2]
        ones = (ops.shape(x)[0],) + (1,) * (len(ops.shape(x)) - 1)
        return x * self.gain * ops.cast(height, x.dtype) + ops.cast(width, x.dtype) * ops.ones(ones, dtype=x.dtype)


def net(start=0.25):
    image = layers.Input((7, 6, 3))
    x = Gain(start, 4)(image)
    return Model(image, layers.Conv2D(5, 2)(x))
'''

SHARED = '''
class Scale(layers.Layer):
    def __init__(self, width, **kwargs):
        super().__init__(**kwargs)
        self.dense = layers.Dense(width)

    def call(self, x):
        return x * self.dense(x)


def net():
    features = layers.Input((5,))
    layer = Scale(5)
    return Model(features, layer(features) + layer(layer(features)))
'''


ANNOTATED = '''
class Inner(layers.Layer):
    def __init__(self, width, **kwargs):
        super().__init__(**kwargs)
        self.conv = layers.Conv2D(width, 3, strides=2)

    def call(self, x: tf.Tensor) -> tf.Tensor:
        return self.conv(x)


class Middle(layers.Layer):
    def __init__(self, width, **kwargs):
        super().__init__(**kwargs)
        self.inner = Inner(width)

    def call(self, x: tf.Tensor) -> tf.Tensor:
        return self.inner(x)


class net(Model):
    def __init__(self, width=4, **kwargs):
        super().__init__(**kwargs)
        self.inner = Middle(width)

    def call(self, x: tf.Tensor) -> tf.Tensor:
        y = self.inner(x)
        sizes = [tf.shape(x)[axis] for axis in (0, 2, 1, 3)]
        return tf.reduce_mean(y, axis=(1, 2)) * tf.cast(sizes[1] - 2 * sizes[2], y.dtype)
'''
"""What parameters are annotated with says less than what is passed: both are one value."""


def whole(source: str) -> Any:
    made = translate(HEAD + source, "tf2torch")
    assert not [d for d in made.diagnostics if d.severity is Severity.ERROR], made.diagnostics
    assert "keras" not in made.text.split("class ")[0]
    return made


IMAGE = "float[2,7,6,3]"
CASES = [
    pytest.param(EITHER, {}, IMAGE, id="a layer of either kind"),
    pytest.param(LISTS, {}, "float[2,12,16,3]", id="lists of layers"),
    pytest.param(UNSIZED, {}, "float[2,6,5,3]", id="channels that no caller knows"),
    pytest.param(POOLED, {}, IMAGE, id="not pooled"),
    pytest.param(POOLED, {"pooling": "avg"}, IMAGE, id="pooled"),
    pytest.param(GIVEN, {}, IMAGE, id="an input that may be given"),
    pytest.param(SIZES, {}, IMAGE, id="sizes of a moved tensor"),
    pytest.param(SHARED, {}, "float[3,5]", id="a layer used again"),
    pytest.param(ANNOTATED, {}, IMAGE, id="annotated parameters"),
]


@pytest.mark.parametrize(("source", "init", "inputs"), CASES)
def test_both_compute_the_same(source: str, init: dict[str, Any], inputs: str) -> None:
    pytest.importorskip("tensorflow")
    from translator.compare.precision import precision

    made = whole(source)
    model = {"entry": "net", "init": init, "inputs": [{"x": inputs}]}
    with precision("float64"):
        found = support.compare(HEAD + source, made, model)
    assert found.weights > 0
    assert max(found.worst.values()) < 1e-9, found.worst


def test_lists_of_layers_hold_their_layers() -> None:
    text = whole(LISTS).text
    assert "steps = nn.ModuleList()" in text and "steps.append(stem)" in text
    assert "heads = nn.ModuleList([" in text and "x = self.steps[i](x)" in text
    assert "self.stem" not in text and "self.norm =" not in text


def test_a_size_is_read_where_it_is_now() -> None:
    text = whole(SIZES).text
    assert "height, width = x.shape[2], x.shape[3]" in text and "(1,) * (x.ndim - 1)" in text


def test_models_in_one_place_that_want_different_orders_are_refused() -> None:
    source = (
        "def net():\n    image = layers.Input((7, 6, 3))\n"
        "    steps = [Sequential([layers.Conv2D(3, 1)]), Sequential([layers.Flatten(), layers.Dense(3)])]\n"
        "    x = image\n    for i in range(2):\n        x = steps[i](x)\n    return Model(image, x)\n"
    )
    made = translate(HEAD + source, "tf2torch")
    assert [d.code for d in made.diagnostics if d.severity is Severity.ERROR]
    assert "layers.Flatten()" in made.text
