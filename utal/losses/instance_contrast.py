"""Losses that contrast videos by their labels."""

import torch
import torch.nn.functional as F  # noqa: N812
from jaxtyping import Bool, Float
from torch import Tensor

FARTHER = -2.0  # a cosine below any


def instance_contrast(
    descriptors: Float[Tensor, "batch width"],
    targets: Float[Tensor, "batch cluster"],
    weights: Float[Tensor, " batch"],
    *,
    temperature: float,
) -> tuple[Float[Tensor, "cluster batch"], Bool[Tensor, "cluster batch"]]:
    """InfoNCE of each anchor: towards the nearest video of its cluster, away from other clusters.

    -log( e^(f_i.f_j/t) / ( e^(f_i.f_j/t) + sum_u e^(f_i.f_u/t) ) ), unit vectors, j the nearest
    other video of the cluster, u all videos outside of it. Gradients reach the cosines, not the
    choice of j.

    Args:
        descriptors: one per video: the mean of its features over time.
        targets: above 0 for each cluster of the video.
        weights: a video of weight 0 is neither anchor nor partner.
        temperature: t.

    Returns:
        The losses, 0 where there is none, and where there is one: the video is of the cluster, and
        the batch holds another one of the cluster and one outside of it.

    Source: HC-UTAL Eq. 5, which says neither how features of many snippets become a vector nor
    which video of the cluster is meant; the nearest is the released code's choice, whose distances
    average over channels instead of time.
    """
    unit = F.normalize(descriptors, dim=1)
    cosine = unit @ unit.T
    present = weights > 0
    member = (targets > 0).T & present  # (cluster, batch)
    other = (targets <= 0).T & present
    itself = torch.eye(len(descriptors), dtype=torch.bool, device=descriptors.device)
    is_positive = member[:, None, :] & ~itself  # (cluster, anchor, partner)
    valid = member & is_positive.any(dim=2) & other.any(dim=1, keepdim=True)
    attract = cosine.where(is_positive, FARTHER).max(dim=2).values / temperature
    # Where there is no anchor everything repels: the logarithm of nothing has a gradient of NaN.
    repels = other[:, None, :] | ~valid[:, :, None]
    repel = torch.logsumexp((cosine / temperature).where(repels, -torch.inf), dim=2)
    return F.softplus(repel - attract).where(valid, 0.0), valid
