"""A repository goes in, a migrated one comes out; running it again changes nothing and destroys nobody's work."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from translator.cli_root import root

Xlate = Callable[..., Result]
NET = """\
from torch import nn

from .parts import Block, WIDTH


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.block = Block(WIDTH)
        self.pool = nn.AdaptiveAvgPool2d((3, 2))

    def forward(self, x):
        return self.pool(self.block(x))
"""
PARTS = """\
from torch import nn

WIDTH = 6


class Block(nn.Module):
    def __init__(self, width):
        super().__init__()
        self.conv = nn.Conv2d(3, width, 3, padding=1)

    def forward(self, x):
        return self.conv(x).relu()
"""
TRAIN = "import torch\n\nfrom pkg import Net\n\nprint(Net()(torch.ones(2, 3, 8, 8)))\n"


@pytest.fixture
def xlate(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Xlate:
    monkeypatch.chdir(tmp_path)

    def run(*arguments: str) -> Result:
        result = CliRunner().invoke(root, ["migrate", *arguments])
        assert result.exception is None or isinstance(result.exception, SystemExit), result.exc_info
        return result

    return run


def write(files: dict[str, str], folder: str = "src") -> None:
    for name, text in files.items():
        path = Path(folder, name)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)


def package() -> None:
    init = "from .net import *\n"
    write({"pkg/__init__.py": init, "pkg/net.py": NET, "pkg/parts.py": PARTS, "train.py": TRAIN, "data/x.csv": "1,2\n"})


def tree(folder: str = "out") -> dict[str, bytes]:
    return {str(p.relative_to(folder)): p.read_bytes() for p in sorted(Path(folder).rglob("*")) if p.is_file()}


def test_files_know_each_other_and_share_helpers(xlate: Xlate) -> None:
    package()
    result = xlate("src", "-o", "out")
    assert result.exit_code == 0, result.stderr
    net = Path("out/pkg/net.py").read_text()
    assert "class Net(keras.Model):" in net
    assert "from .xlate_helpers import AdaptiveAveragePooling2D\n" in net
    assert "class Block(keras.layers.Layer):" in Path("out/pkg/parts.py").read_text()
    # The script knows through the star import of the package that Net is a model, whose modes Keras lacks.
    assert "Net()(keras.ops.ones((2, 8, 8, 3)), training=True)" in Path("out/train.py").read_text()
    helpers = Path("out/pkg/xlate_helpers.py").read_text()
    assert "class AdaptiveAveragePooling2D" in helpers
    assert Path("out/data/x.csv").read_text() == "1,2\n"
    assert [p.name for p in Path("out").rglob("xlate_helpers.py")] == ["xlate_helpers.py"]


def test_a_second_run_changes_nothing(xlate: Xlate) -> None:
    package()
    xlate("src", "-o", "out")
    before, times = tree(), {p: p.stat().st_mtime_ns for p in Path("out").rglob("*")}
    result = xlate("src", "-o", "out")
    assert "nothing changed" in result.stderr
    assert tree() == before
    assert {p: p.stat().st_mtime_ns for p in Path("out").rglob("*")} == times


def test_a_changed_source_is_followed_and_a_removed_one_too(xlate: Xlate) -> None:
    package()
    write({"old/gone.py": "import torch\n"})
    xlate("src", "-o", "out")
    Path("src/old/gone.py").unlink()
    Path("src/pkg/parts.py").write_text(PARTS.replace("WIDTH = 6", "WIDTH = 5"))
    result = xlate("src", "-o", "out")
    assert result.exit_code == 0
    assert "1 written, 1 removed" in result.stderr
    assert "WIDTH = 5" in Path("out/pkg/parts.py").read_text()
    assert not Path("out/old").exists()


def test_work_by_hand_is_not_lost(xlate: Xlate) -> None:
    package()
    xlate("src", "-o", "out")
    Path("out/pkg/net.py").write_text("mine\n")
    Path("src/pkg/net.py").write_text(NET + "\n\nX = 1\n")
    Path("src/train.py").write_text(TRAIN + "print(1)\n")
    result = xlate("src", "-o", "out")
    assert result.exit_code == 3
    assert "XL010 out/pkg/net.py was changed since xlate wrote it (--force replaces it" in result.stderr
    assert Path("out/pkg/net.py").read_text() == "mine\n"
    assert Path("out/train.py").read_text().endswith("print(1)\n")
    assert xlate("src", "-o", "out", "--force").exit_code == 0
    assert Path("out/pkg/net.py").read_text().endswith("X = 1\n")


def test_files_of_others_in_the_output_stay(xlate: Xlate) -> None:
    package()
    write({"train.py": "theirs\n", "notes.txt": "theirs\n"}, "out")
    result = xlate("src", "-o", "out")
    assert "XL010 out/train.py exists, and xlate did not write it" in result.stderr
    assert Path("out/train.py").read_text() == Path("out/notes.txt").read_text() == "theirs\n"


def test_gitignore_include_and_exclude(xlate: Xlate) -> None:
    text = "import torch\nx = torch.ones(2)\n"
    names = ["a.py", "sub/b.py", "sub/c.py", "build/d.py", "third/e.py", "keep.log", "x.log", "sub/y.log"]
    write(dict.fromkeys(names, text) | {".gitignore": "build/\n*.log\n!keep.log\n", "sub/.gitignore": "c.py\n!y.log\n"})
    assert xlate("src", "-o", "out", "--exclude", "third/").exit_code == 0
    found = tree()
    assert sorted(set(found) - {".xlate-migrate.json"}) == [
        ".gitignore", "a.py", "keep.log", "sub/.gitignore", "sub/b.py", "sub/y.log", "third/e.py",
    ]  # fmt: skip
    assert found["third/e.py"] == text.encode()
    assert b"keras.ops.ones" in found["a.py"]
    xlate("src", "-o", "only", "--include", "sub/")
    assert tree("only")["a.py"] == text.encode()
    assert b"keras.ops.ones" in tree("only")["sub/b.py"]


def test_links(xlate: Xlate) -> None:
    package()
    Path("outside.py").write_text("import torch\n")
    Path("src/inside.py").symlink_to("pkg/net.py")
    Path("src/up").symlink_to("..", target_is_directory=True)
    Path("src/pkg/back").symlink_to("../pkg", target_is_directory=True)
    Path("src/out.py").symlink_to("../outside.py")
    Path("src/loop").symlink_to("loop")
    result = xlate("src", "-o", "out")
    assert result.exit_code == 3
    assert "src/out.py:1:1: XL009 a symbolic link that leads out of the project (../outside.py)" in result.stderr
    assert "src/up:1:1: XL009" in result.stderr
    assert "src/loop:1:1: XL007 a loop of symbolic links" in result.stderr
    assert os.readlink("out/inside.py") == "pkg/net.py"
    assert os.readlink("out/pkg/back") == "../pkg"
    assert not os.path.lexists("out/out.py") and not os.path.lexists("out/up")
    assert "keras" in Path("out/inside.py").read_text()


def test_one_bad_file_stops_nothing_and_is_copied(xlate: Xlate) -> None:
    package()
    write({"bad.py": "import torch\ndef f(:\n", "old.py": "import torch\nprint 'x'\n"})
    result = xlate("src", "-o", "out")
    assert result.exit_code == 3
    assert "src/bad.py:2:7: XL001" in result.stderr and "src/old.py:2:1: XL002" in result.stderr
    assert Path("out/bad.py").read_text() == "import torch\ndef f(:\n"
    assert "keras" in Path("out/pkg/net.py").read_text()


def test_the_output_may_lie_inside_of_the_project(xlate: Xlate) -> None:
    package()
    assert xlate("src", "-o", "src/tf").exit_code == 0
    assert "nothing changed" in xlate("src", "-o", "src/tf").stderr
    assert not Path("src/tf/tf").exists()


def test_the_document(xlate: Xlate) -> None:
    package()
    document = json.loads(xlate("src", "-o", "out", "--format", "json").stdout)
    assert document["project"]["helpers"] == ["out/pkg/xlate_helpers.py"]
    by_path = {record["path"]: record for record in document["files"]}
    assert by_path["src/pkg/net.py"]["output"] == "out/pkg/net.py"
    assert by_path["src/pkg/net.py"]["kind"] == "python"
    assert by_path["src/pkg/net.py"]["helpers"] == ["AdaptiveAveragePooling2D"]
    assert document["summary"]["translated"] == 3


@pytest.mark.parametrize("arguments", [("src",), ("src", "-o", "out", "--in-place"), ("src", "-o", "o", "-q", "-v")])
def test_usage(xlate: Xlate, arguments: tuple[str, ...]) -> None:
    package()
    assert xlate(*arguments).exit_code == 2


def test_no_folder(xlate: Xlate) -> None:
    result = xlate("missing", "-o", "out")
    assert result.exit_code == 3
    assert "XL006 missing is no folder" in result.stderr
    assert not Path("out").exists()


def test_notebooks_and_stubs_are_part_of_the_project(xlate: Xlate) -> None:
    package()
    cell = {"cell_type": "code", "execution_count": 1, "metadata": {}, "outputs": [], "source": TRAIN}
    write({"look.ipynb": json.dumps({"cells": [cell], "metadata": {}, "nbformat": 4, "nbformat_minor": 4})})
    write({"pkg/net.pyi": "import torch\nfrom torch import Tensor\n\ndef f(x: Tensor) -> Tensor: ...\n"})
    assert xlate("src", "-o", "out").exit_code == 0
    source = json.loads(Path("out/look.ipynb").read_text())["cells"][0]["source"]
    assert "from pkg import Net\n" in source and "Net()(keras.ops.ones((2, 8, 8, 3)), training=True)" in source
    assert "def f(x: tf.Tensor) -> tf.Tensor: ..." in Path("out/pkg/net.pyi").read_text()
    assert "nothing changed" in xlate("src", "-o", "out").stderr


def test_what_the_project_needs_follows(xlate: Xlate) -> None:
    package()
    write({"requirements.txt": "torch==2.0\ntorchvision\n", "setup.py": "setup(install_requires=['torch'])\n"})
    result = xlate("src", "-o", "out")
    assert Path("out/requirements.txt").read_text() == "tensorflow>=2.18\n"
    assert Path("out/setup.py").read_text() == "setup(install_requires=['tensorflow>=2.18'])\n"
    assert "src/requirements.txt:2:1: XL602 torchvision is dropped" in result.stderr


def git(*arguments: str) -> None:
    command = ["git", "-C", "src", "-c", "user.name=x", "-c", "user.email=x@example.org", *arguments]
    subprocess.run(command, check=True, capture_output=True)


def test_in_place_needs_git_to_have_everything(xlate: Xlate) -> None:
    package()
    result = xlate("src", "--in-place")
    assert result.exit_code == 3 and "XL016 src is in no Git repository" in result.stderr
    git("init", "-q")
    result = xlate("src", "--in-place")
    assert result.exit_code == 3 and "XL016 Git does not have everything in src: " in result.stderr
    assert Path("src/pkg/net.py").read_text() == NET
    git("add", "-A")
    git("commit", "-qm", "x")
    assert xlate("src", "--in-place").exit_code == 0
    assert "class Net(keras.Model):" in Path("src/pkg/net.py").read_text()
    assert not Path("src/.xlate-migrate.json").exists()
    git("add", "-A")
    git("commit", "-qm", "y")
    before = tree("src")
    assert "nothing changed" in xlate("src", "--in-place").stderr
    assert tree("src") == before


def test_in_place_again_keeps_earlier_helpers(xlate: Xlate) -> None:
    package()
    assert xlate("src", "--in-place", "--force").exit_code == 0
    write({"pkg/more.py": "from torch import nn\n\nlayer = nn.Conv2d(3, 4, 3, stride=2, padding=1)\n"})
    assert xlate("src", "--in-place", "--force").exit_code == 0
    helpers = Path("src/pkg/xlate_helpers.py").read_text()
    assert "class AdaptiveAveragePooling2D(" in helpers and "class PaddedConv2D(" in helpers
    assert len(list(Path("src").rglob("xlate_helpers*.py"))) == 1


def test_in_place_again_where_something_was_refused(xlate: Xlate) -> None:
    write({"a.py": "import torch\n\n\ndef f(x):\n    y = torch.fft.hfft2(x)\n    return torch.ones(3) + y\n"})
    assert xlate("src", "--in-place", "--force").exit_code == 1
    before = tree("src")
    assert xlate("src", "--in-place", "--force").exit_code == 1
    assert tree("src") == before
