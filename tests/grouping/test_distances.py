"""Squared distances and neighbour lists: exact zeros, ties, blocks."""

import numpy as np
import pytest
from numpy.testing import assert_allclose

from utal.grouping import distances
from utal.grouping.distances import find_neighbours, squared_distances


@pytest.fixture
def points() -> np.ndarray:
    return np.random.default_rng(0).normal(size=(30, 50))


def test_squared_distances_to_eleven_digits(points):
    expected = ((points[:, None] - points) ** 2).sum(axis=2)
    assert_allclose(squared_distances(points, points), expected, rtol=1e-11)


def test_copies_are_at_distance_exactly_zero(points):
    copies = np.concatenate([points, points[:7]])
    squared = squared_distances(copies, points)
    assert (squared[np.arange(37), np.arange(37) % 30] == 0).all()
    assert (squared == 0).sum() == 37


def test_a_mean_of_two_is_exactly_as_far_from_both(points):
    means = (points[:15] + points[15:]) / 2
    squared = squared_distances(means, points)
    first = squared[np.arange(15), np.arange(15)]
    np.testing.assert_array_equal(first, squared[np.arange(15), np.arange(15, 30)])


def test_lists_by_hand():
    near = find_neighbours(np.array([[0.0], [1.0], [0.0], [3.0], [-1.0]]), 3)
    # Itself first, then by distance; at equal distance the smaller number.
    assert near.order.tolist() == [[0, 2, 1], [1, 0, 2], [2, 0, 1], [3, 1, 0], [4, 0, 2]]
    assert near.squared.tolist() == [[0, 0, 1], [0, 1, 1], [0, 0, 1], [0, 4, 9], [0, 1, 1]]
    assert near.back.tolist() == [[0, 1, 1], [0, 2, 2], [0, 1, 2], [0, 3, 3], [0, 3, 3]]
    assert near.farthest.tolist() == [9, 4, 9, 16, 16]


def test_lists_reach_no_further_than_the_videos():
    near = find_neighbours(np.array([[0.0], [2.0]]), 21)
    assert near.order.tolist() == [[0, 1], [1, 0]]


def test_blocks_do_not_change_the_lists(points, monkeypatch):
    whole = find_neighbours(points, 6)
    monkeypatch.setattr(distances, "BLOCK_BYTES", 1)  # one row at a time
    for name in ("order", "squared", "back", "farthest"):
        np.testing.assert_array_equal(
            getattr(find_neighbours(points, 6), name), getattr(whole, name)
        )
