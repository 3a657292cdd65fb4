"""Cluster to class: released maps and detections, ties, empty clusters, suppression."""

import json
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.evaluation.test_detection import segments_of, truth_of
from tests.oracle_data import FOLDER, cases
from utal.errors import ConfigError, DataError
from utal.evaluation.detection import average_precision
from utal.evaluation.mapping import (
    Mapping,
    class_counts,
    map_by_name,
    map_clusters,
    map_segments,
    suppress_per_class,
)
from utal.records import Segments

METRICS = cases("mapping_metrics.npz")
FEEL = np.load(FOLDER / "mapping_metrics.npz")["feel__gt_multi_hot"]
MODES = {"hard": "hard_map", "soft_ge": "soft_map_ge_half", "soft_gt": "soft_map_gt_half"}


def matrix(mapping: Mapping, num_clusters: int, class_names: list[str]) -> np.ndarray:
    table = np.zeros((num_clusters, len(class_names)))
    for cluster, entry in mapping.entries.items():
        for name, weight in entry:
            table[cluster, class_names.index(name)] = weight
    return table


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("name", METRICS)
def test_released_maps(name: str, mode: str) -> None:
    case = METRICS[name]
    multi_hot = case.get("gt_multi_hot", FEEL)
    num_clusters = int(case["num_clusters"])
    class_names = [f"{index:03d}" for index in range(multi_hot.shape[1])]
    expected = case[MODES[mode]]
    if mode == "hard":
        expected = (expected[:, None] == np.arange(len(class_names))).astype(float)
    labels = case["cluster_labels"]
    mapping = map_clusters(labels, multi_hot, num_clusters, class_names, mode=mode)
    np.testing.assert_array_equal(matrix(mapping, num_clusters, class_names), expected)
    np.testing.assert_array_equal(class_counts(labels, multi_hot, num_clusters), case["counts"])


def test_released_soft_map_file() -> None:
    for name, case in METRICS.items():
        if "released_soft_map_file" in case:
            names = [f"{index:03d}" for index in range(20)]
            mapping = map_clusters(case["cluster_labels"], FEEL, 20, names)
            np.testing.assert_array_equal(
                matrix(mapping, 20, names), case["released_soft_map_file"], err_msg=name
            )


def test_by_hand() -> None:
    labels = np.array([0, 0, 0, 0, 2, 3])
    multi_hot = np.array(
        [[1, 0, 0], [1, 1, 0], [1, 1, 0], [1, 0, 1], [0, 1, 1], [0, 0, 0]], np.bool_
    )
    found = {
        mode: map_clusters(labels, multi_hot, 4, "abc", mode=mode, secondary_weight=0.25).entries
        for mode in MODES
    }
    # cluster 0 counts 4, 2, 1; cluster 1 is empty; cluster 2 is tied; cluster 3 has no labels
    assert found["hard"] == {0: (("a", 1.0),), 2: (("b", 1.0),)}
    assert found["soft_ge"] == {0: (("a", 1.0), ("b", 0.25)), 2: (("b", 1.0), ("c", 1.0))}
    assert found["soft_gt"] == {0: (("a", 1.0),), 2: (("b", 1.0), ("c", 1.0))}


def example() -> tuple[Segments, Mapping, list[str], dict]:
    part = json.loads((FOLDER / "detection_example.json").read_text())["soft_mapping"]
    names = tuple(part["cluster_detections"])
    rows = [
        (names.index(name), d["cluster"], *d["segment"], d["score"])
        for name, detections in part["cluster_detections"].items()
        for d in detections
    ]
    segments = replace(segments_of(rows, len(names)), names=names)
    entries = {
        int(cluster): tuple((name, weight) for name, weight in entry)
        for cluster, entry in part["soft_map"].items()
    }
    classes = sorted({name for entry in entries.values() for name, _ in entry})
    return segments, Mapping(entries), classes, part["mapped_detections"]


def test_released_detections() -> None:
    segments, mapping, classes, expected = example()
    mapped = map_segments(segments, mapping, classes)
    found: dict[str, list] = {name: [] for name in segments.names}
    for video, label, start, end, score in zip(*mapped.columns(), strict=True):
        found[segments.names[video]].append(
            {"label": classes[label], "score": score, "segment": [start, end]}
        )
    assert found == expected


def test_classes_that_the_truth_does_not_have_are_passed_over() -> None:
    segments, mapping, _, expected = example()
    mapped = map_segments(segments, mapping, ["GolfSwing"])
    golf = [d["score"] for part in expected.values() for d in part if d["label"] == "GolfSwing"]
    assert mapped.score.tolist() == golf
    assert len(map_segments(segments, Mapping({}), ["GolfSwing"])) == 0
    assert len(map_segments(segments_of([]), mapping, ["GolfSwing"])) == 0


@given(st.data(), st.sampled_from(sorted(MODES)))
@settings(max_examples=50, deadline=None, derandomize=True)
def test_the_numbers_of_clusters_do_not_matter(data: st.DataObject, mode: str) -> None:
    rng = np.random.default_rng(data.draw(st.integers(0, 10**6)))
    num_clusters = data.draw(st.integers(1, 6))
    truth = truth_of(
        [(v, c, 5 * i, 5 * i + 4) for i, (v, c) in enumerate(rng.integers(0, 3, (9, 2)))]
    )
    rows = [
        (v, k, s, s + 4, q) for v, k, s, q in rng.integers(0, (3, num_clusters, 40, 5), (60, 4))
    ]
    segments, labels = segments_of(rows), rng.integers(0, num_clusters, 3)

    def table(order: np.ndarray) -> np.ndarray:
        mapping = map_clusters(
            order[labels], truth.video_labels(), num_clusters, truth.class_names, mode=mode
        )
        renamed = replace(segments, cluster=order[segments.cluster])
        mapped = map_segments(renamed, mapping, truth.class_names)
        mapped = suppress_per_class(mapped, threshold=0.6)
        return average_precision(mapped, truth, [0.1, 0.5]).table

    np.testing.assert_array_equal(
        table(np.arange(num_clusters)), table(rng.permutation(num_clusters))
    )


def test_suppression_merges_what_two_clusters_found() -> None:
    rows = [
        (0, 0, 0, 10, 0.5),  # the same as the third, and worse
        (0, 1, 0, 10, 0.4),  # another class
        (0, 0, 0, 10, 0.6),
        (1, 0, 0, 10, 0.1),  # another video
        (0, 0, 8, 18, 0.1),  # overlaps little
    ]
    kept = suppress_per_class(segments_of(rows), threshold=0.5)
    assert kept.score.tolist() == [0.4, 0.6, 0.1, 0.1]
    assert kept.names == ("v0", "v1", "v2")
    assert len(suppress_per_class(segments_of([]), threshold=0.5)) == 0


def test_suppression_with_the_released_arithmetic() -> None:
    rows = [(0, 0, 0.0, 0.5, 1.0), (0, 0, 0.5, 1.0, 0.5)]  # touch; "+1" makes them overlap by half
    assert len(suppress_per_class(segments_of(rows), threshold=0.5)) == 2
    assert len(suppress_per_class(segments_of(rows), threshold=0.5, plus_one=True)) == 1


def test_mapping_by_name() -> None:
    segments = segments_of([(0, 2, 0, 1, 1), (0, 0, 0, 1, 1)])
    mapping = map_by_name(segments, ["jump", "unused", "run"], ["jump", "run"])
    assert mapping.entries == {0: (("jump", 1.0),), 2: (("run", 1.0),)}
    with pytest.raises(DataError, match="'unknown' is not one of the 2 classes"):
        map_by_name(segments, ["jump", "run", "unknown"], ["jump", "run"])


@pytest.mark.usefixtures("unchecked")
@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        ({"mode": "soft"}, ConfigError, "hard, soft_ge, soft_gt"),
        ({"secondary_weight": 0.0}, ConfigError, "secondary_weight"),
        ({"labels": np.array([0, 1])}, DataError, "2 cluster labels for 3 videos"),
        ({"labels": np.array([0, 1, 2])}, DataError, r"0\.\.\.1, found 0\.\.\.2"),
        ({"labels": np.array([0, -1, 1])}, DataError, r"found -1\.\.\.1"),
    ],
)
def test_errors(change: dict, error: type[Exception], message: str) -> None:
    given_arguments = {
        "labels": np.array([0, 1, 1]),
        "multi_hot": np.ones((3, 2), np.bool_),
        "num_clusters": 2,
        "class_names": ["a", "b"],
    }
    with pytest.raises(error, match=message):
        map_clusters(**{**given_arguments, **change})


def test_negative_cluster() -> None:
    with pytest.raises(DataError, match="found -1"):
        map_segments(segments_of([(0, -1, 0, 1, 1)]), Mapping({}), ["a"])
