"""Rows for what Keras's model collection shares (`mappings/keras_applications.toml`): small calls, run in both."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import tf2torch_support as support
from translator import translate
from translator.compare import precision

SOURCE = """\
import keras
import tensorflow as tf
from keras.src.applications import imagenet_utils


def caffe(x):
    return imagenet_utils.preprocess_input(x)


def scaled(x):
    return imagenet_utils.preprocess_input(x, mode="torch")


def shape(size, top):
    return imagenet_utils.obtain_input_shape(
        size, default_size=224, min_size=32, data_format=keras.config.image_data_format(), require_flatten=top
    )


def activation(name):
    return imagenet_utils.validate_activation(name, "imagenet")


def there(path):
    return tf.io.gfile.exists(path)


def named():
    return keras.config.backend(), keras.backend.image_data_format()


def fetch():
    return keras.utils.get_file("a.h5", "https://example.org/a.h5", cache_subdir="models")


def best(scores):
    return imagenet_utils.decode_predictions(scores, top=3)
"""


@pytest.fixture(scope="module")
def programs() -> tuple[Any, Any]:
    translation = translate(SOURCE, "tf2torch")
    assert not translation.refused and "keras" not in translation.text
    return support.execute(SOURCE, "tf_collection"), support.execute(translation.text, "torch_collection")


@pytest.mark.parametrize("name", ["caffe", "scaled"])
def test_preprocess_input(programs: tuple[Any, Any], name: str) -> None:
    x = np.random.default_rng(3).uniform(0, 255, (2, 4, 5, 3))
    with precision("float64"):
        expected, actual = (getattr(p, name)(x.copy()) for p in programs)
    np.testing.assert_allclose(np.asarray(actual), np.asarray(expected), rtol=1e-9)


@pytest.mark.parametrize("size", [None, (64, 48, 3), (None, None, 3), (16, 64, 3), (64, 64)])
@pytest.mark.parametrize("top", [True, False])
def test_obtain_input_shape(programs: tuple[Any, Any], size: Any, top: bool) -> None:
    results = []
    for program in programs:
        try:
            results.append(program.shape(size, top))
        except ValueError:
            results.append("refused")
    assert results[0] == results[1]


@pytest.mark.parametrize("name", ["softmax", None, "relu"])
def test_validate_activation(programs: tuple[Any, Any], name: Any) -> None:
    for program in programs:
        if name == "relu":
            with pytest.raises(ValueError, match="softmax"):
                program.activation(name)
        else:
            program.activation(name)


def test_correct_pad() -> None:
    """`correct_pad` before a convolution of stride 2, at an even and an odd size."""
    for height, width in ((6, 7), (9, 8)):
        source = (
            "import keras\nfrom keras.src.applications import imagenet_utils\n\n"
            f"x = keras.Input(({height}, {width}, 3))\nh = keras.layers.Dense(3)(x)\n"
            "h = keras.layers.ZeroPadding2D(imagenet_utils.correct_pad(h, 3))(h)\n"
            "out = keras.layers.Conv2D(4, 3, strides=2)(h)\nNet = keras.Model(x, out)\n"
        )
        translation = translate(source, "tf2torch")
        assert not translation.refused, translation.text
        model = {"entry": "Net", "inputs": [{"x": f"float[2,{height},{width},3]"}]}
        with precision("float64"):
            found = support.compare(source, translation, model)
        assert max(found.worst.values()) < 1e-9


def test_files_and_configuration(programs: tuple[Any, Any], tmp_path: Path) -> None:
    keras_program, torch_program = programs
    assert keras_program.named() == torch_program.named()
    for path in (str(tmp_path), str(tmp_path / "none")):
        assert keras_program.there(path) == torch_program.there(path)


def test_get_file(programs: tuple[Any, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import torch

    asked = []
    monkeypatch.setattr(torch.hub, "get_dir", lambda: str(tmp_path))
    monkeypatch.setattr(torch.hub, "download_url_to_file", lambda url, path, **_: asked.append((url, path)))
    assert programs[1].fetch() == str(tmp_path / "models" / "a.h5")
    assert asked == [("https://example.org/a.h5", str(tmp_path / "models" / "a.h5"))]


def test_decode_predictions(programs: tuple[Any, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    from keras.src.applications import imagenet_utils

    classes = [(f"n{i}", f"class {i}") for i in range(1000)]
    monkeypatch.setattr(imagenet_utils, "CLASS_INDEX", {str(i): list(c) for i, c in enumerate(classes)})
    monkeypatch.setattr(programs[1], "imagenet_classes", lambda: classes)
    scores = np.random.default_rng(3).uniform(size=(2, 1000))
    expected, actual = (p.best(scores) for p in programs)
    assert [[row[:2] for row in sample] for sample in actual] == [[tuple(r[:2]) for r in sample] for sample in expected]
    np.testing.assert_allclose([[r[2] for r in s] for s in actual], [[r[2] for r in s] for s in expected])
