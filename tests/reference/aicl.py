"""AICL's sets and losses written as plainly as possible: slow and obvious, one video at a time."""

import math
from collections.abc import Sequence

import numpy as np


def votes(
    class_aware: Sequence[float], class_agnostic: Sequence[float], *, median_is_action: bool
) -> list[int]:
    found = []
    for time in range(len(class_aware)):
        count = 0
        for branch in (class_aware, class_agnostic):
            median = float(np.median(branch))
            count += branch[time] > median or (median_is_action and branch[time] == median)
        found.append(count)
    return found


def top_members(values: np.ndarray, ratio: int) -> np.ndarray:
    """Of [time, cluster]."""
    members = np.zeros(values.shape, bool)
    for cluster in range(values.shape[1]):
        ranked = sorted(range(len(values)), key=lambda t: -values[t, cluster])
        for time in ranked[: max(1, len(values) // ratio)]:
            members[time, cluster] = True
    return members


def generalised_cross_entropy(
    probability: Sequence[float], is_positive: Sequence[bool], exponent: float
) -> float:
    positive = [
        (1 - (p + 1e-7) ** exponent) / exponent
        for p, yes in zip(probability, is_positive, strict=True)
        if yes
    ]
    negative = [
        (1 - (1 - p + 1e-7) ** exponent) / exponent
        for p, yes in zip(probability, is_positive, strict=True)
        if not yes
    ]
    return sum(sum(kind) / len(kind) for kind in (positive, negative) if kind)


def cosine(one: np.ndarray, other: np.ndarray) -> float:
    return float(one @ other / math.sqrt(one @ one) / math.sqrt(other @ other))


def contrast(
    query: np.ndarray, positive: np.ndarray, negatives: Sequence[np.ndarray], temperature: float
) -> float:
    own = math.exp(cosine(query, positive) / temperature)
    others = [math.exp(cosine(query, negative) / temperature) for negative in negatives]
    return -math.log(own / (own + sum(others)))


def consistency_contrast(
    embedding: np.ndarray,
    actionness: Sequence[float],
    votes: Sequence[int],
    *,
    ratio: int,
    temperature: float,
) -> float:
    count = max(1, len(votes) // ratio)

    def chosen(number: int, sign: int) -> list[np.ndarray]:
        times = [time for time in range(len(votes)) if votes[time] == number]
        times.sort(key=lambda time: -sign * actionness[time])
        return [embedding[time] for time in times[:count]]

    sets = {"CA": chosen(2, 1), "CB": chosen(0, -1), "IA": chosen(1, 1), "IB": chosen(1, -1)}
    total = 0.0
    for query, positive, negatives in (
        ("IA", "CA", "CB"),
        ("IB", "CB", "CA"),
        ("CA", "IA", "CB"),
        ("CB", "IB", "CA"),
    ):
        if sets[query] and sets[positive]:
            total += contrast(
                np.mean(sets[query], axis=0),
                np.mean(sets[positive], axis=0),
                sets[negatives],
                temperature,
            )
    return total
