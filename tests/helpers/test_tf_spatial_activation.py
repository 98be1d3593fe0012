"""Activations, and the layers under PyTorch's names, against PyTorch."""

import ast
import inspect
from pathlib import Path

import keras
import numpy as np
import pytest
import tensorflow as tf
import torch
import torch.nn.functional as F
from tf_spatial_support import assert_close, check, check_layer, draw, to_last

from translator.helpers.tf import activation, adapters, adapters_weights
from translator.helpers.tf.resize import Upsample

MODULES = [
    "activation",
    "adapters",
    "adapters_weights",
    "conv",
    "conv_transpose",
    "grid",
    "norm",
    "pool",
    "pool_adaptive",
    "rearrange",
    "resize",
    "spatial",
]
HOMES = {"adapters", "adapters_weights", "activation", "resize"}
ADAPTERS = {**vars(adapters_weights), **vars(adapters)}
# Zeros and the bounds of the piecewise functions stand among the values.
VALUES = np.concatenate([draw(44) * 3, [0.0, 1.0, -1.0, 2.0]]).reshape(2, 3, 8)


def relu6_sigmoid(x):
    """F.hardsigmoid by its definition: PyTorch's own gradient multiplies by a float32 1/6, also in float64."""
    return F.relu6(x + 3) / 6


@pytest.mark.parametrize(
    ("theirs", "ours"),
    [
        (F.gelu, activation.gelu),
        (lambda x: F.gelu(x, approximate="tanh"), lambda x: activation.gelu(x, "tanh")),
        (F.softplus, activation.softplus),
        (lambda x: F.softplus(x, 2.0, 1.0), lambda x: activation.softplus(x, 2.0, 1.0)),
        (F.hardtanh, activation.hardtanh),
        (lambda x: F.hardtanh(x, -0.1, 2.0), lambda x: activation.hardtanh(x, -0.1, 2.0)),
        (lambda x: F.threshold(x, 0.1, -0.7), lambda x: activation.threshold(x, 0.1, -0.7)),
        (F.hardswish, activation.hardswish),
        (relu6_sigmoid, activation.hardsigmoid),
        (lambda x: F.leaky_relu(x, 0.3), lambda x: activation.leaky_relu(x, 0.3)),
        (F.rrelu, activation.rrelu),
    ],
)
def test_functions(theirs, ours):
    check(theirs, lambda x, data_format: ours(x), VALUES, formats=("channels_first",))


def test_hardsigmoid_values():
    assert_close(activation.hardsigmoid(tf.constant(VALUES)), F.hardsigmoid(torch.tensor(VALUES)))
    assert_close(adapters.Hardsigmoid(dtype="float64")(VALUES), F.hardsigmoid(torch.tensor(VALUES)))


def test_rrelu_draws_slopes_in_training():
    x = tf.constant(-np.ones((50, 40)))
    slopes = -activation.rrelu(x, 0.2, 0.4, training=True).numpy()
    assert slopes.min() >= 0.2
    assert slopes.max() <= 0.4
    assert np.std(slopes) > 0.04
    np.testing.assert_array_equal(activation.rrelu(-x, training=True), -x)


@pytest.mark.parametrize("count", [1, 3])
@pytest.mark.parametrize("shape", [(4, 3), (2, 3, 4), (2, 3, 4, 5)], ids=str)
def test_prelu(count, shape):
    x = draw(*shape)
    x.flat[0] = 0.0
    check(lambda x, w: F.prelu(x, w), activation.prelu, x, draw(count, seed=1))
    rank = len(shape)

    def alpha(w):
        return w.reshape((-1,) + (1,) * (rank - 2))

    for data_format, convert in (
        ("channels_last", lambda w: w.reshape((1,) * (rank - 2) + (-1,))),
        ("channels_first", alpha),
    ):
        module = torch.nn.PReLU(count).double()
        layer = activation.PReLU(count, data_format=data_format, dtype="float64")
        move = to_last if data_format == "channels_last" else np.asarray
        expected = module(torch.tensor(x)).detach().numpy()
        assert_close(layer(move(x)), move(expected))
        layer.alpha.assign(convert(np.arange(count) + 0.5))
        module.weight.data = torch.arange(count, dtype=torch.float64) + 0.5
        assert_close(layer(move(x)), move(module(torch.tensor(x)).detach().numpy()))


def kernel(w):
    return np.transpose(w, (*range(2, w.ndim), 1, 0))


def same(a):
    return a


CONV = {"weight": ("kernel", kernel), "bias": ("bias", same)}
LINEAR = {"weight": ("kernel", np.transpose), "bias": ("bias", same)}
NORM = {"weight": ("gamma", same), "bias": ("beta", same)}
IMAGE, LINE = (2, 4, 7, 8), (2, 4, 9)
LAYERS = [
    ("Conv1d", (4, 6, 3, 2, 1), LINE, CONV),
    ("Conv2d", (4, 6, 3, 2, 1, 1, 2, True, "reflect"), IMAGE, CONV),
    ("Conv3d", (4, 2, 2), (1, 4, 3, 4, 5), CONV),
    ("ConvTranspose2d", (4, 6, 3, 2, 1, 1, 2), IMAGE, CONV),
    ("Linear", (5, 3), (4, 5), LINEAR),
    ("BatchNorm1d", (4,), (6, 4), NORM),
    ("BatchNorm1d", (4,), LINE, NORM),
    ("BatchNorm2d", (4, 1e-3), IMAGE, NORM),
    ("BatchNorm3d", (4, 1e-3, 0.1, False), (2, 4, 3, 2, 4), {}),
    ("GroupNorm", (2, 4), IMAGE, NORM),
    ("InstanceNorm2d", (4, 1e-5, 0.1, True), IMAGE, NORM),
    ("InstanceNorm2d", (4, 1e-5, 0.1, False), IMAGE, {}),
    ("MaxPool2d", (3, 2, 1), IMAGE, {}),
    ("AvgPool2d", (3, 2, 1, True, False), IMAGE, {}),
    ("AdaptiveAvgPool2d", (3,), IMAGE, {}),
    ("Softmax", (1,), IMAGE, {}),
    ("Softmax", (-1,), IMAGE, {}),
    ("Softmax", (-1,), (3, 4), {}),
    ("Identity", (3, 4), IMAGE, {}),
]
ACTIVATIONS = [
    *[(name, ()) for name in ("ReLU", "ReLU6", "LeakyReLU", "ELU", "SELU", "GELU", "SiLU", "Mish", "Sigmoid", "Tanh")],
    *[(name, ()) for name in ("Softplus", "Hardswish", "Hardtanh")],
    ("LeakyReLU", (0.3,)),
    ("ELU", (0.5,)),
    ("GELU", ("tanh",)),
    ("Hardtanh", (-0.5, 2.0)),
    ("Softplus", (2.0, 3.0)),
]


@pytest.fixture
def _double():
    before = keras.config.floatx()
    keras.config.set_floatx("float64")
    keras.config.set_dtype_policy("float64")
    yield
    keras.config.set_floatx(before)
    keras.config.set_dtype_policy(before)


@pytest.mark.usefixtures("_double")
@pytest.mark.parametrize(
    ("name", "arguments", "shape", "weights"), LAYERS, ids=lambda v: None if isinstance(v, dict) else str(v)
)
def test_layers_under_torch_names(name, arguments, shape, weights):
    module = getattr(torch.nn, name)(*arguments)
    check_layer(
        module,
        lambda data_format: ADAPTERS[name](*arguments),
        draw(*shape) + 0.5,
        weights,
        training=True if "Batch" in name else None,
        formats=("channels_last",),
    )


@pytest.mark.usefixtures("_double")
@pytest.mark.parametrize(("name", "arguments"), ACTIVATIONS, ids=str)
def test_activations_under_torch_names(name, arguments):
    module, layer = getattr(torch.nn, name)(*arguments), getattr(adapters, name)(*arguments)
    x = draw(3, 5, 8) * 3
    check(module, lambda x, data_format: layer(x), x, formats=("channels_first",), graph=False)


@pytest.mark.usefixtures("_double")
def test_layer_norm_takes_the_last_axes():
    for shape in (6, (4, 6)):
        module, layer = torch.nn.LayerNorm(shape).double(), adapters.LayerNorm(shape)
        x = draw(3, 4, 6)
        assert_close(layer(x), module(torch.tensor(x)).detach())
    assert [w.path.split("/")[-1] for w in layer.weights] == ["gamma", "beta"]
    assert adapters.LayerNorm(4, bias=False).center is False


@pytest.mark.usefixtures("_double")
def test_batch_norm_momentum_and_statistics():
    for arguments in ({"momentum": 0.3}, {"momentum": None}, {"track_running_stats": False}):
        module, layer = torch.nn.BatchNorm2d(3, **arguments).double(), adapters.BatchNorm2d(3, **arguments)
        for step in range(2):
            x = draw(2, 3, 4, 5, seed=step) + step
            expected = module(torch.tensor(x)).detach().numpy()
            assert_close(layer(to_last(x), training=True), to_last(expected))
        expected = module.eval()(torch.tensor(x)).detach().numpy()
        assert_close(layer(to_last(x), training=False), to_last(expected))


@pytest.mark.usefixtures("_double")
def test_norms_without_bias():
    gamma_only = {"weight": NORM["weight"]}
    for name, arguments in (("BatchNorm2d", (4,)), ("GroupNorm", (2, 4)), ("InstanceNorm2d", (4, 1e-5, 0.1, True))):
        check_layer(
            getattr(torch.nn, name)(*arguments, bias=False),
            lambda fmt: getattr(adapters, name)(*arguments, bias=False),  # noqa: B023
            draw(*IMAGE),
            gamma_only,
            training=True if name == "BatchNorm2d" else None,
            formats=("channels_last",),
        )


@pytest.mark.usefixtures("_double")
def test_dropout_keeps_its_arguments():
    x = tf.ones((40, 30, 30, 5))
    for layer, axes in ((adapters.Dropout(0.25, True), (0, 1, 2, 3)), (adapters.Dropout2d(0.25), (0, 3))):
        y = layer(x, training=True).numpy()
        np.testing.assert_array_equal(layer(x, training=False), x)
        assert set(np.unique(y).round(6)) == {0.0, round(1 / 0.75, 6)}
        rest = tuple(i for i in range(4) if i not in axes)
        assert np.all(np.ptp(y, axis=rest) == 0)


def test_signatures_follow_torch():
    """Same parameters in the same order with the same defaults, then perhaps more."""
    classes = [c for c in ADAPTERS.values() if inspect.isclass(c) and hasattr(torch.nn, c.__name__)]
    classes += [activation.PReLU, Upsample]
    assert len(classes) > 30
    for own in classes:
        if own.__module__.rpartition(".")[2] in HOMES and own.__name__ != "Identity":
            theirs = list(inspect.signature(getattr(torch.nn, own.__name__)).parameters.values())
            theirs = [p for p in theirs if p.kind not in (p.VAR_POSITIONAL, p.VAR_KEYWORD)]
            parameters = [p for p in inspect.signature(own).parameters.values() if p.kind is not p.VAR_KEYWORD]
            ours = parameters[: len(theirs)]
            if own.__name__ in ("AdaptiveAvgPool2d",):
                assert ours[0].name == "output_size"
                continue
            skipped = {"min_value", "max_value"}  # deprecated spellings of Hardtanh's bounds
            assert [(p.name, p.default) for p in theirs if p.name not in skipped] == [
                (p.name, p.default) for p in ours
            ], own
    assert issubclass(adapters_weights.Conv2d, keras.layers.Conv2D)
    assert issubclass(adapters.BatchNorm2d, keras.layers.BatchNormalization)
    with pytest.raises(ValueError, match="return_indices"):
        adapters.MaxPool2d(2, return_indices=True)


@pytest.mark.parametrize("name", MODULES)
def test_helpers_can_be_copied_out(name):
    """Only definitions, and only the imports that a translated file has; no state but the data format."""
    path = Path(activation.__file__).with_name(f"{name}.py")
    first, *statements = ast.parse(path.read_text()).body
    assert isinstance(first, ast.Expr)
    for statement in statements:
        if isinstance(statement, ast.ImportFrom):
            own = statement.module.startswith("translator.helpers.tf.")
            assert own or ast.unparse(statement) == "from tensorflow import keras"
        elif isinstance(statement, ast.Import):
            assert ast.unparse(statement) in ("import math", "import numpy as np", "import tensorflow as tf")
        else:
            assert isinstance(statement, (ast.FunctionDef, ast.ClassDef))
            assert ast.get_docstring(statement), statement.name
