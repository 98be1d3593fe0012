"""Whatever happens in between, a migration ends with the same bytes, and says what went wrong."""

from __future__ import annotations

import builtins
import errno
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from process_support import interruptible
from translator.cli_root import root
from translator.model import ApiUse, Counts, Diagnostic, Edge, InputError, Options, Severity, Status, Translation
from translator.modules import Modules
from translator.project import cache as cache_module
from translator.project import deliver as deliver_module
from translator.project import migrate as module
from translator.project.cache import Cache
from translator.project.deliver import locked
from translator.project.migrate import Job, migrate
from translator.project.pool import Died, Pool
from translator.project.result import Migration
from translator.project.run import Results
from translator.project.units import WORTHWHILE, Unit, divide

Xlate = Callable[..., Result]
LAYER = """\
from torch import nn


class Part{0}(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d({0} + 1, 4, 3)
        self.pool = nn.AdaptiveAvgPool2d((3, 2))

    def forward(self, x):
        return self.pool(self.conv(x)).flatten(1)
"""


@pytest.fixture
def xlate(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Xlate:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(cache_module, "folder", lambda: tmp_path / "cache")

    def run(*arguments: str) -> Result:
        result = CliRunner().invoke(root, ["migrate", *arguments])
        assert result.exception is None or isinstance(result.exception, SystemExit), result.exc_info
        return result

    return run


def many(count: int, folder: str = "src") -> None:
    """Half of the files alone, half in a package whose files import each other."""
    package = Path(folder, "net")
    package.mkdir(parents=True, exist_ok=True)
    half = count // 2
    (package / "__init__.py").write_text("".join(f"from .part{i} import Part{i}\n" for i in range(half)))
    for i in range(half):
        (package / f"part{i}.py").write_text(LAYER.format(i))
    for i in range(half, count):
        Path(folder, f"script{i}.py").write_text(LAYER.format(i))


def tree(folder: str = "out") -> dict[str, bytes]:
    return {str(p.relative_to(folder)): p.read_bytes() for p in sorted(Path(folder).rglob("*")) if p.is_file()}


def test_any_number_of_workers_gives_the_same(xlate: Xlate) -> None:
    many(12)
    for jobs in ("1", "2", "5"):
        assert xlate("src", "-o", f"out{jobs}", "-j", jobs, "--no-cache").exit_code == 0
    assert tree("out1") == tree("out2") == tree("out5")
    assert len(tree("out1")) == 15  # 13 sources, the helpers, the list of what was written
    migrate(Job("src", "out0", Options(), cached=False))
    assert tree("out0") == tree("out1")


def test_the_cache_gives_what_translating_gives(xlate: Xlate, monkeypatch: pytest.MonkeyPatch) -> None:
    many(6)
    xlate("src", "-o", "out")
    asked: list[str] = []
    real = module.translate_units

    def noted(units, *more):  # type: ignore[no-untyped-def]
        asked.extend(unit.paths[0] for unit in units)
        return real(units, *more)

    monkeypatch.setattr(module, "translate_units", noted)
    xlate("src", "-o", "again")
    assert tree() == tree("again") and not asked
    Path("src/script4.py").write_text(LAYER.format(44))
    xlate("src", "-o", "out")
    assert asked == ["script4.py"]
    assert "class Part44" in Path("out/script4.py").read_text()
    Path("src/net/part0.py").write_text(LAYER.format(0) + "\nX = 1\n")  # its package is one program with it
    xlate("src", "-o", "out")
    assert asked == ["script4.py", "net/__init__.py"]
    xlate("src", "-o", "exact", "--fidelity", "exact")
    assert len(asked) == 2 + 4


def test_a_table_of_ones_own_is_part_of_what_is_kept(tmp_path: Path) -> None:
    table = tmp_path / "rows.toml"
    table.write_text("# a")
    options = Options(mappings=(str(table),))
    before = Cache(options, tmp_path).key("x")
    assert Cache(options, tmp_path).key("x") == before
    table.write_text("# b")
    assert Cache(options, tmp_path).key("x") != before


def test_what_is_kept_comes_back_whole(tmp_path: Path) -> None:
    cache = Cache(Options(), tmp_path)
    unit = Unit(("a.py", "b.py"), Modules({"a.py": "a", "b.py": "b"}, {"a": {"x": "b"}}, {"a.py": "xlate_helpers"}))
    whole = Translation(
        "text é", Status.PARTIAL, (Diagnostic(1, 2, "XL203", Severity.ERROR, "m", "h"),), Counts(3, 2, 1),
        (Edge("Net", "x", "NCHW"),), ("helper",), {"A.b": "c"}, "latin-1", True, (ApiUse("torch.f", 2, 1),),
    )  # fmt: skip
    error = InputError("bad", line=3, column=4, code="XL001", hint="h")
    key = cache.unit_key(unit, {"a.py": "1", "b.py": "2"})
    cache.keep(key, Results({"a.py": whole, "b.py": error}))
    found = cache.results(key)
    assert found is not None
    assert found.results["a.py"] == whole
    assert vars(found.results["b.py"]) == vars(error)
    assert cache.unit_key(unit, {"a.py": "1", "b.py": "3"}) != key
    assert Cache(Options(helpers_module="h"), tmp_path).unit_key(unit, {"a.py": "1", "b.py": "2"}) != key
    for path in tmp_path.rglob("*.json"):
        path.write_bytes(path.read_bytes()[:40])
    assert cache.results(key) is None


def slow_or_dead(task: str) -> str:
    if task == "die":
        os.kill(os.getpid(), signal.SIGKILL)
    if task == "leave":
        os._exit(3)
    return task.upper()


def test_a_worker_that_dies_costs_its_own_task() -> None:
    tasks = ["a", "die", "b", "leave", "c", "d"]
    answers = dict(Pool(slow_or_dead, 2).run(tasks))
    assert [answers[i] for i in (0, 2, 4, 5)] == ["A", "B", "C", "D"]
    assert isinstance(answers[1], Died) and "SIGKILL" in str(answers[1])
    assert isinstance(answers[3], Died) and "exit code 3" in str(answers[3])


@pytest.mark.parametrize("where", ["understanding", "rewriting"])
@pytest.mark.parametrize("how", ["raise", "kill"])
def test_a_crash_of_ours_costs_one_file(xlate: Xlate, monkeypatch: pytest.MonkeyPatch, where: str, how: str) -> None:
    from translator import engine

    many(8)
    name = {"understanding": "_run", "rewriting": "_rewrite"}[where]
    real = getattr(engine, name)

    def broken(*arguments):  # type: ignore[no-untyped-def]
        file = arguments[1] if where == "understanding" else arguments[0]
        if file.path.endswith("part1.py"):
            if how == "kill":
                os.kill(os.getpid(), signal.SIGKILL)
            raise RuntimeError("a bug")
        return real(*arguments)

    monkeypatch.setattr(engine, name, broken)
    result = xlate("src", "-o", "out", "-j", "2")
    assert result.exit_code == 3
    lines = [line for line in result.stderr.splitlines() if "XL900" in line]
    assert [line.split(":")[0] for line in lines] == ["src/net/part1.py"]
    assert ("SIGKILL" if how == "kill" else "RuntimeError: a bug") in lines[0]
    assert Path("out/net/part1.py").read_text() == LAYER.format(1)
    assert all("keras" in Path(f"out/net/part{i}.py").read_text() for i in (0, 2, 3))


@pytest.mark.parametrize("error", [RuntimeError("a bug"), MemoryError()])
def test_a_crash_does_not_cost_what_is_kept_of_the_others(
    xlate: Xlate, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    """A bug would come again, so it is kept as well; where memory ran out, the file is tried again, and no other."""
    from translator import engine

    many(8)
    rewritten: list[str] = []
    real = engine._rewrite

    def broken(file, *arguments):  # type: ignore[no-untyped-def]
        rewritten.append(file.path)
        if file.path == "net/part1.py" and len(rewritten) < 20:
            raise error
        return real(file, *arguments)

    def run() -> Migration:
        return migrate(Job("src", "out", Options()))

    monkeypatch.setattr(engine, "_rewrite", broken)
    first = run()
    (failed,) = [outcome for outcome in first.outcomes if isinstance(outcome.result, InputError)]
    assert failed.path == "src/net/part1.py" and type(error).__name__ in failed.trace
    rewritten[:] = ["other"] * 30
    second = run()
    if isinstance(error, RuntimeError):
        assert len(rewritten) == 30
        assert [vars(o.result) for o in second.outcomes if o.path == failed.path] == [vars(failed.result)]
        return
    assert rewritten[30:] == ["net/part1.py"]
    assert not any(isinstance(outcome.result, InputError) for outcome in second.outcomes)
    migrate(Job("src", "fresh", Options(), cached=False))
    assert tree() == tree("fresh")
    del rewritten[30:]
    run()
    assert rewritten[30:] == []


def test_what_was_understood_without_a_file_is_not_kept_for_it(xlate: Xlate, monkeypatch: pytest.MonkeyPatch) -> None:
    from translator import engine

    many(6)
    real, failing = engine._run, True

    def broken(interpreter, file):  # type: ignore[no-untyped-def]
        if failing and file.path == "net/part1.py":
            raise MemoryError
        return real(interpreter, file)

    monkeypatch.setattr(engine, "_run", broken)
    assert migrate(Job("src", "out", Options())).exit_code == 3
    failing = False
    assert migrate(Job("src", "out", Options())).exit_code == 0
    migrate(Job("src", "fresh", Options(), cached=False))
    assert tree() == tree("fresh")


def test_reading_in_several_processes_finds_the_same() -> None:
    texts = {f"net/part{i}.py": LAYER.format(i).encode() for i in range(WORTHWHILE)}
    texts["net/__init__.py"] = b"from .part1 import Part1\nfrom .bad import x\n"
    texts["bad.py"] = b"import torch\ndef f(:\n"
    texts["net/bad.py"] = b"print 1\n"
    one, two = (divide(texts, [], Options(), workers=workers) for workers in (0, 2))
    assert {p: (str(e), e.line) for p, e in one.failed.items()} == {p: (str(e), e.line) for p, e in two.failed.items()}
    assert list(one.failed) == ["bad.py"] and len(one.units) > 50
    assert (one.units, one.untouched, one.helper_files) == (two.units, two.untouched, two.helper_files)


def test_killed_in_the_middle_and_run_again(xlate: Xlate, tmp_path: Path) -> None:
    many(30)
    xlate("src", "-o", "whole", "--no-cache")
    environment = dict(os.environ, PYTHONPATH=os.pathsep.join(sys.path), XDG_CACHE_HOME=str(tmp_path / "other"))
    command = [sys.executable, "-m", "translator", "migrate", "src", "-o", "out", "-j", "2"]
    rng = random.Random(5)
    for _ in range(3):
        with subprocess.Popen(command, env=environment, stderr=subprocess.DEVNULL, start_new_session=True) as process:
            time.sleep(0.6 + rng.random() * 1.5)
            os.killpg(process.pid, signal.SIGKILL)
    written = tree() if Path("out").exists() else {}
    whole = tree("whole")
    for path, data in written.items():
        if path in whole and not path.startswith(".xlate"):
            assert data == whole[path], path
    done = subprocess.run(command, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert tree() == whole


@pytest.mark.parametrize("after", [0, 1, 5, 13])
def test_interrupted_while_writing(xlate: Xlate, monkeypatch: pytest.MonkeyPatch, after: int) -> None:
    """Killed between two files: what is there is whole, and the next run replaces it although it is not listed."""
    many(12)
    xlate("src", "-o", "whole")
    xlate("src", "-o", "out")
    for path in Path("src").rglob("*.py"):
        path.write_text(path.read_text() + "# more\n")
    real, count = os.replace, 0

    def dying(a: str, b: str) -> None:
        nonlocal count
        if str(b).startswith("out"):
            count += 1
            if count > after:
                raise KeyboardInterrupt
        real(a, b)

    monkeypatch.setattr(os, "replace", dying)
    runner = CliRunner()
    assert runner.invoke(root, ["migrate", "src", "-o", "out"]).exit_code != 0
    monkeypatch.setattr(os, "replace", real)
    Path("src/script11.py").write_text("import torch\nx = torch.ones(3)\n")
    assert xlate("src", "-o", "out").exit_code == 0
    xlate("src", "-o", "fresh")
    assert tree() == tree("fresh")
    assert not Path("out/.xlate-tmp").exists()


def test_two_at_once(xlate: Xlate) -> None:
    many(2)
    with locked("out"):
        result = xlate("src", "-o", "out")
        assert result.exit_code == 3
        assert "XL011 another xlate is writing to out" in result.stderr
        assert not Path("out").exists()
        assert xlate("src", "-o", "other").exit_code == 0
    assert xlate("src", "-o", "out").exit_code == 0


def test_an_output_that_cannot_be_written(xlate: Xlate, monkeypatch: pytest.MonkeyPatch) -> None:
    many(2)
    Path("out").write_text("a file")
    result = xlate("src", "-o", "out")
    assert result.exit_code == 3
    assert "XL011 cannot write out" in result.stderr
    assert Path("out").read_text() == "a file"


def test_a_full_disk_costs_what_did_not_fit(xlate: Xlate, monkeypatch: pytest.MonkeyPatch) -> None:
    many(4)
    xlate("src", "-o", "whole")
    real = os.replace

    def full(a: str, b: str) -> None:
        if str(b).endswith("script3.py"):
            raise OSError(28, "No space left on device")
        real(a, b)

    monkeypatch.setattr(os, "replace", full)
    result = xlate("src", "-o", "out")
    assert result.exit_code == 3
    assert "src/script3.py:1:1: XL011 cannot write out/script3.py: no space left on device" in result.stderr
    monkeypatch.setattr(os, "replace", real)
    assert xlate("src", "-o", "out").exit_code == 0
    assert tree() == tree("whole")


SMALL = """
import os, resource, signal, sys
from translator.cli import main
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)  # then writing beyond the limit fails as it does on a full disk
resource.setrlimit(resource.RLIMIT_FSIZE, (int(sys.argv.pop(1)),) * 2)
main()
"""


@pytest.mark.skipif(sys.platform != "linux", reason="limits of this kind")
def test_a_disk_that_takes_small_files_only(xlate: Xlate, tmp_path: Path) -> None:
    many(4)
    Path("src/large.py").write_text("import torch\n" + "x = torch.ones(2)\n" * 900)
    Path("src/table.bin").write_bytes(b"x" * 20_000)
    xlate("src", "-o", "whole")
    environment = dict(os.environ, PYTHONPATH=os.pathsep.join(sys.path), XDG_CACHE_HOME=str(tmp_path / "other"))
    arguments = [sys.executable, "-c", SMALL, "9000", "migrate", "src", "-o", "out", "-j", "2"]
    done = subprocess.run(arguments, env=environment, capture_output=True, text=True)
    assert done.returncode == 3
    assert "Traceback" not in done.stderr
    whole = tree("whole")
    present = {path: data for path, data in tree().items() if not path.startswith(".xlate")}
    large = sorted(path for path, data in whole.items() if len(data) > 9000)
    assert {"large.py", "table.bin"} <= set(large)
    assert present == {p: d for p, d in whole.items() if p not in [*large, ".xlate-migrate.json"]}
    for path in large:
        assert f"src/{path}:1:1: XL011 cannot write out/{path}: file too large" in done.stderr
    assert xlate("src", "-o", "out").exit_code == 0
    assert tree() == whole


@pytest.mark.skipif(sys.platform != "linux", reason="/proc is a folder that nobody can write to, root included")
def test_an_output_on_a_disk_that_is_read_only(xlate: Xlate) -> None:
    many(2)
    result = xlate("src", "-o", "/proc/xlate")
    assert result.exit_code == 3
    assert "XL011 cannot write /proc/xlate" in result.stderr
    assert len(result.stderr.splitlines()) == 1


@pytest.mark.skipif(sys.platform == "win32", reason="modes of folders")
def test_a_folder_of_the_output_that_is_read_only(xlate: Xlate, monkeypatch: pytest.MonkeyPatch) -> None:
    many(4)
    xlate("src", "-o", "whole")
    real = os.replace

    def guarded(a: str, b: str) -> None:  # root may write everywhere, so say no ourselves
        if os.path.dirname(b).endswith("out/net"):
            raise OSError(errno.EROFS, "Read-only file system", b)
        real(a, b)

    monkeypatch.setattr(os, "replace", guarded)
    result = xlate("src", "-o", "out")
    assert result.exit_code == 3
    said = [line for line in result.stderr.splitlines() if "XL011" in line]
    assert len(said) == 4 and all("read-only file system" in line for line in said)
    monkeypatch.setattr(os, "replace", real)
    assert xlate("src", "-o", "out").exit_code == 0
    assert tree() == tree("whole")


def test_two_processes_at_once(xlate: Xlate, tmp_path: Path) -> None:
    """One of the two may find the other at work and say so; what is there in the end is whole either way."""
    many(8)
    xlate("src", "-o", "whole")
    environment = dict(os.environ, PYTHONPATH=os.pathsep.join(sys.path), XDG_CACHE_HOME=str(tmp_path / "other"))
    command = [sys.executable, "-m", "translator", "migrate", "src", "-o", "out", "-j", "1"]
    runs = [subprocess.Popen(command, env=environment, stderr=subprocess.PIPE, text=True) for _ in range(2)]
    said = [run.communicate(timeout=120)[1] for run in runs]
    codes = sorted(run.returncode for run in runs)
    assert codes in ([0, 0], [0, 3]), said
    if codes == [0, 3]:
        assert sum("XL011 another xlate is writing to out" in text for text in said) == 1
    assert tree() == tree("whole")


@pytest.mark.parametrize("count", [10_000 if os.environ.get("XLATE_EVERY") else 1_500])
def test_many_files(xlate: Xlate, count: int) -> None:
    """Most of them without the framework, as in any large repository, and in deep folders."""
    for i in range(count):
        path = Path("src", f"d{i % 40}", f"e{i % 7}", f"m{i}.py")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(LAYER.format(i) if i % 500 == 0 else f"value = {i}\n")
    start = time.process_time()
    result = xlate("src", "-o", "out", "-j", "2")
    assert result.exit_code == 0
    assert f"{count} files: {-(-count // 500)} translated" in result.stderr
    first = tree()
    assert sum(path.endswith(".py") and "xlate_helpers" not in path for path in first) == count
    assert "nothing changed" in xlate("src", "-o", "out").stderr
    assert tree() == first
    assert time.process_time() - start < 0.01 * count + 10  # nothing grows with the square of the files


def test_a_cache_that_cannot_be_kept(xlate: Xlate, tmp_path: Path) -> None:
    many(2)
    (tmp_path / "cache").write_text("no folder")
    assert xlate("src", "-o", "out").exit_code == 0


def test_names_that_differ_in_case_only(xlate: Xlate, monkeypatch: pytest.MonkeyPatch) -> None:
    Path("src").mkdir()
    Path("src/Net.py").write_text(LAYER.format(1))
    Path("src/net.py").write_text(LAYER.format(2))
    assert xlate("src", "-o", "out").exit_code == 0
    assert "Part1" in Path("out/Net.py").read_text() and "Part2" in Path("out/net.py").read_text()
    monkeypatch.setattr(deliver_module, "folds_case", lambda folder: True)
    result = xlate("src", "-o", "folded")
    assert result.exit_code == 3
    assert "src/net.py:1:1: XL011 net.py and Net.py differ in case only" in result.stderr
    assert sorted(p.name for p in Path("folded").glob("*et.py")) == ["Net.py"]


def test_an_unreadable_file(xlate: Xlate, monkeypatch: pytest.MonkeyPatch) -> None:
    many(4)
    real = builtins.open

    def guarded(path: Any, *arguments: Any, **keywords: Any) -> Any:  # root may read everything, so say no ourselves
        if str(path).endswith("script3.py") and str(path).startswith("src"):
            raise PermissionError(errno.EACCES, "Permission denied", path)
        return real(path, *arguments, **keywords)

    monkeypatch.setattr(builtins, "open", guarded)
    result = xlate("src", "-o", "out")
    assert result.exit_code == 3
    assert "src/script3.py:1:1: XL007 cannot be read: permission denied" in result.stderr
    assert "keras" in Path("out/script2.py").read_text()
    assert not Path("out/script3.py").exists()


def test_interrupted_by_the_user(xlate: Xlate, tmp_path: Path) -> None:
    many(150)
    environment = dict(os.environ, PYTHONPATH=os.pathsep.join(sys.path), XDG_CACHE_HOME=str(tmp_path / "other"))
    command = [sys.executable, "-m", "translator", "migrate", "src", "-o", "out", "-j", "2"]
    given: dict[str, Any] = {"env": environment, "stderr": subprocess.PIPE, "text": True, "start_new_session": True}
    with subprocess.Popen(command, preexec_fn=interruptible, **given) as process:
        while not (tmp_path / "other" / "xlate" / "locks").exists():
            assert process.poll() is None
            time.sleep(0.05)
        os.killpg(process.pid, signal.SIGINT)
        _, said = process.communicate(timeout=60)
    # CPython ends by the signal itself, which shells report as 130 too, if Ctrl-C came within an ``exec`` of a string.
    assert process.returncode in (130, -signal.SIGINT), said
    assert said.strip() == "interrupted"
    assert not Path("out").exists()


def test_an_optimizer_that_is_chosen_by_the_caller_is_refused_and_no_crash(tmp_path: Path) -> None:
    text = """\
import torch
from torch import nn


class Fit:
    def __init__(self, optimizer=torch.optim.Adam):
        self.optimizer = optimizer
        self.model = nn.Linear(2, 3)

    def run(self, x):
        opt = self.optimizer(self.model.parameters(), lr=0.1)
        for _ in range(3):
            loss = self.model(x).sum()
            opt.zero_grad()
            loss.backward()
            opt.step()
"""
    (tmp_path / "src").mkdir()
    (tmp_path / "src/fit.py").write_text(text + "\n\nFit(torch.optim.SGD).run(torch.ones(4, 2))\n")
    done = migrate(Job(str(tmp_path / "src"), str(tmp_path / "out"), Options(), cached=False))
    (outcome,) = done.outcomes
    assert isinstance(outcome.result, Translation) and outcome.result.refused
