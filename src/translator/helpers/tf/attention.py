"""Attention with PyTorch's arguments, masks and parameter layout."""

import math

import tensorflow as tf
from tensorflow import keras

from translator.helpers.tf.initializer import redraw


def attention_mask_bias(mask, dtype, masked_value):
    """A mask as a float tensor to add to scores: booleans give -inf where they equal ``masked_value``, else 0."""
    mask = tf.convert_to_tensor(mask)
    if mask.dtype != tf.bool:
        return tf.cast(mask, dtype)
    zero = tf.zeros((), dtype)
    return tf.where(mask == masked_value, zero - math.inf, zero)


def safe_softmax(scores):
    """Softmax over the last axis that gives 0 instead of NaN where a whole row is -inf."""
    empty = tf.reduce_max(scores, axis=-1, keepdims=True) == -math.inf
    weights = tf.nn.softmax(tf.where(empty, tf.zeros_like(scores), scores))
    return tf.where(empty, tf.zeros_like(weights), weights)


def scaled_dot_product_attention(
    query, key, value, attn_mask=None, dropout_p=0.0, is_causal=False, scale=None, enable_gqa=False
):
    """softmax(query key^T * scale + mask) value, for query (..., L, E), key (..., S, E) and value (..., S, Ev).

    A boolean mask is True where attention is allowed; a float mask is added to the scores. A query that may attend
    to nothing gets 0. ``dropout_p`` always applies: pass 0.0 in evaluation.
    """
    if enable_gqa:
        groups = query.shape[-3] // key.shape[-3]
        key = tf.repeat(key, groups, axis=-3)
        value = tf.repeat(value, groups, axis=-3)
    scale = 1.0 / math.sqrt(query.shape[-1]) if scale is None else scale
    scores = tf.matmul(query * scale, key, transpose_b=True)
    if is_causal:
        if attn_mask is not None:
            raise ValueError("attn_mask and is_causal=True cannot be given together.")
        rows, columns = tf.range(tf.shape(query)[-2])[:, None], tf.range(tf.shape(key)[-2])
        scores += attention_mask_bias(rows >= columns, scores.dtype, masked_value=False)
    if attn_mask is None:
        weights = tf.nn.softmax(scores)
    else:
        weights = safe_softmax(scores + attention_mask_bias(attn_mask, scores.dtype, masked_value=False))
    if dropout_p > 0.0:
        weights = tf.nn.dropout(weights, dropout_p)
    return tf.matmul(weights, value)


class MultiheadAttention(keras.layers.Layer):
    """Multi-head attention with PyTorch's arguments and parameters; returns (output, weights or None).

    in_proj_weight (3E, E) holds the rows of the query, key and value projections. Masks are True (or -inf) where
    attention is *not* allowed. Inputs are (L, N, E), (N, L, E) with batch_first, or (L, E) unbatched.
    """

    def __init__(
        self,
        embed_dim,
        num_heads,
        dropout=0.0,
        bias=True,
        add_bias_kv=False,
        add_zero_attn=False,
        kdim=None,
        vdim=None,
        batch_first=False,
        device=None,
        dtype=None,
        **kwargs,
    ):
        super().__init__(dtype=dtype, **kwargs)
        if embed_dim % num_heads:
            raise ValueError("embed_dim must be divisible by num_heads")
        self.embed_dim = embed_dim
        self.num_heads = num_heads
        self.head_dim = embed_dim // num_heads
        self.dropout = dropout
        self.batch_first = batch_first
        self.add_zero_attn = add_zero_attn
        self.kdim = embed_dim if kdim is None else kdim
        self.vdim = embed_dim if vdim is None else vdim
        self.same_dims = self.kdim == embed_dim and self.vdim == embed_dim

        def parameter(name, *shape, initializer="zeros"):
            return self.add_weight(shape=shape, initializer=initializer, name=name)

        if self.same_dims:
            self.in_proj_weight = parameter("in_proj_weight", 3 * embed_dim, embed_dim, initializer="glorot_uniform")
        else:
            self.q_proj_weight = parameter("q_proj_weight", embed_dim, embed_dim, initializer="glorot_uniform")
            self.k_proj_weight = parameter("k_proj_weight", embed_dim, self.kdim, initializer="glorot_uniform")
            self.v_proj_weight = parameter("v_proj_weight", embed_dim, self.vdim, initializer="glorot_uniform")
        self.in_proj_bias = parameter("in_proj_bias", 3 * embed_dim) if bias else None
        bound = 1.0 / math.sqrt(embed_dim)
        uniform = keras.initializers.RandomUniform(-bound, bound)
        self.out_proj = keras.layers.Dense(embed_dim, use_bias=bias, kernel_initializer=uniform, dtype=dtype)
        self.out_proj.build((None, embed_dim))
        self.bias_k = parameter("bias_k", 1, 1, embed_dim, initializer="glorot_normal") if add_bias_kv else None
        self.bias_v = parameter("bias_v", 1, 1, embed_dim, initializer="glorot_normal") if add_bias_kv else None

    def _reset_parameters(self):
        """Draw anew what PyTorch does: the projections in, the biases, not the weight of the projection out."""
        weights = (
            [self.in_proj_weight] if self.same_dims else [self.q_proj_weight, self.k_proj_weight, self.v_proj_weight]
        )
        redraw(weights, keras.initializers.GlorotUniform())
        redraw([b for b in (self.in_proj_bias, self.out_proj.bias) if b is not None], keras.initializers.Zeros())
        redraw([b for b in (self.bias_k, self.bias_v) if b is not None], keras.initializers.GlorotNormal())

    def project(self, query, key, value):
        """The projected query, key and value; one matmul where the inputs are the same tensor."""
        if not self.same_dims:
            weights = [self.q_proj_weight, self.k_proj_weight, self.v_proj_weight]
        elif query is key and key is value:
            packed = tf.matmul(query, tf.transpose(self.in_proj_weight))
            if self.in_proj_bias is not None:
                packed += self.in_proj_bias
            return tf.split(packed, 3, axis=-1)
        else:
            weights = tf.split(tf.convert_to_tensor(self.in_proj_weight), 3)
        results = [tf.matmul(x, tf.transpose(w)) for x, w in zip((query, key, value), weights, strict=True)]
        if self.in_proj_bias is not None:
            biases = tf.split(tf.convert_to_tensor(self.in_proj_bias), 3)
            results = [x + b for x, b in zip(results, biases, strict=True)]
        return results

    def split_heads(self, x):
        """(N, L, E) -> (N, heads, L, head_dim)."""
        x = tf.reshape(x, (tf.shape(x)[0], tf.shape(x)[1], self.num_heads, self.head_dim))
        return tf.transpose(x, (0, 2, 1, 3))

    def merge_masks(self, attn_mask, key_padding_mask, scores):
        """Both masks as one tensor that broadcasts to the scores (N, heads, L, S), or None."""
        bias = None
        if attn_mask is not None:
            bias = attention_mask_bias(attn_mask, scores.dtype, masked_value=True)
            if len(bias.shape) == 3:
                bias = tf.reshape(bias, (-1, self.num_heads, tf.shape(bias)[1], tf.shape(bias)[2]))
        if key_padding_mask is not None:
            padding = attention_mask_bias(key_padding_mask, scores.dtype, masked_value=True)[:, None, None, :]
            bias = padding if bias is None else bias + padding
        if bias is not None:
            extra = (self.bias_k is not None) + bool(self.add_zero_attn)
            bias = tf.pad(bias, [[0, 0]] * (len(bias.shape) - 1) + [[0, extra]])
        return bias

    def call(
        self,
        query,
        key,
        value,
        key_padding_mask=None,
        need_weights=True,
        attn_mask=None,
        average_attn_weights=True,
        is_causal=False,
        training=None,
    ):
        """is_causal is a hint that attn_mask is causal; the mask itself is what counts, and must be given."""
        if is_causal and attn_mask is None:
            raise ValueError("Need attn_mask if specifying the is_causal hint.")
        batched = len(query.shape) == 3
        query, key, value = self.project(query, key, value)
        if not batched:
            query, key, value = query[None], key[None], value[None]
            key_padding_mask = None if key_padding_mask is None else key_padding_mask[None]
        elif not self.batch_first:
            query, key, value = (tf.transpose(x, (1, 0, 2)) for x in (query, key, value))
        batch = tf.shape(key)[0]
        if self.bias_k is not None:
            key = tf.concat([key, tf.tile(self.bias_k, (batch, 1, 1))], axis=1)
            value = tf.concat([value, tf.tile(self.bias_v, (batch, 1, 1))], axis=1)
        if self.add_zero_attn:
            zeros = tf.zeros((batch, 1, self.embed_dim), key.dtype)
            key, value = tf.concat([key, zeros], axis=1), tf.concat([value, zeros], axis=1)
        query, key, value = self.split_heads(query), self.split_heads(key), self.split_heads(value)
        scores = tf.matmul(query * (1.0 / math.sqrt(self.head_dim)), key, transpose_b=True)
        bias = self.merge_masks(attn_mask, key_padding_mask, scores)
        if bias is None:
            weights = tf.nn.softmax(scores)
        else:
            # A fully masked row is NaN with the weights and 0 without them, as in PyTorch.
            weights = tf.nn.softmax(scores + bias) if need_weights else safe_softmax(scores + bias)
        if training and self.dropout > 0.0:
            weights = tf.nn.dropout(weights, self.dropout)
        output = tf.transpose(tf.matmul(weights, value), (0, 2, 1, 3))
        output = self.out_proj(tf.reshape(output, (tf.shape(output)[0], tf.shape(output)[1], self.embed_dim)))
        if average_attn_weights and need_weights:
            weights = tf.reduce_mean(weights, axis=1)
        if not batched:
            output, weights = output[0], weights[0]
        elif not self.batch_first:
            output = tf.transpose(output, (1, 0, 2))
        return output, (weights if need_weights else None)
