"""Re-ranking against the released numbers and against a plain full re-ranking."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose

from tests.oracle_data import cases
from tests.reference.reranking import rerank_one
from utal.errors import ConfigError, DataError
from utal.grouping import distances, neighbourhoods
from utal.grouping.clustering import member_means
from utal.grouping.refining import Keep, ReciprocalJaccard, distance_parts, reranked_distances
from utal.records import Clustering, View

ORACLE = cases("feel_reranking.npz")


def views(points: np.ndarray) -> list[View]:
    return [View(torch.from_numpy(point)) for point in points]


def clustering(labels: np.ndarray) -> Clustering:
    return Clustering(torch.from_numpy(labels), torch.zeros(len(labels)))


def blobs(seed: int, num_videos: int, num_clusters: int, spread: float) -> tuple:
    """Points around random centres, each cluster with at least one, and their clusters."""
    rng = np.random.default_rng(seed)
    labels = rng.permutation(np.arange(num_videos) % num_clusters)
    middles = rng.normal(size=(num_clusters, 8))
    return middles[labels] + spread * rng.normal(size=(num_videos, 8)), labels


# Released numbers ----------------------------------------------------------------------------


@pytest.mark.parametrize("name", ORACLE)
def test_distances_are_those_of_the_released_code_in_double_precision(name):
    case = ORACLE[name]
    jaccard, euclid = distance_parts(case["descriptors"], case["centres"], expansion_strict=True)
    assert_allclose(jaccard, case["jaccard_reference"], atol=1e-9)
    assert_allclose(euclid, case["euclid_normalised_reference"], atol=1e-9)
    distance = reranked_distances(case["descriptors"], case["centres"], expansion_strict=True)
    assert_allclose(distance, case["distance_reference"], atol=1e-9)
    assert_allclose(distance, case["distance_released"], atol=5e-3)  # its weights have 16 bits


@pytest.mark.parametrize("name", ORACLE)
def test_distances_with_the_papers_comparison(name):
    case = ORACLE[name]
    distance = reranked_distances(case["descriptors"], case["centres"])
    assert_allclose(distance, case["distance_reference_ge"], atol=1e-9)


@pytest.mark.parametrize("name", ORACLE)
def test_refined_labels_and_confidence_are_the_released_ones(name):
    case = ORACLE[name]
    start = clustering(case["kmeans_labels"])
    num_clusters = len(case["centres"])
    refined = ReciprocalJaccard(expansion_strict=True).refine(
        views(case["descriptors"]), start, num_clusters
    )
    np.testing.assert_array_equal(refined.labels, case["labels_released"])
    assert_allclose(refined.confidence, case["confidence_reference"], atol=1e-6)
    assert_allclose(refined.confidence, case["confidence_released"], atol=5e-3)
    sizes = np.bincount(refined.labels, minlength=num_clusters)
    np.testing.assert_array_equal(sizes, case["counts_per_cluster_released"])


@pytest.mark.parametrize("name", ORACLE)
def test_neighbour_sets_of_a_centre_are_the_released_ones(name):
    case = ORACLE[name]
    points = case["descriptors"].astype(np.float64)
    centre = case["centres"][0].astype(np.float64)
    squared = distances.squared_distances(centre[None], points)[0]
    near = distances.find_neighbours(points, 21)
    at = neighbourhoods.insert(near, neighbourhoods.usual_distances(near, 20), squared)
    large = neighbourhoods.mutual_neighbours(at, 21)
    small = neighbourhoods.mutual_neighbours(at, 11)
    sets = neighbourhoods.expanded(large[[-1]], small, strict=True)
    assert released_numbers(large[[-1]]) == set(case["centre0_reciprocal"].tolist())
    assert released_numbers(sets) == set(case["centre0_expanded"].tolist())
    code = neighbourhoods.encodings(at, np.array([len(points)]), sets).toarray()[0]
    assert_allclose(np.roll(code, 1), case["centre0_encoding_row0_before_expansion"], atol=1e-10)


def released_numbers(row) -> set[int]:
    """There the centre is number 0; here it is the last."""
    return {(int(column) + 1) % row.shape[1] for column in row.indices}


# Full re-ranking -----------------------------------------------------------------------------


@settings(max_examples=150, deadline=None, derandomize=True)
@given(data=st.data())
def test_equals_full_reranking_with_ties_and_duplicates(data):
    """Small whole numbers: distances are exact, so that ties and copies are real ones."""
    num_videos = data.draw(st.integers(1, 26))
    num_clusters = data.draw(st.integers(1, 3))
    coordinate = st.integers(0, data.draw(st.sampled_from([1, 3, 12])))
    rows = st.lists(st.tuples(coordinate, coordinate), min_size=num_videos, max_size=num_videos)
    points = np.array(data.draw(rows), np.float64)
    rows = st.lists(st.tuples(coordinate, coordinate), min_size=num_clusters, max_size=num_clusters)
    centres = np.array(data.draw(rows), np.float64)
    check_against_full_reranking(
        points,
        centres,
        num_reciprocal=data.draw(st.integers(1, 24)),
        num_expansion=data.draw(st.integers(1, 8)),
        strict=data.draw(st.booleans()),
    )


@settings(max_examples=50, deadline=None, derandomize=True)
@given(
    seed=st.integers(0, 2**32 - 1),
    num_videos=st.integers(4, 45),
    num_reciprocal=st.integers(1, 12),
    num_expansion=st.integers(1, 6),
    spread=st.sampled_from([0.1, 0.5, 2.0]),
    strict=st.booleans(),
)
def test_equals_full_reranking_on_blobs(
    seed, num_videos, num_reciprocal, num_expansion, spread, strict
):
    points, labels = blobs(seed, num_videos, 4, spread)
    _, centres = member_means(points, labels)
    check_against_full_reranking(
        points,
        centres[:2],
        num_reciprocal=num_reciprocal,
        num_expansion=num_expansion,
        strict=strict,
    )


def test_equals_full_reranking_where_the_centre_is_farther_than_any_video():
    points, _ = blobs(0, 40, 4, 0.5)
    check_against_full_reranking(
        points, points[:1] + 100, num_reciprocal=8, num_expansion=3, strict=False
    )


def test_equals_full_reranking_with_more_copies_than_neighbours():
    points = np.repeat(np.array([[0.0, 0.0], [1.0, 0.0], [7.0, 1.0]]), [14, 2, 9], axis=0)
    centres = np.array([[0.0, 0.0], [7.0, 1.0], [3.0, 3.0]])
    check_against_full_reranking(points, centres, num_reciprocal=5, num_expansion=4, strict=False)


def test_equals_full_reranking_in_several_blocks(monkeypatch):
    monkeypatch.setattr(distances, "BLOCK_BYTES", 3 * 8 * 33)
    points, labels = blobs(1, 33, 4, 0.7)
    _, centres = member_means(points, labels)
    check_against_full_reranking(points, centres, num_reciprocal=8, num_expansion=3, strict=False)


@pytest.mark.parametrize("num_videos", [1, 2, 3])
def test_very_few_videos(num_videos):
    points = np.arange(num_videos, dtype=np.float64)[:, None]
    check_against_full_reranking(points, points, num_reciprocal=20, num_expansion=6, strict=False)


def test_equal_videos_have_distance_zero():
    distance = reranked_distances(np.full((20, 3), 0.1), np.full((1, 3), 0.1))
    assert distance == pytest.approx(0)
    assert distance.min() >= 0


def check_against_full_reranking(points, centres, *, num_reciprocal, num_expansion, strict):
    jaccard, euclid = distance_parts(
        points,
        centres,
        num_reciprocal=num_reciprocal,
        num_expansion=num_expansion,
        expansion_strict=strict,
    )
    for row, centre in enumerate(centres):
        expected = rerank_one(points, centre, num_reciprocal, num_expansion, strict)
        assert_allclose(jaccard[row], expected.jaccard, atol=1e-10)
        assert_allclose(euclid[row], expected.euclid, atol=1e-10)


# Properties ----------------------------------------------------------------------------------


def test_separated_blobs_are_near_inside_and_share_nothing_outside():
    points, labels = blobs(0, 90, 3, 0.01)
    _, centres = member_means(points, labels)
    jaccard, _ = distance_parts(points, centres)
    inside = labels == np.arange(3)[:, None]
    assert jaccard[~inside].min() == 1
    assert jaccard[inside].mean() < 0.5


def test_an_outlier_goes_back_to_the_group_whose_neighbours_it_shares():
    """Two clumps make one group; the last video of the second lies nearer to the foreign centre."""
    rng = np.random.default_rng(0)
    middles = np.repeat([[0.0, 0.0], [5.0, 0.0], [8.0, 0.0]], [8, 14, 25], axis=0)
    points = middles + 0.05 * rng.normal(size=middles.shape)
    points[21] = [5.6, 0.0]
    truth = np.repeat([0, 1], [22, 25])
    labels = truth.copy()
    labels[21] = 1
    _, centres = member_means(points, labels)
    assert np.linalg.norm(points[21] - centres, axis=1).argmin() == 1
    refined = ReciprocalJaccard().refine(views(points), clustering(labels), 2)
    np.testing.assert_array_equal(refined.labels, truth)


def test_order_of_videos_does_not_matter():
    points, labels = blobs(3, 60, 4, 0.7)
    shuffle = np.random.default_rng(0).permutation(60)
    part = ReciprocalJaccard(num_reciprocal=8, num_expansion=3)
    straight = part.refine(views(points), clustering(labels), 4)
    shuffled = part.refine(views(points[shuffle]), clustering(labels[shuffle]), 4)
    np.testing.assert_array_equal(shuffled.labels, straight.labels[shuffle])
    assert_allclose(shuffled.confidence, straight.confidence[shuffle], atol=1e-6)


def test_numbers_of_clusters_do_not_matter():
    points, labels = blobs(3, 60, 4, 0.7)
    renamed = np.array([2, 0, 3, 1])
    part = ReciprocalJaccard()
    straight = part.refine(views(points), clustering(labels), 4)
    other = part.refine(views(points), clustering(renamed[labels]), 4)
    np.testing.assert_array_equal(other.labels, renamed[straight.labels])


def test_inputs_stay_untouched_and_results_repeat():
    points, labels = blobs(3, 60, 4, 0.7)
    given_views, start = views(points.copy()), clustering(labels.copy())
    first = ReciprocalJaccard().refine(given_views, start, 4)
    second = ReciprocalJaccard().refine(given_views, start, 4)
    assert torch.equal(first.labels, second.labels)
    assert torch.equal(first.confidence, second.confidence)
    np.testing.assert_array_equal(start.labels, labels)
    np.testing.assert_array_equal(np.stack([view.vector for view in given_views]), points)


def test_an_empty_cluster_wins_no_video():
    points, labels = blobs(3, 40, 3, 0.7)
    refined = ReciprocalJaccard().refine(views(points), clustering(labels * 2), 6)
    assert set(refined.labels.tolist()) <= {0, 2, 4}


def test_jaccard_weight_mixes_the_parts():
    points, labels = blobs(3, 40, 3, 0.7)
    _, centres = member_means(points, labels)
    jaccard, euclid = distance_parts(points, centres)
    assert_allclose(reranked_distances(points, centres, jaccard_weight=1.0), jaccard)
    assert_allclose(reranked_distances(points, centres, jaccard_weight=0.0), euclid)


def test_distances_lie_between_0_and_1():
    points, labels = blobs(5, 50, 5, 1.5)
    distance = reranked_distances(points, member_means(points, labels)[1])
    assert distance.min() >= 0
    assert distance.max() <= 1 + 1e-12


def test_keep_keeps():
    start = clustering(np.array([0, 1]))
    assert Keep().refine(views(np.eye(2)), start, 2) is start


@pytest.mark.parametrize(
    ("field", "value"), [("num_reciprocal", 0), ("num_expansion", 0), ("jaccard_weight", 1.5)]
)
def test_settings_out_of_range_are_named(field, value):
    with pytest.raises(ConfigError, match=f"{field} must .* got {value}"):
        ReciprocalJaccard(**{field: value})


def test_a_descriptor_that_is_not_finite_is_named():
    points = np.eye(3)
    points[1, 1] = np.nan
    with pytest.raises(DataError, match="video number 1 holds NaN"):
        ReciprocalJaccard().refine(views(points), clustering(np.array([0, 1, 1])), 2)
