"""Known traps that take more than an expression: models, programs, training, initial values. Named by their ids.

As in `test_semantics` the naive form must fail, and the translation must not, or must have been refused.
"""

from __future__ import annotations

from typing import Any

import naive
import numpy as np
import programs
import pytest
from test_semantics import said, sample_of

import test_rows
from row_samples import Sample
from translator.compare import compare_values, draw_inputs, load, unload
from translator.compare.noise import fill
from translator.compare.running import tf_arguments

pytest.importorskip("torch")
pytest.importorskip("tensorflow")

SCALED = 10
"""Steps of the training cases."""


def agree(expected: Any, actual: Any, case: dict[str, Any], text: str) -> None:
    tolerance = programs.TOLERANCE[case.get("precision", "float64")]
    bad = [str(q) for q in compare_values("result", expected, actual) if not q.ok(tolerance)]
    assert not bad, "\n".join([*bad, text[-3000:]])


@pytest.mark.parametrize("id_, case", programs.cases("models.toml"))
def test_model(id_: str, case: dict[str, Any]) -> None:
    """Outputs and gradients of a model with the same weights in both frameworks."""
    import torch

    if "refused" in case:
        said(case, programs.TORCH + case["model"])
        return
    sample: Sample = sample_of(id_, {k: v for k, v in case.items() if k not in ("model", "values")} | {"code": "Net()"})
    examples = ", ".join(map(test_rows.rows.zeros, sample.inputs.values()))
    source = f"{programs.TORCH}{case['model']}\n\ndef example():\n    Net()({examples})\n"
    text, _ = test_rows.translated(source)
    with programs.in_precision(case):
        arrays = draw_inputs(sample.inputs, seed=3)
        torch_module, tf_module = load(source, "torch"), load(text, "tf")
        module = torch_module.Net()
        found = test_rows.compare_layers(sample, module, tf_module.Net(), arrays, id_)
        bad = [str(q) for q in found if not q.ok(test_rows.TOLERANCE)]
        assert not bad, "\n".join([*bad, text])
        fresh = torch_module.Net().double()
        fill(fresh, seed=5)
        weights = [v.detach().numpy().copy() for n, v in fresh.state_dict().items() if "num_batches" not in n]
        expected = fresh.eval()(*(torch.tensor(a) for a in arrays.values()))
        try:
            actual = eval(case["naive"], naive.scope() | {"w": weights}, tf_arguments(arrays))
        except naive.errors():
            return
        expected = expected[0] if isinstance(expected, tuple) and not isinstance(actual, list) else expected
        assert naive.differs(expected, actual, case), "the naive form is not wrong here"
    unload(torch_module)
    unload(tf_module)


@pytest.mark.parametrize("id_, case", programs.cases("programs.toml"))
def test_program(id_: str, case: dict[str, Any]) -> None:
    source = programs.source_of(case)
    if "refused" in case or "noted" in case:
        said(case, source)
        if not case.get("deviates"):
            return
    text = programs.translated(source)
    with programs.in_precision(case):
        expected, actual = programs.both(source, text, case)
        if case.get("deviates"):
            assert isinstance(expected, Exception) and not isinstance(actual, Exception)
            return
        if case.get("raises"):
            assert isinstance(expected, Exception)
            assert isinstance(actual, Exception), f"{actual} instead of {expected!r}"
        else:
            agree(expected, actual, case, text)
        check_naive(programs.TF + case["naive"], expected, case)


def check_naive(text: str, expected: Any, case: dict[str, Any]) -> None:
    """The naive program runs through where PyTorch raises, and else gives something else."""
    wide = case.get("precision", "float64") == "float64"
    arrays = draw_inputs(programs.inputs_of(case), seed=3)
    try:
        actual = programs.outcome(text, tf_arguments(arrays), {k: v for k, v in case.items() if k != "raises"}, wide)
    except naive.errors():
        assert not case.get("raises"), "the naive form raises, too"
        return
    different = {**case, "dtype": case.get("precision") == "float32"}
    assert case.get("raises") or naive.differs(expected, actual, different), "the naive form is not wrong here"


@pytest.mark.parametrize("id_, case", programs.cases("training.toml"))
def test_training(id_: str, case: dict[str, Any]) -> None:
    """Ten steps of an optimizer with its schedule: both parameters end where PyTorch's do."""
    source = programs.training_source(case)
    text = programs.translated(source)
    with programs.in_precision(case):
        rng = np.random.default_rng(3)
        g, h = (rng.standard_normal((SCALED, n)) * case.get("scale", 1.0) for n in (4, 3))
        expected, actual = (values(t, g, h) for t in (source, text))
        for a, b in zip(expected, actual, strict=True):
            np.testing.assert_allclose(b, a, rtol=1e-9, atol=0, err_msg=text[-3000:])
        assert naive.differs(expected, naively(case, g, h), {"tolerance": 1e-8})


def values(text: str, g: Any, h: Any) -> list[Any]:
    import tensorflow as tf
    import torch

    module = load(text, "training")
    tensor = tf.constant if "tensorflow" in text else torch.tensor
    found = [np.asarray(v.detach() if hasattr(v, "detach") else v) for v in module.run(tensor(g), tensor(h))]
    unload(module)
    return found


def naively(case: dict[str, Any], g: Any, h: Any) -> list[Any]:
    import keras

    made = eval(case["naive"], naive.scope())
    optimizer = made if isinstance(made, keras.optimizers.Optimizer) else keras.optimizers.SGD(made)
    w, b = keras.Variable(np.ones(4)), keras.Variable(np.ones(3))
    decay = case.get("decay", 0.0)
    for one, other in zip(g, h, strict=True):
        optimizer.apply([one + decay * w.numpy(), other + decay * b.numpy()], [w, b])
    return [np.asarray(w), np.asarray(b)]


@pytest.mark.parametrize("id_, case", programs.cases("initial.toml"))
def test_initial_values(id_: str, case: dict[str, Any]) -> None:
    """Deviations and largest values of fresh weights, within what a draw of that size varies."""
    source = initial_source(case)
    if "noted" in case:
        said(case, source)
    text = programs.translated(source)
    with programs.in_precision({}):
        arrays = draw_inputs(programs.inputs_of(case), seed=3)
        expected, actual = (spreads(t, arrays) for t in (source, text))
        keras_form = eval(case["naive"], naive.scope())
        if hasattr(keras_form, "weights"):
            given = list(tf_arguments(arrays).values())
            keras_form(*given * (2 if "call" in case else 1))
            naive_form = [spread(np.asarray(v)) for v in keras_form.weights if "seed" not in v.path]
        else:
            naive_form = [spread(np.asarray(keras_form))]
    assert len(expected) == len(actual), text
    assert all(map(near, sorted(expected), sorted(actual))), (expected, actual)
    same = len(expected) == len(naive_form) and all(map(near, sorted(expected), sorted(naive_form)))
    assert not same, "the naive form is not wrong here"


def initial_source(case: dict[str, Any]) -> str:
    inputs = ", ".join(programs.inputs_of(case))
    if not inputs:
        return f"{programs.TORCH}\ndef run():\n    return [{case['code']}]\n"
    given = ", ".join([inputs] * 3) if "call" in case else inputs
    return (
        f"{programs.TORCH}\nclass Net(nn.Module):\n    def __init__(self):\n        super().__init__()\n"
        f"        self.layer = {case['code']}\n\n    def forward(self, {inputs}):\n        return self.layer({given})\n"
    )


def spreads(text: str, arrays: dict[str, Any]) -> list[tuple[float, float]]:
    import torch

    module = load(text, "initial")
    if hasattr(module, "run"):
        made = module.run()
    elif "tensorflow" in text:
        net = module.Net()
        net(*tf_arguments(arrays).values())
        made = [v for v in net.weights if "seed" not in v.path]
    else:
        net = module.Net()
        net(*(torch.tensor(a) for a in arrays.values()))
        made = list(net.parameters())
    unload(module)
    return [spread(np.asarray(v.detach() if hasattr(v, "detach") else v)) for v in made]


def spread(value: Any) -> tuple[float, float]:
    """Root of the mean square, and the largest absolute value."""
    return float(np.sqrt(np.mean(value**2))), float(np.abs(value).max())


def near(a: tuple[float, float], b: tuple[float, float]) -> bool:
    """Within 6 per cent, the largest one (which varies with normal draws) within 25."""
    return abs(a[0] - b[0]) <= 0.06 * a[0] and abs(a[1] - b[1]) <= 0.25 * a[1]
