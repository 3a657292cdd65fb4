"""Grouping videos by the spectrum of a graph in which all videos are joined."""

import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np
import torch
from jaxtyping import Float, Int64
from scipy.spatial.distance import pdist, squareform
from sklearn.cluster import SpectralClustering

from utal.errors import ConfigError
from utal.grouping.clustering import fitted_labels, grouped
from utal.grouping.describing import descriptors
from utal.records import Clustering, View


def mean_distance_affinity(
    points: Float[np.ndarray, "video descriptor"], *, sigma_scale: float = 1.0
) -> Float[np.ndarray, "video video"]:
    """exp(-d^2 / (2 sigma^2)) of the Euclidean distances d between videos.

    Args:
        points: at least two of them distinct.
        sigma_scale: sigma is this times the mean of d over all ordered pairs of videos, a video
            with itself included.

    Source: TCAM Sec. 3.3, APSL Eq. 1. The released code averages over pairs i <= j, which is a
    `sigma_scale` of N / (N + 1).
    """
    distances = pdist(points)
    sigma = sigma_scale * 2 * distances.sum() / len(points) ** 2
    affinity = squareform(np.exp(-((distances / sigma) ** 2) / 2))
    np.fill_diagonal(affinity, 1.0)
    return np.asarray(affinity)


@dataclass(frozen=True, slots=True)
class Spectral:
    """Normalised cuts: k-means on the first eigenvectors of the graph's Laplacian.

    The graph's weights are `mean_distance_affinity`. The confidence is minus the distance to the
    mean of the cluster's members. Memory grows with the square of the number of videos.

    Attributes:
        sigma_scale: see `mean_distance_affinity`.
        num_starts: restarts of k-means of which the tightest grouping is kept.
        centred: see `descriptors`; ours, no paper's.

    Source: TCAM Sec. 3.3 and APSL Sec. 3.2; the released code uses scikit-learn's as here.
    """

    sigma_scale: float = 1.0
    num_starts: int = 10
    centred: bool = False

    def __post_init__(self) -> None:
        if not self.sigma_scale > 0:
            raise ConfigError(f"sigma_scale must be positive, got {self.sigma_scale}")
        if self.num_starts < 1:
            raise ConfigError(f"num_starts must be at least 1, got {self.num_starts}")

    def cluster(
        self, views: Sequence[View], num_clusters: int, *, seed: int, device: torch.device
    ) -> Clustering:
        """Labels in [0, num_clusters), every cluster non-empty; runs on the CPU.

        Raises:
            DataError: fewer (distinct) videos than clusters.
        """
        group = partial(self._labels, num_clusters=num_clusters, seed=seed)
        return grouped(descriptors(views, centred=self.centred), num_clusters, group)

    def _labels(
        self, points: Float[np.ndarray, "video descriptor"], num_clusters: int, seed: int
    ) -> Int64[np.ndarray, " video"]:
        if num_clusters == len(points):
            return np.arange(num_clusters)  # the solver finds fewer eigenvectors than videos
        if num_clusters == 1:
            return np.zeros(len(points), np.int64)
        model = SpectralClustering(
            num_clusters,
            affinity="precomputed",
            n_init=self.num_starts,
            random_state=seed % 2**32,
        )
        affinity = mean_distance_affinity(points, sigma_scale=self.sigma_scale)
        with warnings.catch_warnings():
            # Videos so far from all others that their weights are 0 make a cluster of their own.
            warnings.filterwarnings("ignore", "Graph is not fully connected")
            return fitted_labels(model, affinity)
