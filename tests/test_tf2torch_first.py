"""Layers that are channels-first already, variables of Keras, and settings of TensorFlow: executed."""

from __future__ import annotations

from typing import Any

import pytest

import tf2torch_support as support
from translator import Severity, Translation, translate

HEAD = "import tensorflow as tf\nfrom tensorflow import keras\n\n\n"


def back(source: str) -> Translation:
    found = translate(source, "tf2torch")
    errors = [f"{d.code} {d.message}" for d in found.diagnostics if d.severity is Severity.ERROR]
    assert not errors, errors
    return found


def ran(source: str) -> Any:
    """The module of a translation."""
    pytest.importorskip("torch")
    return support.execute(back(source).text, "translated")


def test_variables_are_parameters() -> None:
    program = ran(HEAD + (
        "class Counter(keras.layers.Layer):\n"
        "    def __init__(self, n):\n        super().__init__()\n"
        "        self.scale = keras.Variable(keras.ops.ones((n,)))\n"
        "        self.seen = keras.Variable(0.0, trainable=False)\n\n"
        "    def call(self, x):\n        self.seen.assign_add(1.0)\n        return x * self.scale\n\n"
        "    def reset(self):\n        self.seen.assign(0.0)\n        self.seen.assign_sub(2.0)\n"
    ))  # fmt: skip
    import torch

    layer = program.Counter(3)
    assert [p.requires_grad for _, p in sorted(layer.named_parameters())] == [True, False]
    layer(torch.ones(2, 3)).sum().backward()
    layer(torch.ones(2, 3))
    assert layer.seen.item() == 2.0 and layer.scale.grad.tolist() == [2.0, 2.0, 2.0]
    layer.reset()
    assert layer.seen.item() == -2.0 and layer.seen.grad is None


def test_numpy_devices_functions_and_recomputing() -> None:
    program = ran(HEAD + (
        "def numbers(x: tf.Tensor):\n    return x.numpy(), tf.reduce_sum(x).numpy().item()\n\n\n"
        "def gpus():\n    return bool(tf.config.list_physical_devices('GPU'))\n\n\n"
        "def twice(x: tf.Tensor):\n    return 2 * x\n\n\n"
        "fast = tf.function(twice)\n\n\n"
        "def again(x: tf.Tensor):\n    return tf.recompute_grad(twice)(x)\n"
    ))  # fmt: skip
    import torch

    x = torch.ones(2, requires_grad=True)
    array, total = program.numbers(x)
    assert array.tolist() == [1.0, 1.0] and total == 2.0
    assert program.gpus() is torch.cuda.is_available()
    assert program.fast is program.twice
    program.again(x).sum().backward()
    assert x.grad.tolist() == [2.0, 2.0]


def test_walks_over_layers() -> None:
    """`_flatten_layers` visits the layers as `modules` does, and the ones right below as `children`."""
    program = ran(HEAD + (
        "class Net(keras.Model):\n    def __init__(self):\n        super().__init__()\n"
        "        self.blocks = []\n        for n in (3, 4):\n            self.blocks.append(keras.layers.Dense(n))\n"
        "        for layer in self._flatten_layers():\n"
        "            if isinstance(layer, keras.layers.Dense):\n                layer.kernel_initializer = 'ones'\n"
        "        self.frozen = keras.layers.Embedding(5, 2)\n        self.frozen.trainable = False\n\n"
        "    def call(self, x):\n        for block in self.blocks:\n            x = block(x)\n        return x\n\n"
        "    def count(self):\n        return len(list(self._flatten_layers(include_self=False, recursive=False)))\n"
    ))  # fmt: skip
    import torch

    net = program.Net()
    assert net(torch.ones(2, 5)).shape == (2, 4)
    assert len(list(net.parameters())) == 5, "layers that are appended to a list later on are found, too"
    assert not net.frozen.weight.requires_grad and net.count() == 2


FIRST = 'data_format="channels_first"'
NETS = [
    (f"L.Conv2D(5, 3, strides=2, padding='same', {FIRST}), L.MaxPooling2D(2, {FIRST}), L.Flatten({FIRST}), L.Dense(5)",
     (3, 9, 8)),
    (f"L.DepthwiseConv2D(3, {FIRST}), L.BatchNormalization(axis=1), L.ReLU(), L.GlobalAveragePooling2D({FIRST})",
     (4, 7, 8)),
    (f"L.ZeroPadding2D(((1, 0), (2, 1)), {FIRST}), L.SeparableConv2D(5, 3, {FIRST}), L.UpSampling2D((2, 1), {FIRST})",
     (3, 6, 7)),
    (f"L.Conv1D(4, 3, padding='causal', {FIRST}), L.GlobalMaxPooling1D({FIRST})", (3, 9)),
    (f"L.Conv2DTranspose(6, 3, strides=2, padding='same', {FIRST}), L.GroupNormalization(2, axis=1)", (3, 5, 6)),
    (f"L.Cropping2D(((1, 0), (0, 2)), {FIRST}), L.AveragePooling2D(2, padding='same', {FIRST})", (3, 8, 9)),
    (f"L.Conv3D(4, 2, {FIRST}), L.GlobalAveragePooling3D({FIRST}, keepdims=True)", (2, 5, 6, 4)),
]  # fmt: skip


@pytest.mark.parametrize(("layers", "shape"), NETS)
def test_layers_that_are_channels_first(layers: str, shape: tuple[int, ...]) -> None:
    """What stands in PyTorch's order is left there: no transposition, sizes read off axis 1."""
    source = f"import keras\nfrom keras import layers as L\n\nm = keras.Sequential([keras.Input({shape}), {layers}])\n"
    found = back(source)
    moved = "permute(" in found.text or ".transpose(" in found.text
    assert moved is ("Flatten" in layers), "only Keras's own Flatten moves the channels"
    assert "Lazy" not in found.text
    run_both(source, found, shape)


def run_both(source: str, found: Translation, shape: tuple[int, ...]) -> None:
    pytest.importorskip("tensorflow")
    import numpy as np
    import torch

    from translator.compare.kernels import double_kernels
    from translator.compare.precision import precision

    with precision("float64"), double_kernels():
        with support.recorded(__import__("keras").layers.Layer) as made:
            ours = support.Program(support.execute(source, "keras_first"), made)
        with support.recorded(torch.nn.Module) as modules:
            theirs = support.Program(support.execute(found.text, "torch_first"), modules)
        theirs.module.m.double()
        layers = [x for x in ours.made if support.own_weights(x)]
        holders = [x for x in theirs.made if support.own_parameters(x)]
        rng = np.random.default_rng(3)
        assert len(layers) <= len(holders)
        for layer, parts in paired(layers, holders):
            fill(layer, parts, rng)
        x = rng.standard_normal((2, *shape))
        ours_out = np.asarray(ours.module.m(x, training=False))
        theirs_out = theirs.module.m.eval()(torch.from_numpy(x)).detach().numpy()
    assert ours_out.shape == theirs_out.shape
    assert np.linalg.norm(ours_out - theirs_out) <= 1e-9 * np.linalg.norm(ours_out)


def paired(layers: list[Any], holders: list[Any]) -> list[tuple[Any, list[Any]]]:
    """Each Keras layer with the modules that hold its weights: a separable convolution is two of them."""
    queue, out = list(holders), []
    for layer in layers:
        several = 2 if type(layer).__name__.startswith("Separable") else 1
        out.append((layer, queue[:several]))
        queue = queue[several:]
    return out


def fill(layer: Any, parts: list[Any], rng: Any) -> None:
    """Noise in both."""
    import numpy as np
    import torch

    targets = [t for part in parts for t in support.own_parameters(part)]
    for variable, target in zip(support.own_weights(layer), targets, strict=True):
        value = rng.uniform(0.5, 1.5, variable.shape) * rng.choice([-1.0, 1.0], variable.shape)
        value = np.abs(value) if "variance" in variable.name else value
        variable.assign(value)
        if value.ndim > 2:
            deep = "depthwise" in variable.path
            moved = support.depthwise(value) if deep else support.conv(value)
        else:
            moved = value.T
        with torch.no_grad():
            target.copy_(torch.from_numpy(np.ascontiguousarray(moved)))
