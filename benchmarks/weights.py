"""How fast a large checkpoint is converted, and in how much memory: against reading and writing as many bytes.

Makes a checkpoint of random weights, copies it (the floor), and converts it with ``xlate weights`` both ways, each as a
process of its own that writes a new file: freeing the blocks of an old one takes seconds. ``--map`` leaves out what
does not grow with the checkpoint: starting both frameworks once.
Prints a table in Markdown; ``--write`` puts it into ``docs/weights.md``.
Run: python benchmarks/weights.py [--gigabytes N] [--rounds N] [--folder DIR] [--write]
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

from translator.checkpoints.arrays import Stored
from translator.checkpoints.torch_write import TorchWriter

ROOT = Path(__file__).resolve().parent.parent
MODEL = '''
import torch
from torch import nn


class Block(nn.Module):
    def __init__(self):
        super().__init__()
        self.up = nn.Linear(1536, 6144)
        self.down = nn.Linear(6144, 1536)
        self.mix = nn.Conv1d(1536, 1536, 7, padding=3)
        self.norm = nn.LayerNorm(1536)

    def forward(self, x):
        x = x + self.mix(x.transpose(1, 2)).transpose(1, 2)
        return x + self.down(torch.relu(self.up(self.norm(x))))


class Net(nn.Module):
    def __init__(self, depth):
        super().__init__()
        self.embed = nn.Embedding(32000, 1536)
        self.blocks = nn.ModuleList([Block() for _ in range(depth)])

    def forward(self, ids):
        x = self.embed(ids)
        for block in self.blocks:
            x = block(x)
        return x
'''
WIDTH, HIDDEN, WORDS = 1536, 6144, 32000


def shapes(depth: int) -> Iterator[tuple[str, tuple[int, ...]]]:
    """The state dict of ``Net``."""
    yield "embed.weight", (WORDS, WIDTH)
    for i in range(depth):
        yield f"blocks.{i}.up.weight", (HIDDEN, WIDTH)
        yield f"blocks.{i}.up.bias", (HIDDEN,)
        yield f"blocks.{i}.down.weight", (WIDTH, HIDDEN)
        yield f"blocks.{i}.down.bias", (WIDTH,)
        yield f"blocks.{i}.mix.weight", (WIDTH, WIDTH, 7)
        yield f"blocks.{i}.mix.bias", (WIDTH,)
        yield f"blocks.{i}.norm.weight", (WIDTH,)
        yield f"blocks.{i}.norm.bias", (WIDTH,)


def make(path: Path, depth: int) -> None:
    """A checkpoint of noise."""
    rng = np.random.default_rng(0)

    def load(shape: tuple[int, ...]) -> Callable[[], Any]:
        return lambda: rng.standard_normal(shape, "float32")

    stored = [Stored(name, "float32", shape, load(shape)) for name, shape in shapes(depth)]
    with path.open("wb") as file:
        writer = TorchWriter(file, stored)
        for one in stored:
            writer.begin(one)
            writer.piece(one.load().reshape(-1))
        writer.close()


COPY = """
import os
import sys
with open(sys.argv[1], "rb") as source, open(sys.argv[2], "wb") as target:
    while data := source.read(32 << 20):
        target.write(data)
    target.flush()
    os.fsync(target.fileno())
"""


def measured(command: list[str], folder: Path) -> tuple[float, int]:
    """Seconds and peak memory in bytes (all of the process, the mapped file too) of a command and its children."""
    watch = (
        "import resource, subprocess, sys, time; start = time.perf_counter(); "
        "code = subprocess.call(sys.argv[1:], stdout=subprocess.DEVNULL); end = time.perf_counter(); "
        "print(code, end - start, resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)"
    )
    environment = {**os.environ, "PYTHONPATH": str(ROOT / "src")}
    done = subprocess.run([sys.executable, "-c", watch, *command], cwd=folder, env=environment, text=True,
                          stdout=subprocess.PIPE, check=True)  # fmt: skip
    code, spent, peak = done.stdout.split()
    assert code == "0", command
    return float(spent), int(peak) * 1024


def rounds(folder: Path, depth: int, count: int) -> dict[str, list[tuple[float, int]]]:
    """Each command several times, in turns."""
    copy = [sys.executable, "-c", COPY]
    xlate = [sys.executable, "-m", "translator", "weights"]
    program = ["--model", "model.py", "--init", f"depth={depth}", "--input", "ids=int[1,3]"]
    known = ["--map", "map.json"]
    commands = {
        "copy the file": (copy, "in.pt", "copy.pt", []),
        ".pt to .weights.h5, with a map": (xlate, "in.pt", "new.weights.h5", known),
        ".weights.h5 to .pt, with a map": (xlate, "net.weights.h5", "new.pt", known),
        ".weights.h5 to .safetensors, with a map": (xlate, "net.weights.h5", "new.safetensors", known),
        ".pt to .weights.h5, both programs run": (xlate, "in.pt", "new.weights.h5", program),
    }
    measured([*xlate, "in.pt", "net.weights.h5", *program, "--save-map", "map.json"], folder)
    out: dict[str, list[tuple[float, int]]] = {name: [] for name in commands}
    for _ in range(count):
        for name, (start, source, target, rest) in commands.items():
            os.sync()  # what others wrote is none of this one's work, nor is it to give back the space of an old file
            out[name].append(measured([*start, source, target, *rest], folder))
            (folder / target).unlink()
            print(f"{name}: {out[name][-1][0]:.1f} s, {out[name][-1][1] >> 20} MiB", file=sys.stderr)
    return out


def table(found: dict[str, list[tuple[float, int]]], size: int) -> str:
    floor = statistics.median(spent for spent, _ in found["copy the file"])
    lines = [f"{size / 1e9:.2f} GB of float32, median of {len(found['copy the file'])}.\n"]
    lines.append("| what | seconds | of a copy | peak memory |\n| --- | --- | --- | --- |")
    for name, runs in found.items():
        spent, peak = statistics.median(s for s, _ in runs), max(p for _, p in runs)
        lines.append(f"| {name} | {spent:.1f} | {spent / floor:.2f}x | {peak / 1e6:.0f} MB |")
    return "\n".join(lines) + "\n"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--gigabytes", type=float, default=2.0)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--folder", help="where the files go")
    parser.add_argument("--write", action="store_true")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=given.folder) as name:
        folder = Path(name)
        depth = max(1, round((given.gigabytes * 1e9 - 4 * WORDS * WIDTH) / (4 * (2 * WIDTH * HIDDEN + 7 * WIDTH**2))))
        (folder / "model.py").write_text(MODEL, "utf-8")
        make(folder / "in.pt", depth)
        text = table(rounds(folder, depth, given.rounds), (folder / "in.pt").stat().st_size)
    print(text)
    if given.write:
        page = ROOT / "docs" / "weights.md"
        before, mark, rest = page.read_text("utf-8").partition("<!-- bench -->\n")
        after = rest.partition("<!-- end -->")[2]
        page.write_text(f"{before}{mark}{text}<!-- end -->{after}", "utf-8")


if __name__ == "__main__":
    main()
