"""Spectral clustering: by hand, against the loop, the released numbers, and what cannot matter."""

import math

import numpy as np
import pytest
import torch
from numpy.testing import assert_allclose
from sklearn.metrics import adjusted_rand_score

from tests.oracle_data import cases
from utal.errors import ConfigError, DataError
from utal.grouping.spectral import Spectral, mean_distance_affinity
from utal.records import Clustering, View

CPU = torch.device("cpu")
ORACLE = cases("spectral.npz")


def run(points: np.ndarray, num_clusters: int, *, seed: int = 0, **settings: float) -> Clustering:
    views = [View(torch.from_numpy(point)) for point in points]
    return Spectral(**settings).cluster(views, num_clusters, seed=seed, device=CPU)


def affinity_of(points: np.ndarray) -> np.ndarray:
    """Pair by pair."""
    count = len(points)
    pairs = [(m, n) for m in range(count) for n in range(count)]
    distance = {(m, n): math.dist(points[m], points[n]) for m, n in pairs}
    sigma = sum(distance.values()) / count**2
    affinity = np.zeros((count, count))
    for pair in pairs:
        affinity[pair] = math.exp(-(distance[pair] ** 2) / (2 * sigma**2))
    return affinity


def test_affinity_by_hand() -> None:
    """Two videos 3 apart: of four ordered pairs two are, so sigma is 1.5."""
    found = mean_distance_affinity(np.array([[0.0, 0.0], [0.0, 3.0]]))
    assert_allclose(found, [[1, math.exp(-2)], [math.exp(-2), 1]])
    wide = mean_distance_affinity(np.array([[0.0, 0.0], [0.0, 3.0]]), sigma_scale=2.0)
    assert_allclose(wide, [[1, math.exp(-0.5)], [math.exp(-0.5), 1]])


def test_affinity_by_loop() -> None:
    points = np.random.default_rng(0).normal(size=(12, 4))
    points[3] = points[7]
    assert_allclose(mean_distance_affinity(points), affinity_of(points), rtol=1e-12)


@pytest.mark.parametrize("name", ORACLE)
def test_released_affinity_and_groups(name: str) -> None:
    case = ORACLE[name]
    points, count = case["descriptors"], len(case["descriptors"])
    assert_allclose(mean_distance_affinity(points), case["affinity_paper"], rtol=1e-9)
    released = mean_distance_affinity(points, sigma_scale=count / (count + 1))
    assert_allclose(released, case["affinity_code"], rtol=1e-9)
    found = run(points, int(case["num_clusters"]))
    assert adjusted_rand_score(case["labels_paper"], found.labels) == 1
    found = run(points, int(case["num_clusters"]), sigma_scale=count / (count + 1))
    assert adjusted_rand_score(case["labels_code"], found.labels) == 1


def test_rings_are_found_where_k_means_cuts() -> None:
    """A narrow graph follows what hangs together; a wide one cuts across like k-means."""
    angles = np.linspace(0, 2 * np.pi, 40, endpoint=False)
    circle = np.stack([np.cos(angles), np.sin(angles)], axis=1)
    points = np.concatenate([circle, 4 * circle])
    ring = np.arange(80) // 40
    assert adjusted_rand_score(ring, run(points, 2, sigma_scale=0.15).labels) == 1
    assert adjusted_rand_score(ring, run(points, 2, sigma_scale=5.0).labels) < 0.5


def test_confidence_is_minus_the_distance_to_the_own_centre() -> None:
    found = run(np.array([[0.0, 0.0], [0.0, 2.0], [9.0, 0.0], [9.0, 6.0]]), 2)
    assert found.labels[0] == found.labels[1] != found.labels[2] == found.labels[3]
    assert_allclose(found.confidence, [-1, -1, -3, -3])


def test_order_of_videos_does_not_matter() -> None:
    # Whole numbers: many distances are equal, and many videos.
    points = np.random.default_rng(1).integers(0, 3, size=(40, 3)).astype(np.float64)
    before = points.copy()
    straight = run(points, 6)
    shuffle = np.random.default_rng(2).permutation(40)
    shuffled = run(points[shuffle], 6)
    assert torch.equal(shuffled.labels, straight.labels[shuffle])
    assert_allclose(shuffled.confidence, straight.confidence[shuffle], atol=1e-6)
    np.testing.assert_array_equal(points, before)


def test_scale_and_place_do_not_matter() -> None:
    case = ORACLE["l2_100"]
    points, count = case["descriptors"], int(case["num_clusters"])
    moved = run(8 * points + 3, count)
    assert adjusted_rand_score(run(points, count).labels, moved.labels) == 1


def test_seed_decides() -> None:
    points = np.random.default_rng(3).normal(size=(60, 8))  # no groups: many groupings as good
    labels = [run(points, 5, seed=seed, num_starts=1).labels for seed in (0, 0, 2**40 + 5)]
    assert torch.equal(labels[0], labels[1])
    assert adjusted_rand_score(labels[0], labels[2]) < 1


@pytest.mark.parametrize("num_clusters", [1, 2, 6, 7, 8])
def test_every_cluster_has_videos(num_clusters: int) -> None:
    """As many clusters as videos too, and one video by itself."""
    points = np.random.default_rng(4).normal(size=(8, 3))
    assert set(run(points, num_clusters).labels.tolist()) == set(range(num_clusters))
    assert run(points[:1], 1).labels.tolist() == [0]
    assert run(points[[0, 0, 0]], 1).labels.tolist() == [0, 0, 0]


def test_a_video_far_from_all_others_is_a_cluster() -> None:
    points = np.concatenate([np.random.default_rng(5).normal(size=(60, 3)), [[1e4, 0, 0]]])
    found = run(points, 2)
    assert (found.labels[:60] != found.labels[60]).all()


@pytest.mark.parametrize(
    ("points", "num_clusters", "message"),
    [
        (np.eye(3), 5, "3 videos cannot form 5 clusters; lower --classes or add videos"),
        (np.eye(3), 0, "number of clusters must be at least 1, got 0"),
        (np.eye(2)[[0, 0, 1, 1, 0]], 3, "5 videos have only 2 distinct descriptors"),
        # Next to the distance of two of them, the others are all one.
        (np.concatenate([np.eye(60), [[1e6] * 60], [[-1e6] * 60]]), 5, "nearly equal"),
    ],
)
def test_too_few_videos_are_explained(points, num_clusters, message) -> None:
    with pytest.raises(DataError, match=message):
        run(points, num_clusters)


def test_settings_out_of_range() -> None:
    with pytest.raises(ConfigError, match="sigma_scale must be positive, got 0"):
        Spectral(sigma_scale=0.0)
    with pytest.raises(ConfigError, match="num_starts must be at least 1, got 0"):
        Spectral(num_starts=0)
