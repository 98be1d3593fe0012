"""Training programs and their translations: the same losses step by step, and the same parameters at the end."""

from __future__ import annotations

from argparse import Namespace
from typing import Any

import numpy as np
import pytest

from training_support import distance, trajectories

RNG = np.random.default_rng(5)


def drive_mnist(program: Any, side: Any) -> Any:
    rng = np.random.default_rng(1)
    images, labels = rng.normal(size=(44, 1, 28, 28)), rng.integers(0, 10, 44)
    data = program.TensorDataset(side.tensor(images), side.tensor(labels))
    loader = program.DataLoader(data, batch_size=4, shuffle=False)
    model = side.start(program.Net(), images[:2])
    args = Namespace(lr=1.0, gamma=0.7, epochs=2, log_interval=5, dry_run=False)
    return program.fit(args, model, "cpu", loader, loader)


DRIVES = {"train_mnist": drive_mnist}


@pytest.mark.parametrize("name", sorted(DRIVES))
def test_follows_the_same_trajectory(name: str) -> None:
    expected, actual, gaps = trajectories(name, DRIVES[name])
    assert len(expected) >= 20
    assert distance(expected, actual) <= 1e-7
    for one, other in zip(expected, actual, strict=True):
        assert distance(one, other) <= 1e-7
    assert max(gaps.values()) <= 1e-7, gaps
