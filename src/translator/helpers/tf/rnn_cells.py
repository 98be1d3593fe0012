"""Recurrent cells with PyTorch's parameters, gate order and return values, and the step functions that they share."""

import math

import tensorflow as tf
from tensorflow import keras

from translator.helpers.tf.initializer import redraw


def lstm_step(x_gates, states, weight_hh, bias_hh, weight_hr=None):
    """One LSTM step from projected inputs (N, 4H), gates in the order i, f, g, o; returns (output, states)."""
    h, c = states
    gates = x_gates + tf.matmul(h, weight_hh)
    if bias_hh is not None:
        gates += bias_hh
    i, f, g, o = tf.split(gates, 4, axis=-1)
    c = tf.sigmoid(f) * c + tf.sigmoid(i) * tf.tanh(g)
    h = tf.sigmoid(o) * tf.tanh(c)
    if weight_hr is not None:
        h = tf.matmul(h, weight_hr)
    return h, [h, c]


def gru_step(x_gates, states, weight_hh, bias_hh):
    """One GRU step from projected inputs (N, 3H), gates in the order r, z, n; the reset gate acts after the matmul."""
    h = states[0]
    h_gates = tf.matmul(h, weight_hh)
    if bias_hh is not None:
        h_gates += bias_hh
    size = weight_hh.shape[0]
    x_rz, x_n = tf.split(x_gates, [2 * size, size], axis=-1)
    h_rz, h_n = tf.split(h_gates, [2 * size, size], axis=-1)
    r, z = tf.split(tf.sigmoid(x_rz + h_rz), 2, axis=-1)
    n = tf.tanh(x_n + r * h_n)
    h = n + z * (h - n)
    return h, [h]


def rnn_step(x_gates, states, weight_hh, bias_hh, nonlinearity="tanh"):
    """One step of the plain recurrence act(x_gates + h W + b)."""
    h = x_gates + tf.matmul(states[0], weight_hh)
    if bias_hh is not None:
        h += bias_hh
    h = tf.nn.relu(h) if nonlinearity == "relu" else tf.tanh(h)
    return h, [h]


class RNNCellBase(keras.layers.Layer):
    """Parameters of a recurrent cell, named and shaped as in PyTorch: weight_ih (gates * H, F), weight_hh, biases."""

    gate_count = 1

    def __init__(self, input_size, hidden_size, bias=True, device=None, dtype=None, **kwargs):
        super().__init__(dtype=dtype, **kwargs)
        self.input_size = input_size
        self.hidden_size = hidden_size
        bound = 1.0 / math.sqrt(hidden_size) if hidden_size > 0 else 0.0
        self.initializer = keras.initializers.RandomUniform(-bound, bound)
        rows = self.gate_count * hidden_size
        self.weight_ih = self.parameter("weight_ih", rows, input_size)
        self.weight_hh = self.parameter("weight_hh", rows, hidden_size)
        self.bias_ih = self.parameter("bias_ih", rows) if bias else None
        self.bias_hh = self.parameter("bias_hh", rows) if bias else None

    def parameter(self, name, *shape):
        return self.add_weight(shape=shape, initializer=self.initializer.clone(), name=name)

    def reset_parameters(self):
        """Draw all weights anew."""
        redraw(self.weights, self.initializer)

    def advance(self, step, input, states, **options):
        """The new states after one step; inputs of rank 1 are treated as a batch of one."""
        batched = len(input.shape) == 2
        x = input if batched else input[None]
        if states is None:
            zeros = tf.zeros((tf.shape(x)[0], self.hidden_size), x.dtype)
            states = [zeros, zeros]
        elif not batched:
            states = [s[None] for s in states]
        x_gates = tf.matmul(x, self.weight_ih, transpose_b=True)
        if self.bias_ih is not None:
            x_gates += self.bias_ih
        _, states = step(x_gates, states, tf.transpose(self.weight_hh), self.bias_hh, **options)
        return states if batched else [s[0] for s in states]


class LSTMCell(RNNCellBase):
    """One LSTM step: (N, F), (h, c) -> (h, c), with PyTorch's gate order i, f, g, o and two biases."""

    gate_count = 4

    def call(self, input, hx=None):
        h, c = self.advance(lstm_step, input, hx)
        return h, c


class GRUCell(RNNCellBase):
    """One GRU step: (N, F), h -> h, with PyTorch's gate order r, z, n and the reset gate after the matmul."""

    gate_count = 3

    def call(self, input, hx=None):
        return self.advance(gru_step, input, None if hx is None else [hx])[0]


class RNNCell(RNNCellBase):
    """One plain recurrent step: (N, F), h -> h, with tanh or relu."""

    def __init__(self, input_size, hidden_size, bias=True, nonlinearity="tanh", device=None, dtype=None, **kwargs):
        super().__init__(input_size, hidden_size, bias, dtype=dtype, **kwargs)
        self.nonlinearity = nonlinearity

    def call(self, input, hx=None):
        states = None if hx is None else [hx]
        return self.advance(rnn_step, input, states, nonlinearity=self.nonlinearity)[0]
