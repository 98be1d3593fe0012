"""Programs with TensorFlow's loops, arrays of tensors and own gradients: both versions compute the same."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from translator import translate
from translator.model import Severity

HEAD = "import tensorflow as tf\nfrom tensorflow import keras\n\n\n"

ARRAY = """
def run(x, y):
    ta = tf.TensorArray(tf.float64, size=0, dynamic_size=True, clear_after_read=False)
    state = tf.zeros([5, 3], dtype=tf.float64)
    for t in tf.range(4):
        state = tf.tanh(state + x[:, t])
        ta = ta.write(t, state * y)
    out = tf.transpose(ta.stack(), [1, 0, 2])
    parts = tf.TensorArray(tf.float64, 4, clear_after_read=False).unstack(tf.transpose(x, [1, 0, 2]))
    return out * tf.cast(ta.size(), tf.float64) + parts.read(2)[:, None], parts.concat(), ta.gather([3, 1])
"""
IN_A_LOOP = """
def run(x, y):
    ta = tf.TensorArray(tf.float64, size=4)

    def body(t, state, ta):
        state = tf.sin(state) * y + x[:, t]
        return t + 1, state, ta.write(t, state)

    _, last, ta = tf.while_loop(lambda t, state, ta: t < 4, body, (0, x[:, 0], ta))
    return last, ta.stack()
"""
OWN_GRADIENT = """
@tf.custom_gradient
def softplus(x):
    e = tf.exp(x)

    def grad(upstream):
        return 3.0 * upstream * (1 - 1 / (1 + e))

    return tf.math.log(1 + e), grad


@tf.custom_gradient
def scaled(x, w):
    def grad(upstream):
        return upstream * w, tf.reduce_sum(upstream * x, axis=[0, 1]) * 0.5

    return x * w, grad


def run(x, y):
    return softplus(x) + tf.reduce_sum(scaled(x, y)),
"""
BRANCH = """
def run(x, y):
    def small():
        return x * 2.0, y

    def large():
        return tf.sin(x), y - 1.0

    a, b = tf.cond(tf.reduce_mean(x) > 0.0, small, large)
    c, d = tf.cond(tf.reduce_mean(x) < 0.0, true_fn=small, false_fn=large)
    return a, b, c, d
"""
ZEROS = """
def run(x, y):
    total = tf.foldl(lambda a, t: 0.5 * a + t, x, initializer=0.0)
    rows = tf.scan(lambda a, t: tf.maximum(a, t), x, initializer=0.0 * x[0])
    return total, rows, tf.nn.embedding_lookup(x, [[0, 1], [2, 2]]) * y, tf.gather(x, [[3], [1]], axis=0)
"""


def both(source: str) -> tuple[dict[str, Any], dict[str, Any], str]:
    translation = translate(HEAD + source, "tf2torch")
    assert not [d for d in translation.diagnostics if d.severity is Severity.ERROR], translation.text
    assert "tf." not in translation.text
    mine: dict[str, Any] = {}
    theirs: dict[str, Any] = {}
    exec(HEAD + source, mine)
    exec(translation.text, theirs)
    return mine, theirs, translation.text


@pytest.mark.parametrize("source", [ARRAY, IN_A_LOOP, OWN_GRADIENT, BRANCH, ZEROS])
def test_it_computes_the_same(source: str) -> None:
    tf = pytest.importorskip("tensorflow")
    import torch

    shown = "\n\nrun(tf.zeros([5, 4, 3], dtype=tf.float64), tf.zeros([3], dtype=tf.float64))\n"
    mine, theirs, _ = both(source + shown)
    rng = np.random.default_rng(2)
    arrays = [rng.standard_normal((5, 4, 3)), rng.standard_normal(3)]
    xs = [tf.constant(a) for a in arrays]
    ts = [torch.tensor(a, requires_grad=True) for a in arrays]
    with tf.GradientTape() as tape:
        for x in xs:
            tape.watch(x)
        expected = mine["run"](*xs)
        loss = tf.add_n([tf.reduce_sum(tf.sin(e)) for e in expected])
    actual = theirs["run"](*ts)
    sum(a.sin().sum() for a in actual).backward()
    for e, a in zip(expected, actual, strict=True):
        np.testing.assert_allclose(a.detach().numpy(), np.asarray(e), rtol=1e-12)
    for t, g in zip(ts, tape.gradient(loss, xs), strict=True):
        np.testing.assert_allclose(t.grad.numpy(), np.asarray(g), rtol=1e-9)


REFUSED = [
    ("def f(x):\n    return tf.one_hot(tf.argmax(x, -1), 4, axis=0)\n\n\nf(tf.zeros([2, 3]))\n", "XL201"),
    ("def f(g, x):\n    return tf.map_fn(g, x)\n", "XL205"),
    ("def f(x):\n    y = keras.layers.Conv2D(3, 2)(x)\n    return tf.map_fn(lambda r: r + 1.0, y, "
     "fn_output_signature=tf.RaggedTensorSpec([None]))\n", "XL203"),
    ("@tf.custom_gradient\ndef f(x):\n    def grad(dy, variables=None):\n        return dy, [dy]\n\n"
     "    return x, grad\n", "XL203"),
    ("def f(x):\n    layer = tf.nn.conv2d(x, tf.ones([2, 2, 3, 3]), 1, 'SAME')\n"
     "    return tf.while_loop(lambda i, y: i < 3, lambda i, y: (i + 1, tf.nn.max_pool2d(y, 2, 1, 'SAME')), "
     "(0, layer))\n\n\nf(tf.zeros([2, 8, 8, 3]))\n", "XL302"),
]  # fmt: skip


@pytest.mark.parametrize(("source", "code"), REFUSED)
def test_what_is_not_known_is_refused(source: str, code: str) -> None:
    translation = translate(HEAD + source, "tf2torch")
    assert code in {d.code for d in translation.diagnostics if d.severity is Severity.ERROR}, translation.text


CHECKS = """
import os


def run(x, y, folder):
    with tf.control_dependencies([tf.debugging.assert_equal(tf.shape(x)[2], 3, message="three")]):
        z = x + y
    with tf.name_scope("more") as scope, tf.device("/cpu:0"):
        z = tf.identity(z, name=scope)
    tf.debugging.assert_greater(tf.reduce_sum(tf.abs(tf.cast(x, tf.float32))), 0.0)
    tf.debugging.assert_rank(x, 3)
    path = os.path.join(folder, "a", "b")
    tf.io.gfile.makedirs(path)
    with tf.io.gfile.GFile(os.path.join(path, "t.txt"), "w") as f:
        f.write("text")
    found = [os.path.basename(p) for p in tf.io.gfile.glob(os.path.join(path, "*"))] + tf.io.gfile.listdir(path)
    tf.io.gfile.remove(os.path.join(path, "t.txt"))
    there = tf.io.gfile.exists(path), tf.io.gfile.isdir(path)
    tf.io.gfile.rmtree(path)
    return z, found, there, tf.io.gfile.exists(path)
"""


def test_checks_scopes_and_files(tmp_path: Any) -> None:
    tf = pytest.importorskip("tensorflow")
    import torch

    mine, theirs, text = both(CHECKS + "\n\nrun.known = lambda: run(tf.zeros([5, 4, 3]), tf.zeros([3]), 'x')\n")
    assert "with torch" not in text
    rng = np.random.default_rng(2)
    x, y = rng.standard_normal((5, 4, 3)), rng.standard_normal(3)
    expected = mine["run"](tf.constant(x), tf.constant(y), str(tmp_path / "tf"))
    actual = theirs["run"](torch.tensor(x), torch.tensor(y), str(tmp_path / "torch"))
    np.testing.assert_allclose(actual[0].numpy(), np.asarray(expected[0]))
    assert actual[1:] == expected[1:] == (["t.txt", "t.txt"], (True, True), False)
    with pytest.raises(ValueError, match="three"):
        theirs["run"](torch.tensor(x[..., :2]), torch.tensor(y[:2]), "")


CONFIGURED = """
@keras.utils.register_keras_serializable(package="mine")
class Scale(keras.layers.Layer):
    def __init__(self, units, activation=None, kernel_initializer="glorot_uniform", kernel_regularizer=None, **kwargs):
        super().__init__(**kwargs)
        self.units = units
        self.activation = keras.activations.get(activation)
        self.kernel_initializer = keras.initializers.get(kernel_initializer)
        self.kernel_regularizer = keras.regularizers.get(kernel_regularizer)
        self.input_spec = keras.layers.InputSpec(ndim=2)

    def build(self, input_shape):
        input_shape = tf.TensorShape(input_shape)
        dim = int(input_shape[-1])
        self.kernel = self.add_weight(
            shape=(dim, self.units), initializer=self.kernel_initializer, regularizer=self.kernel_regularizer,
            name="kernel",
        )
        super().build(input_shape)

    def call(self, x):
        with tf.name_scope("scale"):
            y = tf.matmul(x, self.kernel)
        return self.activation(y) / (keras.backend.epsilon() + tf.reduce_sum(tf.square(y)))

    def get_config(self):
        config = super().get_config()
        config.update({"units": self.units, "activation": keras.activations.serialize(self.activation)})
        return config


class Net(keras.Model):
    def __init__(self):
        super().__init__()
        self.scale = Scale(4, activation="tanh")

    def call(self, x):
        return self.scale(x)
"""


def test_a_layer_that_keeps_its_configuration() -> None:
    pytest.importorskip("tensorflow")
    import tf2torch_support as support
    from translator.compare.precision import precision

    translation = translate(HEAD + CONFIGURED, "tf2torch")
    assert not [d for d in translation.diagnostics if d.severity is Severity.ERROR], translation.text
    assert any("`regularizer`, which nothing here passes" in d.message for d in translation.diagnostics)
    with precision("float64"):
        found = support.compare(HEAD + CONFIGURED, translation, {"entry": "Net", "inputs": [{"x": "float[5,3]"}]})
    assert max(found.worst.values()) < 1e-9, found.worst


def test_a_regularizer_that_is_passed_is_not_left_out() -> None:
    source = CONFIGURED.replace('activation="tanh")', 'kernel_regularizer=keras.regularizers.L2(0.1))')
    translation = translate(HEAD + source, "tf2torch")
    assert "XL201" in {d.code for d in translation.diagnostics if d.severity is Severity.ERROR}


CHECKPOINTS = """
def run(x, y, folder):
    net = keras.Sequential([keras.Input((3,)), keras.layers.Dense(2)])
    step = tf.Variable(1, trainable=False)
    scale = tf.Variable(2.0 * tf.ones([2]))
    ckpt = tf.train.Checkpoint(net=net, step=step, scale=scale)
    manager = tf.train.CheckpointManager(ckpt, folder, max_to_keep=2)
    before = net(x) * scale
    names = [manager.save().split("/")[-1] for _ in range(3)]
    count = len(manager.checkpoints)
    step.assign_add(4)
    scale.assign(scale * 0.5 + 3.0)
    changed = net(x) * scale
    ckpt.restore(manager.latest_checkpoint)
    one = tf.train.Checkpoint(net=net).write(folder + "/one")
    newest = tf.train.latest_checkpoint(folder).split("/")[-1]
    return before, changed, net(x) * scale, step, names, count, one.split("/")[-1], newest
"""


def test_checkpoints(tmp_path: Any) -> None:
    tf = pytest.importorskip("tensorflow")
    import torch

    mine, theirs, _ = both(CHECKPOINTS)
    x = np.random.default_rng(1).standard_normal((4, 3)).astype(np.float32)
    expected = mine["run"](tf.constant(x), 0, str(tmp_path / "tf"))
    actual = theirs["run"](torch.tensor(x), 0, str(tmp_path / "torch"))
    for before, changed, after, step, *_ in (expected, actual):
        first, second, third = (np.asarray(v.detach() if hasattr(v, "detach") else v) for v in (before, changed, after))
        assert not np.allclose(first, second)
        np.testing.assert_array_equal(first, third)
        assert int(step) == 1
    assert actual[4:] == expected[4:] == (["ckpt-1", "ckpt-2", "ckpt-3"], 2, "one", "ckpt-3")
