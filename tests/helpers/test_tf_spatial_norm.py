"""Normalisation helpers against PyTorch."""

import keras
import numpy as np
import pytest
import tensorflow as tf
import torch
import torch.nn.functional as F
from tf_spatial_support import FORMATS, assert_close, check, check_layer, draw, tf_run, to_last, torch_run

from translator.helpers.tf import norm


def same(array):
    return array


AFFINE = {"weight": ("gamma", same), "bias": ("beta", same)}
SHAPES = [(6, 4), (5, 4, 7), (3, 4, 5, 6), (2, 4, 3, 5, 2)]


def randomise(module):
    """Draw the affine parameters, which start as ones and zeros."""
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for parameter in module.parameters():
            parameter.copy_(torch.randn(parameter.shape, generator=generator))
    return module


@pytest.mark.parametrize("shape", SHAPES, ids=str)
@pytest.mark.parametrize("training", [True, False])
def test_batch_norm_layer(shape, training):
    kind = {2: "BatchNorm1d", 3: "BatchNorm1d", 4: "BatchNorm2d", 5: "BatchNorm3d"}[len(shape)]
    module = randomise(getattr(torch.nn, kind)(4)).train(training)
    x = draw(*shape) * 2 + 1
    check_layer(
        module,
        lambda fmt: norm.BatchNormalizationUnbiased(norm.channel_axis(fmt), dtype="float64"),
        x,
        AFFINE,
        training=training,
    )


@pytest.mark.parametrize("data_format", FORMATS)
@pytest.mark.parametrize("momentum", [0.1, 0.3, None])
@pytest.mark.parametrize("dtype", ["float64", "float32"])
def test_moving_statistics(data_format, momentum, dtype):
    module = torch.nn.BatchNorm2d(3, momentum=momentum).double()
    layer = norm.BatchNormalizationUnbiased(
        norm.channel_axis(data_format), None if momentum is None else 1 - momentum, dtype=dtype
    )
    for step in range(3):
        x = draw(2, 3, 4, 5, seed=step) * (step + 1) + 1
        module(torch.tensor(x))
        layer(to_last(x) if data_format == "channels_last" else x, training=True)
    # 1e-6: what float32 keeps.
    tolerance = 1e-9 if dtype == "float64" else 1e-6
    assert_close(layer.moving_mean, module.running_mean, "mean", tolerance)
    assert_close(layer.moving_variance, module.running_var, "variance", tolerance)


def test_batch_norm_in_single_precision():
    """float32 takes TensorFlow's fused kernel."""
    x, w, b = draw(3, 4, 5, 6) + 2, draw(4, seed=1), draw(4, seed=2)
    expected, cotangent, grads = torch_run(lambda x, w, b: F.batch_norm(x, None, None, w, b, True), (x, w, b))
    arrays = [to_last(x).astype("float32"), w.astype("float32"), b.astype("float32")]
    y, found = tf_run(lambda x, w, b: norm.batch_norm(x, None, None, w, b, True), arrays, to_last(cotangent), True)
    assert_close(y, to_last(expected), "output", 1e-6)
    for a, right in zip(found, [to_last(grads[0]), *grads[1:]], strict=True):
        assert_close(a, right, "gradient", 2e-6)


def test_batch_norm_without_tracking_or_affine():
    module = torch.nn.BatchNorm2d(4, affine=False, track_running_stats=False).eval()
    check_layer(
        module,
        lambda fmt: norm.BatchNormalizationUnbiased(
            norm.channel_axis(fmt), track_running_stats=False, center=False, scale=False, dtype="float64"
        ),
        draw(3, 4, 5, 6),
        {},
        training=False,
    )


def test_batch_norm_of_single_values_is_refused():
    for dtype in ("float32", "float64"):
        layer = norm.BatchNormalizationUnbiased(dtype=dtype)
        with pytest.raises(ValueError, match="more than 1 value"):
            layer(np.ones((1, 4)), training=True)


def test_functional_batch_norm_moves_the_given_statistics():
    x, w, b = draw(3, 4, 5, 6) + 1, draw(4, seed=1), draw(4, seed=2)
    mean, var = torch.zeros(4, dtype=torch.float64), torch.ones(4, dtype=torch.float64)
    own_mean, own_var = tf.Variable(np.zeros(4)), tf.Variable(np.ones(4))
    for training in (True, False):
        expected = F.batch_norm(torch.tensor(x), mean, var, torch.tensor(w), torch.tensor(b), training, 0.2, 1e-3)
        y = norm.batch_norm(to_last(x), own_mean, own_var, w, b, training, 0.2, 1e-3)
        assert_close(y, to_last(expected.numpy()))
        assert_close(own_mean, mean)
        assert_close(own_var, var)


@pytest.mark.parametrize("shape", [(5, 6), (2, 6, 7), (3, 6, 5, 4), (2, 6, 3, 2, 3)], ids=str)
@pytest.mark.parametrize("groups", [1, 2, 6])
def test_group_norm(shape, groups):
    if shape == (5, 6) and groups == 6:
        shape = (5, 12)  # one value per group has no variance
    channels = shape[1]
    module = randomise(torch.nn.GroupNorm(groups, channels))
    check_layer(
        module,
        lambda fmt: norm.GroupNormalization(groups, norm.channel_axis(fmt), dtype="float64"),
        draw(*shape) + 3,
        AFFINE,
    )
    check(
        lambda x: F.group_norm(x, groups),
        lambda x, data_format: norm.group_norm(x, groups, data_format=data_format),
        draw(*shape),
    )


@pytest.mark.parametrize("shape", [(2, 4, 7), (3, 4, 5, 6), (2, 4, 3, 2, 4)], ids=str)
@pytest.mark.parametrize("affine", [True, False])
def test_instance_norm(shape, affine):
    kind = getattr(torch.nn, f"InstanceNorm{len(shape) - 2}d")
    check_layer(
        randomise(kind(4, affine=affine)),
        lambda fmt: norm.InstanceNorm(affine=affine, data_format=fmt, dtype="float64"),
        draw(*shape) + 1,
        AFFINE if affine else {},
    )


@pytest.mark.parametrize("data_format", FORMATS)
def test_instance_norm_running_statistics(data_format):
    module = torch.nn.InstanceNorm2d(3, track_running_stats=True).double()
    layer = norm.InstanceNorm(track_running_stats=True, data_format=data_format, dtype="float64")
    move = to_last if data_format == "channels_last" else same
    for training in (True, True, False):
        x = draw(2, 3, 4, 5, seed=3) * 2 + 1
        expected = module.train(training)(torch.tensor(x)).numpy()
        assert_close(layer(move(x), training=training), move(expected))
        assert_close(layer.moving_mean, module.running_mean)
        assert_close(layer.moving_variance, module.running_var)


@pytest.mark.parametrize("shape", [(5,), (4, 5), (3, 4, 5)], ids=str)
def test_layer_norm(shape):
    x, w, b = draw(2, 3, 4, 5) * 0.1, draw(*shape, seed=1), draw(*shape, seed=2)
    check(
        lambda x, w, b: F.layer_norm(x, shape, w, b),
        lambda x, w, b, data_format: norm.layer_norm(x, shape, w, b),
        x,
        w,
        b,
        formats=("channels_first",),
    )


@pytest.mark.parametrize("size", [2, 3, 5, 4])
@pytest.mark.parametrize("shape", [(2, 7, 5), (2, 7, 5, 4)], ids=str)
def test_local_response_norm(size, shape):
    check_layer(
        torch.nn.LocalResponseNorm(size, 0.5, 0.6, 2.0),
        lambda fmt: norm.LocalResponseNorm(size, 0.5, 0.6, 2.0, data_format=fmt, dtype="float64"),
        draw(*shape) * 2,
        {},
    )


def test_local_response_norm_in_single_precision():
    x = draw(2, 7, 5, 4) * 2
    expected = to_last(F.local_response_norm(torch.tensor(x), 5, 0.5, 0.6, 2.0).numpy())
    assert_close(norm.local_response_norm(to_last(x).astype("float32"), 5, 0.5, 0.6, 2.0), expected, "", 1e-6)


@pytest.mark.parametrize("p", [1.0, 2.0, 3.0, float("inf")])
@pytest.mark.parametrize("dim", [0, 1, -1])
def test_normalize(p, dim):
    x = draw(4, 3, 5)
    x[0] *= 1e-14
    check(
        lambda x: F.normalize(x, p, dim),
        lambda x, data_format: norm.normalize(x, p, dim),
        x,
        formats=("channels_first",),
    )


def test_normalize_of_zeros_has_a_gradient():
    check(
        lambda x: F.normalize(x, dim=1),
        lambda x, data_format: norm.normalize(x),
        np.zeros((2, 3)),
        formats=("channels_first",),
    )


def test_layers_survive_their_config():
    x = tf.constant(draw(3, 5, 6, 4))
    for layer in (
        norm.BatchNormalizationUnbiased(momentum=None, epsilon=0.3, dtype="float64"),
        norm.GroupNormalization(2, epsilon=0.3, dtype="float64"),
        norm.InstanceNorm(0.3, affine=True, dtype="float64"),
        norm.LocalResponseNorm(3, 0.3, dtype="float64"),
    ):
        copy = type(layer).from_config(layer.get_config())
        assert copy.get_config() == layer.get_config()
        assert_close(copy(x), layer(x))
    assert isinstance(norm.GroupNormalization(2), keras.layers.GroupNormalization)
    assert isinstance(norm.BatchNormalizationUnbiased(), keras.layers.BatchNormalization)
