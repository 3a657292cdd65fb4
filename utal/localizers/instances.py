"""Multiple-instance learning on fused activations: which snippets speak for a cluster."""

import torch
from jaxtyping import Bool, Float
from torch import Tensor


def fused_activation(
    share: Float[Tensor, "batch time cluster"], actionness: Float[Tensor, "batch time voter"]
) -> Float[Tensor, "batch time cluster"]:
    """Mean of what cluster a snippet belongs to and of how surely it is action; in [0, 1].

    (share + sum_v actionness_v) / (1 + number of voters)

    Args:
        share: of each cluster in a snippet, sums to 1.
        actionness: of each snippet, by every voter, in [0, 1].

    Source: released ASL, AICL and CASE code ("instance selection function").
    """
    return (share + actionness.sum(dim=2, keepdim=True)) / (1 + actionness.shape[2])


@torch.no_grad()
def top_members(
    values: Float[Tensor, "batch time cluster"], mask: Bool[Tensor, "batch time"], ratio: int
) -> Bool[Tensor, "batch time cluster"]:
    """True at the max(1, n // ratio) largest of the n values that exist, per video and cluster.

    Of equal values the earlier snippet comes first.

    Source: as `utal.localizers.pooling.top_mean`; here the chosen snippets themselves are wanted.
    """
    count = (mask.sum(dim=1) // ratio).clamp(min=1)[:, None, None]
    absent = ~mask[:, :, None]
    order = values.masked_fill(absent, -torch.inf).sort(dim=1, descending=True, stable=True).indices
    ranked = torch.arange(values.shape[1], device=values.device)[:, None] < count
    members = torch.zeros_like(values, dtype=torch.bool)
    return members.scatter(1, order, ranked.expand_as(members))


def member_mean(
    values: Float[Tensor, "batch time cluster"], members: Bool[Tensor, "batch time cluster"]
) -> Float[Tensor, "batch cluster"]:
    """Mean over the members of each cluster; every cluster has one."""
    return (values * members).sum(dim=1) / members.sum(dim=1)
