"""The decoder that turns activation sequences into segments: runs, scored and thinned out."""

from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float

from utal.decoding.outputs import (
    arrays,
    as_segments,
    check_not_negative,
    check_positive_count,
    check_share,
    in_seconds,
    kept_clusters,
)
from utal.decoding.runs import (
    Runs,
    contrast,
    normalised,
    prefix_sums,
    relative_magnitude,
    rescaled,
    threshold_runs,
    thresholded_contrast,
    upsampled,
)
from utal.decoding.segments import nms, soft_nms
from utal.errors import ConfigError
from utal.method import Localizer
from utal.records import Output, Segments, Video

SOURCES = ("cas_thresholds", "actionness_thresholds", "magnitude_thresholds")


def cluster_proposals(
    samples: Float[np.ndarray, "time factor"],
    thresholds: Float[np.ndarray, " level"],
    other_runs: Runs,
    *,
    margin: float,
    min_samples: int = 2,
    scored_cut: bool = True,
) -> tuple[Runs, Float[np.ndarray, " run"]]:
    """Runs of one cluster with their contrast: first those of its activation, then the others.

    Args:
        samples: up-sampled activation of the cluster.
        thresholds: where it is cut.
        other_runs: further runs, scored on the whole activation.
        margin: width of the surroundings on each side, as a share of the run.
        min_samples: shorter runs are dropped.
        scored_cut: whether runs of the activation are scored on the cut activation, in which what
            is outside the runs counts 0.

    Source: released CoLA code; the released AICL and CASE code scores on the whole activation.
    """
    sums, own = prefix_sums(samples), threshold_runs(samples, thresholds)
    own_score = (thresholded_contrast if scored_cut else contrast)(sums, own, margin)
    score = np.concatenate([own_score, contrast(sums, other_runs, margin)])
    runs = own.followed_by(other_runs)
    kept = runs.length >= min_samples
    return runs.take(kept), score[kept]


@dataclass(frozen=True, slots=True, kw_only=True)
class OuterInnerProposals:
    """Runs of activation, actionness and magnitude at many thresholds, scored by their contrast.

    Attributes:
        class_threshold: clusters of at least this probability are searched for, or the likeliest.
        cas_thresholds: cut a cluster's activation.
        actionness_thresholds: cut the actionness; runs are scored on the whole activation.
        magnitude_thresholds: cut the relative norm of the embedding, see `relative_magnitude`; runs
            are scored on the whole activation.
        magnitude_ratio: the sure snippets of that norm are the T // magnitude_ratio best and worst.
        normalised: whether activation and actionness are min-max scaled before they are cut; for
            localizers whose activation lies in [0, 1] and means the same in every video, it is not.
        clipped: whether what is negative counts 0 once it is scaled.
        scored_cut: whether what is outside the runs of the same threshold counts 0 when a run of
            the activation is scored.
        upscale: samples per snippet.
        min_samples: runs of fewer samples are dropped.
        outer_margin: width of a run's surroundings on each side, as a share of the run.
        probability_weight: gamma; the cluster's probability times this is added to the score.
        binary_class_score: whether gamma is added as it is, whatever the probability.
        nms_threshold: IoU from which on a segment is dropped for a better one of its cluster.
        nms_plus_one: whether that IoU is the released code's; see `temporal_iou`.
        soft_nms_sigma: segments are not dropped, but their score is lowered; see `soft_nms`.
            `None`: they are dropped.
        anchor: where in its cell the value of a snippet lies, in snippets. The released code has it
            at 0, the start, which makes segments half a snippet early; 0.5 is the centre. Unless it
            is 0, segments are clipped to the duration of the video.

    Raises:
        ConfigError: a field is out of range.

    Source: released CoLA code; for what is not the default, released BaS-Net (`clipped`,
    `min_samples`, `binary_class_score`), APSL (magnitudes), AICL and CASE (the rest).
    """

    class_threshold: float
    cas_thresholds: tuple[float, ...]
    actionness_thresholds: tuple[float, ...]
    magnitude_thresholds: tuple[float, ...] = ()
    magnitude_ratio: int = 5
    normalised: bool = True
    clipped: bool = True
    scored_cut: bool = True
    upscale: int = 24
    min_samples: int = 2
    outer_margin: float = 0.25
    probability_weight: float = 0.2
    binary_class_score: bool = False
    nms_threshold: float
    nms_plus_one: bool
    soft_nms_sigma: float | None = None
    anchor: float = 0.0

    def __post_init__(self) -> None:
        for name in ("class_threshold", "nms_threshold", "anchor"):
            check_share(name, getattr(self, name))
        for name in SOURCES:
            for threshold in getattr(self, name):
                check_share(f"each of {name}", threshold)
        if not any(getattr(self, name) for name in SOURCES):
            raise ConfigError(f"{', '.join(SOURCES)} must not all be empty")
        for name in ("upscale", "min_samples", "magnitude_ratio"):
            check_positive_count(name, getattr(self, name))
        for name in ("outer_margin", "probability_weight"):
            check_not_negative(name, getattr(self, name))
        if self.soft_nms_sigma is not None and not 0 < self.soft_nms_sigma < np.inf:
            raise ConfigError(
                f"soft_nms_sigma must be finite and positive, or null, got {self.soft_nms_sigma}"
            )

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
        scores = output.scores
        cas, actionness, probability = arrays(
            video.name, scores.cas, scores.attention, scores.probability
        )
        shared = threshold_runs(
            self._samples(actionness), np.asarray(self.actionness_thresholds, np.float64)
        )
        if self.magnitude_thresholds:
            shared = shared.followed_by(self._magnitude_runs(output, actionness, video.name))
        thresholds = np.asarray(self.cas_thresholds, np.float64)
        columns = []
        for cluster in kept_clusters(probability, self.class_threshold).tolist():
            runs, score = cluster_proposals(
                self._samples(cas[:, cluster]),
                thresholds,
                shared,
                margin=self.outer_margin,
                min_samples=self.min_samples,
                scored_cut=self.scored_cut,
            )
            score += self.probability_weight * (
                1.0 if self.binary_class_score else probability[cluster]
            )
            num_samples = self.upscale * len(cas)
            limits = in_seconds(runs, video, num_samples=num_samples, anchor=self.anchor)
            columns.append((cluster, *self._best(*limits, score)))
        return as_segments(video.name, columns)

    def _samples(self, sequence: np.ndarray) -> np.ndarray:
        """A sequence as it is cut: scaled, if it is to be, and up-sampled."""
        if self.normalised:
            sequence = normalised(sequence) if self.clipped else rescaled(sequence)
        return upsampled(sequence, self.upscale)

    def _magnitude_runs(self, output: Output, actionness: np.ndarray, name: str) -> Runs:
        """Runs where the embedding is long."""
        # The norm on the tensor's device: the embedding is a thousand times as large as the norm.
        norm = torch.linalg.vector_norm(output.scores.embedding, dim=2, dtype=torch.float64)
        (magnitude,) = arrays(name, norm)
        relative = relative_magnitude(magnitude, actionness, self.magnitude_ratio)
        thresholds = np.asarray(self.magnitude_thresholds, np.float64)
        return threshold_runs(upsampled(relative, self.upscale), thresholds)

    def _best(
        self, start_s: np.ndarray, end_s: np.ndarray, score: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """The segments that have a length and that no better one covers."""
        real = start_s < end_s
        start_s, end_s, score = start_s[real], end_s[real], score[real]
        rows = start_s, end_s, score
        plus_one, threshold = self.nms_plus_one, self.nms_threshold
        if self.soft_nms_sigma is None:
            kept = nms(*rows, threshold=threshold, plus_one=plus_one)
            return start_s[kept], end_s[kept], score[kept]
        sigma = self.soft_nms_sigma
        order, score = soft_nms(*rows, threshold=threshold, plus_one=plus_one, sigma=sigma)
        return start_s[order], end_s[order], score
