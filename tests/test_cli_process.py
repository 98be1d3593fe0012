"""``xlate`` as a process: what the shell sees of it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from process_support import interruptible
from translator import __version__

TESTS = Path(__file__).resolve().parent
WITH_STAND_IN = (
    "import sys, fake_engine; sys.modules['translator.engine'] = fake_engine; import translator.cli as c; c.main()"
)


def environment(**changes: str) -> dict[str, str]:
    source = str(TESTS.parent / "src")
    return {**os.environ, "PYTHONPATH": os.pathsep.join([source, str(TESTS)]), **changes}


def xlate(*arguments: str, cwd: Path, **changes: str) -> subprocess.CompletedProcess[bytes]:
    """The real command, with the real engine."""
    command = [sys.executable, "-m", "translator", *arguments]
    return subprocess.run(command, cwd=cwd, capture_output=True, env=environment(**changes), timeout=120)


def with_stand_in(*arguments: str, cwd: Path, **changes: str) -> subprocess.CompletedProcess[bytes]:
    """The command over the stand-in engine, for what does not depend on translating."""
    command = [sys.executable, "-c", WITH_STAND_IN, *arguments]
    return subprocess.run(command, cwd=cwd, capture_output=True, env=environment(**changes), timeout=120)


def test_version_costs_an_interpreter_start_and_nothing_more(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-X", "importtime", "-m", "translator", "--version"],
        cwd=tmp_path, capture_output=True, env=environment(), text=True, timeout=120,
    )  # fmt: skip
    assert (done.returncode, done.stdout) == (0, f"xlate {__version__}\n")
    packages = {name for name in imported(done.stderr) if name.split(".")[0] not in sys.stdlib_module_names}
    assert packages - site_packages() == {"translator", "translator.cli", "translator._version"}


def site_packages() -> set[str]:
    """What this environment imports at the start of every interpreter."""
    bare = subprocess.run([sys.executable, "-X", "importtime", "-c", ""], capture_output=True, text=True, check=True)
    return imported(bare.stderr)


def imported(times: str) -> set[str]:
    """The modules that ``-X importtime`` tells of."""
    return {line.rsplit("|", 1)[1].strip() for line in times.splitlines() if line.count("|") == 2}


@pytest.mark.parametrize("arguments, code", [(["--help"], 0), ([], 2), (["nonsense"], 2), (["torch2tf"], 2)])
def test_exit_codes_of_usage(tmp_path: Path, arguments: list[str], code: int) -> None:
    done = xlate(*arguments, cwd=tmp_path)
    assert done.returncode == code
    assert b"Usage: xlate" in done.stdout + done.stderr
    assert b"Traceback" not in done.stderr


@pytest.mark.parametrize("text, code", [("import torch\n", 0), ("import torch  # REFUSE\n", 1), ("torch = (\n", 3)])
def test_exit_codes_of_translation(tmp_path: Path, text: str, code: int) -> None:
    (tmp_path / "a.py").write_text(text)
    assert with_stand_in("torch2tf", "a.py", cwd=tmp_path).returncode == code


def test_standard_streams_carry_bytes_whatever_the_locale(tmp_path: Path) -> None:
    text = "import torch  # é 日本\r\n"
    (tmp_path / "a.py").write_bytes(text.encode())
    for arguments in (["a.py", "-o", "-"], ["a.py", "--diff"]):
        done = with_stand_in("torch2tf", *arguments, cwd=tmp_path, PYTHONIOENCODING="ascii")
        assert done.returncode == 0
        assert b"Traceback" not in done.stderr
    done = with_stand_in("torch2tf", "a.py", "-o", "-", cwd=tmp_path, PYTHONIOENCODING="ascii")
    assert done.stdout == text.replace("torch", "tf").encode()


@pytest.mark.skipif(sys.platform != "linux", reason="file names that are no text exist on Linux only")
def test_file_names_that_are_no_text(tmp_path: Path) -> None:
    name = os.fsdecode(b"caf\xe9.py")
    (tmp_path / name).write_text("import torch  # REFUSE\n")
    done = with_stand_in("torch2tf", "--format", "json", name, cwd=tmp_path)
    assert done.returncode == 1
    assert b"Traceback" not in done.stderr
    assert (tmp_path / os.fsdecode(b"caf\xe9_tf.py")).exists()


def test_a_closed_pipe_ends_quietly(tmp_path: Path) -> None:
    (tmp_path / "a.py").write_text("import torch\n" * 20_000)
    command = [sys.executable, "-c", WITH_STAND_IN, "torch2tf", "--diff", "a.py"]
    process = subprocess.Popen(command, cwd=tmp_path, env=environment(), stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    assert process.stdout is not None
    assert process.stderr is not None
    process.stdout.read(10)
    process.stdout.close()
    error = process.stderr.read()
    process.stderr.close()
    process.wait(timeout=60)
    assert b"Traceback" not in error
    assert b"BrokenPipe" not in error


def test_ctrl_c_ends_cleanly(tmp_path: Path) -> None:
    command = [sys.executable, "-c", WITH_STAND_IN, "torch2tf", "-"]
    pipe = subprocess.PIPE
    start = time.perf_counter()
    subprocess.run(command, cwd=tmp_path, env=environment(), input=b"", check=False, capture_output=True)
    spent = time.perf_counter() - start
    given: dict[str, Any] = {"stdin": pipe, "stderr": pipe, "preexec_fn": interruptible}
    with subprocess.Popen(command, cwd=tmp_path, env=environment(), **given) as process:
        time.sleep(1.0 + 2 * spent)  # long enough for it to wait for its input
        process.send_signal(signal.SIGINT)
        assert process.wait(timeout=30) == 130
        assert process.stderr is not None
        assert b"Traceback" not in process.stderr.read()


def test_a_batch_of_bad_inputs_with_the_real_engine(tmp_path: Path) -> None:
    (tmp_path / "syntax.py").write_text("import torch\nx = (\n")
    (tmp_path / "old.py").write_text("import torch\nprint 'x'\n")
    (tmp_path / "latin.py").write_bytes(b"import torch\nx = '\xe9'\n")
    (tmp_path / "binary.py").write_bytes(b"torch\x00")
    (tmp_path / "empty.py").write_bytes(b"")
    (tmp_path / "deep.py").write_text("import torch\nx = " + "(" * 3000 + "1" + ")" * 3000 + "\n")
    (tmp_path / "good.py").write_text("import torch.nn as nn\n\nlayer = nn.Linear(2, 3)\n")
    done = xlate("torch2tf", *sorted(os.listdir(tmp_path)), "missing.py", cwd=tmp_path)
    assert done.returncode == 3
    lines = done.stderr.decode().splitlines()
    codes = {
        "syntax": "XL001",
        "old": "XL002",
        "latin": "XL003",
        "binary": "XL004",
        "deep": "XL005",
        "missing": "XL006",
    }
    for name, code in codes.items():
        (line,) = [line for line in lines if line.startswith(f"{name}.py:")]
        assert f" {code} " in line
    assert (tmp_path / "good_tf.py").read_text().count("Dense(3)") == 1
    assert not list(tmp_path.glob(".xlate*"))


def test_50_000_lines_and_a_chain_of_400_calls_with_the_real_engine(tmp_path: Path) -> None:
    (tmp_path / "long.py").write_text("import torch\n" + "x = f(1, 2)\n" * 50_000 + "y = torch.zeros(3)\n")
    (tmp_path / "chain.py").write_text("import torch\nx = q" + ".b(1)" * 400 + "\ny = torch.zeros(3)\n")
    done = xlate("torch2tf", "long.py", "chain.py", cwd=tmp_path)
    assert done.returncode == 0, done.stderr.decode()[-2000:]
    for name in ("long_tf.py", "chain_tf.py"):
        assert "torch" not in (tmp_path / name).read_text()


CRASHING = """\
import sys
import translator.cli_root as root
def main(*arguments, **options):
    {0}
root.root.main = main
import translator.cli as c
c.main(["torch2tf", "a.py"])
"""
WRAPPED = """\
try:
        raise KeyboardInterrupt
    except KeyboardInterrupt as interrupt:
        raise RuntimeError("in __set_name__") from interrupt"""


@pytest.mark.parametrize(
    "what, code, said",
    [
        ("raise ZeroDivisionError('by nought')", 3, "Error: internal error of xlate (ZeroDivisionError: by nought)"),
        ("import a_package_that_is_not_there", 3, "Error: the package 'a_package_that_is_not_there' is missing here"),
        (WRAPPED, 130, "interrupted"),
        ("raise KeyboardInterrupt", 130, "interrupted"),
    ],
)
def test_what_reaches_the_top_is_told_without_a_traceback(tmp_path: Path, what: str, code: int, said: str) -> None:
    command = [sys.executable, "-c", CRASHING.format(what)]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, env=environment(TMPDIR=str(tmp_path)), text=True)
    assert (done.returncode, done.stderr.startswith(said)) == (code, True), done.stderr
    assert "Traceback" not in done.stderr
    logs = list(tmp_path.glob("xlate-crash-*.txt"))
    assert bool(logs) == ("internal error" in said)
    for log in logs:
        assert str(log) in done.stderr
        assert "ZeroDivisionError: by nought" in log.read_text()
