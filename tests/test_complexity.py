"""Programs that are deep, long or entangled end in a translation or a clear error, in time that grows with size."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from translator import Direction, InputError, Options
from translator.engine import translate_sources

ROOT = Path(__file__).resolve().parent.parent
EVERY = bool(os.environ.get("XLATE_EVERY"))
HEAD = {
    Direction.TORCH2TF: ("import torch", {"ones": "torch.ones", "relu": "torch.relu", "model": "torch.nn.Module",
                                           "layer": "torch.nn.Linear(3, 3)", "call": "forward"}),
    Direction.TF2TORCH: ("import tensorflow as tf\nfrom tensorflow import keras",
                         {"ones": "tf.ones", "relu": "tf.nn.relu", "model": "keras.Model",
                          "layer": "keras.layers.Dense(3)", "call": "call"}),
}  # fmt: skip
Program = Callable[[int], str]


def lines(form: str, n: int, before: str = "", after: str = "") -> str:
    return before + "".join(form.replace("#", str(i)) for i in range(n)) + after


DEEP: dict[str, str] = {
    "3,000 parentheses": "x = " + "(" * 3000 + "ones(2)" + ")" * 3000,
    "150 parentheses": "x = " + "(" * 150 + "ones(2)" + ")" * 150,
    "1,000 calls": "x = q" + ".b()" * 1000,
    "400 calls": "x = q" + ".b()" * 400,
    "1,000 attributes": "x = ones(2)" + ".b" * 990,
    "1,000 operators": "x = ones(2)" + " + 1" * 900,
    "1,000 powers": "x = " + "ones(2) ** " * 900 + "2",
    "1,000 ands": "x = " + " and ".join(["is_it(ones(2))"] * 1000),
    "900 ands": "x = " + " and ".join(["is_it(ones(2))"] * 900),
    "1,000 comparisons": "x = ones(2)" + " < b" * 1000,
    "900 subscripts": "x = ones(2)" + "[0]" * 900,
    "900 signs": "x = " + "-" * 900 + "ones(2)",
    "450 conditionals": "x = " + "ones(1) if a else " * 450 + "1",
    "90 lambdas": "x = " + "lambda: " * 90 + "ones(2)",
    "80 brackets": "x = f(" + "[" * 80 + "ones(2)" + "]" * 80 + ")",
    "2,000 texts in a row": "x = " + "'a' " * 2000 + "\ny = ones(2)",
    "5,000 texts in a row": "x = " + "'a' " * 5000 + "\ny = ones(2)",
    "1,000 branches": lines("    elif x == #:\n        y = ones(#)\n", 1000, "def f(x):\n    if x:\n        pass\n"),
    "300 branches": lines("    elif x == #:\n        y = ones(#)\n", 300, "def f(x):\n    if x:\n        pass\n"),
    "90 blocks": "".join("  " * i + f"if x > {i}:\n" for i in range(90)) + "  " * 90 + "x = ones(2)",
    "90 tries": "".join(" " * i + "try:\n" for i in range(90)) + " " * 90 + "x = ones(2)\n"
    + "".join(" " * (89 - i) + "except E: pass\n" for i in range(90)),
    "50 functions within each other": "".join(" " * i + f"def f{i}(x):\n" for i in range(50)) + " " * 50
    + "return ones(2)\n",
    "functions that call each other": lines("def f#(x, n):\n    return g(x, f#) + f0(relu(x), n) if n else x\n\n", 50),
    "functions that call two each": "def f0(x):\n    return relu(x)\n\n"
    + "".join(f"def f{i}(x):\n    return f{i - 1}(x) + f{i - 1}(x + 1)\n\n" for i in range(1, 60)),
    "a ring of 300 methods": "class M(model):\n"
    + "".join(f"    def m{i}(self, x):\n        return self.m{(i + 1) % 300}(x)\n" for i in range(300)),
    "classes that hold two each": "class M0(model):\n    def __init__(self):\n        super().__init__()\n"
    "        self.a = layer\n\n    def call(self, x):\n        return self.a(x)\n\n\n" + "".join(
        f"class M{i}(model):\n    def __init__(self):\n        super().__init__()\n        self.a = M{i - 1}()\n"
        f"        self.b = M{i - 1}()\n\n    def call(self, x):\n        return self.b(self.a(x))\n\n\n"
        for i in range(1, 20)),
    "bases that share bases": "class M0:\n    pass\n\n" + "".join(
        f"class A{i}(M{i}):\n    pass\n\n\nclass B{i}(M{i}):\n    pass\n\n\nclass M{i + 1}(A{i}, B{i}):\n"
        "    def go(self, x):\n        return relu(x)\n\n\n" for i in range(25)) + "y = M25().go(ones(2))",
    "200 decorators": "@d(ones(2))\n" * 200 + "def f():\n    pass\n",
    "300 context managers": "with " + ", ".join(f"c(ones({i})) as a{i}" for i in range(300)) + ":\n    pass\n",
}  # fmt: skip
TOO_DEEP = {"3,000 parentheses", "1,000 calls", "1,000 ands", "1,000 branches"}
"""What ends in an error, for which there is a way out: XL005."""
UNREADABLE = {"5,000 texts in a row"}
"""What LibCST's parser does not take."""

GROWING: dict[str, Program] = {
    "statements": lambda n: lines("a# = ones(#)\n", n),
    "a dict": lambda n: "x = {" + lines("'k#': ones(#), ", n) + "}",
    "a list of numbers": lambda n: "x = [" + lines("#, ", 4 * n) + "]\ny = ones(2)",
    "functions": lambda n: lines("def f#(x):\n    return relu(x) + #\n\n", n),
    "classes, each of which holds the one before": lambda n: lines(
        "class M#(model):\n    def __init__(self):\n        super().__init__()\n        self.a = layer\n\n"
        "    def call(self, x):\n        return relu(self.a(x))\n\n\n", n // 4),
    "conditions": lambda n: lines("    if x == #:\n        y = y + ones(#)\n", n // 2, "def f(x, y):\n"),
    "assignments to one name": lambda n: lines("    x = relu(x)\n", n, "def f(x):\n", "    return x"),
    "calls of one function": lambda n: lines("    x = g(x)\n", n, "def g(x):\n    return relu(x)\n\n\ndef f(x):\n"),
    "keywords": lambda n: "f(" + lines("a#=ones(#), ", n) + ")",
}  # fmt: skip


def program(text: str, direction: Direction) -> bytes:
    head, names = HEAD[direction]
    for name, real in names.items():
        for form in (f"{name}(", f"({name})", f"= {name}\n", f"def {name}("):
            text = text.replace(form, form.replace(name, real))
    return f"{head}\n{text}\n".encode()


GROWN = "def f(x, n):\n    return f((x, x), n - 1) if n else relu(x)\n\ny = f(ones(2), 3)\n"
EACH_OTHER = "".join(
    f"def f{i}(x, n):\n    return " + " + ".join(f"f{j}((x, n), {j})" for j in range(8)) + " + relu(x)\n\n"
    for i in range(8)
)  # fmt: skip


@pytest.mark.parametrize(
    ("text", "direction"),
    [(GROWN, Direction.TORCH2TF), (GROWN, Direction.TF2TORCH), (EACH_OTHER, Direction.TORCH2TF)],
)
def test_what_does_not_settle_is_told(text: str, direction: Direction) -> None:
    """Functions that are passed something new in each run are left as they are, with a reason of their own."""
    result = translate_sources({"a.py": program(text, direction)}, Options(direction))["a.py"]
    assert not isinstance(result, InputError)
    told = [d.line for d in result.diagnostics if d.code == "XL215"]
    assert told and result.refused
    lines = program(text, direction).decode().split("\n")
    assert all(lines[line - 1].startswith("def f") for line in told)
    assert text is not GROWN or "return f((x, x), n - 1) if n else " + HEAD[direction][1]["relu"] in result.text


def test_bases_are_looked_up_in_pythons_order() -> None:
    text = "import torch\n\nclass A:\n    def f(self, x):\n        return 1\n\nclass B(A):\n    pass\n\nclass C(A):\n" \
        "    def f(self, x):\n        return torch.relu(x)\n\nclass D(B, C):\n    pass\n\n" \
        "y = D().f(torch.ones(2, 3)).view(-1)\n"  # fmt: skip
    result = translate_sources({"a.py": text.encode()}, Options())["a.py"]
    assert not isinstance(result, InputError) and "tf.reshape(D().f(" in result.text


@pytest.mark.parametrize("direction", list(Direction))
def test_deep_programs_end(direction: Direction) -> None:
    for name, text in DEEP.items():
        if not EVERY and direction is Direction.TF2TORCH and name.startswith("900"):
            continue  # seconds each, and the same parser
        result = translate_sources({"a.py": program(text, direction)}, Options(direction))["a.py"]
        if isinstance(result, InputError):
            assert result.code == ("XL001" if name in UNREADABLE else "XL005"), f"{name}: {result}"
            assert len(result.message) < 250 and result.line > 0
            assert name in TOO_DEEP | UNREADABLE, name
        else:
            assert name not in TOO_DEEP | UNREADABLE, name
            assert result.text.strip(), name


def test_the_process_outlives_them(tmp_path: Path) -> None:
    """The command, with its own stack: one line for what is too deep, a translation for the rest."""
    names = [*sorted(TOO_DEEP), "900 signs", "a ring of 300 methods"]
    for i, name in enumerate(names):
        (tmp_path / f"p{i}.py").write_bytes(program(DEEP[name], Direction.TORCH2TF))
    command = [sys.executable, "-m", "translator", "torch2tf", *sorted(os.listdir(tmp_path)), "-o", "out/"]
    environment = {**os.environ, "PYTHONPATH": str(ROOT / "src")}
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=120, env=environment)
    assert done.returncode == 3
    assert done.stderr.count("XL005 nested too deeply") == len(TOO_DEEP)
    assert "Traceback" not in done.stderr


def seconds(data: bytes, direction: Direction) -> float:
    start = time.process_time()
    result = translate_sources({"a.py": data}, Options(direction))["a.py"]
    assert not isinstance(result, InputError), result
    return time.process_time() - start


@pytest.mark.parametrize("direction", list(Direction))
@pytest.mark.parametrize("name", list(GROWING)[:: 1 if EVERY else 3])
def test_time_grows_with_size(name: str, direction: Direction) -> None:
    """Four times the size takes about four times as long, not sixteen times."""
    small, large = (4000, 16_000) if EVERY else (150, 600)
    texts = [program(GROWING[name](n), direction) for n in (small, large)]
    seconds(texts[0], direction)
    for _ in range(3):  # others use the machine, too
        ratio = seconds(texts[1], direction) / seconds(texts[0], direction)
        if ratio < 8:
            return
    raise AssertionError(f"four times the size takes {ratio:.1f} times as long")
