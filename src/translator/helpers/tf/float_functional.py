"""What a model that is meant to be quantised computes before that."""

import tensorflow as tf


class FloatFunctional:
    """Operations of a float model that quantisation would have observed: plain ones."""

    def add(self, x, y):
        return x + y

    def add_scalar(self, x, y):
        return x + y

    def mul(self, x, y):
        return x * y

    def mul_scalar(self, x, y):
        return x * y

    def cat(self, x, dim=0):
        return tf.concat(x, axis=dim)

    def add_relu(self, x, y):
        return tf.nn.relu(x + y)

    def matmul(self, x, y):
        return tf.matmul(x, y)
