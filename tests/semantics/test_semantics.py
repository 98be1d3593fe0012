"""Known traps: the obvious mapping gives something else, the translation does not. Named by the ids of the traps.

Each case compares the naive TensorFlow form with PyTorch, where it must fail, and then the translation, in values,
gradients and types as for the rows of the tables (`test_rows`).
"""

from __future__ import annotations

import os
import tomllib
from pathlib import Path
from typing import Any

import naive
import numpy as np
import programs
import pytest

import test_rows
from row_samples import OPTIONS, Sample
from translator import Severity, translate
from translator.compare import draw_inputs, precision
from translator.compare.noise import fill
from translator.compare.running import torch_call
from translator.tables.schema import parse_row

CASES = Path(__file__).with_name("cases.toml")
EVERY = bool(os.environ.get("XLATE_EVERY"))
"""Whether to try every way to write a call, as the rows' own tests do."""
OWN = {"naive", "naive_torch", "refused", "noted", "deviates", "about", "after", "dtype", "compare", "tolerance"}


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
    if "refused" in case or "noted" in case:
        said(case, source_of(sample))
        if "deviates" not in case:
            return
    with precision("float64"):
        if "deviates" in case:
            # A listed deviation: the translation is this form, which does not do the same.
            assert naive_fails(sample, case | {"naive": case["deviates"]})
            return
        assert naive_fails(sample, case), "the naive form is not wrong on these inputs: no trap is shown"
        if sample.makes_layer:
            test_rows.check_layer(sample, every_form=EVERY)
        else:
            test_rows.check_function(sample, every_form=EVERY)


def said(case: dict[str, Any], source: str) -> None:
    """What the translation does not do, or does with a listed deviation, it says."""
    found = translate(source).diagnostics
    if "noted" in case:
        assert any(case["noted"] in f"{d.code} {d.message}" for d in found), "a deviation in silence"
    else:
        errors = {d.code for d in found if d.severity is Severity.ERROR}
        assert errors, "translated in silence"
        assert case["refused"] in {*errors, "any"}


def source_of(sample: Sample) -> str:
    make = test_rows.rows.layer_source if sample.makes_layer else test_rows.rows.function_source
    return make(sample, {"Plain": sample.code})


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
        fill(module.double().eval(), seed=5)
    if "naive_torch" in case:
        return naive.differs(call(*tensors(arrays)), other_way(case, module, arrays), case)
    try:
        return any(naive.differs(a, b, case) for a, b in pairs(call, module, arrays, case))
    except naive.errors():
        return True


def tensors(arrays: dict[str, Any]) -> list[Any]:
    import torch

    return [torch.tensor(v) for v in arrays.values()]


def other_way(case: dict[str, Any], module: Any, arrays: dict[str, Any]) -> Any:
    """The naive form in PyTorch: what the code means to somebody who takes no care."""
    import torch

    made = eval(case["naive_torch"], {"torch": torch, **dict(zip(arrays, tensors(arrays), strict=True))})
    if module is None:
        return made
    made.double().eval().load_state_dict(module.state_dict())
    return made(*tensors(arrays))


def pairs(call: Any, module: Any, arrays: dict[str, Any], case: dict[str, Any]) -> Any:
    """PyTorch's results with the naive form's: outputs, gradients, or what a training step leaves in a layer."""
    import tensorflow as tf
    import torch

    given = {k: tf.convert_to_tensor(v) for k, v in arrays.items()}
    if is_layer(case):
        layer = eval(case["naive"], naive.scope())
        first = next(iter(given.values()))
        layer(first)
        adopt(layer, module)
        if case.get("after") == "moving":
            module.train()(torch.tensor(next(iter(arrays.values()))))
            layer(first, training=True)
            yield module.running_mean.numpy(), np.asarray(layer.moving_mean)
            return
        found = layer(first)
    elif case.get("compare") == "gradient":
        yield from gradients(call, arrays, case)
        return
    else:
        weights = state(module) if module is not None else []
        found = eval(case["naive"], naive.scope() | {"w": weights}, given)
    expected = call(*tensors(arrays))
    yield expected[0] if isinstance(expected, tuple) and not isinstance(found, tuple) else expected, found


def state(module: Any) -> list[Any]:
    """A module's weights and buffers in order."""
    return [v.detach().numpy().copy() for n, v in module.state_dict().items() if "num_batches" not in n]


def is_layer(case: dict[str, Any]) -> bool:
    """Whether the naive form is only the layer, to be called with the input."""
    text = case["naive"]
    return text.startswith("keras.layers.") and text.endswith(")") and not text.endswith(")(x)") and ")(" not in text


def adopt(layer: Any, module: Any) -> None:
    """Give the naive layer the module's own weights, in order; kernels in Keras's order of axes."""
    values = state(module)
    if len(values) != len(layer.weights):
        raise ValueError("the naive layer cannot even take the weights")
    for variable, value in zip(layer.weights, values, strict=True):
        n = value.ndim
        variable.assign(value.transpose(*range(2, n), 1, 0) if n > 2 else value)


def gradients(call: Any, arrays: dict[str, Any], case: dict[str, Any]) -> Any:
    """The gradients of both forms' weighted sums."""
    import tensorflow as tf

    _, expected = torch_call(call_by_name(call, arrays), arrays, {}, grad=True)
    given = {k: tf.convert_to_tensor(v) for k, v in arrays.items()}
    floats = {k: v for k, v in given.items() if v.dtype.is_floating}
    with tf.GradientTape() as tape:
        tape.watch(list(floats.values()))
        out = eval(case["naive"], naive.scope(), given)
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


def test_every_id_is_shown_once() -> None:
    files = ("cases", "models", "programs", "training", "initial", "keras", "channels_first")
    ids = [param.id for name in files for param in programs.cases(f"{name}.toml")]
    assert len(ids) == len(set(ids)) >= 310
