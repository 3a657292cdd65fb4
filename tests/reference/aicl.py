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
    length = math.sqrt(one @ one) * math.sqrt(other @ other)
    return float(one @ other / length) if length else 0.0


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


def sigmoid(value: float) -> float:
    return 1 / (1 + math.exp(-value))


def terms(
    logits: np.ndarray,
    actionness: np.ndarray,
    embeddings: Sequence[np.ndarray],
    labels: Sequence[int],
    *,
    top_ratio: int,
    ratio: int,
) -> dict[str, float]:
    """The released weights on one video: [time, cluster], [time, stream], [time, width] each."""
    times, clusters = range(len(logits)), range(logits.shape[1])
    streams = range(actionness.shape[1])
    exponentials = np.exp(logits)
    fused = np.zeros(logits.shape)
    for time in times:
        for cluster in clusters:
            share = exponentials[time, cluster] / exponentials[time].sum()
            fused[time, cluster] = (share + actionness[time].sum()) / (1 + len(streams))
    members = top_members(fused, top_ratio)
    pooled = [float(logits[members[:, cluster], cluster].mean()) for cluster in clusters]
    total = sum(math.exp(value) for value in pooled)
    is_action = [any(members[time, cluster] for cluster in labels) for time in times]
    sums = [float(logits[time].sum()) for time in times]
    means = [float(actionness[time].mean()) for time in times]
    judged = votes(sums, means, median_is_action=False)
    return {
        "classification": -sum(math.log(math.exp(pooled[c]) / total) for c in labels) / len(labels),
        "actionness": sum(
            generalised_cross_entropy(actionness[:, stream].tolist(), is_action, 0.7)
            for stream in streams
        ),
        "streams": 5 * float(np.mean((actionness[:, 0] - actionness[:, 1]) ** 2)),
        "branches": 0.1 * float(np.mean([(sigmoid(sums[t]) - means[t]) ** 2 for t in times])),
        "contrast": 0.01
        * sum(
            consistency_contrast(embedding, sums, judged, ratio=ratio, temperature=0.1)
            for embedding in embeddings
        ),
    }
