"""Pooling over the snippets that exist: padding changes nothing."""

import torch
from jaxtyping import Bool, Float
from torch import Tensor


def top_mean(
    values: Float[Tensor, "batch time cluster"], mask: Bool[Tensor, "batch time"], ratio: int
) -> Float[Tensor, "batch cluster"]:
    """Mean of the max(1, n // ratio) largest of the n values that exist, per video and cluster.

    Source: top-k pooling of multiple-instance learning, in every weakly-supervised localizer.
    """
    count = (mask.sum(dim=1) // ratio).clamp(min=1)  # (batch,)
    largest = max(1, mask.shape[1] // ratio)
    top = values.masked_fill(~mask[:, :, None], -torch.inf).topk(largest, dim=1).values
    kept = torch.arange(largest, device=values.device) < count[:, None]
    return top.masked_fill(~kept[:, :, None], 0.0).sum(dim=1) / count[:, None]


def masked_softmax(
    values: Float[Tensor, "batch time *rest"], mask: Bool[Tensor, "batch time"]
) -> Float[Tensor, "batch time *rest"]:
    """Softmax over the snippets that exist; 0 at the others."""
    absent = ~mask.reshape(*mask.shape, *[1] * (values.ndim - 2))
    return torch.softmax(values.masked_fill(absent, -torch.inf), dim=1)


def masked_mean(
    values: Float[Tensor, "batch time *rest"], mask: Bool[Tensor, "batch time"]
) -> Float[Tensor, " batch *rest"]:
    """Mean over the snippets that exist."""
    present = mask.reshape(*mask.shape, *[1] * (values.ndim - 2))
    count = mask.sum(dim=1).reshape(-1, *[1] * (values.ndim - 2))
    return (values * present).sum(dim=1) / count
