"""``self.eval()`` in a constructor: dropped where nothing calls the object while it is fresh, else refused."""

from __future__ import annotations

import numpy as np
import pytest

from snippets import refuses, run
from translator.model import Severity

NET = """import torch
import torch.nn as nn

class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.body = nn.Sequential(nn.Linear(3, 4), nn.Dropout(0.5))
        {mode}

    def forward(self, x):
        return self.body(x)

    @classmethod
    def made(cls):
        net = cls()
        net.eval()
        return net
"""
BIG = """
class Big(nn.Module):
    def __init__(self):
        super().__init__()
        self.net = Net()

    def forward(self, x):
        return self.net(x)
"""


@pytest.mark.parametrize("mode", ["self.eval()", "self.train(False)"])
def test_it_goes(mode: str) -> None:
    translation = run(NET.format(mode=mode) + BIG)
    assert not [d for d in translation.diagnostics if d.severity is Severity.ERROR], translation.diagnostics
    assert "eval()" not in translation.text and ".train(" not in translation.text


def test_it_runs_in_that_mode() -> None:
    """A call that says nothing of the mode runs as PyTorch's does: without dropout."""
    tf = pytest.importorskip("tensorflow")
    pytest.importorskip("torch")
    from translator.compare import load, unload

    source = NET.format(mode="self.eval()")
    theirs, ours = load(source, "torch"), load(run(source).text, "tf")
    import torch

    x = np.random.default_rng(0).standard_normal((5, 3)).astype("float32")
    for make in ("Net", "Net.made"):
        model, layer = (eval(f"m.{make}()", {"m": m}) for m in (theirs, ours))
        y = np.asarray(layer(tf.constant(x)))
        assert (model(torch.tensor(x)) != 0).all() and (y != 0).all()
        np.testing.assert_array_equal(y, np.asarray(layer(tf.constant(x))))
    unload(theirs)
    unload(ours)


CALLED = ["y = Big()(torch.randn(2, 3))\n", "net = Big()\nnet.train()\ny = net(torch.randn(2, 3))\n"]


@pytest.mark.parametrize("use", CALLED)
def test_called_fresh(use: str) -> None:
    refuses(NET.format(mode="self.eval()") + BIG + use, "XL221", 8)


PART = """import torch.nn as nn

class Wrapped(nn.Module):
    def __init__(self, net: nn.Module):
        super().__init__()
        self.net = {net}

    def forward(self, x):
        return self.net(x)
"""


def test_a_part() -> None:
    assert "self.net = net\n" in run(PART.format(net="net.eval()")).text
    assert not run(PART.format(net="net.eval()")).refused
    refuses(PART.format(net="[net.eval()]"), "XL221", 6)
    refuses(PART.format(net="net.eval()") + "\ny = Wrapped(nn.Linear(2, 3))(x)\n", "XL221", 6)


def test_other_modes_are_refused() -> None:
    refuses(NET.format(mode="self.train()"), "XL221", 8)
    refuses(NET.format(mode="pass").replace("net.eval()", "net(torch.ones(1, 3))\n        net.eval()"), "XL221", 17)
