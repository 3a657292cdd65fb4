"""Average precision as the official ActivityNet evaluator defines it: one detection at a time."""

import numpy as np

from utal.evaluation.ground_truth import GroundTruth
from utal.records import Segments


def average_precision(
    segments: Segments, truth: GroundTruth, thresholds: list[float]
) -> np.ndarray:
    table = np.zeros((len(thresholds), len(truth.class_names)))
    for row, threshold in enumerate(thresholds):
        for label in range(len(truth.class_names)):
            table[row, label] = _class_ap(segments, truth, label, threshold)
    return table


def _class_ap(segments: Segments, truth: GroundTruth, label: int, threshold: float) -> float:
    mine = [row for row in range(len(segments)) if segments.cluster[row] == label]
    mine.sort(key=lambda row: -segments.score[row])  # stable: of equal scores the earlier row first
    annotations: dict[str, list[int]] = {}
    for row in np.flatnonzero(truth.label == label):
        annotations.setdefault(truth.names[truth.video[row]], []).append(row)
    used: set[int] = set()
    hits = []
    for row in mine:
        there = annotations.get(segments.names[segments.video[row]], [])
        overlap = {other: _iou(segments, row, truth, other) for other in there}
        hit = False
        for other in sorted(there, key=lambda a: (-overlap[a], -a)):
            if overlap[other] < threshold:
                break
            if other not in used:
                used.add(other)
                hit = True
                break
        hits.append(hit)
    return _area(hits, int((truth.label == label).sum()))


def _iou(segments: Segments, row: int, truth: GroundTruth, other: int) -> float:
    start, end = float(segments.start_s[row]), float(segments.end_s[row])
    true_start, true_end = float(truth.start_s[other]), float(truth.end_s[other])
    common = max(0.0, min(end, true_end) - max(start, true_start))
    return common / ((true_end - true_start) + (end - start) - common)


def _area(hits: list[bool], num_annotations: int) -> float:
    recall, precision, found = [0.0], [0.0], 0
    for count, hit in enumerate(hits, start=1):
        found += hit
        recall.append(found / num_annotations)
        precision.append(found / count)
    recall.append(1.0)
    precision.append(0.0)
    for k in range(len(precision) - 2, -1, -1):
        precision[k] = max(precision[k], precision[k + 1])
    return sum((recall[k] - recall[k - 1]) * precision[k] for k in range(1, len(recall)))
