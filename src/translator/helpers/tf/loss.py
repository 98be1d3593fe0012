"""Loss functions with PyTorch's formulas, reductions and edge cases: loss(input, target)."""

import math

import tensorflow as tf

from translator.helpers.tf.reduce import to_dtype
from translator.helpers.tf.tensor import pairwise_distance


def reduce_loss(loss, reduction):
    """The loss as it is ("none"), its mean over all elements, or its sum."""
    if reduction == "mean":
        return tf.reduce_mean(loss)
    if reduction == "sum":
        return tf.reduce_sum(loss)
    if reduction != "none":
        raise ValueError(f"{reduction} is not a valid value for reduction")
    return loss


def reduce_weighted(loss, weight, reduction):
    """reduce_loss of weight * loss, whose mean divides by the sum of the weights."""
    if weight is None:
        return reduce_loss(loss, reduction)
    weight = to_dtype(weight, loss.dtype)
    if reduction == "mean":
        return tf.reduce_sum(loss * weight) / tf.reduce_sum(weight)
    return reduce_loss(loss * weight, reduction)


def classes_last(input, class_axis):
    """input with its class axis (1, or 0 without a batch, unless given) moved to the end."""
    rank = len(input.shape)
    axis = (0 if rank == 1 else 1) if class_axis is None else class_axis % rank
    return input if axis == rank - 1 else tf.transpose(input, [*range(axis), *range(axis + 1, rank), axis])


def cross_entropy(
    input, target, weight=None, ignore_index=-100, reduction="mean", label_smoothing=0.0, class_axis=None
):
    """Cross entropy of logits (N, C, ...) with class indices (N, ...), or with probabilities shaped as the logits.

    class_axis: where the classes stand in ``input`` (and in probabilities), if not in axis 1. The mean over indices
    divides by the sum of the weights of the classes that count, over probabilities by the number of samples.
    """
    logits = classes_last(input, class_axis)
    weight = None if weight is None else to_dtype(weight, logits.dtype)
    if target.dtype.is_floating:
        target = classes_last(tf.cast(target, logits.dtype), class_axis)
        if label_smoothing:
            target = target * (1.0 - label_smoothing) + label_smoothing / logits.shape[-1]
        log_probs = tf.nn.log_softmax(logits) if weight is None else tf.nn.log_softmax(logits) * weight
        return reduce_loss(-tf.reduce_sum(target * log_probs, axis=-1), reduction)
    kept = target != ignore_index
    labels = tf.where(kept, target, tf.zeros_like(target))
    share = tf.cast(kept, logits.dtype)
    loss = tf.nn.sparse_softmax_cross_entropy_with_logits(labels=labels, logits=logits)
    if weight is not None:
        share *= tf.gather(weight, labels)
        loss *= tf.gather(weight, labels)
    if label_smoothing:
        log_probs = tf.nn.log_softmax(logits) if weight is None else tf.nn.log_softmax(logits) * weight
        smooth = -tf.reduce_sum(log_probs, axis=-1)
        loss = (1.0 - label_smoothing) * loss + label_smoothing / logits.shape[-1] * smooth
    loss = tf.where(kept, loss, tf.zeros_like(loss))
    return tf.reduce_sum(loss) / tf.reduce_sum(share) if reduction == "mean" else reduce_loss(loss, reduction)


def nll_loss(input, target, weight=None, ignore_index=-100, reduction="mean", class_axis=None):
    """-log p[target] of log-probabilities (N, C, ...) and class indices (N, ...); weighted as cross_entropy."""
    log_probs = classes_last(input, class_axis)
    kept = target != ignore_index
    labels = tf.where(kept, target, tf.zeros_like(target))
    share = tf.cast(kept, log_probs.dtype)
    loss = -tf.gather(log_probs, labels, axis=-1, batch_dims=len(labels.shape))
    if weight is not None:
        weights = tf.gather(to_dtype(weight, loss.dtype), labels)
        share, loss = share * weights, loss * weights
    loss = tf.where(kept, loss, tf.zeros_like(loss))
    return tf.reduce_sum(loss) / tf.reduce_sum(share) if reduction == "mean" else reduce_loss(loss, reduction)


def binary_cross_entropy(input, target, weight=None, reduction="mean"):
    """Cross entropy of probabilities in [0, 1]; logarithms are at least -100, the slope's divisor at least 1e-12."""

    @tf.custom_gradient
    def entropy(p, t):
        log_p = tf.maximum(tf.math.log(p), -100.0)
        log_q = tf.maximum(tf.math.log1p(-p), -100.0)

        def gradient(upstream):
            # PyTorch's 1e-12 is a float32 in every precision.
            slope = (p - t) / tf.maximum((1.0 - p) * p, 9.999999960041972e-13)
            return upstream * slope, upstream * (log_q - log_p)

        return (t - 1.0) * log_q - t * log_p, gradient

    loss = entropy(input, tf.cast(target, input.dtype))
    return reduce_loss(loss if weight is None else loss * to_dtype(weight, loss.dtype), reduction)


def binary_cross_entropy_with_logits(input, target, weight=None, reduction="mean", pos_weight=None):
    """Cross entropy of logits; ``pos_weight`` multiplies the positive part, ``weight`` the whole."""
    target = tf.cast(target, input.dtype)
    if pos_weight is None:
        loss = tf.nn.sigmoid_cross_entropy_with_logits(labels=target, logits=input)
    else:
        loss = tf.nn.weighted_cross_entropy_with_logits(target, input, to_dtype(pos_weight, input.dtype))
    return reduce_loss(loss if weight is None else loss * to_dtype(weight, loss.dtype), reduction)


def mse_loss(input, target, reduction="mean", weight=None):
    """(input - target) ** 2."""
    return reduce_weighted(tf.square(input - target), weight, reduction)


def l1_loss(input, target, reduction="mean", weight=None):
    """abs(input - target)."""
    return reduce_weighted(tf.abs(input - target), weight, reduction)


def smooth_l1_loss(input, target, reduction="mean", beta=1.0):
    """d * d / (2 beta) where d = abs(input - target) is below beta, else d - beta / 2."""
    d = tf.abs(input - target)
    if beta == 0.0:
        return reduce_loss(d, reduction)
    return reduce_loss(tf.where(d < beta, 0.5 * d * d / beta, d - 0.5 * beta), reduction)


def huber_loss(input, target, reduction="mean", delta=1.0, weight=None):
    """d * d / 2 where d = abs(input - target) is at most delta, else delta * (d - delta / 2)."""
    d = tf.abs(input - target)
    loss = tf.where(d <= delta, 0.5 * d * d, delta * (d - 0.5 * delta))
    return reduce_loss(loss if weight is None else loss * to_dtype(weight, loss.dtype), reduction)


def kl_div(input, target, reduction="mean", log_target=False):
    """target * (log target - input) for log-probabilities ``input``; "batchmean" divides the sum by the batch size."""
    loss = tf.exp(target) * (target - input) if log_target else tf.math.xlogy(target, target) - target * input
    if reduction == "batchmean":
        return tf.reduce_sum(loss) / tf.cast(tf.shape(input)[0] if len(input.shape) else 1, loss.dtype)
    return reduce_loss(loss, reduction)


def cosine_embedding_loss(input1, input2, target, margin=0.0, reduction="mean"):
    """1 - cos where the target is 1, max(0, cos - margin) where it is -1."""
    squares1 = tf.reduce_sum(input1 * input1, axis=-1) + 1e-12
    squares2 = tf.reduce_sum(input2 * input2, axis=-1) + 1e-12
    cos = tf.reduce_sum(input1 * input2, axis=-1) / tf.sqrt(squares1 * squares2)
    zero = tf.zeros_like(cos)
    loss = tf.where(target == 1, 1.0 - cos, zero) + tf.where(target == -1, tf.maximum(cos - margin, 0.0), zero)
    return reduce_loss(loss, reduction)


def triplet_margin_loss(anchor, positive, negative, margin=1.0, p=2.0, eps=1e-6, swap=False, reduction="mean"):
    """max(0, |anchor - positive| - |anchor - negative| + margin); ``swap`` also takes the positive's distance."""
    near = pairwise_distance(anchor, positive, p, eps)
    far = pairwise_distance(anchor, negative, p, eps)
    if swap:
        far = tf.minimum(far, pairwise_distance(positive, negative, p, eps))
    return reduce_loss(tf.maximum(near - far + margin, 0.0), reduction)


def margin_ranking_loss(input1, input2, target, margin=0.0, reduction="mean"):
    """max(0, -target * (input1 - input2) + margin)."""
    target = tf.cast(target, input1.dtype)
    return reduce_loss(tf.maximum(-target * (input1 - input2) + margin, 0.0), reduction)


def hinge_embedding_loss(input, target, margin=1.0, reduction="mean"):
    """input where the target is 1, max(0, margin - input) where it is -1."""
    zero = tf.zeros_like(input)
    loss = tf.where(target != 1, tf.maximum(margin - input, 0.0), zero) + tf.where(target != -1, input, zero)
    return reduce_loss(loss, reduction)


def soft_margin_loss(input, target, reduction="mean"):
    """log(1 + exp(-target * input))."""
    return reduce_loss(tf.math.softplus(-tf.cast(target, input.dtype) * input), reduction)


def multi_margin_loss(input, target, p=1, margin=1.0, weight=None, reduction="mean"):
    """Sum over the wrong classes i of max(0, margin - x[target] + x[i]) ** p, divided by the number of classes."""
    x = input if len(input.shape) == 2 else input[None]
    target = tf.reshape(target, [-1])
    classes = x.shape[-1]
    hinge = tf.nn.relu(margin - tf.gather(x, target, axis=1, batch_dims=1)[:, None] + x)
    hinge = hinge * hinge if p == 2 else hinge
    if weight is not None:
        hinge *= tf.gather(to_dtype(weight, x.dtype), target)[:, None]
    loss = tf.reduce_sum(hinge * (1.0 - tf.one_hot(target, classes, dtype=x.dtype)), axis=1) / classes
    return reduce_loss(loss if len(input.shape) == 2 else loss[0], reduction)


def multilabel_soft_margin_loss(input, target, weight=None, reduction="mean"):
    """Binary cross entropy of logits, averaged over the classes in the last axis."""
    loss = tf.nn.sigmoid_cross_entropy_with_logits(labels=tf.cast(target, input.dtype), logits=input)
    loss = loss if weight is None else loss * to_dtype(weight, loss.dtype)
    return reduce_loss(tf.reduce_mean(loss, axis=-1), reduction)


def poisson_nll_loss(input, target, log_input=True, full=False, eps=1e-8, reduction="mean"):
    """exp(input) - target * input, or input - target * log(input + eps); ``full`` adds Stirling's term."""
    target = tf.cast(target, input.dtype)
    loss = tf.exp(input) - target * input if log_input else input - target * tf.math.log(input + eps)
    if full:
        large = target > 1
        t = tf.where(large, target, tf.ones_like(target))
        stirling = t * tf.math.log(t) - t + 0.5 * tf.math.log(2.0 * math.pi * t)
        loss += tf.where(large, stirling, tf.zeros_like(stirling))
    return reduce_loss(loss, reduction)


def gaussian_nll_loss(input, target, var, full=False, eps=1e-6, reduction="mean"):
    """(log var + (input - target)^2 / var) / 2, var at least eps (not differentiated); ``full`` adds log(2 pi) / 2."""
    var = to_dtype(var, input.dtype)
    if 0 < len(var.shape) < len(input.shape):
        var = var[..., None]
    var += tf.stop_gradient(tf.maximum(var, eps) - var)
    loss = 0.5 * (tf.math.log(var) + tf.square(input - target) / var)
    return reduce_loss(loss + 0.5 * math.log(2.0 * math.pi) if full else loss, reduction)


def ctc_log_likelihood(log_probs, targets, input_lengths, target_lengths, blank):
    """log p of each target row (N, S) under log_probs (T, N, C), by the forward recursion over T.

    Its states are the labels with blanks around them; -1e30 stands for log 0, so that gradients stay finite.
    """
    impossible = to_dtype(-1e30, log_probs.dtype)
    count = tf.shape(targets)[1]
    targets = tf.where(tf.range(count) < target_lengths[:, None], targets, blank)
    states = tf.reshape(tf.stack([tf.fill(tf.shape(targets), blank), targets], axis=2), (-1, 2 * count))
    states = tf.pad(states, [[0, 0], [0, 1]], constant_values=blank)
    # A blank between two different labels may be skipped.
    skips = (states != blank) & (states != tf.pad(states, [[0, 0], [2, 0]], constant_values=blank)[:, :-2])
    emissions = tf.gather(tf.transpose(log_probs, (1, 0, 2)), states, axis=2, batch_dims=1)
    emissions = tf.maximum(tf.transpose(emissions, (1, 0, 2)), impossible)

    def step(alpha, inputs):
        emission, running = inputs
        before = tf.pad(alpha, [[0, 0], [2, 0]], constant_values=impossible)
        ways = tf.stack([alpha, before[:, 1:-1], tf.where(skips, before[:, :-2], impossible)])
        return tf.where(running, tf.reduce_logsumexp(ways, axis=0) + emission, alpha)

    running = (tf.range(tf.shape(log_probs)[0])[:, None] < input_lengths)[..., None]
    start = tf.zeros_like(emissions[0]) + tf.where(tf.range(2 * count + 1) == 0, tf.zeros_like(impossible), impossible)
    alpha = tf.foldl(step, (emissions, running), initializer=start)
    last = tf.gather(alpha, 2 * target_lengths, axis=1, batch_dims=1)
    label = tf.gather(alpha, tf.maximum(2 * target_lengths - 1, 0), axis=1, batch_dims=1)
    return tf.reduce_logsumexp(tf.stack([last, tf.where(target_lengths > 0, label, impossible)]), axis=0)


def ctc_loss(log_probs, targets, input_lengths, target_lengths, blank=0, reduction="mean", zero_infinity=False):
    """CTC of log-probabilities (T, N, C); targets (N, S), or all labels in one 1-D tensor.

    The mean is over losses divided by their target lengths. A target too long for its input gives inf, or 0 with
    ``zero_infinity``.
    """
    if len(log_probs.shape) == 2:
        loss = ctc_loss(
            log_probs[:, None],
            targets[None],
            tf.reshape(input_lengths, [1]),
            tf.reshape(target_lengths, [1]),
            blank,
            "none",
            zero_infinity,
        )[0]
        return loss / tf.cast(tf.maximum(target_lengths, 1), loss.dtype) if reduction == "mean" else loss
    input_lengths, target_lengths = tf.cast(input_lengths, tf.int32), tf.cast(target_lengths, tf.int32)
    targets = tf.cast(targets, tf.int32)
    if len(targets.shape) == 1:
        targets = tf.RaggedTensor.from_row_lengths(targets, target_lengths).to_tensor()
    loss = -ctc_log_likelihood(log_probs, targets, input_lengths, target_lengths, blank)
    # Equal neighbours need a blank between them, so a target fits only into its length plus its repetitions.
    inside = tf.range(1, tf.shape(targets)[1]) < target_lengths[:, None]
    repeats = tf.reduce_sum(tf.cast((targets[:, 1:] == targets[:, :-1]) & inside, tf.int32), axis=1)
    fits = target_lengths + repeats <= input_lengths
    loss = tf.where(fits, loss, tf.cast(0.0 if zero_infinity else math.inf, loss.dtype))
    if reduction == "mean":
        loss /= tf.cast(tf.maximum(target_lengths, 1), loss.dtype)
    return reduce_loss(loss, reduction)
