"""Losses that compare a video's distribution over clusters with its pseudo-labels."""

import torch
from jaxtyping import Float
from torch import Tensor


def weighted_mean(
    values: Float[Tensor, " batch"], weights: Float[Tensor, " batch"]
) -> Float[Tensor, ""]:
    """Mean over the batch in which a video of weight 0 is absent. The weights must not all be 0."""
    return (values * weights).sum() / weights.sum()


def cross_entropy(
    probability: Float[Tensor, "batch cluster"], targets: Float[Tensor, "batch cluster"]
) -> Float[Tensor, " batch"]:
    """Cross-entropy of the distribution over clusters with the normalised labels, per video.

    -sum_c y_c log p_c, y = targets divided by their sum. A probability so small that the gradient
    of its logarithm would overflow counts as the smallest that does not, with gradient 0.

    Args:
        probability: rows sum to 1.
        targets: 1 for each cluster of the video; at least one per row.

    Source: TCAM Eq. 13, APSL Eq. 5, HC-UTAL Eq. 10; labels are normalised by the released TCAM
    code, which counts a video of m labels as m videos of weight 1 / m.
    """
    labels = targets / targets.sum(dim=1, keepdim=True)
    smallest = torch.finfo(probability.dtype).tiny
    return -(labels * probability.clamp(min=smallest).log()).sum(dim=1)


def distribution_cross_entropy(
    probability: Float[Tensor, "batch cluster"],
    targets: Float[Tensor, "batch cluster"],
    *,
    max_divisor: int,
) -> Float[Tensor, " batch"]:
    """Binary cross-entropy of each cluster's probability with the normalised labels, per video.

    -(1 / d) * sum_c [ y_c log p_c + (1 - y_c) log(1 - p_c) ], y = targets divided by their sum,
    logarithms not below -100, d = min(number of clusters, `max_divisor`).

    Args:
        probability: rows sum to 1.
        targets: 1 for each cluster of the video; at least one per row.
        max_divisor: the released code divides by the number of clusters. At 100 clusters that makes
            the classification gradient too weak against the contrast term: the recipe then stays at
            the uniform distribution. 20 keeps THUMOS14 as released and mends the rest.

    Source: CoLA, released code (`BCELoss` on softmax outputs); the divisor is ours.
    """
    labels = targets / targets.sum(dim=1, keepdim=True)
    return binary_cross_entropy(probability, labels) / min(targets.shape[1], max_divisor)


def binary_cross_entropy(
    probability: Float[Tensor, "batch column"], labels: Float[Tensor, "batch column"]
) -> Float[Tensor, " batch"]:
    """Binary cross-entropy of each column's probability, summed over the columns, per video.

    -sum_c [ y_c log p_c + (1 - y_c) log(1 - p_c) ], logarithms not below -100.

    Args:
        probability: in [0, 1].
        labels: y, in [0, 1], taken as they are.

    Source: DCC Eq. 1; `BCELoss` of the released code of many localizers is its mean.
    """
    positive = labels * _bounded_log(probability)
    negative = (1 - labels) * _bounded_log(1 - probability)
    return -(positive + negative).sum(dim=1)


def _bounded_log(share: Float[Tensor, "batch column"]) -> Float[Tensor, "batch column"]:
    """Logarithm, -100 at zero with gradient 0 there; a clamped log(0) has a gradient of NaN."""
    is_zero = share == 0
    return torch.where(is_zero, -100, torch.log(torch.where(is_zero, 1, share))).clamp(min=-100)
