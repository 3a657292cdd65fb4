"""Scores detections of clusters against named, timed annotations."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np
from jaxtyping import Float

from utal.errors import ConfigError, DataError
from utal.evaluation.clusters import ClusterScores
from utal.evaluation.detection import AveragePrecision, average_precision
from utal.evaluation.ground_truth import GroundTruth
from utal.evaluation.mapping import Mapping, map_segments, suppress_per_class
from utal.records import Segments

THUMOS14 = (0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7)
ACTIVITYNET = tuple(np.linspace(0.5, 0.95, 10).tolist())  # as the official evaluator computes them

UnknownVideos = Literal["raise", "ignore", "count"]


@dataclass(frozen=True, eq=False, slots=True)
class Evaluation:
    """What detections are worth, and by which rules.

    Attributes:
        precision: average precision per threshold and class.
        num_videos: videos of the truth, whether or not something was found in them.
        num_annotations: annotated segments.
        num_detections: detections that were scored, after copying to classes and suppression.
        num_unmapped: detections that were not scored because their cluster stands for no class of
            the truth.
        num_unknown: detections in videos that the truth does not have.
        protocol: data, rules and settings in one line; compare numbers only if it is equal.
        clusters: agreement of the grouping with the labels, if it was asked for.
    """

    precision: AveragePrecision
    num_videos: int
    num_annotations: int
    num_detections: int
    num_unmapped: int
    num_unknown: int
    protocol: str
    clusters: ClusterScores | None = None

    @property
    def means(self) -> Float[np.ndarray, " threshold"]:
        """Mean average precision at each threshold."""
        return self.precision.means

    @property
    def average(self) -> float:
        """Mean over thresholds of the mean average precision."""
        return self.precision.average


def evaluate(
    segments: Segments,
    truth: GroundTruth,
    mapping: Mapping,
    thresholds: Sequence[float] = THUMOS14,
    *,
    nms_threshold: float | None = None,
    unknown_videos: UnknownVideos = "raise",
    clusters: ClusterScores | None = None,
) -> Evaluation:
    """Names the clusters and scores their detections.

    Args:
        segments: detections of clusters.
        truth: the annotations.
        mapping: from `map_clusters`, or `map_by_name` where detections carry class names.
        thresholds: temporal IoUs, `THUMOS14` or `ACTIVITYNET` for the usual ones.
        nms_threshold: `None`, as in all released code, leaves what several clusters of one class
            found; a number suppresses it within each video and class.
        unknown_videos: what a detection in a video outside the truth is: an error, ignored, or
            counted as a false positive like in the official evaluator.
        clusters: from `cluster_scores`, to be kept with the rest.

    Raises:
        ConfigError: an option is out of range.
        DataError: a detection in an unknown video, or one with an impossible time or score.
    """
    if nms_threshold is not None and not 0 < nms_threshold <= 1:
        raise ConfigError(f"nms_threshold must lie in (0, 1], got {nms_threshold}")
    searched = set(truth.names)
    known = np.array([name in searched for name in segments.names], np.bool_)[segments.video]
    _check_videos(segments, known, truth, unknown_videos)
    scored = segments.take(known) if unknown_videos == "ignore" else segments
    mapped = map_segments(scored, mapping, truth.class_names)
    if nms_threshold is not None:
        mapped = suppress_per_class(mapped, threshold=nms_threshold)
    stands = {
        cluster
        for cluster, entry in mapping.entries.items()
        if any(name in truth.class_names for name, _ in entry)
    }
    return Evaluation(
        precision=average_precision(mapped, truth, thresholds),
        num_videos=len(truth.names),
        num_annotations=len(truth),
        num_detections=len(mapped),
        num_unmapped=int(np.isin(scored.cluster, list(stands), invert=True).sum()),
        num_unknown=int((~known).sum()),
        protocol=_protocol(truth, mapping, thresholds, nms_threshold, unknown_videos),
        clusters=clusters,
    )


def _check_videos(
    segments: Segments, known: np.ndarray, truth: GroundTruth, unknown_videos: UnknownVideos
) -> None:
    if unknown_videos not in get_args(UnknownVideos):
        allowed = ", ".join(get_args(UnknownVideos))
        raise ConfigError(f"unknown_videos must be one of {allowed}, got {unknown_videos!r}")
    if unknown_videos == "raise" and not known.all():
        first = segments.names[segments.video[np.argmin(known)]]
        raise DataError(
            f"{(~known).sum()} of {len(segments)} detections lie in videos that subset "
            f"{truth.subset!r} of the truth does not have, the first in {first!r}; "
            + _advice(first, truth.names)
        )


def _advice(name: str, names: Sequence[str]) -> str:
    """ActivityNet's annotations call `abc` what its video and feature files call `v_abc`."""
    other = name[2:] if name.startswith("v_") else f"v_{name}"
    if other in names:
        return f"the truth calls it {other!r}: rename one of them"
    return "evaluate the videos of that subset, or ignore the others"


def _protocol(
    truth: GroundTruth,
    mapping: Mapping,
    thresholds: Sequence[float],
    nms_threshold: float | None,
    unknown_videos: UnknownVideos,
) -> str:
    left_out = [
        f"{count} {what} left out"
        for count, what in ((truth.num_ambiguous, "ambiguous"), (truth.num_empty, "empty"))
        if count
    ]
    data = ", ".join(
        [
            f"subset {truth.subset!r} of {len(truth.names)} videos",
            f"{len(truth)} segments",
            f"{len(truth.class_names)} classes",
            *left_out,
        ]
    )
    return "; ".join(
        [
            f"truth sha256 {truth.sha256 or 'unknown'}",
            data,
            "ActivityNet average precision, equal scores in order of rows",
            f"tIoU {' '.join(f'{threshold:g}' for threshold in thresholds)}",
            f"clusters to classes: {mapping.description}",
            f"NMS after mapping {'none' if nms_threshold is None else f'{nms_threshold:g}'}",
            f"detections in unknown videos: {unknown_videos}",
        ]
    )
