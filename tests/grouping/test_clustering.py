"""K-means: known groups, the released inputs, and what must not matter."""

import numpy as np
import pytest
import torch
from numpy.testing import assert_allclose
from sklearn.metrics import adjusted_rand_score

from tests.oracle_data import cases
from utal.errors import ConfigError, DataError
from utal.grouping.clustering import KMeans, distance_to_own_centre, member_means
from utal.records import Clustering, View

ORACLE = cases("feel_reranking.npz")
CPU = torch.device("cpu")


def run(points: np.ndarray, num_clusters: int, *, seed: int = 0, num_starts: int = 10):
    views = [View(torch.from_numpy(point)) for point in points]
    return KMeans(num_starts).cluster(views, num_clusters, seed=seed, device=CPU)


def blobs(num_videos: int = 40) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    labels = np.arange(num_videos) % 4
    return 10 * np.eye(4)[labels] + rng.normal(size=(num_videos, 4)), labels


def tightness(points: np.ndarray, labels: np.ndarray) -> float:
    return float((distance_to_own_centre(points, labels) ** 2).sum())


def assert_sound(found: Clustering, num_videos: int, num_clusters: int) -> None:
    assert found.labels.shape == found.confidence.shape == (num_videos,)
    assert set(found.labels.tolist()) == set(range(num_clusters))
    assert found.confidence.max() <= 0


def test_separated_groups_are_found():
    points, labels = blobs()
    found = run(points, 4)
    assert_sound(found, 40, 4)
    assert adjusted_rand_score(labels, found.labels) == 1


def test_confidence_is_minus_the_distance_to_the_own_centre():
    points = np.array([[0.0, 0.0], [0.0, 2.0], [9.0, 0.0], [9.0, 6.0]])
    found = run(points, 2)
    assert found.labels[0] == found.labels[1] != found.labels[2] == found.labels[3]
    assert_allclose(found.confidence, [-1, -1, -3, -3])


@pytest.mark.parametrize("name", ORACLE)
def test_groups_are_as_tight_as_the_released_ones(name):
    """Random starts differ from the release, which draws them in the order of its file list."""
    case = ORACLE[name]
    points = case["descriptors"].astype(np.float64)
    found = run(points, len(case["centres"]))
    released = tightness(points, case["kmeans_labels"])
    assert tightness(points, found.labels.numpy()) <= 1.02 * released


@pytest.mark.parametrize("name", ORACLE)
def test_member_means_are_the_released_centres(name):
    case = ORACLE[name]
    present, centres = member_means(case["descriptors"].astype(np.float64), case["kmeans_labels"])
    np.testing.assert_array_equal(present, np.arange(len(case["centres"])))
    assert_allclose(centres, case["centres"], atol=1e-5)


def test_member_means_skip_empty_clusters():
    present, centres = member_means(np.array([[1.0], [3.0], [5.0]]), np.array([4, 1, 4]))
    assert present.tolist() == [1, 4]
    assert centres.tolist() == [[3.0], [3.0]]


def test_same_seed_same_result_and_inputs_untouched():
    points = np.random.default_rng(1).normal(size=(50, 6))
    before = points.copy()
    first, second = run(points, 7, seed=3), run(points, 7, seed=3)
    assert torch.equal(first.labels, second.labels)
    assert torch.equal(first.confidence, second.confidence)
    np.testing.assert_array_equal(points, before)


def test_seed_reaches_the_random_starts():
    points = np.random.default_rng(1).normal(size=(60, 6))
    found = {tuple(run(points, 7, seed=seed, num_starts=1).labels.tolist()) for seed in range(5)}
    assert len(found) > 1


def test_any_whole_number_is_a_seed():
    points, _ = blobs()
    assert_sound(run(points, 4, seed=2**40 + 1), 40, 4)


def test_order_of_videos_does_not_matter_even_without_clear_groups():
    points = np.random.default_rng(1).normal(size=(50, 6))
    shuffle = np.random.default_rng(2).permutation(50)
    straight, shuffled = run(points, 7, num_starts=1), run(points[shuffle], 7, num_starts=1)
    assert torch.equal(shuffled.labels, straight.labels[shuffle])
    assert_allclose(shuffled.confidence, straight.confidence[shuffle], atol=1e-6)


def test_as_many_videos_as_clusters():
    found = run(np.eye(3), 3)
    assert_sound(found, 3, 3)
    assert_allclose(found.confidence, 0)


def test_one_cluster():
    assert_sound(run(np.eye(3), 1), 3, 1)


@pytest.mark.parametrize(
    ("points", "num_clusters", "message"),
    [
        (np.eye(3), 5, "3 videos cannot form 5 clusters; lower --classes or add videos"),
        (np.eye(1), 2, "1 video cannot form 2 clusters"),
        (np.eye(3), 0, "number of clusters must be at least 1, got 0"),
        (np.eye(2)[[0, 0, 1, 1, 0]], 3, "5 videos have only 2 distinct descriptors"),
        (np.zeros((3, 1)), 2, "3 videos have only 1 distinct descriptor,"),
        (np.array([[0.0, 1.0], [0.0, 1.75], [-0.0, 1.0]]), 3, "only 2 distinct descriptors"),
    ],
)
def test_too_few_videos_are_explained(points, num_clusters, message):
    with pytest.raises(DataError, match=message):
        run(points, num_clusters)


def test_copies_that_differ_by_rounding_are_explained():
    points = np.concatenate([np.ones((3, 2)), np.zeros((3, 2))])
    points[0, 0] = np.nextafter(1.0, 2.0)
    with pytest.raises(DataError, match="some videos are nearly equal"):
        run(points, 3)


def test_num_starts_below_one_is_refused():
    with pytest.raises(ConfigError, match="num_starts must be at least 1, got 0"):
        KMeans(num_starts=0)
