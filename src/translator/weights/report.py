"""What a transfer of weights did."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(slots=True)
class Report:
    """Names are attribute paths from the model, on each side in its own spelling."""

    matched: list[tuple[str, str]] = field(default_factory=list)
    """(torch path, keras path) of every array that was copied."""
    torch_left: list[str] = field(default_factory=list)
    """Parameters and buffers for which the Keras model has no place."""
    keras_left: list[str] = field(default_factory=list)
    """Keras weights that nothing in the torch model fills."""
    mismatched: list[tuple[str, str, tuple[int, ...], tuple[int, ...]]] = field(default_factory=list)
    """(torch path, keras path, torch shape, keras shape) of pairs that do not fit."""

    @property
    def ok(self) -> bool:
        """Whether every array found its counterpart."""
        return not (self.torch_left or self.keras_left or self.mismatched)

    def __str__(self) -> str:
        lines = [f"{len(self.matched)} matched"]
        lines += [f"only in torch: {name}" for name in self.torch_left]
        lines += [f"only in keras: {name}" for name in self.keras_left]
        lines += [f"{t} {list(a)} does not fit {k} {list(b)}" for t, k, a, b in self.mismatched]
        return "; ".join(lines)
