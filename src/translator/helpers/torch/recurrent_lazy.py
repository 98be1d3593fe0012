"""Recurrent layers that find the size of their input when they are first called."""

from torch import nn

from .recurrent import KerasGRU, KerasLSTM, KerasRNN


class LazyRecurrent(nn.modules.lazy.LazyModuleMixin):
    """The input kernels of a recurrent layer, made for the features (last axis) of its first input."""

    def __init__(self, hidden_size, *args, **kwargs):
        super().__init__(1, hidden_size, *args, **kwargs)
        for name in self.input_kernels():
            setattr(self, name, nn.UninitializedParameter())

    def input_kernels(self):
        """The names of the weights that meet the input, one for each direction."""
        return ["weight_ih_l0"] + ["weight_ih_l0_reverse"] * self.bidirectional

    def initialize_parameters(self, x, *args, **kwargs):
        if self.has_uninitialized_params():
            self.input_size = x.shape[-1]
            for name in self.input_kernels():
                kernel = getattr(self, name)
                kernel.materialize((len(self.weight_hh_l0), self.input_size))
                nn.init.uniform_(kernel, -(self.hidden_size**-0.5), self.hidden_size**-0.5)


class LazyKerasLSTM(LazyRecurrent, KerasLSTM):
    """It becomes a `KerasLSTM` at the first call."""

    cls_to_become = KerasLSTM


class LazyKerasGRU(LazyRecurrent, KerasGRU):
    """It becomes a `KerasGRU` at the first call."""

    cls_to_become = KerasGRU


class LazyKerasRNN(LazyRecurrent, KerasRNN):
    """It becomes a `KerasRNN` at the first call."""

    cls_to_become = KerasRNN
