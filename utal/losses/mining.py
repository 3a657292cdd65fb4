"""Which snippets of a video are surely action, surely background, or near a boundary.

Nothing here carries a gradient: mining chooses snippets, the losses look at their embeddings.
"""

from dataclasses import dataclass

import torch
import torch.nn.functional as F  # noqa: N812
from jaxtyping import Bool, Float, Int64
from torch import Tensor


def eroded(binary: Bool[Tensor, "batch time"], window: int) -> Bool[Tensor, "batch time"]:
    """True where all of t - window//2 … t - window//2 + window - 1 are true; false lies outside.

    Source: SciPy's binary erosion with a flat window, as the released CoLA code uses it.
    """
    before = window // 2
    padded = F.pad(binary.float(), (before, window - 1 - before))
    return -F.max_pool1d(-padded[:, None], window, stride=1)[:, 0] > 0.5


def dilated(binary: Bool[Tensor, "batch time"], window: int) -> Bool[Tensor, "batch time"]:
    """True where any of t + window//2 - window + 1 … t + window//2 is true.

    Source: SciPy's binary dilation with a flat window, as the released CoLA code uses it.
    """
    after = window // 2
    padded = F.pad(binary.float(), (window - 1 - after, after))
    return F.max_pool1d(padded[:, None], window, stride=1)[:, 0] > 0.5


def above_median(actionness: Float[Tensor, "batch time"]) -> Bool[Tensor, "batch time"]:
    """True where the actionness exceeds its median over time (mean of the middle two if T is even).

    Source: released CoLA code; the paper's fixed threshold 0.5 is never used there.
    """
    ordered = actionness.sort(dim=1).values
    last = actionness.shape[1] - 1
    median = (ordered[:, last // 2] + ordered[:, (last + 1) // 2]) / 2
    return actionness > median[:, None]


def inner_region(
    binary: Bool[Tensor, "batch time"], window: int, wide_window: int
) -> Bool[Tensor, "batch time"]:
    """Just inside a boundary: kept by the narrow erosion, not by the wide one. Source: CoLA."""
    return eroded(binary, window) & ~eroded(binary, wide_window)


def outer_region(
    binary: Bool[Tensor, "batch time"], window: int, wide_window: int
) -> Bool[Tensor, "batch time"]:
    """Just outside a boundary: added by the wide dilation, not by the narrow one. Source: CoLA."""
    return dilated(binary, wide_window) & ~dilated(binary, window)


def strongest(score: Float[Tensor, "batch time"], count: int) -> Int64[Tensor, "batch count"]:
    """Indices of the `count` largest scores, largest first; of equal scores the earlier snippet."""
    return score.sort(dim=1, descending=True, stable=True).indices[:, :count]


def gathered(
    embedding: Float[Tensor, "batch time width"], index: Int64[Tensor, "batch count"]
) -> Float[Tensor, "batch count width"]:
    """The embeddings at the given snippets."""
    return torch.take_along_dim(embedding, index[:, :, None], dim=1)


@dataclass(frozen=True, eq=False, slots=True)
class MinedIndices:
    """Snippet indices of the four sets, strongest first."""

    easy_action: Int64[Tensor, "batch easy"]
    easy_background: Int64[Tensor, "batch easy"]
    hard_action: Int64[Tensor, "batch hard"]
    hard_background: Int64[Tensor, "batch hard"]


@torch.no_grad()
def mined_indices(
    actionness: Float[Tensor, "batch time"],
    easy_mask: Float[Tensor, "batch time"],
    *,
    num_easy: int,
    num_hard: int,
    window: int,
    wide_window: int,
) -> MinedIndices:
    """Easy and hard snippets from the actionness.

    Args:
        actionness: >= 0.
        easy_mask: multiplied to both easy scores; a dropout mask in training, else ones.
        num_easy: size of the easy sets.
        num_hard: size of the hard sets.
        window: of the narrow erosion and dilation.
        wide_window: of the wide ones.

    Returns:
        Easy action: the highest actionness. Easy background: the lowest. Hard action and hard
        background: the highest actionness inside `inner_region` and `outer_region`; where a region
        holds too few snippets the set is filled with the video's first others, as released.

    Source: CoLA Sec. 3.3 and released code.
    """
    binary = above_median(actionness)
    highest = actionness.max(dim=1, keepdim=True).values
    inner = inner_region(binary, window, wide_window)
    outer = outer_region(binary, window, wide_window)
    return MinedIndices(
        easy_action=strongest(actionness * easy_mask, num_easy),
        easy_background=strongest((highest - actionness) * easy_mask, num_easy),
        hard_action=strongest(actionness * inner, num_hard),
        hard_background=strongest(actionness * outer, num_hard),
    )
