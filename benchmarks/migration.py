"""Migrates whole projects: wall and processor time, files a second, time with results kept, memory, 1 and 2 workers.

torchvision's and kornia's installed sources are one program each, since their files import each other; the fixtures of
this repository are many small ones. Each run is a process of its own; runs with 1 and 2 workers take turns.
Run: python benchmarks/migration.py [PROJECT ...] [--rounds N] [--write]
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from sources import package

ROOT = Path(__file__).resolve().parent.parent
PAGE = ROOT / "docs" / "performance_migrate.md"
PROJECTS = ("torchvision", "kornia", "fixtures")


@dataclass(frozen=True, slots=True)
class Run:
    """One migration: seconds on the clock, seconds of processor time of all its processes, MiB of the largest."""

    wall: float
    cpu: float
    memory: float
    summary: dict[str, int]


def migrate(source: Path, output: Path, cache: Path, workers: int) -> Run:
    """One migration in a process of its own."""
    environment = dict(os.environ, PYTHONPATH=str(ROOT / "src"), XDG_CACHE_HOME=str(cache))
    command = [sys.executable, "-m", "translator", "migrate", str(source), "-o", str(output), "-q", "-j", str(workers)]
    with tempfile.TemporaryFile() as printed, tempfile.TemporaryFile() as said:
        start = time.perf_counter()
        process = subprocess.Popen([*command, "--format", "json"], env=environment, stdout=printed, stderr=said)
        _, _, used = os.wait4(process.pid, 0)
        wall = time.perf_counter() - start
        printed.seek(0)
        said.seek(0)
        text = printed.read()
        if not text:
            raise SystemExit(said.read().decode())
    summary = json.loads(text)["summary"]
    return Run(wall, used.ru_utime + used.ru_stime, used.ru_maxrss / 1024, summary)


def same(one: Path, other: Path) -> bool:
    """Whether two trees hold the same files with the same bytes."""
    paths = [{p.relative_to(top) for p in top.rglob("*") if p.is_file()} for top in (one, other)]
    return paths[0] == paths[1] and all((one / p).read_bytes() == (other / p).read_bytes() for p in paths[0])


def measure(name: str, rounds: int) -> str:
    """A row of the table."""
    source = ROOT / "fixtures" if name == "fixtures" else package(name) / name
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder)
        project = place / name
        shutil.copytree(source, project, ignore=shutil.ignore_patterns("__pycache__"))
        (place / "small").mkdir()
        (place / "small" / "a.py").write_text("import torch\nx = torch.ones(2)\n")
        runs: dict[int, list[Run]] = {1: [], 2: []}
        warm: list[Run] = []
        for number in range(rounds):
            for workers in (1, 2):
                cache, output = place / f"cache{number}_{workers}", place / f"out{workers}"
                migrate(place / "small", place / "nothing", cache, 1)  # packs the tables, once for an installation
                shutil.rmtree(output, ignore_errors=True)
                runs[workers].append(migrate(project, output, cache, workers))
            warm += [migrate(project, place / "out1", place / f"cache{number}_1", 1) for _ in range(3)]
        fresh = migrate(project, place / "fresh", place / "cache0_1", 1)
        equal = same(place / "out1", place / "out2") and same(place / "out1", place / "fresh")
    return row(name, runs, warm, fresh, equal)


def row(name: str, runs: dict[int, list[Run]], warm: list[Run], fresh: Run, equal: bool) -> str:
    cold = statistics.median(run.wall for run in runs[1])
    work = statistics.median(run.cpu for run in runs[1])
    summary = runs[1][0].summary
    kinds = ", ".join(f"{summary[key]} {key}" for key in ("translated", "partial", "unchanged", "error"))
    again, again_work = (statistics.median(getattr(run, key) for run in warm) for key in ("wall", "cpu"))
    ratio = statistics.median(a.wall / b.wall for a, b in zip(runs[1], runs[2], strict=True))
    cells = [
        name, f"{summary['files']} ({kinds})", f"{cold:.1f} s, {work:.1f} s",
        f"{summary['files'] / work:.1f}", f"{again:.2f} s, {again_work:.2f} s ({work / again_work:.0f}x)",
        f"{fresh.wall:.2f} s, {fresh.cpu:.2f} s", f"{ratio:.2f}x",
        f"{max(run.memory for run in (*runs[1], *runs[2])):.0f} MiB", "yes" if equal else "NO",
    ]  # fmt: skip
    return f"| {' | '.join(cells)} |"


def report(projects: list[str], rounds: int) -> Iterator[str]:
    yield f"""# Performance of migrate

Written by `make bench-migrate` (`benchmarks/migration.py --write`). Where two times stand, the first is on the clock
and the second is the processor time of all processes, which counts little what else the machine does; ratios are of
processor times, but for the last: how much sooner 2 workers are done than 1. torchvision and kornia are one program
each: their files are understood together, by one process, before they are rewritten side by side. The fixtures are many
small programs, which are spread over the workers as a whole.

{platform.system()} on {platform.machine()}, {os.cpu_count()} processors (load average {os.getloadavg()[0]:.1f} when \
it began), CPython {platform.python_version()}.

| project | files | cold, 1 worker | files a second | again, unchanged | kept results, new folder | 2 workers | \
largest process | same bytes |
| --- | --- | --- | --- | --- | --- | --- | --- | --- |"""
    for name in projects:
        yield measure(name, rounds)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("project", nargs="*", choices=[*PROJECTS, []], default=[])
    parser.add_argument("--rounds", type=int, default=1)
    parser.add_argument("--write", action="store_true", help=f"write {PAGE.relative_to(ROOT)}")
    options = parser.parse_args()
    lines = []
    for line in report(options.project or list(PROJECTS), options.rounds):
        print(line, flush=True)
        lines.append(line)
    if options.write:
        PAGE.write_text("\n".join(lines) + "\n", "utf-8")


if __name__ == "__main__":
    main()
