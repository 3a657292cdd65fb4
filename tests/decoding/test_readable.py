import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from utal.decoding.readable import readable, strengths, uncovered
from utal.records import Segments


def table(*rows: tuple[int, int, float, float, float], num_videos: int = 3) -> Segments:
    columns = np.array(rows, float).reshape(-1, 5).T
    names = tuple(f"v{index}" for index in range(num_videos))
    return Segments(names, columns[0].astype(int), columns[1].astype(int), *columns[2:])


def rows_of(segments: Segments) -> list[tuple[float, ...]]:
    return [tuple(row) for row in np.stack(segments.columns(), axis=1).tolist()]


rows = st.tuples(
    st.integers(0, 2),
    st.integers(0, 1),
    st.integers(0, 20).map(float),
    st.integers(1, 6).map(float),
    st.integers(-2, 9).map(lambda tenths: tenths / 10),
).map(lambda row: (row[0], row[1], row[2], row[2] + row[3], row[4]))


def test_strength_is_relative_to_the_best_of_the_videos_of_the_cluster() -> None:
    segments = table((0, 0, 0, 1, 0.5), (1, 0, 0, 1, 1.0), (0, 1, 2, 3, 0.1), (2, 1, 2, 3, -0.4))
    reference = 0.5 + 0.9 * 0.5  # 90 % quantile of the two videos' best
    assert strengths(segments)[:2] == pytest.approx([0.5 / reference, 1 / reference])
    assert strengths(segments)[3] == 0


def test_one_freak_score_does_not_hide_the_others() -> None:
    usual = [(video, 0, 0.0, 1.0, 0.5) for video in range(29)]
    segments = table(*usual, (29, 0, 0.0, 1.0, 50.0), num_videos=30)
    assert len(readable(segments)) == 30


def test_clusters_are_not_compared_by_their_scores() -> None:
    weak = table((0, 0, 0, 1, 100.0), (1, 1, 0, 1, 0.001))
    assert len(readable(weak)) == 2


def test_scores_not_above_zero_have_no_strength() -> None:
    assert strengths(table((0, 0, 0, 1, -1.0), (1, 0, 0, 1, 0.0))).tolist() == [0, 0]
    assert len(readable(table((0, 0, 0, 1, -1.0)))) == 0


def test_a_score_that_is_not_a_number_has_no_strength() -> None:
    assert strengths(table((0, 0, 0, 1, np.nan), (0, 0, 2, 3, 1.0))).tolist() == [0, 1]


def test_the_stronger_of_two_overlapping_stays_whatever_its_cluster() -> None:
    segments = table((0, 0, 0, 4, 1.0), (0, 0, 3, 6, 0.9), (0, 1, 3.5, 5, 1.0), (0, 0, 5, 8, 0.8))
    assert rows_of(readable(segments)) == [(0, 0, 0, 4, 1.0), (0, 0, 5, 8, 0.8)]


def test_touching_segments_and_other_videos_do_not_overlap() -> None:
    segments = table((0, 0, 0, 4, 1.0), (0, 0, 4, 6, 0.9), (1, 0, 0, 4, 0.8))
    assert len(readable(segments)) == 3


def test_a_tie_goes_to_the_earlier_start_then_to_the_earlier_row() -> None:
    segments = table((0, 0, 1, 5, 1.0), (0, 0, 0, 4, 1.0), (0, 1, 0, 4, 1.0))
    assert uncovered(segments, np.ones(3)).tolist() == [False, True, False]


def test_nothing_comes_from_nothing() -> None:
    assert len(readable(Segments(("a", "b")))) == 0
    assert readable(Segments(("a", "b"))).names == ("a", "b")


def test_result_is_ordered_by_video_and_start() -> None:
    segments = table((1, 0, 5, 6, 1.0), (0, 0, 7, 8, 0.9), (0, 0, 2, 3, 0.8))
    assert [row[:3] for row in rows_of(readable(segments))] == [(0, 0, 2), (0, 0, 7), (1, 0, 5)]


@given(st.lists(rows, max_size=25))
@settings(deadline=None, derandomize=True, max_examples=150)
def test_agrees_with_the_slow_obvious_choice(found: list[tuple[int, int, float, float, float]]):
    segments = table(*found)
    strength = strengths(segments)
    kept: list[int] = []
    for row in sorted(range(len(found)), key=lambda r: (-strength[r], found[r][2], r)):
        clashes = (
            found[row][0] == found[k][0]
            and min(found[row][3], found[k][3]) > max(found[row][2], found[k][2])
            for k in kept
        )
        if not any(clashes):
            kept.append(row)
    assert sorted(np.flatnonzero(uncovered(segments, strength))) == sorted(kept)


@given(st.lists(rows, max_size=25), st.floats(0, 1), st.floats(0, 1))
@settings(deadline=None, derandomize=True, max_examples=100)
def test_a_smaller_share_only_adds(
    found: list[tuple[int, int, float, float, float]], one: float, other: float
):
    segments = table(*found)
    few, many = (rows_of(readable(segments, share=s)) for s in (max(one, other), min(one, other)))
    assert all(row in many for row in few)
