"""A program and what comes back from its translation, on the same weights and inputs."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from snippets import errors
from translator import Translation, translate
from translator.compare import draw_inputs, load, precision, unload
from translator.compare.dropout import dropout_off, settle
from translator.compare.noise import fill
from translator.compare.running import torch_call
from translator.compare.values import Quantity, compare_values, parts

FIXTURES = Path(__file__).resolve().parent.parent / "fixtures"
BUFFER = "num_batches_tracked"


@dataclass(frozen=True)
class Trip:
    """A program in the other framework, and in its own again."""

    there: Translation
    back: Translation

    @property
    def refused(self) -> list[str]:
        """What was not translated on either way."""
        return errors(self.there) + errors(self.back)


def trip(source: str, layout: str | None = None, kind: str = "torch") -> Trip:
    """There and back; ``None``: the layout that is the default, or channels first for programs of TensorFlow's.

    Args:
        kind: the program's framework, ``torch`` or ``tf``.
    """
    if kind == "tf":
        there = translate(source, "tf2torch")
        return Trip(there, translate(there.text, "torch2tf", layout=layout or "channels_first"))
    there = translate(source, "torch2tf", **({"layout": layout} if layout else {}))
    return Trip(there, translate(there.text, "tf2torch"))


def difference(kind: str, source: str, found: Trip, model: dict[str, Any]) -> float:
    """The largest relative difference of a program to what came back; of a Keras program its outputs."""
    if kind == "torch":
        return worst_difference(source, found.back.text, model)
    from tf2torch_support import compare_keras

    with precision("float64"):
        return compare_keras(source, found.there, found.back.text, model)


def state(module: Any) -> dict[str, Any]:
    return {name: tensor for name, tensor in module.state_dict().items() if not name.endswith(BUFFER)}


def worst_difference(source: str, back: str, model: dict[str, Any]) -> float:
    """The largest relative difference of outputs, gradients and buffers in both modes, float64.

    Args:
        model: ``entry``, ``init`` and ``inputs`` as in a fixture's ``case.toml``.

    Raises:
        AssertionError: weights or results that have another name or shape.
    """
    with precision("float64", ("torch",)), dropout_off(("torch",)):
        programs = [load(source, "there"), load(back, "back")]
        try:
            return _worst(*[_made(p, model) for p in programs], model["inputs"])
        finally:
            for program in programs:
                unload(program)


def _made(program: Any, model: dict[str, Any]) -> Any:
    """A model whose lazy modules know their sizes."""
    import torch

    torch.manual_seed(0)
    module = getattr(program, model["entry"])(**model.get("init", {})).double()
    settle(module)
    for case in model["inputs"]:
        torch_call(module.eval(), draw_inputs(case, 1), {}, grad=False)
    return module.double()


def measured(quantities: list[Quantity], gradients: dict[str, Any]) -> list[float]:
    """Relative differences; a gradient that is zero but for rounding is measured against the largest one."""
    sizes = {path: float(abs(g).max()) for path, g in parts(gradients, "gradient") if g is not None and g.size}
    largest = max(sizes.values(), default=0.0)
    zero = {path for path, size in sizes.items() if size <= 1e-12 * largest}
    return [q.absolute / largest if q.name in zero and largest else q.error for q in quantities]


def _worst(ours: Any, theirs: Any, cases: list[dict[str, Any]]) -> float:
    import torch

    fill(ours, 3)
    assert state(ours).keys() == state(theirs).keys(), sorted(state(ours).keys() ^ state(theirs).keys())[:6]
    theirs.load_state_dict(state(ours), strict=False)
    worst = 0.0
    for training in (False, True):
        for i, case in enumerate(cases):
            arrays, results = draw_inputs(case, 2 + i), []
            for module in (ours, theirs):
                torch.manual_seed(7)
                results.append(torch_call(module.train(training), arrays, dict(module.named_parameters())))
            quantities = compare_values("output", results[0][0], results[1][0])
            quantities += compare_values("gradient", results[0][1], results[1][1])
            problems = [str(q) for q in quantities if q.problem]
            assert not problems, problems
            worst = max(worst, *measured(quantities, results[0][1]))
    changed = compare_values("buffers", list(state(ours).values()), list(state(theirs).values()))
    return max(worst, *(q.error for q in changed))
