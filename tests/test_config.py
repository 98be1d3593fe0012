"""Settings in pyproject.toml: found upwards, checked key by key, overruled by options, shown with their origin."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from translator.cli_root import root

Xlate = Callable[..., Result]
NET = "import torch\nfrom torch import nn\nlayer = nn.Linear(3, 2)\n"


@pytest.fixture
def xlate(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Xlate:
    monkeypatch.chdir(tmp_path)

    def run(*arguments: str) -> Result:
        result = CliRunner().invoke(root, list(arguments))
        assert result.exception is None or isinstance(result.exception, SystemExit), result.exc_info
        return result

    return run


def settings(text: str, folder: str = ".") -> None:
    Path(folder).mkdir(parents=True, exist_ok=True)
    Path(folder, "pyproject.toml").write_text(f'[project]\nname = "x"\n\n[tool.xlate]\n{text}')


def shown(result: Result) -> dict[str, tuple[object, str]]:
    assert result.exit_code == 0, result.stderr
    return {k: (v["value"], v["origin"]) for k, v in json.loads(result.stdout)["settings"].items()}


def test_the_nearest_file_that_says_something_holds(xlate: Xlate, tmp_path: Path) -> None:
    settings('fidelity = "exact"\nexclude = ["old/"]\n')
    Path("a/b").mkdir(parents=True)
    Path("a/pyproject.toml").write_text("[tool.other]\n")
    found = shown(xlate("config", "a/b", "--format", "json"))
    assert found["fidelity"] == ("exact", str(tmp_path / "pyproject.toml"))
    assert found["exclude"] == (["old/"], str(tmp_path / "pyproject.toml"))
    assert found["layout"] == ("channels_last", "default")
    Path("a/.git").mkdir()
    assert shown(xlate("config", "a/b", "--format", "json"))["fidelity"] == ("idiomatic", "default")


def test_for_people(xlate: Xlate, tmp_path: Path) -> None:
    settings('exclude = ["old/", "x.py"]\n')
    lines = xlate("config").stdout.splitlines()
    assert f'exclude = ["old/", "x.py"]  # {tmp_path / "pyproject.toml"}' in lines
    assert 'direction = "torch2tf"  # default' in lines


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('fidelty = "exact"\n', ":5: unknown key fidelty in [tool.xlate] (did you mean fidelity?)"),
        ("colour = 1\n", ":5: unknown key colour in [tool.xlate] (there are direction, exclude,"),
        ('include = []\nfidelity = "good"\n', ":6: fidelity is one of idiomatic, exact, not 'good'"),
        ('exclude = "x"\n', ":5: exclude is a list of strings, not 'x'"),
        ("exclude = [\n", ": no TOML: "),
        ('keep-io-layout = "yes"\n', ":5: keep-io-layout is true or false, not 'yes'"),
    ],
)
@pytest.mark.parametrize("command", [("config",), ("torch2tf", "a.py"), ("migrate", ".", "-o", "out"), ("plan", ".")])
def test_what_is_wrong_is_said(xlate: Xlate, tmp_path: Path, text: str, message: str, command: tuple[str, ...]) -> None:
    settings(text)
    Path("a.py").write_text(NET)
    result = xlate(*command)
    assert result.exit_code == 2
    assert f"XL015 {tmp_path / 'pyproject.toml'}{message}" in " ".join(result.stderr.split())
    assert not Path("out").exists()


def test_commands_follow_it_and_options_overrule(xlate: Xlate) -> None:
    settings('fidelity = "exact"\n')
    Path("a.py").write_text(NET)
    document = json.loads(xlate("torch2tf", "a.py", "--check", "--format", "json").stdout)
    assert document["fidelity"] == "exact"
    document = json.loads(xlate("torch2tf", "a.py", "--check", "--format", "json", "--fidelity", "idiomatic").stdout)
    assert document["fidelity"] == "idiomatic"
    assert json.loads(xlate("migrate", ".", "-o", "out", "--format", "json").stdout)["fidelity"] == "exact"


def test_the_order_at_the_edge(xlate: Xlate) -> None:
    Path("a.py").write_text("import torch.nn as nn\n\nclass Net(nn.Module):\n    def __init__(self):\n"
                            "        super().__init__()\n        self.conv = nn.Conv2d(3, 4, 3)\n\n"
                            "    def forward(self, x):\n        return self.conv(x)\n")  # fmt: skip

    def document(*arguments: str) -> dict[str, Any]:
        return json.loads(xlate(*arguments, "--format", "json").stdout)  # type: ignore[no-any-return]

    assert document("torch2tf", "a.py", "--check")["files"][0]["edges"]
    kept = document("torch2tf", "a.py", "--check", "--keep-io-layout")
    assert kept["keep_io_layout"] and not kept["files"][0]["edges"]
    settings("keep-io-layout = true\n")
    assert not document("torch2tf", "a.py", "--check")["files"][0]["edges"]
    assert not document("migrate", ".", "-o", "out")["files"][0]["edges"]
    assert "tf.transpose(x, (0, 2, 3, 1))" in Path("out/a.py").read_text()


def test_the_direction_of_a_migration(xlate: Xlate) -> None:
    settings('direction = "tf2torch"\n', "src")
    Path("src/a.py").write_text("from tensorflow import keras\nlayer = keras.layers.ReLU()\n")
    assert xlate("migrate", "src", "-o", "out").exit_code == 0
    assert "nn.ReLU()" in Path("out/a.py").read_text()


def test_patterns_are_relative_to_the_file(xlate: Xlate) -> None:
    settings('exclude = ["/src/old.py", "third/"]\n')
    for name in ("src/a.py", "src/old.py", "src/third/b.py"):
        Path(name).parent.mkdir(parents=True, exist_ok=True)
        Path(name).write_text(NET)
    assert xlate("migrate", "src", "-o", "out").exit_code == 0
    assert [n for n in ("a.py", "old.py", "third/b.py") if "keras" in Path("out", n).read_text()] == ["a.py"]
    assert xlate("torch2tf", "src").exit_code == 0
    assert sorted(p.name for p in Path("src").rglob("*_tf.py")) == ["a_tf.py"]
    assert xlate("torch2tf", "src/old.py").exit_code == 0  # whoever names a file means it
    assert Path("src/old_tf.py").exists()


def test_own_tables(xlate: Xlate) -> None:
    settings('mappings = ["rows/own.toml"]\n', "p")
    Path("p/a.py").write_text(NET)
    result = xlate("torch2tf", "p/a.py")
    assert result.exit_code != 0 and "own.toml" in result.stderr
