"""Sequences of several lengths in one tensor, with the functions of `torch.nn.utils.rnn`."""

import typing

import tensorflow as tf
from tensorflow import keras


class PackedSequence(typing.NamedTuple):
    """Sequences of several lengths: ``padded`` (T, N, ...), where T is the longest, and ``lengths`` (N,)."""

    padded: tf.Tensor
    lengths: tf.Tensor

    @property
    def sorted_indices(self):
        """The order of the sequences in ``data``: the longest first."""
        return tf.argsort(self.lengths, direction="DESCENDING", stable=True)

    @property
    def data(self):
        """The steps that there are, (sum of the lengths, ...): the first step of each sequence, then the second."""
        steps = tf.transpose(tf.sequence_mask(tf.gather(self.lengths, self.sorted_indices), tf.shape(self.padded)[0]))
        return tf.boolean_mask(tf.gather(self.padded, self.sorted_indices, axis=1), steps)

    @property
    def batch_sizes(self):
        """How many sequences have a first step, a second, and so on."""
        return tf.reduce_sum(tf.cast(tf.sequence_mask(self.lengths, tf.shape(self.padded)[0]), tf.int64), axis=0)


def pack_padded_sequence(input, lengths, batch_first=False, enforce_sorted=True):
    """The sequences in ``input`` (T, N, ...), or (N, T, ...) with ``batch_first``, of ``lengths`` (N,)."""
    lengths = tf.cast(lengths, tf.int32)
    if enforce_sorted and tf.executing_eagerly() and bool(tf.reduce_any(lengths[1:] > lengths[:-1])):
        raise ValueError("lengths must be in decreasing order, unless enforce_sorted is False")
    padded = keras.ops.swapaxes(input, 0, 1) if batch_first else tf.convert_to_tensor(input)
    return PackedSequence(padded[: tf.reduce_max(lengths)], lengths)


def pad_packed_sequence(sequence, batch_first=False, padding_value=0.0, total_length=None):
    """(tensor, lengths): the sequences with ``padding_value`` behind their ends, as long as ``total_length``."""
    x, lengths = sequence
    if total_length is not None:
        missing = total_length - tf.shape(x)[0]
        x = tf.pad(x, tf.concat([[[0, missing]], tf.zeros((len(x.shape) - 1, 2), tf.int32)], axis=0))
    steps = tf.transpose(tf.sequence_mask(lengths, tf.shape(x)[0]))
    for _ in x.shape[2:]:
        steps = steps[..., None]
    x = tf.where(steps, x, tf.cast(padding_value, x.dtype))
    return keras.ops.swapaxes(x, 0, 1) if batch_first else x, tf.cast(lengths, tf.int64)


def pad_sequence(sequences, batch_first=False, padding_value=0.0, padding_side="right"):
    """Tensors (length, ...) side by side, (T, N, ...) or (N, T, ...), with ``padding_value`` where they are shorter."""
    longest = tf.reduce_max([tf.shape(x)[0] for x in sequences])
    rows = []
    for x in sequences:
        missing = longest - tf.shape(x)[0]
        ends = [missing, 0] if padding_side == "left" else [0, missing]
        places = tf.concat([[ends], tf.zeros((len(x.shape) - 1, 2), tf.int32)], axis=0)
        rows.append(tf.pad(x, places, constant_values=tf.cast(padding_value, x.dtype)))
    return tf.stack(rows, axis=0 if batch_first else 1)


def unpad_sequence(padded_sequences, lengths, batch_first=False):
    """The list of the sequences in a tensor, each as long as it is."""
    x = padded_sequences if batch_first else keras.ops.swapaxes(padded_sequences, 0, 1)
    return [row[:n] for row, n in zip(tf.unstack(x), tf.unstack(tf.convert_to_tensor(lengths)), strict=True)]


def pack_sequence(sequences, enforce_sorted=True):
    """Tensors (length, ...) as one packed sequence."""
    lengths = [keras.ops.shape(x)[0] for x in sequences]
    return pack_padded_sequence(pad_sequence(sequences), lengths, enforce_sorted=enforce_sorted)


def unpack_sequence(packed_sequences):
    """The list of the sequences in a packed one."""
    return unpad_sequence(packed_sequences.padded, packed_sequences.lengths)
