"""Where a sequence is above a threshold, and how far these runs stand out from what is around them.

Positions are counted in samples: a sequence of T snippets is up-sampled by an integer factor, and
sample i lies at snippet i / factor. The arithmetic is in double precision, or samples beside a
threshold would flip. Clusters, seconds and videos are the business of `utal.decoding.proposals`.
"""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, Integer


@dataclass(frozen=True, eq=False, slots=True)
class Runs:
    """Maximal runs of samples at or above a threshold, by threshold and then by time.

    Attributes:
        level: index of the threshold.
        start: first sample.
        stop: one past the last sample.
    """

    level: Integer[np.ndarray, " run"]
    start: Integer[np.ndarray, " run"]
    stop: Integer[np.ndarray, " run"]

    def __len__(self) -> int:
        return len(self.level)

    @property
    def length(self) -> Integer[np.ndarray, " run"]:
        """Number of samples."""
        return np.asarray(self.stop - self.start)

    def take(self, kept: Integer[np.ndarray, " kept"] | Bool[np.ndarray, " run"]) -> "Runs":
        """The given runs, in the given order."""
        return Runs(self.level[kept], self.start[kept], self.stop[kept])

    def followed_by(self, others: "Runs") -> "Runs":
        """These runs and then the others; levels stay as they are."""
        pairs = (
            (self.level, others.level),
            (self.start, others.start),
            (self.stop, others.stop),
        )
        return Runs(*(np.concatenate(pair) for pair in pairs))


def rescaled(sequence: Float[np.ndarray, " time"]) -> Float[np.ndarray, " time"]:
    """Min-max scaling with rectified extrema; what is negative stays negative.

    (x - max(0, min)) / (max(0, max) - max(0, min)), with denominator 1 where it is not positive. So
    a sequence that is constant and positive becomes 0.

    Source: released BaS-Net code.
    """
    low, high = max(float(sequence.min()), 0.0), max(float(sequence.max()), 0.0)
    span = high - low if high > low else 1.0
    return np.asarray((sequence - low) / span)


def normalised(sequence: Float[np.ndarray, " time"]) -> Float[np.ndarray, " time"]:
    """Min-max scaling with rectified extrema, clipped to [0, 1]; see `rescaled`.

    A sequence that is constant or nowhere positive becomes 0.

    Source: released CoLA code.
    """
    return np.asarray(np.clip(rescaled(sequence), 0.0, 1.0))


def relative_magnitude(
    magnitude: Float[np.ndarray, " time"], actionness: Float[np.ndarray, " time"], ratio: int
) -> Float[np.ndarray, " time"]:
    """Feature magnitude between that of sure background, 0, and of sure action, 1; clipped.

    Args:
        magnitude: norm of each snippet's embedding.
        actionness: says which snippets are sure: its T // ratio largest and smallest values, at
            least one each. Of equal values the earlier comes first.
        ratio: see `actionness`.

    Source: released APSL code, after the Uncertainty-Modeling code; denominator 1 where it is not
    positive.
    """
    count = max(1, len(magnitude) // ratio)
    action = float(magnitude[np.argsort(-actionness, kind="stable")[:count]].mean())
    background = float(magnitude[np.argsort(actionness, kind="stable")[:count]].mean())
    span = action - background if action > background else 1.0
    return np.clip((magnitude - background) / span, 0.0, 1.0)


def upsampled(
    sequence: Float[np.ndarray, " time"], factor: int
) -> Float[np.ndarray, "time {factor}"]:
    """Linear interpolation; row t holds the samples at t + k / factor for k = 0 … factor - 1.

    After the last snippet the last slope goes on, so that values may leave the range of the
    sequence. A single snippet has no slope and is repeated.

    Source: released CoLA code (factor 24).
    """
    slope = np.diff(sequence)
    slope = np.append(slope, slope[-1:] if len(slope) else 0.0)
    return sequence[:, None] + slope[:, None] * (np.arange(factor) / factor)


def threshold_runs(
    samples: Float[np.ndarray, "time factor"], thresholds: Float[np.ndarray, " level"]
) -> Runs:
    """Maximal runs of samples that are positive and at or above each threshold.

    A row is monotone, also after rounding. So a run can begin or end inside a row only if the two
    ends of the row lie on different sides of the threshold, and only such rows are searched.

    Args:
        samples: an up-sampled sequence; each row must be monotone, see `upsampled`.
        thresholds: >= 0; 0 asks for positive samples.

    Source: released CoLA code, where what is below the threshold, or negative, is set to 0.
    """
    time, factor = samples.shape
    lowest = np.maximum(thresholds, np.nextafter(0.0, 1.0))
    inside = np.zeros((len(lowest), 2 * time + 2), np.bool_)  # both ends of each row, padded
    np.greater_equal(samples[:, [0, -1]].ravel(), lowest[:, None], out=inside[:, 1:-1])
    level, limit = np.nonzero(inside[:, 1:] != inside[:, :-1])
    row, is_within = np.divmod(limit, 2)  # limit 2r lies before row r, 2r + 1 within row r
    position = row * factor
    within = np.flatnonzero(is_within)
    above = np.count_nonzero(samples[row[within]] >= lowest[level[within], None], axis=1)
    # Even limits begin a run, so that the samples above come last in the row; odd ones end it.
    position[within] += np.where(within % 2 == 0, factor - above, above)
    return Runs(level[::2], position[::2], position[1::2])


def prefix_sums(samples: Float[np.ndarray, "..."]) -> Float[np.ndarray, " limit"]:
    """Sum of what is before each sample, and of all: `sums[b] - sums[a]` is the sum from a to b."""
    return np.concatenate(([0.0], np.cumsum(samples)))


def inner_mean(sums: Float[np.ndarray, " limit"], runs: Runs) -> Float[np.ndarray, " run"]:
    """Mean of the samples in each run; `sums` are prefix sums."""
    return np.asarray((sums[runs.stop] - sums[runs.start]) / runs.length)


def outer_limits(
    runs: Runs, num_samples: int, margin: float, *, at_least: int = 0
) -> tuple[Integer[np.ndarray, " run"], Integer[np.ndarray, " run"]]:
    """First sample, and one past the last, of each run together with its surroundings.

    A run of n samples reaches from int(first - margin * n) to int(last + margin * n), both included
    and clipped to the sequence. The surroundings have `at_least` samples on each side.

    Source: released CoLA code (margin 0.25); released TCAM code, which asks for one sample.
    """
    width = np.maximum(margin * runs.length, at_least)
    low = np.maximum(runs.start - width, 0.0).astype(np.int64)
    high = np.minimum(runs.stop - 1 + width, num_samples - 1).astype(np.int64) + 1
    return low, high


def contrast(
    sums: Float[np.ndarray, " limit"], runs: Runs, margin: float, *, at_least: int = 0
) -> Float[np.ndarray, " run"]:
    """Outer-inner contrast: mean of the samples in each run minus the mean of its surroundings.

    Args:
        sums: prefix sums of the sequence that is scored.
        runs: of any sequence of the same length.
        margin: width of the surroundings on each side, as a share of the run; see `outer_limits`.
        at_least: samples of the surroundings on each side, unless the sequence ends before.

    Returns:
        The inner mean alone where a run has no surroundings.

    Source: released CoLA code, for runs of the actionness.
    """
    low, high = outer_limits(runs, len(sums) - 1, margin, at_least=at_least)
    around = (sums[runs.start] - sums[low]) + (sums[high] - sums[runs.stop])
    return _inner_minus_outer(sums, runs, around, high - low)


def thresholded_contrast(
    sums: Float[np.ndarray, " limit"], runs: Runs, margin: float
) -> Float[np.ndarray, " run"]:
    """Outer-inner contrast of the cut sequence: samples outside all runs of the level count 0.

    Args:
        sums: prefix sums of the sequence that was cut.
        runs: all its runs, also short ones, as `threshold_runs` returns them.
        margin: see `contrast`.

    Source: released CoLA code, for runs of the activation sequence.
    """
    low, high = outer_limits(runs, len(sums) - 1, margin)
    own = sums[runs.stop] - sums[runs.start]
    first = np.searchsorted(runs.level, runs.level)  # the first run of the level
    before = _sums_before(own, runs.level, first)
    width = len(sums)  # more than any position, so that keys of two levels never mix
    keys = runs.level * width + runs.start

    def cut_sums(position: np.ndarray) -> np.ndarray:
        """Prefix sums of the cut sequence, one position for each run at the run's level."""
        last = np.searchsorted(keys, runs.level * width + position, side="right") - 1
        begun, last = last >= first, np.maximum(last, first)
        part = sums[np.minimum(position, runs.stop[last])] - sums[runs.start[last]]
        return np.where(begun, before[last] + part, 0.0)

    around = (before - cut_sums(low)) + (cut_sums(high) - (before + own))
    return _inner_minus_outer(sums, runs, around, high - low)


def _sums_before(values: np.ndarray, group: np.ndarray, first: np.ndarray) -> np.ndarray:
    """Sum of the earlier values of the same group; each group is summed on its own, from 0."""
    place = np.arange(1, len(values) + 1) - first
    table = np.zeros((group.max(initial=0) + 1, place.max(initial=0) + 1))
    table[group, place] = values
    return np.asarray(np.cumsum(table, axis=1)[group, place - 1])


def _inner_minus_outer(
    sums: np.ndarray, runs: Runs, around: np.ndarray, extent: np.ndarray
) -> np.ndarray:
    return np.asarray(inner_mean(sums, runs) - around / np.maximum(extent - runs.length, 1))
