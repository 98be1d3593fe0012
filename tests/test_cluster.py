"""``--engine ray``: a cluster gives the same tree as this machine's own processes."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from test_migrate_robust import many, tree
from translator.cli_root import root
from translator.model import InputError, Options
from translator.project import cluster
from translator.project.migrate import Job, migrate
from translator.project.pool import Died
from translator.project.run import Results, Task


def xlate(*arguments: str) -> Result:
    result = CliRunner().invoke(root, ["migrate", *arguments, "--no-cache"])
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exc_info
    return result


@pytest.fixture(scope="module")
def local() -> Iterator[Any]:
    """A cluster of two workers on this machine."""
    ray = pytest.importorskip("ray")
    path = os.pathsep.join(sys.path)
    ray.init(num_cpus=2, include_dashboard=False, log_to_driver=False, logging_level="ERROR",
             runtime_env={"env_vars": {"PYTHONPATH": path}})  # fmt: skip
    yield ray
    ray.shutdown()


@pytest.mark.slow
def test_a_cluster_gives_the_same_tree(local: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    many(6)
    Path("src/bad.py").write_text("import torch\ndef f(:\n")
    here = xlate("src", "-o", "here", "-j", "2")
    there = xlate("src", "-o", "there", "-j", "2", "--engine", "ray")
    assert there.exit_code == here.exit_code == 3
    assert there.stderr == here.stderr
    assert tree("there") == tree("here") and len(tree("here")) == 10
    assert "keras" in Path("there/net/part1.py").read_text()


@pytest.mark.slow
def test_what_dies_on_the_cluster_costs_its_task(local: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(task: str, version: str) -> Results:
        if task == "dies":
            os._exit(3)
        if task == "raises":
            raise RuntimeError("a bug")
        if task == "other version":
            raise InputError("other", code="XL017")
        return Results(traces={task: version})

    monkeypatch.setattr(cluster, "_translate", broken)
    tasks: Any = ["a", "dies", "b", "raises"]
    answers: dict[Any, Any] = dict(cluster._answers(tasks))
    assert answers["a"].traces.keys() == {"a"} and answers["b"].traces.keys() == {"b"}
    assert isinstance(answers["dies"], Died) and "WorkerCrashedError" in str(answers["dies"])
    assert isinstance(answers["raises"], Died) and "RuntimeError" in str(answers["raises"])
    with pytest.raises(InputError, match="other"):
        list(cluster._answers(["other version"]))  # type: ignore[list-item]


def test_without_ray(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setitem(sys.modules, "ray", None)
    many(2)
    result = xlate("src", "-o", "out", "--engine", "ray")
    assert (result.exit_code, result.stderr) == (
        3, "xlate migrate: XL017 --engine ray needs Ray (pip install 'xlate[ray]')\n",
    )  # fmt: skip
    assert not Path("out").exists()


def test_versions_have_to_agree() -> None:
    task: Any = Task(None, {}, Options(), 0)  # type: ignore[arg-type]
    with pytest.raises(InputError, match="has xlate"):
        cluster._translate(task, "0.0.0-other")


def test_nothing_of_ray_is_loaded_without_it(tmp_path: Path) -> None:
    (tmp_path / "src").mkdir()
    (tmp_path / "src/a.py").write_text("import torch\nx = torch.ones(2)\n")
    before = "ray" in sys.modules
    migrate(Job(str(tmp_path / "src"), str(tmp_path / "out"), Options(), cached=False))
    assert ("ray" in sys.modules) == before
