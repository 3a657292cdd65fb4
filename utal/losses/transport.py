"""Labels of a prescribed distribution, by optimal transport, and the losses that learn them.

Samples have a mass: how much each counts. A sample without mass is absent from all that follows.
"""

import torch
import torch.nn.functional as F  # noqa: N812
from jaxtyping import Float
from torch import Tensor


@torch.no_grad()
def transport_targets(
    cosines: Float[Tensor, "sample label"],
    mass: Float[Tensor, " sample"],
    marginal: Float[Tensor, " label"],
    *,
    sharpness: float,
    iterations: int,
    log_prior: Float[Tensor, "sample label"] | None = None,
) -> Float[Tensor, "sample label"]:
    """Soft labels that follow a likeness while every label gets its prescribed share.

    From exp(sharpness * cosine) * prior, labels are scaled to their share and samples to their
    mass, in turn (Sinkhorn and Knopp). Samples come last: their labels always sum to 1, shares are
    met the better the more iterations there are.

    Args:
        cosines: likeness of each sample to each label.
        mass: >= 0, not all 0.
        marginal: share of each label; sums to 1.
        sharpness: the larger, the harder the labels.
        iterations: how often both are scaled.
        log_prior: logarithm of the prior, up to a constant; `None`: flat.

    Source: CASE Sec. 3.2 (self-labelling after Asano et al.), released code: sharpness 20, 3
    iterations. Computed with logarithms, so that no sharpness over- or underflows.
    """
    likeness = sharpness * cosines
    if log_prior is not None:
        likeness = likeness + log_prior
    log_mass, log_share = mass.log()[:, None], marginal.log()
    of_sample = torch.zeros_like(likeness[:, :1])
    of_label = torch.zeros_like(likeness[0])
    for _ in range(iterations):
        of_label = log_share - torch.logsumexp(likeness + of_sample + log_mass, dim=0)
        of_sample = -torch.logsumexp(likeness + of_label, dim=1, keepdim=True)
    return torch.exp(likeness + of_label + of_sample)


@torch.no_grad()
def rank_log_prior(
    attention: Float[Tensor, " sample"],
    mass: Float[Tensor, " sample"],
    foreground: Float[Tensor, " label"],
    *,
    deviation: float,
) -> Float[Tensor, "sample label"]:
    """Logarithm of the belief that attended snippets belong to foreground labels.

    -( r_n - (1 - foreground_k) )^2 / (2 deviation^2), r = share of the mass that is attended at
    least as much.

    Args:
        attention: of each sample.
        mass: >= 0.
        foreground: how surely each label is action, in [0, 1].
        deviation: of the normal distribution; the released 10 is so wide that the prior is flat.

    Source: CASE, "dynamic prior"; the released code takes an index of sorting for the rank.
    """
    order = attention.argsort(descending=True, stable=True)
    rank = torch.empty_like(mass)
    rank[order] = mass[order].cumsum(dim=0) / mass.sum()
    return -(rank[:, None] - (1 - foreground)).square() / (2 * deviation**2)


def label_cross_entropy(
    logits: Float[Tensor, "sample label"],
    targets: Float[Tensor, "sample label"],
    mass: Float[Tensor, " sample"],
) -> Float[Tensor, ""]:
    """Cross-entropy of soft labels, mean over the mass.

    Source: CASE, snippet clustering and cluster classification loss.
    """
    loss = -(targets * F.log_softmax(logits, dim=1)).sum(dim=1)
    return (loss * mass).sum() / mass.sum()


def prototypes(
    embedding: Float[Tensor, "sample width"],
    assignment: Float[Tensor, "sample label"],
    mass: Float[Tensor, " sample"],
) -> Float[Tensor, "label width"]:
    """Direction of the mean embedding of each label; 0 for a label that nothing has.

    Source: CASE, cluster classification.
    """
    return F.normalize((assignment * mass[:, None]).T @ embedding, dim=1)
