"""Functions of `keras.backend` with rules of their own."""

import torch.nn.functional as F


def batch_dot(x, y, axes=None):
    """The product of each sample of ``x`` with that of ``y``, summed along one axis of each."""
    if axes is None:
        axes = (x.ndim - 1, 1 if y.ndim == 2 else y.ndim - 2)
    a, b = (axes, axes) if isinstance(axes, int) else axes
    x, y = x.movedim(a, -1), y.movedim(b, 1)
    out = x.reshape(len(x), -1, x.shape[-1]) @ y.reshape(len(y), y.shape[1], -1)
    return out.reshape(len(x), *(x.shape[1:-1] + y.shape[2:] or (1,)))


def binary_crossentropies(target, output, from_logits=False):
    """The cross entropy of each element, of probabilities that are kept 1e-7 away from 0 and 1."""
    if from_logits:
        return F.binary_cross_entropy_with_logits(output, target, reduction="none")
    p = output.clamp(1e-7, 1 - 1e-7)
    return -(target * (p + 1e-7).log() + (1 - target) * (1 - p + 1e-7).log())


def clipped_crossentropy(target, output, from_logits=False, axis=-1):
    """The cross entropy of each sample, of probabilities that are kept 1e-7 away from 0 and 1."""
    if from_logits:
        return -(target * output.log_softmax(axis)).sum(axis)
    p = (output / output.sum(axis, keepdim=True)).clamp(1e-7, 1 - 1e-7)
    return -(target * p.log()).sum(axis)


def clipped_sparse_crossentropy(target, output, from_logits=False):
    """The cross entropy of each sample, whose class is given by its number."""
    if not from_logits:
        output = output.clamp(1e-7, 1 - 1e-7).log()
    labels = target.long().reshape(output.shape[:-1])
    return -output.log_softmax(-1).gather(-1, labels.unsqueeze(-1)).squeeze(-1)
