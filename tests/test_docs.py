"""What the documentation shows is what comes out."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

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
