"""Keras programs and their PyTorch translations compute the same, and read as the rules promise."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any

import pytest

import tf2torch_support as support
from translator import Translation, translate
from translator.model import Severity

FIXTURES = Path(__file__).resolve().parent.parent / "fixtures"


def cases() -> list[Any]:
    """One parameter for each ``[[model]]`` of each case with a Keras source."""
    params = []
    for path in sorted(FIXTURES.glob("*/case.toml")):
        if (path.parent / "tf_model.py").exists():
            models = tomllib.loads(path.read_text(encoding="utf-8")).get("model", [])
            params += [pytest.param(path.parent, m, id=f"{path.parent.name}-{m['entry']}") for m in models]
    return params


def to_torch(text: str) -> Translation:
    return translate(text, "tf2torch")


@pytest.mark.parametrize(("folder", "model"), cases())
def test_fixture_computes_the_same(folder: Path, model: dict[str, Any]) -> None:
    pytest.importorskip("tensorflow")
    from translator.compare.precision import precision

    source = (folder / "tf_model.py").read_text(encoding="utf-8")
    translation = to_torch(source)
    assert not [d for d in translation.diagnostics if d.severity is Severity.ERROR]
    assert "tensorflow" not in translation.text.split("def ")[0]
    assert "keras." not in translation.text
    with precision("float64"):
        modes = (False, True) if model.get("train", True) else (False,)
        found = support.compare(source, translation, model, modes)
    assert found.weights > 0
    kinds = {f"{mode} {what}" for mode in ("eval", "train")[: len(modes)] for what in ("output", "gradient")}
    assert kinds <= set(found.worst)
    assert max(found.worst.values()) < 1e-9, found.worst


# -- what rules write -------------------------------------------------------------------------------------

HEAD = "import tensorflow as tf\nfrom tensorflow import keras\nfrom tensorflow.keras import layers\n\n\n"


def seq(layers: str) -> str:
    """A program with one sequential model."""
    return f"{HEAD}m = keras.Sequential([{layers}])\n"


REWRITES = [
    # Names, however they are imported.
    ("import keras\nm = keras.layers.Dense(3)\nm(keras.ops.zeros((1, 2)))\n", "m = nn.Linear(2, 3)"),
    ("from tensorflow.keras.layers import Embedding as E\ne = E(9, 4)\n", "e = nn.Embedding(9, 4)"),
    ("import tensorflow as tf\nr = tf.keras.layers.Dropout(0.1)\n", "r = nn.Dropout(0.1)"),
    ("from keras import backend as K\nfrom keras.layers import ReLU\nr = ReLU(max_value=6)\n", "r = nn.ReLU6()"),
    # Differing defaults are written out, equal ones are not.
    (seq("layers.BatchNormalization(input_shape=(4,))"), "nn.BatchNorm1d(4, eps=0.001, momentum=0.01)"),
    (seq("layers.Dense(2, use_bias=False, input_shape=(4,))"), "nn.Linear(4, 2, bias=False)"),
    (seq("layers.Dense(2, None, True, input_shape=(4,))"), "nn.Sequential(nn.Linear(4, 2))"),
    (HEAD + "m = layers.LeakyReLU()\n", "m = nn.LeakyReLU(0.3)"),
    # Same padding: a number where it is equal, a helper where it depends on the input.
    (seq("layers.Conv2D(4, 5, padding='same', input_shape=(8, 9, 3))"), "nn.Conv2d(3, 4, 5, padding=2)"),
    (seq("layers.Conv2D(4, 5, 2, padding='same', input_shape=(8, 9, 3))"), "SameConv2d(3, 4, 5, stride=2)"),
    (seq("layers.Conv2D(4, 2, padding='same', input_shape=(8, 9, 3))"), 'nn.Conv2d(3, 4, 2, padding="same")'),
    (seq("layers.Conv2D(4, 1, 2, padding='same', input_shape=(8, 9, 3))"), "nn.Conv2d(3, 4, 1, stride=2)"),
    # Flatten reads in Keras's order.
    (
        seq("layers.MaxPool2D(input_shape=(8, 6, 3)), layers.Flatten()"),
        "nn.MaxPool2d(2), Permute(0, 2, 3, 1), nn.Flatten()",
    ),
    # Functions.
    (
        HEAD + "def f(x: tf.Tensor):\n    return tf.reduce_mean(tf.nn.relu(x), axis=-1, keepdims=True)\n",
        "return F.relu(x).mean(dim=-1, keepdim=True)",
    ),
    (
        HEAD + "def f(x: tf.Tensor):\n    return tf.reshape(x, [tf.shape(x)[0], -1])\n",
        "return x.reshape([x.shape[0], -1])",
    ),
    (
        HEAD + "@tf.function\ndef f(x: tf.Tensor):\n    return tf.exp(x)\n",
        "def f(x: torch.Tensor):\n    return torch.exp(x)",
    ),
]


@pytest.mark.parametrize(("source", "expected"), REWRITES)
def test_rewrite(source: str, expected: str) -> None:
    found = to_torch(source)
    assert not [d for d in found.diagnostics if d.severity is Severity.ERROR]
    assert expected in found.text


CALL = (
    HEAD
    + "class A(keras.Model):\n    def __init__(self):\n        super().__init__()\n        {init}\n\n"
    + "    def call(self, x, training=None):\n        {call}\n"
)

MODULES = [
    # `training` is the module's flag, and is not passed.
    (
        "self.d = layers.Dropout(0.5)",
        "return self.d(x, training=training)",
        "def forward(self, x):\n        return self.d(x)",
    ),
    ("self.k = 2", "return x * 2 if training else x", "return x * 2 if self.training else x"),
    # Lists of layers are registered.
    ("self.d = [layers.Dropout(0.5)]", "return self.d[0](x)", "self.d = nn.ModuleList([nn.Dropout(0.5)])"),
    # A merge layer is an expression.
    ("self.add = layers.Add()", "return self.add([x, x])", "return x + x"),
    # Axes go with the channels.
    ("self.c = layers.Conv2D(4, 3)", "return tf.reduce_mean(self.c(x), axis=[1, 2])", "self.c(x).mean(dim=(2, 3))"),
    (
        "self.c = layers.Conv2D(4, 3)",
        "return tf.concat([self.c(x), self.c(x)], -1)",
        "torch.cat([self.c(x), self.c(x)], dim=1)",
    ),
    ("self.c = layers.Conv2D(4, 3)", "return self.c(x)[:, 1:, ::2, :]", "self.c(x)[:, :, 1:, ::2]"),
    ("self.c = layers.Conv2D(4, 3)", "return self.c(x).shape[-1]", "self.c(x).shape[1]"),
    (
        "self.c = layers.Conv2D(4, 3)",
        "return tf.reshape(self.c(x), (-1, 4))",
        "self.c(x).permute(0, 2, 3, 1).reshape((-1, 4))",
    ),
    ("self.c = layers.Conv2D(4, 3)", "return [t for t in self.c(x)]", "[t for t in self.c(x).permute(0, 2, 3, 1)]"),
    ("self.c = layers.Conv2D(4, 3)", "return unknown(self.c(x))", "return unknown(self.c(x).permute(0, 2, 3, 1))"),
    ("self.c = layers.Conv1D(4, 3)", "return tf.nn.softmax(self.c(x))", "F.softmax(self.c(x).transpose(1, 2), dim=-1)"),
]


@pytest.mark.parametrize(("init", "call", "expected"), MODULES)
def test_module(init: str, call: str, expected: str) -> None:
    found = to_torch(CALL.format(init=init, call=call))
    assert not [d for d in found.diagnostics if d.severity is Severity.ERROR]
    assert expected in found.text
    assert "class A(nn.Module):" in found.text


REFUSALS = [
    (seq("layers.Dense(4, kernel_regularizer='l2', input_shape=(3,))"), "XL201"),
    (seq("layers.Embedding(9, 4, mask_zero=True), layers.Conv1D(4, 3), layers.LSTM(2)"), "XL203"),
    (CALL.format(init="self.e = layers.Embedding(9, 4, mask_zero=True)\n        self.r = layers.LSTM(3)",
                 call="return [self.r(self.e(t)) for t in x]"), "XL203"),
    (CALL.format(init="self.e = layers.Embedding(9, 4, None, mask_zero=True)\n        self.a = layers.Softmax()",
                 call="return self.a(self.e(x))"), "XL203"),
    (seq("layers.Embedding(9, 4, mask_zero=True), layers.LSTM(3, return_sequences=True)")
     + "m.compile('sgd', 'mse')\n", "XL203"),
    (HEAD + "def make(order):\n    return layers.Conv2D(4, 3, data_format=order)\n", "XL303"),
    (HEAD + "m = layers.Hashing(3)\n", "XL200"),
    (seq("layers.LSTM(4, activation='relu', input_shape=(5, 3))"), "XL201"),
    (HEAD + "class A(keras.Model):\n    def call(self, x):\n        return layers.Dense(4)(x)\n", "XL212"),
    (HEAD + "def f():\n    return tf.range(5) / 2\n", "XL210"),
    (HEAD + "def f(x: tf.Tensor):\n    return tf.strings.length(x)\n", "XL203"),
    (HEAD + "m = keras.Sequential([layers.Dropout(0.1)])\nprint(m.count_params())\n", "XL203"),
    (HEAD + "d = layers.Dense(3)\nk = d.kernel\n", "XL207"),
    ("import tensorflow.compat.v1 as tf\nx = tf.placeholder(tf.float32, [None, 4])\n", "XL203"),
    (HEAD + "sess = tf.Session()\n", "XL203"),
    (HEAD + "h = tf.layers.dense(3, 4)\n", "XL203"),
    (HEAD + "e = tf.estimator.Estimator(None)\n", "XL203"),
    (HEAD + "i = keras.Input((8,))\nz = layers.Dense(2)(i)\na = keras.Model(i, z)\nb = keras.Model(i, z)\n", "XL213"),
    (CALL.format(init="self.b = layers.Dropout(0.1)", call="return self.b(x, training=False)"), "XL211"),
    (CALL.format(init="self.c = layers.Conv2D(4, 3)", call="return self.c(x) + self.u"), "XL302"),
]


@pytest.mark.parametrize(("source", "code"), REFUSALS)
def test_refusal(source: str, code: str) -> None:
    found = to_torch(source)
    assert code in {d.code for d in found.diagnostics if d.severity is Severity.ERROR}
    assert f"# xlate: {code}" in found.text, "the statement stays under the reason"


UNCHANGED = [
    "x = [3, 1, 2]\nx.sort()\n",
    "class Dense:\n    def __init__(self, n):\n        self.n = n\n\n\nd = Dense(3)\n",
    "import numpy as np\n\nprint(np.exp(np.zeros((2, 3))))\n",
    "def call(self, x, training=None):\n    return x if training else None\n",
]


@pytest.mark.parametrize("source", UNCHANGED)
def test_what_is_not_keras_stays(source: str) -> None:
    found = to_torch(source)
    assert found.text == source
    assert not found.diagnostics


def test_a_name_of_the_users_own_is_not_keras() -> None:
    source = HEAD + "def Dense(n):\n    return n\n\n\nd = Dense(3)\nm = layers.Dropout(0.2)\n"
    assert "d = Dense(3)" in to_torch(source).text


@pytest.mark.parametrize("folder", sorted({p.values[0] for p in cases()}), ids=lambda p: p.name)
def test_translating_twice_changes_nothing(folder: Path) -> None:
    first = to_torch((folder / "tf_model.py").read_text(encoding="utf-8"))
    assert to_torch(first.text).text == first.text
