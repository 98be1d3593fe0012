"""How fast translated models and layers are, beside PyTorch and beside what a Keras user writes.

Models: torchvision's ResNet-50, MobileNetV2 and ConvNeXt-tiny in PyTorch, translated in both axis orders, and
keras.applications' models of these names, under ``tf.function`` but for PyTorch's: forward, and a training step with
plain gradient descent. Layers: one of each kind, forward and with the gradients of input and weights. All take turns
in one run, with one thread each, in float32.

Run: python benchmarks/speed.py [--models] [--layers] [--write] [--size 224] [name ...]
"""

from __future__ import annotations

import argparse
import gc
import os
import re
import shutil
import statistics
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from timing import Times, in_turns, one_thread, shown

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ.setdefault("CUDA_VISIBLE_DEVICES", "-1")
ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT / "src")]

PAGE = ROOT / "docs" / "speed.md"
MODELS = {
    "ResNet50": ("resnet", "resnet50"), "MobileNetV2": ("mobilenetv2", "mobilenet_v2"),
    "ConvNeXtTiny": ("convnext", "convnext_tiny"),
}  # fmt: skip
LAYOUTS = ("channels_last", "channels_first")
COLUMNS = ("translated", "translated, channels first", "/ Keras", "/ PyTorch")
CLASSES = 1000
Work = dict[str, Callable[[], Any]]


def keras_work(model: Any, x: Any, labels: Any) -> Work:
    """A forward pass and a training step of a Keras model, each as one graph."""
    import tensorflow as tf
    from tensorflow import keras

    criterion = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    optimizer = keras.optimizers.SGD(1e-4)

    @tf.function
    def forward() -> Any:
        return model(x, training=False)

    @tf.function
    def train() -> Any:
        with tf.GradientTape() as tape:
            loss = criterion(labels, model(x, training=True))
        gradients = tape.gradient(loss, model.trainable_variables)
        optimizer.apply_gradients(zip(gradients, model.trainable_variables, strict=True))
        return loss

    return {"forward": lambda: forward().numpy(), "train": lambda: train().numpy()}


def torch_work(model: Any, x: Any, labels: Any) -> Work:
    """The same of a PyTorch model."""
    import torch

    optimizer = torch.optim.SGD(model.parameters(), 1e-4)

    def forward() -> Any:
        model.eval()
        with torch.no_grad():
            return model(x)

    def train() -> Any:
        model.train()
        optimizer.zero_grad()
        loss = torch.nn.functional.cross_entropy(model(x), labels)
        loss.backward()
        optimizer.step()
        return loss

    return {"forward": forward, "train": train}


def models(size: int, names: set[str], rounds: int = 5) -> list[str]:
    """A row for each model, batch size and kind of step: milliseconds (median, least and most)."""
    import torch
    from corpus import World, translate
    from tensorflow import keras

    from translator.model import Layout

    one_thread()
    translated: dict[str, World] = {}
    for layout in LAYOUTS:
        project = translate("classification", Layout(layout))
        place = project.target.with_name(f"timed_{layout}")
        shutil.rmtree(place, ignore_errors=True)
        project.target.rename(place)
        translated[layout] = World(place, wide=False)
    originals = World(project.root, wide=False)
    head = ("model, batch", "step", "PyTorch", "keras.applications", *COLUMNS)
    rows = [f"| {' | '.join(head)} |", "| --- " * len(head) + "|"]
    for name, batch in ((name, batch) for name in MODELS if not names or name in names for batch in (8, 1)):
        file, function = MODELS[name]
        images = np.random.default_rng(0).random((batch, 3, size, size), np.float32)
        labels = np.random.default_rng(1).integers(0, CLASSES, batch)
        last = np.moveaxis(images, 1, -1).copy()
        theirs = getattr(originals.load(file), function)()
        settings = {"weights": None, "input_shape": (size, size, 3), "classifier_activation": None}
        by_hand = getattr(keras.applications, name)(**settings)
        work = {
            "torch": torch_work(theirs, torch.tensor(images), torch.tensor(labels)),
            "keras": keras_work(by_hand, last, labels),
        }
        for layout, world in translated.items():
            model = getattr(world.load(file), function)()
            given = last if layout == "channels_last" else images
            model(given)
            work[layout] = keras_work(model, given, labels)
        for step in ("forward", "train"):
            times = in_turns({who: steps[step] for who, steps in work.items()}, rounds)
            rows.append(row(f"{name}, {batch} | {step}", times, "keras"))
        del work
        gc.collect()
    return rows


def row(head: str, times: Times, by_hand: str) -> str:
    """One line of a table, with the ratios of the medians."""
    ours = statistics.median(times["channels_last"])
    ratios = [f"{ours / statistics.median(times[other]):.2f}x" for other in (by_hand, "torch")]
    cells = [shown(times[who]) for who in ("torch", by_hand, *LAYOUTS)]
    line = f"| {head} | {' | '.join([*cells, *ratios])} |"
    print(line, flush=True)
    return line


PROGRAM = """import torch.nn as nn
import torch.nn.functional as F


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.layer = {made}

    def forward(self, x):
        return {call}
"""


def passes(net: Any, x: Any) -> Work:
    """Forward, and forward with the gradients of the input and the weights, of something of Keras's."""
    import tensorflow as tf

    x = tf.constant(x)
    net(x)
    weights = list(getattr(net, "trainable_variables", ()))

    @tf.function
    def forward() -> Any:
        return net(x)

    @tf.function
    def gradients() -> Any:
        with tf.GradientTape() as tape:
            tape.watch(x)
            total = tf.reduce_sum(net(x) ** 2)
        return tape.gradient(total, [x, *weights])

    return {"forward": lambda: forward().numpy(), "gradient": lambda: gradients()[0].numpy()}


def torch_passes(net: Any, x: Any) -> Work:
    """The same of a PyTorch module."""
    import torch

    wanted = torch.tensor(x, requires_grad=True)

    def forward() -> Any:
        with torch.no_grad():
            return net(wanted)

    def gradients() -> Any:
        return torch.autograd.grad(net(wanted).square().sum(), [wanted, *net.parameters()], allow_unused=True)

    return {"forward": forward, "gradient": gradients}


def layers(names: set[str], rounds: int = 7) -> list[str]:
    """A row for each kind of layer and pass: milliseconds (median, least and most)."""
    import tensorflow as tf
    from layers_timed import KINDS
    from tensorflow import keras

    from translator import translate
    from translator.compare.program import load

    one_thread()
    head = ("layer", "pass", "PyTorch", "Keras by hand", *COLUMNS)
    rows = [f"| {' | '.join(head)} |", "| --- " * len(head) + "|"]
    for name, kind in KINDS.items():
        if names and name not in names:
            continue
        source = PROGRAM.format(made=kind.made, call=kind.call)
        x = np.random.default_rng(0).random(kind.shape, np.float32)
        image = len(kind.shape) > 3 or "Conv1d" in kind.made
        last = np.moveaxis(x, 1, -1).copy() if image else x
        work = {
            "torch": torch_passes(load(source, "timed_torch", wide=False).Net().eval(), x),
            "hand": passes(kind.by_hand(keras, tf), last),
        }
        for layout in LAYOUTS:
            translation = translate(source, layout=layout)
            moved = any(e.name == "x" for e in translation.edges)
            net = load(translation.text, f"timed_{layout}", wide=False).Net()
            work[layout] = passes(net, last if moved else x)
        for kind_of_pass in ("forward", "gradient"):
            turns = {who: steps[kind_of_pass] for who, steps in work.items()}
            rows.append(row(f"{name} | {kind_of_pass}", in_turns(turns, rounds, 0.02), "hand"))
        del work
        gc.collect()
    return rows


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("name", nargs="*", help="only these models or layers")
    parser.add_argument("--models", action="store_true", help="time whole models")
    parser.add_argument("--layers", action="store_true", help="time one layer of each kind")
    parser.add_argument("--size", type=int, default=224, help="height and width of images for the models")
    parser.add_argument("--write", action="store_true", help=f"put the tables into {PAGE.name}")
    options = parser.parse_args()
    tables: dict[str, list[str]] = {}
    if options.models:
        tables["models"] = models(options.size, set(options.name))
    if options.layers:
        tables["layers"] = layers(set(options.name))
    if options.write:
        text = PAGE.read_text("utf-8")
        for name, rows in tables.items():
            made = "\n".join(rows)
            text = re.sub(rf"(<!-- {name} -->\n).*?(<!-- end -->)", rf"\g<1>{made}\n\g<2>", text, flags=re.DOTALL)
        PAGE.write_text(text, "utf-8")


if __name__ == "__main__":
    main()
