"""Temporal IoU and greedy suppression: released numbers, tables, and a loop-written twin."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.oracle_data import cases
from tests.reference import decoding as reference
from utal.decoding.segments import nms, soft_nms, temporal_iou

CASES = cases("nms.npz")
REPEATABLE = settings(max_examples=200, deadline=None, derandomize=True)


def times(*values: float) -> np.ndarray:
    return np.array(values, np.float64)


def test_oracle_has_all_cases() -> None:
    assert len(CASES) == 6


@pytest.mark.parametrize("percent", [50, 60, 70])
@pytest.mark.parametrize("length", ["plus_one", "no_plus_one"])
@pytest.mark.parametrize("name", CASES)
def test_nms_keeps_what_the_released_code_keeps(name: str, length: str, percent: int) -> None:
    case = CASES[name]
    _, score, start, end = case["proposals"].T
    kept = nms(start, end, score, threshold=percent / 100, plus_one=length == "plus_one")
    assert kept.tolist() == case[f"keep_{length}_thr{percent}"].tolist()


@pytest.mark.parametrize(
    ("first", "second", "expected"),
    [
        ((0, 4), (0, 4), 1.0),
        ((0, 4), (2, 6), 1 / 3),
        ((0, 4), (4, 6), 0.0),  # they touch
        ((0, 4), (5, 6), 0.0),  # apart: a negative intersection is none
        ((0, 4), (1, 2), 1 / 4),  # one inside the other
        ((3, 3), (3, 3), 0.0),  # no length, no overlap
    ],
)
def test_iou_of_two_segments(first: tuple, second: tuple, expected: float) -> None:
    a, b = [times(x) for x in first], [times(x) for x in second]
    assert temporal_iou(*a, *b).item() == pytest.approx(expected)
    assert temporal_iou(*b, *a).item() == pytest.approx(expected)


def test_plus_one_makes_neighbours_overlap() -> None:
    # Lengths 2, 2 and an intersection of -0.5 + 1.
    touching = temporal_iou(times(0), times(1), times(1.5), times(2.5), plus_one=True)
    assert touching.item() == pytest.approx(0.5 / 3.5)


def test_iou_has_one_row_per_first_segment() -> None:
    assert temporal_iou(times(0, 1), times(2, 3), times(0, 1, 2), times(2, 3, 4)).shape == (2, 3)


@pytest.mark.parametrize(
    ("start", "end", "score", "kept"),
    [
        ([], [], [], []),
        ([1], [2], [0.5], [0]),
        ([0, 0], [1, 1], [0.1, 0.2], [1]),
        ([0, 0], [1, 1], [0.2, 0.2], [0]),  # a tie: the earlier row
        ([0, 5, 0], [1, 6, 1], [0.2, 0.2, 0.2], [0, 1]),
        ([0, 2], [4, 4], [0.9, 0.8], [0]),  # an IoU of exactly the threshold is dropped
        ([0, 1, 2], [3, 4, 5], [0.1, 0.3, 0.2], [1]),
        ([0, 1, 2], [3, 4, 5], [0.3, 0.2, 0.1], [0, 2]),  # what is dropped drops nothing
    ],
)
def test_nms_table(start: list, end: list, score: list, kept: list) -> None:
    rows = nms(times(*start), times(*end), times(*score), threshold=0.5, plus_one=False)
    assert rows.tolist() == kept


@st.composite
def segments(draw: st.DrawFn) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Up to 300 segments on a grid with few scores, so that ties of every kind occur."""
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    count = draw(st.sampled_from([0, 1, 2, 5, 63, 64, 65, 129, 300]))
    step = draw(st.sampled_from([0.25, 1.0, 3.0]))
    start = rng.integers(0, draw(st.integers(1, 60)), count) * step
    score = rng.integers(0, draw(st.integers(1, 400)), count) / 400
    return start, start + rng.integers(1, 12, count) * step, score


@REPEATABLE
@given(segments(), st.sampled_from([0.1, 0.5, 0.6, 0.7, 1.0]), st.booleans())
def test_nms_equals_its_twin(
    table: tuple[np.ndarray, np.ndarray, np.ndarray], threshold: float, plus_one: bool
) -> None:
    kept = nms(*table, threshold=threshold, plus_one=plus_one)
    rows = (column.tolist() for column in table)
    assert kept.tolist() == reference.nms(*rows, threshold, plus_one)


@REPEATABLE
@given(segments(), st.randoms(use_true_random=False))
def test_order_of_rows_is_irrelevant_without_ties(table: tuple, random: object) -> None:
    start, end, score = table
    score = score + np.arange(len(score)) * 1e-6
    order = np.random.default_rng(random.randrange(2**32)).permutation(len(score))
    kept = nms(start, end, score, threshold=0.6, plus_one=False)
    shuffled = nms(start[order], end[order], score[order], threshold=0.6, plus_one=False)
    assert order[shuffled].tolist() == kept.tolist()


@pytest.mark.parametrize(
    ("start", "end", "score", "rows", "factors"),
    [
        ([], [], [], [], []),
        ([1], [2], [0.5], [0], [1]),
        ([0, 5], [1, 6], [0.1, 0.2], [1, 0], [1, 1]),
        ([0, 0], [4, 4], [0.9, 0.8], [0, 1], [1, np.exp(-1 / 0.5)]),
        ([0, 2], [4, 4], [0.9, 0.8], [0, 1], [1, np.exp(-0.25 / 0.5)]),
        # The second is lowered by the first alone; it lowers nothing, so the third stays.
        ([0, 1, 2], [3, 4, 5], [0.3, 0.2, 0.1], [0, 1, 2], [1, np.exp(-0.25 / 0.5), 1]),
        # Two would drop the last; the better one does.
        ([0, 2, 0], [4, 6, 6], [0.4, 0.3, 0.2], [0, 1, 2], [1, 1, np.exp(-((4 / 6) ** 2) / 0.5)]),
        # A lowered score may pass from the second place to the last.
        ([0, 0, 9], [4, 4, 10], [0.9, 0.8, 0.2], [0, 2, 1], [1, 1, np.exp(-1 / 0.5)]),
    ],
)
def test_soft_nms_table(start: list, end: list, score: list, rows: list, factors: list) -> None:
    columns = times(*start), times(*end), times(*score)
    found, lowered = soft_nms(*columns, threshold=0.5, plus_one=False, sigma=0.5)
    assert found.tolist() == rows
    assert lowered == pytest.approx(np.array([score[row] for row in rows]) * factors)


@REPEATABLE
@given(segments(), st.sampled_from([0.3, 0.6, 1.0]), st.booleans())
def test_soft_nms_equals_its_twin(
    table: tuple[np.ndarray, np.ndarray, np.ndarray], threshold: float, plus_one: bool
) -> None:
    rows, score = soft_nms(*table, threshold=threshold, plus_one=plus_one, sigma=0.35)
    columns = (column.tolist() for column in table)
    expected = reference.soft_nms(*columns, threshold, plus_one, 0.35)
    assert score == pytest.approx([value for _, value in expected], abs=1e-12)
    kept = nms(*table, threshold=threshold, plus_one=plus_one)
    assert sorted(rows.tolist()) == list(range(len(score)))
    assert [row for row in rows.tolist() if row in set(kept.tolist())] == kept.tolist()
