"""Methods of what may be a tensor or something else ask when they run: both alternatives are executed."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from snippets import refuses, run
from translator import Severity

SOURCE = """
from typing import Union
import numpy as np
import torch


class Part:
    def __init__(self, data):
        self.data_ = data

    def size(self, axis):
        return 10 + axis

    def view(self, *sizes):
        return self.data_.reshape(sizes)

    def squeeze(self, axis):
        return self

    def to(self, device):
        return "moved"

    def share_memory_(self):
        return "shared"

    def each(self, function):
        return function(self)

    def device(self):
        return "here"

    def t(self):
        return self

    def contiguous(self):
        return self.data_


def size(x):
    return x.size(1)


def view(x):
    return x.view(-1, 2)


def total(x):
    return x.sum(1)


def peak(x):
    return x.max()


def chain(x):
    return x.t().contiguous()


def attribute(x):
    return x.inner.max() * 2 + x.inner.size(0)


def move(x, device):
    return x.to(device)


def item(xs, i):
    return xs[i].squeeze(1)


def each(xs):
    return list(map(lambda x: x.contiguous(), xs))


def last(xs, n):
    return xs[-1].max() + xs[:n, 1:].sum()


def whole(x):
    return x.to(torch.int64)


def either(x: Union[torch.Tensor, np.ndarray], i: torch.Tensor):
    return x.reshape(-1)[2] + x[i].max()


def shared(part: Part):
    return part.each(lambda x: x.share_memory_()), part.device()


def shaped(x, sizes):
    return x.view(*sizes)
"""


class Holder:
    def __init__(self, inner: Any) -> None:
        self.inner = inner


def value(x: Any) -> Any:
    return np.asarray(x.detach() if hasattr(x, "detach") else x)


def test_both_alternatives() -> None:
    torch = pytest.importorskip("torch")
    tf = pytest.importorskip("tensorflow")
    translation = run(SOURCE)
    assert not [d for d in translation.diagnostics if d.severity is Severity.ERROR]
    assert sum(d.code == "XL410" for d in translation.diagnostics) == 18
    theirs: dict[str, Any] = {}
    ours: dict[str, Any] = {}
    exec(SOURCE, theirs)
    exec(translation.text, ours)
    array = np.random.default_rng(3).normal(size=(4, 6))
    x, y = torch.tensor(array), tf.constant(array)
    for name in ("size", "view", "total", "peak", "chain"):
        np.testing.assert_allclose(value(ours[name](y)), value(theirs[name](x)), rtol=1e-12, err_msg=name)
    for name in ("size", "view", "chain"):
        expected, actual = theirs[name](theirs["Part"](array)), ours[name](ours["Part"](array))
        np.testing.assert_array_equal(value(actual), value(expected), err_msg=name)
    for name in ("total", "peak"):
        np.testing.assert_array_equal(ours[name](array), theirs[name](array))
    np.testing.assert_allclose(
        value(ours["attribute"](Holder(y))), value(theirs["attribute"](Holder(x))), rtol=1e-12
    )
    assert ours["move"](ours["Part"](array), "cpu") == "moved" and ours["move"](y, "cpu") is y
    assert value(ours["item"]([y[:, :1]], 0)).shape == value(theirs["item"]([x[:, :1]], 0)).shape == (4,)
    np.testing.assert_allclose(value(ours["last"](y, 2)), value(theirs["last"](x, 2)), rtol=1e-12)
    np.testing.assert_array_equal(value(ours["whole"](10 * y)), value(theirs["whole"](10 * x)))
    np.testing.assert_array_equal(value(ours["shaped"](y, (8, 3))), value(theirs["shaped"](x, (8, 3))))
    places = np.array([2, 0])
    for of in (lambda t: t, np.asarray):
        expected, actual = theirs["either"](of(x), torch.tensor(places)), ours["either"](of(y), tf.constant(places))
        np.testing.assert_allclose(value(actual), value(expected), rtol=1e-12)
    assert ours["shared"](ours["Part"](array)) == ("shared", "here")
    found = ours["each"]([y, ours["Part"](array)])
    assert found[0] is y and found[1] is array


REFUSED = {
    "a call may do something": "def f(make):\n    return make().sum(1)\n",
    "a layer's own type": "def f(x):\n    return x.float()\n",
    "what freezes a layer": "def f(x):\n    return x.requires_grad_(False)\n",
    "layers' and optimizers' methods": "def f(x):\n    return x.state_dict()\n",
    "what is passed is hidden": "def f(x, a):\n    return x.max(*a)\n",
    "what is asked costs something": "def f(x, y):\n    return (x / y).sum(1)\n",
}


@pytest.mark.parametrize("name", REFUSED)
def test_refused(name: str) -> None:
    refuses("import torch\n\n" + REFUSED[name], "XL205", 4)


INITIALISED = """
import torch
from torch import nn, Tensor


def constant(value, fill):
    if isinstance(value, Tensor):
        value.data.fill_(fill)


def spread(value):
    nn.init.normal_(value)


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.w = nn.Parameter(torch.zeros(3, 4))
        constant(self.w, 0.5)
        spread(self.w)

    def forward(self, x):
        return x @ self.w
"""


def test_functions_that_initialise_what_they_are_given() -> None:
    """A variable of TensorFlow changes where it is, so that its holders see it; it counts as a tensor."""
    tf = pytest.importorskip("tensorflow")
    translation = run(INITIALISED)
    assert not [d for d in translation.diagnostics if d.severity is Severity.ERROR], translation.diagnostics
    ours: dict[str, Any] = {}
    exec(translation.text, ours)
    net = ours["Net"]()
    assert np.ptp(net.w.numpy()) > 0
    ours["constant"](net.w, 2.5)
    np.testing.assert_array_equal(net(tf.ones((2, 3))), np.full((2, 4), 7.5))
