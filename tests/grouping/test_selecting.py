"""Shares and selections: the released numbers, hand-computed counts, properties."""

from itertools import pairwise

import numpy as np
import pytest
import torch
from numpy.testing import assert_allclose

from tests.oracle_data import FOLDER, cases
from utal.errors import ConfigError
from utal.grouping.selecting import (
    ConstantSpeed,
    TakeAll,
    VariableSpeed,
    constant_share,
    surest,
    variable_share,
)
from utal.records import Clustering

ORACLE = cases("feel_reranking.npz")
ROUNDS = (4, 5, 6, 10, 15, 20)
PARTS = [TakeAll(), ConstantSpeed(), VariableSpeed(), VariableSpeed(rate=0.7)]


def clustering(labels: list[int], confidence: list[float]) -> Clustering:
    return Clustering(torch.tensor(labels), torch.tensor(confidence, dtype=torch.float64))


def random_clustering(seed: int = 0) -> Clustering:
    rng = np.random.default_rng(seed)
    return clustering(rng.integers(0, 5, 60).tolist(), rng.normal(size=60).tolist())


@pytest.mark.parametrize("num_rounds", ROUNDS)
def test_shares_are_the_released_ones(num_rounds):
    with np.load(FOLDER / "feel_reranking.npz", allow_pickle=False) as data:
        shares = [constant_share(index, num_rounds) for index in range(num_rounds)]
        assert_allclose(shares, data[f"beta_constant_{num_rounds}"], rtol=1e-12)
        for rate in (1.03, 1.05):
            shares = [variable_share(index, num_rounds, rate) for index in range(num_rounds)]
            name = f"beta_variable_{num_rounds}_mu{round(100 * rate)}"
            assert_allclose(shares, data[name], rtol=1e-9)


@pytest.mark.parametrize("rate", [0.7, 1.05, 2.0])
def test_variable_shares_grow_to_exactly_one(rate):
    shares = [variable_share(index, 10, rate) for index in range(10)]
    assert shares == sorted(shares)
    assert shares[-1] == 1
    assert (shares[0] < 0.1) == (rate > 1)  # slower than constant speed above 1, faster below


@pytest.mark.parametrize("name", ORACLE)
@pytest.mark.parametrize("percent", [10, 25, 50, 75, 100])
def test_selection_is_the_released_one(name, percent):
    case = ORACLE[name]
    for variant, labels, confidence in (
        ("ccirate", case["labels_reference"], case["confidence_reference"]),
        ("kmeansrate", case["kmeans_labels"], kmeans_confidence(case)),
    ):
        given = clustering(labels.tolist(), confidence.tolist())
        kept = surest(given, len(case["centres"]), percent / 100, 0).numpy()
        expected = case[f"{variant}{percent:03d}__selected_reference"]
        # Both videos of a cluster of two are equally far from its centre: either may be kept.
        swapped = np.setxor1d(kept, expected)
        assert (np.bincount(labels)[labels[swapped]] == 2).all()
        np.testing.assert_array_equal(np.bincount(labels[kept]), np.bincount(labels[expected]))


def kmeans_confidence(case: dict[str, np.ndarray]) -> np.ndarray:
    own = case["centres"][case["kmeans_labels"]].astype(np.float64)
    return -np.linalg.norm(case["descriptors"] - own, axis=1)


def test_surest_by_hand():
    given = clustering([0, 1, 0, 0, 3, 0, 1], [0.1, 0.5, 0.9, 0.3, 0.0, 0.2, 0.6])
    assert surest(given, 4, 0.5, 0).tolist() == [2, 3, 6]  # 2 of 4, 1 of 2, 0 of 1 (halves to even)
    assert surest(given, 4, 0.5, 1).tolist() == [2, 3, 4, 6]
    assert surest(given, 4, 0.0, 3).tolist() == [1, 2, 3, 4, 5, 6]
    assert surest(given, 4, 1.0, 0).tolist() == list(range(7))


def test_halves_are_rounded_to_even():
    for size, expected in ((1, 0), (2, 1), (3, 2), (5, 2), (7, 4)):
        given = clustering([0] * size, [0.0] * size)
        assert len(surest(given, 1, 0.5, 0)) == expected


def test_of_equally_sure_videos_the_first_are_kept():
    given = clustering([0] * 6, [0.0, 1.0, 0.0, 1.0, 1.0, 0.0])
    assert surest(given, 1, 0.5, 0).tolist() == [1, 3, 4]
    assert surest(given, 1, 2 / 3, 0).tolist() == [0, 1, 3, 4]


@pytest.mark.parametrize("part", PARTS)
@pytest.mark.parametrize("index", [0, 3])
def test_pseudo_labels_are_sound(part, index):
    given = random_clustering()
    chosen = part.select(given, 6, index, 4)
    assert chosen.videos.tolist() == sorted(set(chosen.videos.tolist()))
    assert chosen.targets.shape == (len(chosen.videos), 6)
    assert chosen.targets.dtype == chosen.weights.dtype == torch.float32
    assert torch.equal(chosen.targets.argmax(dim=1), given.labels[chosen.videos])
    assert torch.equal(chosen.targets.sum(dim=1), chosen.weights)
    assert torch.equal(chosen.weights, torch.ones(len(chosen.videos)))


@pytest.mark.parametrize("part", PARTS)
def test_the_last_round_takes_everything(part):
    assert part.select(random_clustering(), 5, 3, 4).videos.tolist() == list(range(60))


@pytest.mark.parametrize("part", PARTS)
def test_selections_grow(part):
    kept = [
        set(part.select(random_clustering(), 5, index, 6).videos.tolist()) for index in range(6)
    ]
    assert all(early <= late for early, late in pairwise(kept))


@pytest.mark.parametrize("part", PARTS)
def test_order_of_videos_does_not_matter(part):
    given = random_clustering()
    shuffle = torch.from_numpy(np.random.default_rng(1).permutation(60))
    shuffled = Clustering(given.labels[shuffle], given.confidence[shuffle])
    straight = part.select(given, 5, 1, 6).videos
    assert set(shuffle[part.select(shuffled, 5, 1, 6).videos].tolist()) == set(straight.tolist())


@pytest.mark.parametrize("part", PARTS)
def test_inputs_stay_untouched(part):
    given = random_clustering()
    labels, confidence = given.labels.clone(), given.confidence.clone()
    part.select(given, 5, 1, 6)
    assert torch.equal(given.labels, labels)
    assert torch.equal(given.confidence, confidence)


def test_every_cluster_keeps_a_video_by_default_but_not_in_the_released_way():
    given = clustering([0] * 10 + [1], [0.0] * 11)
    assert ConstantSpeed().select(given, 2, 0, 10).videos.tolist() == [0, 10]
    assert ConstantSpeed(min_per_cluster=0).select(given, 2, 0, 10).videos.tolist() == [0]


def test_a_round_without_videos_is_explained():
    given = clustering([0, 1], [0.0, 0.0])
    with pytest.raises(ConfigError, match=r"0\.100 keeps none of 2 videos; set min_per_cluster"):
        ConstantSpeed(min_per_cluster=0).select(given, 2, 0, 10)


@pytest.mark.parametrize("rate", [0.0, 1.0, -1.0, 2.1, float("nan")])
def test_rate_out_of_range_is_refused(rate):
    with pytest.raises(ConfigError, match=r"rate must lie in \(0, 2\]"):
        VariableSpeed(rate=rate)


@pytest.mark.parametrize("part", [ConstantSpeed, VariableSpeed])
def test_negative_minimum_is_refused(part):
    with pytest.raises(ConfigError, match="min_per_cluster must be at least 0, got -1"):
        part(min_per_cluster=-1)


@pytest.mark.parametrize("index", [-1, 4])
def test_a_round_outside_the_plan_is_refused(index):
    with pytest.raises(ValueError, match="is not one of 4 rounds"):
        constant_share(index, 4)
