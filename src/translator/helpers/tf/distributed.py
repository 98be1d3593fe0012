"""What stands for torch.distributed in a program that trains in one process."""

import os

import numpy as np


def one_process(backend=None, init_method=None, timeout=None, world_size=-1, rank=-1, **options):
    """Where torch.distributed starts its group of processes: more than one of them is an error.

    Each would train a model of its own. For several devices, make model and optimizer under
    ``tf.distribute.MirroredStrategy().scope()``.
    """
    count = world_size if world_size > 0 else int(os.environ.get("WORLD_SIZE", "1"))
    if count > 1:
        raise RuntimeError(f"started as {count} processes: this program trains in one, so start it once")


class DistributedSampler:
    """The share of one process, which is all of a dataset; with ``shuffle``, in an order for each epoch."""

    def __init__(self, dataset, num_replicas=None, rank=None, shuffle=True, seed=0, drop_last=False):
        if (num_replicas or 1) > 1:
            raise RuntimeError(f"a dataset is shared by {num_replicas} processes: this program trains in one")
        self.dataset = dataset
        self.shuffle = shuffle
        self.seed = seed
        self.epoch = 0

    def __iter__(self):
        count = len(self.dataset)
        order = np.random.default_rng(self.seed + self.epoch).permutation(count) if self.shuffle else range(count)
        return iter([int(i) for i in order])

    def __len__(self):
        return len(self.dataset)

    def set_epoch(self, epoch):
        """Choose the order of an epoch."""
        self.epoch = epoch
