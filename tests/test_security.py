"""Translating runs nothing of the user's, and writes only where it was told to: the interpreter's own audit says so."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
TELL = "import pathlib; pathlib.Path({told!r}).write_text('ran')\n"
PROGRAM = """\
import torch
import helper_of_mine
from torch import nn

{tell}
@(lambda f: [{inner}, f][1])
def decorated(x=[{inner}]):
    return torch.relu(x)


class Net(nn.Module, metaclass=[{inner}, type][1]):
    size: [{inner}, int][1] = [{inner}, 3][1]

    def __init__(self):
        super().__init__()
        self.fc = nn.Linear([{inner}, 3][1], int(f"{{[{inner}, 4][1]}}"))

    def forward(self, x):
        return self.fc(x) * eval("[{inner}, 1][1]")


model = Net()
"""
KERAS = """\
import tensorflow as tf
from tensorflow import keras

{tell}
model = keras.Sequential([keras.layers.Dense([{inner}, 4][1], input_shape=(3,))])
"""
WATCH = """
import os, sys
watched = {"open", "exec", "import", "os.system", "os.exec", "os.posix_spawn", "subprocess.Popen", "socket.connect",
           "os.rename", "os.remove", "os.mkdir", "os.symlink", "os.link", "os.truncate", "shutil.rmtree",
           "ctypes.dlopen"}
root = os.path.realpath(sys.argv.pop(1)) + os.sep
log = os.open(sys.argv.pop(1), os.O_WRONLY | os.O_CREAT | os.O_APPEND)
def tell(event, args):
    if event not in watched:
        return
    said = ""
    if event == "open":
        path, mode, flags = args
        if isinstance(path, (str, bytes)) and flags & (os.O_WRONLY | os.O_RDWR | os.O_CREAT):
            said = f"write {os.path.abspath(os.fsdecode(path))}"
    elif event == "exec":
        name = getattr(args[0], "co_filename", "")
        if not name.startswith("<") and os.path.abspath(name).startswith(root):
            said = f"exec {name}"
    elif event == "import":
        if args[0] in ("torch", "tensorflow", "keras", "helper_of_mine", "conftest", "setup", "a", "k"):
            said = f"import {args[0]}"
    elif event in ("os.rename", "os.remove", "os.mkdir", "os.symlink", "os.link", "os.truncate"):
        paths = [os.path.abspath(os.fsdecode(a)) for a in args if isinstance(a, (str, bytes))]
        said = "write " + "|".join(paths)
    elif event == "shutil.rmtree":
        said = f"write {os.path.abspath(os.fsdecode(args[0]))}"
    else:
        said = f"{event} {args[0]!r}"
    if said:
        os.write(log, (said + "\\n").encode())
sys.addaudithook(tell)
from translator.cli import main
main()
"""


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A project in which everything that could be run tells of it."""
    told = tmp_path / "told"
    tell = TELL.format(told=str(told))
    inner = f"__import__('pathlib').Path({str(told)!r}).write_text('ran')"
    folder = tmp_path / "project"
    folder.mkdir()
    (folder / "a.py").write_text(PROGRAM.format(tell=tell, inner=inner.replace('"', "'")))
    (folder / "k.py").write_text(KERAS.format(tell=tell, inner=inner))
    for name in ("helper_of_mine.py", "conftest.py", "setup.py", "sitecustomize.py", "numpy.py", "torch.py"):
        (folder / name).write_text(tell)
    (folder / "pyproject.toml").write_text('[project]\nname = "p"\nversion = "1"\ndependencies = ["torch"]\n')
    cells = [{"cell_type": "code", "metadata": {}, "outputs": [], "execution_count": None, "id": "a",
              "source": f"import torch\n%run setup.py\n!touch {told}\n{tell}x = torch.ones(2)"}]  # fmt: skip
    book = {"cells": cells, "metadata": {}, "nbformat": 4, "nbformat_minor": 5}
    (folder / "book.ipynb").write_text(json.dumps(book))
    return folder


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One cache for all commands: compiling the tables takes seconds."""
    return tmp_path_factory.mktemp("cache")


COMMANDS = [
    ("torch2tf", ".", "-o", "../out"),
    ("tf2torch", ".", "-o", "../out"),
    ("torch2tf", "a.py", "--diff"),
    ("torch2tf", "a.py", "--check"),
    ("torch2tf", "."),
    ("migrate", ".", "-o", "../out"),
    ("plan", "."),
    ("coverage", "."),
    ("config",),
]


@pytest.mark.parametrize("command", COMMANDS, ids=lambda c: "-".join(c[:1] + c[2:3]))
def test_nothing_of_the_project_runs_and_nothing_else_is_written(
    project: Path, cache: Path, command: tuple[str, ...]
) -> None:
    tmp = project.parent
    before = {p: p.read_bytes() for p in project.rglob("*") if p.is_file()}
    environment = {
        **os.environ, "PYTHONPATH": str(ROOT / "src"), "XDG_CACHE_HOME": str(cache), "HOME": str(tmp / "home"),
        "TMPDIR": str(tmp / "tmp"), "PYTHONDONTWRITEBYTECODE": "1", "PYTHONSAFEPATH": "1",
    }  # fmt: skip
    (tmp / "tmp").mkdir()
    (tmp / "watch.py").write_text(WATCH)
    arguments = [sys.executable, str(tmp / "watch.py"), str(project), str(tmp / "log"), *command]
    done = subprocess.run(arguments, cwd=project, env=environment, capture_output=True, text=True, timeout=120)
    assert done.returncode in (0, 1), done.stderr
    assert "Traceback" not in done.stderr
    assert not (tmp / "told").exists()
    events = (tmp / "log").read_text().splitlines()
    allowed = [str(cache), *(str(tmp / name) for name in ("tmp", "home", "out"))]
    beside = [str(project / name) for name in ("a_tf.py", "book_tf.ipynb", ".xlate-")] if command[1:] == (".",) else []
    for event in events:
        kind, _, what = event.partition(" ")
        if event.startswith("subprocess.Popen") and "git" in what:  # asks Git whether the sources are safe
            continue
        assert kind == "write", event
        assert all(p == "/dev/null" or p.startswith(tuple(allowed + beside)) for p in what.split("|")), event
    assert {p: p.read_bytes() for p in before} == before
    assert events or command[0] == "config" or "-o" not in command  # the audit sees writing at all
