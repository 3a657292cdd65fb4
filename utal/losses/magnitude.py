"""Losses on the length of feature vectors."""

import torch
from jaxtyping import Float
from torch import Tensor


def magnitude_separation(
    action: Float[Tensor, "batch width"], background: Float[Tensor, "batch width"], *, margin: float
) -> Float[Tensor, " batch"]:
    """Long action features, short background features: the squared distance from both goals.

    ( max(0, q - ||action||) + ||background|| )^2

    Args:
        action: mean over time of a video's surely-action snippets.
        background: mean over time of its surely-background snippets.
        margin: q, the length from which on an action feature is long enough.

    Source: APSL Eq. 9, HC-UTAL Eq. 6 (q = 150), after the uncertainty modelling of Lee et al. (AAAI
    2021, q = 100). The papers write the norm of a set of features; their code takes that of its
    mean.
    """
    missing = torch.relu(margin - action.norm(dim=1))
    loss: Tensor = (missing + background.norm(dim=1)).square()
    return loss
