import numpy as np
import pytest

from utal.report.charts import clock, curve, histogram, plural, round_up, span


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0, "0:00.0"),
        (7.46, "0:07.5"),
        (59.96, "1:00.0"),  # rounded before it is split
        (754.3, "12:34.3"),
        (3599.99, "1:00:00.0"),
        (3727.5, "1:02:07.5"),
        (-0.2, "0:00.0"),
    ],
)
def test_a_moment(seconds: float, text: str) -> None:
    assert clock(seconds) == text


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0.0, "0.0 s"),
        (4.24, "4.2 s"),
        (59.97, "1 min"),
        (200, "3 min 20 s"),
        (3600, "1 h"),
        (7499, "2 h 5 min"),
    ],
)
def test_a_length_of_time(seconds: float, text: str) -> None:
    assert span(seconds) == text


def test_plurals() -> None:
    assert [plural(count, "video") for count in (0, 1, 1340)] == [
        "0 videos",
        "1 video",
        "1,340 videos",
    ]


@pytest.mark.parametrize(
    ("value", "limit"),
    [(0.3, 0.3), (0.31, 0.4), (7, 8), (9.5, 10), (10, 10), (11, 15), (61, 80), (0, 1), (-3, 1)],
)
def test_round_limits(value: float, limit: float) -> None:
    assert round_up(value) == pytest.approx(limit)


def test_histogram_counts_every_length_once() -> None:
    lengths = np.array([0.1, 3.0, 3.1, 8.0])
    bars = histogram(lengths, num_bars=4)
    assert bars is not None
    assert bars.counts == (1, 2, 0, 1)  # the limit itself belongs to the last bar
    assert bars.heights == (0.5, 1.0, 0.0, 0.5)
    assert (bars.limit, bars.median) == (8.0, pytest.approx(3.05))
    assert histogram(np.empty(0)) is None


def test_curve_keeps_short_ones_and_the_peaks_of_long_ones() -> None:
    assert curve(np.array([0.0, 0.256, 1.0]), 10) == [0, 26, 100]
    assert curve(np.array([0.1, 0.9, 0.2, 0.3, 0.4]), 3) == [90, 30, 40]
    assert curve(np.empty(0), 10) == []


def test_curve_stays_in_its_band() -> None:
    assert curve(np.array([-1.0, 2.0, np.nan]), 10) == [0, 100, 0]
