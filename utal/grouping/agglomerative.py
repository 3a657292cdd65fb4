"""Grouping videos by merging the two nearest groups again and again."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from sklearn.cluster import AgglomerativeClustering

from utal.errors import ConfigError
from utal.grouping.clustering import grouped
from utal.grouping.describing import descriptors
from utal.records import Clustering, View

LINKAGES = ("ward", "average", "complete", "single")


@dataclass(frozen=True, slots=True)
class Agglomerative:
    """Agglomerative clustering of the descriptors with Euclidean distances; nothing is random.

    The confidence is minus the distance to the mean of the cluster's members. Memory grows with the
    square of the number of videos.

    Attributes:
        linkage: which two groups are nearest: those whose union spreads least (`ward`), or those
            with the smallest mean, largest or smallest distance between members (`average`,
            `complete`, `single`).
        centred: see `descriptors`; ours, no paper's.

    Source: HC-UTAL Table 7, which names no linkage; `ward` is scikit-learn's default.
    """

    linkage: str = "ward"
    centred: bool = False

    def __post_init__(self) -> None:
        if self.linkage not in LINKAGES:
            raise ConfigError(f"linkage must be one of {', '.join(LINKAGES)}, got {self.linkage!r}")

    def cluster(
        self, views: Sequence[View], num_clusters: int, *, seed: int, device: torch.device
    ) -> Clustering:
        """Labels in [0, num_clusters), every cluster non-empty; runs on the CPU.

        Raises:
            DataError: fewer (distinct) videos than clusters.
        """

        def group(points: np.ndarray) -> np.ndarray:
            if num_clusters == 1:
                return np.zeros(len(points), np.int64)
            model = AgglomerativeClustering(num_clusters, linkage=self.linkage)
            return np.asarray(model.fit(points).labels_)

        return grouped(descriptors(views, centred=self.centred), num_clusters, group)
