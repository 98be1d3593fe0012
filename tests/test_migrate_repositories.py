"""Small but whole repositories migrate: their own tests pass in the other framework, and their scripts run."""

from __future__ import annotations

import os
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from translator.model import Direction, InputError, Options, Translation
from translator.project.migrate import Job, migrate
from translator.project.result import Migration

FIXTURES = Path(__file__).resolve().parent.parent / "fixtures"
REPOSITORIES = {
    "repo_torch": ("torch2tf", ["train.py", "--config", "configs/small.json"]),
    "repo_keras": ("tf2torch", ["train.py"]),
    "repo_mixed": ("torch2tf", ["train.py", "--epochs", "2"]),
}
"""Fixture to the direction it is migrated in, and a script that is run afterwards."""


def run(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    environment = {k: v for k, v in os.environ.items() if k != "PYTHONPATH"} | {"TF_CPP_MIN_LOG_LEVEL": "3"}
    environment["PYTHONDONTWRITEBYTECODE"] = "1"
    return subprocess.run([sys.executable, *arguments], cwd=folder, env=environment, capture_output=True, text=True)


def migrated(name: str, output: Path) -> Migration:
    options = Options(Direction(REPOSITORIES[name][0]))
    return migrate(Job(str(FIXTURES / name), str(output), options, cached=False))


@pytest.mark.slow
@pytest.mark.parametrize("name", REPOSITORIES)
def test_repository(name: str, tmp_path: Path) -> None:
    pytest.importorskip("torch")
    pytest.importorskip("tensorflow")
    out = tmp_path / "out"
    done = migrated(name, out)
    failed = [(o.path, o.result.message) for o in done.outcomes if isinstance(o.result, InputError)]
    assert not failed
    assert done.written
    again = migrated(name, out)
    assert not again.written and not again.removed
    source = Direction(REPOSITORIES[name][0]).source
    roots = {"torch": ("torch", "torchvision"), "tf": ("tensorflow", "keras")}[source]
    words = tuple(f"{word} {root}" for word in ("import", "from") for root in roots)
    for outcome in done.outcomes:
        if isinstance(outcome.result, Translation) and not outcome.result.refused:
            for line in outcome.result.text.splitlines():
                assert not line.startswith(words), line
    tests = run(out, "-m", "pytest", "-q", "-p", "no:cacheprovider", "tests")
    assert tests.returncode == 0, tests.stdout[-3000:] + tests.stderr[-2000:]
    script = run(out, *REPOSITORIES[name][1])
    assert script.returncode == 0, script.stderr[-3000:]
    assert "epoch 1" in script.stdout


@pytest.mark.parametrize("name", REPOSITORIES)
def test_what_a_repository_needs(name: str, tmp_path: Path) -> None:
    migrated(name, tmp_path)
    text = (tmp_path / "requirements.txt").read_text()
    project = tomllib.loads((tmp_path / "pyproject.toml").read_text())["project"]
    wanted = "tensorflow>=2.18" if REPOSITORIES[name][0] == "torch2tf" else "torch>=2.6"
    assert wanted in text.splitlines() and wanted in project["dependencies"]
