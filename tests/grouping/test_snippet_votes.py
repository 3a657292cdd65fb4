"""Snippet votes: by hand, on planted groups, and what must not matter."""

import numpy as np
import pytest
import torch
from sklearn.metrics import adjusted_rand_score

from utal.errors import ConfigError, DataError
from utal.grouping.snippet_votes import SnippetVotes
from utal.records import View

CPU = torch.device("cpu")
PART = SnippetVotes(num_starts=3)


def view(snippets: np.ndarray) -> View:
    table = torch.tensor(np.asarray(snippets, np.float32))
    return View(table.mean(0), snippets=table)


def run(videos: list[np.ndarray], num_clusters: int, *, part: SnippetVotes = PART, seed: int = 0):
    return part.cluster([view(each) for each in videos], num_clusters, seed=seed, device=CPU)


def planted(num_videos: int = 18, *, share: float = 0.7) -> tuple[list[np.ndarray], np.ndarray]:
    """Videos of one of three actions; the other snippets are of any action."""
    rng = np.random.default_rng(0)
    labels = np.arange(num_videos) % 3
    videos = []
    for label in labels:
        own = np.where(rng.random(12) < share, label, rng.integers(3, size=12))
        videos.append(8 * np.eye(3)[own] + rng.normal(size=(12, 3)))
    return videos, labels


def test_majority_and_share_by_hand() -> None:
    near, far = [0.0, 0.0], [9.0, 9.0]
    found = run(
        [
            np.array([near, near, far]),
            np.array([far, far, far, near]),
            np.array([far]),
            np.array([near] * 3 + [far] * 2),
        ],
        2,
    )
    first, second = found.labels[0].item(), found.labels[1].item()
    assert found.labels.tolist() == [first, second, second, first]
    assert {first, second} == {0, 1}
    torch.testing.assert_close(found.confidence, torch.tensor([2 / 3, 3 / 4, 1, 3 / 5]))


def test_equal_votes_go_to_the_lower_cluster() -> None:
    found = run([np.array([[0.0], [9.0]]), np.array([[9.0], [0.0]])], 2)
    assert found.labels.tolist() == [0, 0]
    assert found.confidence.tolist() == [0.5, 0.5]


@pytest.mark.parametrize("part", [PART, SnippetVotes(num_starts=3, mini_batch_above=10)])
def test_planted_groups_are_found(part: SnippetVotes) -> None:
    videos, labels = planted()
    found = run(videos, 3, part=part)
    assert adjusted_rand_score(labels, found.labels) == 1
    assert (found.confidence > 1 / 3).all()


@pytest.mark.parametrize("part", [PART, SnippetVotes(num_starts=1, mini_batch_above=10)])
def test_order_of_videos_and_of_snippets_does_not_matter(part: SnippetVotes) -> None:
    rng = np.random.default_rng(1)
    videos = [rng.normal(size=(n, 4)) for n in rng.integers(3, 9, size=20)]
    before = [each.copy() for each in videos]
    shuffle = rng.permutation(20)
    straight = run(videos, 5, part=part)
    shuffled = run([videos[i][::-1] for i in shuffle], 5, part=part)
    assert torch.equal(shuffled.labels, straight.labels[shuffle])
    assert torch.equal(shuffled.confidence, straight.confidence[shuffle])
    assert all(np.array_equal(a, b) for a, b in zip(videos, before, strict=True))
    assert 0 <= straight.labels.min() <= straight.labels.max() < 5


def test_seed_decides() -> None:
    rng = np.random.default_rng(2)
    videos = [rng.normal(size=(5, 4)) for _ in range(30)]
    part = SnippetVotes(num_starts=1)
    found = [tuple(run(videos, 6, part=part, seed=seed).labels.tolist()) for seed in range(5)]
    assert found[0] == tuple(run(videos, 6, part=part, seed=0).labels.tolist())
    assert len(set(found)) > 1


def test_a_cluster_that_wins_nowhere_stays_empty() -> None:
    """Every video is mostly rest; the third cluster holds single snippets."""
    rest, other = np.zeros((4, 2)), np.array([[9.0, 0.0]])
    found = run([np.concatenate([rest, other]), np.concatenate([rest, other[:, ::-1]])], 3)
    assert len(set(found.labels.tolist())) == 1


@pytest.mark.parametrize(
    ("videos", "num_clusters", "message"),
    [
        ([], 2, "there are no videos"),
        ([np.eye(2)], 3, "2 snippets cannot form 3 clusters"),
        ([np.eye(2)[[0, 0, 1]], np.eye(2)], 3, "5 snippets have only 2 distinct descriptors"),
        ([np.eye(2), np.eye(3)], 2, r"different widths: \[2, 3\]"),
        ([np.eye(2), np.array([[1.0, 0.0], [np.nan, 0.0]])], 2, "video number 1 holds NaN"),
    ],
)
def test_snippets_that_cannot_be_grouped_are_explained(videos, num_clusters, message) -> None:
    with pytest.raises(DataError, match=message):
        run(videos, num_clusters)


def test_a_describer_without_snippets_is_named() -> None:
    with pytest.raises(ConfigError, match="set describer=TopSnippets"):
        PART.cluster([View(torch.ones(3))], 1, seed=0, device=CPU)


@pytest.mark.parametrize(
    ("setting", "message"),
    [
        ({"num_starts": 0}, "num_starts must be at least 1, got 0"),
        ({"mini_batch_above": -1}, "mini_batch_above must be at least 0, got -1"),
    ],
)
def test_settings_out_of_range_are_refused(setting: dict[str, int], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        SnippetVotes(**setting)
