"""Training programs and their translations: the same losses step by step, and the same parameters at the end."""

from __future__ import annotations

import os
import re
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import training_drives
import training_drives_more
from training_support import FIXTURES, distance, trajectories, translated
from translator.compare.program import load
from translator.helpers.tf import checkpoint

DRIVES = training_drives.DRIVES | training_drives_more.DRIVES


SAMPLE = [
    "train_dcgan", "train_imagenet", "train_lstm_lm", "train_regression", "train_graph", "train_multitask",
    "train_style_transfer",
]  # fmt: skip
"""The programs that are compared in every run: together they use most of what there is for training."""
EVERY = bool(os.environ.get("XLATE_EVERY"))


@pytest.mark.parametrize("name", sorted(DRIVES) if EVERY else SAMPLE)
def test_follows_the_same_trajectory(name: str) -> None:
    expected, actual, gaps = trajectories(name, DRIVES[name])
    assert len(expected) >= 20
    for one, other in zip(expected, actual, strict=True):
        assert distance(one, other) <= 1e-7
    assert max(gaps.values()) <= 1e-7, gaps


def test_a_program_of_the_canonical_shape_follows_it_through_fit() -> None:
    text = translated("train_tabular", style="fit").text
    assert "trainer.fit(" in text and "for epoch in" not in text
    expected, actual, gaps = trajectories("train_tabular", DRIVES["train_tabular"], style="fit")
    looped = trajectories("train_tabular", DRIVES["train_tabular"])[1]
    assert len(expected) == len(actual) == len(looped) >= 20
    for one, other, third in zip(expected, actual, looped, strict=True):
        assert distance(one, other) <= 1e-7 and distance(third, other) <= 1e-9
    assert max(gaps.values()) <= 1e-7, gaps


def run_script(name: str, arguments: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    """Run a translation as ``python model_tf.py ARGUMENTS`` would."""
    monkeypatch.setattr(sys, "argv", [name, *arguments])
    text = translated(name, "idiomatic").text
    exec(compile(text, name, "exec"), {"__name__": "__main__"})


def kinds(output: str) -> list[str]:
    """The kinds of lines that a program prints, in the order of their first: lines with their numbers taken out."""
    plain = (" ".join(NUMBER.sub("#", line).split()) for line in output.splitlines())
    return [line for line in dict.fromkeys(plain) if line]


NUMBER = re.compile(r"-?(\d+(\.\d*)?(e[+-]?\d+)?|\b(nan|inf)\b)%?", re.IGNORECASE)


@pytest.mark.parametrize("name", sorted(DRIVES) if EVERY else SAMPLE)
def test_runs_as_a_script(name: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """Started as users start them, both programs come to their end and print the same kinds of lines."""
    monkeypatch.setattr(sys, "argv", [name])
    text = (FIXTURES / name / "torch_model.py").read_text("utf-8")
    exec(compile(text, name, "exec"), {"__name__": "__main__"})
    expected = kinds(capsys.readouterr().out)
    run_script(name, [], monkeypatch)
    assert expected and kinds(capsys.readouterr().out) == expected


def test_a_resumed_run_equals_an_unbroken_one(tmp_path: Path) -> None:
    program = load(translated("train_imagenet").text, "resume", wide=False)
    rng = np.random.default_rng(1)
    images, labels = rng.random((32, 3, 16, 12), np.float32), rng.integers(0, 6, 32)
    loader = program.DataLoader(program.TensorDataset(images, labels), batch_size=8)
    path = str(tmp_path / "checkpoint.pth.tar")

    def run(model: Any, *arguments: str) -> Any:
        return program.run(program.get_parser().parse_args(list(arguments)), model, loader, loader)

    first = program.SmallNet()
    first(np.moveaxis(images[:2], 1, -1))
    weights = first.get_weights()
    run(first, "--epochs", "2", "--save", path)
    resumed = program.SmallNet()
    rest = run(resumed, "--epochs", "4", "--resume", path)
    whole = program.SmallNet()
    whole(np.moveaxis(images[:2], 1, -1))
    whole.set_weights(weights)
    unbroken = run(whole, "--epochs", "4")
    assert rest == unbroken[len(unbroken) // 2 :]
    for a, b in zip(resumed.get_weights(), whole.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)


def test_some_of_the_weights_are_loaded_by_name() -> None:
    program = load(translated("train_mnist").text, "partial", wide=False)
    images = np.random.default_rng(1).random((2, 28, 28, 1), np.float32)
    source, target, whole = program.Net(), program.Net(), program.Net()
    source(images)
    target(images)
    state = checkpoint.model_state(source)
    names = {n for n, _ in torch_net().named_parameters()}
    assert names <= state.keys()
    kept = {k: v for k, v in state.items() if not k.startswith("fc2.")}
    with pytest.raises(RuntimeError, match=r"missing: \['fc2"):
        checkpoint.load_model_state(target, kept)
    before = target.fc2.kernel.numpy()
    found = checkpoint.load_model_state(target, {**kept, "head.weight": before}, strict=False)
    assert sorted(found.missing_keys) == ["fc2.bias", "fc2.weight"] and found.unexpected_keys == ["head.weight"]
    np.testing.assert_array_equal(target.fc2.kernel, before)
    np.testing.assert_array_equal(target.conv1.kernel, source.conv1.kernel)
    with pytest.raises(RuntimeError, match="of another shape"):
        checkpoint.load_model_state(target, {**state, "fc2.bias": np.zeros(3)})
    checkpoint.load_model_state(whole, state)
    np.testing.assert_array_equal(whole(images), source(images))


def torch_net() -> Any:
    return load((FIXTURES / "train_mnist" / "torch_model.py").read_text("utf-8"), "original", wide=False).Net()


def test_weights_are_read_back_by_a_model_that_was_never_called(tmp_path: Path) -> None:
    program = load(translated("train_mnist").text, "weights", wide=False)
    images = np.random.default_rng(1).random((2, 28, 28, 1), np.float32)
    model = program.Net()
    expected = model(images)
    checkpoint.save_weights(model, str(tmp_path / "net.weights.h5"))
    fresh = program.Net()
    checkpoint.load_weights(fresh, str(tmp_path / "net.weights.h5"))
    np.testing.assert_array_equal(fresh(images), expected)
