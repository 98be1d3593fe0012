"""How long translation takes, as a ratio to LibCST's own parse plus code generation of the same text.

Interleaved in one run; median and spread over rounds. Also: a whole process on a 100-line file.
Run: python benchmarks/translation.py
"""

from __future__ import annotations

import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import libcst as cst
from sources import model_files

from translator.engine import translate_sources
from translator.model import Options

ROUNDS = 5


def seconds(work: Callable[[], object]) -> float:
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def ratios(files: list[Path]) -> list[float]:
    """One ratio a round, over all files."""
    out = []
    texts = {str(p): p.read_bytes() for p in files}
    translate_sources(texts, Options())  # warm: tables are read once
    for _ in range(ROUNDS):
        floor = total = 0.0
        for path, data in texts.items():
            floor += seconds(lambda data=data: cst.parse_module(data.decode()).code)
            total += seconds(lambda path=path, data=data: translate_sources({path: data}, Options()))
        out.append(total / floor)
    return out


def process(lines: int = 100) -> list[float]:
    """Seconds of a whole ``xlate torch2tf`` on a file of about so many lines."""
    source = Path(__file__).resolve().parent.parent / "fixtures" / "lenet" / "torch_model.py"
    text = source.read_text("utf-8")
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "model.py"
        path.write_text("\n".join(text.splitlines()[:lines]) + "\n", "utf-8")
        command = [sys.executable, "-m", "translator", "torch2tf", str(path), "-o", "-"]
        quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
        return [seconds(lambda: subprocess.run(command, check=False, **quiet)) for _ in range(ROUNDS)]


def show(name: str, values: list[float], unit: str) -> None:
    print(f"{name}: median {statistics.median(values):.2f}{unit}, {min(values):.2f} to {max(values):.2f}")


def main() -> None:
    files = model_files()
    lines = sum(p.read_bytes().count(b"\n") for p in files)
    print(f"{len(files)} files, {lines} lines")
    show("translation / (LibCST parse + code)", ratios(files), "x")
    show("xlate torch2tf on a small file, whole process", process(), " s")


if __name__ == "__main__":
    main()
