"""Programs that were damaged or shuffled: each is translated or refused with a place, and no law is broken."""

from __future__ import annotations

import os
import re
from functools import cache
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from translator import Direction, Options
from translator.laws import violations

FIXTURES = Path(__file__).resolve().parent.parent / "fixtures"
EXAMPLES = 2000 if os.environ.get("XLATE_EVERY") else 6
ODD = ["\f", "\\\n", ";", "\t", "\r", "\ufeff", "# xlate: XL200 no\n", "'''", "#", "(", ")", "\x1a", "é", "async "]
"""What parsers stumble over."""
HEADS = [b"import torch\n", b"# coding: latin-1\nimport torch\n", b"\xef\xbb\xbfimport torch\r\n"]
settings.register_profile("mutations", deadline=None, max_examples=EXAMPLES, derandomize=True, database=None,
                          suppress_health_check=list(HealthCheck))  # fmt: skip


@cache
def words(path: Path) -> tuple[str, ...]:
    """A program in pieces that give it back: names, numbers, spaces, single characters."""
    return tuple(re.findall(r"\w+|[^\S\n]+|.|\n", path.read_text("utf-8"), re.DOTALL))


@st.composite
def damaged(draw: st.DrawFn, name: str) -> str:
    """Part of a fixture with pieces taken out, doubled, swapped or put in."""
    path = draw(st.sampled_from(sorted(FIXTURES.glob(f"*/{name}"))))
    pieces = list(words(path)[:500])
    for _ in range(draw(st.integers(1, 4))):
        i, j = (draw(st.integers(0, len(pieces) - 1)) for _ in range(2))
        kind = draw(st.sampled_from(["drop", "double", "swap", "odd", "lines"]))
        if kind == "drop":
            del pieces[i]
        elif kind == "double":
            pieces.insert(i, pieces[i])
        elif kind == "swap":
            pieces[i], pieces[j] = pieces[j], pieces[i]
        elif kind == "odd":
            pieces.insert(i, draw(st.sampled_from(ODD)))
        else:
            pieces = "".join(pieces).replace("\n", draw(st.sampled_from(["\r\n", "\n\n", "  \n"]))).splitlines(True)
    return "".join(pieces)


@settings(settings.get_profile("mutations"))
@given(damaged("torch_model.py"))
def test_damaged_pytorch(text: str) -> None:
    assert not violations(text.encode(), Options())


@settings(settings.get_profile("mutations"))
@given(damaged("tf_model.py"))
def test_damaged_keras(text: str) -> None:
    assert not violations(text.encode(), Options(Direction.TF2TORCH))


@settings(settings.get_profile("mutations"))
@given(st.binary(max_size=200), st.sampled_from(HEADS))
def test_any_bytes(data: bytes, head: bytes) -> None:
    assert not violations(head + data, Options())


@pytest.mark.parametrize(
    ("kind", "direction"),
    [("from_grammar", Direction.TF2TORCH), ("from_node", Direction.TORCH2TF)]
    + [("from_grammar", Direction.TORCH2TF), ("from_node", Direction.TF2TORCH)] * (EXAMPLES > 100),
)
def test_generated_programs(kind: str, direction: Direction) -> None:
    """Programs that nobody would write, alone and below an import of the framework."""
    hypothesmith = pytest.importorskip("hypothesmith")
    head = b"import torch\n" if direction is Direction.TORCH2TF else b"import tensorflow as tf\n"

    @settings(settings.get_profile("mutations"))
    @given(getattr(hypothesmith, kind)())
    def check(text: str) -> None:
        data = text.encode("utf-8", "replace")
        assert not violations(data, Options(direction))
        assert not violations(head + data, Options(direction))

    check()
