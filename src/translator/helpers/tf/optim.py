"""Optimizers that follow PyTorch's update rules exactly, as Keras optimizers.

Formulas: the algorithms in the documentation of ``torch.optim``. Every gradient is made dense first, so that an
embedding's untouched rows move with momentum and decay as they do in PyTorch.
"""

import tensorflow as tf
from tensorflow import keras


class TorchOptimizer(keras.optimizers.Optimizer):
    """Weight decay is added to the gradient (L2), unless a subclass decouples it; ``maximize`` ascends."""

    def __init__(self, learning_rate, weight_decay=0.0, maximize=False, decoupled=False, **kwargs):
        super().__init__(learning_rate=float(learning_rate), **kwargs)
        self.decay = weight_decay
        self.maximize = maximize
        self.decoupled = decoupled

    def make_slots(self, variables, *names, value=0.0):
        """One state variable for each variable and name, filled with a value."""
        for name in names:
            slots = self.add_optimizer_variables(variables, name)
            setattr(self, name, slots)
            for slot in slots if value else ():
                slot.assign(tf.fill(slot.shape, tf.constant(value, slot.dtype)))

    def slot(self, name, variable):
        """The state variable ``name`` of a variable."""
        return getattr(self, name)[self._get_variable_index(variable)]

    def step_number(self):
        """The number of this update, from 1, in float64."""
        return tf.cast(self.iterations, tf.float64) + 1.0

    def update_step(self, gradient, variable, learning_rate):
        """Prepare the gradient, decay the weights, then apply the subclass's rule."""
        learning_rate = tf.cast(learning_rate, variable.dtype)
        gradient = tf.cast(tf.convert_to_tensor(gradient), variable.dtype)
        if self.maximize:
            gradient = -gradient
        if self.decay and self.decoupled:
            self.assign(variable, variable * (1 - learning_rate * self.decay))
        elif self.decay:
            gradient = gradient + self.decay * variable
        self.update(gradient, variable, learning_rate)

    def averages(self, gradient, variable):
        """Adam's running averages of the gradient and of its square, updated."""
        beta1, beta2 = self.betas
        mean, square = self.slot("mean", variable), self.slot("square", variable)
        self.assign(mean, mean + (gradient - mean) * (1 - beta1))
        self.assign(square, beta2 * square + (1 - beta2) * gradient * gradient)
        return mean, square


class SGD(TorchOptimizer):
    """The momentum buffer holds gradients, not steps, so that a new learning rate applies to all of it."""

    def __init__(
        self,
        learning_rate=1e-3,
        momentum=0.0,
        dampening=0.0,
        weight_decay=0.0,
        nesterov=False,
        maximize=False,
        **kwargs,
    ):
        super().__init__(learning_rate, weight_decay, maximize, **kwargs)
        self.momentum = momentum
        self.dampening = dampening
        self.nesterov = nesterov

    def build(self, variables):
        super().build(variables)
        if self.momentum:
            self.make_slots(variables, "buffer")

    def update(self, gradient, variable, learning_rate):
        if self.momentum:
            buffer = self.slot("buffer", variable)
            new = self.momentum * buffer + (1 - self.dampening) * gradient
            if self.dampening:
                new = tf.where(self.iterations == 0, gradient, new)
            self.assign(buffer, new)
            gradient = gradient + self.momentum * new if self.nesterov else new
        self.assign_sub(variable, learning_rate * gradient)


class Adam(TorchOptimizer):
    """The epsilon is added after the bias correction."""

    def __init__(
        self,
        learning_rate=1e-3,
        betas=(0.9, 0.999),
        eps=1e-8,
        weight_decay=0.0,
        amsgrad=False,
        maximize=False,
        decoupled_weight_decay=False,
        **kwargs,
    ):
        super().__init__(learning_rate, weight_decay, maximize, decoupled_weight_decay, **kwargs)
        self.betas = tuple(betas)
        self.eps = eps
        self.amsgrad = amsgrad

    def build(self, variables):
        super().build(variables)
        self.make_slots(variables, "mean", "square", *(["largest"] if self.amsgrad else []))

    def update(self, gradient, variable, learning_rate):
        mean, square = self.averages(gradient, variable)
        if self.amsgrad:
            largest = self.slot("largest", variable)
            self.assign(largest, tf.maximum(largest, square))
            square = largest
        beta1, beta2 = self.betas
        step = self.step_number()
        scale = tf.cast(1 / (1 - beta1**step), variable.dtype)
        root = tf.cast(tf.sqrt(1 - beta2**step), variable.dtype)
        self.assign_sub(variable, learning_rate * scale * mean / (tf.sqrt(square) / root + self.eps))


class AdamW(Adam):
    """Adam whose weight decay does not pass through the gradient."""

    def __init__(
        self,
        learning_rate=1e-3,
        betas=(0.9, 0.999),
        eps=1e-8,
        weight_decay=1e-2,
        amsgrad=False,
        maximize=False,
        **kwargs,
    ):
        super().__init__(learning_rate, betas, eps, weight_decay, amsgrad, maximize, True, **kwargs)


class NAdam(TorchOptimizer):
    """Adam with Nesterov momentum and PyTorch's momentum schedule."""

    def __init__(
        self, learning_rate=2e-3, betas=(0.9, 0.999), eps=1e-8, weight_decay=0.0, momentum_decay=4e-3,
        decoupled_weight_decay=False, maximize=False, **kwargs
    ):  # fmt: skip
        super().__init__(learning_rate, weight_decay, maximize, decoupled_weight_decay, **kwargs)
        self.betas = tuple(betas)
        self.eps = eps
        self.momentum_decay = momentum_decay

    def build(self, variables):
        super().build(variables)
        self.make_slots(variables, "mean", "square")
        self.product = [self.add_variable((), initializer="ones", name="product") for _ in variables]

    def update(self, gradient, variable, learning_rate):
        beta1, beta2 = self.betas
        step = self.step_number()
        now = tf.cast(beta1 * (1 - 0.5 * 0.96 ** (step * self.momentum_decay)), variable.dtype)
        after = tf.cast(beta1 * (1 - 0.5 * 0.96 ** ((step + 1) * self.momentum_decay)), variable.dtype)
        product = self.slot("product", variable)
        self.assign(product, product * tf.cast(now, product.dtype))
        done = tf.cast(product, variable.dtype)
        mean, square = self.averages(gradient, variable)
        size = tf.sqrt(square / tf.cast(1 - beta2**step, variable.dtype)) + self.eps
        self.assign_sub(variable, learning_rate * (1 - now) / (1 - done) * gradient / size)
        self.assign_sub(variable, learning_rate * after / (1 - done * after) * mean / size)


class RAdam(TorchOptimizer):
    """Adam with the variance of its adaptive step rectified."""

    def __init__(
        self, learning_rate=1e-3, betas=(0.9, 0.999), eps=1e-8, weight_decay=0.0, decoupled_weight_decay=False,
        maximize=False, **kwargs
    ):  # fmt: skip
        super().__init__(learning_rate, weight_decay, maximize, decoupled_weight_decay, **kwargs)
        self.betas = tuple(betas)
        self.eps = eps

    def build(self, variables):
        super().build(variables)
        self.make_slots(variables, "mean", "square")

    def update(self, gradient, variable, learning_rate):
        beta1, beta2 = self.betas
        mean, square = self.averages(gradient, variable)
        step = self.step_number()
        longest = 2 / (1 - beta2) - 1
        length = longest - 2 * step * beta2**step / (1 - beta2**step)
        safe = tf.maximum(length, 5.0)
        rectified = (safe - 4) * (safe - 2) * longest / ((longest - 4) * (longest - 2) * safe)
        factor = tf.cast(tf.sqrt(rectified * (1 - beta2**step)), variable.dtype)
        adaptive = tf.where(length > 5.0, factor / (tf.sqrt(square) + self.eps), tf.ones_like(square))
        self.assign_sub(variable, learning_rate * tf.cast(1 / (1 - beta1**step), variable.dtype) * mean * adaptive)


class Adamax(TorchOptimizer):
    """Adam with the largest decayed gradient in place of the square."""

    def __init__(self, learning_rate=2e-3, betas=(0.9, 0.999), eps=1e-8, weight_decay=0.0, maximize=False, **kwargs):
        super().__init__(learning_rate, weight_decay, maximize, **kwargs)
        self.betas = tuple(betas)
        self.eps = eps

    def build(self, variables):
        super().build(variables)
        self.make_slots(variables, "mean", "largest")

    def update(self, gradient, variable, learning_rate):
        beta1, beta2 = self.betas
        mean, largest = self.slot("mean", variable), self.slot("largest", variable)
        self.assign(mean, mean + (gradient - mean) * (1 - beta1))
        self.assign(largest, tf.maximum(beta2 * largest, tf.abs(gradient) + self.eps))
        scale = tf.cast(1 / (1 - beta1 ** self.step_number()), variable.dtype)
        self.assign_sub(variable, learning_rate * scale * mean / largest)


class RMSprop(TorchOptimizer):
    """The epsilon is added outside of the square root; momentum collects steps without the learning rate."""

    def __init__(
        self, learning_rate=1e-2, alpha=0.99, eps=1e-8, weight_decay=0.0, momentum=0.0, centered=False, maximize=False,
        **kwargs
    ):  # fmt: skip
        super().__init__(learning_rate, weight_decay, maximize, **kwargs)
        self.alpha = alpha
        self.eps = eps
        self.momentum = momentum
        self.centered = centered

    def build(self, variables):
        super().build(variables)
        self.make_slots(variables, "square", "mean", "buffer")

    def update(self, gradient, variable, learning_rate):
        square = self.slot("square", variable)
        self.assign(square, self.alpha * square + (1 - self.alpha) * gradient * gradient)
        size = square
        if self.centered:
            mean = self.slot("mean", variable)
            self.assign(mean, mean + (gradient - mean) * (1 - self.alpha))
            size = square - mean * mean
        step = gradient / (tf.sqrt(size) + self.eps)
        if self.momentum:
            buffer = self.slot("buffer", variable)
            self.assign(buffer, self.momentum * buffer + step)
            step = buffer
        self.assign_sub(variable, learning_rate * step)


class Adagrad(TorchOptimizer):
    """The epsilon is added outside of the square root; the learning rate may decay with the step."""

    def __init__(
        self, learning_rate=1e-2, lr_decay=0.0, weight_decay=0.0, initial_accumulator_value=0.0, eps=1e-10,
        maximize=False, **kwargs
    ):  # fmt: skip
        super().__init__(learning_rate, weight_decay, maximize, **kwargs)
        self.lr_decay = lr_decay
        self.initial = initial_accumulator_value
        self.eps = eps

    def build(self, variables):
        super().build(variables)
        self.make_slots(variables, "total", value=self.initial)

    def update(self, gradient, variable, learning_rate):
        total = self.slot("total", variable)
        self.assign_add(total, gradient * gradient)
        slowed = learning_rate / tf.cast(1 + (self.step_number() - 1) * self.lr_decay, variable.dtype)
        self.assign_sub(variable, slowed * gradient / (tf.sqrt(total) + self.eps))


class Adadelta(TorchOptimizer):
    """Steps sized by the running average of earlier steps."""

    def __init__(self, learning_rate=1.0, rho=0.9, eps=1e-6, weight_decay=0.0, maximize=False, **kwargs):
        super().__init__(learning_rate, weight_decay, maximize, **kwargs)
        self.rho = rho
        self.eps = eps

    def build(self, variables):
        super().build(variables)
        self.make_slots(variables, "square", "moved")

    def update(self, gradient, variable, learning_rate):
        square, moved = self.slot("square", variable), self.slot("moved", variable)
        self.assign(square, self.rho * square + (1 - self.rho) * gradient * gradient)
        step = tf.sqrt(moved + self.eps) / tf.sqrt(square + self.eps) * gradient
        self.assign(moved, self.rho * moved + (1 - self.rho) * step * step)
        self.assign_sub(variable, learning_rate * step)


class Rprop(TorchOptimizer):
    """Steps from the sign of the gradient only, each weight with its own step size."""

    def __init__(self, learning_rate=1e-2, etas=(0.5, 1.2), step_sizes=(1e-6, 50), maximize=False, **kwargs):
        super().__init__(learning_rate, 0.0, maximize, **kwargs)
        self.etas = tuple(etas)
        self.step_sizes = tuple(step_sizes)

    def build(self, variables):
        super().build(variables)
        self.make_slots(variables, "before")
        self.make_slots(variables, "size", value=float(self.learning_rate))

    def update(self, gradient, variable, learning_rate):
        before, size = self.slot("before", variable), self.slot("size", variable)
        agree = tf.sign(gradient * before)
        shrink, grow, keep = (tf.constant(v, size.dtype) for v in (*self.etas, 1.0))
        factor = tf.where(agree > 0, grow, tf.where(agree < 0, shrink, keep))
        self.assign(size, tf.clip_by_value(size * factor, *self.step_sizes))
        gradient = tf.where(agree < 0, tf.zeros_like(gradient), gradient)
        self.assign_sub(variable, tf.sign(gradient) * size)
        self.assign(before, gradient)


class ParameterGroups:
    """One optimizer for each group of variables, used like a single one."""

    def __init__(self, optimizers):
        self.optimizers = optimizers

    @property
    def learning_rate(self):
        """The rate of the first group."""
        return self.optimizers[0].learning_rate

    @learning_rate.setter
    def learning_rate(self, rate):
        self.optimizers[0].learning_rate = rate

    def apply_gradients(self, pairs):
        """Take a step with (gradients, variables) of each group."""
        for optimizer, (gradients, variables) in zip(self.optimizers, pairs, strict=True):
            optimizer.apply_gradients(list(zip(gradients, variables, strict=True)))
