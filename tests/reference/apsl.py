"""APSL's losses and snippet sets written as plainly as possible: slow and obvious."""

import math

import numpy as np


def magnitude_separation(action: np.ndarray, background: np.ndarray, margin: float) -> list[float]:
    """Of each video, from its sets of snippets [video, snippet, width]."""
    losses = []
    for sure_action, sure_background in zip(action, background, strict=True):
        long = math.sqrt(sum(x * x for x in sure_action.mean(axis=0)))
        short = math.sqrt(sum(x * x for x in sure_background.mean(axis=0)))
        losses.append((max(0.0, margin - long) + short) ** 2)
    return losses


def regions(binary: list[bool], window: int, wide: int) -> tuple[list[bool], list[bool]]:
    """Just inside and just outside a boundary, snippet by snippet; nothing lies beyond the ends."""

    def at(t: int) -> bool:
        return 0 <= t < len(binary) and binary[t]

    def eroded(t: int, w: int) -> bool:
        return all(at(t - w // 2 + k) for k in range(w))

    def dilated(t: int, w: int) -> bool:
        return any(at(t + w // 2 - k) for k in range(w))

    inside = [eroded(t, window) and not eroded(t, wide) for t in range(len(binary))]
    outside = [dilated(t, wide) and not dilated(t, window) for t in range(len(binary))]
    return inside, outside


def mined(
    actionness: list[float],
    *,
    num_easy: int,
    num_hard: int,
    window: int,
    wide: int,
    threshold: float | None,
) -> tuple[list[int], list[int], list[int], list[int]]:
    """Snippets of one video: easy action, easy background, hard action, hard background."""
    if threshold is None:
        binary = [value > float(np.median(actionness)) for value in actionness]
    else:
        binary = [1 / (1 + math.exp(-value)) > threshold for value in actionness]
    inside, outside = regions(binary, window, wide)
    times = range(len(actionness))
    highest = max(actionness)
    return (
        sorted(times, key=lambda t: -actionness[t])[:num_easy],
        sorted(times, key=lambda t: -(highest - actionness[t]))[:num_easy],
        sorted(times, key=lambda t: -actionness[t] * inside[t])[:num_hard],
        sorted(times, key=lambda t: -actionness[t] * outside[t])[:num_hard],
    )


def contrast(query: np.ndarray, positive: np.ndarray, negatives: np.ndarray, t: float) -> float:
    """InfoNCE of one query on unit vectors."""

    def cosine(a: np.ndarray, b: np.ndarray) -> float:
        return float(a @ b / np.sqrt((a @ a) * (b @ b)))

    attract = math.exp(cosine(query, positive) / t)
    repel = sum(math.exp(cosine(query, negative) / t) for negative in negatives)
    return -math.log(attract / (attract + repel))


def triplets(descriptors: np.ndarray, targets: np.ndarray, margin: float) -> list[float]:
    """Hinge of every (cluster, anchor) that has a positive and a negative."""
    unit = descriptors / np.linalg.norm(descriptors, axis=1, keepdims=True)
    hinges = []
    for cluster in range(targets.shape[1]):
        members = [n for n in range(len(unit)) if targets[n, cluster]]
        others = [n for n in range(len(unit)) if not targets[n, cluster]]
        for anchor in members:
            positives = [1 - unit[anchor] @ unit[n] for n in members if n != anchor]
            negatives = [1 - unit[anchor] @ unit[n] for n in others]
            if positives and negatives:
                hinges.append(max(0.0, max(positives) - min(negatives) + margin))
    return hinges
