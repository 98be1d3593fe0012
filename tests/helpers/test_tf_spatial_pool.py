"""Pooling helpers against PyTorch."""

import keras
import numpy as np
import pytest
import tensorflow as tf
import torch
import torch.nn.functional as F
from tf_spatial_support import assert_close, check, check_layer, draw, tf_run, to_last, torch_run

from translator.helpers.tf import pool, pool_adaptive

SHAPES = {1: (2, 3, 11), 2: (2, 3, 9, 12), 3: (1, 2, 6, 7, 9)}
MAX_OPTIONS = [
    {"kernel_size": 2},
    {"kernel_size": 3, "stride": 2, "padding": 1},
    {"kernel_size": 3, "stride": 2, "padding": 1, "ceil_mode": True},
    {"kernel_size": 2, "stride": 3, "padding": 1, "ceil_mode": True},
    {"kernel_size": 2, "stride": 2, "padding": 1, "dilation": 2},
]
AVG_OPTIONS = [
    {"kernel_size": 2},
    {"kernel_size": 3, "stride": 2, "padding": 1},
    {"kernel_size": 3, "stride": 2, "padding": 1, "count_include_pad": False},
    {"kernel_size": 3, "stride": 2, "padding": 1, "ceil_mode": True},
    {"kernel_size": 2, "stride": 3, "padding": 1, "ceil_mode": True, "count_include_pad": False},
]


@pytest.mark.parametrize("options", MAX_OPTIONS, ids=str)
@pytest.mark.parametrize("rank", [1, 2, 3])
def test_max_pool(rank, options):
    theirs, ours = getattr(F, f"max_pool{rank}d"), getattr(pool, f"max_pool{rank}d")
    # Negative throughout: a padding of zeros would win.
    x = -np.abs(draw(*SHAPES[rank])) - 1
    check(lambda x: theirs(x, **options), lambda x, data_format: ours(x, **options, data_format=data_format), x)


@pytest.mark.parametrize("options", AVG_OPTIONS, ids=str)
@pytest.mark.parametrize("rank", [1, 2, 3])
def test_avg_pool(rank, options):
    theirs, ours = getattr(F, f"avg_pool{rank}d"), getattr(pool, f"avg_pool{rank}d")
    x = draw(*SHAPES[rank])
    check(lambda x: theirs(x, **options), lambda x, data_format: ours(x, **options, data_format=data_format), x)


def test_unequal_windows_and_divisor():
    settings = ((3, 2), (2, 1), (1, 0))
    check(
        lambda x: F.max_pool2d(x, *settings),
        lambda x, data_format: pool.max_pool2d(x, *settings, data_format=data_format),
        draw(*SHAPES[2]),
    )
    check(
        lambda x: F.avg_pool2d(x, *settings, True, False, 5),
        lambda x, data_format: pool.avg_pool2d(x, *settings, True, False, 5, data_format=data_format),
        draw(*SHAPES[2]),
    )


def test_max_pool_ties_give_the_gradient_to_the_first_place():
    x = np.zeros((1, 2, 4, 6, 4))
    check(lambda x: F.max_pool3d(x, 2), lambda x, data_format: pool.max_pool3d(x, 2, data_format=data_format), x)
    x = np.zeros((2, 2, 7, 6))
    for size in (1, (2, 3), 3, (4, 5)):
        check(
            lambda x: F.adaptive_max_pool2d(x, size),  # noqa: B023
            lambda x, data_format: pool_adaptive.adaptive_max_pool2d(x, size, data_format),  # noqa: B023
            x,
            unknown=size == 1,
        )


def test_integers_are_pooled():
    x = np.random.default_rng(0).integers(-9, 9, (1, 2, 5, 6))
    expected = F.max_pool2d(torch.tensor(x), 3, 2, 1).numpy()
    np.testing.assert_array_equal(to_last(expected), pool.max_pool2d(tf.constant(to_last(x)), 3, 2, 1))


@pytest.mark.parametrize("norm_type", [1, 2, 3])
def test_lp_pool(norm_type):
    check(
        lambda x: F.lp_pool2d(x, norm_type, 3, 2, True),
        lambda x, data_format: pool.lp_pool(x, norm_type, 3, 2, True, data_format),
        np.abs(draw(*SHAPES[2])),
    )


@pytest.mark.parametrize(
    ("rank", "size"), [(1, 1), (1, 4), (2, 1), (2, 3), (2, (4, 7)), (2, (None, 5)), (2, 14), (3, 1), (3, (2, 3, 4))]
)
@pytest.mark.parametrize("kind", ["avg", "max"])
def test_adaptive_pool(kind, rank, size):
    name = f"adaptive_{kind}_pool{rank}d"
    theirs, ours = getattr(F, name), getattr(pool_adaptive, name)
    check(
        lambda x: theirs(x, size),
        lambda x, data_format: ours(x, size, data_format),
        draw(*SHAPES[rank]),
        unknown=kind == "avg" or size == 1,
    )


def test_adaptive_max_pool_refuses_unknown_sizes():
    function = tf.function(
        lambda x: pool_adaptive.adaptive_max_pool2d(x, 2),
        input_signature=[tf.TensorSpec((None, None, None, 3), tf.float64)],
    )
    with pytest.raises(ValueError, match="known spatial sizes"):
        function(tf.constant(draw(1, 6, 6, 3)))


@pytest.mark.parametrize("rank", [1, 2, 3])
def test_layers(rank):
    x = draw(*SHAPES[rank])
    options = {"data_format": None, "dtype": "float64"}

    def layer(name, *arguments, **keywords):
        kind = getattr(pool, name, None) or getattr(pool_adaptive, name)
        return lambda fmt: kind(*arguments, **keywords, **{**options, "data_format": fmt})

    pairs = [
        (f"MaxPool{rank}d", (3, 2, 1, 1, False, True), f"PaddedMaxPooling{rank}D", (3, 2, 1, 1, True)),
        (f"AvgPool{rank}d", (3, 2, 1, True, False), f"PaddedAveragePooling{rank}D", (3, 2, 1, True, False)),
        (f"AdaptiveAvgPool{rank}d", (3,), f"AdaptiveAveragePooling{rank}D", (3,)),
        (f"AdaptiveMaxPool{rank}d", (1,), f"AdaptiveMaxPooling{rank}D", (1,)),
    ]
    for theirs, arguments, ours, own in pairs:
        check_layer(getattr(torch.nn, theirs)(*arguments), layer(ours, *own), x, {})


def test_layers_are_keras_layers_and_survive_their_config():
    first = pool.PaddedMaxPooling2D(3, 2, 1, ceil_mode=True, dtype="float64")
    assert isinstance(first, keras.layers.MaxPooling2D)
    x = tf.constant(draw(1, 8, 7, 2))
    for layer in (
        first,
        pool.PaddedAveragePooling2D(3, 2, 1, count_include_pad=False, dtype="float64"),
        pool_adaptive.AdaptiveAveragePooling2D((3, None), dtype="float64"),
    ):
        assert_close(type(layer).from_config(layer.get_config())(x), layer(x))


def test_float32_takes_the_same_values():
    x = draw(*SHAPES[3])
    expected, cotangent, grads = torch_run(lambda x: F.max_pool3d(x, 3, 2, 1), (x,), torch.float32)
    y, found = tf_run(lambda x: pool.max_pool3d(x, 3, 2, 1), (to_last(x).astype("float32"),), to_last(cotangent))
    assert_close(y, to_last(expected), "output", 0.0)
    assert_close(found[0], to_last(grads[0]), "gradient", 1e-6)
