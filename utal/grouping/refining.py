"""Looking at a grouping again: FEEL's re-ranking of videos by the neighbours they share.

The paper re-ranks all videos once per cluster centre, each time with the centre as one more point.
Here the videos' neighbour lists are found once (see `neighbourhoods`), and per centre only the
points that can share a neighbour with it are looked at. That is exact: all others have Jaccard
distance 1.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from math import ceil

import numpy as np
import torch
from jaxtyping import Float, Int64
from scipy.sparse import csr_array

from utal.errors import ConfigError
from utal.grouping import neighbourhoods
from utal.grouping.clustering import member_means
from utal.grouping.describing import descriptors
from utal.grouping.distances import find_neighbours, squared_distances
from utal.records import Clustering, View


@dataclass(frozen=True, slots=True)
class Keep:
    """The clustering as it is."""

    def refine(
        self, views: Sequence[View], clustering: Clustering, num_clusters: int
    ) -> Clustering:
        """The given clustering."""
        return clustering


@dataclass(frozen=True, slots=True)
class ReciprocalJaccard:
    """Each video moves to the centre that is nearest after re-ranking; centres stay in place.

    The confidence is minus the re-ranked distance. A cluster may lose all its videos.

    Attributes:
        num_reciprocal: l, how many neighbours may be mutual ones; `None`: as many as a cluster of
            mean size has members, at most 20.
        num_expansion: neighbours, the point itself included, over which encodings are averaged;
            `None`: a third of a cluster of mean size, at most 6.
        jaccard_weight: gamma, share of the Jaccard distance; the rest is the normalised distance.
        expansion_strict: more than two thirds must be shared instead of at least two thirds.
        centred: see `descriptors`; ours, no paper's.

    Source: FEEL Sec. 3.2, clustering confidence improvement. "l set to 20 and 6" are the first two
    numbers in the released code, which also compares strictly.
    """

    num_reciprocal: int | None = 20
    num_expansion: int | None = 6
    jaccard_weight: float = 0.7
    expansion_strict: bool = False
    centred: bool = False

    def __post_init__(self) -> None:
        for name in ("num_reciprocal", "num_expansion"):
            value = getattr(self, name)
            if value is not None and value < 1:
                raise ConfigError(f"{name} must be at least 1, got {value}")
        if not 0 <= self.jaccard_weight <= 1:
            raise ConfigError(f"jaccard_weight must lie in [0, 1], got {self.jaccard_weight}")

    def refine(
        self, views: Sequence[View], clustering: Clustering, num_clusters: int
    ) -> Clustering:
        """Nearest cluster of each video, of equally near ones the first; empty ones stay empty."""
        points = descriptors(views, centred=self.centred)
        present, centres = member_means(points, clustering.labels.cpu().numpy())
        distance = reranked_distances(
            points,
            centres,
            num_reciprocal=self.num_reciprocal or min(20, ceil(len(points) / num_clusters)),
            num_expansion=self.num_expansion or min(6, ceil(len(points) / num_clusters / 3)),
            jaccard_weight=self.jaccard_weight,
            expansion_strict=self.expansion_strict,
        )
        labels = present[distance.argmin(axis=0)]
        # float32: distances that are equal but for rounding stay equal, so later picks are stable.
        confidence = -distance.min(axis=0).astype(np.float32)
        return Clustering(torch.from_numpy(labels), torch.from_numpy(confidence))


def reranked_distances(
    points: Float[np.ndarray, "video descriptor"],
    centres: Float[np.ndarray, "cluster descriptor"],
    *,
    num_reciprocal: int = 20,
    num_expansion: int = 6,
    jaccard_weight: float = 0.7,
    expansion_strict: bool = False,
) -> Float[np.ndarray, "cluster video"]:
    """Re-ranked distance of each centre to each video, in [0, 1].

    Arguments as in `ReciprocalJaccard`; any sizes work, also more neighbours than videos.

    Source: FEEL Eq. 2-7.
    """
    jaccard, euclid = distance_parts(
        points,
        centres,
        num_reciprocal=num_reciprocal,
        num_expansion=num_expansion,
        expansion_strict=expansion_strict,
    )
    return combined_distance(jaccard, euclid, jaccard_weight)


def combined_distance(
    jaccard: Float[np.ndarray, "cluster video"],
    euclid: Float[np.ndarray, "cluster video"],
    jaccard_weight: float,
) -> Float[np.ndarray, "cluster video"]:
    """Gamma d_J + (1 - gamma) d_E.

    Source: FEEL Eq. 7.
    """
    return jaccard_weight * jaccard + (1 - jaccard_weight) * euclid


def distance_parts(
    points: Float[np.ndarray, "video descriptor"],
    centres: Float[np.ndarray, "cluster descriptor"],
    *,
    num_reciprocal: int = 20,
    num_expansion: int = 6,
    expansion_strict: bool = False,
) -> tuple[Float[np.ndarray, "cluster video"], Float[np.ndarray, "cluster video"]]:
    """Jaccard distance and normalised distance of each centre to each video, both in [0, 1].

    The normalised distance is the squared Euclidean one over the centre's largest. Each centre is
    compared as if it were the only one among the videos.

    Source: FEEL Eq. 2-6. Squaring and normalising are in the released code only; the paper's plain
    distance has no bound and could not be mixed with the Jaccard distance.
    """
    points, centres = np.asarray(points, np.float64), np.asarray(centres, np.float64)
    near = find_neighbours(points, max(num_reciprocal + 1, num_expansion))
    known = neighbourhoods.usual_distances(near, num_reciprocal)
    squared = squared_distances(centres, points)
    jaccard = np.empty_like(squared)
    for row, from_centre in enumerate(squared):
        at = neighbourhoods.insert(near, known, from_centre)
        jaccard[row] = _jaccard_to_centre(at, num_reciprocal, num_expansion, expansion_strict)
    largest = squared.max(axis=1, keepdims=True)
    return jaccard, squared / np.where(largest > 0, largest, 1)


def jaccard_distance(
    code: Float[np.ndarray, " column"], others: csr_array
) -> Float[np.ndarray, " row"]:
    """1 - sum min(a, b) / sum max(a, b) between one encoding and each row of `others`.

    Args:
        code: entries >= 0.
        others: entries >= 0, at the columns of `code`; whatever they hold elsewhere is left out.
            All encodings have sum 1, so that sum max = 2 - sum min.

    Source: FEEL Eq. 6.
    """
    rows = np.repeat(np.arange(others.shape[0]), np.diff(others.indptr))
    smaller = np.minimum(others.data, code[others.indices])
    shared = np.bincount(rows, smaller, minlength=others.shape[0])
    return np.maximum(1 - shared / (2 - shared), 0)  # rounding may make it negative


def _jaccard_to_centre(
    at: neighbourhoods.Insertion, num_reciprocal: int, num_expansion: int, strict: bool
) -> Float[np.ndarray, " video"]:
    """Jaccard distance of the inserted centre to every video."""
    large = neighbourhoods.mutual_neighbours(at, num_reciprocal + 1)
    small = neighbourhoods.mutual_neighbours(at, round(num_reciprocal / 2) + 1)
    support = _support(at, large, small, num_expansion, strict)
    # A set that meets the support belongs to a point within two such steps of it.
    chosen = _reached(large, _reached(small, support))
    sets = neighbourhoods.expanded(large[chosen], small, strict=strict)
    meets = np.logical_or.reduceat(np.isin(sets.indices, support), sets.indptr[:-1])
    codes = neighbourhoods.encodings(at, chosen[meets], sets[meets])[:, support]
    averaged = neighbourhoods.averaging(at, chosen[meets], num_expansion) @ codes
    return jaccard_distance(averaged[[-1]].toarray()[0], averaged[:-1])


def _support(
    at: neighbourhoods.Insertion,
    large: csr_array,
    small: csr_array,
    num_expansion: int,
    strict: bool,
) -> Int64[np.ndarray, " column"]:
    """Where the centre's averaged encoding is not zero, ascending."""
    own = np.append(at.own[: num_expansion - 1], len(at.squared))
    return np.unique(neighbourhoods.expanded(large[own], small, strict=strict).indices)


def _reached(matrix: csr_array, rows: Int64[np.ndarray, " row"]) -> Int64[np.ndarray, " column"]:
    """All columns that some of the rows hold, ascending."""
    return np.unique(matrix[rows].indices)
