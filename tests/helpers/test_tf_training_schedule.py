"""Every scheduler helper against torch.optim.lr_scheduler: the rate and the momentum at each of fifty steps."""

import math

import keras
import numpy as np
import pytest
import torch

from translator.helpers.tf import schedule, schedule_cycles
from translator.helpers.tf.optim import SGD, Adam

STEPS = 50
CASES = [
    ("StepLR", {"step_size": 7, "gamma": 0.3}),
    ("MultiStepLR", {"milestones": [5, 12, 12, 30], "gamma": 0.5}),
    ("ConstantLR", {"factor": 0.4, "total_iters": 6}),
    ("LinearLR", {"start_factor": 0.2, "end_factor": 0.7, "total_iters": 9}),
    ("ExponentialLR", {"gamma": 0.93}),
    ("PolynomialLR", {"total_iters": 30, "power": 1.7}),
    ("CosineAnnealingLR", {"T_max": 12, "eta_min": 0.01}),
    ("CosineAnnealingWarmRestarts", {"T_0": 5, "T_mult": 2, "eta_min": 0.01}),
    ("CosineAnnealingWarmRestarts", {"T_0": 6}),
    ("LambdaLR", {"lr_lambda": lambda epoch: min(1.0, (epoch + 1) / 10)}),
    ("MultiplicativeLR", {"lr_lambda": lambda epoch: 0.9 + 0.001 * epoch}),
    ("OneCycleLR", {"max_lr": 0.5, "total_steps": 60}),
    ("OneCycleLR", {"max_lr": 0.5, "total_steps": STEPS}),
    ("OneCycleLR", {
        "max_lr": 0.5, "epochs": 6, "steps_per_epoch": 10, "pct_start": 0.4, "anneal_strategy": "linear",
        "div_factor": 10.0, "final_div_factor": 50.0, "three_phase": True, "base_momentum": 0.7, "max_momentum": 0.9,
    }),
    ("CyclicLR", {"base_lr": 0.05, "max_lr": 0.3, "step_size_up": 4, "step_size_down": 7}),
    ("CyclicLR", {"base_lr": 0.05, "max_lr": 0.3, "step_size_up": 4, "mode": "triangular2", "base_momentum": 0.6}),
    ("CyclicLR", {"base_lr": 0.05, "max_lr": 0.3, "step_size_up": 4, "mode": "exp_range", "gamma": 0.95}),
]  # fmt: skip


@pytest.fixture(autouse=True)
def doubles():
    keras.config.set_floatx("float64")
    yield
    keras.config.set_floatx("float32")


def pair(kind="SGD", lr=0.2):
    """A torch optimizer and the helper for it."""
    parameter = torch.nn.Parameter(torch.zeros(1))
    if kind == "SGD":
        return torch.optim.SGD([parameter], lr=lr, momentum=0.9), SGD(learning_rate=lr, momentum=0.9)
    return torch.optim.Adam([parameter], lr=lr), Adam(learning_rate=lr)


def state(theirs, ours):
    """(rate, momentum) of both."""
    group = theirs.param_groups[0]
    momentum = group["momentum"] if "momentum" in group else group["betas"][0]
    mine = ours.momentum if hasattr(ours, "momentum") else ours.betas[0]
    return np.array([group["lr"], momentum]), np.array([float(ours.learning_rate), mine])


def compare(theirs, ours, reference, scheduler, arguments=lambda step: ()):
    for step in range(STEPS):
        np.testing.assert_allclose(*reversed(state(theirs, ours)), rtol=1e-9, atol=1e-12)
        np.testing.assert_allclose(scheduler.get_last_lr(), reference.get_last_lr(), rtol=1e-9, atol=1e-12)
        theirs.step()
        reference.step(*arguments(step))
        scheduler.step(*arguments(step))


@pytest.mark.parametrize("kind", ["SGD", "Adam"])
@pytest.mark.parametrize(("name", "arguments"), CASES, ids=[f"{n}-{i}" for i, (n, _) in enumerate(CASES)])
def test_follows_torch(kind, name, arguments):
    theirs, ours = pair(kind)
    compare(theirs, ours, getattr(torch.optim.lr_scheduler, name)(theirs, **arguments),
            getattr(schedule_cycles if "Cycl" in name else schedule, name)(ours, **arguments))  # fmt: skip


@pytest.mark.parametrize("arguments", [
    {"swa_lr": 0.05}, {"swa_lr": 0.05, "anneal_epochs": 4, "anneal_strategy": "linear"},
    {"swa_lr": 0.3, "anneal_epochs": 0},
])  # fmt: skip
def test_averaging_rate_begins_after_another_scheduler(arguments):
    theirs, ours = pair()
    before = torch.optim.lr_scheduler.ExponentialLR(theirs, 0.9), schedule.ExponentialLR(ours, 0.9)
    reference, scheduler = torch.optim.swa_utils.SWALR(theirs, **arguments), schedule.SWALR(ours, **arguments)
    theirs.step()
    for step in range(STEPS):
        for one in before if step < 5 else (reference, scheduler):
            one.step()
        np.testing.assert_allclose(*reversed(state(theirs, ours)), rtol=1e-9)


@pytest.mark.parametrize(("name", "arguments"), [
    ("ExponentialLR", {"gamma": 0.93}), ("StepLR", {"step_size": 3, "gamma": 0.5}),
    ("CosineAnnealingLR", {"T_max": 60}), ("PolynomialLR", {"total_iters": 55}),
])  # fmt: skip
def test_goes_on_from_a_rate_that_was_set(name, arguments):
    theirs, ours = pair()
    reference = getattr(torch.optim.lr_scheduler, name)(theirs, **arguments)
    scheduler = getattr(schedule, name)(ours, **arguments)
    theirs.step()
    for step in range(STEPS):
        if step in (4, 20):
            theirs.param_groups[0]["lr"] = 0.07
            ours.learning_rate = 0.07
        reference.step()
        scheduler.step()
        np.testing.assert_allclose(*reversed(state(theirs, ours)), rtol=1e-6)


PLATEAU = [
    {"factor": 0.5, "patience": 2},
    {"mode": "max", "factor": 0.3, "patience": 1, "threshold": 0.05, "cooldown": 3, "min_lr": 0.01},
    {"factor": 0.5, "patience": 3, "threshold": 0.02, "threshold_mode": "abs"},
    {"mode": "max", "factor": 0.5, "patience": 0, "threshold": 0.1, "threshold_mode": "abs", "eps": 1e-3},
]


@pytest.mark.parametrize("arguments", PLATEAU)
@pytest.mark.parametrize("sign", [1.0, -1.0])
def test_plateau(arguments, sign):
    theirs, ours = pair()
    metric = lambda step: (sign * (1 + math.exp(-step / 9) + 0.05 * math.sin(3 * step)),)  # noqa: E731
    compare(theirs, ours, torch.optim.lr_scheduler.ReduceLROnPlateau(theirs, **arguments),
            schedule.ReduceLROnPlateau(ours, **arguments), metric)  # fmt: skip


def both(module, optimizer):
    warm = module.LinearLR(optimizer, start_factor=0.1, total_iters=8)
    cosine = module.CosineAnnealingLR(optimizer, T_max=30, eta_min=0.001)
    return module.SequentialLR(optimizer, [warm, cosine], milestones=[8])


def test_sequential():
    theirs, ours = pair()
    compare(theirs, ours, both(torch.optim.lr_scheduler, theirs), both(schedule, ours))


def chained(module, optimizer):
    return module.ChainedScheduler([
        module.ExponentialLR(optimizer, gamma=0.95), module.ConstantLR(optimizer, factor=0.3, total_iters=10),
        module.CosineAnnealingLR(optimizer, T_max=20),
    ])  # fmt: skip


def test_chained():
    theirs, ours = pair()
    compare(theirs, ours, chained(torch.optim.lr_scheduler, theirs), chained(schedule, ours))


def test_state_goes_on_where_it_was():
    _, ours = pair()
    first = schedule.StepLR(ours, step_size=3, gamma=0.5)
    for _ in range(4):
        first.step()
    _, other = pair()
    second = schedule.StepLR(other, step_size=3, gamma=0.5)
    second.load_state_dict(first.state_dict())
    other.learning_rate = float(ours.learning_rate)
    for _ in range(5):
        first.step()
        second.step()
    assert second.last_epoch == 9
    assert second.get_last_lr() == first.get_last_lr() == [0.2 * 0.5**3]
