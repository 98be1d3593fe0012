"""The state of optimizers travels with the weights: training goes on in the other framework as it would have here."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

torch = pytest.importorskip("torch")
keras = pytest.importorskip("keras")
pytest.importorskip("h5py")

import numpy as np  # noqa: E402
import tensorflow as tf  # noqa: E402

from translator.checkpoints.convert import Job, Result, convert  # noqa: E402
from translator.checkpoints.plan import Link, Plan  # noqa: E402
from translator.compare.precision import precision  # noqa: E402
from translator.model import InputError  # noqa: E402

PLAN = Plan(
    links=[
        Link([["1.weight"]], ["layers/dense_1/vars/0"], [(2, 5)], (5, 2), "linear"),
        Link([["1.bias"]], ["layers/dense_1/vars/1"], [(2,)], (2,), "same"),
        Link([["0.weight"]], ["layers/dense/vars/0"], [(5, 3)], (3, 5), "linear"),
        Link([["0.bias"]], ["layers/dense/vars/1"], [(5,)], (5,), "same"),
    ],
    parameters=[("0.weight", True), ("0.bias", True), ("1.weight", True), ("1.bias", True)],
    variables=["layers/dense/vars/0", "layers/dense/vars/1", "layers/dense_1/vars/0", "layers/dense_1/vars/1"],
    groups={"layers/dense": "dense", "layers/dense_1": "dense_1"},
)
TINY = 1e-30
"""An epsilon so small that it does not matter where it stands."""
# Decay rates are fractions of powers of two: Keras keeps them in float32.
KINDS: dict[str, tuple[Callable[[Any], Any], Callable[[], Any]]] = {
    "adam": (lambda p: torch.optim.Adam(p, 0.01, (0.75, 0.9375), TINY),
             lambda: keras.optimizers.Adam(0.01, 0.75, 0.9375, TINY)),
    "amsgrad": (lambda p: torch.optim.Adam(p, 0.01, (0.75, 0.875), TINY, amsgrad=True),
                lambda: keras.optimizers.Adam(0.01, 0.75, 0.875, TINY, amsgrad=True)),
    "adamw": (lambda p: torch.optim.AdamW(p, 0.01, (0.75, 0.9375), TINY, weight_decay=0.1),
              lambda: keras.optimizers.AdamW(0.01, 0.1, 0.75, 0.9375, TINY)),
    "momentum": (lambda p: torch.optim.SGD(p, 0.05, 0.75), lambda: keras.optimizers.SGD(0.05, 0.75)),
    "sgd": (lambda p: torch.optim.SGD(p, 0.05), lambda: keras.optimizers.SGD(0.05)),
    "rmsprop": (lambda p: torch.optim.RMSprop(p, 0.01, 0.75, TINY),
                lambda: keras.optimizers.RMSprop(0.01, 0.75, epsilon=TINY)),
    "centered": (lambda p: torch.optim.RMSprop(p, 0.01, 0.75, TINY, momentum=0.5, centered=True),
                 lambda: keras.optimizers.RMSprop(0.01, 0.75, 0.5, TINY, True)),
    "adagrad": (lambda p: torch.optim.Adagrad(p, 0.1, initial_accumulator_value=0.2, eps=TINY),
                lambda: keras.optimizers.Adagrad(0.1, 0.2, TINY)),
    "adadelta": (lambda p: torch.optim.Adadelta(p, 1.0, 0.75, 1e-6),
                 lambda: keras.optimizers.Adadelta(1.0, 0.75, 1e-6)),
    "adamax": (lambda p: torch.optim.Adamax(p, 0.01, (0.75, 0.875), TINY),
               lambda: keras.optimizers.Adamax(0.01, 0.75, 0.875, TINY)),
}  # fmt: skip
DATA = np.random.default_rng(0).standard_normal((9, 4, 3))


def torch_model() -> Any:
    return torch.nn.Sequential(torch.nn.Linear(3, 5), torch.nn.Linear(5, 2)).double()


def torch_steps(model: Any, optimizer: Any, batches: Any) -> None:
    for batch in batches:
        optimizer.zero_grad()
        (model(torch.from_numpy(batch)).tanh() ** 2).sum().backward()
        optimizer.step()


def keras_steps(model: Any, optimizer: Any, batches: Any) -> None:
    for batch in batches:
        with tf.GradientTape() as tape:
            loss = tf.reduce_sum(tf.tanh(model(batch)) ** 2)
        variables = model.trainable_variables
        optimizer.apply_gradients(zip(tape.gradient(loss, variables), variables, strict=True))


@pytest.fixture(autouse=True)
def double() -> Iterator[None]:
    with precision("float64", ("torch", "tf")):
        yield


@pytest.fixture
def go(tmp_path: Path) -> Callable[..., Result]:
    (tmp_path / "map.json").write_text(PLAN.text(), "utf-8")

    def run(source: str, target: str, **options: Any) -> Result:
        options = {"optimizer": True, **options}
        return convert(Job(str(tmp_path / source), str(tmp_path / target), map=str(tmp_path / "map.json"), **options))

    return run


def started(tmp_path: Path, make: Callable[[Any], Any], count: int = 3) -> tuple[Any, Any]:
    torch.manual_seed(0)
    model = torch_model()
    optimizer = make(model.parameters())
    torch_steps(model, optimizer, DATA[:count])
    torch.save({"epoch": 3, "model": model.state_dict(), "optimizer": optimizer.state_dict()}, tmp_path / "in.pt")
    return model, optimizer


def same(torch_model: Any, keras_model: Any) -> None:
    for (name, p), v in zip(torch_model.named_parameters(), keras_model.trainable_variables, strict=True):
        wanted = p.detach().numpy()
        np.testing.assert_allclose(np.asarray(v), wanted.T if wanted.ndim == 2 else wanted, rtol=1e-9, err_msg=name)


@pytest.mark.parametrize("kind", KINDS)
def test_training_goes_on_in_the_other_framework_and_back(kind: str, tmp_path: Path, go: Callable[..., Result]) -> None:
    ours, theirs = KINDS[kind]
    model, optimizer = started(tmp_path, ours)
    assert go("in.pt", "k.weights.h5").ok
    other = keras.Sequential([keras.Input((3,)), keras.layers.Dense(5), keras.layers.Dense(2)])
    other.compile(theirs())
    other.optimizer.build(other.trainable_variables)
    other.load_weights(tmp_path / "k.weights.h5")
    assert int(other.optimizer.iterations) == (0 if "step" not in optimizer.state_dict()["state"].get(0, {}) else 3)
    torch_steps(model, optimizer, DATA[3:6])
    keras_steps(other, other.optimizer, DATA[3:6])
    same(model, other)

    torch_steps(model, optimizer, DATA[6:])
    wanted = list(model.parameters())
    for name in ("back.weights.h5", "back.keras"):  # Keras's own files, of which only one tells the settings
        other.save_weights(tmp_path / name) if name.endswith("h5") else other.save(tmp_path / name)
        done = go(name, f"{name}.pt", partial=True)
        assert done.ok, done.moves.problems
        held = torch.load(tmp_path / f"{name}.pt", weights_only=True)
        again = torch_model()
        again.load_state_dict(held["state_dict"])
        further = ours(again.parameters())
        settings = [{k: v for k, v in g.items() if k != "params"} for g in further.param_groups]
        further.load_state_dict(held["optimizer"])
        if name.endswith("h5"):
            assert "defaults" in done.moves.optimizer
            for group, own in zip(further.param_groups, settings, strict=True):
                group.update(own)
        torch_steps(again, further, DATA[6:])
        for one, two in zip(again.parameters(), wanted, strict=True):
            np.testing.assert_allclose(one.detach().numpy(), two.detach().numpy(), rtol=1e-7)


def test_there_and_back_is_the_same(tmp_path: Path, go: Callable[..., Result]) -> None:
    def make(parameters: Any) -> Any:
        some = list(parameters)
        named = list(zip(["0.weight", "0.bias", "1.weight", "1.bias"], some, strict=True))
        return torch.optim.Adam([{"params": named[2:]}, {"params": named[:2], "weight_decay": 0.1}], 0.3, amsgrad=True)

    _, optimizer = started(tmp_path, make)
    assert go("in.pt", "k.weights.h5").ok
    assert go("k.weights.h5", "out.pt").ok
    found, wanted = torch.load(tmp_path / "out.pt", weights_only=True)["optimizer"], optimizer.state_dict()
    assert found["param_groups"] == wanted["param_groups"]
    assert set(found["state"]) == set(wanted["state"])
    for number, entry in wanted["state"].items():
        assert set(found["state"][number]) == set(entry)
        for name, tensor in entry.items():
            other = found["state"][number][name]
            assert other.dtype == tensor.dtype and torch.equal(other, tensor), name


REFUSED = {
    "several learning rates": lambda p: torch.optim.SGD([{"params": [p[0]], "lr": 0.1}, {"params": p[1:]}], 0.2),
    "groups without names": lambda p: torch.optim.Adam([{"params": [p[0]]}, {"params": p[1:]}], 0.2),
    "another optimizer": lambda p: torch.optim.RAdam(p),
    "a schedule of its own": lambda p: torch.optim.NAdam(p),
    "other parameters": lambda p: torch.optim.Adam(p[:3]),
}


@pytest.mark.parametrize("what", REFUSED)
def test_what_is_not_clear_is_refused(what: str, tmp_path: Path, go: Callable[..., Result]) -> None:
    started(tmp_path, lambda parameters: REFUSED[what](list(parameters)))
    with pytest.raises(InputError) as caught:
        go("in.pt", "k.weights.h5")
    assert caught.value.code == "XL065"
    assert not (tmp_path / "k.weights.h5").exists()
    done = go("in.pt", "k.weights.h5", optimizer=False)
    assert done.ok and "left out" in done.moves.optimizer


def test_a_file_without_one_says_so(tmp_path: Path, go: Callable[..., Result]) -> None:
    torch.save(torch_model().state_dict(), tmp_path / "in.pt")
    with pytest.raises(InputError) as caught:
        go("in.pt", "k.weights.h5")
    assert caught.value.code == "XL065"
