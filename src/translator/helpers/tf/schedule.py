"""Learning rate schedulers with PyTorch's ``step()``: they set the rate of a Keras optimizer.

Formulas: the closed forms in the documentation of ``torch.optim.lr_scheduler``.
"""

import bisect
import math


def param_groups(optimizer):
    """The Keras optimizers of the parameter groups: of a plain optimizer, itself."""
    return getattr(optimizer, "optimizers", [optimizer])


def learning_rates(optimizer):
    """The rate of each parameter group: the shortest number that the variable's precision holds."""
    return [float(str(group.learning_rate.numpy())) for group in param_groups(optimizer)]


def set_learning_rates(optimizer, rates):
    """Give each parameter group its rate."""
    for group, rate in zip(param_groups(optimizer), rates, strict=True):
        group.learning_rate = rate


def per_group(value, optimizer):
    """A number for every parameter group, or the list that gives one each."""
    return list(value) if isinstance(value, (list, tuple)) else [value] * len(param_groups(optimizer))


class LRScheduler:
    """A subclass gives the rate at ``last_epoch`` in ``closed``.

    Once something else has changed the rate, the changes of the closed form are applied to it from there on.
    """

    overwrites = False

    def __init__(self, optimizer):
        self.optimizer = optimizer
        if not hasattr(optimizer, "initial_lrs"):
            optimizer.initial_lrs = tuple(learning_rates(optimizer))
        self.base_lrs = list(optimizer.initial_lrs)
        self.lrs = list(self.base_lrs)
        self.apart = [False] * len(self.base_lrs)
        self.last_epoch = -1
        self.step()

    def closed(self, base, group):
        """The rate of one group at ``last_epoch``; ``base`` is the rate that it started from."""
        raise NotImplementedError

    def all_closed(self):
        return [self.closed(base, i) for i, base in enumerate(self.base_lrs)]

    def change(self, current, before, after):
        """A rate that was set from outside, after the same relative change."""
        return current * after / before if before else after

    def step(self, epoch=None):
        """Go on to the next epoch, or to the given one."""
        before = self.lrs if self.last_epoch < 0 else self.all_closed()
        self.last_epoch = self.last_epoch + 1 if epoch is None else epoch
        after = self.all_closed()
        current = learning_rates(self.optimizer)
        rates = []
        for i, (now, kept, old, new) in enumerate(zip(current, self.lrs, before, after, strict=True)):
            self.apart[i] |= abs(now - kept) > 1e-6 * abs(kept)
            if self.overwrites or epoch is not None:
                self.apart[i] = False
            rates.append(self.change(now, old, new) if self.apart[i] else new)
        self.apply(rates)

    def restart(self):
        """Begin at epoch 0."""
        self.last_epoch = 0
        self.apart = [False] * len(self.base_lrs)
        self.apply(self.all_closed())

    def apply(self, rates):
        self.lrs = rates
        set_learning_rates(self.optimizer, rates)

    def get_last_lr(self):
        """The rates that were set last."""
        return list(self.lrs)

    get_lr = get_last_lr

    def state_dict(self):
        """Everything but the optimizer and functions."""
        return {k: v for k, v in vars(self).items() if k != "optimizer" and not callable(v)}

    def load_state_dict(self, state):
        vars(self).update(state)


class StepLR(LRScheduler):
    """Times ``gamma`` every ``step_size`` epochs."""

    def __init__(self, optimizer, step_size, gamma=0.1):
        self.step_size = step_size
        self.gamma = gamma
        super().__init__(optimizer)

    def closed(self, base, group):
        return base * self.gamma ** (self.last_epoch // self.step_size)


class MultiStepLR(LRScheduler):
    """Times ``gamma`` at each milestone."""

    def __init__(self, optimizer, milestones, gamma=0.1):
        self.milestones = sorted(milestones)
        self.gamma = gamma
        super().__init__(optimizer)

    def closed(self, base, group):
        return base * self.gamma ** bisect.bisect_right(self.milestones, self.last_epoch)


class ConstantLR(LRScheduler):
    """Times ``factor`` for the first epochs."""

    def __init__(self, optimizer, factor=1.0 / 3, total_iters=5):
        self.factor = factor
        self.total_iters = total_iters
        super().__init__(optimizer)

    def closed(self, base, group):
        return base * (self.factor if self.last_epoch < self.total_iters else 1.0)


class LinearLR(LRScheduler):
    """From ``start_factor`` to ``end_factor`` in equal steps."""

    def __init__(self, optimizer, start_factor=1.0 / 3, end_factor=1.0, total_iters=5):
        self.start_factor = start_factor
        self.end_factor = end_factor
        self.total_iters = total_iters
        super().__init__(optimizer)

    def closed(self, base, group):
        part = min(self.last_epoch, self.total_iters) / self.total_iters
        return base * (self.start_factor + (self.end_factor - self.start_factor) * part)


class ExponentialLR(LRScheduler):
    """Times ``gamma`` every epoch."""

    def __init__(self, optimizer, gamma):
        self.gamma = gamma
        super().__init__(optimizer)

    def closed(self, base, group):
        return base * self.gamma**self.last_epoch


class PolynomialLR(LRScheduler):
    """Down to zero as a power of the epochs that are left."""

    def __init__(self, optimizer, total_iters=5, power=1.0):
        self.total_iters = total_iters
        self.power = power
        super().__init__(optimizer)

    def closed(self, base, group):
        return base * (1 - min(self.last_epoch, self.total_iters) / self.total_iters) ** self.power


class CosineAnnealingLR(LRScheduler):
    """Along a cosine from the rate to ``eta_min`` in ``T_max`` epochs, and up again after."""

    def __init__(self, optimizer, T_max, eta_min=0.0):
        self.T_max = T_max
        self.eta_min = eta_min
        super().__init__(optimizer)

    def closed(self, base, group):
        return self.eta_min + (base - self.eta_min) * (1 + math.cos(math.pi * self.last_epoch / self.T_max)) / 2

    def change(self, current, before, after):
        if before == self.eta_min:
            return current + after - before
        return self.eta_min + (current - self.eta_min) * (after - self.eta_min) / (before - self.eta_min)


class CosineAnnealingWarmRestarts(LRScheduler):
    """Along a cosine to ``eta_min``, again and again, each time ``T_mult`` times as long."""

    overwrites = True

    def __init__(self, optimizer, T_0, T_mult=1, eta_min=0.0):
        self.T_0 = T_0
        self.T_mult = T_mult
        self.eta_min = eta_min
        super().__init__(optimizer)

    def closed(self, base, group):
        start, length = 0, self.T_0
        while self.last_epoch - start >= length:
            start, length = start + length, length * self.T_mult
        part = (self.last_epoch - start) / length
        return self.eta_min + (base - self.eta_min) * (1 + math.cos(math.pi * part)) / 2


class LambdaLR(LRScheduler):
    """Times what a function of the epoch returns."""

    overwrites = True

    def __init__(self, optimizer, lr_lambda):
        self.lr_lambda = per_group(lr_lambda, optimizer)
        super().__init__(optimizer)

    def closed(self, base, group):
        return base * self.lr_lambda[group](self.last_epoch)

    def state_dict(self):
        return {k: v for k, v in super().state_dict().items() if k != "lr_lambda"}


class MultiplicativeLR(LRScheduler):
    """The rate before, times what a function of the epoch returns."""

    def __init__(self, optimizer, lr_lambda):
        self.lr_lambda = per_group(lr_lambda, optimizer)
        super().__init__(optimizer)

    def closed(self, base, group):
        return base * math.prod(self.lr_lambda[group](epoch) for epoch in range(1, self.last_epoch + 1))

    def state_dict(self):
        return {k: v for k, v in super().state_dict().items() if k != "lr_lambda"}


class SequentialLR:
    """One scheduler after the other, changing at the milestones."""

    def __init__(self, optimizer, schedulers, milestones):
        self.optimizer = optimizer
        self.schedulers = schedulers
        self.milestones = milestones
        self.last_epoch = 0
        set_learning_rates(optimizer, optimizer.initial_lrs)
        schedulers[0].restart()
        self.lrs = schedulers[0].get_last_lr()

    def step(self):
        """Go on to the next epoch."""
        self.last_epoch += 1
        index = bisect.bisect_right(self.milestones, self.last_epoch)
        scheduler = self.schedulers[index]
        if index and self.milestones[index - 1] == self.last_epoch:
            scheduler.restart()
        else:
            scheduler.step()
        self.lrs = scheduler.get_last_lr()

    def get_last_lr(self):
        """The rates that were set last."""
        return list(self.lrs)

    def state_dict(self):
        return {"last_epoch": self.last_epoch, "lrs": self.lrs, "schedulers": [s.state_dict() for s in self.schedulers]}

    def load_state_dict(self, state):
        self.last_epoch, self.lrs = state["last_epoch"], state["lrs"]
        for scheduler, inner in zip(self.schedulers, state["schedulers"], strict=True):
            scheduler.load_state_dict(inner)


class ChainedScheduler:
    """Several schedulers that all act at every step."""

    def __init__(self, schedulers, optimizer=None):
        self.schedulers = schedulers
        self.optimizer = optimizer or schedulers[0].optimizer

    def step(self):
        """Step each of them in turn."""
        for scheduler in self.schedulers:
            scheduler.step()

    def get_last_lr(self):
        """The rates as they are."""
        return learning_rates(self.optimizer)

    def state_dict(self):
        return {"schedulers": [s.state_dict() for s in self.schedulers]}

    def load_state_dict(self, state):
        for scheduler, inner in zip(self.schedulers, state["schedulers"], strict=True):
            scheduler.load_state_dict(inner)


class ReduceLROnPlateau:
    """Times ``factor`` when the metric has not improved for more than ``patience`` epochs."""

    def __init__(
        self, optimizer, mode="min", factor=0.1, patience=10, threshold=1e-4, threshold_mode="rel", cooldown=0,
        min_lr=0, eps=1e-8,
    ):  # fmt: skip
        self.optimizer = optimizer
        self.sign = 1.0 if mode == "min" else -1.0
        self.factor = factor
        self.patience = patience
        self.threshold = threshold
        self.relative = threshold_mode == "rel"
        self.cooldown = cooldown
        self.min_lrs = per_group(min_lr, optimizer)
        self.eps = eps
        self.best = self.sign * math.inf
        self.num_bad_epochs = 0
        self.cooldown_counter = 0
        self.last_epoch = 0

    def is_better(self, value):
        """Whether a metric improves on the best by more than the threshold."""
        margin = self.threshold * self.best if self.relative else self.sign * self.threshold
        bound = self.best if math.isinf(self.best) else self.best - (self.sign * margin if self.relative else margin)
        return self.sign * value < self.sign * bound

    def step(self, metrics):
        """Take the metric of the epoch that ended."""
        value = float(metrics)
        self.last_epoch += 1
        if self.is_better(value):
            self.best, self.num_bad_epochs = value, 0
        else:
            self.num_bad_epochs += 1
        if self.cooldown_counter > 0:
            self.cooldown_counter, self.num_bad_epochs = self.cooldown_counter - 1, 0
        if self.num_bad_epochs > self.patience:
            self.reduce()
            self.cooldown_counter, self.num_bad_epochs = self.cooldown, 0

    def reduce(self):
        """Lower each rate, unless it would hardly change."""
        rates = []
        for rate, least in zip(learning_rates(self.optimizer), self.min_lrs, strict=True):
            new = max(rate * self.factor, least)
            rates.append(new if rate - new > self.eps else rate)
        set_learning_rates(self.optimizer, rates)

    def get_last_lr(self):
        """The rates as they are."""
        return learning_rates(self.optimizer)

    def state_dict(self):
        """Everything but the optimizer."""
        return {k: v for k, v in vars(self).items() if k != "optimizer"}

    def load_state_dict(self, state):
        vars(self).update(state)


class SWALR(LRScheduler):
    """Anneals each group's rate to ``swa_lr`` over ``anneal_epochs``, then keeps it there."""

    def __init__(self, optimizer, swa_lr, anneal_epochs=10, anneal_strategy="cos", last_epoch=-1):
        self.targets = per_group(swa_lr, optimizer)
        self.anneal_epochs = anneal_epochs
        self.linear = anneal_strategy == "linear"
        self.optimizer = optimizer
        if not hasattr(optimizer, "initial_lrs"):
            optimizer.initial_lrs = tuple(learning_rates(optimizer))
        self.base_lrs = list(optimizer.initial_lrs)
        self.last_epoch = -1
        self.step()

    def part(self, step):
        """How far a step has come to the target, from 0 to 1."""
        done = max(0, min(1, step / max(1, self.anneal_epochs)))
        return done if self.linear else (1 - math.cos(math.pi * done)) / 2

    def step(self, epoch=None):
        self.last_epoch = self.last_epoch + 1 if epoch is None else epoch
        now = max(1, self.last_epoch) if self.anneal_epochs == 0 else self.last_epoch
        before, after = self.part(now - 1), self.part(now)
        rates = []
        for rate, target in zip(learning_rates(self.optimizer), self.targets, strict=True):
            start = target if before == 1 else (rate - before * target) / (1 - before)
            rates.append(target * after + start * (1 - after))
        self.apply(rates)
