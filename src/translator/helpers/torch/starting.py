"""Weights set to Keras's initial values by name, for programs that choose an initializer at run time; clones."""

import copy
import math

import torch
from torch import nn


def initialize(x, initializer):
    """Fill ``x``, whose last two axes are inputs and outputs, as Keras's initializer of this name does.

    A function is called with ``x``; ``None`` means "glorot_uniform". Returns ``x``.
    """
    if callable(initializer):
        initializer(x)
        return x
    name = (initializer or "glorot_uniform").lower().replace("variance_scaling", "lecun")
    size = math.prod(x.shape[:-2])
    fans = [n * size for n in x.shape[-2:]] if x.dim() > 1 else [max(x.numel(), 1)] * 2
    scales = {"glorot": 2 / sum(fans), "he": 2 / fans[0], "lecun": 1 / fans[0]}
    kind, _, form = name.partition("_")
    with torch.no_grad():
        if name in ("zeros", "ones"):
            return x.fill_(float(name == "ones"))
        if kind in scales and form == "uniform":
            limit = math.sqrt(3 * scales[kind])
            return x.uniform_(-limit, limit)
        if kind in scales and form == "normal":
            std = math.sqrt(scales[kind]) / 0.87962566103423978
            return nn.init.trunc_normal_(x, std=std, a=-2 * std, b=2 * std)
        if name in ("random_uniform", "uniform"):
            return x.uniform_(-0.05, 0.05)
        if name in ("random_normal", "normal"):
            return x.normal_(std=0.05)
        if name == "truncated_normal":
            return nn.init.trunc_normal_(x, std=0.05, a=-0.1, b=0.1)
        if name == "orthogonal":
            return nn.init.orthogonal_(x)
        if name == "identity":
            return nn.init.eye_(x)
    raise ValueError(f"the initializer {initializer!r} is not known")


def clone_model(model):
    """A model of the same layers whose weights start anew; parameters of a program's own layers start as they are."""
    other = copy.deepcopy(model)
    for module in other.modules():
        if hasattr(module, "reset_parameters"):
            module.reset_parameters()
    return other
