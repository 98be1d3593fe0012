"""L-BFGS with PyTorch's arguments and stopping rules.

The two-loop recursion and the line search for the strong Wolfe conditions: Nocedal and Wright, Numerical
Optimization, chapters 3 and 7; the order of the tests as ``torch.optim.LBFGS`` documents and does it.
"""

import math

import tensorflow as tf


def cubic_minimum(a, b, bounds=None):
    """Where the cubic through two (place, value, slope) is least, within the bounds."""
    (x1, f1, g1), (x2, f2, g2) = (a, b) if a[0] <= b[0] else (b, a)
    low, high = (x1, x2) if bounds is None else bounds
    d1 = g1 + g2 - 3 * (f1 - f2) / (x1 - x2)
    square = d1 * d1 - g1 * g2
    if not square >= 0:
        return (low + high) / 2
    d2 = math.sqrt(square)
    return min(max(x2 - (x2 - x1) * ((g2 + d2 - d1) / (g2 - g1 + 2 * d2)), low), high)


def strong_wolfe(at, start, rate, size, most, tolerance, c1=1e-4, c2=0.9):
    """A step along a direction: ((place, value, slope), gradient, evaluations).

    ``at(t)`` gives a point and its gradient, ``start`` is the one at 0, ``size`` the direction's largest component.
    """
    origin = start[0]
    new, before = at(rate), start
    count, looked, found = 1, 0, False
    points = None
    while looked < most:
        place, value, slope = new[0]
        if value > origin[1] + c1 * place * origin[2] or (looked > 1 and value >= before[0][1]):
            points = [before, new]
            break
        if abs(slope) <= -c2 * origin[2]:
            points, found = [new], True
            break
        if slope >= 0:
            points = [before, new]
            break
        bounds = (place + 0.01 * (place - before[0][0]), place * 10)
        further = cubic_minimum(before[0], new[0], bounds)
        before, new = new, at(further)
        count, looked = count + 1, looked + 1
    if points is None:
        points = [start, new]
    low, high = (0, 1) if points[0][0][1] <= points[-1][0][1] else (1, 0)
    stuck = False
    while not found and looked < most:
        ends = [p[0][0] for p in points]
        if abs(ends[1] - ends[0]) * size < tolerance:
            break
        place = cubic_minimum(points[0][0], points[1][0])
        margin = 0.1 * (max(ends) - min(ends))
        if min(max(ends) - place, place - min(ends)) < margin:
            if stuck or place >= max(ends) or place <= min(ends):
                upper = abs(place - max(ends)) < abs(place - min(ends))
                place, stuck = (max(ends) - margin if upper else min(ends) + margin), False
            else:
                stuck = True
        else:
            stuck = False
        new = at(place)
        count, looked = count + 1, looked + 1
        place, value, slope = new[0]
        if value > origin[1] + c1 * place * origin[2] or value >= points[low][0][1]:
            points[high] = new
            low, high = (0, 1) if points[0][0][1] <= points[1][0][1] else (1, 0)
            continue
        found = abs(slope) <= -c2 * origin[2]
        if not found and slope * (ends[high] - ends[low]) >= 0:
            points[high] = points[low]
        points[low] = new
    return (*points[low], count)


class LBFGS:
    """A step calls a closure again and again; it computes the loss and leaves its gradients with the optimizer."""

    def __init__(
        self, learning_rate=1.0, max_iter=20, max_eval=None, tolerance_grad=1e-7, tolerance_change=1e-9,
        history_size=100, line_search_fn=None,
    ):  # fmt: skip
        if line_search_fn not in (None, "strong_wolfe"):
            raise ValueError("line_search_fn is None or 'strong_wolfe'")
        self.learning_rate = tf.Variable(learning_rate, dtype="float64", trainable=False)
        self.max_iter = max_iter
        self.max_eval = max_iter * 5 // 4 if max_eval is None else max_eval
        self.tolerance_grad = tolerance_grad
        self.tolerance_change = tolerance_change
        self.history_size = history_size
        self.line_search_fn = line_search_fn
        self.count = 0
        self.history = []
        self.gradient = self.direction = self.length = None
        self.scale = 1.0

    def flat(self, gradients, variables):
        """All gradients in one vector; zeros for those that are missing."""
        pairs = zip(gradients, variables, strict=True)
        every = (tf.zeros_like(v) if g is None else tf.convert_to_tensor(g) for g, v in pairs)
        return tf.concat([tf.reshape(g, [-1]) for g in every], 0)

    def evaluate(self, closure, variables):
        """The closure's loss, and the gradients that wait after it as one vector."""
        loss = closure()
        return loss, self.flat(tf.nest.flatten(self.accumulated), tf.nest.flatten(variables()))

    def move(self, variables, length, direction):
        """Add a part of a flat direction to the variables."""
        start = 0
        for variable in tf.nest.flatten(variables()):
            end = start + math.prod(variable.shape)
            change = tf.reshape(direction[start:end], variable.shape)
            variable.assign_add(tf.constant(length, change.dtype) * change)
            start = end

    def descent(self, gradient):
        """The direction of the next iteration; the differences of the last one are remembered first."""
        if self.count == 1:
            self.history, self.scale = [], 1.0
            return -gradient
        change, moved = gradient - self.gradient, self.direction * tf.constant(self.length, gradient.dtype)
        product = vector_product(change, moved)
        if product > 1e-10:
            self.history = [*self.history, (change, moved, 1 / product)][-self.history_size :]
            self.scale = product / vector_product(change, change)
        direction, shares = -gradient, []
        for y, s, rho in reversed(self.history):
            shares.append(vector_product(s, direction) * rho)
            direction = direction - shares[-1] * y
        direction = direction * self.scale
        for y, s, rho in self.history:
            direction = direction + s * (shares.pop() - vector_product(y, direction) * rho)
        return direction

    def step(self, closure, variables):
        """Move what ``variables()`` gives once the closure has run; returns the loss before."""
        first, gradient = self.evaluate(closure, variables)
        loss, evaluations, rate = float(first), 1, float(self.learning_rate)
        if largest_component(gradient) <= self.tolerance_grad:
            return first
        for iteration in range(1, self.max_iter + 1):
            self.count += 1
            self.direction = direction = self.descent(gradient)
            self.gradient, before = gradient, loss
            small = min(1.0, 1 / float(tf.reduce_sum(tf.abs(gradient)))) if self.count == 1 else 1.0
            self.length = small * rate
            slope = vector_product(gradient, direction)
            if slope > -self.tolerance_change:
                break
            if self.line_search_fn is not None:
                start = ((0.0, loss, slope), gradient)
                most = self.max_eval - evaluations
                found, gradient, used = self.search(closure, variables, start, most)
                self.length, loss, _ = found
                self.move(variables, self.length, direction)
            else:
                self.move(variables, self.length, direction)
                used = 0
                if iteration < self.max_iter:
                    value, gradient = self.evaluate(closure, variables)
                    loss, used = float(value), 1
            evaluations += used
            if iteration == self.max_iter or evaluations >= self.max_eval or self.done(gradient, loss, before):
                break
        return first

    def done(self, gradient, loss, before):
        """Whether the gradient, the step or the change of the loss is small enough to stop."""
        still = largest_component(self.direction) * abs(self.length) <= self.tolerance_change
        return largest_component(gradient) <= self.tolerance_grad or still or abs(loss - before) < self.tolerance_change

    def search(self, closure, variables, start, most):
        """The line search from the variables as they are, to which they return."""
        flat = tf.nest.flatten(variables())
        kept = [tf.identity(v) for v in flat]

        def at(place):
            self.move(variables, place, self.direction)
            loss, gradient = self.evaluate(closure, variables)
            for variable, value in zip(flat, kept, strict=True):
                variable.assign(value)
            return (place, float(loss), vector_product(gradient, self.direction)), gradient

        return strong_wolfe(at, start, self.length, largest_component(self.direction), most, self.tolerance_change)


def vector_product(a, b):
    """The product of two vectors, as a number."""
    return float(tf.tensordot(a, b, 1))


def largest_component(vector):
    """The largest absolute component, as a number."""
    return float(tf.reduce_max(tf.abs(vector)))
