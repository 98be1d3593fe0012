"""The likeliest cause of a difference: settings that disagree, then the known traps (``traps.toml``)."""

from __future__ import annotations

import re
import tomllib
from functools import cache
from pathlib import Path
from typing import Any

from ..converters import CONVERTERS, NotConvertible
from ..model import Direction
from ..tables import tables
from .judge import Check
from .lines import Lines, Place


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
    if "group" in trap:
        if not re.search(trap["group"], check.group):
            return 0
        score += 1
    if "problem" in trap:
        if not re.search(trap["problem"], check.quantity.problem):
            return 0
        score += 1
    return score


def differing(torch: dict[str, Any], keras: dict[str, Any]) -> list[tuple[str, Any, Any]]:
    """Settings of a module and its layer that disagree: PyTorch's name, its value, and Keras's."""
    if not torch or not keras:
        return []
    ours, theirs = torch["settings"], keras["settings"]
    out = []
    for name, target, via in _pairs(torch):
        if name not in ours or target not in theirs:
            continue
        try:
            wanted = CONVERTERS[via].forward(ours[name]) if via else ours[name]
        except (NotConvertible, TypeError, ValueError, KeyError):
            continue
        if not _alike(wanted, theirs[target]):
            out.append((name, ours[name], theirs[target]))
    return out


def _pairs(torch: dict[str, Any]) -> list[tuple[str, str, str | None]]:
    """Which setting of Keras's stands for which of PyTorch's: by the table, else by an equal name."""
    known = tables(Direction.TORCH2TF)
    names = [f"torch.nn.{name}" for module, name in torch["mro"] if module.startswith("torch.nn")]
    row = next((rows[0] for rows in map(known.find, names) if rows), None)
    if row is None:
        return [(name, name, None) for name in torch["settings"]]
    found = [(name, to.to[0], to.via) for name, to in row.args.items() if to.to and not to.drop]
    mapped = {name for name, _, _ in found}
    return found + [(name, name, None) for name in torch["settings"] if name not in mapped and name != "training"]


def _alike(one: Any, two: Any) -> bool:
    """Whether two settings say the same: ``2`` is ``(2, 2)``, and rounding is forgiven."""
    if isinstance(one, list | tuple) or isinstance(two, list | tuple):
        left = list(one) if isinstance(one, list | tuple) else None
        right = list(two) if isinstance(two, list | tuple) else None
        if left is None or right is None:
            many, single = (left, two) if left is not None else (right, one)
            return all(_alike(v, single) for v in many or ())
        return len(left) == len(right) and all(_alike(a, b) for a, b in zip(left, right, strict=True))
    if isinstance(one, bool) or isinstance(two, bool) or isinstance(one, str) or isinstance(two, str):
        return type(one) is not type(two) or one == two
    if isinstance(one, int | float) and isinstance(two, int | float):
        return abs(one - two) <= 1e-9 * max(abs(one), abs(two))
    return True
