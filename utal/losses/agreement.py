"""Losses by which several judgements of one snippet come to agree, and use where they do not."""

from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float, Int64
from torch import Tensor

from utal.localizers.pooling import masked_mean
from utal.losses.contrastive import snippet_contrast
from utal.losses.mining import kept_of

TINY = 1e-7  # of the released code; a power below 1 has an infinite slope at 0


def labelled_members(
    members: Bool[Tensor, "batch time cluster"], targets: Float[Tensor, "batch cluster"]
) -> Bool[Tensor, "batch time"]:
    """Snippets that speak for a cluster of their video: pseudo-labels of what is action.

    Args:
        members: which snippets speak for which cluster.
        targets: positive for the clusters of a video.

    Source: released ASL, AICL and CASE code.
    """
    return (members & (targets > 0)[:, None]).any(dim=2)


def generalised_cross_entropy(
    probability: Float[Tensor, "batch time"],
    is_positive: Bool[Tensor, "batch time"],
    mask: Bool[Tensor, "batch time"],
    *,
    exponent: float,
) -> Float[Tensor, " batch"]:
    """Noise-tolerant binary classification; positives and negatives count alike in total.

    mean over positives of (1 - p^q) / q  +  mean over negatives of (1 - (1 - p)^q) / q

    Args:
        probability: p, of being positive.
        is_positive: the labels, some of which are wrong.
        mask: true where a snippet exists.
        exponent: q; towards 0 this becomes the cross-entropy, at 1 the absolute error.

    Returns:
        Per video. A kind of which it has none adds nothing.

    Source: Zhang and Sabuncu (NeurIPS 2018), as released ASL, AICL and CASE code applies it.
    """
    total = torch.zeros_like(probability[:, 0])
    for right, chosen in ((probability, is_positive), (1 - probability, ~is_positive)):
        loss = (1 - (right + TINY) ** exponent) / exponent
        chosen = chosen & mask
        total = total + (loss * chosen).sum(dim=1) / chosen.sum(dim=1).clamp(min=1)
    return total


def squared_disagreement(
    first: Float[Tensor, "batch time"],
    second: Float[Tensor, "batch time"],
    mask: Bool[Tensor, "batch time"],
) -> Float[Tensor, " batch"]:
    """Mean squared difference of two judgements of each snippet; both are moved.

    Source: AICL. Its two halves, one in each direction, are the same number with the same gradient.
    """
    return masked_mean((first - second).square(), mask)


def mean_disagreement(
    judgements: Float[Tensor, "batch time judge"], mask: Bool[Tensor, "batch time"]
) -> Float[Tensor, " batch"]:
    """Mean of `squared_disagreement` over all pairs of judges; 0 for a single one."""
    number = judgements.shape[2]
    pairs = [
        squared_disagreement(judgements[:, :, first], judgements[:, :, second], mask)
        for first in range(number)
        for second in range(first)
    ]
    return torch.stack(pairs).mean(dim=0) if pairs else torch.zeros_like(judgements[:, 0, 0])


@dataclass(frozen=True, eq=False, slots=True)
class ConsistencySets:
    """Snippets of every video in four sets: likely action and background, sure ones of both.

    Attributes:
        index: of the snippets, strongest first.
        kept: false where a set has no snippet left.
    """

    index: Int64[Tensor, "four batch count"]
    kept: Bool[Tensor, "four batch count"]


@torch.no_grad()
def consistency_sets(
    actionness: Float[Tensor, "batch time"],
    votes: Int64[Tensor, "batch time"],
    mask: Bool[Tensor, "batch time"],
    *,
    ratio: int,
) -> ConsistencySets:
    """Of n snippets at most max(1, n // ratio) for each set.

    The most and the least actionness among the snippets with one vote are likely action and
    background. The most among those with two votes, and the least among those with none, are sure.

    Args:
        actionness: of any size; only its order matters.
        votes: how many of two branches call a snippet action.
        mask: true where a snippet exists.
        ratio: 20 in the released code.

    Source: AICL, "consistent and inconsistent segments". The released code fills sets that are too
    small with arbitrary snippets.
    """
    count = max(1, mask.shape[1] // ratio)
    signed = torch.stack([actionness, -actionness, actionness, -actionness])
    region = torch.stack([votes == 1, votes == 1, votes == 2, votes == 0]) & mask
    ranked = signed.masked_fill(~region, -torch.inf)
    index = ranked.sort(dim=2, descending=True, stable=True).indices[:, :, :count]
    return ConsistencySets(index, region.gather(2, index) & kept_of(mask, ratio, count))


def consistency_contrast(
    embedding: Float[Tensor, "batch time width"], sets: ConsistencySets, *, temperature: float
) -> Float[Tensor, " batch"]:
    """Snippets that two branches judge differently towards those that they judge alike.

    The means of likely and sure action are drawn together, each, and pushed from the snippets that
    are surely background; and the reverse.

    Args:
        embedding: what is drawn and pushed.
        sets: which snippets, see `consistency_sets`.
        temperature: of the contrasts, 0.1 in the released code.

    Returns:
        Per video the sum of four contrasts; 0 for those that lack what is to be drawn together.

    Source: AICL, contrastive loss.
    """
    snippets = torch.take_along_dim(embedding[None], sets.index[..., None], dim=2)
    number = sets.kept.sum(dim=2, keepdim=True)
    means = (snippets * sets.kept[..., None]).sum(dim=2) / number.clamp(min=1)
    counterpart, opposite = [2, 3, 0, 1], [3, 2, 3, 2]
    losses = snippet_contrast(
        means.flatten(0, 1),
        means[counterpart].flatten(0, 1),
        snippets[opposite].flatten(0, 1),
        temperature=temperature,
        kept=sets.kept[opposite].flatten(0, 1),
    ).unflatten(0, means.shape[:2])
    is_there = number[:, :, 0] > 0
    return torch.sum(losses * is_there * is_there[counterpart], dim=0)
