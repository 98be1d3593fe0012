"""How the training fixtures are run: the same data on both sides, few steps, and what they log as the result."""

from __future__ import annotations

from argparse import Namespace
from typing import Any

import numpy as np


def drive_mnist(program: Any, side: Any) -> Any:
    rng = np.random.default_rng(1)
    images, labels = rng.normal(size=(44, 1, 28, 28)), rng.integers(0, 10, 44)
    data = program.TensorDataset(side.tensor(images), side.tensor(labels))
    loader = program.DataLoader(data, batch_size=4, shuffle=False)
    model = side.start(program.Net(), images[:2])
    args = Namespace(lr=1.0, gamma=0.7, epochs=2, log_interval=5, dry_run=False)
    return program.fit(args, model, "cpu", loader, loader)


def drive_regression(program: Any, side: Any) -> Any:
    train_set, val_set = program.NoisyPlane(70), program.NoisyPlane(20, seed=1)
    loader = program.DataLoader(train_set, batch_size=10, drop_last=True)
    model = side.start(program.Regressor(), np.zeros((3, 5)))
    return program.fit(model, loader, program.DataLoader(val_set, batch_size=8), epochs=4)


def drive_char_lstm(program: Any, side: Any) -> Any:
    ids = np.random.default_rng(2).integers(0, 9, (4, 220))
    model = program.CharLSTM(9)
    zeros = np.zeros((1, 4, 20))
    side.start(model, ids[:, :10], hidden=(zeros, zeros))
    return program.train(model, side.tensor(ids), 9)


def drive_vae(program: Any, side: Any) -> Any:
    rng = np.random.default_rng(3)
    images, noise = rng.random((44, 1, 6, 6)), rng.normal(size=(44, 5))
    pairs = [(side.tensor(a), side.tensor(b)) for a, b in zip(images, noise, strict=True)]
    model = side.start(program.VAE(), images[:2], noise[:2])
    return program.fit(model, program.DataLoader(pairs, batch_size=4))


def drive_dcgan(program: Any, side: Any) -> Any:
    rng = np.random.default_rng(4)
    batches = [side.images(rng.random((4, 1, 8, 8)) * 2 - 1) for _ in range(20)]
    noises = [side.images(rng.normal(size=(4, 6, 1, 1))) for _ in range(20)]
    generator = side.start(program.Generator(), np.zeros((2, 6, 1, 1)))
    discriminator = side.start(program.Discriminator(), np.zeros((2, 1, 8, 8)))
    return program.train(generator, discriminator, batches, noises)


def drive_transfer(program: Any, side: Any) -> Any:
    rng = np.random.default_rng(5)
    data = {
        name: program.TensorDataset(side.tensor(rng.random((n, 3, 9, 7))), side.tensor(rng.integers(0, 3, n)))
        for name, n in (("train", 40), ("val", 12))
    }
    loaders = {name: program.DataLoader(part, batch_size=4) for name, part in data.items()}
    model = side.start(program.make_model(), np.zeros((2, 3, 9, 7)))
    return program.fit(model, loaders, {name: len(part) for name, part in data.items()}, "cpu")


def drive_accumulation(program: Any, side: Any) -> Any:
    rng = np.random.default_rng(6)
    data = program.TensorDataset(side.tensor(rng.normal(size=(44, 8))), side.tensor(rng.integers(0, 4, 44)))
    model = side.start(program.MLP(), np.zeros((2, 8)))
    return program.train(model, program.DataLoader(data, batch_size=4))


def drive_imagenet(program: Any, side: Any) -> Any:
    rng = np.random.default_rng(7)
    data = program.TensorDataset if hasattr(program, "TensorDataset") else program.torch.utils.data.TensorDataset
    loader = program.DataLoader if hasattr(program, "DataLoader") else program.torch.utils.data.DataLoader
    images = data(side.tensor(rng.random((80, 3, 16, 12))), side.tensor(rng.integers(0, 6, 80)))
    batches = loader(images, batch_size=8)
    model = side.start(program.SmallNet(), np.zeros((2, 3, 16, 12)))
    args = program.get_parser().parse_args([])
    return program.run(args, model, batches, batches)


DRIVES = {
    "train_mnist": drive_mnist, "train_regression": drive_regression, "train_char_lstm": drive_char_lstm,
    "train_vae": drive_vae, "train_dcgan": drive_dcgan, "train_transfer": drive_transfer,
    "train_accumulation": drive_accumulation, "train_imagenet": drive_imagenet,
}  # fmt: skip
