"""Keras programs that train, and their PyTorch translations: the same losses and weights, step for step."""

from __future__ import annotations

import contextlib
import copy
import os
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import tf2torch_support as support
from snippets import errors
from translator import Translation, translate
from translator.compare.inputs import draw_inputs

FIXTURES = Path(__file__).resolve().parent.parent / "fixtures"
SAMPLED = {"tf_train_mnist", "tf_train_tape", "tf_train_gan"}
TOLERANCE = 1e-7


def cases() -> list[Any]:
    """One parameter for each ``[[train]]`` of each case with a Keras source."""
    params = []
    for path in sorted(FIXTURES.glob("tf_*/case.toml")):
        for train in tomllib.loads(path.read_text(encoding="utf-8")).get("train", []):
            params.append(pytest.param(path.parent, train, id=path.parent.name))
    return params


@contextlib.contextmanager
def no_dropout(layers: list[Any], modules: list[Any]) -> Iterator[None]:
    """Random masks differ: there are none."""
    import torch

    for layer in layers:
        if hasattr(layer, "rate"):
            layer.rate = 0.0
    for module in modules:
        if isinstance(module, torch.nn.Dropout):
            module.p = 0.0
    yield


@contextlib.contextmanager
def exact_rates() -> Iterator[None]:
    """Keras rounds Python's numbers to float32 before it casts them: its optimizers get float64 ones."""
    import keras

    names = ("SGD", "Adam", "AdamW", "RMSprop", "Adagrad", "Adadelta", "Adamax")
    kinds = [getattr(keras.optimizers, n) for n in names]
    originals = [k.__init__ for k in kinds]

    def wrapped(original: Any) -> Any:
        def init(self: Any, *args: Any, **kwargs: Any) -> None:
            original(self, *args, **kwargs)
            names = ("beta_1", "beta_2", "rho", "epsilon", "momentum", "weight_decay")
            for name in names if type(self).__name__ != "Adadelta" else ():
                if isinstance(getattr(self, name, None), float):
                    setattr(self, name, np.float64(getattr(self, name)))
            rate = args[0] if args else kwargs.get("learning_rate", 0.001)
            if isinstance(rate, float):
                self._learning_rate.assign(np.float64(rate))

        return init

    for kind, original in zip(kinds, originals, strict=True):
        kind.__init__ = wrapped(original)
    try:
        yield
    finally:
        for kind, original in zip(kinds, originals, strict=True):
            kind.__init__ = original


def flat(value: Any) -> list[float]:
    return [float(v) for v in np.ravel(np.asarray(value, dtype=np.float64))]


def largest(value: Any) -> Any:
    return [draw_inputs({str(i): v for i, v in enumerate(value)}, 3)[str(i)] for i in range(len(value))]


def samples(spec: dict[str, Any]) -> list[Any]:
    """What a model is called with first: a list stands for one argument that is a list."""
    return [largest(v) if isinstance(v, list) else draw_inputs({n: v}, 3)[n] for n, v in spec.items()]


def trajectories(
    source: str, translation: Translation, train: dict[str, Any]
) -> tuple[list[float], list[float], float]:
    """What training returns in both programs, and the largest relative difference of a weight after it."""
    import keras
    import tensorflow as tf
    import torch

    builders = train["build"] if isinstance(train["build"], list) else [train["build"]]
    here, there = support.execute(source, "tf_program"), support.execute(translation.text, "torch_program")
    nets, modules, pairs = [], [], []
    for name, spec in zip(builders, train["inputs"], strict=True):
        with support.recorded(keras.layers.Layer) as layers:
            net = getattr(here, name)()
            first = samples(spec)
            support.call_keras(net, first, training=False)
        with support.recorded(torch.nn.Module) as made:
            module = getattr(there, name)()
        edges = support.axes_of(translation, module, {"entry": name})
        order = {4: (0, 3, 1, 2)}
        given = []
        for array in first:
            parts = [torch.from_numpy(a) for a in array] if isinstance(array, list) else torch.from_numpy(array)
            given.append(parts)
        given = [g.permute(order[4]) if not isinstance(g, list) and g.ndim == 4 else g for g in given]
        with torch.no_grad():
            module.eval()(*given)
        module.train()
        mine, inside = {id(m) for m in module.modules()}, {id(x) for x in net._flatten_layers()}
        layers = [x for x in layers if id(x) in inside]
        made = [m for m in made if id(m) in mine]
        found = support.paired(layers, made)
        support.fill([v for x in layers for v in support.own_weights(x)], np.random.default_rng(5))
        support.transfer(found)
        with no_dropout(layers, made):
            pass
        nets.append(net)
        modules.append(module)
        pairs += found
    assert pairs and edges is not None
    data = draw_inputs(train["data"], 7)
    expected = here.train(*nets, *copy.deepcopy(list(data.values())))
    actual = there.train(*modules, *copy.deepcopy(list(data.values())))
    tf.keras.backend.clear_session()
    gaps = [0.0]
    for variable, target, convert in pairs:
        value = convert(np.asarray(variable))
        gap = np.linalg.norm(value - target.detach().numpy())
        gaps.append(float(gap / max(np.linalg.norm(value), 1e-12)))
    return flat(expected), flat(actual), max(gaps)


@pytest.mark.parametrize(("folder", "train"), cases())
def test_training_goes_the_same_way(folder: Path, train: dict[str, Any]) -> None:
    pytest.importorskip("tensorflow")
    if folder.name not in SAMPLED and not os.environ.get("XLATE_EVERY"):
        pytest.skip("sampled; XLATE_EVERY=1 runs all")
    from translator.compare.precision import precision

    source = (folder / "tf_model.py").read_text(encoding="utf-8")
    translation = translate(source, "tf2torch")
    assert not errors(translation)
    assert "keras." not in translation.text and "tensorflow" not in translation.text
    with precision("float64"), exact_rates():
        expected, actual, gap = trajectories(source, translation, train)
    assert len(expected) == len(actual) > 2
    assert np.all(np.isfinite(expected)) and len(set(expected)) > 2
    np.testing.assert_allclose(actual, expected, rtol=TOLERANCE)
    assert gap < TOLERANCE


# -- what is trained with --------------------------------------------------------------------------------------

DRAWN = "float[6,4]@unit"
LOSSES = [
    "MeanSquaredError()", "MeanAbsoluteError(reduction='sum')", "MeanAbsolutePercentageError()",
    "MeanSquaredLogarithmicError()", "Huber(delta=0.3)", "LogCosh()", "Hinge()", "KLDivergence()",
    "BinaryCrossentropy()", "BinaryCrossentropy(from_logits=True, label_smoothing=0.1)", "CategoricalCrossentropy()",
    "CategoricalCrossentropy(from_logits=True, label_smoothing=0.2)", "CosineSimilarity()",
]  # fmt: skip
SPARSE = ["SparseCategoricalCrossentropy()", "SparseCategoricalCrossentropy(from_logits=True)"]
FUNCTIONS = [
    "mean_squared_error", "mean_absolute_error", "mean_absolute_percentage_error", "mean_squared_logarithmic_error",
    "huber", "log_cosh", "hinge", "kl_divergence", "binary_crossentropy", "categorical_crossentropy",
]  # fmt: skip
METRICS = [
    "MeanSquaredError()", "MeanAbsoluteError()", "RootMeanSquaredError()", "BinaryAccuracy(threshold=0.4)",
    "CategoricalAccuracy()", "BinaryCrossentropy()", "CategoricalCrossentropy()", "CosineSimilarity()",
    "Precision()", "Recall(thresholds=0.3)",
]  # fmt: skip
SPARSE_METRICS = [
    "SparseCategoricalAccuracy()", "SparseTopKCategoricalAccuracy(k=2)", "SparseCategoricalCrossentropy()",
]  # fmt: skip
SCHEDULES = [
    "ExponentialDecay(0.1, 3, 0.5)", "ExponentialDecay(0.1, 3, 0.5, staircase=True)", "InverseTimeDecay(0.1, 3, 0.5)",
    "PiecewiseConstantDecay([2, 5], [0.1, 0.05, 0.01])", "PolynomialDecay(0.1, 6, 0.01, power=2.0)",
    "CosineDecay(0.1, 6, alpha=0.1)", "CosineDecay(0.01, 6, warmup_target=0.1, warmup_steps=2)",
]  # fmt: skip


def both(body: str) -> tuple[Any, Any]:
    """The function ``f`` of a Keras program and of its translation."""
    source = HEAD.replace("from tensorflow import keras", "import keras") + body
    translation = translate(source, "tf2torch")
    assert not errors(translation), errors(translation)
    return support.execute(source, "tf_program").f, support.execute(translation.text, "torch_program").f


def test_losses_and_metrics_compute_the_same() -> None:
    pytest.importorskip("tensorflow")
    import torch

    from translator.compare.precision import precision

    rng = np.random.default_rng(3)
    y, p, w = rng.random((6, 4)), rng.random((6, 4)), rng.random(6)
    y, p = y / y.sum(-1, keepdims=True), p / p.sum(-1, keepdims=True)
    bits, labels = rng.integers(0, 2, (6, 4)).astype(float), rng.integers(0, 4, 6)
    lines, arguments = [], []
    for calls, target in ((LOSSES, y), (SPARSE, labels)):
        for call in calls:
            lines += [f"keras.losses.{call}(y, p)", f"keras.losses.{call}(y, p, sample_weight=w)"]
            arguments += [bits if "Hinge" in call or "Binary" in call else target] * 2
    lines += [f"keras.losses.{name}(y, p)" for name in [*FUNCTIONS, "sparse_categorical_crossentropy"]]
    arguments += [bits if name in ("hinge", "binary_crossentropy") else y for name in FUNCTIONS] + [labels]
    for calls, target in ((METRICS, bits), (SPARSE_METRICS, labels)):
        single = {c: "tf.cast(p, tf.float32)" for c in calls if "TopK" in c}  # TensorFlow has it in float32 only
        lines += [f"told(keras.metrics.{call}, y, {single.get(call, 'p')}, w)" for call in calls]
        arguments += [target if "Cross" not in call or target is labels else y for call in calls]
    body = "def told(m, y, p, w):\n    m.update_state(y, p)\n    m.update_state(y[:3], p[:3], sample_weight=w[:3])\n"
    body += "    return m.result()\n\n\n"
    body += "def f(n, y, p, w):\n" + "".join(f"    if n == {i}:\n        return {x}\n" for i, x in enumerate(lines))
    with precision("float64"):
        theirs, ours = both(body)
        for i, (line, target) in enumerate(zip(lines, arguments, strict=True)):
            expected = np.asarray(theirs(i, target, p, w))
            actual = np.asarray(ours(i, torch.tensor(target), torch.tensor(p), torch.tensor(w)))
            rounded = any(n in line for n in ("LogCosh", "log_cosh", "float32"))  # Keras takes its log(2) from float32
            np.testing.assert_allclose(actual, expected, rtol=1e-6 if rounded else 1e-9, err_msg=line)


def test_rates_follow_their_schedules() -> None:
    pytest.importorskip("tensorflow")
    from translator.compare.precision import precision

    made = ", ".join(f"keras.optimizers.schedules.{call}" for call in SCHEDULES)
    with precision("float64"):
        theirs, ours = both(f"def f():\n    return [{made}]\n")
        for call, a, b in zip(SCHEDULES, theirs(), ours(), strict=True):
            expected, actual = [float(a(step)) for step in range(9)], [float(b(step)) for step in range(9)]
            np.testing.assert_allclose(actual, expected, rtol=1e-6, err_msg=call)


OPTIMIZERS = [
    "SGD(0.05, momentum=0.9, nesterov=True, clipvalue=0.3)", "Adam(0.02, amsgrad=True, global_clipnorm=0.5)",
    "AdamW(0.02, weight_decay=0.1, clipnorm=0.2)", "RMSprop(0.01, momentum=0.5, centered=True)", "Adagrad(0.1)",
    "Adadelta(0.5)", "Adamax(0.02)",
]  # fmt: skip


def test_optimizers_and_callbacks_go_the_same_way(tmp_path: Path) -> None:
    pytest.importorskip("tensorflow")
    from translator.compare.precision import precision

    callbacks = (
        "[keras.callbacks.ReduceLROnPlateau('loss', factor=0.5, patience=1, min_delta=9.0), "
        "keras.callbacks.TerminateOnNaN(), "
        "keras.callbacks.EarlyStopping('loss', patience=2, min_delta=9.0, restore_best_weights=True), "
        "keras.callbacks.LambdaCallback(on_epoch_end=lambda epoch, logs: seen.append(logs['loss'])), "
        "keras.callbacks.CSVLogger(path + '.csv'), "
        "keras.callbacks.ModelCheckpoint(path + '.weights.h5', save_weights_only=True)]"
    )
    for call in OPTIMIZERS:
        source = (
            HEAD + "def build():\n"
            "    hidden = layers.Dense(4, activation='tanh')\n"
            "    return keras.Sequential([keras.Input((5,)), hidden, layers.Dense(2)])\n\n\n"
            f"def train(model, x, y, path={str(tmp_path / 'log')!r}):\n    seen = []\n"
            f"    model.compile(keras.optimizers.{call}, 'mse', metrics=['mean_absolute_error'])\n"
            f"    h = model.fit(x, y, batch_size=6, epochs=7, shuffle=False, verbose=0, class_weight=None, "
            f"callbacks={callbacks})\n"
            "    return h.history['loss'] + h.history['mean_absolute_error'] + seen\n\n\n"
            "if __name__ == '__main__':\n    train(build(), None, None)\n"
        )
        translation = translate(source, "tf2torch")
        assert not errors(translation), errors(translation)
        train = {
            "build": "build", "inputs": [{"x": "float[2,5]"}], "data": {"x": "float[44,5]", "y": "float[44,2]"},
        }  # fmt: skip
        with precision("float64"), exact_rates():
            expected, actual, gap = trajectories(source, translation, train)
        assert 3 * 3 <= len(expected) < 3 * 7, "training stops early"
        np.testing.assert_allclose(actual, expected, rtol=TOLERANCE, err_msg=call)
        assert gap < TOLERANCE, call
    assert (tmp_path / "log.csv").read_text().startswith("epoch,")


# -- what is written -----------------------------------------------------------------------------------------

HEAD = "import tensorflow as tf\nfrom tensorflow import keras\nfrom tensorflow.keras import layers\n\n"
LAYERS = "[keras.Input((9, 8, 3)), layers.Conv2D(4, 3), layers.Flatten(), layers.Dense(2)]"
MODEL = HEAD + f"m = keras.Sequential({LAYERS})\n"

REWRITES = [
    ("m.compile('adam', 'mse')", "compile_model(m, optimizer=Adam(), loss=Loss(mean_squared_error), "
                                 "input_dims=(0, 3, 1, 2))"),
    ("m.compile(loss='mae', jit_compile=True)", "compile_model(m, loss=Loss(mean_absolute_error), "
                                                "input_dims=(0, 3, 1, 2))"),
    ("h = m.fit(x, y, epochs=3)", "h = fit(m, x, y, epochs=3)"),
    ("a, b = m.evaluate(x, y, verbose=0)", "a, b = evaluate(m, x, y, verbose=0)"),
    ("p = m.predict(x)", "p = predict(m, x, input_dims=(0, 3, 1, 2))"),
    ("o = keras.optimizers.Adam(1e-3, epsilon=1e-8)", "o = Adam(1e-3, epsilon=1e-8)"),
    ("o = tf.keras.optimizers.SGD(momentum=0.9, name='s')", "o = SGD(momentum=0.9)"),
    ("f = keras.losses.Huber(delta=2.0)", "f = Loss(huber, delta=2.0)"),
    ("a = keras.metrics.BinaryAccuracy(name='a')", "a = AverageOf(binary_accuracy, name='a')"),
]  # fmt: skip


@pytest.mark.parametrize(("statement", "expected"), REWRITES)
def test_rewrite(statement: str, expected: str) -> None:
    found = translate(MODEL + statement + "\n", "tf2torch")
    assert not errors(found)
    assert expected in " ".join(found.text.split()).replace("( ", "(").replace(", )", ")")


REFUSALS = [
    ("m.compile(optimizer='ftrl')", "XL203"),
    ("m.compile(loss='poisson')", "XL203"),
    ("m.compile(loss={'a': 'mse'})", "XL203"),
    ("m.compile(loss=3)", "XL209"),
    ("m.fit(x, y, use_multiprocessing=True)", "XL201"),
    ("m.compile(**options)", "XL202"),
    ("def f(model, x):\n    model.fit(x, epochs=3)", "XL205"),
    ("def f(model, x, y):\n    model.fit(x, y)", "XL205"),
    ("def f(model, x):\n    return model.predict(x)", "XL205"),
    ("from tools import make\nmodel = make()\nmodel = load(model)\nmodel.train_on_batch(x, y)", "XL205"),
    ("def f(model, x):\n    return model(x, training=True)", "XL205"),
    ("tape = tf.GradientTape()", "XL203"),
    ("f = keras.losses.BinaryCrossentropy(axis=1)", "XL201"),
    ("print(m.losses)", "XL207"),
    ("class A(keras.Model):\n    def train_step(self, data):\n        return super().train_step(data)", "XL203"),
]


@pytest.mark.parametrize(("statement", "code"), REFUSALS)
def test_refusal(statement: str, code: str) -> None:
    found = translate(MODEL + statement + "\n", "tf2torch")
    assert any(e.startswith(code) for e in errors(found)), errors(found)
    assert f"# xlate: {code}" in found.text


@pytest.mark.parametrize("lines", [
    "from sklearn.svm import SVC\nc = SVC()\nc.fit(x, y)\np = c.predict(x)",
    "from sklearn.cluster import KMeans\np = KMeans(3).fit(x).predict(x)",
])  # fmt: skip
def test_estimators_of_other_libraries_stay(lines: str) -> None:
    found = translate(MODEL + lines + "\n", "tf2torch")
    assert not errors(found)
    assert lines in found.text


def test_a_helper_that_gets_another_name_is_called_by_it() -> None:
    lines = "m.compile('sgd', 'mse', metrics=['accuracy'])\nloss, accuracy = m.evaluate(x, y)\nprint(loss, accuracy)"
    found = translate(MODEL + lines + "\n", "tf2torch").text
    assert "metrics=[AverageOf(accuracy_, name=" in found
    assert "def accuracy_(" in found
    assert "print(loss, accuracy)" in found
