"""Learning rate schedulers that go up and down, with the momentum the other way.

Formulas: the documentation of ``torch.optim.lr_scheduler``.
"""

import math

from translator.helpers.tf.schedule import LRScheduler, param_groups, per_group


def set_momentum(optimizer, momentum):
    """Set the momentum, or Adam's first beta."""
    for group in param_groups(optimizer):
        if hasattr(group, "betas"):
            group.betas = (momentum, *group.betas[1:])
        else:
            group.momentum = momentum


class OneCycleLR(LRScheduler):
    """Up to ``max_lr`` and down to almost nothing, with the momentum the other way."""

    overwrites = True

    def __init__(
        self, optimizer, max_lr, total_steps=None, epochs=None, steps_per_epoch=None, pct_start=0.3,
        anneal_strategy="cos", cycle_momentum=True, base_momentum=0.85, max_momentum=0.95, div_factor=25.0,
        final_div_factor=1e4, three_phase=False,
    ):  # fmt: skip
        self.max_lrs = per_group(max_lr, optimizer)
        self.total_steps = total_steps if total_steps is not None else epochs * steps_per_epoch
        self.linear = anneal_strategy == "linear"
        self.cycle_momentum = cycle_momentum
        self.momenta = (max_momentum, base_momentum)
        self.div_factor = div_factor
        self.final_div_factor = final_div_factor
        peak, last = pct_start * self.total_steps - 1, self.total_steps - 1
        self.phases = [(peak, 0, 1), (2 * peak, 1, 0), (last, 0, 2)] if three_phase else [(peak, 0, 1), (last, 1, 2)]
        super().__init__(optimizer)

    def phase(self):
        """Where the phase at ``last_epoch`` comes from and goes to, and how much of it is done."""
        start = 0.0
        for i, (end, source, target) in enumerate(self.phases):
            if self.last_epoch <= end or i == len(self.phases) - 1:
                return source, target, (self.last_epoch - start) / (end - start)
            start = end

    def between(self, start, end, part):
        return start + (end - start) * part if self.linear else end + (start - end) / 2 * (1 + math.cos(math.pi * part))

    def closed(self, base, group):
        if self.last_epoch > self.total_steps:
            raise ValueError(f"the cycle has {self.total_steps} steps, and step {self.last_epoch} was asked for")
        low = self.max_lrs[group] / self.div_factor
        rates = (low, self.max_lrs[group], low / self.final_div_factor)
        source, target, part = self.phase()
        return self.between(rates[source], rates[target], part)

    def apply(self, rates):
        super().apply(rates)
        if self.cycle_momentum:
            source, target, part = self.phase()
            momenta = (*self.momenta, self.momenta[0])
            set_momentum(self.optimizer, self.between(momenta[source], momenta[target], part))


class CyclicLR(LRScheduler):
    """Between two rates in a triangle, with the momentum the other way."""

    overwrites = True

    def __init__(
        self, optimizer, base_lr, max_lr, step_size_up=2000, step_size_down=None, mode="triangular", gamma=1.0,
        scale_fn=None, scale_mode="cycle", cycle_momentum=True, base_momentum=0.8, max_momentum=0.9,
    ):  # fmt: skip
        self.low = per_group(base_lr, optimizer)
        self.high = per_group(max_lr, optimizer)
        self.up = float(step_size_up)
        self.length = self.up + float(step_size_up if step_size_down is None else step_size_down)
        scales = {"triangular": lambda x: 1.0, "triangular2": lambda x: 0.5 ** (x - 1), "exp_range": lambda x: gamma**x}
        self.scale_fn = scale_fn or scales[mode]
        self.by_cycle = scale_mode == "cycle" if scale_fn else mode != "exp_range"
        self.cycle_momentum = cycle_momentum
        self.momenta = (base_momentum, max_momentum)
        super().__init__(optimizer)

    def height(self):
        """How far from the lower rate to the higher one the schedule stands."""
        cycle = math.floor(1 + self.last_epoch / self.length)
        part = 1 + self.last_epoch / self.length - cycle
        ratio = self.up / self.length
        rise = part / ratio if part <= ratio else (part - 1) / (ratio - 1)
        return rise * self.scale_fn(cycle if self.by_cycle else self.last_epoch)

    def closed(self, base, group):
        return self.low[group] + (self.high[group] - self.low[group]) * self.height()

    def apply(self, rates):
        super().apply(rates)
        if self.cycle_momentum:
            low, high = self.momenta
            set_momentum(self.optimizer, high - (high - low) * self.height())
