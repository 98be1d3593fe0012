"""Every code that the source can say is explained, and every explained code is one that it can say."""

from __future__ import annotations

import re
from pathlib import Path

from translator.codes import CODES

SOURCE = Path(__file__).resolve().parent.parent / "src" / "translator"


def test_codes_are_explained_and_used() -> None:
    said = set()
    for path in SOURCE.rglob("*.py"):
        if path.name != "codes.py":
            said |= set(re.findall(r'"(XL\d{3})"', path.read_text("utf-8")))
    assert said == set(CODES)
    assert all(title and text for title, text in CODES.values())
