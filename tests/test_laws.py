"""The laws of translating: over the fixtures and a sample of the standard library, and that each can be broken."""

from __future__ import annotations

import ast
import hashlib
import os
import subprocess
import sys
import sysconfig
from pathlib import Path

import pytest

from translator import Direction, InputError, Options, Severity, Status, Translation, laws, translate
from translator.engine import translate_sources
from translator.laws import broken, lost_comments, misplaced, violations
from translator.leftovers import silent
from translator.markers import comments, marked
from translator.model import Diagnostic

ROOT = Path(__file__).resolve().parent.parent
EVERY = bool(os.environ.get("XLATE_EVERY"))
FIXTURES = sorted((ROOT / "fixtures").glob("**/*.py"))
LIBRARY = sorted(Path(sysconfig.get_path("stdlib")).glob("*.py"))
UNUSED = "as nothing_uses_this\n"
PLANTS = {Direction.TORCH2TF: f"import torch {UNUSED}", Direction.TF2TORCH: f"import tensorflow {UNUSED}"}


@pytest.mark.parametrize("direction", list(Direction))
def test_fixtures(direction: Direction) -> None:
    """Every program that we have, in the direction that it is for and in the other one."""
    assert len(FIXTURES) > 80
    found = []
    for path in FIXTURES if EVERY else FIXTURES[::3]:
        found += [f"{path}:{v}" for v in violations(path.read_bytes(), Options(direction), str(path))]
    assert not found, "\n".join(found)


@pytest.mark.parametrize("direction", list(Direction))
def test_a_sample_of_the_standard_library(direction: Direction) -> None:
    """Without the framework the bytes stay; with an import of it that nothing uses, all but that import."""
    some = LIBRARY[:: 1 if EVERY else 25]
    assert len(some) >= 6
    for path in some:
        data = path.read_bytes()
        assert not violations(data, Options(direction), str(path)), path
        result = translate(data + PLANTS[direction].encode(), direction, path=str(path))
        kept = "".join(x for x in result.text.splitlines(True) if not x.lstrip().startswith("# xlate: ")).encode()
        assert kept in (data, data + PLANTS[direction].encode()), path


DIGEST = """
import hashlib, sys
from pathlib import Path
from translator import translate
for path in sys.argv[2:]:
    result = translate(Path(path).read_bytes(), sys.argv[1], path=path, layout="channels_last")
    print(hashlib.sha256(repr((result.text, result.diagnostics, result.apis, result.edges)).encode()).hexdigest())
"""


@pytest.mark.parametrize(("direction", "name"), [("torch2tf", "torch_model.py"), ("tf2torch", "tf_model.py")])
def test_the_same_in_every_process(direction: str, name: str) -> None:
    """Nothing depends on the order of sets, which another seed of hashing changes."""
    paths = [str(p) for p in FIXTURES if p.name == name][:: 1 if EVERY else 12]
    said = []
    for seed in ("1", "2"):
        environment = {**os.environ, "PYTHONHASHSEED": seed, "PYTHONPATH": str(ROOT / "src")}
        command = [sys.executable, "-c", DIGEST, direction, *paths]
        said.append(subprocess.run(command, env=environment, capture_output=True, text=True, check=True).stdout)
    assert said[0].count("\n") == len(paths) > 2
    assert said[0] == said[1]
    assert hashlib.sha256(b"").hexdigest() not in said[0]


# -- each law can be broken ------------------------------------------------------------------------------------------


def trees(before: str, after: str) -> tuple[ast.Module, ast.Module]:
    return ast.parse(before), ast.parse(after)


@pytest.mark.parametrize(
    ("before", "after", "lost"),
    [
        ("# a\nx = 1\n", "# a\nx = 1\n", ""),
        ("# a\nx = 1\n", "x = 1\n", "# a"),
        ("def f():\n    x = 1  # a\n    y = 2  # b\n", "def f():\n    x = 1  # b\n    y = 2  # a\n", "# b"),
        ("x = 1  # a\ny = 2  # b\n", "y = 2  # b\nx = 1  # a\n", ""),
        ("x = 1  # a\ny = 2\n", "y = 2\n", ""),
        ("# a\nf(torch)\ny = 2  # b\n", "f(tf)\ny = 2  # b\n", ""),
        ("if a:  # b\n    pass\n", "if a:\n    pass\n", "# b"),
        ("s = '# no'\nx = '''\n# no\n'''  # a\n", "s = '# no'\nx = '''\n# no\n'''\n", "# a"),
    ],
)
def test_comments_of_untouched_code(before: str, after: str, lost: str) -> None:
    found = lost_comments(before, after, trees(before, after))
    assert bool(found) == bool(lost)
    assert all(v.message.endswith(lost) for v in found)


def test_comments_are_found_where_strings_are() -> None:
    text = 'a = "#1"  # one\nb = r"\\"  # \' two\nc = """\n# no\n"""  # three\nd = f"{x!r:#>9}"\n    # four\n'
    assert comments(text.replace('r"\\"', 'r"\\\\"')) == [(1, "# one"), (2, "# ' two"), (5, "# three"), (7, "# four")]


def test_places() -> None:
    def at(line: int, column: int = 1) -> Diagnostic:
        return Diagnostic(line, column, "XL200", Severity.ERROR, "m")

    assert not misplaced("x\ny\n", [at(1), at(2), at(3)])
    assert [v.law for v in misplaced("x\ny\n", [at(4), at(0), at(1, 0)])] == ["places"] * 3
    assert "points at 9:1" in broken("x\n", "x\n", trees("x\n", "x\n"), [at(9)])


@pytest.mark.parametrize(
    ("before", "after", "told", "left"),
    [
        ("import torch\nf(torch.x)\n", "import torch\nf(torch.x)\n", [], [(2, "torch.x")]),
        ("import torch\nf(torch.x)\n", "import torch\nf(torch.x)\n", [2], []),
        ("import torch\nf(torch.x)\n", "import torch\n# xlate: XL200 no\nf(torch.x)\n", [], []),
        ("import torch\nf(torch.x)\n", "f(tf.x)\n", [], []),
        ("from torch import nn as n\nx = 1\nif n.a.b:\n    n.c()\n",
         "from torch import nn as n\nx = 1\nif n.a.b:\n    n.c()\n", [3], []),
        ("from torch import nn as n\nif x:\n    n.c()\nn.c()\n",
         "from torch import nn as n\nif x:\n    n.c()\nn.c()\n", [3], [(4, "torch.nn.c")]),
        ("import torch\ndef f(torch):\n    return torch.x\n",
         "import torch\ndef f(torch):\n    return torch.x\n", [], []),
        ("import torch\n@torch.jit.script\ndef f():\n    pass\n",
         "import torch\n@torch.jit.script\ndef f():\n    pass\n", [], [(2, "torch.jit.script")]),
    ],
)  # fmt: skip
def test_what_is_left_is_told(before: str, after: str, told: list[int], left: list[tuple[int, str]]) -> None:
    found = [Diagnostic(line, 1, "XL200", Severity.ERROR, "m") for line in told]
    assert [place[:2] for place in silent(*trees(before, after), after, found, {"torch"})] == left


def test_a_crash_of_a_rule_costs_one_file(monkeypatch: pytest.MonkeyPatch) -> None:
    from translator import engine

    real = engine._rewrite

    def failing(file: object, *rest: object) -> object:
        if file.path == "bad.py":  # type: ignore[attr-defined]
            raise ZeroDivisionError("by nought")
        return real(file, *rest)  # type: ignore[arg-type]

    monkeypatch.setattr(engine, "_rewrite", failing)
    text = b"import torch\nx = torch.ones(2)\n"
    results = translate_sources({"bad.py": text, "good.py": text}, Options())
    bad, good = results["bad.py"], results["good.py"]
    assert isinstance(bad, InputError) and isinstance(good, Translation)
    assert bad.code == "XL900" and "ZeroDivisionError: by nought); the file is left as it is" in bad.message
    assert "failing" in bad.trace
    assert "ops.ones((2,))" in good.text


def test_output_that_breaks_a_law_is_not_given_out(monkeypatch: pytest.MonkeyPatch) -> None:
    from translator import engine

    real = engine.finish
    monkeypatch.setattr(engine, "finish", lambda *given: (real(*given)[0].replace("# mine", ""), ()))
    text = "import torch\nx = torch.ones(2)\ny = 2  # mine\n"
    with pytest.raises(InputError, match="a comment is lost or out of order: # mine, line 3") as raised:
        translate(text)
    assert raised.value.code == "XL900"
    monkeypatch.setattr(engine, "finish", lambda *given: (real(*given)[0] + "(", ()))
    with pytest.raises(InputError, match="internal error of xlate") as raised:
        translate(text)
    assert raised.value.code == "XL900"


def test_what_breaks_a_law_is_seen_from_outside(monkeypatch: pytest.MonkeyPatch) -> None:
    text = b"import torch\nx = torch.ones(2)\n"
    assert violations(text, Options()) == []
    for wrong, law in [("import torch\nx = (", "parses"), ("import torch\nx = torch.ones(2)\n", "told")]:
        made = Translation(wrong, Status.TRANSLATED)
        monkeypatch.setattr("translator.engine.translate_sources", lambda sources, o, m=made: dict.fromkeys(sources, m))
        assert [v.law for v in violations(text, Options())] == [law]
    assert {"parses", "told", "untouched"} <= set(laws.LAWS)


# -- a translation is not translated again ---------------------------------------------------------------------------


def test_what_was_left_is_told_again_and_nothing_else_changes() -> None:
    text = "import torch\n\nx = torch.ones(2)\ny = torch.fft.hfft2(x)  # mine\nz = x.size(0)\n"
    first = translate(text)
    assert first.refused and "ops.ones((2,))" in first.text
    again = translate(first.text)
    assert (again.text, again.status) == (first.text, Status.PARTIAL)
    (left,) = again.diagnostics
    assert (left.code, left.severity) == (first.diagnostics[0].code, Severity.ERROR)
    assert first.text.splitlines()[left.line - 1].startswith(f"# xlate: {left.code} {left.message}")


def test_markers_in_strings_are_no_markers() -> None:
    text = 'import torch\n"""\n# xlate: XL203 no\n"""\nx = torch.ones(2)\n# xlate: later\n'
    assert not marked(text)
    assert "ops.ones((2,))" in translate(text).text


@pytest.mark.parametrize("direction", list(Direction))
def test_a_file_that_only_talks_of_the_framework_keeps_its_bytes(direction: Direction) -> None:
    text = "# like torch, tensorflow and keras\ndef f(x):\n    x.add_(1)\n    return x.view(2), x.numpy().item()\n"
    result = translate(text, direction)
    assert (result.text, result.status, result.diagnostics) == (text, Status.UNCHANGED, ())


@pytest.mark.parametrize(
    ("line", "wanted"),
    [
        ("f\"{x.norm('fro')} {x.std()}\"", "'fro'"),
        ("f'{torch.cuda.is_available()}'", '"GPU"'),
        ("f'''{torch.cuda.is_available()}\n'''", '"GPU"'),
        ("f\"{torch.einsum('i,i->', x, x)!r:>9}\"", "'i,i->'"),
    ],
)
def test_f_strings_hold_what_is_written_into_them(line: str, wanted: str) -> None:
    result = translate(f"import torch\n\nx = torch.ones(3)\nprint({line})\n")
    assert wanted in result.text.rsplit("print(", 1)[1]
    assert not result.refused


def test_what_cannot_stand_in_an_f_string_is_refused() -> None:
    text = "import keras\n\n\ndef f(x):\n    return f\"{keras.backend.backend()} {x:'>9}\"\n"
    result = translate(text, "tf2torch")
    compile(result.text, "f", "exec")


def test_a_block_of_imports_that_all_go() -> None:
    text = "if flag:\n    import torch.nn as nn\n    import torch.nn.functional as F\nx = torch.ones(2)\n"
    result = translate(f"import torch\n\n{text}")
    assert "if flag:\n    pass\n" in result.text
    assert not result.refused
