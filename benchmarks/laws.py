"""The laws of translating (`translator.laws`) over the standard library and every installed package, both ways.

Each file is translated in a process that may die without harm: a crash, an endless loop or too much memory is a result
like any other. Files that do not name the framework must come back byte for byte; a sample of them is also translated
with an unused import of the framework planted at the end, so that the whole translator runs over code that it knows
nothing of, and must give it back.

Prints each violation; ``--write`` puts the figures into ``docs/trust.md``.
Run: python benchmarks/laws.py [--every N] [--jobs N] [--write] [PATH...]
"""

from __future__ import annotations

import argparse
import ast
import json
import os
import platform
import resource
import select
import signal
import site
import subprocess
import sys
import sysconfig
import time
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from translator.model import Direction, InputError, Options

ROOT = Path(__file__).resolve().parent.parent
RECORD = ROOT / ".corpus" / "laws.jsonl"
PLANT = {
    Direction.TORCH2TF: b"import torch as nothing_uses_this\n",
    Direction.TF2TORCH: b"import tensorflow as nothing_uses_this\n",
}
MEMORY = 8 << 30
"""Bytes of address space for a worker."""
TIMEOUT = 120.0
Way = tuple[str, str, bool]
"""A direction, a path, and whether the import is planted."""


@dataclass
class Seen:
    """What became of one file."""

    direction: str
    path: str
    planted: bool = False
    kind: str = "untouched"
    """``untouched``, a status of a translation, ``input`` (it cannot be read), ``died`` or ``timeout``."""
    code: str = ""
    violations: list[str] = field(default_factory=list)
    seconds: float = 0.0
    lines: int = 0
    memory: float = 0.0
    """Megabytes held at most."""


# -- in the worker -----------------------------------------------------------------------------------------------


def look(direction: Direction, path: str, planted: bool) -> Seen:
    """Translate one file and ask every law."""
    from translator.laws import violations
    from translator.source import mentions

    data = Path(path).read_bytes()
    out = Seen(direction.value, path, planted, lines=data.count(b"\n") + 1)
    if not planted and mentions(data, direction.source):
        out.kind, out.code = _kind(data, direction, path)
    _reset_peak()
    start = time.process_time()
    try:
        if planted:
            out.kind, out.violations = _planted(data, direction, path)
        else:
            found = violations(data, Options(direction), path)
            out.violations = [f"{v.law}: line {v.line}: {v.message}" for v in found]
    except Exception as error:
        where = _innermost(error)
        out.violations = [f"crash: {type(error).__name__}: {str(error)[:150]} ({where})"]
    out.seconds = time.process_time() - start
    out.memory = _peak()
    return out


def _kind(data: bytes, direction: Direction, path: str) -> tuple[str, str]:
    from translator.engine import translate_sources

    try:
        result = translate_sources({path: data}, Options(direction))[path]
    except Exception:  # told of by what asks the laws
        return "crash", ""
    return ("input", result.code) if isinstance(result, InputError) else (result.status.value, "")


def _planted(data: bytes, direction: Direction, path: str) -> tuple[str, list[str]]:
    """An import that nothing uses goes, and of the rest nothing changes but what may be a tensor: doubts are told of by
    markers, or asked of when it runs, and what calls what only tensors have is taken for one.

    Returns:
        What became of it (``same``, ``asked``, ``presumed``, ``input``) and the laws that are broken.
    """
    from translator.engine import translate_sources
    from translator.laws import violations

    whole = data if data.endswith(b"\n") or not data else data + b"\n"
    crlf = b"\r\n" in data
    plant = PLANT[direction].replace(b"\n", b"\r\n") if crlf else PLANT[direction]
    broken = [f"{v.law}: line {v.line}: {v.message}" for v in violations(whole + plant, Options(direction), path)]
    result = translate_sources({path: whole + plant}, Options(direction))[path]
    if isinstance(result, InputError):
        return "input", broken
    kept = b"".join(row for row in result.data.splitlines(keepends=True) if not row.lstrip().startswith(b"# xlate: "))
    if kept in (whole, whole + plant):
        return "same", broken
    alike = _without_questions(result.text, result.helpers) == _without_questions((whole + plant).decode(), ())
    return "asked" if alike else "presumed", broken


class _Questions(ast.NodeTransformer):
    """``f(x) if tf.is_tensor(x) else x.f()`` as ``x.f()``."""

    def visit_IfExp(self, node: ast.IfExp) -> ast.expr:
        test = ast.unparse(node.test)
        return self.visit(node.orelse) if "is_tensor(" in test else self.generic_visit(node)  # type: ignore


def _without_questions(text: str, helpers: Iterable[str]) -> str:
    """A program without imports, helpers and what is asked when it runs."""
    tree = _Questions().visit(ast.parse(text))
    imports = (ast.Import, ast.ImportFrom)
    tree.body = [n for n in tree.body if not isinstance(n, imports) and getattr(n, "name", "") not in helpers]
    return ast.unparse(tree)


def _innermost(error: BaseException) -> str:
    import traceback

    frames = [f for f in traceback.extract_tb(error.__traceback__) if "translator" in f.filename]
    return f"{Path(frames[-1].filename).name}:{frames[-1].lineno}" if frames else ""


def _reset_peak() -> None:
    try:
        Path("/proc/self/clear_refs").write_text("5")
    except OSError:  # other systems: the peak is that of the whole process
        return


def _peak() -> float:
    try:
        status = Path("/proc/self/status").read_text()
        return int(status.partition("VmHWM:")[2].split()[0]) / 1024
    except (OSError, IndexError):
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def worker() -> None:
    """Read ways from standard input, one in a line, and print what became of each."""
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    for line in sys.stdin:
        direction, path, planted = json.loads(line)
        print(json.dumps(asdict(look(Direction(direction), path, planted))), flush=True)


# -- the processes -----------------------------------------------------------------------------------------------


class Worker:
    """A process that looks at one file after the other, and is replaced when it dies or takes too long."""

    def __init__(self, timeout: float) -> None:
        self.timeout = timeout
        self.process: subprocess.Popen[str] | None = None
        self.way: Way | None = None
        self.deadline = 0.0

    def give(self, way: Way) -> None:
        if self.process is None:
            command = [sys.executable, str(Path(__file__).resolve()), "--worker"]
            pipe = subprocess.PIPE
            self.process = subprocess.Popen(command, stdin=pipe, stdout=pipe, stderr=subprocess.DEVNULL, text=True)
        assert self.process.stdin is not None
        self.way, self.deadline = way, time.monotonic() + self.timeout
        self.process.stdin.write(json.dumps(way) + "\n")
        self.process.stdin.flush()

    def answer(self) -> Seen:
        """What it said, now that its output can be read; or how it died."""
        assert self.process is not None and self.process.stdout is not None and self.way is not None
        line = self.process.stdout.readline()
        if line:
            return Seen(**json.loads(line))
        code = self.process.wait()
        name = signal.Signals(-code).name if code < 0 else f"exit {code}"
        return self._lost("died", f"crash: the process died ({name})")

    def late(self) -> Seen:
        assert self.process is not None
        self.process.kill()
        self.process.wait()
        return self._lost("timeout", f"crash: no end after {self.timeout:.0f} s")

    def _lost(self, kind: str, what: str) -> Seen:
        assert self.way is not None
        self.process = None
        return Seen(self.way[0], self.way[1], self.way[2], kind, violations=[what])

    def end(self) -> None:
        if self.process is not None and self.process.stdin is not None:
            self.process.stdin.close()
            self.process.wait()


def run(ways: Iterable[Way], jobs: int, timeout: float) -> Iterator[Seen]:
    """What became of each way, in the order in which they end."""
    todo = iter(ways)
    free = [Worker(timeout) for _ in range(jobs)]
    busy: list[Worker] = []
    while True:
        while free and (way := next(todo, None)) is not None:
            free[-1].give(way)
            busy.append(free.pop())
        if not busy:
            break
        outputs: dict[Any, Worker] = {w.process.stdout: w for w in busy if w.process is not None}
        ready, _, _ = select.select(list(outputs), [], [], 1.0)
        done = [outputs[stream] for stream in ready]
        late = [w for w in busy if w not in done and time.monotonic() > w.deadline]
        for one in (*done, *late):
            yield one.answer() if one in done else one.late()
            busy.remove(one)
            free.append(one)
    for one in free:
        one.end()


# -- corpora -----------------------------------------------------------------------------------------------------


def corpora(paths: list[str]) -> dict[str, list[Path]]:
    """The files to look at, by the name of what they belong to."""
    if paths:
        return {"given": sorted(f for p in paths for f in ([Path(p)] if Path(p).is_file() else Path(p).rglob("*.py")))}
    library = Path(sysconfig.get_path("stdlib"))
    packages = [Path(p) for p in site.getsitepackages() if Path(p).is_dir()]
    own = sorted(p for p in library.rglob("*.py") if "site-packages" not in p.parts)
    return {"standard library": own, "installed packages": sorted(f for p in packages for f in p.rglob("*.py"))}


def ways(files: list[Path], planted: int) -> Iterator[Way]:
    """Both directions of each file, and of every so many files the planted forms."""
    from translator.source import mentions

    for number, path in enumerate(files):
        try:
            data = path.read_bytes()
        except OSError:
            continue
        for direction in Direction:
            yield direction.value, str(path), False
            if planted and number % planted == 0 and not mentions(data, direction.source):
                yield direction.value, str(path), True


# -- report ------------------------------------------------------------------------------------------------------

HEAD = """# Trust

Written by `make laws` (`benchmarks/laws.py --write`): every file of {what} is translated in
both directions, and every law is asked. Processor time and peak memory are those of one file with all of its laws
(translated, checked, translated again), in a process that had loaded everything.

{machine}, CPython {python}; load average {load} while it ran; {minutes:.0f} minutes, {jobs} process{es}{sample}.

| corpus | direction | files | without the framework | unchanged | translated | partly | cannot be read | violations |
| --- | --- | --- | --- | --- | --- | --- | --- | --- |
"""
PLANTED = """
The same files with an import of the framework that nothing uses, so that the whole translator runs over code which
knows nothing of it. The laws hold there, too. Nothing changes but what may be a tensor: "asked" files ask when they run
(`tf.is_tensor(x)`), "taken for tensors" call what only tensors have on a value of which nothing is known.

| corpus | direction | files | unchanged but for markers | asked | taken for tensors | cannot be read | violations |
| --- | --- | --- | --- | --- | --- | --- | --- |
"""
LAWS_TEXT = """
The laws: **parses** (the output is Python), **places** (every diagnostic points at a line that exists), **comments**
(those of code that was not touched are all there, in order), **untouched** (what has nothing of the framework keeps its
bytes), **told** (every name of the framework that is left has a diagnostic), **twice** (translating the output changes
nothing), **crash** (no exception, no dead process, no endless run). A file that cannot be read has its reason with a
place: {codes}.
"""


def rows(name: str, seen: list[Seen]) -> Iterator[str]:
    for direction in Direction:
        mine = [s for s in seen if s.direction == direction.value and not s.planted]
        kinds = Counter(s.kind for s in mine)
        broken = sum(bool(s.violations) for s in mine)
        cells = [len(mine), *(kinds[k] for k in ("untouched", "unchanged", "translated", "partial", "input")), broken]
        yield f"| {name} | `{direction.value}` | " + " | ".join(f"{c:,}" for c in cells) + " |"


def planted_rows(name: str, seen: list[Seen]) -> Iterator[str]:
    for direction in Direction:
        mine = [s for s in seen if s.direction == direction.value and s.planted]
        kinds = Counter(s.kind for s in mine)
        broken = sum(bool(s.violations) for s in mine)
        cells = [len(mine), *(kinds[k] for k in ("same", "asked", "presumed", "input")), broken]
        if mine:
            yield f"| {name} | `{direction.value}` | " + " | ".join(f"{c:,}" for c in cells) + " |"


def figures(seen: list[Seen]) -> Iterator[str]:
    """Time and memory of the files that were really translated."""
    worked = [s for s in seen if s.kind not in ("untouched", "died", "timeout")]
    if not worked:
        return
    yield "\n| time and memory of one file | median | 99 % | most | file |\n| --- | --- | --- | --- | --- |"
    units: tuple[tuple[str, Any, str], ...] = (
        ("seconds", lambda s: s.seconds, "{:.2f} s"),
        ("seconds for 1,000 lines (files from 200 lines)", lambda s: 1000 * s.seconds / s.lines, "{:.2f} s"),
        ("peak memory", lambda s: s.memory, "{:.0f} MB"),
    )
    for title, of, form in units:
        some = [s for s in worked if s.lines >= 200] or worked
        order = sorted(some, key=of)
        middle, high, most = (order[min(len(order) - 1, int(q * len(order)))] for q in (0.5, 0.99, 1.0))
        cells = [form.format(of(s)) for s in (middle, high, most)]
        yield f"| {title} | " + " | ".join(cells) + f" | {_short(most.path)} ({most.lines:,} lines) |"


def _short(path: str) -> str:
    """A path below what holds packages: nothing of the machine."""
    for mark in ("site-packages/", f"python{sys.version_info.major}.{sys.version_info.minor}/"):
        if mark in path:
            return f"`{path.rpartition(mark)[2]}`"
    return f"`{Path(path).name}`"


def report(by_corpus: dict[str, list[Seen]], minutes: float, options: argparse.Namespace) -> str:
    seen = [s for some in by_corpus.values() for s in some]
    machine = f"{platform.system()} on {platform.machine()}, {os.cpu_count()} processors"
    what = "the standard library and of every installed package" if not options.paths else "some folders"
    sample = f", every {options.every}th file" if options.every > 1 else ""
    head = HEAD.format(
        what=what, machine=machine, python=platform.python_version(), load=f"{os.getloadavg()[0]:.1f}",
        minutes=minutes, jobs=options.jobs, es="es" * (options.jobs > 1), sample=sample,
    )  # fmt: skip
    out = head + "\n".join(row for name, some in by_corpus.items() for row in rows(name, some)) + "\n"
    planted = [row for name, some in by_corpus.items() for row in planted_rows(name, some)]
    out += PLANTED + "\n".join(planted) + "\n" if planted else ""
    codes = Counter(s.code for s in seen if s.kind == "input")
    out += LAWS_TEXT.format(codes=", ".join(f"{c} {n:,}" for c, n in codes.most_common()) or "none")
    laws = Counter(v.partition(":")[0] for s in seen for v in s.violations)
    out += "\nViolations by law: " + (", ".join(f"{k} {n:,}" for k, n in laws.most_common()) or "none") + ".\n"
    return out + "\n".join(figures(seen)) + "\n"


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("paths", nargs="*", help="files or folders instead of everything that is installed")
    parser.add_argument("--every", type=int, default=1, metavar="N", help="every Nth file only")
    parser.add_argument("--first", type=int, default=0, metavar="N", help="leave out so many files of each corpus")
    parser.add_argument("--planted", type=int, default=1, metavar="N", help="plant the import in every Nth; 0: none")
    parser.add_argument("--jobs", type=int, default=1)
    parser.add_argument("--timeout", type=float, default=TIMEOUT)
    parser.add_argument("--write", action="store_true", help="write docs/trust.md")
    parser.add_argument("--worker", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.worker:
        worker()
        return 0
    start = time.monotonic()
    by_corpus: dict[str, list[Seen]] = {}
    RECORD.parent.mkdir(exist_ok=True)
    with RECORD.open("w", encoding="utf-8") as record:
        for name, files in corpora(options.paths).items():
            seen = by_corpus[name] = []
            for one in run(ways(files[options.first :: options.every], options.planted), options.jobs, options.timeout):
                seen.append(one)
                record.write(json.dumps(asdict(one)) + "\n")
                for violation in one.violations:
                    planted = " (planted)" if one.planted else ""
                    print(f"{one.path}: {one.direction}{planted}: {violation}", flush=True)
    text = report(by_corpus, (time.monotonic() - start) / 60, options)
    print(text)
    if options.write:
        (ROOT / "docs" / "trust.md").write_text(text, "utf-8")
    return 1 if any(s.violations for some in by_corpus.values() for s in some) else 0


if __name__ == "__main__":
    sys.exit(main())
