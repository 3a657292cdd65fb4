import numpy as np
import pytest

from utal.records import Segments
from utal.report.cards import Example, choose_examples, contrast, in_words, make_cards
from utal.report.contents import ReportVideo


def found(video: list[int], score: list[float], cluster: list[int] | None = None) -> Segments:
    start = np.arange(len(video)) * 10.0
    return Segments(
        tuple(f"v{index}" for index in range(max(video) + 1)),
        np.array(video),
        np.array(cluster or [0] * len(video)),
        start,
        start + 2.0 + np.arange(len(video)),
        np.array(score),
    )


def chosen(segments: Segments) -> list[tuple[int, bool]]:
    rows = np.arange(len(segments))
    return [(e.row, e.clearest) for e in choose_examples(segments, rows, segments.score)]


def test_clearest_come_from_different_videos_and_borderline_are_the_lowest() -> None:
    segments = found([0, 0, 1, 2, 2, 1], [0.9, 0.8, 0.7, 0.6, 0.5, 0.4])
    assert chosen(segments) == [(0, True), (2, True), (3, True), (4, False), (5, False)]


def test_one_video_may_give_all() -> None:
    assert chosen(found([0, 0], [0.1, 0.2])) == [(1, True), (0, True)]


def test_no_instance_is_shown_twice() -> None:
    assert chosen(found([0, 1, 2, 2], [4.0, 3.0, 2.0, 1.0])) == [
        (0, True),
        (1, True),
        (2, True),
        (3, False),
    ]


def test_pictures_lie_inside_the_instance() -> None:
    example = Example(row=0, video=0, start_s=10.0, end_s=20.0, strength=1.0, clearest=True)
    assert example.moments == pytest.approx((10.5, 15.0, 19.5))


def test_card_counts_only_the_kept_instances_of_its_cluster() -> None:
    segments = found([0, 1, 1, 1], [0.4, 0.6, 0.9, 0.9], [2, 2, 0, 2])
    videos = [ReportVideo(name, 50.0, None, 0) for name in segments.names]
    first, second = make_cards(segments, np.array([0, 1, 2]), segments.score, videos)
    assert (first.cluster, first.num_instances) == (0, 1)
    assert (second.cluster, second.num_instances, second.num_videos) == (2, 2, 2)
    assert second.total_s == pytest.approx(2.0 + 3.0)
    assert second.mean_score == pytest.approx(0.5)
    assert second.durations.median == pytest.approx(2.5)
    assert second.stands_out is None  # nothing is known of the actionness


def test_contrast_compares_inside_with_what_no_cluster_claims() -> None:
    actionness = np.array([0.1, 0.9, 0.8, 0.1, 0.5, 0.3])
    video = ReportVideo("v0", 12.0, None, 0, actionness, 2.0)
    segments = Segments(
        ("v0", "v1"),
        np.array([0, 0]),
        np.array([0, 1]),
        np.array([2.0, 8.0]),
        np.array([6.0, 10.0]),
        np.ones(2),
    )
    videos = [video, ReportVideo("v1", 9.0, None, 0, np.ones(3), 3.0)]
    assert contrast(segments, videos, 0) == pytest.approx((0.85, 0.5 / 3))
    assert contrast(segments, videos) == pytest.approx((2.2 / 3, 0.5 / 3))
    assert contrast(segments, videos, 7) == (None, None)


@pytest.mark.parametrize(
    ("inside", "outside", "word"),
    [(0.9, 0.2, "clearly"), (0.5, 0.2, "moderately"), (0.3, 0.2, "hardly"), (None, 0.2, None)],
)
def test_words(inside: float | None, outside: float, word: str | None) -> None:
    assert in_words(inside, outside) == word
