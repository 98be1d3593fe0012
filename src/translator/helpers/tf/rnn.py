"""Multi-layer recurrent networks with PyTorch's arguments, parameters, state shapes and packed-sequence semantics."""

import math

import tensorflow as tf
from tensorflow import keras

from translator.helpers.tf.initializer import redraw
from translator.helpers.tf.rnn_cells import gru_step, lstm_step, rnn_step


def run_recurrence(step, x_gates, states, lengths=None):
    """Apply ``step`` along the first axis of x_gates (T, N, G); returns the outputs (T, N, H) and the last states.

    With ``lengths`` (N,), outputs are 0 and states stand still after the end of each sequence.
    """
    steps = tf.shape(x_gates)[0]
    inputs = tf.TensorArray(x_gates.dtype, size=steps).unstack(x_gates)
    outputs = tf.TensorArray(x_gates.dtype, size=steps, element_shape=states[0].shape)

    def body(t, outputs, states):
        out, new = step(inputs.read(t), states)
        if lengths is not None:
            running = (t < lengths)[:, None]
            out = tf.where(running, out, tf.zeros_like(out))
            new = [tf.where(running, n, s) for n, s in zip(new, states, strict=True)]
        for n, s in zip(new, states, strict=True):
            n.set_shape(s.shape)
        return t + 1, outputs.write(t, out), new

    _, outputs, states = tf.while_loop(
        lambda t, *_: t < steps, body, (tf.constant(0), outputs, list(states)), maximum_iterations=steps
    )
    result = outputs.stack()
    result.set_shape(x_gates.shape[:2] + states[0].shape[1:])
    return result, states


def reverse_time(x, lengths=None):
    """Reverse the first axis of x (T, N, ...); with ``lengths`` only the valid part of each sequence."""
    if lengths is None:
        return tf.reverse(x, [0])
    return tf.reverse_sequence(x, lengths, seq_axis=0, batch_axis=1)


class RNNBase(keras.layers.Layer):
    """Stacked, optionally bidirectional recurrence with PyTorch's parameter names (weight_ih_l0, ...) and shapes."""

    gate_count = 1
    state_count = 1

    def __init__(
        self,
        input_size,
        hidden_size,
        num_layers=1,
        bias=True,
        batch_first=False,
        dropout=0.0,
        bidirectional=False,
        proj_size=0,
        device=None,
        dtype=None,
        **kwargs,
    ):
        super().__init__(dtype=dtype, **kwargs)
        self.input_size = input_size
        self.hidden_size = hidden_size
        self.num_layers = num_layers
        self.bias = bias
        self.batch_first = batch_first
        self.dropout = float(dropout)
        self.bidirectional = bidirectional
        self.proj_size = proj_size
        self.suffixes = ["", "_reverse"] if bidirectional else [""]
        bound = 1.0 / math.sqrt(hidden_size) if hidden_size > 0 else 0.0
        self.initializer = keras.initializers.RandomUniform(-bound, bound)
        for layer in range(num_layers):
            for suffix in self.suffixes:
                self.add_parameters(layer, f"_l{layer}{suffix}")

    def add_parameters(self, layer, suffix):
        """Create the weights of one layer and direction, drawn from U(-1/sqrt(H), 1/sqrt(H))."""
        output_size = self.proj_size or self.hidden_size
        features = self.input_size if layer == 0 else output_size * len(self.suffixes)
        rows = self.gate_count * self.hidden_size
        shapes = {"weight_ih": (rows, features), "weight_hh": (rows, output_size)}
        if self.bias:
            shapes.update(bias_ih=(rows,), bias_hh=(rows,))
        if self.proj_size:
            shapes["weight_hr"] = (self.proj_size, self.hidden_size)
        for name, shape in shapes.items():
            weight = self.add_weight(shape=shape, initializer=self.initializer.clone(), name=name + suffix)
            setattr(self, name + suffix, weight)

    def reset_parameters(self):
        """Draw all weights anew."""
        redraw(self.weights, self.initializer)

    def step(self, x_gates, states, weight_hh, bias_hh, weight_hr):
        """One time step; returns (output, new states)."""
        raise NotImplementedError

    def run_direction(self, x, states, suffix, lengths):
        """One layer in one direction over x (T, N, F), with the input projection as one matmul."""
        weight_hh = tf.transpose(getattr(self, "weight_hh" + suffix))
        weight_hr = tf.transpose(getattr(self, "weight_hr" + suffix)) if self.proj_size else None
        bias_hh = tf.convert_to_tensor(getattr(self, "bias_hh" + suffix)) if self.bias else None
        if suffix.endswith("_reverse"):
            x = reverse_time(x, lengths)
        weight_ih = tf.convert_to_tensor(getattr(self, "weight_ih" + suffix))
        x_gates = tf.matmul(tf.reshape(x, (-1, weight_ih.shape[1])), weight_ih, transpose_b=True)
        if self.bias:
            x_gates += getattr(self, "bias_ih" + suffix)
        x_gates = tf.reshape(x_gates, (tf.shape(x)[0], tf.shape(x)[1], x_gates.shape[-1]))
        x_gates.set_shape((*x.shape[:2], x_gates.shape[-1]))
        output, states = run_recurrence(
            lambda gates, states: self.step(gates, states, weight_hh, bias_hh, weight_hr), x_gates, states, lengths
        )
        return (reverse_time(output, lengths) if suffix.endswith("_reverse") else output), states

    def initial_states(self, x, hx):
        """The list of (D * num_layers, N, size) initial states; zeros without ``hx``."""
        if hx is not None:
            return list(hx) if self.state_count > 1 else [hx]
        count = self.num_layers * len(self.suffixes)
        sizes = [self.proj_size or self.hidden_size, self.hidden_size][: self.state_count]
        return [tf.zeros((count, tf.shape(x)[1], size), x.dtype) for size in sizes]

    def call(self, input, hx=None, lengths=None, training=None):
        """Returns (output, last state) with PyTorch's shapes.

        input: (T, N, F), or (N, T, F) with batch_first, or (T, F) unbatched. lengths (N,): the length of each
        right-padded sequence, with the meaning of pack_padded_sequence (the output keeps T steps, 0 after the end).
        A PackedSequence says both, and gives another.
        """
        packed = input if hasattr(input, "lengths") else None
        if packed is not None:
            input, lengths = packed.padded, packed.lengths
        batched = len(input.shape) == 3
        x = input if batched else input[:, None]
        if batched and self.batch_first and packed is None:
            x = tf.transpose(x, (1, 0, 2))
        if lengths is not None:
            lengths = tf.cast(lengths, tf.int32)
        states = self.initial_states(x, hx)
        if hx is not None and not batched:
            states = [s[:, None] for s in states]
        last = []
        for layer in range(self.num_layers):
            if layer and self.dropout and training:
                x = tf.nn.dropout(x, self.dropout)
            outputs = []
            for suffix in self.suffixes:
                start = [s[len(last)] for s in states]
                output, end = self.run_direction(x, start, f"_l{layer}{suffix}", lengths)
                outputs.append(output)
                last.append(end)
            x = tf.concat(outputs, axis=-1) if len(outputs) > 1 else outputs[0]
        last = [tf.stack(s) for s in zip(*last, strict=True)]
        if packed is not None:
            x = packed._replace(padded=x)
        elif not batched:
            x, last = x[:, 0], [s[:, 0] for s in last]
        elif self.batch_first:
            x = tf.transpose(x, (1, 0, 2))
        return x, (tuple(last) if self.state_count > 1 else last[0])


class LSTM(RNNBase):
    """LSTM with PyTorch's arguments: input, (h_0, c_0) -> output, (h_n, c_n); gates in the order i, f, g, o."""

    gate_count = 4
    state_count = 2

    def step(self, x_gates, states, weight_hh, bias_hh, weight_hr):
        return lstm_step(x_gates, states, weight_hh, bias_hh, weight_hr)


class GRU(RNNBase):
    """GRU with PyTorch's arguments: input, h_0 -> output, h_n; gates in the order r, z, n, reset after the matmul."""

    gate_count = 3

    def step(self, x_gates, states, weight_hh, bias_hh, weight_hr):
        return gru_step(x_gates, states, weight_hh, bias_hh)


class RNN(RNNBase):
    """Plain (Elman) recurrence with PyTorch's arguments: input, h_0 -> output, h_n; tanh or relu."""

    def __init__(self, input_size, hidden_size, num_layers=1, nonlinearity="tanh", bias=True, *args, **kwargs):
        super().__init__(input_size, hidden_size, num_layers, bias, *args, **kwargs)
        self.nonlinearity = nonlinearity

    def step(self, x_gates, states, weight_hh, bias_hh, weight_hr):
        return rnn_step(x_gates, states, weight_hh, bias_hh, self.nonlinearity)
