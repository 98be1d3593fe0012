"""Translated training programs: how long a step takes, and how far the idiomatic form strays from the original.

Steps: the same small models as a PyTorch step, as the translated step, and as the step that a Keras user writes by
hand, in turns in one run. Deviations: every training fixture in ``--fidelity idiomatic`` against its original, in
float64, from the same weights on the same batches; and each torch.optim optimizer that has a plain Keras form.

Run: python benchmarks/training.py [--steps] [--deviations] [--write]
"""

from __future__ import annotations

import argparse
import os
import re
import statistics
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from timing import in_turns, one_thread

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ.setdefault("CUDA_VISIBLE_DEVICES", "-1")
ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT / "src"), str(ROOT / "tests")]

PAGE = ROOT / "docs" / "training.md"

# -- deviations ------------------------------------------------------------------------------------------------


def causes(result: Any) -> str:
    """The listed deviations of a translation."""
    notes = " ".join(d.message for d in result.diagnostics if d.code == "XL401")
    found = set(re.findall(r"known deviation `(\w+)`", notes))
    return ", ".join(sorted(found)) or "none"


def deviations() -> list[str]:
    """A row for each training fixture: largest relative distance of a loss and of a final parameter, and causes."""
    import training_drives
    import training_drives_more
    from training_support import trajectories, translated

    rows = ["| program | steps | losses | parameters and buffers | listed causes |", "| --- | --- | --- | --- | --- |"]
    for name, drive in sorted((training_drives.DRIVES | training_drives_more.DRIVES).items()):
        expected, actual, gaps = trajectories(name, drive, "idiomatic")
        # Some programs log single components, which may be 0: the largest of all is the measure.
        pairs = [np.asarray(pair, np.float64) for pair in zip(expected, actual, strict=True)]
        losses = max(np.abs(a - b).max() for a, b in pairs) / max(np.abs(a).max() for a, _ in pairs)
        found = causes(translated(name, "idiomatic"))
        rows.append(f"| {name} | {len(expected)} | {losses:.1e} | {max(gaps.values()):.1e} | {found} |")
        print(rows[-1], flush=True)
    return rows


OPTIMIZERS = {
    "SGD": ({"lr": 0.05, "momentum": 0.9}, {"learning_rate": 0.05, "momentum": 0.9}),
    "SGD, nesterov": ({"lr": 0.05, "momentum": 0.9, "nesterov": True},
                      {"learning_rate": 0.05, "momentum": 0.9, "nesterov": True}),
    "Adam": ({"lr": 1e-3}, {"learning_rate": 1e-3, "epsilon": 1e-8}),
    "Adam, amsgrad": ({"lr": 1e-3, "amsgrad": True}, {"learning_rate": 1e-3, "epsilon": 1e-8, "amsgrad": True}),
    "AdamW": ({"lr": 1e-3}, {"learning_rate": 1e-3, "epsilon": 1e-8, "weight_decay": 0.01}),
    "Adadelta": ({"lr": 1.0}, {"learning_rate": 1.0, "rho": 0.9, "epsilon": 1e-6}),
}  # fmt: skip
"""Optimizers that the idiomatic form writes as Keras's own, with the arguments that it writes."""


def optimizers() -> list[str]:
    """A row for each optimizer with a plain Keras form: parameters after 50 steps of noise as gradients, by size."""
    import keras
    import tensorflow as tf
    import torch

    keras.config.set_floatx("float64")
    keras.config.set_dtype_policy("float64")
    sizes = (1.0, 1e-3, 1e-6)
    head = " | ".join(f"gradients of about {s:g}" for s in sizes)
    rows = [f"| optimizer | {head} |", "| --- |" + " --- |" * len(sizes)]
    for name, (theirs, ours) in OPTIMIZERS.items():
        kind = name.split(",")[0]
        found = []
        for size in sizes:
            rng = np.random.default_rng(0)
            start = rng.normal(size=(6, 5))
            parameter, variable = torch.nn.Parameter(torch.tensor(start)), keras.Variable(start)
            reference = getattr(torch.optim, kind)([parameter], **theirs)
            optimizer = getattr(keras.optimizers, kind)(**ours)
            for _ in range(50):
                gradient = rng.normal(size=start.shape) * size
                parameter.grad = torch.tensor(gradient)
                reference.step()
                optimizer.apply_gradients([(tf.constant(gradient), variable)])
            expected, actual = parameter.detach().numpy(), variable.numpy()
            found.append(f"{np.linalg.norm(expected - actual) / np.linalg.norm(expected):.1e}")
        rows.append(f"| {name} | " + " | ".join(found) + " |")
        print(rows[-1], flush=True)
    return rows


# -- steps -----------------------------------------------------------------------------------------------------

HEAD = """
import torch
import torch.nn as nn
import torch.nn.functional as F
import torch.optim as optim
"""

MODELS = {
    "MLP": """
class MLP(nn.Module):
    def __init__(self):
        super().__init__()
        self.layers = nn.Sequential(nn.Linear(256, 512), nn.ReLU(), nn.Linear(512, 512), nn.ReLU(), nn.Linear(512, 10))

    def forward(self, x):
        return self.layers(x)
""",
    "CNN": """
class CNN(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv1 = nn.Conv2d(3, 32, 3, padding=1)
        self.bn1 = nn.BatchNorm2d(32)
        self.conv2 = nn.Conv2d(32, 64, 3, padding=1)
        self.bn2 = nn.BatchNorm2d(64)
        self.fc = nn.Linear(64, 10)

    def forward(self, x):
        x = F.max_pool2d(F.relu(self.bn1(self.conv1(x))), 2)
        x = F.max_pool2d(F.relu(self.bn2(self.conv2(x))), 2)
        return self.fc(x.mean(dim=(2, 3)))
""",
    "Reader": """
class Reader(nn.Module):
    def __init__(self):
        super().__init__()
        self.embedding = nn.Embedding(500, 64)
        self.gru = nn.GRU(64, 128, batch_first=True)
        self.fc = nn.Linear(128, 10)

    def forward(self, x):
        outputs, _ = self.gru(self.embedding(x))
        return self.fc(outputs[:, -1])
""",
}

TRAIN = """
def make_optimizer(model):
    return optim.SGD(model.parameters(), lr=0.01, momentum=0.9)


def train(model, optimizer, batches):
    model.train()
    losses = []
    for x, y in batches:
        optimizer.zero_grad()
        loss = F.cross_entropy(model(x), y)
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    return losses


model = {model}()
train(model, make_optimizer(model), [({example}, torch.zeros(2, dtype=torch.long))])
"""

EXAMPLES = {
    "MLP": "torch.zeros(2, 256)",
    "CNN": "torch.zeros(2, 3, 32, 32)",
    "Reader": "torch.zeros(2, 20, dtype=torch.long)",
}


def program(kind: str) -> str:
    """The PyTorch program of one model, as a user writes it."""
    return HEAD + MODELS[kind] + TRAIN.replace("{model}", kind).replace("{example}", EXAMPLES[kind])


def by_hand(kind: str) -> Any:
    """The model that a Keras user writes."""
    from tensorflow import keras

    layers = keras.layers
    if kind == "MLP":
        return keras.Sequential([layers.Dense(512, "relu"), layers.Dense(512, "relu"), layers.Dense(10)])
    if kind == "CNN":
        blocks: list[Any] = []
        for width in (32, 64):
            blocks += [layers.Conv2D(width, 3, padding="same"), layers.BatchNormalization(momentum=0.9, epsilon=1e-5),
                       layers.ReLU(), layers.MaxPooling2D(2)]  # fmt: skip
        return keras.Sequential([*blocks, layers.GlobalAveragePooling2D(), layers.Dense(10)])
    return keras.Sequential([layers.Embedding(500, 64), layers.GRU(128), layers.Dense(10)])


def keras_step(model: Any) -> Callable[[Any, Any], Any]:
    """The train step of Keras's own guide to writing a training loop."""
    import tensorflow as tf
    from tensorflow import keras

    optimizer = keras.optimizers.SGD(0.01, momentum=0.9)
    criterion = keras.losses.SparseCategoricalCrossentropy(from_logits=True)

    @tf.function
    def train_step(x: Any, y: Any) -> Any:
        with tf.GradientTape() as tape:
            loss = criterion(y, model(x, training=True))
        gradients = tape.gradient(loss, model.trainable_variables)
        optimizer.apply_gradients(zip(gradients, model.trainable_variables, strict=True))
        return loss

    return train_step


def data(kind: str, size: int) -> tuple[Any, Any]:
    """A batch of noise, channels first."""
    rng = np.random.default_rng(0)
    shapes = {"MLP": (size, 256), "CNN": (size, 3, 32, 32)}
    x = rng.integers(0, 500, (size, 20)) if kind == "Reader" else rng.random(shapes[kind], np.float32)
    return x, rng.integers(0, 10, size)


def steps(rounds: int = 7, count: int = 10) -> list[str]:
    """A row for each model and batch size: median milliseconds of a step, each measured in turns."""
    import tensorflow as tf
    import torch

    from translator import translate
    from translator.compare.program import load

    one_thread()
    head = "| model, batch | PyTorch | Keras by hand | translated | translated, channels last | / by hand | / PyTorch |"
    rows = [head, "| --- | --- | --- | --- | --- | --- | --- |"]
    for kind, size in (("MLP", 32), ("MLP", 256), ("CNN", 16), ("Reader", 32)):
        text = program(kind)
        originals = load(text, f"{kind}_torch", wide=False)
        layouts = ("channels_first", "channels_last")
        programs = {k: load(translate(text, layout=k).text, f"{kind}_{k}", wide=False) for k in layouts}
        x, y = data(kind, size)
        last = np.moveaxis(x, 1, -1) if x.ndim == 4 else x
        work: dict[str, Callable[[], Any]] = {}
        model = getattr(originals, kind)()
        batches = [(torch.tensor(x), torch.tensor(y))] * count
        work["torch"] = partial(originals.train, model, originals.make_optimizer(model), batches)
        step = keras_step(by_hand(kind))
        pair = tf.constant(last), tf.constant(y)
        work["keras"] = lambda step=step, pair=pair: [float(step(*pair)) for _ in range(count)]
        for layout, translation in programs.items():
            ours = getattr(translation, kind)()
            given = [(tf.constant(last if layout == "channels_last" else x), tf.constant(y))] * count
            work[layout] = partial(translation.train, ours, translation.make_optimizer(ours), given)
        found = {name: statistics.median(t) / count for name, t in in_turns(work, rounds).items()}
        best = min(found["channels_first"], found["channels_last"])
        cells = " | ".join(f"{found[n]:.2f}" for n in ("torch", "keras", "channels_first", "channels_last"))
        rows.append(f"| {kind}, {size} | {cells} | {best / found['keras']:.2f}x | {best / found['torch']:.2f}x |")
        print(rows[-1], flush=True)
    return rows


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--steps", action="store_true", help="time steps")
    parser.add_argument("--deviations", action="store_true", help="measure how far idiomatic translations stray")
    parser.add_argument("--write", action="store_true", help=f"put the tables into {PAGE.name}")
    options = parser.parse_args()
    tables = {}
    if options.steps:
        tables["steps"] = steps()
    if options.deviations:
        tables["deviations"], tables["optimizers"] = deviations(), optimizers()
    if options.write:
        text = PAGE.read_text("utf-8")
        for name, rows in tables.items():
            pattern = rf"(<!-- {name} -->\n).*?(<!-- end -->)"
            made = "\n".join(rows)
            text = re.sub(pattern, lambda m, made=made: f"{m[1]}{made}\n{m[2]}", text, flags=re.DOTALL)
        PAGE.write_text(text, "utf-8")


if __name__ == "__main__":
    main()
