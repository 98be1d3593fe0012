"""What a program declares of its values is taken at its word: annotations, aliases of types, tests for a type."""

from __future__ import annotations

import pytest

from snippets import refuses, rewrites, run
from translator.model import Severity

HEAD = """from typing import Callable, Dict, Final, List, Optional, Sequence, Tuple, Union
import numpy as np
import torch
import torch.nn as nn
from torch import Tensor
"""

TENSORS = {
    "what a function returns": "def nms(a, b) -> Tensor:\n    return outside(a, b)\n\n"
    "def f(a, b):\n    return nms(a, b).view(1, -1)\n",
    "an abstract method": "class A:\n    def make(self) -> Tensor:\n        raise NotImplementedError\n\n"
    "    def use(self):\n        return self.make().view(1, -1)\n",
    "a method with a docstring": 'class A:\n    def make(self) -> Tensor:\n        """A tensor."""\n\n'
    "    def use(self):\n        return self.make().view(1, -1)\n",
    "a property": "class A:\n    @property\n    def rows(self) -> Tensor:\n        return self._rows()\n\n"
    "    def use(self):\n        return self.rows.view(1, -1)\n",
    "a method that something replaces": "class A:\n    def make(self) -> Tensor:\n        return outside()\n\n"
    "    def quick(self):\n        self.make = outside(self.make)\n\n"
    "    def use(self):\n        return self.make().view(1, -1)\n",
    "one of several results": "def pair(a) -> Tuple[Tensor, int]:\n    return outside(a)\n\n"
    "def f(a):\n    y, n = pair(a)\n    return y.view(n, -1)\n",
    "an alias": "OptTensor = Optional[Tensor]\n\ndef f(x: OptTensor = None):\n"
    "    return x.view(1, -1) if x is not None else None\n",
    "an alias of an alias": "Pair = Tuple[Tensor, Tensor]\nPairs = List[Pair]\n\ndef f(x: Pairs):\n"
    "    return [a.view(1, -1) + b.to(a.dtype) for a, b in x]\n",
    "generics in quotes": 'def f(x: "Dict[str, Optional[Tensor]]"):\n    return x["a"].view(1, -1)\n',
    "any number of arguments": "def f(*xs: Tensor, **named: Tensor):\n"
    "    return [x.view(1, -1) for x in xs] + [x.to(torch.float32) for x in named.values()]\n",
    "an attribute": "class A:\n    rows: Tensor\n    more: Optional[Tensor] = None\n\n"
    "    def __init__(self, rows):\n        self.rows = rows\n        self.last: Final[Tensor] = rows\n\n"
    "    def use(self):\n        if self.more is not None:\n            return self.more.view(1, -1)\n"
    "        return self.rows.view(1, -1) + self.last.to(torch.float32)\n",
    "what a caller does not show": "def g(x: Tensor):\n    return x.view(1, -1)\n\n"
    "def f(x, y):\n    return g(outside(x)) + g(y)\n",
    "a parameter that callers only leave out": "def g(x, y: Optional[Tensor] = None):\n"
    "    return x if y is None else y.view(1, -1)\n\ndef f(x: Tensor):\n    return g(x, None)\n",
    "one of several types": "def f(x: Union[Tensor, List[Tensor]]):\n    if isinstance(x, list):\n"
    "        x = torch.cat(x)\n    return x.to(torch.float32)\n",
    "no objects where tensors are declared": "def g(x: Tensor) -> Tensor:\n    return x.clone()\n\n"
    "def f(x: Tensor, some: List[nn.Module]):\n    return g(x) + g([x, some[0]][1])\n",
    "a part of one of several types": "def f(x: Union[Tensor, Tuple[Tensor, Tensor]]):\n    a, b = x\n"
    "    return a.view(1, -1), x[1].view(1, -1)\n",
    "layers that are set one by one": "class Net(nn.Module):\n    def __init__(self, names):\n"
    "        super().__init__()\n        self.parts = nn.ModuleDict()\n        for name in names:\n"
    "            self.parts[name] = nn.Linear(3, 4)\n\n    def forward(self, x, name: str):\n"
    "        return self.parts[name](x).view(1, -1)\n",
    "not one of several types": "def f(x: Union[str, np.ndarray, Tensor]):\n"
    "    if isinstance(x, (str, np.ndarray)):\n        return None\n    return x.view(1, -1)\n",
    "asked for": "def f(x):\n    if not torch.is_tensor(x):\n        raise TypeError(x)\n    return x.view(1, -1)\n",
    "numbers have no such method": "def f(x: Union[float, Tensor]):\n    return x.view(1, -1)\n",
    "a size that only classes without methods have": "class A:\n    def __init__(self):\n        self.size = 3\n\n"
    "def f(x):\n    return torch.zeros(x.size(0))\n",
    "a class that could not be used like this": "class A:\n    def size(self, dim):\n        return dim\n\n"
    "    def __getitem__(self, key: str):\n        return self\n\n"
    "def f(x, y, z):\n    a = torch.zeros(x.size(0), device=x.device)\n"
    "    return a + (y.size(1) * z[0] - y[0]) * z.size(0)\n",
    "a setting that nothing calls": "class A:\n    def __init__(self, size, **more):\n        self.size = size\n"
    "        self.view = outside(size)\n\ndef f(x):\n    return torch.zeros(x.size(0)) + x.view(3, -1)\n",
    "another tensor's type": "def f(x: Tensor, y, z):\n    return x + y.to(x.device, x.dtype) + z.to(torch.int64)\n",
    "what else is done with it": "def f(x):\n    top = x.max()\n    return top + x.new_zeros(x.size(0))\n",
    "a chain's own arguments": "def f(x):\n    return outside(x, 1).view(3, -1)\n",
}


@pytest.mark.parametrize("name", TENSORS)
def test_tensors(name: str) -> None:
    translation = run(HEAD + TENSORS[name])
    assert not [d for d in translation.diagnostics if d.severity is Severity.ERROR], translation.diagnostics
    assert ".view(" not in translation.text and ".to(" not in translation.text and ".size(" not in translation.text


REFUSED = {
    "a dict's method": ("def f(x: Union[Tensor, Dict[str, Tensor]]):\n    return x.values()\n", "XL209", 7),
    "a place that is a list's": ("def f(x: Union[Tensor, List[int]], i: Tensor):\n    x[i] = 3\n    return x\n",
                                 "XL206", 7),
    "an unknown alias": ("Some = outside()\n\ndef f(x: Some):\n    return x.view(y)\n", "XL205", 9),
    "a literal in quotes": ("def f(x: 'Callable[[int], Tensor]'):\n    return x.view(y)\n", "XL205", 7),
    "a layer's own type": ("def f(x):\n    return x.to(torch.float64)\n", "XL205", 7),
}  # fmt: skip


@pytest.mark.parametrize("name", REFUSED)
def test_refused(name: str) -> None:
    source, code, line = REFUSED[name]
    refuses(HEAD + source, code, line)


ASKED = {
    "another class's method": ("class A:\n    def view(self, *sizes):\n        return self\n\n"
                               "def f(x: Union[Tensor, A]):\n    return x.view(1, -1)\n"),
    "an array's method": ("def f(x: Union[Tensor, np.ndarray]):\n    return x.reshape(1, -1)\n"),
    "an index that only tensors take": ("def f(x: Union[Tensor, List[int]], i: Tensor):\n    return x[i]\n"),
    "a list's method": ("def f(x: Union[Tensor, List[int]]):\n    x.sort()\n    return x\n"),
    "a method that could be meant": ("class A:\n    def size(self, dim):\n        return dim\n\n"
                                     "def f(x):\n    return torch.zeros(x.size(0))\n"),
    "a class that could be used like this": ("class A:\n    def size(self, dim):\n        return dim\n\n"
                                             "    def __getitem__(self, key):\n        return self\n\n"
                                             "def f(x):\n    return torch.zeros(x.size(0)) + x[0]\n"),
    "a class of which not all is known": ("import json\nclass A(json.JSONEncoder):\n    def size(self, dim):\n"
                                          "        return dim\n\ndef f(x):\n    return x.size(0), x.device\n"),
    "a setting that is called": ("class A:\n    def __init__(self, size):\n        self.size = size\n\n"
                                 "    def use(self):\n        return self.size(3)\n\n"
                                 "def f(x):\n    return torch.zeros(x.size(0))\n"),
    "a name that is bound again": ("def f(x):\n    top = x.max()\n    x = torch.tensor(x)\n"
                                   "    return top + x.new_zeros(3)\n"),
    "a string's key": ("class A:\n    def size(self, dim):\n        return dim\n\n"
                       "def f(x):\n    return x.size(0), x['a']\n"),
}  # fmt: skip


@pytest.mark.parametrize("name", ASKED)
def test_asked_when_it_runs(name: str) -> None:
    translation = run(HEAD + ASKED[name])
    assert {d.code for d in translation.diagnostics} == {"XL410"}, translation.diagnostics
    assert " if tf.is_tensor(x) else x" in translation.text


def test_arrays_keep_their_methods() -> None:
    rewrites(
        "import numpy as np\nimport torch\n"
        "def f(x: np.ndarray):\n    return torch.sqrt(torch.zeros(3)) + x.reshape(3)\n",
        "def f(x: np.ndarray):\n    return tf.sqrt(keras.ops.zeros((3,))) + x.reshape(3)",
    )


def test_objects_with_attributes_of_their_own_are_no_tensors() -> None:
    translation = run(
        HEAD + "class Net(nn.Module):\n    def forward(self, data, batch):\n"
        "        return torch.tanh(data.x) + batch['image']\n"
    )
    assert "tf.tanh(data.x) + batch['image']" in translation.text
    assert not [d for d in translation.diagnostics if d.severity is Severity.ERROR], translation.diagnostics


def test_kinds_of_tensors_of_the_program_are_tensors() -> None:
    source = "class A(Tensor):\n    def numel(self):\n        return 3\n\ndef f(x):\n    return x.view(1, x.numel())\n"
    translation = refuses(HEAD + source, "XL204", 6)
    assert "return tf.reshape(x, (1, math.prod(keras.ops.shape(x))))" in translation.text


def test_dtypes_and_devices() -> None:
    translation = run(
        HEAD + "def f(x: Tensor, work: torch.dtype, place: torch.device):\n"
        "    wide = torch.promote_types(x.dtype, torch.float64)\n    return x.to(work).to(place).to(wide)\n"
    )
    assert "return tf.cast(tf.cast(x, work), wide)" in translation.text


def test_what_is_known_stays_what_it_is() -> None:
    """A test for a type makes no other tensor of it: changing its memory is still seen."""
    source = "def f(x: Tensor):\n    y = x\n    if isinstance(x, Tensor):\n        x.mul_(2)\n    return y\n"
    refuses(HEAD + source, "XL206", 9)
