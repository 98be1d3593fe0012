"""The verdict on two programs."""

from __future__ import annotations

from dataclasses import dataclass, field

from .values import Quantity


@dataclass(slots=True)
class Result:
    """All compared quantities in the order in which they were computed, with the tolerance of each."""

    quantities: list[tuple[Quantity, float]] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    """Expected deviations of the idiomatic form that were allowed for."""

    def add(self, found: list[Quantity], tolerance: float) -> bool:
        """Take quantities in; whether all of them are within the tolerance."""
        self.quantities += [(quantity, tolerance) for quantity in found]
        return all(quantity.ok(tolerance) for quantity in found)

    @property
    def failures(self) -> list[Quantity]:
        return [quantity for quantity, tolerance in self.quantities if not quantity.ok(tolerance)]

    @property
    def first_failure(self) -> Quantity | None:
        return next(iter(self.failures), None)

    @property
    def worst(self) -> float:
        """The largest relative difference that was measured."""
        return max((quantity.error for quantity, _ in self.quantities), default=0.0)

    @property
    def ok(self) -> bool:
        """Whether something was compared, and all of it is equal."""
        return bool(self.quantities) and not self.failures

    def __str__(self) -> str:
        if not self.quantities:
            return "nothing was compared"
        failures = self.failures
        lines = [f"{len(self.quantities)} quantities, {len(failures)} differ, largest difference {self.worst:.3g}"]
        return "\n".join(lines + [f"  {quantity}" for quantity in failures[:12]])
