"""Losses that compare distances: videos of one cluster are to be nearer than all others."""

import torch
import torch.nn.functional as F  # noqa: N812
from jaxtyping import Bool, Float
from torch import Tensor

NEARER = -1.0  # than any cosine distance
FARTHER = 3.0  # than any cosine distance


def cosine_distance(
    one: Float[Tensor, "*batch width"], other: Float[Tensor, "*batch width"]
) -> Float[Tensor, "*batch"]:
    """1 - cosine of the angle, in [0, 2]; 1 where a vector is zero.

    Source: TCAM Sec. 3.5, APSL Sec. 3.3.
    """
    return 1 - (F.normalize(one, dim=-1) * F.normalize(other, dim=-1)).sum(dim=-1)


def hardest_triplets(
    descriptors: Float[Tensor, "batch width"],
    targets: Float[Tensor, "batch cluster"],
    weights: Float[Tensor, " batch"],
    *,
    margin: float,
) -> tuple[Float[Tensor, "cluster batch"], Bool[Tensor, "cluster batch"]]:
    """Hinge of each anchor against the farthest video of its cluster and the nearest other one.

    max(0, d(a, p) - d(a, n) + margin), d the cosine distance, p the farthest other video of the
    cluster and n the nearest video outside of it. Gradients reach the distances, not the choice.

    Args:
        descriptors: one per video.
        targets: above 0 for each cluster of the video.
        weights: a video of weight 0 is neither anchor nor partner.
        margin: by which n is to be farther than p.

    Returns:
        The hinges, 0 where there is no triplet, and where there is one: the video is of the
        cluster, and the batch holds another one of the cluster and one outside of it.

    Source: TCAM Eq. 11-12, APSL Eq. 2.
    """
    unit = F.normalize(descriptors, dim=1)
    distance = 1 - unit @ unit.T
    present = weights > 0
    member = (targets > 0).T & present  # (cluster, batch)
    other = (targets <= 0).T & present
    itself = torch.eye(len(descriptors), dtype=torch.bool, device=descriptors.device)
    is_positive = member[:, None, :] & ~itself
    # (cluster, anchor, partner) -> (cluster, anchor)
    farthest = distance.where(is_positive, NEARER).max(dim=2).values
    nearest = distance.where(other[:, None, :], FARTHER).min(dim=2).values
    valid = member & is_positive.any(dim=2) & other.any(dim=1, keepdim=True)
    hinges = torch.relu(farthest - nearest + margin)
    return hinges.where(valid, 0.0), valid
