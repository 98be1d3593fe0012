"""TensorFlow 1: a graph and its session become a module and functions that take the same steps."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from translator import Translation, translate
from translator.model import Severity

VARIABLES = '''\
"""A perceptron on digits, with weights of its own."""
import numpy as np
import tensorflow as tf

# Parameters
learning_rate = 0.05
batch_size = 16
n_hidden = 20

rng = np.random.RandomState(0)
images = rng.rand(64, 30)
labels = np.eye(4)[rng.randint(0, 4, 64)]
history = []


def weight_variable(shape):
    initial = tf.truncated_normal(shape, stddev=0.1, dtype=tf.float64)
    return tf.Variable(initial)


# tf Graph input
x = tf.placeholder(tf.float64, [None, 30], name="x")
y = tf.placeholder(tf.float64, [None, 4])
keep_prob = tf.placeholder(tf.float64, [])

with tf.variable_scope("hidden"):
    W1 = weight_variable([30, n_hidden])
    b1 = tf.get_variable("b1", [n_hidden], tf.float64, initializer=tf.constant_initializer(0.1))
    hidden = tf.nn.relu(tf.nn.xw_plus_b(x, W1, b1))
dropped = tf.nn.dropout(hidden, keep_prob)
W2 = tf.get_variable("W2", shape=[n_hidden, 4], dtype=tf.float64)
b2 = tf.Variable(tf.zeros([4], dtype=tf.float64))
logits = tf.matmul(dropped, W2) + b2
prediction = tf.nn.softmax(logits)

error = tf.reduce_mean(tf.nn.softmax_cross_entropy_with_logits_v2(labels=y, logits=logits))
cost = error + 0.01 * tf.nn.l2_loss(W1) * tf.reduce_mean(y)
optimizer = tf.train.MomentumOptimizer(learning_rate, 0.9).minimize(cost)
correct = tf.equal(tf.argmax(prediction, 1), tf.argmax(y, 1))
accuracy = tf.reduce_mean(tf.cast(correct, tf.float64))

init = tf.global_variables_initializer()

with tf.Session() as sess:
    sess.run(init)
    for step in range(20):
        start = step * batch_size % 64
        batch_x, batch_y = images[start : start + batch_size], labels[start : start + batch_size]
        # One step
        _, loss = sess.run([optimizer, cost], feed_dict={x: batch_x, y: batch_y, keep_prob: 1.0})
        history.append(float(loss))
        if step % 5 == 0:
            history.append(float(sess.run(accuracy, feed_dict={x: batch_x, y: batch_y, keep_prob: 1.0})))
    history.append(float(accuracy.eval({x: images, y: labels, keep_prob: 1.0})))
    history += [float(v) for v in sess.run(prediction, {x: images[:2], keep_prob: 1.0})[1]]
'''

LAYERS = '''\
"""A convolutional network on digits, of layers."""
import numpy as np
import tensorflow as tf

learning_rate = 0.01

x = tf.placeholder(tf.float64, [None, 8, 10, 1], name="x")
y = tf.placeholder(tf.int64, [None], name="y")

conv1 = tf.layers.conv2d(x, 6, 3, padding="same", activation=tf.nn.relu, name="conv1")
pool1 = tf.layers.max_pooling2d(conv1, 2, 2)
conv2 = tf.layers.conv2d(inputs=pool1, filters=5, kernel_size=[3, 3], strides=2, padding="SAME")
flat = tf.layers.flatten(tf.nn.relu(conv2))
logits = tf.layers.dense(flat, 4)

loss = tf.reduce_mean(tf.nn.sparse_softmax_cross_entropy_with_logits(labels=y, logits=logits))
optimizer = tf.train.AdamOptimizer(learning_rate=learning_rate)
train_op = optimizer.minimize(loss)
accuracy = tf.reduce_mean(tf.to_double(tf.equal(tf.argmax(logits, axis=1), y)))

rng = np.random.RandomState(1)
images, labels = rng.rand(32, 8, 10, 1), rng.randint(0, 4, 32)
history = []

with tf.Session() as sess:
    sess.run(tf.global_variables_initializer())
    for step in range(20):
        sess.run(train_op, feed_dict={x: images, y: labels})
        loss_value, acc = sess.run([loss, accuracy], feed_dict={x: images, y: labels})
        history += [float(loss_value), float(acc)]
    history += [float(v) for v in sess.run(logits, {x: images})[3]]

print("done", history[-1])
'''

LANGUAGE = '''\
"""A language model: characters after characters."""
import numpy as np
import tensorflow as tf

batch_size, num_steps, vocab_size, hidden_size = 4, 6, 11, 8
learning_rate = 0.5
max_grad_norm = 5.0

text = np.random.RandomState(0).randint(0, vocab_size, 400)
history = []

inputs = tf.placeholder(tf.int32, [None, num_steps])
targets = tf.placeholder(tf.int32, [None, num_steps])

with tf.variable_scope("embedding"):
    embedding = tf.get_variable("embedding", [vocab_size, hidden_size], tf.float64)
    embedded = tf.nn.embedding_lookup(embedding, inputs)

cell = tf.nn.rnn_cell.BasicLSTMCell(hidden_size)
outputs, state = tf.nn.dynamic_rnn(cell, embedded, dtype=tf.float64)

with tf.variable_scope("softmax"):
    softmax_w = tf.get_variable("w", [hidden_size, vocab_size], tf.float64)
    softmax_b = tf.get_variable("b", [vocab_size], tf.float64, initializer=tf.zeros_initializer())
logits = tf.matmul(tf.reshape(outputs, [-1, hidden_size]), softmax_w) + softmax_b
losses = tf.nn.sparse_softmax_cross_entropy_with_logits(labels=tf.reshape(targets, [-1]), logits=logits)
cost = tf.reduce_mean(losses)

tvars = tf.trainable_variables()
grads, _ = tf.clip_by_global_norm(tf.gradients(cost, tvars), max_grad_norm)
optimizer = tf.train.GradientDescentOptimizer(learning_rate)
train_op = optimizer.apply_gradients(zip(grads, tvars))


def batches():
    data = text[: 400 // batch_size * batch_size].reshape(batch_size, -1)
    for i in range((data.shape[1] - 1) // num_steps):
        at = i * num_steps
        yield data[:, at : at + num_steps], data[:, at + 1 : at + num_steps + 1]


with tf.Session() as sess:
    sess.run(tf.global_variables_initializer())
    for epoch in range(2):
        total = 0.0
        for x, y in batches():
            loss, _ = sess.run([cost, train_op], {inputs: x, targets: y})
            total += loss
            history.append(float(loss))
        history.append(float(np.exp(total / 16)))
'''

NOISE = '''
import zlib

import numpy as np


def noise(shape):
    """Noise of which all that counts is the shape."""
    shape = [int(n) for n in shape]
    return np.random.default_rng(zlib.crc32(repr(shape).encode())).standard_normal(shape) * 0.3
'''

SESSION = NOISE + '''
import importlib.util, json, sys
import tensorflow.compat.v1 as tf

tf.disable_v2_behavior()
text = sys.stdin.read().replace("import tensorflow as tf", "import tensorflow.compat.v1 as tf")
run = tf.Session.run


class Layers:
    """`tf.layers`, which TensorFlow only has with a Keras 2 that is installed beside it."""

    count = 0

    def weights(self, x, shape, bias):
        Layers.count += 1
        with tf.variable_scope(f"layer_{Layers.count}"):
            return tf.get_variable("kernel", shape, x.dtype), tf.get_variable("bias", [bias], x.dtype)

    def dense(self, inputs, units, activation=tf.identity):
        kernel, bias = self.weights(inputs, [inputs.shape[-1], units], units)
        return activation(tf.matmul(inputs, kernel) + bias)

    def conv2d(self, inputs, filters, kernel_size, strides=1, padding="valid", activation=tf.identity, name=None):
        size = [kernel_size] * 2 if isinstance(kernel_size, int) else kernel_size
        kernel, bias = self.weights(inputs, [*size, inputs.shape[-1], filters], filters)
        return activation(tf.nn.conv2d(inputs, kernel, strides, padding.upper()) + bias)

    def max_pooling2d(self, inputs, pool_size, strides):
        return tf.nn.max_pool2d(inputs, pool_size, strides, "VALID")

    def flatten(self, inputs):
        return tf.reshape(inputs, [-1, np.prod(inputs.shape[1:])])


class BasicLSTMCell:
    """`tf.nn.rnn_cell.BasicLSTMCell`, which is there with a Keras 2 only, too."""

    def __init__(self, num_units):
        self.output_size, self.state_size = num_units, (num_units, num_units)

    def zero_state(self, batch_size, dtype):
        return tuple(tf.zeros([batch_size, n], dtype) for n in self.state_size)

    def __call__(self, inputs, state, scope=None):
        c, h = state
        width = self.output_size
        kernel = tf.get_variable("kernel", [inputs.shape[-1] + width, 4 * width], inputs.dtype)
        bias = tf.get_variable("bias", [4 * width], inputs.dtype)
        i, j, f, o = tf.split(tf.matmul(tf.concat([inputs, h], 1), kernel) + bias, 4, 1)
        c = c * tf.sigmoid(f + 1.0) + tf.sigmoid(i) * tf.tanh(j)
        h = tf.tanh(c) * tf.sigmoid(o)
        return h, (c, h)


if importlib.util.find_spec("tf_keras") is None:
    tf.layers = Layers()
    text = text.replace("tf.nn.rnn_cell.", "")


def run_and_fill(self, fetches, *args, **kwargs):
    """After the variables got their first values, they get those of the other version, too."""
    out = run(self, fetches, *args, **kwargs)
    if getattr(fetches, "name", "").startswith("init"):
        for variable in tf.trainable_variables():
            variable.load(noise(variable.shape.as_list()), self)
    return out


def exact(self, learning_rate=0.001, beta1=0.9, beta2=0.999, epsilon=1e-8, **kwargs):
    """TensorFlow rounds Python's numbers to float32 before it casts them."""
    adam(self, *(np.float64(v) for v in (learning_rate, beta1, beta2, epsilon)), **kwargs)


adam, tf.train.AdamOptimizer.__init__ = tf.train.AdamOptimizer.__init__, exact
tf.Session.run = run_and_fill
program = {"BasicLSTMCell": BasicLSTMCell, "__name__": "__main__"}
try:
    exec(text, program)
except SystemExit:  # of `tf.app.run`
    pass
print("HISTORY", json.dumps(program["history"]))
'''


def to_torch(text: str) -> Translation:
    return translate(text, "tf2torch")


def refusals(made: Translation) -> list[str]:
    return [f"{d.line}: {d.code} {d.message}" for d in made.diagnostics if d.severity is Severity.ERROR]


def by_session(text: str) -> list[float]:
    """What a program's session computes, in a process of its own: graphs cannot be switched off again."""
    environment = {**os.environ, "TF_USE_LEGACY_KERAS": "1", "TF_CPP_MIN_LOG_LEVEL": "3"}
    command = [sys.executable, "-c", SESSION]
    done = subprocess.run(
        command, input=text, capture_output=True, text=True, env=environment, timeout=240, check=False
    )
    assert done.returncode == 0, done.stderr[-2000:]
    line = next(x for x in done.stdout.splitlines() if x.startswith("HISTORY "))
    return json.loads(line.removeprefix("HISTORY "))  # type: ignore[no-any-return]


def fill(net: Any) -> None:
    """The same noise in the weights as the session has, whose kernels have other axes."""
    import torch

    space: dict[str, Any] = {}
    exec(NOISE, space)

    def drawn(shape: tuple[int, ...]) -> Any:
        return torch.from_numpy(space["noise"](shape))

    with torch.no_grad():
        for module in net.modules():
            if isinstance(module, torch.nn.LSTM):
                width = module.hidden_size
                kernel, bias = drawn((module.input_size + width, 4 * width)), drawn((4 * width,))
                bias[2 * width : 3 * width] += 1.0  # which the cell of TensorFlow 1 adds as it runs
                order = [0, 2, 1, 3]
                turned = torch.cat([kernel.chunk(4, 1)[n] for n in order], 1).T
                module.weight_ih_l0.copy_(turned[:, : module.input_size])
                module.weight_hh_l0.copy_(turned[:, module.input_size :])
                module.bias_ih_l0.copy_(torch.cat([bias.chunk(4)[n] for n in order]))
                continue
            for name, weight in module._parameters.items():
                shape = tuple(weight.shape)
                if isinstance(module, torch.nn.Linear | torch.nn.Conv2d) and name == "weight":
                    turned_axes = (1, 0) if len(shape) == 2 else (3, 2, 0, 1)
                    inverse = tuple(shape[turned_axes.index(a)] for a in range(len(shape)))
                    weight.copy_(drawn(inverse).permute(turned_axes))
                else:
                    weight.copy_(drawn(shape))


def by_calls(text: str) -> list[float]:
    import torch

    assert "net = Net()\n" in text
    program: dict[str, Any] = {"fill": fill, "__name__": "__main__"}
    default = torch.get_default_dtype()
    try:
        exec(text.replace("net = Net()\n", "net = Net()\nfill(net)\n"), program)
    finally:
        torch.set_default_dtype(default)
    return program["history"]  # type: ignore[no-any-return]


FIXTURES = Path(__file__).resolve().parent.parent / "fixtures"
IN_FUNCTIONS = [
    pytest.param(path.read_text("utf-8"), id=path.parent.name) for path in sorted(FIXTURES.glob("tf1_*/tf1_model.py"))
]
"""Programs whose graphs are built in functions, and whose sessions are in a main function."""
PROGRAMS = [
    *IN_FUNCTIONS,
    pytest.param(VARIABLES, id="variables"), pytest.param(LAYERS, id="layers"), pytest.param(LANGUAGE, id="language"),
]  # fmt: skip


@pytest.mark.parametrize("source", PROGRAMS)
def test_a_session_takes_the_same_steps(source: str) -> None:
    pytest.importorskip("tensorflow")
    made = to_torch(source)
    assert not refusals(made)
    assert "tf." not in made.text and "sess" not in made.text and "keras" not in made.text
    expected = by_session(source)
    assert np.ptp(expected[:20]) > 1e-3
    np.testing.assert_allclose(by_calls(made.text), expected, rtol=1e-7)


def test_a_gradient_of_rows_that_is_clipped_is_told_of() -> None:
    assert any("clip_norm_of_lookups" in d.message for d in to_torch(LANGUAGE).diagnostics)


def test_runs_become_calls() -> None:
    text = to_torch(VARIABLES).text
    assert "loss = train_step(batch_x, batch_y, 1.0)" in text and "# One step" in text and "# Parameters" in text
    assert "history.append(float(compute_accuracy(images, labels, 1.0)))" in text
    assert "def compute_prediction(x, keep_prob):" in text
    assert "self.W1 = weight_variable([30, n_hidden])" in text


HEAD = (
    "import tensorflow as tf\n\nx = tf.placeholder(tf.float32, [None, 3])\nw = tf.Variable(tf.zeros([3, 2]))\n"
    "y = tf.matmul(x, w)\nloss = tf.reduce_mean(tf.square(y))\n"
)
RUN = "with tf.Session() as sess:\n    sess.run(tf.global_variables_initializer())\n    print(sess.run(y, {x: data}))\n"
REFUSED = [
    (HEAD + "saver = tf.train.Saver([w])\n" + RUN, 7, "which variables are saved"),
    (HEAD + "step = tf.train.RMSPropOptimizer(0.1).minimize(loss)\n" + RUN.replace("(y,", "(step,"), None, "RMSProp"),
    (HEAD + "if debug:\n    y = tf.nn.relu(y)\n" + RUN, 7, "more than an assignment"),
    (HEAD + RUN.replace("sess.run(y, ", "sess.run(y, feed_dict="), None, ""),
    (HEAD + RUN.replace("{x: data}", "feed"), None, "what a run is fed is not written out"),
    (HEAD + RUN + "    print(sess.graph)\n", None, "`sess` is used for more than a run"),
    (HEAD + RUN.replace(", {x: data}", ""), None, "`x` is not fed"),
    (HEAD + "z = tf.layers.batch_normalization(y)\n" + RUN.replace("(y,", "(z,"), None, "batch_normalization"),
    ("k = 2\n" + HEAD + "z = y * k\n" + RUN.replace("(y,", "(z,") + "    k = 3\n", None, "`k`"),
    (HEAD + "k = 2\n\n\ndef twice(v):\n    return v * k\n\n\nz = twice(y)\n"
     + RUN.replace("(y,", "(z,") + "    k = 3\n", None, "`k`"),
    (HEAD + RUN + "    sess.run(tf.global_variables_initializer())\n", None, "first values again"),
    (HEAD + RUN.replace("(y, {x: data}", "(w"), None, "does not compute"),
    (HEAD.replace("tf.zeros([3, 2])", "draw(3, 2)") + RUN, 4, "`draw` gives a variable its first value"),
    (HEAD + "y = tf.nn.relu(y)\n" + RUN, None, "several tensors"),
    (HEAD + "g = tf.gradients(loss, [x])\n" + RUN, 7, "all that is trained"),
    (HEAD + "c = tf.nn.rnn_cell.BasicLSTMCell(4)\n"
     "o, s = tf.nn.dynamic_rnn(c, x, dtype=tf.float32)\nz = o + s[0]\n" + RUN, 9, "a state"),
]


@pytest.mark.parametrize(("source", "line", "reason"), REFUSED)
def test_what_is_not_understood_stays_whole(source: str, line: int | None, reason: str) -> None:
    made = to_torch(source)
    if not reason:
        assert not refusals(made)
        return
    told = [r for r in refusals(made) if "the graph is not translated" in r]
    assert len(told) == 1 and reason in told[0]
    assert line is None or told[0].startswith(f"{line}:")
    assert "tf.Session()" in made.text and "class Net" not in made.text
