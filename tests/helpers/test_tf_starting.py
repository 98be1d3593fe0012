"""Layers that are made by a class that is passed around start as PyTorch's do: same spread, same bounds."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("tensorflow")

from row_samples import HEADER  # noqa: E402
from translator import translate, weights  # noqa: E402
from translator.compare import load, unload  # noqa: E402

MADE = [
    ("nn.Linear", "400, 300", (2, 400)),
    ("nn.LazyLinear", "300", (2, 400)),
    ("nn.Bilinear", "20, 30, 400", (2, 20), (2, 30)),
    ("nn.Embedding", "300, 200", None),
    ("nn.Conv1d", "60, 120, 5, groups=2", (1, 60, 9)),
    ("nn.Conv2d", "30, 64, (3, 5)", (1, 30, 9, 8)),
    ("nn.Conv3d", "8, 64, 3", (1, 8, 5, 6, 4)),
    ("nn.ConvTranspose1d", "60, 120, 5", (1, 60, 9)),
    ("nn.ConvTranspose2d", "30, 64, (3, 5), groups=2", (1, 30, 9, 8)),
    ("nn.ConvTranspose3d", "8, 64, 3", (1, 8, 5, 6, 4)),
    ("nn.BatchNorm2d", "300", (2, 300, 4, 5)),
    ("nn.GroupNorm", "2, 300", (2, 300, 4, 5)),
    ("nn.LayerNorm", "300", (2, 300)),
    ("nn.RMSNorm", "300", (2, 300)),
    ("nn.PReLU", "300", (2, 300)),
    ("nn.LSTM", "200, 160", (3, 2, 200)),
    ("nn.GRU", "200, 160", (3, 2, 200)),
    ("nn.RNNCell", "200, 160", (2, 200)),
    ("nn.MultiheadAttention", "160, 4", (3, 2, 160), (3, 2, 160), (3, 2, 160)),
    ("nn.TransformerEncoderLayer", "160, 4, 320", (3, 2, 160)),
]
"""Class, arguments, shapes of its inputs."""
FEW = 1000
"""The spread of fewer values is known less well."""


@pytest.mark.parametrize("made", MADE, ids=[m[0] for m in MADE])
def test_start(made: tuple[Any, ...]) -> None:
    name, arguments, *shapes = made
    source = f"""{HEADER}
KINDS = {{"this": {name}, "none": nn.Identity}}


def make(kind):
    return KINDS[kind]({arguments})
"""
    text = translate(source).text
    assert "# xlate" not in text
    theirs, ours = load(source, "torch"), load(text, "tf")
    module, layer = theirs.make("this"), ours.make("this")
    rng = np.random.default_rng(3)
    inputs = [np.arange(4).reshape(1, 4) if s is None else rng.normal(size=s).astype("float32") for s in shapes]
    module.eval()(*(torch.tensor(x) for x in inputs))
    spatial = "Conv" in name or "Norm2d" in name or "Group" in name
    layer(*(np.moveaxis(x, 1, -1) if spatial else x for x in inputs))
    pairs = weights.pair_up(module, layer).pairs
    unload(theirs)
    unload(ours)
    assert pairs
    for pair in pairs:
        expected = pair.tensor.detach().numpy().astype("float64")
        actual = pair.to_torch(np.asarray(pair.slot.read(), "float64"))
        few = expected.size < FEW
        message = f"{pair.torch_path} {actual.std()} {expected.std()}"
        np.testing.assert_allclose(actual.std(), expected.std(), rtol=0.4 if few else 0.04, err_msg=message)
        bounds = np.abs(actual).max(), np.abs(expected).max()
        np.testing.assert_allclose(*bounds, rtol=0.25, err_msg=pair.torch_path)
