"""Distributions give PyTorch's probabilities, entropies and gradients; samples have the right frequencies."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import tensorflow as tf
import torch

from translator.helpers.tf import distributions

RNG = np.random.default_rng(0)
LOGITS = RNG.normal(size=(4, 3))
SHARES = np.exp(LOGITS)
CASES = [
    ("Categorical", {"probs": SHARES}, RNG.integers(0, 3, 4)),
    ("Categorical", {"logits": LOGITS}, RNG.integers(0, 3, (2, 4))),
    ("Categorical", {"probs": np.array([[0.0, 1.0]])}, np.array([0])),
    ("Normal", {"loc": LOGITS, "scale": SHARES}, RNG.normal(size=(2, 4, 3))),
    ("Normal", {"loc": LOGITS, "scale": 0.5}, RNG.normal(size=(4, 3))),
    ("Uniform", {"low": LOGITS, "high": LOGITS + SHARES}, LOGITS + SHARES * RNG.uniform(size=(2, 4, 3))),
    ("Uniform", {"low": -1.0, "high": SHARES}, RNG.uniform(-1, 0, size=(4, 3))),
    ("Beta", {"concentration1": SHARES, "concentration0": 2 * SHARES + 0.5}, RNG.uniform(size=(2, 4, 3))),
    ("Beta", {"concentration1": SHARES, "concentration0": 1.0}, RNG.uniform(size=(4, 3))),
    ("Bernoulli", {"probs": 1 / (1 + SHARES)}, RNG.integers(0, 2, (4, 3)).astype(float)),
    ("Bernoulli", {"logits": LOGITS}, RNG.integers(0, 2, (4, 3)).astype(float)),
]


@pytest.mark.parametrize(("name", "given", "value"), CASES)
def test_values_and_gradients(name: str, given: dict[str, Any], value: Any) -> None:
    theirs = {k: torch.tensor(v, requires_grad=True) if isinstance(v, np.ndarray) else v for k, v in given.items()}
    ours = {k: tf.Variable(v) if isinstance(v, np.ndarray) else v for k, v in given.items()}
    source = getattr(torch.distributions, name)(**theirs, validate_args=False)
    with tf.GradientTape(persistent=True) as tape:
        target = getattr(distributions, name)(**ours)
        results = {"log_prob": target.log_prob(tf.constant(value)), "entropy": target.entropy()}
        sums = {k: tf.reduce_sum(v) for k, v in results.items()}
    for key, expected in (("log_prob", source.log_prob(torch.tensor(value))), ("entropy", source.entropy())):
        np.testing.assert_allclose(results[key], expected.detach(), rtol=1e-12)
        for k, x in theirs.items():
            if isinstance(x, torch.Tensor) and expected.requires_grad:
                (slope,) = torch.autograd.grad(expected.sum(), x, retain_graph=True, allow_unused=True)
                found = tape.gradient(sums[key], ours[k])
                np.testing.assert_allclose(np.zeros(x.shape) if found is None else found,
                                           np.zeros(x.shape) if slope is None else slope, atol=1e-12)  # fmt: skip


def test_samples() -> None:
    tf.keras.utils.set_random_seed(0)
    drawn = distributions.Categorical(probs=tf.constant([[0.2, 0.8], [1.0, 0.0]])).sample((4000,))
    assert drawn.shape == (4000, 2) and drawn.dtype == tf.int64
    np.testing.assert_allclose(np.mean(drawn, 0), [0.8, 0.0], atol=0.03)
    drawn = distributions.Normal(tf.constant([1.0, -1.0]), 2.0).sample((4000,))
    np.testing.assert_allclose([np.mean(drawn, 0), np.std(drawn, 0)], [[1, -1], [2, 2]], atol=0.1)
    drawn = distributions.Bernoulli(probs=tf.constant([0.3])).sample((4000,))
    np.testing.assert_allclose(np.mean(drawn, 0), [0.3], atol=0.03)
    drawn = distributions.Uniform(tf.constant([1.0, -1.0]), 2.0).sample((4000,))
    assert np.min(drawn, 0)[0] >= 1 and np.max(drawn) < 2
    np.testing.assert_allclose([np.mean(drawn, 0), np.std(drawn, 0)], [[1.5, 0.5], [0.2887, 0.866]], atol=0.05)
    beta = distributions.Beta(tf.constant([2.0, 0.5]), 3.0)
    drawn = beta.sample((4000,))
    np.testing.assert_allclose([np.mean(drawn, 0), np.std(drawn, 0)], [beta.mean, beta.stddev], atol=0.02)


@pytest.mark.parametrize("name", ["Uniform", "Beta"])
def test_properties(name: str) -> None:
    """mean, variance and stddev."""
    source = getattr(torch.distributions, name)(torch.tensor(SHARES), torch.tensor(SHARES + 1))
    target = getattr(distributions, name)(tf.constant(SHARES), tf.constant(SHARES + 1))
    for key in ("mean", "variance", "stddev"):
        np.testing.assert_allclose(getattr(target, key), getattr(source, key), rtol=1e-12)


def test_gradients_flow_through_samples() -> None:
    a, b = tf.Variable([2.0, 3.0]), tf.Variable([1.0, 2.0])
    for make in (distributions.Beta, distributions.Uniform):
        with tf.GradientTape() as tape:
            drawn = tf.reduce_sum(make(a, b).rsample((5,)))
        assert all(np.abs(g).min() > 0 for g in tape.gradient(drawn, [a, b]))
