"""Average precision: the official numbers, the slow twin, hand-made tables, and bad input."""

import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.oracle_data import FOLDER, cases
from tests.reference import detection as reference
from utal.errors import ConfigError, DataError
from utal.evaluation.detection import average_precision
from utal.evaluation.evaluate import ACTIVITYNET, THUMOS14
from utal.evaluation.ground_truth import GroundTruth, read_ground_truth
from utal.evaluation.mapping import map_by_name, map_segments
from utal.formats.activitynet import read_detections
from utal.records import Segments

SCENARIOS = cases("detection_map.npz", listed_as="scenarios")


def truth_of(rows: list[tuple[int, int, float, float]], num_videos: int = 3) -> GroundTruth:
    """Rows of video, class, start and end; classes without a row are left out."""
    video, label, start, end = (np.array(column) for column in zip(*rows, strict=True))
    classes, label = np.unique(label, return_inverse=True)
    return GroundTruth(
        tuple(f"v{index}" for index in range(num_videos)),
        tuple(f"class {index}" for index in classes),
        video,
        label,
        start.astype(float),
        end.astype(float),
    )


def segments_of(rows: list[tuple[int, int, float, float, float]], num_videos: int = 3) -> Segments:
    """Rows of video, class, start, end and score."""
    names = tuple(f"v{index}" for index in range(num_videos))
    if not rows:
        return Segments(names)
    video, label, start, end, score = (np.array(column) for column in zip(*rows, strict=True))
    return Segments(
        names, video, label, start.astype(float), end.astype(float), score.astype(float)
    )


@pytest.mark.parametrize("protocol", ["thumos", "anet"])
@pytest.mark.parametrize("scenario", SCENARIOS)
def test_official_numbers(scenario: str, protocol: str) -> None:
    case = SCENARIOS[scenario]
    classes, names = case["ap_classes"], tuple(case["videos"].tolist())
    truth = GroundTruth(
        names,
        tuple(f"{index:02d}" for index in classes),
        case["gt_video"].astype(np.int64),
        np.searchsorted(classes, case["gt_label"]),
        *case["gt_segment"].T,
    )
    segments = Segments(
        names,
        case["pred_video"],
        np.searchsorted(classes, case["pred_label"]),
        *case["pred_segment"].T,
        case["pred_score"],
    )
    found = average_precision(segments, truth, {"thumos": THUMOS14, "anet": ACTIVITYNET}[protocol])
    ties = "_ties_earlier_first" if case["has_score_ties"] else ""
    np.testing.assert_allclose(found.table, case[f"ap_{protocol}{ties}"], rtol=0, atol=1e-9)
    if not ties:
        np.testing.assert_allclose(found.means, case[f"map_{protocol}"], rtol=0, atol=1e-9)
        assert found.average == pytest.approx(float(case[f"avg_map_{protocol}"]), abs=1e-9)


@pytest.mark.parametrize("protocol", ["thumos", "anet"])
def test_official_numbers_from_files(protocol: str, tmp_path) -> None:
    example = json.loads((FOLDER / "detection_example.json").read_text())
    for part in ("ground_truth", "predictions"):
        (tmp_path / part).write_text(json.dumps(example[part]))
    truth = read_ground_truth(tmp_path / "ground_truth", example["subset"])
    segments, labels = read_detections(tmp_path / "predictions")
    mapping = map_by_name(segments, labels, truth.class_names)
    expected = example["expected"][protocol]
    found = average_precision(
        map_segments(segments, mapping, truth.class_names), truth, expected["tiou"]
    )
    assert list(found.class_names) == expected["classes"]
    np.testing.assert_allclose(found.table, expected["ap"], rtol=0, atol=1e-9)
    np.testing.assert_allclose(found.means, expected["mAP"], rtol=0, atol=1e-9)
    assert found.average == pytest.approx(expected["average_mAP"], abs=1e-9)


def test_thresholds_are_the_official_ones() -> None:
    with np.load(FOLDER / "detection_map.npz") as data:
        assert tuple(data["tiou_thumos"]) == THUMOS14
        assert tuple(data["tiou_anet"]) == ACTIVITYNET


# Limits on a coarse grid: equal IoUs, equal scores and equal segments are the rule.
LIMITS = st.tuples(st.integers(0, 9), st.integers(1, 6)).map(lambda pair: (pair[0], sum(pair)))
PLACE = st.tuples(st.integers(0, 2), st.integers(0, 1))
TRUTHS = st.lists(st.tuples(PLACE, LIMITS), min_size=1, max_size=14)
DETECTIONS = st.lists(st.tuples(PLACE, LIMITS, st.integers(0, 4)), max_size=40)
GRID = [0.1, 0.25, 0.5, 2 / 3, 1.0]


def _drawn(annotations: list, rows: list) -> tuple[GroundTruth, Segments]:
    truth = truth_of([(*place, *limits) for place, limits in annotations])
    num_classes = len(truth.class_names)
    found = [(v, c % num_classes, *limits, float(score)) for (v, c), limits, score in rows]
    return truth, segments_of(found)


@given(TRUTHS, DETECTIONS)
@settings(max_examples=250, deadline=None, derandomize=True)
def test_equals_the_slow_twin(annotations: list, rows: list) -> None:
    truth, segments = _drawn(annotations, rows)
    np.testing.assert_allclose(
        average_precision(segments, truth, GRID).table,
        reference.average_precision(segments, truth, GRID),
        rtol=0,
        atol=1e-12,
    )


@pytest.mark.parametrize(("scale", "shift"), [(1.0, 0.0), (1e-6, 0.0), (1e-3, -1e4), (1e9, 0.0)])
def test_equals_the_slow_twin_in_a_crowd(scale: float, shift: float) -> None:
    """Long chains of second choices; axes of microseconds to decades."""
    rng = np.random.default_rng(0)

    def crowd(number: int) -> list[tuple]:
        video, label = np.arange(number) % 2, rng.integers(0, 2, number)
        start = rng.uniform(0, 20, number) * scale + shift
        end = start + rng.uniform(5, 30, number) * scale
        return list(zip(video, label, start, end, strict=True))

    truth = truth_of(crowd(60))
    segments = segments_of([(*row, rng.integers(0, 50)) for row in crowd(300)])
    found = average_precision(segments, truth, THUMOS14).table
    expected = reference.average_precision(segments, truth, list(THUMOS14))
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-12)


@given(TRUTHS, DETECTIONS, st.integers(-(10**9), 10**9).map(float))
@settings(max_examples=50, deadline=None, derandomize=True)
def test_shifting_time_by_whole_seconds_changes_nothing(annotations, rows, shift) -> None:
    truth, segments = _drawn(annotations, rows)
    moved = GroundTruth(
        truth.names,
        truth.class_names,
        truth.video,
        truth.label,
        truth.start_s + shift,
        truth.end_s + shift,
    )
    later = Segments(
        segments.names,
        segments.video,
        segments.cluster,
        segments.start_s + shift,
        segments.end_s + shift,
        segments.score,
    )
    np.testing.assert_array_equal(
        average_precision(segments, truth, GRID).table, average_precision(later, moved, GRID).table
    )


ONE = truth_of([(0, 0, 0, 10)])
TWO = truth_of([(0, 0, 0, 10), (0, 0, 20, 30)])
TABLE = [
    ("empty", TWO, [], 0.0),
    ("perfect", TWO, [(0, 0, 0, 10, 1), (0, 0, 20, 30, 0)], 1.0),
    ("half found", TWO, [(0, 0, 0, 10, 1)], 0.5),
    ("found twice counts once", ONE, [(0, 0, 0, 10, 1), (0, 0, 0, 10, 0)], 1.0),
    ("false positive first", ONE, [(0, 0, 50, 60, 1), (0, 0, 0, 10, 0)], 0.5),
    ("equal scores: earlier row first", ONE, [(0, 0, 50, 60, 1), (0, 0, 0, 10, 1)], 0.5),
    ("IoU equal to the threshold", ONE, [(0, 0, 0, 5, 1)], 1.0),
    ("IoU just below", ONE, [(0, 0, 0, 4.999, 1)], 0.0),
    ("no length", ONE, [(0, 0, 5, 5, 1)], 0.0),
    (
        "a long annotation before a short",
        truth_of([(0, 0, 0, 6), (0, 0, 1, 2)]),
        [(0, 0, 3, 6, 1)],
        0.5,
    ),
    ("another video", ONE, [(1, 0, 0, 10, 1)], 0.0),
    ("past the end", ONE, [(0, 0, 0, 1e300, 1)], 0.0),
    # both fit best to the first annotation; the second detection is content with the other one
    (
        "second choice",
        truth_of([(0, 0, 0, 10), (0, 0, 2, 12)]),
        [(0, 0, 0, 10, 2), (0, 0, 0, 11, 1)],
        1.0,
    ),
    # of annotations with equal IoU the later is taken, so the earlier is left for the next
    (
        "equal IoU: later annotation first",
        truth_of([(0, 0, 0, 4), (0, 0, 4, 8)]),
        [(0, 0, 0, 8, 2), (0, 0, 4, 8, 1)],
        0.5,
    ),
    # recall .5 at precision 1, then 1 at 2/3 after a false positive
    (
        "envelope",
        TWO,
        [(0, 0, 0, 10, 3), (0, 0, 50, 60, 2), (0, 0, 20, 30, 1)],
        0.5 + 0.5 * 2 / 3,
    ),
]


@pytest.mark.parametrize(
    ("truth", "rows", "expected"), [row[1:] for row in TABLE], ids=[row[0] for row in TABLE]
)
def test_by_hand(truth: GroundTruth, rows: list, expected: float) -> None:
    found = average_precision(segments_of(rows), truth, [0.5])
    assert found.table[0, 0] == pytest.approx(expected, abs=1e-15)


def test_a_class_without_detections_counts_as_zero() -> None:
    truth = truth_of([(0, 0, 0, 10), (1, 1, 0, 10)])
    found = average_precision(segments_of([(0, 0, 0, 10, 1)]), truth, [0.5])
    assert found.table.tolist() == [[1.0, 0.0]]
    assert found.average == 0.5


def test_a_video_unknown_to_the_truth_is_a_false_positive() -> None:
    segments = segments_of([(3, 0, 0, 10, 9), (0, 0, 0, 10, 1)], num_videos=4)
    assert average_precision(segments, ONE, [0.5]).average == 0.5


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ((0, 5, 0, 10, 1), "class 5"),
        ((0, -1, 0, 10, 1), "class -1"),
        ((0, 0, 0, 10, np.nan), "nan"),
        ((1, 0, np.nan, 10, 1), "'v1'"),
        ((0, 0, 0, np.inf, 1), "inf"),
        ((0, 0, 10, 0, 1), "start <= end"),
    ],
)
def test_impossible_detections(row: tuple, message: str) -> None:
    with pytest.raises(DataError, match=message):
        average_precision(segments_of([row]), ONE, [0.5])


@pytest.mark.parametrize("thresholds", [[], [0.0], [0.5, 1.1], [np.nan]])
def test_impossible_thresholds(thresholds: list[float]) -> None:
    with pytest.raises(ConfigError, match="temporal IoUs"):
        average_precision(segments_of([]), ONE, thresholds)


def test_arguments_are_left_alone() -> None:
    segments = segments_of([(0, 0, 0, 10, 1), (0, 0, 1, 9, 2)])
    for column in (*segments.columns(), TWO.start_s, TWO.end_s, TWO.label, TWO.video):
        column.flags.writeable = False
    average_precision(segments, TWO, THUMOS14)
