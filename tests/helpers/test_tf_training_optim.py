"""Every optimizer helper against torch.optim: fifty steps with all arguments, in float64."""

import keras
import numpy as np
import pytest
import tensorflow as tf
import torch

from translator.helpers.tf import optim

STEPS = 50
SHAPES = [(3, 4), (4,), (2, 3, 2)]
FLAGS = {"maximize": True}
CASES = [
    ("SGD", {"lr": 0.1}),
    ("SGD", {"lr": 0.05, "momentum": 0.9, "weight_decay": 0.1}),
    ("SGD", {"lr": 0.05, "momentum": 0.8, "dampening": 0.3, "weight_decay": 0.02, **FLAGS}),
    ("SGD", {"lr": 0.05, "momentum": 0.8, "nesterov": True}),
    ("Adam", {"lr": 0.01}),
    ("Adam", {"lr": 0.01, "betas": (0.7, 0.95), "eps": 1e-3, "weight_decay": 0.1, **FLAGS}),
    ("Adam", {"lr": 0.01, "amsgrad": True, "weight_decay": 0.1}),
    ("AdamW", {"lr": 0.01}),
    ("AdamW", {"lr": 0.01, "betas": (0.8, 0.9), "eps": 1e-2, "weight_decay": 0.3, "amsgrad": True}),
    ("NAdam", {"lr": 0.01}),
    ("NAdam", {"lr": 0.01, "betas": (0.8, 0.9), "eps": 1e-3, "weight_decay": 0.1, "momentum_decay": 0.02, **FLAGS}),
    ("NAdam", {"lr": 0.01, "weight_decay": 0.1, "decoupled_weight_decay": True}),
    ("RAdam", {"lr": 0.01}),
    ("RAdam", {"lr": 0.01, "betas": (0.8, 0.99), "eps": 1e-3, "weight_decay": 0.1, **FLAGS}),
    ("RAdam", {"lr": 0.01, "weight_decay": 0.1, "decoupled_weight_decay": True}),
    ("Adamax", {"lr": 0.01}),
    ("Adamax", {"lr": 0.01, "betas": (0.8, 0.9), "eps": 1e-2, "weight_decay": 0.1, **FLAGS}),
    ("RMSprop", {"lr": 0.01}),
    ("RMSprop", {"lr": 0.01, "alpha": 0.9, "eps": 1e-2, "weight_decay": 0.1, "momentum": 0.5, "centered": True}),
    ("RMSprop", {"lr": 0.01, "momentum": 0.9, **FLAGS}),
    ("Adagrad", {"lr": 0.1}),
    ("Adagrad", {"lr": 0.1, "lr_decay": 0.1, "weight_decay": 0.1, "initial_accumulator_value": 0.3, "eps": 1e-2}),
    ("Adadelta", {}),
    ("Adadelta", {"lr": 0.3, "rho": 0.7, "eps": 1e-3, "weight_decay": 0.1, **FLAGS}),
    ("Rprop", {"lr": 0.01}),
    ("Rprop", {"lr": 0.01, "etas": (0.4, 1.3), "step_sizes": (1e-3, 0.1), **FLAGS}),
]


@pytest.fixture(autouse=True)
def doubles():
    """float64 in both frameworks, for scalars of optimizer state too."""
    keras.config.set_floatx("float64")
    torch.set_default_dtype(torch.float64)
    yield
    torch.set_default_dtype(torch.float32)
    keras.config.set_floatx("float32")


def both(name, arguments, gradients, new_rate=None):
    """The parameters after all steps in PyTorch and in TensorFlow; the rate changes half way if asked."""
    rng = np.random.default_rng(3)
    start = [rng.normal(size=s) for s in SHAPES]
    theirs = [torch.nn.Parameter(torch.tensor(a)) for a in start]
    ours = [keras.Variable(a) for a in start]
    reference = getattr(torch.optim, name)(theirs, **arguments)
    renamed = {"learning_rate" if k == "lr" else k: v for k, v in arguments.items()}
    optimizer = getattr(optim, name)(**renamed)
    for step, grads in enumerate(gradients):
        if new_rate is not None and step == len(gradients) // 2:
            reference.param_groups[0]["lr"] = new_rate
            optimizer.learning_rate = new_rate
        for parameter, grad in zip(theirs, grads, strict=True):
            parameter.grad = torch.tensor(grad)
        reference.step()
        optimizer.apply_gradients([(tf.constant(g), v) for g, v in zip(grads, ours, strict=True)])
    return [p.detach().numpy() for p in theirs], [keras.ops.convert_to_numpy(v) for v in ours]


def gradients(seed=0, scale=1.0):
    rng = np.random.default_rng(seed)
    return [[rng.normal(size=s) * scale for s in SHAPES] for _ in range(STEPS)]


def close(theirs, ours):
    for a, b in zip(theirs, ours, strict=True):
        assert np.linalg.norm(a - b) <= 1e-9 * np.linalg.norm(a)


@pytest.mark.parametrize(("name", "arguments"), CASES, ids=[f"{n}-{i}" for i, (n, _) in enumerate(CASES)])
def test_follows_torch(name, arguments):
    close(*both(name, arguments, gradients()))


@pytest.mark.parametrize("name", ["Adam", "RMSprop", "Adagrad", "NAdam"])
def test_tiny_gradients_show_where_epsilon_stands(name):
    close(*both(name, {"lr": 0.01}, gradients(scale=1e-8)))


@pytest.mark.parametrize(("name", "momentum"), [("SGD", 0.9), ("RMSprop", 0.9)])
def test_a_new_learning_rate_applies_to_the_whole_momentum(name, momentum):
    close(*both(name, {"lr": 0.01, "momentum": momentum}, gradients(), new_rate=0.001))


def test_sparse_gradients_move_untouched_rows():
    table = np.random.default_rng(1).normal(size=(5, 2))
    theirs = torch.nn.Parameter(torch.tensor(table))
    ours = keras.Variable(table)
    reference, optimizer = torch.optim.Adam([theirs], lr=0.1), optim.Adam(learning_rate=0.1)
    for rows in ([0, 1, 1], [2, 3, 0]):
        reference.zero_grad()
        theirs[torch.tensor(rows)].pow(2).sum().backward()
        reference.step()
        with tf.GradientTape() as tape:
            loss = tf.reduce_sum(tf.gather(ours.value, rows) ** 2)
        optimizer.apply_gradients([(tape.gradient(loss, ours.value), ours)])
    close([theirs.detach().numpy()], [keras.ops.convert_to_numpy(ours)])
