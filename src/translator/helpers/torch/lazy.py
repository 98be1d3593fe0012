"""Modules that find the size of their input when they are first called."""

from torch import nn


class LazyLayerNorm(nn.modules.lazy.LazyModuleMixin, nn.LayerNorm):
    """Layer normalisation over the last axis; it becomes an `nn.LayerNorm` at the first call."""

    cls_to_become = nn.LayerNorm

    def __init__(self, eps=1e-5):
        super().__init__(0, eps=eps)
        self.weight = nn.UninitializedParameter()
        self.bias = nn.UninitializedParameter()

    def initialize_parameters(self, x):
        self.normalized_shape = (x.shape[-1],)
        self.weight.materialize(self.normalized_shape)
        self.bias.materialize(self.normalized_shape)
        nn.init.ones_(self.weight)
        nn.init.zeros_(self.bias)

    def reset_parameters(self):
        if not self.has_uninitialized_params():
            super().reset_parameters()
