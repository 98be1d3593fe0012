"""Layers that share their weights with another layer."""

import tensorflow as tf
from tensorflow import keras


class TiedDense(keras.layers.Layer):
    """A linear map whose weight is the table of an embedding: ``y = x @ table.T + bias``."""

    def __init__(self, embedding, use_bias=False, **kwargs):
        super().__init__(**kwargs)
        self.embedding = embedding
        self.use_bias = use_bias

    def build(self, input_shape):
        if not self.embedding.built:
            self.embedding.build()
        if self.use_bias:
            self.bias = self.add_weight(shape=(self.embedding.input_dim,), initializer="zeros", name="bias")
        self.built = True

    def call(self, x):
        y = tf.matmul(x, tf.cast(self.embedding.embeddings, x.dtype), transpose_b=True)
        return y + self.bias if self.use_bias else y
