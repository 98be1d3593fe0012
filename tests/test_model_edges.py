"""What a translated model says at its edge: which tensors changed axis order, and how many channels it takes."""

from __future__ import annotations

import numpy as np
import pytest

from translator import translate
from translator.compare import load, unload

PROGRAM = """
import torch
import torch.nn as nn


class Part(nn.Module):
    def __init__(self, channels, width):
        super().__init__()
        self.conv = nn.Conv2d(channels, width, 3)

    def forward(self, x):
        return self.conv(x)


class Net(nn.Module):
    def __init__(self, channels=3, width=8, wide=False):
        super().__init__()
        self.layer = LAYER
        self.other = nn.Conv2d(1, width, 3)

    def forward(self, x):
        return CALL
"""
SPECS = {
    "a layer": ("nn.Conv2d(5, width, 3)", "self.layer(x)", "5"),
    "a parameter": ("nn.Conv2d(channels, width, 3)", "self.layer(x)", "channels"),
    "in a container": ("nn.Sequential(nn.BatchNorm2d(5), nn.ReLU(), nn.Conv2d(5, width, 3))", "self.layer(x)", "5"),
    "in a model": ("Part(5, width)", "self.layer(x)", "5"),
    "after a pool": ("nn.Conv2d(5, width, 3)", "self.layer(torch.max_pool2d(x, 2))", None),
    "under a condition": ("nn.Conv2d(5, width, 3)", "self.layer(x) if x.size(1) == 5 else self.other(x)", None),
    "not a number": ("nn.Conv2d(channels + 2, width, 3)", "self.layer(x)", None),
}


@pytest.mark.parametrize("name", SPECS)
def test_channels(name: str) -> None:
    made, call, count = SPECS[name]
    text = translate(PROGRAM.replace("LAYER", made).replace("CALL", call)).text
    text = text[text.index("class Net") :]
    spec = f"self.input_spec = keras.layers.InputSpec(ndim=4, axes={{-1: {count}}})"
    assert (f"        {spec}\n" in text) == (count is not None)
    assert text.count("input_spec") == (count is not None)


def test_images_in_the_wrong_order_are_an_error() -> None:
    tf = pytest.importorskip("tensorflow")
    source = PROGRAM.replace("LAYER", "Part(5, width)").replace("CALL", "self.layer(x)")
    program = load(translate(source).text, "model_edge", wide=False)
    images = np.random.default_rng(0).random((2, 5, 9, 7), np.float32)
    with pytest.raises(ValueError, match="expected axis -1 of input shape to have value 5"):
        program.Net()(tf.constant(images))
    assert program.Net()(tf.constant(np.moveaxis(images, 1, -1))).shape == (2, 7, 5, 8)
    unload(program)


@pytest.mark.parametrize("options", [{"layout": "channels_first"}, {"keep_io_layout": True}])
def test_models_that_take_the_sources_order_say_nothing(options: dict[str, str]) -> None:
    source = PROGRAM.replace("LAYER", "nn.Conv2d(5, width, 3)").replace("CALL", "self.layer(x)")
    text = translate(source, **options).text  # type: ignore[arg-type]
    assert "input_spec" not in text and "Axis order" not in text


DOCSTRINGS = {
    "": '"""Axis order: x NHWC, result NHWC."""',
    '"""Features."""': '"""Features. Axis order: x NHWC, result NHWC."""',
    "'Of a batch!'": "'Of a batch! Axis order: x NHWC, result NHWC.'",
    '"""Features.\n\n        Args: x.\n        """': '"""Features.\n\n        Args: x.\n\n        '
    'Axis order: x NHWC, result NHWC.\n        """',
}


@pytest.mark.parametrize("before", DOCSTRINGS)
def test_docstrings_there_and_back(before: str) -> None:
    source = PROGRAM.replace("LAYER", "nn.Conv2d(5, width, 3)").replace("CALL", "self.layer(x)")
    head, line = "def forward(self, x):\n        ", f"{before}\n        " if before else ""
    source = source.replace(f"{head}return self.layer", f"{head}{line}return self.layer")
    text = translate(source).text
    assert f"def call(self, x):\n        {DOCSTRINGS[before]}\n        return self.layer(x)\n" in text
    back = translate(text, "tf2torch").text
    assert f"{head}{line}return self.layer(x)\n" in back and "Axis order" not in back
