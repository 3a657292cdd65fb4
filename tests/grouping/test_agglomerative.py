"""Agglomerative clustering: by hand, against the loop, and what must not matter."""

import numpy as np
import pytest
import torch
from numpy.testing import assert_allclose

from utal.errors import ConfigError, DataError
from utal.grouping.agglomerative import LINKAGES, Agglomerative
from utal.records import Clustering, View

CPU = torch.device("cpu")


def run(points: np.ndarray, num_clusters: int, *, linkage: str = "ward", seed: int = 0):
    views = [View(torch.from_numpy(point)) for point in points]
    return Agglomerative(linkage).cluster(views, num_clusters, seed=seed, device=CPU)


def groups(found: Clustering) -> set[frozenset[int]]:
    labels = found.labels.tolist()
    return {frozenset(np.flatnonzero(found.labels == each).tolist()) for each in set(labels)}


def merged(points: np.ndarray, num_clusters: int, linkage: str) -> set[frozenset[int]]:
    """The same, merging pair by pair."""

    def apart(one: frozenset[int], other: frozenset[int]) -> float:
        if linkage == "ward":
            centres = points[list(one)].mean(0) - points[list(other)].mean(0)
            sizes = len(one) * len(other) / (len(one) + len(other))
            return float(sizes * (centres**2).sum())
        pairs = [np.linalg.norm(points[i] - points[j]) for i in one for j in other]
        return float({"average": np.mean, "complete": max, "single": min}[linkage](pairs))

    left = [frozenset([i]) for i in range(len(points))]
    while len(left) > num_clusters:
        pairs = [(a, b) for i, a in enumerate(left) for b in left[i + 1 :]]
        one, other = min(pairs, key=lambda pair: apart(*pair))
        left = [each for each in left if each not in (one, other)] + [one | other]
    return set(left)


@pytest.mark.parametrize("linkage", LINKAGES)
@pytest.mark.parametrize("num_clusters", [2, 5])
def test_plain_loop(linkage: str, num_clusters: int) -> None:
    points = np.random.default_rng(0).normal(size=(20, 3))
    found = run(points, num_clusters, linkage=linkage)
    assert set(found.labels.tolist()) == set(range(num_clusters))
    assert groups(found) == merged(points, num_clusters, linkage)


def test_single_linkage_follows_a_chain_that_ward_cuts() -> None:
    """Ten points in a row, one apart, and two points 1.5 apart from each other, far away."""
    points = np.array([[float(x), 0.0] for x in range(10)] + [[4.0, 3.0], [4.0, 4.5]])
    chain = frozenset(range(10))
    assert chain in groups(run(points, 3, linkage="single"))
    assert chain not in groups(run(points, 3, linkage="ward"))


def test_confidence_is_minus_the_distance_to_the_own_centre() -> None:
    points = np.array([[0.0, 0.0], [0.0, 2.0], [9.0, 0.0], [9.0, 6.0]])
    found = run(points, 2)
    assert groups(found) == {frozenset([0, 1]), frozenset([2, 3])}
    assert_allclose(found.confidence, [-1, -1, -3, -3])


@pytest.mark.parametrize("linkage", LINKAGES)
def test_order_of_videos_and_seed_do_not_matter(linkage: str) -> None:
    # Whole numbers: many distances are equal, so that only the order could decide.
    points = np.random.default_rng(1).integers(0, 4, size=(40, 3)).astype(np.float64)
    before = points.copy()
    shuffle = np.random.default_rng(2).permutation(40)
    straight = run(points, 6, linkage=linkage)
    shuffled = run(points[shuffle], 6, linkage=linkage, seed=5)
    assert torch.equal(shuffled.labels, straight.labels[shuffle])
    assert_allclose(shuffled.confidence, straight.confidence[shuffle], atol=1e-6)
    np.testing.assert_array_equal(points, before)


def test_as_many_videos_as_clusters() -> None:
    found = run(np.eye(3), 3)
    assert len(groups(found)) == 3
    assert_allclose(found.confidence, 0)


@pytest.mark.parametrize("num_videos", [1, 3])
def test_one_cluster(num_videos: int) -> None:
    assert run(np.eye(3)[:num_videos], 1).labels.tolist() == [0] * num_videos


@pytest.mark.parametrize(
    ("points", "num_clusters", "message"),
    [
        (np.eye(3), 5, "3 videos cannot form 5 clusters; lower --classes or add videos"),
        (np.eye(3), 0, "number of clusters must be at least 1, got 0"),
        (np.eye(2)[[0, 0, 1, 1, 0]], 3, "5 videos have only 2 distinct descriptors"),
    ],
)
def test_too_few_videos_are_explained(points, num_clusters, message) -> None:
    with pytest.raises(DataError, match=message):
        run(points, num_clusters)


def test_unknown_linkage_is_refused() -> None:
    with pytest.raises(ConfigError, match="linkage must be one of ward, average, complete, single"):
        Agglomerative(linkage="centroid")
