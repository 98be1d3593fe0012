"""Classes of PyTorch that are passed around as values: what makes the layers takes PyTorch's arguments."""

from __future__ import annotations

import pytest

from translator import Severity, translate
from translator.compare import draw_inputs, load, precision, unload
from translator.compare.noise import fill

SOURCE = """
import torch
from torch import nn


class Net(nn.Module):
    def __init__(self, kind, more):
        super().__init__()
        self.layer = kind({args})
        self.other = kind({first}, **more)

    def forward(self, x):
        return torch.tanh(self.layer(x)) + self.other(x).mean()


def build():
    return Net(nn.{name}, {more})
"""
CASES = {
    "MaxPool1d": ("3, 2, padding=1", "2", {"ceil_mode": True}, "float[2,3,9]"),
    "MaxPool3d": ("3, 2, padding=1", "2", {"ceil_mode": True}, "float[2,3,6,7,5]"),
    "AvgPool1d": ("3, 2, padding=1", "2", {"count_include_pad": False}, "float[2,3,9]"),
    "AvgPool3d": ("3, 2, padding=1", "2", {"divisor_override": 3}, "float[2,3,6,7,5]"),
    "InstanceNorm1d": ("3, 1e-3, affine=True", "3", {"track_running_stats": True}, "float[2,3,9]"),
    "InstanceNorm3d": ("3, 1e-3, affine=True", "3", {"momentum": 0.3}, "float[2,3,6,7,5]"),
    "SyncBatchNorm": ("3, 1e-3", "3", {"affine": False}, "float[2,3,6,7]"),
    "Dropout1d": ("0.5", "0.3", {"inplace": False}, "float[2,3,9]"),
    "Dropout3d": ("0.5", "0.3", {"inplace": False}, "float[2,3,6,7,5]"),
    "AlphaDropout": ("0.5", "0.3", {"inplace": False}, "float[4,6]"),
}


@pytest.mark.parametrize("name", CASES)
def test_class_as_a_value(name: str) -> None:
    pytest.importorskip("tensorflow")
    from translator import weights
    from translator.compare.running import projected_gradients

    args, first, more, spec = CASES[name]
    source = SOURCE.format(name=name, args=args, first=first, more=more)
    result = translate(source, layout="channels_first")
    assert not [d for d in result.diagnostics if d.severity is Severity.ERROR], result.diagnostics
    assert f"Net({name}, " in result.text
    with precision("float64"):
        theirs, ours = load(source, "torch"), load(result.text, "tf")
        module, layer = theirs.build().double(), ours.build()
        arrays = draw_inputs({"x": spec}, seed=3)
        layer(arrays["x"], training=False)
        fill(module, seed=5)
        assert weights.copy(module, layer).ok
        pairs = weights.pair_up(module, layer).pairs
        for training in (False,) if "Dropout" in name or name == "SyncBatchNorm" else (False, True):
            module.train(training)
            found = projected_gradients(module, layer, pairs, arrays, name, training, grad=True, values=True)
            assert len(found) > 1 and not [str(q) for q in found if not q.ok(1e-9)]
        unload(theirs)
        unload(ours)


def test_whole_channels_are_dropped() -> None:
    tf = pytest.importorskip("tensorflow")
    import numpy as np

    from translator.helpers.tf.adapters_more import Dropout1d

    out = Dropout1d(0.5)(tf.ones((40, 3, 5)), training=True).numpy()
    whole = [np.ptp(out, axis=axis).max() == 0 for axis in (1, 2)]
    assert sorted(whole) == [False, True] and 0.3 < (out == 0).mean() < 0.7
