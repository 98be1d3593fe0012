"""Known traps: the obvious mapping gives something else, the translation does not. Named by the ids of the traps.

Each case compares the naive TensorFlow form with PyTorch, where it must fail, and then the translation, in values,
gradients and types as for the rows of the tables (`test_rows`).
"""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import test_rows
from row_samples import OPTIONS, Sample
from translator.compare import draw_inputs, precision
from translator.compare.running import torch_call
from translator.tables.schema import parse_row

CASES = Path(__file__).with_name("cases.toml")
OWN = {"naive", "about", "after", "dtype", "compare", "tolerance"}


def cases() -> list[Any]:
    found = tomllib.loads(CASES.read_text("utf-8"))
    return [pytest.param(id_, case, id=id_) for group in found.values() for id_, case in group.items()]


def sample_of(id_: str, case: dict[str, Any]) -> Sample:
    row = parse_row({"torch": f"semantics.{id_}", "refuse": "-", "hint": "-"}, "semantics.toml", 1)
    inputs = {k: v for k, v in case.items() if k not in OPTIONS | OWN}
    options = {k: v for k, v in case.items() if k in OPTIONS - {"code"}}
    return Sample(row, 0, case["code"], inputs, options)


@pytest.mark.parametrize("id_, case", cases())
def test_trap(id_: str, case: dict[str, Any]) -> None:
    pytest.importorskip("tensorflow")
    sample = sample_of(id_, case)
    with precision("float64"):
        assert naive_fails(sample, case), "the naive form is not wrong on these inputs: no trap is shown"
        if sample.makes_layer:
            test_rows.check_layer(sample)
        else:
            test_rows.check_function(sample)


def test_no_id_is_both_shown_and_pending() -> None:
    pending = tomllib.loads(CASES.with_name("pending.toml").read_text("utf-8"))["ids"]
    shown = {param.id for param in cases()}
    assert not shown & set(pending)
    assert len(shown) >= 115 and len(pending) == len(set(pending))


def naive_fails(sample: Sample, case: dict[str, Any]) -> bool:
    """Whether the naive form raises, or gives another shape, type, value, gradient or statistic."""
    import torch

    arrays = draw_inputs(sample.inputs, seed=3)
    scope = {"torch": torch, **{k: torch.tensor(v) for k, v in arrays.items()}}
    made = eval(sample.code, scope)
    module = made if isinstance(made, torch.nn.Module) else None

    def call(*args: Any) -> Any:
        return module(*args) if module else eval(sample.code, {"torch": torch, **dict(zip(arrays, args, strict=True))})

    if module is not None:
        module.double()
    try:
        return any(differs(a, b, case) for a, b in pairs(call, module, arrays, case))
    except (Unlike, *errors()):
        return True


class Unlike(Exception):
    """The naive layer cannot even take the weights."""


def errors() -> tuple[type[Exception], ...]:
    import tensorflow as tf

    return (tf.errors.OpError, ValueError, TypeError, IndexError)


def pairs(call: Any, module: Any, arrays: dict[str, Any], case: dict[str, Any]) -> Any:
    """PyTorch's results with the naive form's: outputs, gradients, or what a training step leaves in a layer."""
    import keras
    import tensorflow as tf
    import torch

    given = {k: tf.convert_to_tensor(v) for k, v in arrays.items()}
    naive = eval(case["naive"], {"tf": tf, "keras": keras, "np": np}, given) if not is_layer(case) else None
    if naive is None:
        layer = eval(case["naive"], {"keras": keras})
        first = next(iter(given.values()))
        layer(first)
        adopt(layer, module)
        if case.get("after") == "moving":
            module.train()(torch.tensor(next(iter(arrays.values()))))
            layer(first, training=True)
            yield module.running_mean.numpy(), np.asarray(layer.moving_mean)
            return
        naive = layer(first)
        module.eval()
    if case.get("compare") == "gradient":
        yield from gradients(call, arrays, case)
        return
    if module is not None:
        module.eval()
    expected = call(*(torch.tensor(v) for v in arrays.values()))
    yield expected.detach().numpy(), np.asarray(naive)


def is_layer(case: dict[str, Any]) -> bool:
    """Whether the naive form is only the layer, to be called with the input."""
    text = case["naive"]
    return text.startswith("keras.layers.") and text.endswith(")") and not text.endswith(")(x)") and ")(" not in text


def adopt(layer: Any, module: Any) -> None:
    """Give the naive layer the module's own weights, in order; kernels in Keras's order of axes."""
    from translator.compare.noise import fill

    fill(module, seed=5)
    values = [v.detach().numpy() for n, v in module.state_dict().items() if "num_batches" not in n]
    if len(values) != len(layer.weights):
        raise Unlike
    for variable, value in zip(layer.weights, values, strict=True):
        n = value.ndim
        variable.assign(value.transpose(*range(2, n), 1, 0) if n > 2 else value)


def gradients(call: Any, arrays: dict[str, Any], case: dict[str, Any]) -> Any:
    """The gradients of both forms' weighted sums."""
    import keras
    import tensorflow as tf

    _, expected = torch_call(call_by_name(call, arrays), arrays, {}, grad=True)
    given = {k: tf.convert_to_tensor(v) for k, v in arrays.items()}
    floats = {k: v for k, v in given.items() if v.dtype.is_floating}
    with tf.GradientTape() as tape:
        tape.watch(list(floats.values()))
        out = eval(case["naive"], {"tf": tf, "keras": keras, "np": np}, given)
        total = tf.reduce_sum(out * projection_of(out))
    for name, gradient in tape.gradient(total, floats).items():
        yield np.asarray(expected[name]), np.asarray(tf.convert_to_tensor(gradient))


def call_by_name(call: Any, arrays: dict[str, Any]) -> Any:
    def named(**inputs: Any) -> Any:
        return call(*(inputs[k] for k in arrays))

    return named


def projection_of(out: Any) -> Any:
    from translator.compare.running import projection

    return projection(0, tuple(out.shape))


def differs(expected: np.ndarray, actual: np.ndarray, case: dict[str, Any]) -> bool:
    if expected.shape != actual.shape or (case.get("dtype") and expected.dtype != actual.dtype):
        return True
    return not np.allclose(actual, expected, rtol=0, atol=case.get("tolerance", 1e-6))
