"""The decoder that turns activation sequences into segments: runs, scored and thinned out."""

from dataclasses import dataclass
from functools import partial

import numpy as np
import torch
from jaxtyping import Float, Integer

from utal.decoding.runs import (
    Runs,
    contrast,
    normalised,
    prefix_sums,
    threshold_runs,
    thresholded_contrast,
    upsampled,
)
from utal.decoding.segments import nms
from utal.errors import ConfigError, DataError
from utal.records import Output, Segments, Video


def kept_clusters(
    probability: Float[np.ndarray, " cluster"], threshold: float
) -> Integer[np.ndarray, " kept"]:
    """Clusters whose probability is at least `threshold`; if there is none, the likeliest one."""
    kept = np.flatnonzero(probability >= threshold)
    return kept if len(kept) else np.argmax(probability, keepdims=True)


def cluster_proposals(
    cas: Float[np.ndarray, " time"],
    thresholds: Float[np.ndarray, " level"],
    actionness_runs: Runs,
    *,
    upscale: int,
    margin: float,
) -> tuple[Runs, Float[np.ndarray, " run"]]:
    """Runs of one cluster with their contrast: first those of its activation, then the others.

    Args:
        cas: activation sequence of the cluster, not normalised.
        thresholds: where the normalised sequence is cut; its runs are scored on the cut sequence.
        actionness_runs: further runs, scored on the whole normalised sequence.
        upscale: samples per snippet.
        margin: width of the surroundings on each side, as a share of the run.

    Source: released CoLA code, which drops runs of one sample.
    """
    samples = upsampled(normalised(cas), upscale)
    sums = prefix_sums(samples)
    own, other = threshold_runs(samples, thresholds), actionness_runs
    score = np.concatenate([thresholded_contrast(sums, own, margin), contrast(sums, other, margin)])
    columns = zip(
        (own.level, own.start, own.stop), (other.level, other.start, other.stop), strict=True
    )
    runs = Runs(*(np.concatenate(pair) for pair in columns))
    return runs.longer_than(1), score[runs.length > 1]


@dataclass(frozen=True, slots=True, kw_only=True)
class OuterInnerProposals:
    """Runs of activation and actionness at many thresholds, scored by outer-inner contrast.

    Attributes:
        class_threshold: clusters of at least this probability are searched for, or the likeliest.
        cas_thresholds: cut a cluster's normalised activation; runs are scored on the cut sequence.
        actionness_thresholds: cut the normalised actionness; runs are scored on the activation.
        upscale: samples per snippet.
        outer_margin: width of a run's surroundings on each side, as a share of the run.
        probability_weight: gamma; the cluster's probability times this is added to the score.
        nms_threshold: IoU from which on a segment is dropped for a better one of its cluster.
        nms_plus_one: whether that IoU is the released code's; see `temporal_iou`.
        anchor: where in its cell the value of a snippet lies, in snippets. The released code has it
            at 0, the start, which makes segments half a snippet early; 0.5 is the centre. Unless it
            is 0, segments are clipped to the duration of the video.

    Raises:
        ConfigError: a field is out of range.

    Source: released CoLA code.
    """

    class_threshold: float
    cas_thresholds: tuple[float, ...]
    actionness_thresholds: tuple[float, ...]
    upscale: int = 24
    outer_margin: float = 0.25
    probability_weight: float = 0.2
    nms_threshold: float
    nms_plus_one: bool
    anchor: float = 0.0

    def __post_init__(self) -> None:
        for name in ("class_threshold", "nms_threshold", "anchor"):
            _check_share(name, getattr(self, name))
        for name in ("cas_thresholds", "actionness_thresholds"):
            for threshold in getattr(self, name):
                _check_share(f"each of {name}", threshold)
        if not self.cas_thresholds and not self.actionness_thresholds:
            raise ConfigError("cas_thresholds and actionness_thresholds must not both be empty")
        if self.upscale < 1:
            raise ConfigError(f"upscale must be at least 1, got {self.upscale}")
        for name in ("outer_margin", "probability_weight"):
            value = getattr(self, name)
            if not 0 <= value < np.inf:
                raise ConfigError(f"{name} must be finite and not negative, got {value}")

    def decode(self, output: Output, video: Video) -> Segments:
        """Segments of one video, cluster by cluster and by descending score.

        Args:
            output: scores of all snippets of `video` or of a uniform choice of them; batch size 1.
            video: only its name, number of snippets and time axis are used.

        Raises:
            DataError: a score is not finite.
        """
        cas, attention, probability = _arrays(output, video.name)
        actionness = upsampled(normalised(attention), self.upscale)
        shared = threshold_runs(actionness, np.asarray(self.actionness_thresholds, np.float64))
        own_thresholds = np.asarray(self.cas_thresholds, np.float64)
        scoring = partial(cluster_proposals, upscale=self.upscale, margin=self.outer_margin)
        columns = []
        for cluster in kept_clusters(probability, self.class_threshold).tolist():
            runs, score = scoring(cas[:, cluster], own_thresholds, shared)
            score += self.probability_weight * probability[cluster]
            start_s, end_s = self._seconds(runs, actionness.size, video)
            columns.append((cluster, *self._best(start_s, end_s, score)))
        clusters, *rest = zip(*columns, strict=True)
        cluster_column = np.repeat(clusters, [len(part) for part in rest[0]])
        video_column = np.zeros(len(cluster_column), np.int64)
        return Segments((video.name,), video_column, cluster_column, *map(np.concatenate, rest))

    def _seconds(self, runs: Runs, num_samples: int, video: Video) -> tuple[np.ndarray, np.ndarray]:
        """Start and end of the runs in seconds."""
        timeline = video.timeline
        # One division, as in the released code: an IoU at the threshold depends on the last bit.
        pitch_s = timeline.stride * video.num_snippets / (num_samples * timeline.fps)
        begin_s = timeline.start(self.anchor)
        latest = timeline.duration if self.anchor else np.inf
        start_s, end_s = begin_s + runs.start * pitch_s, begin_s + runs.stop * pitch_s
        # Nothing is known before the first sample, so a run that begins there fills its cell.
        start_s[runs.start == 0] = timeline.start(0.0)
        return np.clip(start_s, 0.0, latest), np.clip(end_s, 0.0, latest)

    def _best(
        self, start_s: np.ndarray, end_s: np.ndarray, score: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """The segments that have a length and that no better one covers."""
        real = start_s < end_s
        start_s, end_s, score = start_s[real], end_s[real], score[real]
        plus_one, threshold = self.nms_plus_one, self.nms_threshold
        kept = nms(start_s, end_s, score, threshold=threshold, plus_one=plus_one)
        return start_s[kept], end_s[kept], score[kept]


def _arrays(output: Output, name: str) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Activation, attention and probability of the one video in `output`, in double precision."""
    scores = output.scores
    if len(scores.cas) != 1:
        raise ValueError(f"{name}: only one video can be decoded at a time, got {len(scores.cas)}")
    tensors = scores.cas, scores.attention, scores.probability
    cas, attention, probability = (x[0].detach().to("cpu", torch.float64).numpy() for x in tensors)
    if not all(np.isfinite(x).all() for x in (cas, attention, probability)):
        raise DataError(
            f"{name}: the localizer's scores must be finite, found NaN or infinity; check the "
            "features for such values, or train with a lower learning_rate"
        )
    return cas, attention, probability


def _check_share(name: str, value: float) -> None:
    if not 0 <= value <= 1:
        raise ConfigError(f"{name} must lie in [0, 1], got {value}")
