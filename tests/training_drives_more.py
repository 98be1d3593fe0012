"""More of `training_drives`: programs with noise of their own (shared by both sides), environments, several models."""

from __future__ import annotations

import random
from argparse import Namespace
from typing import Any

import numpy as np


def loader(program: Any, dataset: Any, **options: Any) -> Any:
    return program.DataLoader(dataset, shuffle=False, **options)


def drive_wgan_gp(program: Any, side: Any) -> Any:
    rng = np.random.default_rng(11)
    generator = side.start(program.Generator(6), np.zeros((3, 6)))
    discriminator = side.start(program.Discriminator(), np.zeros((3, 2)))
    points = program.TensorDataset(side.tensor(rng.normal(size=(64, 2))))
    options = program.parser.parse_args(["--n_epochs", "2", "--lr", "0.01"])
    return program.train(options, generator, discriminator, loader(program, points, batch_size=8))


def drive_lstm_lm(program: Any, side: Any) -> Any:
    ids = np.random.default_rng(12).integers(0, 17, 420)
    model = program.RNNModel(17, 12, 12, 2)
    side.start(model, ids[:8].reshape(4, 2), (np.zeros((2, 2, 12)), np.zeros((2, 2, 12))))
    args = program.parser.parse_args(["--epochs", "2"])
    return program.run(args, model, side.tensor(ids[:350]), side.tensor(ids[350:]))


def drive_seq2seq(program: Any, side: Any) -> Any:
    encoder = side.start(program.EncoderRNN(9, 10), np.array([3]), np.zeros((1, 1, 10)))
    decoder = side.start(
        program.AttnDecoderRNN(10, 9), np.array([[0]]), np.zeros((1, 1, 10)), np.zeros((program.MAX_LENGTH, 10))
    )
    random.seed(5)
    return program.trainIters(encoder, decoder, program.make_pairs(20, 9), 20, learning_rate=0.1)


def drive_transformer(program: Any, side: Any) -> Any:
    rng = np.random.default_rng(13)
    batches = []
    for _ in range(10):
        ids = rng.integers(2, 11, (6, 7))
        ids[:, 0], ids[:3, -2:] = 1, 0
        batches.append((side.tensor(ids), side.tensor(ids[:, ::-1].copy())))
    source, target = rng.integers(2, 11, (2, 7)), rng.integers(2, 11, (2, 6))
    mask = np.triu(np.ones((6, 6), bool), 1)
    model = side.start(program.Seq2SeqTransformer(11), source, target, mask, source == 0, target == 0)
    return program.run(model, batches)


def drive_gpt(program: Any, side: Any) -> Any:
    text = np.random.default_rng(14).integers(0, 12, 50).tolist()
    config = program.GPTConfig()
    model = side.start(program.GPT(config), np.zeros((2, 8), np.int64))
    trainer = program.Trainer(model, program.CharDataset(text, 8), program.TrainerConfig(shuffle=False))
    return trainer.train()


def drive_siamese(program: Any, side: Any) -> Any:
    raw = np.random.default_rng(15).normal(size=(35, 1, 12, 12))
    images = side.tensor(raw)
    model = side.start(program.TripletNet(program.EmbeddingNet()), *[np.zeros((2, 1, 12, 12))] * 3)
    history = program.run(model, program.TripletDataset(images, [i % 3 for i in range(35)]))
    return [*history, *np.ravel(program.extract_embeddings(side.images(raw), model.embedding_net))]


def drive_superres(program: Any, side: Any) -> Any:
    images = side.tensor(np.random.default_rng(16).random((24, 1, 12, 16)))
    model = side.start(program.Net(upscale_factor=2), np.zeros((2, 1, 6, 8)))
    return program.run(model, program.SRDataset(images[:20], 2), program.SRDataset(images[20:], 2))


def drive_unet_dice(program: Any, side: Any) -> Any:
    rng = np.random.default_rng(17)
    images, masks = rng.random((44, 3, 13, 18)), rng.integers(0, 3, (44, 13, 18))
    parts = [program.TensorDataset(side.tensor(images[i]), side.tensor(masks[i])) for i in (slice(40), slice(40, 44))]
    model = side.start(program.UNet(n_channels=3, n_classes=3), images[:2])
    first, second = (loader(program, part, batch_size=4) for part in parts)
    return program.train_model(model, "cpu", first, second)


def drive_reinforce(program: Any, side: Any) -> Any:
    policy = side.start(program.Policy(), np.zeros((1, 4)))
    return program.run(program.parser.parse_args(["--episodes", "20"]), policy, program.Pole(1))


def drive_actor_critic(program: Any, side: Any) -> Any:
    model = side.start(program.ActorCritic(), np.zeros((1, 3)))
    return program.run(program.get_parser().parse_args([]), model, program.Corridor(1))


def drive_style_transfer(program: Any, side: Any) -> Any:
    rng = np.random.default_rng(18)
    content, style = rng.random((1, 3, 10, 12)), rng.random((1, 3, 10, 12))
    model = side.start(program.Features(), content)
    image, history = program.run_style_transfer(model, side.images(content), side.images(style))
    return [*history, *np.ravel(side.image(image, "run_style_transfer"))]


def drive_amp(program: Any, side: Any) -> Any:
    rng = np.random.default_rng(19)
    data = program.TensorDataset(side.tensor(rng.random((60, 3, 8, 10))), side.tensor(rng.integers(0, 5, 60)))
    model = side.start(program.Net(), np.zeros((2, 3, 8, 10)))
    return program.train(model, loader(program, data, batch_size=5))


def drive_ema_swa(program: Any, side: Any) -> Any:
    rng = np.random.default_rng(20)
    x, y = rng.normal(size=(48, 10)), rng.integers(0, 3, 48)
    data = program.TensorDataset(side.tensor(x[:40]), side.tensor(y[:40]))
    model = side.start(program.Net(), x[:2])
    return program.train(model, loader(program, data, batch_size=8), side.tensor(x[40:]), side.tensor(y[40:]))


def drive_multitask(program: Any, side: Any) -> Any:
    rng = np.random.default_rng(21)
    features, ages, flags = rng.normal(size=(60, 9)), rng.normal(size=60), rng.integers(0, 2, 60).astype(float)
    kinds = rng.integers(0, 4, 60)
    data = program.TasksDataset(*(side.tensor(a) for a in (features, ages, kinds, flags)))
    model = side.start(program.MultiTaskNet(), features[:2])
    weighting = side.start(program.UncertaintyLoss(3), list(ages[:3]))
    return program.train(model, weighting, loader(program, data, batch_size=6))


def drive_timeseries(program: Any, side: Any) -> Any:
    series = program.make_series()
    model = side.start(program.GRUForecaster(), np.zeros((2, 8, 1)))
    parts = [program.WindowDataset(series[:60], 8), program.WindowDataset(series[60:], 8)]
    return program.fit(model, *(loader(program, p, batch_size=8) for p in parts))


def drive_graph(program: Any, side: Any) -> Any:
    adjacency, features, labels = program.make_graph()
    model = side.start(program.GCN(7, 16, 3, 0.0), features, adjacency)
    args = Namespace(lr=0.01, weight_decay=5e-4, epochs=20)
    return program.run(args, model, *(side.tensor(a) for a in (adjacency, features, labels)))


def drive_lbfgs(program: Any, side: Any) -> Any:
    waves = np.sin(np.random.default_rng(22).random((6, 1)) * 6 + np.arange(15) / 3.0)
    model = side.start(program.WavePredictor(), waves[:2])
    return program.fit(model, side.tensor(waves))


def drive_tabular(program: Any, side: Any) -> Any:
    rng = np.random.default_rng(31)
    rows, labels = rng.normal(size=(53, 9)), rng.integers(0, 4, 53)
    parts = [
        program.TensorDataset(side.tensor(rows[part]), side.tensor(labels[part]))
        for part in (slice(0, 36), slice(36, None))
    ]
    model = side.start(program.TabularNet(9, 4), np.zeros((2, 9)))
    return program.train(model, *parts)


DRIVES = {f"train_{n.removeprefix('drive_')}": f for n, f in list(globals().items()) if n.startswith("drive_")}
