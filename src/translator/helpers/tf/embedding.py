"""Embedding look-ups with PyTorch's padding row, norm limit and gradient scaling."""

import tensorflow as tf
from tensorflow import keras


def renormalize_rows(weight, ids, max_norm, norm_type=2.0):
    """Scale in place the rows of the variable ``weight`` that ``ids`` name down to ``max_norm``, as PyTorch does."""
    rows = tf.unique(tf.reshape(ids, [-1]))[0]
    values = tf.stop_gradient(tf.gather(weight, rows))
    norms = tf.norm(values, ord=norm_type, axis=-1, keepdims=True)
    values = tf.where(norms > max_norm, values * (max_norm / (norms + 1e-7)), values)
    weight.assign(tf.tensor_scatter_nd_update(tf.convert_to_tensor(weight), rows[:, None], values))


def embedding(input, weight, padding_idx=None, max_norm=None, norm_type=2.0, scale_grad_by_freq=False, sparse=False):
    """The rows of ``weight`` (V, D) that the integer tensor ``input`` names; ``padding_idx`` gets no gradient.

    With ``max_norm`` the rows of the variable are rescaled in place first; ``sparse`` changes nothing here.
    """
    ids = tf.convert_to_tensor(input)
    if max_norm is not None:
        renormalize_rows(weight, ids, max_norm, norm_type)
    table = tf.convert_to_tensor(weight)
    rows = tf.gather(table, ids)
    if padding_idx is not None:
        padding_idx = padding_idx + tf.shape(table, ids.dtype)[0] if padding_idx < 0 else padding_idx
        padding = (ids == padding_idx)[..., None]
        rows = tf.where(padding, tf.stop_gradient(rows), rows)
    if scale_grad_by_freq:
        _, index, count = tf.unique_with_counts(tf.reshape(ids, [-1]))
        share = 1.0 / tf.cast(tf.reshape(tf.gather(count, index), tf.shape(ids)), rows.dtype)[..., None]
        rows = rows * share + tf.stop_gradient(rows * (1.0 - share))
    return rows


class Embedding(keras.layers.Embedding):
    """keras.layers.Embedding with PyTorch's arguments: N(0, 1) start, a padding row of 0 without gradient, max_norm."""

    def __init__(
        self,
        num_embeddings,
        embedding_dim,
        padding_idx=None,
        max_norm=None,
        norm_type=2.0,
        scale_grad_by_freq=False,
        sparse=False,
        device=None,
        dtype=None,
        **kwargs,
    ):
        normal = keras.initializers.RandomNormal(0.0, 1.0)
        super().__init__(num_embeddings, embedding_dim, embeddings_initializer=normal, dtype=dtype, **kwargs)
        self.num_embeddings = num_embeddings
        self.embedding_dim = embedding_dim
        self.padding_idx = None if padding_idx is None else padding_idx % num_embeddings
        self.max_norm = max_norm
        self.norm_type = norm_type
        self.scale_grad_by_freq = scale_grad_by_freq
        self.build()
        if padding_idx is not None:
            kept = tf.range(num_embeddings)[:, None] != self.padding_idx
            self.embeddings.assign(tf.where(kept, self.embeddings, tf.zeros_like(self.embeddings)))

    @property
    def embeddings_initializer(self):
        """What the weight starts from. Setting it draws the weight, which is built from the start, anew."""
        return self.start

    @embeddings_initializer.setter
    def embeddings_initializer(self, initializer):
        self.start = keras.initializers.get(initializer)
        if self.built:
            self.embeddings.assign(self.start(self.embeddings.shape, self.embeddings.dtype))

    @property
    def weight(self):
        return self.embeddings

    def call(self, inputs):
        rows = embedding(
            inputs, self.embeddings, self.padding_idx, self.max_norm, self.norm_type, self.scale_grad_by_freq
        )
        return tf.cast(rows, self.compute_dtype)


def embedding_bag(
    input, weight, offsets=None, max_norm=None, norm_type=2.0, scale_grad_by_freq=False, mode="mean", sparse=False,
    per_sample_weights=None, include_last_offset=False, padding_idx=None,
):
    """Sums, means or maxima of bags of the rows of ``weight``; an empty bag gives 0.

    The input is (B, L), a bag a row, or all ids in one (N,) tensor with the start of each bag in ``offsets`` (B,).
    """
    if offsets is None:
        bags = tf.shape(input)[0]
        bag = tf.repeat(tf.range(bags), tf.shape(input)[1])
    else:
        offsets = offsets[:-1] if include_last_offset else offsets
        bags = tf.shape(offsets)[0]
        positions = tf.range(tf.shape(input)[0])
        bag = tf.searchsorted(tf.cast(offsets, tf.int32), positions, side="right") - 1
    ids = tf.reshape(input, [-1])
    rows = embedding(ids, weight, None, max_norm, norm_type, scale_grad_by_freq)
    if per_sample_weights is not None:
        rows *= tf.reshape(tf.cast(per_sample_weights, rows.dtype), (-1, 1))
    if padding_idx is not None:
        kept = tf.where(ids != padding_idx % weight.shape[0])[:, 0]
        rows, bag = tf.gather(rows, kept), tf.gather(bag, kept)
    if mode == "sum":
        return tf.math.unsorted_segment_sum(rows, bag, bags)
    if mode == "mean":
        return tf.math.unsorted_segment_mean(rows, bag, bags)
    count = tf.math.unsorted_segment_sum(tf.ones_like(bag), bag, bags)[:, None]
    largest = tf.math.unsorted_segment_max(rows, bag, bags)
    return tf.where(count > 0, largest, tf.zeros_like(largest))


class EmbeddingBag(keras.layers.Layer):
    """Sums, means or maxima of bags of embeddings; an empty bag gives 0.

    The input is (B, L), a bag a row, or all ids in one (N,) tensor with the start of each bag in ``offsets`` (B,).
    """

    def __init__(
        self,
        num_embeddings,
        embedding_dim,
        max_norm=None,
        norm_type=2.0,
        scale_grad_by_freq=False,
        mode="mean",
        sparse=False,
        include_last_offset=False,
        padding_idx=None,
        device=None,
        dtype=None,
        **kwargs,
    ):
        super().__init__(dtype=dtype, **kwargs)
        self.num_embeddings = num_embeddings
        self.embedding_dim = embedding_dim
        self.max_norm = max_norm
        self.norm_type = norm_type
        self.scale_grad_by_freq = scale_grad_by_freq
        self.mode = mode
        self.include_last_offset = include_last_offset
        self.padding_idx = None if padding_idx is None else padding_idx % num_embeddings
        self.weight = self.add_weight(
            shape=(num_embeddings, embedding_dim),
            initializer=keras.initializers.RandomNormal(0.0, 1.0),
            name="weight",
        )
        if padding_idx is not None:
            kept = tf.range(num_embeddings)[:, None] != self.padding_idx
            self.weight.assign(tf.where(kept, self.weight, tf.zeros_like(self.weight)))

    def call(self, input, offsets=None, per_sample_weights=None):
        return embedding_bag(
            input, self.weight, offsets, self.max_norm, self.norm_type, self.scale_grad_by_freq, self.mode, False,
            per_sample_weights, self.include_last_offset, self.padding_idx,
        )
