"""Training programs and their translations: the same losses step by step, and the same parameters at the end."""

from __future__ import annotations

import sys
from argparse import Namespace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from training_support import distance, trajectories, translated
from translator.compare.program import load
from translator.helpers.tf import checkpoint


def drive_mnist(program: Any, side: Any) -> Any:
    rng = np.random.default_rng(1)
    images, labels = rng.normal(size=(44, 1, 28, 28)), rng.integers(0, 10, 44)
    data = program.TensorDataset(side.tensor(images), side.tensor(labels))
    loader = program.DataLoader(data, batch_size=4, shuffle=False)
    model = side.start(program.Net(), images[:2])
    args = Namespace(lr=1.0, gamma=0.7, epochs=2, log_interval=5, dry_run=False)
    return program.fit(args, model, "cpu", loader, loader)


def drive_regression(program: Any, side: Any) -> Any:
    train_set, val_set = program.NoisyPlane(70), program.NoisyPlane(20, seed=1)
    loader = program.DataLoader(train_set, batch_size=10, drop_last=True)
    model = side.start(program.Regressor(), np.zeros((3, 5)))
    return program.fit(model, loader, program.DataLoader(val_set, batch_size=8), epochs=4)


def drive_char_lstm(program: Any, side: Any) -> Any:
    ids = np.random.default_rng(2).integers(0, 9, (4, 220))
    model = program.CharLSTM(9)
    zeros = np.zeros((1, 4, 20))
    side.start(model, ids[:, :10], hidden=(zeros, zeros))
    return program.train(model, side.tensor(ids), 9)


def drive_vae(program: Any, side: Any) -> Any:
    rng = np.random.default_rng(3)
    images, noise = rng.random((44, 1, 6, 6)), rng.normal(size=(44, 5))
    pairs = [(side.tensor(a), side.tensor(b)) for a, b in zip(images, noise, strict=True)]
    model = side.start(program.VAE(), images[:2], noise[:2])
    return program.fit(model, program.DataLoader(pairs, batch_size=4))


def drive_dcgan(program: Any, side: Any) -> Any:
    rng = np.random.default_rng(4)
    batches = [side.tensor(rng.random((4, 1, 8, 8)) * 2 - 1) for _ in range(20)]
    noises = [side.tensor(rng.normal(size=(4, 6, 1, 1))) for _ in range(20)]
    generator = side.start(program.Generator(), np.zeros((2, 6, 1, 1)))
    discriminator = side.start(program.Discriminator(), np.zeros((2, 1, 8, 8)))
    return program.train(generator, discriminator, batches, noises)


def drive_transfer(program: Any, side: Any) -> Any:
    rng = np.random.default_rng(5)
    data = {
        name: program.TensorDataset(side.tensor(rng.random((n, 3, 9, 7))), side.tensor(rng.integers(0, 3, n)))
        for name, n in (("train", 40), ("val", 12))
    }
    loaders = {name: program.DataLoader(part, batch_size=4) for name, part in data.items()}
    model = side.start(program.make_model(), np.zeros((2, 3, 9, 7)))
    return program.fit(model, loaders, {name: len(part) for name, part in data.items()}, "cpu")


def drive_accumulation(program: Any, side: Any) -> Any:
    rng = np.random.default_rng(6)
    data = program.TensorDataset(side.tensor(rng.normal(size=(44, 8))), side.tensor(rng.integers(0, 4, 44)))
    model = side.start(program.MLP(), np.zeros((2, 8)))
    return program.train(model, program.DataLoader(data, batch_size=4))


def drive_imagenet(program: Any, side: Any) -> Any:
    rng = np.random.default_rng(7)
    data = program.TensorDataset if hasattr(program, "TensorDataset") else program.torch.utils.data.TensorDataset
    loader = program.DataLoader if hasattr(program, "DataLoader") else program.torch.utils.data.DataLoader
    images = data(side.tensor(rng.random((80, 3, 16, 12))), side.tensor(rng.integers(0, 6, 80)))
    batches = loader(images, batch_size=8)
    model = side.start(program.SmallNet(), np.zeros((2, 3, 16, 12)))
    args = program.get_parser().parse_args([])
    return program.run(args, model, batches, batches)


DRIVES = {
    "train_mnist": drive_mnist, "train_regression": drive_regression, "train_char_lstm": drive_char_lstm,
    "train_vae": drive_vae, "train_dcgan": drive_dcgan, "train_transfer": drive_transfer,
    "train_accumulation": drive_accumulation, "train_imagenet": drive_imagenet,
}  # fmt: skip


@pytest.mark.parametrize("name", sorted(DRIVES))
def test_follows_the_same_trajectory(name: str) -> None:
    expected, actual, gaps = trajectories(name, DRIVES[name])
    assert len(expected) >= 20
    for one, other in zip(expected, actual, strict=True):
        assert distance(one, other) <= 1e-7
    assert max(gaps.values()) <= 1e-7, gaps


def run_script(name: str, arguments: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    """Run a translation as ``python model_tf.py ARGUMENTS`` would."""
    monkeypatch.setattr(sys, "argv", [name, *arguments])
    text = translated(name, "idiomatic").text
    exec(compile(text, name, "exec"), {"__name__": "__main__"})


LINES = {
    "train_mnist": "Test set: Average loss:", "train_regression": "epoch 2: train", "train_char_lstm": "| ppl",
    "train_vae": "====> Epoch: 2 Average loss:", "train_dcgan": "[10/20]\tLoss_D:",
    "train_accumulation": "epoch 1 lr [0.01, 0.005]",
    "train_transfer": "val Loss:", "train_imagenet": " * Acc@1",
}  # fmt: skip


@pytest.mark.parametrize("name", sorted(LINES))
def test_runs_as_a_script(name: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    run_script(name, [], monkeypatch)
    assert LINES[name] in capsys.readouterr().out


def test_a_resumed_run_equals_an_unbroken_one(tmp_path: Path) -> None:
    program = load(translated("train_imagenet").text, "resume", wide=False)
    rng = np.random.default_rng(1)
    images, labels = rng.random((32, 3, 16, 12), np.float32), rng.integers(0, 6, 32)
    loader = program.DataLoader(program.TensorDataset(images, labels), batch_size=8)
    path = str(tmp_path / "checkpoint.pth.tar")

    def run(model: Any, *arguments: str) -> Any:
        return program.run(program.get_parser().parse_args(list(arguments)), model, loader, loader)

    first = program.SmallNet()
    first(images[:2])
    weights = first.get_weights()
    run(first, "--epochs", "2", "--save", path)
    resumed = program.SmallNet()
    rest = run(resumed, "--epochs", "4", "--resume", path)
    whole = program.SmallNet()
    whole(images[:2])
    whole.set_weights(weights)
    unbroken = run(whole, "--epochs", "4")
    assert rest == unbroken[len(unbroken) // 2 :]
    for a, b in zip(resumed.get_weights(), whole.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)


def test_weights_are_read_back_by_a_model_that_was_never_called(tmp_path: Path) -> None:
    program = load(translated("train_mnist").text, "weights", wide=False)
    images = np.random.default_rng(1).random((2, 1, 28, 28), np.float32)
    model = program.Net()
    expected = model(images)
    checkpoint.save_weights(model, str(tmp_path / "net.weights.h5"))
    fresh = program.Net()
    checkpoint.load_weights(fresh, str(tmp_path / "net.weights.h5"))
    np.testing.assert_array_equal(fresh(images), expected)
