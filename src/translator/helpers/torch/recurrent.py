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
            initial_state = tuple(state.unsqueeze(0) for state in initial_state)
        output, (h, c) = super().forward(x, initial_state)
        if not self.return_sequences:
            output = torch.cat([*h], dim=-1)
        return (output, h[0], c[0]) if self.return_state else output


class KerasGRU(nn.GRU):
    """A GRU over (batch, time, features) that gives its last output, or all of them with ``return_sequences``."""

    def __init__(self, input_size, hidden_size, return_sequences=False, return_state=False, bidirectional=False):
        super().__init__(input_size, hidden_size, batch_first=True, bidirectional=bidirectional)
        self.return_sequences = return_sequences
        self.return_state = return_state

    def forward(self, x, initial_state=None):
        if initial_state is not None:
            initial_state = initial_state.unsqueeze(0)
        output, h = super().forward(x, initial_state)
        if not self.return_sequences:
            output = torch.cat([*h], dim=-1)
        return (output, h[0]) if self.return_state else output


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
