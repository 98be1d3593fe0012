"""Faults to plant in a translation, one at a time, and edits that leave it right.

What is edited is ``fixtures/mixed/edited_tf.py``, a translation that is kept as a user would keep it. ``path`` is where
verify must see the first difference (PyTorch's attribute path, with ``*`` for any end); the edited line must be among
those that it shows of the translation, unless the path alone decides.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

INPUTS: list[dict[str, Any]] = [{"x": "float[2,3,24,20]"}, {"x": "float[3,3,20,28]"}]


@dataclass(frozen=True)
class Fault:
    """``old`` becomes ``new``, where it stands for the first time after ``after``."""

    kind: str
    path: str
    old: str
    new: str
    after: str = ""
    elsewhere: bool = False
    """Whether the difference shows in another place than the edited line: then the path alone decides."""

    def plant(self, text: str) -> tuple[str, int]:
        """The faulty text, and the line that was edited.

        Raises:
            LookupError: the translation does not look as this fault thinks.
        """
        start = text.find(self.after)
        at = text.find(self.old, start) if start >= 0 else -1
        if at < 0:
            raise LookupError(f"{self.kind}: {self.old!r} not found after {self.after!r}")
        return text[:at] + self.new + text[at + len(self.old) :], text.count("\n", 0, at) + 1


CONV = 'PaddedConv2D(width, 3, strides=stride, pad=1, use_bias=False)'
DILATED = "PaddedConv2D(width, 3, pad=2, dilation_rate=2, groups=2)"
POOL = "PaddedMaxPooling2D(3, strides=2, pad=1)"
HEADS = "(b, n, 3, self.heads, c // self.heads)), (2, 0, 3, 1, 4))"
TOKENS = "tf.transpose(tf.reshape(x, (keras.ops.shape(x)[0], x.shape[1], -1)), (0, 2, 1))"
FIRST = 'data_format="channels_first"'

FAULTS = [
    # -- settings of layers
    Fault("epsilon of a batch norm", "block1.bn1", "epsilon=1e-05", "epsilon=0.001", "self.bn1"),
    Fault("momentum the wrong way round", "block1.bn1", "momentum=0.8", "momentum=0.2"),
    Fault("epsilon of a group norm", "block1.gn", "epsilon=1e-05", "epsilon=0.001", "self.gn"),
    Fault("number of groups of a norm", "block1.gn", "GroupNormalization(2", "GroupNormalization(4"),
    Fault("axis of a norm", "block1.gn", "axis=1", "axis=-1", "self.gn"),
    Fault("slope of a leaky ReLU", "block1.act", "LeakyReLU(0.1)", "LeakyReLU(0.3)"),
    Fault("same padding at stride 2", "block2.conv1", CONV,
          f'keras.layers.Conv2D(width, 3, strides=stride, padding="same", use_bias=False, {FIRST})'),
    Fault("dilation", "block1.conv2", DILATED, "PaddedConv2D(width, 3, pad=1, dilation_rate=1, groups=2)"),
    Fault("groups of a convolution", "block1.conv2", DILATED, "PaddedConv2D(width, 3, pad=2, dilation_rate=2)"),
    Fault("same padding of a pool", "pool", POOL, f'keras.layers.MaxPooling2D(3, strides=2, padding="same", {FIRST})'),
    Fault("average for maximum", "block2.down", "AveragePooling2D(stride", "MaxPooling2D(stride"),
    Fault("rate of dropout", "attention.drop", "Dropout(0.1)", "Dropout(0.9)"),
    Fault("no bias", "attention.qkv", "Dense(3 * width)", "Dense(3 * width, use_bias=False)"),
    Fault("an activation too many", "attention.proj", "Dense(width)", 'Dense(width, activation="relu")'),
    Fault("batch_first", "rnn", "batch_first=True", "batch_first=False", "self.rnn"),
    Fault("a transposed convolution without bias", "up", "strides=2)", "strides=2, use_bias=False)", "self.up"),
    Fault("a frozen parameter", "norm", "keras.ops.ones((width,))", "keras.ops.ones((width,)), trainable=False", elsewhere=True),
    Fault("stride of a block", "block2.*", "stride=2)", "stride=1)", "self.block2", elsewhere=True),
    # -- code of layers
    Fault("approximate GELU", "block1", "tf.nn.gelu(y)", "tf.nn.gelu(y, approximate=True)"),
    Fault("order of norm and activation", "block1", "self.act(self.bn1(self.conv1(x)))",
          "self.bn1(self.act(self.conv1(x)))"),
    Fault("a layer left out", "block1", "self.gn(self.conv2(y))", "self.conv2(y)"),
    Fault("a residual left out", "block1", "y = y + self.down(x)", "y = y"),
    Fault("axis of softmax", "attention", "tf.nn.softmax(scores, axis=-1)", "tf.nn.softmax(scores, axis=-2)"),
    Fault("scale of attention", "attention", "** -0.5", "** -1.0"),
    Fault("a mask the wrong way round", "attention", "where(mask, -1e9, scores)", "where(mask, scores, -1e9)"),
    Fault("a mask with the diagonal", "attention", "k=1)", "k=0)", "mask ="),
    Fault("order of heads", "attention", HEADS, "(b, n, self.heads, 3, c // self.heads)), (3, 0, 2, 1, 4))"),
    Fault("heads merged without a transpose", "attention", "tf.transpose(weights @ v, (0, 2, 1, 3))", "weights @ v"),
    Fault("epsilon outside of the root", "norm", "tf.sqrt(var + self.eps)", "(tf.sqrt(var) + self.eps)"),
    Fault("epsilon's default", "norm", "eps=1e-6", "eps=1e-3", "class Norm", elsewhere=True),
    Fault("unbiased variance", "norm", "keepdims=True)", "keepdims=True) * 8.0 / 7.0", "var = "),
    Fault("axis of a mean", "norm", "axis=-1", "axis=1", "mean = "),
    Fault("gates in another order", "rnn", "r, z = tf.split(", "z, r = tf.split(", elsewhere=True),
    # -- code of the model
    Fault("ReLU for ReLU6", "", "tf.nn.relu6(", "tf.nn.relu("),
    Fault("blocks in another order", "", "x = self.block1(x)\n        x = self.block2(x)",
          "x = self.block2(x)\n        x = self.block1(x)"),
    Fault("one layer twice", "", "x = self.block2(x)", "x = self.block1(x)"),
    Fault("missing transpose before tokens", "", TOKENS,
          "tf.reshape(x, (keras.ops.shape(x)[0], -1, x.shape[1]))"),
    Fault("a residual of the model left out", "", "tokens + self.attention(tokens)", "self.attention(tokens)"),
    Fault("biased deviation", "", "std(big, dim=(2, 3))", "tf.math.reduce_std(big, axis=(2, 3))", "spread ="),
    Fault("align_corners", "", "align_corners=False", "align_corners=True", "big ="),
    Fault("nearest for bilinear", "", 'mode="bilinear", align_corners=False', 'mode="nearest"', "big ="),
    Fault("flatten in another order", "", "adaptive_avg_pool2d(big, 2)",
          "tf.transpose(adaptive_avg_pool2d(big, 2), (0, 2, 3, 1))", "corner ="),
    Fault("order of a concatenation", "", "[hidden[-1], spread * gate,", "[spread * gate, hidden[-1],"),
    Fault("bounds of a clip", "", "-1.5, 1.5)", "-1.5, 0.5)"),
    Fault("first state for last", "", "hidden[-1]", "out[:, 0]", "features ="),
    Fault("softmax without the logarithm", "", "tf.nn.log_softmax(", "tf.nn.softmax("),
    Fault("axis of log-softmax", "", "axis=1)", "axis=0)", "log_softmax(self.head"),
    Fault("a detach left out", "", "tf.stop_gradient(tf.sigmoid(spread))", "tf.sigmoid(spread)"),
    Fault("a detach too many", "block1", "self.down(x)", "tf.stop_gradient(self.down(x))", "y = y +"),
    Fault("training mode off", "block1*", "self.bn1(self.conv1(x))", "self.bn1(self.conv1(x), training=False)", elsewhere=True),
]  # fmt: skip

EXTRA = '''

def smooth(x):
    """GELU, as a function of its own."""
    return x * 0.5 * (1.0 + tf.math.erf(x / tf.sqrt(tf.constant(2.0, x.dtype))))


class Norm('''

RESTYLED = {
    "keras.ops": [("tf.nn.log_softmax(self.head(features), axis=1)", "keras.ops.log_softmax(self.head(features), axis=1)"),
                  ("tf.concat([hidden", "keras.ops.concatenate([hidden")],
    "a merge layer": [("y = y + self.down(x)", "y = keras.layers.Add()([y, self.down(x)])")],
    "a function for a layer": [("self.act(self.bn1(self.conv1(x)))", "tf.nn.leaky_relu(self.bn1(self.conv1(x)), 0.1)")],
    "an own function": [("\nclass Norm(", EXTRA), ("tf.nn.gelu(y)", "smooth(y)")],
    "Keras's transposed convolution": [("PaddedConv2DTranspose(width, 2, strides=2)",
                                        f"keras.layers.Conv2DTranspose(width, 2, strides=2, {FIRST})")],
    "a padding layer": [("x = tf.nn.relu6(self.stem(x))",
                         f"x = keras.layers.ZeroPadding2D(1, {FIRST})(x)\n        x = tf.nn.relu6(self.stem(x))"),
                        ("self.stem = PaddedConv2D(width, 3, pad=1)",
                         f"self.stem = keras.layers.Conv2D(width, 3, {FIRST})")],
    "training handed down": [("def call(self, x):\n        y = self.act", "def call(self, x, training=None):\n        y = self.act"),
                             ("self.bn1(self.conv1(x))", "self.bn1(self.conv1(x), training=training)")],
    "other names of variables": [("tokens = tokens + self.attention(tokens)\n        tokens = self.norm(tokens)",
                                  "residual = tokens\n        tokens = self.norm(residual + self.attention(residual))")],
    "einsum": [("q @ tf.transpose(k, (0, 1, 3, 2))", 'tf.einsum("bhnd,bhmd->bhnm", q, k)')],
    "a loop over blocks": [("x = self.block1(x)\n        x = self.block2(x)",
                            "for block in (self.block1, self.block2):\n            x = block(x)")],
    "moments": [("mean = tf.reduce_mean(x, axis=-1, keepdims=True)\n        var = tf.math.reduce_variance(x, axis=-1, keepdims=True)",
                 "mean, var = tf.nn.moments(x, [-1], keepdims=True)")],
    "a config": [("    def call(self, x):\n        mean", "    def get_config(self):\n        return {**super().get_config(), \"eps\": self.eps}\n\n    def call(self, x):\n        mean")],
}  # fmt: skip
"""Edits after which a translation is still right."""
