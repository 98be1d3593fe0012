"""What TensorFlow does to parts of a tensor in one function."""

import torch


def sequence_mask(lengths, maxlen=None, dtype=torch.bool):
    """True for the first ``lengths`` places along a new last axis of ``maxlen`` places (the largest length)."""
    lengths = torch.as_tensor(lengths)
    maxlen = lengths.max() if maxlen is None else maxlen
    places = torch.arange(int(maxlen), device=lengths.device)
    return (places < lengths.unsqueeze(-1)).to(dtype)


def scatter_nd(indices, updates, shape):
    """Zeros of a shape with ``updates`` added at ``indices``, whose last axis counts along the first axes."""
    zeros = torch.zeros(tuple(int(n) for n in shape), dtype=updates.dtype, device=updates.device)
    return zeros.index_put(tuple(indices.long().unbind(-1)), updates, accumulate=True)


def slice_update(inputs, start_indices, updates):
    """``inputs`` with a block of it, which begins at ``start_indices``, replaced by ``updates``."""
    starts = [min(max(int(i), 0), n - k) for i, n, k in zip(start_indices, inputs.shape, updates.shape)]
    out = inputs.clone()
    out[tuple(slice(i, i + k) for i, k in zip(starts, updates.shape))] = updates
    return out


def assert_all(condition, message=None):
    """Raise ValueError where a condition, or a part of it, does not hold."""
    if not torch.as_tensor(condition).all():
        raise ValueError(message or "a condition does not hold")
