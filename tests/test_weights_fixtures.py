"""``xlate weights`` for every model fixture: a state dict goes to Keras's file and comes back bit by bit."""

from __future__ import annotations

import os
import tomllib
from pathlib import Path
from typing import Any

import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("keras")
pytest.importorskip("h5py")

from translator import translate  # noqa: E402
from translator.checkpoints.convert import Job, convert  # noqa: E402
from translator.checkpoints.mapping import make_plan  # noqa: E402
from translator.checkpoints.plan import Model, Plan  # noqa: E402
from translator.compare.noise import fill  # noqa: E402
from translator.compare.precision import precision  # noqa: E402
from translator.compare.program import load, unload  # noqa: E402
from translator.model import InputError  # noqa: E402
from translator.proof.pool import Pool  # noqa: E402

FIXTURES = Path(__file__).resolve().parent.parent / "fixtures"
EVERY = bool(os.environ.get("XLATE_EVERY"))
"""Convert every model of every case, not only a sample: minutes more."""
SAMPLE = {"swin", "tf_lstm_text"}


def cases() -> list[Any]:
    params = []
    for path in sorted(FIXTURES.glob("*/case.toml")):
        models = tomllib.loads(path.read_text(encoding="utf-8")).get("model", [])
        for source in sorted(path.parent.glob("*_model.py")) if EVERY or path.parent.name in SAMPLE else ():
            params += [
                pytest.param(source, m, id=f"{path.parent.name}-{i}-{m['entry']}")
                for i, m in enumerate(models if EVERY else models[:1])
            ]
    return params


def state_dict(source: Path, model: dict[str, Any], plan: Plan) -> dict[str, Any]:
    """A state of the PyTorch program, whichever of the two it is, full of noise."""
    text = source.read_text("utf-8")
    if source.name == "tf_model.py":
        text = translate(text, "tf2torch").text
    program = load(text, "torch", wide=False)
    try:
        init = {k: getattr(program, v["$name"]) if isinstance(v, dict) else v for k, v in model.get("init", {}).items()}
        module = getattr(program, model["entry"])
        module = module if isinstance(module, torch.nn.Module) else module(**init)
        if any(isinstance(p, torch.nn.UninitializedParameter) for p in module.parameters()):
            return of_shapes(plan)
        fill(module, 3)
        for name, tensor in module.state_dict().items():
            if name.endswith("num_batches_tracked"):
                tensor.fill_(17)
            if source.name == "tf_model.py" and "bias_hh" in name and is_lstm(module, name):
                tensor.zero_()  # Keras has one bias
        return module.state_dict()
    finally:
        unload(program)


def of_shapes(plan: Plan) -> dict[str, Any]:
    """A state for a model that learns its sizes in its first call."""
    pairs = [pair for link in plan.links for pair in zip(link.torch, link.torch_shapes, strict=True)]
    shapes = {name: shape for names, shape in pairs for name in names}
    state = {name: torch.randn(shape) for name, shape in shapes.items()}
    for link in plan.links:
        if link.via.startswith("bias "):
            state.update({name: torch.zeros_like(state[name]) for name in link.torch[1]})
    return {**state, **{name: torch.tensor(17) for name in plan.counters}}


def is_lstm(module: Any, name: str) -> bool:
    return isinstance(module.get_submodule(name.rpartition(".")[0]), torch.nn.LSTM)


@pytest.mark.parametrize(("source", "model"), cases())
def test_there_and_back(source: Path, model: dict[str, Any], pool: Pool, tmp_path: Path) -> None:
    program = Model(str(source), entry=model["entry"], init=model.get("init", {}), inputs=model["inputs"])
    plan = make_plan(pool, program, config=False, values=True)
    there_and_back = tmp_path / "map.json"
    there_and_back.write_text(plan.text(), "utf-8")
    state = state_dict(source, model, plan)
    torch.save(state, tmp_path / "in.pt")
    there = convert(Job(str(tmp_path / "in.pt"), str(tmp_path / "k.weights.h5"), map=str(there_and_back)))
    assert there.ok, there.moves.problems
    assert not there.moves.added
    back = convert(Job(str(tmp_path / "k.weights.h5"), str(tmp_path / "out.pt"), map=str(there_and_back)))
    assert back.ok, back.moves.problems
    found = torch.load(tmp_path / "out.pt", weights_only=True)
    assert set(found) == set(state)
    for name, tensor in state.items():
        other = found[name]
        assert (other.dtype, other.shape) == (tensor.dtype, tensor.shape), name
        same = other.contiguous().view(-1).view(torch.uint8).equal(tensor.contiguous().view(-1).view(torch.uint8))
        assert same, name


PROGRAM = '''
import torch
from torch import nn


class Block(nn.Module):
    def __init__(self, width):
        super().__init__()
        self.depthwise = nn.Conv2d(width, width, 3, padding=1, groups=width, bias=False)
        self.norm = nn.BatchNorm2d(width)
        self.drop = nn.Dropout(0.3)

    def forward(self, x):
        return x + self.drop(torch.relu(self.norm(self.depthwise(x))))


class Net(nn.Module):
    def __init__(self, width=6):
        super().__init__()
        self.stem = nn.Sequential(nn.Conv2d(3, width, 3, stride=2, padding=1), nn.ReLU())
        self.blocks = nn.ModuleList([Block(width) for _ in range(2)])
        self.rnn = nn.LSTM(width, 5, batch_first=True, bidirectional=True)
        self.scale = nn.Parameter(torch.ones(10))
        self.head = nn.Linear(10, 4)

    def forward(self, x):
        x = self.stem(x)
        for block in self.blocks:
            x = block(x)
        out, _ = self.rnn(x.mean(2).transpose(1, 2))
        return self.head(out[:, -1] * self.scale)
'''


@pytest.fixture
def trained(tmp_path: Path) -> tuple[Any, Any]:
    """A PyTorch model in double precision in eval mode, its file beside its program, and what it computes."""
    (tmp_path / "net.py").write_text(PROGRAM, "utf-8")
    program = load(PROGRAM, "torch", wide=False)
    module = program.Net().double().eval()
    fill(module, 5)
    torch.save(module.state_dict(), tmp_path / "net.pt")
    x = torch.randn(2, 3, 10, 14, dtype=torch.float64)
    yield x.numpy(), module(x).detach().numpy()
    unload(program)


@pytest.mark.parametrize("name", ["net.weights.h5", "net.keras"])
def test_keras_loads_the_file_and_computes_the_same(name: str, trained: Any, tmp_path: Path, pool: Pool) -> None:
    import numpy as np

    x, expected = trained
    x = np.moveaxis(x, 1, -1)
    job = Job(str(tmp_path / "net.pt"), str(tmp_path / name), Model(str(tmp_path / "net.py")), pool=pool)
    result = convert(job)
    assert result.ok, result.moves.problems
    text = translate(PROGRAM).text
    with precision("float64", ("tf",)):
        program = load(text, "tf")
        try:
            model = program.Net()
            model(np.zeros_like(x))
            model.load_weights(tmp_path / name)
            found = np.asarray(model(x, training=False))
        finally:
            unload(program)
    np.testing.assert_allclose(found, expected, rtol=1e-9, atol=1e-12)


FUNCTIONAL = """
import keras

inputs = keras.Input((5,), name="x")
hidden = keras.layers.Dropout(0.2)(keras.layers.Dense(7, activation="relu")(inputs))
net = keras.Model(inputs, keras.layers.BatchNormalization()(hidden))
"""


def test_a_whole_keras_model_is_revived_from_the_file(tmp_path: Path, pool: Pool) -> None:
    import keras
    import numpy as np

    (tmp_path / "net.py").write_text(FUNCTIONAL, "utf-8")
    program = load(FUNCTIONAL, "tf", wide=False)
    program.net.set_weights([np.random.default_rng(1).uniform(0.5, 1.5, w.shape) for w in program.net.get_weights()])
    program.net.save(tmp_path / "in.keras")
    x = np.random.default_rng(2).standard_normal((3, 5))
    expected = np.asarray(program.net(x))
    unload(program)
    model = Model(str(tmp_path / "net.py"), entry="net")
    assert convert(Job(str(tmp_path / "in.keras"), str(tmp_path / "net.safetensors"), model, pool=pool)).ok
    assert convert(Job(str(tmp_path / "net.safetensors"), str(tmp_path / "out.keras"), model, pool=pool)).ok
    revived = keras.saving.load_model(tmp_path / "out.keras")
    np.testing.assert_array_equal(np.asarray(revived(x)), expected)


def test_python_objects_are_loaded_only_where_that_is_asked_for(trained: Any, tmp_path: Path, pool: Pool) -> None:
    held = torch.load(tmp_path / "net.pt", weights_only=True)
    torch.save({"state_dict": held, "path": Path("somewhere")}, tmp_path / "whole.pt")
    model = Model(str(tmp_path / "net.py"))
    with pytest.raises(InputError) as caught:
        convert(Job(str(tmp_path / "whole.pt"), str(tmp_path / "k.weights.h5"), model, pool=pool))
    assert caught.value.code == "XL061"
    job = Job(str(tmp_path / "whole.pt"), str(tmp_path / "k.weights.h5"), model, unsafe=True, pool=pool)
    assert convert(job).ok


def test_a_program_that_fails_is_reported_as_its_own(trained: Any, tmp_path: Path, pool: Pool) -> None:
    broken = PROGRAM.replace("width=6", "width=None")
    (tmp_path / "net.py").write_text(broken, "utf-8")
    model = Model(str(tmp_path / "net.py"))
    with pytest.raises(InputError) as caught:
        convert(Job(str(tmp_path / "net.pt"), str(tmp_path / "k.weights.h5"), model, pool=pool))
    assert "the source failed while building: TypeError" in caught.value.message
    assert "net.py:20" in caught.value.message
    assert not (tmp_path / "k.weights.h5").exists()
