"""Which form of a layer is written: the plain Keras layer where it is equal, the helper where it may not be."""

from __future__ import annotations

import pytest

from translator import Severity, translate


def init(code: str, params: str = "", fidelity: str = "idiomatic") -> tuple[str, list[str]]:
    """What ``self.layer = code`` becomes, and the refusals."""
    source = f"""from torch import nn
class M(nn.Module):
    def __init__(self{params}):
        super().__init__()
        self.layer = {code}
"""
    result = translate(source, fidelity=fidelity, layout="channels_first")
    line = next(x for x in result.text.splitlines() if x.strip().startswith("self.layer ="))
    return line.strip(), [d.message for d in result.diagnostics if d.severity is Severity.ERROR]


@pytest.mark.parametrize(
    "code, params, written",
    [
        ("nn.Conv2d(3, 4, 3, 1, 1, bias=False)", "", "keras.layers.Conv2D(4, 3, use_bias=False, padding='same', @cf)"),
        # Keras adds a channels_first bias along the last axis where that is as long as the bias.
        ("nn.Conv2d(3, 4, 3)", "", "PaddedConv2D(4, 3)"),
        ("nn.Conv2d(3, 4, 3, bias=flag)", ", flag", "PaddedConv2D(4, 3, use_bias=flag)"),
        ("nn.Conv2d(3, 4, 3, 2, 1, bias=False)", "", "PaddedConv2D(4, 3, strides=2, pad=1, use_bias=False)"),
        ("nn.Conv2d(c, c, 3, groups=c, bias=False)", ", c", "keras.layers.DepthwiseConv2D(3, use_bias=False, @cf)"),
        ("nn.LayerNorm(8)", "", "keras.layers.LayerNormalization(epsilon=1e-05)"),
        ("nn.LayerNorm([4, 8], eps=1e-6)", "", "keras.layers.LayerNormalization(axis=[-2, -1], epsilon=1e-6)"),
        ("nn.LayerNorm(shape)", ", shape", "LayerNorm(shape)"),
        ("nn.LayerNorm(8, bias=False)", "", "keras.layers.LayerNormalization(epsilon=1e-05, center=False)"),
        ("nn.BatchNorm2d(8, momentum=0.2)", "", "keras.layers.BatchNormalization(axis=1, momentum=0.8, epsilon=1e-05)"),
        ("nn.BatchNorm2d(8, momentum=None)", "", "BatchNormalizationUnbiased(axis=1, momentum=None, epsilon=1e-05)"),
        (
            "nn.BatchNorm2d(8, eps=e, affine=False)", ", e",
            "keras.layers.BatchNormalization(axis=1, momentum=0.9, epsilon=e, center=False, scale=False)",
        ),
        ("nn.ZeroPad2d((1, 2, 3, 4))", "", "keras.layers.ZeroPadding2D(((3, 4), (1, 2)), @cf)"),
        ("nn.ZeroPad2d((1, -2, 3, 4))", "", "ZeroPad2d((1, -2, 3, 4))"),
        ("nn.AdaptiveAvgPool2d((1, 1))", "", "keras.layers.GlobalAveragePooling2D(@cf, keepdims=True)"),
        ("nn.AdaptiveAvgPool2d(size)", ", size", "AdaptiveAveragePooling2D(size)"),
        ("nn.LogSoftmax(dim=1)", "", "keras.layers.Activation(lambda x: tf.nn.log_softmax(x, axis=1))"),
        # A lambda would read `dim` at each call.
        ("nn.LogSoftmax(dim=dim)", ", dim", "LogSoftmax(dim=dim)"),
        ("nn.LSTM(4, 5, batch_first=True, device=device)", ", device", "LSTM(4, 5, batch_first=True)"),
    ],
)  # fmt: skip
def test_form(code: str, params: str, written: str) -> None:
    line, refusals = init(code, params)
    assert not refusals
    written = written.replace("@cf", "data_format='channels_first'")
    assert line.replace('"', "'") == f"self.layer = {written}"


def test_exact_fidelity_keeps_the_unbiased_variance() -> None:
    line, _ = init("nn.BatchNorm2d(8)", fidelity="exact")
    assert "BatchNormalizationUnbiased(" in line


@pytest.mark.parametrize(
    "code", ["nn.Softmax(dim=None)", "nn.MaxPool2d(2, return_indices=some())", "nn.FractionalMaxPool2d(2, 3)"]
)
def test_refused(code: str) -> None:
    _, refusals = init(code)
    assert len(refusals) == 1


def body(lines: str) -> tuple[str, list[str]]:
    """The translated lines of a function that has a model ``m`` and a tensor ``x``."""
    source = f"""import torch
from torch import nn


def f():
    m = nn.Linear(3, 3)
    attention = nn.MultiheadAttention(8, 2)
    x = torch.zeros(2, 3)
    {lines}
"""
    result = translate(source)
    text = result.text[result.text.rindex("def f():") :]
    return text, [d.message for d in result.diagnostics if d.severity is Severity.ERROR]


def test_device_moves_vanish() -> None:
    text, refusals = body('m.to("cuda")\n    m.cuda()\n    return m.cpu()(x)')
    assert not refusals
    assert "cuda" not in text
    assert text.rstrip().endswith("return m(x)")


def test_dtype_moves_are_refused() -> None:
    assert len(body("m.to(torch.float16)")[1]) == 1
    assert len(body("m.half()")[1]) == 1


def test_flags_of_a_layer_call_go_by_name() -> None:
    text, refusals = body("return attention(x, x, x, None, False)")
    assert not refusals
    assert "attention(x, x, x, None, need_weights=False, " in text


def test_isinstance_asks_for_every_form() -> None:
    text, refusals = body("return isinstance(m, nn.Conv2d)")
    assert not refusals
    assert "isinstance(m, keras.layers.Conv2D)" in text
    text, refusals = body("d = nn.Conv2d(4, 4, 3, groups=4)\n    return isinstance(m, nn.Conv2d)")
    assert not refusals
    assert "isinstance(m, (keras.layers.Conv2D, keras.layers.DepthwiseConv2D))" in text


def test_isinstance_of_an_activation_without_a_class_is_refused() -> None:
    assert len(body("return isinstance(m, nn.Sigmoid)")[1]) == 1


FRESH = [
    ("nn.Linear(3, 4)", "", "Dense(4, kernel_initializer=fan_in_uniform(3), bias_initializer=fan_in_uniform(3))"),
    ("nn.Linear(3, n, bias=False)", ", n", "Dense(n, use_bias=False, kernel_initializer=fan_in_uniform(3))"),
    ("nn.Conv2d(n, 8, 3)", ", n", "kernel_initializer=fan_in_uniform(n * 9), bias_initializer=fan_in_uniform(n * 9))"),
    ("nn.Conv1d(n, 8, 1, groups=g)", ", n, g", "kernel_initializer=fan_in_uniform(n // g)"),
    ("nn.Conv2d(8, 8, (3, 5), groups=8)", "", "depthwise_initializer=fan_in_uniform(15)"),
    ("nn.ConvTranspose2d(4, 6, 3, groups=2)", "", "kernel_initializer=fan_in_uniform(27)"),
]


@pytest.mark.parametrize("code, params, expected", FRESH)
def test_weights_start_as_in_pytorch(code: str, params: str, expected: str) -> None:
    """With ``--fidelity exact`` layers draw their weights as PyTorch does, and nothing is listed; else it is."""
    line, refusals = init(code, params, "exact")
    assert expected in line and not refusals
    source = f"from torch import nn\ndef make({params[2:]}):\n    return {code}\n"
    notes = {f: {d.code for d in translate(source, fidelity=f).diagnostics} for f in ("idiomatic", "exact")}
    assert notes == {"idiomatic": {"XL401"}, "exact": set()}


def test_what_is_not_known_when_the_layer_is_made_is_listed() -> None:
    layers = "nn.LazyLinear(4), nn.Conv2d(3, 4, k), nn.Linear(f(), 2)"
    source = f"from torch import nn\ndef make(k, f):\n    return {layers}\n"
    assert [d.code for d in translate(source, fidelity="exact").diagnostics] == ["XL401"] * 3


def test_a_class_whose_axis_order_has_to_be_told_is_no_value_with_channels_last() -> None:
    source = "from torch import nn\nKINDS = {'a': nn.Unfold, 'b': nn.ReLU}\n"
    refused = [d.message for d in translate(source).diagnostics if d.severity is Severity.ERROR]
    assert len(refused) == 1 and "torch.nn.Unfold is passed on as a value" in refused[0]
    assert not translate(source, layout="channels_first").diagnostics
