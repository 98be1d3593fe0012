"""The parts of a plan of training steps, and small questions about them."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import libcst as cst

from ..values import Instance, options_of
from .training_params import OPTIM, Program

GRAD_BLOCKS = frozenset({
    "torch.set_grad_enabled", "torch.enable_grad", "torch.autograd.set_detect_anomaly", "torch.autograd.detect_anomaly",
    "torch.autograd.set_grad_enabled", "torch.autograd.grad_mode.set_grad_enabled",
})  # fmt: skip
CLIPS = frozenset({
    "torch.nn.utils.clip_grad_norm_", "torch.nn.utils.clip_grad_norm", "torch.nn.utils.clip_grad_value_",
})  # fmt: skip
SCALERS = frozenset({"torch.GradScaler", "torch.cuda.amp.GradScaler"})
Place = tuple[int, int]


@dataclass(eq=False)
class Event:
    """One statement of a step, at item ``place[0]`` of its block and ``place[1]`` of an ``if`` there."""

    kind: str
    place: Place
    statement: Any
    call: cst.Call
    who: frozenset[Any] = frozenset()
    """The optimizer (or, for ``zero``, the module) as the calls that may have made it."""
    branch: Any = None
    owner: Any = None
    """The expression for the optimizer, where the call is a method of something else (a scaler)."""
    by_hand: bool = False
    """Whether the step is a loop of the program's own over a model's parameters; ``who`` is the loop."""

    @property
    def optimizer(self) -> Any:
        """The expression for the optimizer that a step is taken with."""
        assert isinstance(self.call.func, cst.Attribute)
        return self.owner if self.owner is not None else self.call.func.value


@dataclass(eq=False)
class Region:
    """The items of a block that one tape records."""

    start: int
    end: int
    backward: Event
    tape: str = "tape"
    watched: list[Any] = field(default_factory=list)
    """Tensors that the tape is told to watch."""


@dataclass(eq=False)
class GradCall:
    """An ``autograd.grad``: its tape, the expression for its inputs, and its outputs (``name`` where they had none)."""

    region: Region
    wanted: Any
    outputs: Any
    name: str = "outputs"


@dataclass(eq=False)
class Unit:
    """One or more steps that are translated or refused together: items ``start`` to ``end`` of a block."""

    start: int
    end: int
    regions: list[Region] = field(default_factory=list)
    reason: str = ""
    place: Any = None
    events: list[Event] = field(default_factory=list)


@dataclass(eq=False)
class Block:
    """A statement list with its events; bodies of dropped ``with`` blocks stand in it directly."""

    items: list[Any]
    origin: list[Any]
    events: list[Event]
    home: Any
    units: list[Unit] = field(default_factory=list)


@dataclass(eq=False)
class Plan:
    """What was found in one file."""

    program: Program
    blocks: dict[Any, Block] = field(default_factory=dict)
    """By the first statement of the original list."""
    replaced: dict[Any, Any] = field(default_factory=dict)
    """Statement to a function of the rewriter that gives its new lines."""
    grads: dict[Any, GradCall] = field(default_factory=dict)
    carried: dict[Any, str] = field(default_factory=dict)
    """Functions whose caller opens the tape, with its name."""
    carried_calls: dict[Any, str] = field(default_factory=dict)
    pending: list[Any] = field(default_factory=list)
    """Where callers open such tapes, until all blocks have their units."""
    carriers: list[Any] = field(default_factory=list)
    kept: dict[str, set[Any]] | None = None
    """Attributes that keep what layers computed: found when first asked for."""
    waiting: set[frozenset[Any]] = field(default_factory=set)
    """Optimizers whose gradients wait for them."""
    closures: dict[frozenset[Any], set[Any] | None] = field(default_factory=dict)
    """Optimizers that step with closures, which are all that gives them gradients; ``None`` where others may too."""
    instead: dict[Any, Any] = field(default_factory=dict)
    """Parts of statements to what is written in their place."""
    closure_steps: dict[Any, Any] = field(default_factory=dict)
    """``step(closure)`` to a function of the context that gives its new form."""


def whole(block: Block, unit: Unit) -> None:
    """A unit that begins or ends inside of a dropped ``with`` covers all of it."""
    for origin in {o for o in block.origin[unit.start : unit.end] if o is not None}:
        span = [i for i, o in enumerate(block.origin) if o is origin]
        unit.start, unit.end = min(unit.start, span[0]), max(unit.end, span[-1] + 1)


def bodies(node: Any) -> list[Any]:
    """The blocks directly below a compound statement."""
    out = []
    for name in ("body", "orelse", "finalbody"):
        child = getattr(node, name, None)
        if isinstance(child, cst.IndentedBlock):
            out.append(child)
        elif isinstance(child, cst.Else | cst.Finally | cst.If):
            out += bodies(child)
    for handler in getattr(node, "handlers", ()):
        out += bodies(handler)
    return out


def is_optimizer(value: Any) -> bool:
    """Whether a value is certainly one of torch's optimizers."""
    return all(
        isinstance(o, Instance) and (o.api or "").startswith(OPTIM) and "." not in (o.api or "").removeprefix(OPTIM)
        for o in options_of(value)
    )


def name_of(node: Any) -> str:
    """A short name for what an expression computes."""
    last = node.attr.value if isinstance(node, cst.Attribute) else node.value if isinstance(node, cst.Name) else "loss"
    return last
