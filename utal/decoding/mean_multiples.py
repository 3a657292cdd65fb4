"""TCAM's decoder: smoothed activation at frame rate, cut at multiples of its mean."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from utal.decoding.outputs import (
    arrays,
    as_segments,
    best_runs,
    check_not_negative,
    check_positive_count,
    check_share,
    in_seconds,
    just_above,
    kept_clusters,
)
from utal.decoding.runs import Runs, contrast, prefix_sums, upsampled
from utal.errors import ConfigError
from utal.method import Localizer
from utal.records import Output, Segments, Video


def between_extremes(sequence: Float[np.ndarray, " time"]) -> Float[np.ndarray, " time"]:
    """Plain min-max scaling: the least value becomes 0 and the largest 1; a constant becomes 0.

    Source: released TCAM code, which gives NaN for a constant.
    """
    low, high = float(sequence.min()), float(sequence.max())
    return np.asarray((sequence - low) / (high - low if high > low else 1.0))


def smoothed(samples: Float[np.ndarray, " sample"], window: int) -> Float[np.ndarray, " sample"]:
    """Savitzky-Golay filter of order 1: a line fitted to the window, read in its middle.

    In the middle a line is the mean, so prefix sums do; near the two ends, where no window has
    room, the line through the first or last window is read off. The window is at most a sixteenth
    of the sequence and made odd by taking one away, but never below 3.

    Args:
        samples: any sequence; three samples and less stay as they are.
        window: most samples that one value is fitted to; below 3 nothing is smoothed.

    Source: released TCAM code (window 255).
    """
    if len(samples) <= 3 or window < 3:
        return samples
    width = max(min(window, len(samples) // 16), 3)
    width -= 1 - width % 2
    half = width // 2
    sums = prefix_sums(samples)
    means = (sums[width:] - sums[:-width]) / width
    offsets = np.arange(-half, half + 1)
    squares = offsets @ offsets
    rise, fall = (offsets @ part / squares for part in (samples[:width], samples[-width:]))
    head, tail = means[0] + rise * offsets[:half], means[-1] + fall * offsets[half + 1 :]
    return np.concatenate([head, means, tail])


def dilated_runs(
    samples: Float[np.ndarray, " sample"],
    thresholds: Float[np.ndarray, " level"],
    dilation: int,
) -> Runs:
    """Runs of samples above each threshold, after each such sample has switched on others.

    Args:
        samples: any sequence.
        thresholds: what is equal to one is not above it.
        dilation: how many samples one switches on, itself among them; of an even number the
            surplus one lies before it. Runs that then touch are one.

    Source: released TCAM code (20 frames: from 10 before to 9 after).
    """
    inside = np.zeros((len(thresholds), len(samples) + 2), np.bool_)
    np.greater(samples, thresholds[:, None], out=inside[:, 1:-1])
    level, limit = np.nonzero(inside[:, 1:] != inside[:, :-1])
    level = level[::2]
    start = np.maximum(limit[::2] - dilation // 2, 0)
    stop = np.minimum(limit[1::2] + (dilation - 1) // 2, len(samples))
    begins = np.ones(len(level), np.bool_)
    begins[1:] = (level[1:] != level[:-1]) | (start[1:] > stop[:-1])
    ends = np.roll(begins, -1)  # a run ends where the next one begins, and the last at the end
    return Runs(level[begins], start[begins], stop[ends])


@dataclass(frozen=True, slots=True, kw_only=True)
class MeanMultiples:
    """Runs above multiples of the mean activation, dilated, scored by outer-inner contrast.

    Attributes:
        class_threshold: clusters of a larger probability are searched for, or the likeliest.
        factors: the min-max scaled and smoothed activation is cut at these multiples of its mean.
        frames_per_snippet: samples per snippet; frames, where snippets are 16 frames apart.
        smoothing: largest window of the smoothing, in samples; see `smoothed`.
        dilation_frames: samples that one above the threshold switches on; see `dilated_runs`.
        outer_margin: width of a run's surroundings on each side, as a share of the run; at least
            one sample.
        probability_weight: gamma; the cluster's probability times this is added to the score, after
            suppression.
        nms_threshold: a segment is dropped if its IoU with a better one of its cluster is larger.
        anchor: where in its cell the value of a snippet lies, in snippets; see
            `OuterInnerProposals`. Unless it is 0, a run that reaches the last sample lasts to the
            end of the last snippet.

    Raises:
        ConfigError: a field is out of range.

    Source: TCAM Eq. 14 and Sec. 4.2 (multiples, contrast, gamma); released TCAM code for the rest
    (gamma 0.25). That code loses all surroundings before a segment if they would begin before the
    video, and the last segment that suppression comes to; here the surroundings are clipped and the
    segment is kept.
    """

    class_threshold: float = 0.1
    factors: tuple[float, ...] = (0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0)
    frames_per_snippet: int = 16
    smoothing: int = 255
    dilation_frames: int = 20
    outer_margin: float = 0.25
    probability_weight: float = 0.1
    nms_threshold: float = 0.65
    anchor: float = 0.0

    def __post_init__(self) -> None:
        for name in ("class_threshold", "nms_threshold", "anchor"):
            check_share(name, getattr(self, name))
        if not self.factors:
            raise ConfigError("factors must not be empty")
        for factor in self.factors:
            check_not_negative("each of factors", factor)
        for name in ("frames_per_snippet", "smoothing", "dilation_frames"):
            check_positive_count(name, getattr(self, name))
        for name in ("outer_margin", "probability_weight"):
            check_not_negative(name, getattr(self, name))

    def check(self, localizer: Localizer) -> None:
        """Plain scores will do."""

    def decode(self, output: Output, video: Video) -> Segments:
        """Segments of one video, cluster by cluster and by descending score.

        Args:
            output: scores of all snippets of `video` or of a uniform choice of them; batch size 1.
            video: only its name, number of snippets and time axis are used.

        Raises:
            DataError: a score is not finite.
        """
        cas, probability = arrays(video.name, output.scores.cas, output.scores.probability)
        columns = []
        for cluster in kept_clusters(probability, just_above(self.class_threshold)).tolist():
            runs, score = self.proposals(cas[:, cluster])
            start_s, end_s = self._seconds(runs, len(cas), video)
            real = np.flatnonzero(start_s < end_s)
            kept = real[best_runs(runs.take(real), score[real], self.nms_threshold)]
            bonus = self.probability_weight * probability[cluster]
            columns.append((cluster, start_s[kept], end_s[kept], score[kept] + bonus))
        return as_segments(video.name, columns)

    def proposals(self, cas: Float[np.ndarray, " time"]) -> tuple[Runs, Float[np.ndarray, " run"]]:
        """Runs of one cluster, by factor and then by time, with their contrast."""
        samples = upsampled(between_extremes(cas), self.frames_per_snippet).ravel()
        # The last snippet has one sample: there is nothing to interpolate to.
        samples = smoothed(samples[: len(samples) - self.frames_per_snippet + 1], self.smoothing)
        thresholds = np.asarray(self.factors) * samples.mean()
        runs = dilated_runs(samples, thresholds, self.dilation_frames)
        return runs, contrast(prefix_sums(samples), runs, self.outer_margin, at_least=1)

    def _seconds(self, runs: Runs, time: int, video: Video) -> tuple[np.ndarray, np.ndarray]:
        """Starts and ends within the video."""
        covered = time * self.frames_per_snippet
        if self.anchor:
            last = covered - self.frames_per_snippet + 1
            runs = Runs(runs.level, runs.start, np.where(runs.stop == last, covered, runs.stop))
        limits = in_seconds(runs, video, num_samples=covered, anchor=self.anchor)
        start_s, end_s = (np.minimum(limit, video.timeline.duration) for limit in limits)
        return start_s, end_s
