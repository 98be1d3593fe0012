"""What the documentation shows is what comes out."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent


def test_the_partially_refused_file(tmp_path: Path) -> None:
    blocks = re.findall(r"```(?:python|text)\n(.*?)```", (ROOT / "docs" / "partial.md").read_text("utf-8"), re.DOTALL)
    source, expected, report = blocks
    (tmp_path / "spectrum.py").write_text(source, "utf-8")
    command = [sys.executable, "-m", "translator", "torch2tf", "spectrum.py", "-o", "-"]
    environment = {**os.environ, "PYTHONPATH": str(ROOT / "src")}
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False, env=environment)
    assert done.returncode == 1
    assert done.stdout == expected
    assert done.stderr == report


def test_the_function_over_a_corpus() -> None:
    """``docs/migrate.md`` shows how an engine of the reader's own carries ``translate``."""

    class Table(dict[str, list[object]]):  # what of a data frame the function asks for
        def assign(self, **columns: list[object]) -> Table:
            return Table(self, **columns)

    text = (ROOT / "docs" / "migrate.md").read_text("utf-8")
    (code,) = [block for block in re.findall(r"```python\n(.*?)```", text, re.DOTALL) if "def translated" in block]
    names: dict[str, Any] = {}
    exec(code, names)
    programs = ["import torch\nx = torch.ones(2)\n", "import torch\ny = torch.fft.hfft2(x)\n", "import torch\nf(:\n"]
    out = names["translated"](Table(code=programs))
    assert out["code"] == programs
    assert "ones((2,))" in out["translation"][0] and "torch" not in out["translation"][0] and not out["refused"][0]
    assert "hfft2" in out["translation"][1] and re.fullmatch(r"2: XL\d+", out["refused"][1])
    assert out["translation"][2] is None and "invalid syntax" in out["refused"][2]
