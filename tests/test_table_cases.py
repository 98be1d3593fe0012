"""Rows that one expression cannot show: small programs, run in both frameworks."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from translator import Severity, translate
from translator.compare import load, precision, unload

HEAD = "import torch\nfrom torch import nn\n\n\n"

FUNCTIONS: dict[str, tuple[str, Any]] = {
    "torch.fx.wrap": ("@torch.fx.wrap\ndef f(x):\n    return torch.cumsum(x, 1)\n", None),
    "torch.dtype": ("def f(x):\n    return x * 2 if isinstance(x.dtype, torch.dtype) else x * 3\n", None),
    "torch.optim.Optimizer": (
        "def f(x, optimizer: torch.optim.Optimizer = None):\n"
        "    return x * 2 if isinstance(optimizer, torch.optim.Optimizer) else x * 3\n", None,
    ),
    "torch.utils.data.Dataset": (
        "class Rows(torch.utils.data.Dataset):\n    def __init__(self, x):\n        self.x = x\n\n"
        "    def __len__(self):\n        return len(self.x)\n\n"
        "    def __getitem__(self, i):\n        return self.x[i] * (i + 1)\n\n\n"
        "def f(x):\n    rows = Rows(x)\n    return torch.stack([rows[i] for i in range(len(rows))])\n", None,
    ),
    "torch.utils.data.Sampler": (
        "from torch.utils.data import DataLoader, Sampler, TensorDataset\n\n\n"
        "class Outside(Sampler):\n    def __init__(self, source):\n        super().__init__()\n"
        "        self.count = len(source)\n\n"
        "    def __iter__(self):\n        return iter([i for k in range(self.count // 2) for i in (k, -k - 1)])\n\n"
        "    def __len__(self):\n        return self.count\n\n\n"
        "class Pairs(torch.utils.data.sampler.Sampler[list]):\n    def __init__(self, source):\n"
        "        self.source = source\n\n"
        "    def __iter__(self):\n        yield from ([i, len(self.source) - 1 - i] for i in range(3))\n\n"
        "    def __len__(self):\n        return 3\n\n\n"
        "def f(x):\n    rows = TensorDataset(x, x * 2)\n"
        "    one = DataLoader(rows, batch_size=2, sampler=Outside(rows))\n"
        "    two = DataLoader(rows, batch_sampler=Pairs(rows))\n"
        "    parts = [a - 3 * b for loader in (one, two) for a, b in loader]\n"
        "    return torch.cat(parts) * (len(one) + 10 * len(two))\n", None,
    ),
    "torch.utils.data.default_collate": (
        "def f(x):\n    one, two = torch.utils.data.default_collate([(x[0], x[1]), (x[2], x[3])])\n"
        "    return one - 2 * two\n", None,
    ),
    "torch.__version__": (
        "NEW = int(torch.__version__.split('.')[0]) >= 2\n\n\n"
        "def f(x):\n    return x * 2 if NEW and torch.__version__ >= '1.6' else x * 3\n", None,
    ),
    "torch.get_num_threads": ("def f(x):\n    return x * (2 if torch.get_num_threads() > 0 else 3)\n", None),
    "torch.utils.hooks.RemovableHandle": (
        "from collections import OrderedDict\nfrom torch.utils.hooks import RemovableHandle\n\n\n"
        "class Hooks:\n    def __init__(self):\n        self.hooks = OrderedDict()\n\n"
        "    def add(self, hook) -> RemovableHandle:\n        handle = RemovableHandle(self.hooks)\n"
        "        self.hooks[handle.id] = hook\n        return handle\n\n\n"
        "def f(x):\n    hooks = Hooks()\n    first = hooks.add(lambda y: y * 2)\n    hooks.add(lambda y: y + 1)\n"
        "    third = hooks.add(lambda y: y - 5)\n    third.remove()\n    for hook in hooks.hooks.values():\n"
        "        x = hook(x)\n    with first:\n        pass\n    return x * len(hooks.hooks)\n", None,
    ),
}  # fmt: skip


def both(source: str) -> tuple[Any, Any]:
    """The two programs as modules; fails on any refusal."""
    result = translate(source)
    errors = [d for d in result.diagnostics if d.severity is Severity.ERROR]
    assert not errors, (errors, result.text)
    assert "torch" not in result.text, result.text
    return load(source, "torch"), load(result.text, "tf")


def test_the_version_that_is_written_is_the_one_of_the_tables() -> None:
    from translator.tables.signatures import signatures

    assert f'"{signatures("torch").version}"' in translate("import torch\nv = torch.__version__\n").text


def test_print_options_are_numpys() -> None:
    import tensorflow as tf

    with np.printoptions():
        theirs, ours = both(
            HEAD + "def f(**more):\n    torch.set_printoptions(precision=2, sci_mode=False)\n"
            "    torch.set_printoptions(profile='short')\n    torch.set_printoptions(**more)\n"
        )
        ours.f(edgeitems=1, threshold=3)
        found = np.get_printoptions()
        text = str(tf.constant([1 / 3, 1e-3, 2.0, 3.0, 4.0]))
    assert found["suppress"] and found["linewidth"] == 80 and "[0.33 ... 4.  ]" in text, text
    unload(theirs)
    unload(ours)


@pytest.mark.parametrize("name", FUNCTIONS)
def test_function(name: str) -> None:
    import tensorflow as tf
    import torch

    x = np.random.default_rng(3).standard_normal((4, 3))
    with precision("float64"):
        theirs, ours = both(HEAD + FUNCTIONS[name][0])
        expected, actual = theirs.f(torch.tensor(x)), ours.f(tf.constant(x))
        unload(theirs)
        unload(ours)
    assert tuple(actual.shape) == tuple(expected.shape) == tuple(expected.shape)
    np.testing.assert_allclose(np.asarray(actual), expected.numpy(), rtol=1e-12)
    assert np.abs(expected.numpy()).max() > 0.1


MODULES = {
    "torch.nn.ParameterList": (
        "        self.p = nn.ParameterList([nn.Parameter(torch.randn(3, 5)), nn.Parameter(torch.randn(5, 2))])\n",
        "        for w in self.p:\n            x = torch.tanh(x @ w)\n        return x\n",
    ),
    "torch.nn.ParameterDict": (
        "        self.p = nn.ParameterDict({'a': nn.Parameter(torch.randn(3)), 'b': nn.Parameter(torch.randn(3))})\n",
        "        return x * self.p['a'] - self.p['b']\n",
    ),
    "torch.nn.Module.children": (
        "        self.a, self.b = nn.Linear(3, 4), nn.Linear(4, 2)\n",
        "        for layer in self.children():\n            x = torch.tanh(layer(x))\n        return x\n",
    ),
    "torch.nn.Module.named_modules": (
        "        self.a, self.b = nn.Linear(3, 4), nn.Linear(4, 2)\n",
        "        n = sum(isinstance(layer, nn.Linear) for _, layer in self.named_modules())\n"
        "        return self.b(self.a(x)) * n\n",
    ),
    "torch.nn.modules.batchnorm._BatchNorm": (
        "        self.norm = nn.BatchNorm1d(3)\n        self.other = nn.Linear(3, 3)\n",
        "        for layer in (self.norm, self.other):\n"
        "            x = layer(x) * 2 if isinstance(layer, nn.modules.batchnorm._BatchNorm) else layer(x)\n"
        "        return x\n",
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", MODULES)
def test_module(name: str) -> None:
    import tensorflow as tf
    import torch

    from translator import weights
    from translator.compare.noise import fill

    made, forward = MODULES[name]
    x = np.random.default_rng(3).standard_normal((4, 3))
    source = (
        f"{HEAD}class Net(nn.Module):\n    def __init__(self):\n        super().__init__()\n{made}\n"
        f"    def forward(self, x):\n{forward}"
    )
    with precision("float64"):
        theirs, ours = both(source)
        module, layer = theirs.Net().double().eval(), ours.Net()
        layer(tf.constant(x), training=False)
        fill(module, seed=5)
        assert weights.copy(module, layer).ok
        expected, actual = module(torch.tensor(x)).detach().numpy(), np.asarray(layer(tf.constant(x), training=False))
        unload(theirs)
        unload(ours)
    np.testing.assert_allclose(actual, expected, rtol=1e-9, atol=1e-12)
    assert np.abs(expected).max() > 0.1


def test_seeds_make_random_numbers_repeat() -> None:
    """torch.manual_seed, torch.cuda.manual_seed: the streams differ between the frameworks, repeating does not."""
    for call in ("torch.manual_seed(7)", "torch.cuda.manual_seed_all(7)"):
        theirs, ours = both(f"{HEAD}def f(n):\n    {call}\n    return torch.randn(n, 3)\n")
        first, second = np.asarray(ours.f(5)), np.asarray(ours.f(5))
        unload(theirs)
        unload(ours)
        np.testing.assert_array_equal(first, second)
        assert first.shape == (5, 3) and np.std(first) > 0.1


def test_a_schedule_is_known_by_its_class() -> None:
    """torch.optim.lr_scheduler.LRScheduler as an annotation."""
    head = f"{HEAD}from torch.optim.lr_scheduler import LRScheduler\n\n\n"
    result = translate(f"{head}def f(schedule: LRScheduler):\n    return schedule\n")
    assert "torch" not in result.text
    assert not [d for d in result.diagnostics if d.severity is Severity.ERROR]


def test_buffers_of_a_module() -> None:
    """torch.nn.Module.buffers: the running statistics of a normalisation."""
    source = (
        f"{HEAD}net = nn.Sequential(nn.BatchNorm1d(3), nn.Linear(3, 2))\n\n\n"
        "def f(x):\n    net(x)\n    return sum(b.sum() for b in net.buffers() if b.ndim)\n"
    )
    result = translate(source)
    assert "for b in net.non_trainable_variables" in result.text
    assert not result.refused


def test_input_layer() -> None:
    """keras.layers.InputLayer: in PyTorch, a model has none."""
    import tf2torch_support as support

    source = "import keras\n\nNet = keras.Sequential([keras.layers.InputLayer((3,)), keras.layers.Dense(2)])\n"
    translation = translate(source, "tf2torch")
    assert not translation.refused and "Input" not in translation.text
    with precision("float64"):
        found = support.compare(source, translation, {"entry": "Net", "inputs": [{"x": "float[4,3]"}]})
    assert found.weights == 2 and max(found.worst.values()) < 1e-9


def test_tensors_are_known_by_their_class() -> None:
    """tf.Tensor, as an annotation and in isinstance."""
    body = "    return tf.abs(x) if isinstance(x, tf.Tensor) else x\n"
    source = f"import tensorflow as tf\n\n\ndef f(x: tf.Tensor):\n{body}"
    result = translate(source, "tf2torch")
    assert "x: torch.Tensor" in result.text and "isinstance(x, torch.Tensor)" in result.text
    assert not result.refused
