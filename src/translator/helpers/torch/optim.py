"""Keras's optimizers: gradients come with their parameters, and epsilon stands where Keras has it."""

import math

import torch


class Optimizer:
    """Updates parameters in place. A learning rate may be a function of the number of steps taken."""

    def __init__(self, learning_rate, weight_decay=None, clipnorm=None, clipvalue=None, global_clipnorm=None):
        self.rate = learning_rate
        self.weight_decay = weight_decay
        self.clipnorm = clipnorm
        self.clipvalue = clipvalue
        self.global_clipnorm = global_clipnorm
        self.iterations = 0
        self.states = {}

    @property
    def learning_rate(self):
        return self.rate(self.iterations) if callable(self.rate) else self.rate

    @learning_rate.setter
    def learning_rate(self, value):
        self.rate = value

    def clipped(self, grads):
        """The gradients, with their values or norms limited."""
        if self.clipvalue is not None:
            return [g.clamp(-self.clipvalue, self.clipvalue) for g in grads]
        if self.clipnorm is not None:
            return [g * (self.clipnorm / g.norm().clamp_min(self.clipnorm)) for g in grads]
        if self.global_clipnorm is not None:
            norm = torch.stack([g.norm() for g in grads]).norm()
            return [g * (self.global_clipnorm / norm.clamp_min(self.global_clipnorm)) for g in grads]
        return grads

    @torch.no_grad()
    def apply_gradients(self, grads_and_vars):
        """One step with pairs of a gradient and its parameter."""
        pairs = [(g, p) for g, p in grads_and_vars if g is not None]
        grads = self.clipped([g for g, _ in pairs])
        rate = self.learning_rate
        for grad, (_, param) in zip(grads, pairs):
            if self.weight_decay:
                param.sub_(param * self.weight_decay * rate)
            self.update(param, grad, rate, self.states.setdefault(param, {}))
        self.iterations += 1

    def slot(self, state, name, param, value=0.0):
        """A tensor of the state, made with a first value when it is first asked for."""
        if name not in state:
            state[name] = torch.full_like(param, value)
        return state[name]


class SGD(Optimizer):
    """Gradient descent, with Keras's momentum (which holds the learning rate)."""

    def __init__(self, learning_rate=0.01, momentum=0.0, nesterov=False, weight_decay=None, clipnorm=None,
                 clipvalue=None, global_clipnorm=None):
        super().__init__(learning_rate, weight_decay, clipnorm, clipvalue, global_clipnorm)
        self.momentum = momentum
        self.nesterov = nesterov

    def update(self, param, grad, rate, state):
        step = grad * rate
        if self.momentum:
            m = self.slot(state, "m", param)
            m.mul_(self.momentum).sub_(step)
            param.add_(m * self.momentum - step if self.nesterov else m)
        else:
            param.sub_(step)


class Adam(Optimizer):
    """Adam; epsilon is added before the correction of the second moment."""

    def __init__(self, learning_rate=0.001, beta_1=0.9, beta_2=0.999, epsilon=1e-7, amsgrad=False, weight_decay=None,
                 clipnorm=None, clipvalue=None, global_clipnorm=None):
        super().__init__(learning_rate, weight_decay, clipnorm, clipvalue, global_clipnorm)
        self.beta_1 = beta_1
        self.beta_2 = beta_2
        self.epsilon = epsilon
        self.amsgrad = amsgrad

    def update(self, param, grad, rate, state):
        t = self.iterations + 1
        m, v = self.slot(state, "m", param), self.slot(state, "v", param)
        alpha = rate * (1 - self.beta_2**t) ** 0.5 / (1 - self.beta_1**t)
        m.add_((grad - m) * (1 - self.beta_1))
        v.add_((grad.square() - v) * (1 - self.beta_2))
        if self.amsgrad:
            largest = self.slot(state, "largest", param)
            v = largest.copy_(torch.maximum(largest, v))
        param.sub_(m * alpha / (v.sqrt() + self.epsilon))


class AdamW(Adam):
    """Adam with decoupled weight decay."""

    def __init__(self, learning_rate=0.001, weight_decay=0.004, beta_1=0.9, beta_2=0.999, epsilon=1e-7, amsgrad=False,
                 clipnorm=None, clipvalue=None, global_clipnorm=None):
        super().__init__(
            learning_rate, beta_1, beta_2, epsilon, amsgrad, weight_decay, clipnorm, clipvalue, global_clipnorm
        )


class RMSprop(Optimizer):
    """RMSprop; epsilon stands under the root."""

    def __init__(self, learning_rate=0.001, rho=0.9, momentum=0.0, epsilon=1e-7, centered=False, weight_decay=None,
                 clipnorm=None, clipvalue=None, global_clipnorm=None):
        super().__init__(learning_rate, weight_decay, clipnorm, clipvalue, global_clipnorm)
        self.rho = rho
        self.momentum = momentum
        self.epsilon = epsilon
        self.centered = centered

    def update(self, param, grad, rate, state):
        v = self.slot(state, "v", param)
        v.mul_(self.rho).add_(grad.square() * (1 - self.rho))
        spread = v
        if self.centered:
            mean = self.slot(state, "mean", param)
            mean.mul_(self.rho).add_(grad * (1 - self.rho))
            spread = v - mean.square()
        step = grad * rate / (spread + self.epsilon).sqrt()
        if self.momentum:
            step = self.slot(state, "m", param).mul_(self.momentum).add_(step)
        param.sub_(step)


class Adagrad(Optimizer):
    """Adagrad; epsilon stands under the root."""

    def __init__(self, learning_rate=0.001, initial_accumulator_value=0.1, epsilon=1e-7, weight_decay=None,
                 clipnorm=None, clipvalue=None, global_clipnorm=None):
        super().__init__(learning_rate, weight_decay, clipnorm, clipvalue, global_clipnorm)
        self.initial_accumulator_value = initial_accumulator_value
        self.epsilon = epsilon

    def update(self, param, grad, rate, state):
        total = self.slot(state, "total", param, self.initial_accumulator_value)
        total.add_(grad.square())
        param.sub_(grad * rate / (total + self.epsilon).sqrt())


class Adadelta(Optimizer):
    """Adadelta."""

    def __init__(self, learning_rate=0.001, rho=0.95, epsilon=1e-7, weight_decay=None, clipnorm=None, clipvalue=None,
                 global_clipnorm=None):
        super().__init__(learning_rate, weight_decay, clipnorm, clipvalue, global_clipnorm)
        self.rho = rho
        self.epsilon = epsilon

    def update(self, param, grad, rate, state):
        squares, steps = self.slot(state, "squares", param), self.slot(state, "steps", param)
        squares.mul_(self.rho).add_(grad.square() * (1 - self.rho))
        step = -grad * (steps + self.epsilon).sqrt() / (squares + self.epsilon).sqrt()
        steps.mul_(self.rho).add_(step.square() * (1 - self.rho))
        param.add_(step * rate)


class Adamax(Optimizer):
    """Adamax."""

    def __init__(self, learning_rate=0.001, beta_1=0.9, beta_2=0.999, epsilon=1e-7, weight_decay=None, clipnorm=None,
                 clipvalue=None, global_clipnorm=None):
        super().__init__(learning_rate, weight_decay, clipnorm, clipvalue, global_clipnorm)
        self.beta_1 = beta_1
        self.beta_2 = beta_2
        self.epsilon = epsilon

    def update(self, param, grad, rate, state):
        m, u = self.slot(state, "m", param), self.slot(state, "u", param)
        m.add_((grad - m) * (1 - self.beta_1))
        u.copy_(torch.maximum(u * self.beta_2, grad.abs()))
        param.sub_(m * rate / ((1 - self.beta_1 ** (self.iterations + 1)) * (u + self.epsilon)))


class ExponentialDecay:
    """A rate that falls by the same factor every ``decay_steps`` steps."""

    def __init__(self, initial_learning_rate, decay_steps, decay_rate, staircase=False):
        self.initial_learning_rate = initial_learning_rate
        self.decay_steps = decay_steps
        self.decay_rate = decay_rate
        self.staircase = staircase

    def __call__(self, step):
        p = step // self.decay_steps if self.staircase else step / self.decay_steps
        return self.initial_learning_rate * self.decay_rate**p


class InverseTimeDecay:
    """A rate that falls as one over the steps."""

    def __init__(self, initial_learning_rate, decay_steps, decay_rate, staircase=False):
        self.initial_learning_rate = initial_learning_rate
        self.decay_steps = decay_steps
        self.decay_rate = decay_rate
        self.staircase = staircase

    def __call__(self, step):
        p = step // self.decay_steps if self.staircase else step / self.decay_steps
        return self.initial_learning_rate / (1 + self.decay_rate * p)


class PiecewiseConstantDecay:
    """A rate that changes after given steps."""

    def __init__(self, boundaries, values):
        self.boundaries = boundaries
        self.values = values

    def __call__(self, step):
        return self.values[sum(step > b for b in self.boundaries)]


class PolynomialDecay:
    """A rate that falls to ``end_learning_rate`` along a polynomial."""

    def __init__(self, initial_learning_rate, decay_steps, end_learning_rate=0.0001, power=1.0):
        self.initial_learning_rate = initial_learning_rate
        self.decay_steps = decay_steps
        self.end_learning_rate = end_learning_rate
        self.power = power

    def __call__(self, step):
        left = 1 - min(step, self.decay_steps) / self.decay_steps
        return (self.initial_learning_rate - self.end_learning_rate) * left**self.power + self.end_learning_rate


class CosineDecay:
    """A rate that falls along half a cosine, after a linear warmup if there is one."""

    def __init__(self, initial_learning_rate, decay_steps, alpha=0.0, warmup_target=None, warmup_steps=0):
        self.initial_learning_rate = initial_learning_rate
        self.decay_steps = decay_steps
        self.alpha = alpha
        self.warmup_target = warmup_target
        self.warmup_steps = warmup_steps

    def __call__(self, step):
        top, start = self.initial_learning_rate, 0
        if self.warmup_target is not None:
            if step < self.warmup_steps:
                return top + (self.warmup_target - top) * step / self.warmup_steps
            top, start = self.warmup_target, self.warmup_steps
        done = min(step - start, self.decay_steps) / self.decay_steps
        return top * ((1 - self.alpha) * 0.5 * (1 + math.cos(math.pi * done)) + self.alpha)


def clip_by_global_norm(tensors, max_norm):
    """Tensors scaled down so that their norm as one vector is at most ``max_norm``; and what the norm was."""
    norm = torch.stack([t.norm() for t in tensors if t is not None]).norm()
    scale = max_norm / norm.clamp_min(max_norm)
    return [None if t is None else t * scale for t in tensors], norm
