"""TCAM's separation of action from background by class-specific attention.

Features attended to for a cluster are to be alike in the videos of that cluster, and unlike what
the attention leaves over in each of them.
"""

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from utal.losses.triplet import cosine_distance


def action_and_background(
    features: Float[Tensor, "batch time width"],
    attention: Float[Tensor, "batch time cluster"],
    mask: Bool[Tensor, "batch time"],
) -> tuple[Float[Tensor, "batch cluster width"], Float[Tensor, "batch cluster width"]]:
    """What each cluster attends to in each video, and the mean of the rest.

    J = sum_t a_t x_t and B = sum_t (1 - a_t) x_t / (T - 1). A video of one snippet has no rest; its
    B is 0.

    Args:
        features: X_cs.
        attention: sums to 1 over time; 0 at padding.
        mask: true where a snippet exists.

    Source: TCAM Eq. 3-4.
    """
    action = attention.mT @ features
    rest = mask[:, None].type_as(features) @ features - action
    length = mask.sum(dim=1)[:, None, None]
    return action, (rest / (length - 1).clamp(min=1)).where(length > 1, 0.0)


def inter_separation(
    action: Float[Tensor, "batch cluster width"],
    targets: Float[Tensor, "batch cluster"],
    weights: Float[Tensor, " batch"],
    *,
    margin: float,
) -> Float[Tensor, "cluster batch"]:
    """How much farther than the margin other videos' actions are, summed over a video's partners.

    For each cluster and each of its videos m: sum over its other videos n of
    max(0, d(J_m, J_n) - margin), d the cosine distance; 0 for videos that are not of the cluster.

    Args:
        action: J of each video and cluster.
        targets: above 0 for each cluster of the video.
        weights: a video of weight 0 is in no pair.
        margin: tau_1.

    Source: TCAM Eq. 5 and 8.
    """
    hinges = torch.relu(_distances_between(action) - margin)
    return hinges.where(_pairs(targets, weights), 0.0).sum(dim=2)


def intra_separation(
    action: Float[Tensor, "batch cluster width"],
    background: Float[Tensor, "batch cluster width"],
    targets: Float[Tensor, "batch cluster"],
    weights: Float[Tensor, " batch"],
    has_background: Bool[Tensor, " batch"],
    *,
    margin: float,
) -> Float[Tensor, "cluster batch"]:
    """How much nearer than other videos' actions a video's own background is, summed likewise.

    For each cluster and each of its videos m: sum over its other videos n of
    max(0, d(J_m, J_n) - d(J_m, B_m) + margin), d the cosine distance; 0 for other videos.

    Args:
        action: J of each video and cluster.
        background: B of each video and cluster.
        targets: above 0 for each cluster of the video.
        weights: a video of weight 0 is in no pair.
        has_background: false for a video of one snippet: as m it adds nothing.
        margin: tau_2.

    Source: TCAM Eq. 6, 7 and 9.
    """
    own = cosine_distance(action, background).T[:, :, None]  # (cluster, m, 1)
    hinges = torch.relu(_distances_between(action) - own + margin)
    counted = _pairs(targets, weights) & has_background[:, None]
    return hinges.where(counted, 0.0).sum(dim=2)


def _distances_between(
    action: Float[Tensor, "batch cluster width"],
) -> Float[Tensor, "cluster batch batch"]:
    """d(J_m, J_n) of each cluster."""
    unit = torch.nn.functional.normalize(action, dim=2).transpose(0, 1)
    return 1 - unit @ unit.mT


def _pairs(
    targets: Float[Tensor, "batch cluster"], weights: Float[Tensor, " batch"]
) -> Bool[Tensor, "cluster batch batch"]:
    """Ordered pairs of different videos of each cluster."""
    member = (targets > 0).T & (weights > 0)
    itself = torch.eye(len(weights), dtype=torch.bool, device=weights.device)
    return member[:, :, None] & member[:, None, :] & ~itself
