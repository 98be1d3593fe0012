"""The data helpers against torch.utils.data: the same batches; where something is random, each item once."""

import numpy as np
import pytest
import tensorflow as tf
import torch
from torch.utils import data as theirs

from translator.helpers.tf import data as ours


def arrays(n=11):
    rng = np.random.default_rng(0)
    return rng.normal(size=(n, 3)).astype(np.float32), rng.integers(0, 5, n)


def plain(value):
    """Nested tensors as numpy arrays with their dtypes."""
    if isinstance(value, dict):
        return {k: plain(v) for k, v in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(v) for v in value]
    return value.numpy() if hasattr(value, "numpy") else value


def same(a, b):
    if isinstance(a, dict):
        assert a.keys() == b.keys()
        a, b = list(a.values()), list(b.values())
    if isinstance(a, list):
        assert len(a) == len(b)
        for x, y in zip(a, b, strict=True):
            same(x, y)
    elif isinstance(a, np.ndarray):
        assert a.dtype == b.dtype
        np.testing.assert_array_equal(a, b)
    else:
        assert a == b


class Items:
    """Items of one kind, for both libraries."""

    def __init__(self, kind, library):
        self.kind, self.library = kind, library
        self.x, self.y = arrays()

    def __len__(self):
        return len(self.x)

    def __getitem__(self, i):
        tensor = torch.tensor if self.library == "torch" else tf.constant
        return {
            "tuple": lambda: (tensor(self.x[i]), int(self.y[i])),
            "dict": lambda: {"x": self.x[i], "name": f"item {i}", "weight": float(i), "flag": i > 3},
            "nested": lambda: ((self.x[i], self.y[i]), [i, self.y[i]]),
            "array": lambda: self.x[i],
        }[self.kind]()


OPTIONS = [{"batch_size": 4}, {"batch_size": 4, "drop_last": True}, {}, {"batch_size": 3, "num_workers": 2}]


@pytest.mark.parametrize("options", OPTIONS)
@pytest.mark.parametrize("kind", ["tuple", "dict", "nested", "array"])
def test_batches(kind, options):
    there = {**options, "num_workers": 0}
    expected = theirs.DataLoader(Items(kind, "torch"), **there)
    actual = ours.DataLoader(Items(kind, "tf"), **options)
    assert len(actual) == len(expected)
    same([plain(b) for b in expected], [plain(b) for b in actual])


def test_tensor_dataset_subset_and_concat():
    x, y = arrays()
    one = theirs.TensorDataset(torch.tensor(x), torch.tensor(y))
    two = ours.TensorDataset(tf.constant(x), tf.constant(y))
    there = theirs.ConcatDataset([theirs.Subset(one, [3, 1, 7]), one])
    here = ours.ConcatDataset([ours.Subset(two, [3, 1, 7]), two])
    assert len(here) == len(there) == 14
    same(plain(there[-1]), plain(here[-1]))
    same([plain(b) for b in theirs.DataLoader(there, 5)], [plain(b) for b in ours.DataLoader(here, 5)])
    same([plain(b) for b in theirs.DataLoader(one, 5)], [plain(b) for b in ours.DataLoader(two, 5)])


def test_collate_function_and_samplers():
    x, _ = arrays()
    collate = lambda items: len(items)  # noqa: E731
    assert (
        list(ours.DataLoader(x, 4, collate_fn=collate))
        == list(theirs.DataLoader(x, 4, collate_fn=collate))
        == [4, 4, 3]
    )
    batches = list(ours.BatchSampler(ours.SequentialSampler(x), 4, True))
    assert batches == list(theirs.BatchSampler(theirs.SequentialSampler(x), 4, True)) == [[0, 1, 2, 3], [4, 5, 6, 7]]
    loader = ours.DataLoader(x, batch_sampler=batches, collate_fn=lambda items: items)
    np.testing.assert_array_equal(np.array(list(loader)), x[:8].reshape(2, 4, 3))


def test_iterable_dataset():
    class Stream(ours.IterableDataset):
        def __iter__(self):
            return iter(range(7))

    assert [b.numpy().tolist() for b in ours.DataLoader(Stream(), 3)] == [[0, 1, 2], [3, 4, 5], [6]]
    assert list(ours.DataLoader(Stream(), None)) == list(range(7))


def test_shuffling_takes_each_item_once_and_follows_the_seed():
    data = list(range(50))
    np.random.seed(3)
    loader = ours.DataLoader(data, 8, shuffle=True)
    first, second = ([i for b in loader for i in b.numpy().tolist()] for _ in range(2))
    assert sorted(first) == sorted(second) == data
    assert first != second
    again = [list(ours.RandomSampler(data, generator=ours.Generator().manual_seed(5))) for _ in range(2)]
    assert again[0] == again[1]
    assert sorted(ours.SubsetRandomSampler([4, 8, 9])) == [4, 8, 9]
    assert set(ours.WeightedRandomSampler([0, 1, 0, 3], 40)) == {1, 3}


@pytest.mark.parametrize("lengths", [[7, 4], [0.5, 0.3, 0.2], [0.33, 0.33, 0.34]])
def test_random_split(lengths):
    data = list(range(11))
    parts = ours.random_split(data, lengths, ours.Generator().manual_seed(1))
    expected = theirs.random_split(data, lengths)
    assert [len(p) for p in parts] == [len(p) for p in expected]
    assert sorted(i for p in parts for i in p) == data
    with pytest.raises(ValueError, match="do not add up"):
        ours.random_split(data, [3, 3])
