"""HC-UTAL's losses written as plainly as possible: slow and obvious."""

import math

import numpy as np


def cosine(a: np.ndarray, b: np.ndarray) -> float:
    return float(a @ b) / math.sqrt(float(a @ a) * float(b @ b))


def one_way(first: np.ndarray, second: np.ndarray, t: float) -> list[float]:
    """Contrast of each row, from the first view to the second."""
    losses = []
    for i in range(len(first)):
        positive = math.exp(cosine(first[i], second[i]) / t)
        negatives = 0.0
        for j in range(len(first)):
            if j != i:
                negatives += math.exp(cosine(first[i], second[j]) / t)
                negatives += math.exp(cosine(first[i], first[j]) / t)
        losses.append(-math.log(positive / (positive + negatives)))
    return losses


def horizontal(first: np.ndarray, second: np.ndarray, t: float) -> list[float]:
    there, back = one_way(first, second, t), one_way(second, first, t)
    return [(a + b) / 2 for a, b in zip(there, back, strict=True)]


def entropy(assignment: np.ndarray) -> float:
    """Of the mean over the videos."""
    shares = [float(column.mean()) for column in assignment.T]
    return -sum(share * math.log(share) for share in shares if share)


def vertical(first: np.ndarray, second: np.ndarray, t: float) -> float:
    contrast = horizontal(first.T, second.T, t)
    return sum(contrast) / len(contrast) - entropy(first) - entropy(second)


def instances(
    descriptors: np.ndarray, targets: np.ndarray, t: float
) -> dict[tuple[int, int], float]:
    """Loss of every (cluster, anchor) that has a video to go to and one to leave."""
    losses = {}
    for cluster in range(targets.shape[1]):
        members = [n for n in range(len(targets)) if targets[n, cluster] > 0]
        others = [n for n in range(len(targets)) if not targets[n, cluster] > 0]
        for anchor in members:
            near = [cosine(descriptors[anchor], descriptors[n]) for n in members if n != anchor]
            if near and others:
                positive = math.exp(max(near) / t)
                negative = sum(
                    math.exp(cosine(descriptors[anchor], descriptors[n]) / t) for n in others
                )
                losses[cluster, anchor] = -math.log(positive / (positive + negative))
    return losses


def weights(history: list[list[float]], window: int, t: float) -> list[list[float]]:
    """Dynamic weights at every step of a history of losses."""
    found = []
    for step in range(len(history)):
        ended = step // window  # windows that are over before this step
        if ended < 2:
            found.append([1.0] * len(history[0]))
            continue
        means = [
            np.mean(history[number * window : (number + 1) * window], axis=0)
            for number in (ended - 2, ended - 1)
        ]
        raised = [math.exp(last / before / t) for before, last in zip(*means, strict=True)]
        found.append([len(raised) * value / sum(raised) for value in raised])
    return found


def attended_halves(attention: list[float], ratio: int) -> tuple[list[int], list[int], list[int]]:
    """The most attended snippets in time: all, those of the first half and of the second."""
    count = max(1, len(attention) // ratio)
    best = sorted(range(len(attention)), key=lambda t: (-attention[t], t))[:count]
    chosen = sorted(best)
    if count == 1:
        return chosen, chosen, chosen
    return chosen, chosen[: count // 2], chosen[count // 2 :]
