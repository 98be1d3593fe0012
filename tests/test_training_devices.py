"""Programs for several devices or processes: as one process they train the same, as several they are stopped."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from training_support import Start
from translator import Severity, translate
from translator.compare import load, precision, unload
from translator.helpers.tf import distributed

PROGRAM = """
import torch
import torch.nn as nn
import torch.distributed as dist
import torch.optim as optim
from torch.nn.parallel import DistributedDataParallel as DDP
from torch.utils.data import DataLoader, TensorDataset
from torch.utils.data.distributed import DistributedSampler


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.fc1 = nn.Linear(6, 8)
        self.fc2 = nn.Linear(8, 3)

    def forward(self, x):
        return self.fc2(torch.tanh(self.fc1(x)))


def is_main():
    if not dist.is_available() or not dist.is_initialized():
        return True
    return dist.get_rank() == 0


def unwrap(model):
    return model.module if isinstance(model, (nn.DataParallel, DDP)) else model


def run(args, inputs, labels, log):
    if args.distributed:
        dist.init_process_group(backend="gloo", init_method=args.url, rank=0, world_size=args.processes)
    rank = dist.get_rank() if args.distributed else 0
    world_size = dist.get_world_size() if args.distributed else 1
    dataset = TensorDataset(inputs, labels)
    sampler = None
    if args.distributed:
        sampler = DistributedSampler(dataset, num_replicas=world_size, rank=rank, shuffle=False)
    loader = DataLoader(dataset, batch_size=8, shuffle=False, sampler=sampler, pin_memory=torch.cuda.is_available())
    model = Net()
    if args.sync:
        model = nn.SyncBatchNorm.convert_sync_batchnorm(model)
    log.start(model)
    if args.distributed:
        model = DDP(model, find_unused_parameters=True)
    else:
        model = nn.DataParallel(model)
    criterion = nn.CrossEntropyLoss()
    optimizer = optim.SGD(model.module.parameters(), lr=0.1 * world_size, momentum=0.9)
    losses = []
    for epoch in range(args.epochs):
        if sampler is not None:
            sampler.set_epoch(epoch)
        model.train()
        for x, y in loader:
            out = model(x)
            loss = criterion(out, y)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            total = loss.detach().clone()
            if args.distributed:
                dist.all_reduce(total, op=dist.ReduceOp.SUM)
            losses.append((total / world_size).item())
    if is_main():
        losses.append(len(model.module.state_dict()))
    if args.distributed:
        dist.barrier()
        dist.destroy_process_group()
    model.eval()
    return losses, unwrap(model)(inputs)
"""


@pytest.mark.parametrize("several", [False, True])
def test_one_process_trains_the_same(several: bool, tmp_path: Path) -> None:
    import tensorflow as tf
    import torch

    rng = np.random.default_rng(3)
    inputs, labels = rng.normal(size=(27, 6)), rng.integers(0, 3, 27)
    result = translate(PROGRAM, fidelity="exact")
    assert not result.refused, result.diagnostics
    notes = [d.message for d in result.diagnostics if d.code == "XL406"]
    assert any("DataParallel is dropped" in n for n in notes) and any("all_reduce is dropped" in n for n in notes)
    args = SimpleNamespace(distributed=several, url=f"file://{tmp_path}/group", processes=1, sync=False, epochs=3)
    with precision("float64"):
        theirs, ours = load(PROGRAM, "devices_torch"), load(result.text, "devices_tf")
        log = Start()
        expected, out = theirs.run(args, torch.tensor(inputs), torch.tensor(labels), log)
        log.inputs = tf.constant(inputs)
        actual, values = ours.run(args, log.inputs, tf.constant(labels), log)
        unload(theirs)
        unload(ours)
    assert len(expected) == 13 and expected[0] > expected[-2]
    np.testing.assert_allclose(actual[:-1], expected[:-1], rtol=1e-9)
    np.testing.assert_allclose(values.numpy(), out.detach().numpy(), rtol=1e-8)


def test_more_processes_are_stopped(monkeypatch: pytest.MonkeyPatch) -> None:
    distributed.one_process("nccl")
    distributed.one_process("nccl", world_size=1, rank=0)
    with pytest.raises(RuntimeError, match="as 4 processes"):
        distributed.one_process("nccl", world_size=4, rank=2)
    monkeypatch.setenv("WORLD_SIZE", "2")
    with pytest.raises(RuntimeError, match="start it once"):
        distributed.one_process(backend="nccl", init_method="env://")
    with pytest.raises(RuntimeError, match="shared by 2"):
        distributed.DistributedSampler([1, 2, 3], num_replicas=2, rank=0)


def test_sampler() -> None:
    made = distributed.DistributedSampler(range(40))
    first = list(made)
    assert sorted(first) == list(range(40)) and first == list(made) and len(made) == 40
    made.set_epoch(1)
    assert sorted(made) == list(range(40)) and list(made) != first
    assert list(distributed.DistributedSampler(range(5), 1, 0, False)) == [0, 1, 2, 3, 4]


HEAD = "import torch\nimport torch.distributed as dist\nimport torch.multiprocessing as mp\nfrom torch import nn\n\n"
REFUSED = {
    "mp.spawn(print, nprocs=4)": "processes that share",
    "work = dist.all_reduce(torch.ones(3), async_op=True)": "`async_op`",
    "dist.all_gather([torch.ones(2)], torch.ones(2))": "set up in another way",
}


@pytest.mark.parametrize("code", REFUSED)
def test_refused(code: str) -> None:
    result = translate(HEAD + code + "\n")
    errors = [d for d in result.diagnostics if d.severity is Severity.ERROR]
    assert len(errors) == 1 and REFUSED[code] in errors[0].message and code in result.text
