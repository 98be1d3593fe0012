"""There and back again: a program that was translated to the other framework and back computes what it computed."""

from __future__ import annotations

import os
import tomllib
from functools import cache
from pathlib import Path
from typing import Any

import pytest

import round_trip_support as trips
import tf2torch_support as support
from snippets import errors
from translator import Translation, translate

FIXTURES = Path(__file__).resolve().parent.parent / "fixtures"
SAMPLED = {"tf_lstm_text", "tf_subclassed_transformer"}
WAY_BACK_REFUSED = {
    "tf_custom_layer": "LazyModuleMixin", "tf_masked_text": "Masking.mask", "tf_mixed": "no lazy module",
    "tf_train_gan": "grad_fn", "tf_train_mnist": "grad_fn", "tf_train_multi_output": "parameters are known",
    "tf_train_records": "temporary value", "tf_train_tape": "LazyModuleMixin", "tf_train_text": "memory",
    "tf_train_vae": "temporary value", "tf_train_wgan_gp": "autograd.grad",
}  # fmt: skip
"""Programs whose translation is not read back as a whole yet, and what one of the reasons says."""


@cache
def trip(folder: Path) -> tuple[Translation, Translation]:
    """The program in PyTorch, and in Keras again."""
    there = translate((folder / "tf_model.py").read_text(encoding="utf-8"), "tf2torch")
    return there, translate(there.text, "torch2tf", layout="channels_first")


def cases() -> list[Any]:
    params = []
    for path in sorted(FIXTURES.glob("tf_*/case.toml")):
        models = tomllib.loads(path.read_text(encoding="utf-8")).get("model", [])
        if path.parent.name not in WAY_BACK_REFUSED:
            params += [pytest.param(path.parent, m, id=f"{path.parent.name}-{m['entry']}") for m in models]
    return params


@pytest.mark.parametrize(("folder", "model"), cases())
def test_it_computes_the_same(folder: Path, model: dict[str, Any]) -> None:
    pytest.importorskip("tensorflow")
    if folder.name not in SAMPLED and not os.environ.get("XLATE_EVERY"):
        pytest.skip("sampled; XLATE_EVERY=1 runs all")
    from translator.compare import still_uses
    from translator.compare.precision import precision

    there, back = trip(folder)
    assert not errors(back), errors(back)
    assert not still_uses(back.text, "torch")
    with precision("float64"):
        worst = support.compare_keras((folder / "tf_model.py").read_text("utf-8"), there, back.text, model)
    assert worst < 1e-9


@pytest.mark.parametrize("name", sorted(WAY_BACK_REFUSED))
def test_what_does_not_come_back_says_so(name: str) -> None:
    if name not in ("tf_custom_layer", "tf_train_wgan_gp") and not os.environ.get("XLATE_EVERY"):
        pytest.skip("sampled; XLATE_EVERY=1 runs all")
    _, back = trip(FIXTURES / name)
    assert any(WAY_BACK_REFUSED[name] in e for e in errors(back)), errors(back)


BACK = [
    ("(6, 4)", "LSTM(3)"), ("(6, 4)", "GRU(3, return_sequences=True)"),
    ("(6, 4)", "Bidirectional(keras.layers.LSTM(3))"),
    ("(6, 4)", "SimpleRNN(3)"), ("(6, 4)", "LSTM(3, go_backwards=True)"),
    ("(6, 4)", 'Bidirectional(keras.layers.GRU(3), merge_mode="sum")'),
    ("(9, 8, 3)", 'Conv2D(4, 3, strides=2, padding="same"'), ("(9, 8, 3)", 'MaxPooling2D(3, strides=2, padding="same"'),
    ("(9, 8, 3)", 'Conv2DTranspose(4, 3, strides=2, padding="same"'), ("(9, 8, 3)", "BatchNormalization("),
]  # fmt: skip
"""Layers for which helpers stand, which come back: also `MultiHeadAttention`, `RepeatVector`, `Masking` and its `mask`,
and `GlobalAveragePooling1D` behind a mask."""


@pytest.mark.parametrize(("shape", "layer"), BACK)
def test_layers_come_back_from_their_helpers(shape: str, layer: str) -> None:
    made = layer if layer.endswith(")") else layer + ("scale=False)" if layer.endswith("(") else ")")
    source = f"import keras\n\nm = keras.Sequential([keras.Input({shape}), keras.layers.{made}])\n"
    there = translate(source, "tf2torch")
    back = translate(there.text, "torch2tf", layout="channels_first")
    assert not errors(there) and not errors(back)
    assert f"keras.layers.{layer}" in back.text
    assert not any(f"class {name}(" in back.text for name in there.helpers)


# -- PyTorch programs -------------------------------------------------------------------------------------------

TORCH_SAMPLED = {"mlp": "channels_first", "unet": "channels_last", "resnet": "channels_first"}
LAYOUTS = ("channels_first", "channels_last")
TORCH_REFUSED = {
    "bilstm_tagger": "by hand", "custom_autograd": "`.kernel`", "gpt": "`.embeddings`", "transformer": "clone_model",
}  # fmt: skip
"""PyTorch programs that do not come back as a whole yet, and what one of the reasons says."""
ONLY_FIRST = {"densenet", "resnet", "wavenet"}
"""Programs that come back from one layout only: of a dict of layers, and of a subclass of a layer, the axis order of
what they take is not known; and channels last, ResNet's way there mixes two orders of its bottlenecks."""
SEEN_IN_PROGRAMS = """
compiled graph_control_flow scale_initializer set_initializer unfrozen_variables no_gradient
"""
"""Helpers that stand around what is compared: their rows are executed by the programs that use them."""


def torch_cases() -> list[Any]:
    params = []
    for path in sorted(FIXTURES.glob("*/torch_model.py")):
        models = tomllib.loads((path.parent / "case.toml").read_text(encoding="utf-8")).get("model", [])
        for layout in LAYOUTS:
            name = path.parent.name
            refused = name in TORCH_REFUSED or (name in ONLY_FIRST and layout != "channels_first")
            every = models if not refused else []
            params += [pytest.param(path.parent, m, layout, id=f"{name}-{m['entry']}-{i}-{layout}")
                       for i, m in enumerate(every)]  # fmt: skip
    return params


@cache
def torch_trip(folder: Path, layout: str) -> trips.Trip:
    return trips.trip((folder / "torch_model.py").read_text(encoding="utf-8"), layout)


@pytest.mark.parametrize(("folder", "model", "layout"), torch_cases())
def test_a_pytorch_program_comes_back(folder: Path, model: dict[str, Any], layout: str) -> None:
    pytest.importorskip("torch")
    if TORCH_SAMPLED.get(folder.name) != layout and not os.environ.get("XLATE_EVERY"):
        pytest.skip("sampled; XLATE_EVERY=1 runs all")
    from translator.compare import still_uses

    found = torch_trip(folder, layout)
    assert not found.refused, found.refused
    assert not still_uses(found.back.text, "tensorflow")
    source = (folder / "torch_model.py").read_text(encoding="utf-8")
    assert trips.worst_difference(source, found.back.text, model) < 1e-9


@pytest.mark.parametrize("name", sorted(TORCH_REFUSED))
def test_a_pytorch_program_that_does_not_come_back_says_so(name: str) -> None:
    if not os.environ.get("XLATE_EVERY"):
        pytest.skip("sampled; XLATE_EVERY=1 runs all")
    found = torch_trip(FIXTURES / name, LAYOUTS[0])
    assert any(TORCH_REFUSED[name] in r for r in found.refused), found.refused


PERMUTING = """
import torch
from torch import nn


class Permute(nn.Module):
    def __init__(self, dims):
        super().__init__()
        self.dims = dims

    def forward(self, x):
        return torch.permute(x, self.dims)


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.stem = nn.Conv2d(3, 8, 4, stride=4)
        self.body = nn.Sequential(
            nn.Conv2d(8, 8, 3, padding=1, groups=8), Permute([0, 2, 3, 1]), nn.LayerNorm(8), Permute([0, 3, 1, 2])
        )

    def forward(self, x):
        x = self.stem(x)
        return x + self.body(x)
"""


def test_layers_of_several_axis_orders_in_one_container() -> None:
    """What channels last made of modules that permute is read back, beside a class that has a helper's name."""
    pytest.importorskip("torch")
    pytest.importorskip("tensorflow")
    found = trips.trip(PERMUTING, "channels_last")
    assert not found.refused
    assert found.there.text.count("keras.layers.Identity()") == 2 and "nn.Conv2d(3, 8, 4, stride=4)" in found.back.text
    model = {"entry": "Net", "inputs": [{"x": "float[2,3,16,24]"}]}
    assert trips.worst_difference(PERMUTING, found.back.text, model) <= 1e-9
