"""Grouping videos by a network that learns, from nothing but their two halves, what videos hold."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F  # noqa: N812
from jaxtyping import Float, Int64
from torch import Tensor

from utal.errors import ConfigError
from utal.fitting import TrainingDivergedError
from utal.grouping.clustering import KMeans, canonical_order, check_enough
from utal.grouping.halves import Snippets
from utal.localizers.video_heads import VideoHeads
from utal.losses import video_contrast
from utal.losses.weighing import DynamicWeightAverage
from utal.records import Clustering, View

LEVELS = ("both", "horizontal", "vertical")
FORMS = ("columns", "rows")


@dataclass(frozen=True, slots=True)
class Halves:
    """Contrastive clustering: the two halves of a video show the same action.

    A network is trained from scratch: horizontally, the halves of a video are drawn together and
    videos apart; vertically, the two columns of a cluster are drawn together and clusters apart.
    A video's label is the likeliest cluster of the whole of it, after the last step. The confidence
    is that cluster's probability. Clusters may be empty.

    Attributes:
        steps: optimiser steps; `None`: 400 passes over the videos, at most 12,000 steps.
        batch_size: videos per step; `None`: eight per cluster, 64 to 256; all if there are fewer.
        learning_rate: of Adam, which has no weight decay.
        width: of the embedding and hidden layers; `None`: as wide as the features.
        projection_width: of what is contrasted horizontally; `None`: one number per cluster, as
            printed; the released code has 2048.
        kernel: of the convolution, odd.
        stretches: to how many means over time a half is reduced before training; `None`: every
            snippet counts by itself, as in the paper.
        centred: subtract the mean over the videos from all features; ours, no paper's.
        dropout: share of the channels that a step hides, others for each half; ours, no paper's.
            The two halves of few videos are else soon known by heart, whatever they show.
        levels: `both`, or one of `horizontal` and `vertical`. Without the vertical level there are
            no assignments: K-means groups the projections.
        form: `columns`: the vertical level contrasts clusters. `rows`: it contrasts videos, the
            horizontal one looks in one direction, and both are sums over the batch, as released.
        horizontal_temperature: of the contrast of videos.
        vertical_temperature: of the contrast of clusters.
        weighing_temperature: of the dynamic weights of the two levels; they follow the means over
            passes, or over ten steps where a pass has fewer. `None`: both weigh 1.

    Source: HC-UTAL Sec. 3.1.2, Eq. 2-4; numbers of Table 1 and the released code.
    """

    steps: int | None = None
    batch_size: int | None = None
    learning_rate: float = 9e-5
    width: int | None = None
    projection_width: int | None = None
    kernel: int = 3
    stretches: int | None = None
    centred: bool = False
    dropout: float = 0.0
    levels: str = "both"
    form: str = "columns"
    horizontal_temperature: float = 0.4
    vertical_temperature: float = 0.9
    weighing_temperature: float | None = 4.0

    def __post_init__(self) -> None:
        for name in ("steps", "batch_size", "width", "projection_width", "stretches"):
            value = getattr(self, name)
            if value is not None and value < 1:
                raise ConfigError(f"{name} must be at least 1, got {value}")
        if self.kernel < 1 or self.kernel % 2 != 1:
            raise ConfigError(f"kernel must be odd, got {self.kernel}")
        if not 0 <= self.dropout < 1:
            raise ConfigError(f"dropout must lie in [0, 1), got {self.dropout}")
        for name in (
            "learning_rate",
            "horizontal_temperature",
            "vertical_temperature",
            "weighing_temperature",
        ):
            value = getattr(self, name)
            if value is not None and not value > 0:
                raise ConfigError(f"{name} must be positive, got {value}")
        for name, choices in (("levels", LEVELS), ("form", FORMS)):
            if getattr(self, name) not in choices:
                raise ConfigError(
                    f"{name} must be one of {', '.join(choices)}, got {getattr(self, name)!r}"
                )

    def cluster(
        self, views: Sequence[View], num_clusters: int, *, seed: int, device: torch.device
    ) -> Clustering:
        """Labels in [0, num_clusters); trains on `device`.

        Raises:
            ConfigError: the describer gives no snippets.
            DataError: fewer (distinct) videos than clusters, or snippets that cannot be compared.
            TrainingDivergedError: the network no longer gives numbers.
        """
        videos = Snippets.of(views, self.stretches)
        table = videos.half_means()
        order = canonical_order(table)
        check_enough(table[order], num_clusters)
        # Trained on in an order of its own, whatever the order and the names of the files.
        videos = videos.take(order, centred=self.centred).to(device)
        with torch.random.fork_rng(devices=[device] if device.type == "cuda" else []):
            torch.manual_seed(seed)
            heads = VideoHeads(
                videos.channels,
                num_clusters,
                width=self.width,
                projection_width=self.projection_width,
                kernel=self.kernel,
            ).to(device)
            self._train(heads, videos, num_clusters, seed)
            projection, assignment = _told(heads, videos)
        if self.levels == "horizontal":
            points = [View(row) for row in projection]
            found = KMeans().cluster(points, num_clusters, seed=seed, device=device)
        else:
            confidence, labels = assignment.max(dim=1)
            found = Clustering(labels, confidence)
        back = torch.from_numpy(np.argsort(order))
        return Clustering(found.labels[back], found.confidence[back])

    def _train(self, heads: VideoHeads, videos: Snippets, num_clusters: int, seed: int) -> None:
        """Trains the heads in place."""
        size = min(len(videos), self.batch_size or int(np.clip(8 * num_clusters, 64, 256)))
        per_pass = len(videos) // size  # steps per pass
        steps = self.steps or min(400 * per_pass, 12_000)
        weighing = None
        if self.levels == "both" and self.weighing_temperature is not None:
            weighing = DynamicWeightAverage(
                2, window=max(10, per_pass), temperature=self.weighing_temperature
            )
            weighing.to(videos.device)
        optimiser = torch.optim.Adam(heads.parameters(), lr=self.learning_rate, fused=True)
        supply = _batches(len(videos), size, np.random.default_rng(seed))
        for _ in range(steps):
            snippets, mask = videos.halves(next(supply))
            losses = self._losses(*heads(self._hidden(snippets), mask))
            weights = torch.ones_like(losses) if weighing is None else weighing(losses)
            optimiser.zero_grad(set_to_none=True)
            (weights * losses).sum().backward()
            optimiser.step()

    def _hidden(self, snippets: Float[Tensor, "row time channel"]) -> Tensor:
        """The snippets without some of their channels."""
        if not self.dropout:
            return snippets
        rows, _, channels = snippets.shape
        kept = F.dropout(torch.ones(rows, 1, channels, device=snippets.device), self.dropout)
        return snippets * kept

    def _losses(
        self,
        projection: Float[Tensor, "row width"],
        assignment: Float[Tensor, "row cluster"],
    ) -> Float[Tensor, " term"]:
        """The levels in use, none of them negative; second halves follow all first halves."""
        losses = []
        if self.levels != "vertical":
            losses.append(self._horizontal(*projection.chunk(2)))
        if self.levels != "horizontal":
            losses.append(self._vertical(*assignment.chunk(2)))
        return torch.stack(losses)

    def _horizontal(self, first: Tensor, second: Tensor) -> Tensor:
        temperature = self.horizontal_temperature
        if self.form == "rows":
            return video_contrast.view_contrast(first, second, temperature=temperature).sum()
        return video_contrast.horizontal_contrast(first, second, temperature=temperature).mean()

    def _vertical(self, first: Tensor, second: Tensor) -> Tensor:
        temperature = self.vertical_temperature
        if self.form == "rows":
            return video_contrast.vertical_row_contrast(first, second, temperature=temperature)
        contrast = video_contrast.vertical_contrast(first, second, temperature=temperature)
        # Ratios of losses mean nothing below 0; the constant makes this 0 at least.
        return contrast + 2 * math.log(first.shape[1])


def _batches(
    num_videos: int, size: int, rng: np.random.Generator
) -> Iterator[Int64[np.ndarray, " batch"]]:
    """Endless shuffled batches of whole size; what a pass leaves over waits for another pass."""
    # A rest of one video would have nothing to be contrasted with.
    while True:
        order = rng.permutation(num_videos)
        for first in range(0, num_videos - size + 1, size):
            yield order[first : first + size]


@torch.no_grad()
def _told(
    heads: VideoHeads, videos: Snippets, size: int = 16
) -> tuple[Float[Tensor, "video width"], Float[Tensor, "video cluster"]]:
    """Projections and assignments of the whole videos, on the CPU."""
    rows = np.array_split(np.arange(len(videos)), -(-len(videos) // size))
    told = [heads(*videos.wholes(each)) for each in rows]
    projection = torch.cat([each for each, _ in told]).cpu().float()
    assignment = torch.cat([each for _, each in told]).cpu().float()
    if not torch.isfinite(assignment).all():
        raise TrainingDivergedError(
            "the assignments became NaN or infinite; lower clusterer.learning_rate"
        )
    return projection, assignment
