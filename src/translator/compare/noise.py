"""Seeded noise for every parameter and buffer of a torch module: fresh weights hide whole branches.

Zero-initialised scales, unit running variances and zero biases all get values that matter, of a size that keeps
deep networks in range.
"""

from __future__ import annotations

import math
from typing import Any


def fill(module: Any, seed: int) -> None:
    """Overwrite all floating parameters and buffers in place; integers, booleans and masks of 0, 1 and -inf stay."""
    import numpy as np
    import torch

    rng = np.random.default_rng(seed)
    with torch.no_grad():
        for name, tensor in (*module.named_parameters(), *module.named_buffers()):
            if tensor.is_floating_point() and not _mask(name, tensor):
                values = _values(name.rpartition(".")[2], tuple(tensor.shape), rng)
                tensor.copy_(torch.from_numpy(np.asarray(values)).to(tensor.dtype))


def _mask(name: str, tensor: Any) -> bool:
    """Whether a float buffer can only be a mask: 0, 1 or -inf everywhere, and not the statistics of a norm."""
    if "running_" in name or tensor.requires_grad or tensor.numel() < 2:
        return False
    return bool((((tensor == 0) | (tensor == 1)) | tensor.isinf()).all())


def _values(name: str, shape: tuple[int, ...], rng: Any) -> Any:
    if "var" in name.split("_"):
        return rng.uniform(0.5, 1.5, shape)
    noise = rng.standard_normal(shape)
    if len(shape) >= 2:
        return noise / math.sqrt(max(1, math.prod(shape[1:])))
    return 1.0 + 0.3 * noise if name in ("weight", "gamma", "scale") else 0.3 * noise
