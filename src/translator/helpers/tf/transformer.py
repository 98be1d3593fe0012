"""Transformer layers with PyTorch's arguments, sublayer names and parameters."""

import math

import tensorflow as tf
from tensorflow import keras

from translator.helpers.tf.attention import MultiheadAttention
from translator.helpers.tf.container import clone_layer


def transformer_activation(activation):
    """The function for "relu", "gelu" (by erf) or a callable."""
    if activation == "relu":
        return tf.nn.relu
    if activation == "gelu":
        return lambda x: 0.5 * x * (1.0 + tf.math.erf(x * math.sqrt(0.5)))
    if not callable(activation):
        raise ValueError(f"activation should be relu/gelu or a callable, not {activation}")
    return activation


def built_dense(inputs, units, bias=True, dtype=None):
    """A Dense layer with its weights created, drawn from PyTorch's default U(-1/sqrt(inputs), 1/sqrt(inputs))."""
    bound = 1.0 / math.sqrt(inputs)
    uniform = keras.initializers.RandomUniform(-bound, bound)
    layer = keras.layers.Dense(units, use_bias=bias, kernel_initializer=uniform, bias_initializer=uniform, dtype=dtype)
    layer.build((None, inputs))
    return layer


def built_layer_norm(size, eps=1e-5, bias=True, dtype=None):
    """A LayerNormalization of the last axis with its weights created."""
    layer = keras.layers.LayerNormalization(epsilon=eps, center=bias, dtype=dtype)
    layer.build((None, size))
    return layer


class TransformerEncoderLayer(keras.layers.Layer):
    """Self-attention and a feed-forward block; post-norm by default, input (L, N, E) or (N, L, E) with batch_first."""

    def __init__(
        self,
        d_model,
        nhead,
        dim_feedforward=2048,
        dropout=0.1,
        activation="relu",
        layer_norm_eps=1e-5,
        batch_first=False,
        norm_first=False,
        bias=True,
        device=None,
        dtype=None,
        **kwargs,
    ):
        super().__init__(dtype=dtype, **kwargs)
        self.norm_first = norm_first
        self.self_attn = MultiheadAttention(
            d_model, nhead, dropout=dropout, bias=bias, batch_first=batch_first, dtype=dtype
        )
        self.linear1 = built_dense(d_model, dim_feedforward, bias, dtype)
        self.dropout = keras.layers.Dropout(dropout, dtype=dtype)
        self.linear2 = built_dense(dim_feedforward, d_model, bias, dtype)
        self.norm1 = built_layer_norm(d_model, layer_norm_eps, bias, dtype)
        self.norm2 = built_layer_norm(d_model, layer_norm_eps, bias, dtype)
        self.dropout1 = keras.layers.Dropout(dropout, dtype=dtype)
        self.dropout2 = keras.layers.Dropout(dropout, dtype=dtype)
        self.activation = transformer_activation(activation)

    def self_attention(self, x, mask, padding, is_causal):
        x = self.self_attn(x, x, x, attn_mask=mask, key_padding_mask=padding, need_weights=False, is_causal=is_causal)[
            0
        ]
        return self.dropout1(x)

    def feed_forward(self, x):
        return self.dropout2(self.linear2(self.dropout(self.activation(self.linear1(x)))))

    def call(self, src, src_mask=None, src_key_padding_mask=None, is_causal=False):
        """src_mask (L, L) or (N * heads, L, L) and src_key_padding_mask (N, L): True or -inf where not allowed."""
        x = src
        if self.norm_first:
            x = x + self.self_attention(self.norm1(x), src_mask, src_key_padding_mask, is_causal)
            return x + self.feed_forward(self.norm2(x))
        x = self.norm1(x + self.self_attention(x, src_mask, src_key_padding_mask, is_causal))
        return self.norm2(x + self.feed_forward(x))


class TransformerDecoderLayer(keras.layers.Layer):
    """Self-attention, attention to the memory and a feed-forward block; post-norm by default."""

    def __init__(
        self,
        d_model,
        nhead,
        dim_feedforward=2048,
        dropout=0.1,
        activation="relu",
        layer_norm_eps=1e-5,
        batch_first=False,
        norm_first=False,
        bias=True,
        device=None,
        dtype=None,
        **kwargs,
    ):
        super().__init__(dtype=dtype, **kwargs)
        self.norm_first = norm_first
        attention = {"dropout": dropout, "bias": bias, "batch_first": batch_first, "dtype": dtype}
        self.self_attn = MultiheadAttention(d_model, nhead, **attention)
        self.multihead_attn = MultiheadAttention(d_model, nhead, **attention)
        self.linear1 = built_dense(d_model, dim_feedforward, bias, dtype)
        self.dropout = keras.layers.Dropout(dropout, dtype=dtype)
        self.linear2 = built_dense(dim_feedforward, d_model, bias, dtype)
        self.norm1 = built_layer_norm(d_model, layer_norm_eps, bias, dtype)
        self.norm2 = built_layer_norm(d_model, layer_norm_eps, bias, dtype)
        self.norm3 = built_layer_norm(d_model, layer_norm_eps, bias, dtype)
        self.dropout1 = keras.layers.Dropout(dropout, dtype=dtype)
        self.dropout2 = keras.layers.Dropout(dropout, dtype=dtype)
        self.dropout3 = keras.layers.Dropout(dropout, dtype=dtype)
        self.activation = transformer_activation(activation)

    def feed_forward(self, x):
        return self.dropout3(self.linear2(self.dropout(self.activation(self.linear1(x)))))

    def call(
        self,
        tgt,
        memory,
        tgt_mask=None,
        memory_mask=None,
        tgt_key_padding_mask=None,
        memory_key_padding_mask=None,
        tgt_is_causal=False,
        memory_is_causal=False,
    ):
        """Masks are True or -inf where attention is not allowed; the causal flags are hints about the masks."""
        self_masks = {
            "attn_mask": tgt_mask,
            "key_padding_mask": tgt_key_padding_mask,
            "is_causal": tgt_is_causal,
            "need_weights": False,
        }
        cross_masks = {
            "attn_mask": memory_mask,
            "key_padding_mask": memory_key_padding_mask,
            "is_causal": memory_is_causal,
            "need_weights": False,
        }
        x = tgt
        if self.norm_first:
            y = self.norm1(x)
            x = x + self.dropout1(self.self_attn(y, y, y, **self_masks)[0])
            x = x + self.dropout2(self.multihead_attn(self.norm2(x), memory, memory, **cross_masks)[0])
            return x + self.feed_forward(self.norm3(x))
        x = self.norm1(x + self.dropout1(self.self_attn(x, x, x, **self_masks)[0]))
        x = self.norm2(x + self.dropout2(self.multihead_attn(x, memory, memory, **cross_masks)[0]))
        return self.norm3(x + self.feed_forward(x))


class TransformerEncoder(keras.layers.Layer):
    """A stack of copies of ``encoder_layer``, which start with equal weights as in PyTorch, and an optional norm.

    Padded positions are computed like the others; PyTorch's inference fast path sets them to 0 instead.
    """

    def __init__(self, encoder_layer, num_layers, norm=None, enable_nested_tensor=True, mask_check=True, **kwargs):
        super().__init__(**kwargs)
        self.layers = [clone_layer(encoder_layer) for _ in range(num_layers)]
        self.num_layers = num_layers
        self.norm = norm

    def call(self, src, mask=None, src_key_padding_mask=None, is_causal=None):
        x = src
        causal = bool(is_causal)
        for layer in self.layers:
            x = layer(x, src_mask=mask, src_key_padding_mask=src_key_padding_mask, is_causal=causal)
        return x if self.norm is None else self.norm(x)


class TransformerDecoder(keras.layers.Layer):
    """A stack of copies of ``decoder_layer``, which start with equal weights as in PyTorch, and an optional norm."""

    def __init__(self, decoder_layer, num_layers, norm=None, **kwargs):
        super().__init__(**kwargs)
        self.layers = [clone_layer(decoder_layer) for _ in range(num_layers)]
        self.num_layers = num_layers
        self.norm = norm

    def call(
        self,
        tgt,
        memory,
        tgt_mask=None,
        memory_mask=None,
        tgt_key_padding_mask=None,
        memory_key_padding_mask=None,
        tgt_is_causal=None,
        memory_is_causal=False,
    ):
        x = tgt
        for layer in self.layers:
            x = layer(
                x,
                memory,
                tgt_mask=tgt_mask,
                memory_mask=memory_mask,
                tgt_key_padding_mask=tgt_key_padding_mask,
                memory_key_padding_mask=memory_key_padding_mask,
                tgt_is_causal=bool(tgt_is_causal),
                memory_is_causal=memory_is_causal,
            )
        return x if self.norm is None else self.norm(x)


class Transformer(keras.layers.Layer):
    """The encoder-decoder transformer; every matrix starts Glorot uniform as in PyTorch."""

    def __init__(
        self,
        d_model=512,
        nhead=8,
        num_encoder_layers=6,
        num_decoder_layers=6,
        dim_feedforward=2048,
        dropout=0.1,
        activation="relu",
        custom_encoder=None,
        custom_decoder=None,
        layer_norm_eps=1e-5,
        batch_first=False,
        norm_first=False,
        bias=True,
        device=None,
        dtype=None,
        **kwargs,
    ):
        super().__init__(dtype=dtype, **kwargs)
        self.d_model = d_model
        self.nhead = nhead
        self.batch_first = batch_first
        options = (dim_feedforward, dropout, activation, layer_norm_eps, batch_first, norm_first, bias, None, dtype)
        self.encoder = custom_encoder
        if custom_encoder is None:
            layer = TransformerEncoderLayer(d_model, nhead, *options)
            norm = built_layer_norm(d_model, layer_norm_eps, bias, dtype)
            self.encoder = TransformerEncoder(layer, num_encoder_layers, norm, dtype=dtype)
        self.decoder = custom_decoder
        if custom_decoder is None:
            layer = TransformerDecoderLayer(d_model, nhead, *options)
            norm = built_layer_norm(d_model, layer_norm_eps, bias, dtype)
            self.decoder = TransformerDecoder(layer, num_decoder_layers, norm, dtype=dtype)
        glorot = keras.initializers.GlorotUniform()
        for weight in self.trainable_variables:
            if len(weight.shape) > 1:
                weight.assign(glorot.clone()(weight.shape, weight.dtype))

    @staticmethod
    def generate_square_subsequent_mask(sz, device=None, dtype=None):
        """A (sz, sz) float mask with -inf above the diagonal."""
        zero = tf.zeros((), dtype or keras.config.floatx())
        return tf.where(tf.range(sz)[:, None] >= tf.range(sz), zero, zero - math.inf)

    def call(
        self,
        src,
        tgt,
        src_mask=None,
        tgt_mask=None,
        memory_mask=None,
        src_key_padding_mask=None,
        tgt_key_padding_mask=None,
        memory_key_padding_mask=None,
        src_is_causal=None,
        tgt_is_causal=None,
        memory_is_causal=False,
    ):
        """Masks are True or -inf where attention is not allowed; the causal flags are hints about the masks."""
        memory = self.encoder(src, mask=src_mask, src_key_padding_mask=src_key_padding_mask, is_causal=src_is_causal)
        return self.decoder(
            tgt,
            memory,
            tgt_mask=tgt_mask,
            memory_mask=memory_mask,
            tgt_key_padding_mask=tgt_key_padding_mask,
            memory_key_padding_mask=memory_key_padding_mask,
            tgt_is_causal=tgt_is_causal,
            memory_is_causal=memory_is_causal,
        )
