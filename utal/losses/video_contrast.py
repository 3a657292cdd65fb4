"""Losses that contrast two views of every video: horizontally the videos, vertically the clusters.

With the projections or assignments of a batch written as a matrix of one row per video, a row is
what one video looks like and a column is what one cluster holds.
"""

import math

import torch
import torch.nn.functional as F  # noqa: N812
from jaxtyping import Bool, Float
from torch import Tensor


def view_contrast(
    first: Float[Tensor, "row width"],
    second: Float[Tensor, "row width"],
    *,
    temperature: float,
    present: Bool[Tensor, " row"] | None = None,
) -> Float[Tensor, " row"]:
    """InfoNCE of each row of one view: towards itself in the other view, away from all other rows.

    -log( e^(a_i.b_i/t) / ( sum_j e^(a_i.b_j/t) + sum_(j != i) e^(a_i.a_j/t) ) ), unit vectors

    Args:
        first: a, the anchors.
        second: b, the other view of the same rows.
        temperature: t.
        present: false where a row is absent; its own value then means nothing. `None`: all are.

    Returns:
        Per row, >= 0; 0 if it is alone.

    Source: contrastive clustering (Li et al., AAAI 2021), which HC-UTAL Eq. 2 and 3 follow.
    """
    first, second = F.normalize(first, dim=1), F.normalize(second, dim=1)
    across, within = first @ second.T / temperature, first @ first.T / temperature
    itself = torch.eye(len(first), dtype=torch.bool, device=first.device)
    within = within.masked_fill(itself, -torch.inf)
    if present is not None:
        # A row is never its own negative, so its positive stays: no row is without any term.
        across = across.masked_fill(~present & ~itself, -torch.inf)
        within = within.masked_fill(~present, -torch.inf)
    return torch.logsumexp(torch.cat([across, within], dim=1), dim=1) - across.diagonal()


def horizontal_contrast(
    first: Float[Tensor, "video width"],
    second: Float[Tensor, "video width"],
    *,
    temperature: float,
    present: Bool[Tensor, " video"] | None = None,
) -> Float[Tensor, " video"]:
    """Each video towards its other view and away from other videos; mean of both directions.

    Args:
        first: projection of one view of each video.
        second: of the other view.
        temperature: see `view_contrast`.
        present: false where a video is absent.

    Source: HC-UTAL Eq. 2 as its own reference has it. Printed without the logarithm, without the
    positive in the denominator, and with pairs of the wrong view.
    """
    there = view_contrast(first, second, temperature=temperature, present=present)
    back = view_contrast(second, first, temperature=temperature, present=present)
    return (there + back) / 2


def assignment_entropy(
    assignment: Float[Tensor, "video cluster"], present: Bool[Tensor, " video"] | None = None
) -> Float[Tensor, ""]:
    """Entropy of how a batch is spread over the clusters, in [0, log C].

    -sum_c P_c log P_c, P the assignments summed over the videos and divided by their sum

    Args:
        assignment: rows sum to 1.
        present: false where a video is absent; `None`: all are.

    Source: HC-UTAL Eq. 3, M; contrastive clustering.
    """
    held = assignment if present is None else assignment * present[:, None]
    share = held.sum(dim=0) / held.sum()
    share = share.clamp(min=torch.finfo(share.dtype).tiny)  # log(0) has a gradient of NaN
    return -(share * share.log()).sum()


def vertical_contrast(
    first: Float[Tensor, "video cluster"],
    second: Float[Tensor, "video cluster"],
    *,
    temperature: float,
    present: Bool[Tensor, " video"] | None = None,
) -> Float[Tensor, ""]:
    """Each cluster towards itself in the other view, away from the others, and none left empty.

    Mean over the columns of both directions of `view_contrast`, minus the entropies of both views.
    May be negative; with 2 log C added it is not.

    Args:
        first: assignment of one view of each video; rows sum to 1.
        second: of the other view.
        temperature: see `view_contrast`.
        present: false where a video is absent; `None`: all are.

    Source: HC-UTAL Eq. 3 as its own reference has it. Printed with one of two logarithms outside of
    the sum, without the positive in the denominator, and with the entropy of a single column.
    """
    columns = [each if present is None else each * present[:, None] for each in (first, second)]
    contrast = horizontal_contrast(columns[0].T, columns[1].T, temperature=temperature).mean()
    return contrast - assignment_entropy(first, present) - assignment_entropy(second, present)


def vertical_row_contrast(
    first: Float[Tensor, "video cluster"],
    second: Float[Tensor, "video cluster"],
    *,
    temperature: float,
) -> Float[Tensor, ""]:
    """What the released code has for `vertical_contrast`: it contrasts the rows, so the videos.

    Sum over the videos of `view_contrast` from the first view to the second, plus log C minus the
    entropy of each view.

    Source: released HC-UTAL code, in which a transposition is commented out.
    """
    contrast = view_contrast(first, second, temperature=temperature).sum()
    most = math.log(first.shape[1])
    return contrast + 2 * most - assignment_entropy(first) - assignment_entropy(second)
