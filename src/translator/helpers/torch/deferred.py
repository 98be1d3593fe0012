"""PyTorch's optimizers for programs that name the parameters with each step, as Keras's do."""

import torch


class Deferred:
    """An optimizer that is told its parameters with their first gradients."""

    def __init__(self, lr=1e-3, **options):
        super().__init__([torch.nn.Parameter(torch.zeros(0))], lr=lr, **options)

    @property
    def learning_rate(self):
        """The rate of the next step."""
        return self.param_groups[0]["lr"]

    @learning_rate.setter
    def learning_rate(self, rate):
        self.param_groups[0]["lr"] = rate

    def apply_gradients(self, pairs):
        """Take a step with pairs of gradients and parameters; parameters without a gradient stay."""
        pairs = list(pairs)
        self.param_groups[0]["params"] = [p for _, p in pairs]
        for gradient, parameter in pairs:
            parameter.grad = gradient
        self.step()


class DeferredSGD(Deferred, torch.optim.SGD):
    """torch.optim.SGD."""


class DeferredAdam(Deferred, torch.optim.Adam):
    """torch.optim.Adam."""


class DeferredAdamW(Deferred, torch.optim.AdamW):
    """torch.optim.AdamW."""
