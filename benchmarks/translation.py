"""How fast translating is: against LibCST's own parse plus code generation, whole processes, memory, PaConvert.

What is compared is measured in turns within one run, and as processor time (user and system) of one process, since
machines are shared: read the ratios. Prints a report in Markdown; ``--write`` puts it into ``docs/performance.md``.
Run: python benchmarks/translation.py [--rounds N] [--quick] [--write]
"""

from __future__ import annotations

import argparse
import inspect
import os
import platform
import re
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from importlib.metadata import version
from pathlib import Path

import libcst as cst
from sources import CACHE, model_files

from translator.engine import translate_sources
from translator.model import Options

ROOT = Path(__file__).resolve().parent.parent
RIVAL = ROOT / ".venv-paconvert"
Times = dict[str, list[float]]


# -- measuring -------------------------------------------------------------------------------------------------


def seconds(work: Callable[[], object]) -> float:
    """Processor time of a call in this process."""
    start = time.process_time()
    work()
    return time.process_time() - start


def floor(data: bytes) -> None:
    """What any rewriting with LibCST takes at least."""
    assert cst.parse_module(data.decode()).code


def translate(data: bytes) -> None:
    translate_sources({"model.py": data}, Options())


def ratios(texts: list[bytes], rounds: int) -> list[float]:
    """Translation over the floor: one ratio a round, over all files in turns."""
    for data in texts:
        translate(data)  # what a process does once (tables) is no part of it
    out = []
    for _ in range(rounds):
        pairs = [(seconds(lambda d=data: floor(d)), seconds(lambda d=data: translate(d))) for data in texts]
        out.append(sum(b for _, b in pairs) / sum(a for a, _ in pairs))
    return out


def processes(commands: dict[str, list[str]], rounds: int, before: Callable[[str], None] = lambda name: None) -> Times:
    """Processor time of whole processes, run in turns."""
    out: Times = {name: [] for name in commands}
    for _ in range(rounds):
        for name, command in commands.items():
            before(name)
            start = resource.getrusage(resource.RUSAGE_CHILDREN)
            # 1: something was refused, which is no failure here.
            done = subprocess.run(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, env=environment())
            assert done.returncode in (0, 1), done.stderr.decode()
            end = resource.getrusage(resource.RUSAGE_CHILDREN)
            out[name].append(end.ru_utime + end.ru_stime - start.ru_utime - start.ru_stime)
    return out


def environment() -> dict[str, str]:
    """As users have it: modules are compiled, caches are kept (here apart from the user's own)."""
    env = {k: v for k, v in os.environ.items() if k != "PYTHONDONTWRITEBYTECODE"}
    return env | {"XDG_CACHE_HOME": str(CACHE / "cache"), "PYTHONPATH": str(ROOT / "src")}


def peak(code: str, path: Path) -> float:
    """Megabytes that a process holds at most while it runs ``code``."""
    code += "\nimport resource; print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)"
    command = [sys.executable, "-c", code, str(path)]
    done = subprocess.run(command, capture_output=True, text=True, check=True, env=environment())
    return int(done.stdout) / (1024 if sys.platform == "linux" else 1024 * 1024)


# -- what is measured ------------------------------------------------------------------------------------------


def translation(rounds: int) -> Iterator[str]:
    files = model_files()
    texts = [p.read_bytes() for p in files]
    lines = sum(data.count(b"\n") for data in texts)
    title = f"Translating torchvision's {len(files)} model files ({lines:,} lines) / LibCST parse + `.code` of them"
    yield row(title, ratios(texts, rounds), "x", "at most 4, aim 2.5")
    other = [Path(inspect.getfile(m)).read_bytes() for m in (argparse, inspect, subprocess)]
    yield row("Three files without the framework (standard library) / the same", ratios(other, rounds), "x", "0.05")


def starting(rounds: int) -> Iterator[str]:
    python, cache = sys.executable, CACHE / "cache"
    shutil.rmtree(cache, ignore_errors=True)
    with tempfile.TemporaryDirectory() as folder:
        model = Path(folder) / "model.py"
        model.write_text(hundred_lines(), "utf-8")
        xlate = [python, "-m", "translator"]
        command = [*xlate, "torch2tf", str(model), "-o", "-"]
        first = processes({"first": command}, 1)["first"]
        times = processes(
            {
                "`python -c pass`": [python, "-c", "pass"],
                "`python -c 'import libcst'`": [python, "-c", "import libcst"],
                "`xlate --version`": [*xlate, "--version"],
                "`xlate torch2tf` on 100 lines": command,
            },
            3 * rounds,
        )
    aims = {"`xlate --version`": "0.1", "`xlate torch2tf` on 100 lines": "at most 0.5, aim 0.35"}
    for name, values in times.items():
        yield row(name, values, " s", aims.get(name, ""))
    yield row("The same for the very first time (tables are compiled)", first, " s", "")


def hundred_lines() -> str:
    """The first hundred lines or so of a fixture: whole classes."""
    text = (ROOT / "fixtures" / "resnet" / "torch_model.py").read_text("utf-8")
    lines = text.splitlines(keepends=True)
    end = max(i for i, line in enumerate(lines[:110]) if line.startswith(("class ", "def ", "@")))
    return "".join(lines[:end])


TABLES = """
import time; start = time.process_time()
from translator.model import Direction
from translator.tables import tables
middle = time.process_time()
tables(Direction.TORCH2TF).find("torch.nn.Linear")
print(time.process_time() - middle)
"""


def tables(rounds: int) -> Iterator[str]:
    command = [sys.executable, "-c", TABLES]
    found = [
        float(subprocess.run(command, capture_output=True, text=True, check=True, env=environment()).stdout)
        for _ in range(rounds)
    ]
    yield row("Loading all tables, rows and signatures", [1000 * f for f in found], " ms", "30")


def memory() -> Iterator[str]:
    read = "import sys\nfrom pathlib import Path\ndata = Path(sys.argv[1]).read_bytes()\n"
    libcst = read + "import libcst\ncode = libcst.parse_module(data.decode()).code"
    ours = read + "import translator\nresult = translator.translate(data)"
    with tempfile.TemporaryDirectory() as folder:
        for lines in (1000, 10_000):
            path = Path(folder) / f"model_{lines}.py"
            path.write_text(program(lines), "utf-8")
            a, b = peak(libcst, path), peak(ours, path)
            text = f"Peak memory for {lines:,} lines: {b:.0f} MB, LibCST's own parse + `.code` {a:.0f} MB"
            yield f"| {text} | {b / a:.2f}x | | aim 1.5 |"


def program(lines: int) -> str:
    """A program of so many lines: a fixture's classes over and over, under new names."""
    text = (ROOT / "fixtures" / "resnet" / "torch_model.py").read_text("utf-8")
    head, _, body = text.partition("\n\n\n")
    body = body.partition('\nif __name__ == "__main__"')[0]
    names = re.findall(r"^(?:class|def) (\w+)", body, re.MULTILINE)
    out = [head]
    while sum(part.count("\n") for part in out) < lines:
        part = body
        for name in names:
            part = part.replace(name, f"{name}{len(out)}")
        out.append(part)
    return "\n\n\n".join(out)


def growth(sizes: tuple[int, ...]) -> Iterator[str]:
    for size in sizes:
        data = program(size).encode()
        lines = data.count(b"\n")
        a, b = seconds(lambda d=data: floor(d)), seconds(lambda d=data: translate(d))
        yield f"| One file of {lines:,} lines: {1e6 * b / lines:.0f} µs a line | {b / a:.2f}x | | linear |"


def rival(rounds: int) -> Iterator[str]:
    """PaConvert (PyTorch to PaddlePaddle, on the standard library's trees) on the same files."""
    tool = RIVAL / "bin" / "paconvert"
    if not tool.exists():
        subprocess.run([sys.executable, "-m", "venv", str(RIVAL)], check=True)
        done = subprocess.run([str(RIVAL / "bin" / "python"), "-m", "pip", "install", "-q", "paconvert"], check=False)
        if done.returncode:
            yield "| PaConvert cannot be installed here | | | |"
            return
    with tempfile.TemporaryDirectory() as folder:
        source = Path(folder) / "source"
        source.mkdir()
        for path in model_files():
            shutil.copy(path, source)
        ours, theirs = str(Path(folder) / "ours"), str(Path(folder) / "theirs")
        command = [str(tool), "-i", str(source), "-o", theirs, "--log_level", "WARNING"]
        times = processes(
            {
                "xlate": [sys.executable, "-m", "translator", "torch2tf", str(source), "-o", ours, "-q"],
                "PaConvert": command,
                "PaConvert --no_format": [*command, "--no_format"],
            },
            rounds,
            lambda name: [shutil.rmtree(place, ignore_errors=True) for place in (ours, theirs)] and None,
        )
    for name, values in times.items():
        yield row(f"A whole process on these model files: {name}", values, " s", "")
    for name in ("PaConvert", "PaConvert --no_format"):
        faster = [a / b for a, b in zip(times["xlate"], times[name])]
        yield row(f"xlate / {name}", faster, "x", "under 1" if name == "PaConvert" else "")


# -- report ----------------------------------------------------------------------------------------------------


def row(name: str, values: list[float], unit: str, aim: str) -> str:
    middle = statistics.median(values)
    digits = 3 if unit == " s" or middle < 0.1 else 2
    spread = f"{min(values):.{digits}f} to {max(values):.{digits}f}" if len(values) > 1 else ""
    return f"| {name} | {middle:.{digits}f}{unit} | {spread} | {aim} |"


HEAD = """# Performance

Written by `make bench` (`benchmarks/translation.py --write`). Processor time (user + system), so that it counts little
what else a machine does; what is compared runs in turns in one run. Median, spread, and what is aimed at.

{machine}, CPython {python}, LibCST {libcst}.

| what | median | spread | aim |
| --- | --- | --- | --- |
"""


def report(rounds: int, quick: bool) -> Iterator[str]:
    yield from translation(rounds)
    yield from starting(rounds)
    yield from tables(rounds)
    yield from memory()
    yield from growth((1000, 10_000) if quick else (1000, 10_000, 100_000))
    yield from rival(rounds)


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--quick", action="store_true", help="no file of 100,000 lines")
    parser.add_argument("--write", action="store_true", help="write docs/performance.md")
    options = parser.parse_args()
    machine = f"{platform.system()} on {platform.machine()}, {os.cpu_count()} processors"
    head = HEAD.format(machine=machine, python=platform.python_version(), libcst=version("libcst"))
    print(head, end="", flush=True)
    lines = []
    for line in report(options.rounds, options.quick):
        print(line, flush=True)
        lines.append(line)
    if options.write:
        (ROOT / "docs" / "performance.md").write_text(head + "\n".join(lines) + "\n", "utf-8")


if __name__ == "__main__":
    main()
