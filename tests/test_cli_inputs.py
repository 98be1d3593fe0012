"""Inputs that are broken, odd or hostile: one clear line each, exit code 3, and the batch goes on."""

from __future__ import annotations

import builtins
import errno
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

import fake_engine
from translator import outputs
from translator.cli_root import root
from translator.discover import discover
from translator.model import Direction, InputError

Xlate = Callable[..., Result]
MODEL = "import torch\n"
BROKEN = {
    "syntax.py": (b"import torch\ndef f(:\n", "syntax.py:2:7: XL001 syntax error"),
    "syntax_without_torch.py": (b"def f(:\n", "syntax_without_torch.py:1:7: XL001 syntax error"),
    "python2.py": (b"import torch\nprint 'hi'\n", "python2.py:2:1: XL002 looks like Python 2 (a print statement)"),
    "except2.py": (b"import torch\ntry:\n  pass\nexcept A, e:\n  pass\n", "except2.py:4:8: XL002 looks like Python 2"),
    "latin.py": (b"import torch\ns = '\xe9'\n", "latin.py:2:6: XL003 not UTF-8: byte 0xe9"),
    "binary.py": (b"\x7fELF\x00\x01torch", "binary.py:1:1: XL004 a binary file"),
    "nested.py": (b"import torch\nx = " + b"(" * 3000 + b")" * 3000, "nested.py:2:1: XL005 nested too deeply"),
    "chain.py": (b"import torch\nx = a" + b".b()" * 5000, "chain.py:2:1: XL005 nested too deeply"),
    "book.ipynb": (b"{}", "book.ipynb:1:1: XL013 no notebook: it does not say its format"),
    "cut.ipynb": (b'{"cells": [\n', "cut.ipynb:2:1: XL013 no notebook"),
    "old.ipynb": (b'{"nbformat": 3, "worksheets": []}', "old.ipynb:1:1: XL013 a notebook of format 3; 4 is read"),
}


@pytest.fixture
def xlate(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Xlate:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setitem(sys.modules, "translator.engine", fake_engine)

    def run(*arguments: str) -> Result:
        result = CliRunner().invoke(root, ["torch2tf", *arguments])
        assert result.exception is None or isinstance(result.exception, SystemExit), result.exc_info
        return result

    return run


def lines_about(result: Result, name: str) -> list[str]:
    return [line for line in result.stderr.splitlines() if line.startswith(f"{name}:")]


@pytest.mark.parametrize("name", BROKEN)
def test_a_broken_file_gets_one_line_and_stops_nothing(xlate: Xlate, name: str) -> None:
    data, expected = BROKEN[name]
    Path(name).write_bytes(data)
    Path("good.py").write_text(MODEL)
    result = xlate(name, "good.py")
    assert result.exit_code == 3
    (line,) = lines_about(result, name)
    assert line.startswith(expected)
    assert Path(name).read_bytes() == data
    assert sorted(os.listdir()) == sorted([name, "good.py", "good_tf.py"])


def test_all_of_them_in_one_batch(xlate: Xlate) -> None:
    for name, (data, _) in BROKEN.items():
        Path(name).write_bytes(data)
    Path("good.py").write_text(MODEL)
    result = xlate(*BROKEN, "missing.py", "good.py")
    assert result.exit_code == 3
    assert f"{len(BROKEN) + 2} files: 1 translated, {len(BROKEN) + 1} failed" in result.stderr
    assert Path("good_tf.py").exists()


def test_missing(xlate: Xlate) -> None:
    result = xlate("missing.py", "no/such/folder")
    assert result.exit_code == 3
    assert result.stderr.splitlines()[:2] == [
        "missing.py:1:1: XL006 no such file or folder",
        "no/such/folder:1:1: XL006 no such file or folder",
    ]


def test_an_empty_file_is_fine(xlate: Xlate) -> None:
    Path("empty.py").write_bytes(b"")
    result = xlate("empty.py")
    assert (result.exit_code, result.stderr) == (0, "empty.py: nothing to translate\n")


def test_an_empty_folder_says_so(xlate: Xlate) -> None:
    Path("d").mkdir()
    result = xlate("d")
    assert (result.exit_code, result.stderr) == (0, "no Python files found\n")


def test_unreadable(xlate: Xlate, monkeypatch: pytest.MonkeyPatch) -> None:
    Path("secret.py").write_text(MODEL)
    Path("good.py").write_text(MODEL)
    real_open = builtins.open

    def guarded(path: Any, *arguments: Any, **keywords: Any) -> Any:  # root may read everything, so say no ourselves
        if path == "secret.py":
            raise PermissionError(errno.EACCES, "Permission denied", path)
        return real_open(path, *arguments, **keywords)

    monkeypatch.setattr(builtins, "open", guarded)
    result = xlate("secret.py", "good.py")
    assert result.exit_code == 3
    assert lines_about(result, "secret.py") == ["secret.py:1:1: XL007 cannot be read: permission denied"]
    assert Path("good_tf.py").exists()


def test_a_folder_that_cannot_be_listed(xlate: Xlate, monkeypatch: pytest.MonkeyPatch) -> None:
    Path("d/closed").mkdir(parents=True)
    Path("d/good.py").write_text(MODEL)
    real_scandir = os.scandir

    def guarded(path: str) -> Any:
        if path == "d/closed":
            raise PermissionError(errno.EACCES, "Permission denied", path)
        return real_scandir(path)

    monkeypatch.setattr(os, "scandir", guarded)
    result = xlate("d")
    assert result.exit_code == 3
    assert lines_about(result, "d/closed") == ["d/closed:1:1: XL007 cannot be read: permission denied"]
    assert Path("d/good_tf.py").exists()


def test_a_folder_loop_of_links_ends(xlate: Xlate) -> None:
    Path("d/sub").mkdir(parents=True)
    Path("d/good.py").write_text(MODEL)
    Path("d/sub/up").symlink_to("..", target_is_directory=True)
    result = xlate("d")
    assert result.exit_code == 3
    (line,) = lines_about(result, "d/sub/up")
    assert "XL007" in line
    assert "leads back" in line
    assert sorted(os.listdir("d")) == ["good.py", "good_tf.py", "sub"]


def test_a_link_to_itself(xlate: Xlate) -> None:
    Path("loop.py").symlink_to("loop.py")
    Path("d").mkdir()
    Path("d/a.py").symlink_to("b.py")
    Path("d/b.py").symlink_to("a.py")
    result = xlate("loop.py", "d")
    assert result.exit_code == 3
    assert lines_about(result, "loop.py") == ["loop.py:1:1: XL007 a loop of symbolic links"]
    assert lines_about(result, "d/a.py") == ["d/a.py:1:1: XL007 a loop of symbolic links"]


def test_links_out_of_the_tree_are_not_followed(xlate: Xlate) -> None:
    Path("outside").mkdir()
    Path("outside/net.py").write_text(MODEL)
    Path("d").mkdir()
    Path("d/good.py").write_text(MODEL)
    Path("d/link").symlink_to("../outside", target_is_directory=True)
    Path("d/file.py").symlink_to("../outside/net.py")
    assert xlate("--in-place", "d").exit_code == 0
    assert Path("outside/net.py").read_text() == MODEL
    assert Path("d/good.py").read_text() == "import tf\n"
    assert Path("d/file.py").is_symlink()


def test_a_link_that_is_named_itself_stays_a_link(xlate: Xlate) -> None:
    Path("real.py").write_text(MODEL)
    Path("link.py").symlink_to("real.py")
    assert xlate("--in-place", "link.py").exit_code == 0
    assert Path("link.py").is_symlink()
    assert Path("real.py").read_text() == "import tf\n"


def test_a_pipe_is_no_file(xlate: Xlate) -> None:
    os.mkfifo("pipe.py")
    result = xlate("pipe.py")
    assert result.exit_code == 3
    assert "XL008 neither a file nor a folder" in result.stderr


def test_50_000_lines(xlate: Xlate) -> None:
    Path("long.py").write_text("import torch\n" + "x = torch.f(1)\n" * 50_000)
    result = xlate("long.py")
    assert result.exit_code == 0
    assert Path("long_tf.py").read_text().count("tf.f(1)") == 50_000


def test_discovery_is_ordered_and_takes_no_file_twice(tmp_path: Path) -> None:
    for name in ("b.py", "a.py", "sub/c.py", ".hidden/h.py", "__pycache__/p.py", "env/pyvenv.cfg", "env/e.py", "t.txt"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text("")
    named = [str(tmp_path / "sub/c.py"), str(tmp_path), str(tmp_path / "sub")]
    found = list(discover(named, "_tf"))
    assert [os.path.relpath(item.path, tmp_path) for item in found] == ["sub/c.py", "a.py", "b.py"]
    assert [item.root for item in found] == [None, str(tmp_path), str(tmp_path)]


def test_a_failed_write_leaves_the_old_file_and_no_litter(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "a.py"
    path.write_text("old")

    def full(*arguments: Any) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "replace", full)
    with pytest.raises(InputError, match="no space left on device"):
        outputs.write_file(str(path), b"new")
    assert os.listdir(tmp_path) == ["a.py"]
    assert path.read_text() == "old"


def test_new_files_take_the_mode_of_their_source(tmp_path: Path) -> None:
    source = tmp_path / "train.py"
    source.write_text("")
    source.chmod(0o755)
    outputs.write_file(str(tmp_path / "train_tf.py"), b"x", like=str(source))
    assert (tmp_path / "train_tf.py").stat().st_mode & 0o777 == 0o755
    mask = os.umask(0o027)
    try:
        outputs.write_file(str(tmp_path / "other.py"), b"x")
    finally:
        os.umask(mask)
    assert (tmp_path / "other.py").stat().st_mode & 0o777 == 0o640


def test_an_output_that_cannot_be_written(xlate: Xlate) -> None:
    Path("a.py").write_text(MODEL)
    Path("good.py").write_text(MODEL)
    Path("a_tf.py").mkdir()
    result = xlate("a.py", "good.py")
    assert result.exit_code == 3
    assert "XL011 cannot write a_tf.py" in result.stderr
    assert sorted(os.listdir()) == ["a.py", "a_tf.py", "good.py", "good_tf.py"]


def test_module_names(tmp_path: Path) -> None:
    (tmp_path / "src/pkg/sub").mkdir(parents=True)
    for name in ("src/pkg/__init__.py", "src/pkg/sub/__init__.py"):
        (tmp_path / name).write_text("")
    file = str(tmp_path / "src/pkg/sub/net.py")
    assert outputs.module_name(file) == "pkg.sub.net"
    assert outputs.module_name(str(tmp_path / "src/pkg/sub/__init__.py")) == "pkg.sub"
    assert outputs.module_name(file, str(tmp_path)) == "src.pkg.sub.net"
    target = outputs.Target(outputs.SUFFIX[Direction.TORCH2TF].join(os.path.splitext(file)), beside=True)
    renames = outputs.module_renames({file: target}, {file: str(tmp_path / "src")})
    assert renames == {"pkg.sub.net": "pkg.sub.net_tf"}
