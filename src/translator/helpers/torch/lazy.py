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


class LazyGroupNorm(nn.modules.lazy.LazyModuleMixin, nn.GroupNorm):
    """Group normalisation of axis 1; it becomes an `nn.GroupNorm` at the first call."""

    cls_to_become = nn.GroupNorm

    def __init__(self, num_groups, eps=1e-5):
        super().__init__(num_groups, num_groups, eps=eps)
        self.weight = nn.UninitializedParameter()
        self.bias = nn.UninitializedParameter()

    def initialize_parameters(self, x):
        self.num_channels = x.shape[1]
        self.weight.materialize((self.num_channels,))
        self.bias.materialize((self.num_channels,))
        nn.init.ones_(self.weight)
        nn.init.zeros_(self.bias)

    def reset_parameters(self):
        if not self.has_uninitialized_params():
            super().reset_parameters()


class LazyDepthwiseConv2d(nn.LazyConv2d):
    """A convolution of each channel by filters of its own; it becomes an `nn.Conv2d` at the first call."""

    def __init__(self, kernel_size, multiplier=1, **kwargs):
        super().__init__(multiplier, kernel_size, **kwargs)

    def initialize_parameters(self, x):
        if self.has_uninitialized_params():
            self.groups = x.shape[1]
            self.out_channels *= self.groups
        super().initialize_parameters(x)
