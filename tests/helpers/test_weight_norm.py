"""Normalised weights, from how they start to their removal; the rows' samples compare values and gradients."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch")
tf = pytest.importorskip("tensorflow")

from translator import Severity, translate, weights  # noqa: E402
from translator.compare import load, unload  # noqa: E402

SOURCE = """
import torch
from torch import nn
from torch.nn.utils import remove_weight_norm, weight_norm
from torch.nn.utils.parametrizations import weight_norm as parametrized


class Net(nn.Module):
    def __init__(self, norm=weight_norm):
        super().__init__()
        self.a = norm(nn.Conv1d(30, 50, 3, padding=1))
        self.b = nn.ModuleList([parametrized(nn.Linear(50, 7)) for _ in range(2)])
        self.c = weight_norm(nn.ConvTranspose1d(7, 5, 4, 2, padding=1))
        nn.init.normal_(self.a.weight, 0.0, 100.0)

    def forward(self, x):
        x = torch.relu(self.a(x)).transpose(1, 2)
        return self.c(sum(b(x) for b in self.b).transpose(1, 2))

    def strip(self):
        remove_weight_norm(self.a)
        remove_weight_norm(self.c)
"""


@pytest.fixture
def nets() -> Any:
    translation = translate(SOURCE, layout="channels_first")
    assert not [d for d in translation.diagnostics if d.severity is Severity.ERROR], translation.diagnostics
    theirs, ours = load(SOURCE, "torch"), load(translation.text, "tf")
    yield theirs.Net(), ours.Net()
    unload(theirs)
    unload(ours)


X = np.random.default_rng(3).normal(size=(2, 30, 9)).astype("float32")


def outputs(theirs: Any, ours: Any) -> tuple[Any, Any]:
    return ours(X).numpy(), theirs(torch.tensor(X)).detach().numpy()


def test_start_weights_and_removal(nets: Any) -> None:
    theirs, ours = nets
    ours(X)
    bound = np.abs(ours.a.weight_v.numpy()).max()
    assert bound < 1, "an initialiser that comes after the normalisation changes nothing, in PyTorch neither"
    np.testing.assert_allclose(ours.a.weight_g.numpy(), np.sqrt((ours.a.weight_v.numpy() ** 2).sum((0, 1))), rtol=1e-5)
    with torch.no_grad():
        theirs.a.weight_g.mul_(1.5)
    report = weights.copy(theirs, ours)
    assert report.ok, report
    names = {name for name, _ in report.matched}
    assert {"a.weight_g", "a.weight_v", "b.1.parametrizations.weight.original0"} <= names
    np.testing.assert_allclose(*outputs(theirs, ours), rtol=1e-4, atol=1e-5)
    theirs.strip()
    ours.strip()
    np.testing.assert_allclose(*outputs(theirs, ours), rtol=1e-4, atol=1e-5)
    report = weights.copy(theirs, ours)
    assert report.ok and "a.weight" in {name for name, _ in report.matched}, report
    with pytest.raises(ValueError, match="not normalised"):
        ours.strip()


def test_removed_before_the_first_call(nets: Any) -> None:
    theirs, ours = nets
    theirs.strip()
    ours.strip()
    ours(X)
    report = weights.copy(theirs, ours)
    assert report.ok, report
    np.testing.assert_allclose(*outputs(theirs, ours), rtol=1e-4, atol=1e-5)


def test_a_built_layer_keeps_its_values() -> None:
    from translator.helpers.tf.weight_norm import weight_norm

    layer = tf.keras.layers.Dense(4)
    before = layer(X)
    layer.bias.assign([1.0, 2.0, 3.0, 4.0])
    np.testing.assert_allclose(weight_norm(layer)(X), before + layer.bias, rtol=1e-4, atol=1e-5)
    with pytest.raises(ValueError, match="only the weight"):
        weight_norm(layer, dim=1)


def test_the_layer_that_is_given_stays_as_it_is() -> None:
    source = "from torch import nn\n\ndef f(layer: nn.Linear):\n    nn.utils.weight_norm(layer)\n    return layer\n"
    assert [d.code for d in translate(source).diagnostics] == ["XL206"]


def test_removal_is_read_back_where_the_size_of_the_layer_is_known() -> None:
    source = (
        "import torch\nfrom torch import nn\n\n\nclass Net(nn.Module):\n    def __init__(self):\n"
        "        super().__init__()\n        made = nn.utils.weight_norm(nn.Linear(4, 5))\n"
        "        self.layer = nn.utils.remove_weight_norm(made)\n\n"
        "    def forward(self, x):\n        return self.layer(x)\n\n\n"
        "def run():\n    net = Net()\n    return net, net(torch.arange(8.0).reshape(2, 4))\n"
    )
    back = translate(translate(source, "torch2tf").text, "tf2torch")
    assert not [d for d in back.diagnostics if d.severity is Severity.ERROR]
    assert "tensorflow" not in back.text
    space: dict[str, Any] = {}
    exec(back.text, space)
    net, out = space["run"]()
    state = net.state_dict()
    assert sorted(state) == ["layer.bias", "layer.weight"]
    torch.testing.assert_close(out, torch.arange(8.0).reshape(2, 4) @ state["layer.weight"].T + state["layer.bias"])
