"""PyTorch's loss classes: options at construction, then loss(input, target)."""

from translator.helpers.tf.loss import (
    binary_cross_entropy,
    binary_cross_entropy_with_logits,
    cosine_embedding_loss,
    cross_entropy,
    ctc_loss,
    gaussian_nll_loss,
    hinge_embedding_loss,
    huber_loss,
    kl_div,
    l1_loss,
    margin_ranking_loss,
    mse_loss,
    multi_margin_loss,
    multilabel_soft_margin_loss,
    nll_loss,
    poisson_nll_loss,
    smooth_l1_loss,
    soft_margin_loss,
    triplet_margin_loss,
)


class CrossEntropyLoss:
    """cross_entropy with fixed options."""

    def __init__(self, weight=None, ignore_index=-100, reduction="mean", label_smoothing=0.0):
        self.weight = weight
        self.ignore_index = ignore_index
        self.reduction = reduction
        self.label_smoothing = label_smoothing

    def __call__(self, input, target, class_axis=None):
        return cross_entropy(
            input,
            target,
            weight=self.weight,
            ignore_index=self.ignore_index,
            reduction=self.reduction,
            label_smoothing=self.label_smoothing,
            class_axis=class_axis,
        )


class NLLLoss:
    """nll_loss with fixed options."""

    def __init__(self, weight=None, ignore_index=-100, reduction="mean"):
        self.weight = weight
        self.ignore_index = ignore_index
        self.reduction = reduction

    def __call__(self, input, target, class_axis=None):
        return nll_loss(
            input,
            target,
            weight=self.weight,
            ignore_index=self.ignore_index,
            reduction=self.reduction,
            class_axis=class_axis,
        )


class BCELoss:
    """binary_cross_entropy with fixed options."""

    def __init__(self, weight=None, reduction="mean"):
        self.weight = weight
        self.reduction = reduction

    def __call__(self, input, target):
        return binary_cross_entropy(input, target, weight=self.weight, reduction=self.reduction)


class BCEWithLogitsLoss:
    """binary_cross_entropy_with_logits with fixed options."""

    def __init__(self, weight=None, reduction="mean", pos_weight=None):
        self.weight = weight
        self.reduction = reduction
        self.pos_weight = pos_weight

    def __call__(self, input, target):
        return binary_cross_entropy_with_logits(
            input,
            target,
            weight=self.weight,
            reduction=self.reduction,
            pos_weight=self.pos_weight,
        )


class MSELoss:
    """mse_loss with fixed options."""

    def __init__(self, reduction="mean"):
        self.reduction = reduction

    def __call__(self, input, target):
        return mse_loss(input, target, reduction=self.reduction)


class L1Loss:
    """l1_loss with fixed options."""

    def __init__(self, reduction="mean"):
        self.reduction = reduction

    def __call__(self, input, target):
        return l1_loss(input, target, reduction=self.reduction)


class SmoothL1Loss:
    """smooth_l1_loss with fixed options."""

    def __init__(self, reduction="mean", beta=1.0):
        self.reduction = reduction
        self.beta = beta

    def __call__(self, input, target):
        return smooth_l1_loss(input, target, reduction=self.reduction, beta=self.beta)


class HuberLoss:
    """huber_loss with fixed options."""

    def __init__(self, reduction="mean", delta=1.0):
        self.reduction = reduction
        self.delta = delta

    def __call__(self, input, target):
        return huber_loss(input, target, reduction=self.reduction, delta=self.delta)


class KLDivLoss:
    """kl_div with fixed options."""

    def __init__(self, reduction="mean", log_target=False):
        self.reduction = reduction
        self.log_target = log_target

    def __call__(self, input, target):
        return kl_div(input, target, reduction=self.reduction, log_target=self.log_target)


class CosineEmbeddingLoss:
    """cosine_embedding_loss with fixed options."""

    def __init__(self, margin=0.0, reduction="mean"):
        self.margin = margin
        self.reduction = reduction

    def __call__(self, input1, input2, target):
        return cosine_embedding_loss(input1, input2, target, margin=self.margin, reduction=self.reduction)


class TripletMarginLoss:
    """triplet_margin_loss with fixed options."""

    def __init__(self, margin=1.0, p=2.0, eps=1e-6, swap=False, reduction="mean"):
        self.margin = margin
        self.p = p
        self.eps = eps
        self.swap = swap
        self.reduction = reduction

    def __call__(self, anchor, positive, negative):
        return triplet_margin_loss(
            anchor,
            positive,
            negative,
            margin=self.margin,
            p=self.p,
            eps=self.eps,
            swap=self.swap,
            reduction=self.reduction,
        )


class MarginRankingLoss:
    """margin_ranking_loss with fixed options."""

    def __init__(self, margin=0.0, reduction="mean"):
        self.margin = margin
        self.reduction = reduction

    def __call__(self, input1, input2, target):
        return margin_ranking_loss(input1, input2, target, margin=self.margin, reduction=self.reduction)


class HingeEmbeddingLoss:
    """hinge_embedding_loss with fixed options."""

    def __init__(self, margin=1.0, reduction="mean"):
        self.margin = margin
        self.reduction = reduction

    def __call__(self, input, target):
        return hinge_embedding_loss(input, target, margin=self.margin, reduction=self.reduction)


class SoftMarginLoss:
    """soft_margin_loss with fixed options."""

    def __init__(self, reduction="mean"):
        self.reduction = reduction

    def __call__(self, input, target):
        return soft_margin_loss(input, target, reduction=self.reduction)


class MultiMarginLoss:
    """multi_margin_loss with fixed options."""

    def __init__(self, p=1, margin=1.0, weight=None, reduction="mean"):
        self.p = p
        self.margin = margin
        self.weight = weight
        self.reduction = reduction

    def __call__(self, input, target):
        return multi_margin_loss(
            input,
            target,
            p=self.p,
            margin=self.margin,
            weight=self.weight,
            reduction=self.reduction,
        )


class MultiLabelSoftMarginLoss:
    """multilabel_soft_margin_loss with fixed options."""

    def __init__(self, weight=None, reduction="mean"):
        self.weight = weight
        self.reduction = reduction

    def __call__(self, input, target):
        return multilabel_soft_margin_loss(input, target, weight=self.weight, reduction=self.reduction)


class PoissonNLLLoss:
    """poisson_nll_loss with fixed options."""

    def __init__(self, log_input=True, full=False, eps=1e-8, reduction="mean"):
        self.log_input = log_input
        self.full = full
        self.eps = eps
        self.reduction = reduction

    def __call__(self, input, target):
        return poisson_nll_loss(
            input,
            target,
            log_input=self.log_input,
            full=self.full,
            eps=self.eps,
            reduction=self.reduction,
        )


class GaussianNLLLoss:
    """gaussian_nll_loss with fixed options."""

    def __init__(self, *, full=False, eps=1e-6, reduction="mean"):
        self.full = full
        self.eps = eps
        self.reduction = reduction

    def __call__(self, input, target, var):
        return gaussian_nll_loss(input, target, var, full=self.full, eps=self.eps, reduction=self.reduction)


class CTCLoss:
    """ctc_loss with fixed options."""

    def __init__(self, blank=0, reduction="mean", zero_infinity=False):
        self.blank = blank
        self.reduction = reduction
        self.zero_infinity = zero_infinity

    def __call__(self, log_probs, targets, input_lengths, target_lengths):
        return ctc_loss(
            log_probs,
            targets,
            input_lengths,
            target_lengths,
            blank=self.blank,
            reduction=self.reduction,
            zero_infinity=self.zero_infinity,
        )
