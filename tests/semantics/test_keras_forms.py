"""Known traps of the other direction: Keras programs read as PyTorch. Named by their ids."""

from __future__ import annotations

from typing import Any

import numpy as np
import programs
import pytest

from row_samples import samples
from translator import Severity, translate
from translator.compare import draw_inputs, precision

SAMPLES = samples()[0]

pytest.importorskip("torch")
pytest.importorskip("tensorflow")


def translated(source: str, case: dict[str, Any]) -> Any:
    """The translation; ``None`` where it is refused, as the case says."""
    found = translate(source, "tf2torch")
    errors = [f"{d.code} {d.message}" for d in found.diagnostics if d.severity is Severity.ERROR]
    if "refused" in case:
        assert errors, f"translated in silence:\n{found.text}"
        return None
    assert not errors, "\n".join([*errors, found.text])
    return found


@pytest.mark.parametrize("id_, case", programs.cases("keras.toml"))
def test_keras_program(id_: str, case: dict[str, Any]) -> None:
    import tensorflow as tf
    import torch

    import tf2torch_support as support

    inputs = programs.inputs_of(case)
    model = "Net = " in case["tf"]
    shown = "" if model or not inputs else f"\nrun({', '.join(map(tf_zeros, inputs.values()))})\n"
    source = f"{programs.TF}{case['tf']}{shown}"
    found = translated(source, case)
    if found is None:
        return
    with precision("float64"):
        arrays = draw_inputs(inputs, seed=3)
        tensors = [torch.tensor(v) for v in arrays.values()]
        naive = support.execute(programs.TORCH + case["naive"], "naive").run
        if model:
            compared = support.compare(source, found, {"entry": "Net", "inputs": [inputs]}, (False,))
            assert max(compared.worst.values()) < 1e-9, compared.worst
            net = support.execute(source, "keras_program").Net
            expected = np.asarray(net(*arrays.values()))
            other = naive(*tensors, *(torch.tensor(np.asarray(v)) for v in net.weights))
        else:
            expected = np.asarray(support.execute(source, "keras_program").run(*map(tf.constant, arrays.values())))
            actual = support.execute(found.text, "torch_program").run(*tensors)
            np.testing.assert_allclose(actual.numpy(), expected, rtol=1e-9)
            try:
                other = naive(*tensors)
            except ValueError:
                return
        assert other.shape != expected.shape or not np.allclose(other.detach().numpy(), expected, atol=1e-6)


def tf_zeros(spec: str) -> str:
    from translator.compare import parse_spec

    found = parse_spec(spec)
    assert found is not None
    return f"tf.zeros({list(found.shape)}, dtype='{'int64' if found.kind == 'int' else 'float64'}')"


@pytest.mark.parametrize("id_, case", programs.cases("channels_first.toml"))
def test_channels_first_layer(id_: str, case: dict[str, Any]) -> None:
    """A layer with its channels first computes what PyTorch's does, or is refused; the one that PyTorch's becomes is
    executed by its row."""
    import torch

    import tf2torch_support as support

    sizes = tuple(int(s) for s in case["shape"].split(","))
    source = f"import keras\n\nx = keras.Input({sizes[1:]})\nNet = keras.Model(x, {case['layer']}(x))\n"
    found = translated(source, case)
    if found is not None:
        net = support.execute(source, "keras_program").Net
        if net.weights:
            with precision("float64"):
                compared = support.compare(
                    source, found, {"entry": "Net", "inputs": [{"x": f"float[{case['shape']}]"}]}, (False,)
                )
            assert max(compared.worst.values()) < 1e-9, compared.worst
        else:  # in float32: TensorFlow pools volumes with their channels first in nothing else
            x = np.random.default_rng(3).standard_normal(sizes, "float32")
            actual = support.execute(found.text, "torch_program").Net(torch.tensor(x))
            np.testing.assert_allclose(actual.numpy(), np.asarray(net(x)), rtol=1e-5, atol=1e-6)
    if "row" in case:
        executed = {name for sample in SAMPLES for name in sample.row.torch}
        assert case["row"] in executed
