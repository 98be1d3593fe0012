"""Layers that vary images compute the same from the same random numbers; functions of `tf.image` do, too."""

from __future__ import annotations

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
