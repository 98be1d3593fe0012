"""Functional Keras programs: what becomes a class, what stays, and what is refused."""

from __future__ import annotations

import pytest

from translator import Translation, translate
from translator.model import Severity

HEAD = "import keras\nfrom keras import backend, layers\n\n\n"


def to_torch(text: str) -> Translation:
    return translate(HEAD + text, "tf2torch")


def refusals(translation: Translation) -> list[str]:
    return [f"{d.code} {d.message}" for d in translation.diagnostics if d.severity is Severity.ERROR]


def whole(text: str) -> str:
    """The translation of a program that has one."""
    made = to_torch(text)
    assert not refusals(made)
    return made.text


BLOCK = """
def block(x, filters, activation="relu", name=None):
    conv_name = None if name is None else name + "_conv"
    x = layers.Conv2D(filters, 3, name=conv_name)(x)
    return layers.Activation(activation)(x)

"""
NET = """
def net(stack, use_bias):
    image = layers.Input((20, 16, 3))
    x = layers.Conv2D(8, 3, use_bias=use_bias)(image)
    x = stack(x)
    return keras.Model(image, layers.GlobalAveragePooling2D()(x))

"""


def test_names_of_layers_leave_nothing_behind() -> None:
    text = whole(
        BLOCK + "def net():\n    i = layers.Input((9, 8, 3))\n    return keras.Model(i, block(i, 4, name='a'))\n"
    )
    assert "conv_name" not in text and "name=" not in text
    assert 'def __init__(self, in_channels, filters, activation="relu"):' in text


def test_an_activation_that_a_caller_chooses_is_looked_up() -> None:
    net = "def net():\n    i = layers.Input((9, 8, 3))\n    return keras.Model(i, block(i, 4))\n"
    text = whole(BLOCK + net)
    assert "self.activation_ = Activation(activation, dim=1)" in text or "= Activation(activation, dim=1)" in text


def test_what_all_callers_pass_is_still_an_argument() -> None:
    """Other callers may pass something else."""
    stack = "def stack(x):\n    return layers.Conv2D(5, 3)(x)\n\n"
    text = whole(NET + stack + "model = net(stack, True)\n")
    assert "bias=use_bias" in text


def test_functions_that_are_passed_on_become_classes_that_are_passed_on() -> None:
    stack = (
        "def stack_a(x):\n    return layers.Conv2D(5, 3)(x)\n\ndef stack_b(x):\n    return layers.Conv2D(6, 3)(x)\n\n"
    )
    text = whole(NET + stack + "a = net(stack_a, True)\nb = net(stack_b, False)\n")
    assert "self.stack_layer = stack(8)" in text and "x = self.stack_layer(x)" in text
    assert "net(StackA, True)" in text and "net(StackB, False)" in text


def test_functions_without_modules_stay_functions() -> None:
    source = "def swish(x):\n    return layers.Activation('swish')(x)\n\n"
    source += "def net():\n    i = layers.Input((4,))\n    return keras.Model(i, swish(layers.Dense(3)(i)))\n"
    text = whole(source)
    assert "def swish(x):\n    return F.silu(x)" in text and "return swish(self.fc(i))" in text


def test_a_function_that_returns_a_function_is_one_class() -> None:
    source = (
        "def dense(units, rate=0.1):\n    def apply(x):\n        x = layers.Dense(units)(x)\n"
        "        return layers.Dropout(rate)(x)\n    return apply\n\n"
        "def net():\n    i = layers.Input((4,))\n    x = dense(5)(i)\n"
        "    return keras.Model(i, dense(6, rate=0.2)(x))\n"
    )
    text = whole(source)
    assert "def __init__(self, in_channels, units, rate=0.1):" in text and "def apply" not in text
    assert "Dense(4, 5)" in text and "Dense(5, 6, rate=0.2)" in text


@pytest.mark.parametrize(
    "test",
    ['backend.image_data_format() == "channels_last"', 'backend.image_data_format() != "channels_first"'],
)
def test_the_data_format_is_decided(test: str) -> None:
    source = (
        f"def net():\n    i = layers.Input((9, 8, 3))\n    axis = 3 if {test} else 1\n    x = layers.Conv2D(4, 3)(i)\n"
        "    if axis == 1:\n        x = layers.Permute((3, 1, 2))(x)\n"
        "    x = layers.BatchNormalization(axis=axis)(x)\n    return keras.Model(i, x)\n"
    )
    text = whole(source)
    assert "axis" not in text and "permute" not in text and "nn.BatchNorm2d(4" in text


def test_nested_loops_over_layers_are_one_loop() -> None:
    source = (
        "def net(widths=(4, 5)):\n    x = i = layers.Input((9, 8, 3))\n    for width in widths:\n"
        "        for _ in range(2):\n            x = layers.Conv2D(width, 3, padding='same')(x)\n"
        "    return keras.Model(i, x)\n"
    )
    text = whole(source.replace("x = i = ", "i = ").replace("    for width", "    x = i\n    for width"))
    assert "for conv in self.convs:\n            x = conv(x)" in text
    assert "self.convs.append(nn.Conv2d(channels, width, 3, padding=1))" in text


def test_layers_under_a_condition_in_a_loop_are_taken_in_turn() -> None:
    source = (
        "def net(depth=3):\n    i = layers.Input((16, 16, 3))\n    x = i\n    for n in range(depth):\n"
        "        x = layers.Conv2D(4, 3, padding='same')(x)\n        if n < depth - 1:\n"
        "            x = layers.BatchNormalization()(x)\n    return keras.Model(i, x)\n"
    )
    text = whole(source)
    assert "bns = iter(self.bns)" in text and "x = next(bns)(x)" in text
    assert "if n < self.depth - 1:" in text


def test_an_input_that_may_be_given_is_refused_when_it_is() -> None:
    source = (
        "def net(input_tensor=None):\n    if input_tensor is None:\n        image = layers.Input((8, 8, 3))\n"
        "    else:\n"
        "        image = input_tensor\n    return keras.Model(image, layers.Conv2D(4, 3)(image))\n"
    )
    text = whole(source)
    assert "if input_tensor is not None:\n        raise ValueError" in text


def test_a_function_among_others_that_make_no_layers_is_refused() -> None:
    """Classes and functions cannot stand in one place."""
    source = NET + "def stack(x):\n    return layers.Conv2D(5, 3)(x)\n\ndef plain(x):\n    return keras.ops.relu(x)\n\n"
    made = to_torch(source + "a = net(stack, True)\nb = net(plain, True)\n")
    assert any(r.startswith("XL21") for r in refusals(made))
    assert "def net(stack, use_bias):" in made.text and "layers.Input" in made.text


def test_what_a_loop_changes_is_not_guessed_in_forward() -> None:
    source = (
        "def net():\n    i = layers.Input((8,))\n    x = i\n    scale = 1.0\n    for n in range(3):\n"
        "        x = layers.Dense(8)(x) * scale\n        scale = scale / 2\n    return keras.Model(i, x)\n"
    )
    assert any("`scale` changes" in r for r in refusals(to_torch(source)))


def test_a_function_that_stands_below_its_caller_keeps_what_it_needs() -> None:
    source = (
        "def outer(x):\n    x = inner(x)\n    return layers.Conv2D(5, 1)(x)\n\n"
        "def inner(x):\n    return layers.Conv2D(4, 3, strides=2, padding='same')(x)\n\n"
        "def net():\n    i = layers.Input((9, 8, 3))\n    return keras.Model(i, outer(i))\n"
    )
    text = whole(source)
    assert text.count("class SameConv2d(nn.Conv2d):") == 1
    assert "self.conv = SameConv2d(in_channels, 4, 3, stride=2)" in text
