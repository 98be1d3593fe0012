"""Helpers that `torch2tf` writes are read back by `tf2torch` as what they stand for: one program for each of them."""

from __future__ import annotations

from typing import Any

import pytest

from test_row_trips import EVERY, hash_of, refusals, trip
from translator import translate
from translator.compare import compare_values, draw_inputs, load, precision, still_uses, unload
from translator.compare.dropout import dropout_off
from translator.compare.noise import fill
from translator.compare.running import torch_call

X, IMAGE, LINE, VOLUME = "float[3,4]", "float[2,4,9,8]", "float[2,4,9]", "float[2,4,6,5,7]"
FUNCTIONS = [
    ("flatten", "torch.flatten(x, 0, 1)", "float[2,3,4]"), ("squeeze", "torch.squeeze(x, n)", "float[2,1,4]"),
    ("as_tensor", "x + torch.as_tensor(json.loads('[1, 2, 3, 4]'))", X), ("index_get", "x[[0, 1, 1], n]", X),
    ("pad", "F.pad(x, (1, 2, 0, 1), mode='constant', value=0.5)", X), ("std", "x.std(dim=1)", X),
    ("var", "x.var(dim=1, keepdim=True)", X), ("chunk", "x.chunk(3, dim=1)[1]", "float[2,7]"),
    ("split", "torch.split(x, 2, dim=1)[1]", "float[2,5]"), ("expand", "x.expand(5, -1, 4)", "float[3,1]"),
    ("repeat", "x.repeat(2, 1, 3)", X), ("masked_fill", "x.masked_fill(x > 0, json.loads('0.5'))", X),
    ("arange", "x + torch.arange(json.loads('4'))", X), ("maximum", "torch.maximum(x, -x)", X),
    ("minimum", "torch.minimum(x, -x)", X), ("linear", "F.linear(x, x)", X),
    ("slice_assign", "changed(x, 2.0)", X), ("index_update", "changed(x, x[:, 0])", X),
    ("bernoulli_like", "torch.empty_like(x).bernoulli_(0.0)", X),
    ("layer_norm", "F.layer_norm(F.max_pool2d(x, 2).permute(0, 2, 3, 1), (4,)).permute(0, 3, 1, 2)", IMAGE),
    ("scatter", "x.scatter(n, (x > 0).long(), 2 * x)", X), ("scatter", "x.scatter(n, (x > 0).long(), 0.5)", X),
    *((f"max_pool{a}d", f"F.max_pool{a}d(x, 3, 2, 1)", s) for a, s in enumerate((LINE, IMAGE, VOLUME), 1)),
    *((f"avg_pool{a}d", f"F.avg_pool{a}d(x, 3, 2, 1)", s) for a, s in enumerate((LINE, IMAGE, VOLUME), 1)),
    *((f"adaptive_avg_pool{a}d", f"F.adaptive_avg_pool{a}d(x, 3)", s) for a, s in enumerate((LINE, IMAGE, VOLUME), 1)),
    *((f"adaptive_max_pool{a}d", f"F.adaptive_max_pool{a}d(x, 3)", s) for a, s in enumerate((LINE, IMAGE, VOLUME), 1)),
]  # fmt: skip
SHAPES = (LINE, IMAGE, VOLUME)
LAYERS = [
    *((f"PaddedConv{a}D", f"nn.Conv{a}d(4, 6, 3, stride=2, padding=1)", s) for a, s in enumerate(SHAPES, 1)),
    *((f"PaddedConv{a}DTranspose", f"nn.ConvTranspose{a}d(4, 6, 3, stride=2, padding=1, output_padding=1)", s)
      for a, s in enumerate(SHAPES, 1)),
    *((f"PaddedMaxPooling{a}D", f"nn.MaxPool{a}d(3, 2, 1, ceil_mode=True)", s) for a, s in enumerate(SHAPES, 1)),
    *((f"PaddedAveragePooling{a}D", f"nn.AvgPool{a}d(3, 2, 1, count_include_pad=False)", s)
      for a, s in enumerate(SHAPES, 1)),
    *((f"AdaptiveAveragePooling{a}D", f"nn.AdaptiveAvgPool{a}d(3)", s) for a, s in enumerate(SHAPES, 1)),
    *((f"AdaptiveMaxPooling{a}D", f"nn.AdaptiveMaxPool{a}d(3)", s) for a, s in enumerate(SHAPES, 1)),
    ("PaddedDepthwiseConv2D", "nn.Conv2d(4, 4, 3, padding=1, groups=4, padding_mode='reflect')", IMAGE),
    ("PaddedDepthwiseConv2D", "nn.Conv2d(4, 4, 3, stride=2, padding=1, groups=4, bias=False)", IMAGE),
]  # fmt: skip
NAMES = """
PaddedConv1D PaddedConv2D PaddedConv3D PaddedConv1DTranspose PaddedConv2DTranspose PaddedConv3DTranspose
PaddedMaxPooling1D PaddedMaxPooling2D PaddedMaxPooling3D AdaptiveMaxPooling1D AdaptiveMaxPooling2D AdaptiveMaxPooling3D
PaddedAveragePooling1D PaddedAveragePooling2D PaddedAveragePooling3D
AdaptiveAveragePooling1D AdaptiveAveragePooling2D AdaptiveAveragePooling3D PaddedDepthwiseConv2D
max_pool1d max_pool2d max_pool3d avg_pool1d avg_pool2d avg_pool3d
adaptive_avg_pool1d adaptive_avg_pool2d adaptive_avg_pool3d adaptive_max_pool1d adaptive_max_pool2d adaptive_max_pool3d
"""
"""The helpers for each rank, spelled out."""
FUNCTION = """
import json

import torch
import torch.nn.functional as F


def changed(x: torch.Tensor, value):
    x = x.clone()
    x[1:] = 0.5
    x[[0, 2], n_of(x)] = 1.5
    return x


def n_of(x: torch.Tensor):
    return 1


def Plain(x: torch.Tensor, n: int = 1):
    return {code}
"""
MODULE = """
import torch
from torch import nn


class Plain(nn.Module):
    def __init__(self):
        super().__init__()
        self.layer = {code}

    def forward(self, x):
        return self.layer(x)
"""


def same(source: str, back: str, shape: str, *, module: bool) -> None:
    """Both programs give the same outputs and gradients, in both modes, twice."""
    arrays = draw_inputs({"x": shape}, seed=4)
    with precision("float64", ("torch",)), dropout_off(("torch",)):
        modules = [load(source, "there"), load(back, "back")]
        ours, theirs = (m.Plain for m in modules)
        if module:
            ours, theirs = ours().double(), theirs().double()
            torch_call(theirs.eval(), arrays, {}, grad=False)
            theirs.double()
            fill(ours, 5)
            theirs.load_state_dict(ours.state_dict())
        for training in (False, True) if module else (False,):
            if module:
                ours.train(training), theirs.train(training)
            results = [torch_call(f, arrays, dict(f.named_parameters()) if module else {}) for f in (ours, theirs)]
            for kind, expected, actual in zip(("result", "gradient"), *results, strict=True):
                bad = [str(q) for q in compare_values(kind, expected, actual) if not q.ok(1e-9)]
                assert not bad, (bad, back)
        for one in modules:
            unload(one)


def test_every_helper_for_a_rank_has_a_program() -> None:
    assert set(NAMES.split()) <= {name for name, _, _ in (*FUNCTIONS, *LAYERS)}


@pytest.mark.parametrize("layout", ["channels_first", "channels_last"])
@pytest.mark.parametrize(("name", "code", "shape"), [*FUNCTIONS, *LAYERS], ids=lambda v: v if v.isidentifier() else "")
def test_a_helper_is_read_back(name: str, code: str, shape: str, layout: str) -> None:
    pytest.importorskip("torch")
    if not EVERY and hash_of(name + layout) % 4:
        pytest.skip("sampled; XLATE_EVERY=1 runs all")
    module = (name, code, shape) in LAYERS
    source = (MODULE if module else FUNCTION).format(code=code)
    there, back = trip(source, layout)
    assert name in there.helpers, there.text
    assert not refusals(there) and not refusals(back), refusals(back)
    assert not still_uses(back.text, "tensorflow")
    assert f"def {name}(" not in back.text and f"class {name}(" not in back.text
    same(source, back.text, shape, module=module)


def test_a_changed_helper_is_code_of_the_users() -> None:
    """Neither its name nor one that is as it was makes it a helper if what it uses was changed."""
    source = MODULE.format(code="nn.Conv2d(4, 6, 3, padding=1)")
    there = translate(source, "torch2tf", layout="channels_first").text
    assert "nn.Lazy" in translate(there, "tf2torch").text
    spaced = there.replace("def ntuple(value, rank):", "def ntuple( value,rank ):  # sizes")
    assert "nn.Lazy" in translate(spaced, "tf2torch").text, "its layout and comments do not matter"
    changed = there.replace("return values * rank if", "return values * (rank + 0) if")
    assert changed != there
    back = translate(changed, "tf2torch")
    assert "def convolve(" in back.text and refusals(back)


TRAINING = """
import torch
from torch import nn


class Plain(nn.Module):
    def __init__(self):
        super().__init__()
        self.one = nn.Linear(4, 5)
        self.two = nn.Linear(5, 1)

    def forward(self, x):
        return self.two(torch.tanh(self.one(x)))


def fit(net: Plain, x: torch.Tensor, y: torch.Tensor):
    optimizer = torch.optim.{optimizer}(net.parameters(), {options})
    losses = []
    for _ in range(6):
        optimizer.zero_grad()
        loss = ((net(x) - y) ** 2).mean()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    return losses
"""


@pytest.mark.parametrize(("optimizer", "options"), [
    ("SGD", "lr=0.1, momentum=0.9, dampening=0.2, weight_decay=0.01"), ("Adam", "lr=0.02, eps=1e-3, weight_decay=0.1"),
])  # fmt: skip
def test_optimizers(optimizer: str, options: str) -> None:
    """An optimizer that is told its parameters with each step takes the steps of the one that knew them."""
    torch = pytest.importorskip("torch")
    source = TRAINING.format(optimizer=optimizer, options=options)
    there, back = trip(source, "channels_first")
    assert optimizer in there.helpers and not refusals(back), refusals(back)
    assert f"Deferred{optimizer}" in back.helpers
    found: list[Any] = []
    with precision("float64", ("torch",)):
        modules = [load(source, "there"), load(back.text, "back")]
        arrays = draw_inputs({"x": "float[6,4]", "y": "float[6,1]"}, seed=2)
        x, y = (torch.from_numpy(arrays[n]) for n in "xy")
        nets = [m.Plain().double() for m in modules]
        nets[1](x)
        fill(nets[0], 1)
        nets[1].load_state_dict(nets[0].state_dict())
        found = [m.fit(net, x, y) for m, net in zip(modules, nets, strict=True)]
        for module in modules:
            unload(module)
    assert found[0][0] > 1.01 * found[0][-1]
    assert found[1] == pytest.approx(found[0], rel=1e-9)


def test_deferred_optimizers_are_pytorchs() -> None:
    """AdamW, too, takes the same steps; its rate can be read and set by Keras's name."""
    torch = pytest.importorskip("torch")
    from translator.helpers.torch.deferred import DeferredAdamW

    torch.manual_seed(0)
    weights = [torch.nn.Parameter(torch.randn(3, dtype=torch.float64)) for _ in range(2)]
    copies = [torch.nn.Parameter(w.detach().clone()) for w in weights]
    known, told = torch.optim.AdamW(weights, lr=0.3, weight_decay=0.1), DeferredAdamW(lr=0.3, weight_decay=0.1)
    for step in range(4):
        gradients = [torch.randn(3, dtype=torch.float64), torch.randn(3, dtype=torch.float64) if step % 2 else None]
        for weight, gradient in zip(weights, gradients, strict=True):
            weight.grad = gradient
        known.step()
        told.apply_gradients(zip(gradients, copies, strict=True))
        known.param_groups[0]["lr"] = told.learning_rate = told.learning_rate / 2
    assert told.learning_rate == 0.3 / 16
    assert all(torch.equal(a, b) for a, b in zip(weights, copies, strict=True))


UNKNOWN_SIZES = [
    ("LazyLayerNorm", "LayerNormalization(epsilon=0.01)"), ("LazyGroupNorm", "GroupNormalization(2, axis=1"),
    ("LazyBatchNorm", "BatchNormalization(axis=1"), ("LazyDepthwiseConv2d", "DepthwiseConv2D(3"),
    *((f"LazySameConv{n}d", f'Conv{n}D(4, 3, strides=2, padding="same"') for n in (1, 2, 3)),
    ("BatchNorm", ""), ("assigned", ""), ("trainable_parameters", ""),
]  # fmt: skip
"""Helpers for layers whose sizes are not known where they are made, and the layers that they are read back as: also
LazySameConv1d, LazySameConv2d, LazySameConv3d."""
MADE = {
    "DepthwiseConv2D(3": 'DepthwiseConv2D(3, data_format="channels_first")',
    "GroupNormalization(2, axis=1": "GroupNormalization(2, axis=1)",
    "BatchNormalization(axis=1": "BatchNormalization(axis=1)",
}  # fmt: skip


@pytest.mark.parametrize(("helper", "layer"), [c for c in UNKNOWN_SIZES if c[1]])
def test_layers_of_unknown_size_come_back(helper: str, layer: str) -> None:
    made = MADE.get(layer, layer) + ")" * layer.startswith("Conv")
    source = (
        "from tensorflow import keras\n\n\nclass Net(keras.Model):\n    def __init__(self):\n"
        f"        super().__init__()\n        self.layer = keras.layers.{made}\n\n"
        "    def call(self, x):\n        return self.layer(x)\n"
    )
    there = translate(source, "tf2torch")
    assert helper in there.helpers and not refusals(there), there.text
    again = translate(there.text, "torch2tf", layout="channels_first")
    assert not refusals(again) and f"class {helper}" not in again.text
    assert layer in again.text, again.text


PROGRAM = """
import torch
from torch import nn


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.one = nn.Linear(4, 5)
        self.two = nn.Linear(5, 2)
        for m in self.modules():
            if isinstance(m, (nn.Linear, nn.Conv2d)):
                nn.init.normal_(m.weight, std=0.02)

    def forward(self, x):
        return self.two(torch.tanh(self.one(x)))

    @torch.no_grad()
    def guess(self, x):
        return self(x).argmax(1)

    def count(self):
        return sum(p.numel() for p in self.parameters() if p.requires_grad)

    def names(self):
        return [n for n, m in self.named_modules() if isinstance(m, nn.Linear)]


def freeze(net: Net):
    for p in net.one.parameters():
        p.requires_grad = False
"""
USED = {"trainable_variables", "named_layers", "set_requires_grad"}


def test_helpers_that_are_statements_and_decorators() -> None:
    torch = pytest.importorskip("torch")
    there, back = trip(PROGRAM, "channels_first")
    assert set(there.helpers) >= USED, there.helpers
    assert not refusals(back), refusals(back)
    program = load(back.text, "back")
    net = program.Net()
    assert net.guess(torch.ones(3, 4)).shape == (3,) and not net.guess(torch.ones(3, 4)).requires_grad
    assert net.names() == ["one", "two"] and net.count() == 37
    program.freeze(net)
    assert net.count() == 12
    unload(program)
