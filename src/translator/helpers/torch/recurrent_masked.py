"""Layers that are told which steps of a sequence count, as Keras tells them with masks."""

import torch
from torch import nn

from .recurrent import KerasGRU, KerasLSTM


def run_masked(run, x, states, mask, both_ways):
    """Outputs (batch, time, ...) and last states of a recurrent layer over the steps where the mask is true.

    At other steps the states stay. Its outputs there are repeated, zero before the first; of both directions, zero.
    """
    mask = mask.bool()
    lengths = mask.sum(1)
    first = mask.logical_not().byte().argsort(dim=1, stable=True)  # the steps that count, then the others
    packed = nn.utils.rnn.pack_padded_sequence(
        x.gather(1, first[..., None].expand_as(x)), lengths.clamp(min=1).cpu(), batch_first=True, enforce_sorted=False
    )
    output, last = run(packed, states)
    output, _ = nn.utils.rnn.pad_packed_sequence(output, batch_first=True, total_length=x.shape[1])
    place = mask.cumsum(1) - 1
    output = output.gather(1, place.clamp(min=0)[..., None].expand(-1, -1, output.shape[2]))
    output = output * (mask if both_ways else place >= 0)[..., None]
    some = (lengths > 0)[:, None]
    last = last if isinstance(last, tuple) else (last,)
    start = [torch.zeros_like(h) for h in last] if states is None else states
    last = [torch.where(some, h, s) for h, s in zip(last, start if isinstance(start, (list, tuple)) else [start])]
    return output, torch.cat([*last[0]], dim=-1) * some, last


class MaskedLSTM(KerasLSTM):
    """An LSTM as Keras has it, which skips the steps where a mask (batch, time) is false."""

    def forward(self, x, initial_state=None, mask=None):
        if mask is None:
            return super().forward(x, initial_state)
        if initial_state is not None:
            initial_state = torch.stack([*initial_state[::2]]), torch.stack([*initial_state[1::2]])
        run = super(KerasLSTM, self).forward
        output, end, (h, c) = run_masked(run, x, initial_state, mask, self.bidirectional)
        output = output if self.return_sequences else end
        return (output, *(state for way in zip(h, c) for state in way)) if self.return_state else output


class MaskedGRU(KerasGRU):
    """A GRU as Keras has it, which skips the steps where a mask (batch, time) is false."""

    def forward(self, x, initial_state=None, mask=None):
        if mask is None:
            return super().forward(x, initial_state)
        if initial_state is not None:
            states = initial_state if isinstance(initial_state, (list, tuple)) else [initial_state]
            initial_state = torch.stack([*states])
        run = super(KerasGRU, self).forward
        output, end, (h,) = run_masked(run, x, initial_state, mask, self.bidirectional)
        output = output if self.return_sequences else end
        return (output, *h) if self.return_state else output


class MaskedMean(nn.Module):
    """The mean over the steps of (batch, time, features) where a mask is true."""

    def __init__(self, keepdim=False):
        super().__init__()
        self.keepdim = keepdim

    def forward(self, x, mask=None):
        if mask is None:
            return x.mean(1, self.keepdim)
        mask = mask.bool()[..., None]
        return torch.where(mask, x, 0).sum(1, self.keepdim) / mask.sum(1, self.keepdim)


class Masking(nn.Module):
    """Zeros for the steps of (batch, time, features) that hold nothing but a certain value."""

    def __init__(self, mask_value=0.0):
        super().__init__()
        self.mask_value = mask_value

    def mask(self, x):
        """Which steps count."""
        return (x != self.mask_value).any(-1)

    def forward(self, x):
        return torch.where(self.mask(x)[..., None], x, 0)


class MaskedSequential(nn.Sequential):
    """Modules in sequence, where the recurrent ones and the pooling are told which steps count.

    That is where the `Masking` says so, or where an embedding is given another id than 0.
    """

    def forward(self, x):
        mask = None
        for module in self:
            if isinstance(module, nn.Embedding):
                mask = x != 0
            elif isinstance(module, Masking):
                mask = module.mask(x)
            x = module(x, mask=mask) if isinstance(module, (MaskedLSTM, MaskedGRU, MaskedMean)) else module(x)
            if not getattr(module, "return_sequences", True) or isinstance(module, MaskedMean):
                mask = None
        return x
