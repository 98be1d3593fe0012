"""Move weights between a torch module and its Keras counterpart, by attribute path."""

from __future__ import annotations

from typing import Any

from .converters import ShapeError
from .pairs import Pair, Pairing
from .recurrent import BiasPair
from .report import Report
from .walk import pair_up

__all__ = ["Pair", "Pairing", "Report", "ShapeError", "copy", "copy_back", "pair_up"]


def copy(torch_module: Any, keras_model: Any) -> Report:
    """Write every parameter and buffer of a torch module into the Keras model.

    Layers that were never called are built first where the torch module tells their sizes; composite layers whose
    variables appear only when they are called should be called once before.

    Returns:
        what matched and what did not. Nothing is written for a pair whose shapes do not fit.
    """
    pairing, report = _start(torch_module, keras_model)
    for pair in pairing.pairs:
        tensor = pair.tensor.detach().cpu()
        try:
            pair.slot.write(pair.to_keras(tensor.numpy()))
        except ShapeError:
            _mismatch(report, pair)
        else:
            report.matched.append((pair.torch_path, pair.slot.path))
    return report


def copy_back(keras_model: Any, torch_module: Any) -> Report:
    """Write the Keras model's weights into the torch module: the reverse of `copy`."""
    import torch

    pairing, report = _start(torch_module, keras_model)
    for pair in pairing.pairs:
        try:
            array = pair.to_torch(pair.slot.read())
        except ShapeError:
            _mismatch(report, pair)
            continue
        with torch.no_grad():
            pair.tensor.copy_(torch.from_numpy(array.copy()))
            if isinstance(pair, BiasPair) and pair.other is not None:
                pair.other.zero_()  # Keras has one bias where PyTorch adds two
        report.matched.append((pair.torch_path, pair.slot.path))
    return report


def _start(torch_module: Any, keras_model: Any) -> tuple[Pairing, Report]:
    pairing = pair_up(torch_module, keras_model)
    return pairing, Report(torch_left=pairing.torch_left, keras_left=pairing.keras_left)


def _mismatch(report: Report, pair: Pair) -> None:
    report.mismatched.append((pair.torch_path, pair.slot.path, tuple(pair.tensor.shape), pair.slot.shape))
