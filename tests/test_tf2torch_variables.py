"""Programs with variables of their own and `tf.nn`: both versions compute the same, step by step."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from translator import translate
from translator.model import Severity

HEAD = "import numpy as np\nimport tensorflow as tf\nfrom tensorflow import keras\n\n\n"

REGRESSION = """
def train(xs, ys, start):
    tf.random.set_seed(3)
    w = tf.Variable(start, name="w")
    b = tf.Variable(np.zeros(2))
    count = tf.Variable(0, trainable=False)
    out = []
    for _ in range(20):
        with tf.GradientTape() as tape:
            error = tf.matmul(xs, w) + b - ys
            loss = tf.reduce_mean(tf.square(error)) + 0.01 * tf.norm(w)
        dw, db = tape.gradient(loss, [w, b])
        w.assign_sub(0.1 * dw)
        b.assign(b - 0.1 * db)
        count.assign_add(1)
        out.append(loss.numpy())
    return out + [w.numpy().sum(), b.value().numpy().sum(), count.numpy()]


def run(x, y, z):
    return train(tf.constant(x, dtype=tf.float64), tf.constant(y, dtype=tf.float64), tf.constant(z, dtype=tf.float64))
"""

NETWORK = """
def weight(value):
    return tf.Variable(tf.constant(value, dtype=tf.float64))


class Net(tf.Module):
    def __init__(self, kernel, width):
        super().__init__()
        self.kernel = weight(kernel)
        self.bias = tf.Variable(tf.zeros([4], dtype=tf.float64))
        self.out = weight(width)

    def __call__(self, x):
        image = tf.reshape(x, [-1, 6, 5, 3])
        x = tf.nn.relu(tf.nn.bias_add(tf.nn.conv2d(image, self.kernel, 1, "SAME"), self.bias))
        x = tf.nn.max_pool2d(x, ksize=2, strides=2, padding="SAME")
        return tf.matmul(tf.reshape(x, [-1, 36]), self.out)


def run(x, y, z):
    net = Net(y, z)
    optimizer = keras.optimizers.SGD(0.05, momentum=0.5)
    labels = tf.constant([0, 2, 1, 1])
    out = []
    for _ in range(20):
        with tf.GradientTape() as tape:
            logits = net(tf.constant(x, dtype=tf.float64))
            loss = tf.reduce_mean(tf.nn.sparse_softmax_cross_entropy_with_logits(labels=labels, logits=logits))
        variables = [net.kernel, net.bias, net.out]
        gradients, norm = tf.clip_by_global_norm(tape.gradient(loss, variables), 0.5)
        optimizer.apply_gradients(zip(gradients, variables))
        out += [loss.numpy(), norm.numpy()]
    return out
"""

CASES = [
    pytest.param(REGRESSION, ((8, 3), (8, 2), (3, 2)), id="regression"),
    pytest.param(NETWORK, ((4, 90), (3, 3, 3, 4), (36, 3)), id="network"),
]


@pytest.mark.parametrize(("source", "shapes"), CASES)
def test_training_takes_the_same_steps(source: str, shapes: Any) -> None:
    pytest.importorskip("tensorflow")
    from translator.compare.precision import precision

    made = translate(HEAD + source, "tf2torch")
    assert not [d for d in made.diagnostics if d.severity is Severity.ERROR], made.diagnostics
    assert "tf." not in made.text and "keras" not in made.text
    rng = np.random.default_rng(4)
    arrays = [rng.standard_normal(shape) * 0.5 for shape in shapes]
    results = []
    with precision("float64"):
        for text in (HEAD + source, made.text):
            program: dict[str, Any] = {}
            exec(text, program)
            results.append(np.array([float(v) for v in program["run"](*arrays)]))
    assert np.ptp(results[0][:20]) > 1e-3
    np.testing.assert_allclose(results[1], results[0], rtol=1e-9)


def test_a_variable_in_a_keras_layer_is_refused() -> None:
    """Keras 3 does not train it, Keras 2 did."""
    for made_of in ("tf.Variable(tf.zeros([3]))", "weight([3])"):
        source = (
            "def weight(shape):\n    return tf.Variable(tf.zeros(shape))\n\n\n"
            f"class Gain(keras.layers.Layer):\n    def __init__(self):\n        super().__init__()\n"
            f"        self.gain = {made_of}\n\n    def call(self, x):\n        return x * self.gain\n"
        )
        made = translate(HEAD + source, "tf2torch")
        assert any("trained by Keras 2" in d.message for d in made.diagnostics if d.severity is Severity.ERROR)


def test_what_is_not_known_of_a_variable_is_refused() -> None:
    made = translate(HEAD + "def f(value):\n    return tf.Variable(value)\n", "tf2torch")
    assert [d.code for d in made.diagnostics if d.severity is Severity.ERROR] == ["XL205"]


def test_the_default_float_of_keras() -> None:
    """`keras.config.set_floatx` is what layers are made in; what TensorFlow itself makes stays float32."""
    torch = pytest.importorskip("torch")
    source = "import keras\nimport tensorflow as tf\n\nkeras.backend.set_floatx('float64')\nd = keras.layers.Dense(3)\n"
    source += "z = tf.zeros((2, 4))\ny = d(tf.ones((2, 4), 'float64'))\n"
    text = translate(source, "tf2torch").text
    program: dict[str, Any] = {}
    default = torch.get_default_dtype()
    try:
        exec(text, program)
    finally:
        torch.set_default_dtype(default)
    assert program["y"].dtype == torch.float64 and program["z"].dtype == torch.float32
