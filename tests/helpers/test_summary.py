"""What a translated SummaryWriter writes is what PyTorch's writes: read back from both event files."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from translator.helpers.tf.summary import SummaryWriter


def write(kind: Any, folder: Path) -> None:
    rng = np.random.default_rng(0)
    with kind(str(folder)) as writer:
        for step in range(3):
            writer.add_scalar("loss/train", 0.5 / (step + 1), step)
            writer.add_scalars("both", {"a": step, "b": 2.0 * step}, step)
        writer.add_image("image", rng.random((3, 4, 6)), 7)
        writer.add_images("grey", rng.random((2, 1, 4, 6)), 1)
        writer.add_text("note", "hello", 2)
        writer.add_histogram("weights", rng.normal(size=50), 2)


def scalars(folder: Path) -> dict[tuple[str, str, int], float]:
    """(folder below, tag, step) to the number, of every event file."""
    accumulator = pytest.importorskip("tensorboard.backend.event_processing.event_accumulator")
    import tensorflow as tf

    out = {}
    for path in sorted(folder.rglob("*tfevents*")):
        events = accumulator.EventAccumulator(str(path)).Reload()
        place = str(path.parent.relative_to(folder))
        for tag in events.Tags()["scalars"]:
            out.update({(place, tag, e.step): e.value for e in events.Scalars(tag)})
        for tag in events.Tags()["tensors"]:
            for e in events.Tensors(tag):
                value = tf.make_ndarray(e.tensor_proto)
                if value.ndim == 0 and value.dtype == np.float32:
                    out[(place, tag, e.step)] = float(value)
    return out


def test_numbers_have_the_same_folders_tags_and_steps(tmp_path: Path) -> None:
    torch_writer = pytest.importorskip("torch.utils.tensorboard")
    write(torch_writer.SummaryWriter, tmp_path / "torch")
    write(SummaryWriter, tmp_path / "tf")
    expected = scalars(tmp_path / "torch")
    assert len(expected) == 9
    assert scalars(tmp_path / "tf") == pytest.approx(expected)
