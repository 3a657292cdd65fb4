"""A localizer that also groups: heads on the halves of what it attends to most."""

from dataclasses import dataclass, field

import torch
from jaxtyping import Bool, Float, Int64
from torch import Tensor, nn

from utal.errors import ConfigError
from utal.localizers.cola import Cola
from utal.localizers.video_heads import VideoHeads, half_positions
from utal.losses.mining import gathered, kept_of, strongest
from utal.method import Localizer
from utal.records import Output, Scores


@dataclass(frozen=True, eq=False, slots=True)
class Headed:
    """What the localizer says, and what the heads say of its most attended snippets.

    Attributes:
        scores: of the localizer.
        inner: all that the localizer returns.
        projections: of the first and the second half, each of unit length.
        assignments: of both halves to the clusters of the head; rows sum to 1.
        posterior: assignment of the whole; `None` while training, where it is not asked for.
    """

    scores: Scores
    inner: Output
    projections: tuple[Float[Tensor, "batch projection"], Float[Tensor, "batch projection"]]
    assignments: tuple[Float[Tensor, "batch cluster"], Float[Tensor, "batch cluster"]]
    posterior: Float[Tensor, "batch cluster"] | None


@dataclass(frozen=True, slots=True)
class WithClusterHead:
    """Another localizer with an instance head and a cluster head of its own beside it.

    The heads see the features themselves, at the snippets with the most attention. They share no
    parameter with the localizer, and the choice of snippets carries no gradient.

    Attributes:
        localizer: whose attention is followed.
        ratio: one snippet in `ratio` is shown to the heads.
        width: of the heads' embedding and hidden layers; `None`: as wide as the features.
        projection_width: of what the instance head gives; `None`: one number per cluster.
        kernel: of the convolution before the heads, odd.

    Source: HC-UTAL Fig. 2 and Eq. 1, 11 read as one network; the released code has two.
    """

    localizer: Localizer = field(default=Cola())
    ratio: int = 5
    width: int | None = None
    projection_width: int | None = None
    kernel: int = 3

    def __post_init__(self) -> None:
        check_heads(self.ratio, self.width, self.projection_width, self.kernel)

    @property
    def output(self) -> type:
        """Scores and what the heads say."""
        return Headed

    @property
    def learns_embedding(self) -> bool:
        """As the localizer."""
        return self.localizer.learns_embedding

    def build(self, streams: tuple[int, ...], num_clusters: int) -> nn.Module:
        """The localizer's network, and the heads."""
        heads = VideoHeads(
            sum(streams),
            num_clusters,
            width=self.width,
            projection_width=self.projection_width,
            kernel=self.kernel,
        )
        return HeadedNetwork(self.localizer.build(streams, num_clusters), heads, self.ratio)


class HeadedNetwork(nn.Module):
    """Runs the localizer, picks what it attends to, and runs the heads on that."""

    def __init__(self, localizer: nn.Module, heads: VideoHeads, ratio: int) -> None:
        super().__init__()
        self.localizer = localizer
        self.heads = heads
        self.ratio = ratio

    def forward(
        self, features: Float[Tensor, "batch time channel"], mask: Bool[Tensor, "batch time"]
    ) -> Headed:
        """The localizer's output, then projections and assignments of both halves."""
        inner: Output = self.localizer(features, mask)
        index, kept = attended_in_time(inner.scores.attention.detach(), mask, self.ratio)
        positions, exists = half_positions(kept.sum(dim=1), index.shape[1])
        halves = [gathered(features, index.gather(1, half)) for half in positions]
        projection, assignment = self.heads(torch.cat(halves), exists.flatten(0, 1))
        whole = None if self.training else self.heads(gathered(features, index), kept)[1]
        first, second = projection.chunk(2)
        return Headed(inner.scores, inner, (first, second), assignment.chunk(2), whole)


def attended_in_time(
    attention: Float[Tensor, "batch time"], mask: Bool[Tensor, "batch time"], ratio: int
) -> tuple[Int64[Tensor, "batch selected"], Bool[Tensor, "batch selected"]]:
    """The max(1, n // ratio) most attended of the n snippets of each video, in order of time.

    Of equally attended snippets the earlier one comes first.

    Returns:
        Their indices, and true where a video has that many.
    """
    longest = max(1, attention.shape[1] // ratio)
    kept = kept_of(mask, ratio, longest)
    best = strongest(attention.masked_fill(~mask, -torch.inf), longest)
    beyond = attention.shape[1]
    ordered = best.masked_fill(~kept, beyond).sort(dim=1).values
    return ordered.masked_fill(~kept, 0), kept


def check_heads(ratio: int, width: int | None, projection_width: int | None, kernel: int) -> None:
    """Refuses heads that cannot be built.

    Raises:
        ConfigError: what is out of range.
    """
    for name, value in (
        ("ratio", ratio),
        ("width", width),
        ("projection_width", projection_width),
        ("kernel", kernel),
    ):
        if value is not None and value < 1:
            raise ConfigError(f"{name} must be at least 1, got {value}")
    if kernel % 2 != 1:
        raise ConfigError(f"kernel must be odd, got {kernel}")
