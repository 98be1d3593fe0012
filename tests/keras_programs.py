"""Random Keras programs of operations that care about axis order, for hypothesis.

A program is a subclassed or a functional ``Net`` on images, channels last. Sizes are counted along while the program
grows, so that each layer gets what it can take, and mostly differ, so that what a wrong axis would compute has the
wrong shape or the wrong numbers.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from hypothesis import strategies as st

INPUT = (2, 9, 7, 4)
HEAD = "import tensorflow as tf\nfrom tensorflow import keras\nfrom tensorflow.keras import layers\n\n\n"


@dataclass
class Growing:
    """A program so far: layers that are made, lines that are run, and what shape ``x`` has."""

    functional: bool
    made: list[str] = field(default_factory=list)
    lines: list[str] = field(default_factory=list)
    shape: tuple[int, ...] = INPUT
    kept: dict[str, tuple[int, ...]] = field(default_factory=dict)

    def layer(self, text: str, x: str = "x") -> str:
        """An expression that applies a layer."""
        if self.functional:
            return f"layers.{text}({x})"
        self.made.append(f"self.layer{len(self.made)} = layers.{text}")
        return f"self.layer{len(self.made) - 1}({x})"

    def line(self, value: str, shape: tuple[int, ...] | None = None) -> None:
        self.lines.append(f"x = {value}")
        self.shape = shape if shape is not None else self.shape

    def keep(self) -> str:
        name = f"kept{len(self.kept)}"
        self.lines.append(f"{name} = x")
        self.kept[name] = self.shape
        return name

    @property
    def source(self) -> str:
        indent = "    " if self.functional else "        "
        body = "\n".join(indent + line for line in self.lines)
        if self.functional:
            top = f"def build():\n    inputs = keras.Input({INPUT[1:]})\n    x = inputs\n{body}\n"
            return HEAD + top + "    return keras.Model(inputs, x)\n\n\nNet = build()\n"
        made = "\n".join("        " + line for line in self.made)
        top = f"class Net(keras.Model):\n    def __init__(self):\n        super().__init__()\n{made}\n\n"
        run = f"\n\n\nif __name__ == '__main__':\n    Net()(tf.zeros({list(INPUT)}))\n"
        return HEAD + top + f"    def call(self, x):\n{body}\n        return x{run}"


Draw = Callable[[Any], Any]
Step = Callable[[Growing, Draw], None]


def windows(n: int, k: int, s: int, same: bool, d: int = 1) -> int:
    return -(-n // s) if same else (n - (k - 1) * d - 1) // s + 1


# -- layers of images ---------------------------------------------------------------------------------------------


def conv(g: Growing, draw: Draw) -> None:
    n, h, w, _ = g.shape
    k, same = draw(st.sampled_from([(1, 1), (3, 3), (2, 3)])), draw(st.booleans())
    s = draw(st.sampled_from([1, 1, 2]))
    d = draw(st.sampled_from([1, 2])) if s == 1 else 1
    out = draw(st.sampled_from([3, 5, 6]))
    sizes = [windows(m, j, s, same, d) for m, j in zip((h, w), k, strict=True)]
    if min(sizes) < 2:
        return
    act = draw(st.sampled_from(["", ", activation='tanh'", ", activation='softmax'", ", use_bias=False"]))
    padding = ", padding='same'" if same else ""
    more = (f", strides={s}" if s > 1 else "") + (f", dilation_rate={d}" if d > 1 else "") + act
    g.line(g.layer(f"Conv2D({out}, {k}{padding}{more})"), (n, *sizes, out))


def depthwise(g: Growing, draw: Draw) -> None:
    g.line(g.layer("DepthwiseConv2D(3, padding='same')"))


def norm(g: Growing, draw: Draw) -> None:
    kind = draw(st.sampled_from(["BatchNormalization()", "LayerNormalization()", "ReLU()", "Activation('sigmoid')"]))
    g.line(g.layer(kind))


def pool(g: Growing, draw: Draw) -> None:
    n, h, w, c = g.shape
    kind, same = draw(st.sampled_from(["Max", "Average"])), draw(st.booleans())
    size, s = draw(st.sampled_from([(2, 2), (3, 2), (2, 1)]))
    sizes = [windows(m, size, s, same) for m in (h, w)]
    if min(sizes) >= 2:
        padding = ", padding='same'" if same else ""
        g.line(g.layer(f"{kind}Pooling2D({size}, strides={s}{padding})"), (n, *sizes, c))


def resized(g: Growing, draw: Draw) -> None:
    n, h, w, c = g.shape
    if draw(st.booleans()) and max(h, w) < 8:
        g.line(g.layer("UpSampling2D((2, 1))"), (n, 2 * h, w, c))
    else:
        g.line(g.layer("ZeroPadding2D(((1, 2), (0, 3)))"), (n, h + 3, w + 3, c))


def dense(g: Growing, draw: Draw) -> None:
    out = draw(st.sampled_from([3, 5]))
    g.line(g.layer(f"Dense({out})"), (*g.shape[:-1], out))


def squeezed(g: Growing, draw: Draw) -> None:
    pooled = g.layer(f"Global{draw(st.sampled_from(['Average', 'Max']))}Pooling2D(keepdims=True)")
    if g.functional:
        g.line(f"layers.Multiply()([x, layers.Activation('sigmoid')({pooled})])")
    else:
        g.line(f"x * tf.sigmoid({pooled})")


def shortcut(g: Growing, draw: Draw) -> None:
    name = g.keep()
    norm(g, draw)
    if g.functional:
        merge = draw(st.sampled_from(["Add()", "Concatenate()", "Multiply()", "Concatenate(axis=1)"]))
        g.line(f"layers.{merge}([{name}, x])")
    else:
        merge = draw(st.sampled_from(["Add()", "Concatenate()", "tf.concat(axis=2)", "+"]))
        values = {"Add()": g.layer("Add()", f"[{name}, x]") if merge == "Add()" else "", "+": f"{name} + x",
                  "Concatenate()": g.layer("Concatenate()", f"[{name}, x]") if merge == "Concatenate()" else "",
                  "tf.concat(axis=2)": f"tf.concat([{name}, x], axis=2)"}  # fmt: skip
        g.line(values[merge])
    axis = {"Concatenate()": 3, "Concatenate(axis=1)": 1, "tf.concat(axis=2)": 2}.get(merge)
    if axis is not None:
        g.shape = tuple(2 * m if i == axis else m for i, m in enumerate(g.shape))


def turned(g: Growing, draw: Draw) -> None:
    perm = draw(st.sampled_from([(2, 1, 3), (1, 3, 2), (3, 1, 2)]))
    shape = (g.shape[0], *(g.shape[i] for i in perm))
    if g.functional or draw(st.booleans()):
        g.line(g.layer(f"Permute({perm})"), shape)
    else:
        g.line(f"tf.transpose(x, {[0, *perm]})", shape)


def reshaped(g: Growing, draw: Draw) -> None:
    n, h, w, c = g.shape
    if g.functional or draw(st.booleans()):
        g.line(g.layer(f"Reshape(({w}, {h}, {c}))"), (n, w, h, c))
    else:
        g.line(f"tf.reshape(x, [tf.shape(x)[0], {h * w}, {c}])")
        out = draw(st.sampled_from([3, 5]))
        g.line(g.layer(f"Dense({out}, activation='tanh')"))
        g.line(f"tf.reshape(x, [-1, {h}, {w}, {out}])", (n, h, w, out))


# -- functions of tensors -----------------------------------------------------------------------------------------


def reduced(g: Growing, draw: Draw) -> None:
    name = draw(st.sampled_from(["mean", "max", "sum", "logsumexp"]))
    axis = draw(st.sampled_from([1, 2, 3, -1, [1, 2], [1, -1]]))
    g.line(f"x - 0.1 * tf.reduce_{name}(x, axis={axis}, keepdims=True)")


def dropped(g: Growing, draw: Draw) -> None:
    axis = draw(st.sampled_from([1, 2, 3, -1]))
    g.line(f"tf.sin(x) + tf.expand_dims(tf.reduce_mean(x, axis={axis}), {axis})")


def sliced(g: Growing, draw: Draw) -> None:
    n, h, w, c = g.shape
    text, shape = draw(st.sampled_from([
        ("[:, 1:]", (n, h - 1, w, c)), ("[:, :, ::2]", (n, h, -(-w // 2), c)), ("[..., 1:]", (n, h, w, c - 1)),
        ("[:, :-1, 1:, :]", (n, h - 1, w - 1, c)), ("[..., ::-1]", (n, h, w, c)), ("[:, ::-1]", (n, h, w, c)),
    ]))  # fmt: skip
    if min(shape) >= 2:
        g.line(f"x{text}", shape)


def scaled(g: Growing, draw: Draw) -> None:
    _, h, w, c = g.shape
    text = draw(st.sampled_from([
        f"tf.cast(tf.range(1, {c + 1}), x.dtype)", f"tf.cast(tf.reshape(tf.range({h}), [{h}, 1, 1]), x.dtype)",
        f"tf.cast(tf.reshape(tf.range({w * c}), [{w}, {c}]), x.dtype)", "0.5",
        f"tf.ones([1, 1, 1, {c}], dtype=x.dtype)",
    ]))  # fmt: skip
    g.line(f"x * {text} * 0.3")


def padded(g: Growing, draw: Draw) -> None:
    n, h, w, c = g.shape
    pads = draw(st.sampled_from([(1, 0, 0, 2, 0, 0), (0, 0, 1, 1, 0, 1), (0, 0, 0, 0, 1, 1)]))
    pairs = [[0, 0], *([pads[i], pads[i + 1]] for i in (0, 2, 4))]
    g.line(f"tf.pad(x, {pairs})", (n, *(m + sum(p) for m, p in zip((h, w, c), pairs[1:], strict=True))))


def halved(g: Growing, draw: Draw) -> None:
    axes = [i for i in (1, 2, 3) if g.shape[i] % 2 == 0 and g.shape[i] > 3]
    if not axes:
        return
    axis = draw(st.sampled_from(axes))
    g.lines.append(f"a, b = tf.split(x, 2, axis={draw(st.sampled_from([axis, axis - 4]))})")
    g.line("a * tf.sigmoid(b)", tuple(m // 2 if i == axis else m for i, m in enumerate(g.shape)))


def joined(g: Growing, draw: Draw) -> None:
    axis = draw(st.sampled_from([1, 2, 3, -1, -2]))
    if draw(st.booleans()):
        g.line(f"tf.reduce_max(tf.stack([x, tf.cos(x), 0.5 * x], axis={axis}), axis={axis})")
    else:
        shape = tuple(2 * m if i == axis % 4 else m for i, m in enumerate(g.shape))
        if math.prod(shape) < 4000:
            g.line(f"tf.concat([tf.sin(x), x], {axis})", shape)


def chosen(g: Growing, draw: Draw) -> None:
    g.line(draw(st.sampled_from([
        "tf.where(x > 0.1, x, 0.2 * tf.square(x))", "tf.maximum(x, tf.reduce_mean(x, axis=[1, 2], keepdims=True))",
        "tf.reverse(x, axis=[2])", "tf.nn.softmax(x, axis=1)", "tf.nn.softmax(x)", "tf.clip_by_value(x, -0.5, 1.0)",
        "tf.cumsum(x, axis=1)", "tf.cond(tf.reduce_sum(x) > 0.0, lambda: x * 2.0, lambda: tf.tanh(x))",
    ])))  # fmt: skip


LAYERS: list[Step] = [conv, conv, depthwise, norm, pool, resized, dense, squeezed, shortcut, turned, reshaped]
FUNCTIONS: list[Step] = [reduced, dropped, sliced, scaled, padded, halved, joined, chosen]


@st.composite
def programs(draw: Any) -> str:
    """The source of a program whose ``Net`` takes one batch of images of the shape ``INPUT``."""
    g = Growing(functional=draw(st.booleans()))
    conv(g, draw)
    for _ in range(draw(st.integers(2, 7))):
        draw(st.sampled_from(LAYERS if g.functional else LAYERS + FUNCTIONS))(g, draw)
    end = draw(st.sampled_from(["", "Flatten()", "GlobalAveragePooling2D()"]))
    if end:
        width = g.shape[-1] if end.startswith("Global") else math.prod(g.shape[1:])
        g.line(g.layer(end), (g.shape[0], width))
        dense(g, draw)
    if not g.lines:
        g.line(g.layer("Conv2D(3, 1)"), (*g.shape[:-1], 3))
    return g.source
