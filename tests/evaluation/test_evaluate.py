"""The whole way from detections of clusters to a number, and what is said about it."""

from dataclasses import replace

import numpy as np
import pytest

from tests.evaluation.test_detection import segments_of, truth_of
from utal.errors import ConfigError, DataError
from utal.evaluation.clusters import cluster_scores
from utal.evaluation.evaluate import ACTIVITYNET, THUMOS14, evaluate
from utal.evaluation.mapping import Mapping, map_clusters

TRUTH = truth_of([(0, 0, 0, 10), (1, 1, 0, 10), (2, 1, 5, 9)])
ROWS = [(0, 1, 0, 10, 0.9), (1, 0, 0, 10, 0.8), (2, 0, 5, 9, 0.7), (2, 2, 0, 1, 0.6)]
LABELS = np.array([1, 0, 0])
MAPPING = map_clusters(LABELS, TRUTH.video_labels(), 3, TRUTH.class_names)


def test_a_perfect_result() -> None:
    scores = cluster_scores(LABELS, TRUTH.video_labels())
    found = evaluate(segments_of(ROWS), TRUTH, MAPPING, ACTIVITYNET, clusters=scores)
    assert found.average == 1
    assert found.means.tolist() == [1] * 10
    assert found.precision.table.shape == (10, 2)
    assert found.precision.class_names == TRUTH.class_names
    assert (found.num_videos, found.num_annotations, found.num_detections) == (3, 3, 3)
    assert (found.num_unmapped, found.num_unknown) == (1, 0)  # cluster 2 has no video
    assert found.clusters is scores
    assert scores.nmi_first == 1


def test_the_protocol_says_what_was_done() -> None:
    found = evaluate(segments_of(ROWS), TRUTH, MAPPING, (0.5,), nms_threshold=0.4)
    for part in (
        "truth sha256 unknown",
        "subset 'all' of 3 videos, 3 segments, 2 classes;",
        "tIoU 0.5;",
        "soft_ge, secondary weight 0.5, counted on 3 videos",
        "NMS after mapping 0.4",
        "unknown videos: raise",
    ):
        assert part in found.protocol
    assert "\n" not in found.protocol
    assert evaluate(segments_of(ROWS), TRUTH, MAPPING).protocol != found.protocol


def test_presets() -> None:
    assert len(THUMOS14) == 7
    assert len(ACTIVITYNET) == 10
    assert evaluate(segments_of(ROWS), TRUTH, MAPPING).precision.thresholds == THUMOS14


def test_suppression_after_mapping() -> None:
    rows = [(0, 0, 0, 10, 0.9), (0, 1, 0, 10, 0.8)]
    both = Mapping({0: (("class 0", 1.0),), 1: (("class 0", 1.0),)})
    assert evaluate(segments_of(rows), TRUTH, both).num_detections == 2
    assert evaluate(segments_of(rows), TRUTH, both, nms_threshold=0.5).num_detections == 1
    with pytest.raises(ConfigError, match="nms_threshold"):
        evaluate(segments_of(rows), TRUTH, both, nms_threshold=0.0)


def test_videos_that_the_truth_does_not_have() -> None:
    mapping = Mapping({0: (("class 0", 1.0),)})
    rows = [(3, 0, 0, 10, 0.9), (0, 0, 0, 10, 0.8)]
    segments = segments_of(rows, num_videos=5)
    with pytest.raises(DataError, match=r"1 of 2 detections .* subset 'all' .* first in 'v3'"):
        evaluate(segments, TRUTH, mapping)
    ignored = evaluate(segments, TRUTH, mapping, (0.5,), unknown_videos="ignore")
    counted = evaluate(segments, TRUTH, mapping, (0.5,), unknown_videos="count")
    assert ignored.precision.table.tolist() == [[1, 0]]
    assert counted.precision.table.tolist() == [[0.5, 0]]
    assert (ignored.num_detections, ignored.num_unknown) == (1, 1)
    assert (counted.num_detections, counted.num_unknown) == (2, 1)


@pytest.mark.parametrize(("ours", "theirs"), [("v_a", "a"), ("a", "v_a")])
def test_the_prefix_of_activitynet_is_explained(ours: str, theirs: str) -> None:
    segments = replace(segments_of([(0, 0, 0, 1, 1)]), names=(ours, "b", "c"))
    truth = replace(TRUTH, names=(theirs, "b", "c"))
    with pytest.raises(DataError, match=f"first in '{ours}'; the truth calls it '{theirs}'"):
        evaluate(segments, truth, MAPPING)


@pytest.mark.usefixtures("unchecked")
def test_unknown_option() -> None:
    with pytest.raises(ConfigError, match="raise, ignore, count"):
        evaluate(segments_of(ROWS), TRUTH, MAPPING, unknown_videos="drop")


def test_a_searched_video_without_detections_may_be_unknown() -> None:
    assert evaluate(segments_of(ROWS, num_videos=9), TRUTH, MAPPING).average == 1


def test_nothing_found() -> None:
    found = evaluate(segments_of([]), TRUTH, Mapping({}))
    assert found.average == 0
    assert found.num_detections == 0
