"""Small programs whose translations run beside them: outputs, gradients and buffers agree in float64."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import pytest

from snippets import run
from translator.model import Severity

HEAD = """import math
import torch
import torch.nn as nn
import torch.nn.functional as F
import torch.utils.checkpoint as cp
from collections import OrderedDict
from torch import Tensor
"""


@dataclass(frozen=True)
class Program:
    """A class ``Net``, its arguments, its inputs, and what its translation says."""

    source: str
    inputs: dict[str, Any] = field(default_factory=lambda: {"x": "float[2,3,5]"})
    init: dict[str, Any] = field(default_factory=dict)
    more: tuple[dict[str, Any], ...] = ()
    """Further inputs: where sizes differ, the graph is traced with these open."""
    says: tuple[str, ...] = ()
    never: tuple[str, ...] = ()


PROGRAMS = {
    "a function that asks for gradients, before a method that checkpoints": Program(
        """
class Net(nn.Module):
    def __init__(self, save: bool = False):
        super().__init__()
        self.norm = nn.BatchNorm1d(3, momentum=0.0)
        self.save = save

    def run(self, inputs: list[Tensor]) -> Tensor:
        return self.norm(torch.cat(inputs, 2))

    def asks(self, inputs: list[Tensor]) -> bool:
        for tensor in inputs:
            if tensor.requires_grad:
                return True
        return False

    @torch.jit.unused
    def saving(self, inputs: list[Tensor]) -> Tensor:
        def closure(*inputs):
            return self.run(inputs)

        return cp.checkpoint(closure, *inputs, use_reentrant=False)

    @torch.jit._overload_method
    def forward(self, x: list[Tensor]) -> Tensor:
        pass

    def forward(self, x: Tensor) -> Tensor:
        if self.save and self.asks([x]):
            return self.saving([x])
        return self.run([x])
""",
        init={"save": True},
        says=("        if self.save:\n", "def closure(*inputs):", "return self.run(inputs, training=training)"),
        never=("asks", "pass\n"),
    ),
    "weights that are read before the layer is called, or never called at all": Program(
        """
class Net(nn.Module):
    def __init__(self, stem: bool = True):
        super().__init__()
        if stem:
            seq = nn.Sequential()
            for i in range(2):
                seq.add_module(f"conv{i}", nn.Conv2d(3, 3, 1))
            seq.add_module("last", nn.Conv2d(3, 4, 1))
            self.proj: nn.Module = seq
        else:
            self.proj = nn.Conv2d(3, 4, 1)
        heads: OrderedDict[str, nn.Module] = OrderedDict()
        if stem:
            heads["head"] = nn.Linear(4, 6)
        else:
            heads["pre"] = nn.Linear(4, 5)
            heads["head"] = nn.Linear(5, 6)
        self.heads = nn.Sequential(heads)
        if isinstance(self.proj, nn.Conv2d):
            nn.init.normal_(self.proj.weight, std=math.sqrt(1 / self.proj.in_channels))
        elif self.proj.last is not None and isinstance(self.proj.last, nn.Conv2d):
            nn.init.normal_(self.proj.last.weight, std=math.sqrt(2.0 / self.proj.last.out_channels))
        if hasattr(self.heads, "pre") and isinstance(self.heads.pre, nn.Linear):
            nn.init.normal_(self.heads.pre.weight, std=math.sqrt(1 / self.heads.pre.in_features))
        self.qkv = nn.Linear(6, 9)
        length = self.qkv.bias.numel() // 3
        self.qkv.bias[length : 2 * length].data.zero_()
        self.table = nn.Parameter(torch.ones(4, 3))
        with torch.no_grad():
            self.table[1] = 0.5
            self.table[2:].mul_(3)
        for m in self.modules():
            if isinstance(m, nn.Linear):
                nn.init.zeros_(m.bias)

    def forward(self, x):
        x = self.heads(self.proj(x).mean((2, 3)))
        x = F.linear(x, self.qkv.weight, self.qkv.bias)
        return x[:, :3] @ self.table.T
""",
        inputs={"x": "float[2,3,4,5]"},
        says=(
            "self.qkv = Linear(6, 9)", 'set_initializer(m, "bias", "zeros")',
            "math.sqrt(2.0 / self.proj.last.filters)", "self.qkv.bias.assign(slice_assign(",
            "self.table.assign(slice_assign(self.table, 1, 0.5))",
        ),
    ),
    "the size of a layer's input, where it is not written out": Program(
        """
class Block(nn.Module):
    def __init__(self, dim: int):
        super().__init__()
        self.fc = nn.Linear(dim, 7)
        self.out = nn.Linear(7, 2)

    def forward(self, x):
        return self.out(self.fc(x) / self.fc.in_features + self.out.in_features)

class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.a, self.b = Block(5), Block(2)

    def forward(self, x):
        return self.b(self.a(x))
""",
        says=("self.fc = Linear(dim, 7)", "self.out = keras.layers.Dense(2)", "/ self.fc.in_features + 7)"),
    ),
    "a function that changes its argument and returns it, as a statement; a module of unknown class": Program(
        """
def add_to(x: Tensor, y: Tensor, whole: bool):
    if whole:
        x.add_(y)
    else:
        x[:, 1:] += y[:, 1:]
    return x

class Wrap(nn.Module):
    def __init__(self, inner: nn.Module, make):
        super().__init__()
        self.inner = inner
        self.made = make(5, 5)
        self.reshape = nn.Identity()

    def forward(self, x):
        y = self.inner(x)
        y = y.permute(0, 2, 1).reshape(len(x), 5, -1).permute(0, 2, 1)
        y = self.made(y)
        return y.reshape(len(x), -1)

class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.wrap = Wrap(nn.Linear(5, 5), nn.Linear)

    def forward(self, x):
        y = torch.sin(x)
        add_to(y, x, False)
        add_to(y, x, whole=True)
        return self.wrap(y)
""",
        says=("        y = add_to(y, x, False)\n", "        y = add_to(y, x, whole=True)\n"),
    ),
    "what is computed without gradients has none, however it leaves the block": Program(
        """
@torch.no_grad()
def stats(x):
    return x.mean(), x.std()

def center(x):
    with torch.no_grad():
        m = x.mean()
    return x - m

class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.back = nn.Linear(5, 6)
        self.fc = nn.Linear(6, 6)

    def encode(self, x):
        with torch.no_grad():
            return self.back(x)

    def both(self, x):
        with torch.no_grad():
            y = self.back(x)
            return y, y.sigmoid()

    @torch.no_grad()
    def keys(self, x):
        return {"k": self.fc(x)}

    def forward(self, x):
        y = self.fc(self.encode(x))
        m, s = stats(y)
        outs = []
        with torch.no_grad():
            z = self.fc(y)
            outs.append(z)
            self.seen = z
        a, b = self.both(x)
        return (y - m) / s + outs[0] * y + self.seen * a + center(y) * b + self.keys(y)["k"] * x.mean()
""",
        says=("@no_gradient\n", "return tf.stop_gradient(self.back(x))", "outs.append(tf.stop_gradient(z))"),
    ),
    "integers and bools beside floats of unknown type": Program(
        """
class Half(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x):
        ctx.save_for_backward(x)
        return x.clamp(min=0)

    @staticmethod
    def backward(ctx, g):
        (x,) = ctx.saved_tensors
        return g * (x > 0) + 0.5 * g * ~(x > 0)

class Net(nn.Module):
    def forward(self, x):
        n = torch.arange(5)
        a = x * n + (x > 0)
        b = torch.arange(5) ** 2 + x.exp()
        c = (x > 0) + (x > 1)
        a *= x < 0.5
        a[0] += n
        return a, b, c, x > n - 2, n * x.cos() - torch.tensor(3), Half.apply(x)
""",
        says=("keras.ops.multiply(x, n)", "tf.cast(x > 0, g.dtype)", "(x > 0) | (x > 1)"),
    ),
    "the oldest constructor, names looked up, fans, buffers that count, steps by name": Program(
        """
class Base(nn.Module):
    def __init__(self, dim):
        nn.Module.__init__(self)
        self.weight = nn.Parameter(torch.empty(4, dim))
        nn.init.kaiming_uniform_(self.weight, a=math.sqrt(5))
        fan_in, _ = nn.init._calculate_fan_in_and_fan_out(self.weight)
        self.bias = nn.Parameter(torch.empty(4))
        nn.init.uniform_(self.bias, -1 / math.sqrt(fan_in), 1 / math.sqrt(fan_in))
        self.register_buffer("count", torch.zeros(4))
        self.act = getattr(nn, "LeakyReLU")(0.2)
        self.gate = getattr(torch, "sigmoid")

class Net(Base):
    def __init__(self):
        Base.__init__(self, 5)
        self.steps = nn.Sequential(OrderedDict([("up", nn.Linear(4, 6)), ("act", nn.Tanh())]))

    def forward(self, x):
        y = self.gate(self.act(F.linear(x, self.weight, self.bias)))
        if self.training:
            with torch.no_grad():
                self.count += y.mean(dim=(0, 1))
        kept = []
        for name, step in self.steps.named_children():
            y = step(y)
            kept.append(y)
        return [k.flatten(1) for k in kept], self.steps.act(y)
""",
        says=("keras.Model.__init__(self)", "self.count.assign_add("),
    ),
    "ranks that follow from what layers are made without; a vector through a linear layer": Program(
        """
class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.body = nn.Sequential(nn.Linear(5, 4), nn.Flatten(), nn.Linear(12, 7))
        self.flat = nn.Flatten()
        self.fc = nn.Linear(5, 3)

    def forward(self, x):
        return self.body(x).transpose(0, 1), self.flat(x).transpose(-2, 1), self.fc(torch.einsum("ncl->l", x))
""",
    ),
    "branches and loops by what tensors hold, and by sizes that are open in a graph": Program(
        """
class Part(nn.Module):
    def __init__(self, dim):
        super().__init__()
        self.fc = nn.Linear(dim, dim)

    def bounded(self, y):
        if not (y.abs() < 100).all():
            return y.clamp(-1, 1)
        return y

    def forward(self, y):
        y = self.bounded(self.fc(y))
        n = 0
        while y.norm() > 1 and n < 4:
            y = y * 0.5
            n = n + 1
        return y

class Net(nn.Module):
    def __init__(self, dim=5):
        super().__init__()
        self.W = nn.Parameter(torch.randn(dim, dim))
        self.b = nn.Parameter(torch.randn(dim))
        self.part = Part(dim)

    def forward(self, x):
        h = torch.zeros_like(x[:, 0])
        for t in range(x.size(1)):
            h = torch.tanh(torch.matmul(h, self.W) + self.b + x[:, t])
        if h.sum() > 0:
            h = h * 2
        elif h.mean() > -0.1:
            h = h + 1
        else:
            h = h - 1
        y = self.part(h)
        return (y, h) if y.max() > 0 else (h, y)
""",
        more=({"x": "float[2,7,5]"}, {"x": "float[4,6,5]"}),
        says=("    @graph_control_flow\n    def call(self, y):", "for t in range(keras.ops.shape(x)[1]):"),
    ),
    "steps of a container that a function replaces": Program(
        """
class Body(nn.Module):
    def __init__(self, dim):
        super().__init__()
        self.body = nn.Sequential(nn.Linear(dim, 4), nn.ReLU())

    def forward(self, x):
        return self.body(x)

def build(dim=None):
    dim = dim or 5
    model = Body(dim)
    model.body[0] = nn.Linear(dim, 4, bias=False)
    return model

class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.a = build()
        self.b = build(5)

    def forward(self, x):
        return self.a(x) + self.b(x)
""",
        says=("model.body[0] = keras.layers.Dense(4, use_bias=False)",),
    ),
    "several changes of a tensor in a row": Program(
        """
class Net(nn.Module):
    def forward(self, x):
        y = x.clone()
        y.mul_(2).add_(x)
        y[:, 0].sub_(0.5).neg_()
        y[:, 1] = y[:, 1].mul_(3).add_(1).sub_(x[:, 0])
        return y
""",
        says=("y = (y * 2) + x", "y = slice_assign(y, (slice(None), 0), tf.negative(y[:, 0] - 0.5))"),
    ),
    "an index of which nothing is known": Program(
        """
def pick(x: Tensor, key):
    return x[key]

class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.keys = {"a": 1, "b": slice(0, 2), "c": [1, 0], "d": (0, None, [2, 1]), "e": -1, "f": ...}

    def forward(self, x):
        out = [pick(x, self.keys.get(name)).sum() for name in sorted(self.keys)]
        return torch.stack(out) * x[x[:, 0, 0] > -9].mean()
""",
        says=("return index_get(x, key)",),
    ),
    "what is declared of lists, casts and branches": Program(
        """
from typing import Dict, List, Optional, Union, cast

OptTensor = Optional[Tensor]

def outside(x) -> Tensor:
    return (lambda f: f(x))(torch.tanh)

def joined(x: Union[Tensor, List[Tensor]], more: OptTensor = None) -> Tensor:
    if isinstance(x, list):
        x = torch.cat(x)
    x = x.view(2, -1)
    return x if more is None else x + more.view(2, -1)

class Net(nn.Module):
    def forward(self, x):
        parts: List[Tensor] = []
        named: Dict[str, Tensor] = {}
        for i in range(2):
            parts.append(outside(x[i]))
        named.update({"last": outside(x)})
        y = cast(Tensor, outside(x))
        return joined(parts, named["last"]) + joined(y.view(2, 3, -1)) * parts[0].size(1)
""",
        says=("x = tf.concat(x, axis=0)", "keras.ops.shape(parts[0])[1]"),
    ),
    "weights read after the layer was called": Program(
        """
class Net(nn.Module):
    def __init__(self, dim: int = 5):
        super().__init__()
        self.fc = nn.Linear(dim, 7)

    def forward(self, x):
        y = self.fc(x)
        return y + self.fc.bias * self.fc.weight.norm()
""",
        says=("self.fc = keras.layers.Dense(7)",),
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", PROGRAMS)
def test_program(name: str) -> None:
    pytest.importorskip("torch")
    pytest.importorskip("tensorflow")
    from translator.compare import compare_program

    program = PROGRAMS[name]
    source = HEAD + program.source
    translation = run(source)
    assert not [d for d in translation.diagnostics if d.severity is Severity.ERROR], translation.diagnostics
    for text in program.says:
        assert text in translation.text, translation.text
    for text in program.never:
        assert text not in translation.text, translation.text
    inputs = [program.inputs, *program.more]
    result = compare_program(source, translation.text, "Net", program.init, inputs, single=False,
                             edges=translation.edges)  # fmt: skip
    assert result.ok, f"\n{result}\n{translation.text}"
    assert not any("only with fixed sizes" in note for note in result.notes), result.notes


def test_initializer_of_a_built_layer_gives_it_new_values() -> None:
    keras = pytest.importorskip("tensorflow").keras
    from translator.helpers.tf.adapters_weights import Linear
    from translator.helpers.tf.initializer import set_initializer

    layer = Linear(3, 2)
    assert layer.bias.shape == (2,)
    set_initializer(layer, "bias", keras.initializers.Constant(0.25))
    assert layer.bias.numpy().tolist() == [0.25, 0.25]
    assert not hasattr(Linear(3, 2, bias=False), "gamma")
    assert Linear(3, 2, bias=False).bias is None
