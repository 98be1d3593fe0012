"""SavedModel folders are read without TensorFlow, value by value, and damaged ones give one clear error."""

from __future__ import annotations

import random
import shutil
from pathlib import Path
from typing import Any

import pytest

torch = pytest.importorskip("torch")
keras = pytest.importorskip("keras")
tf = pytest.importorskip("tensorflow")
pytest.importorskip("h5py")

import numpy as np  # noqa: E402

from translator.checkpoints.convert import Job, convert  # noqa: E402
from translator.checkpoints.plan import Link, Plan  # noqa: E402
from translator.checkpoints.saved_model import INDEX, read_saved_model  # noqa: E402
from translator.model import InputError  # noqa: E402

PLAN = Plan(
    links=[
        Link([["0.weight"]], ["layers/dense/vars/0"], [(4, 5)], (5, 4), "linear"),
        Link([["0.bias"]], ["layers/dense/vars/1"], [(4,)], (4,), "same"),
        Link([["1.weight"]], ["layers/bn/vars/0"], [(4,)], (4,), "same"),
        Link([["1.bias"]], ["layers/bn/vars/1"], [(4,)], (4,), "same"),
        Link([["1.running_mean"]], ["layers/bn/vars/2"], [(4,)], (4,), "same"),
        Link([["1.running_var"]], ["layers/bn/vars/3"], [(4,)], (4,), "same"),
    ],
    counters=["1.num_batches_tracked"],
    seeds={"layers/dropout/seed_generator/vars/0": ["uint32", [2], "AQAAAAIAAAA="]},
    order=[
        "layers/dense/vars/0", "layers/dense/vars/1", "layers/dropout/seed_generator/vars/0", "layers/bn/vars/0",
        "layers/bn/vars/1", "layers/bn/vars/2", "layers/bn/vars/3",
    ],
)  # fmt: skip


@pytest.fixture(scope="module")
def exported(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Any]:
    """A folder as Keras exports it, and its model full of noise."""
    norm = keras.layers.BatchNormalization(epsilon=1e-5)
    model = keras.Sequential([keras.Input((5,)), keras.layers.Dense(4), keras.layers.Dropout(0.1), norm])
    draw = np.random.default_rng(0)
    for variable in model.weights:
        if variable.dtype == "float32":
            variable.assign(draw.uniform(0.5, 1.5, variable.shape))
    folder = tmp_path_factory.mktemp("export") / "model"
    model.export(folder, verbose=False)
    return folder, model


def go(source: Path, folder: Path, plan: Plan = PLAN) -> Any:
    (folder / "map.json").write_text(plan.text(), "utf-8")
    return convert(Job(str(source), str(folder / "out.pt"), map=str(folder / "map.json"), force=True))


def test_what_keras_exports_goes_to_pytorch(exported: tuple[Path, Any], tmp_path: Path) -> None:
    folder, model = exported
    result = go(folder, tmp_path)
    assert result.ok, result.moves.problems
    module = torch.nn.Sequential(torch.nn.Linear(5, 4), torch.nn.BatchNorm1d(4)).eval()
    module.load_state_dict(torch.load(tmp_path / "out.pt", weights_only=True))
    x = np.random.default_rng(1).standard_normal((3, 5)).astype("float32")
    expected = np.asarray(model(x))
    np.testing.assert_allclose(module(torch.from_numpy(x)).detach().numpy(), expected, rtol=1e-5, atol=1e-6)


def test_values_are_those_that_tensorflow_reads(tmp_path: Path) -> None:
    """Many variables of long names (so that the index has several blocks) and of several types."""
    kinds = [tf.float32, tf.bfloat16, tf.int64, tf.bool, tf.float16]
    draw = np.random.default_rng(0).integers(0, 2, (400, 3, 2))
    root = tf.Module()
    for i in range(400):
        setattr(root, f"v{random.Random(i).randbytes(500).hex()}", tf.Variable(tf.cast(draw[i], kinds[i % 5])))
    tf.saved_model.save(root, tmp_path)
    assert (tmp_path / INDEX).stat().st_size > 1 << 18
    found = read_saved_model(str(tmp_path))
    reader = tf.train.load_checkpoint(str(tmp_path / "variables" / "variables"))
    names = [name for name in reader.get_variable_to_shape_map() if name.endswith("VARIABLE_VALUE")]
    assert len(names) == 400 == len(found)
    for name in names:
        stored, wanted = found[name.removesuffix("/.ATTRIBUTES/VARIABLE_VALUE")], reader.get_tensor(name)
        assert stored.dtype == wanted.dtype.name
        np.testing.assert_array_equal(stored.load(), wanted)


def test_another_model_and_other_names_are_refused(exported: tuple[Path, Any], tmp_path: Path) -> None:
    other = Plan(links=PLAN.links[:2], order=PLAN.order[:2])
    with pytest.raises(InputError) as caught:
        go(exported[0], tmp_path, other)
    assert "holds 7 variables, and the model has 2" in caught.value.message
    root = tf.Module()
    root.kernel = tf.Variable([1.0])
    tf.saved_model.save(root, tmp_path / "named")
    with pytest.raises(InputError) as caught:
        go(tmp_path / "named", tmp_path)
    assert "by attributes" in caught.value.message and "save_weights" in caught.value.hint


def test_a_damaged_folder_never_ends_in_a_traceback(exported: tuple[Path, Any], tmp_path: Path) -> None:
    shutil.copytree(exported[0], tmp_path / "m")
    refused = 0
    index = tmp_path / "m" / INDEX
    data, draw = index.read_bytes(), np.random.default_rng(0)
    for _ in range(300):
        broken = bytearray(data[: draw.integers(len(data))] if draw.integers(2) else data)
        for at in draw.integers(0, len(broken), 3) if broken else ():
            broken[at] = draw.integers(256)
        index.write_bytes(broken)
        try:
            for stored in read_saved_model(str(tmp_path / "m")).values():
                stored.load()
        except InputError:
            refused += 1
    assert refused > 200
    index.write_bytes(data)
    (values,) = (tmp_path / "m" / "variables").glob("*.data-*")
    values.write_bytes(values.read_bytes()[:40])
    with pytest.raises(InputError) as caught:
        read_saved_model(str(tmp_path / "m"))
    assert "cut short" in caught.value.message
