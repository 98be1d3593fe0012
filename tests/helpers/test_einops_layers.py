"""Layers of einops: imported for TensorFlow, with the same patterns."""

from __future__ import annotations

import numpy as np
import pytest

from translator import Severity, translate
from translator.compare import load, unload
from translator.compare.precision import precision

PROGRAM = """
import torch
from torch import nn
from einops.layers.torch import Rearrange, Reduce as Mean


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.patches = nn.Sequential(Rearrange("b c (h p) (w q) -> b (h w) (p q c)", p=2, q=2), nn.ReLU())
        self.mean = Mean("b n c -> b c", reduction="mean")

    def forward(self, x):
        rows = self.patches(x)
        return self.mean(rows), rows.view(rows.shape[0], -1)
"""


@pytest.mark.parametrize("layout", ["channels_first", "channels_last"])
def test_rearrange_and_reduce(layout: str) -> None:
    tf = pytest.importorskip("tensorflow")
    pytest.importorskip("einops")
    import torch

    translation = translate(PROGRAM, layout=layout)
    assert not [d for d in translation.diagnostics if d.severity is Severity.ERROR], translation.text
    assert "einops.layers.torch" not in translation.text
    x = np.random.default_rng(3).standard_normal((2, 3, 4, 6))
    given = x.transpose(0, 2, 3, 1) if "axes={-1: 3}" in translation.text else x
    with precision("float64"):
        source, target = load(PROGRAM, "torch"), load(translation.text, "tf")
        expected = source.Net()(torch.tensor(x))
        actual = target.Net()(tf.constant(given))
    unload(source)
    unload(target)
    for one, two in zip(expected, actual, strict=True):
        np.testing.assert_allclose(two, one.numpy(), rtol=1e-12)


def test_layers_with_weights_are_refused() -> None:
    source = "from einops.layers.torch import EinMix\n\nlayer = EinMix('b c -> b d', weight_shape='c d', c=3, d=4)\n"
    errors = [d.code for d in translate(source).diagnostics if d.severity is Severity.ERROR]
    assert errors and errors[0] == "XL203"
