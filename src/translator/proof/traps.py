"""The likeliest cause of a difference: settings that disagree, then the known traps (``traps.toml``)."""

from __future__ import annotations

import re
import tomllib
from functools import cache
from pathlib import Path
from typing import Any

from .judge import Check
from .lines import Lines, Place
from .settings import differing


def likeliest(
    lines: Lines, path: str, own: bool, check: Check, places: tuple[Place | None, Place | None]
) -> tuple[str, bool]:
    """What probably went wrong at a place, and whether that is a setting of the part."""
    settings = differing(lines.torch_part(path), lines.keras_part(path))
    if settings:
        name, one, two = settings[0]
        advice = _advice(name)
        return f"{name} is {one!r} in PyTorch and {two!r} in Keras{advice and f': {advice}'}", True
    source, target = lines.direction.source, lines.direction.target
    texts = {source: lines.text(places[0], source), target: lines.text(places[1], target)}
    kind = lines.class_name("torch", path) if not own else ""
    scored = [(_score(trap, kind, texts, check), trap) for trap in traps()]
    best, trap = max(scored, key=lambda s: s[0], default=(0, {}))
    return (trap["text"], False) if best > 0 else ("", False)


@cache
def traps() -> list[dict[str, Any]]:
    """The known traps, in the order of the file."""
    found: list[dict[str, Any]] = tomllib.loads((Path(__file__).parent / "traps.toml").read_text("utf-8"))["trap"]
    return found


def _advice(setting: str) -> str:
    return next((t["text"] for t in traps() if setting in t.get("settings", ())), "")


def _score(trap: dict[str, Any], kind: str, texts: dict[str, str], check: Check) -> int:
    """How many of a trap's conditions hold; 0 if one does not."""
    score = 0
    if "class" in trap and kind:
        if not re.search(trap["class"], kind):
            return 0
        score += 2
    for framework in ("torch", "tf"):
        if framework in trap:
            if re.search(trap[framework], texts[framework]):
                score += 2
            elif not (kind and "class" in trap):
                return 0
    for name, text in (("group", check.group), ("problem", check.quantity.problem)):
        if name in trap:
            if not re.search(trap[name], text):
                return 0
            score += 2 if name == "problem" else 1
    return score
