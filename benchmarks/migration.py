"""Migrates installed packages whole: wall time, files a second, time with results kept, memory, for 1 and 2 workers.

Usage: python benchmarks/migration.py [PACKAGE ...]   (default: torchvision kornia)
"""

from __future__ import annotations

import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from sources import package

ROOT = Path(__file__).resolve().parent.parent


def run(source: Path, output: Path, cache: Path, workers: int) -> tuple[float, dict[str, int]]:
    """One migration in a process of its own: seconds, and the summary of its files."""
    environment = dict(os.environ, PYTHONPATH=str(ROOT / "src"), XDG_CACHE_HOME=str(cache))
    command = [sys.executable, "-m", "translator", "migrate", str(source), "-o", str(output), "-q", "-j", str(workers)]
    start = time.perf_counter()
    done = subprocess.run([*command, "--format", "json"], env=environment, capture_output=True, text=True)
    seconds = time.perf_counter() - start
    if not done.stdout:
        raise SystemExit(done.stderr)
    return seconds, json.loads(done.stdout)["summary"]


def measure(name: str) -> None:
    source = package(name) / name
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder)
        (place / "warm.py").write_text("import torch\n")
        run(place, place / "out0", place / "cache1", 1)  # makes the packed tables
        run(place, place / "out0", place / "cache2", 1)
        cold: dict[int, float] = {}
        for workers in (1, 2):
            cold[workers], summary = run(source, place / f"out{workers}", place / f"cache{workers}", workers)
        warm, _ = run(source, place / "out1", place / "cache1", 1)
        fresh, _ = run(source, place / "fresh", place / "cache1", 1)
        same = all(
            path.read_bytes() == (place / "out2" / path.relative_to(place / "out1")).read_bytes()
            for path in (place / "out1").rglob("*.py")
        )
    files = summary["files"]
    memory = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024
    print(f"{name}: {files} files, " + ", ".join(f"{count} {status}" for status, count in summary.items()))
    print(f"  1 worker {cold[1]:.1f} s ({files / cold[1]:.1f} files/s), 2 workers {cold[2]:.1f} s "
          f"({cold[1] / cold[2]:.2f} times), the same bytes: {same}")  # fmt: skip
    print(f"  again {warm:.2f} s ({cold[1] / warm:.0f} times), into a new folder {fresh:.2f} s; "
          f"largest process {memory:.0f} MiB")  # fmt: skip


if __name__ == "__main__":
    for package_name in sys.argv[1:] or ["torchvision", "kornia"]:
        measure(package_name)
