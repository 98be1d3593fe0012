"""Functions that change what they are given: their callers see it, or are refused."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from snippets import both, refuses
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


def test_parts_of_parts() -> None:
    """``x[i][j] = v`` changes x where x[i] is a view of it."""
    tf, torch = pytest.importorskip("tensorflow"), pytest.importorskip("torch")
    source = (
        HEAD + "def f(x: Tensor, m: Tensor):\n    y = torch.zeros(4, 5)\n    for i in range(4):\n"
        "        y[i][:i] = x[i, :i] + 1\n    y[:, 1][torch.tensor([0, 2])] = 7.0\n    y[1:3][m] = 5.0\n    return y\n"
    )
    theirs, ours = both(source)
    x, m = np.random.default_rng(0).standard_normal((4, 5)).astype("float32"), np.array([True, False])
    expected = theirs["f"](torch.tensor(x), torch.tensor(m)).numpy()
    np.testing.assert_allclose(ours["f"](tf.constant(x), tf.constant(m)), expected, rtol=1e-6)
    copied = "def f(x: Tensor, i: Tensor):\n    y = x * 2\n    y[i][0] = 3.0\n    return y\n"
    refuses(HEAD + copied, "XL206", 7)


def test_what_is_declared_counts_where_it_is_used() -> None:
    """As another of its declared kinds than was seen, or set in a way that is not seen."""
    source = (
        "from typing import Union\nimport torch\nfrom torch import Tensor\n\n\n"
        "class Kept:\n    def __init__(self, add):\n        self.total: Tensor\n"
        "        add(self, 'total', torch.zeros(3))\n\n"
        "    def row(self, i):\n        return self.total.view(1, -1)\n\n\n"
        "def sizes(x: Union[Tensor, dict[str, Tensor]], named):\n    if named:\n"
        "        return {k: v.size(0) + len(x.keys()) for k, v in x.items()}\n    return x.size(0)\n\n\n"
        "def plain(x: Tensor):\n    return sizes(x, False)\n"
    )
    result = translate(source)
    assert not result.refused, result.diagnostics
    assert "tf.reshape(self.total, (1, -1))" in result.text
    assert "keras.ops.shape(v)[0] + len(x.keys()) for k, v in x.items()" in result.text


def test_functions_that_work_in_place() -> None:
    tf, torch = pytest.importorskip("tensorflow"), pytest.importorskip("torch")
    source = (
        HEAD + "def f(x: Tensor):\n    y = x + 1\n    torch.sigmoid_(y)\n    torch.exp_(y)\n"
        "    z = torch.clamp_(y * 2, min=3.0)\n    return torch.sqrt_(z)\n"
    )
    theirs, ours = both(source)
    x = np.random.default_rng(2).standard_normal((3, 4))
    expected = theirs["f"](torch.tensor(x)).numpy()
    np.testing.assert_allclose(ours["f"](tf.constant(x)), expected, rtol=1e-12)
    kept = "def f(x: Tensor):\n    y = torch.tanh_(x)\n    return x + y\n"
    refuses(HEAD + kept, "XL206", 6)
