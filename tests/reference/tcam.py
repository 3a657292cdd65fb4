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
