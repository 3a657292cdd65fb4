"""Grouping videos by their descriptors with standard clusterers."""

import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np
import torch
from jaxtyping import Float, Int64
from sklearn.cluster import KMeans as LloydKMeans
from sklearn.cluster import MiniBatchKMeans, SpectralClustering
from sklearn.exceptions import ConvergenceWarning

from utal.errors import ConfigError, DataError
from utal.grouping.describing import descriptors
from utal.records import Clustering, View


def member_means(
    points: Float[np.ndarray, "video descriptor"], labels: Int64[np.ndarray, " video"]
) -> tuple[Int64[np.ndarray, " present"], Float[np.ndarray, "present descriptor"]]:
    """The clusters that have members, ascending, and the mean of each one's members."""
    present = np.unique(labels)
    return present, np.stack([points[labels == cluster].mean(axis=0) for cluster in present])


def distance_to_own_centre(
    points: Float[np.ndarray, "video descriptor"], labels: Int64[np.ndarray, " video"]
) -> Float[np.ndarray, " video"]:
    """Euclidean distance of each video to the mean of its cluster's members.

    Source: FEEL Sec. 3.1, the confidence before re-ranking.
    """
    present, centres = member_means(points, labels)
    own = centres[np.searchsorted(present, labels)]
    return np.asarray(np.linalg.norm(points - own, axis=1))


@dataclass(frozen=True, slots=True)
class KMeans:
    """K-means on the descriptors: scikit-learn's Lloyd iterations, k-means++ starts.

    The confidence is minus the distance to the cluster's centre.

    Attributes:
        num_starts: restarts of which the tightest grouping is kept.
        centred: see `descriptors`; ours, no paper's.

    Source: FEEL Sec. 3.1; released FEEL code ran with 10 starts, then scikit-learn's default.
    """

    num_starts: int = 10
    centred: bool = False

    def __post_init__(self) -> None:
        if self.num_starts < 1:
            raise ConfigError(f"num_starts must be at least 1, got {self.num_starts}")

    def cluster(
        self, views: Sequence[View], num_clusters: int, *, seed: int, device: torch.device
    ) -> Clustering:
        """Labels in [0, num_clusters), every cluster non-empty; runs on the CPU.

        Raises:
            DataError: fewer (distinct) videos than clusters.
        """
        model = LloydKMeans(num_clusters, n_init=self.num_starts, random_state=seed % 2**32)
        return grouped(
            descriptors(views, centred=self.centred), num_clusters, partial(fitted_labels, model)
        )


def grouped(
    points: Float[np.ndarray, "video descriptor"],
    num_clusters: int,
    group: Callable[[np.ndarray], np.ndarray],
) -> Clustering:
    """A grouping that does not depend on the order of the videos.

    Args:
        points: one row per video.
        num_clusters: how many groups are asked for.
        group: gives each of the points, which it sees in `canonical_order`, its label.

    Returns:
        The labels; the confidence is minus the distance to the mean of the cluster's members.

    Raises:
        DataError: fewer (distinct) videos than clusters.
    """
    order = canonical_order(points)
    check_enough(points[order], num_clusters)
    labels = np.empty(len(points), np.int64)
    labels[order] = group(points[order])
    confidence = -distance_to_own_centre(points, labels)
    # float32: distances that are equal but for rounding stay equal, so later picks are stable.
    return Clustering(torch.from_numpy(labels), torch.from_numpy(confidence).float())


def canonical_order(points: Float[np.ndarray, "point descriptor"]) -> Int64[np.ndarray, " point"]:
    """Points sorted by their numbers alone: random starts then do not depend on file names."""
    rows = np.ascontiguousarray(points + 0.0)  # + 0.0 turns -0.0 into 0.0
    as_bytes = rows.view(np.dtype((np.void, rows.dtype.itemsize * rows.shape[1])))[:, 0]
    return np.argsort(as_bytes, kind="stable")


def check_enough(
    ordered: Float[np.ndarray, "point descriptor"], num_clusters: int, *, noun: str = "video"
) -> None:
    """Refuses fewer distinct points than clusters.

    Args:
        ordered: in `canonical_order`, so that equal points are neighbours.
        num_clusters: how many groups are asked for.
        noun: what a point is.

    Raises:
        DataError: what is missing, and what to do.
    """
    if num_clusters < 1:
        raise DataError(f"the number of clusters must be at least 1, got {num_clusters}")
    if len(ordered) < num_clusters:
        raise DataError(
            f"{_count(len(ordered), noun)} cannot form {num_clusters} clusters; "
            "lower --classes or add videos"
        )
    distinct = 1 + int((ordered[1:] != ordered[:-1]).any(axis=1).sum())
    if distinct < num_clusters:
        raise DataError(
            f"{_count(len(ordered), noun)} have only {_count(distinct, 'distinct descriptor')}, "
            f"which cannot form {num_clusters} clusters; remove copies or lower --classes"
        )


def fitted_labels(
    model: LloydKMeans | MiniBatchKMeans | SpectralClustering,
    points: Float[np.ndarray, "point descriptor"],
) -> Int64[np.ndarray, " point"]:
    """Cluster of each point; scikit-learn's warnings about the result become errors.

    Raises:
        DataError: clusters are left empty.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("error", ConvergenceWarning)
        try:
            return np.asarray(model.fit(points).labels_, np.int64)
        except ConvergenceWarning as found:
            raise DataError(
                f"k-means left clusters empty ({found}); "
                "some videos are nearly equal: lower --classes"
            ) from found


def _count(number: int, noun: str) -> str:
    """'1 video', '3 videos'."""
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"
