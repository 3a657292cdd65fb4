"""DCC's equations written as plainly as possible, one element at a time: slow and obvious."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np


def snippet_labels(activation: np.ndarray) -> np.ndarray:
    """Of one video [time, column]: 1 where the softmax is at least its mean over time."""
    shares = np.array([[math.exp(a) / sum(map(math.exp, row)) for a in row] for row in activation])
    result = np.zeros(activation.shape)
    for column in range(activation.shape[1]):
        threshold = sum(shares[:, column]) / len(shares)
        for time in range(len(shares)):
            result[time, column] = shares[time, column] >= threshold
    return result


def confidence(labels: np.ndarray, groups: Sequence[int]) -> np.ndarray:
    """Of one video and one column: how many of a snippet's group have its label."""
    result = []
    for label, group in zip(labels, groups, strict=True):
        votes = [labels[k] == label for k in range(len(labels)) if groups[k] == group]
        result.append(sum(votes) / len(votes))
    return np.array(result)


def parts(length: int, num_regions: int) -> list[range]:
    """Snippets of the whole video, then of its equal parts."""
    whole = [range(length)]
    if num_regions == 1:
        return whole
    return whole + [
        range((m - 1) * length // num_regions, m * length // num_regions)
        for m in range(1, num_regions + 1)
    ]


@dataclass
class Entry:
    """One region of one (video, cluster) pair."""

    vector: np.ndarray
    video: int
    cluster: int
    is_action: bool
    exists: bool


def entries_of(
    projected: np.ndarray,
    labels: np.ndarray,
    trust: np.ndarray,
    *,
    video: int,
    cluster: int,
    num_regions: int,
) -> list[Entry]:
    """All regions of one set: action, then background."""
    found = []
    for is_action in (True, False):
        for part in parts(len(projected), num_regions):
            total, weight = np.zeros(projected.shape[1]), 0.0
            for time in part:
                share = trust[time] * (labels[time] if is_action else 1 - labels[time])
                total, weight = total + share * projected[time], weight + share
            length = math.sqrt(sum(total**2))
            vector = total / length if length else total
            found.append(Entry(vector, video, cluster, is_action, weight > 0))
    return found


def relation(anchor: Entry, entry: Entry, clusters_of: dict[int, set[int]]) -> str:
    """`positive`, `negative` or `neither`; the anchor is an action region."""
    if not entry.exists or entry is anchor:
        return "neither"
    same_video = entry.video == anchor.video
    if entry.is_action:
        if entry.cluster == anchor.cluster:
            return "positive"
        lacks = anchor.cluster not in clusters_of[entry.video]
        return "negative" if not same_video and lacks else "neither"
    return "negative" if not same_video or entry.cluster == anchor.cluster else "neither"


def contrast(
    anchor: Entry, entries: list[Entry], clusters_of: dict[int, set[int]], temperature: float
) -> float | None:
    """Loss of one anchor; none without a positive."""
    sums = {"positive": 0.0, "negative": 0.0, "neither": 0.0}
    for entry in entries:
        similarity = sum(anchor.vector * entry.vector)
        sums[relation(anchor, entry, clusters_of)] += math.exp(similarity / temperature)
    if not sums["positive"]:
        return None
    return -math.log(sums["positive"] / (sums["positive"] + sums["negative"]))
