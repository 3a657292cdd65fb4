"""Average precision of detections, by the rules of the official ActivityNet evaluator.

Per class and threshold, detections of all videos are visited by descending score; each takes the
free annotation of its video and class with which it has the largest IoU, if that reaches the
threshold. AP is the area under the monotone envelope of precision over recall.

Visiting a million detections one by one takes minutes. Here all that are still without annotation
ask at once for the best one that has not refused them, and each annotation keeps the earliest in
score order that ever asked (deferred acceptance). As all annotations prefer by the same order, the
outcome is the one stable matching, which is also what the visit one by one arrives at.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int64, Integer

from utal.errors import ConfigError, DataError
from utal.evaluation.ground_truth import GroundTruth
from utal.records import Segments

_BLOCK = 1 << 21  # pairs whose overlap is computed at once, to bound memory


@dataclass(frozen=True, eq=False, slots=True)
class AveragePrecision:
    """Average precision of every class at every threshold, as fractions.

    Attributes:
        thresholds: temporal IoUs.
        class_names: classes that have annotations.
        table: average precision.
    """

    thresholds: tuple[float, ...]
    class_names: tuple[str, ...]
    table: Float[np.ndarray, "threshold class"]

    @property
    def means(self) -> Float[np.ndarray, " threshold"]:
        """Mean over the classes (mAP) at each threshold."""
        return np.asarray(self.table.mean(axis=1))

    @property
    def average(self) -> float:
        """Mean over thresholds of the mAP."""
        return float(self.means.mean())


def average_precision(
    segments: Segments, truth: GroundTruth, thresholds: Sequence[float]
) -> AveragePrecision:
    """Average precision per temporal IoU and class.

    Of detections with equal scores the earlier row comes first; of annotations with which a
    detection has equal IoU, the later one. A class without detections has 0. Detections in videos
    that the truth does not have are false positives.

    Args:
        segments: detections; `cluster` holds the index of the class in `truth.class_names`.
        truth: the annotations.
        thresholds: temporal IoUs in (0, 1].

    Raises:
        ConfigError: a threshold is out of range, or there is none.
        DataError: a class index without class, a number that is not finite, or an end before start.

    Source: released CoLA and ActivityNet evaluators, whose order of equal scores depends on the
        machine.
    """
    if not thresholds or not all(0 < threshold <= 1 for threshold in thresholds):
        raise ConfigError(f"temporal IoUs must lie in (0, 1], got {list(thresholds)}")
    _check(segments, len(truth.class_names))
    ranked = segments.take(np.argsort(-segments.score, kind="stable"))
    rank = _rank_in_class(ranked.cluster, len(truth.class_names))
    pairs = _best_first(_overlaps(ranked, truth, min(thresholds)))
    table = np.zeros((len(thresholds), len(truth.class_names)))
    for row, threshold in enumerate(thresholds):
        taken, by = _matched(pairs, len(truth), threshold)
        table[row] = _areas(truth.label, taken, rank[by])
    return AveragePrecision(tuple(map(float, thresholds)), truth.class_names, table)


@dataclass(frozen=True, eq=False, slots=True)
class _Pairs:
    """Detections and annotations that overlap; detections ascend, that is, scores descend."""

    detection: Int64[np.ndarray, " pair"]
    annotation: Int64[np.ndarray, " pair"]
    iou: Float[np.ndarray, " pair"]


def _check(segments: Segments, num_classes: int) -> None:
    strange = (segments.cluster < 0) | (segments.cluster >= num_classes)
    if strange.any():
        index = int(segments.cluster[strange][0])
        raise DataError(f"detection of class {index}, but the truth has {num_classes} classes")
    sane = segments.start_s <= segments.end_s  # false for NaN
    for column in (segments.start_s, segments.end_s, segments.score):
        sane &= np.isfinite(column)
    if not sane.all():
        row = int(np.argmin(sane))
        raise DataError(
            f"detection {row} in video {segments.names[segments.video[row]]!r}: expected finite "
            f"start <= end and score, found {segments.start_s[row]}, {segments.end_s[row]}, "
            f"{segments.score[row]}"
        )


def _rank_in_class(
    label: Integer[np.ndarray, " segment"], num_classes: int
) -> Int64[np.ndarray, " segment"]:
    """How many earlier rows have the same label."""
    small = label.astype(np.min_scalar_type(num_classes))  # sorted by radix, 10 times as fast
    order = np.argsort(small, kind="stable")
    count = np.bincount(small, minlength=num_classes)
    rank = np.empty(len(label), np.int64)
    rank[order] = np.arange(len(label)) - np.repeat(np.cumsum(count) - count, count)
    return rank


def _overlaps(ranked: Segments, truth: GroundTruth, least: float) -> _Pairs:
    """All pairs of one video and class whose IoU is at least `least` > 0."""
    rows, order, first, count = _candidates(ranked, truth)
    cuts = np.searchsorted(np.cumsum(count), np.arange(_BLOCK, count.sum(), _BLOCK))
    parts = []
    for block in np.split(np.arange(len(rows)), cuts):
        detection = np.repeat(rows[block], count[block])
        annotation = order[_ranges(first[block], count[block])]
        iou = _iou(
            ranked.start_s[detection],
            ranked.end_s[detection],
            truth.start_s[annotation],
            truth.end_s[annotation],
        )
        near = iou >= least
        parts.append((detection[near], annotation[near], iou[near]))
    return _Pairs(*(np.concatenate(column) for column in zip(*parts, strict=True)))


def _candidates(
    ranked: Segments, truth: GroundTruth
) -> tuple[
    Int64[np.ndarray, " detection"],
    Int64[np.ndarray, " annotation"],
    Int64[np.ndarray, " detection"],
    Int64[np.ndarray, " detection"],
]:
    """Detections whose video has their class, and the annotations that each may overlap.

    Annotations are sorted by group (video and class) and start, and groups are laid one after
    another on one axis: then those that a detection can overlap are a range, found by bisection.
    Rounding on that axis is covered by `margin`.

    Returns:
        Rows of detections, annotations in sorted order, and for each of these detections the first
        position in that order and the number of positions.
    """
    known = {name: row for row, name in enumerate(truth.names)}
    place = np.array([known.get(name, -1) for name in ranked.names], np.int64)[ranked.video]
    num_classes = len(truth.class_names)
    groups, truth_group = np.unique(truth.video * num_classes + truth.label, return_inverse=True)
    wanted = place * num_classes + ranked.cluster
    group = np.searchsorted(groups, wanted).clip(max=len(groups) - 1)
    rows = np.flatnonzero(groups[group] == wanted)

    order = np.lexsort((truth.start_s, truth_group))
    low, high = truth.start_s.min(), truth.end_s.max()
    width = 2 * (high - low)
    margin = 1e-14 * (width * (len(groups) + 1) + abs(low) + abs(high))
    offset = truth_group[order] * width - low
    starts = offset + truth.start_s[order]
    ends = np.maximum.accumulate(offset + truth.end_s[order])
    shift = group[rows] * width - low
    after = ranked.start_s[rows].clip(low, high) + shift - margin
    before = ranked.end_s[rows].clip(low, high) + shift + margin
    first = np.searchsorted(ends, after, side="left")
    stop = np.searchsorted(starts, before, side="right")
    return rows, order, first, np.maximum(stop - first, 0)


def _ranges(
    first: Integer[np.ndarray, " range"], count: Integer[np.ndarray, " range"]
) -> Int64[np.ndarray, " item"]:
    """The integers first, first + 1, ... of each range, one range after another."""
    done = np.cumsum(count) - count
    return np.repeat(first - done, count) + np.arange(int(count.sum()))


def _iou(
    start: Float[np.ndarray, " pair"],
    end: Float[np.ndarray, " pair"],
    true_start: Float[np.ndarray, " pair"],
    true_end: Float[np.ndarray, " pair"],
) -> Float[np.ndarray, " pair"]:
    """Temporal IoU of segment pairs, added up in the official evaluator's order."""
    common = np.maximum(np.minimum(end, true_end) - np.maximum(start, true_start), 0.0)
    return np.asarray(common / ((true_end - true_start) + (end - start) - common))


def _best_first(pairs: _Pairs) -> _Pairs:
    """The same pairs, those of each detection by descending IoU, of equal ones the later first."""
    same = pairs.detection[1:] == pairs.detection[:-1]
    shared = np.flatnonzero(np.append(same, False) | np.insert(same, 0, False))
    keys = (-pairs.annotation[shared], -pairs.iou[shared], pairs.detection[shared])
    order = np.arange(len(pairs.detection))
    order[shared] = shared[np.lexsort(keys)]
    return _Pairs(pairs.detection, pairs.annotation[order], pairs.iou[order])


def _matched(
    pairs: _Pairs, num_annotations: int, threshold: float
) -> tuple[Int64[np.ndarray, " match"], Int64[np.ndarray, " match"]]:
    """Annotations found at one threshold, and the detection that found each.

    Rows of `asking` and values of `holder` number the detections that have a pair.
    """
    usable = pairs.iou >= threshold
    detection, annotation = pairs.detection[usable], pairs.annotation[usable]
    first = np.flatnonzero(np.insert(detection[1:] != detection[:-1], 0, len(detection) > 0))
    stop = np.append(first[1:], len(detection))
    choice = first.copy()
    nobody = len(first)
    holder = np.full(num_annotations, nobody)
    asking = np.arange(len(first))
    while len(asking):
        before = holder.copy()
        asked = annotation[choice[asking]]
        np.minimum.at(holder, asked, asking)
        refused = asking[holder[asked] != asking]
        ousted = before[(before != holder) & (before != nobody)]
        moving = np.concatenate((refused, ousted))
        choice[moving] += 1
        asking = moving[choice[moving] < stop[moving]]
    taken = np.flatnonzero(holder != nobody)
    return taken, detection[first[holder[taken]]]


def _areas(
    label: Int64[np.ndarray, " annotation"],
    taken: Int64[np.ndarray, " match"],
    rank: Int64[np.ndarray, " match"],
) -> Float[np.ndarray, " class"]:
    """Area under the precision envelope of each class, from the ranks of its true positives."""
    areas = np.zeros(label.max() + 1)
    num_annotations = np.bincount(label)
    for index in np.unique(label[taken]):
        hits = np.sort(rank[label[taken] == index])
        precision = np.arange(1, len(hits) + 1) / (hits + 1)
        envelope = np.maximum.accumulate(precision[::-1])
        areas[index] = envelope.sum() / num_annotations[index]
    return areas
