"""Starting up: what is imported, and what is kept from one process to the next."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
MODEL = ROOT / "fixtures" / "lenet" / "torch_model.py"
SLOW = ("rich", "importlib.metadata", "torch", "tensorflow", "keras", "numpy", "tomllib", "tempfile", "libcst.matchers",
        "libcst.codemod", "translator.compare", "translator.project", "translator.rules.to_torch")  # fmt: skip


def python(code: str, cache: Path, *arguments: str) -> str:
    env = {**os.environ, "XDG_CACHE_HOME": str(cache), "PYTHONPATH": str(ROOT / "src")}
    done = subprocess.run([sys.executable, "-c", code, *arguments], env=env, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout


RUN = """
import io, sys
from contextlib import redirect_stderr, redirect_stdout
from translator.cli import main
try:
    with redirect_stderr(io.StringIO()):
        main(sys.argv[1:])
except SystemExit as end:
    assert not end.code, end.code
"""


def test_translating_one_file_imports_nothing_slow(tmp_path: Path) -> None:
    source = tmp_path / "model.py"
    source.write_bytes(MODEL.read_bytes())
    code = RUN + "print([n for n in sys.modules if n in set(sys.argv[4].split())])"
    code = code.replace("sys.argv[1:]", "sys.argv[1:4]")
    python(code, tmp_path, "torch2tf", str(source), "-q", " ".join(SLOW))  # fills the caches
    assert python(code, tmp_path, "torch2tf", str(source), "-q", " ".join(SLOW)) == "[]\n"


METHODS = """
import dataclasses, pickle
from translator.quickstart import remembered_methods
compiled = []
with remembered_methods():
    builtin = __builtins__.compile
    def watch(source, *rest, **more):
        compiled.extend([source] if isinstance(source, str) and " def __init__(" in source else [])
        return builtin(source, *rest, **more)
    __builtins__.compile = watch
    import libcst as cst
    __builtins__.compile = builtin
assert not hasattr(dataclasses, "exec")
node = cst.parse_expression("f(a, b=1)")
try:
    node.func = None
except dataclasses.FrozenInstanceError:
    pass
else:
    raise AssertionError("a node could be changed")
assert node.with_changes(func=cst.Name("g")).func.value == "g"
assert node == node and node != node.deep_clone() and len({node, node}) == 1
print(len(compiled), cst.Module([]).code_for_node(node))
"""


def test_methods_of_dataclasses_are_compiled_once(tmp_path: Path) -> None:
    first, second = (python(METHODS, tmp_path).split(maxsplit=1) for _ in range(2))
    assert int(first[0]) > 100
    assert int(second[0]) == 0
    assert first[1] == second[1] == "f(a, b=1)\n"


@pytest.mark.skipif(not hasattr(os, "geteuid"), reason="no users and groups here")
def test_code_that_others_could_have_written_is_not_run(tmp_path: Path) -> None:
    python(METHODS, tmp_path)
    (tmp_path / "xlate").chmod(0o777)
    assert int(python(METHODS, tmp_path).split()[0]) > 100


def test_a_broken_cache_is_done_without(tmp_path: Path) -> None:
    source = tmp_path / "model.py"
    source.write_bytes(MODEL.read_bytes())
    python(RUN, tmp_path, "torch2tf", str(source), "-q", "-o", "-")
    for path in (tmp_path / "xlate").glob("*.bin"):
        path.write_bytes(b"\xe3 broken")
    assert "keras.Model" in python(RUN, tmp_path, "torch2tf", str(source), "-q", "-o", "-")
