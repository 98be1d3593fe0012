"""Settings of a torch module and of its Keras layer that say different things."""

from __future__ import annotations

from typing import Any

from ..model import Direction


def differing(torch: dict[str, Any], keras: dict[str, Any]) -> list[tuple[str, Any, Any]]:
    """Settings of a module and its layer that disagree: PyTorch's name, its value, and Keras's."""
    if not torch or not keras:
        return []
    ours, theirs = torch["settings"], keras["settings"]
    out = []
    pairs = _pairs(torch)
    from ..converters import CONVERTERS, NotConvertible  # after the tables: the two know each other

    for name, target, via in pairs:
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
    from ..tables import tables

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
