"""Functions that change what they are given: their callers see it, or are refused."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from snippets import refuses
from translator import Severity, translate

HEAD = "import torch\nfrom torch import nn, Tensor\n\n\n"
LOST = {
    "nn.init on a parameter": (
        "def spread(value):\n    nn.init.constant_(value, 3.0)\n\n\n"
        "def f():\n    t = torch.zeros(2)\n    spread(t)\n    return t\n", 11,
    ),
    "a method": (
        "def spread(value):\n    value.fill_(3.0)\n\n\n"
        "def f():\n    t = torch.zeros(2)\n    spread(t)\n    return t\n", 11,
    ),
    "of what nothing is known": (
        "def spread(value):\n    value.fill_(3.0)\n\n\ndef f(x):\n    t = x * 2\n    spread(t)\n    return t\n", 11,
    ),
    "an item": (
        "def first(value: Tensor):\n    value[0] = 1.0\n\n\n"
        "def f(x: Tensor):\n    y = x * 2\n    first(y)\n    return y\n", 11,
    ),
    "another name of it": ("def f():\n    t = torch.zeros(2)\n    u = t\n    nn.init.ones_(t)\n    return u\n", 8),
    "a variable by one caller, a tensor by another": (
        "def spread(value):\n    nn.init.constant_(value, 3.0)\n\n\n"
        "def f():\n    w = nn.Parameter(torch.zeros(3))\n    spread(w)\n    t = torch.zeros(2)\n    spread(t)\n"
        "    return w, t\n", 13,
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", LOST)
def test_what_the_caller_would_not_see_is_refused(name: str) -> None:
    source, line = LOST[name]
    refuses(HEAD + source, "XL206", line)


def test_variables_change_where_they_are() -> None:
    tf = pytest.importorskip("tensorflow")
    translation = translate(
        HEAD + "def spread(value, to):\n    nn.init.constant_(value, to)\n\n\n"
        "def old(value: Tensor, to):\n    if isinstance(value, Tensor):\n        value.data.fill_(to)\n\n\n"
        "class Net(nn.Module):\n    def __init__(self):\n        super().__init__()\n"
        "        self.a = nn.Parameter(torch.zeros(3))\n        self.b = nn.Parameter(torch.zeros(3))\n"
        "        spread(self.a, 2.0)\n        old(self.b, 3.0)\n\n"
        "    def forward(self, x):\n        return x * self.a + self.b\n\n\n"
        "def made():\n    t = torch.zeros(2)\n    nn.init.ones_(t)\n    return t + 1\n"
    )
    assert not [d for d in translation.diagnostics if d.severity is Severity.ERROR], translation.diagnostics
    ours: dict[str, Any] = {}
    exec(translation.text, ours)
    np.testing.assert_array_equal(ours["Net"]()(tf.ones((2, 3))), np.full((2, 3), 5.0))
    np.testing.assert_array_equal(ours["made"](), [2.0, 2.0])


def test_a_tensor_that_comes_at_run_time_is_an_error() -> None:
    tf = pytest.importorskip("tensorflow")
    ours: dict[str, Any] = {}
    source = "def old(value):\n    if isinstance(value, Tensor):\n        value.data.fill_(2.0)\n"
    exec(translate(HEAD + source).text, ours)
    variable = tf.Variable([1.0, 1.0])
    ours["old"](variable)
    np.testing.assert_array_equal(variable, [2.0, 2.0])
    with pytest.raises(TypeError, match="must be a variable"):
        ours["old"](tf.ones(2))


def test_an_array_that_gets_another_meaning_may_change() -> None:
    head = "import numpy as np\nimport torch\n\n\ndef f(x):\n    x = np.asarray(x)\n"
    refuses(head + "    t = torch.from_numpy(x)\n    x[0] = 1\n    return t\n", "XL206", 7)
    result = translate(head + "    x = torch.from_numpy(x)\n    x[0] = 1\n    return x\n")
    assert not result.refused, result.text


def test_hasattr_asks_for_what_keras_layers_lack() -> None:
    loop = "    for v in value.parameters() if hasattr(value, 'parameters') else []:\n        print(v)\n"
    source = f"def f(value):\n{loop}"
    refuses("import torch\n" + source, "XL205", 3)
