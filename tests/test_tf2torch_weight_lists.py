"""Lists of a model's weights: computed element by element they are the same in both frameworks, else refused."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from translator import translate
from translator.model import Severity

HEAD = "import tensorflow as tf\nfrom tensorflow import keras\n\n\n"
STEPS = """
def sgd(model, x, y, rate):
    with tf.GradientTape() as tape:
        loss = tf.reduce_mean(tf.square(model(x, training=True) - y))
    grads = [tf.clip_by_norm(g, 0.7) for g in tape.gradient(loss, model.trainable_variables)]
    for w, g in zip(model.trainable_variables, grads):
        w.assign_sub(rate * (g + 0.01 * w))
    return loss


def average(target, model, tau):
    for t, w in zip(target.weights, model.weights):
        t.assign((1 - tau) * t + tau * w)


def run(x, y):
    net = keras.Sequential([keras.Input((4,)), keras.layers.Dense(3, activation="tanh"),
                            keras.layers.BatchNormalization(momentum=1.0), keras.layers.Dense(2)])
    for i, w in enumerate(net.trainable_variables):
        w.assign(tf.ones_like(w) * (0.3 - 0.1 * i))
    for v in net.non_trainable_variables:
        v.assign(v + 0.2)
    target = keras.models.clone_model(net)
    target.set_weights(net.get_weights())
    x, y = tf.constant(x, dtype=tf.float64), tf.constant(y, dtype=tf.float64)
    out = []
    for _ in range(10):
        out.append(sgd(net, x, y, 0.3))
        average(target, net, 0.2)
        for w in net.trainable_weights:
            w.assign(tf.clip_by_value(w, -0.5, 0.5))
        out.append(tf.reduce_sum(tf.square(target(x, training=False))))
        out.append(tf.add_n([tf.nn.l2_loss(v) for v in net.trainable_variables]))
        out.append(tf.add_n([tf.reduce_sum(v) for v in net.non_trainable_variables]))
    return out
"""


def translated(source: str) -> Any:
    return translate(HEAD + source, "tf2torch")


def refusals(made: Any) -> list[str]:
    return [f"{d.code} {d.message}" for d in made.diagnostics if d.severity is Severity.ERROR]


def test_steps_clipping_and_averages_over_weight_lists() -> None:
    pytest.importorskip("tensorflow")
    from translator.compare.precision import precision

    made = translated(STEPS)
    assert not refusals(made)
    rng = np.random.default_rng(4)
    arrays = [rng.standard_normal((6, 4)), rng.standard_normal((6, 2))]
    results = []
    with precision("float64"):
        for text in (HEAD + STEPS, made.text):
            program: dict[str, Any] = {}
            exec(text, program)
            results.append(np.array([float(v) for v in program["run"](*arrays)]))
    assert np.ptp(results[0]) > 1e-2
    np.testing.assert_allclose(results[1], results[0], rtol=1e-9)


NET = "net = keras.Sequential([keras.Input((4,)), keras.layers.Dense(4)])\n"
REFUSED = [
    ("for w in net.weights:\n    w.assign(tf.reshape(w, w.shape))\n", "XL207"),
    ("for w in net.weights:\n    w.assign(tf.zeros((4, 4)))\n", "XL207"),
    ("for w in net.weights:\n    w.assign(w + tf.zeros((4, 4)))\n", "XL301"),
    ("for w in net.trainable_variables:\n    n = tf.reduce_sum(w, axis=0)\n", "XL207"),
    ("for w in net.trainable_variables:\n    print(w.shape[0])\n", "XL207"),
    ("for w in net.trainable_variables:\n    print(w[0])\n", "XL207"),
    ("for w in net.trainable_variables:\n    n = tf.matmul(w, w)\n", "XL207"),
    ("for w in net.trainable_variables:\n    n = w.numpy()\n", "XL207"),
    ("for w in net.trainable_variables:\n    print(w.name)\n", "XL207"),
    ("w = net.get_weights()\n", "XL203"),
    ("net.set_weights(w)\n", "XL203"),
    ("print(net.count_params())\n", "XL203"),
    ("def f(a):\n    for w in a.weights:\n        w.assign(0.5 * w)\n", "XL205"),
    ("def f(a, w):\n    a.set_weights(w)\n", "XL205"),
]


@pytest.mark.parametrize(("line", "code"), REFUSED)
def test_what_looks_at_axes_is_refused(line: str, code: str) -> None:
    found = refusals(translated(NET + line))
    assert found and all(f.startswith(code) for f in found), found


def test_weights_in_files(tmp_path: Path) -> None:
    torch = pytest.importorskip("torch")
    source = NET + "net.save_weights(place / 'a')\nnet.save(place / 'b')\n"
    source += "other = keras.models.clone_model(net)\nother.load_weights(place / 'a')\n"
    source += "whole = keras.models.load_model(place / 'b')\n"
    made = translated(source)
    assert not refusals(made)
    assert [d.code for d in made.diagnostics if d.code == "XL409"] == ["XL409"] * 3
    program: dict[str, Any] = {"place": tmp_path}
    exec(made.text, program)
    x = torch.randn(5, 4)
    for name in ("other", "whole"):
        assert torch.equal(program[name](x), program["net"](x))
