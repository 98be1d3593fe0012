"""Coverage-guided fuzzing (atheris) of what reads users' files: no law may be broken, whatever the bytes are.

Starts from the fixtures. A violation or a crash ends the run with the input that did it.
Run: python benchmarks/fuzz.py [--seconds N]   (``make fuzz`` for the environment)
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from pathlib import Path

import atheris

ROOT = Path(__file__).resolve().parent.parent
INSTRUMENTED = (
    "translator.source", "translator.markers", "translator.leftovers", "translator.laws", "translator.emit",
    "translator.notebook", "translator.sessions",
)  # fmt: skip
"""What reads texts: whole modules of rules would make each run slow and find little more."""

with atheris.instrument_imports(include=list(INSTRUMENTED)):
    from translator import Direction, InputError, Options
    from translator.laws import violations
    from translator.markers import comments, marked
    from translator.source import check_depth, check_loops, decode, parse

LARGEST = 2000
"""Bytes of an input: programs that break something are short."""


def one(data: bytes) -> None:
    """One input through each reader, and through the whole translator with every law asked."""
    direction = Direction.TF2TORCH if data[:1] < b"i" else Direction.TORCH2TF
    try:
        text, _, _ = decode(data)
        tree = parse(text)
        check_depth(tree)
        check_loops(tree)
        comments(text)
        marked(text)
    except InputError as error:
        if not 0 < error.line <= len(data) + 1:
            raise AssertionError(f"{error.code} points at line {error.line}") from None
    head = b"import torch\n" if direction is Direction.TORCH2TF else b"import tensorflow as tf\n"
    for whole in (data, head + data):
        found = violations(whole, Options(direction), twice=False)
        if found:
            raise AssertionError(f"{found[0].law}: {found[0].message}")


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--seconds", type=int, default=60)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        for number, path in enumerate(sorted((ROOT / "fixtures").glob("*/*.py"))):
            (Path(folder) / f"seed{number}").write_bytes(path.read_bytes()[:LARGEST])
        flags = [f"-max_total_time={options.seconds}", f"-max_len={LARGEST}", "-timeout=30", "-print_final_stats=1"]
        atheris.Setup([sys.argv[0], *flags, "-seed=1", folder], one)
        atheris.Fuzz()


if __name__ == "__main__":
    main()
