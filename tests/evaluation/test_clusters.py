"""Purity, NMI and ARI under the three conventions, against released and independent numbers."""

import numpy as np
import pytest

from tests.oracle_data import FOLDER, cases
from utal.errors import ConfigError, DataError
from utal.evaluation.clusters import cluster_scores, label_sets, purity

METRICS = cases("mapping_metrics.npz")
FEEL = np.load(FOLDER / "mapping_metrics.npz")["feel__gt_multi_hot"]


@pytest.mark.parametrize("normaliser", ["arithmetic", "geometric"])
@pytest.mark.parametrize("name", METRICS)
def test_released_numbers(name: str, normaliser: str) -> None:
    case = METRICS[name]
    multi_hot = case.get("gt_multi_hot", FEEL)
    found = cluster_scores(case["cluster_labels"], multi_hot, normaliser=normaliser)
    expected = {
        "purity": case["purity_multilabel"],
        "purity_first": case["purity_first"],
        "purity_labelset": case["purity_labelset"],
    }
    for convention in ("first", "labelset", "expanded"):
        expected[f"nmi_{convention}"] = case[f"nmi_{convention}_{normaliser}"]
        expected[f"ari_{convention}"] = case[f"ari_{convention}"]
    for key, value in expected.items():
        assert getattr(found, key) == pytest.approx(float(value), abs=1e-9), key
    assert found.num_videos == len(multi_hot)
    assert found.num_clusters == len(np.unique(case["cluster_labels"]))
    assert found.purity == pytest.approx(float(case["released_purity"]), abs=1e-9)
    assert found.ari_labelset == pytest.approx(float(case["released_ari_labelset"]), abs=1e-9)
    if normaliser == "arithmetic":
        assert found.nmi_labelset == pytest.approx(float(case["released_nmi_labelset"]), abs=1e-9)


def test_the_convention_alone_changes_the_numbers() -> None:
    found = cluster_scores(label_sets(FEEL), FEEL)  # a perfect grouping, under label sets
    assert found.nmi_labelset == pytest.approx(1)
    assert found.ari_labelset == pytest.approx(1)
    assert (round(found.nmi_first, 3), round(found.ari_first, 3)) == (0.981, 0.947)
    assert (round(found.nmi_expanded, 3), round(found.ari_expanded, 3)) == (0.931, 0.774)


def test_numbers_of_clusters_do_not_matter() -> None:
    case = METRICS["synthetic_a"]
    labels, multi_hot = case["cluster_labels"], case["gt_multi_hot"]
    order = np.random.default_rng(0).permutation(8)
    first, second = cluster_scores(labels, multi_hot), cluster_scores(order[labels], multi_hot)
    for name in first.__dataclass_fields__:
        assert getattr(first, name) == pytest.approx(getattr(second, name), abs=1e-12), name


def test_purity_by_hand() -> None:
    labels = np.array([0, 0, 0, 2])
    multi_hot = np.array([[1, 1], [0, 1], [1, 0], [1, 0]], np.bool_)
    assert purity(labels, multi_hot) == 0.75


def test_unlabelled_videos_are_left_out() -> None:
    labels, multi_hot = np.array([0, 1, 1]), np.array([[1, 0], [0, 1], [0, 0]], np.bool_)
    found = cluster_scores(labels, multi_hot)
    assert (found.num_videos, found.num_clusters, found.purity, found.nmi_first) == (2, 2, 1, 1)


def test_one_video_and_one_cluster() -> None:
    one = cluster_scores(np.array([4]), np.array([[True]]))
    assert (one.purity, one.nmi_first, one.ari_first, one.num_clusters) == (1, 1, 1, 1)
    all_in_one = cluster_scores(np.zeros(4, np.int64), np.eye(4, dtype=np.bool_))
    assert (all_in_one.purity, all_in_one.nmi_first, all_in_one.ari_first) == (0.25, 0, 0)


@pytest.mark.usefixtures("unchecked")
def test_errors() -> None:
    with pytest.raises(DataError, match="no video has a true label"):
        cluster_scores(np.array([0]), np.array([[False]]))
    with pytest.raises(DataError, match="1 cluster labels for 2 videos"):
        cluster_scores(np.array([0]), np.ones((2, 1), np.bool_))
    with pytest.raises(DataError, match="cluster labels must lie"):
        cluster_scores(np.array([0, -1]), np.ones((2, 1), np.bool_))
    with pytest.raises(ConfigError, match="normaliser"):
        cluster_scores(np.array([0]), np.array([[True]]), normaliser="maximum")
