"""Layers that vary images compute the same from the same random numbers; functions of `tf.image` do, too."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import tf2torch_support as support
from translator import translate
from translator.compare.precision import precision
from translator.model import Severity

LAYERS = [
    "RandomFlip('vertical')", "RandomFlip()", "RandomRotation(0.3)", "RandomRotation((-0.1, 0.4), fill_mode='nearest')",
    "RandomRotation(0.2, fill_mode='constant', fill_value=0.7)", "RandomZoom(0.4)", "RandomZoom((-0.3, 0.2), 0.5)",
    "RandomTranslation(0.6, 0.4)", "RandomTranslation(0.2, (-0.1, 0.3), fill_mode='constant')",
    "RandomContrast(0.8)", "RandomContrast((0.3, 0.6), value_range=(-1, 1))", "RandomBrightness(0.4, (-2.0, 2.0))",
]  # fmt: skip


@pytest.mark.parametrize("layer", LAYERS)
def test_layer(layer: str) -> None:
    pytest.importorskip("tensorflow")
    source = "import keras\n\nx = keras.Input((7, 6, 3))\nh = keras.layers.Dense(3)(x)\n"
    source += f"Net = keras.Model(x, keras.layers.{layer}(h))\n"
    translation = translate(source, "tf2torch")
    assert not [d for d in translation.diagnostics if d.severity is Severity.ERROR], translation.text
    model = {"entry": "Net", "inputs": [{"x": "float[3,7,6,3]"}]}
    # TensorFlow warps in single precision, and what it gives for the gradient of that is no derivative.
    warped = any(name in layer for name in ("Rotation", "Zoom", "Translation"))
    with precision("float32" if warped else "float64"):
        found = support.compare(source, translation, model)
    assert {"eval output", "train output"} <= set(found.worst)
    compared = {k: v for k, v in found.worst.items() if not warped or k == "train output" or k.startswith("eval")}
    assert max(compared.values()) < (1e-5 if warped else 1e-9), found.worst


def test_what_has_no_counterpart_is_refused() -> None:
    head = "import keras\n\nm = keras.Sequential([keras.Input((7, 6, 3)), keras.layers."
    for layer in ("RandomRotation(0.1, 'wrap')", "Resizing(4, 4, 'bicubic')", "Resizing(4, 4, antialias=True)"):
        found = translate(f"{head}{layer}])\n", "tf2torch")
        assert "XL201" in {d.code for d in found.diagnostics}, layer


AXES = ["keras.ops.triu(x)", "keras.ops.flip(x)", "keras.ops.tril(x, 1)", "tf.nn.softmax(x)", "tf.cumsum(x, axis=1)"]
BETWEEN = """
import keras
import tensorflow as tf


class Net(keras.Model):
    def __init__(self):
        super().__init__()
        self.pool = keras.layers.MaxPooling2D(2)

    def call(self, x):
        x = self.pool(x)
        return self.pool({code})
"""


@pytest.mark.parametrize("code", AXES)
def test_what_knows_axes_apart_between_layers_of_images(code: str) -> None:
    """PyTorch's layers take channels first, what stands between them sees Keras's order."""
    pytest.importorskip("tensorflow")
    torch = pytest.importorskip("torch")
    source = BETWEEN.replace("{code}", code)
    made = translate(source, "tf2torch")
    assert not [d for d in made.diagnostics if d.severity is Severity.ERROR]
    x = np.random.default_rng(3).standard_normal((2, 12, 8, 3)).astype("float32")
    programs: list[dict[str, Any]] = [{}, {}]
    for text, program in zip((source, made.text), programs, strict=True):
        exec(text, program)
    expected = np.asarray(programs[0]["Net"]()(x))
    actual = programs[1]["Net"]()(torch.from_numpy(x).permute(0, 3, 1, 2)).permute(0, 2, 3, 1).numpy()
    np.testing.assert_allclose(actual, expected, rtol=1e-5, atol=1e-6)
