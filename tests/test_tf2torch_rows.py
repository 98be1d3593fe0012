"""Rows that only `tf2torch` reads: their samples are TensorFlow expressions, run beside what they become."""

from __future__ import annotations

import functools
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from translator import translate
from translator.compare.inputs import draw_inputs, parse_spec
from translator.model import Severity
from translator.tables.invert import BACK, invert, reading, ties
from translator.tables.load import all_rows
from translator.tables.report import torch_names
from translator.tables.schema import parse_row

DTYPES = {"float": "tf.float64", "int": "tf.int64", "bool": "tf.bool"}


def samples(*, layers: bool) -> list[Any]:
    own = [r for r in all_rows() if r.one_way == "tf2torch"]
    kept = [r for r in own if r.tf and r.tf[0].startswith("keras.layers.") is layers]
    return [pytest.param(s, id=f"{r.tf[0]}-{i}") for r in kept for i, s in enumerate(r.samples)]


def program(sample: dict[str, Any], inputs: dict[str, str]) -> str:
    """A function with the sample's expression, and a call that shows the shapes."""
    shown = []
    for text in inputs.values():
        spec = parse_spec(text)
        assert spec is not None
        shown.append(f"tf.zeros({list(spec.shape)}, dtype={DTYPES[spec.kind]})")
    names = ", ".join(inputs)
    body = f"def f({names}):\n    return {sample['code']}\n\n\nf({', '.join(shown)})\n"
    return "import keras\nimport tensorflow as tf\n\n\n" + body


def layer_program(sample: dict[str, Any], inputs: dict[str, str]) -> str:
    """A functional model of one layer; a dense layer before it shows that gradients reach back."""
    shapes = [parse_spec(text).shape for text in inputs.values()]  # type: ignore[union-attr]
    made = "".join(f"{n} = keras.Input({s[1:]})\n" for n, s in zip(inputs, shapes, strict=True))
    first = next(iter(inputs))
    dense = f"h = keras.layers.Dense({shapes[0][-1]})({first})\n"
    given = ", ".join(["h", *list(inputs)[1:]])
    called = f"out = {sample['code']}({given if len(inputs) == 1 else f'[{given}]'})\n"
    return f"import keras\n\n{made}{dense}{called}Net = keras.Model([{', '.join(inputs)}], out)\n"


@pytest.mark.parametrize("sample", samples(layers=True))
def test_layer(sample: dict[str, Any]) -> None:
    pytest.importorskip("tensorflow")
    import tf2torch_support as support
    from translator.compare.precision import precision

    inputs = {k: v for k, v in sample.items() if parse_spec(v) is not None}
    source = layer_program(sample, inputs)
    translation = translate(source, "tf2torch")
    assert not [d for d in translation.diagnostics if d.severity is Severity.ERROR], translation.text
    modes = (False,) if sample.get("eval_only") else (False, True)
    single = sample.get("single", False)  # where TensorFlow's CPU has no double: 3-D pools
    with precision("float32" if single else "float64"):
        found = support.compare(source, translation, {"entry": "Net", "inputs": [inputs]}, modes)
    assert {"eval output", "eval gradient"} <= set(found.worst)
    assert max(found.worst.values()) < (1e-5 if single else 1e-9), found.worst


def test_separable_convolution() -> None:
    """`SeparableConv2D` becomes two convolutions, in the order in which Keras applies its two kernels."""
    import torch

    import tf2torch_support as support
    from translator.compare.precision import precision

    source = (
        "import keras\n\nx = keras.Input((6, 7, 3))\n"
        "out = keras.layers.SeparableConv2D(5, 3, padding='same')(x)\nNet = keras.Model(x, out)\n"
    )
    translation = translate(source, "tf2torch")
    assert not [d for d in translation.diagnostics if d.severity is Severity.ERROR], translation.text
    with precision("float64"):
        net = support.execute(source, "tf_program").Net
        found = support.execute(translation.text, "torch_program").Net
        module = found() if isinstance(found, type) else found
        rng = np.random.default_rng(5)
        for variable in net.weights:
            variable.assign(rng.standard_normal(variable.shape))
        first, second = [m for m in module.modules() if isinstance(m, torch.nn.Conv2d)]
        depthwise, pointwise, bias = (np.asarray(v) for v in net.weights)
        with torch.no_grad():
            first.weight.copy_(torch.tensor(support.depthwise(depthwise)))
            second.weight.copy_(torch.tensor(support.conv(pointwise)))
            second.bias.copy_(torch.tensor(bias))
        x = rng.standard_normal((2, 6, 7, 3))
        expected = np.asarray(net(x))
        actual = module(torch.tensor(x.transpose(0, 3, 1, 2))).detach().numpy().transpose(0, 2, 3, 1)
    np.testing.assert_allclose(actual, expected, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("sample", samples(layers=False))
def test_sample(sample: dict[str, Any]) -> None:
    tf = pytest.importorskip("tensorflow")
    import torch

    from translator.compare.precision import precision

    inputs = {k: v for k, v in sample.items() if parse_spec(v) is not None}
    source = program(sample, inputs)
    translation = translate(source, "tf2torch")
    assert not [d for d in translation.diagnostics if d.severity is Severity.ERROR], translation.text
    assert "tf." not in translation.text
    assert "keras" not in translation.text
    with precision("float64"):
        mine: dict[str, Any] = {}
        theirs: dict[str, Any] = {}
        exec(source, mine)
        exec(translation.text, theirs)
        arrays = draw_inputs(inputs, 1)
        xs = [tf.constant(a) for a in arrays.values()]
        ts = [torch.tensor(a, requires_grad=a.dtype.kind == "f") for a in arrays.values()]
        floats = [x for x in xs if x.dtype.is_floating]
        with tf.GradientTape() as tape:
            for x in floats:
                tape.watch(x)
            expected = mine["f"](*xs)
            loss = tf.reduce_sum(tf.sin(expected)) if sample.get("grad", True) else None
        actual = theirs["f"](*ts)
        if sample.get("random"):
            assert tuple(expected.shape) == tuple(actual.shape)
            return
        value = actual.detach().numpy() if isinstance(actual, torch.Tensor) else np.asarray(actual)
        small = 1e-5 if sample.get("single") else 1e-12  # where TensorFlow computes in float32
        np.testing.assert_allclose(value, np.asarray(expected), rtol=small, atol=small)
        if loss is None:
            return
        actual.sin().sum().backward()
        # Where TensorFlow has no gradient (rounding), PyTorch's is zero.
        wanted = [0.0 if g is None else np.asarray(tf.convert_to_tensor(g)) for g in tape.gradient(loss, floats)]
        for g, t in zip(wanted, [t for t in ts if t.requires_grad], strict=True):
            np.testing.assert_allclose(t.grad.numpy(), g, rtol=max(small, 1e-9), atol=small)


@functools.cache
def written_by_fixtures() -> set[str]:
    """The APIs that the translations of all Keras fixtures name."""
    found: set[str] = set()
    for path in sorted((Path(__file__).parent.parent / "fixtures").glob("tf_*/tf_model.py")):
        found |= set(torch_names(translate(path.read_text("utf-8"), "tf2torch").text))
    return found


@pytest.mark.parametrize("row", [pytest.param(r, id=r.tf[0]) for r in all_rows() if r.writes])
def test_rules_write_what_their_rows_say(row: Any) -> None:
    """What counts as read backwards since a rule writes it is seen in what the samples or the fixtures become."""
    found: set[str] = set()
    for sample in row.samples:
        inputs = {k: v for k, v in sample.items() if parse_spec(v) is not None}
        make = layer_program if row.tf[0].startswith("keras.layers.") else program
        found |= set(torch_names(translate(make(sample, inputs), "tf2torch").text))
    if not set(row.writes) <= found:
        found |= written_by_fixtures()
    assert set(row.writes) <= found


# -- reading rows backwards ------------------------------------------------------------------------------


def row(**raw: Any) -> Any:
    return parse_row({"samples": [{"code": "x"}], **raw}, "test.toml", 1)


def test_arguments_and_converters_turn_around() -> None:
    found = invert(row(
        torch="torch.nn.X", tf="keras.layers.X",
        args={"eps": "epsilon", "momentum": {"to": "momentum", "via": "one_minus"}, "inplace": {"drop": True}},
        tf_args={"axis": 1},
    ))  # fmt: skip
    assert found.torch == ("keras.layers.X",)
    assert found.tf == ("torch.nn.X",)
    assert found.args["epsilon"].to == ("eps",)
    assert found.args["momentum"].via == BACK + "one_minus"
    assert found.args["axis"].only == (1,), "a constant of the target is what the source must say"
    assert "inplace" not in found.args


def test_own_rows_come_before_inverted_ones() -> None:
    plain = row(torch="torch.a", tf="tf.a")
    own = row(torch="torch.b", tf="tf.a", one_way="tf2torch")
    assert [r.tf for r in reading([plain, own])] == [("torch.b",)]


def test_rows_that_compute_are_not_turned_around() -> None:
    assert reading([row(torch="torch.a", tf_expr="tf.b({input})")]) == []
    assert reading([row(torch="torch.a", tf="helper:a")]) == []
    assert reading([row(torch="torch.a", tf="tf.a", one_way="torch2tf")]) == []


def test_ties_are_found() -> None:
    rows = [row(torch="torch.a", tf="tf.x"), row(torch="torch.b", tf="tf.x"), row(torch="torch.c", tf="tf.y")]
    assert [name for name, _ in ties(rows)] == ["tf.x"]
    rows[0] = row(torch="torch.a", tf="tf.x", canonical=False)
    assert ties(rows) == []
