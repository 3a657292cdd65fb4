"""FEEL's re-ranking of one centre at a time, written as plainly as possible: slow and obvious.

Point 0 is the centre, point i + 1 is video i. Everything is recomputed for every centre.
"""

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True, eq=False, slots=True)
class Reranked:
    """What one centre gets: distances to all videos, and the steps on the way."""

    euclid: np.ndarray  # [video] squared distance over the largest one
    jaccard: np.ndarray  # [video]
    reciprocal: set[int]  # of the centre, in pooled numbers
    expanded: set[int]
    plain_encoding: np.ndarray  # [pooled] the centre's, before averaging over its neighbours
    encoding: np.ndarray


def rerank_one(
    descriptors: np.ndarray,
    centre: np.ndarray,
    num_reciprocal: int = 20,
    num_expansion: int = 6,
    strict: bool = False,
) -> Reranked:
    points = np.concatenate([centre[None], descriptors]).astype(np.float64)
    squared = np.stack([((points - point) ** 2).sum(axis=1) for point in points])
    largest = squared.max(axis=1, keepdims=True)
    euclid = np.divide(squared, largest, out=np.zeros_like(squared), where=largest > 0)
    near = [ranking(squared, point) for point in range(len(points))]

    base = [mutual(near, point, num_reciprocal) for point in range(len(points))]
    small = [mutual(near, point, round(num_reciprocal / 2)) for point in range(len(points))]
    large = [expand(base[point], small, strict) for point in range(len(points))]

    plain = np.zeros_like(squared)
    for point, members in enumerate(large):
        for other in members:
            plain[point, other] = np.exp(-euclid[point, other])
        plain[point] /= plain[point].sum()
    encoding = np.stack([plain[near[point][:num_expansion]].mean(0) for point in range(len(plain))])

    smaller = np.minimum(encoding[0], encoding[1:]).sum(axis=1)
    larger = np.maximum(encoding[0], encoding[1:]).sum(axis=1)
    return Reranked(euclid[0, 1:], 1 - smaller / larger, base[0], large[0], plain[0], encoding[0])


def ranking(squared: np.ndarray, point: int) -> list[int]:
    """All points by distance, itself first, ties by number: the centre before videos.

    Ten digits: the mean of two videos is equally far from both, but for rounding.
    """
    near = [float(f"{distance:.10g}") for distance in squared[point]]
    return sorted(range(len(near)), key=lambda other: (other != point, near[other], other))


def mutual(near: list[list[int]], point: int, size: int) -> set[int]:
    return {other for other in near[point][: size + 1] if point in near[other][: size + 1]}


def expand(members: set[int], small: list[set[int]], strict: bool) -> set[int]:
    result = set(members)
    for member in members:
        shared, whole = 3 * len(members & small[member]), 2 * len(small[member])
        if shared > whole or (shared == whole and not strict):
            result |= small[member]
    return result
