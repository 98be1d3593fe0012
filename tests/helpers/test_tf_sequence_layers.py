"""The recurrent, attention, transformer and embedding helpers against torch.nn in float64."""

import numpy as np
import pytest
import tensorflow as tf
import torch
from tensorflow import keras
from tf_sequence_support import assert_close, compare, data, tf_run, torch_run

from translator.helpers.tf.attention import MultiheadAttention, scaled_dot_product_attention
from translator.helpers.tf.embedding import Embedding, EmbeddingBag, embedding
from translator.helpers.tf.rnn import GRU, LSTM, RNN
from translator.helpers.tf.rnn_cells import GRUCell, LSTMCell, RNNCell
from translator.helpers.tf.transformer import (
    Transformer,
    TransformerDecoder,
    TransformerDecoderLayer,
    TransformerEncoder,
    TransformerEncoderLayer,
)

KERAS_NAMES = {keras.layers.LayerNormalization: {"weight": "gamma", "bias": "beta"}}


def variable_of(layer, path):
    """(the Keras variable that stands for a torch parameter path, whether it is transposed)."""
    *parents, name = path.split(".")
    for parent in parents:
        layer = layer[int(parent)] if parent.isdigit() else getattr(layer, parent)
    if isinstance(layer, keras.layers.Dense):
        return (layer.kernel, True) if name == "weight" else (layer.bias, False)
    return getattr(layer, KERAS_NAMES.get(type(layer), {}).get(name, name)), False


def copy_weights(module, layer):
    """Give the layer the module's parameters; returns pairs (parameter, variable, transposed) in order."""
    pairs = []
    for path, parameter in module.named_parameters():
        variable, transposed = variable_of(layer, path)
        value = parameter.detach().numpy()
        variable.assign(value.T if transposed else value)
        pairs.append((parameter, variable, transposed))
    return pairs


def compare_layers(module, layer, torch_call, tf_call, *arrays, traced=False, scale=1.0):
    """Outputs, input gradients and parameter gradients of a module and a layer with the same weights agree."""
    module = module.double()
    pairs = copy_weights(module, layer)
    assert len(layer.trainable_variables) == len(pairs)
    parameters, variables = [p for p, _, _ in pairs], [v.value for _, v, _ in pairs]
    expected, expected_grads = torch_run(lambda *a: torch_call(module, *a), arrays, parameters)
    for mode in (False, "batch") if traced else (False,):
        actual, grads = tf_run(lambda *a: tf_call(layer, *a), arrays, variables, traced=mode)
        assert len(actual) == len(expected)
        for a, e in zip(actual, expected, strict=True):
            assert_close(a, e, scale)
        inputs = len(grads) - len(pairs)
        turned = [g.T if t else g for g, (_, _, t) in zip(grads[inputs:], pairs, strict=True)]
        for a, e in zip([*grads[:inputs], *turned], expected_grads, strict=True):
            assert_close(a, e, scale)


def call(layer, *arrays):
    return layer(*arrays)


RECURRENT = [
    (torch.nn.LSTM, LSTM, {}),
    (torch.nn.LSTM, LSTM, {"num_layers": 2, "bidirectional": True, "batch_first": True}),
    (torch.nn.LSTM, LSTM, {"proj_size": 2, "num_layers": 2, "bidirectional": True, "bias": False}),
    (torch.nn.GRU, GRU, {"batch_first": True}),
    (torch.nn.GRU, GRU, {"num_layers": 2, "bidirectional": True, "bias": False}),
    (torch.nn.RNN, RNN, {"nonlinearity": "relu"}),
    (torch.nn.RNN, RNN, {"num_layers": 2, "bidirectional": True, "batch_first": True}),
]


@pytest.mark.parametrize("torch_class, tf_class, options", RECURRENT)
def test_recurrent(torch_class, tf_class, options):
    module, layer = torch_class(3, 4, **options), tf_class(3, 4, dtype="float64", **options)
    compare_layers(module, layer, call, call, data(5, 6, 3), traced=True)
    count = options.get("num_layers", 1) * (2 if options.get("bidirectional") else 1)
    batch = 5 if options.get("batch_first") else 6
    states = [data(count, batch, options.get("proj_size") or 4), data(count, batch, 4, seed=1)]
    if torch_class is torch.nn.LSTM:
        compare_layers(module, layer, lambda m, x, h, c: m(x, (h, c)), lambda m, x, h, c: m(x, (h, c)),
                       data(5, 6, 3), *states)  # fmt: skip
        compare_layers(module, layer, lambda m, x, h, c: m(x, (h, c)), lambda m, x, h, c: m(x, (h, c)),
                       data(5, 3), *[s[:, 0] for s in states])  # fmt: skip
    else:
        compare_layers(module, layer, call, call, data(5, 6, 3), states[0])
        compare_layers(module, layer, call, call, data(5, 3), states[0][:, 0])
    compare_layers(module, layer, call, call, data(5, 3))


@pytest.mark.parametrize("torch_class, tf_class, options", RECURRENT)
@pytest.mark.parametrize("start", [False, True])
def test_packed(torch_class, tf_class, options, start):
    module, layer = torch_class(3, 4, **options), tf_class(3, 4, dtype="float64", **options)
    lengths = [2, 5, 1]
    batch_first = options.get("batch_first", False)
    x = data(3, 5, 3) if batch_first else data(5, 3, 3)
    count = options.get("num_layers", 1) * (2 if options.get("bidirectional") else 1)
    states = [data(count, 3, options.get("proj_size") or 4), data(count, 3, 4, seed=1)]
    states = states[: 2 if torch_class is torch.nn.LSTM else 1] if start else []

    def hx(values):
        return None if not values else tuple(values) if len(values) > 1 else values[0]

    def packed(module, x, *states):
        sequence = torch.nn.utils.rnn.pack_padded_sequence(x, lengths, batch_first, enforce_sorted=False)
        output, last = module(sequence, hx(states))
        return torch.nn.utils.rnn.pad_packed_sequence(output, batch_first)[0], last

    compare_layers(module, layer, packed, lambda m, x, *s: m(x, hx(s), lengths=lengths), x, *states,
                   traced=start)  # fmt: skip


def test_recurrent_initial_values_dropout_and_float32():
    layer = LSTM(3, 16, num_layers=2, dropout=0.5)
    x = tf.constant(data(5, 6, 3), tf.float32)
    values = np.concatenate([v.numpy().ravel() for v in layer.weights])
    assert 0.2 < np.abs(values).max() <= 0.25
    assert abs(values.std() - 0.25 / np.sqrt(3)) < 0.01
    still, moved = layer(x)[0], layer(x, training=True)[0]
    assert still.dtype == tf.float32
    np.testing.assert_array_equal(still, layer(x, training=False)[0])
    assert np.abs(still - moved).max() > 1e-3
    one = LSTM(3, 4, dropout=0.5)
    np.testing.assert_array_equal(one(x)[0], one(x, training=True)[0])


def test_cells():
    for torch_class, tf_class, options in [
        (torch.nn.LSTMCell, LSTMCell, {}),
        (torch.nn.GRUCell, GRUCell, {}),
        (torch.nn.GRUCell, GRUCell, {"bias": False}),
        (torch.nn.RNNCell, RNNCell, {"nonlinearity": "relu"}),
    ]:
        module, layer = torch_class(3, 4, **options), tf_class(3, 4, dtype="float64", **options)
        compare_layers(module, layer, call, call, data(5, 3), traced=True)
        compare_layers(module, layer, call, call, data(3))
        if torch_class is torch.nn.LSTMCell:
            both = [lambda m, x, h, c: m(x, (h, c))] * 2
            compare_layers(module, layer, *both, data(5, 3), data(5, 4), data(5, 4, seed=1))
            compare_layers(module, layer, *both, data(3), data(4), data(4, seed=1))
        else:
            compare_layers(module, layer, call, call, data(5, 3), data(5, 4), traced=True)
            compare_layers(module, layer, call, call, data(3), data(4))


def test_scaled_dot_product_attention():
    sdpa = torch.nn.functional.scaled_dot_product_attention
    q, k, v = data(2, 3, 5, 4), data(2, 3, 7, 4), data(2, 3, 7, 6)
    allowed = data(5, 7, high=2) == 1
    allowed[2] = False
    for options in [{}, {"is_causal": True}, {"scale": 0.3}]:
        compare(lambda *a, o=options: sdpa(*a, **o), lambda *a, o=options: scaled_dot_product_attention(*a, **o),
                q, k, v, traced="batch")  # fmt: skip
    compare(sdpa, scaled_dot_product_attention, q, k, v, allowed, traced="batch")
    compare(sdpa, scaled_dot_product_attention, q, k, v, data(2, 1, 5, 7))
    compare(sdpa, scaled_dot_product_attention, q[0, 0], k[0, 0], v[0, 0])
    grouped = (data(2, 6, 5, 4), data(2, 2, 7, 4), data(2, 2, 7, 4, seed=1))
    compare(lambda *a: sdpa(*a, enable_gqa=True), lambda *a: scaled_dot_product_attention(*a, enable_gqa=True),
            *grouped)  # fmt: skip
    with pytest.raises(ValueError, match="is_causal"):
        scaled_dot_product_attention(q, k, v, attn_mask=allowed, is_causal=True)
    dropped = scaled_dot_product_attention(tf.constant(q), tf.constant(k), tf.constant(v), dropout_p=0.5)
    assert np.abs(dropped - scaled_dot_product_attention(tf.constant(q), tf.constant(k), tf.constant(v))).max() > 1e-3


@pytest.mark.parametrize("need_weights", [True, False])
@pytest.mark.parametrize(
    "options",
    [
        {},
        {"batch_first": True, "bias": False},
        {"kdim": 3, "vdim": 5, "batch_first": True},
        {"add_bias_kv": True, "add_zero_attn": True},
    ],
)
def test_multihead_attention(options, need_weights):
    module = torch.nn.MultiheadAttention(6, 2, **options)
    layer = MultiheadAttention(6, 2, dtype="float64", **options)
    for p in module.parameters():
        torch.nn.init.normal_(p)
    kdim, vdim = options.get("kdim", 6), options.get("vdim", 6)
    if options.get("batch_first"):
        arrays = data(2, 5, 6), data(2, 7, kdim), data(2, 7, vdim, seed=1)
    else:
        arrays = data(5, 2, 6), data(7, 2, kdim), data(7, 2, vdim, seed=1)
    mask, padding = data(5, 7, high=3) == 1, data(2, 7, high=3) == 1
    mask[:, 0] = padding[:, 0] = False
    cases = [
        {},
        {"attn_mask": mask},
        {"key_padding_mask": padding},
        {"attn_mask": mask, "key_padding_mask": padding, "average_attn_weights": False},
        {"attn_mask": data(4, 5, 7), "key_padding_mask": data(2, 7)},
    ]
    for case in cases:
        static = {k: torch.tensor(v) if isinstance(v, np.ndarray) else v for k, v in case.items()}
        case = {k: tf.constant(v) if isinstance(v, np.ndarray) else v for k, v in case.items()}
        compare_layers(module, layer, lambda m, *a, s=static: m(*a, need_weights=need_weights, **s),
                       lambda m, *a, s=case: m(*a, need_weights=need_weights, **s), *arrays)  # fmt: skip
    unbatched = [a[0] if options.get("batch_first") else a[:, 0] for a in arrays]
    compare_layers(module, layer, lambda m, *a: m(*a, need_weights=need_weights),
                   lambda m, *a: m(*a, need_weights=need_weights), *unbatched)  # fmt: skip
    if "kdim" not in options:
        compare_layers(module, layer, lambda m, x: m(x, x, x, need_weights=need_weights),
                       lambda m, x: m(x, x, x, need_weights=need_weights), arrays[0], traced=True)  # fmt: skip


def test_multihead_attention_masked_rows_and_hint():
    module, layer = torch.nn.MultiheadAttention(4, 2).double(), MultiheadAttention(4, 2, dtype="float64")
    copy_weights(module, layer)
    x, padding = data(3, 2, 4), np.array([[True, True, True], [False, True, False]])
    for need_weights in (True, False):
        expected = module(*[torch.tensor(x)] * 3, torch.tensor(padding), need_weights)[0].detach().numpy()
        actual = layer(*[tf.constant(x)] * 3, key_padding_mask=padding, need_weights=need_weights)[0]
        assert np.isnan(expected[:, 0]).all() == need_weights
        assert_close(actual, expected)
    with pytest.raises(ValueError, match="attn_mask"):
        layer(*[tf.constant(x)] * 3, is_causal=True)


def randomize(module):
    """Every parameter drawn anew: the copies in a stack start equal, and norms at 1 and 0."""
    torch.manual_seed(0)
    for p in module.parameters():
        torch.nn.init.normal_(p, 0.1, 0.5)
    return module


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"norm_first": True, "activation": "gelu", "batch_first": True},
        {"bias": False, "layer_norm_eps": 1e-2},
    ],
)
def test_transformer_layers(options):
    source, memory = data(5, 2, 6), data(7, 2, 6)
    if options.get("batch_first"):
        source, memory = data(2, 5, 6), data(2, 7, 6)
    causal, padding = np.triu(np.ones((5, 5), bool), 1), data(2, 5, high=3) == 1
    padding[:, 0] = False
    module = randomize(torch.nn.TransformerEncoderLayer(6, 2, 8, 0.0, **options))
    layer = TransformerEncoderLayer(6, 2, 8, 0.0, dtype="float64", **options)
    compare_layers(module, layer, call, call, source, traced=True)
    compare_layers(
        module,
        layer,
        lambda m, x: m(x, torch.tensor(causal), torch.tensor(padding), is_causal=True),
        lambda m, x: m(x, src_mask=causal, src_key_padding_mask=padding, is_causal=True),
        source,
    )
    module = randomize(torch.nn.TransformerDecoderLayer(6, 2, 8, 0.0, **options))
    layer = TransformerDecoderLayer(6, 2, 8, 0.0, dtype="float64", **options)
    compare_layers(module, layer, call, call, source, memory)
    compare_layers(
        module,
        layer,
        lambda m, x, y: m(x, y, tgt_mask=torch.tensor(causal), tgt_key_padding_mask=torch.tensor(padding)),
        lambda m, x, y: m(x, y, tgt_mask=causal, tgt_key_padding_mask=padding),
        source,
        memory,
    )


def test_transformer_stacks():
    module = randomize(
        torch.nn.TransformerEncoder(
            torch.nn.TransformerEncoderLayer(6, 2, 8, 0.0, torch.tanh), 2, torch.nn.LayerNorm(6)
        )
    )
    norm = keras.layers.LayerNormalization(epsilon=1e-5, dtype="float64")
    norm.build((None, 6))
    prototype = TransformerEncoderLayer(6, 2, 8, 0.0, tf.tanh, dtype="float64")
    layer = TransformerEncoder(prototype, 2, norm, dtype="float64")
    assert all(len({v.numpy().tobytes() for v in same}) == 1
               for same in zip(prototype.weights, *(copy.weights for copy in layer.layers), strict=True))  # fmt: skip
    compare_layers(module, layer, call, call, data(5, 2, 6), traced=True)
    module = randomize(torch.nn.TransformerDecoder(torch.nn.TransformerDecoderLayer(6, 2, 8, 0.0), 2))
    layer = TransformerDecoder(TransformerDecoderLayer(6, 2, 8, 0.0, dtype="float64"), 2, dtype="float64")
    compare_layers(module, layer, call, call, data(5, 2, 6), data(7, 2, 6))


def test_transformer():
    options = {"dim_feedforward": 8, "dropout": 0.0, "batch_first": True}
    module = randomize(torch.nn.Transformer(6, 2, 2, 1, **options))
    layer = Transformer(6, 2, 2, 1, dtype="float64", **options)
    mask = torch.nn.Transformer.generate_square_subsequent_mask(4, dtype=torch.float64)
    tf_mask = Transformer.generate_square_subsequent_mask(4, dtype="float64")
    np.testing.assert_array_equal(tf_mask, mask)
    compare_layers(module, layer, lambda m, x, y: m(x, y, tgt_mask=mask, tgt_is_causal=True),
                   lambda m, x, y: m(x, y, tgt_mask=tf_mask, tgt_is_causal=True),
                   data(2, 5, 6), data(2, 4, 6))  # fmt: skip
    assert np.ptp(Transformer(8, 2, 1, 1, 8).encoder.layers[0].linear1.kernel) > 0.1
    wet, x = Transformer(6, 2, 1, 1, 8, dropout=0.5, dtype="float64"), tf.constant(data(3, 2, 6))
    np.testing.assert_array_equal(wet(x, x), wet(x, x, training=False))
    assert np.abs(wet(x, x) - wet(x, x, training=True)).max() > 1e-3


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"padding_idx": 2},
        {"padding_idx": -1, "scale_grad_by_freq": True},
        {"max_norm": 1.0},
        {"max_norm": 0.5, "norm_type": 1.0},
    ],
)
def test_embedding(options):
    module, layer = torch.nn.Embedding(7, 3, **options), Embedding(7, 3, dtype="float64", **options)
    ids = np.array([[0, 2, 6], [6, 6, 1]])
    compare_layers(module, layer, call, call, ids)
    assert_close(layer.weight.numpy(), module.weight.detach().numpy())
    weight = data(7, 3, seed=5)
    if "max_norm" not in options:
        compare(lambda w: torch.nn.functional.embedding(torch.tensor(ids), w, **options),
                lambda w: embedding(tf.constant(ids), w, **options), weight, traced=True)  # fmt: skip


def test_embedding_start():
    layer = Embedding(500, 20, padding_idx=3)
    values = layer.embeddings.numpy()
    assert not values[3].any()
    assert abs(np.delete(values, 3, 0).std() - 1.0) < 0.03
    assert isinstance(layer, keras.layers.Embedding)


@pytest.mark.parametrize("mode", ["sum", "mean", "max"])
@pytest.mark.parametrize("padding_idx", [None, 4])
def test_embedding_bag(mode, padding_idx):
    options = {"mode": mode, "padding_idx": padding_idx}
    module, layer = torch.nn.EmbeddingBag(7, 3, **options), EmbeddingBag(7, 3, dtype="float64", **options)
    flat, offsets = data(9, high=7), np.array([0, 3, 3, 7])
    compare_layers(module, layer, call, call, data(4, 5, high=7), traced=True)
    compare_layers(module, layer, call, call, flat, offsets, traced=True)
    if mode == "sum":
        compare_layers(module, layer, call, call, flat, offsets, data(9))
    module = torch.nn.EmbeddingBag(7, 3, include_last_offset=True, **options)
    layer = EmbeddingBag(7, 3, include_last_offset=True, dtype="float64", **options)
    compare_layers(module, layer, call, call, flat, np.array([0, 2, 9]))
