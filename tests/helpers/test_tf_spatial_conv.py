"""Convolution helpers against PyTorch."""

import keras
import numpy as np
import pytest
import tensorflow as tf
import torch
import torch.nn.functional as F
from tf_spatial_support import assert_close, check, check_layer, draw, tf_run, to_last, torch_run

from translator.helpers.tf.conv import (
    PaddedConv1D,
    PaddedConv2D,
    PaddedConv3D,
    PaddedDepthwiseConv2D,
    conv1d,
    conv2d,
    conv3d,
)
from translator.helpers.tf.conv_transpose import (
    PaddedConv1DTranspose,
    PaddedConv2DTranspose,
    PaddedConv3DTranspose,
    conv_transpose1d,
    conv_transpose2d,
    conv_transpose3d,
)


def kernel_order(w):
    """PyTorch's (a, b, k...) to Keras's (k..., b, a)."""
    return np.transpose(w, (*range(2, w.ndim), 1, 0))


WEIGHTS = {"weight": ("kernel", kernel_order), "bias": ("bias", lambda b: b)}
CONV2D = [
    {"kernel_size": 3, "padding": 1},
    {"kernel_size": 3, "stride": 2, "padding": 1},
    {"kernel_size": (3, 5), "stride": (2, 1), "padding": (0, 2)},
    {"kernel_size": 3, "stride": 2, "padding": 2, "dilation": 2},
    {"kernel_size": 3, "padding": 2, "dilation": (2, 1), "groups": 2},
    {"kernel_size": 3, "stride": 2, "padding": 1, "groups": 2},
    {"kernel_size": 3, "stride": (1, 2), "padding": 1, "groups": 4},
    {"kernel_size": (4, 2), "padding": "same", "dilation": (1, 3)},
    {"kernel_size": 3, "stride": 2, "padding": (1, 2), "padding_mode": "reflect"},
    {"kernel_size": 3, "padding": 1, "padding_mode": "replicate"},
    {"kernel_size": 3, "padding": 2, "padding_mode": "circular", "groups": 2},
    {"kernel_size": 4, "padding": "same", "padding_mode": "reflect"},
    {"kernel_size": 7, "stride": 4, "padding": 3},
]


def keras_arguments(options):
    names = {"stride": "strides", "padding": "pad", "dilation": "dilation_rate", "padding_mode": "pad_mode"}
    return {names.get(name, name): value for name, value in options.items()}


@pytest.mark.parametrize("options", CONV2D, ids=str)
def test_conv2d_layer(options):
    module = torch.nn.Conv2d(4, 8, **options)
    check_layer(
        module,
        lambda fmt: PaddedConv2D(8, **keras_arguments(options), data_format=fmt, dtype="float64"),
        draw(2, 4, 9, 12),
        WEIGHTS,
    )


@pytest.mark.parametrize(
    "options",
    [
        {"kernel_size": 5, "stride": 2, "padding": 2},
        {"kernel_size": 3, "padding": 2, "dilation": 2, "groups": 2},
        {"kernel_size": 3, "stride": 3, "padding": 1, "groups": 4},
        {"kernel_size": 3, "padding": 2, "padding_mode": "circular"},
    ],
    ids=str,
)
def test_conv1d_layer(options):
    module = torch.nn.Conv1d(4, 8, **options)
    check_layer(
        module,
        lambda fmt: PaddedConv1D(8, **keras_arguments(options), data_format=fmt, dtype="float64"),
        draw(2, 4, 13),
        WEIGHTS,
    )


@pytest.mark.parametrize(
    "options",
    [
        {"kernel_size": 3, "stride": (1, 2, 2), "padding": 1},
        {"kernel_size": (1, 3, 2), "padding": (0, 1, 1), "groups": 2},
        {"kernel_size": 2, "stride": 2, "dilation": 2, "padding": 1, "padding_mode": "replicate"},
    ],
    ids=str,
)
def test_conv3d_layer(options):
    module = torch.nn.Conv3d(4, 6, **options)
    check_layer(
        module,
        lambda fmt: PaddedConv3D(6, **keras_arguments(options), data_format=fmt, dtype="float64"),
        draw(2, 4, 5, 7, 6),
        WEIGHTS,
    )


def test_conv_without_bias_and_with_activation():
    module = torch.nn.Sequential(torch.nn.Conv2d(3, 4, 3, 2, 1, bias=False), torch.nn.Tanh())
    check_layer(
        module,
        lambda fmt: PaddedConv2D(4, 3, 2, 1, use_bias=False, activation="tanh", data_format=fmt, dtype="float64"),
        draw(2, 3, 8, 7),
        {"0.weight": WEIGHTS["weight"]},
    )


@pytest.mark.parametrize(
    "options",
    [
        {"kernel_size": 3, "padding": 1},
        {"kernel_size": 3, "stride": 2, "padding": 1},
        {"kernel_size": (5, 3), "stride": (1, 2), "padding": (2, 1)},
        {"kernel_size": 3, "stride": 2, "padding": 2, "dilation": 2},
        {"kernel_size": 3, "padding": 1, "padding_mode": "reflect"},
    ],
    ids=str,
)
@pytest.mark.parametrize("multiplier", [1, 2])
def test_depthwise_layer(options, multiplier):
    module = torch.nn.Conv2d(3, 3 * multiplier, groups=3, **options)

    def depthwise_kernel(w):
        return np.transpose(w.reshape(3, multiplier, *w.shape[2:]), (2, 3, 0, 1))

    check_layer(
        module,
        lambda fmt: PaddedDepthwiseConv2D(
            **keras_arguments(options), depth_multiplier=multiplier, data_format=fmt, dtype="float64"
        ),
        draw(2, 3, 8, 11),
        {"weight": ("kernel", depthwise_kernel), "bias": WEIGHTS["bias"]},
    )


@pytest.mark.parametrize(
    ("name", "ours", "x", "weight"),
    [
        ("conv1d", conv1d, (2, 4, 9), (6, 2, 3)),
        ("conv2d", conv2d, (2, 4, 9, 7), (6, 2, 3, 2)),
        ("conv3d", conv3d, (1, 4, 5, 6, 7), (6, 2, 3, 2, 2)),
    ],
)
def test_functional_convolutions(name, ours, x, weight):
    theirs = getattr(F, name)
    arrays = (draw(*x), draw(*weight, seed=1), draw(weight[0], seed=2))
    check(
        lambda x, w, b: theirs(x, w, b, 2, 1, 1, 2),
        lambda x, w, b, data_format: ours(x, w, b, 2, 1, 1, 2, data_format=data_format),
        *arrays,
    )


CONV_TRANSPOSE2D = [
    {"kernel_size": 4, "stride": 2, "padding": 1},
    {"kernel_size": 3, "stride": 2, "padding": 1, "output_padding": 1},
    {"kernel_size": 2, "stride": 2},
    {"kernel_size": 2, "stride": 3},
    {"kernel_size": (3, 5), "stride": (1, 2), "padding": (2, 1), "output_padding": (0, 1)},
    {"kernel_size": 3, "stride": 2, "padding": 1, "output_padding": 1, "dilation": 2},
    {"kernel_size": 3, "stride": 2, "dilation": 3, "output_padding": 2},
    {"kernel_size": 3, "stride": 2, "padding": 1, "groups": 2},
    {"kernel_size": 4, "stride": 2, "padding": 1, "groups": 4},
]


@pytest.mark.parametrize("options", CONV_TRANSPOSE2D, ids=str)
def test_conv_transpose2d_layer(options):
    module = torch.nn.ConvTranspose2d(4, 4, **options)
    settings = keras_arguments(options)
    if "output_padding" in settings:
        settings["output_pad"] = settings.pop("output_padding")
    check_layer(
        module,
        lambda fmt: PaddedConv2DTranspose(4, **settings, data_format=fmt, dtype="float64"),
        draw(2, 4, 5, 6),
        WEIGHTS,
    )


def test_conv_transpose_in_one_and_three_axes():
    check_layer(
        torch.nn.ConvTranspose1d(4, 6, 5, 2, 2, 1, groups=2),
        lambda fmt: PaddedConv1DTranspose(6, 5, 2, 2, 1, groups=2, data_format=fmt, dtype="float64"),
        draw(2, 4, 7),
        WEIGHTS,
    )
    check_layer(
        torch.nn.ConvTranspose3d(2, 3, 3, 2, 1, 1),
        lambda fmt: PaddedConv3DTranspose(3, 3, 2, 1, 1, data_format=fmt, dtype="float64"),
        draw(2, 2, 3, 4, 3),
        WEIGHTS,
    )


@pytest.mark.parametrize(
    ("name", "ours", "x", "weight"),
    [
        ("conv_transpose1d", conv_transpose1d, (2, 4, 6), (4, 3, 3)),
        ("conv_transpose2d", conv_transpose2d, (2, 4, 5, 6), (4, 3, 3, 2)),
        ("conv_transpose3d", conv_transpose3d, (1, 4, 3, 4, 2), (4, 3, 3, 2, 3)),
    ],
)
def test_functional_transposed_convolutions(name, ours, x, weight):
    theirs = getattr(F, name)
    arrays = (draw(*x), draw(*weight, seed=1), draw(weight[1] * 2, seed=2))
    settings = {"stride": 2, "padding": 0, "output_padding": 1, "groups": 2, "dilation": 2}
    check(
        lambda x, w, b: theirs(x, w, b, **settings),
        lambda x, w, b, data_format: ours(x, w, b, **settings, data_format=data_format),
        *arrays,
    )


@pytest.mark.parametrize("groups", [1, 2, 4])
def test_float32_kernels_agree(groups):
    """Single precision takes other TensorFlow kernels (grouped, dilated) than double."""
    x, w = draw(2, 4, 9, 8), draw(8, 4 // groups, 3, 3, seed=1)
    expected, cotangent, grads = torch_run(lambda x, w: F.conv2d(x, w, None, 2, 1, 1, groups), (x, w))
    arrays = (to_last(x).astype("float32"), w.astype("float32"))
    y, found = tf_run(lambda x, w: conv2d(x, w, None, 2, 1, 1, groups), arrays, to_last(cotangent))
    # The rounding of float32 over some hundred products.
    assert_close(y, to_last(expected), "output", 1e-6)
    assert_close(found[0], to_last(grads[0]), "input gradient", 1e-6)
    assert_close(found[1], grads[1], "kernel gradient", 1e-6)


def test_layers_are_keras_layers_and_survive_their_config():
    layer = PaddedConv2D(4, 3, 2, pad=(1, 0), groups=2, pad_mode="reflect", dtype="float64")
    assert isinstance(layer, keras.layers.Conv2D)
    x = tf.constant(draw(1, 6, 7, 2))
    y = layer(x)
    copy = PaddedConv2D.from_config(layer.get_config())
    copy.build(x.shape)
    copy.set_weights(layer.get_weights())
    assert_close(copy(x), y)
    transposed = PaddedConv2DTranspose(4, 3, 2, 1, 1, groups=2, dtype="float64")
    y = transposed(x)
    copy = PaddedConv2DTranspose.from_config(transposed.get_config())
    copy.build(x.shape)
    copy.set_weights(transposed.get_weights())
    assert_close(copy(x), y)
