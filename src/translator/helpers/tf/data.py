"""PyTorch's datasets, samplers and loader: the same batches in the same order, as TensorFlow tensors."""

import bisect
import collections
import itertools
import math
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import tensorflow as tf
from tensorflow import keras


class Generator:
    """A source of random numbers with a seed of its own: ``rng`` for orders, ``seeds`` for `keras.random`."""

    def __init__(self, device=None):
        self.rng = np.random.default_rng()
        self.seeds = keras.random.SeedGenerator()

    def manual_seed(self, seed):
        """Start again from a seed."""
        self.rng = np.random.default_rng(seed)
        self.seeds = keras.random.SeedGenerator(seed % 2**31)
        return self


def permutation(size, generator):
    """A random order of ``range(size)``, by the generator or by NumPy's global state."""
    return (np.random if generator is None else generator.rng).permutation(size).tolist()


class ConcatDataset:
    """Datasets one after the other."""

    def __init__(self, datasets):
        self.datasets = list(datasets)
        self.cumulative_sizes = list(itertools.accumulate(len(d) for d in self.datasets))

    def __getitem__(self, index):
        index = index + len(self) if index < 0 else index
        which = bisect.bisect_right(self.cumulative_sizes, index)
        return self.datasets[which][index - (self.cumulative_sizes[which - 1] if which else 0)]

    def __len__(self):
        return self.cumulative_sizes[-1]

    def __add__(self, other):
        return ConcatDataset([self, other])


class Dataset:
    """Items by index: a subclass has ``__getitem__`` and ``__len__``."""

    def __add__(self, other):
        return ConcatDataset([self, other])


class IterableDataset(Dataset):
    """Items in a stream: a subclass has ``__iter__``."""


class TensorDataset(Dataset):
    """The rows of tensors of one length."""

    def __init__(self, *tensors):
        self.tensors = tensors

    def __getitem__(self, index):
        return tuple(tensor[index] for tensor in self.tensors)

    def __len__(self):
        return len(self.tensors[0])

    def rows(self, indices):
        """Several rows at once; negative indices count from the end."""
        places = [i + len(self) if i < 0 else i for i in map(int, indices)]
        return [tf.gather(tensor, places) for tensor in self.tensors]


class Subset(Dataset):
    """Some items of a dataset."""

    def __init__(self, dataset, indices):
        self.dataset = dataset
        self.indices = indices

    def __getitem__(self, index):
        if isinstance(index, list):
            return self.dataset[[self.indices[i] for i in index]]
        return self.dataset[self.indices[index]]

    def __len__(self):
        return len(self.indices)


def random_split(dataset, lengths, generator=None):
    """Random disjoint subsets of the given lengths, or fractions that add up to 1."""
    if math.isclose(sum(lengths), 1) and sum(lengths) <= 1:
        sizes = [math.floor(len(dataset) * part) for part in lengths]
        for i in range(len(dataset) - sum(sizes)):
            sizes[i % len(sizes)] += 1
        lengths = sizes
    if sum(lengths) != len(dataset):
        raise ValueError("the lengths do not add up to the size of the dataset")
    order = permutation(len(dataset), generator)
    ends = list(itertools.accumulate(lengths))
    return [Subset(dataset, order[end - size : end]) for end, size in zip(ends, lengths, strict=True)]


class Sampler:
    """Indices, or lists of them, in an order of its own: a subclass has ``__iter__``, and perhaps ``__len__``."""

    def __init__(self, data_source=None):
        self.data_source = data_source


class SequentialSampler:
    """Indices in order."""

    def __init__(self, data_source):
        self.data_source = data_source

    def __iter__(self):
        return iter(range(len(self.data_source)))

    def __len__(self):
        return len(self.data_source)


class RandomSampler:
    """Indices in a new random order each time, or drawn with replacement."""

    def __init__(self, data_source, replacement=False, num_samples=None, generator=None):
        self.data_source = data_source
        self.replacement = replacement
        self.num_samples = num_samples
        self.generator = generator

    def __iter__(self):
        size, wanted = len(self.data_source), len(self)
        if self.replacement:
            draw = np.random.randint if self.generator is None else self.generator.rng.integers
            yield from draw(0, size, wanted).tolist()
            return
        for start in range(0, wanted, size):
            yield from permutation(size, self.generator)[: wanted - start]

    def __len__(self):
        return len(self.data_source) if self.num_samples is None else self.num_samples


class SubsetRandomSampler:
    """Given indices in a new random order each time."""

    def __init__(self, indices, generator=None):
        self.indices = indices
        self.generator = generator

    def __iter__(self):
        return (self.indices[i] for i in permutation(len(self.indices), self.generator))

    def __len__(self):
        return len(self.indices)


class WeightedRandomSampler:
    """Indices drawn in proportion to their weights."""

    def __init__(self, weights, num_samples, replacement=True, generator=None):
        self.weights = np.asarray(weights, np.float64)
        self.num_samples = num_samples
        self.replacement = replacement
        self.generator = generator

    def __iter__(self):
        source = np.random if self.generator is None else self.generator.rng
        share = self.weights / self.weights.sum()
        return iter(source.choice(len(share), self.num_samples, self.replacement, share).tolist())

    def __len__(self):
        return self.num_samples


class BatchSampler:
    """Lists of ``batch_size`` indices of a sampler."""

    def __init__(self, sampler, batch_size, drop_last=False):
        self.sampler = sampler
        self.batch_size = batch_size
        self.drop_last = drop_last

    def __iter__(self):
        indices = iter(self.sampler)
        while batch := list(itertools.islice(indices, self.batch_size)):
            if len(batch) == self.batch_size or not self.drop_last:
                yield batch

    def __len__(self):
        whole, rest = divmod(len(self.sampler), self.batch_size)
        return whole + (rest > 0 and not self.drop_last)


def default_collate(items):
    """Items put together: tensors, arrays and numbers stacked, tuples and dicts part by part, strings in a list."""
    first = items[0]
    if isinstance(first, (str, bytes)):
        return items
    if isinstance(first, dict):
        return {key: default_collate([item[key] for item in items]) for key in first}
    if isinstance(first, tuple) and hasattr(first, "_fields"):
        return type(first)(*(default_collate(part) for part in zip(*items, strict=True)))
    if isinstance(first, (tuple, list)):
        return [default_collate(list(part)) for part in zip(*items, strict=True)]
    if isinstance(first, float):
        return tf.constant(items, tf.float64)
    if isinstance(first, int):
        return tf.constant(items, tf.bool if isinstance(first, bool) else tf.int64)
    return tf.stack([tf.convert_to_tensor(item) for item in items])


class DataLoader:
    """Batches of a dataset; with ``num_workers``, threads read ahead.

    What concerns worker processes and pinned memory is accepted, since dicts of arguments hold it, and has no effect.
    """

    def __init__(
        self, dataset, batch_size=1, shuffle=None, sampler=None, batch_sampler=None, num_workers=0, collate_fn=None,
        pin_memory=False, drop_last=False, timeout=0, worker_init_fn=None, multiprocessing_context=None,
        generator=None, *, prefetch_factor=None, persistent_workers=False, pin_memory_device="", in_order=True,
    ):  # fmt: skip
        self.dataset = dataset
        self.batch_size = batch_size
        self.drop_last = drop_last
        self.num_workers = num_workers
        self.collate_fn = collate_fn
        self.streams = isinstance(dataset, IterableDataset)
        if sampler is None and not self.streams:
            sampler = RandomSampler(dataset, generator=generator) if shuffle else SequentialSampler(dataset)
        self.sampler = sampler
        if batch_sampler is None and batch_size is not None and not self.streams:
            batch_sampler = BatchSampler(sampler, batch_size, drop_last)
        self.batch_sampler = batch_sampler

    def __len__(self):
        if self.streams:
            whole, rest = divmod(len(self.dataset), self.batch_size)
            return whole + (rest > 0 and not self.drop_last)
        return len(self.sampler if self.batch_sampler is None else self.batch_sampler)

    def __iter__(self):
        if self.streams:
            yield from self.stream()
        elif self.num_workers:
            yield from self.ahead()
        else:
            yield from map(self.load, self.batch_sampler or self.sampler)

    def load(self, indices):
        """One batch (or, without a batch size, one item)."""
        if not isinstance(indices, (list, tuple)):
            return self.dataset[indices] if self.collate_fn is None else self.collate_fn(self.dataset[indices])
        if self.collate_fn is None and isinstance(self.dataset, TensorDataset):
            return self.dataset.rows(indices)
        return self.collate([self.dataset[i] for i in indices])

    def collate(self, items):
        return default_collate(items) if self.collate_fn is None else self.collate_fn(items)

    def stream(self):
        """Batches of a dataset that can only be iterated."""
        items = iter(self.dataset)
        if self.batch_size is None:
            yield from items
            return
        while batch := list(itertools.islice(items, self.batch_size)):
            if len(batch) == self.batch_size or not self.drop_last:
                yield self.collate(batch)

    def ahead(self):
        """Batches in order, read by threads."""
        waiting = collections.deque()
        with ThreadPoolExecutor(self.num_workers) as pool:
            for indices in self.batch_sampler or self.sampler:
                waiting.append(pool.submit(self.load, indices))
                if len(waiting) > 2 * self.num_workers:
                    yield waiting.popleft().result()
            while waiting:
                yield waiting.popleft().result()
