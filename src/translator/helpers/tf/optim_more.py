"""The rarer optimizers of PyTorch, exactly, as Keras optimizers. Formulas: the documentation of ``torch.optim``."""

import tensorflow as tf

from translator.helpers.tf.optim import TorchOptimizer


class ASGD(TorchOptimizer):
    """Gradient descent with a falling step. PyTorch's average beside the weights is not kept: no step reads it."""

    def __init__(self, learning_rate=1e-2, lambd=1e-4, alpha=0.75, t0=1e6, weight_decay=0.0, maximize=False, **kwargs):
        super().__init__(learning_rate, weight_decay, maximize, **kwargs)
        self.lambd = lambd
        self.alpha = alpha

    def build(self, variables):
        super().build(variables)
        self.eta = [self.add_variable((), initializer="zeros", name="eta") for _ in variables]
        for eta in self.eta:
            eta.assign(self.learning_rate)

    def update(self, gradient, variable, learning_rate):
        slot = self.slot("eta", variable)
        eta = tf.cast(slot, variable.dtype)
        self.assign(variable, variable * (1 - self.lambd * eta) - eta * gradient)
        step = tf.cast(self.step_number(), variable.dtype)
        self.assign(slot, tf.cast(learning_rate / (1 + self.lambd * learning_rate * step) ** self.alpha, slot.dtype))


class Adafactor(TorchOptimizer):
    """Squared gradients of a matrix are kept as averages over its rows and its columns."""

    def __init__(
        self, learning_rate=1e-2, beta2_decay=-0.8, eps=(None, 1e-3), d=1.0, weight_decay=0.0, maximize=False, **kwargs
    ):  # fmt: skip
        super().__init__(learning_rate, 0.0, maximize, **kwargs)
        self.beta2_decay = beta2_decay
        self.eps = tuple(eps)
        self.d = d
        self.shrink = weight_decay

    def build(self, variables):
        # Of more than two axes PyTorch pairs the last two, which are others in the kernel of a convolution here.
        if any(len(v.shape) > 2 for v in variables):
            raise NotImplementedError("Adafactor acts as PyTorch's on vectors and matrices only, not on these kernels")
        super().build(variables)
        self.rows = [self.add_variable(v.shape[:1], initializer="zeros", name="rows") for v in variables]
        self.columns = [self.add_variable(v.shape[1:2], initializer="zeros", name="columns") for v in variables]

    def update(self, gradient, variable, learning_rate):
        value = tf.convert_to_tensor(variable)
        one = tf.ones((), value.dtype)
        smallest = {"float64": 2.0**-52, "float32": 2.0**-23, "float16": 2.0**-10, "bfloat16": 2.0**-7}
        first = smallest[value.dtype.name] if self.eps[0] is None else self.eps[0]
        step = tf.cast(self.step_number(), value.dtype)
        size = tf.maximum(one * self.eps[1], tf.sqrt(tf.reduce_mean(value * value)))
        alpha = size * tf.minimum(learning_rate, 1 / tf.sqrt(step))
        squares = self.squares(gradient, variable, step**self.beta2_decay, first)
        change = gradient * tf.math.rsqrt(tf.maximum(squares, first * first))
        excess = tf.maximum(one, tf.sqrt(tf.reduce_mean(change * change)) / self.d)
        self.assign(variable, value * (1 - learning_rate * self.shrink) - alpha / excess * change)

    def squares(self, gradient, variable, share, first):
        """The running average of the squared gradient, from those of its rows and columns."""
        rows, columns = self.slot("rows", variable), self.slot("columns", variable)
        squared = gradient * gradient
        if len(variable.shape) < 2:
            self.assign(rows, rows + (squared - rows) * share)
            return tf.convert_to_tensor(rows)
        self.assign(rows, rows + (tf.reduce_mean(squared, 1) - rows) * share)
        self.assign(columns, columns + (tf.reduce_mean(squared, 0) - columns) * share)
        return rows[:, None] * columns[None, :] / tf.maximum(tf.reduce_mean(rows), tf.constant(first, rows.dtype))


class SparseAdam(TorchOptimizer):
    """Adam that moves just the rows of an embedding that a batch has used."""

    def __init__(self, learning_rate=1e-3, betas=(0.9, 0.999), eps=1e-8, maximize=False, **kwargs):
        super().__init__(learning_rate, 0.0, maximize, **kwargs)
        self.betas = tuple(betas)
        self.eps = eps

    def build(self, variables):
        super().build(variables)
        self.make_slots(variables, "mean", "square")

    def update_step(self, gradient, variable, learning_rate):
        if not isinstance(gradient, tf.IndexedSlices):
            raise TypeError("SparseAdam takes the gradients of embeddings only: use Adam for dense ones")
        rows, which = tf.unique(tf.reshape(gradient.indices, [-1]))
        values = tf.math.unsorted_segment_sum(gradient.values, which, tf.size(rows))
        values = -values if self.maximize else values
        beta1, beta2 = self.betas
        mean = self.moved(self.slot("mean", variable), rows, values, beta1)
        square = self.moved(self.slot("square", variable), rows, values * values, beta2)
        step = self.step_number()
        scale = tf.cast(tf.sqrt(1 - beta2**step) / (1 - beta1**step), values.dtype)
        change = tf.cast(learning_rate, values.dtype) * scale * mean / (tf.sqrt(square) + self.eps)
        self.assign(variable, tf.tensor_scatter_nd_sub(tf.convert_to_tensor(variable), rows[:, None], change))

    def moved(self, slot, rows, values, beta):
        """The given rows of a running average after these values, which it keeps."""
        new = tf.gather(tf.convert_to_tensor(slot), rows)
        new = new + (values - new) * (1 - beta)
        self.assign(slot, tf.tensor_scatter_nd_update(tf.convert_to_tensor(slot), rows[:, None], new))
        return new
