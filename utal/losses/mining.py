"""Which snippets of a video are surely action, surely background, or near a boundary.

Nothing here carries a gradient: mining chooses snippets, the losses look at their embeddings.
"""

from dataclasses import dataclass

import torch
import torch.nn.functional as F  # noqa: N812
from jaxtyping import Bool, Float, Int64
from torch import Tensor

from utal.errors import ConfigError
from utal.localizers.pooling import masked_mean


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


def above_median(
    actionness: Float[Tensor, "batch time"], mask: Bool[Tensor, "batch time"] | None = None
) -> Bool[Tensor, "batch time"]:
    """True where the actionness exceeds its median over time (mean of the middle two if T is even).

    Args:
        actionness: of each snippet.
        mask: true where a snippet exists, the others being at the end; `None`: everywhere.

    Source: released CoLA and APSL code; the papers' fixed thresholds are never used there.
    """
    if mask is None:
        mask = torch.ones_like(actionness, dtype=torch.bool)
    ordered = actionness.masked_fill(~mask, torch.inf).sort(dim=1).values
    last = mask.sum(dim=1, keepdim=True) - 1
    middle = torch.cat([last // 2, (last + 1) // 2], dim=1)
    median = ordered.gather(1, middle).mean(dim=1, keepdim=True)
    return (actionness > median) & mask


def above_threshold(
    actionness: Float[Tensor, "batch time"], threshold: float
) -> Bool[Tensor, "batch time"]:
    """True where the sigmoid of the summed activations exceeds a fixed threshold.

    Of a sum that is never negative the sigmoid is at least 0.5, and 0.8 takes a sum of 1.39: a
    network that has just begun to learn reaches that nowhere, so that nothing is action.

    Source: APSL Eq. 6 and 10 (0.8), CoLA Sec. 3.3 (0.5).
    """
    return torch.sigmoid(actionness) > threshold


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


def kept_of(
    mask: Bool[Tensor, "batch time"], ratio: int, count: int
) -> Bool[Tensor, "batch count"]:
    """Of `count` ranks those that a video of n snippets fills: the first max(1, n // ratio)."""
    share = (mask.sum(dim=1, keepdim=True) // ratio).clamp(min=1)
    return torch.arange(count, device=mask.device) < share


@torch.no_grad()
def mined_indices(
    actionness: Float[Tensor, "batch time"],
    easy_mask: Float[Tensor, "batch time"],
    *,
    num_easy: int,
    num_hard: int,
    window: int,
    wide_window: int,
    mask: Bool[Tensor, "batch time"] | None = None,
    threshold: float | None = None,
) -> MinedIndices:
    """Easy and hard snippets from the actionness.

    Args:
        actionness: >= 0.
        easy_mask: multiplied to both easy scores; a dropout mask in training, else ones.
        num_easy: size of the easy sets.
        num_hard: size of the hard sets.
        window: of the narrow erosion and dilation.
        wide_window: of the wide ones.
        mask: true where a snippet exists, the others being at the end; these come last in every
            set, so that the ranks of `kept_of` hold none. `None`: all exist.
        threshold: see `above_threshold`; `None`: the video's median decides what is action.

    Returns:
        Easy action: the highest actionness. Easy background: the lowest. Hard action and hard
        background: the highest actionness inside `inner_region` and `outer_region`; where a region
        holds too few snippets the set is filled with the video's first others, as released.

    Source: CoLA Sec. 3.3, APSL Sec. 3.4 and released code.
    """
    if mask is None:
        mask = torch.ones_like(actionness, dtype=torch.bool)
    if threshold is None:
        binary = above_median(actionness, mask)
    else:
        binary = above_threshold(actionness, threshold) & mask
    highest = actionness.masked_fill(~mask, 0).max(dim=1, keepdim=True).values
    inner = inner_region(binary, window, wide_window)
    outer = outer_region(binary, window, wide_window)

    def best(score: Float[Tensor, "batch time"], count: int) -> Int64[Tensor, "batch count"]:
        return strongest(score.masked_fill(~mask, -torch.inf), count)

    return MinedIndices(
        easy_action=best(actionness * easy_mask, num_easy),
        easy_background=best((highest - actionness) * easy_mask, num_easy),
        hard_action=best(actionness * inner, num_hard),
        hard_background=best(actionness * outer, num_hard),
    )


@dataclass(frozen=True, eq=False, slots=True)
class MinedFeatures:
    """The embeddings of the four sets, strongest snippet first.

    Attributes:
        easy_action: surely action.
        easy_background: surely background.
        hard_action: action just inside a boundary.
        hard_background: background just outside one.
        kept_easy: true where a snippet of the easy sets counts, see `kept_of`.
        kept_hard: the same for the hard sets.
    """

    easy_action: Float[Tensor, "batch easy width"]
    easy_background: Float[Tensor, "batch easy width"]
    hard_action: Float[Tensor, "batch hard width"]
    hard_background: Float[Tensor, "batch hard width"]
    kept_easy: Bool[Tensor, "batch easy"]
    kept_hard: Bool[Tensor, "batch hard"]

    @property
    def mean_action(self) -> Float[Tensor, "batch width"]:
        """Mean of the easy action features of each video."""
        return masked_mean(self.easy_action, self.kept_easy)

    @property
    def mean_background(self) -> Float[Tensor, "batch width"]:
        """Mean of the easy background features of each video."""
        return masked_mean(self.easy_background, self.kept_easy)


def mined_features(
    embedding: Float[Tensor, "batch time width"],
    actionness: Float[Tensor, "batch time"],
    easy_mask: Float[Tensor, "batch time"],
    mask: Bool[Tensor, "batch time"],
    *,
    easy_ratio: int,
    hard_ratio: int,
    window: int,
    wide_window: int,
    threshold: float | None = None,
) -> MinedFeatures:
    """The embeddings at `mined_indices`; of n snippets a video has n // ratio are in a set.

    Gradients reach the embeddings, not the choice.
    """
    num_easy = max(1, actionness.shape[1] // easy_ratio)
    num_hard = max(1, actionness.shape[1] // hard_ratio)
    found = mined_indices(
        actionness,
        easy_mask,
        num_easy=num_easy,
        num_hard=num_hard,
        window=window,
        wide_window=wide_window,
        mask=mask,
        threshold=threshold,
    )
    return MinedFeatures(
        gathered(embedding, found.easy_action),
        gathered(embedding, found.easy_background),
        gathered(embedding, found.hard_action),
        gathered(embedding, found.hard_background),
        kept_of(mask, easy_ratio, num_easy),
        kept_of(mask, hard_ratio, num_hard),
    )


def check_windows(window: int, wide_window: int) -> None:
    """Refuses windows between which there is nothing.

    Raises:
        ConfigError: not 1 <= window <= wide_window.
    """
    if not 1 <= window <= wide_window:
        raise ConfigError(f"window must lie in [1, wide_window], got {window} and {wide_window}")


def check_threshold(threshold: float | None) -> None:
    """Refuses a threshold that no sigmoid, or every one, exceeds.

    Raises:
        ConfigError: neither `None` nor in (0, 1).
    """
    if threshold is not None and not 0 < threshold < 1:
        raise ConfigError(f"threshold must lie in (0, 1) or be null, got {threshold}")
