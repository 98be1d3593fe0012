"""The wheel, as users get it: built, installed into an empty environment, and put to work there."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path

import pytest

from translator import __version__, translate

ROOT = Path(__file__).resolve().parent.parent
MODEL = """\
import torch.nn as nn


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.fc = nn.Linear(4, 2)

    def forward(self, x):
        return self.fc(x)
"""
OFFLINE = ("No matching distribution", "Connection", "Temporary failure", "Could not fetch", "Max retries")


def pip(python: str | Path, *arguments: str) -> None:
    """Run pip; a registry that cannot be reached skips the test, any other failure fails it."""
    command = [str(python), "-m", "pip", "--disable-pip-version-check", "--quiet", *arguments]
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode and any(word in done.stderr for word in OFFLINE):
        pytest.skip(f"no package registry: {done.stderr.strip().splitlines()[-1]}")
    assert done.returncode == 0, done.stderr


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("wheel")
    pip(sys.executable, "wheel", "--no-deps", "--wheel-dir", str(folder), str(ROOT))
    (built,) = folder.glob("xlate-*.whl")
    return built


@pytest.fixture(scope="module")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The ``bin`` folder of an environment that holds the wheel and what it asks for, and nothing else."""
    folder = tmp_path_factory.mktemp("env")
    subprocess.run([sys.executable, "-m", "venv", str(folder)], check=True)
    pip(folder / "bin" / "python", "install", str(wheel))
    return folder / "bin"


@pytest.mark.slow
def test_the_wheel_carries_code_helpers_tables_and_types(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        names = set(archive.namelist())
    ours = {name for name in names if not name.startswith(f"xlate-{__version__}.dist-info/")}
    package = {
        f"translator/{path.relative_to(ROOT / 'src/translator')}"
        for path in (ROOT / "src/translator").rglob("*")
        if path.is_file() and path.suffix in {".py", ".typed", ".html", ".css", ".js", ".json"}
    }
    tables = {
        f"translator/mappings/{path.relative_to(ROOT / 'mappings')}"
        for path in (ROOT / "mappings").rglob("*")
        if path.suffix in {".toml", ".json"}
    }
    assert tables
    assert package | tables <= ours
    assert all(name.startswith("translator/") for name in ours)


@pytest.mark.slow
def test_the_installed_command_translates(installed: Path, tmp_path: Path) -> None:
    version = subprocess.run([installed / "xlate", "--version"], capture_output=True, text=True, check=True)
    assert version.stdout == f"xlate {__version__}\n"
    (tmp_path / "model.py").write_text(MODEL)
    done = subprocess.run([installed / "xlate", "torch2tf", "model.py"], cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    text = (tmp_path / "model_tf.py").read_text()
    assert "torch" not in text
    assert "keras.layers.Dense(2)" in text


def interpreter(version: str) -> str | None:
    """A Python of another version, from the path or from pyenv."""
    found = shutil.which(f"python{version}")
    root = Path(os.environ.get("PYENV_ROOT") or Path.home() / ".pyenv") / "versions"
    candidates = [*([found] if found else []), *(str(p) for p in sorted(root.glob(f"{version}.*/bin/python")))]
    for candidate in candidates:
        code = "import sys, venv; print('%d.%d' % sys.version_info[:2])"
        done = subprocess.run([candidate, "-c", code], capture_output=True, text=True)
        if done.returncode == 0 and done.stdout.strip() == version:  # a pyenv shim may be there and lead nowhere
            return candidate
    return None


@pytest.mark.slow
@pytest.mark.parametrize("version", ["3.11", "3.12", "3.13"])
def test_other_pythons_translate_alike(version: str, wheel: Path, tmp_path: Path) -> None:
    """Byte for byte, diagnostics too; every fourth fixture, or all of them where ``XLATE_EVERY`` is set."""
    if version == ".".join(map(str, sys.version_info[:2])):
        pytest.skip("this very version")
    python = interpreter(version)
    if python is None:
        pytest.skip(f"no Python {version} here")
    subprocess.run([python, "-m", "venv", str(tmp_path / "env")], check=True)
    pip(tmp_path / "env/bin/python", "install", str(wheel))
    step = 1 if os.environ.get("XLATE_EVERY") else 4
    for command, pattern in (("torch2tf", "*/torch_model.py"), ("tf2torch", "tf_*/tf_*.py")):
        paths = sorted((ROOT / "fixtures").glob(pattern))[::step]
        assert paths
        done = subprocess.run(
            [tmp_path / "env/bin/python", "-c", TRANSLATE_ALL, command, *map(str, paths)],
            capture_output=True, text=True, check=True, env={**os.environ, "PYTHONPATH": ""},
        )  # fmt: skip
        theirs = json.loads(done.stdout)
        for path in paths:
            mine = translate(path.read_bytes(), command, path=str(path))
            assert theirs[str(path)] == [mine.text, [str(d) for d in mine.diagnostics]], path.parent.name


TRANSLATE_ALL = """
import json, sys
from pathlib import Path
from translator import translate
out = {}
for path in sys.argv[2:]:
    result = translate(Path(path).read_bytes(), sys.argv[1], path=path)
    out[path] = [result.text, [str(d) for d in result.diagnostics]]
print(json.dumps(out))
"""


@pytest.mark.slow
def test_the_environment_needs_no_framework(installed: Path) -> None:
    code = "import importlib.util as u; print([n for n in ('torch', 'tensorflow', 'keras', 'numpy') if u.find_spec(n)])"
    done = subprocess.run([installed / "python", "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"


def test_dependencies_are_few_and_light() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    names = {requirement.split(">")[0] for requirement in project["dependencies"]}
    assert names == {"click", "libcst", "filelock", "pathspec", "rich", "tomlkit"}
