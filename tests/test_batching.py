"""Batches: who is in them, and what happens to small clusters."""

from collections.abc import Iterator

import numpy as np
import pytest

from utal.batching import Batching, Grouped, PairsAndRandom, Shuffled
from utal.errors import ConfigError


def targets_of(*sizes: int) -> np.ndarray:
    return np.eye(len(sizes), dtype=np.float32)[np.repeat(np.arange(len(sizes)), sizes)]


def some(
    part: Batching, targets: np.ndarray, size: int, count: int = 50, seed: int = 0
) -> Iterator[np.ndarray]:
    supply = part.batches(targets, size, np.random.default_rng(seed))
    return (next(supply) for _ in range(count))


def test_shuffled_sees_every_video_once_per_pass() -> None:
    first, second, third, *_ = some(Shuffled(), targets_of(4, 3), 3)
    assert sorted(np.concatenate([first, second, third])) == list(range(7))
    assert len(third) == 1


def test_grouped_holds_distinct_videos_of_distinct_clusters() -> None:
    targets = targets_of(5, 4, 3, 6)
    clusters = targets.argmax(axis=1)
    for rows in some(Grouped(2), targets, 6):
        assert len(rows) == 6
        pairs = clusters[rows].reshape(3, 2)
        assert (pairs[:, 0] == pairs[:, 1]).all()
        assert len(set(pairs[:, 0])) == 3
        assert len(set(rows.tolist())) == 6


def test_grouped_repeats_lone_videos_and_shrinks() -> None:
    for rows in some(Grouped(3), targets_of(1, 0, 2), 24):
        assert sorted(rows.tolist()) in ([0, 0, 0, 1, 1, 2], [0, 0, 0, 1, 2, 2])


def test_pairs_share_a_label_and_the_rest_is_random() -> None:
    targets = targets_of(8, 5, 1)
    clusters = targets.argmax(axis=1)
    seen = set()
    for rows in some(PairsAndRandom(0.5), targets, 8):
        assert len(rows) == 8
        pairs = rows[:4].reshape(2, 2)
        assert (clusters[pairs[:, 0]] == clusters[pairs[:, 1]]).all()
        alone = clusters[pairs[:, 0]] == 2
        assert ((pairs[:, 0] == pairs[:, 1]) == alone).all()
        seen |= set(rows.tolist())
    assert seen == set(range(14))


def test_a_video_of_two_labels_is_in_both_groups() -> None:
    targets = np.array([[1, 1], [1, 0], [0, 1]], np.float32)
    partners = {tuple(sorted(rows.tolist())) for rows in some(PairsAndRandom(1.0), targets, 2)}
    assert partners == {(0, 1), (0, 2)}


@pytest.mark.parametrize("part", [Shuffled(), Grouped(), PairsAndRandom()], ids=repr)
def test_seed_decides(part: Batching) -> None:
    targets = targets_of(6, 6, 6)
    one, same, other = (list(some(part, targets, 4, seed=seed)) for seed in (1, 1, 2))
    assert all(np.array_equal(a, b) for a, b in zip(one, same, strict=True))
    assert not all(np.array_equal(a, b) for a, b in zip(one, other, strict=True))


def test_settings_are_checked() -> None:
    with pytest.raises(ConfigError, match=r"pair_share must lie in \[0, 1\], got 2"):
        PairsAndRandom(2.0)
    with pytest.raises(ConfigError, match="videos_per_cluster must be at least 1, got 0"):
        Grouped(0)
