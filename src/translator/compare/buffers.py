"""Buffers after a training step, and the one that is expected to differ.

Keras's BatchNormalization keeps the batch's biased variance in its moving average, PyTorch the unbiased one, larger
by n / (n - 1) for n values a channel. Everything else must be equal.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from .values import Quantity, compare_leaf


@contextmanager
def batch_sizes(module: Any) -> Iterator[dict[str, list[int]]]:
    """How many values a channel each batch norm of a torch module sees at each call, by the module's path."""
    from torch.nn.modules.batchnorm import _BatchNorm

    sizes: dict[str, list[int]] = {}
    handles = []
    for name, child in module.named_modules():
        if isinstance(child, _BatchNorm):

            def note(mod: Any, args: Any, output: Any, name: str = name) -> None:
                sizes.setdefault(name, []).append(output.numel() // output.shape[1])

            handles.append(child.register_forward_hook(note))
    try:
        yield sizes
    finally:
        for handle in handles:
            handle.remove()


def snapshot(module: Any) -> dict[str, Any]:
    """Copies of all buffers by path."""
    return {name: tensor.detach().clone() for name, tensor in module.named_buffers()}


def compare_buffers(
    name: str, module: Any, pairs: list[Any], before: dict[str, Any], sizes: dict[str, list[int]]
) -> tuple[list[Quantity], list[str]]:
    """Compare every buffer that has a pair after both sides made the same training step.

    Returns:
        the quantities, and notes on expected deviations that were allowed for.
    """
    buffers = dict(module.named_buffers())
    found, notes = [], []
    for pair in pairs:
        if pair.torch_path not in buffers:
            continue
        path = pair.torch_path
        expected = buffers[path].detach()
        owner, _, leaf = path.rpartition(".")
        if leaf == "running_var" and _biased(pair.slot.owner) and sizes.get(owner):
            expected = _biased_average(module.get_submodule(owner), before[path], expected, sizes[owner])
            notes.append(f"{path}: moving average of the biased variance (expected)")
            if expected is None:
                continue
        found.append(compare_leaf(f"{name} buffer {path}", expected.numpy(), pair.to_torch(pair.slot.read())))
    return found, notes


def _biased(layer: Any) -> bool:
    """Whether a layer is Keras's own batch norm, or inherits its ``call``."""
    import keras

    norm = keras.layers.BatchNormalization
    return isinstance(layer, norm) and type(layer).call is norm.call


def _biased_average(norm: Any, old: Any, new: Any, sizes: list[int]) -> Any:
    """What the moving average of the biased variance would be; ``None`` where several calls cannot be told apart."""
    if norm.momentum is None or len(set(sizes)) > 1:
        return None
    kept = old * (1.0 - norm.momentum) ** len(sizes)
    return kept + (new - kept) * ((sizes[0] - 1) / sizes[0])
