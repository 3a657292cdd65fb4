"""Grouping single snippets; a video goes where most of its snippets do."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float, Int64
from sklearn.cluster import KMeans as LloydKMeans
from sklearn.cluster import MiniBatchKMeans
from torch import Tensor

from utal.errors import ConfigError, DataError
from utal.grouping.clustering import canonical_order, check_enough, fitted_labels
from utal.records import Clustering, View


@dataclass(frozen=True, slots=True)
class SnippetVotes:
    """K-means on the snippets of all videos; each snippet votes for the label of its video.

    The confidence is the winning cluster's share of the votes. Clusters that win nowhere stay
    empty. Of clusters with equally many votes the one with the lower number wins.

    Attributes:
        num_starts: restarts of which the tightest grouping is kept.
        mini_batch_above: with more snippets than this K-means sees them in small batches.

    Source: FEEL Sec. 4.3, "snippet-wise UTAL"; the paper does not say how the labels of snippets
    become that of a video, a majority is our reading.
    """

    num_starts: int = 10
    mini_batch_above: int = 50_000

    def __post_init__(self) -> None:
        if self.num_starts < 1:
            raise ConfigError(f"num_starts must be at least 1, got {self.num_starts}")
        if self.mini_batch_above < 0:
            raise ConfigError(f"mini_batch_above must be at least 0, got {self.mini_batch_above}")

    def cluster(
        self, views: Sequence[View], num_clusters: int, *, seed: int, device: torch.device
    ) -> Clustering:
        """Labels in [0, num_clusters); runs on the CPU.

        Raises:
            ConfigError: the describer gives no snippets.
            DataError: no videos, snippets that cannot be compared, or fewer than clusters.
        """
        points, owners = _pooled(views)
        order = canonical_order(points)
        check_enough(points[order], num_clusters, noun="snippet")
        algorithm = MiniBatchKMeans if len(points) > self.mini_batch_above else LloydKMeans
        model = algorithm(num_clusters, n_init=self.num_starts, random_state=seed % 2**32)
        clusters = np.empty(len(points), np.int64)
        clusters[order] = fitted_labels(model, points[order])
        votes = np.zeros((len(views), num_clusters))
        np.add.at(votes, (owners, clusters), 1)
        share = votes.max(axis=1) / votes.sum(axis=1)
        return Clustering(torch.from_numpy(votes.argmax(axis=1)), torch.from_numpy(share).float())


def _pooled(
    views: Sequence[View],
) -> tuple[Float[np.ndarray, "snippet channel"], Int64[np.ndarray, " snippet"]]:
    """The snippets of all videos as one float32 table, and the video of each."""
    if not views:
        raise DataError("there are no videos to group; add videos")
    snippets = [_snippets_of(view) for view in views]
    widths = {each.shape[1] for each in snippets}
    if len(widths) != 1:
        raise DataError(f"videos have snippets of different widths: {sorted(widths)}")
    table = torch.cat(snippets).detach().cpu().float().numpy()
    owners = np.repeat(np.arange(len(views)), [len(each) for each in snippets])
    finite = np.isfinite(table).all(axis=1)
    if not finite.all():
        raise DataError(
            f"a snippet of video number {int(owners[finite.argmin()])} holds NaN or infinity; "
            "check its features"
        )
    return table, owners


def _snippets_of(view: View) -> Float[Tensor, "selected channel"]:
    if view.snippets is None:
        raise ConfigError(
            "SnippetVotes groups snippets, but the describer gives none; set describer=TopSnippets"
        )
    return view.snippets
