"""Cluster to class: needed only to score clusters, which have no names, against named classes."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal, get_args

import numpy as np
from jaxtyping import Bool, Int64, Integer

from utal.decoding.segments import nms
from utal.errors import ConfigError, DataError
from utal.records import Segments

Mode = Literal["hard", "soft_ge", "soft_gt"]


@dataclass(frozen=True, slots=True)
class Mapping:
    """Which classes a cluster stands for.

    Attributes:
        entries: per cluster its classes, by name, each with the factor that its scores get. A
            cluster without an entry stands for nothing: its detections are not scored.
        description: how the mapping came about, for the protocol.
    """

    entries: dict[int, tuple[tuple[str, float], ...]]
    description: str = "given"


def class_counts(
    labels: Integer[np.ndarray, " video"],
    multi_hot: Bool[np.ndarray, "video class"],
    num_clusters: int,
) -> Int64[np.ndarray, "cluster class"]:
    """In how many videos of each cluster each class occurs.

    Raises:
        DataError: there are not as many labels as rows, or a label is out of range.
    """
    if len(labels) != len(multi_hot):
        raise DataError(f"{len(labels)} cluster labels for {len(multi_hot)} videos")
    if len(labels) and not 0 <= labels.min() <= labels.max() < num_clusters:
        raise DataError(
            f"cluster labels must lie in 0...{num_clusters - 1}, "
            f"found {labels.min()}...{labels.max()}"
        )
    counts = np.zeros((num_clusters, multi_hot.shape[1]), np.int64)
    np.add.at(counts, labels, multi_hot)
    return counts


def map_clusters(
    labels: Integer[np.ndarray, " video"],
    multi_hot: Bool[np.ndarray, "video class"],
    num_clusters: int,
    class_names: Sequence[str],
    *,
    mode: Mode = "soft_ge",
    secondary_weight: float = 0.5,
) -> Mapping:
    """Names each cluster after the classes that are most frequent in its videos.

    A video counts for every class it holds; t is the count of the most frequent class.

    Args:
        labels: cluster of each video, of all videos that were grouped.
        multi_hot: the true classes of the same videos.
        num_clusters: number of clusters; some may be empty.
        class_names: name of each column of `multi_hot`.
        mode: `hard` takes the first class with count t. `soft_ge` takes every class with a count of
            at least t / 2, `soft_gt` of more than t / 2: with weight 1 those with count t, with
            `secondary_weight` the others.
        secondary_weight: in (0, 1].

    Returns:
        Classes of each cluster in the order of `class_names`. A cluster that is empty or whose
        videos have no labels has no entry.

    Raises:
        ConfigError: unknown mode, or weight out of range.
        DataError: labels and table do not fit together.

    Source: [TCAM] multi-label rule ("> t / 2"); the weights, and "at least", are in the released
        TCAM and FEEL code only.
    """
    if mode not in get_args(Mode):
        raise ConfigError(f"mapping must be one of {', '.join(get_args(Mode))}, got {mode!r}")
    if not 0 < secondary_weight <= 1:
        raise ConfigError(f"secondary_weight must lie in (0, 1], got {secondary_weight}")
    entries = {}
    for cluster, count in enumerate(class_counts(labels, multi_hot, num_clusters)):
        most = count.max(initial=0)
        if most == 0:
            continue
        if mode == "hard":
            kept = np.array([count.argmax()])
        else:
            kept = np.flatnonzero(2 * count >= most if mode == "soft_ge" else 2 * count > most)
        entries[cluster] = tuple(
            (class_names[k], 1.0 if count[k] == most else secondary_weight) for k in kept
        )
    weight = "" if mode == "hard" else f", secondary weight {secondary_weight:g}"
    return Mapping(entries, f"{mode}{weight}, counted on {len(labels)} videos")


def map_by_name(segments: Segments, labels: Sequence[str], class_names: Sequence[str]) -> Mapping:
    """The mapping of detections that already carry class names.

    Args:
        segments: detections.
        labels: name of each value in their column `cluster`.
        class_names: the classes of the truth.

    Raises:
        DataError: a detection has a label that is no class of the truth.
    """
    entries: dict[int, tuple[tuple[str, float], ...]] = {}
    for index in np.unique(segments.cluster).tolist():
        label = labels[index]
        if label not in class_names:
            raise DataError(
                f"label {label!r} is not one of the {len(class_names)} classes of the truth "
                f"({', '.join(map(repr, class_names[:3]))}, ...); map clusters to classes first"
            )
        entries[index] = ((label, 1.0),)
    return Mapping(entries, "by name")


def map_segments(segments: Segments, mapping: Mapping, class_names: Sequence[str]) -> Segments:
    """Copies each segment to every class of its cluster, with its score times the class's weight.

    Args:
        segments: detections of clusters.
        mapping: see `map_clusters`.
        class_names: the classes of the truth; entries for other classes are passed over, since
            there is nothing to score them against.

    Returns:
        Segments whose `cluster` is an index into `class_names`: in the order of the rows, the
        copies of one row next to each other in the order of its entry.

    Raises:
        DataError: a negative cluster.

    Source: released TCAM and FEEL code.
    """
    if segments.cluster.min(initial=0) < 0:
        raise DataError(f"expected clusters from 0 on, found {segments.cluster.min()}")
    column = {name: index for index, name in enumerate(class_names)}
    num_clusters = 1 + int(max(segments.cluster.max(initial=0), max(mapping.entries, default=0)))
    entries = [
        [
            (column[name], weight)
            for name, weight in mapping.entries.get(cluster, ())
            if name in column
        ]
        for cluster in range(num_clusters)
    ]
    size = np.array([len(entry) for entry in entries])
    label = np.array([index for entry in entries for index, _ in entry], np.int64)
    weight = np.array([weight for entry in entries for _, weight in entry], np.float64)

    copies = size[segments.cluster]
    rows = np.repeat(np.arange(len(segments)), copies)
    before = (np.cumsum(copies) - copies) - (np.cumsum(size) - size)[segments.cluster]
    item = np.arange(len(rows)) - np.repeat(before, copies)
    copied = segments.take(rows)
    return replace(copied, cluster=label[item], score=copied.score * weight[item])


def suppress_per_class(segments: Segments, *, threshold: float, plus_one: bool = False) -> Segments:
    """Removes what several clusters of one class found twice: NMS within each video and class.

    Args:
        segments: mapped detections.
        threshold: IoU from which on the segment with the lower score is dropped.
        plus_one: see `utal.decoding.segments.nms`.

    Returns:
        The kept rows, in their old order.
    """
    num_classes = 1 + int(segments.cluster.max(initial=0))
    group = segments.video.astype(np.int64) * num_classes + segments.cluster
    order = np.argsort(group, kind="stable")
    kept = [np.empty(0, np.int64)]
    for rows in np.split(order, np.flatnonzero(np.diff(group[order])) + 1):
        part = segments.take(rows)
        kept.append(
            rows[nms(part.start_s, part.end_s, part.score, threshold=threshold, plus_one=plus_one)]
        )
    return segments.take(np.sort(np.concatenate(kept)))
