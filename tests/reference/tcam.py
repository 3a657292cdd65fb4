"""TCAM's losses written as plainly as possible: slow and obvious, one video at a time."""

import math
from collections.abc import Sequence

import numpy as np


def cosine_distance(one: np.ndarray, other: np.ndarray) -> float:
    return 1 - float(one @ other) / math.sqrt(float(one @ one) * float(other @ other))


def cross_entropy(probability: np.ndarray, targets: np.ndarray) -> list[float]:
    """Of each video; a video of m labels counts as m videos of weight 1 / m."""
    losses = []
    for shares, labels in zip(probability, targets, strict=True):
        own = [c for c in range(len(labels)) if labels[c]]
        losses.append(sum(-math.log(shares[c]) for c in own) / len(own))
    return losses


def triplet(
    descriptors: np.ndarray,
    targets: np.ndarray,
    margin: float,
    anchor: int,
    cluster: int,
) -> float | None:
    """Hinge of one anchor in one cluster; `None` where a triplet cannot be formed."""
    if not targets[anchor, cluster]:
        return None
    positives, negatives = [], []
    for video in range(len(descriptors)):
        distance = cosine_distance(descriptors[anchor], descriptors[video])
        if not targets[video, cluster]:
            negatives.append(distance)
        elif video != anchor:
            positives.append(distance)
    if not positives or not negatives:
        return None
    return max(0.0, max(positives) - min(negatives) + margin)


def pooled(weights: Sequence[float], features: np.ndarray) -> np.ndarray:
    return sum(weight * row for weight, row in zip(weights, features, strict=True))


def action(features: np.ndarray, attention: np.ndarray) -> np.ndarray:
    """Of one video for one cluster."""
    return pooled(attention, features)


def background(features: np.ndarray, attention: np.ndarray) -> np.ndarray:
    return pooled([1 - share for share in attention], features) / (len(features) - 1)


def separation(
    videos: Sequence[tuple[np.ndarray, np.ndarray]], inter_margin: float, intra_margin: float
) -> tuple[float, float]:
    """Both losses of one cluster, from the features and attentions of its videos."""
    inter = intra = 0.0
    for m, one in enumerate(videos):
        for n, other in enumerate(videos):
            if m == n:
                continue
            apart = cosine_distance(action(*one), action(*other))
            inter += max(apart - inter_margin, 0.0)
            if len(one[0]) > 1:
                own = cosine_distance(action(*one), background(*one))
                intra += max(apart - own + intra_margin, 0.0)
    return inter, intra
