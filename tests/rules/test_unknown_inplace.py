"""``x += y`` on what is perhaps a tensor: proven to be seen by nothing else, or refused."""

from __future__ import annotations

import pytest

from snippets import refuses, run
from translator.model import Severity

HEAD = """import math
import torch
import torch.nn as nn

"""

FINE = [
    "def f(n):\n    total = 0\n    for m in n:\n        total += m.size\n    return total\n",
    "def f(v, low=None):\n    out = max(low, int(v + 2) // 4)\n    if out < v:\n        out += 4\n    return out\n",
    "def f(n, w):\n    n *= w\n    return int(n)\n",
    "def f(n, w):\n    n *= w\n    return math.ceil(n)\n",
    "def f(a, b):\n    c = a + b\n    c += a\n    return c\n",
    "def f(a, b):\n    c = a.foo()\n    c *= b\n    return c\n",
    "def f(a, b):\n    c = [a]\n    c += b\n    return c\n",
    "def f(names, a):\n    names += [a]\n    return names\n",
    "def f(a):\n    a += ', '\n    return a\n",
    "def f(args):\n    lr = args.lr\n    lr /= 4\n    return lr\n",
    "def f(opt):\n    opt.lr *= 0.1\n",
    "class Meter:\n    def __init__(self):\n        self.sum = 0\n\n"
    "    def add(self, v, n):\n        self.sum += v * n\n",
    "class N(nn.Module):\n    def __init__(self, norm):\n        super().__init__()\n        self.norm = norm(3)\n"
    "        self.fc = nn.Linear(3, 3)\n\n    def forward(self, x):\n        y = self.fc(x)\n"
    "        y = self.norm(y)\n        y += x\n        return y\n",
]

REFUSED = [
    ("def f(x, y):\n    x += y\n    return x\n", 6),
    ("def f(x):\n    x *= 2\n    return x\n", 6),
    ("def f(xs, y):\n    for x in xs:\n        x -= y\n", 7),
    ("def f(a, b):\n    c = a.view(3)\n    c += b\n    return a\n", 7),
    ("def f(a, g):\n    c = g(a)\n    c += a\n    return a\n", 7),
    ("def f(a):\n    c = a\n    c += torch.ones(3)\n    return a\n", 7),
    ("def f(d, k):\n    d[k] += torch.ones(3)\n", 6),
    ("class A:\n    def __init__(self, x):\n        self.x = x\n\n    def add(self, y):\n        self.x += y\n", 10),
]


@pytest.mark.parametrize("source", FINE, ids=range(len(FINE)))
def test_proven(source: str) -> None:
    translation = run(HEAD + source)
    assert not [d for d in translation.diagnostics if d.severity is Severity.ERROR], translation.diagnostics


@pytest.mark.parametrize(("source", "line"), REFUSED, ids=range(len(REFUSED)))
def test_refused(source: str, line: int) -> None:
    refuses(HEAD + source, "XL206", line)
