"""Runs above thresholds and their contrast: tables, and a twin that loops over every sample."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.reference import decoding as reference
from utal.decoding.runs import (
    contrast,
    normalised,
    prefix_sums,
    threshold_runs,
    thresholded_contrast,
    upsampled,
)

GRID = 8  # thresholds and many values are eighths, so that samples lie exactly on thresholds
REPEATABLE = settings(max_examples=200, deadline=None, derandomize=True)


@st.composite
def signals(draw: st.DrawFn) -> np.ndarray:
    """Up to 30 snippets of plateaus, steps and noise, between -1/2 and 3/2."""
    length = draw(st.integers(1, 30))
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    levels = rng.integers(-4, 13, length) / GRID
    steps = np.repeat(levels, rng.integers(1, 6, length))[:length]
    noise = rng.uniform(-0.5, 1.5, length)
    return np.where(rng.random(length) < draw(st.sampled_from([0.0, 0.3, 1.0])), noise, steps)


thresholds = st.lists(st.integers(0, GRID).map(lambda n: n / GRID), min_size=1, max_size=5)
factors = st.sampled_from([1, 2, 7, 24])


@REPEATABLE
@given(signals())
def test_normalised_equals_its_twin(signal: np.ndarray) -> None:
    assert normalised(signal).tolist() == reference.normalise(signal.tolist())


@pytest.mark.parametrize(
    ("signal", "expected"),
    [
        ([1, 2, 3], [0, 0.5, 1]),
        ([-5, 0, 2], [0, 0, 1]),  # what is negative counts as 0
        ([0, 0, 0], [0, 0, 0]),
        ([7, 7, 7], [0, 0, 0]),  # a constant says nothing
        ([-2, -1, -3], [0, 0, 0]),
        ([4], [0]),
    ],
)
def test_normalised_table(signal: list, expected: list) -> None:
    assert normalised(np.array(signal, float)).tolist() == expected


@REPEATABLE
@given(signals(), factors)
def test_upsampled_equals_its_twin_to_the_last_bit(signal: np.ndarray, factor: int) -> None:
    expected = reference.upsample(signal.tolist(), factor)
    assert upsampled(signal, factor).ravel().tolist() == expected


@pytest.mark.parametrize(
    ("signal", "expected"),
    [
        ([0, 1], [0, 0.25, 0.5, 0.75, 1, 1.25, 1.5, 1.75]),  # the last slope goes on
        ([3], [3, 3, 3, 3]),  # one snippet has no slope
    ],
)
def test_upsampled_table(signal: list, expected: list) -> None:
    assert upsampled(np.array(signal, float), 4).ravel().tolist() == expected


@REPEATABLE
@given(signals(), thresholds, factors)
def test_runs_equal_those_found_sample_by_sample(
    signal: np.ndarray, levels: list[float], factor: int
) -> None:
    samples = upsampled(signal, factor)
    runs = threshold_runs(samples, np.array(levels))
    found = list(zip(runs.level.tolist(), runs.start.tolist(), runs.stop.tolist(), strict=True))
    flat = samples.ravel().tolist()
    assert found == [
        (level, *run)
        for level, threshold in enumerate(levels)
        for run in reference.runs(reference.cut(flat, threshold))
    ]


@pytest.mark.parametrize(
    ("signal", "threshold", "expected"),
    [
        ([0, 0, 0], 0.0, []),  # 0 asks for positive samples
        ([0, 1, 0], 0.0, [(1, 8)]),
        ([0, 1, 0], 0.5, [(2, 7)]),  # a sample equal to the threshold is in
        ([1, 1, 1], 1.0, [(0, 12)]),
        ([1, 0, 1], 0.75, [(0, 2), (7, 12)]),
        ([0, 1, 0], 1.5, []),
    ],
)
def test_runs_table(signal: list, threshold: float, expected: list) -> None:
    runs = threshold_runs(upsampled(np.array(signal, float), 4), np.array([threshold]))
    assert list(zip(runs.start.tolist(), runs.stop.tolist(), strict=True)) == expected


@REPEATABLE
@given(
    signals(),
    signals(),
    thresholds,
    factors,
    st.sampled_from([0.0, 0.1, 0.25, 1.0, 3.0]),
    st.sampled_from([0, 1, 3]),
)
def test_contrasts_equal_their_twin(
    signal: np.ndarray,
    other: np.ndarray,
    levels: list[float],
    factor: int,
    margin: float,
    at_least: int,
) -> None:
    signal = signal[: len(other)]
    other = other[: len(signal)]
    samples = upsampled(signal, factor)
    flat, sums = samples.ravel().tolist(), prefix_sums(samples)

    own = threshold_runs(samples, np.array(levels))
    expected = [
        reference.outer_inner_contrast(reference.cut(flat, levels[level]), start, stop, margin)
        for level, start, stop in zip(own.level, own.start.tolist(), own.stop.tolist(), strict=True)
    ]
    assert thresholded_contrast(sums, own, margin) == pytest.approx(expected, abs=1e-11)

    foreign = threshold_runs(upsampled(other, factor), np.array(levels))
    expected = [
        reference.outer_inner_contrast(flat, start, stop, margin, at_least)
        for start, stop in zip(foreign.start.tolist(), foreign.stop.tolist(), strict=True)
    ]
    found = contrast(sums, foreign, margin, at_least=at_least)
    assert found == pytest.approx(expected, abs=1e-11)


def test_contrast_by_hand() -> None:
    signal = np.array([0.0, 0.5, 1, 1, 1, 1, 0.25, 0])
    samples, sums = signal[:, None], prefix_sums(signal[:, None])
    runs = threshold_runs(samples, np.array([0.25, 0.75]))
    assert runs.start.tolist() == [1, 2]
    assert runs.stop.tolist() == [7, 6]
    # Six samples, int(1 - 1.5) -> 0 and int(6 + 1.5) = 7 on both sides; four, one on each side.
    assert contrast(sums, runs, 0.25) == pytest.approx([4.75 / 6, 1 - 0.75 / 2])
    assert thresholded_contrast(sums, runs, 0.25) == pytest.approx([4.75 / 6, 1])


def test_run_without_surroundings_scores_its_mean() -> None:
    sums = prefix_sums(np.array([[1.0], [0.5]]))
    runs = threshold_runs(np.array([[1.0], [0.5]]), np.array([0.5]))
    assert contrast(sums, runs, 0.25).tolist() == [0.75]
    assert thresholded_contrast(sums, runs, 0.25).tolist() == [0.75]


def test_surroundings_without_activation_leave_the_mean_untouched() -> None:
    """Runs over silence score exactly alike, so that ties are ties."""
    signal = np.zeros(40)
    signal[:3] = np.random.default_rng(0).random(3)
    runs = threshold_runs(np.ones((40, 1)) * (np.arange(40) % 7 > 3)[:, None], np.array([0.5]))
    score = contrast(prefix_sums(signal[:, None]), runs, 0.25)
    assert len(runs) == 6
    assert score[1:].tolist() == [0.0] * 5


@REPEATABLE
@given(signals(), st.integers(1, 9))
def test_silence_before_the_signal_shifts_its_runs(signal: np.ndarray, delay: int) -> None:
    factor, levels = 6, np.array([0.25, 0.5])
    signal = np.concatenate([np.zeros(9), signal])
    runs = threshold_runs(upsampled(signal, factor), levels)
    late = threshold_runs(upsampled(np.concatenate([np.zeros(delay), signal]), factor), levels)
    assert (late.start - runs.start).tolist() == [delay * factor] * len(runs)
    assert (late.stop - runs.stop).tolist() == [delay * factor] * len(runs)
