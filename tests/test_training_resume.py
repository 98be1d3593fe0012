"""Training that stops, is saved and goes on: the same losses and weights as a run without a break."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from translator import translate
from translator.compare.program import load

PROGRAM = """
import os
import torch
import torch.nn as nn
import torch.optim as optim
from torch.optim import lr_scheduler


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.fc1 = nn.Linear(6, 8)
        self.bn = nn.BatchNorm1d(8)
        self.fc2 = nn.Linear(8, 1)

    def forward(self, x):
        return self.fc2(torch.relu(self.bn(self.fc1(x))))


def run(model: Net, batches, epochs, path, resume=False):
    optimizer = OPTIMIZER
    scheduler = SCHEDULER
    criterion = nn.MSELoss()
    start, best, history = 0, float("inf"), []
    if resume and os.path.exists(path):
        checkpoint = torch.load(path, map_location="cpu", weights_only=False)
        model.load_state_dict(checkpoint["model"])
        optimizer.load_state_dict(checkpoint["optimizer"])
        scheduler.load_state_dict(checkpoint["scheduler"])
        start, best = checkpoint["epoch"] + 1, checkpoint["best"]
    for epoch in range(start, epochs):
        model.train()
        total = 0.0
        for x, y in batches:
            optimizer.zero_grad()
            loss = criterion(model(x), y)
            loss.backward()
            optimizer.step()
            total += loss.item()
        STEP
        best = min(best, total)
        history.append((total, best, optimizer.param_groups[0]["lr"]))
        torch.save({"epoch": epoch, "model": model.state_dict(), "optimizer": optimizer.state_dict(),
                    "scheduler": scheduler.state_dict(), "best": best}, path)
    return history
"""
BOTH = "idiomatic", "exact"
WAYS = {
    "AdamW, cosine": (
        "optim.AdamW(model.parameters(), lr=0.02, weight_decay=0.1)",
        "lr_scheduler.CosineAnnealingLR(optimizer, T_max=5)", "scheduler.step()", BOTH,
    ),
    "SGD, plateau": (
        "optim.SGD(model.parameters(), lr=0.05, momentum=0.9, nesterov=True)",
        "lr_scheduler.ReduceLROnPlateau(optimizer, 'max', patience=0, factor=0.3)", "scheduler.step(total)", BOTH,
    ),
    "RMSprop, steps": (
        "optim.RMSprop(model.parameters(), lr=0.01, momentum=0.5, centered=True)",
        "lr_scheduler.MultiStepLR(optimizer, [1, 3], gamma=0.5)", "scheduler.step()", BOTH[1:],
    ),
    "Adam, one cycle": (
        "optim.Adam([{'params': model.parameters()}], lr=0.01)",
        "lr_scheduler.OneCycleLR(optimizer, max_lr=0.05, total_steps=8)", "scheduler.step()", BOTH[1:],
    ),
}  # fmt: skip


@pytest.mark.parametrize("name, fidelity", [(name, f) for name, way in WAYS.items() for f in way[3]])
def test_a_resumed_run_equals_an_unbroken_one(name: str, fidelity: Any, tmp_path: Path) -> None:
    import tensorflow as tf

    optimizer, scheduler, step, _ = WAYS[name]
    text = PROGRAM.replace("OPTIMIZER", optimizer).replace("SCHEDULER", scheduler).replace("STEP", step)
    result = translate(text, fidelity=fidelity)
    assert not result.refused, result.diagnostics
    program = load(result.text, "resume", wide=False)
    rng = np.random.default_rng(4)
    batches = [(tf.constant(rng.normal(size=(9, 6)), tf.float32), tf.constant(rng.normal(size=(9, 1)), tf.float32))
               for _ in range(4)]  # fmt: skip
    path = str(tmp_path / "last.ckpt")
    first, whole, rest = program.Net(), program.Net(), program.Net()
    for model in (first, whole):
        model(batches[0][0])
    whole.set_weights(first.get_weights())
    unbroken = program.run(whole, batches, 6, str(tmp_path / "other.ckpt"))
    begun = program.run(first, batches, 3, path)
    resumed = program.run(rest, batches, 6, path, resume=True)
    assert begun + resumed == unbroken and len({rate for _, _, rate in unbroken}) > 1
    for a, b in zip(rest.get_weights(), whole.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)
