"""How much of each action lies in each snippet, snippet by snippet."""

import math

import numpy as np


def overlap(low: float, high: float, start: float, end: float) -> float:
    return max(0.0, min(high, end) - max(low, start))


def action_weights(
    length: int,
    instances: list[tuple[int, float, float]],
    *,
    num_classes: int,
    phases: int,
    phase_change: float,
    context: float,
    around: list[tuple[float, float]],
    bends: list[float],
    strengths: list[float],
) -> tuple[np.ndarray, np.ndarray]:
    """Instances are (class, start, end) in snippets; returns weights and the share of action."""
    seen = np.zeros((length, num_classes, phases))
    share = np.zeros(length)
    for t in range(length):
        inside = [overlap(t, t + 1, start, end) for _, start, end in instances]
        near = [
            overlap(t, t + 1, start - before, start) + overlap(t, t + 1, end, end + after)
            for (_, start, end), (before, after) in zip(instances, around, strict=True)
        ]
        crowd = max(1.0, sum(inside))
        inside = [part / crowd for part in inside]
        free = 1 - sum(inside)
        squeeze = min(1.0, free / sum(near)) if sum(near) > 0 else 0.0
        for i, (label, start, end) in enumerate(instances):
            part = inside[i] + context * squeeze * near[i]
            share[t] += part
            middle = (max(t, start) + min(t + 1, end)) / 2
            position = min(max((middle - start) / (end - start), 0.0), 1.0) ** bends[i]
            position *= phases - 1
            first = min(int(position), phases - 1)
            second = min(first + 1, phases - 1)
            late = position - first if second > first else 0.0
            size = math.sqrt((1 - late) ** 2 + late**2 + 2 * late * (1 - late) * (1 - phase_change))
            seen[t, label, first] += part * strengths[i] * (1 - late) / size
            seen[t, label, second] += part * strengths[i] * late / size
    return seen.reshape(length, -1), share
