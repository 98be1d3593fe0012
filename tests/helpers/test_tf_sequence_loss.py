"""The loss helpers against torch.nn.functional in float64: values and gradients."""

import numpy as np
import pytest
import tensorflow as tf
import torch
import torch.nn.functional as F
from tf_sequence_support import compare, data

from translator.helpers.tf import loss as L
from translator.helpers.tf import loss_classes as C

REDUCTIONS = ["mean", "sum", "none"]


def same(name, *arrays, tf_options=None, **options):
    """Compare a loss of the same name in both frameworks."""
    tensors = {k: torch.tensor(v) if isinstance(v, np.ndarray) else v for k, v in options.items()}
    constants = {k: tf.constant(v) if isinstance(v, np.ndarray) else v for k, v in options.items()}
    compare(
        lambda *a: getattr(F, name)(*a, **tensors),
        lambda *a: getattr(L, name)(*a, **constants, **(tf_options or {})),
        *arrays,
        traced=options.get("reduction") == "mean",
    )


def signs(*shape):
    return np.where(data(*shape, high=2) == 1, 1, -1)


@pytest.mark.parametrize("reduction", REDUCTIONS)
@pytest.mark.parametrize(
    "options",
    [
        {},
        {"label_smoothing": 0.1},
        {"ignore_index": 2},
        {"weight": np.abs(data(5))},
        {"weight": np.abs(data(5)), "label_smoothing": 0.2, "ignore_index": 1},
    ],
    ids=lambda o: "-".join(o) or "plain",
)
@pytest.mark.parametrize("shape", [(7, 5), (3, 5, 4), (2, 5, 3, 2)], ids=str)
def test_cross_entropy_indices(shape, options, reduction):
    target = data(shape[0], *shape[2:], high=5)
    static = {k: torch.tensor(v) if isinstance(v, np.ndarray) else v for k, v in options.items()}
    constants = {k: tf.constant(v) if isinstance(v, np.ndarray) else v for k, v in options.items()}
    compare(
        lambda x, y: F.cross_entropy(x, y, reduction=reduction, **static),
        lambda x, y: L.cross_entropy(x, y, reduction=reduction, **constants),
        data(*shape),
        target,
    )


@pytest.mark.parametrize("reduction", REDUCTIONS)
@pytest.mark.parametrize("options", [{}, {"weight": np.abs(data(5)), "label_smoothing": 0.3}], ids=["plain", "both"])
def test_cross_entropy_probabilities(options, reduction):
    p = np.exp(data(3, 5, 4, seed=1))
    p /= p.sum(1, keepdims=True)
    static = {k: torch.tensor(v) if isinstance(v, np.ndarray) else v for k, v in options.items()}
    compare(
        lambda x, y: F.cross_entropy(x, y, reduction=reduction, **static),
        lambda x, y: L.cross_entropy(x, y, reduction=reduction, **options),
        data(3, 5, 4),
        p,
    )


def test_cross_entropy_class_axis_unbatched_and_default_ignore():
    x, y = data(2, 5, 3, 4), data(2, 3, 4, high=5)
    y[0, 0] = -100
    compare(
        lambda a, b: F.cross_entropy(a.permute(0, 3, 1, 2), b),
        lambda a, b: L.cross_entropy(a, b, class_axis=-1),
        np.ascontiguousarray(x.transpose(0, 2, 3, 1)),
        y,
        traced=False,
    )
    compare(F.cross_entropy, L.cross_entropy, data(6), np.array(3))
    all_ignored = L.cross_entropy(tf.constant(data(2, 3)), tf.constant([-100, -100]))
    assert np.isnan(all_ignored.numpy())


@pytest.mark.parametrize("reduction", REDUCTIONS)
def test_nll_loss(reduction):
    y = data(4, 3, high=5)
    w = np.abs(data(5))
    for options in ({}, {"weight": w}, {"weight": w, "ignore_index": 0}):
        same("nll_loss", data(4, 5, 3), y, reduction=reduction, **options)


@pytest.mark.parametrize("reduction", REDUCTIONS)
def test_binary_cross_entropy(reduction):
    p, t = 1 / (1 + np.exp(-data(4, 3))), data(4, 3, seed=3) ** 2 / 20
    same("binary_cross_entropy", p, t.clip(0, 1), reduction=reduction)
    same("binary_cross_entropy", p, t.clip(0, 1), reduction=reduction, weight=np.abs(data(3)))
    hard = torch.tensor([1.0, 0.0, 1.0], dtype=torch.float64)
    compare(
        lambda q: F.binary_cross_entropy(q, hard, reduction=reduction),
        lambda q: L.binary_cross_entropy(q, tf.constant(hard.numpy()), reduction=reduction),
        np.array([0.0, 1.0, 1.0]),
    )


@pytest.mark.parametrize("reduction", REDUCTIONS)
def test_binary_cross_entropy_with_logits(reduction):
    x, t = 9 * data(4, 3), 1.0 * data(4, 3, high=2)
    same("binary_cross_entropy_with_logits", x, t, reduction=reduction)
    options = {"pos_weight": np.abs(data(3)), "weight": np.abs(data(4, 1))}
    same("binary_cross_entropy_with_logits", x, t, reduction=reduction, **options)


@pytest.mark.parametrize("reduction", REDUCTIONS)
@pytest.mark.parametrize(
    "name, options",
    [
        ("mse_loss", {}),
        ("mse_loss", {"weight": np.abs(data(5, 3))}),
        ("l1_loss", {}),
        ("l1_loss", {"weight": np.abs(data(5, 3))}),
        ("smooth_l1_loss", {"beta": 0.7}),
        ("smooth_l1_loss", {"beta": 0.0}),
        ("huber_loss", {"delta": 0.6}),
        ("huber_loss", {"delta": 0.6, "weight": np.abs(data(5, 3))}),
        ("poisson_nll_loss", {}),
    ],
)
def test_elementwise(name, options, reduction):
    same(name, data(5, 3), data(5, 3, seed=1), reduction=reduction, **options)


@pytest.mark.parametrize("reduction", [*REDUCTIONS, "batchmean"])
def test_kl_div(reduction):
    p = np.abs(data(5, 3))
    p[0, 0] = 0.0
    compare(
        lambda x: F.kl_div(x, torch.tensor(p), reduction=reduction),
        lambda x: L.kl_div(x, tf.constant(p), reduction=reduction),
        data(5, 3),
    )
    same("kl_div", data(5, 3), data(5, 3, seed=2), reduction=reduction, log_target=True)


@pytest.mark.parametrize("reduction", REDUCTIONS)
def test_embedding_losses(reduction):
    a, b, c, y = data(5, 3), data(5, 3, seed=1), data(5, 3, seed=2), signs(5)
    same("cosine_embedding_loss", a, b, y, margin=0.1, reduction=reduction)
    same("triplet_margin_loss", a, b, c, reduction=reduction)
    same("triplet_margin_loss", a, b, c, p=1.5, margin=2.0, swap=True, reduction=reduction)
    same("margin_ranking_loss", data(5), data(5, seed=1), y, margin=0.3, reduction=reduction)
    same("hinge_embedding_loss", a, signs(5, 3), margin=0.7, reduction=reduction)
    same("soft_margin_loss", a, signs(5, 3), reduction=reduction)


@pytest.mark.parametrize("reduction", REDUCTIONS)
def test_margin_losses(reduction):
    x, y, w = data(6, 4), data(6, high=4), np.abs(data(4))
    for p in (1, 2):
        compare(
            lambda a, b, p=p: F.multi_margin_loss(a, b, p, 0.8, torch.tensor(w), reduction=reduction),
            lambda a, b, p=p: L.multi_margin_loss(a, b, p, 0.8, w, reduction),
            x,
            y,
        )
    compare(F.multi_margin_loss, L.multi_margin_loss, data(4), np.array(2))
    same("multilabel_soft_margin_loss", x, 1.0 * data(6, 4, high=2), weight=w, reduction=reduction)


@pytest.mark.parametrize("reduction", REDUCTIONS)
def test_likelihood_losses(reduction):
    rate, count = np.abs(data(5, 3)), 3 * np.abs(data(5, 3, seed=1))
    same("poisson_nll_loss", rate, count, log_input=False, full=True, reduction=reduction)
    variance = np.abs(data(5, 3, seed=2))
    variance[0, 0] = 0.0
    same("gaussian_nll_loss", data(5, 3), data(5, 3, seed=4), variance, full=True, eps=1e-2, reduction=reduction)
    same("gaussian_nll_loss", data(5, 3), data(5, 3, seed=4), variance[:, 1], reduction=reduction)


@pytest.mark.parametrize("reduction", REDUCTIONS)
@pytest.mark.parametrize("zero_infinity", [False, True])
def test_ctc(reduction, zero_infinity):
    logits, labels = data(9, 3, 5), np.array([[1, 1, 2, 4], [3, 2, 0, 0], [2, 2, 2, 2]])
    lengths, sizes = torch.tensor([9, 7, 4 if zero_infinity else 8]), torch.tensor([4, 2, 4])

    def run_torch(x, y):
        return F.ctc_loss(x.log_softmax(-1), y, lengths, sizes, 0, reduction, zero_infinity)

    def run_tf(x, y):
        return L.ctc_loss(tf.nn.log_softmax(x), y, lengths.numpy(), sizes.numpy(), 0, reduction, zero_infinity)

    compare(run_torch, run_tf, logits, labels)
    joined = np.concatenate([row[:n] for row, n in zip(labels, sizes, strict=True)])
    compare(run_torch, run_tf, logits, joined)


def test_ctc_impossible_and_unbatched():
    log_probs = torch.tensor(data(2, 5)).log_softmax(-1)
    args = (np.array([1, 1]), np.array(2), np.array(2))
    expected = F.ctc_loss(log_probs, *map(torch.tensor, args))
    actual = L.ctc_loss(tf.constant(log_probs.numpy()), *map(tf.constant, args))
    assert np.isposinf(expected.item())
    assert np.isposinf(actual.numpy())
    log_probs = torch.tensor(data(6, 5)).log_softmax(-1)
    args = (np.array([1, 3]), np.array(6), np.array(2))
    expected = F.ctc_loss(log_probs, *map(torch.tensor, args))
    actual = L.ctc_loss(tf.constant(log_probs.numpy()), *map(tf.constant, args))
    np.testing.assert_allclose(actual.numpy(), expected.numpy(), rtol=1e-9)


POSITIVE = 1 / (1 + np.exp(-data(5, 3)))
CLASS_CASES = {
    "CrossEntropyLoss": ({"label_smoothing": 0.1}, data(5, 3), data(5, high=3)),
    "NLLLoss": ({"ignore_index": 1}, data(5, 3), data(5, high=3)),
    "BCELoss": ({}, POSITIVE, 1.0 * data(5, 3, high=2)),
    "BCEWithLogitsLoss": ({"reduction": "sum"}, data(5, 3), POSITIVE),
    "MSELoss": ({}, data(5, 3), POSITIVE),
    "L1Loss": ({}, data(5, 3), POSITIVE),
    "SmoothL1Loss": ({"beta": 0.5}, data(5, 3), POSITIVE),
    "HuberLoss": ({"delta": 0.5}, data(5, 3), POSITIVE),
    "KLDivLoss": ({"reduction": "batchmean"}, data(5, 3), POSITIVE),
    "CosineEmbeddingLoss": ({"margin": 0.2}, data(5, 3), POSITIVE, signs(5)),
    "TripletMarginLoss": ({"margin": 0.5}, data(5, 3), POSITIVE, data(5, 3, seed=1)),
    "MarginRankingLoss": ({"margin": 0.2}, data(5), data(5, seed=1), signs(5)),
    "HingeEmbeddingLoss": ({"margin": 0.2}, data(5, 3), signs(5, 3)),
    "SoftMarginLoss": ({}, data(5, 3), signs(5, 3)),
    "MultiMarginLoss": ({"p": 2}, data(5, 3), data(5, high=3)),
    "MultiLabelSoftMarginLoss": ({}, data(5, 3), data(5, 3, high=2)),
    "PoissonNLLLoss": ({"full": True}, data(5, 3), 4 * POSITIVE),
    "GaussianNLLLoss": ({"full": True}, data(5, 3), data(5, 3, seed=1), POSITIVE),
}


@pytest.mark.parametrize("name", CLASS_CASES)
def test_classes(name):
    options, *arrays = CLASS_CASES[name]
    compare(getattr(torch.nn, name)(**options), getattr(C, name)(**options), *arrays)


def test_ctc_class():
    sizes = (torch.tensor([6, 6]), torch.tensor([2, 3]))
    compare(
        lambda x, y: torch.nn.CTCLoss(blank=4)(x.log_softmax(-1), y, *sizes),
        lambda x, y: C.CTCLoss(blank=4)(tf.nn.log_softmax(x), y, *(s.numpy() for s in sizes)),
        data(6, 2, 5),
        data(2, 3, high=4),
    )
