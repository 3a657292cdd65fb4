"""Scores for people: detections against truth, as a record and as lines."""

from pathlib import Path
from typing import Literal

import numpy as np

from utal.errors import DataError
from utal.evaluation.clusters import ClusterScores, cluster_scores
from utal.evaluation.evaluate import ACTIVITYNET, THUMOS14, Evaluation, evaluate
from utal.evaluation.ground_truth import GroundTruth, read_ground_truth
from utal.evaluation.mapping import Mapping, Mode, map_by_name, map_clusters
from utal.formats.activitynet import cluster_names, read_detections
from utal.records import Clustering, Segments
from utal.runs import last_round, load

THRESHOLDS = {"thumos14": THUMOS14, "activitynet": ACTIVITYNET}


def score(
    segments: Segments,
    truth: GroundTruth,
    clustering: Clustering,
    multi_hot: np.ndarray,
    class_names: tuple[str, ...],
    num_clusters: int,
    *,
    thresholds: tuple[float, ...] = THUMOS14,
    mode: Mode = "soft_ge",
) -> Evaluation:
    """Maps clusters to classes by the videos that were grouped, then scores.

    Args:
        segments: detections of clusters.
        truth: the annotations to score against.
        clustering: the grouping of the videos that the run learned from.
        multi_hot: true classes of the same videos, one column per name in `class_names`.
        class_names: names of the columns.
        num_clusters: number of clusters.
        thresholds: temporal IoUs.
        mode: see `map_clusters`.
    """
    labels = clustering.labels.numpy()
    mapping = map_clusters(labels, multi_hot, num_clusters, class_names, mode=mode)
    agreement = cluster_scores(labels, multi_hot)
    return evaluate(segments, truth, mapping, thresholds, clusters=agreement)


def score_files(
    detections: Path,
    truth_file: Path,
    run_folder: Path | None,
    *,
    subset: str | None,
    train_subset: str | None,
    protocol: Literal["thumos14", "activitynet"],
    mode: Mode,
) -> Evaluation:
    """Scores a detection file; without a run its labels must be class names.

    Raises:
        DataError: unreadable files, or videos of the run that the truth does not have.
    """
    thresholds = THRESHOLDS[protocol]
    segments, labels = read_detections(detections)
    truth = read_ground_truth(truth_file, subset)
    clustering = None
    if run_folder is not None:
        run = load(run_folder)
        clustering = last_round(run).clustering
    if clustering is None:
        mapping: Mapping = map_by_name(segments, labels, truth.class_names)
        return evaluate(segments, truth, mapping, thresholds)
    if labels != cluster_names(len(labels)):
        raise DataError(
            f"{detections}: expected the labels cluster_000, cluster_001 … of {run_folder}, found "
            f"{labels[0]!r}; without --run, labels must be the truth's class names"
        )
    learned = read_ground_truth(truth_file, train_subset) if train_subset else truth
    try:
        multi_hot = learned.video_labels(run.names)
    except DataError as error:
        raise DataError(
            f"{truth_file}: the run learned from videos of another subset ({error}); name it with "
            "--train-subset"
        ) from error
    return score(
        segments,
        truth,
        clustering,
        multi_hot,
        learned.class_names,
        run.request.num_clusters,
        thresholds=thresholds,
        mode=mode,
    )


def score_rows(evaluation: Evaluation) -> tuple[tuple[str, str], ...]:
    """The numbers as pairs of name and value."""
    rows = [
        (f"mAP@{threshold:g}", f"{value:.3f}")
        for threshold, value in zip(evaluation.precision.thresholds, evaluation.means, strict=True)
    ]
    rows.append(("average mAP", f"{evaluation.average:.3f}"))
    return (*rows, *_cluster_rows(evaluation.clusters))


def score_lines(evaluation: Evaluation) -> tuple[str, ...]:
    """The numbers as lines, with the protocol they hold under."""
    lines = [f"{name:<22} {value}" for name, value in score_rows(evaluation)]
    counts = (
        f"{evaluation.num_detections} detections against {evaluation.num_annotations} segments in "
        f"{evaluation.num_videos} videos"
    )
    return (*lines, counts, f"Protocol: {evaluation.protocol}")


def _cluster_rows(scores: ClusterScores | None) -> tuple[tuple[str, str], ...]:
    if scores is None:
        return ()
    return (
        ("purity", f"{scores.purity:.3f}"),
        ("NMI, first label", f"{scores.nmi_first:.3f}"),
        ("NMI, label sets", f"{scores.nmi_labelset:.3f}"),
        ("ARI, first label", f"{scores.ari_first:.3f}"),
        ("ARI, label sets", f"{scores.ari_labelset:.3f}"),
    )
