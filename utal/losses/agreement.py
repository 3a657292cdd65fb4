"""Losses by which several judgements of one snippet come to agree, and use where they do not."""

import torch
from jaxtyping import Bool, Float, Int64
from torch import Tensor

from utal.localizers.pooling import masked_mean
from utal.losses.contrastive import snippet_contrast
from utal.losses.mining import gathered, kept_of

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


def consistency_contrast(
    embedding: Float[Tensor, "batch time width"],
    actionness: Float[Tensor, "batch time"],
    votes: Int64[Tensor, "batch time"],
    mask: Bool[Tensor, "batch time"],
    *,
    ratio: int,
    temperature: float,
) -> Float[Tensor, " batch"]:
    """Snippets that two branches judge differently towards those that they judge alike.

    Of a video of n snippets four sets of at most max(1, n // ratio) are taken: the most and the
    least actionness among those with one vote, and the most among those with two (sure action) and
    the least among those with none (sure background). The means of likely and sure action are drawn
    together and pushed from sure background, snippet by snippet; and the reverse.

    Args:
        embedding: what is drawn and pushed.
        actionness: of any size; only its order matters, and it carries no gradient.
        votes: how many of two branches call a snippet action.
        mask: true where a snippet exists.
        ratio: see above.
        temperature: of the contrasts.

    Returns:
        Per video the sum of four contrasts; those that lack one of their sets are 0.

    Source: AICL Sec. "Actionness Inconsistency-guided Contrastive Learning"; T = 0.1 and ratio 20
    in the released code, which fills sets that are too small with arbitrary snippets.
    """
    count = max(1, mask.shape[1] // ratio)
    kept_ranks = kept_of(mask, ratio, count)

    def chosen(
        score: Float[Tensor, "batch time"], number: int
    ) -> tuple[Float[Tensor, "batch count width"], Bool[Tensor, "batch count"]]:
        region = (votes == number) & mask
        ranked = score.detach().masked_fill(~region, -torch.inf)
        index = ranked.sort(dim=1, descending=True, stable=True).indices[:, :count]
        return gathered(embedding, index), region.gather(1, index) & kept_ranks

    sure_action, sure_background = chosen(actionness, 2), chosen(-actionness, 0)
    likely_action, likely_background = chosen(actionness, 1), chosen(-actionness, 1)
    return (
        _towards(likely_action, sure_action, sure_background, temperature)
        + _towards(likely_background, sure_background, sure_action, temperature)
        + _towards(sure_action, likely_action, sure_background, temperature)
        + _towards(sure_background, likely_background, sure_action, temperature)
    )


_Set = tuple[Float[Tensor, "batch count width"], Bool[Tensor, "batch count"]]


def _towards(query: _Set, positive: _Set, negatives: _Set, temperature: float) -> Tensor:
    """The contrast of the means of two sets against a third; 0 where one of the two is empty."""
    loss = snippet_contrast(
        _mean(query), _mean(positive), negatives[0], temperature=temperature, kept=negatives[1]
    )
    return loss * query[1].any(dim=1) * positive[1].any(dim=1)


def _mean(snippets: _Set) -> Tensor:
    embedding, kept = snippets
    return (embedding * kept[:, :, None]).sum(dim=1) / kept.sum(dim=1, keepdim=True).clamp(min=1)
