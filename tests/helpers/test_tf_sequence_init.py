"""The helpers for torch.nn.init have PyTorch's bounds and deviations; those for dropout keep means, zero channels."""

import math

import numpy as np
import pytest
import tensorflow as tf
import torch
from tensorflow import keras

from translator.helpers.tf import dropout, init

SHAPES = [(400, 300), (64, 32, 5), (48, 40, 3, 5)]
UNIFORM = [
    ("uniform_", {"a": -2.0, "b": 3.0}),
    ("xavier_uniform_", {"gain": 1.7}),
    ("kaiming_uniform_", {"a": math.sqrt(5)}),
    ("kaiming_uniform_", {"mode": "fan_out", "nonlinearity": "relu"}),
]
NORMAL = [
    ("normal_", {"mean": 0.5, "std": 0.02}),
    ("xavier_normal_", {"gain": 0.5}),
    ("kaiming_normal_", {"a": 0.2}),
    ("kaiming_normal_", {"mode": "fan_out", "nonlinearity": "tanh"}),
    ("trunc_normal_", {"mean": 0.1, "std": 0.7, "a": -0.5, "b": 1.0}),
]


def both(name, shape, options):
    """The helper's values of a Keras variable, and PyTorch's."""
    keras.utils.set_random_seed(1)
    torch.manual_seed(1)
    variable = keras.Variable(np.zeros(shape, "float32"))
    result = getattr(init, name)(variable, **options)
    assert result is variable
    return np.asarray(variable), getattr(torch.nn.init, name)(torch.zeros(shape), **options).numpy()


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize(("name", "options"), UNIFORM)
def test_uniform_bounds(name, options, shape):
    ours, theirs = both(name, shape, options)
    np.testing.assert_allclose([ours.min(), ours.max()], [theirs.min(), theirs.max()], rtol=0.02)
    np.testing.assert_allclose(ours.std(), theirs.std(), rtol=0.03)


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize(("name", "options"), NORMAL)
def test_normal_mean_and_deviation(name, options, shape):
    ours, theirs = both(name, shape, options)
    spread = theirs.std()
    np.testing.assert_allclose(ours.std(), spread, rtol=0.04)
    # Four standard errors of the mean of each side.
    np.testing.assert_allclose(ours.mean(), theirs.mean(), atol=8 * spread / math.sqrt(ours.size))


def test_truncated_normal_stays_within_its_bounds():
    ours, theirs = both("trunc_normal_", (400, 300), {"std": 2.0, "a": -1.0, "b": 0.5})
    assert ours.min() >= -1.0
    assert ours.max() <= 0.5
    np.testing.assert_allclose(np.quantile(ours, [0.1, 0.5, 0.9]), np.quantile(theirs, [0.1, 0.5, 0.9]), atol=0.02)


@pytest.mark.parametrize("shape", [(6, 4), (4, 6), (5, 3, 2, 2)])
def test_orthogonal_rows_or_columns(shape):
    matrix = both("orthogonal_", shape, {"gain": 1.5})[0].reshape(shape[0], -1)
    product = matrix @ matrix.T if matrix.shape[0] <= matrix.shape[1] else matrix.T @ matrix
    np.testing.assert_allclose(product, 2.25 * np.eye(min(matrix.shape)), atol=1e-5)


@pytest.mark.parametrize(
    ("name", "shape", "options"),
    [
        ("zeros_", (3, 2), {}),
        ("ones_", (3, 2), {}),
        ("constant_", (2, 3, 4), {"val": -0.3}),
        ("eye_", (3, 5), {}),
        ("dirac_", (4, 5, 3), {}),
        ("dirac_", (6, 2, 3, 4), {"groups": 3}),
        ("dirac_", (4, 4, 1, 3, 2), {"groups": 2}),
    ],
)
def test_exact_values(name, shape, options):
    ours, theirs = both(name, shape, options)
    np.testing.assert_array_equal(ours, theirs)


def test_sparse_zeros_in_each_column():
    ours, theirs = both("sparse_", (50, 40), {"sparsity": 0.33, "std": 0.1})
    np.testing.assert_array_equal((ours == 0).sum(0), (theirs == 0).sum(0))
    np.testing.assert_allclose(ours[ours != 0].std(), 0.1, rtol=0.1)


GAINS = ["linear", "conv2d", "conv_transpose3d", "sigmoid", "tanh", "relu", "leaky_relu", "selu"]


@pytest.mark.parametrize("name", GAINS)
def test_gain(name):
    assert init.calculate_gain(name) == pytest.approx(torch.nn.init.calculate_gain(name), rel=1e-15)


def test_gain_with_slope_and_unknown_name():
    assert init.calculate_gain("leaky_relu", 0.3) == pytest.approx(torch.nn.init.calculate_gain("leaky_relu", 0.3))
    with pytest.raises(ValueError, match="swish"):
        init.calculate_gain("swish")


def test_fans_need_two_axes():
    with pytest.raises(ValueError, match="two axes"):
        init.xavier_normal_(tf.Variable(tf.zeros([3])))


def test_a_plain_tensor_gives_its_new_value():
    x = tf.zeros([2, 3], tf.float64)
    y = init.ones_(x)
    assert y.dtype == tf.float64
    np.testing.assert_array_equal(y, np.ones((2, 3)))


# -- dropout -------------------------------------------------------------------------------------------


def test_dropout_rate_and_scale():
    tf.random.set_seed(3)
    y = dropout.dropout(tf.ones([200, 300]), 0.3).numpy()
    assert set(np.unique(y)) == {np.float32(0), np.float32(1 / (1 - np.float32(0.3)))}
    np.testing.assert_allclose((y == 0).mean(), 0.3, atol=0.01)


@pytest.mark.parametrize("function", [dropout.dropout, dropout.channel_dropout, dropout.alpha_dropout])
def test_dropout_outside_of_training_and_at_its_ends(function):
    x = tf.random.normal([2, 3, 4])
    for training, p in ((False, 0.5), (None, 0.5), (True, 0.0)):
        np.testing.assert_array_equal(function(x, p, training), x)
    np.testing.assert_array_equal(function(x, 1.0, True), np.zeros(x.shape))


@pytest.mark.parametrize(("layout", "axis"), [("channels_first", 1), ("channels_last", -1)])
def test_channel_dropout_drops_whole_channels(layout, axis):
    tf.random.set_seed(4)
    shape = [40, 50, 2, 3] if axis == 1 else [40, 2, 3, 50]
    y = np.moveaxis(dropout.channel_dropout(tf.ones(shape), 0.4, True, layout).numpy(), axis, 1)
    kept = y.reshape(40, 50, 6) > 0
    assert (kept.all(-1) | ~kept.any(-1)).all()
    np.testing.assert_allclose(1 - kept.mean(), 0.4, atol=0.04)


@pytest.mark.parametrize("p", [0.1, 0.5])
def test_alpha_dropout_keeps_mean_and_variance(p):
    tf.random.set_seed(5)
    torch.manual_seed(5)
    x = np.random.default_rng(0).standard_normal((300, 400)).astype("float32")
    ours = dropout.alpha_dropout(tf.constant(x), p, True).numpy()
    theirs = torch.nn.functional.alpha_dropout(torch.tensor(x), p, True).numpy()
    np.testing.assert_allclose([ours.mean(), ours.std()], [0, 1], atol=0.02)
    np.testing.assert_allclose(ours.min(), theirs.min(), rtol=1e-5)
    # The value of dropped elements is the most frequent one.
    values, counts = np.unique(ours, return_counts=True)
    expected, theirs_counts = np.unique(theirs, return_counts=True)
    np.testing.assert_allclose(values[counts.argmax()], expected[theirs_counts.argmax()], rtol=1e-5)


def test_feature_alpha_dropout_drops_whole_channels():
    tf.random.set_seed(6)
    y = dropout.feature_alpha_dropout(tf.random.normal([20, 30, 4, 5]), 0.5, True, "channels_first").numpy()
    constant = np.ptp(y.reshape(20, 30, 20), axis=-1) == 0
    np.testing.assert_allclose(constant.mean(), 0.5, atol=0.08)
