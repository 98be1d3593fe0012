"""``xlate sync`` and the hooks: translations stay in step, and no work by hand is lost."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

import fake_engine
from test_packaging import OFFLINE
from translator.cli_root import root
from translator.project import cache as cache_module

ROOT = Path(__file__).resolve().parent.parent
Sync = Callable[..., Result]
IDENTITY = {"GIT_AUTHOR_NAME": "a", "GIT_AUTHOR_EMAIL": "a@b", "GIT_COMMITTER_NAME": "a", "GIT_COMMITTER_EMAIL": "a@b"}


def git(*arguments: str, check: bool = True) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, **IDENTITY}
    return subprocess.run(["git", *arguments], check=check, env=environment, capture_output=True, text=True)


@pytest.fixture
def repository(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    git("init", "-q")


@pytest.fixture
def sync(repository: None, monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory) -> Sync:
    """Runs ``xlate sync`` over the stand-in engine in a repository with one pair and one source that has none."""
    monkeypatch.setitem(sys.modules, "translator.engine", fake_engine)
    monkeypatch.setattr(cache_module, "folder", lambda: tmp_path_factory.mktemp("cache"))
    Path("pkg").mkdir()
    Path("pkg/net.py").write_text("import torch\n")
    Path("pkg/net_tf.py").write_text("import tf\n")
    Path("pkg/alone.py").write_text("import torch\n")
    git("add", "-A")
    return lambda *arguments: CliRunner().invoke(root, ["sync", *arguments])


def test_what_is_in_step_stays(sync: Sync) -> None:
    for flags in ([], ["--check"], ["pkg/net.py"]):
        result = sync(*flags)
        assert (result.exit_code, result.output) == (0, "")
    assert not Path("pkg/alone_tf.py").exists()


def test_a_stale_translation_is_found_and_rewritten(sync: Sync) -> None:
    Path("pkg/net.py").write_text("import torch\nx = torch.ones(3)\n")
    result = sync("--check", "pkg/net.py")
    assert (result.exit_code, result.stderr) == (1, "pkg/net_tf.py: out of step with its source\n")
    assert Path("pkg/net_tf.py").read_text() == "import tf\n"
    result = sync("pkg/net.py")
    assert (result.exit_code, result.stderr) == (0, "pkg/net_tf.py: rewritten\n")
    assert Path("pkg/net_tf.py").read_text() == "import tf\nx = tf.ones(3)\n"


def test_a_changed_translation_is_compared_with_its_source(sync: Sync) -> None:
    Path("pkg/net_tf.py").write_text("import tf\nedited\n")
    assert sync("--check", "pkg/net_tf.py").exit_code == 1


def test_work_that_git_does_not_have_is_not_lost(sync: Sync) -> None:
    Path("pkg/net_tf.py").write_text("by hand\n")
    result = sync()
    assert result.exit_code == 3
    assert "XL010" in result.stderr
    assert Path("pkg/net_tf.py").read_text() == "by hand\n"
    git("add", "-A")
    assert sync().exit_code == 0  # what is staged can be had back
    assert Path("pkg/net_tf.py").read_text() == "import tf\n"


def test_files_from_elsewhere_are_no_reason_to_work(sync: Sync) -> None:
    Path("other.py").write_text("import torch\n")
    Path("pkg/net.py").write_text("import torch\nx = 1\n")
    assert sync("--check", "--project", "pkg", "other.py").exit_code == 0
    assert sync("--check", "--project", "pkg", "pkg/alone.py").exit_code == 1


def test_refusals_fail_unless_they_are_allowed(sync: Sync) -> None:
    Path("pkg/net.py").write_text("import torch  # REFUSE\n")
    result = sync()
    assert result.exit_code == 1
    assert "pkg/net.py:1:3: XL203 no counterpart" in result.stderr
    assert sync("--allow-refused").exit_code == 0


def test_all_begins_and_exclude_leaves(sync: Sync) -> None:
    assert sync("--all", "--exclude", "*/net.py").exit_code == 0
    assert Path("pkg/alone_tf.py").read_text() == "import tf\n"
    Path("pkg/net.py").write_text("import torch\nx = 1\n")
    assert sync("--check", "--exclude", "pkg/*").exit_code == 0


def test_results_of_earlier_runs_are_taken(sync: Sync, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(cache_module, "folder", lambda: tmp_path / ".git" / "cache")
    asked: list[list[str]] = []
    real = fake_engine.translate_sources

    def noted(sources, *more):  # type: ignore[no-untyped-def]
        asked.append(sorted(sources))
        return real(sources, *more)

    monkeypatch.setattr(fake_engine, "translate_sources", noted)
    Path("pkg/net.py").write_text("import torch  # REFUSE\n")
    first = sync("--check")
    again = sync("--check")
    assert (again.exit_code, again.output) == (first.exit_code, first.output) == (1, first.output)
    assert "XL203" in again.output and len(asked) == 1
    assert sync("--check", "--no-cache").output == first.output and len(asked) == 2
    Path("pkg/alone.py").write_text("import torch\nx = 1\n")  # one program with the pair
    assert sync("--check").exit_code == 1 and len(asked) == 3
    sync("--check", "--fidelity", "exact")
    assert len(asked) == 4


def test_the_settings_of_the_project_hold(sync: Sync) -> None:
    Path("pyproject.toml").write_text('[tool.xlate]\nfidelity = "exact"\n')
    sync("--json", "r.json")
    assert '"fidelity": "exact"' in Path("r.json").read_text()
    Path("pyproject.toml").write_text('[tool.xlate]\nexclude = ["net.py"]\n')
    Path("pkg/net.py").write_text("import torch\nx = 1\n")
    assert sync("--check").exit_code == 0


def test_sync_reports(sync: Sync) -> None:
    assert sync("--json", "r.json").exit_code == 0
    assert '"path": "pkg/net.py"' in Path("r.json").read_text()


# -- the real thing ----------------------------------------------------------------------------------------


MODEL = "import torch.nn as nn\n\nlayer = nn.Linear(2, {width})\n"


@pytest.mark.slow
def test_the_hooks_in_pre_commit(
    repository: None, tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    """pre-commit installs xlate from a clone of this checkout, and its hooks do what they say."""
    pytest.importorskip("pre_commit")
    hooks = tmp_path_factory.mktemp("xlate")
    for name in ("src", "mappings", "pyproject.toml", "README.md", ".pre-commit-hooks.yaml"):
        copy = shutil.copytree if (ROOT / name).is_dir() else shutil.copy
        copy(ROOT / name, hooks / name)
    git("init", "-q", str(hooks))
    git("-C", str(hooks), "add", "-A")
    git("-C", str(hooks), "commit", "-qm", "xlate")
    revision = git("-C", str(hooks), "rev-parse", "HEAD").stdout.strip()
    Path(".pre-commit-config.yaml").write_text(
        f"repos:\n- repo: {hooks}\n  rev: {revision}\n  hooks:\n  - id: xlate-translate\n    args: [--project=pkg]\n"
        "  - id: xlate-check\n    args: [--project=pkg]\n    stages: [manual]\n"
    )
    Path("pkg").mkdir()
    Path("pkg/net.py").write_text(MODEL.format(width=3))
    Path("pkg/net_tf.py").write_text("")
    git("add", "-A")

    monkeypatch.setenv("PRE_COMMIT_HOME", str(tmp_path_factory.mktemp("cache")))

    first = hook("xlate-translate")  # which installs
    assert (first.returncode, "files were modified by this hook" in first.stdout) == (1, True), first.stdout
    assert "keras.layers.Dense(3)" in Path("pkg/net_tf.py").read_text()
    git("add", "-A")
    assert hook("xlate-translate").returncode == 0
    assert hook("xlate-check", "--hook-stage=manual").returncode == 0
    Path("pkg/net.py").write_text(MODEL.format(width=4))
    git("add", "-A")
    stale = hook("xlate-check", "--hook-stage=manual")
    assert stale.returncode == 1
    assert "pkg/net_tf.py: out of step with its source" in stale.stdout
    assert "Dense(3)" in Path("pkg/net_tf.py").read_text()


def hook(*arguments: str) -> subprocess.CompletedProcess[str]:
    """Run pre-commit; a registry that cannot be reached skips the test."""
    command = [sys.executable, "-m", "pre_commit", "run", *arguments]
    environment = {**os.environ, **IDENTITY, "PYTHONPATH": ""}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=300)
    if done.returncode and any(word in done.stdout for word in OFFLINE):
        pytest.skip("no package registry to install the hook from")
    return done
