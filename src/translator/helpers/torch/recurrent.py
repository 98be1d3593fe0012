"""Recurrent layers and attention that return what Keras's return."""

import torch
import torch.nn.functional as F
from torch import nn


class KerasLSTM(nn.LSTM):
    """An LSTM over (batch, time, features) that gives its last output, or all of them with ``return_sequences``.

    Keras's has one bias where PyTorch adds two: the second stays zero.
    """

    def __init__(self, input_size, hidden_size, return_sequences=False, return_state=False, bidirectional=False):
        super().__init__(input_size, hidden_size, batch_first=True, bidirectional=bidirectional)
        for name, parameter in self.named_parameters():
            if name.startswith("bias_hh"):
                nn.init.zeros_(parameter).requires_grad_(False)
        self.return_sequences = return_sequences
        self.return_state = return_state

    def forward(self, x, initial_state=None):
        if initial_state is not None:
            initial_state = torch.stack([*initial_state[::2]]), torch.stack([*initial_state[1::2]])
        output, (h, c) = super().forward(x, initial_state)
        if not self.return_sequences:
            output = torch.cat([*h], dim=-1)
        return (output, *(state for way in zip(h, c) for state in way)) if self.return_state else output


class KerasGRU(nn.GRU):
    """A GRU over (batch, time, features) that gives its last output, or all of them with ``return_sequences``."""

    def __init__(self, input_size, hidden_size, return_sequences=False, return_state=False, bidirectional=False):
        super().__init__(input_size, hidden_size, batch_first=True, bidirectional=bidirectional)
        self.return_sequences = return_sequences
        self.return_state = return_state

    def forward(self, x, initial_state=None):
        if initial_state is not None:
            states = initial_state if isinstance(initial_state, (list, tuple)) else [initial_state]
            initial_state = torch.stack([*states])
        output, h = super().forward(x, initial_state)
        if not self.return_sequences:
            output = torch.cat([*h], dim=-1)
        return (output, *h) if self.return_state else output


class KerasRNN(nn.RNN):
    """A simple RNN over (batch, time, features) that gives its last output, or all of them with ``return_sequences``.

    Keras's has one bias where PyTorch adds two: the second stays zero.
    """

    def __init__(
        self, input_size, hidden_size, return_sequences=False, return_state=False, bidirectional=False,
        nonlinearity="tanh",
    ):  # fmt: skip
        super().__init__(
            input_size, hidden_size, nonlinearity=nonlinearity, batch_first=True, bidirectional=bidirectional
        )
        for name, parameter in self.named_parameters():
            if name.startswith("bias_hh"):
                nn.init.zeros_(parameter).requires_grad_(False)
        self.return_sequences = return_sequences
        self.return_state = return_state

    def forward(self, x, initial_state=None):
        if initial_state is not None:
            states = initial_state if isinstance(initial_state, (list, tuple)) else [initial_state]
            initial_state = torch.stack([*states])
        output, h = super().forward(x, initial_state)
        if not self.return_sequences:
            output = torch.cat([*h], dim=-1)
        return (output, *h) if self.return_state else output


class Backwards(nn.Module):
    """A recurrent layer that reads (batch, time, features) from the end, and gives its outputs in that order."""

    def __init__(self, module):
        super().__init__()
        self.module = module

    def forward(self, x, initial_state=None):
        return self.module(x.flip(1), initial_state)


class MergedWays(nn.Module):
    """The outputs of a recurrent layer's two directions in one (``sum``, ``mul``, ``ave``), or apart (``None``)."""

    def __init__(self, module, merge_mode):
        super().__init__()
        self.module = module
        self.merge_mode = merge_mode

    def forward(self, x, initial_state=None):
        found, states = self.module(x, initial_state), ()
        if isinstance(found, tuple):
            found, *states = found
        a, b = found.chunk(2, -1)
        if self.merge_mode is None:
            return (a, b, *states)
        merged = a * b if self.merge_mode == "mul" else (a + b) / (2 if self.merge_mode == "ave" else 1)
        return (merged, *states) if states else merged


class MultiHeadAttention(nn.Module):
    """Attention with Keras's projections: ``num_heads`` heads of ``key_dim`` each, whatever the model's width is."""

    def __init__(self, embed_dim, num_heads, key_dim, dropout=0.0, use_bias=True):
        super().__init__()
        self.num_heads = num_heads
        self.dropout = dropout
        self.query = nn.Linear(embed_dim, num_heads * key_dim, bias=use_bias)
        self.key = nn.Linear(embed_dim, num_heads * key_dim, bias=use_bias)
        self.value = nn.Linear(embed_dim, num_heads * key_dim, bias=use_bias)
        self.output = nn.Linear(num_heads * key_dim, embed_dim, bias=use_bias)

    def forward(self, query, value, key=None, attention_mask=None, use_causal_mask=False):
        key = value if key is None else key
        q, k, v = (
            project(x).unflatten(-1, (self.num_heads, -1)).transpose(1, 2)
            for project, x in ((self.query, query), (self.key, key), (self.value, value))
        )
        if attention_mask is not None and attention_mask.dim() == 3:
            attention_mask = attention_mask.unsqueeze(1)
        dropout = self.dropout if self.training else 0.0
        x = F.scaled_dot_product_attention(q, k, v, attention_mask, dropout, is_causal=use_causal_mask)
        return self.output(x.transpose(1, 2).flatten(2))


class TimeDistributed(nn.Module):
    """A module applied at each step of a sequence: (batch, steps, ...)."""

    def __init__(self, module):
        super().__init__()
        self.module = module

    def forward(self, x):
        return self.module(x.flatten(0, 1)).unflatten(0, x.shape[:2])


class EachStep(nn.Module):
    """A module applied to the steps of a sequence (batch, steps, ...) one after the other.

    So a batch normalization takes the statistics of each step by itself.
    """

    def __init__(self, module):
        super().__init__()
        self.module = module

    def forward(self, x):
        return torch.stack([self.module(step) for step in x.unbind(1)], 1)
