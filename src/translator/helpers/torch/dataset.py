"""Pipelines in the way of `tf.data`."""

import random

import torch

from .fit import length, tensors


class Dataset:
    """Elements (tensors, or tuples and dictionaries of them) that can be iterated over again and again."""

    def __init__(self, make):
        self.make = make

    def __iter__(self):
        return self.make()

    @staticmethod
    def from_tensor_slices(data):
        data = tensors(data)
        return Dataset(lambda: (picked(data, i) for i in range(length(data))))

    @staticmethod
    def from_tensors(data):
        return Dataset(lambda: iter([tensors(data)]))

    @staticmethod
    def from_generator(generator):
        return Dataset(lambda: (tensors(v) for v in generator()))

    @staticmethod
    def range(*args):
        return Dataset(lambda: (torch.tensor(i) for i in range(*args)))

    @staticmethod
    def zip(*datasets):
        datasets = datasets[0] if len(datasets) == 1 and isinstance(datasets[0], (list, tuple)) else datasets
        return Dataset(lambda: zip(*datasets))

    def map(self, function, num_parallel_calls=None, deterministic=None):
        return Dataset(lambda: (function(*v) if isinstance(v, tuple) else function(v) for v in self))

    def filter(self, predicate):
        return Dataset(lambda: (v for v in self if (predicate(*v) if isinstance(v, tuple) else predicate(v))))

    def batch(self, batch_size, drop_remainder=False, num_parallel_calls=None):
        def make():
            group = []
            for element in self:
                group.append(element)
                if len(group) == batch_size:
                    yield stacked(group)
                    group = []
            if group and not drop_remainder:
                yield stacked(group)

        return Dataset(make)

    def unbatch(self):
        return Dataset(lambda: (picked(v, i) for v in self for i in range(length(v))))

    def shuffle(self, buffer_size, seed=None, reshuffle_each_iteration=True):
        def make():
            draw = random.Random(seed) if seed is not None else random
            buffer = []
            for element in self:
                buffer.append(element)
                if len(buffer) >= buffer_size:
                    yield buffer.pop(draw.randrange(len(buffer)))
            draw.shuffle(buffer)
            yield from buffer

        return Dataset(make)

    def repeat(self, count=None):
        def make():
            turn = 0
            while count is None or count < 0 or turn < count:
                yield from self
                turn += 1

        return Dataset(make)

    def take(self, count):
        def make():
            for number, element in enumerate(self):
                if number >= count:
                    return
                yield element

        return Dataset(make)

    def skip(self, count):
        return Dataset(lambda: (v for number, v in enumerate(self) if number >= count))

    def concatenate(self, dataset):
        return Dataset(lambda: (v for part in (self, dataset) for v in part))

    def enumerate(self, start=0):
        return Dataset(lambda: enumerate(self, start))

    def cache(self):
        kept = []

        def make():
            if not kept:
                kept.extend(self)
            return iter(kept)

        return Dataset(make)

    def prefetch(self, buffer_size=None):
        return self

    def as_numpy_iterator(self):
        return (as_numpy(v) for v in self)


def picked(data, index):
    """One element of tensors, in their structure."""
    if isinstance(data, dict):
        return {k: picked(v, index) for k, v in data.items()}
    return tuple(picked(v, index) for v in data) if isinstance(data, (list, tuple)) else data[index]


def stacked(group):
    """Elements as one batch."""
    first = group[0]
    if isinstance(first, dict):
        return {k: stacked([v[k] for v in group]) for k in first}
    if isinstance(first, (list, tuple)):
        return tuple(stacked(list(part)) for part in zip(*group))
    return torch.stack([torch.as_tensor(v) for v in group])


def as_numpy(value):
    """Tensors as arrays, in their structure."""
    if isinstance(value, dict):
        return {k: as_numpy(v) for k, v in value.items()}
    return tuple(as_numpy(v) for v in value) if isinstance(value, (list, tuple)) else value.numpy()
